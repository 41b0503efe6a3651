
/*
 * The members of a document that an event is read from.
 */


#ifndef _MSPWH_EVENT_INTERNAL_H_INCLUDED_
#define _MSPWH_EVENT_INTERNAL_H_INCLUDED_


#include "mspwh_event.h"


/* the members that are looked for by name; the roles come first */

enum {
    MSPWH_MEMBER_EVENT = MSPWH_ROLES,
    MSPWH_MEMBER_DETAILS,
    MSPWH_MEMBER_DESCRIPTION,
    MSPWH_MEMBER_ADDITIONAL_FIELDS,
    MSPWH_MEMBERS
};


typedef struct {
    const cJSON     *item;
    unsigned         depth;
    int              ambiguous;
} mspwh_member_t;


/*
 * Finds them in the tree, by the pointers for a role or by name; those that
 * are not there have no item.
 */
mspwh_event_error_e mspwh_event_find(mspwh_member_t *members,
    const cJSON *tree, const mspwh_fields_t *fields);


#endif /* _MSPWH_EVENT_INTERNAL_H_INCLUDED_ */
