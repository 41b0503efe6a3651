
#include "mspwh_event.h"
#include "mspwh_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>


static mspwh_event_error_e mspwh_event_rules(mspwh_event_t *event,
    const mspwh_extract_t *extract, const mspwh_event_plan_t *plan);
static int mspwh_event_is_present(const mspwh_extract_found_t *found);
static int mspwh_event_id(const mspwh_extract_found_t *found,
    const char **id);
static int mspwh_event_has_word(const char *text);
static mspwh_event_error_e mspwh_event_unknown(mspwh_event_t *event);
static unsigned mspwh_event_anomalies(const mspwh_event_t *event,
    const mspwh_extract_t *extract, const mspwh_event_plan_t *plan);


/* the slots of members that are looked for by name; the roles come first */

enum {
    MSPWH_MEMBER_EVENT = MSPWH_ROLES,
    MSPWH_MEMBER_DETAILS,
    MSPWH_MEMBER_DESCRIPTION,
    MSPWH_MEMBER_ADDITIONAL_FIELDS,
    MSPWH_MEMBERS
};

static const struct {
    const char         *name;
    mspwh_json_want_e   want;
} mspwh_event_members[MSPWH_MEMBERS] = {
    [MSPWH_ROLE_EVENT_TYPE] = { "eventtype", MSPWH_JSON_VALUE },
    [MSPWH_ROLE_ENTITY_ID] = { "entityid", MSPWH_JSON_VALUE },
    [MSPWH_ROLE_TICKET_ID] = { "ticketid", MSPWH_JSON_VALUE },
    [MSPWH_ROLE_RESPONSE_TYPE] = { "ticketresponsetypeid", MSPWH_JSON_VALUE },
    [MSPWH_MEMBER_EVENT] = { "event", MSPWH_JSON_VALUE },
    [MSPWH_MEMBER_DETAILS] = { "details", MSPWH_JSON_TYPE },
    [MSPWH_MEMBER_DESCRIPTION] = { "description", MSPWH_JSON_TYPE },
    [MSPWH_MEMBER_ADDITIONAL_FIELDS] = { "additionalfields", MSPWH_JSON_TYPE }
};

_Static_assert(MSPWH_MEMBERS <= MSPWH_EXTRACT_NAMES, "too many names");
_Static_assert(sizeof("ticketresponsetypeid") - 1 <= MSPWH_EXTRACT_NAME,
               "too long a name");


#define mspwh_event_words(name, metric, words)                                \
    [MSPWH_EVENT_ ## name] = words,
#define mspwh_event_word(name, word)  [MSPWH_ANOMALY_ ## name] = word,

static const char *const  mspwh_event_errors[] = {
    [MSPWH_EVENT_OK] = "no error",
    MSPWH_EVENT_ERRORS(mspwh_event_words)
    [MSPWH_EVENT_NO_MEMORY] = "no memory"
};

static const char *const  mspwh_anomalies[MSPWH_ANOMALIES] = {
    MSPWH_EVENT_ANOMALIES(mspwh_event_word)
};


mspwh_event_plan_t *
mspwh_event_plan(const mspwh_fields_t *fields)
{
    int                    failed;
    unsigned               i, n, slot;
    mspwh_event_plan_t    *plan;
    const mspwh_fields_t   none = { .nvalues = 0 };

    fields = fields ? fields : &none;

    plan = calloc(1, sizeof(mspwh_event_plan_t));
    if (plan == NULL) {
        return NULL;
    }

    slot = MSPWH_MEMBERS;

    for (i = 0; i < MSPWH_ROLES; i++) {
        plan->npointers[i] = fields->roles[i].npointers;
        plan->pointers[i] = slot;
        slot += plan->npointers[i];
    }

    plan->nvalues = fields->nvalues;
    plan->values = slot;

    plan->extract = mspwh_extract_plan(slot + plan->nvalues);
    failed = (plan->extract == NULL);

    for (i = 0; i < MSPWH_MEMBERS && !failed; i++) {
        if (i >= MSPWH_ROLES || plan->npointers[i] == 0) {
            mspwh_extract_by_name(plan->extract, i,
                                  mspwh_event_members[i].name,
                                  mspwh_event_members[i].want);
        }
    }

    for (i = 0; i < MSPWH_ROLES; i++) {
        for (n = 0; n < plan->npointers[i] && !failed; n++) {
            failed = mspwh_extract_by_pointer(plan->extract,
                                              plan->pointers[i] + n,
                                              fields->roles[i].pointers[n]);
        }
    }

    for (n = 0; n < plan->nvalues && !failed; n++) {
        failed = mspwh_extract_by_pointer(plan->extract, plan->values + n,
                                          fields->values[n]);
    }

    if (failed) {
        mspwh_event_plan_free(plan);
        return NULL;
    }

    return plan;
}


void
mspwh_event_plan_free(mspwh_event_plan_t *plan)
{
    if (plan != NULL) {
        mspwh_extract_plan_free(plan->extract);
        free(plan);
    }
}


mspwh_event_error_e
mspwh_event_read(mspwh_event_t *event, const mspwh_extract_t *extract,
    const mspwh_event_plan_t *plan)
{
    mspwh_event_error_e  error;

    memset(event, 0, sizeof(mspwh_event_t));

    error = extract->is_out_of_memory
            ? MSPWH_EVENT_NO_MEMORY
            : mspwh_event_rules(event, extract, plan);

    if (error != MSPWH_EVENT_OK) {
        memset(event, 0, sizeof(mspwh_event_t));
        event->type = event->type_raw = "";
        event->entity_id = event->ticket_id = "";
    }

    return error;
}


void
mspwh_event_cleanup(mspwh_event_t *event)
{
    free(event->storage);
    event->storage = NULL;
}


static mspwh_event_error_e
mspwh_event_rules(mspwh_event_t *event, const mspwh_extract_t *extract,
    const mspwh_event_plan_t *plan)
{
    unsigned                      i;
    const mspwh_event_type_t     *known;
    const mspwh_extract_found_t  *found[MSPWH_ROLES];

    if (!extract->is_object) {
        return MSPWH_EVENT_NOT_OBJECT;
    }

    for (i = 0; i < MSPWH_ROLES; i++) {
        found[i] = mspwh_event_found(extract, plan, i);

        if (found[i]->is_ambiguous) {
            return MSPWH_EVENT_AMBIGUOUS;
        }
    }

    event->type_raw = mspwh_extract_text(found[MSPWH_ROLE_EVENT_TYPE]);

    if (event->type_raw == NULL || !mspwh_event_has_word(event->type_raw)) {
        return MSPWH_EVENT_NO_TYPE;
    }

    if (mspwh_event_id(found[MSPWH_ROLE_ENTITY_ID], &event->entity_id) != 0) {
        return MSPWH_EVENT_BAD_ENTITY_ID;
    }

    if (mspwh_event_id(found[MSPWH_ROLE_TICKET_ID], &event->ticket_id) != 0) {
        return MSPWH_EVENT_BAD_TICKET_ID;
    }

    known = mspwh_event_type_known(event->type_raw);

    if (known == NULL) {
        return mspwh_event_unknown(event);
    }

    event->type = known->type;
    event->entity = known->entity;
    event->action = known->action;

    if (event->entity_id[0] == '\0') {
        return MSPWH_EVENT_NO_ENTITY_ID;
    }

    event->anomalies = mspwh_event_anomalies(event, extract, plan);

    if (event->ticket_id[0] == '\0') {
        if (event->entity != MSPWH_ENTITY_TICKET) {
            return MSPWH_EVENT_NO_TICKET_ID;
        }

        event->ticket_id = event->entity_id;
    }

    return MSPWH_EVENT_OK;
}


const mspwh_extract_found_t *
mspwh_event_found(const mspwh_extract_t *extract,
    const mspwh_event_plan_t *plan, mspwh_role_e role)
{
    unsigned                      i;
    const mspwh_extract_found_t  *found;

    found = mspwh_extract_found(extract, role);

    for (i = 0; i < plan->npointers[role] && found->item == NULL; i++) {
        found = mspwh_extract_found(extract, plan->pointers[role] + i);
    }

    if (role == MSPWH_ROLE_EVENT_TYPE && plan->npointers[role] == 0
        && found->item == NULL)
    {
        found = mspwh_extract_found(extract, MSPWH_MEMBER_EVENT);
    }

    return found;
}


static int
mspwh_event_is_present(const mspwh_extract_found_t *found)
{
    return found->item != NULL && !cJSON_IsNull(found->item);
}


/* sets "*id", to "" if absent; returns -1 if it is malformed */

static int
mspwh_event_id(const mspwh_extract_found_t *found, const char **id)
{
    size_t       length;
    const char  *text;

    *id = "";

    if (!mspwh_event_is_present(found)) {
        return 0;
    }

    text = mspwh_extract_text(found);
    if (text == NULL) {
        return -1;
    }

    length = strlen(text);

    if (!mspwh_event_is_id(text, length)
        || (cJSON_IsRaw(found->item)
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


/* derives the name of an unknown type */

static mspwh_event_error_e
mspwh_event_unknown(mspwh_event_t *event)
{
    event->storage = malloc(mspwh_event_type_size(strlen(event->type_raw)));
    if (event->storage == NULL) {
        return MSPWH_EVENT_NO_MEMORY;
    }

    mspwh_event_type_canonical(event->storage, event->type_raw);
    mspwh_event_type_classify(event->storage, &event->entity, &event->action);

    event->type = event->storage;
    event->anomalies = 1u << MSPWH_ANOMALY_EVENT_TYPE;

    if (event->entity == MSPWH_ENTITY_TICKET && event->ticket_id[0] == '\0') {
        event->ticket_id = event->entity_id;
    }

    return MSPWH_EVENT_OK;
}


static unsigned
mspwh_event_anomalies(const mspwh_event_t *event,
    const mspwh_extract_t *extract, const mspwh_event_plan_t *plan)
{
    int          is_ticket, is_note, is_response, details, description, fields;
    unsigned     set;
    const char  *type;

    is_ticket = (event->entity == MSPWH_ENTITY_TICKET);
    is_note = (event->entity == MSPWH_ENTITY_NOTE);
    is_response = (event->entity == MSPWH_ENTITY_RESPONSE);

#define mspwh_event_has(member)                                               \
    mspwh_event_is_present(mspwh_extract_found(extract,                       \
                                               MSPWH_MEMBER_ ## member))

    details = mspwh_event_has(DETAILS);
    description = mspwh_event_has(DESCRIPTION);
    fields = mspwh_event_has(ADDITIONAL_FIELDS);

#undef mspwh_event_has

    type = mspwh_extract_text(mspwh_event_found(extract, plan,
                                                MSPWH_ROLE_RESPONSE_TYPE));
    type = type ? type : "";

    set = 0;

#define mspwh_anomaly(name, condition)                                        \
    set |= (condition) ? 1u << MSPWH_ANOMALY_ ## name : 0

    mspwh_anomaly(TICKET_ID,
                  is_ticket && event->ticket_id[0] != '\0'
                  && strcmp(event->ticket_id, event->entity_id) != 0);
    mspwh_anomaly(RESPONSE_TYPE,
                  (is_response && strcasecmp(type, "note") == 0)
                  || (is_note && strcasecmp(type, "email") == 0));
    mspwh_anomaly(NO_DETAILS, is_ticket && !details);
    mspwh_anomaly(DETAILS, !is_ticket && details);
    mspwh_anomaly(NO_DESCRIPTION, (is_note || is_response) && !description);
    mspwh_anomaly(DESCRIPTION, !is_note && !is_response && description);
    mspwh_anomaly(NO_ADDITIONAL_FIELDS, !fields);

#undef mspwh_anomaly

    return set;
}


/* returns a scalar that is safe in a header or a log line, or "" */

const char *
mspwh_event_value(const mspwh_extract_t *extract,
    const mspwh_event_plan_t *plan, unsigned i)
{
    const char                   *text;
    const unsigned char          *p;
    const mspwh_extract_found_t  *found;

    found = mspwh_extract_found(extract, plan->values + i);

    if (found->item == NULL || found->is_ambiguous) {
        return "";
    }

    if (cJSON_IsBool(found->item)) {
        return cJSON_IsTrue(found->item) ? "true" : "false";
    }

    text = mspwh_extract_text(found);
    if (text == NULL) {
        return "";
    }

    /* Unicode's control characters: C0, DEL, and C1 (two bytes in UTF-8) */

    for (p = (const unsigned char *) text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) {
            return "";
        }
    }

    return text;
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
