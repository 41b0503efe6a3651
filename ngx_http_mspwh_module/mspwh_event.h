
/*
 * What an envelope says: the event, by the rules of the webhook's source.
 */


#ifndef _MSPWH_EVENT_H_INCLUDED_
#define _MSPWH_EVENT_H_INCLUDED_


#include <stddef.h>

#include "mspwh_event_type.h"
#include "mspwh_pointer.h"
#include "mspwh_scanner.h"


/* the longest id, and the longest other value */
#define MSPWH_EVENT_ID     128
#define MSPWH_EVENT_VALUE  1024


typedef enum {
    MSPWH_EVENT_OK = 0,
    MSPWH_EVENT_NO_MEMORY,
    MSPWH_EVENT_NOT_OBJECT,
    MSPWH_EVENT_NO_TYPE,
    MSPWH_EVENT_NO_ENTITY_ID,
    MSPWH_EVENT_NO_TICKET_ID,
    MSPWH_EVENT_BAD_ENTITY_ID,
    MSPWH_EVENT_BAD_TICKET_ID,
    MSPWH_EVENT_AMBIGUOUS
} mspwh_event_error_e;


/* the values that a configuration can name */

typedef enum {
    MSPWH_ROLE_EVENT_TYPE = 0,
    MSPWH_ROLE_ENTITY_ID,
    MSPWH_ROLE_TICKET_ID,
    MSPWH_ROLE_RESPONSE_TYPE,
    MSPWH_ROLES
} mspwh_role_e;


/* a bit each, in the order in which they are listed */

enum {
    MSPWH_ANOMALY_EVENT_TYPE = 0,
    MSPWH_ANOMALY_TICKET_ID,
    MSPWH_ANOMALY_RESPONSE_TYPE,
    MSPWH_ANOMALY_NO_DETAILS,
    MSPWH_ANOMALY_DETAILS,
    MSPWH_ANOMALY_NO_DESCRIPTION,
    MSPWH_ANOMALY_DESCRIPTION,
    MSPWH_ANOMALY_NO_ADDITIONAL_FIELDS,
    MSPWH_ANOMALIES
};


/* where the roles are; a role with no pointer is looked for by name */

typedef struct {
    unsigned                 npointers;
    mspwh_pointer_t *const  *pointers;
} mspwh_role_t;


typedef struct {
    mspwh_role_t             roles[MSPWH_ROLES];

    /* what is asked for beside the roles */
    unsigned                 nvalues;
    mspwh_pointer_t *const  *values;
} mspwh_fields_t;


typedef struct {
    mspwh_entity_e           entity;
    mspwh_action_e           action;

    /* a set of 1 << MSPWH_ANOMALY_... */
    unsigned                 anomalies;

    /* null-terminated; "" where there is nothing */
    const char              *type;
    const char              *type_raw;
    const char              *entity_id;
    const char              *ticket_id;

    /* of those asked for beside the roles, in their order */
    unsigned                 nvalues;
    const char             **values;

    /* what these point into, if not constant */
    char                    *storage;
} mspwh_event_t;


/*
 * Reads the event from an envelope of "length" bytes that the scanner has
 * made.  "fields" may be NULL.  With any error the event is empty.
 */
mspwh_event_error_e mspwh_event_parse(mspwh_event_t *event,
    const char *envelope, size_t length, const mspwh_fields_t *fields);

/*
 * What the event is read from, by the name of a member, where all roles are
 * looked for by name: for the scanner's "ask".
 */
mspwh_scanner_keep_e mspwh_event_ask(const char *name, size_t length);

/*
 * Tells if a text has the form of an id: up to MSPWH_EVENT_ID letters, digits
 * and "._~:-", the first a letter or a digit.
 */
int mspwh_event_is_id(const char *text, size_t length);

/*
 * Releases what the event holds; may be called again.
 */
void mspwh_event_cleanup(mspwh_event_t *event);

/*
 * The words for an error and an anomaly's number.
 */
const char *mspwh_event_strerror(mspwh_event_error_e error);
const char *mspwh_event_anomaly(unsigned anomaly);


#endif /* _MSPWH_EVENT_H_INCLUDED_ */
