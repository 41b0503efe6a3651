
#include "mspwh_event_type.h"
#include "mspwh_text.h"

#include <string.h>


/* the bytes of a pattern that are compared to find the nearest type */
#define MSPWH_EDITS  64

#define mspwh_least(a, b)  ((a) < (b) ? (a) : (b))


static size_t mspwh_edits(const char *text, size_t length, const char *other);

static const char *mspwh_event_type_after_word(const char *type,
    const char *word);
static int mspwh_event_type_is_canonical(const char *type, size_t length);


static const mspwh_event_type_t  mspwh_event_types[MSPWH_EVENT_TYPES] = {
    { MSPWH_ENTITY_TICKET, MSPWH_ACTION_CREATED,
      "ticket.created", "created" },
    { MSPWH_ENTITY_TICKET, MSPWH_ACTION_UPDATED,
      "ticket.updated", "updated" },
    { MSPWH_ENTITY_TICKET, MSPWH_ACTION_DELETED,
      "ticket.deleted", "deleted" },
    { MSPWH_ENTITY_NOTE, MSPWH_ACTION_ADDED,
      "ticket.note.added", "noteadded" },
    { MSPWH_ENTITY_NOTE, MSPWH_ACTION_UPDATED,
      "ticket.note.updated", "noteupdated" },
    { MSPWH_ENTITY_NOTE, MSPWH_ACTION_DELETED,
      "ticket.note.deleted", "notedeleted" },
    { MSPWH_ENTITY_RESPONSE, MSPWH_ACTION_ADDED,
      "ticket.response.added", "responseadded" },
    { MSPWH_ENTITY_RESPONSE, MSPWH_ACTION_UPDATED,
      "ticket.response.updated", "responseupdated" },
    { MSPWH_ENTITY_RESPONSE, MSPWH_ACTION_DELETED,
      "ticket.response.deleted", "responsedeleted" },
    { MSPWH_ENTITY_ATTACHMENT, MSPWH_ACTION_ADDED,
      "ticket.attachment.added", "attachmentadded" },
    { MSPWH_ENTITY_ATTACHMENT, MSPWH_ACTION_DELETED,
      "ticket.attachment.deleted", "attachmentdeleted" }
};

/* suggested for a prefix without "ticket" */

static const char *const  mspwh_event_prefixes[] = {
    "ticket.note.*", "ticket.response.*", "ticket.attachment.*"
};

#define MSPWH_EVENT_PREFIXES                                                  \
    (sizeof(mspwh_event_prefixes) / sizeof(mspwh_event_prefixes[0]))


static const char *const  mspwh_entities[] = {
    "unknown", "ticket", "note", "response", "attachment"
};

static const char *const  mspwh_actions[] = {
    "unknown", "created", "updated", "deleted", "added"
};


/* returns one of the eleven types, however it is spelled, or NULL */

const mspwh_event_type_t *
mspwh_event_type_known(const char *type)
{
    char           letters[sizeof("ticketattachmentdeleted")], *p;
    size_t         i, n;
    unsigned char  ch;

    n = 0;

    for ( /* void */ ; *type != '\0'; type++) {
        ch = (unsigned char) *type;

        if (!mspwh_is_word(ch)) {
            continue;
        }

        if (n == sizeof(letters) - 1) {
            return NULL;
        }

        letters[n++] = (char) mspwh_to_lower(ch);
    }

    letters[n] = '\0';

    p = letters;

    if (strncmp(p, "ticket", 6) == 0) {
        p += 6;
    }

    for (i = 0; i < MSPWH_EVENT_TYPES; i++) {
        if (strcmp(p, mspwh_event_types[i].letters) != 0) {
            continue;
        }

        /* "created" alone could be of any entity */

        if (p == letters
            && mspwh_event_types[i].entity == MSPWH_ENTITY_TICKET)
        {
            return NULL;
        }

        return &mspwh_event_types[i];
    }

    return NULL;
}


const char *
mspwh_event_type_name(unsigned type)
{
    return mspwh_event_types[type].type;
}


/*
 * Writes lowercase words, joined by dots.  A word starts after a
 * non-alphanumeric character, at an uppercase letter that follows a lowercase
 * one or a digit, and at the last of several uppercase letters before a
 * lowercase one.
 */

void
mspwh_event_type_canonical(char *dst, const char *type)
{
    int             is_new;
    char           *start, *p;
    unsigned char   ch, prev;

    start = dst;
    prev = 0;
    is_new = 0;

    for ( /* void */ ; *type != '\0'; type++) {
        ch = (unsigned char) *type;

        if (!mspwh_is_word(ch)) {
            is_new = 1;
            prev = 0;
            continue;
        }

        if (mspwh_is_upper(ch) && prev != 0
            && (!mspwh_is_upper(prev) || mspwh_is_lower(type[1])))
        {
            is_new = 1;
        }

        if (is_new && dst > start) {
            *dst++ = '.';
        }

        dst = mspwh_text_escape(dst, type, 1);

        is_new = 0;
        prev = ch;
    }

    *dst = '\0';

    for (p = start; p < dst; p++) {
        *p = (char) mspwh_to_lower(*p);
    }
}


void
mspwh_event_type_classify(const char *type, mspwh_entity_e *entity,
    mspwh_action_e *action)
{
    size_t       i;
    const char  *rest, *next, *last;

    rest = mspwh_event_type_after_word(type, "ticket");

    if (rest != NULL) {
        *entity = MSPWH_ENTITY_TICKET;

    } else {
        rest = type;
    }

    for (i = MSPWH_ENTITY_NOTE; i <= MSPWH_ENTITY_ATTACHMENT; i++) {
        next = mspwh_event_type_after_word(rest, mspwh_entities[i]);
        if (next != NULL) {
            *entity = (mspwh_entity_e) i;
        }
    }

    last = strrchr(type, '.');
    last = (last != NULL) ? last + 1 : type;

    for (i = MSPWH_ACTION_CREATED; i <= MSPWH_ACTION_ADDED; i++) {
        if (strcmp(last, mspwh_actions[i]) == 0) {
            *action = (mspwh_action_e) i;
        }
    }
}


/* returns the rest of a type after this first word, or NULL */

static const char *
mspwh_event_type_after_word(const char *type, const char *word)
{
    size_t  length;

    length = strlen(word);

    if (strncmp(type, word, length) != 0) {
        return NULL;
    }

    if (type[length] == '.') {
        return type + length + 1;
    }

    return (type[length] == '\0') ? type + length : NULL;
}


int
mspwh_event_type_pattern(const char *pattern, const char **meant)
{
    size_t                     i, length;
    const mspwh_event_type_t  *known;

    *meant = NULL;

    if (strcmp(pattern, "*") == 0) {
        return 0;
    }

    length = strlen(pattern);

    if (length > 2 && strcmp(pattern + length - 2, ".*") == 0) {

        for (i = 0; i < MSPWH_EVENT_PREFIXES; i++) {
            if (strcmp(pattern, mspwh_event_prefixes[i] + strlen("ticket."))
                == 0)
            {
                *meant = mspwh_event_prefixes[i];
                return -1;
            }
        }

        return mspwh_event_type_is_canonical(pattern, length - 2) ? 0 : -1;
    }

    known = mspwh_event_type_known(pattern);

    if (known != NULL) {
        if (strcmp(known->type, pattern) == 0) {
            return 0;
        }

        *meant = known->type;
        return -1;
    }

    return mspwh_event_type_is_canonical(pattern, length) ? 0 : -1;
}


/* whether mspwh_event_type_canonical() can produce this */

static int
mspwh_event_type_is_canonical(const char *type, size_t length)
{
    size_t  i;

    for (i = 0; i < length; i++) {

        if (type[i] == '.') {
            if (i == 0 || type[i - 1] == '.' || i == length - 1) {
                return 0;
            }

            continue;
        }

        if (mspwh_is_lower(type[i]) || mspwh_is_digit(type[i])) {
            continue;
        }

        /* a byte outside ASCII */

        if (type[i] != '%' || length - i < 3
            || type[i + 1] == '\0' || type[i + 2] == '\0'
            || strchr("89abcdef", type[i + 1]) == NULL
            || strchr("0123456789abcdef", type[i + 2]) == NULL)
        {
            return 0;
        }

        i += 2;
    }

    return length > 0;
}


int
mspwh_event_type_matches(const char *pattern, size_t length, const char *type)
{
    if (length > 0 && pattern[length - 1] == '*') {
        return strncmp(pattern, type, length - 1) == 0;
    }

    return strlen(type) == length && memcmp(pattern, type, length) == 0;
}


const char *
mspwh_event_entity(mspwh_entity_e entity)
{
    return mspwh_entities[entity];
}


const char *
mspwh_event_action(mspwh_action_e action)
{
    return mspwh_actions[action];
}


const char *
mspwh_event_type_nearest(const char *pattern, size_t length)
{
    size_t       i, distance, least;
    const char  *nearest;

    static const char *const  groups[] = {
        "ticket.*", "ticket.note.*", "ticket.response.*",
        "ticket.attachment.*"
    };

    least = (size_t) -1;
    nearest = NULL;

    for (i = 0; i < MSPWH_EVENT_TYPES; i++) {
        if (mspwh_event_type_matches(pattern, length,
                                     mspwh_event_type_name(i)))
        {
            return NULL;
        }

        distance = mspwh_edits(pattern, length, mspwh_event_type_name(i));

        if (distance < least) {
            least = distance;
            nearest = mspwh_event_type_name(i);
        }
    }

    for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        distance = mspwh_edits(pattern, length, groups[i]);

        if (distance < least) {
            least = distance;
            nearest = groups[i];
        }
    }

    return nearest;
}


/*
 * Returns the Levenshtein distance of a text, of which up to MSPWH_EDITS bytes
 * count, from a null-terminated one.  Keeps one row of the table at a time.
 */

static size_t
mspwh_edits(const char *text, size_t length, const char *other)
{
    size_t  row[MSPWH_EDITS + 1], i, diagonal, above;

    if (length > MSPWH_EDITS) {
        length = MSPWH_EDITS;
    }

    for (i = 0; i <= length; i++) {
        row[i] = i;
    }

    for ( /* void */ ; *other != '\0'; other++) {
        diagonal = row[0]++;

        for (i = 1; i <= length; i++) {
            above = row[i];

            if (text[i - 1] != *other) {
                diagonal += 1;
            }

            row[i] = mspwh_least(diagonal,
                                 mspwh_least(above, row[i - 1]) + 1);
            diagonal = above;
        }
    }

    return row[length];
}
