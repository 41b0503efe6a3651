
/*
 * What is kept of a document by its members' names, and by pointers.
 */


#include "scan.h"


#define P8       "/0/0/0/0/0/0/0/0"
#define B8       "[[[[[[[["
#define E8       "]]]]]]]]"


/* members are told by the first letter of their names */

static mspwh_scanner_keep_e
by_letter(const char *name, size_t length)
{
    if (length == 0) {
        return MSPWH_SCANNER_NOTHING;
    }

    return (*name == 'v') ? MSPWH_SCANNER_VALUE
           : (*name == 'p') ? MSPWH_SCANNER_PRESENCE : MSPWH_SCANNER_NOTHING;
}


static void
test_ask(void **state)
{
    size_t           i, length;
    const char      *text;
    mspwh_scanner_t  s;

    static const char *const  cases[][2] = {
        { "{\"v\":\"x\",\"p\":\"x\",\"n\":\"x\"}",
          "{\"v\":\"x\",\"p\":\"\"}" },
        { "{\"n\":1,\"n\":\"x\",\"v\":1}", "{\"v\":\"" MARK "1\"}" },
        { "{\"n\":true,\"v\":null,\"n\":null,\"v\":\"\"}",
          "{\"v\":null,\"v\":\"\"}" },
        { "{\"n\":1}", "{}" },
        { "{\"\":-1.5e3,\"n\":\"\\u0041\\n\"}", "{}" },
        { "{\"p\":\"\\u0041\xc3\xa9\\n\",\"n\":0}", "{\"p\":\"\"}" },
        { "{\"p\":12,\"p\":null,\"p\":{\"v\":\"x\"},\"p\":[\"x\"]}",
          "{\"p\":\"" MARK "12\",\"p\":null,\"p\":{\"v\":\"x\"},"
          "\"p\":[]}" },
        { "{\"n\":{\"n\":1,\"v\":2},\"n\":3,\"v\":4}",
          "{\"n\":{\"v\":\"" MARK "2\"},\"v\":\"" MARK "4\"}" },
        { "{\"n\":[{\"v\":1},\"x\"],\"n\":1,\"v\":\"x\"}",
          "{\"n\":[],\"v\":\"x\"}" },
        { "{\"\\u006e\":\"x\",\"n\":\"x\"}", "{\"\\u006e\":\"x\"}" },
        { "[{\"n\":1},\"x\"]", "[]" },
        { "\"x\"", "\"x\"" }
    };

    (void) state;

    ask = by_letter;

    for (i = 0; i < nitems(cases); i++) {
        text = cases[i][0];
        accept(text, strlen(text), 65536, cases[i][1]);
    }

    /* what is left out counts */

    text = "{\"v\":\"xxxx\",\"n\":\"xxxx\",\"p\":\"xxxx\"}";
    length = strlen(text);
    accept(text, length, length, "{\"v\":\"xxxx\",\"p\":\"\"}");

    for (i = 0; i < length; i++) {
        scan(&s, text, length, i);
        assert_int_equal(s.error, MSPWH_SCANNER_TOO_LARGE);
        mspwh_scanner_cleanup(&s);
    }

    ask = NULL;
}


static void
test_pointers(void **state)
{
    size_t                     i, n;
    const char                *p, *next;
    mspwh_pointer_t           *pointer;
    mspwh_scanner_pointers_t   set;

    static const struct {
        const char  *pointers;
        const char  *text;
        const char  *envelope;
    } cases[] = {
        { "/a/0", "{\"a\":[\"x\",[\"y\"],{\"b\":[\"z\"]}],\"b\":[\"x\"]}",
          "{\"a\":[\"x\",[],{\"b\":[]}],\"b\":[]}" },
        { "/a/1/0", "{\"a\":[[\"x\"],[\"y\"],[\"z\"]]}",
          "{\"a\":[[],[\"y\"],[]]}" },
        { "/a/0/b/0", "{\"a\":[{\"b\":[\"x\"],\"c\":[\"x\"]},"
          "{\"b\":[\"y\"]}]}",
          "{\"a\":[{\"b\":[\"x\"],\"c\":[]},{\"b\":[]}]}" },
        { "/0", "[\"x\",[\"y\"]]", "[\"x\",[]]" },
        { "/0/0", "[[\"x\"],[\"y\"]]", "[[\"x\"],[]]" },
        { "/a/0", "{\"b\":{\"a\":[\"x\"]}}", "{\"b\":{\"a\":[]}}" },
        { "/b/a/0", "{\"b\":{\"a\":[\"x\"]},\"a\":[\"x\"]}",
          "{\"b\":{\"a\":[\"x\"]},\"a\":[]}" },
        { "/a/0 /b/0", "{\"a\":[\"x\"],\"b\":[\"y\"],\"c\":[\"z\"]}",
          "{\"a\":[\"x\"],\"b\":[\"y\"],\"c\":[]}" },
        { "/a/0", "{\"a\":[\"x\"],\"a\":[\"y\"]}",
          "{\"a\":[\"x\"],\"a\":[\"y\"]}" },
        { "/a/0", "{\"ab\":[\"x\"],\"\":[\"y\"],\"A\":[\"z\"]}",
          "{\"ab\":[],\"\":[],\"A\":[]}" },

        /* an index in an object is a name */
        { "/0/0", "{\"0\":[\"x\"],\"1\":[\"y\"]}",
          "{\"0\":[\"x\"],\"1\":[]}" },

        /* the longest pointer, and what is deeper */
        { P8 P8 P8 P8, B8 B8 B8 B8 "[\"x\"]" E8 E8 E8 E8,
          B8 B8 B8 B8 "[]" E8 E8 E8 E8 },
        { P8 P8 P8 P8, B8 B8 B8 B8 "\"x\"" E8 E8 E8 E8,
          B8 B8 B8 B8 "\"x\"" E8 E8 E8 E8 },

        /* names are compared unescaped */
        { "/a~1b/0", "{\"a/b\":[\"x\"]}", "{\"a/b\":[\"x\"]}" },
        { "/a/0", "{\"\\u0061\":[\"x\"]}", "{\"\\u0061\":[\"x\"]}" },
        { "/a~1b/0", "{\"a\\/b\":[\"x\"]}", "{\"a\\/b\":[\"x\"]}" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        set.npointers = 0;

        for (p = cases[i].pointers; *p; p = next) {
            n = strcspn(p, " ");
            next = p + n + (p[n] == ' ');

            assert_int_equal(mspwh_pointer_parse(p, n, &pointer), 0);
            assert_non_null(pointer);
            set.pointers[set.npointers++] = pointer;
        }

        pointers = &set;
        accept(cases[i].text, strlen(cases[i].text), LIMIT,
               cases[i].envelope);
        pointers = NULL;

        while (set.npointers > 0) {
            free((void *) set.pointers[--set.npointers]);
        }
    }
}


/* a name too long to be kept has the mark, whatever the pieces */

static void
test_long_names(void **state)
{
    char                      *text;
    mspwh_pointer_t           *pointer;
    mspwh_scanner_pointers_t   set;

    (void) state;

    /* the mark is over the limit at the end of the name, like any text */

    text = fill("{\"", 'x', 1030, "\":true}");
    accept(text, strlen(text), 10, "{\"" MARK "\":true}");
    refuse(text, strlen(text), 2, MSPWH_SCANNER_TOO_LARGE, 1032);
    free(text);

    /* an escape makes it any name, wherever it is */

    assert_int_equal(mspwh_pointer_parse("/a/0", 4, &pointer), 0);
    assert_non_null(pointer);
    set.npointers = 1;
    set.pointers[0] = pointer;
    pointers = &set;

    text = fill("{\"", 'x', 1025, "\\u0061\":[true],\"b\":[true]}");
    accept(text, strlen(text), LIMIT, "{\"" MARK "\":[true],\"b\":[]}");
    free(text);

    pointers = NULL;
    free(pointer);
}


/* for a sanitizer: with no envelope at all, no name is looked for in it */

static void
test_no_envelope(void **state)
{
    mspwh_pointer_t           *pointer;
    mspwh_scanner_pointers_t   set;

    (void) state;

    assert_int_equal(mspwh_pointer_parse("/0", 2, &pointer), 0);
    assert_non_null(pointer);
    set.npointers = 1;
    set.pointers[0] = pointer;
    pointers = &set;

    refuse(TEXT("[true]"), 0, MSPWH_SCANNER_TOO_LARGE, 0);

    pointers = NULL;
    free(pointer);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_no_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
