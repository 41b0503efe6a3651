
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

    /* the canonical name, and its letters behind "ticket" */
    const char      *type;
    const char      *letters;
} mspwh_event_type_t;


/* the types that are known */
#define MSPWH_EVENT_TYPES  11


#define mspwh_is_lower(ch)  ((ch) >= 'a' && (ch) <= 'z')
#define mspwh_is_upper(ch)  ((ch) >= 'A' && (ch) <= 'Z')
#define mspwh_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')
#define mspwh_is_alnum(ch)                                                    \
    (mspwh_is_lower(ch) || mspwh_is_upper(ch) || mspwh_is_digit(ch))

/* what words are made of; a character outside ASCII is a letter */
#define mspwh_is_word(ch)   (mspwh_is_alnum(ch) || (ch) >= 0x80)

#define mspwh_to_lower(ch)  (mspwh_is_upper(ch) ? (ch) | 0x20 : (ch))


/*
 * Returns the one of the eleven types that a null-terminated text spells, in
 * whatever way, or NULL.
 */
const mspwh_event_type_t *mspwh_event_type_known(const char *type);

/*
 * The canonical name of a known type, by its number from 0.  An event of
 * that type has this very pointer.
 */
const char *mspwh_event_type_name(unsigned type);

/*
 * Writes the canonical form of an unknown type, null-terminated: words in
 * small letters, joined by dots, with every other character percent-encoded.
 * "dst" has room for four times the type's length and one byte.
 */
void mspwh_event_type_canonical(char *dst, const char *type);

/*
 * Tells an unknown type's entity by its first words and its action by its
 * last; neither is changed where the words say nothing.
 */
void mspwh_event_type_classify(const char *type, mspwh_entity_e *entity,
    mspwh_action_e *action);

/*
 * Checks a pattern, which is a canonical type, or its first words with "*"
 * for the rest; "*" alone is for all types.  Returns 0, or -1 where no type
 * can match it, with "*meant" set to what was meant, or to NULL.
 */
int mspwh_event_type_pattern(const char *pattern, const char **meant);

/*
 * Tells if a pattern of "length" bytes matches a canonical type.
 */
int mspwh_event_type_matches(const char *pattern, size_t length,
    const char *type);

/*
 * Returns NULL if a pattern matches one of the eleven types, or else the type,
 * or the pattern for a group of them, that is spelt most like it.
 */
const char *mspwh_event_type_nearest(const char *pattern, size_t length);

/*
 * Writes a text with every byte but the unreserved ones of RFC 3986,
 * section 2.3, percent-encoded, and returns the end of it.  "dst" has room
 * for three times the length.
 */
char *mspwh_event_type_escape(char *dst, const char *text, size_t length);

/*
 * The words for an entity and an action.
 */
const char *mspwh_event_entity(mspwh_entity_e entity);
const char *mspwh_event_action(mspwh_action_e action);


#endif /* _MSPWH_EVENT_TYPE_H_INCLUDED_ */
