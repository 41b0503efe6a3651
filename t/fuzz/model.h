
/*
 * The envelope of a document, made at once from its tree, by the rules that
 * mspwh_scanner.h states.
 */


#ifndef _FUZZ_MODEL_H_INCLUDED_
#define _FUZZ_MODEL_H_INCLUDED_


#include "mspwh_scanner.h"
#include "tree.h"


typedef struct {
    char                            *envelope;
    size_t                           length;

    /* the least limit with which there is an envelope */
    size_t                           least;

    const mspwh_scanner_pointers_t  *pointers;
    mspwh_scanner_keep_pt            ask;
} fuzz_model_t;


/* "pointers" and "ask" may be NULL */
void fuzz_model(fuzz_model_t *model, const fuzz_tree_t *tree,
    const mspwh_scanner_pointers_t *pointers, mspwh_scanner_keep_pt ask);
void fuzz_model_free(fuzz_model_t *model);


#endif /* _FUZZ_MODEL_H_INCLUDED_ */
