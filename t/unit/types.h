
/*
 * The known event types.
 */


#ifndef _TYPES_H_INCLUDED_
#define _TYPES_H_INCLUDED_


#include "mspwh_event_type.h"


static const struct {
    const char      *type;
    mspwh_entity_e   entity;
    mspwh_action_e   action;
} types[] = {
    { "ticket.created", MSPWH_ENTITY_TICKET, MSPWH_ACTION_CREATED },
    { "ticket.updated", MSPWH_ENTITY_TICKET, MSPWH_ACTION_UPDATED },
    { "ticket.deleted", MSPWH_ENTITY_TICKET, MSPWH_ACTION_DELETED },
    { "ticket.note.added", MSPWH_ENTITY_NOTE, MSPWH_ACTION_ADDED },
    { "ticket.note.updated", MSPWH_ENTITY_NOTE, MSPWH_ACTION_UPDATED },
    { "ticket.note.deleted", MSPWH_ENTITY_NOTE, MSPWH_ACTION_DELETED },
    { "ticket.response.added", MSPWH_ENTITY_RESPONSE, MSPWH_ACTION_ADDED },
    { "ticket.response.updated", MSPWH_ENTITY_RESPONSE,
      MSPWH_ACTION_UPDATED },
    { "ticket.response.deleted", MSPWH_ENTITY_RESPONSE,
      MSPWH_ACTION_DELETED },
    { "ticket.attachment.added", MSPWH_ENTITY_ATTACHMENT,
      MSPWH_ACTION_ADDED },
    { "ticket.attachment.deleted", MSPWH_ENTITY_ATTACHMENT,
      MSPWH_ACTION_DELETED },
};


#endif /* _TYPES_H_INCLUDED_ */
