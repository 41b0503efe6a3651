
/*
 * The values that pointers lead to: the roles of mspwh_field, the values of
 * mspwh_set.
 */


#include "parse.h"


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
test_fields(void **state)
{
    size_t    i;
    wanted_t  wanted;

    static const char *const  roles[MSPWH_ROLES] = {
        [MSPWH_ROLE_EVENT_TYPE] = "/t~1e",
        [MSPWH_ROLE_ENTITY_ID] = "/x/id /a/1/id"
    };

    static const struct {
        const char  *text;
        const char  *want;
    } cases[] = {
        { "{\"t/e\":\"NoteAdded\",\"x\":{\"id\":1},\"ticketId\":2}",
          "ticket.note.added 1 2" },
        { "{\"t/e\":\"ping\",\"a\":[{\"id\":0},{\"id\":1}]}", "ping 1 " },

        /* the first pointer that leads to a value */
        { "{\"t/e\":\"ping\",\"a\":[0,{\"id\":1}],\"x\":{\"id\":2}}",
          "ping 2 " },

        /* names no longer count */
        { "{\"t/e\":\"ping\",\"eventType\":\"x\",\"entityId\":3}",
          "ping  " },

        /* another value at the second pointer does not count either */
        { "{\"t/e\":\"ping\",\"a\":[0,{\"id\":1,\"id\":3}],"
          "\"x\":{\"id\":2}}", "ping 2 " },
    };

    (void) state;

    want(&wanted, roles, "");

    for (i = 0; i < nitems(cases); i++) {
        check(cases[i].text, &wanted.fields, cases[i].want);
    }

    check_error("{\"eventType\":\"x\",\"event\":\"y\"}", &wanted.fields,
                MSPWH_EVENT_NO_TYPE);
    check_error("{\"t/e\":\"x\",\"x\":{\"id\":1,\"id\":2}}",
                &wanted.fields, MSPWH_EVENT_AMBIGUOUS);
    check_error("{\"t/e\":\"TicketCreated\",\"entityId\":3}",
                &wanted.fields, MSPWH_EVENT_NO_ENTITY_ID);

    want_free(&wanted);
}


static void
check_value(const char *text, const mspwh_fields_t *fields, unsigned n,
    const char *value)
{
    size_t      at;
    parsed_t    parsed;
    const char  *got;

    for (at = BY_THREES; at != strlen(text) + 1; at++) {
        assert_int_equal(parse(&parsed, text, fields, at), MSPWH_EVENT_OK);
        assert_string_equal(parsed.event.type, "ping");

        got = mspwh_event_value(&parsed.extract, parsed.plan, n);

        if (strcmp(got, value) != 0) {
            fail_msg("%s: cut at %d: \"%s\"", text, (int) at, got);
        }

        got = mspwh_event_value(&parsed.extract, parsed.plan, !n);
        assert_string_equal(got, "");

        parsed_free(&parsed);
    }
}


static void
test_values(void **state)
{
    char      text[4096], string[2048];
    size_t    i;
    unsigned  n;
    wanted_t  wanted;

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
        { "\"\\ud834\"", "" },
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

    want(&wanted, NULL, "/v /l/1/v");

    for (i = 0; i < nitems(cases); i++) {
        for (n = 0; n < 2; n++) {
            snprintf(text, sizeof(text), "{\"eventType\":\"ping\",%s%s%s}",
                     n ? "\"l\":[0,{\"v\":" : "\"v\":", cases[i].v,
                     n ? "}]" : "");
            check_value(text, &wanted.fields, n, cases[i].want);
        }
    }

    /* up to 1 KB is a value, of a string or of digits */

    for (i = 1023; i < 1027; i++) {
        for (n = 0; n < 2; n++) {
            memset(string, n ? '1' : 'a', i);
            string[i] = '\0';
            snprintf(text, sizeof(text),
                     n ? "{\"v\":%s,\"event\":\"ping\"}"
                       : "{\"v\":\"%s\",\"event\":\"ping\"}", string);
            check_value(text, &wanted.fields, 0, i > 1024 ? "" : string);
        }
    }

    check_error("{\"v\":1}", &wanted.fields, MSPWH_EVENT_NO_TYPE);
    check_error("[]", &wanted.fields, MSPWH_EVENT_NOT_OBJECT);

    want_free(&wanted);
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
