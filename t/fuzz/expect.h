
/*
 * The event in a document, by the contract, found in the tree.
 */


#ifndef _FUZZ_EXPECT_H_INCLUDED_
#define _FUZZ_EXPECT_H_INCLUDED_


#include "mspwh_event.h"
#include "tree.h"


#define FUZZ_POINTERS  16


/* the pointers' texts, null-terminated; a role with none goes by name */

typedef struct {
    unsigned      npointers;
    const char   *pointers[FUZZ_POINTERS];
} fuzz_role_t;


/*
 * Checks the event that was found, or the error, against the document.  With
 * roles, "values" has the pointers of what is asked for beside them.
 */
void fuzz_expect_event(const mspwh_event_t *event, mspwh_event_error_e error,
    const fuzz_tree_t *tree, const fuzz_role_t *roles,
    const fuzz_role_t *values);


#endif /* _FUZZ_EXPECT_H_INCLUDED_ */
