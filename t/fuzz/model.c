
#include "check.h"
#include "model.h"

#include <string.h>


static void fuzz_model_value(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match, mspwh_scanner_keep_e keep);
static void fuzz_model_array(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match);
static void fuzz_model_object(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match);
static void fuzz_model_member(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match);
static uint64_t fuzz_model_match(fuzz_model_t *model, uint64_t match,
    unsigned step, const char *name, size_t length, size_t index);
static void fuzz_model_string(fuzz_model_t *model, const char *text,
    size_t length);
static void fuzz_model_put(fuzz_model_t *model, const void *data,
    size_t length);


static const char  fuzz_mark[] = { (char) MSPWH_SCANNER_MARK };


void
fuzz_model(fuzz_model_t *model, const fuzz_tree_t *tree,
    const mspwh_scanner_pointers_t *pointers, mspwh_scanner_keep_pt ask)
{
    uint64_t  match;

    /* a number may be of one byte, and has three more: quotes and mark */

    model->envelope = malloc(tree->length * 4);
    fuzz_check(model->envelope != NULL, "no memory");

    model->length = 0;
    model->least = 0;
    model->pointers = pointers;
    model->ask = ask;

    match = (pointers && pointers->npointers > 0)
            ? ~(uint64_t) 0 >> (64 - pointers->npointers) : 0;

    fuzz_model_value(model, tree->root, match, MSPWH_SCANNER_VALUE);
}


void
fuzz_model_free(fuzz_model_t *model)
{
    free(model->envelope);
}


/* "match" has the pointers whose first tokens lead to this value */

static void
fuzz_model_value(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match, mspwh_scanner_keep_e keep)
{
    size_t  before;

    switch (node->type) {

    case '{':
        fuzz_model_object(model, node, match);
        break;

    case '[':
        fuzz_model_array(model, node, match);
        break;

    case '"':
        fuzz_model_put(model, "\"", 1);
        before = model->length;
        fuzz_model_string(model, node->text, node->length);

        if (keep == MSPWH_SCANNER_PRESENCE) {
            model->length = before;
        }

        fuzz_model_put(model, "\"", 1);
        break;

    case '0':
        fuzz_model_put(model, "\"", 1);
        fuzz_model_put(model, fuzz_mark, 1);
        fuzz_model_put(model, node->text, node->length);
        fuzz_model_put(model, "\"", 1);
        break;

    default:
        fuzz_model_put(model, node->text, node->length);
    }
}


static void
fuzz_model_array(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match)
{
    int                     is_entered;
    size_t                  i;
    fuzz_node_t            *child;
    const mspwh_pointer_t  *pointer;

    is_entered = 0;

    for (i = 0; i < MSPWH_SCANNER_POINTERS; i++) {
        if (match >> i & 1) {
            pointer = model->pointers->pointers[i];

            is_entered |= (pointer->ntokens > node->depth
                           && pointer->tokens[node->depth].index
                              != MSPWH_POINTER_NO_INDEX);
        }
    }

    fuzz_model_put(model, "[", 1);

    for (i = 0, child = node->children; child != NULL && is_entered;
         i++, child = child->next)
    {
        if (i > 0) {
            fuzz_model_put(model, ",", 1);
        }

        fuzz_model_value(model, child,
                         fuzz_model_match(model, match, node->depth, NULL, 0,
                                          i),
                         MSPWH_SCANNER_VALUE);
    }

    fuzz_model_put(model, "]", 1);
}


static void
fuzz_model_object(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match)
{
    fuzz_node_t  *child;

    fuzz_model_put(model, "{", 1);

    for (child = node->children; child != NULL; child = child->next) {
        fuzz_model_member(model, child, match);
    }

    fuzz_model_put(model, "}", 1);
}


static void
fuzz_model_member(fuzz_model_t *model, const fuzz_node_t *node,
    uint64_t match)
{
    int                   is_escaped;
    size_t                before, length;
    const char           *name;
    mspwh_scanner_keep_e  keep;

    before = model->length;

    if (model->envelope[before - 1] != '{') {
        fuzz_model_put(model, ",", 1);
    }

    is_escaped = (memchr(node->name, '\\', node->name_length) != NULL);
    name = node->name;
    length = node->name_length;

    if (length > MSPWH_SCANNER_STRING) {
        name = fuzz_mark;
        length = 1;
    }

    fuzz_model_put(model, "\"", 1);
    fuzz_model_put(model, name, length);
    fuzz_model_put(model, "\":", 2);

    /* a name with an escape may be any, and is not decoded to find out */

    keep = (model->ask == NULL || is_escaped) ? MSPWH_SCANNER_VALUE
                                              : model->ask(name, length);

    fuzz_model_value(model, node,
                     fuzz_model_match(model, match, node->depth - 1,
                                      is_escaped ? NULL : name, length,
                                      MSPWH_POINTER_NO_INDEX),
                     keep);

    if (keep == MSPWH_SCANNER_NOTHING
        && node->type != '{' && node->type != '[')
    {
        model->length = before;
    }
}


/*
 * Those of the pointers that go on to a member or an element; without either
 * the member may have any name.
 */

static uint64_t
fuzz_model_match(fuzz_model_t *model, uint64_t match, unsigned step,
    const char *name, size_t length, size_t index)
{
    int                           found;
    size_t                        i;
    uint64_t                      next;
    const mspwh_pointer_token_t  *token;

    for (i = 0, next = 0; i < MSPWH_SCANNER_POINTERS; i++) {

        if ((match >> i & 1) == 0
            || model->pointers->pointers[i]->ntokens <= step)
        {
            continue;
        }

        token = &model->pointers->pointers[i]->tokens[step];

        if (index != MSPWH_POINTER_NO_INDEX) {
            found = (token->index == index);

        } else {
            found = (name == NULL
                     || (token->length == length
                         && memcmp(token->name, name, length) == 0));
        }

        next |= (uint64_t) found << i;
    }

    return next;
}


static void
fuzz_model_string(fuzz_model_t *model, const char *text, size_t length)
{
    if (length <= MSPWH_SCANNER_STRING) {
        fuzz_model_put(model, text, length);
    }
}


/* what is taken back later counts as well */

static void
fuzz_model_put(fuzz_model_t *model, const void *data, size_t length)
{
    memcpy(model->envelope + model->length, data, length);

    model->length += length;
    model->least += length;
}
