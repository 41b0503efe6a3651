
#include "mspwh_scanner_internal.h"

#include <stdlib.h>
#include <string.h>


static const unsigned char *mspwh_scanner_tokens(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_scanner_token(mspwh_scanner_t *s,
    unsigned type, const unsigned char *p, const unsigned char *end);
static void mspwh_scanner_open(mspwh_scanner_t *s, unsigned char ch);
static void mspwh_scanner_close(mspwh_scanner_t *s, unsigned char ch);
static void mspwh_scanner_comma(mspwh_scanner_t *s);

static void mspwh_scanner_literal_start(mspwh_scanner_t *s,
    unsigned char ch);
static const unsigned char *mspwh_scanner_literal(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);

static void mspwh_scanner_number_start(mspwh_scanner_t *s);
static const unsigned char *mspwh_scanner_number(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);
static unsigned mspwh_scanner_number_state(unsigned state, unsigned char ch);


const unsigned char  mspwh_scanner_types[256] = {
    [' '] = mspwh_space, ['\t'] = mspwh_space,
    ['\n'] = mspwh_space, ['\r'] = mspwh_space,
    ['"'] = mspwh_quote,
    ['{'] = mspwh_brace_open, ['['] = mspwh_bracket_open,
    ['}'] = mspwh_brace_close, [']'] = mspwh_bracket_close,
    [','] = mspwh_comma, [':'] = mspwh_colon_sign,
    ['0'] = mspwh_digit, ['1'] = mspwh_digit, ['2'] = mspwh_digit,
    ['3'] = mspwh_digit, ['4'] = mspwh_digit, ['5'] = mspwh_digit,
    ['6'] = mspwh_digit, ['7'] = mspwh_digit, ['8'] = mspwh_digit,
    ['9'] = mspwh_digit, ['-'] = mspwh_digit,
    ['t'] = mspwh_letter, ['f'] = mspwh_letter, ['n'] = mspwh_letter
};


/* the states, a bit for each, in which a type may follow */

#define mspwh_in(state)  (1u << mspwh_ ## state)
#define mspwh_in_value   (mspwh_in(value) | mspwh_in(first_element))

const unsigned  mspwh_scanner_expected[] = {
    0,
    0,
    mspwh_in_value | mspwh_in(first_name) | mspwh_in(name),
    mspwh_in_value,
    mspwh_in_value,
    mspwh_in(first_name) | mspwh_in(next_member),
    mspwh_in(first_element) | mspwh_in(next_element),
    mspwh_in(next_member) | mspwh_in(next_element),
    mspwh_in(colon),
    mspwh_in_value,
    mspwh_in_value
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
    s->keep = MSPWH_SCANNER_VALUE;

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

        if (s->state <= mspwh_end) {
            p = mspwh_scanner_tokens(s, p, end);

        } else if (s->state <= mspwh_hex) {
            p = mspwh_scanner_string_rest(s, p, end);

        } else if (s->state == mspwh_literal) {
            p = mspwh_scanner_literal(s, p, end);

        } else {
            p = mspwh_scanner_number(s, p, end);
        }
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


/* up to a token that goes on behind the end */

static const unsigned char *
mspwh_scanner_tokens(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    unsigned  type;

    while (p < end && s->state <= mspwh_end) {

        if (s->skip != 0) {
            p = mspwh_scanner_skip(s, p, end);

            if (p == end) {
                break;
            }
        }

        type = mspwh_scanner_types[*p];

        if (type == mspwh_space) {
            p++;
            continue;
        }

        if ((mspwh_scanner_expected[type] & 1u << s->state) == 0) {
            s->error = MSPWH_SCANNER_UNEXPECTED;
            return p;
        }

        p = mspwh_scanner_token(s, type, p, end);

        if (s->error != MSPWH_SCANNER_OK) {
            return p;
        }
    }

    return p;
}


static const unsigned char *
mspwh_scanner_token(mspwh_scanner_t *s, unsigned type, const unsigned char *p,
    const unsigned char *end)
{
    switch (type) {

    case mspwh_quote:
        return mspwh_scanner_string(s, p, end, s->state == mspwh_name
                                            || s->state == mspwh_first_name);

    case mspwh_digit:
        mspwh_scanner_number_start(s);
        return mspwh_scanner_number(s, p, end);

    case mspwh_letter:
        mspwh_scanner_literal_start(s, *p);

        return (s->error == MSPWH_SCANNER_OK)
               ? mspwh_scanner_literal(s, p, end) : p;

    case mspwh_colon_sign:
        mspwh_scanner_put_char(s, ':');
        s->state = mspwh_value;
        break;

    case mspwh_comma:
        mspwh_scanner_comma(s);
        break;

    case mspwh_brace_close:
    case mspwh_bracket_close:
        mspwh_scanner_close(s, *p);
        break;

    default: /* mspwh_brace_open, mspwh_bracket_open */
        mspwh_scanner_open(s, *p);
    }

    return (s->error == MSPWH_SCANNER_OK) ? p + 1 : p;
}


static void
mspwh_scanner_open(mspwh_scanner_t *s, unsigned char ch)
{
    int  leave_out;

    if (s->depth == MSPWH_SCANNER_DEPTH) {
        s->error = MSPWH_SCANNER_TOO_DEEP;
        return;
    }

    leave_out = (ch == '[' && s->skip == 0 && !mspwh_scanner_can_enter(s));

    mspwh_scanner_put_char(s, (char) ch);
    mspwh_scanner_nest(s, ch == '{');

    s->keep = MSPWH_SCANNER_VALUE;

    if (s->depth <= MSPWH_POINTER_TOKENS) {
        s->match[s->depth] = s->value_match;
        s->index[s->depth] = 0;
    }

    if (ch == '{') {
        return;
    }

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


void
mspwh_scanner_value_end(mspwh_scanner_t *s)
{
    if (s->keep == MSPWH_SCANNER_NOTHING) {
        mspwh_scanner_cut(s, s->member);
    }

    s->keep = MSPWH_SCANNER_VALUE;

    s->state = (s->depth == 0) ? mspwh_end : mspwh_scanner_next(s);
}


static void
mspwh_scanner_comma(mspwh_scanner_t *s)
{
    if (s->state == mspwh_next_member) {

        /* the members before may have been left out */

        if (s->skip == 0 && s->envelope[s->length - 1] != '{') {
            mspwh_scanner_put_char(s, ',');
        }

        s->state = mspwh_name;
        return;
    }

    mspwh_scanner_put_char(s, ',');

    s->state = mspwh_value;

    if (s->depth <= MSPWH_POINTER_TOKENS) {
        s->index[s->depth]++;
    }

    mspwh_scanner_match(s, 0);
}


static void
mspwh_scanner_literal_start(mspwh_scanner_t *s, unsigned char ch)
{
    s->literal = (ch == 't') ? "true" : (ch == 'f') ? "false" : "null";
    s->state = mspwh_literal;

    mspwh_scanner_put(s, s->literal, strlen(s->literal));
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


static void
mspwh_scanner_number_start(mspwh_scanner_t *s)
{
    s->state = mspwh_start;

    mspwh_scanner_put_char(s, '"');
    mspwh_scanner_put_char(s, (char) MSPWH_SCANNER_MARK);
}


static const unsigned char *
mspwh_scanner_number(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    size_t                length, room;
    const unsigned char  *start;

    start = p;
    p = mspwh_scanner_number_span(&s->state, p, end);

    length = (size_t) (p - start);
    room = s->limit - s->length;

    mspwh_scanner_put(s, start, length);

    if (s->error != MSPWH_SCANNER_OK) {
        return (room < length) ? start + room : start;
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


const unsigned char *
mspwh_scanner_number_span(unsigned *state, const unsigned char *p,
    const unsigned char *end)
{
    unsigned  now, next;

    for (now = *state; p < end; p++) {
        next = mspwh_scanner_number_state(now, *p);
        if (next == mspwh_end) {
            break;
        }

        now = next;
    }

    *state = now;

    return p;
}


/* the state after one more character, or mspwh_end where it cannot follow */

static unsigned
mspwh_scanner_number_state(unsigned state, unsigned char ch)
{
    int  is_digit;

    is_digit = (ch >= '0' && ch <= '9');

    switch (state) {

    case mspwh_start:
        if (ch == '-') {
            return mspwh_minus;
        }

        /* fall through */

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


int
mspwh_scanner_number_ends(unsigned state)
{
    return state == mspwh_zero || state == mspwh_integer
           || state == mspwh_fraction || state == mspwh_exponent_digits;
}
