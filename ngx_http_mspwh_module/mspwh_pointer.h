
/*
 * JSON Pointers (RFC 6901), split up once, when the configuration is read.
 */


#ifndef _MSPWH_POINTER_H_INCLUDED_
#define _MSPWH_POINTER_H_INCLUDED_


#include <stddef.h>
#include <cjson/cJSON.h>


#define MSPWH_POINTER_TOKENS    32
#define MSPWH_POINTER_NO_INDEX  ((size_t) -1)


typedef struct {
    const char               *name;
    size_t                    length;

    /* the token as an array index, or MSPWH_POINTER_NO_INDEX */
    size_t                    index;
} mspwh_pointer_token_t;


typedef struct {
    unsigned                  ntokens;
    mspwh_pointer_token_t     tokens[];
} mspwh_pointer_t;


/*
 * Splits the pointer of "length" bytes, which is of UTF-8, is not the empty
 * one (that is the document itself) and has MSPWH_POINTER_TOKENS tokens at
 * most.
 * Sets "*pointer" to NULL where memory fails; it is released with free().
 * Returns 0, or -1 where the text is no such pointer.
 */
int mspwh_pointer_parse(const char *text, size_t length,
    mspwh_pointer_t **pointer);

/*
 * Finds what the pointer names in the tree: the first of several members of
 * one name, with "*ambiguous" set where a later one leads to another value.
 * Returns NULL where nothing is there.
 */
const cJSON *mspwh_pointer_resolve(const mspwh_pointer_t *pointer,
    const cJSON *tree, int *ambiguous);

/*
 * Tells if two items have the same value.  Numbers are strings in the tree
 * (see mspwh_scanner.h) and equal strings of the same digits; containers are
 * never the same.
 */
int mspwh_pointer_same_value(const cJSON *one, const cJSON *two);


#endif /* _MSPWH_POINTER_H_INCLUDED_ */
