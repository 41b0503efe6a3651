
/*
 * The event that a webhook's body describes, by the rules of its source: the
 * type, the ids, and where the body departs from the rules.
 *
 *     plan = mspwh_event_plan(fields);                 once
 *
 *     mspwh_extract_init(&extract, plan->extract);     for each body
 *     mspwh_extract_feed(&extract, data, length); ...
 *     if (mspwh_extract_finish(&extract) == MSPWH_JSON_OK)
 *         error = mspwh_event_read(&event, &extract, plan);
 */


#ifndef _MSPWH_EVENT_H_INCLUDED_
#define _MSPWH_EVENT_H_INCLUDED_


#include "mspwh_event_type.h"
#include "mspwh_extract.h"


/* the longest id */
#define MSPWH_EVENT_ID  128


/* name, name in the counters, words */

#define MSPWH_EVENT_ERRORS(X)                                                 \
    X(NOT_OBJECT, "not_object", "not a JSON object")                          \
    X(NO_TYPE, "no_event_type", "no event type")                              \
    X(NO_ENTITY_ID, "no_entity_id", "no entity id")                           \
    X(NO_TICKET_ID, "no_ticket_id", "no ticket id")                           \
    X(BAD_ENTITY_ID, "bad_entity_id", "entity id outside the allowed form")   \
    X(BAD_TICKET_ID, "bad_ticket_id", "ticket id outside the allowed form")   \
    X(AMBIGUOUS, "ambiguous_field", "one field twice with different values")

#define mspwh_event_error(name, metric, words)  MSPWH_EVENT_ ## name,

typedef enum {
    MSPWH_EVENT_OK = 0,
    MSPWH_EVENT_ERRORS(mspwh_event_error)
    MSPWH_EVENT_NO_MEMORY
} mspwh_event_error_e;

#undef mspwh_event_error


/* name, word; anomalies are listed in this order */

#define MSPWH_EVENT_ANOMALIES(X)                                              \
    X(EVENT_TYPE, "unknown_event_type")                                       \
    X(TICKET_ID, "ticket_id_mismatch")                                        \
    X(RESPONSE_TYPE, "response_type_mismatch")                                \
    X(NO_DETAILS, "missing_details")                                          \
    X(DETAILS, "unexpected_details")                                          \
    X(NO_DESCRIPTION, "missing_description")                                  \
    X(DESCRIPTION, "unexpected_description")                                  \
    X(NO_ADDITIONAL_FIELDS, "missing_additional_fields")

#define mspwh_event_anomaly(name, word)  MSPWH_ANOMALY_ ## name,

enum {
    MSPWH_EVENT_ANOMALIES(mspwh_event_anomaly)
    MSPWH_ANOMALIES
};

#undef mspwh_event_anomaly


/* the values that a configuration can point to */

typedef enum {
    MSPWH_ROLE_EVENT_TYPE = 0,
    MSPWH_ROLE_ENTITY_ID,
    MSPWH_ROLE_TICKET_ID,
    MSPWH_ROLE_RESPONSE_TYPE,
    MSPWH_ROLES
} mspwh_role_e;


/* the first of a role's pointers that leads to a value wins */

typedef struct {
    unsigned                 npointers;
    mspwh_pointer_t *const  *pointers;
} mspwh_role_t;


typedef struct {
    /* a role without pointers is looked for by name */
    mspwh_role_t             roles[MSPWH_ROLES];

    /* further values to look for */
    unsigned                 nvalues;
    mspwh_pointer_t *const  *values;
} mspwh_fields_t;


typedef struct {
    mspwh_extract_plan_t    *extract;

    /* of each role: how many pointers, and the slot of the first */
    unsigned                 npointers[MSPWH_ROLES];
    unsigned                 pointers[MSPWH_ROLES];

    /* the slot of the first value */
    unsigned                 nvalues;
    unsigned                 values;
} mspwh_event_plan_t;


typedef struct {
    mspwh_entity_e           entity;
    mspwh_action_e           action;

    /* a set of 1 << MSPWH_ANOMALY_... */
    unsigned                 anomalies;

    /* null-terminated, "" if absent; they live as long as "extract" */
    const char              *type;
    const char              *type_raw;
    const char              *entity_id;
    const char              *ticket_id;

    /* the type, if it is not one of the known ones */
    char                    *storage;
} mspwh_event_t;


/*
 * Plans what to extract.  "fields" may be NULL, and is not needed afterwards;
 * its pointers have to outlive the plan.  Returns NULL if memory fails.
 */
mspwh_event_plan_t *mspwh_event_plan(const mspwh_fields_t *fields);

/*
 * Releases the plan, but not the pointers.  The plan may be NULL.
 */
void mspwh_event_plan_free(mspwh_event_plan_t *plan);

/*
 * Reads the event from the extracted values, once mspwh_extract_finish() has
 * returned MSPWH_JSON_OK.  Unless it returns MSPWH_EVENT_OK, the event is
 * empty.
 */
mspwh_event_error_e mspwh_event_read(mspwh_event_t *event,
    const mspwh_extract_t *extract, const mspwh_event_plan_t *plan);

/*
 * Returns the value for "fields->values[i]": a text of up to MSPWH_JSON_TEXT
 * bytes without control characters, "true", "false", or "" for everything
 * else.  It lives as long as "extract".
 */
const char *mspwh_event_value(const mspwh_extract_t *extract,
    const mspwh_event_plan_t *plan, unsigned i);

/*
 * Returns where the role was found, with a NULL item if it was not.
 */
const mspwh_extract_found_t *mspwh_event_found(const mspwh_extract_t *extract,
    const mspwh_event_plan_t *plan, mspwh_role_e role);

/*
 * Returns whether a text has the form of an id: up to MSPWH_EVENT_ID letters,
 * digits and "._~:-", the first a letter or a digit.
 */
int mspwh_event_is_id(const char *text, size_t length);

/*
 * Releases everything that the event holds.  May be called again.
 */
void mspwh_event_cleanup(mspwh_event_t *event);

/*
 * Return the words for an error, and the word for an anomaly's number.
 */
const char *mspwh_event_strerror(mspwh_event_error_e error);
const char *mspwh_event_anomaly(unsigned anomaly);


#endif /* _MSPWH_EVENT_H_INCLUDED_ */
