
/*
 * The input is lines of JSON pointers, an empty line, and a document.  For
 * each input:
 *
 *   - a line is a pointer if it is one by RFC 6901, is UTF-8 without null
 *     characters and has 1 to 32 tokens; the tokens are those of the line;
 *   - a pointer or a name finds the same value, ambiguous or not, as a search
 *     in cJSON's tree of the whole document;
 *   - fed in any pieces, it gives the same values and the same event;
 *   - ids and types have the right form; without an event, they are empty;
 *   - the same members inside another object make the same event.
 *
 * cJSON keeps numbers as doubles, so it gets strings of their characters, with
 * a mark in front, and the mended document (fuzz_mend).
 */


#include "check.h"
#include "mspwh_event.h"
#include "mspwh_text.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>


#define FUZZ_POINTERS  12
#define FUZZ_MARK      '\xff'


typedef struct {
    unsigned              npointers;
    mspwh_pointer_t      *pointers[FUZZ_POINTERS];

    /* all pointers are values; the roles have them, too, or none */
    mspwh_fields_t        fields;
    mspwh_event_plan_t   *plan;
} fuzz_input_t;


/* what the search has found so far */

typedef struct {
    const cJSON          *item;
    unsigned              depth;
    int                   is_ambiguous;
} fuzz_search_t;


static void fuzz_line(fuzz_input_t *input, const char *line, size_t length);
static int fuzz_is_pointer(const char *text, size_t length);
static void fuzz_tokens(const mspwh_pointer_t *pointer, const char *text);
static void fuzz_plan(fuzz_input_t *input, int has_roles);
static void fuzz_document(fuzz_input_t *input, const uint8_t *data,
    size_t size);
static void fuzz_same_event(fuzz_input_t *input, const uint8_t *data,
    size_t size, int way, mspwh_event_error_e error,
    const mspwh_event_t *event);
static mspwh_event_error_e fuzz_event(mspwh_event_t *event,
    mspwh_extract_t *extract, fuzz_input_t *input, const uint8_t *data,
    size_t size, int way);
static void fuzz_form(const mspwh_event_t *event, mspwh_event_error_e error);
static void fuzz_compare(fuzz_input_t *input, const mspwh_extract_t *extract,
    const char *text, size_t length);
static void fuzz_found(const mspwh_extract_found_t *found,
    const fuzz_search_t *search, const mspwh_extract_slot_t *slot);
static cJSON *fuzz_cjson(const char *text, size_t length);
static void fuzz_by_name(fuzz_search_t *search, const cJSON *object,
    const char *name, unsigned depth);
static void fuzz_by_pointer(fuzz_search_t *search, const cJSON *item,
    const mspwh_pointer_t *pointer, unsigned step);
static void fuzz_another(fuzz_search_t *search, const cJSON *item,
    unsigned depth);
static const char *fuzz_text(const cJSON *item);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             has_roles;
    const char     *p, *end, *next;
    fuzz_input_t    input;

    memset(&input, 0, sizeof(fuzz_input_t));

    p = (const char *) data;
    end = p + size;

    for ( /* void */ ; p < end && *p != '\n'; p = next + 1) {
        next = memchr(p, '\n', (size_t) (end - p));
        next = next ? next : end;
        fuzz_line(&input, p, (size_t) (next - p));
    }

    for (has_roles = 0; has_roles < 2 && p < end; has_roles++) {
        fuzz_plan(&input, has_roles);
        fuzz_document(&input, (const uint8_t *) p + 1,
                      (size_t) (end - p - 1));
        mspwh_event_plan_free(input.plan);
    }

    while (input.npointers > 0) {
        free(input.pointers[--input.npointers]);
    }

    return 0;
}


static void
fuzz_line(fuzz_input_t *input, const char *line, size_t length)
{
    int               rc;
    char             *copy;
    mspwh_pointer_t  *pointer;

    copy = fuzz_copy(line, length);
    rc = mspwh_pointer_parse(copy, length, &pointer);
    free(copy);

    fuzz_check((rc == 0) == fuzz_is_pointer(line, length), "%d for %.*s", rc,
               (int) length, line);
    fuzz_check((rc == 0) == (pointer != NULL), "%d without a pointer", rc);

    if (rc != 0) {
        return;
    }

    fuzz_check(strlen(pointer->text) == length
               && memcmp(pointer->text, line, length) == 0,
               "another text: %s", pointer->text);
    fuzz_tokens(pointer, pointer->text);

    if (input->npointers == FUZZ_POINTERS) {
        free(pointer);
        return;
    }

    input->pointers[input->npointers++] = pointer;
}


static int
fuzz_is_pointer(const char *text, size_t length)
{
    size_t    i;
    json_t   *json;
    unsigned  tokens;

    /* jansson's strings are UTF-8 only */

    json = json_stringn(text, length);
    if (json == NULL || memchr(text, '\0', length) != NULL) {
        json_decref(json);
        return 0;
    }

    json_decref(json);

    for (i = 0, tokens = 0; i < length; i++) {
        tokens += (text[i] == '/');

        if (text[i] == '~'
            && (length - i < 2 || memchr("01", text[i + 1], 2) == NULL))
        {
            return 0;
        }
    }

    return length > 0 && text[0] == '/' && tokens <= MSPWH_POINTER_TOKENS;
}


/* joined again, the tokens are the text */

static void
fuzz_tokens(const mspwh_pointer_t *pointer, const char *text)
{
    char                          digits[32];
    size_t                        n;
    unsigned                      i;
    const mspwh_pointer_token_t  *t;

    for (i = 0; i < pointer->ntokens; i++) {
        t = &pointer->tokens[i];

        fuzz_check(*text++ == '/', "a token too many");

        for (n = 0; n < t->length; n++, text++) {
            if (t->name[n] == '~' || t->name[n] == '/') {
                fuzz_check(*text++ == '~', "no escape for %c", t->name[n]);
            }

            fuzz_check(*text == (t->name[n] == '~' ? '0'
                                 : t->name[n] == '/' ? '1' : t->name[n]),
                       "a token with %c", t->name[n]);
        }

        fuzz_check(t->name[n] == '\0', "a token without an end");

        snprintf(digits, sizeof(digits), "%lu",
                 strtoul(t->name, NULL, 10) % 1000000000);
        fuzz_check(t->index == (strcmp(digits, t->name) == 0
                                ? strtoul(digits, NULL, 10)
                                : MSPWH_POINTER_NO_INDEX),
                   "index %zu for %s", t->index, t->name);
    }

    fuzz_check(*text == '\0', "no token for %s", text);
}


static void
fuzz_plan(fuzz_input_t *input, int has_roles)
{
    unsigned       i, n;
    mspwh_role_t  *role;

    memset(&input->fields, 0, sizeof(mspwh_fields_t));

    for (i = 0, n = 0; i < MSPWH_ROLES && has_roles; i++) {
        role = &input->fields.roles[i];
        role->pointers = &input->pointers[n];
        role->npointers = (input->npointers - n) / (MSPWH_ROLES - i);
        n += role->npointers;
    }

    input->fields.nvalues = input->npointers;
    input->fields.values = input->pointers;

    input->plan = mspwh_event_plan(&input->fields);
    fuzz_check(input->plan != NULL, "no memory");
}


static void
fuzz_document(fuzz_input_t *input, const uint8_t *data, size_t size)
{
    int                   way;
    char                 *text;
    mspwh_event_t         event;
    mspwh_extract_t       extract;
    mspwh_event_error_e   error;

    error = fuzz_event(&event, &extract, input, data, size, 0);
    fuzz_form(&event, error);

    for (way = 1; way < 3; way++) {
        fuzz_same_event(input, data, size, way, error, &event);
    }

    /* only without pointers or a mark: that would be one name too many */

    if (input->npointers == 0 && extract.is_object && data[0] != 0xef
        && extract.json.error == MSPWH_JSON_OK)
    {
        text = fuzz_memory(size + 64);
        sprintf(text, "{\"x\":[{\"entityId\":0}],\"y\":");
        way = (int) strlen(text);
        memcpy(text + way, data, size);
        text[way + (int) size] = '}';

        fuzz_same_event(input, (uint8_t *) text, (size_t) way + size + 1, 2,
                        error, &event);
        free(text);
    }

    mspwh_event_cleanup(&event);
    mspwh_extract_cleanup(&extract);

    if (extract.json.error != MSPWH_JSON_OK) {
        return;
    }

    text = fuzz_copy(data, size);
    fuzz_mend(text, size);

    fuzz_event(&event, &extract, input, (uint8_t *) text, size, 2);
    fuzz_compare(input, &extract, text, size);

    mspwh_event_cleanup(&event);
    mspwh_extract_cleanup(&extract);
    free(text);
}


static void
fuzz_same_event(fuzz_input_t *input, const uint8_t *data, size_t size,
    int way, mspwh_event_error_e error, const mspwh_event_t *event)
{
    mspwh_event_t         again;
    mspwh_extract_t       extract;
    mspwh_event_error_e   same;

    same = fuzz_event(&again, &extract, input, data, size, way);

    /* one more level may be one too many */

    if (extract.json.error != MSPWH_JSON_TOO_DEEP) {
        fuzz_check(same == error, "%s, not %s", mspwh_event_strerror(same),
                   mspwh_event_strerror(error));

        fuzz_check(strcmp(event->type, again.type) == 0
                   && strcmp(event->type_raw, again.type_raw) == 0
                   && strcmp(event->entity_id, again.entity_id) == 0
                   && strcmp(event->ticket_id, again.ticket_id) == 0
                   && event->entity == again.entity
                   && event->action == again.action
                   && event->anomalies == again.anomalies,
                   "%s (%s) %s %s, not %s (%s) %s %s", again.type,
                   again.type_raw, again.entity_id, again.ticket_id,
                   event->type, event->type_raw, event->entity_id,
                   event->ticket_id);
    }

    mspwh_event_cleanup(&again);
    mspwh_extract_cleanup(&extract);
}


static void
fuzz_extract_feed(void *to, const void *data, size_t length)
{
    mspwh_extract_feed(to, data, length);
}


/* a document that is rejected has no event either */

static mspwh_event_error_e
fuzz_event(mspwh_event_t *event, mspwh_extract_t *extract,
    fuzz_input_t *input, const uint8_t *data, size_t size, int way)
{
    mspwh_event_error_e  error;

    fuzz_check(mspwh_extract_init(extract, input->plan->extract) == 0,
               "no memory");
    fuzz_feed(fuzz_extract_feed, extract, data, size, way);

    if (mspwh_extract_finish(extract) != MSPWH_JSON_OK) {
        extract->is_object = 0;
    }

    error = mspwh_event_read(event, extract, input->plan);
    fuzz_check(error != MSPWH_EVENT_NO_MEMORY, "no memory");

    return error;
}


static void
fuzz_form(const mspwh_event_t *event, mspwh_event_error_e error)
{
    const char  *p, *meant;

    fuzz_check((error == MSPWH_EVENT_OK) == (event->type[0] != '\0')
               && (error == MSPWH_EVENT_OK) == (event->type_raw[0] != '\0'),
               "type %s with error %d", event->type, error);

    fuzz_check(error == MSPWH_EVENT_OK
               || (event->entity_id[0] == '\0' && event->ticket_id[0] == '\0'
                   && event->anomalies == 0 && event->storage == NULL),
               "an event in spite of error %d", error);

    fuzz_check((event->entity_id[0] == '\0'
                || mspwh_event_is_id(event->entity_id,
                                     strlen(event->entity_id)))
               && (event->ticket_id[0] == '\0'
                   || mspwh_event_is_id(event->ticket_id,
                                        strlen(event->ticket_id))),
               "ids %s, %s", event->entity_id, event->ticket_id);

    fuzz_check(error != MSPWH_EVENT_OK
               || mspwh_event_type_pattern(event->type, &meant) == 0
               || meant != NULL, "no type: %s", event->type);

    for (p = event->type; *p != '\0'; p++) {
        fuzz_check(islower((unsigned char) *p) || isdigit((unsigned char) *p)
                   || *p == '.' || *p == '%', "no type: %s", event->type);
    }
}


/* compares everything that was found with a search in cJSON's tree */

static void
fuzz_compare(fuzz_input_t *input, const mspwh_extract_t *extract,
    const char *text, size_t length)
{
    cJSON                       *tree;
    unsigned                     i, n;
    fuzz_search_t                search;
    const mspwh_extract_slot_t  *slot;

    tree = fuzz_cjson(text, length);
    fuzz_check(tree != NULL, "cJSON refuses it");

    for (i = 0; i < extract->plan->nslots; i++) {
        slot = &extract->plan->slots[i];

        if (slot->key == NULL) {
            continue;
        }

        memset(&search, 0, sizeof(fuzz_search_t));

        if (slot->key[0] != '/') {
            fuzz_by_name(&search, tree, slot->key, 1);

        } else {
            n = i - input->plan->pointers[0];
            n = (i < input->plan->values) ? n : i - input->plan->values;
            fuzz_by_pointer(&search, tree, input->pointers[n], 0);
        }

        fuzz_found(mspwh_extract_found(extract, i), &search, slot);
    }

    cJSON_Delete(tree);
}


static void
fuzz_found(const mspwh_extract_found_t *found, const fuzz_search_t *search,
    const mspwh_extract_slot_t *slot)
{
    const char  *one, *two;

    fuzz_check((found->item == NULL) == (search->item == NULL),
               "%s: found or not", slot->key);

    if (found->item == NULL || slot->want == MSPWH_JSON_TYPE) {
        fuzz_check(cJSON_IsNull(found->item) == cJSON_IsNull(search->item),
                   "%s: null or not", slot->key);
        return;
    }

    one = mspwh_extract_text(found);
    two = fuzz_text(search->item);

    fuzz_check((one == NULL) == (two == NULL)
               && found->depth == search->depth
               && found->is_ambiguous == (unsigned) search->is_ambiguous,
               "%s: %d", slot->key, search->is_ambiguous);

    fuzz_check(one == NULL
               ? (found->item->type & 0xff) == search->item->type
               : strcmp(one, strlen(two) > MSPWH_JSON_TEXT ? "" : two) == 0,
               "%s: %s, not %s", slot->key, one, two);
}


static cJSON *
fuzz_cjson(const char *text, size_t length)
{
    int      is_string;
    char    *copy, *p;
    cJSON   *tree;
    size_t   i;

    p = copy = fuzz_memory(length * 4 + 4);

    for (i = 0, is_string = 0; i < length; i++) {

        if (text[i] == '"') {
            is_string = !is_string;

        } else if (is_string && text[i] == '\\') {
            *p++ = text[i++];

        } else if (!is_string && (text[i] == '-' || isdigit(text[i]))) {
            *p++ = '"';
            *p++ = FUZZ_MARK;

            for ( /* void */ ; i < length; i++) {
                if (!isdigit(text[i]) && !memchr("+-.eE", text[i], 5)) {
                    break;
                }

                *p++ = text[i];
            }

            *p++ = '"';
            i--;
            continue;
        }

        *p++ = text[i];
    }

    tree = cJSON_ParseWithLength(copy, (size_t) (p - copy));
    free(copy);

    return tree;
}


/* finds the shallowest members of a name in nested objects */

static void
fuzz_by_name(fuzz_search_t *search, const cJSON *object, const char *name,
    unsigned depth)
{
    const char   *p, *q;
    const cJSON  *child;

    if (!cJSON_IsObject(object)) {
        return;
    }

    cJSON_ArrayForEach(child, object) {

        for (p = child->string, q = name; *p != '\0'; p++) {
            if (*p != '_' && *p != '-'
                && tolower((unsigned char) *p) != *q++)
            {
                break;
            }
        }

        if (*p == '\0' && *q == '\0'
            && strlen(child->string) <= MSPWH_JSON_TEXT)
        {
            fuzz_another(search, child, depth);
        }

        fuzz_by_name(search, child, name, depth + 1);
    }
}


/* finds all members of a name, as JSON allows repeated names */

static void
fuzz_by_pointer(fuzz_search_t *search, const cJSON *item,
    const mspwh_pointer_t *pointer, unsigned step)
{
    size_t                        i;
    const cJSON                  *child;
    const mspwh_pointer_token_t  *token;

    if (step == pointer->ntokens) {
        fuzz_another(search, item, step);
        return;
    }

    token = &pointer->tokens[step];
    i = 0;

    cJSON_ArrayForEach(child, item) {
        if (cJSON_IsObject(item)
            ? strcmp(child->string, token->name) == 0
              && token->length <= MSPWH_JSON_TEXT
            : i++ == token->index)
        {
            fuzz_by_pointer(search, child, pointer, step + 1);
        }
    }
}


static void
fuzz_another(fuzz_search_t *search, const cJSON *item, unsigned depth)
{
    const char  *one, *two;

    if (search->item == NULL || depth < search->depth) {
        search->item = item;
        search->depth = depth;
        search->is_ambiguous = 0;
        return;
    }

    if (depth > search->depth) {
        return;
    }

    one = fuzz_text(search->item);
    two = fuzz_text(item);

    search->is_ambiguous |= (one != NULL && two != NULL)
                            ? strlen(one) > MSPWH_JSON_TEXT
                              || strcmp(one, two) != 0
                            : search->item->type != item->type
                              || cJSON_IsArray(item) || cJSON_IsObject(item);
}


/* returns the text of a string or a number, or NULL */

static const char *
fuzz_text(const cJSON *item)
{
    return !cJSON_IsString(item)
           ? NULL : item->valuestring + (item->valuestring[0] == FUZZ_MARK);
}
