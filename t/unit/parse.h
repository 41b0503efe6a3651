
/*
 * Parses the event in a text.
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
