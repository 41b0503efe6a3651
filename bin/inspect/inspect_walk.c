
#include "inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/*
 * The pointer grows and shrinks as containers open and close:
 *
 *     /AdditionalFields/3/Value
 *     ^                ^ ^
 *     ends[1]    ends[2] ends[3]
 */

typedef struct {
    mspwh_json_t         json;

    inspect_visit_pt     visit;
    void                *data;

    char                *pointer;
    size_t               length;
    size_t               size;

    /* at each depth: where the container's pointer ends, the next index */
    size_t               ends[MSPWH_JSON_DEPTH + 1];
    size_t               next[MSPWH_JSON_DEPTH + 1];
} inspect_walk_t;


static int inspect_begin(void *data, mspwh_json_type_e type);
static mspwh_json_want_e inspect_name(void *data, const char *name,
    size_t length);
static size_t inspect_element(void *data);
static void inspect_value(void *data, mspwh_json_type_e type,
    const char *text, size_t length);
static void inspect_put(inspect_walk_t *walk, const char *text,
    size_t length);


static const mspwh_json_handler_t  inspect_handler = {
    .begin = inspect_begin,
    .name = inspect_name,
    .element = inspect_element,
    .value = inspect_value
};


void
inspect_walk(const void *document, size_t length, inspect_visit_pt visit,
    void *data)
{
    inspect_walk_t  walk;

    memset(&walk, 0, sizeof(inspect_walk_t));

    walk.visit = visit;
    walk.data = data;

    inspect_put(&walk, "", 0);

    mspwh_json_init(&walk.json, &inspect_handler, &walk);
    mspwh_json_feed(&walk.json, document, length);
    (void) mspwh_json_finish(&walk.json);

    free(walk.pointer);
}


static int
inspect_begin(void *data, mspwh_json_type_e type)
{
    inspect_walk_t  *walk = data;

    inspect_value(walk, type, NULL, 0);

    walk->ends[walk->json.depth] = walk->length;
    walk->next[walk->json.depth] = 0;

    return walk->json.depth <= MSPWH_POINTER_TOKENS;
}


/* no pointer can have a name that is not a C string */

static mspwh_json_want_e
inspect_name(void *data, const char *name, size_t length)
{
    inspect_walk_t  *walk = data;

    size_t  i;

    if (name == NULL) {
        return MSPWH_JSON_SKIP;
    }

    walk->length = walk->ends[walk->json.depth];

    inspect_put(walk, "/", 1);

    for (i = 0; i < length; i++) {
        if (name[i] == '~') {
            inspect_put(walk, "~0", 2);

        } else if (name[i] == '/') {
            inspect_put(walk, "~1", 2);

        } else {
            inspect_put(walk, &name[i], 1);
        }
    }

    return MSPWH_JSON_VALUE;
}


static size_t
inspect_element(void *data)
{
    inspect_walk_t  *walk = data;

    int   length;
    char  index[32];

    walk->length = walk->ends[walk->json.depth];

    length = snprintf(index, sizeof(index), "/%zu",
                      walk->next[walk->json.depth]++);

    inspect_put(walk, index, (size_t) length);

    return 0;
}


static void
inspect_value(void *data, mspwh_json_type_e type, const char *text,
    size_t length)
{
    inspect_walk_t  *walk = data;

    inspect_value_t  value;

    value.pointer = walk->pointer;
    value.type = type;
    value.offset = walk->json.start;
    value.text = text;
    value.length = length;

    walk->visit(walk->data, &value);
}


static void
inspect_put(inspect_walk_t *walk, const char *text, size_t length)
{
    if (walk->size - walk->length <= length) {
        walk->size = 2 * (walk->length + length) + 64;
        walk->pointer = inspect_realloc(walk->pointer, walk->size);
    }

    memcpy(walk->pointer + walk->length, text, length);

    walk->length += length;
    walk->pointer[walk->length] = '\0';
}
