
/*
 * The short way through an array that is left out: tokens that are whole and
 * plain, in a loop that keeps nothing.
 */


#include "mspwh_scanner_internal.h"
#include "mspwh_span.h"

#include <string.h>


static const unsigned char *mspwh_scanner_skip_container(mspwh_scanner_t *s,
    unsigned type, const unsigned char *p);
static const unsigned char *mspwh_scanner_skip_scalar(unsigned type,
    const unsigned char *p, const unsigned char *end);


const unsigned char *
mspwh_scanner_skip(mspwh_scanner_t *s, const unsigned char *p,
    const unsigned char *end)
{
    unsigned              type;
    const unsigned char  *last;

    for ( /* void */ ; p < end; p = last) {
        type = mspwh_scanner_types[*p];
        last = p + 1;

        if (type == mspwh_space) {
            continue;
        }

        if ((mspwh_scanner_expected[type] & 1u << s->state) == 0) {
            return p;
        }

        switch (type) {

        case mspwh_colon_sign:
            s->state = mspwh_value;
            break;

        case mspwh_comma:
            s->state = (s->state == mspwh_next_member) ? mspwh_name
                                                       : mspwh_value;
            break;

        case mspwh_quote:
        case mspwh_digit:
        case mspwh_letter:
            last = mspwh_scanner_skip_scalar(type, p, end);
            if (last == NULL) {
                return p;
            }

            s->state = (s->state == mspwh_name
                        || s->state == mspwh_first_name)
                       ? mspwh_colon : mspwh_scanner_next(s);
            break;

        default:
            last = mspwh_scanner_skip_container(s, type, p);
            if (last == NULL) {
                return p;
            }
        }
    }

    return p;
}


/* NULL where the array ends, or nests too deeply */

static const unsigned char *
mspwh_scanner_skip_container(mspwh_scanner_t *s, unsigned type,
    const unsigned char *p)
{
    if (type == mspwh_brace_open || type == mspwh_bracket_open) {

        if (s->depth == MSPWH_SCANNER_DEPTH) {
            return NULL;
        }

        mspwh_scanner_nest(s, type == mspwh_brace_open);

        return p + 1;
    }

    if (s->depth == s->skip) {
        return NULL;
    }

    s->depth--;
    s->state = mspwh_scanner_next(s);

    return p + 1;
}


/* the end of a scalar, or NULL where it is not plain, or not whole */

static const unsigned char *
mspwh_scanner_skip_scalar(unsigned type, const unsigned char *p,
    const unsigned char *end)
{
    unsigned  state;

    switch (type) {

    case mspwh_quote:
        p = mspwh_span_plain(p + 1, end);
        return (p < end && *p == '"') ? p + 1 : NULL;

    case mspwh_digit:
        state = mspwh_start;
        p = mspwh_scanner_number_span(&state, p, end);
        return (p < end && mspwh_scanner_number_ends(state)) ? p : NULL;

    default: /* mspwh_letter */
        if (end - p < 5) {
            return NULL;
        }

        if (memcmp(p, "false", 5) == 0) {
            return p + 5;
        }

        return (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
               ? p + 4 : NULL;
    }
}
