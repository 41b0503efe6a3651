
/*
 * A second RFC 8259 parser: jansson.
 */


#ifndef _FUZZ_SECOND_H_INCLUDED_
#define _FUZZ_SECOND_H_INCLUDED_


#include <jansson.h>

#include "tree.h"


/*
 * Parses a mended document.  Returns NULL where jansson refuses it, for any
 * reason but that it has no room for the value of a number: such a number
 * is a zero to it, in the text that it gets as in the tree.
 */
json_t *fuzz_second_parse(const char *text, size_t length);

/* whether the tree is the same, whatever the order of repeated members */
void fuzz_second_compare(const json_t *json, const fuzz_tree_t *tree);


#endif /* _FUZZ_SECOND_H_INCLUDED_ */
