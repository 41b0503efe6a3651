
#include "check.h"
#include "tree.h"

#include <string.h>


typedef struct {
    fuzz_tree_t  *tree;
    const char   *p;
    const char   *end;
    char         *decoded;
    unsigned      depth;
} fuzz_walk_t;


static int fuzz_hex(const char *p, const char *end);
static void fuzz_put_hex(char *p, int code);
static fuzz_node_t *fuzz_walk_value(fuzz_walk_t *walk);
static void fuzz_walk_children(fuzz_walk_t *walk, fuzz_node_t *node);
static void fuzz_walk_scalar(fuzz_walk_t *walk, fuzz_node_t *node);
static void fuzz_walk_string(fuzz_walk_t *walk, const char **text,
    size_t *length, const char **decoded);
static void fuzz_walk_space(fuzz_walk_t *walk);
static void fuzz_walk_char(fuzz_walk_t *walk, char ch);
static const char *fuzz_decode(fuzz_walk_t *walk, const char *p,
    const char *end);
static char *fuzz_put_utf8(char *dst, int code);
static int fuzz_repeats(const fuzz_node_t *object);


void
fuzz_mend(char *text, size_t length)
{
    int    code, low;
    char  *p, *end;

    end = text + length;

    for (p = text; p < end; p++) {

        if (*p != '\\') {
            continue;
        }

        code = fuzz_hex(p, end);

        if (code == -1) {
            /* the next byte begins no escape */
            p++;
            continue;
        }

        low = fuzz_hex(p + 6, end);

        if (code >= 0xd800 && code <= 0xdbff
            && low >= 0xdc00 && low <= 0xdfff)
        {
            fuzz_put_hex(p, code);
            fuzz_put_hex(p + 6, low);
            p += 11;
            continue;
        }

        if (code >= 0xd800 && code <= 0xdfff) {
            code = 0xfffd;
        }

        fuzz_put_hex(p, code == 0 ? 1 : code);
        p += 5;
    }
}


/* the code of the \u escape that is here, or -1 */

static int
fuzz_hex(const char *p, const char *end)
{
    char  digits[5];

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }

    memcpy(digits, p + 2, 4);
    digits[4] = '\0';

    if (strspn(digits, "0123456789abcdefABCDEF") != 4) {
        return -1;
    }

    return (int) strtol(digits, NULL, 16);
}


static void
fuzz_put_hex(char *p, int code)
{
    char  digits[16];

    snprintf(digits, sizeof(digits), "%04x", (unsigned) code);
    memcpy(p + 2, digits, 4);
}


int
fuzz_is_number(const char *text, size_t length)
{
    int          is_number;
    char        *copy;
    size_t       n;
    const char  *p, *digits = "0123456789";

    p = copy = fuzz_string(text, length);

    p += (*p == '-');
    n = (*p == '0') ? 1 : strspn(p, digits);
    p += n;

    if (n > 0 && *p == '.') {
        n = strspn(++p, digits);
        p += n;
    }

    if (n > 0 && (*p == 'e' || *p == 'E')) {
        p++;
        p += (*p == '+' || *p == '-');
        n = strspn(p, digits);
        p += n;
    }

    is_number = (n > 0 && (size_t) (p - copy) == length);

    free(copy);

    return is_number;
}


void
fuzz_tree_parse(fuzz_tree_t *tree, const char *text, size_t length)
{
    fuzz_walk_t  walk;

    memset(tree, 0, sizeof(fuzz_tree_t));

    tree->text = fuzz_copy(text, length);
    tree->length = length;

    /* a value has a byte at least, and another one behind it, or the end */

    tree->nodes = calloc(length + 1, sizeof(fuzz_node_t));
    tree->decoded = malloc(length + 1);
    fuzz_check(tree->nodes != NULL && tree->decoded != NULL, "no memory");

    walk.tree = tree;
    walk.p = tree->text;
    walk.end = tree->text + length;
    walk.decoded = tree->decoded;
    walk.depth = 0;

    tree->root = fuzz_walk_value(&walk);

    fuzz_walk_space(&walk);
    fuzz_check(walk.p == walk.end, "something follows the document");
}


void
fuzz_tree_free(fuzz_tree_t *tree)
{
    free(tree->text);
    free(tree->nodes);
    free(tree->decoded);
}


static fuzz_node_t *
fuzz_walk_value(fuzz_walk_t *walk)
{
    fuzz_node_t  *node;

    fuzz_walk_space(walk);
    fuzz_check(walk->p < walk->end, "the document ends before a value");

    node = &walk->tree->nodes[walk->tree->nnodes++];
    node->type = *walk->p;
    node->depth = walk->depth;

    switch (node->type) {

    case '{':
    case '[':
        fuzz_walk_children(walk, node);
        break;

    case '"':
        fuzz_walk_string(walk, &node->text, &node->length, &node->decoded);
        break;

    default:
        fuzz_walk_scalar(walk, node);
    }

    fuzz_walk_space(walk);

    return node;
}


static void
fuzz_walk_children(fuzz_walk_t *walk, fuzz_node_t *node)
{
    char           last;
    fuzz_node_t   *child, **next;
    const char    *name, *decoded_name;
    size_t         name_length;

    last = (node->type == '{') ? '}' : ']';
    next = &node->children;

    walk->p++;
    walk->depth++;

    if (walk->depth > walk->tree->max_depth) {
        walk->tree->max_depth = walk->depth;
    }

    fuzz_walk_space(walk);

    while (walk->p < walk->end && *walk->p != last) {

        if (node->nchildren++ > 0) {
            fuzz_walk_char(walk, ',');
            fuzz_walk_space(walk);
        }

        name = decoded_name = NULL;
        name_length = 0;

        if (node->type == '{') {
            fuzz_walk_string(walk, &name, &name_length, &decoded_name);
            fuzz_walk_space(walk);
            fuzz_walk_char(walk, ':');
        }

        child = fuzz_walk_value(walk);
        child->name = name;
        child->name_length = name_length;
        child->decoded_name = decoded_name;

        *next = child;
        next = &child->next;
    }

    fuzz_walk_char(walk, last);
    walk->depth--;

    if (node->type == '{' && fuzz_repeats(node)) {
        walk->tree->has_repeats = 1;
    }
}


static void
fuzz_walk_scalar(fuzz_walk_t *walk, fuzz_node_t *node)
{
    node->text = walk->p;

    while (walk->p < walk->end && strchr(" \t\r\n,]}", *walk->p) == NULL) {
        walk->p++;
    }

    node->length = (size_t) (walk->p - node->text);

    if (strchr("tfn", node->type) == NULL) {
        fuzz_check(fuzz_is_number(node->text, node->length),
                   "not a number: %.*s", (int) node->length, node->text);
        node->type = '0';
        node->decoded = fuzz_decode(walk, node->text, walk->p);
    }
}


static void
fuzz_walk_string(fuzz_walk_t *walk, const char **text, size_t *length,
    const char **decoded)
{
    fuzz_walk_char(walk, '"');

    *text = walk->p;

    while (walk->p < walk->end && *walk->p != '"') {
        walk->p += (*walk->p == '\\') ? 2 : 1;
    }

    *length = (size_t) (walk->p - *text);
    *decoded = fuzz_decode(walk, *text, walk->p);

    fuzz_walk_char(walk, '"');
}


static void
fuzz_walk_space(fuzz_walk_t *walk)
{
    while (walk->p < walk->end && *walk->p != '\0'
           && strchr(" \t\r\n", *walk->p) != NULL)
    {
        walk->p++;
    }
}


static void
fuzz_walk_char(fuzz_walk_t *walk, char ch)
{
    fuzz_check(walk->p < walk->end && *walk->p == ch, "no %c at %d", ch,
               (int) (walk->p - walk->tree->text));
    walk->p++;
}


static const char *
fuzz_decode(fuzz_walk_t *walk, const char *p, const char *end)
{
    int           code, low;
    char         *dst;
    const char   *decoded, *which;
    static const char  names[] = "\"\\/bfnrt";
    static const char  values[] = "\"\\/\b\f\n\r\t";

    decoded = dst = walk->decoded;

    for ( /* void */ ; p < end; p++) {

        if (*p != '\\') {
            *dst++ = *p;
            continue;
        }

        code = fuzz_hex(p, end);

        if (code == -1) {
            which = strchr(names, *++p);
            fuzz_check(which != NULL, "an escape of %c", *p);
            *dst++ = values[which - names];
            continue;
        }

        low = fuzz_hex(p + 6, end);
        p += 5;

        if (code >= 0xd800 && code <= 0xdbff) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            p += 6;
        }

        dst = fuzz_put_utf8(dst, code);
    }

    *dst++ = '\0';
    walk->decoded = dst;

    return decoded;
}


static char *
fuzz_put_utf8(char *dst, int code)
{
    if (code < 0x80) {
        *dst++ = (char) code;

    } else if (code < 0x800) {
        *dst++ = (char) (0xc0 | code >> 6);
        *dst++ = (char) (0x80 | (code & 0x3f));

    } else if (code < 0x10000) {
        *dst++ = (char) (0xe0 | code >> 12);
        *dst++ = (char) (0x80 | (code >> 6 & 0x3f));
        *dst++ = (char) (0x80 | (code & 0x3f));

    } else {
        *dst++ = (char) (0xf0 | code >> 18);
        *dst++ = (char) (0x80 | (code >> 12 & 0x3f));
        *dst++ = (char) (0x80 | (code >> 6 & 0x3f));
        *dst++ = (char) (0x80 | (code & 0x3f));
    }

    return dst;
}


static int
fuzz_repeats(const fuzz_node_t *object)
{
    const fuzz_node_t  *one, *two;

    for (one = object->children; one != NULL; one = one->next) {
        for (two = one->next; two != NULL; two = two->next) {
            if (strcmp(one->decoded_name, two->decoded_name) == 0) {
                return 1;
            }
        }
    }

    return 0;
}
