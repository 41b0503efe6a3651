
/*
 * The event in a text, by way of the scanner.
 */


#ifndef _PARSE_H_INCLUDED_
#define _PARSE_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mspwh_event.h"
#include "mspwh_scanner.h"

#include "types.h"


/* what the scanner may leave out */

static mspwh_scanner_keep_pt  ask;


static mspwh_event_error_e
parse(mspwh_event_t *event, const char *text, const mspwh_fields_t *fields)
{
    unsigned                  i, j;
    mspwh_scanner_t           s;
    mspwh_event_error_e       error;
    mspwh_scanner_pointers_t  set;

    set.npointers = 0;

    for (i = 0; fields && i < MSPWH_ROLES; i++) {
        for (j = 0; j < fields->roles[i].npointers; j++) {
            set.pointers[set.npointers++] = fields->roles[i].pointers[j];
        }
    }

    for (j = 0; fields && j < fields->nvalues; j++) {
        set.pointers[set.npointers++] = fields->values[j];
    }

    mspwh_scanner_init(&s, 65536, &set);

    if (fields == NULL) {
        s.ask = ask;
    }

    mspwh_scanner_feed(&s, text, strlen(text));

    if (mspwh_scanner_finish(&s) != MSPWH_SCANNER_OK) {
        fail_msg("bad test: %s", text);
    }

    error = mspwh_event_parse(event, s.envelope, s.length, fields);
    mspwh_scanner_cleanup(&s);

    if (error != MSPWH_EVENT_OK) {
        assert_int_equal(event->entity, MSPWH_ENTITY_UNKNOWN);
        assert_int_equal(event->action, MSPWH_ACTION_UNKNOWN);
        assert_int_equal(event->anomalies, 0);
        assert_string_equal(event->type, "");
        assert_string_equal(event->type_raw, "");
        assert_string_equal(event->entity_id, "");
        assert_string_equal(event->ticket_id, "");
        assert_null(event->values);
    }

    return error;
}


/* "want": the error, or "type entity_id ticket_id" */

static void
check(const char *text, const mspwh_fields_t *fields, const char *want)
{
    char                 got[1024];
    mspwh_event_t        event;
    mspwh_event_error_e  error;

    error = parse(&event, text, fields);

    if (error != MSPWH_EVENT_OK) {
        snprintf(got, sizeof(got), "error %d", error);

    } else {
        snprintf(got, sizeof(got), "%s %s %s", event.type, event.entity_id,
                 event.ticket_id);
    }

    if (strcmp(got, want) != 0) {
        fail_msg("%s: \"%s\", not \"%s\"", text, got, want);
    }

    mspwh_event_cleanup(&event);
    mspwh_event_cleanup(&event);
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
