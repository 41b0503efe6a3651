
#include "mspwh_pointer.h"
#include "mspwh_scanner.h"

#include <stdlib.h>
#include <string.h>


typedef struct {
    const mspwh_pointer_t  *pointer;
    const cJSON            *found;
    int                     ambiguous;
} mspwh_pointer_walk_t;


static size_t mspwh_pointer_count(const char *text, size_t length);
static void mspwh_pointer_split(mspwh_pointer_t *pointer, const char *text,
    const char *end);
static char *mspwh_pointer_unescape(char *dst, const char *token,
    const char *end);
static size_t mspwh_pointer_index(const char *name, size_t length);
static void mspwh_pointer_walk(mspwh_pointer_walk_t *walk, const cJSON *item,
    unsigned step);


int
mspwh_pointer_parse(const char *text, size_t length,
    mspwh_pointer_t **pointer)
{
    size_t            n;
    mspwh_pointer_t  *ptr;

    *pointer = NULL;

    n = mspwh_pointer_count(text, length);

    if (n == 0 || n > MSPWH_POINTER_TOKENS
        || !mspwh_scanner_is_utf8(text, length))
    {
        return -1;
    }

    /* the names follow the tokens, each with a null behind it */

    ptr = calloc(1, sizeof(mspwh_pointer_t)
                    + n * sizeof(mspwh_pointer_token_t) + length + 1);
    if (ptr == NULL) {
        return 0;
    }

    ptr->ntokens = (unsigned) n;
    mspwh_pointer_split(ptr, text, text + length);

    *pointer = ptr;

    return 0;
}


/* the number of tokens, or 0 where the text is no pointer, or empty */

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

    /* nine digits: no body holds more elements */

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


const cJSON *
mspwh_pointer_resolve(const mspwh_pointer_t *pointer, const cJSON *tree,
    int *ambiguous)
{
    mspwh_pointer_walk_t  walk;

    walk.pointer = pointer;
    walk.found = NULL;
    walk.ambiguous = 0;

    mspwh_pointer_walk(&walk, tree, 0);

    *ambiguous = walk.ambiguous;

    return walk.found;
}


static void
mspwh_pointer_walk(mspwh_pointer_walk_t *walk, const cJSON *item,
    unsigned step)
{
    size_t                        i;
    const cJSON                  *child;
    const mspwh_pointer_token_t  *token;

    if (step == walk->pointer->ntokens) {
        if (walk->found == NULL) {
            walk->found = item;

        } else if (!mspwh_pointer_same_value(walk->found, item)) {
            walk->ambiguous = 1;
        }

        return;
    }

    token = &walk->pointer->tokens[step];

    if (cJSON_IsArray(item)) {
        i = 0;

        cJSON_ArrayForEach(child, item) {
            if (i++ == token->index) {
                mspwh_pointer_walk(walk, child, step + 1);
                return;
            }
        }

    } else if (cJSON_IsObject(item)) {

        /* all members of that name: JSON does not forbid repeating one */

        cJSON_ArrayForEach(child, item) {
            if (strcmp(child->string, token->name) == 0) {
                mspwh_pointer_walk(walk, child, step + 1);
            }
        }
    }
}


int
mspwh_pointer_same_value(const cJSON *one, const cJSON *two)
{
    if (cJSON_IsString(one) && cJSON_IsString(two)) {
        return strcmp(mspwh_scanner_text(one->valuestring),
                      mspwh_scanner_text(two->valuestring))
               == 0;
    }

    return one->type == two->type
           && !cJSON_IsArray(one) && !cJSON_IsObject(one);
}
