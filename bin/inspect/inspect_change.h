
/*
 * Changes that may undo a common mistake.
 */


#ifndef _INSPECT_CHANGE_H_INCLUDED_
#define _INSPECT_CHANGE_H_INCLUDED_


#include "inspect.h"


typedef struct {
    /*
     * Returns 0, with a new text that the caller frees, or -1 if there is
     * nothing to change.
     */
    int                (*change)(inspect_text_t *to,
                            const inspect_text_t *from);

    const char          *words;
} inspect_change_t;


/* each list ends with an entry without "change" */
extern const inspect_change_t  inspect_secret_changes[];
extern const inspect_change_t  inspect_body_changes[];


int inspect_from_hex(inspect_text_t *to, const inspect_text_t *from);

/* either alphabet, padded or not */
int inspect_from_base64(inspect_text_t *to, const inspect_text_t *from);


#endif /* _INSPECT_CHANGE_H_INCLUDED_ */
