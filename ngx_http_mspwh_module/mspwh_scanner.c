
#include "mspwh_scanner.h"
#include "mspwh_span.h"

#include <stdlib.h>
#include <string.h>


#define MSPWH_SCANNER_FIRST_SIZE  1024


/* in the order of the functions that handle them */

enum {
    /* between tokens */
    mspwh_value = 0,
    mspwh_first_element,
    mspwh_first_name,
    mspwh_name,
    mspwh_colon,
    mspwh_next,
    mspwh_end,

    /* inside a string */
    mspwh_text,
    mspwh_utf8,
    mspwh_escape,
    mspwh_hex,

    mspwh_literal,

    /* inside a number */
    mspwh_minus,
    mspwh_zero,
    mspwh_integer,
    mspwh_point,
    mspwh_fraction,
    mspwh_exponent,
    mspwh_exponent_sign,
    mspwh_exponent_digits
};


typedef const unsigned char *(*mspwh_scanner_handler_pt)(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);


static const unsigned char *mspwh_scanner_token(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_scanner_value(mspwh_scanner_t *s,
    const unsigned char *p);
static void mspwh_scanner_open(mspwh_scanner_t *s, unsigned char ch);
static void mspwh_scanner_close(mspwh_scanner_t *s, unsigned char ch);
static void mspwh_scanner_after(mspwh_scanner_t *s, unsigned char ch);

static void mspwh_scanner_string(mspwh_scanner_t *s, unsigned is_name);
static const unsigned char *mspwh_scanner_string_text(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_scanner_string_utf8(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_scanner_string_escape(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_scanner_string_hex(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static void mspwh_scanner_string_code(mspwh_scanner_t *s);
static void mspwh_scanner_string_end(mspwh_scanner_t *s);
static void mspwh_scanner_string_mend(mspwh_scanner_t *s);
static int mspwh_scanner_utf8_lead(mspwh_scanner_t *s, unsigned char ch);

static void mspwh_scanner_literal_start(mspwh_scanner_t *s,
    const char *literal);
static const unsigned char *mspwh_scanner_literal(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);

static const unsigned char *mspwh_scanner_number(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static unsigned mspwh_scanner_number_state(unsigned state, unsigned char ch);
static int mspwh_scanner_number_ends(unsigned state);

static void mspwh_scanner_value_end(mspwh_scanner_t *s);

static void mspwh_scanner_match(mspwh_scanner_t *s, int is_name);
static int mspwh_scanner_can_enter(mspwh_scanner_t *s);

static void mspwh_scanner_put(mspwh_scanner_t *s, const void *data,
    size_t length);
static void mspwh_scanner_put_char(mspwh_scanner_t *s, char ch);
static void mspwh_scanner_put_text(mspwh_scanner_t *s, const void *data,
    size_t length);
static int mspwh_scanner_reserve(mspwh_scanner_t *s, size_t length);


static const mspwh_scanner_handler_pt  mspwh_scanner_handlers[] = {
    mspwh_scanner_token,
    mspwh_scanner_token,
    mspwh_scanner_token,
    mspwh_scanner_token,
    mspwh_scanner_token,
    mspwh_scanner_token,
    mspwh_scanner_token,

    mspwh_scanner_string_text,
    mspwh_scanner_string_utf8,
    mspwh_scanner_string_escape,
    mspwh_scanner_string_hex,

    mspwh_scanner_literal,

    mspwh_scanner_number,
    mspwh_scanner_number,
    mspwh_scanner_number,
    mspwh_scanner_number,
    mspwh_scanner_number,
    mspwh_scanner_number,
    mspwh_scanner_number,
    mspwh_scanner_number
};


static const char *const  mspwh_scanner_errors[] = {
    "no error",
    "unexpected character",
    "unexpected end",
    "control character in a string",
    "invalid escape",
    "invalid UTF-8",
    "nested too deeply",
    "envelope too large",
    "no memory"
};


void
mspwh_scanner_init(mspwh_scanner_t *s, size_t limit,
    const mspwh_scanner_pointers_t *pointers)
{
    memset(s, 0, sizeof(mspwh_scanner_t));

    s->limit = limit;

    if (pointers != NULL && pointers->npointers > 0) {
        s->pointers = pointers;
        s->value_match = ~(uint64_t) 0 >> (64 - pointers->npointers);
    }
}


void
mspwh_scanner_feed(mspwh_scanner_t *s, const void *data, size_t length)
{
    const unsigned char  *p, *end;

    p = data;
    end = p + length;

    while (p < end && s->error == MSPWH_SCANNER_OK) {
        p = mspwh_scanner_handlers[s->state](s, p, end);
    }

    s->offset += (uint64_t) (p - (const unsigned char *) data);
}


mspwh_scanner_error_e
mspwh_scanner_finish(mspwh_scanner_t *s)
{
    if (s->error != MSPWH_SCANNER_OK) {
        return s->error;
    }

    /* only a number on its own has no end that can be seen */

    if (s->depth == 0 && mspwh_scanner_number_ends(s->state)) {
        mspwh_scanner_put_char(s, '"');
        s->state = mspwh_end;
    }

    if (s->error == MSPWH_SCANNER_OK && s->state != mspwh_end) {
        s->error = MSPWH_SCANNER_UNFINISHED;
    }

    return s->error;
}


void
mspwh_scanner_cleanup(mspwh_scanner_t *s)
{
    free(s->envelope);

    s->envelope = NULL;
    s->length = 0;
    s->size = 0;
}


const char *
mspwh_scanner_strerror(mspwh_scanner_error_e error)
{
    return mspwh_scanner_errors[error];
}


const char *
mspwh_scanner_text(const char *string)
{
    return string + mspwh_scanner_is_number(string);
}


int
mspwh_scanner_is_number(const char *string)
{
    return (unsigned char) string[0] == MSPWH_SCANNER_MARK;
}


static const unsigned char *
mspwh_scanner_token(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    unsigned char  ch;

    for ( /* void */ ; p < end; p++) {
        ch = *p;

        if (ch == ' ' || ch == '\n' || ch == '\r' || ch == '\t') {
            continue;
        }

        switch (s->state) {

        case mspwh_first_element:
            if (ch == ']') {
                mspwh_scanner_close(s, ch);
                break;
            }

            /* fall through */

        case mspwh_value:
            return mspwh_scanner_value(s, p);

        case mspwh_first_name:
            if (ch == '}') {
                mspwh_scanner_close(s, ch);
                break;
            }

            /* fall through */

        case mspwh_name:
            if (ch != '"') {
                s->error = MSPWH_SCANNER_UNEXPECTED;
                return p;
            }

            mspwh_scanner_string(s, 1);
            return p + 1;

        case mspwh_colon:
            if (ch != ':') {
                s->error = MSPWH_SCANNER_UNEXPECTED;
                return p;
            }

            mspwh_scanner_put_char(s, ':');
            s->state = mspwh_value;
            break;

        case mspwh_next:
            mspwh_scanner_after(s, ch);
            break;

        default: /* mspwh_end */
            s->error = MSPWH_SCANNER_UNEXPECTED;
        }

        if (s->error != MSPWH_SCANNER_OK) {
            return p;
        }
    }

    return p;
}


static const unsigned char *
mspwh_scanner_value(mspwh_scanner_t *s, const unsigned char *p)
{
    unsigned  state;

    switch (*p) {

    case '{':
    case '[':
        mspwh_scanner_open(s, *p);
        break;

    case '"':
        mspwh_scanner_string(s, 0);
        break;

    case 't':
        mspwh_scanner_literal_start(s, "true");
        break;

    case 'f':
        mspwh_scanner_literal_start(s, "false");
        break;

    case 'n':
        mspwh_scanner_literal_start(s, "null");
        break;

    default:
        state = (*p == '-') ? mspwh_minus
                            : mspwh_scanner_number_state(mspwh_minus, *p);

        if (state == mspwh_end) {
            s->error = MSPWH_SCANNER_UNEXPECTED;
            break;
        }

        s->state = state;

        mspwh_scanner_put_char(s, '"');
        mspwh_scanner_put_char(s, (char) MSPWH_SCANNER_MARK);
        mspwh_scanner_put_char(s, (char) *p);
    }

    return (s->error == MSPWH_SCANNER_OK) ? p + 1 : p;
}


static void
mspwh_scanner_open(mspwh_scanner_t *s, unsigned char ch)
{
    int            leave_out;
    unsigned char  bit;

    if (s->depth == MSPWH_SCANNER_DEPTH) {
        s->error = MSPWH_SCANNER_TOO_DEEP;
        return;
    }

    leave_out = (ch == '[' && s->skip == 0 && !mspwh_scanner_can_enter(s));

    mspwh_scanner_put_char(s, (char) ch);

    s->depth++;

    bit = (unsigned char) (1 << s->depth % 8);

    if (s->depth <= MSPWH_POINTER_TOKENS) {
        s->match[s->depth] = s->value_match;
        s->index[s->depth] = 0;
    }

    if (ch == '{') {
        s->objects[s->depth / 8] |= bit;
        s->state = mspwh_first_name;
        return;
    }

    s->objects[s->depth / 8] &= (unsigned char) ~bit;
    s->state = mspwh_first_element;

    if (leave_out) {
        s->skip = s->depth;
    }

    mspwh_scanner_match(s, 0);
}


static void
mspwh_scanner_close(mspwh_scanner_t *s, unsigned char ch)
{
    if (s->skip == s->depth) {
        s->skip = 0;
    }

    s->depth--;

    mspwh_scanner_put_char(s, (char) ch);
    mspwh_scanner_value_end(s);
}


static void
mspwh_scanner_value_end(mspwh_scanner_t *s)
{
    s->state = (s->depth == 0) ? mspwh_end : mspwh_next;
}


/* what may follow a value inside a container */

static void
mspwh_scanner_after(mspwh_scanner_t *s, unsigned char ch)
{
    int  is_object;

    is_object = s->objects[s->depth / 8] & (1 << s->depth % 8);

    if (ch == (is_object ? '}' : ']')) {
        mspwh_scanner_close(s, ch);
        return;
    }

    if (ch != ',') {
        s->error = MSPWH_SCANNER_UNEXPECTED;
        return;
    }

    mspwh_scanner_put_char(s, ',');

    if (is_object) {
        s->state = mspwh_name;
        return;
    }

    s->state = mspwh_value;

    if (s->depth <= MSPWH_POINTER_TOKENS) {
        s->index[s->depth]++;
    }

    mspwh_scanner_match(s, 0);
}


static void
mspwh_scanner_string(mspwh_scanner_t *s, unsigned is_name)
{
    mspwh_scanner_put_char(s, '"');

    s->state = mspwh_text;
    s->text = s->length;
    s->text_length = 0;
    s->surrogate = 0;
    s->is_name = (is_name != 0);
    s->is_escaped = 0;
    s->is_dropped = (s->skip != 0);
    s->is_over_limit = 0;
}


static const unsigned char *
mspwh_scanner_string_text(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    const unsigned char  *start;

    start = p;
    p = mspwh_span_plain(p, end);

    if (p > start) {
        mspwh_scanner_string_mend(s);
        mspwh_scanner_put_text(s, start, (size_t) (p - start));

        if (p == end) {
            return p;
        }
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


/* a run of UTF-8 sequences of more than a byte, by RFC 3629, section 4 */

static const unsigned char *
mspwh_scanner_string_utf8(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    const unsigned char  *start;

    for (start = p; p < end; p++) {

        if (s->utf8_left == 0) {
            if (*p < 0x80) {
                s->state = mspwh_text;
                break;
            }

            if (mspwh_scanner_utf8_lead(s, *p) != 0) {
                s->error = MSPWH_SCANNER_UTF8;
                return p;
            }

            continue;
        }

        if (*p < s->utf8_low || *p > s->utf8_high) {
            s->error = MSPWH_SCANNER_UTF8;
            return p;
        }

        s->utf8_left--;
        s->utf8_low = 0x80;
        s->utf8_high = 0xbf;
    }

    mspwh_scanner_put_text(s, start, (size_t) (p - start));

    return p;
}


static int
mspwh_scanner_utf8_lead(mspwh_scanner_t *s, unsigned char ch)
{
    s->utf8_low = 0x80;
    s->utf8_high = 0xbf;

    if (ch >= 0xc2 && ch <= 0xdf) {
        s->utf8_left = 1;
        return 0;
    }

    if (ch >= 0xe0 && ch <= 0xef) {
        s->utf8_left = 2;

        /* no overlong forms, no surrogates */

        if (ch == 0xe0) {
            s->utf8_low = 0xa0;

        } else if (ch == 0xed) {
            s->utf8_high = 0x9f;
        }

        return 0;
    }

    if (ch >= 0xf0 && ch <= 0xf4) {
        s->utf8_left = 3;

        /* no overlong forms, nothing above U+10FFFF */

        if (ch == 0xf0) {
            s->utf8_low = 0x90;

        } else if (ch == 0xf4) {
            s->utf8_high = 0x8f;
        }

        return 0;
    }

    return -1;
}


static const unsigned char *
mspwh_scanner_string_escape(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    char  escape[2];

    (void) end;

    switch (*p) {

    case 'u':
        s->state = mspwh_hex;
        s->code = 0;
        s->digits = 0;
        return p + 1;

    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        escape[0] = '\\';
        escape[1] = (char) *p;

        mspwh_scanner_string_mend(s);
        mspwh_scanner_put_text(s, escape, 2);

        s->state = mspwh_text;
        return p + 1;
    }

    s->error = MSPWH_SCANNER_ESCAPE;

    return p;
}


static const unsigned char *
mspwh_scanner_string_hex(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    unsigned  ch;

    for ( /* void */ ; p < end; p++) {
        ch = *p;

        if (ch >= '0' && ch <= '9') {
            ch -= '0';

        } else {
            ch |= 0x20;

            if (ch < 'a' || ch > 'f') {
                s->error = MSPWH_SCANNER_ESCAPE;
                return p;
            }

            ch = ch - 'a' + 10;
        }

        s->code = s->code << 4 | ch;

        if (++s->digits == 4) {
            mspwh_scanner_string_code(s);
            return p + 1;
        }
    }

    return p;
}


/* the end of a \u escape; surrogates are those of RFC 8259, section 7 */

static void
mspwh_scanner_string_code(mspwh_scanner_t *s)
{
    char      escape[sizeof("\\uffff")];
    unsigned  i, is_high, is_low;

    is_high = (s->code >= 0xd800 && s->code <= 0xdbff);
    is_low = (s->code >= 0xdc00 && s->code <= 0xdfff);

    if (s->code == 0 || (is_low && s->surrogate == 0)) {
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


/* a high surrogate was not followed by a low one */

static void
mspwh_scanner_string_mend(mspwh_scanner_t *s)
{
    if (s->surrogate != 0) {
        memcpy(s->envelope + s->surrogate - 6, "\\ufffd", 6);
        s->surrogate = 0;
    }
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
        s->state = mspwh_colon;

    } else {
        mspwh_scanner_value_end(s);
    }

    mspwh_scanner_put_char(s, '"');
}


static void
mspwh_scanner_literal_start(mspwh_scanner_t *s, const char *literal)
{
    mspwh_scanner_put(s, literal, strlen(literal));

    /* the first character has been seen */

    s->literal = literal + 1;
    s->state = mspwh_literal;
}


static const unsigned char *
mspwh_scanner_literal(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    for ( /* void */ ; p < end; p++) {
        if (*p != (unsigned char) *s->literal) {
            s->error = MSPWH_SCANNER_UNEXPECTED;
            return p;
        }

        if (*++s->literal == '\0') {
            mspwh_scanner_value_end(s);
            return p + 1;
        }
    }

    return p;
}


static const unsigned char *
mspwh_scanner_number(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    size_t                room;
    unsigned              state;
    const unsigned char  *start;

    for (start = p; p < end; p++) {
        state = mspwh_scanner_number_state(s->state, *p);
        if (state == mspwh_end) {
            break;
        }

        s->state = state;
    }

    room = s->limit - s->length;
    mspwh_scanner_put(s, start, (size_t) (p - start));

    if (s->error != MSPWH_SCANNER_OK) {
        return start + room;
    }

    if (p == end) {
        return p;
    }

    if (!mspwh_scanner_number_ends(s->state)) {
        s->error = MSPWH_SCANNER_UNEXPECTED;
        return p;
    }

    mspwh_scanner_put_char(s, '"');
    mspwh_scanner_value_end(s);

    return p;
}


/* the state after one more character, or mspwh_end where it cannot follow */

static unsigned
mspwh_scanner_number_state(unsigned state, unsigned char ch)
{
    int  is_digit;

    is_digit = (ch >= '0' && ch <= '9');

    switch (state) {

    case mspwh_minus:
        return (ch == '0') ? mspwh_zero
                           : is_digit ? mspwh_integer : mspwh_end;

    case mspwh_integer:
        if (is_digit) {
            return mspwh_integer;
        }

        /* fall through */

    case mspwh_zero:
        if (ch == '.') {
            return mspwh_point;
        }

        return (ch == 'e' || ch == 'E') ? mspwh_exponent : mspwh_end;

    case mspwh_fraction:
        if (ch == 'e' || ch == 'E') {
            return mspwh_exponent;
        }

        /* fall through */

    case mspwh_point:
        return is_digit ? mspwh_fraction : mspwh_end;

    case mspwh_exponent:
        if (ch == '+' || ch == '-') {
            return mspwh_exponent_sign;
        }

        /* fall through */

    default: /* mspwh_exponent_sign, mspwh_exponent_digits */
        return is_digit ? mspwh_exponent_digits : mspwh_end;
    }
}


static int
mspwh_scanner_number_ends(unsigned state)
{
    return state == mspwh_zero || state == mspwh_integer
           || state == mspwh_fraction || state == mspwh_exponent_digits;
}


/*
 * Which pointers lead to the value ahead, by its name or its place.  A name
 * with an escape may be anything: keeping an array too many does no harm, so
 * it is not decoded.
 */

static void
mspwh_scanner_match(mspwh_scanner_t *s, int is_name)
{
    int                           found;
    size_t                        length;
    unsigned                      i;
    uint64_t                      match;
    const char                   *name;
    const mspwh_pointer_token_t  *token;

    s->value_match = 0;

    if (s->pointers == NULL || s->skip != 0
        || s->depth > MSPWH_POINTER_TOKENS)
    {
        return;
    }

    name = s->envelope + s->text;
    length = s->length - s->text;

    for (i = 0, match = s->match[s->depth]; match; i++, match >>= 1) {
        if ((match & 1) == 0 || s->pointers->pointers[i]->ntokens < s->depth) {
            continue;
        }

        token = &s->pointers->pointers[i]->tokens[s->depth - 1];

        if (is_name) {
            found = s->is_escaped
                    || (length == token->length
                        && memcmp(name, token->name, length) == 0);

        } else {
            found = (token->index == s->index[s->depth]);
        }

        if (found) {
            s->value_match |= (uint64_t) 1 << i;
        }
    }
}


/* tells if a pointer goes on into the value ahead, were it an array */

static int
mspwh_scanner_can_enter(mspwh_scanner_t *s)
{
    unsigned                i;
    uint64_t                match;
    const mspwh_pointer_t  *pointer;

    for (i = 0, match = s->value_match; match; i++, match >>= 1) {
        if ((match & 1) == 0) {
            continue;
        }

        pointer = s->pointers->pointers[i];

        if (pointer->ntokens > s->depth
            && pointer->tokens[s->depth].index != MSPWH_POINTER_NO_INDEX)
        {
            return 1;
        }
    }

    return 0;
}


static void
mspwh_scanner_put(mspwh_scanner_t *s, const void *data, size_t length)
{
    if (s->skip != 0 || s->error != MSPWH_SCANNER_OK) {
        return;
    }

    if (length > s->limit - s->length) {
        s->error = MSPWH_SCANNER_TOO_LARGE;
        return;
    }

    if (mspwh_scanner_reserve(s, length) != 0) {
        return;
    }

    memcpy(s->envelope + s->length, data, length);
    s->length += length;
}


static void
mspwh_scanner_put_char(mspwh_scanner_t *s, char ch)
{
    mspwh_scanner_put(s, &ch, 1);
}


/*
 * The text of a string is over the limit only once its end shows that it
 * is not one of those left out.
 */

static void
mspwh_scanner_put_text(mspwh_scanner_t *s, const void *data, size_t length)
{
    s->text_length += length;

    if (s->is_dropped) {
        return;
    }

    if (s->text_length > MSPWH_SCANNER_STRING) {
        s->length = s->text;
        s->surrogate = 0;
        s->is_dropped = 1;
        s->is_over_limit = 0;

        if (s->is_name) {
            mspwh_scanner_put_char(s, (char) MSPWH_SCANNER_MARK);
        }

        return;
    }

    if (length > s->limit - s->length) {
        s->is_over_limit = 1;
    }

    if (!s->is_over_limit && mspwh_scanner_reserve(s, length) == 0) {
        memcpy(s->envelope + s->length, data, length);
        s->length += length;
    }
}


static int
mspwh_scanner_reserve(mspwh_scanner_t *s, size_t length)
{
    char    *envelope;
    size_t   size;

    if (length <= s->size - s->length) {
        return 0;
    }

    size = s->size ? s->size : MSPWH_SCANNER_FIRST_SIZE;

    while (size - s->length < length) {
        size *= 2;
    }

    envelope = realloc(s->envelope, size);
    if (envelope == NULL) {
        s->error = MSPWH_SCANNER_NO_MEMORY;
        return -1;
    }

    s->envelope = envelope;
    s->size = size;

    return 0;
}
