
/*
 * Extracts values by name or by pointer from a document that arrives in
 * pieces.  Memory is bounded by the number of values that are wanted, not by
 * the document.
 */


#ifndef _MSPWH_EXTRACT_H_INCLUDED_
#define _MSPWH_EXTRACT_H_INCLUDED_


#include <cjson/cJSON.h>

#include "mspwh_json.h"
#include "mspwh_pointer.h"


/* the longest name to look for, and the slots that may have names */
#define MSPWH_EXTRACT_NAME   20
#define MSPWH_EXTRACT_NAMES  16


/* one value that is wanted */

typedef struct {
    /* the name or the pointer; NULL if the slot is empty */
    const char                *key;
    mspwh_json_want_e          want;

    /* the first slot with the same pointer, or this one */
    unsigned                   same;
} mspwh_extract_slot_t;


/* all wanted values: made once, read-only from then on */

typedef struct {
    unsigned                   nslots;

    unsigned                   has_names:1;

    /* for each first letter from "a": a bit for each slot with such a name */
    uint16_t                   letters[26];

    /* how each byte of a name is compared: lowercase; 0 for "_" and "-" */
    unsigned char              folded[256];

    mspwh_pointer_node_t      *root;
    mspwh_extract_slot_t       slots[];
} mspwh_extract_plan_t;


typedef struct {
    /*
     * The value, or NULL: a string, a number as a raw item with its exact
     * characters, true, false, null, or an empty object or array.  If there is
     * no text, or it is too long (see mspwh_json.h), an empty string.  If the
     * plan wants no value, true for everything but null.
     */
    cJSON                     *item;

    /* in the document: the value's first byte, its number of containers */
    uint64_t                   offset;
    unsigned                   depth;

    /* another value in its place differs, or cannot be compared */
    unsigned                   is_ambiguous:1;

    unsigned                   has_text:1;
} mspwh_extract_found_t;


typedef struct {
    mspwh_json_t                 json;

    /* a flat object: a member for each slot in which something was found */
    cJSON                       *object;

    /* indexed by slot; use mspwh_extract_found() */
    mspwh_extract_found_t       *found;

    const mspwh_extract_plan_t  *plan;

    unsigned                     is_object:1;
    unsigned                     is_out_of_memory:1;

    /* private from here: the slot and the node of the next value */
    unsigned                     slot;
    const mspwh_pointer_node_t  *node;

    /* for each open container: its node, its next element */
    const mspwh_pointer_node_t  *nodes[MSPWH_POINTER_TOKENS + 1];
    size_t                       next[MSPWH_POINTER_TOKENS + 1];

    /* look for names down to this depth, not in arrays; -1 without names */
    int                          named;
} mspwh_extract_t;


/*
 * Creates a plan for slots from 0 to "nslots" - 1, which are empty.  Returns
 * NULL if memory fails.
 */
mspwh_extract_plan_t *mspwh_extract_plan(unsigned nslots);

/*
 * Wants the shallowest member of this name in nested objects (arrays are not
 * entered).  The name is from 1 to MSPWH_EXTRACT_NAME lowercase letters, and
 * is not copied; in the document, case, "_" and "-" do not count.  "slot" is
 * below MSPWH_EXTRACT_NAMES; "want" is MSPWH_JSON_TYPE or MSPWH_JSON_VALUE.
 */
void mspwh_extract_by_name(mspwh_extract_plan_t *plan, unsigned slot,
    const char *name, mspwh_json_want_e want);

/*
 * Wants the value that a pointer leads to; the pointer has to outlive the
 * plan.  Returns 0, or -1 if memory fails.
 */
int mspwh_extract_by_pointer(mspwh_extract_plan_t *plan, unsigned slot,
    const mspwh_pointer_t *pointer);

/*
 * Releases the plan, but not its pointers.  The plan may be NULL.
 */
void mspwh_extract_plan_free(mspwh_extract_plan_t *plan);


/*
 * Prepares for one document.  The plan has to outlive "extract", which must
 * not be moved.  Returns 0, or -1 if memory fails; mspwh_extract_cleanup()
 * may follow in both cases.
 */
int mspwh_extract_init(mspwh_extract_t *extract,
    const mspwh_extract_plan_t *plan);

/*
 * As mspwh_json_feed() and mspwh_json_finish().  If memory fails,
 * "is_out_of_memory" is set, and values may be missing.
 */
void mspwh_extract_feed(mspwh_extract_t *extract, const void *data,
    size_t length);
mspwh_json_error_e mspwh_extract_finish(mspwh_extract_t *extract);

/*
 * Returns the value of a slot.  It is valid until mspwh_extract_cleanup(), and
 * final after mspwh_extract_finish().
 */
const mspwh_extract_found_t *mspwh_extract_found(
    const mspwh_extract_t *extract, unsigned slot);

/*
 * Returns the text of a string or a number, or NULL for anything else.
 */
const char *mspwh_extract_text(const mspwh_extract_found_t *found);

/*
 * Releases all values.  May be called again.
 */
void mspwh_extract_cleanup(mspwh_extract_t *extract);


#endif /* _MSPWH_EXTRACT_H_INCLUDED_ */
