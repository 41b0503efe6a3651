
/*
 * The parser's reports on a document, as JSON without spaces: texts are
 * decoded, and those that are not told are a "?".
 */


#ifndef _TRACE_H_INCLUDED_
#define _TRACE_H_INCLUDED_


#include "unit.h"
#include "mspwh_json.h"


typedef struct {
    mspwh_json_t   json;

    /* what to report about members, by the first letters of their names */
    int            by_letter;

    size_t         length;
    char          *text;

    unsigned       depth;
    char           open[MSPWH_JSON_DEPTH];
} trace_t;


static void
trace_put(trace_t *t, const char *text, size_t length)
{
    t->text = realloc(t->text, t->length + length + 1);
    assert_non_null(t->text);

    if (length > 0) {
        memcpy(t->text + t->length, text, length);
    }

    t->length += length;
    t->text[t->length] = '\0';
}


static void
trace_close(trace_t *t, unsigned depth)
{
    while (t->depth > depth) {
        trace_put(t, &t->open[--t->depth], 1);
    }

    assert_int_equal(t->depth, depth);
}


/* before a member or an element */

static void
trace_next(trace_t *t, unsigned depth)
{
    char  last;

    trace_close(t, depth);

    last = t->text[t->length - 1];

    if (last != '{' && last != '[') {
        trace_put(t, ",", 1);
    }
}


static void
trace_string(trace_t *t, const char *text, size_t length)
{
    trace_put(t, text ? "\"" : "?", 1);
    trace_put(t, text, length);
    trace_put(t, "\"", text ? 1 : 0);
}


static int
trace_begin(void *data, mspwh_json_type_e type)
{
    trace_t  *t = data;

    trace_close(t, t->json.depth - 1);
    trace_put(t, type == MSPWH_JSON_OBJECT ? "{" : "[", 1);
    t->open[t->depth++] = (type == MSPWH_JSON_OBJECT) ? '}' : ']';

    return 1;
}


static mspwh_json_want_e
trace_name(void *data, const char *name, size_t length)
{
    trace_t            *t = data;
    mspwh_json_want_e   want;

    want = MSPWH_JSON_VALUE;

    if (t->by_letter) {
        want = (length == 0 || *name == 's') ? MSPWH_JSON_SKIP
               : (*name == 'c') ? MSPWH_JSON_CONTAINER
               : (*name == 't') ? MSPWH_JSON_TYPE : MSPWH_JSON_VALUE;
    }

    trace_next(t, t->json.depth);
    trace_string(t, name, length);
    trace_put(t, ":", 1);

    return want;
}


static size_t
trace_element(void *data)
{
    trace_t  *t = data;

    trace_next(t, t->json.depth);

    return 0;
}


static void
trace_value(void *data, mspwh_json_type_e type, const char *text,
    size_t length)
{
    trace_t  *t = data;

    static const char *const  words[] = { "null", "false", "true" };

    assert_int_equal(t->json.depth, t->depth);

    if (type <= MSPWH_JSON_TRUE) {
        assert_null(text);
        trace_put(t, words[type], strlen(words[type]));

    } else if (type == MSPWH_JSON_NUMBER && text != NULL) {
        trace_put(t, text, length);

    } else {
        trace_string(t, text, length);
    }
}


static const mspwh_json_handler_t  trace_handler = {
    .begin = trace_begin,
    .name = trace_name,
    .element = trace_element,
    .value = trace_value
};


static void
trace_feed(void *to, const void *data, size_t length)
{
    trace_t  *t = to;

    mspwh_json_feed(&t->json, data, length);
}


/* "is_told" is 0 for a document that is only checked */

static void
trace(trace_t *t, const char *text, size_t length, size_t at, int is_told,
    int by_letter)
{
    mspwh_json_error_e  error;

    memset(t, 0, sizeof(trace_t));
    t->by_letter = by_letter;

    mspwh_json_init(&t->json, is_told ? &trace_handler : NULL, t);
    feed_pieces(trace_feed, t, text, length, at);

    error = mspwh_json_finish(&t->json);
    assert_int_equal(error, t->json.error);
    assert_int_equal(error, mspwh_json_finish(&t->json));

    if (error == MSPWH_JSON_OK && is_told) {
        trace_close(t, 0);
    }
}


#endif /* _TRACE_H_INCLUDED_ */
