
#include "mspwh_pointer.h"
#include "mspwh_text.h"

#include <stdlib.h>
#include <string.h>


static size_t mspwh_pointer_count(const char *text, size_t length);
static void mspwh_pointer_split(mspwh_pointer_t *pointer, const char *text,
    const char *end);
static char *mspwh_pointer_unescape(char *dst, const char *token,
    const char *end);
static size_t mspwh_pointer_index(const char *name, size_t length);
static mspwh_pointer_node_t *mspwh_pointer_child(mspwh_pointer_node_t *node,
    const mspwh_pointer_token_t *token);
static unsigned mspwh_pointer_place(const mspwh_pointer_node_t *node,
    const char *name, size_t length);
static int mspwh_pointer_order(const mspwh_pointer_token_t *token,
    const char *name, size_t length);


int
mspwh_pointer_parse(const char *text, size_t length,
    mspwh_pointer_t **pointer)
{
    size_t            n;
    mspwh_pointer_t  *ptr;

    *pointer = NULL;

    n = mspwh_pointer_count(text, length);

    if (n == 0 || n > MSPWH_POINTER_TOKENS
        || memchr(text, '\0', length) != NULL
        || !mspwh_text_is_utf8(text, length))
    {
        return -1;
    }

    /* after the tokens come their names, each with a null, then the text */

    ptr = calloc(1, sizeof(mspwh_pointer_t)
                    + n * sizeof(mspwh_pointer_token_t) + 2 * (length + 1));
    if (ptr == NULL) {
        return 0;
    }

    ptr->ntokens = (unsigned) n;
    ptr->text = memcpy((char *) &ptr->tokens[n] + length + 1, text, length);
    mspwh_pointer_split(ptr, text, text + length);

    *pointer = ptr;

    return 0;
}


/* returns the number of tokens, or 0 if the text is empty or no pointer */

static size_t
mspwh_pointer_count(const char *text, size_t length)
{
    size_t  i, n;

    if (length == 0 || text[0] != '/') {
        return 0;
    }

    n = 0;

    for (i = 0; i < length; i++) {
        if (text[i] == '/') {
            n++;
        }

        if (text[i] == '~'
            && (i + 1 == length || (text[i + 1] != '0' && text[i + 1] != '1')))
        {
            return 0;
        }
    }

    return n;
}


static void
mspwh_pointer_split(mspwh_pointer_t *pointer, const char *text,
    const char *end)
{
    char                   *name, *last;
    const char             *p, *next;
    mspwh_pointer_token_t  *token;

    name = (char *) &pointer->tokens[pointer->ntokens];
    token = pointer->tokens;

    for (p = text; p < end; p = next) {
        next = memchr(p + 1, '/', (size_t) (end - p - 1));
        if (next == NULL) {
            next = end;
        }

        last = mspwh_pointer_unescape(name, p + 1, next);

        token->name = name;
        token->length = (size_t) (last - name);
        token->index = mspwh_pointer_index(name, token->length);
        token++;

        name = last + 1;
    }
}


static char *
mspwh_pointer_unescape(char *dst, const char *token, const char *end)
{
    while (token < end) {
        if (*token == '~') {
            token++;
            *dst++ = (*token == '0') ? '~' : '/';

        } else {
            *dst++ = *token;
        }

        token++;
    }

    *dst = '\0';

    return dst;
}


static size_t
mspwh_pointer_index(const char *name, size_t length)
{
    size_t  i, index;

    /* nine digits at most: no body has more elements */

    if (length == 0 || length > 9 || (length > 1 && name[0] == '0')) {
        return MSPWH_POINTER_NO_INDEX;
    }

    index = 0;

    for (i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return MSPWH_POINTER_NO_INDEX;
        }

        index = index * 10 + (size_t) (name[i] - '0');
    }

    return index;
}


mspwh_pointer_node_t *
mspwh_pointer_tree(void)
{
    mspwh_pointer_node_t  *root;

    root = calloc(1, sizeof(mspwh_pointer_node_t));

    if (root != NULL) {
        root->slot = MSPWH_POINTER_NO_SLOT;
    }

    return root;
}


void
mspwh_pointer_tree_free(mspwh_pointer_node_t *root)
{
    unsigned  i;

    if (root == NULL) {
        return;
    }

    for (i = 0; i < root->nchildren; i++) {
        mspwh_pointer_tree_free(root->children[i]);
    }

    free(root->children);
    free(root);
}


mspwh_pointer_node_t *
mspwh_pointer_add(mspwh_pointer_node_t *root, const mspwh_pointer_t *pointer)
{
    unsigned               i;
    mspwh_pointer_node_t  *node;

    node = root;

    for (i = 0; i < pointer->ntokens && node != NULL; i++) {
        node = mspwh_pointer_child(node, &pointer->tokens[i]);
    }

    return node;
}


static mspwh_pointer_node_t *
mspwh_pointer_child(mspwh_pointer_node_t *node,
    const mspwh_pointer_token_t *token)
{
    unsigned                i;
    mspwh_pointer_node_t   *child, **children;

    child = mspwh_pointer_member(node, token->name, token->length);
    if (child != NULL) {
        return child;
    }

    children = realloc(node->children, (node->nchildren + 1)
                                       * sizeof(mspwh_pointer_node_t *));
    if (children == NULL) {
        return NULL;
    }

    node->children = children;

    child = mspwh_pointer_tree();
    if (child == NULL) {
        return NULL;
    }

    child->token = token;

    i = mspwh_pointer_place(node, token->name, token->length);

    memmove(&children[i + 1], &children[i],
            (node->nchildren - i) * sizeof(mspwh_pointer_node_t *));

    children[i] = child;
    node->nchildren++;

    return child;
}


mspwh_pointer_node_t *
mspwh_pointer_member(const mspwh_pointer_node_t *node, const char *name,
    size_t length)
{
    unsigned                i;
    mspwh_pointer_node_t   *child;

    if (node->children == NULL) {
        return NULL;
    }

    i = mspwh_pointer_place(node, name, length);

    if (i == node->nchildren) {
        return NULL;
    }

    child = node->children[i];

    return (mspwh_pointer_order(child->token, name, length) == 0) ? child
                                                                  : NULL;
}


/* returns the first child that is not before this name */

static unsigned
mspwh_pointer_place(const mspwh_pointer_node_t *node, const char *name,
    size_t length)
{
    unsigned  low, high, i;

    for (low = 0, high = node->nchildren; low < high; /* void */ ) {
        i = (low + high) / 2;

        if (mspwh_pointer_order(node->children[i]->token, name, length) < 0) {
            low = i + 1;

        } else {
            high = i;
        }
    }

    return low;
}


static int
mspwh_pointer_order(const mspwh_pointer_token_t *token, const char *name,
    size_t length)
{
    if (token->length != length) {
        return (token->length < length) ? -1 : 1;
    }

    return memcmp(token->name, name, length);
}


mspwh_pointer_node_t *
mspwh_pointer_element(const mspwh_pointer_node_t *node, size_t index)
{
    unsigned  i;

    for (i = 0; i < node->nchildren; i++) {
        if (node->children[i]->token->index == index) {
            return node->children[i];
        }
    }

    return NULL;
}


size_t
mspwh_pointer_next(const mspwh_pointer_node_t *node, size_t index)
{
    size_t    next, at;
    unsigned  i;

    next = MSPWH_POINTER_NO_INDEX;

    for (i = 0; i < node->nchildren; i++) {
        at = node->children[i]->token->index;

        if (at >= index && at < next) {
            next = at;
        }
    }

    return next;
}
