
/*
 * JSON Pointers.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mspwh_pointer.h"


#define TEXT(s)     s, sizeof(s) - 1
#define NO_INDEX    MSPWH_POINTER_NO_INDEX
#define SLASHES_32  "////////////////////////////////"


static void
test_refuse(void **state)
{
    size_t            i;
    mspwh_pointer_t  *pointer;

    static const char *const  refused[] = {
        "", "a", "a/b", "~0", "#/a", " /a", "/~", "/a~", "/~2", "/~/a",
        "/a/~", "/~~0", "/~a", "/a~0~", SLASHES_32 "/",

        /* not UTF-8, the scanner's mark among it */
        "/\xff", "/a/\xff", "/\xc3", "/\xc3/\xa9", "/a\x80", "/\xc0\xaf",
        "/\xed\xa0\x80", "/\xf4\x90\x80\x80", "/\xf0\x9f\x92",
    };

    (void) state;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        pointer = (mspwh_pointer_t *) refused;

        if (mspwh_pointer_parse(refused[i], strlen(refused[i]), &pointer)
            != -1)
        {
            fail_msg("accepted: %s", refused[i]);
        }

        assert_null(pointer);
    }

    /* the escape is beyond the text */

    assert_int_equal(mspwh_pointer_parse("/~0", 2, &pointer), -1);
}


static void
test_accept(void **state)
{
    size_t            i;
    mspwh_pointer_t  *pointer;

    static const struct {
        const char  *text;
        size_t       length;
        unsigned     ntokens;

        /* of the last token */
        const char  *name;
        size_t       name_length;
        size_t       index;
    } cases[] = {
        { TEXT("/"), 1, TEXT(""), NO_INDEX },
        { TEXT("/a"), 1, TEXT("a"), NO_INDEX },
        { TEXT("/a/"), 2, TEXT(""), NO_INDEX },
        { TEXT("//"), 2, TEXT(""), NO_INDEX },
        { TEXT("/a/bc"), 2, TEXT("bc"), NO_INDEX },
        { TEXT("/a b\"\\"), 1, TEXT("a b\"\\"), NO_INDEX },
        { TEXT("/\xc3\xa9/\xf0\x9f\x92\xa9"), 2, TEXT("\xf0\x9f\x92\xa9"),
          NO_INDEX },
        { "/abc", 2, 1, TEXT("a"), NO_INDEX },
        { TEXT("/~0"), 1, TEXT("~"), NO_INDEX },
        { TEXT("/~1"), 1, TEXT("/"), NO_INDEX },
        { TEXT("/~01"), 1, TEXT("~1"), NO_INDEX },
        { TEXT("/~10"), 1, TEXT("/0"), NO_INDEX },
        { TEXT("/a~1b/c~0d~1"), 2, TEXT("c~d/"), NO_INDEX },
        { TEXT(SLASHES_32), 32, TEXT(""), NO_INDEX },

        { TEXT("/0"), 1, TEXT("0"), 0 },
        { TEXT("/7"), 1, TEXT("7"), 7 },
        { TEXT("/10"), 1, TEXT("10"), 10 },
        { TEXT("/a/123456789"), 2, TEXT("123456789"), 123456789 },
        { TEXT("/1234567890"), 1, TEXT("1234567890"), NO_INDEX },
        { TEXT("/00"), 1, TEXT("00"), NO_INDEX },
        { TEXT("/01"), 1, TEXT("01"), NO_INDEX },
        { TEXT("/-"), 1, TEXT("-"), NO_INDEX },
        { TEXT("/-1"), 1, TEXT("-1"), NO_INDEX },
        { TEXT("/+1"), 1, TEXT("+1"), NO_INDEX },
        { TEXT("/1a"), 1, TEXT("1a"), NO_INDEX },
        { TEXT("/1:"), 1, TEXT("1:"), NO_INDEX },
        { TEXT("/ 1"), 1, TEXT(" 1"), NO_INDEX },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(mspwh_pointer_parse(cases[i].text, cases[i].length,
                                             &pointer), 0);
        assert_non_null(pointer);
        assert_int_equal(pointer->ntokens, cases[i].ntokens);

        assert_string_equal(pointer->tokens[pointer->ntokens - 1].name,
                            cases[i].name);
        assert_int_equal(pointer->tokens[pointer->ntokens - 1].length,
                         cases[i].name_length);
        assert_int_equal(pointer->tokens[pointer->ntokens - 1].index,
                         cases[i].index);

        free(pointer);
    }

    assert_int_equal(mspwh_pointer_parse(TEXT("/x~1y/3/z"), &pointer), 0);
    assert_int_equal(pointer->ntokens, 3);
    assert_string_equal(pointer->tokens[0].name, "x/y");
    assert_string_equal(pointer->tokens[1].name, "3");
    assert_int_equal(pointer->tokens[1].index, 3);
    assert_string_equal(pointer->tokens[2].name, "z");
    free(pointer);
}


static void
test_resolve(void **state)
{
    int               ambiguous;
    size_t            i;
    cJSON            *tree;
    const cJSON      *found;
    mspwh_pointer_t  *pointer;

    /* numbers are left out: they are strings in an envelope */

    static const struct {
        const char  *document;
        const char  *pointer;
        const char  *value;
        int          ambiguous;
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

        /* an index is a name for an object */
        { "{\"0\":\"x\",\"01\":\"y\"}", "/0", "\"x\"", 0 },
        { "{\"0\":\"x\",\"01\":\"y\"}", "/01", "\"y\"", 0 },

        { "{\"a\":\"x\",\"a\":\"x\"}", "/a", "\"x\"", 0 },
        { "{\"a\":\"x\",\"a\":\"y\"}", "/a", "\"x\"", 1 },
        { "{\"a\":\"x\",\"a\":\"x\",\"a\":\"y\"}", "/a", "\"x\"", 1 },
        { "{\"a\":\"x\",\"A\":\"y\"}", "/a", "\"x\"", 0 },
        { "{\"a\":{\"b\":\"x\"},\"a\":{\"b\":\"y\"}}", "/a/b", "\"x\"", 1 },
        { "{\"a\":{\"b\":\"x\"},\"a\":{\"b\":\"x\"}}", "/a/b", "\"x\"", 0 },
        { "{\"a\":\"y\",\"a\":{\"b\":\"x\"}}", "/a/b", "\"x\"", 0 },
        { "{\"a\":[\"x\"],\"a\":[\"y\"]}", "/a/0", "\"x\"", 1 },
        { "{\"a\":true,\"a\":true}", "/a", "true", 0 },
        { "{\"a\":true,\"a\":false}", "/a", "true", 1 },
        { "{\"a\":null,\"a\":null}", "/a", "null", 0 },
        { "{\"a\":null,\"a\":\"null\"}", "/a", "null", 1 },
        { "{\"a\":{},\"a\":{}}", "/a", "{}", 1 },
        { "{\"a\":[],\"a\":[]}", "/a", "[]", 1 },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char  *text;

        assert_int_equal(mspwh_pointer_parse(cases[i].pointer,
                                             strlen(cases[i].pointer),
                                             &pointer), 0);
        tree = cJSON_Parse(cases[i].document);
        assert_non_null(tree);

        ambiguous = 99;
        found = mspwh_pointer_resolve(pointer, tree, &ambiguous);

        if (ambiguous != cases[i].ambiguous
            || (found == NULL) != (cases[i].value == NULL))
        {
            fail_msg("%s in %s: %s, %d", cases[i].pointer, cases[i].document,
                     found ? "found" : "not found", ambiguous);
        }

        if (found != NULL) {
            text = cJSON_PrintUnformatted(found);
            assert_string_equal(text, cases[i].value);
            free(text);
        }

        cJSON_Delete(tree);
        free(pointer);
    }
}


static void
test_same_value(void **state)
{
    size_t  i;
    cJSON  *one, *two;

    static const struct {
        const char  *one;
        const char  *two;
        int          same;
    } cases[] = {
        { "\"5\"", "\"5\"", 1 }, { "\"\xff" "5\"", "\"\xff" "5\"", 1 },
        { "\"\xff" "5\"", "\"5\"", 1 }, { "\"5\"", "\"\xff" "5\"", 1 },
        { "\"\xff" "5\"", "\"05\"", 0 }, { "\"5\"", "\"6\"", 0 },
        { "\"a\"", "\"A\"", 0 }, { "\"\"", "\"\"", 1 },
        { "\"\"", "null", 0 }, { "null", "null", 1 }, { "true", "true", 1 },
        { "true", "false", 0 }, { "false", "null", 0 }, { "[]", "[]", 0 },
        { "{}", "{}", 0 }, { "\"x\"", "[]", 0 },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        one = cJSON_Parse(cases[i].one);
        two = cJSON_Parse(cases[i].two);
        assert_non_null(one);
        assert_non_null(two);

        if (!!mspwh_pointer_same_value(one, two) != cases[i].same) {
            fail_msg("%s and %s", cases[i].one, cases[i].two);
        }

        cJSON_Delete(one);
        cJSON_Delete(two);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_same_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
