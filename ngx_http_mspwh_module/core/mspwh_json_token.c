
/*
 * The grammar: tokens, and scalars except for the inside of strings.
 */


#include "mspwh_json_internal.h"
#include "mspwh_json_number.h"
#include "mspwh_span.h"

#include <string.h>


static const unsigned char *mspwh_json_scalar_start(mspwh_json_t *j,
    const unsigned char *p, const unsigned char *end);


/* how a value can begin; a number is none of these */

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


mspwh_json_inline mspwh_json_type_e
mspwh_json_literal_type(unsigned char first)
{
    return (first == 't') ? MSPWH_JSON_TRUE
                          : (first == 'f') ? MSPWH_JSON_FALSE
                                           : MSPWH_JSON_NULL;
}


/* counts the newlines, which cannot be in strings */

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
 * Between tokens, the state is kept in registers: in memory, it would cost
 * more than the rest of the parser.  It is written back to "j" before other
 * code may look at it.
 *
 * "quiet" is constant in each call, so the compiler makes two versions of a
 * function that takes it; the quiet one reports nothing.
 */

typedef struct {
    const unsigned char  *p;
    const unsigned char  *end;
    unsigned              state;
    unsigned              depth;
} mspwh_json_cursor_t;


/* what follows the bytes that a function has taken */

typedef enum {
    MSPWH_JSON_GO_ON = 0,
    MSPWH_JSON_VALUE_NEXT,

    /* an unexpected byte, or white space */
    MSPWH_JSON_OTHER,

    /* the end of the piece, or "quiet" changes */
    MSPWH_JSON_STOP
} mspwh_json_step_e;


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

    /* a fast path for nested arrays, which took three times as long */

    while (c->p < c->end && *c->p == '[' && c->depth < MSPWH_JSON_DEPTH) {
        c->p++;
        c->depth++;
        j->after[c->depth] = MSPWH_JSON_NEXT_ELEMENT;
    }
}


/* takes a run of the same brackets, as above */

mspwh_json_inline mspwh_json_step_e
mspwh_json_close(mspwh_json_t *j, mspwh_json_cursor_t *c, int quiet)
{
    unsigned char  ch;

    ch = *c->p;

    do {
        c->p++;
        c->depth--;
        c->state = j->after[c->depth];

    } while (quiet && c->p < c->end && *c->p == ch
             && c->state == j->after[c->depth + 1]);

    if (!quiet) {
        j->depth = c->depth;
        return MSPWH_JSON_GO_ON;
    }

    if (c->depth >= j->quiet) {
        return MSPWH_JSON_GO_ON;
    }

    j->quiet = 0;

    return MSPWH_JSON_STOP;
}


/* returns the end of a scalar, or NULL if it has escapes or is incomplete */

mspwh_json_inline const unsigned char *
mspwh_json_whole(unsigned class, const unsigned char *p,
    const unsigned char *end)
{
    unsigned  state;

    switch (class) {

    case MSPWH_JSON_CLASS_QUOTE:

        /* not waiting for the vector doubles the speed for empty strings */

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


/* reports a name or a scalar without escapes that is in one piece */

mspwh_json_inline void
mspwh_json_tell_whole(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *last, unsigned class, int is_name)
{
    if (is_name) {
        mspwh_json_tell_name(j, p + 1, (size_t) (last - p) - 2);
        return;
    }

    if (j->want < MSPWH_JSON_TYPE) {
        return;
    }

    j->start = j->offset + (uint64_t) (p - j->piece);

    switch (class) {

    case MSPWH_JSON_CLASS_QUOTE:
        mspwh_json_tell_value(j, MSPWH_JSON_STRING, p + 1,
                              (size_t) (last - p) - 2);
        break;

    case MSPWH_JSON_CLASS_LETTER:
        mspwh_json_tell_value(j, mspwh_json_literal_type(*p), NULL, 0);
        break;

    default:
        mspwh_json_tell_value(j, MSPWH_JSON_NUMBER, p, (size_t) (last - p));
    }
}


/* takes a name or a scalar */

mspwh_json_inline void
mspwh_json_scalar(mspwh_json_t *j, mspwh_json_cursor_t *c, unsigned class,
    int is_name, int quiet)
{
    const unsigned char  *p;

    p = c->p;
    c->p = mspwh_json_whole(class, p, c->end);

    if (c->p != NULL) {
        c->state = is_name ? MSPWH_JSON_COLON : j->after[c->depth];

        if (!quiet) {
            mspwh_json_tell_whole(j, p, c->p, class, is_name);
        }

        return;
    }

    j->depth = c->depth;
    j->is_name = (is_name != 0);
    j->is_told = !quiet && (is_name || j->want >= MSPWH_JSON_TYPE);
    j->is_kept = !quiet && (is_name || j->want == MSPWH_JSON_VALUE);

    c->p = mspwh_json_scalar_start(j, p, c->end);
    c->state = j->state;
}


mspwh_json_inline mspwh_json_step_e
mspwh_json_value(mspwh_json_t *j, mspwh_json_cursor_t *c, int quiet)
{
    switch (mspwh_json_classes[*c->p]) {

    case MSPWH_JSON_CLASS_SPACE:
        return MSPWH_JSON_OTHER;

    case MSPWH_JSON_CLASS_BRACE:
        mspwh_json_open(j, c, MSPWH_JSON_OBJECT, quiet);
        break;

    case MSPWH_JSON_CLASS_BRACKET:
        mspwh_json_open(j, c, MSPWH_JSON_ARRAY, quiet);
        break;

    case MSPWH_JSON_CLASS_QUOTE:
        mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_QUOTE, 0, quiet);
        break;

    case MSPWH_JSON_CLASS_LETTER:
        mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_LETTER, 0, quiet);
        break;

    default: /* a number, or no value */
        mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_OTHER, 0, quiet);
    }

    return (!quiet && j->quiet) ? MSPWH_JSON_STOP : MSPWH_JSON_GO_ON;
}


/* takes everything up to a member's value */

mspwh_json_inline mspwh_json_step_e
mspwh_json_member(mspwh_json_t *j, mspwh_json_cursor_t *c, int quiet)
{
    switch (c->state) {

    case MSPWH_JSON_NEXT_MEMBER:
    case MSPWH_JSON_FIRST_NAME:
        if (*c->p == '}') {
            return mspwh_json_close(j, c, quiet);
        }

        if (c->state == MSPWH_JSON_NEXT_MEMBER) {
            if (*c->p != ',') {
                return MSPWH_JSON_OTHER;
            }

            c->state = MSPWH_JSON_BEFORE_NAME;

            if (++c->p == c->end) {
                return MSPWH_JSON_STOP;
            }
        }

        /* fall through */

    case MSPWH_JSON_BEFORE_NAME:
        if (*c->p != '"') {
            return MSPWH_JSON_OTHER;
        }

        mspwh_json_scalar(j, c, MSPWH_JSON_CLASS_QUOTE, 1, quiet);

        if (c->p == c->end || c->state != MSPWH_JSON_COLON) {
            return MSPWH_JSON_STOP;
        }

        /* fall through */

    default: /* MSPWH_JSON_COLON */
        if (*c->p != ':') {
            return MSPWH_JSON_OTHER;
        }

        c->state = MSPWH_JSON_BEFORE_VALUE;

        return (++c->p == c->end) ? MSPWH_JSON_STOP : MSPWH_JSON_VALUE_NEXT;
    }
}


/* takes everything up to an element; reports it, or skips unwanted ones */

mspwh_json_inline mspwh_json_step_e
mspwh_json_element(mspwh_json_t *j, mspwh_json_cursor_t *c, int quiet)
{
    if (*c->p == ']') {
        return mspwh_json_close(j, c, quiet);
    }

    if (c->state == MSPWH_JSON_NEXT_ELEMENT) {
        if (*c->p != ',') {
            return MSPWH_JSON_OTHER;
        }

        c->p++;

    } else if (mspwh_json_classes[*c->p] == MSPWH_JSON_CLASS_SPACE) {
        return MSPWH_JSON_OTHER;
    }

    c->state = MSPWH_JSON_BEFORE_VALUE;

    if (!quiet || (c->depth == j->quiet && --j->skip == 0)) {
        j->depth = c->depth;
        j->want = MSPWH_JSON_VALUE;
        j->skip = j->handler->element(j->data);
        j->quiet = (j->skip != 0) ? j->depth : 0;
    }

    return (c->p == c->end || !j->quiet != !quiet) ? MSPWH_JSON_STOP
                                                   : MSPWH_JSON_VALUE_NEXT;
}


mspwh_json_inline void
mspwh_json_grammar(mspwh_json_t *j, mspwh_json_cursor_t *c, const int quiet)
{
    mspwh_json_step_e  step;

    while (c->p < c->end) {

        switch (c->state) {

        case MSPWH_JSON_NEXT_MEMBER:
        case MSPWH_JSON_FIRST_NAME:
        case MSPWH_JSON_BEFORE_NAME:
        case MSPWH_JSON_COLON:
            step = mspwh_json_member(j, c, quiet);
            break;

        case MSPWH_JSON_NEXT_ELEMENT:
        case MSPWH_JSON_FIRST_ELEMENT:
            step = mspwh_json_element(j, c, quiet);
            break;

        case MSPWH_JSON_BEFORE_VALUE:
            step = MSPWH_JSON_VALUE_NEXT;
            break;

        case MSPWH_JSON_END:
            step = MSPWH_JSON_OTHER;
            break;

        default:
            return;
        }

        if (step == MSPWH_JSON_VALUE_NEXT) {
            step = mspwh_json_value(j, c, quiet);
        }

        if (step == MSPWH_JSON_STOP) {
            return;
        }

        if (step == MSPWH_JSON_GO_ON) {
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


const unsigned char *
mspwh_json_tokens(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    mspwh_json_cursor_t  c;

    c.p = p;
    c.end = end;
    c.state = j->state;
    c.depth = j->depth;

    if (j->quiet) {
        mspwh_json_grammar(j, &c, 1);

    } else {
        mspwh_json_grammar(j, &c, 0);
    }

    j->state = c.state;
    j->depth = c.depth;

    return c.p;
}


/* takes a scalar with escapes, or across pieces, byte by byte */

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
        j->type = MSPWH_JSON_STRING;
        j->state = MSPWH_JSON_IN_TEXT;
        j->surrogate = 0;

        return mspwh_json_string(j, p + 1, end);

    case MSPWH_JSON_CLASS_LETTER:
        j->type = mspwh_json_literal_type(*p);
        j->literal = (*p == 't') ? "true" : (*p == 'f') ? "false" : "null";
        j->state = MSPWH_JSON_IN_LITERAL;

        return mspwh_json_literal(j, p, end);

    default: /* a number, or no value */
        j->type = MSPWH_JSON_NUMBER;
        j->state = MSPWH_JSON_NUMBER_START;

        return mspwh_json_number(j, p, end);
    }
}


const unsigned char *
mspwh_json_literal(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    for ( /* void */ ; p < end && *j->literal != '\0'; p++) {
        if (*p != (unsigned char) *j->literal) {
            return mspwh_json_fail(j, p, MSPWH_JSON_UNEXPECTED);
        }

        j->literal++;
    }

    if (*j->literal == '\0') {
        j->state = j->after[j->depth];

        if (j->is_told) {
            mspwh_json_tell_value(j, j->type, NULL, 0);
        }
    }

    return p;
}


const unsigned char *
mspwh_json_number(mspwh_json_t *j, const unsigned char *p,
    const unsigned char *end)
{
    const unsigned char  *start;

    start = p;
    p = mspwh_json_number_span(&j->state, p, end);

    if (p < end && !mspwh_json_number_ends(j->state)) {
        return mspwh_json_fail(j, p, MSPWH_JSON_UNEXPECTED);
    }

    mspwh_json_put(j, start, (size_t) (p - start));

    if (p < end) {
        mspwh_json_end(j);
    }

    return p;
}
