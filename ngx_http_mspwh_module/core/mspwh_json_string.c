
#include "mspwh_json_internal.h"
#include "mspwh_span.h"
#include "mspwh_text.h"

#include <string.h>


static const unsigned char *mspwh_json_in_text(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_json_units(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
static size_t mspwh_json_whole_escape(const unsigned char *p,
    const unsigned char *end);
static const unsigned char *mspwh_json_in_utf8(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_json_in_escape(mspwh_json_t *j,
    const unsigned char *p);
static const unsigned char *mspwh_json_in_hex(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
static void mspwh_json_code(mspwh_json_t *j);
static void mspwh_json_drop(mspwh_json_t *j);


/* a run of ASCII between UTF-8 sequences that is too short for a vector */
#define MSPWH_JSON_SHORT_RUN  8


/* the meaning of a character after a backslash; 0 if it is not allowed */

static const char  mspwh_json_escapes[256] = {
    ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
};

/* the value of a hex digit plus one; 0 for other characters */

static const unsigned char  mspwh_json_digits[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
    ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};


const unsigned char *
mspwh_json_string(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    while (p < end) {

        switch (j->state) {

        case MSPWH_JSON_IN_TEXT:
            p = mspwh_json_in_text(j, p, end);
            break;

        case MSPWH_JSON_IN_UTF8:
            p = mspwh_json_in_utf8(j, p, end);
            break;

        case MSPWH_JSON_IN_ESCAPE:
            p = mspwh_json_in_escape(j, p);
            break;

        case MSPWH_JSON_IN_HEX:
            p = mspwh_json_in_hex(j, p, end);
            break;

        default:
            return p;
        }
    }

    return p;
}


void
mspwh_json_end(mspwh_json_t *j)
{
    const char  *text;

    j->state = j->is_name ? MSPWH_JSON_COLON : j->after[j->depth];

    if (!j->is_told) {
        return;
    }

    text = j->is_kept ? j->text : NULL;

    if (j->is_name) {
        mspwh_json_tell_name(j, text, j->length);

    } else {
        mspwh_json_tell_value(j, j->type, text, j->length);
    }
}


void
mspwh_json_put(mspwh_json_t *j, const void *text, size_t length)
{
    if (!j->is_kept) {
        return;
    }

    if (length > MSPWH_JSON_TEXT - j->length) {
        mspwh_json_drop(j);
        return;
    }

    memcpy(j->text + j->length, text, length);
    j->length += length;
}


/* the text is too long, or cannot be a C string */

static void
mspwh_json_drop(mspwh_json_t *j)
{
    j->is_kept = 0;
    j->surrogate = 0;
}


static const unsigned char *
mspwh_json_in_text(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    const unsigned char  *start;

    start = p;

    do {
        p = mspwh_span_plain(p, end);
        p = mspwh_json_units(j, p, end);

    } while (p < end && mspwh_span_is_plain(*p));

    if (p > start) {
        if (j->surrogate) {
            mspwh_json_drop(j);
        }

        mspwh_json_put(j, start, (size_t) (p - start));
    }

    if (p == end) {
        return p;
    }

    if (*p == '\\') {
        j->state = MSPWH_JSON_IN_ESCAPE;
        return p + 1;
    }

    if (j->surrogate) {
        mspwh_json_drop(j);
    }

    if (*p == '"') {
        mspwh_json_end(j);
        return p + 1;
    }

    if (*p < 0x20) {
        return mspwh_json_fail(j, p, MSPWH_JSON_CONTROL);
    }

    j->state = MSPWH_JSON_IN_UTF8;

    return p;
}


/*
 * Skips complete UTF-8 sequences that follow one another, or nearly so, and
 * escapes if the text is not wanted.
 */

static const unsigned char *
mspwh_json_units(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    size_t    n;
    unsigned  run;

    for (run = 0; p < end; p += n) {

        if (*p >= 0x80) {
            n = mspwh_text_sequence(p, end);
            run = MSPWH_JSON_SHORT_RUN;

        } else if (*p == '\\') {
            n = j->is_kept ? 0 : mspwh_json_whole_escape(p, end);
            run = 0;

        } else {
            n = (run > 0 && mspwh_span_is_plain(*p));
            run--;
        }

        if (n == 0) {
            break;
        }
    }

    return p;
}


/* returns the length of a valid, complete escape, or 0 */

static size_t
mspwh_json_whole_escape(const unsigned char *p, const unsigned char *end)
{
    if (end - p >= 2 && mspwh_json_escapes[p[1]]) {
        return 2;
    }

    return (end - p >= 6 && p[1] == 'u'
            && mspwh_json_digits[p[2]] && mspwh_json_digits[p[3]]
            && mspwh_json_digits[p[4]] && mspwh_json_digits[p[5]])
           ? 6 : 0;
}


/* takes a sequence byte by byte: it is incomplete in this piece, or invalid */

static const unsigned char *
mspwh_json_in_utf8(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    const unsigned char          *start;
    const mspwh_text_sequence_t  *sequence;

    start = p;

    if (j->utf8_left == 0) {
        sequence = &mspwh_text_sequences[*p];

        if (sequence->left == 0) {
            return mspwh_json_fail(j, p, MSPWH_JSON_UTF8);
        }

        j->utf8_left = sequence->left;
        j->utf8_low = sequence->low;
        j->utf8_high = sequence->high;

        p++;
    }

    for ( /* void */ ; p < end && j->utf8_left > 0; p++) {

        if (*p < j->utf8_low || *p > j->utf8_high) {
            return mspwh_json_fail(j, p, MSPWH_JSON_UTF8);
        }

        j->utf8_left--;
        j->utf8_low = 0x80;
        j->utf8_high = 0xbf;
    }

    mspwh_json_put(j, start, (size_t) (p - start));

    if (j->utf8_left == 0) {
        j->state = MSPWH_JSON_IN_TEXT;
    }

    return p;
}


static const unsigned char *
mspwh_json_in_escape(mspwh_json_t *j, const unsigned char *p)
{
    if (*p == 'u') {
        j->state = MSPWH_JSON_IN_HEX;
        j->code = 0;
        j->digits = 0;
        return p + 1;
    }

    if (!mspwh_json_escapes[*p]) {
        return mspwh_json_fail(j, p, MSPWH_JSON_ESCAPE);
    }

    if (j->surrogate) {
        mspwh_json_drop(j);
    }

    mspwh_json_put(j, &mspwh_json_escapes[*p], 1);
    j->state = MSPWH_JSON_IN_TEXT;

    return p + 1;
}


static const unsigned char *
mspwh_json_in_hex(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    for ( /* void */ ; p < end; p++) {

        if (!mspwh_json_digits[*p]) {
            return mspwh_json_fail(j, p, MSPWH_JSON_ESCAPE);
        }

        j->code = j->code << 4 | (mspwh_json_digits[*p] - 1u);

        if (++j->digits == 4) {
            mspwh_json_code(j);
            j->state = MSPWH_JSON_IN_TEXT;
            return p + 1;
        }
    }

    return p;
}


/* ends a \u escape; surrogates are those of RFC 8259, section 7 */

static void
mspwh_json_code(mspwh_json_t *j)
{
    char      utf8[4];
    unsigned  high;

    if (!j->is_kept) {
        return;
    }

    high = j->surrogate;
    j->surrogate = 0;

    if (j->code >= 0xdc00 && j->code <= 0xdfff) {
        if (high) {
            j->code = 0x10000 + ((high & 0x3ff) << 10) + (j->code & 0x3ff);
            high = 0;

        } else {
            j->code = 0;
        }
    }

    if (high || j->code == 0) {
        mspwh_json_drop(j);
        return;
    }

    if (j->code >= 0xd800 && j->code <= 0xdbff) {
        j->surrogate = j->code;
        return;
    }

    mspwh_json_put(j, utf8, (size_t) (mspwh_text_put_utf8(utf8, j->code)
                                      - utf8));
}
