
/*
 * The JSON parser: which documents it accepts, where it stops in others, and
 * what it reports.
 */


#include "trace.h"


typedef struct {
    const char          *text;
    size_t               length;
    mspwh_json_error_e   error;
    uint64_t             offset;
} refused_t;


/* traces the document in all ways; with "told" NULL, compares them only */

static void
check(const char *text, size_t length, mspwh_json_error_e error,
    uint64_t offset, const char *told)
{
    int       is_told;
    size_t    i, at;
    trace_t   whole, t;
    uint64_t  line;

    for (i = 0, line = 1; i < offset && i < length; i++) {
        line += (text[i] == '\n');
    }

    trace(&whole, text, length, WHOLE, 1, 0);

    if (told != NULL && strcmp(whole.text, told) != 0) {
        fail_msg("%.60s:\n%s\nis not\n%.80s", text, whole.text, told);
    }

    for (at = BY_THREES; at != length + 1; at++) {
        for (is_told = 0; is_told < 2; is_told++) {
            trace(&t, text, length, at, is_told, 0);

            if (t.json.error != error || t.json.offset != offset
                || t.json.line != line)
            {
                fail_msg("%.60s: cut at %d: %s at %d, line %d, not %s at %d, "
                         "line %d", text, (int) at,
                         mspwh_json_strerror(t.json.error),
                         (int) t.json.offset, (int) t.json.line,
                         mspwh_json_strerror(error), (int) offset,
                         (int) line);
            }

            if (is_told && whole.text != NULL
                && strcmp(t.text, whole.text) != 0)
            {
                fail_msg("%.60s: cut at %d:\n%s\nis not\n%s", text, (int) at,
                         t.text, whole.text);
            }

            free(t.text);
        }
    }

    free(whole.text);
}


static void
accept(const char *text, const char *told)
{
    check(text, strlen(text), MSPWH_JSON_OK, strlen(text), told);
}


static void
test_accept(void **state)
{
    char    text[512], want[512];
    size_t  i;

    static const struct {
        const char  *text;
        const char  *told;
    } cases[] = {
        { "true", "true" }, { "false", "false" }, { "null", "null" },
        { " \t\r\n null \t\r\n ", "null" },

        { "0", "0" }, { "-0", "-0" }, { "7", "7" }, { "-19", "-19" },
        { "1234567890123456789012", "1234567890123456789012" },
        { "123456789012345678901234567890123456789012345678",
          "123456789012345678901234567890123456789012345678" },
        { "0.5", "0.5" }, { "1.050", "1.050" }, { "-0.0", "-0.0" },
        { "0e0", "0e0" }, { "1e5", "1e5" }, { "1E+05", "1E+05" },
        { "1.5e-00", "1.5e-00" }, { " 1 ", "1" },

        { "\"\"", "\"\"" }, { "\" a  b \"", "\" a  b \"" },
        { "\"0123456789abcdef0123456789abcdef{}[]:,'/\x7f\"",
          "\"0123456789abcdef0123456789abcdef{}[]:,'/\x7f\"" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\"\\/\b\f\n\r\t\"" },
        { "\"\\u0041\\u00e9\\uD7fF\\ue000\\uFFFF\\u0001\"",
          "\"A\xc3\xa9\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\x01\"" },
        { "\"\\u007f\\u0080\\u07ff\\u0800\"",
          "\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\"" },
        { "\"\\\\u0000\"", "\"\\u0000\"" },

        /* surrogates, and texts that C strings cannot hold */
        { "\"\\ud834\\udd1e\"", "\"\xf0\x9d\x84\x9e\"" },
        { "\"\\uD800\\uDC00\\uDBFF\\uDFFF\"",
          "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"" },
        { "\"a\\u0000b\"", "?" }, { "\"\\ud834\"", "?" },
        { "\"\\uDBFF\"", "?" }, { "\"\\udd1e\"", "?" },
        { "\"\\udfff\"", "?" }, { "\"\\ud834x\"", "?" },
        { "\"\\ud834\\n\"", "?" }, { "\"\\ud834\\\\udd1e\"", "?" },
        { "\"\\ud834\\u0041\"", "?" }, { "\"\\ud834\\u0000\"", "?" },
        { "\"\\ud834x\\udd1e\"", "?" },
        { "\"\\ud834\\n\\udd1e\"", "?" },
        { "\"\\ud834\xc3\xa9\\udd1e\"", "?" },
        { "\"\\ud834\\ud834\\udd1e\"", "?" },
        { "\"\\ud834\\udd1e\\udd1e\"", "?" },
        { "\"\\udd1e\\ud834\"", "?" },
        { "{\"\\ud834\":\"\\udd1e\",\"a\":\"b\"}", "{?:?,\"a\":\"b\"}" },

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
        { "[1]", "[1]" },
        { "[1,2.0,\"]\",[[]],{\"a\":[{}]}]",
          "[1,2.0,\"]\",[[]],{\"a\":[{}]}]" },
        { "{\"a\":1}", "{\"a\":1}" },
        { " { \"a\" : { \"b\" : null } , \"\" : [ 1 , { } ] , \"c\":\"\" } ",
          "{\"a\":{\"b\":null},\"\":[1,{}],\"c\":\"\"}" },
        { "{\"a\":true,\"a\":false}", "{\"a\":true,\"a\":false}" },
        { "{\"a\":[1],\"b\":[2],\"c\":3}", "{\"a\":[1],\"b\":[2],\"c\":3}" },
        { "\n{\n\"a\"\n:\r\n1\n}\n", "{\"a\":1}" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        accept(cases[i].text, cases[i].told);

        snprintf(text, sizeof(text), "[0,%s, %s]", cases[i].text,
                 cases[i].text);
        snprintf(want, sizeof(want), "[0,%s,%s]", cases[i].told,
                 cases[i].told);
        accept(text, want);
    }
}


static void
test_refuse(void **state)
{
    char      text[64];
    size_t    i, n;

#define R(s, error, offset)  { TEXT(s), MSPWH_JSON_##error, offset }

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
        R("{} {}", UNEXPECTED, 3),
    };

    /* these are valid inside an array */

    static const refused_t  tops[] = {
        R("", UNFINISHED, 0), R(" \n", UNFINISHED, 2),
        R("]", UNEXPECTED, 0), R(",", UNEXPECTED, 0),
        R("{}]", UNEXPECTED, 2), R("[]]", UNEXPECTED, 2),
        R("{},", UNEXPECTED, 2), R("1,2", UNEXPECTED, 1),
        R("{}\0", UNEXPECTED, 2), R("{} x", UNEXPECTED, 3),
        R("\"\",", UNEXPECTED, 2), R("null,", UNEXPECTED, 4),
    };

    (void) state;

    for (i = 0; i < nitems(tops); i++) {
        check(tops[i].text, tops[i].length, tops[i].error, tops[i].offset,
              NULL);
    }

    for (i = 0; i < nitems(cases); i++) {
        n = cases[i].length;

        check(cases[i].text, n, cases[i].error, cases[i].offset, NULL);

        memcpy(text, "[0,", 3);
        memcpy(text + 3, cases[i].text, n);
        check(text, n + 3, cases[i].error, cases[i].offset + 3, NULL);
    }
}


static void
test_mark(void **state)
{
    size_t  i;

    static const refused_t  cases[] = {
        R("\xef\xbb\xbf" "1", OK, 4), R("\xef\xbb\xbf {}\n", OK, 7),
        R("\xef\xbb\xbf", UNFINISHED, 3),
        R("\xef", BYTE_ORDER_MARK, 1), R("\xef\xbb", BYTE_ORDER_MARK, 2),
        R("\xef{}", BYTE_ORDER_MARK, 1), R("\xef\xbb{}", BYTE_ORDER_MARK, 2),
        R("\xef\xbb\xef\xbb\xbf{}", BYTE_ORDER_MARK, 2),
        R("\xef\xbb\xbf\xef\xbb\xbf{}", BYTE_ORDER_MARK, 3),
        R("\xef\xbb\xbf\xbb{}", UNEXPECTED, 3),
        R("\xbb\xbf{}", UNEXPECTED, 0), R(" \xef\xbb\xbf{}", UNEXPECTED, 1),
        R("\xef\xbb\xbf \xef\xbb\xbf{}", UNEXPECTED, 4),
        R("{}\xef\xbb\xbf", UNEXPECTED, 2),

        R("\xff\xfe{\0}\0", UTF16, 0), R("\xfe\xff\0{\0}", UTF16, 0),
        R("{\0}\0", UTF16, 1), R("[\0]\0", UTF16, 1), R("\0{\0}", UTF16, 0),
        R("\0", UTF16, 0), R("{}\0", UNEXPECTED, 2), R(" \0", UNEXPECTED, 1),
        R(" {\0", UNEXPECTED, 2), R("{\xff\xfe", UNEXPECTED, 1),
    };

#undef R

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        check(cases[i].text, cases[i].length, cases[i].error,
              cases[i].offset, NULL);
    }
}


static void
test_wants(void **state)
{
    size_t    i, at;
    trace_t   t;

    static const char *const  cases[][2] = {
        { "{\"s\":\"x\",\"c\":\"x\",\"t\":\"x\",\"v\":\"x\"}",
          "{\"s\":,\"c\":,\"t\":?,\"v\":\"x\"}" },
        { "{\"s\":-1,\"c\":-1,\"t\":-1,\"v\":-1}",
          "{\"s\":,\"c\":,\"t\":?,\"v\":-1}" },
        { "{\"s\":true,\"c\":false,\"t\":null,\"v\":false}",
          "{\"s\":,\"c\":,\"t\":null,\"v\":false}" },
        { "{\"s\":[1,{\"v\":2}],\"c\":[1,{\"v\":2}],\"v\":{\"s\":{}}}",
          "{\"s\":,\"c\":[1,{\"v\":2}],\"v\":{\"s\":}}" },
        { "{\"t\":{\"s\":{\"v\":[\"\\u0041\"]},\"v\":1}}",
          "{\"t\":{\"s\":,\"v\":1}}" },
        { "[{\"s\":[[]],\"v\":1},[{\"s\":0}],0]",
          "[{\"s\":,\"v\":1},[{\"s\":}],0]" },
        { "{\"c\":\"\\u0000\\n\xc3\xa9\",\"t\":\"\\ud834\",\"v\":1e0}",
          "{\"c\":,\"t\":?,\"v\":1e0}" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        for (at = BY_THREES; at != strlen(cases[i][0]) + 1; at++) {
            trace(&t, cases[i][0], strlen(cases[i][0]), at, 1, 1);
            assert_int_equal(t.json.error, MSPWH_JSON_OK);
            assert_string_equal(t.text, cases[i][1]);
            free(t.text);
        }
    }
}


static void
test_long(void **state)
{
    char    *text, *told;
    size_t   i;

    static const struct {
        const char  *head;
        size_t       n;
        const char  *tail;

        /* the report before and after the text; NULL if it is not reported */
        const char  *before;
        const char  *after;
        const char  *told;
    } cases[] = {
        { "{\"a\":\"", 1024, "\"}", "{\"a\":\"", "\"}", NULL },
        { "{\"a\":\"", 1025, "\"}", NULL, NULL, "{\"a\":?}" },
        { "{\"a\":\"", 1023, "\\n\"}", "{\"a\":\"", "\n\"}", NULL },
        { "{\"a\":\"", 1024, "\\n\"}", NULL, NULL, "{\"a\":?}" },
        { "{\"a\":\"", 1023, "\\u0041\"}", "{\"a\":\"", "A\"}", NULL },
        { "{\"a\":\"", 1024, "\\u0041\"}", NULL, NULL, "{\"a\":?}" },
        { "{\"a\":\"", 1023, "\\ud834\",\"b\":\"\\ud834\"}", NULL, NULL,
          "{\"a\":?,\"b\":?}" },
        { "{\"a\":\"\\ud834", 1025, "\\udd1e\",\"b\":\"c\"}", NULL, NULL,
          "{\"a\":?,\"b\":\"c\"}" },
        { "{\"a\":\"", 1020, "\\ud834\\udd1e\"}", "{\"a\":\"",
          "\xf0\x9d\x84\x9e\"}", NULL },
        { "{\"a\":\"", 1021, "\\ud834\\udd1e\"}", NULL, NULL, "{\"a\":?}" },
        { "{\"a\":\"", 1022, "\xc3\xa9\"}", "{\"a\":\"", "\xc3\xa9\"}", NULL },
        { "{\"a\":\"", 1023, "\xc3\xa9\"}", NULL, NULL, "{\"a\":?}" },
        { "{\"a\":\"", 1025, "\xc3\xa9\\\"\\u0000\",\"b\":1}", NULL, NULL,
          "{\"a\":?,\"b\":1}" },
        { "{\"a\":{\"", 1024, "\":null}}", "{\"a\":{\"", "\":null}}", NULL },
        { "{\"a\":{\"", 1025, "\":null}}", NULL, NULL, "{\"a\":{?:null}}" },
        { "{\"", 1025, "\":{\"c\":\"d\"},\"b\":[1]}", NULL, NULL,
          "{?:{\"c\":\"d\"},\"b\":[1]}" },
        { "{\"", 1025, "\\u0061\":[true],\"b\":[true]}", NULL, NULL,
          "{?:[true],\"b\":[true]}" },
        { "[", 1024, "]", "[", "]", NULL },
        { "[", 1025, "]", NULL, NULL, "[?]" },
        { "", 1025, "", NULL, NULL, "?" },
    };

    (void) state;

    for (i = 0; i < nitems(cases); i++) {
        text = fill(cases[i].head, '7', cases[i].n, cases[i].tail);
        told = cases[i].told ? strdup(cases[i].told)
                             : fill(cases[i].before, '7', cases[i].n,
                                    cases[i].after);
        accept(text, told);

        free(text);
        free(told);
    }

    /* values that are not reported are still checked */

    text = fill("\"", 'x', 1100, "\n\"");
    check(text, strlen(text), MSPWH_JSON_CONTROL, 1101, NULL);
    free(text);

    text = fill("\"", 'x', 1100, "\xc3\"");
    check(text, strlen(text), MSPWH_JSON_UTF8, 1102, NULL);
    free(text);

    text = fill("\"", 'x', 1100, "\\u00g0\"");
    check(text, strlen(text), MSPWH_JSON_ESCAPE, 1105, NULL);
    free(text);
}


static void
test_depth(void **state)
{
    char    *text, *tail, objects[257 * 5 + 300];
    size_t   i;

    (void) state;

    tail = fill("", ']', 256, "");
    text = fill("", '[', 256, tail);
    accept(text, text);
    free(text);
    free(tail);

    tail = fill("{", '}', 257, "");
    text = fill("", '[', 255, tail);
    check(text, strlen(text), MSPWH_JSON_UNEXPECTED, 257, NULL);
    free(text);

    text = fill("", '[', 256, "{");
    check(text, 257, MSPWH_JSON_TOO_DEEP, 256, NULL);
    free(text);
    free(tail);

    text = fill("", '[', 257, "");
    check(text, 257, MSPWH_JSON_TOO_DEEP, 256, NULL);
    free(text);

    for (i = 0; i < 257; i++) {
        memcpy(objects + i * 5, "{\"a\":", 5);
    }

    check(objects, 257 * 5, MSPWH_JSON_TOO_DEEP, 256 * 5, NULL);

    memcpy(objects + 255 * 5, "{", 1);
    memset(objects + 255 * 5 + 1, '}', 256);
    objects[255 * 5 + 257] = '\0';
    accept(objects, objects);
}


/* nothing is reported after an error, and the start of each value is known */

static size_t                starts[8], nstarts;
static mspwh_json_t          json;


static void
start_value(void *data, mspwh_json_type_e type, const char *text,
    size_t length)
{
    (void) data;
    (void) type;
    (void) text;
    (void) length;

    starts[nstarts++] = json.start;
}


static int
start_begin(void *data, mspwh_json_type_e type)
{
    start_value(data, type, NULL, 0);
    return 1;
}


static mspwh_json_want_e
start_name(void *data, const char *name, size_t length)
{
    (void) data;
    (void) length;

    return (*name == 's') ? MSPWH_JSON_TYPE : MSPWH_JSON_VALUE;
}


static size_t
start_element(void *data)
{
    (void) data;
    return 0;
}


static void
test_start(void **state)
{
    size_t  at;

    static const mspwh_json_handler_t  handler = {
        start_begin, start_name, start_element, start_value
    };

    static const char    text[] = " {\"a\" : \"x\\n\", \"sx\":\"\\u0041\", "
                                  "\"b\":[-1 ,\ttrue]}";
    static const size_t  want[] = { 1, 8, 20, 34, 35, 40 };

    (void) state;

    for (at = BY_THREES; at != strlen(text) + 1; at++) {
        nstarts = 0;
        mspwh_json_init(&json, &handler, NULL);
        feed_pieces((void (*)(void *, const void *, size_t)) mspwh_json_feed,
                    &json, text, strlen(text), at);
        assert_int_equal(mspwh_json_finish(&json), MSPWH_JSON_OK);
        assert_int_equal(nstarts, nitems(want));
        assert_memory_equal(starts, want, sizeof(want));
    }

    mspwh_json_init(&json, &handler, NULL);
    mspwh_json_feed(&json, "}", 1);
    mspwh_json_feed(&json, "{}", 2);
    assert_int_equal(mspwh_json_finish(&json), MSPWH_JSON_UNEXPECTED);
    assert_int_equal(json.offset, 0);
}


static void
test_words(void **state)
{
    int          i, j;
    const char  *word;

    (void) state;

    for (i = MSPWH_JSON_OK; i < MSPWH_JSON_ERROR_COUNT; i++) {
        word = mspwh_json_strerror(i);
        assert_non_null(word);

        for (j = MSPWH_JSON_OK; j < i; j++) {
            assert_string_not_equal(word, mspwh_json_strerror(j));
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_wants),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
