
#include "mspwh_event_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>


static mspwh_event_error_e mspwh_event_read(mspwh_event_t *event,
    const cJSON *tree, const mspwh_fields_t *fields);
static mspwh_event_error_e mspwh_event_values(mspwh_event_t *event,
    const cJSON *tree, const mspwh_fields_t *fields);
static const char *mspwh_event_value(const cJSON *tree,
    const mspwh_pointer_t *pointer);
static const char *mspwh_event_scalar(const mspwh_member_t *member);
static int mspwh_event_is_present(const mspwh_member_t *member);
static int mspwh_event_id(const mspwh_member_t *member, const char **id);
static int mspwh_event_has_word(const char *text);
static mspwh_event_error_e mspwh_event_store(mspwh_event_t *event);

static unsigned mspwh_event_anomalies(const mspwh_event_t *event,
    const mspwh_member_t *members);


static const char *const  mspwh_event_errors[] = {
    "no error",
    "no memory",
    "not a JSON object",
    "no event type",
    "no entity id",
    "no ticket id",
    "entity id outside the allowed form",
    "ticket id outside the allowed form",
    "one field twice with different values"
};

static const char *const  mspwh_anomalies[MSPWH_ANOMALIES] = {
    "unknown_event_type",
    "ticket_id_mismatch",
    "response_type_mismatch",
    "missing_details",
    "unexpected_details",
    "missing_description",
    "unexpected_description",
    "missing_additional_fields"
};


mspwh_event_error_e
mspwh_event_parse(mspwh_event_t *event, const char *envelope, size_t length,
    const mspwh_fields_t *fields)
{
    cJSON                *tree;
    mspwh_event_error_e   error;

    memset(event, 0, sizeof(mspwh_event_t));

    /* the scanner has seen to the syntax: what can fail is memory */

    tree = cJSON_ParseWithLength(envelope, length);

    error = (tree == NULL) ? MSPWH_EVENT_NO_MEMORY
                           : mspwh_event_read(event, tree, fields);

    if (error == MSPWH_EVENT_OK && fields != NULL && fields->nvalues > 0) {
        error = mspwh_event_values(event, tree, fields);
    }

    if (error == MSPWH_EVENT_OK) {
        error = mspwh_event_store(event);
    }

    cJSON_Delete(tree);

    if (error != MSPWH_EVENT_OK) {
        mspwh_event_cleanup(event);
        memset(event, 0, sizeof(mspwh_event_t));
        event->type = event->type_raw = "";
        event->entity_id = event->ticket_id = "";
    }

    return error;
}


void
mspwh_event_cleanup(mspwh_event_t *event)
{
    free(event->values);
    free(event->storage);

    event->nvalues = 0;
    event->values = NULL;
    event->storage = NULL;
}


static mspwh_event_error_e
mspwh_event_read(mspwh_event_t *event, const cJSON *tree,
    const mspwh_fields_t *fields)
{
    mspwh_member_t             members[MSPWH_MEMBERS];
    mspwh_event_error_e        error;
    const mspwh_event_type_t  *known;

    if (!cJSON_IsObject(tree)) {
        return MSPWH_EVENT_NOT_OBJECT;
    }

    error = mspwh_event_find(members, tree, fields);

    if (error != MSPWH_EVENT_OK) {
        return error;
    }

    event->type_raw = mspwh_event_scalar(&members[MSPWH_ROLE_EVENT_TYPE]);

    if (event->type_raw == NULL || !mspwh_event_has_word(event->type_raw)) {
        return MSPWH_EVENT_NO_TYPE;
    }

    if (mspwh_event_id(&members[MSPWH_ROLE_ENTITY_ID], &event->entity_id)
        != 0)
    {
        return MSPWH_EVENT_BAD_ENTITY_ID;
    }

    if (mspwh_event_id(&members[MSPWH_ROLE_TICKET_ID], &event->ticket_id)
        != 0)
    {
        return MSPWH_EVENT_BAD_TICKET_ID;
    }

    known = mspwh_event_type_known(event->type_raw);

    if (known == NULL) {
        event->anomalies = 1 << MSPWH_ANOMALY_EVENT_TYPE;
        return MSPWH_EVENT_OK;
    }

    event->type = known->type;
    event->entity = known->entity;
    event->action = known->action;

    if (event->entity_id[0] == '\0') {
        return MSPWH_EVENT_NO_ENTITY_ID;
    }

    if (event->ticket_id[0] == '\0' && event->entity != MSPWH_ENTITY_TICKET) {
        return MSPWH_EVENT_NO_TICKET_ID;
    }

    event->anomalies = mspwh_event_anomalies(event, members);

    return MSPWH_EVENT_OK;
}


static mspwh_event_error_e
mspwh_event_values(mspwh_event_t *event, const cJSON *tree,
    const mspwh_fields_t *fields)
{
    unsigned  i;

    event->values = malloc(fields->nvalues * sizeof(char *));
    if (event->values == NULL) {
        return MSPWH_EVENT_NO_MEMORY;
    }

    event->nvalues = fields->nvalues;

    for (i = 0; i < fields->nvalues; i++) {
        event->values[i] = mspwh_event_value(tree, fields->values[i]);
    }

    return MSPWH_EVENT_OK;
}


/* a scalar that can stand in a header or a line of a log, or "" */

static const char *
mspwh_event_value(const cJSON *tree, const mspwh_pointer_t *pointer)
{
    int             ambiguous;
    size_t          i;
    const char     *text;
    const cJSON    *item;
    unsigned char   ch, next;

    item = mspwh_pointer_resolve(pointer, tree, &ambiguous);

    if (item == NULL || ambiguous) {
        return "";
    }

    if (cJSON_IsBool(item)) {
        return cJSON_IsTrue(item) ? "true" : "false";
    }

    if (!cJSON_IsString(item)) {
        return "";
    }

    text = mspwh_scanner_text(item->valuestring);

    for (i = 0; text[i] != '\0'; i++) {
        ch = (unsigned char) text[i];
        next = (unsigned char) text[i + 1];

        /* Unicode's control characters: C0, DEL, and C1 as UTF-8 has it */

        if (i == MSPWH_EVENT_VALUE || ch < 0x20 || ch == 0x7f
            || (ch == 0xc2 && next < 0xa0))
        {
            return "";
        }
    }

    return text;
}


/* the text of a string or a number, or NULL */

static const char *
mspwh_event_scalar(const mspwh_member_t *member)
{
    if (member->item == NULL || !cJSON_IsString(member->item)) {
        return NULL;
    }

    return mspwh_scanner_text(member->item->valuestring);
}


static int
mspwh_event_is_present(const mspwh_member_t *member)
{
    return member->item != NULL && !cJSON_IsNull(member->item);
}


/* sets the id, to "" where there is none; fails where it is not of the form */

static int
mspwh_event_id(const mspwh_member_t *member, const char **id)
{
    size_t       length;
    const char  *text;

    *id = "";

    if (!mspwh_event_is_present(member)) {
        return 0;
    }

    text = mspwh_event_scalar(member);
    if (text == NULL) {
        return -1;
    }

    length = strlen(text);

    if (!mspwh_event_is_id(text, length)
        || (mspwh_scanner_is_number(member->item->valuestring)
            && strspn(text, "0123456789") < length))
    {
        return -1;
    }

    *id = text;

    return 0;
}


int
mspwh_event_is_id(const char *text, size_t length)
{
    size_t  i;

    if (length == 0 || length > MSPWH_EVENT_ID) {
        return 0;
    }

    for (i = 0; i < length; i++) {
        if (!mspwh_is_alnum(text[i])
            && (i == 0 || memchr("._~:-", text[i], 5) == NULL))
        {
            return 0;
        }
    }

    return 1;
}


static int
mspwh_event_has_word(const char *text)
{
    for ( /* void */ ; *text != '\0'; text++) {
        if (mspwh_is_word((unsigned char) *text)) {
            return 1;
        }
    }

    return 0;
}


/* copies what points into the tree, and makes up an unknown type's name */

static mspwh_event_error_e
mspwh_event_store(mspwh_event_t *event)
{
    char      *p;
    size_t     raw, entity, ticket, values, length;
    unsigned   i;

    raw = strlen(event->type_raw) + 1;
    entity = strlen(event->entity_id) + 1;
    ticket = strlen(event->ticket_id) + 1;

    for (i = 0, values = 0; i < event->nvalues; i++) {
        values += strlen(event->values[i]) + 1;
    }

    /* a byte of an unknown type is three at most, with a dot before it */

    p = malloc(raw + entity + ticket + values + (event->type ? 0 : raw * 4));
    if (p == NULL) {
        return MSPWH_EVENT_NO_MEMORY;
    }

    event->storage = p;

    event->type_raw = memcpy(p, event->type_raw, raw);
    p += raw;

    event->entity_id = memcpy(p, event->entity_id, entity);
    p += entity;

    event->ticket_id = memcpy(p, event->ticket_id, ticket);
    p += ticket;

    for (i = 0; i < event->nvalues; i++) {
        length = strlen(event->values[i]) + 1;
        event->values[i] = memcpy(p, event->values[i], length);
        p += length;
    }

    if (event->type == NULL) {
        mspwh_event_type_canonical(p, event->type_raw);
        event->type = p;

        mspwh_event_type_classify(event->type, &event->entity,
                                  &event->action);
    }

    if (event->entity == MSPWH_ENTITY_TICKET && event->ticket_id[0] == '\0') {
        event->ticket_id = event->entity_id;
    }

    return MSPWH_EVENT_OK;
}


static unsigned
mspwh_event_anomalies(const mspwh_event_t *event,
    const mspwh_member_t *members)
{
    int          details, description;
    unsigned     set;
    const char  *type;

    set = 0;

#define mspwh_anomaly(name, condition)                                        \
    set |= (condition) ? 1u << MSPWH_ANOMALY_ ## name : 0

    mspwh_anomaly(TICKET_ID, event->entity == MSPWH_ENTITY_TICKET
                             && event->ticket_id[0] != '\0'
                             && strcmp(event->ticket_id, event->entity_id));

    type = mspwh_event_scalar(&members[MSPWH_ROLE_RESPONSE_TYPE]);

    mspwh_anomaly(RESPONSE_TYPE,
                  type != NULL
                  && ((event->entity == MSPWH_ENTITY_RESPONSE
                       && strcasecmp(type, "note") == 0)
                      || (event->entity == MSPWH_ENTITY_NOTE
                          && strcasecmp(type, "email") == 0)));

    details = mspwh_event_is_present(&members[MSPWH_MEMBER_DETAILS]);
    description = mspwh_event_is_present(&members[MSPWH_MEMBER_DESCRIPTION]);

    mspwh_anomaly(NO_DETAILS,
                  event->entity == MSPWH_ENTITY_TICKET && !details);
    mspwh_anomaly(DETAILS, event->entity != MSPWH_ENTITY_TICKET && details);

    mspwh_anomaly(NO_DESCRIPTION, (event->entity == MSPWH_ENTITY_NOTE
                                   || event->entity == MSPWH_ENTITY_RESPONSE)
                                  && !description);
    mspwh_anomaly(DESCRIPTION, (event->entity == MSPWH_ENTITY_TICKET
                                || event->entity == MSPWH_ENTITY_ATTACHMENT)
                               && description);

    mspwh_anomaly(NO_ADDITIONAL_FIELDS,
        !mspwh_event_is_present(&members[MSPWH_MEMBER_ADDITIONAL_FIELDS]));

#undef mspwh_anomaly

    return set;
}


const char *
mspwh_event_strerror(mspwh_event_error_e error)
{
    return mspwh_event_errors[error];
}


const char *
mspwh_event_anomaly(unsigned anomaly)
{
    return mspwh_anomalies[anomaly];
}
