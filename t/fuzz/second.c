
#include "check.h"
#include "second.h"

#include <errno.h>
#include <math.h>
#include <string.h>


static int fuzz_second_patch(char *text, size_t length, size_t end);
static void fuzz_second_value(const json_t *json, const fuzz_node_t *node);
static void fuzz_second_number(const json_t *json, const fuzz_node_t *node);
static void fuzz_second_object(const json_t *json, const fuzz_node_t *node);
static const fuzz_node_t *fuzz_same_name(const fuzz_node_t *from,
    const fuzz_node_t *to, const char *name);


json_t *
fuzz_second_parse(const char *text, size_t length)
{
    char          *copy;
    size_t         i;
    json_t        *json;
    json_error_t   error;

    copy = fuzz_copy(text, length);

    for (i = 0; i < length; i++) {
        copy[i] = copy[i] ? copy[i] : 1;
    }

    do {
        json = json_loadb(copy, length, JSON_DECODE_ANY, &error);

    } while (json == NULL
             && json_error_code(&error) == json_error_numeric_overflow
             && fuzz_second_patch(copy, length, (size_t) error.position));

    free(copy);

    return json;
}


/* a zero for the number that ends here; 0 where it is not a whole one */

static int
fuzz_second_patch(char *text, size_t length, size_t end)
{
    size_t  start;

    fuzz_check(end > 0 && end <= length, "a number that ends at %zu", end);

    for (start = end; start > 0; start--) {
        if (text[start - 1] == '\0'
            || strchr("+-.eE0123456789", text[start - 1]) == NULL)
        {
            break;
        }
    }

    if (!fuzz_is_number(text + start, end - start)) {
        return 0;
    }

    memset(text + start, ' ', end - start);
    text[start] = '0';

    return 1;
}


void
fuzz_second_compare(const json_t *json, const fuzz_tree_t *tree)
{
    fuzz_second_value(json, tree->root);
}


static void
fuzz_second_value(const json_t *json, const fuzz_node_t *node)
{
    size_t        i;
    fuzz_node_t  *child;

    switch (node->type) {

    case '{':
        fuzz_second_object(json, node);
        break;

    case '[':
        fuzz_check(json_is_array(json)
                   && json_array_size(json) == node->nchildren,
                   "not the same array");

        for (i = 0, child = node->children; child != NULL;
             i++, child = child->next)
        {
            fuzz_second_value(json_array_get(json, i), child);
        }

        break;

    case '"':
        fuzz_check(json_is_string(json)
                   && strcmp(json_string_value(json), node->decoded) == 0,
                   "not the same string: %s", node->decoded);
        break;

    case '0':
        fuzz_second_number(json, node);
        break;

    case 't':
        fuzz_check(json_is_true(json), "not true");
        break;

    case 'f':
        fuzz_check(json_is_false(json), "not false");
        break;

    default:
        fuzz_check(json_is_null(json), "not null");
    }
}


static void
fuzz_second_number(const json_t *json, const fuzz_node_t *node)
{
    char       *text;
    double      real;
    long long   integer;

    text = fuzz_string(node->text, node->length);

    if (strpbrk(text, ".eE") == NULL) {
        errno = 0;
        integer = strtoll(text, NULL, 10);

        fuzz_check(json_is_integer(json)
                   && json_integer_value(json) == (errno ? 0 : integer),
                   "not the same integer: %s", text);

    } else {
        real = strtod(text, NULL);

        fuzz_check(isinf(real) ? json_is_integer(json)
                                 && json_integer_value(json) == 0
                               : json_is_real(json)
                                 && json_real_value(json) == real,
                   "not the same number: %s", text);
    }

    free(text);
}


/*
 * Of repeated members jansson keeps the last one's value, in the place of
 * the first.
 */

static void
fuzz_second_object(const json_t *json, const fuzz_node_t *node)
{
    const char         *name;
    const json_t       *value;
    const fuzz_node_t  *child, *last;

    fuzz_check(json_is_object(json), "no object");

    child = node->children;

    json_object_foreach((json_t *) json, name, value) {

        while (child != NULL
               && fuzz_same_name(node->children, child, child->decoded_name))
        {
            child = child->next;
        }

        fuzz_check(child != NULL && strcmp(name, child->decoded_name) == 0,
                   "no member %s", name);

        last = fuzz_same_name(child, NULL, name);
        fuzz_second_value(value, last);

        child = child->next;
    }

    for ( /* void */ ; child != NULL; child = child->next) {
        fuzz_check(fuzz_same_name(node->children, child,
                                  child->decoded_name),
                   "a member too many: %s", child->decoded_name);
    }
}


/* the last member of this name before "to" */

static const fuzz_node_t *
fuzz_same_name(const fuzz_node_t *from, const fuzz_node_t *to,
    const char *name)
{
    const fuzz_node_t  *last;

    for (last = NULL; from != to; from = from->next) {
        if (strcmp(from->decoded_name, name) == 0) {
            last = from;
        }
    }

    return last;
}
