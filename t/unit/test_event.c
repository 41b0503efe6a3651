
/*
 * The event in a document, by name.
 */


#include "parse.h"
#include "types.h"

#include <ctype.h>


#define A32        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


typedef struct {
    const char           *text;
    mspwh_event_error_e   error;
} error_t_;


/* spells the words of a canonical type in another way */

static void
spell(char *dst, const char *type, const char *separator, char form)
{
    int  first, start;

    first = 1;
    start = 1;

    for ( /* void */ ; *type; type++) {
        if (*type == '.') {
            dst = stpcpy(dst, separator);
            start = 1;
            first = 0;
            continue;
        }

        if (form == 'U' || (form == 'T' && start)
            || (form == 'c' && start && !first)
            || (form == 's' && start && first))
        {
            *dst++ = (char) toupper((unsigned char) *type);

        } else {
            *dst++ = *type;
        }

        start = 0;
    }

    *dst = '\0';
}


static void
test_types(void **state)
{
    char           text[256], name[128];
    size_t         i, j, k, n;
    const char    *type;
    parsed_t       parsed;

    /* Upper-case, lower-case, Title, camel, Sentence */

    static const char         forms[] = "UlTcs";
    static const char *const  separators[] = {
        "", ".", "_", "-", " ", ": ", "/", "::",
    };

    (void) state;

    for (i = 0; i < nitems(types); i++) {

        /* k: with or without the first word */

        for (k = 0; k < 2; k++) {
            type = types[i].type;

            if (k == 1) {
                if (types[i].entity == MSPWH_ENTITY_TICKET) {
                    continue;
                }

                type = strchr(type, '.') + 1;
            }

            for (j = 0; j < nitems(separators) * 5; j++) {
                spell(name, type, separators[j / 5], forms[j % 5]);
                snprintf(text, sizeof(text), "{\"eventType\":\"%s\","
                         "\"entityId\":1,\"ticketId\":1}", name);

                if (parse(&parsed, text, NULL, WHOLE) != MSPWH_EVENT_OK) {
                    fail_msg("%s", text);
                }

                if (strcmp(parsed.event.type, types[i].type) != 0) {
                    fail_msg("%s: %s", name, parsed.event.type);
                }

                assert_string_equal(parsed.event.type_raw, name);
                assert_int_equal(parsed.event.entity, types[i].entity);
                assert_int_equal(parsed.event.action, types[i].action);

                n = parsed.event.anomalies & (1 << MSPWH_ANOMALY_EVENT_TYPE);
                assert_int_equal(n, 0);

                parsed_free(&parsed);
            }
        }
    }
}


static void
test_unknown(void **state)
{
    char           text[256];
    size_t         i;
    parsed_t       parsed;

    static const struct {
        const char      *raw;
        const char      *type;
        mspwh_entity_e   entity;
        mspwh_action_e   action;
    } cases[] = {
        { "TicketMerged", "ticket.merged", MSPWH_ENTITY_TICKET, 0 },
        { "ticket_merged", "ticket.merged", MSPWH_ENTITY_TICKET, 0 },
        { " Ticket: merged! ", "ticket.merged", MSPWH_ENTITY_TICKET, 0 },
        { "TICKET_MERGED", "ticket.merged", MSPWH_ENTITY_TICKET, 0 },
        { "TicketSLABreached", "ticket.sla.breached",
          MSPWH_ENTITY_TICKET, 0 },
        { "TicketNotePinned", "ticket.note.pinned", MSPWH_ENTITY_NOTE, 0 },
        { "note.pinned", "note.pinned", MSPWH_ENTITY_NOTE, 0 },
        { "ResponseBounced", "response.bounced", MSPWH_ENTITY_RESPONSE, 0 },
        { "ticket.attachment.updated", "ticket.attachment.updated",
          MSPWH_ENTITY_ATTACHMENT, MSPWH_ACTION_UPDATED },
        { "CompanyCreated", "company.created", MSPWH_ENTITY_UNKNOWN,
          MSPWH_ACTION_CREATED },
        { "ping", "ping", MSPWH_ENTITY_UNKNOWN, 0 },

        /* only the first words name an entity, and only whole ones */
        { "MSPTicketMerged", "msp.ticket.merged", MSPWH_ENTITY_UNKNOWN, 0 },
        { "ticketing.closed", "ticketing.closed", MSPWH_ENTITY_UNKNOWN, 0 },
        { "ticket.notes.lost", "ticket.notes.lost", MSPWH_ENTITY_TICKET, 0 },
        { "created", "created", MSPWH_ENTITY_UNKNOWN, MSPWH_ACTION_CREATED },
        { "ticket.note.add", "ticket.note.add", MSPWH_ENTITY_NOTE, 0 },
        { "TicketAttachmentDeletedX", "ticket.attachment.deleted.x",
          MSPWH_ENTITY_ATTACHMENT, 0 },
        { "Ticket gr\xc3\xb6n", "ticket.gr%c3%b6n", MSPWH_ENTITY_TICKET, 0 },

        { "42", "42", MSPWH_ENTITY_UNKNOWN, 0 },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        snprintf(text, sizeof(text), "{\"eventType\":\"%s\"}", cases[i].raw);

        assert_int_equal(parse(&parsed, text, NULL, WHOLE), MSPWH_EVENT_OK);
        assert_string_equal(parsed.event.type, cases[i].type);
        assert_string_equal(parsed.event.type_raw, cases[i].raw);

        if (parsed.event.entity != cases[i].entity
            || parsed.event.action != cases[i].action)
        {
            fail_msg("%s: %s, %s", cases[i].raw,
                     mspwh_event_entity(parsed.event.entity),
                     mspwh_event_action(parsed.event.action));
        }

        assert_int_equal(parsed.event.anomalies,
                         1 << MSPWH_ANOMALY_EVENT_TYPE);

        parsed_free(&parsed);
    }

    assert_int_equal(parse(&parsed,
                           "{\"eventType\":\"\\u0054icket\\nMerged\"}",
                           NULL, WHOLE), MSPWH_EVENT_OK);
    assert_string_equal(parsed.event.type, "ticket.merged");
    assert_string_equal(parsed.event.type_raw, "Ticket\nMerged");
    parsed_free(&parsed);
}


#define N  "{\"eventType\":\"NoteAdded\",\"ticketId\":2,\"entityId\":"
#define T  "{\"eventType\":\"TicketCreated\",\"entityId\":"

static void
test_ids(void **state)
{
    char    text[512], want[512];
    size_t  i;

    static const char *const  good[] = {
        "5", "0", "\"5\"", "\"007\"", "123456789012345678901234567890",
        "\"a\"", "\"Z9._~:-z\"", "\"" A32 A32 A32 A32 "\"",
        "\"3f2504e0-4f89-11d3-9a0c-0305e82c3301\"",
    };

    static const char *const  bad[] = {
        "-5", "-0", "1.0", "1e3", "1E3", "0.5", "true", "false", "{}", "[]",
        "[5]", "{\"a\":5}", "\"\"", "\"-1\"", "\"_a\"", "\".a\"", "\"~a\"",
        "\":a\"", "\"a b\"", "\" a\"", "\"a \"", "\"a/b\"", "\"a@\"",
        "\"a[\"", "\"a`\"", "\"a{\"", "\"a;\"", "\"a\\u0000\"",
        "\"a\\n\"", "\"a\\r\\nb\"", "\"\\u00e9\"", "\"a\xc3\xa9\"",
        "\"" A32 A32 A32 A32 "a\"",
    };

    (void) state;

    for (i = 0; i < nitems(good); i++) {
        snprintf(text, sizeof(text), N "%s}", good[i]);
        snprintf(want, sizeof(want), "ticket.note.added %.*s 2",
                 (int) (strlen(good[i]) - 2 * (good[i][0] == '"')),
                 good[i] + (good[i][0] == '"'));
        check(text, NULL, want);
    }

    for (i = 0; i < nitems(bad); i++) {
        snprintf(text, sizeof(text), N "%s}", bad[i]);
        check_error(text, NULL, MSPWH_EVENT_BAD_ENTITY_ID);

        snprintf(text, sizeof(text), T "1,\"ticketId\":%s}", bad[i]);
        check_error(text, NULL, MSPWH_EVENT_BAD_TICKET_ID);

        snprintf(text, sizeof(text), "{\"event\":\"x\",\"entityId\":%s}",
                 bad[i]);
        check_error(text, NULL, MSPWH_EVENT_BAD_ENTITY_ID);
    }
}


static void
test_search(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        const char  *want;
    } cases[] = {
        { "{\"event-type\":\"NoteAdded\",\"ENTITY_ID\":1,\"Ticket-_Id\":2}",
          "ticket.note.added 1 2" },
        { "{\"__EVENTTYPE\":\"NoteAdded\",\"entityid\":1,\"tIcKeTiD\":2}",
          "ticket.note.added 1 2" },
        { "{\"\\u0065vent\":\"x\"}", "x  " },
        { "{\"a\":{\"b\":{\"eventType\":\"x\"}},\"c\":{\"entityId\":1,"
          "\"d\":{\"ticketId\":2}}}", "x 1 2" },

        /* the shallowest one, whatever it is and wherever it is */
        { "{\"a\":{\"entityId\":2},\"entityId\":1,\"event\":\"x\"}",
          "x 1 " },
        { "{\"entityId\":1,\"a\":{\"entityId\":2},\"event\":\"x\"}",
          "x 1 " },
        { "{\"a\":{\"b\":{\"entityId\":2}},\"c\":{\"entityId\":1},"
          "\"event\":\"x\"}", "x 1 " },
        { T "1,\"ticketId\":null,\"a\":{\"ticketId\":2}}",
          "ticket.created 1 1" },
        { "{\"event\":\"x\",\"entityId\":null,\"a\":{\"entityId\":2}}",
          "x  " },

        /* eventtype before event, at any depth */
        { "{\"event\":\"x\",\"eventType\":\"y\"}", "y  " },
        { "{\"event\":\"x\",\"a\":{\"eventType\":\"y\"}}", "y  " },
        { "{\"event\":{\"eventType\":\"y\",\"entityId\":1}}", "y 1 " },
        { "{\"event_\":\"x\"}", "x  " },

        /* arrays are not entered */
        { "{\"event\":\"x\",\"a\":[{\"entityId\":2}]}", "x  " },
        { "{\"event\":\"x\",\"a\":[{\"eventType\":\"y\"}]}", "x  " },

        /* other names */
        { "{\"event\":\"x\",\"entityIds\":1,\"entity.id\":2,\"id\":3,"
          "\"ticket id\":4}", "x  " },

        /* a number is a type */
        { "{\"event\":7}", "7  " },

        /* the ticket id of a ticket */
        { T "7}", "ticket.created 7 7" },
        { T "7,\"ticketId\":8}", "ticket.created 7 8" },
        { "{\"event\":\"TicketMerged\",\"entityId\":7}",
          "ticket.merged 7 7" },
        { "{\"event\":\"NotePinned\",\"entityId\":7}", "note.pinned 7 " },
        { "{\"event\":\"ping\",\"entityId\":7}", "ping 7 " },

        /* the same value twice */
        { T "5,\"entity_id\":\"5\"}", "ticket.created 5 5" },
        { T "\"5\",\"entityId\":5}", "ticket.created 5 5" },
        { "{\"event\":\"x\",\"a\":{\"entityId\":1},\"b\":{\"entityId\":1}}",
          "x 1 " },
        { "{\"eventType\":\"x\",\"event_type\":\"x\"}", "x  " },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        check(cases[i].text, NULL, cases[i].want);
    }
}


static void
test_errors(void **state)
{
    size_t  i;

    static const error_t_  cases[] = {
        { "[]", MSPWH_EVENT_NOT_OBJECT }, { "5", MSPWH_EVENT_NOT_OBJECT },
        { "\"x\"", MSPWH_EVENT_NOT_OBJECT },
        { "null", MSPWH_EVENT_NOT_OBJECT },

        { "{}", MSPWH_EVENT_NO_TYPE },
        { "{\"entityId\":1}", MSPWH_EVENT_NO_TYPE },
        { "{\"type\":\"x\"}", MSPWH_EVENT_NO_TYPE },
        { "{\"eventType\":\"\"}", MSPWH_EVENT_NO_TYPE },
        { "{\"eventType\":\" -._/\"}", MSPWH_EVENT_NO_TYPE },
        { "{\"eventType\":true}", MSPWH_EVENT_NO_TYPE },
        { "{\"eventType\":null}", MSPWH_EVENT_NO_TYPE },
        { "{\"eventType\":{}}", MSPWH_EVENT_NO_TYPE },
        { "{\"eventType\":[]}", MSPWH_EVENT_NO_TYPE },
        { "{\"eventType\":true,\"a\":{\"eventType\":\"x\"}}",
          MSPWH_EVENT_NO_TYPE },

        { "{\"event\":\"TicketCreated\"}", MSPWH_EVENT_NO_ENTITY_ID },
        { "{\"event\":\"TicketCreated\",\"ticketId\":1}",
          MSPWH_EVENT_NO_ENTITY_ID },
        { T "null}", MSPWH_EVENT_NO_ENTITY_ID },
        { T "null,\"a\":{\"entityId\":2}}", MSPWH_EVENT_NO_ENTITY_ID },
        { "{\"event\":\"NoteAdded\",\"ticketId\":1}",
          MSPWH_EVENT_NO_ENTITY_ID },
        { "{\"event\":\"NoteAdded\",\"entityId\":1}",
          MSPWH_EVENT_NO_TICKET_ID },
        { "{\"event\":\"ResponseDeleted\",\"entityId\":1}",
          MSPWH_EVENT_NO_TICKET_ID },
        { "{\"event\":\"AttachmentAdded\",\"entityId\":1,"
          "\"ticketId\":null}", MSPWH_EVENT_NO_TICKET_ID },

        { T "5,\"entity_id\":6}", MSPWH_EVENT_AMBIGUOUS },
        { T "5,\"entityId\":\"05\"}", MSPWH_EVENT_AMBIGUOUS },
        { T "5,\"entityId\":5,\"entityId\":6}", MSPWH_EVENT_AMBIGUOUS },
        { T "5,\"ticketId\":5,\"ticketID\":6}", MSPWH_EVENT_AMBIGUOUS },
        { "{\"event\":\"x\",\"a\":{\"entityId\":1},\"b\":{\"entityId\":2}}",
          MSPWH_EVENT_AMBIGUOUS },
        { "{\"eventType\":\"x\",\"event_type\":\"y\"}",
          MSPWH_EVENT_AMBIGUOUS },
        { "{\"event\":\"x\",\"event\":\"y\"}", MSPWH_EVENT_AMBIGUOUS },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        check_error(cases[i].text, NULL, cases[i].error);
    }
}


#define TICKET(e)  "{\"event\":\"Ticket" e "\",\"entityId\":5"
#define SUB(e)     "{\"event\":\"" e "\",\"entityId\":5,\"ticketId\":6"
#define DET        ",\"Details\":\"d\""
#define DESC       ",\"Description\":\"d\""
#define ADD        ",\"AdditionalFields\":[]"
#define KIND(k)    ",\"TicketResponseTypeId\":" k

static void
test_anomalies(void **state)
{
    char           got[512];
    size_t         i;
    unsigned       n;
    parsed_t       parsed;

    static const struct {
        const char  *text;
        const char  *anomalies;
    } cases[] = {
        { TICKET("Created") DET ADD "}", "" },
        { TICKET("Updated") DET ADD ",\"ticketId\":\"5\"}", "" },
        { TICKET("Deleted") DET ADD ",\"ticketId\":6}",
          ",ticket_id_mismatch" },
        { TICKET("Created") DET ADD ",\"ticketId\":\"05\"}",
          ",ticket_id_mismatch" },
        { TICKET("Created") ADD "}", ",missing_details" },
        { TICKET("Created") DET "}", ",missing_additional_fields" },
        { TICKET("Created") DET DESC ADD "}", ",unexpected_description" },
        { TICKET("Created") DET ADD KIND("\"Note\"") "}", "" },
        { TICKET("Deleted") DESC ",\"ticketId\":6}",
          ",ticket_id_mismatch,missing_details,unexpected_description,"
          "missing_additional_fields" },
        { TICKET("Created") ",\"a\":{\"DETAILS\":\"\","
          "\"additional_fields\":[{}]}}", "" },
        { TICKET("Created") ",\"a\":[{\"Details\":\"\"}]" ADD "}",
          ",missing_details" },

        { SUB("NoteAdded") DESC ADD "}", "" },
        { SUB("NoteUpdated") DESC ADD KIND("\"Note\"") "}", "" },
        { SUB("NoteAdded") DESC ADD KIND("\"Other\"") "}", "" },
        { SUB("NoteAdded") DESC ADD KIND("\"Email\"") "}",
          ",response_type_mismatch" },
        { SUB("NoteDeleted") DESC ADD KIND("\"eMAIL\"") "}",
          ",response_type_mismatch" },
        { SUB("NoteAdded") DET ADD "}",
          ",unexpected_details,missing_description" },
        { SUB("NoteAdded") DESC "}", ",missing_additional_fields" },
        { SUB("ResponseAdded") DESC ADD KIND("\"Email\"") "}", "" },
        { SUB("ResponseAdded") DESC ADD KIND("\"Emails\"") "}", "" },
        { SUB("ResponseAdded") DESC ADD KIND("7") "}", "" },
        { SUB("ResponseUpdated") DESC ADD KIND("\"note\"") "}",
          ",response_type_mismatch" },
        { SUB("ResponseAdded") DET KIND("\"NOTE\"") "}",
          ",response_type_mismatch,unexpected_details,"
          "missing_description,missing_additional_fields" },

        { SUB("AttachmentAdded") ADD "}", "" },
        { SUB("AttachmentAdded") ADD KIND("\"Note\"") "}", "" },
        { SUB("AttachmentDeleted") DET DESC "}",
          ",unexpected_details,unexpected_description,"
          "missing_additional_fields" },

        /* nothing is known about other types */
        { TICKET("Merged") DESC ",\"ticketId\":6}", ",unknown_event_type" },
        { SUB("NotePinned") DET KIND("\"Email\"") "}",
          ",unknown_event_type" },
        { SUB("AttachmentUpdated") DET "}", ",unknown_event_type" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        assert_int_equal(parse(&parsed, cases[i].text, NULL, WHOLE),
                         MSPWH_EVENT_OK);
        got[0] = '\0';

        for (n = 0; n < 32; n++) {
            if (parsed.event.anomalies & (1u << n)) {
                assert_true(n < MSPWH_ANOMALIES);
                strcat(got, ",");
                strcat(got, mspwh_event_anomaly(n));
            }
        }

        if (strcmp(got, cases[i].anomalies) != 0) {
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].text, got,
                     cases[i].anomalies);
        }

        parsed_free(&parsed);
    }
}


static void
test_strerror(void **state)
{
    int  i, j;

    (void) state;

    for (i = MSPWH_EVENT_OK; i <= MSPWH_EVENT_NO_MEMORY; i++) {
        for (j = MSPWH_EVENT_OK; j < i; j++) {
            assert_string_not_equal(mspwh_event_strerror(i),
                                    mspwh_event_strerror(j));
        }
    }
}


/* a value that is not a text cannot be taken for one */

static void
test_no_text(void **state)
{
    size_t      i;
    char        text[512];
    parsed_t    parsed;

    static const char *const  bad[] = {
        "\\u0000", "\\ud834", "\\udd1e", "\\ud834\\u0041",
    };

    (void) state;

    for (i = 0; i < nitems(bad); i++) {
        snprintf(text, sizeof(text), "{\"event\":\"ping%s\"}", bad[i]);
        check_error(text, NULL, MSPWH_EVENT_NO_TYPE);

        snprintf(text, sizeof(text), T "\"5%s\"}", bad[i]);
        check_error(text, NULL, MSPWH_EVENT_BAD_ENTITY_ID);

        snprintf(text, sizeof(text), T "5,\"ticketId%s\":6}", bad[i]);
        check(text, NULL, "ticket.created 5 5");

        /* two such values cannot be compared */

        snprintf(text, sizeof(text), T "\"5%s\",\"entityId\":\"\"}", bad[i]);
        check_error(text, NULL, MSPWH_EVENT_AMBIGUOUS);

        snprintf(text, sizeof(text), T "\"%s\",\"entityId\":\"%s\"}", bad[i],
                 bad[i]);
        check_error(text, NULL, MSPWH_EVENT_AMBIGUOUS);

        snprintf(text, sizeof(text), SUB("ResponseAdded") DESC ADD
                 KIND("\"Note%s\"") "}", bad[i]);
        assert_int_equal(parse(&parsed, text, NULL, WHOLE), MSPWH_EVENT_OK);
        assert_int_equal(parsed.event.anomalies, 0);
        parsed_free(&parsed);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_anomalies),
        cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_strerror),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
