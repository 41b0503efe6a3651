
/*
 * The JSON validator and its envelope.
 */


#include "scan.h"


typedef struct {
    const char             *text;
    size_t                  length;
    mspwh_scanner_error_e   error;
    uint64_t                offset;
} refused_t;


static void
test_accept(void **state)
{
    char    text[256];
    size_t  i;

    static const struct {
        const char  *text;
        const char  *envelope;
    } cases[] = {
        { "true", "true" }, { "false", "false" }, { "null", "null" },
        { " \t\r\n null \t\r\n ", "null" },

        { "0", "\"" MARK "0\"" }, { "-0", "\"" MARK "-0\"" },
        { "7", "\"" MARK "7\"" }, { "-19", "\"" MARK "-19\"" },
        { "1234567890123456789012", "\"" MARK "1234567890123456789012\"" },
        { "0.5", "\"" MARK "0.5\"" }, { "1.050", "\"" MARK "1.050\"" },
        { "-0.0", "\"" MARK "-0.0\"" }, { "0e0", "\"" MARK "0e0\"" },
        { "1e5", "\"" MARK "1e5\"" }, { "1E+05", "\"" MARK "1E+05\"" },
        { "1.5e-00", "\"" MARK "1.5e-00\"" }, { " 1 ", "\"" MARK "1\"" },

        { "\"\"", "\"\"" }, { "\" a  b \"", "\" a  b \"" },
        { "\"0123456789abcdef0123456789abcdef{}[]:,'/\x7f\"",
          "\"0123456789abcdef0123456789abcdef{}[]:,'/\x7f\"" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"" },
        /* hex digits become lower-case */
        { "\"\\u0041\\u00e9\\uD7fF\\ue000\\uFFFF\\u0001\"",
          "\"\\u0041\\u00e9\\ud7ff\\ue000\\uffff\\u0001\"" },
        { "\"\\\\u0000\"", "\"\\\\u0000\"" },

        /* surrogates, and what C strings cannot hold */
        { "\"\\ud834\\udd1e\"", "\"\\ud834\\udd1e\"" },
        { "\"\\uD800\\uDC00\\uDBFF\\uDFFF\"",
          "\"\\ud800\\udc00\\udbff\\udfff\"" },
        { "\"a\\u0000b\"", "\"a\\u0001b\"" },
        { "\"\\ud834\"", "\"\\ufffd\"" }, { "\"\\uDBFF\"", "\"\\ufffd\"" },
        { "\"\\udd1e\"", "\"\\ufffd\"" }, { "\"\\udfff\"", "\"\\ufffd\"" },
        { "\"\\ud834x\"", "\"\\ufffdx\"" },
        { "\"\\ud834\\n\"", "\"\\ufffd\\n\"" },
        { "\"\\ud834\\\\udd1e\"", "\"\\ufffd\\\\udd1e\"" },
        { "\"\\ud834\\u0041\"", "\"\\ufffd\\u0041\"" },
        { "\"\\ud834\\u0000\"", "\"\\ufffd\\u0001\"" },
        { "\"\\ud834x\\udd1e\"", "\"\\ufffdx\\ufffd\"" },
        { "\"\\ud834\xc3\xa9\\udd1e\"", "\"\\ufffd\xc3\xa9\\ufffd\"" },
        { "\"\\ud834\\ud834\\udd1e\"", "\"\\ufffd\\ud834\\udd1e\"" },
        { "\"\\ud834\\udd1e\\udd1e\"", "\"\\ud834\\udd1e\\ufffd\"" },
        { "\"\\udd1e\\ud834\"", "\"\\ufffd\\ufffd\"" },
        { "{\"\\ud834\":\"\\udd1e\"}", "{\"\\ufffd\":\"\\ufffd\"}" },

        /* UTF-8: the ends of each range */
        { "\"\xc2\x80\xdf\xbf\"", "\"\xc2\x80\xdf\xbf\"" },
        { "\"\xe0\xa0\x80\xe0\xbf\xbf\"", "\"\xe0\xa0\x80\xe0\xbf\xbf\"" },
        { "\"\xe1\x80\x80\xec\xbf\xbf\"", "\"\xe1\x80\x80\xec\xbf\xbf\"" },
        { "\"\xed\x80\x80\xed\x9f\xbf\"", "\"\xed\x80\x80\xed\x9f\xbf\"" },
        { "\"\xee\x80\x80\xef\xbf\xbf\"", "\"\xee\x80\x80\xef\xbf\xbf\"" },
        { "\"\xf0\x90\x80\x80\xf0\xbf\xbf\xbf\"",
          "\"\xf0\x90\x80\x80\xf0\xbf\xbf\xbf\"" },
        { "\"\xf1\x80\x80\x80\xf3\xbf\xbf\xbf\"",
          "\"\xf1\x80\x80\x80\xf3\xbf\xbf\xbf\"" },
        { "\"\xf4\x80\x80\x80\xf4\x8f\xbf\xbf\"",
          "\"\xf4\x80\x80\x80\xf4\x8f\xbf\xbf\"" },

        { "{}", "{}" }, { " { } ", "{}" }, { "[]", "[]" }, { "[ ]", "[]" },
        { "[1]", "[]" }, { "[1,2.0,\"]\",[[]],{\"a\":[{}]}]", "[]" },
        { "{\"a\":1}", "{\"a\":\"" MARK "1\"}" },
        { " { \"a\" : { \"b\" : null } , \"\" : [ 1 , { } ] , \"c\":\"\" } ",
          "{\"a\":{\"b\":null},\"\":[],\"c\":\"\"}" },
        { "{\"a\":true,\"a\":false}", "{\"a\":true,\"a\":false}" },
        { "{\"a\":[1],\"b\":[2],\"c\":3}",
          "{\"a\":[],\"b\":[],\"c\":\"" MARK "3\"}" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        accept(cases[i].text, strlen(cases[i].text), LIMIT,
               cases[i].envelope);

        /* and where nothing is kept */

        snprintf(text, sizeof(text), "[0,%s, %s]", cases[i].text,
                 cases[i].text);
        accept(text, strlen(text), LIMIT, "[]");
    }
}


static void
test_refuse(void **state)
{
    char    text[64];
    size_t  i;

#define R(s, error, offset)  { TEXT(s), MSPWH_SCANNER_##error, offset }

    static const refused_t  cases[] = {
        R("nul", UNFINISHED, 3), R("nulx", UNEXPECTED, 3),
        R("tru}", UNEXPECTED, 3), R("nUll", UNEXPECTED, 1),
        R("True", UNEXPECTED, 0), R("nulll", UNEXPECTED, 4),
        R("true1", UNEXPECTED, 4), R("fals", UNFINISHED, 4),
        R("NaN", UNEXPECTED, 0), R("Infinity", UNEXPECTED, 0),
        R("undefined", UNEXPECTED, 0),

        R("01", UNEXPECTED, 1), R("00", UNEXPECTED, 1),
        R("-", UNFINISHED, 1), R("-a", UNEXPECTED, 1),
        R("-01", UNEXPECTED, 2), R("--1", UNEXPECTED, 1),
        R("- 1", UNEXPECTED, 1), R("+1", UNEXPECTED, 0),
        R("1.", UNFINISHED, 2), R("1. ", UNEXPECTED, 2),
        R("1.e1", UNEXPECTED, 2), R(".5", UNEXPECTED, 0),
        R("-.5", UNEXPECTED, 1), R("1.5.5", UNEXPECTED, 3),
        R("1e", UNFINISHED, 2), R("1e+", UNFINISHED, 3),
        R("1e-,", UNEXPECTED, 3), R("1e+-1", UNEXPECTED, 3),
        R("1e1.5", UNEXPECTED, 3), R("1e1e1", UNEXPECTED, 3),
        R("0x1", UNEXPECTED, 1), R("1a", UNEXPECTED, 1),
        R("1 2", UNEXPECTED, 2), R("0\0", UNEXPECTED, 1),

        R("\"", UNFINISHED, 1), R("\"abc", UNFINISHED, 4),
        R("'a'", UNEXPECTED, 0), R("\"\\", UNFINISHED, 2),
        R("\"\\\"", UNFINISHED, 3), R("\"\"\"\"", UNEXPECTED, 2),
        R("\"\\a\"", ESCAPE, 2), R("\"\\x41\"", ESCAPE, 2),
        R("\"\\'\"", ESCAPE, 2), R("\"\\0\"", ESCAPE, 2),
        R("\"\\ \"", ESCAPE, 2), R("\"\\U0041\"", ESCAPE, 2),
        R("\"\\N\"", ESCAPE, 2), R("\"\\\n\"", ESCAPE, 2),
        R("\"\\u\"", ESCAPE, 3), R("\"\\u12\"", ESCAPE, 5),
        R("\"\\u123\"", ESCAPE, 6), R("\"\\u12g4\"", ESCAPE, 5),
        R("\"\\u 123\"", ESCAPE, 3), R("\"\\u+123\"", ESCAPE, 3),
        R("\"\\u123:\"", ESCAPE, 6), R("\"\\u123@\"", ESCAPE, 6),
        R("\"\\u123`\"", ESCAPE, 6), R("\"\\u123G\"", ESCAPE, 6),
        R("\"\\u123/\"", ESCAPE, 6), R("\"\\u12", UNFINISHED, 5),
        R("\"\\ud834\\x\"", ESCAPE, 8),

        R("\"\0\"", CONTROL, 1), R("\"a\nb\"", CONTROL, 2),
        R("\"\t\"", CONTROL, 1), R("\"0123456789abcdef\x1f\"", CONTROL, 17),
        R("{\"\x01\":1}", CONTROL, 2),

        /* overlong, surrogates, beyond Unicode, strays, cut short */
        R("\"\xc0\x80\"", UTF8, 1), R("\"\xc1\xbf\"", UTF8, 1),
        R("\"\xe0\x9f\xbf\"", UTF8, 2), R("\"\xf0\x8f\xbf\xbf\"", UTF8, 2),
        R("\"\xed\xa0\x80\"", UTF8, 2), R("\"\xed\xbf\xbf\"", UTF8, 2),
        R("\"\xf4\x90\x80\x80\"", UTF8, 2), R("\"\xf5\x80\"", UTF8, 1),
        R("\"\xf8\x88\x80\"", UTF8, 1), R("\"\x80\"", UTF8, 1),
        R("\"\xbf\"", UTF8, 1), R("\"\xfe\"", UTF8, 1),
        R("\"\xff\"", UTF8, 1), R("\"\xc2\"", UTF8, 2),
        R("\"\xc2\xc2\"", UTF8, 2), R("\"\xc2\x7f\"", UTF8, 2),
        R("\"\xe1\x80\"", UTF8, 3), R("\"\xe1\x80\xc0\"", UTF8, 3),
        R("\"\xe0\xa0\x7f\"", UTF8, 3), R("\"\xf1\x80\x80\"", UTF8, 4),
        R("\"\xf0\x90\x80\xc0\"", UTF8, 4), R("\"\xf1\x80\\n\"", UTF8, 3),
        R("\"\xc2\x80\x80\"", UTF8, 3), R("{\"\xff\":1}", UTF8, 2),
        R("\"\xc2", UNFINISHED, 2), R("\"\xf1\x80\x80", UNFINISHED, 4),
        R("\xc3\xa9", UNEXPECTED, 0), R("\xc2\xa0" "1", UNEXPECTED, 0),
        R("\xef\xbb\xbf{}", UNEXPECTED, 0),

        R("{", UNFINISHED, 1), R("{\"a\"", UNFINISHED, 4),
        R("{\"a\":", UNFINISHED, 5), R("{\"a\":1", UNFINISHED, 6),
        R("{\"a\":1,", UNFINISHED, 7), R("{\"a\":1,}", UNEXPECTED, 7),
        R("{,}", UNEXPECTED, 1), R("{a:1}", UNEXPECTED, 1),
        R("{1:1}", UNEXPECTED, 1), R("{null:1}", UNEXPECTED, 1),
        R("{\"a\"}", UNEXPECTED, 4), R("{\"a\" 1}", UNEXPECTED, 5),
        R("{\"a\",1}", UNEXPECTED, 4), R("{\"a\"::1}", UNEXPECTED, 5),
        R("{\"a\":}", UNEXPECTED, 5), R("{\"a\":1 \"b\":2}", UNEXPECTED, 7),
        R("{\"a\":1,,\"b\":2}", UNEXPECTED, 7), R("{]", UNEXPECTED, 1),
        R("{\"a\":1]", UNEXPECTED, 6), R("{[]:1}", UNEXPECTED, 1),
        R("[", UNFINISHED, 1), R("[1", UNFINISHED, 2),
        R("[1,", UNFINISHED, 3), R("[1,]", UNEXPECTED, 3),
        R("[,1]", UNEXPECTED, 1), R("[1,,2]", UNEXPECTED, 3),
        R("[1 2]", UNEXPECTED, 3), R("[1:2]", UNEXPECTED, 2),
        R("[}", UNEXPECTED, 1), R("[1}", UNEXPECTED, 2),
        R("[\"a\":1]", UNEXPECTED, 4), R("}", UNEXPECTED, 0),
        R(":", UNEXPECTED, 0), R("/**/1", UNEXPECTED, 0),
        R("\f1", UNEXPECTED, 0), R("\v1", UNEXPECTED, 0),
        R("\0", UNEXPECTED, 0), R("{} {}", UNEXPECTED, 3),
    };

    /* these can go on inside an array */

    static const refused_t  tops[] = {
        R("", UNFINISHED, 0), R(" \n", UNFINISHED, 2),
        R("]", UNEXPECTED, 0), R(",", UNEXPECTED, 0),
        R("{}]", UNEXPECTED, 2), R("[]]", UNEXPECTED, 2),
        R("{},", UNEXPECTED, 2), R("1,2", UNEXPECTED, 1),
        R("{}\0", UNEXPECTED, 2), R("{} x", UNEXPECTED, 3),
        R("\"\",", UNEXPECTED, 2), R("null,", UNEXPECTED, 4),
    };

#undef R

    (void) state;

    for (i = 0; i < nitems(tops); i++) {
        refuse(tops[i].text, tops[i].length, LIMIT, tops[i].error,
               tops[i].offset);
    }

    for (i = 0; i < nitems(cases); i++) {
        refuse(cases[i].text, cases[i].length, LIMIT, cases[i].error,
               cases[i].offset);

        memcpy(text, "[0,", 3);
        memcpy(text + 3, cases[i].text, cases[i].length);
        refuse(text, cases[i].length + 3, LIMIT, cases[i].error,
               cases[i].offset + 3);
    }
}


static void
test_long(void **state)
{
    char   *text, *kept;
    size_t  i;

    static const struct {
        const char  *head;
        size_t       n;
        const char  *tail;

        /* NULL where the text is kept */
        const char  *envelope;
    } cases[] = {
        { "{\"a\":\"", 1024, "\"}", NULL },
        { "{\"a\":\"", 1025, "\"}", "{\"a\":\"\"}" },
        { "{\"a\":\"", 1022, "\\n\"}", NULL },
        { "{\"a\":\"", 1023, "\\n\"}", "{\"a\":\"\"}" },
        { "{\"a\":\"", 1018, "\\u0041\"}", NULL },
        { "{\"a\":\"", 1019, "\\u0041\"}", "{\"a\":\"\"}" },
        { "{\"a\":\"", 1019, "\\ud834\",\"b\":\"\\ud834\"}",
          "{\"a\":\"\",\"b\":\"\\ufffd\"}" },
        { "{\"a\":\"\\ud834", 1024, "\\udd1e\",\"b\":\"\\udd1e\"}",
          "{\"a\":\"\",\"b\":\"\\ufffd\"}" },
        { "{\"a\":\"", 1022, "\xc3\xa9\"}", NULL },
        { "{\"a\":\"", 1023, "\xc3\xa9\"}", "{\"a\":\"\"}" },
        { "{\"a\":\"", 1025, "\xc3\xa9\\\"\\u0000\",\"b\":1}",
          "{\"a\":\"\",\"b\":\"" MARK "1\"}" },
        { "{\"a\":{\"", 1024, "\":null}}", NULL },
        { "{\"a\":{\"", 1025, "\":null}}", "{\"a\":{\"" MARK "\":null}}" },
        { "{\"", 1025, "\":{\"c\":\"d\"},\"b\":[1]}",
          "{\"" MARK "\":{\"c\":\"d\"},\"b\":[]}" },
        { "{\"a\":[\"", 1025, "\"],\"b\":\"\"}", "{\"a\":[],\"b\":\"\"}" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        text = fill(cases[i].head, 'x', cases[i].n, cases[i].tail);
        kept = cases[i].envelope ? strdup(cases[i].envelope) : strdup(text);

        accept(text, strlen(text), LIMIT, kept);

        free(text);
        free(kept);
    }

    /* what is dropped is still checked */

    text = fill("\"", 'x', 1100, "\n\"");
    refuse(text, strlen(text), LIMIT, MSPWH_SCANNER_CONTROL, 1101);
    free(text);

    text = fill("\"", 'x', 1100, "\xc3\"");
    refuse(text, strlen(text), LIMIT, MSPWH_SCANNER_UTF8, 1102);
    free(text);

    text = fill("\"", 'x', 1100, "\\u00g0\"");
    refuse(text, strlen(text), LIMIT, MSPWH_SCANNER_ESCAPE, 1105);
    free(text);
}


static void
test_depth(void **state)
{
    char  *text, *tail;

    (void) state;

    tail = fill("", ']', 256, "");
    text = fill("", '[', 256, tail);
    accept(text, 512, LIMIT, "[]");
    free(text);
    free(tail);

    tail = fill("{", '}', 257, "");
    text = fill("", '[', 255, tail);
    refuse(text, strlen(text), LIMIT, MSPWH_SCANNER_UNEXPECTED, 257);
    free(text);

    text = fill("", '[', 256, "{");
    refuse(text, 257, LIMIT, MSPWH_SCANNER_TOO_DEEP, 256);
    free(text);
    free(tail);

    text = fill("", '[', 257, "");
    refuse(text, 257, LIMIT, MSPWH_SCANNER_TOO_DEEP, 256);
    free(text);
}


static void
test_objects_depth(void **state)
{
    char    text[257 * 5 + 300];
    size_t  i;

    (void) state;

    for (i = 0; i < 257; i++) {
        memcpy(text + i * 5, "{\"a\":", 5);
    }

    refuse(text, 257 * 5, LIMIT, MSPWH_SCANNER_TOO_DEEP, 256 * 5);

    memcpy(text + 255 * 5, "{", 1);
    memset(text + 255 * 5 + 1, '}', 256);
    text[255 * 5 + 257] = '\0';
    accept(text, strlen(text), LIMIT, text);
}


static void
test_limit(void **state)
{
    char             *text;
    size_t            i, length;
    mspwh_scanner_t   s;

    static const char *const  documents[] = {
        "{\"a\":\"b\"}", "{}", "[]", "null", "\"abc\"",
        "{\"a\":{\"b\":true},\"c\":[],\"d\":\"\\n\\u0041\"}",
    };

    (void) state;

    for (i = 0; i < nitems(documents); i++) {
        length = strlen(documents[i]);
        accept(documents[i], length, length, documents[i]);

        scan(&s, documents[i], length, length - 1);
        assert_int_equal(s.error, MSPWH_SCANNER_TOO_LARGE);
        assert_true(s.length < length);
        mspwh_scanner_cleanup(&s);
    }

    accept(TEXT("[1,2,3,4,5,6,7,8,9]"), 2, "[]");
    accept(TEXT("  12  "), 5, "\"" MARK "12\"");

    scan(&s, TEXT("  12  "), 4);
    assert_int_equal(s.error, MSPWH_SCANNER_TOO_LARGE);
    mspwh_scanner_cleanup(&s);

    /* a string counts for what is left of it */

    text = fill("{\"a\":\"", 'x', 1025, "\"}");
    accept(text, strlen(text), 8, "{\"a\":\"\"}");
    scan(&s, text, strlen(text), 7);
    assert_int_equal(s.error, MSPWH_SCANNER_TOO_LARGE);
    mspwh_scanner_cleanup(&s);
    free(text);

    text = fill("{\"a\":\"", 'x', 1024, "\"}");
    accept(text, strlen(text), 1032, text);
    scan(&s, text, strlen(text), 1031);
    assert_int_equal(s.error, MSPWH_SCANNER_TOO_LARGE);
    mspwh_scanner_cleanup(&s);
    scan(&s, text, strlen(text), 20);
    assert_int_equal(s.error, MSPWH_SCANNER_TOO_LARGE);
    mspwh_scanner_cleanup(&s);
    free(text);
}


static void
test_words(void **state)
{
    int          i, j;
    const char  *word;

    (void) state;

    for (i = MSPWH_SCANNER_OK; i <= MSPWH_SCANNER_NO_MEMORY; i++) {
        word = mspwh_scanner_strerror(i);
        assert_non_null(word);

        for (j = MSPWH_SCANNER_OK; j < i; j++) {
            assert_string_not_equal(word, mspwh_scanner_strerror(j));
        }
    }

    assert_string_equal(mspwh_scanner_text("5"), "5");
    assert_string_equal(mspwh_scanner_text(MARK "5"), "5");
    assert_string_equal(mspwh_scanner_text(""), "");
    assert_false(mspwh_scanner_is_number("5"));
    assert_false(mspwh_scanner_is_number(""));
    assert_true(mspwh_scanner_is_number(MARK "5"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_objects_depth),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
