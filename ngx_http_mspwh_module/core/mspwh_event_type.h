
/*
 * Event types: the eleven known ones, and the form that all others get.
 */


#ifndef _MSPWH_EVENT_TYPE_H_INCLUDED_
#define _MSPWH_EVENT_TYPE_H_INCLUDED_


#include <stddef.h>


typedef enum {
    MSPWH_ENTITY_UNKNOWN = 0,
    MSPWH_ENTITY_TICKET,
    MSPWH_ENTITY_NOTE,
    MSPWH_ENTITY_RESPONSE,
    MSPWH_ENTITY_ATTACHMENT
} mspwh_entity_e;


typedef enum {
    MSPWH_ACTION_UNKNOWN = 0,
    MSPWH_ACTION_CREATED,
    MSPWH_ACTION_UPDATED,
    MSPWH_ACTION_DELETED,
    MSPWH_ACTION_ADDED
} mspwh_action_e;


typedef struct {
    mspwh_entity_e   entity;
    mspwh_action_e   action;

    /* the canonical name, and its letters after "ticket" */
    const char      *type;
    const char      *letters;
} mspwh_event_type_t;


/* the types that are known */
#define MSPWH_EVENT_TYPES  11


/*
 * Returns the one of the eleven types that a null-terminated text spells, in
 * whatever way, or NULL.
 */
const mspwh_event_type_t *mspwh_event_type_known(const char *type);

/*
 * Returns the canonical name of a known type, by its number from 0.  An event
 * of that type has this very pointer.
 */
const char *mspwh_event_type_name(unsigned type);

/*
 * Writes the canonical form of an unknown type, null-terminated: lowercase
 * words, joined by dots, with every other character percent-encoded.  "dst"
 * has room for mspwh_event_type_size() of the type's length: a byte becomes
 * three at most, with a dot before it.
 */
#define mspwh_event_type_size(length)  ((length) * 4 + 1)

void mspwh_event_type_canonical(char *dst, const char *type);

/*
 * Guesses an unknown type's entity from its first words, and its action from
 * its last.  Leaves unchanged whatever the words do not tell.
 */
void mspwh_event_type_classify(const char *type, mspwh_entity_e *entity,
    mspwh_action_e *action);

/*
 * Checks a pattern, which is a canonical type, or its first words with "*" for
 * the rest; "*" alone stands for all types.  Returns 0, or -1 if no type can
 * match it, with "*meant" set to the probable intention, or to NULL.
 */
int mspwh_event_type_pattern(const char *pattern, const char **meant);

/*
 * Returns whether a pattern of "length" bytes matches a canonical type.
 */
int mspwh_event_type_matches(const char *pattern, size_t length,
    const char *type);

/*
 * Returns NULL if a pattern matches one of the eleven types; otherwise the
 * type, or the pattern for a group of them, that is spelled most like it.
 */
const char *mspwh_event_type_nearest(const char *pattern, size_t length);

/*
 * Return the words for an entity and an action.
 */
const char *mspwh_event_entity(mspwh_entity_e entity);
const char *mspwh_event_action(mspwh_action_e action);


#endif /* _MSPWH_EVENT_TYPE_H_INCLUDED_ */
