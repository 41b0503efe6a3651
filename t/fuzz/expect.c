
#include "check.h"
#include "expect.h"
#include "types.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>


/* the first of those found, and whether another has a different value */

typedef struct {
    const fuzz_node_t  *node;
    int                 ambiguous;
} fuzz_found_t;


enum {
    FUZZ_EVENT = MSPWH_ROLES,
    FUZZ_DETAILS,
    FUZZ_DESCRIPTION,
    FUZZ_ADDITIONAL_FIELDS,
    FUZZ_MEMBERS
};


static void fuzz_find(fuzz_found_t *found, const fuzz_tree_t *tree,
    const fuzz_role_t *roles);
static void fuzz_by_name(fuzz_found_t *found, const fuzz_node_t *object,
    const char *name);
static int fuzz_is_name(const fuzz_node_t *node, const char *name);
static void fuzz_by_pointer(fuzz_found_t *found, const fuzz_node_t *node,
    const char *pointer);
static int fuzz_is_token(const fuzz_node_t *child, size_t i,
    const char *token, size_t length);
static void fuzz_another(fuzz_found_t *found, const fuzz_node_t *node);
static const char *fuzz_text(const fuzz_node_t *node);
static int fuzz_is_present(const fuzz_node_t *node);
static int fuzz_is_id(const fuzz_node_t *node);
static int fuzz_has_word(const char *text);
static void fuzz_expect_error(mspwh_event_error_e error,
    const fuzz_tree_t *tree, const fuzz_found_t *found);
static void fuzz_expect_text(const mspwh_event_t *event,
    const fuzz_found_t *found);
static void fuzz_expect_anomalies(const mspwh_event_t *event,
    const fuzz_found_t *found);
static void fuzz_expect_values(const mspwh_event_t *event,
    const fuzz_tree_t *tree, const fuzz_role_t *values);
static const char *fuzz_value(const fuzz_found_t *found);


static const char *const  fuzz_names[FUZZ_MEMBERS] = {
    "eventtype", "entityid", "ticketid", "ticketresponsetypeid", "event",
    "details", "description", "additionalfields"
};


void
fuzz_expect_event(const mspwh_event_t *event, mspwh_event_error_e error,
    const fuzz_tree_t *tree, const fuzz_role_t *roles,
    const fuzz_role_t *values)
{
    fuzz_found_t  found[FUZZ_MEMBERS];

    fuzz_find(found, tree, roles);
    fuzz_expect_error(error, tree, found);

    if (error != MSPWH_EVENT_OK) {
        fuzz_check(event->type[0] == '\0' && event->type_raw[0] == '\0'
                   && event->entity_id[0] == '\0'
                   && event->ticket_id[0] == '\0'
                   && event->entity == MSPWH_ENTITY_UNKNOWN
                   && event->action == MSPWH_ACTION_UNKNOWN
                   && event->anomalies == 0 && event->nvalues == 0,
                   "an event in spite of error %d", error);
        return;
    }

    fuzz_expect_text(event, found);
    fuzz_expect_anomalies(event, found);
    fuzz_expect_values(event, tree, values);
}


static void
fuzz_find(fuzz_found_t *found, const fuzz_tree_t *tree,
    const fuzz_role_t *roles)
{
    unsigned  i, n;

    memset(found, 0, sizeof(fuzz_found_t) * FUZZ_MEMBERS);

    for (i = 0; i < FUZZ_MEMBERS; i++) {
        fuzz_by_name(&found[i], tree->root, fuzz_names[i]);
    }

    if (found[MSPWH_ROLE_EVENT_TYPE].node == NULL) {
        found[MSPWH_ROLE_EVENT_TYPE] = found[FUZZ_EVENT];
    }

    for (i = 0; i < MSPWH_ROLES && roles != NULL; i++) {

        if (roles[i].npointers > 0) {
            memset(&found[i], 0, sizeof(fuzz_found_t));
        }

        for (n = 0; n < roles[i].npointers && !found[i].node; n++) {
            fuzz_by_pointer(&found[i], tree->root, roles[i].pointers[n]);
        }
    }
}


/* the shallowest members of a name in nested objects */

static void
fuzz_by_name(fuzz_found_t *found, const fuzz_node_t *object, const char *name)
{
    fuzz_node_t  *child;

    for (child = object->children; child != NULL; child = child->next) {

        if (child->name == NULL) {
            return;
        }

        if (fuzz_is_name(child, name)) {

            if (found->node != NULL && child->depth < found->node->depth) {
                memset(found, 0, sizeof(fuzz_found_t));
            }

            if (found->node == NULL || child->depth == found->node->depth) {
                fuzz_another(found, child);
            }
        }

        fuzz_by_name(found, child, name);
    }
}


/* without case, "_" and "-" */

static int
fuzz_is_name(const fuzz_node_t *node, const char *name)
{
    const char  *p;

    if (node->name_length > MSPWH_SCANNER_STRING) {
        return 0;
    }

    for (p = node->decoded_name; *p != '\0'; p++) {
        if (*p != '_' && *p != '-'
            && tolower((unsigned char) *p) != (unsigned char) *name++)
        {
            return 0;
        }
    }

    return *name == '\0';
}


/* RFC 6901, with all members of a name that is repeated */

static void
fuzz_by_pointer(fuzz_found_t *found, const fuzz_node_t *node,
    const char *pointer)
{
    size_t        i, length;
    fuzz_node_t  *child;

    if (*pointer == '\0') {
        fuzz_another(found, node);
        return;
    }

    length = strcspn(++pointer, "/");

    for (i = 0, child = node->children; child != NULL;
         i++, child = child->next)
    {
        if (fuzz_is_token(child, i, pointer, length)) {
            fuzz_by_pointer(found, child, pointer + length);
        }
    }
}


/*
 * An element is named by its place, a member by its name, which has "~" and
 * "/" escaped here to be compared.  A name that is too long to be kept has
 * the mark for it, which no UTF-8 text can be.
 */

static int
fuzz_is_token(const fuzz_node_t *child, size_t i, const char *token,
    size_t length)
{
    char         place[32];
    size_t       n;
    const char  *name;

    if (child->name == NULL) {
        n = (size_t) snprintf(place, sizeof(place), "%zu", i);
        return n == length && memcmp(place, token, n) == 0;
    }

    name = (child->name_length > MSPWH_SCANNER_STRING)
           ? "\xff" : child->decoded_name;

    for (n = 0; n < length; n++, name++) {

        if (*name == '~' || *name == '/') {
            if (token[n] != '~' || token[++n] != (*name == '~' ? '0' : '1')) {
                return 0;
            }

            continue;
        }

        if (*name != token[n]) {
            return 0;
        }
    }

    return *name == '\0';
}


static void
fuzz_another(fuzz_found_t *found, const fuzz_node_t *node)
{
    const char         *one, *two;
    const fuzz_node_t  *first;

    first = found->node;

    if (first == NULL) {
        found->node = node;
        return;
    }

    one = fuzz_text(first);
    two = fuzz_text(node);

    if (one != NULL && two != NULL) {
        found->ambiguous |= (strcmp(one, two) != 0);

    } else {
        found->ambiguous |= (first->type != node->type
                             || node->type == '{' || node->type == '[');
    }
}


/* of a string or a number, or NULL */

static const char *
fuzz_text(const fuzz_node_t *node)
{
    if (node == NULL) {
        return NULL;
    }

    return (node->type == '"' && node->length > MSPWH_SCANNER_STRING)
           ? "" : node->decoded;
}


static int
fuzz_is_present(const fuzz_node_t *node)
{
    return node != NULL && node->type != 'n';
}


static int
fuzz_is_id(const fuzz_node_t *node)
{
    size_t       length;
    const char  *text;

    text = fuzz_text(node);

    if (text == NULL) {
        return 0;
    }

    length = strlen(text);

    return length > 0 && length <= 128 && isalnum((unsigned char) text[0])
           && strspn(text, (node->type == '0')
                     ? "0123456789"
                     : "0123456789abcdefghijklmnopqrstuvwxyz"
                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ._~:-")
              == length;
}


static int
fuzz_has_word(const char *text)
{
    for ( /* void */ ; *text != '\0'; text++) {
        if (isalnum((unsigned char) *text) || (*text & 0x80)) {
            return 1;
        }
    }

    return 0;
}


/* there is an error where something is wrong, and it is one that is */

static void
fuzz_expect_error(mspwh_event_error_e error, const fuzz_tree_t *tree,
    const fuzz_found_t *found)
{
    int          i, known, any, wrong[MSPWH_EVENT_AMBIGUOUS + 1];
    const char  *type;

    type = fuzz_text(found[MSPWH_ROLE_EVENT_TYPE].node);
    known = (type != NULL) ? fuzz_type_known(type) : -1;

    memset(wrong, 0, sizeof(wrong));

#define fuzz_is_there(role)  fuzz_is_present(found[MSPWH_ROLE_ ## role].node)
#define fuzz_is_bad(role)                                                     \
    (fuzz_is_there(role) && !fuzz_is_id(found[MSPWH_ROLE_ ## role].node))

    wrong[MSPWH_EVENT_NOT_OBJECT] = (tree->root->type != '{');
    wrong[MSPWH_EVENT_NO_TYPE] = (type == NULL || !fuzz_has_word(type));
    wrong[MSPWH_EVENT_BAD_ENTITY_ID] = fuzz_is_bad(ENTITY_ID);
    wrong[MSPWH_EVENT_BAD_TICKET_ID] = fuzz_is_bad(TICKET_ID);
    wrong[MSPWH_EVENT_NO_ENTITY_ID] = (known != -1
                                       && !fuzz_is_there(ENTITY_ID));
    wrong[MSPWH_EVENT_NO_TICKET_ID] = (known > 2
                                       && !fuzz_is_there(TICKET_ID));

#undef fuzz_is_bad
#undef fuzz_is_there

    for (i = 0; i < MSPWH_ROLES; i++) {
        wrong[MSPWH_EVENT_AMBIGUOUS] |= found[i].ambiguous;
    }

    for (i = 0, any = 0; i <= MSPWH_EVENT_AMBIGUOUS; i++) {
        any |= wrong[i];
    }

    fuzz_check(any ? wrong[error] : error == MSPWH_EVENT_OK,
               "error: %s", mspwh_event_strerror(error));
}


static void
fuzz_expect_text(const mspwh_event_t *event, const fuzz_found_t *found)
{
    int              is_id;
    char            *name;
    const char      *raw, *entity_id, *ticket_id;
    mspwh_action_e   action;
    mspwh_entity_e   entity;

    raw = fuzz_text(found[MSPWH_ROLE_EVENT_TYPE].node);

    fuzz_check(strcmp(event->type_raw, raw) == 0, "%s, not %s",
               event->type_raw, raw);

    name = fuzz_type_name(raw);
    fuzz_type_classify(name, &entity, &action);

    fuzz_check(strcmp(event->type, name) == 0
               && fuzz_type_has_form(event->type), "%s, not %s", event->type,
               name);
    fuzz_check(event->entity == entity && event->action == action,
               "%s: entity %d, action %d", name, event->entity,
               event->action);

    free(name);

    is_id = fuzz_is_present(found[MSPWH_ROLE_ENTITY_ID].node);
    entity_id = is_id ? fuzz_text(found[MSPWH_ROLE_ENTITY_ID].node) : "";

    is_id = fuzz_is_present(found[MSPWH_ROLE_TICKET_ID].node);
    ticket_id = is_id ? fuzz_text(found[MSPWH_ROLE_TICKET_ID].node)
                      : (entity == MSPWH_ENTITY_TICKET) ? entity_id : "";

    fuzz_check(strcmp(event->entity_id, entity_id) == 0, "%s, not %s",
               event->entity_id, entity_id);
    fuzz_check(strcmp(event->ticket_id, ticket_id) == 0, "%s, not %s",
               event->ticket_id, ticket_id);
}


static void
fuzz_expect_anomalies(const mspwh_event_t *event, const fuzz_found_t *found)
{
    int          is_ticket, is_note, is_response, details, description;
    unsigned     set;
    const char  *type;

    if (fuzz_type_known(event->type_raw) == -1) {
        fuzz_check(event->anomalies == 1 << MSPWH_ANOMALY_EVENT_TYPE,
                   "anomalies %x of an unknown type", event->anomalies);
        return;
    }

    is_ticket = (event->entity == MSPWH_ENTITY_TICKET);
    is_note = (event->entity == MSPWH_ENTITY_NOTE);
    is_response = (event->entity == MSPWH_ENTITY_RESPONSE);

    details = fuzz_is_present(found[FUZZ_DETAILS].node);
    description = fuzz_is_present(found[FUZZ_DESCRIPTION].node);

    type = fuzz_text(found[MSPWH_ROLE_RESPONSE_TYPE].node);
    type = (type != NULL) ? type : "";

    set = 0;

#define fuzz_anomaly(name, condition)                                         \
    set |= (unsigned) ((condition) ? 1 : 0) << MSPWH_ANOMALY_ ## name

    fuzz_anomaly(TICKET_ID,
                 is_ticket && strcmp(event->ticket_id, event->entity_id));
    fuzz_anomaly(RESPONSE_TYPE, (is_response && !strcasecmp(type, "Note"))
                                || (is_note && !strcasecmp(type, "Email")));
    fuzz_anomaly(NO_DETAILS, is_ticket && !details);
    fuzz_anomaly(DETAILS, !is_ticket && details);
    fuzz_anomaly(NO_DESCRIPTION, (is_note || is_response) && !description);
    fuzz_anomaly(DESCRIPTION, !is_note && !is_response && description);
    fuzz_anomaly(NO_ADDITIONAL_FIELDS,
                 !fuzz_is_present(found[FUZZ_ADDITIONAL_FIELDS].node));

#undef fuzz_anomaly

    fuzz_check(event->anomalies == set, "anomalies %x, not %x",
               event->anomalies, set);
}


static void
fuzz_expect_values(const mspwh_event_t *event, const fuzz_tree_t *tree,
    const fuzz_role_t *values)
{
    unsigned      i;
    const char   *value;
    fuzz_found_t  found;

    fuzz_check(event->nvalues == (values ? values->npointers : 0),
               "%u values", event->nvalues);

    for (i = 0; i < event->nvalues; i++) {
        memset(&found, 0, sizeof(fuzz_found_t));
        fuzz_by_pointer(&found, tree->root, values->pointers[i]);

        value = fuzz_value(&found);

        fuzz_check(strcmp(event->values[i], value) == 0, "%s: %s, not %s",
                   values->pointers[i], event->values[i], value);
    }
}


/* a scalar without control characters, those of Unicode included */

static const char *
fuzz_value(const fuzz_found_t *found)
{
    const char  *text, *p;

    if (found->node == NULL || found->ambiguous) {
        return "";
    }

    if (found->node->type == 't' || found->node->type == 'f') {
        return (found->node->type == 't') ? "true" : "false";
    }

    text = fuzz_text(found->node);

    if (text == NULL || strlen(text) > 1024) {
        return "";
    }

    for (p = text; *p != '\0'; p++) {
        if (iscntrl((unsigned char) *p)
            || (strncmp(p, "\xc2", 1) == 0 && (unsigned char) p[1] < 0xa0))
        {
            return "";
        }
    }

    return text;
}
