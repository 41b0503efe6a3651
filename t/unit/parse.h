
/*
 * The event in a text.
 */


#ifndef _PARSE_H_INCLUDED_
#define _PARSE_H_INCLUDED_


#include "unit.h"
#include "mspwh_event.h"


typedef struct {
    mspwh_event_plan_t  *plan;
    mspwh_extract_t      extract;
    mspwh_event_t        event;
} parsed_t;


/* "pointers": those of a role, with blanks between; NULL: by name */

typedef struct {
    mspwh_fields_t    fields;
    unsigned          n;
    mspwh_pointer_t  *pointers[32];
} wanted_t;


static mspwh_pointer_t *const *
want_pointers(wanted_t *wanted, const char *texts, unsigned *n)
{
    size_t             length;
    mspwh_pointer_t  **first;

    first = &wanted->pointers[wanted->n];

    for (*n = 0; *texts != '\0'; texts += length + (texts[length] == ' ')) {
        length = strcspn(texts, " ");

        assert_int_equal(mspwh_pointer_parse(texts, length, &first[*n]), 0);
        assert_non_null(first[*n]);
        ++*n;
    }

    wanted->n += *n;

    return first;
}


static void
want(wanted_t *wanted, const char *const *roles, const char *values)
{
    unsigned        i;
    mspwh_role_t   *role;

    memset(wanted, 0, sizeof(wanted_t));

    for (i = 0; i < MSPWH_ROLES; i++) {
        if (roles != NULL && roles[i] != NULL) {
            role = &wanted->fields.roles[i];
            role->pointers = want_pointers(wanted, roles[i],
                                           &role->npointers);
        }
    }

    wanted->fields.values = want_pointers(wanted, values,
                                          &wanted->fields.nvalues);
}


static void
want_free(wanted_t *wanted)
{
    while (wanted->n > 0) {
        free(wanted->pointers[--wanted->n]);
    }
}


static void
parse_feed(void *to, const void *data, size_t length)
{
    mspwh_extract_feed(to, data, length);
}


static mspwh_event_error_e
parse(parsed_t *parsed, const char *text, const mspwh_fields_t *fields,
    size_t at)
{
    mspwh_event_error_e   error;
    const mspwh_event_t  *event;

    parsed->plan = mspwh_event_plan(fields);
    assert_non_null(parsed->plan);

    assert_int_equal(mspwh_extract_init(&parsed->extract,
                                        parsed->plan->extract), 0);
    feed_pieces(parse_feed, &parsed->extract, text, strlen(text), at);

    if (mspwh_extract_finish(&parsed->extract) != MSPWH_JSON_OK) {
        fail_msg("bad test: %s", text);
    }

    error = mspwh_event_read(&parsed->event, &parsed->extract, parsed->plan);

    if (error != MSPWH_EVENT_OK) {
        event = &parsed->event;
        assert_int_equal(event->entity, MSPWH_ENTITY_UNKNOWN);
        assert_int_equal(event->action, MSPWH_ACTION_UNKNOWN);
        assert_int_equal(event->anomalies, 0);
        assert_string_equal(event->type, "");
        assert_string_equal(event->type_raw, "");
        assert_string_equal(event->entity_id, "");
        assert_string_equal(event->ticket_id, "");
        assert_null(event->storage);
    }

    return error;
}


static void
parsed_free(parsed_t *parsed)
{
    mspwh_event_cleanup(&parsed->event);
    mspwh_event_cleanup(&parsed->event);
    mspwh_extract_cleanup(&parsed->extract);
    mspwh_extract_cleanup(&parsed->extract);
    mspwh_event_plan_free(parsed->plan);
}


/* "want": the error, or "type entity_id ticket_id" */

static void
check(const char *text, const mspwh_fields_t *fields, const char *want)
{
    char                  got[1024];
    size_t                at;
    parsed_t              parsed;
    mspwh_event_error_e   error;

    for (at = BY_THREES; at != strlen(text) + 1; at++) {
        error = parse(&parsed, text, fields, at);

        if (error != MSPWH_EVENT_OK) {
            snprintf(got, sizeof(got), "error %d", error);

        } else {
            snprintf(got, sizeof(got), "%s %s %s", parsed.event.type,
                     parsed.event.entity_id, parsed.event.ticket_id);
        }

        if (strcmp(got, want) != 0) {
            fail_msg("%s: cut at %d: \"%s\", not \"%s\"", text, (int) at,
                     got, want);
        }

        parsed_free(&parsed);
    }
}


static void
check_error(const char *text, const mspwh_fields_t *fields,
    mspwh_event_error_e error)
{
    char  want[32];

    snprintf(want, sizeof(want), "error %d", error);
    check(text, fields, want);
}


#endif /* _PARSE_H_INCLUDED_ */
