
#include "mspwh_extract.h"
#include "mspwh_text.h"

#include <stdlib.h>
#include <string.h>


static int mspwh_extract_begin(void *data, mspwh_json_type_e type);
static mspwh_json_want_e mspwh_extract_name(void *data, const char *name,
    size_t length);
static size_t mspwh_extract_element(void *data);
static void mspwh_extract_value(void *data, mspwh_json_type_e type,
    const char *text, size_t length);

static unsigned mspwh_extract_find(const mspwh_extract_plan_t *plan,
    const char *name, const char *end);
static int mspwh_extract_spells(const mspwh_extract_plan_t *plan,
    const char *name, const char *end, const char *key);
static void mspwh_extract_keep(mspwh_extract_t *e, unsigned slot,
    mspwh_json_type_e type, const char *text, size_t length);
static int mspwh_extract_is_same(const mspwh_extract_found_t *found,
    mspwh_json_type_e type, const char *text, size_t length);
static cJSON *mspwh_extract_item(mspwh_json_type_e type, const char *text,
    size_t length);


#define MSPWH_EXTRACT_NO_SLOT  MSPWH_POINTER_NO_SLOT

static const mspwh_json_handler_t  mspwh_extract_handler = {
    .begin = mspwh_extract_begin,
    .name = mspwh_extract_name,
    .element = mspwh_extract_element,
    .value = mspwh_extract_value
};


mspwh_extract_plan_t *
mspwh_extract_plan(unsigned nslots)
{
    unsigned               i;
    mspwh_extract_plan_t  *plan;

    plan = calloc(1, sizeof(mspwh_extract_plan_t)
                     + nslots * sizeof(mspwh_extract_slot_t));
    if (plan == NULL) {
        return NULL;
    }

    plan->nslots = nslots;

    for (i = 0; i < nslots; i++) {
        plan->slots[i].same = i;
    }

    for (i = 0; i < 256; i++) {
        plan->folded[i] = (i == '_' || i == '-')
                          ? 0 : (unsigned char) mspwh_to_lower(i);
    }

    plan->root = mspwh_pointer_tree();
    if (plan->root == NULL) {
        free(plan);
        return NULL;
    }

    return plan;
}


void
mspwh_extract_by_name(mspwh_extract_plan_t *plan, unsigned slot,
    const char *name, mspwh_json_want_e want)
{
    plan->slots[slot].key = name;
    plan->slots[slot].want = want;

    plan->letters[name[0] - 'a'] |= (uint16_t) (1u << slot);
    plan->has_names = 1;
}


int
mspwh_extract_by_pointer(mspwh_extract_plan_t *plan, unsigned slot,
    const mspwh_pointer_t *pointer)
{
    mspwh_pointer_node_t  *node;

    node = mspwh_pointer_add(plan->root, pointer);
    if (node == NULL) {
        return -1;
    }

    if (node->slot == MSPWH_EXTRACT_NO_SLOT) {
        node->slot = slot;
    }

    plan->slots[slot].key = pointer->text;
    plan->slots[slot].want = MSPWH_JSON_VALUE;
    plan->slots[slot].same = node->slot;

    return 0;
}


void
mspwh_extract_plan_free(mspwh_extract_plan_t *plan)
{
    if (plan != NULL) {
        mspwh_pointer_tree_free(plan->root);
        free(plan);
    }
}


int
mspwh_extract_init(mspwh_extract_t *e, const mspwh_extract_plan_t *plan)
{
    mspwh_json_init(&e->json, &mspwh_extract_handler, e);

    e->plan = plan;
    e->is_object = 0;
    e->is_out_of_memory = 0;
    e->slot = MSPWH_EXTRACT_NO_SLOT;
    e->node = plan->root;
    e->named = plan->has_names ? 0 : -1;

    e->object = cJSON_CreateObject();
    e->found = calloc(plan->nslots, sizeof(mspwh_extract_found_t));

    if (e->object == NULL || e->found == NULL) {
        mspwh_extract_cleanup(e);
        return -1;
    }

    return 0;
}


void
mspwh_extract_cleanup(mspwh_extract_t *e)
{
    cJSON_Delete(e->object);
    free(e->found);

    e->object = NULL;
    e->found = NULL;
}


void
mspwh_extract_feed(mspwh_extract_t *e, const void *data, size_t length)
{
    mspwh_json_feed(&e->json, data, length);
}


mspwh_json_error_e
mspwh_extract_finish(mspwh_extract_t *e)
{
    return mspwh_json_finish(&e->json);
}


const mspwh_extract_found_t *
mspwh_extract_found(const mspwh_extract_t *e, unsigned slot)
{
    return &e->found[e->plan->slots[slot].same];
}


const char *
mspwh_extract_text(const mspwh_extract_found_t *found)
{
    return (cJSON_IsString(found->item) || cJSON_IsRaw(found->item))
           ? found->item->valuestring : NULL;
}


static int
mspwh_extract_begin(void *data, mspwh_json_type_e type)
{
    mspwh_extract_t  *e = data;

    int                          by_name;
    unsigned                     depth;
    const mspwh_pointer_node_t  *node;

    depth = e->json.depth;

    if (depth == 1) {
        e->is_object = (type == MSPWH_JSON_OBJECT);
    }

    mspwh_extract_value(e, type, NULL, 0);

    /* containers below have been closed */

    if ((int) depth - 1 <= e->named) {
        e->named = (int) depth - (type != MSPWH_JSON_OBJECT);
    }

    by_name = ((int) depth <= e->named);

    if (depth > MSPWH_POINTER_TOKENS) {
        return by_name;
    }

    node = (e->node != NULL && e->node->nchildren > 0) ? e->node : NULL;

    e->nodes[depth] = node;
    e->next[depth] = 0;

    return by_name || node != NULL;
}


static mspwh_json_want_e
mspwh_extract_name(void *data, const char *name, size_t length)
{
    mspwh_extract_t  *e = data;

    int                by_name;
    unsigned           slot, depth;
    mspwh_json_want_e  want;

    e->slot = MSPWH_EXTRACT_NO_SLOT;
    e->node = NULL;

    depth = e->json.depth;
    by_name = ((int) depth <= e->named);
    want = by_name ? MSPWH_JSON_CONTAINER : MSPWH_JSON_SKIP;

    if (name == NULL) {
        return want;
    }

    if (by_name) {
        slot = mspwh_extract_find(e->plan, name, name + length);

        if (slot != MSPWH_EXTRACT_NO_SLOT
            && (e->found[slot].item == NULL || e->found[slot].depth >= depth))
        {
            e->slot = slot;
            want = e->plan->slots[slot].want;
        }
    }

    if (depth <= MSPWH_POINTER_TOKENS && e->nodes[depth] != NULL) {
        e->node = mspwh_pointer_member(e->nodes[depth], name, length);

        if (e->node != NULL) {
            want = MSPWH_JSON_VALUE;
        }
    }

    return want;
}


static size_t
mspwh_extract_element(void *data)
{
    mspwh_extract_t  *e = data;

    size_t                       index, next;
    const mspwh_pointer_node_t  *node;

    node = e->nodes[e->json.depth];
    index = e->next[e->json.depth];
    next = mspwh_pointer_next(node, index);

    if (next == MSPWH_POINTER_NO_INDEX) {
        return MSPWH_JSON_NEVER;
    }

    if (next > index) {
        e->next[e->json.depth] = next;
        return next - index;
    }

    e->slot = MSPWH_EXTRACT_NO_SLOT;
    e->node = mspwh_pointer_element(node, index);
    e->next[e->json.depth] = index + 1;

    return 0;
}


static void
mspwh_extract_value(void *data, mspwh_json_type_e type, const char *text,
    size_t length)
{
    mspwh_extract_t  *e = data;

    if (e->slot != MSPWH_EXTRACT_NO_SLOT) {
        mspwh_extract_keep(e, e->slot, type, text, length);
    }

    if (e->node != NULL && e->node->slot != MSPWH_EXTRACT_NO_SLOT) {
        mspwh_extract_keep(e, e->node->slot, type, text, length);
    }
}


/* returns the slot for a name; the first letter rules out most names */

static unsigned
mspwh_extract_find(const mspwh_extract_plan_t *plan, const char *name,
    const char *end)
{
    unsigned       i, slots;
    unsigned char  first;

    first = 0;

    while (name < end && first == 0) {
        first = plan->folded[(unsigned char) *name++];
    }

    if (!mspwh_is_lower(first)) {
        return MSPWH_EXTRACT_NO_SLOT;
    }

    slots = plan->letters[first - 'a'];

    for (i = 0; slots != 0; i++, slots >>= 1) {
        if ((slots & 1)
            && mspwh_extract_spells(plan, name, end, plan->slots[i].key + 1))
        {
            return i;
        }
    }

    return MSPWH_EXTRACT_NO_SLOT;
}


static int
mspwh_extract_spells(const mspwh_extract_plan_t *plan, const char *name,
    const char *end, const char *key)
{
    unsigned char  ch;

    for ( /* void */ ; name < end; name++) {
        ch = plan->folded[(unsigned char) *name];

        if (ch == 0) {
            continue;
        }

        if (ch != (unsigned char) *key) {
            return 0;
        }

        key++;
    }

    return *key == '\0';
}


static void
mspwh_extract_keep(mspwh_extract_t *e, unsigned slot, mspwh_json_type_e type,
    const char *text, size_t length)
{
    unsigned                depth;
    mspwh_extract_found_t  *found;

    /* the depth already counts an object or an array that has just begun */

    depth = e->json.depth - (type >= MSPWH_JSON_ARRAY);

    found = &e->found[slot];

    if (found->item != NULL && depth >= found->depth) {
        if (depth == found->depth
            && !mspwh_extract_is_same(found, type, text, length))
        {
            found->is_ambiguous = 1;
        }

        return;
    }

    if (found->item != NULL) {
        cJSON_Delete(cJSON_DetachItemViaPointer(e->object, found->item));
    }

    if (e->plan->slots[slot].want < MSPWH_JSON_VALUE
        && type != MSPWH_JSON_NULL)
    {
        type = MSPWH_JSON_TRUE;
    }

    found->item = mspwh_extract_item(type, text, length);
    found->offset = e->json.start;
    found->depth = depth;
    found->is_ambiguous = 0;
    found->has_text = (text != NULL);

    if (found->item == NULL) {
        e->is_out_of_memory = 1;
        return;
    }

    cJSON_AddItemToObjectCS(e->object, e->plan->slots[slot].key, found->item);
}


/* a number equals a string of the same characters */

static int
mspwh_extract_is_same(const mspwh_extract_found_t *found,
    mspwh_json_type_e type, const char *text, size_t length)
{
    const char  *kept;

    switch (type) {

    case MSPWH_JSON_NULL:
        return cJSON_IsNull(found->item);

    case MSPWH_JSON_FALSE:
        return cJSON_IsFalse(found->item);

    case MSPWH_JSON_TRUE:
        return cJSON_IsTrue(found->item);

    case MSPWH_JSON_ARRAY:
    case MSPWH_JSON_OBJECT:
        return 0;

    default: /* MSPWH_JSON_NUMBER, MSPWH_JSON_STRING */
        kept = mspwh_extract_text(found);

        return kept != NULL && text != NULL && found->has_text
               && strlen(kept) == length && memcmp(kept, text, length) == 0;
    }
}


static cJSON *
mspwh_extract_item(mspwh_json_type_e type, const char *text, size_t length)
{
    char  copy[MSPWH_JSON_TEXT + 1];

    switch (type) {

    case MSPWH_JSON_NULL:
        return cJSON_CreateNull();

    case MSPWH_JSON_FALSE:
        return cJSON_CreateFalse();

    case MSPWH_JSON_TRUE:
        return cJSON_CreateTrue();

    case MSPWH_JSON_ARRAY:
        return cJSON_CreateArray();

    case MSPWH_JSON_OBJECT:
        return cJSON_CreateObject();

    default: /* MSPWH_JSON_NUMBER, MSPWH_JSON_STRING */
        if (text == NULL) {
            return cJSON_CreateString("");
        }

        memcpy(copy, text, length);
        copy[length] = '\0';

        return (type == MSPWH_JSON_NUMBER) ? cJSON_CreateRaw(copy)
                                           : cJSON_CreateString(copy);
    }
}
