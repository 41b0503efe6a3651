
/*
 * A document that the scanner has accepted, read once more by a walk that is
 * as simple as can be: in one piece, and for valid JSON only.
 */


#ifndef _FUZZ_TREE_H_INCLUDED_
#define _FUZZ_TREE_H_INCLUDED_


#include <stddef.h>


typedef struct fuzz_node_s  fuzz_node_t;

struct fuzz_node_s {
    /* the first byte of the value, '0' for any number */
    char          type;
    unsigned      depth;

    /* what the document has, without the quotes of a string */
    const char   *text;
    size_t        length;

    /* the same of the name; NULL where it is no member */
    const char   *name;
    size_t        name_length;

    /* both decoded; a number has its text, other scalars have none */
    const char   *decoded_name;
    const char   *decoded;

    unsigned      nchildren;
    fuzz_node_t  *children;
    fuzz_node_t  *next;
};


typedef struct {
    fuzz_node_t  *root;
    unsigned      max_depth;
    int           has_repeats;

    /* the mended document, and what holds the rest */
    char         *text;
    size_t        length;
    char         *decoded;
    fuzz_node_t  *nodes;
    size_t        nnodes;
} fuzz_tree_t;


/*
 * Makes of each escape what the envelope has for it, by the rules that
 * mspwh_scanner.h states; the length stays the same.
 */
void fuzz_mend(char *text, size_t length);

/* whether this is a number, by the grammar of RFC 8259, section 6 */
int fuzz_is_number(const char *text, size_t length);

/* "text" is mended; the tree points into a copy of it */
void fuzz_tree_parse(fuzz_tree_t *tree, const char *text, size_t length);
void fuzz_tree_free(fuzz_tree_t *tree);


#endif /* _FUZZ_TREE_H_INCLUDED_ */
