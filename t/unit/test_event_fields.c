
/*
 * What pointers lead to: the roles of mspwh_field, the values of mspwh_set.
 */


#include "parse.h"


static void
test_fields(void **state)
{
    size_t            i;
    unsigned          n;
    mspwh_fields_t    fields;
    mspwh_pointer_t  *pointers[3];

    static const char *const  texts[] = { "/x/id", "/a/1/id", "/t~1e" };

    static const struct {
        const char  *text;
        const char  *want;
    } cases[] = {
        { "{\"t/e\":\"NoteAdded\",\"x\":{\"id\":1},\"ticketId\":2}",
          "ticket.note.added 1 2" },
        { "{\"t/e\":\"ping\",\"a\":[{\"id\":0},{\"id\":1}]}", "ping 1 " },

        /* the first that resolves */
        { "{\"t/e\":\"ping\",\"a\":[0,{\"id\":1}],\"x\":{\"id\":2}}",
          "ping 2 " },

        /* names no longer count */
        { "{\"t/e\":\"ping\",\"eventType\":\"x\",\"entityId\":3}",
          "ping  " },
    };

    (void) state;

    for (n = 0; n < nitems(texts); n++) {
        assert_int_equal(mspwh_pointer_parse(texts[n], strlen(texts[n]),
                                             &pointers[n]), 0);
        assert_non_null(pointers[n]);
    }

    memset(&fields, 0, sizeof(fields));
    fields.roles[MSPWH_ROLE_ENTITY_ID].npointers = 2;
    fields.roles[MSPWH_ROLE_ENTITY_ID].pointers = &pointers[0];
    fields.roles[MSPWH_ROLE_EVENT_TYPE].npointers = 1;
    fields.roles[MSPWH_ROLE_EVENT_TYPE].pointers = &pointers[2];

    for (i = 0; i < nitems(cases); i++) {
        check(cases[i].text, &fields, cases[i].want);
    }

    check_error("{\"eventType\":\"x\"}", &fields, MSPWH_EVENT_NO_TYPE);
    check_error("{\"t/e\":\"x\",\"x\":{\"id\":1,\"id\":2}}", &fields,
                MSPWH_EVENT_AMBIGUOUS);
    check_error("{\"t/e\":\"TicketCreated\",\"entityId\":3}", &fields,
                MSPWH_EVENT_NO_ENTITY_ID);

    for (n = 0; n < nitems(texts); n++) {
        free(pointers[n]);
    }
}


/* up to 1 KB is a value, of a string or of digits */

static void
check_long_values(const mspwh_fields_t *fields)
{
    char           text[4096], string[2048];
    size_t         i;
    unsigned       n;
    mspwh_event_t  event;

    for (i = 1023; i < 1027; i++) {
        for (n = 0; n < 2; n++) {
            memset(string, n ? '1' : 'a', i);
            string[i] = '\0';
            snprintf(text, sizeof(text),
                     n ? "{\"v\":%s,\"event\":\"ping\"}"
                       : "{\"v\":\"%s\",\"event\":\"ping\"}", string);
            assert_int_equal(parse(&event, text, fields), MSPWH_EVENT_OK);
            assert_string_equal(event.values[0], i > 1024 ? "" : string);
            mspwh_event_cleanup(&event);
        }
    }
}


static void
test_values(void **state)
{
    char              text[4096];
    size_t            i;
    unsigned          n;
    mspwh_event_t     event;
    mspwh_fields_t    fields;
    mspwh_pointer_t  *pointers[2];

    /* "v" is the value of "/v", or of "/l/1/v" in the other half */

    static const struct {
        const char  *v;
        const char  *want;
    } cases[] = {
        { "\"text\"", "text" }, { "\"\"", "" }, { "\" a b \"", " a b " },
        { "\"\\u00e4\\ud834\\udd1e\\/\\\"\"",
          "\xc3\xa4\xf0\x9d\x84\x9e/\"" },
        { "\"\xc2\xa0\xc3\x9f\xe0\xa2\x80\"",
          "\xc2\xa0\xc3\x9f\xe0\xa2\x80" },
        { "\"\\ud834\"", "\xef\xbf\xbd" },
        { "0", "0" }, { "-1.50e+07", "-1.50e+07" },
        { "123456789012345678901234567890", "123456789012345678901234567890" },
        { "true", "true" }, { "false", "false" }, { "null", "" },
        { "{}", "" }, { "[]", "" }, { "{\"v\":1}", "" }, { "[1]", "" },
        { "\"a\\u0000b\"", "" }, { "\"a\\u0001\"", "" },
        { "\"\\n\"", "" }, { "\"a\\tb\"", "" }, { "\"\\u007f\"", "" },
        { "\"\x7f\"", "" }, { "\"\xc2\x80\"", "" },
        { "\"a\\u009f\"", "" }, { "\"\\u001f\"", "" },
        { "\"a\",\"v\":\"a\"", "a" }, { "\"a\",\"v\":\"b\"", "" },
        { "1,\"v\":2", "" }, { "true,\"v\":false", "" },
        { "1,\"x\":2", "1" }, { "{},\"v\":1", "" },
    };

    (void) state;

    for (n = 0; n < 2; n++) {
        static const char *const  texts[] = { "/v", "/l/1/v" };

        assert_int_equal(mspwh_pointer_parse(texts[n], strlen(texts[n]),
                                             &pointers[n]), 0);
    }

    memset(&fields, 0, sizeof(fields));
    fields.nvalues = 2;
    fields.values = pointers;

    for (i = 0; i < nitems(cases); i++) {
        for (n = 0; n < 2; n++) {
            snprintf(text, sizeof(text), "{\"eventType\":\"ping\",%s%s%s}",
                     n ? "\"l\":[0,{\"v\":" : "\"v\":", cases[i].v,
                     n ? "}]" : "");
            assert_int_equal(parse(&event, text, &fields), MSPWH_EVENT_OK);

            if (strcmp(event.values[n], cases[i].want) != 0) {
                fail_msg("%s: \"%s\"", text, event.values[n]);
            }

            assert_string_equal(event.values[!n], "");
            assert_string_equal(event.type, "ping");

            mspwh_event_cleanup(&event);
            assert_null(event.values);
        }
    }

    check_long_values(&fields);

    check_error("{\"v\":1}", &fields, MSPWH_EVENT_NO_TYPE);
    check_error("[]", &fields, MSPWH_EVENT_NOT_OBJECT);

    for (n = 0; n < 2; n++) {
        free(pointers[n]);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
