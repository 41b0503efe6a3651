
/*
 * Replies of a store, whole and in pieces, and commands to it.
 */


#include "headers.h"
#include "mspwh_resp.h"


/*
 * Bytes, and the elements in them: for each one its type, its value, and "."
 * if it is the last of a reply; "!" is an error.
 */

typedef struct {
    const char  *bytes;
    const char  *elements;
} reply_t;


static const reply_t  replies[] = {
    { "+OK\r\n", "+OK." },
    { "+\r\n", "+." },
    { "-ERR no\r\n", "-ERR no." },
    { ":0\r\n", ":0." },
    { ":-12\r\n", ":-12." },
    { ":+3\r\n", ":3." },
    { ":999999999999999999\r\n", ":999999999999999999." },
    { "$0\r\n\r\n", "$." },
    { "$4\r\n\r\n\r\n\r\n", "$\r\n\r\n." },
    { "$-1\r\n", "nil." },
    { "*-1\r\n", "nil." },
    { "*0\r\n", "*0." },
    { "*2\r\n$1\r\na\r\n:1\r\n", "*2$a:1." },
    { "*2\r\n*1\r\n$-1\r\n*0\r\n", "*2*1nil*0." },
    { "*1\r\n*1\r\n*2\r\n:1\r\n:2\r\n+X\r\n", "*1*1*2:1:2.+X." },
    { "+A\r\n-B\r\n$-1\r\n", "+A.-B.nil." },

    /* not RESP2 */
    { "x", "!" },
    { "\r\n", "!" },
    { "+OK\rX", "!" },
    { ":\r\n", "!" },
    { ":-\r\n", "!" },
    { ":1a\r\n", "!" },
    { ": 1\r\n", "!" },
    { "$-2\r\n", "!" },
    { "*-2\r\n", "!" },
    { "$1\r\nab", "!" },
    { "$1\r\na\rb", "!" },
    { "_\r\n", "!" },
    { "%1\r\n", "!" },

    /* more than a limit */
    { ":1000000000000000000\r\n", "!" },
    { "$536870913\r\n", "!" },
    { "*1048577\r\n", "!" },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:7\r\n",
      "*1*1*1*1*1*1*1*1:7." },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
      "*1*1*1*1*1*1*1*1!" },
};


static char *
show(char *out, const mspwh_resp_t *resp)
{
    static const char  *signs = "+-:$";

    switch (resp->type) {

    case MSPWH_RESP_NIL:
        out += sprintf(out, "nil");
        break;

    case MSPWH_RESP_ARRAY:
        out += sprintf(out, "*%lld", (long long) resp->number);
        break;

    case MSPWH_RESP_INTEGER:
        out += sprintf(out, ":%lld", (long long) resp->number);
        break;

    default:
        out += sprintf(out, "%c%s", signs[resp->type], resp->text);
    }

    return out + sprintf(out, "%s", resp->last ? "." : "");
}


/* reads pieces up to each of the ends, and records the elements */

static void
read_pieces(const char *bytes, const size_t *ends, size_t n, char *out)
{
    int           rc;
    size_t        i;
    const char   *p;
    mspwh_resp_t  resp;

    memset(&resp, 0, sizeof(resp));
    p = bytes;
    *out = '\0';

    for (i = 0; i < n; i++) {
        while ((rc = mspwh_resp_read(&resp, &p, bytes + ends[i])) == 1) {
            out = show(out, &resp);
        }

        if (rc == -1) {
            strcpy(out, "!");
            return;
        }

        assert_ptr_equal(p, bytes + ends[i]);
    }
}


static void
test_replies(void **state)
{
    char            out[512];
    size_t          i, k, length, ends[3];
    const reply_t  *reply;

    (void) state;

    for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        reply = &replies[i];

        length = strlen(reply->bytes);

        /* in one piece, and in three, cut at any two places */

        for (k = 0; k <= length * length; k++) {
            ends[0] = k % length;
            ends[1] = k / length;
            ends[2] = length;

            if (ends[0] <= ends[1]) {
                read_pieces(reply->bytes, ends, 3, out);
                assert_string_equal(out, reply->elements);
            }
        }
    }
}


static void
test_every_byte(void **state)
{
    char    out[512];
    size_t  i, k, length, ends[128];

    (void) state;

    for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        length = strlen(replies[i].bytes);

        for (k = 0; k < length; k++) {
            ends[k] = k + 1;
        }

        read_pieces(replies[i].bytes, ends, length, out);
        assert_string_equal(out, replies[i].elements);
    }
}


static void
test_nul(void **state)
{
    const char         *p;
    mspwh_resp_t        resp;
    static const char   bytes[] = "$3\r\na\0b\r\n";

    (void) state;

    memset(&resp, 0, sizeof(resp));
    p = bytes;

    assert_int_equal(mspwh_resp_read(&resp, &p, bytes + sizeof(bytes) - 1),
                     1);
    assert_int_equal(resp.type, MSPWH_RESP_STRING);
    assert_int_equal(resp.length, 3);
    assert_memory_equal(resp.text, "a\0b", 4);
}


/* only the first bytes of a long text are kept, but its length is known */

static void
test_long(void **state)
{
    char         *bytes, *end;
    size_t        at;
    const char   *p;
    mspwh_resp_t  resp;

    (void) state;

    bytes = malloc(20000);
    assert_non_null(bytes);

    end = mspwh_resp_length(bytes, 10000);
    memset(end, 'x', 10000);
    end = mspwh_resp_end(end + 10000);

    for (at = 0; at < (size_t) (end - bytes); at += 97) {
        memset(&resp, 0, sizeof(resp));
        p = bytes;

        assert_int_equal(mspwh_resp_read(&resp, &p, bytes + at), 0);
        assert_int_equal(mspwh_resp_read(&resp, &p, end), 1);
        assert_int_equal(resp.length, 10000);
        assert_int_equal(strlen(resp.text), MSPWH_RESP_TEXT);
        assert_ptr_equal(p, end);
    }

    free(bytes);
}


static void
test_long_line(void **state)
{
    int           rc;
    size_t        n;
    const char   *p;
    mspwh_resp_t  resp;

    (void) state;

    memset(&resp, 0, sizeof(resp));
    p = "-";
    rc = mspwh_resp_read(&resp, &p, p + 1);

    for (n = 0; rc == 0 && n < MSPWH_RESP_LINE + 20; n += 10) {
        p = "0123456789";
        rc = mspwh_resp_read(&resp, &p, p + 10);
    }

    assert_int_equal(rc, -1);
    assert_uint_in_range(n, MSPWH_RESP_LINE, MSPWH_RESP_LINE + 10);
}


static void
test_commands(void **state)
{
    char  text[128], *p;

    (void) state;

    p = mspwh_resp_array(text, 3);
    p = mspwh_resp_string(p, "SET", 3);
    p = mspwh_resp_string(p, NULL, 0);
    p = mspwh_resp_length(p, 18446744073709551615ULL);
    p = mspwh_resp_end(p);

    assert_int_equal(p - text, strlen("*3\r\n$3\r\nSET\r\n$0\r\n\r\n"
                                      "$18446744073709551615\r\n\r\n"));
    assert_memory_equal(text, "*3\r\n$3\r\nSET\r\n$0\r\n\r\n"
                        "$18446744073709551615\r\n\r\n",
                        (size_t) (p - text));
    assert_int_equal(MSPWH_RESP_HEAD, strlen("$18446744073709551615\r\n"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_commands),
    };

    return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
