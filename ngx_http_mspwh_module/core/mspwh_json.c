
#include "mspwh_json_internal.h"
#include "mspwh_span.h"
#include "mspwh_text.h"

#include <string.h>


#define mspwh_json_inline  static inline __attribute__((always_inline))


static const unsigned char *mspwh_json_document(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_json_mark(mspwh_json_t *j,
    const unsigned char *p);

static const unsigned char *mspwh_json_scalar_start(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_json_literal(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
static const unsigned char *mspwh_json_number(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);
mspwh_json_inline const unsigned char *mspwh_json_number_span(unsigned *state,
    const unsigned char *p, const unsigned char *end);
mspwh_json_inline int mspwh_json_number_ends(unsigned state);


/* what a value can begin with; a number is none of these */

typedef enum {
    MSPWH_JSON_CLASS_OTHER = 0,
    MSPWH_JSON_CLASS_SPACE,
    MSPWH_JSON_CLASS_QUOTE,
    MSPWH_JSON_CLASS_BRACE,
    MSPWH_JSON_CLASS_BRACKET,
    MSPWH_JSON_CLASS_LETTER
} mspwh_json_class_e;

static const unsigned char  mspwh_json_classes[256] = {
    [' '] = MSPWH_JSON_CLASS_SPACE, ['\t'] = MSPWH_JSON_CLASS_SPACE,
    ['\n'] = MSPWH_JSON_CLASS_SPACE, ['\r'] = MSPWH_JSON_CLASS_SPACE,
    ['"'] = MSPWH_JSON_CLASS_QUOTE,
    ['{'] = MSPWH_JSON_CLASS_BRACE, ['['] = MSPWH_JSON_CLASS_BRACKET,
    ['t'] = MSPWH_JSON_CLASS_LETTER, ['f'] = MSPWH_JSON_CLASS_LETTER,
    ['n'] = MSPWH_JSON_CLASS_LETTER
};


_Static_assert(MSPWH_JSON_BEFORE_VALUE == 0
               && MSPWH_JSON_END < MSPWH_JSON_IN_TEXT
               && MSPWH_JSON_IN_HEX - MSPWH_JSON_IN_TEXT == 3
               && MSPWH_JSON_NUMBER_START > MSPWH_JSON_FAILED,
               "states are compared by their order");
_Static_assert(MSPWH_JSON_STATES <= 256, "states are kept in bytes");


#define mspwh_json_words(name, metric, words)  [MSPWH_JSON_ ## name] = words,

static const char *const  mspwh_json_errors[MSPWH_JSON_ERROR_COUNT] = {
    [MSPWH_JSON_OK] = "no error",
    MSPWH_JSON_ERRORS(mspwh_json_words)
};


void
mspwh_json_init(mspwh_json_t *j, const mspwh_json_handler_t *handler,
    void *data)
{
    memset(j, 0, offsetof(mspwh_json_t, text));

    j->line = 1;
    j->state = MSPWH_JSON_BEFORE_MARK;
    j->handler = handler;
    j->data = data;
    j->want = handler ? MSPWH_JSON_VALUE : MSPWH_JSON_SKIP;
    j->after[0] = MSPWH_JSON_END;
}


void
mspwh_json_feed(mspwh_json_t *j, const void *data, size_t length)
{
    const unsigned char  *p, *end;

    p = data;
    end = p + length;

    j->piece = p;

    while (p < end && j->error == MSPWH_JSON_OK) {

        if (j->state <= MSPWH_JSON_END) {
            p = mspwh_json_document(j, p, end);

        } else if (j->state <= MSPWH_JSON_IN_HEX) {
            p = mspwh_json_string(j, p, end);

        } else if (j->state == MSPWH_JSON_IN_LITERAL) {
            p = mspwh_json_literal(j, p, end);

        } else if (j->state > MSPWH_JSON_FAILED) {
            p = mspwh_json_number(j, p, end);

        } else {
            p = mspwh_json_mark(j, p);
        }
    }

    j->offset += (uint64_t) (p - j->piece);
}


mspwh_json_error_e
mspwh_json_finish(mspwh_json_t *j)
{
    if (j->error != MSPWH_JSON_OK || j->state == MSPWH_JSON_END) {
        return j->error;
    }

    /* only a number has no last byte of its own */

    if (j->depth == 0 && mspwh_json_number_ends(j->state)) {
        mspwh_json_tell(j, j->text, j->length);
        return MSPWH_JSON_OK;
    }

    j->error = (j->state == MSPWH_JSON_IN_MARK
                || j->state == MSPWH_JSON_IN_MARK_LAST)
               ? MSPWH_JSON_BYTE_ORDER_MARK : MSPWH_JSON_UNFINISHED;
    j->state = MSPWH_JSON_FAILED;

    return j->error;
}


const char *
mspwh_json_strerror(mspwh_json_error_e error)
{
    return mspwh_json_errors[error];
}


const unsigned char *
mspwh_json_fail(mspwh_json_t *j, const unsigned char *p,
    mspwh_json_error_e error)
{
    /* "{" or "[" in UTF-16 without a byte order mark */

    if (error == MSPWH_JSON_UNEXPECTED && *p == '\0' && j->depth == 1
        && j->offset + (uint64_t) (p - j->piece) == 1)
    {
        error = MSPWH_JSON_UTF16;
    }

    j->error = error;
    j->state = MSPWH_JSON_FAILED;

    return p;
}


/* a byte before the first value */

static const unsigned char *
mspwh_json_mark(mspwh_json_t *j, const unsigned char *p)
{
    switch (j->state) {

    case MSPWH_JSON_BEFORE_MARK:
        if (*p == 0xef) {
            j->state = MSPWH_JSON_IN_MARK;
            return p + 1;
        }

        /* FE FF or FF FE is the mark of UTF-16; 00 begins "{" in it */

        if (*p == 0xfe || *p == 0xff || *p == 0x00) {
            return mspwh_json_fail(j, p, MSPWH_JSON_UTF16);
        }

        break;

    case MSPWH_JSON_IN_MARK:
    case MSPWH_JSON_IN_MARK_LAST:
        if (*p != (j->state == MSPWH_JSON_IN_MARK ? 0xbb : 0xbf)) {
            return mspwh_json_fail(j, p, MSPWH_JSON_BYTE_ORDER_MARK);
        }

        j->state++;
        return p + 1;

    default: /* MSPWH_JSON_AFTER_MARK */
        if (*p == 0xef) {
            return mspwh_json_fail(j, p, MSPWH_JSON_BYTE_ORDER_MARK);
        }
    }

    j->state = MSPWH_JSON_BEFORE_VALUE;

    return p;
}


/* the number of lines is that of the newlines: strings have none */

static const unsigned char *
mspwh_json_space(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    uint64_t  lines;

    for (lines = 0; p < end; p++) {
        if (mspwh_json_classes[*p] != MSPWH_JSON_CLASS_SPACE) {
            break;
        }

        lines += (*p == '\n');
    }

    j->line += lines;

    return p;
}


/*
 * Between tokens, the state is kept in registers: in memory it would cost
 * more than the rest.  It is written back to "j" before anything else may
 * look at it.
 *
 * "quiet" is a constant: of the functions that have it, the compiler makes two
 * versions, and one of them tells nothing.
 */

typedef struct {
    const unsigned char  *p;
    const unsigned char  *end;
    unsigned              state;
    unsigned              depth;
} mspwh_json_cursor_t;


mspwh_json_inline void
mspwh_json_open(mspwh_json_t *j, mspwh_json_cursor_t *c,
    mspwh_json_type_e type, int quiet)
{
    if (c->depth == MSPWH_JSON_DEPTH) {
        mspwh_json_fail(j, c->p, MSPWH_JSON_TOO_DEEP);
        c->state = MSPWH_JSON_FAILED;
        return;
    }

    c->depth++;

    if (type == MSPWH_JSON_OBJECT) {
        j->after[c->depth] = MSPWH_JSON_NEXT_MEMBER;
        c->state = MSPWH_JSON_FIRST_NAME;

    } else {
        j->after[c->depth] = MSPWH_JSON_NEXT_ELEMENT;
        c->state = MSPWH_JSON_FIRST_ELEMENT;
    }

    if (!quiet) {
        j->depth = c->depth;
        j->start = j->offset + (uint64_t) (c->p - j->piece);

        if (j->want < MSPWH_JSON_CONTAINER
            || !j->handler->begin(j->data, type))
        {
            j->quiet = c->depth;
            j->skip = MSPWH_JSON_NEVER;
        }
    }

    c->p++;

    if (!quiet || type == MSPWH_JSON_OBJECT) {
        return;
    }

    /* arrays in arrays, token by token, took three times as long */

    while (c->p < c->end && *c->p == '[' && c->depth < MSPWH_JSON_DEPTH) {
        c->p++;
        c->depth++;
        j->after[c->depth] = MSPWH_JSON_NEXT_ELEMENT;
    }
}


mspwh_json_inline void
mspwh_json_close(mspwh_json_t *j, mspwh_json_cursor_t *c, int quiet)
{
    unsigned char  ch;

    ch = *c->p;

    /* a run of the same brackets, as above */

    do {
        c->p++;
        c->depth--;
        c->state = j->after[c->depth];

    } while (quiet && c->p < c->end && *c->p == ch && c->depth >= j->quiet
             && c->state == j->after[c->depth + 1]);

    if (!quiet) {
        j->depth = c->depth;

    } else if (c->depth < j->quiet) {
        j->quiet = 0;
    }
}


/* an element follows: tells it, or skips up to the next one that is wanted */

mspwh_json_inline void
mspwh_json_element(mspwh_json_t *j, mspwh_json_cursor_t *c, int quiet)
{
    if (c->state == MSPWH_JSON_NEXT_ELEMENT) {
        c->p++;
    }

    c->state = MSPWH_JSON_BEFORE_VALUE;

    if (!quiet || (c->depth == j->quiet && --j->skip == 0)) {
        j->depth = c->depth;
        j->want = MSPWH_JSON_VALUE;
        j->skip = j->handler->element(j->data);
        j->quiet = (j->skip != 0) ? j->depth : 0;
    }
}


/* the end of a scalar, or NULL if it is not plain, or not whole */

mspwh_json_inline const unsigned char *
mspwh_json_whole(unsigned class, const unsigned char *p,
    const unsigned char *end)
{
    unsigned  state;

    switch (class) {

    case MSPWH_JSON_CLASS_QUOTE:

        /* not waiting for the vector doubles the speed of empty strings */

        if (end - p >= 2 && p[1] == '"') {
            return p + 2;
        }

        p = mspwh_span_plain(p + 1, end);

        return (p < end && *p == '"') ? p + 1 : NULL;

    case MSPWH_JSON_CLASS_LETTER:
        if (end - p < 5) {
            return NULL;
        }

        if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0) {
            return p + 4;
        }

        return (memcmp(p, "false", 5) == 0) ? p + 5 : NULL;

    default: /* a number, or no value */
        state = MSPWH_JSON_NUMBER_START;
        p = mspwh_json_number_span(&state, p, end);

        return (p < end && mspwh_json_number_ends(state)) ? p : NULL;
    }
}


/* a name or a scalar */

mspwh_json_inline void
mspwh_json_scalar(mspwh_json_t *j, mspwh_json_cursor_t *c, unsigned class,
    int is_name, int quiet)
{
    const unsigned char  *last;

    if (quiet || (!is_name && j->want < MSPWH_JSON_TYPE)) {
        last = mspwh_json_whole(class, c->p, c->end);

        if (last != NULL) {
            c->p = last;
            c->state = is_name ? MSPWH_JSON_COLON : j->after[c->depth];
            return;
        }
    }

    j->depth = c->depth;
    j->is_name = (is_name != 0);
    j->is_told = !quiet && (is_name || j->want >= MSPWH_JSON_TYPE);
    j->is_kept = !quiet && (is_name || j->want == MSPWH_JSON_VALUE);

    c->p = mspwh_json_scalar_start(j, c->p, c->end);
    c->state = j->state;
}


/* returns 0 for a space */

mspwh_json_inline int
mspwh_json_value(mspwh_json_t *j, mspwh_json_cursor_t *c, int quiet)
{
    switch (mspwh_json_classes[*c->p]) {

    case MSPWH_JSON_CLASS_SPACE:
        return 0;

    case MSPWH_JSON_CLASS_BRACE:
        mspwh_json_open(j, c, MSPWH_JSON_OBJECT, quiet);
        return 1;

    case MSPWH_JSON_CLASS_BRACKET:
        mspwh_json_open(j, c, MSPWH_JSON_ARRAY, quiet);
        return 1;

    case MSPWH_JSON_CLASS_QUOTE:
        mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_QUOTE, 0, quiet);
        return 1;

    case MSPWH_JSON_CLASS_LETTER:
        mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_LETTER, 0, quiet);
        return 1;

    default: /* a number, or no value */
        mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_OTHER, 0, quiet);
        return 1;
    }
}


/*
 * The grammar between tokens, up to one that does not end in this piece, or
 * to where "quiet" changes.  Each state falls through to the one that mostly
 * follows; "break" is for a byte that it does not expect.
 */

mspwh_json_inline void
mspwh_json_tokens(mspwh_json_t *j, mspwh_json_cursor_t *c, const int quiet)
{
    while (c->p < c->end) {

        switch (c->state) {

        case MSPWH_JSON_NEXT_MEMBER:
        case MSPWH_JSON_FIRST_NAME:
            if (*c->p == '}') {
                goto close;
            }

            if (c->state == MSPWH_JSON_NEXT_MEMBER) {
                if (*c->p != ',') {
                    break;
                }

                c->state = MSPWH_JSON_BEFORE_NAME;

                if (++c->p == c->end) {
                    return;
                }
            }

            /* fall through */

        case MSPWH_JSON_BEFORE_NAME:
            if (*c->p != '"') {
                break;
            }

            mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_QUOTE, 1, quiet);

            if (c->p == c->end || c->state != MSPWH_JSON_COLON) {
                return;
            }

            /* fall through */

        case MSPWH_JSON_COLON:
            if (*c->p != ':') {
                break;
            }

            c->state = MSPWH_JSON_BEFORE_VALUE;

            if (++c->p == c->end) {
                return;
            }

            goto value;

        case MSPWH_JSON_NEXT_ELEMENT:
        case MSPWH_JSON_FIRST_ELEMENT:
            if (*c->p == ']') {
                goto close;
            }

            if (c->state == MSPWH_JSON_NEXT_ELEMENT
                ? *c->p != ','
                : mspwh_json_classes[*c->p] == MSPWH_JSON_CLASS_SPACE)
            {
                break;
            }

            mspwh_json_element(j, c, quiet);

            if (c->p == c->end || !j->quiet != !quiet) {
                return;
            }

            /* fall through */

        case MSPWH_JSON_BEFORE_VALUE:
        value:
            if (!mspwh_json_value(j, c, quiet)) {
                break;
            }

            if (!quiet && j->quiet) {
                return;
            }

            continue;

        case MSPWH_JSON_END:
            break;

        default:
            return;

        close:
            mspwh_json_close(j, c, quiet);

            if (quiet && !j->quiet) {
                return;
            }

            continue;
        }

        if (mspwh_json_classes[*c->p] != MSPWH_JSON_CLASS_SPACE) {
            j->depth = c->depth;
            mspwh_json_fail(j, c->p, MSPWH_JSON_UNEXPECTED);
            c->state = MSPWH_JSON_FAILED;
            return;
        }

        c->p = mspwh_json_space(j, c->p, c->end);
    }
}


static const unsigned char *
mspwh_json_document(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    mspwh_json_cursor_t  c;

    c.p = p;
    c.end = end;
    c.state = j->state;
    c.depth = j->depth;

    if (j->quiet) {
        mspwh_json_tokens(j, &c, 1);

    } else {
        mspwh_json_tokens(j, &c, 0);
    }

    j->state = c.state;
    j->depth = c.depth;

    return c.p;
}


static const unsigned char *
mspwh_json_scalar_start(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    j->length = 0;

    if (!j->is_name) {
        j->start = j->offset + (uint64_t) (p - j->piece);
    }

    switch (mspwh_json_classes[*p]) {

    case MSPWH_JSON_CLASS_QUOTE:
        return mspwh_json_string_start(j, p + 1, end);

    case MSPWH_JSON_CLASS_LETTER:
        j->literal = (*p == 't') ? "true" : (*p == 'f') ? "false" : "null";
        j->state = MSPWH_JSON_IN_LITERAL;

        return mspwh_json_literal(j, p, end);

    default: /* a number, or no value */
        j->state = MSPWH_JSON_NUMBER_START;

        return mspwh_json_number(j, p, end);
    }
}


static const unsigned char *
mspwh_json_literal(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    mspwh_json_type_e  type;

    for ( /* void */ ; p < end && *j->literal != '\0'; p++) {
        if (*p != (unsigned char) *j->literal) {
            return mspwh_json_fail(j, p, MSPWH_JSON_UNEXPECTED);
        }

        j->literal++;
    }

    if (*j->literal != '\0') {
        return p;
    }

    j->state = j->after[j->depth];

    if (j->is_told) {
        type = (j->literal[-1] == 'l') ? MSPWH_JSON_NULL
                                       : (j->literal[-2] == 'u')
                                         ? MSPWH_JSON_TRUE : MSPWH_JSON_FALSE;

        j->handler->value(j->data, type, NULL, 0);
    }

    return p;
}


static const unsigned char *
mspwh_json_number(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    const unsigned char  *start;

    start = p;
    p = mspwh_json_number_span(&j->state, p, end);

    if (p == end) {
        mspwh_json_put(j, start, (size_t) (p - start));
        return p;
    }

    if (!mspwh_json_number_ends(j->state)) {
        return mspwh_json_fail(j, p, MSPWH_JSON_UNEXPECTED);
    }

    if (j->length == 0) {
        mspwh_json_tell(j, start, (size_t) (p - start));
        return p;
    }

    mspwh_json_put(j, start, (size_t) (p - start));
    mspwh_json_tell(j, j->text, j->length);

    return p;
}


/* the end of what belongs to a number, in this piece, and the state there */

mspwh_json_inline const unsigned char *
mspwh_json_number_span(unsigned *state, const unsigned char *p,
    const unsigned char *end)
{
    switch (*state) {

    case MSPWH_JSON_NUMBER_START:
        if (*p == '-') {
            *state = MSPWH_JSON_NUMBER_MINUS;
            p++;
        }

        /* fall through */

    case MSPWH_JSON_NUMBER_MINUS:
        if (p == end || !mspwh_is_digit(*p)) {
            return p;
        }

        *state = (*p == '0') ? MSPWH_JSON_NUMBER_ZERO
                             : MSPWH_JSON_NUMBER_INTEGER;
        p++;

        /* fall through */

    case MSPWH_JSON_NUMBER_ZERO:
    case MSPWH_JSON_NUMBER_INTEGER:
        if (*state == MSPWH_JSON_NUMBER_INTEGER) {
            p = mspwh_span_digits(p, end);
        }

        if (p == end || *p != '.') {
            goto exponent;
        }

        *state = MSPWH_JSON_NUMBER_POINT;
        p++;

        /* fall through */

    case MSPWH_JSON_NUMBER_POINT:
        if (p == end || !mspwh_is_digit(*p)) {
            return p;
        }

        *state = MSPWH_JSON_NUMBER_FRACTION;

        /* fall through */

    case MSPWH_JSON_NUMBER_FRACTION:
        p = mspwh_span_digits(p, end);

    exponent:

        if (p == end || (*p != 'e' && *p != 'E')) {
            return p;
        }

        *state = MSPWH_JSON_NUMBER_E;
        p++;

        /* fall through */

    case MSPWH_JSON_NUMBER_E:
        if (p < end && (*p == '+' || *p == '-')) {
            *state = MSPWH_JSON_NUMBER_SIGN;
            p++;
        }

        /* fall through */

    case MSPWH_JSON_NUMBER_SIGN:
        if (p == end || !mspwh_is_digit(*p)) {
            return p;
        }

        *state = MSPWH_JSON_NUMBER_EXPONENT;

        /* fall through */

    default: /* MSPWH_JSON_NUMBER_EXPONENT */
        return mspwh_span_digits(p, end);
    }
}


mspwh_json_inline int
mspwh_json_number_ends(unsigned state)
{
    return state == MSPWH_JSON_NUMBER_ZERO
           || state == MSPWH_JSON_NUMBER_INTEGER
           || state == MSPWH_JSON_NUMBER_FRACTION
           || state == MSPWH_JSON_NUMBER_EXPONENT;
}
