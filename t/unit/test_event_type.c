
/*
 * The spellings of event types, and the patterns for them.
 */


#include "unit.h"
#include "mspwh_text.h"

#include "types.h"


static void
test_escape(void **state)
{
    char    got[256 * 3 + 1];
    size_t  i;

    static const struct {
        const char  *text;
        const char  *want;
    } cases[] = {
        { "", "" }, { "Ticket note/\xc3\xa4", "Ticket%20note%2F%C3%A4" },
        { "azAZ09-._~", "azAZ09-._~" }, { "%41+", "%2541%2B" },
        { "@[`{/:^", "%40%5B%60%7B%2F%3A%5E" },
        { "\r\n\t\x7f\xff\x01", "%0D%0A%09%7F%FF%01" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        *mspwh_text_escape(got, cases[i].text, strlen(cases[i].text))
            = '\0';
        assert_string_equal(got, cases[i].want);
    }

    *mspwh_text_escape(got, "a\0b", 3) = '\0';
    assert_string_equal(got, "a%00b");
}


static void
test_patterns(void **state)
{
    size_t       i, j;
    const char  *meant;

    static const struct {
        const char  *pattern;
        const char  *meant;
    } impossible[] = {
        { "", NULL }, { ".", NULL }, { ".*", NULL }, { "**", NULL },
        { "ticket.", NULL }, { ".ticket", NULL }, { "ticket..note", NULL },
        { "ticket..*", NULL }, { "ticket.*.added", NULL },
        { "*.added", NULL }, { "ticket*", NULL }, { "ticket.note.add*", NULL },
        { "ticket.*.*", NULL }, { "ticket merged", NULL },
        { "ticket_merged", NULL }, { "Ticket.merged", NULL },
        { "ticket.Merged", NULL }, { "TICKET.*", NULL },
        { "ticket.m\xc3\xa4rged", NULL }, { "a%41", NULL }, { "a%C3", NULL },
        { "a%c", NULL }, { "a%", NULL }, { "a%c.*", NULL }, { "a%.*", NULL },
        { "a-b", NULL }, { "a~", NULL },

        { "note.added", "ticket.note.added" },
        { "TicketNoteAdded", "ticket.note.added" },
        { "Ticket.Created", "ticket.created" },
        { "ticket..created", "ticket.created" },
        { "ticketcreated", "ticket.created" },
        { "ticket.created.", "ticket.created" },
        { "attachment.deleted", "ticket.attachment.deleted" },
        { "ticket.noteadded", "ticket.note.added" },
        { "note.*", "ticket.note.*" },
        { "response.*", "ticket.response.*" },
        { "attachment.*", "ticket.attachment.*" },
    };

    static const struct {
        const char  *pattern;
        const char  *matches;
        const char  *not;
    } possible[] = {
        { "*", "ticket.created", NULL }, { "*", "a", NULL },
        { "ticket.*", "ticket.note.added", "tickets.created" },
        { "ticket.*", "ticket.created", "ticket" },
        { "ticket.note.*", "ticket.note.added", "ticket.notes.added" },
        { "ticket.note.*", "ticket.note.a.b", "ticket.note" },
        { "ticket.note.added.*", "ticket.note.added.twice",
          "ticket.note.added" },
        { "ticket.created", "ticket.created", "ticket.created.twice" },
        { "ticket.merged", "ticket.merged", "ticket.merge" },
        { "ticket.attachment.updated", "ticket.attachment.updated",
          "ticket.attachment.deleted" },
        { "created", "created", "ticket.created" },
        { "t%c3%a4st.2", "t%c3%a4st.2", "t%c3%a4st" },
        { "note.merged", "note.merged", "ticket.note.merged" },
    };

    (void) state;

    for (i = 0; i < nitems(impossible); i++) {
        assert_int_equal(mspwh_event_type_pattern(impossible[i].pattern,
                                                  &meant), -1);
        if (impossible[i].meant == NULL) {
            assert_null(meant);

        } else {
            assert_string_equal(meant, impossible[i].meant);
        }
    }

    for (i = 0; i < nitems(possible); i++) {
        assert_int_equal(mspwh_event_type_pattern(possible[i].pattern, &meant),
                         0);
        assert_null(meant);

        j = strlen(possible[i].pattern);
        assert_true(mspwh_event_type_matches(possible[i].pattern, j,
                                             possible[i].matches));
        if (possible[i].not != NULL) {
            assert_false(mspwh_event_type_matches(possible[i].pattern, j,
                                                  possible[i].not));
        }
    }

    for (i = 0; i < nitems(types); i++) {
        assert_int_equal(mspwh_event_type_pattern(types[i].type, &meant), 0);

        for (j = 0; j < nitems(types); j++) {
            assert_int_equal(mspwh_event_type_matches(types[i].type,
                                                      strlen(types[i].type),
                                                      types[j].type), i == j);
        }
    }
}


static void
test_nearest(void **state)
{
    size_t       i;
    char         text[200];
    const char  *nearest;

    static const struct {
        const char  *pattern;
        const char  *nearest;
    } cases[] = {
        { "ticket.created", NULL }, { "ticket.*", NULL }, { "*", NULL },
        { "ticket.note.*", NULL },
        { "ticket.create", "ticket.created" },
        { "ticket.updatet", "ticket.updated" },
        { "ticket.notes.added", "ticket.note.added" },
        { "ticket.attachment.updated", "ticket.attachment.added" },
        { "ticket.notes.*", "ticket.note.*" }, { "tickets.*", "ticket.*" },
        { "ticket.responce.*", "ticket.response.*" },
        { "ticket.attachement.*", "ticket.attachment.*" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        nearest = mspwh_event_type_nearest(cases[i].pattern,
                                           strlen(cases[i].pattern));
        if (cases[i].nearest == NULL) {
            assert_null(nearest);

        } else {
            assert_string_equal(nearest, cases[i].nearest);
        }
    }

    /* a pattern of "length" bytes */

    assert_null(mspwh_event_type_nearest("ticket.createdx", 14));

    /* a pattern that is longer than any type still has a nearest one */

    memset(text, 'x', sizeof(text));
    memcpy(text, "ticket.attachment.deleted", 25);

    assert_string_equal(mspwh_event_type_nearest(text, sizeof(text)),
                        "ticket.attachment.deleted");
}


static void
test_words(void **state)
{
    int  i;

    static const char *const  entities[] = {
        "unknown", "ticket", "note", "response", "attachment",
    };

    static const char *const  actions[] = {
        "unknown", "created", "updated", "deleted", "added",
    };

    (void) state;

    for (i = 0; i < 5; i++) {
        assert_string_equal(mspwh_event_entity(i), entities[i]);
        assert_string_equal(mspwh_event_action(i), actions[i]);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
