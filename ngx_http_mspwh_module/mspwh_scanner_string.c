
#include "mspwh_scanner_internal.h"
#include "mspwh_span.h"

#include <string.h>


static const unsigned char *mspwh_scanner_string_text(mspwh_scanner_t *s,
    const unsigned char *start, const unsigned char *p,
    const unsigned char *end);
static size_t mspwh_scanner_string_unit(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static size_t mspwh_scanner_string_sequence(const unsigned char *p,
    const unsigned char *end);
static const unsigned char *mspwh_scanner_string_utf8(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_scanner_string_escape(mspwh_scanner_t *s,
    const unsigned char *p);
static const unsigned char *mspwh_scanner_string_hex(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static int mspwh_scanner_string_digit(unsigned char ch);
static void mspwh_scanner_string_code(mspwh_scanner_t *s);
static void mspwh_scanner_string_end(mspwh_scanner_t *s);
static void mspwh_scanner_string_mend(mspwh_scanner_t *s);


/* what may follow a backslash, but for the "u" */

static const unsigned char  mspwh_scanner_escapes[256] = {
    ['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1,
    ['f'] = 1, ['n'] = 1, ['r'] = 1, ['t'] = 1
};


/*
 * What follows the first byte of a UTF-8 sequence (RFC 3629, section 4): how
 * many bytes, and the range of the first of them, that leaves out overlong
 * forms, surrogates and what is above U+10FFFF.
 */

typedef struct {
    unsigned char  left;
    unsigned char  low;
    unsigned char  high;
} mspwh_scanner_sequence_t;

static const mspwh_scanner_sequence_t  mspwh_scanner_sequences[256] = {
    [0xc2 ... 0xdf] = { 1, 0x80, 0xbf },
    [0xe0] = { 2, 0xa0, 0xbf },
    [0xe1 ... 0xec] = { 2, 0x80, 0xbf },
    [0xed] = { 2, 0x80, 0x9f },
    [0xee ... 0xef] = { 2, 0x80, 0xbf },
    [0xf0] = { 3, 0x90, 0xbf },
    [0xf1 ... 0xf3] = { 3, 0x80, 0xbf },
    [0xf4] = { 3, 0x80, 0x8f }
};


const unsigned char *
mspwh_scanner_string(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end, unsigned is_name)
{
    size_t                length;
    const unsigned char  *start;

    start = p + 1;
    p = mspwh_span_plain(start, end);

    length = (size_t) (p - start);

    s->is_name = (is_name != 0);
    s->is_escaped = 0;

    /* most strings are short, plain and whole */

    if (p < end && *p == '"'
        && (s->skip != 0
            || (length <= MSPWH_SCANNER_STRING
                && length + 2 <= s->size - s->length)))
    {
        if (s->skip == 0) {
            s->envelope[s->length++] = '"';
            s->text = s->length;

            memcpy(s->envelope + s->length, start, length);
            s->length += length;
        }

        mspwh_scanner_string_end(s);

        return p + 1;
    }

    mspwh_scanner_put_char(s, '"');

    if (s->error != MSPWH_SCANNER_OK) {
        return start - 1;
    }

    s->state = mspwh_text;
    s->text = s->length;
    s->text_length = 0;
    s->surrogate = 0;
    s->is_dropped = (s->skip != 0);
    s->is_over_limit = 0;

    p = mspwh_scanner_string_text(s, start, p, end);

    return mspwh_scanner_string_rest(s, p, end);
}


const unsigned char *
mspwh_scanner_string_rest(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    while (p < end && s->error == MSPWH_SCANNER_OK) {

        switch (s->state) {

        case mspwh_text:
            p = mspwh_scanner_string_text(s, p, p, end);
            break;

        case mspwh_utf8:
            p = mspwh_scanner_string_utf8(s, p, end);
            break;

        case mspwh_escape:
            p = mspwh_scanner_string_escape(s, p);
            break;

        case mspwh_hex:
            p = mspwh_scanner_string_hex(s, p, end);
            break;

        default:
            return p;
        }
    }

    return p;
}


/* the bytes from "start" to "p" are known to be plain */

static const unsigned char *
mspwh_scanner_string_text(mspwh_scanner_t *s, const unsigned char *start,
    const unsigned char *p, const unsigned char *end)
{
    size_t  n;

    for ( ;; ) {
        while (p < end && (n = mspwh_scanner_string_unit(s, p, end)) != 0) {
            p += n;
        }

        if (p == end || !mspwh_span_is_plain(*p)) {
            break;
        }

        p = mspwh_span_plain(p, end);
    }

    if (p > start) {
        mspwh_scanner_string_mend(s);
        mspwh_scanner_put_text(s, start, (size_t) (p - start));
    }

    if (p == end) {
        return p;
    }

    if (*p == '\\') {
        s->is_escaped = 1;
        s->state = mspwh_escape;
        return p + 1;
    }

    mspwh_scanner_string_mend(s);

    if (*p == '"') {
        mspwh_scanner_string_end(s);
        return (s->error == MSPWH_SCANNER_OK) ? p + 1 : p;
    }

    if (*p < 0x20) {
        s->error = MSPWH_SCANNER_CONTROL;
        return p;
    }

    s->state = mspwh_utf8;

    return p;
}


/*
 * The length of an escape or a UTF-8 sequence that is whole and stays as it
 * is in the envelope, or 0: then its bytes are taken one by one.
 */

static size_t
mspwh_scanner_string_unit(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    size_t  i;

    if (*p >= 0x80) {
        return mspwh_scanner_string_sequence(p, end);
    }

    if (*p != '\\' || end - p < 2) {
        return 0;
    }

    s->is_escaped = 1;

    if (mspwh_scanner_escapes[p[1]]) {
        return 2;
    }

    if (p[1] != 'u' || !s->is_dropped || end - p < 6) {
        return 0;
    }

    for (i = 2; i < 6; i++) {
        if (mspwh_scanner_string_digit(p[i]) == -1) {
            return 0;
        }
    }

    return 6;
}


static size_t
mspwh_scanner_string_sequence(const unsigned char *p, const unsigned char *end)
{
    size_t                           i;
    const mspwh_scanner_sequence_t  *sequence;

    sequence = &mspwh_scanner_sequences[*p];

    if (sequence->left == 0 || end - p <= sequence->left
        || p[1] < sequence->low || p[1] > sequence->high)
    {
        return 0;
    }

    for (i = 2; i <= sequence->left; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return i;
}


int
mspwh_scanner_is_utf8(const char *text, size_t length)
{
    size_t                n;
    const unsigned char  *p, *end;

    p = (const unsigned char *) text;
    end = p + length;

    for ( /* void */ ; p < end; p += n) {
        n = (*p < 0x80) ? 1 : mspwh_scanner_string_sequence(p, end);

        if (n == 0) {
            return 0;
        }
    }

    return 1;
}


/* a sequence byte by byte: it is not whole in this piece, or not valid */

static const unsigned char *
mspwh_scanner_string_utf8(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    const unsigned char             *start;
    const mspwh_scanner_sequence_t  *sequence;

    start = p;

    if (s->utf8_left == 0) {
        sequence = &mspwh_scanner_sequences[*p];

        if (sequence->left == 0) {
            s->error = MSPWH_SCANNER_UTF8;
            return p;
        }

        s->utf8_left = sequence->left;
        s->utf8_low = sequence->low;
        s->utf8_high = sequence->high;

        p++;
    }

    for ( /* void */ ; p < end && s->utf8_left > 0; p++) {

        if (*p < s->utf8_low || *p > s->utf8_high) {
            s->error = MSPWH_SCANNER_UTF8;
            return p;
        }

        s->utf8_left--;
        s->utf8_low = 0x80;
        s->utf8_high = 0xbf;
    }

    mspwh_scanner_put_text(s, start, (size_t) (p - start));

    if (s->utf8_left == 0) {
        s->state = mspwh_text;
    }

    return p;
}


static const unsigned char *
mspwh_scanner_string_escape(mspwh_scanner_t *s, const unsigned char *p)
{
    char  escape[2];

    if (*p == 'u') {
        s->state = mspwh_hex;
        s->code = 0;
        s->digits = 0;
        return p + 1;
    }

    if (!mspwh_scanner_escapes[*p]) {
        s->error = MSPWH_SCANNER_ESCAPE;
        return p;
    }

    escape[0] = '\\';
    escape[1] = (char) *p;

    mspwh_scanner_string_mend(s);
    mspwh_scanner_put_text(s, escape, 2);

    s->state = mspwh_text;

    return p + 1;
}


static const unsigned char *
mspwh_scanner_string_hex(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    int  digit;

    for ( /* void */ ; p < end; p++) {
        digit = mspwh_scanner_string_digit(*p);

        if (digit == -1) {
            s->error = MSPWH_SCANNER_ESCAPE;
            return p;
        }

        s->code = s->code << 4 | (unsigned) digit;

        if (++s->digits == 4) {
            mspwh_scanner_string_code(s);
            return p + 1;
        }
    }

    return p;
}


static int
mspwh_scanner_string_digit(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


/* the end of a \u escape; surrogates are those of RFC 8259, section 7 */

static void
mspwh_scanner_string_code(mspwh_scanner_t *s)
{
    char      escape[sizeof("\\uffff")];
    unsigned  i, is_high, is_low;

    is_high = (s->code >= 0xd800 && s->code <= 0xdbff);
    is_low = (s->code >= 0xdc00 && s->code <= 0xdfff);

    /* a null character is still a control character */

    if (s->code == 0) {
        s->code = 1;

    } else if (is_low && s->surrogate == 0) {
        s->code = 0xfffd;
    }

    if (is_low) {
        s->surrogate = 0;

    } else {
        mspwh_scanner_string_mend(s);
    }

    escape[0] = '\\';
    escape[1] = 'u';

    for (i = 0; i < 4; i++) {
        escape[2 + i] = "0123456789abcdef"[s->code >> (12 - 4 * i) & 0xf];
    }

    mspwh_scanner_put_text(s, escape, 6);

    if (is_high && !s->is_dropped && !s->is_over_limit) {
        s->surrogate = s->length;
    }

    s->state = mspwh_text;
}


static void
mspwh_scanner_string_end(mspwh_scanner_t *s)
{
    if (s->is_over_limit) {
        s->error = MSPWH_SCANNER_TOO_LARGE;
        return;
    }

    if (s->is_name) {
        mspwh_scanner_match(s, 1);
        mspwh_scanner_ask(s);
        mspwh_scanner_put_char(s, '"');

        s->state = mspwh_colon;
        return;
    }

    if (s->keep == MSPWH_SCANNER_PRESENCE) {
        mspwh_scanner_cut(s, s->text);
    }

    mspwh_scanner_put_char(s, '"');
    mspwh_scanner_value_end(s);
}


/* a high surrogate was not followed by a low one */

static void
mspwh_scanner_string_mend(mspwh_scanner_t *s)
{
    if (s->surrogate != 0) {
        memcpy(s->envelope + s->surrogate - 6, "\\ufffd", 6);
        s->surrogate = 0;
    }
}
