
/*
 * JSON Pointers (RFC 6901), which are split once, when the configuration is
 * read, and put into a tree that follows all of them at the same time.
 */


#ifndef _MSPWH_POINTER_H_INCLUDED_
#define _MSPWH_POINTER_H_INCLUDED_


#include <stddef.h>


#define MSPWH_POINTER_TOKENS    32
#define MSPWH_POINTER_NO_INDEX  ((size_t) -1)
#define MSPWH_POINTER_NO_SLOT   ((unsigned) -1)


typedef struct {
    const char                *name;
    size_t                     length;

    /* the token as an array index, or MSPWH_POINTER_NO_INDEX */
    size_t                     index;
} mspwh_pointer_token_t;


typedef struct {
    /* as it was written, null-terminated */
    const char                *text;

    unsigned                   ntokens;
    mspwh_pointer_token_t      tokens[];
} mspwh_pointer_t;


/*
 * A node stands for a value in a document, and its children for the members
 * or elements of that value that pointers lead to or through.  The root
 * stands for the document.
 */

typedef struct mspwh_pointer_node_s  mspwh_pointer_node_t;

struct mspwh_pointer_node_s {
    /* NULL for the root */
    const mspwh_pointer_token_t  *token;

    /* the user's slot of a pointer that ends here, or MSPWH_POINTER_NO_SLOT */
    unsigned                      slot;

    /* sorted by the length of their names, then by the bytes */
    unsigned                      nchildren;
    mspwh_pointer_node_t        **children;
};


/*
 * Splits a pointer of "length" bytes.  It must be UTF-8 without null
 * characters, have from one to MSPWH_POINTER_TOKENS tokens (none would stand
 * for the whole document), and have "~" only in "~0" and "~1".
 *
 * Returns 0, or -1 if the text is not such a pointer; then "*pointer" is NULL.
 * It is also NULL if memory fails.  The caller releases it with free().
 */
int mspwh_pointer_parse(const char *text, size_t length,
    mspwh_pointer_t **pointer);

/*
 * Create an empty tree, and release a tree with all its nodes.  The first
 * returns NULL if memory fails; the second accepts NULL.
 */
mspwh_pointer_node_t *mspwh_pointer_tree(void);
void mspwh_pointer_tree_free(mspwh_pointer_node_t *root);

/*
 * Adds a pointer, which has to outlive the tree.  Returns the node for it,
 * the same for equal pointers, or NULL if memory fails.
 */
mspwh_pointer_node_t *mspwh_pointer_add(mspwh_pointer_node_t *root,
    const mspwh_pointer_t *pointer);

/*
 * Return the child for a member of an object or an element of an array, or
 * NULL if no pointer leads there.
 */
mspwh_pointer_node_t *mspwh_pointer_member(const mspwh_pointer_node_t *node,
    const char *name, size_t length);
mspwh_pointer_node_t *mspwh_pointer_element(const mspwh_pointer_node_t *node,
    size_t index);

/*
 * Returns the lowest index that is at least "index" and has a child, or
 * MSPWH_POINTER_NO_INDEX.
 */
size_t mspwh_pointer_next(const mspwh_pointer_node_t *node, size_t index);


#endif /* _MSPWH_POINTER_H_INCLUDED_ */
