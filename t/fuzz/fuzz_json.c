
/*
 * The input is a document.  For each input:
 *
 *   - fed in any pieces, it gets the same error at the same byte and line, and
 *     the handler gets the same reports;
 *   - the verdict does not depend on how much the handler wants;
 *   - jansson accepts it as well, or rejects it as well;
 *   - the reports, written as JSON, mean the same to jansson as the document;
 *   - a number has the same characters as in the document.
 *
 * jansson is strict.  Its differences from RFC 8259 or from this parser:
 *
 *   - it rejects escaped null characters and unpaired surrogates, and gets
 *     others instead (fuzz_mend);
 *   - it rejects a number too large for its type, and gets a zero instead
 *     (fuzz_jansson);
 *   - it loses a null byte after a number or a word, and gets 0x01 instead,
 *     which is not allowed either (fuzz_jansson);
 *   - it rejects a byte order mark, and gets the rest;
 *   - this parser's depth limit is lower; beyond it, nothing is compared.
 */


#include "check.h"
#include "mspwh_json.h"

#include <jansson.h>
#include <regex.h>
#include <string.h>


typedef struct {
    mspwh_json_t      json;
    const uint8_t    *data;

    /* report everything, or skip members and elements by their place */
    int               is_sparse;
    unsigned          place;

    /* the reports, as JSON */
    char             *text;
    size_t            length;
    size_t            size;
    unsigned          depth;
    char              open[MSPWH_JSON_DEPTH];

    /* a text was too long to be reported */
    int               is_cut;
} fuzz_told_t;


static void fuzz_tell(fuzz_told_t *told, const uint8_t *data, size_t size,
    int way, int is_sparse);
static void fuzz_same(const fuzz_told_t *one, const fuzz_told_t *two);
static void fuzz_compare(const char *text, size_t length, json_t *json);
static json_t *fuzz_jansson(const char *text, size_t length);
static int fuzz_zero(char *text, size_t end);


static void
fuzz_put(fuzz_told_t *told, const char *text, size_t length)
{
    if (told->size - told->length <= length) {
        told->size = (told->size + length) * 2 + 64;
        told->text = realloc(told->text, told->size);
        fuzz_check(told->text != NULL, "no memory");
    }

    if (length > 0) {
        memcpy(told->text + told->length, text, length);
    }

    told->length += length;
    told->text[told->length] = '\0';
}


static void
fuzz_close(fuzz_told_t *told, unsigned depth)
{
    while (told->depth > depth) {
        fuzz_put(told, &told->open[--told->depth], 1);
    }

    fuzz_check(told->depth == depth, "%u containers, not %u", depth,
               told->depth);
}


static void
fuzz_next(fuzz_told_t *told)
{
    char  last;

    fuzz_close(told, told->json.depth);

    last = told->text[told->length - 1];
    fuzz_put(told, ",", last != '{' && last != '[');
}


static void
fuzz_quoted(fuzz_told_t *told, const char *text, size_t length)
{
    char    escape[8];
    size_t  i;

    told->is_cut |= (text == NULL);

    fuzz_put(told, "\"", 1);

    for (i = 0; i < length; i++) {
        if ((unsigned char) text[i] < 0x20 || strchr("\"\\", text[i])) {
            snprintf(escape, sizeof(escape), "\\u%04x",
                     (unsigned char) text[i]);
            fuzz_put(told, escape, 6);
            continue;
        }

        fuzz_put(told, &text[i], 1);
    }

    fuzz_put(told, "\"", 1);
}


static int
fuzz_begin(void *data, mspwh_json_type_e type)
{
    fuzz_told_t  *told = data;

    fuzz_close(told, told->json.depth - 1);
    fuzz_put(told, type == MSPWH_JSON_OBJECT ? "{" : "[", 1);
    told->open[told->depth++] = (type == MSPWH_JSON_OBJECT) ? '}' : ']';

    return !told->is_sparse || told->place++ % 7 != 3;
}


static mspwh_json_want_e
fuzz_name(void *data, const char *name, size_t length)
{
    fuzz_told_t  *told = data;

    fuzz_next(told);
    fuzz_quoted(told, name, length);
    fuzz_put(told, ":", 1);

    return told->is_sparse ? told->place++ % 4 : MSPWH_JSON_VALUE;
}


static size_t
fuzz_element(void *data)
{
    fuzz_told_t  *told = data;

    fuzz_next(told);

    /* the next call: this element, or some or all are skipped */

    if (told->is_sparse && told->place++ % 2 == 0) {
        return told->place % 5 ? told->place % 5 : MSPWH_JSON_NEVER;
    }

    return 0;
}


static void
fuzz_value(void *data, mspwh_json_type_e type, const char *text,
    size_t length)
{
    fuzz_told_t  *told = data;

    static const char *const  words[] = { "null", "false", "true" };

    fuzz_check(told->json.depth == told->depth, "not the same depth");

    if (type <= MSPWH_JSON_TRUE) {
        fuzz_put(told, words[type], strlen(words[type]));
        return;
    }

    if (type == MSPWH_JSON_STRING || text == NULL) {
        fuzz_quoted(told, text, length);
        return;
    }

    fuzz_check(memcmp(told->data + told->json.start, text, length) == 0,
               "not the characters at %d", (int) told->json.start);
    fuzz_put(told, text, length);
}


static const mspwh_json_handler_t  fuzz_handler = {
    .begin = fuzz_begin,
    .name = fuzz_name,
    .element = fuzz_element,
    .value = fuzz_value
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int           way, is_sparse;
    char         *mended;
    json_t       *json;
    size_t        mark;
    fuzz_told_t   told[2], again;

    for (is_sparse = 0; is_sparse < 2; is_sparse++) {
        fuzz_tell(&told[is_sparse], data, size, 0, is_sparse);

        for (way = 1; way < 3; way++) {
            fuzz_tell(&again, data, size, way, is_sparse);
            fuzz_same(&told[is_sparse], &again);
            free(again.text);
        }
    }

    fuzz_tell(&again, data, size, 2, -1);

    fuzz_check(told[0].json.error == told[1].json.error
               && told[0].json.error == again.json.error
               && told[0].json.offset == told[1].json.offset
               && told[0].json.offset == again.json.offset,
               "another error if less is told");

    mark = (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0
            && told[0].json.error != MSPWH_JSON_BYTE_ORDER_MARK) ? 3 : 0;

    mended = fuzz_copy(data + mark, size - mark);
    fuzz_mend(mended, size - mark);
    json = fuzz_jansson(mended, size - mark);

    if (told[0].json.error == MSPWH_JSON_OK) {
        fuzz_check(json != NULL, "jansson refuses it");
        fuzz_check(memcmp(mended, data + mark, size - mark) == 0
                   || told[0].is_cut, "an escape that is no character");
        fuzz_compare(mended, size - mark, json);

    } else {
        fuzz_check(json == NULL || told[0].json.error == MSPWH_JSON_TOO_DEEP,
                   "jansson accepts it");
    }

    json_decref(json);
    free(mended);
    free(told[0].text);
    free(told[1].text);

    return 0;
}


static void
fuzz_json_feed(void *to, const void *data, size_t length)
{
    mspwh_json_feed(to, data, length);
}


/* "is_sparse" is -1 for a document that is only checked */

static void
fuzz_tell(fuzz_told_t *told, const uint8_t *data, size_t size, int way,
    int is_sparse)
{
    uint64_t  stopped;

    memset(told, 0, sizeof(fuzz_told_t));
    told->data = data;
    told->is_sparse = is_sparse;

    mspwh_json_init(&told->json, is_sparse == -1 ? NULL : &fuzz_handler, told);
    fuzz_feed(fuzz_json_feed, &told->json, data, size, way);

    if (mspwh_json_finish(&told->json) == MSPWH_JSON_OK) {
        fuzz_close(told, 0);
        fuzz_check(told->json.offset == size, "not all of it");
        return;
    }

    /* the first error remains, whatever follows */

    stopped = told->json.offset;
    fuzz_check(stopped <= size
               && (stopped < size
                   || told->json.error == MSPWH_JSON_UNFINISHED
                   || told->json.error == MSPWH_JSON_BYTE_ORDER_MARK),
               "%s at %d", mspwh_json_strerror(told->json.error),
               (int) stopped);

    mspwh_json_feed(&told->json, data, size);
    fuzz_check(told->json.offset == stopped, "goes on after an error");
}


static void
fuzz_same(const fuzz_told_t *one, const fuzz_told_t *two)
{
    fuzz_check(one->json.error == two->json.error
               && one->json.offset == two->json.offset
               && one->json.line == two->json.line,
               "error %d at %d, not %d at %d", two->json.error,
               (int) two->json.offset, one->json.error,
               (int) one->json.offset);

    fuzz_check(one->length == two->length && one->is_cut == two->is_cut
               && (one->length == 0
                   || memcmp(one->text, two->text, one->length) == 0),
               "%s\nnot\n%s", two->text, one->text);
}


/* the reports about the mended document make a document again */

static void
fuzz_compare(const char *text, size_t length, json_t *json)
{
    json_t       *told_json;
    fuzz_told_t   told;

    fuzz_tell(&told, (const uint8_t *) text, length, 2, 0);

    if (!told.is_cut) {
        told_json = fuzz_jansson(told.text, told.length);

        fuzz_check(told_json != NULL && json_equal(json, told_json),
                   "not the same: %s", told.text);
        json_decref(told_json);
    }

    free(told.text);
}


static json_t *
fuzz_jansson(const char *text, size_t length)
{
    char          *copy;
    size_t         i;
    json_t        *json;
    json_error_t   error;

    copy = fuzz_copy(text, length);

    for (i = 0; i < length; i++) {
        copy[i] = copy[i] ? copy[i] : 1;
    }

    do {
        json = json_loadb(copy, length, JSON_DECODE_ANY, &error);

    } while (json == NULL
             && json_error_code(&error) == json_error_numeric_overflow
             && fuzz_zero(copy, (size_t) error.position));

    free(copy);

    return json;
}


/* replaces a number that ends here by a zero; returns 0 if it is incomplete */

static int
fuzz_zero(char *text, size_t end)
{
    int             rc;
    char           *copy;
    size_t          start;
    static regex_t  regex;

    if (regex.re_nsub == 0) {
        rc = regcomp(&regex, "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?"
                             "([eE][+-]?[0-9]+)?$", REG_EXTENDED);
        fuzz_check(rc == 0, "regcomp: %d", rc);
    }

    for (start = end; start > 0 && text[start - 1] != '\0'; start--) {
        if (strchr("+-.eE0123456789", text[start - 1]) == NULL) {
            break;
        }
    }

    copy = fuzz_string(text + start, end - start);
    rc = regexec(&regex, copy, 0, NULL, 0);
    free(copy);

    if (rc != 0) {
        return 0;
    }

    memset(text + start, ' ', end - start);
    text[start] = '0';

    return 1;
}
