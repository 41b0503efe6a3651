
/*
 * The grammar of numbers, inlined where it has to be fast.
 */


#ifndef _MSPWH_JSON_NUMBER_H_INCLUDED_
#define _MSPWH_JSON_NUMBER_H_INCLUDED_


#include "mspwh_json_internal.h"
#include "mspwh_span.h"
#include "mspwh_text.h"


/* takes whatever may follow the integer and the fraction: the exponent */

mspwh_json_inline const unsigned char *
mspwh_json_exponent_span(unsigned *state, const unsigned char *p,
    const unsigned char *end)
{
    switch (*state) {

    default:
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

    case MSPWH_JSON_NUMBER_EXPONENT:
        return mspwh_span_digits(p, end);
    }
}


/*
 * Returns the end of the part of a number that is in this piece, and sets the
 * state there.
 */

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
            break;
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
        break;

    default: /* in the exponent */
        break;
    }

    return mspwh_json_exponent_span(state, p, end);
}


/* Returns whether a number may end in this state. */

mspwh_json_inline int
mspwh_json_number_ends(unsigned state)
{
    return state == MSPWH_JSON_NUMBER_ZERO
           || state == MSPWH_JSON_NUMBER_INTEGER
           || state == MSPWH_JSON_NUMBER_FRACTION
           || state == MSPWH_JSON_NUMBER_EXPONENT;
}


#endif /* _MSPWH_JSON_NUMBER_H_INCLUDED_ */
