
/*
 * The values that are kept of a document: by names, and by pointers.
 */


#include "unit.h"
#include "mspwh_extract.h"


#define P8       "/0/0/0/0/0/0/0/0"
#define B8       "[[[[[[[["
#define E8       "]]]]]]]]"


/* names come first: "v" for a value, "p" for presence; pointers follow */

typedef struct {
    mspwh_extract_plan_t  *plan;
    unsigned               npointers;
    mspwh_pointer_t       *pointers[16];
    mspwh_extract_t        extract;
} wanted_t;


static void
want(wanted_t *wanted, int has_names, const char *pointers)
{
    size_t    n;
    unsigned  i;

    wanted->plan = mspwh_extract_plan(2 + nitems(wanted->pointers));
    assert_non_null(wanted->plan);

    if (has_names) {
        mspwh_extract_by_name(wanted->plan, 0, "vv", MSPWH_JSON_VALUE);
        mspwh_extract_by_name(wanted->plan, 1, "p", MSPWH_JSON_TYPE);
    }

    for (i = 0; *pointers != '\0'; pointers += n + (pointers[n] == ' ')) {
        n = strcspn(pointers, " ");

        assert_int_equal(mspwh_pointer_parse(pointers, n,
                                             &wanted->pointers[i]), 0);
        assert_int_equal(mspwh_extract_by_pointer(wanted->plan, 2 + i,
                                                  wanted->pointers[i]), 0);
        i++;
    }

    wanted->npointers = i;
}


static void
want_free(wanted_t *wanted)
{
    while (wanted->npointers > 0) {
        free(wanted->pointers[--wanted->npointers]);
    }

    mspwh_extract_plan_free(wanted->plan);
    mspwh_extract_plan_free(NULL);
}


static void
feed(void *to, const void *data, size_t length)
{
    mspwh_extract_feed(to, data, length);
}


/* returns the object as text, to be freed */

static char *
extract(wanted_t *wanted, const char *text, size_t at)
{
    char  *object;

    assert_int_equal(mspwh_extract_init(&wanted->extract, wanted->plan), 0);
    feed_pieces(feed, &wanted->extract, text, strlen(text), at);

    if (mspwh_extract_finish(&wanted->extract) != MSPWH_JSON_OK) {
        fail_msg("bad test: %.60s", text);
    }

    object = cJSON_PrintUnformatted(wanted->extract.object);
    assert_non_null(object);

    return object;
}


static void
check(wanted_t *wanted, const char *text, const char *want)
{
    char    *object;
    size_t   at;

    for (at = BY_THREES; at != strlen(text) + 1; at++) {
        object = extract(wanted, text, at);

        if (strcmp(object, want) != 0) {
            fail_msg("%.60s: cut at %d:\n%s\nis not\n%s", text, (int) at,
                     object, want);
        }

        free(object);
        mspwh_extract_cleanup(&wanted->extract);
        mspwh_extract_cleanup(&wanted->extract);
    }
}


static void
test_names(void **state)
{
    size_t    i;
    wanted_t  wanted;

    static const char *const  cases[][2] = {
        { "{\"vv\":\"x\",\"p\":\"x\",\"n\":\"x\"}",
          "{\"vv\":\"x\",\"p\":true}" },
        { "{\"n\":1,\"n\":\"x\",\"vv\":1}", "{\"vv\":1}" },
        { "{\"n\":true,\"vv\":null,\"n\":null,\"p\":null}",
          "{\"vv\":null,\"p\":null}" },
        { "{\"n\":1}", "{}" }, { "{\"\":-1.5e3,\"n\":\"\\u0041\\n\"}", "{}" },
        { "{\"p\":\"\\u0041\xc3\xa9\\n\",\"n\":0}", "{\"p\":true}" },
        { "{\"p\":12}", "{\"p\":true}" }, { "{\"p\":false}", "{\"p\":true}" },
        { "{\"p\":{\"vv\":\"x\"}}", "{\"p\":true,\"vv\":\"x\"}" },
        { "{\"p\":[{\"vv\":\"x\"}]}", "{\"p\":true}" },
        { "{\"vv\":[\"x\"]}", "{\"vv\":[]}" },
        { "{\"vv\":{\"x\":1}}", "{\"vv\":{}}" },
        { "{\"vv\":\"\\u0041\\ud834\\udd1e\"}",
          "{\"vv\":\"A\xf0\x9d\x84\x9e\"}" },
        { "{\"vv\":\"a\\u0000\",\"p\":\"\\ud834\"}",
          "{\"vv\":\"\",\"p\":true}" },
        { "{\"vv\":-1.50E+07}", "{\"vv\":-1.50E+07}" },

        /* the shallowest one, and the first of several */
        { "{\"n\":{\"n\":1,\"vv\":2},\"n\":3,\"vv\":4}", "{\"vv\":4}" },
        { "{\"vv\":4,\"n\":{\"vv\":2}}", "{\"vv\":4}" },
        { "{\"vv\":4,\"vv\":{\"vv\":2}}", "{\"vv\":4}" },
        { "{\"a\":{\"b\":{\"vv\":1},\"vv\":2},\"p\":0,\"vv\":3}",
          "{\"p\":true,\"vv\":3}" },

        /* without case, "_" and "-"; escapes are decoded */
        { "{\"_V-v_\":1,\"P-\":2}", "{\"vv\":1,\"p\":true}" },
        { "{\"\\u0056v\":1,\"\\u0070\":2}", "{\"vv\":1,\"p\":true}" },
        { "{\"v\":1,\"vvv\":2,\"vv \":3,\"-\":4,\"pp\":5,\"\":6}", "{}" },
        { "{\"vv\\u0000\":1,\"v\xc3\xa9\":2,\"vvvvvvvvvvvvvvvvvvvvv\":3}",
          "{}" },

        /* arrays are not entered */
        { "{\"n\":[{\"vv\":1},\"x\"],\"vv\":\"x\"}", "{\"vv\":\"x\"}" },
        { "{\"n\":[{\"a\":{\"vv\":1}}],\"n\":{\"vv\":2}}", "{\"vv\":2}" },
        { "[{\"vv\":1},\"x\"]", "{}" }, { "\"vv\"", "{}" },
    };

    (void) state;

    want(&wanted, 1, "");

    for (i = 0; i < nitems(cases); i++) {
        check(&wanted, cases[i][0], cases[i][1]);
    }

    want_free(&wanted);
}


static void
test_pointers(void **state)
{
    size_t    i;
    wanted_t  wanted;

    static const struct {
        const char  *pointers;
        const char  *text;
        const char  *want;
    } cases[] = {
        { "/a/0", "{\"a\":[\"x\",[\"y\"],{\"b\":[\"z\"]}],\"b\":[\"x\"]}",
          "{\"/a/0\":\"x\"}" },
        { "/a/1/0", "{\"a\":[[\"x\"],[\"y\"],[\"z\"]]}",
          "{\"/a/1/0\":\"y\"}" },
        { "/a/0/b/0", "{\"a\":[{\"b\":[\"x\"],\"c\":[\"z\"]},"
          "{\"b\":[\"y\"]}]}", "{\"/a/0/b/0\":\"x\"}" },
        { "/a/0 /a/2 /a/10 /a/x /a", "{\"a\":[10,11,12,13]}",
          "{\"/a\":[],\"/a/0\":10,\"/a/2\":12}" },
        { "/a/10 /a/0 /a/2", "{\"a\":[0,1,[2],3,4,5,6,7,8,9,{},11]}",
          "{\"/a/0\":0,\"/a/2\":[],\"/a/10\":{}}" },
        { "/0", "[\"x\",[\"y\"]]", "{\"/0\":\"x\"}" },
        { "/0/0", "[[\"x\"],[\"y\"]]", "{\"/0/0\":\"x\"}" },
        { "/1/1/1", "[0,[1,[2, 3] , 4],5]", "{\"/1/1/1\":3}" },
        { "/a/0", "{\"b\":{\"a\":[\"x\"]}}", "{}" },
        { "/b/a/0", "{\"b\":{\"a\":[\"x\"]},\"a\":[\"y\"]}",
          "{\"/b/a/0\":\"x\"}" },
        { "/a/0 /b/0", "{\"a\":[\"x\"],\"b\":[\"y\"],\"c\":[\"z\"]}",
          "{\"/a/0\":\"x\",\"/b/0\":\"y\"}" },
        { "/a/0", "{\"a\":[\"x\"],\"a\":[\"x\"]}", "{\"/a/0\":\"x\"}" },
        { "/a/0", "{\"ab\":[\"x\"],\"\":[\"y\"],\"A\":[\"z\"]}", "{}" },
        { "/a /a/b", "{\"a\":1,\"a\":{\"b\":2}}", "{\"/a\":1,\"/a/b\":2}" },

        /* once, even if it is wanted twice */
        { "/a /a", "{\"a\":1}", "{\"/a\":1}" },

        /* an index in an object is a name */
        { "/0/0", "{\"0\":[\"x\"],\"1\":[\"y\"]}", "{\"/0/0\":\"x\"}" },
        { "/0/00", "{\"0\":[\"x\"],\"0\":{\"00\":\"y\"}}",
          "{\"/0/00\":\"y\"}" },

        /* the longest pointer, and values below its target */
        { P8 P8 P8 P8, B8 B8 B8 B8 "[\"x\"]" E8 E8 E8 E8,
          "{\"" P8 P8 P8 P8 "\":[]}" },
        { P8 P8 P8 P8, B8 B8 B8 B8 "\"x\"" E8 E8 E8 E8,
          "{\"" P8 P8 P8 P8 "\":\"x\"}" },

        /* names are compared decoded */
        { "/a~1b/0", "{\"a/b\":[\"x\"]}", "{\"/a~1b/0\":\"x\"}" },
        { "/a/0", "{\"\\u0061\":[\"x\"]}", "{\"/a/0\":\"x\"}" },
        { "/a~1b/0", "{\"a\\/b\":[\"x\"]}", "{\"/a~1b/0\":\"x\"}" },
        { "/\xf0\x9d\x84\x9e", "{\"\\ud834\\udd1e\":1}",
          "{\"/\xf0\x9d\x84\x9e\":1}" },
        { "/\xef\xbf\xbd /", "{\"\\ud834\":1,\"\\u0000\":2}", "{}" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        want(&wanted, 0, cases[i].pointers);
        check(&wanted, cases[i].text, cases[i].want);
        want_free(&wanted);
    }

    want(&wanted, 1, "/a/0/vv /vv /n/vv");
    check(&wanted, "{\"a\":[{\"vv\":1,\"p\":2}],\"n\":{\"vv\":3}}",
          "{\"/a/0/vv\":1,\"vv\":3,\"/n/vv\":3}");
    check(&wanted, "{\"vv\":\"x\"}", "{\"vv\":\"x\",\"/vv\":\"x\"}");
    want_free(&wanted);
}


static void
test_ambiguous(void **state)
{
    char                         *object, *item;
    size_t                        i;
    wanted_t                      wanted;
    const mspwh_extract_found_t  *found;

    static const struct {
        const char  *text;
        const char  *pointer;
        const char  *value;
        int          is_ambiguous;
    } cases[] = {
        { "{\"a\":\"x\"}", "/a", "\"x\"", 0 },
        { "{\"a\":\"x\"}", "/A", NULL, 0 },
        { "{\"a\":\"x\"}", "/a/b", NULL, 0 },
        { "{\"a\":\"x\"}", "/", NULL, 0 },
        { "{\"\":\"x\"}", "/", "\"x\"", 0 },
        { "\"x\"", "/a", NULL, 0 },
        { "{\"a\":{\"b\":null}}", "/a/b", "null", 0 },
        { "{\"a\":{\"b\":{}}}", "/a/b", "{}", 0 },
        { "{\"a/b\":{\"c~d\":\"x\"}}", "/a~1b/c~0d", "\"x\"", 0 },

        { "[\"x\",\"y\"]", "/0", "\"x\"", 0 },
        { "[\"x\",\"y\"]", "/1", "\"y\"", 0 },
        { "[\"x\",\"y\"]", "/2", NULL, 0 },
        { "[\"x\",\"y\"]", "/01", NULL, 0 },
        { "[\"x\",\"y\"]", "/-", NULL, 0 },
        { "[]", "/0", NULL, 0 },
        { "{\"a\":[{\"b\":\"x\"},{\"b\":\"y\"}]}", "/a/1/b", "\"y\"", 0 },

        { "{\"0\":\"x\",\"01\":\"y\"}", "/0", "\"x\"", 0 },
        { "{\"0\":\"x\",\"01\":\"y\"}", "/01", "\"y\"", 0 },

        { "{\"a\":\"x\",\"a\":\"x\"}", "/a", "\"x\"", 0 },
        { "{\"a\":\"x\",\"a\":\"y\"}", "/a", "\"x\"", 1 },
        { "{\"a\":\"x\",\"a\":\"x\",\"a\":\"y\"}", "/a", "\"x\"", 1 },
        { "{\"a\":\"x\",\"a\":\"y\",\"a\":\"x\"}", "/a", "\"x\"", 1 },
        { "{\"a\":\"x\",\"A\":\"y\"}", "/a", "\"x\"", 0 },
        { "{\"a\":{\"b\":\"x\"},\"a\":{\"b\":\"y\"}}", "/a/b", "\"x\"", 1 },
        { "{\"a\":{\"b\":\"x\"},\"a\":{\"b\":\"x\"}}", "/a/b", "\"x\"", 0 },
        { "{\"a\":\"y\",\"a\":{\"b\":\"x\"}}", "/a/b", "\"x\"", 0 },
        { "{\"a\":[\"x\"],\"a\":[\"y\"]}", "/a/0", "\"x\"", 1 },
        { "{\"a\":true,\"a\":true}", "/a", "true", 0 },
        { "{\"a\":true,\"a\":false}", "/a", "true", 1 },
        { "{\"a\":false,\"a\":null}", "/a", "false", 1 },
        { "{\"a\":null,\"a\":null}", "/a", "null", 0 },
        { "{\"a\":null,\"a\":\"null\"}", "/a", "null", 1 },
        { "{\"a\":\"\",\"a\":null}", "/a", "\"\"", 1 },
        { "{\"a\":{},\"a\":{}}", "/a", "{}", 1 },
        { "{\"a\":[],\"a\":[]}", "/a", "[]", 1 },
        { "{\"a\":\"x\",\"a\":[]}", "/a", "\"x\"", 1 },

        { "{\"a\":5,\"a\":\"5\"}", "/a", "5", 0 },
        { "{\"a\":\"5\",\"a\":5}", "/a", "\"5\"", 0 },
        { "{\"a\":5,\"a\":\"05\"}", "/a", "5", 1 },
        { "{\"a\":5,\"a\":5.0}", "/a", "5", 1 },
        { "{\"a\":\"a\",\"a\":\"A\"}", "/a", "\"a\"", 1 },
        { "{\"a\":\"a\",\"a\":\"\\u0061\"}", "/a", "\"a\"", 0 },
        { "{\"a\":\"\",\"a\":\"\"}", "/a", "\"\"", 0 },
        { "{\"a\":\"\",\"a\":\"\\u0000\"}", "/a", "\"\"", 1 },
        { "{\"a\":\"\\ud834\",\"a\":\"\\ud834\"}", "/a", "\"\"", 1 },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        want(&wanted, 0, cases[i].pointer);
        object = extract(&wanted, cases[i].text, BY_BYTES);
        found = mspwh_extract_found(&wanted.extract, 2);

        if (found->is_ambiguous != cases[i].is_ambiguous
            || (found->item == NULL) != (cases[i].value == NULL))
        {
            fail_msg("%s in %s: %s, %d", cases[i].pointer, cases[i].text,
                     object, found->is_ambiguous);
        }

        if (found->item != NULL) {
            item = cJSON_PrintUnformatted(found->item);
            assert_string_equal(item, cases[i].value);
            free(item);
        }

        free(object);
        mspwh_extract_cleanup(&wanted.extract);
        want_free(&wanted);
    }
}


static void
test_found(void **state)
{
    size_t                        at;
    wanted_t                      wanted;
    const mspwh_extract_found_t  *found;

    static const char  text[] = "{\"n\":{\"vv\":1},\"vv\" : \"\\u0041\","
                                "\"vv\":[],\"a\":[ 0,{\"b\":-7}]}";

    (void) state;

    want(&wanted, 1, "/a/1/b /a/1 /a/1/b");

    for (at = BY_THREES; at != strlen(text) + 1; at++) {
        free(extract(&wanted, text, at));
        assert_true(wanted.extract.is_object);

        found = mspwh_extract_found(&wanted.extract, 0);
        assert_int_equal(found->offset, 21);
        assert_int_equal(found->depth, 1);
        assert_true(found->is_ambiguous);
        assert_string_equal(mspwh_extract_text(found), "A");

        found = mspwh_extract_found(&wanted.extract, 1);
        assert_null(found->item);
        assert_null(mspwh_extract_text(found));

        found = mspwh_extract_found(&wanted.extract, 2);
        assert_int_equal(found->offset, 51);
        assert_int_equal(found->depth, 3);
        assert_false(found->is_ambiguous);
        assert_string_equal(mspwh_extract_text(found), "-7");
        assert_ptr_equal(found, mspwh_extract_found(&wanted.extract, 4));

        found = mspwh_extract_found(&wanted.extract, 3);
        assert_int_equal(found->offset, 46);
        assert_int_equal(found->depth, 2);
        assert_null(mspwh_extract_text(found));

        mspwh_extract_cleanup(&wanted.extract);
    }

    want_free(&wanted);
}


/* with many members */

static void
test_large(void **state)
{
    char      *text, *p, *object;
    size_t     i;
    wanted_t   wanted;

    (void) state;

    text = malloc(1 << 20);
    assert_non_null(text);

    p = text + sprintf(text, "\xef\xbb\xbf{\"a\":[");

    for (i = 0; i < 71; i++) {
        p += sprintf(p, "%s{\"Value\":\"%0900d\"}", i ? "," : "", (int) i);
    }

    p += sprintf(p, "],\"n\":{\"n\":0");

    for (i = 0; i < 30000; i++) {
        p += sprintf(p, ",\"m%d\":1", (int) i);
    }

    sprintf(p, "},\"vv\":1}");

    want(&wanted, 1, "/a/70/Other /n/m29999 /a/71");
    object = extract(&wanted, text, WHOLE);
    assert_string_equal(object, "{\"/n/m29999\":1,\"vv\":1}");
    free(object);
    mspwh_extract_cleanup(&wanted.extract);
    want_free(&wanted);

    want(&wanted, 0, "/a/0/Value /a/70/Value");
    object = extract(&wanted, text, BY_THREES);
    assert_int_equal(strlen(object),
                     2 * 900 + strlen("{\"/a/0/Value\":\"\","
                                      "\"/a/70/Value\":\"\"}"));
    assert_memory_equal(object + strlen(object) - 5, "070\"}", 5);
    free(object);
    mspwh_extract_cleanup(&wanted.extract);
    want_free(&wanted);

    free(text);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_ambiguous),
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
