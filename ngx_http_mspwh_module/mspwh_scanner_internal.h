
/*
 * What the scanner's files share.
 */


#ifndef _MSPWH_SCANNER_INTERNAL_H_INCLUDED_
#define _MSPWH_SCANNER_INTERNAL_H_INCLUDED_


#include "mspwh_scanner.h"


enum {
    /* between tokens */
    mspwh_value = 0,
    mspwh_first_element,
    mspwh_first_name,
    mspwh_name,
    mspwh_colon,
    mspwh_next_element,
    mspwh_next_member,
    mspwh_end,

    /* inside a string */
    mspwh_text,
    mspwh_utf8,
    mspwh_escape,
    mspwh_hex,

    mspwh_literal,

    /* inside a number */
    mspwh_start,
    mspwh_minus,
    mspwh_zero,
    mspwh_integer,
    mspwh_point,
    mspwh_fraction,
    mspwh_exponent,
    mspwh_exponent_sign,
    mspwh_exponent_digits
};


/* what a token can begin with */

enum {
    mspwh_other = 0,
    mspwh_space,
    mspwh_quote,
    mspwh_brace_open,
    mspwh_bracket_open,
    mspwh_brace_close,
    mspwh_bracket_close,
    mspwh_comma,
    mspwh_colon_sign,
    mspwh_digit,
    mspwh_letter
};

extern const unsigned char  mspwh_scanner_types[256];

/* the states, a bit for each, in which a type may follow */
extern const unsigned  mspwh_scanner_expected[];


/*
 * Those that take bytes return where they stopped: at the end, behind the
 * token, or at the byte that is an error.
 */

/* tokens: the state after a value */
void mspwh_scanner_value_end(mspwh_scanner_t *s);

/* inside an array that is left out: up to what cannot be taken that way */
const unsigned char *mspwh_scanner_skip(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);

/* numbers: the end of what belongs to one, and whether it may end so */
const unsigned char *mspwh_scanner_number_span(unsigned *state,
    const unsigned char *p, const unsigned char *end);
int mspwh_scanner_number_ends(unsigned state);

/* strings: from the opening quote, or the rest by the state */
const unsigned char *mspwh_scanner_string(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end, unsigned is_name);
const unsigned char *mspwh_scanner_string_rest(mspwh_scanner_t *s,
    const unsigned char *p, const unsigned char *end);

/* the pointers that lead to the value ahead, by its name or its place */
void mspwh_scanner_match(mspwh_scanner_t *s, int is_name);

/* tells if a pointer goes on into the value ahead, were it an array */
int mspwh_scanner_can_enter(mspwh_scanner_t *s);

/* what is to be kept of the member whose name has just been added */
void mspwh_scanner_ask(mspwh_scanner_t *s);

/* takes back what the envelope has behind "length" */
void mspwh_scanner_cut(mspwh_scanner_t *s, size_t length);

/* adds to the envelope, unless an array is being left out */
void mspwh_scanner_put(mspwh_scanner_t *s, const void *data, size_t length);

/* adds to the text of a string, until that is too long to be kept */
void mspwh_scanner_put_text(mspwh_scanner_t *s, const void *data,
    size_t length);


/* the state behind a value in the container at this depth */

static inline unsigned
mspwh_scanner_next(mspwh_scanner_t *s)
{
    return (s->objects[s->depth / 8] & 1 << s->depth % 8)
           ? mspwh_next_member : mspwh_next_element;
}


static inline void
mspwh_scanner_nest(mspwh_scanner_t *s, int is_object)
{
    unsigned char  bit;

    s->depth++;

    bit = (unsigned char) (1 << s->depth % 8);

    if (is_object) {
        s->objects[s->depth / 8] |= bit;
        s->state = mspwh_first_name;
        return;
    }

    s->objects[s->depth / 8] &= (unsigned char) ~bit;
    s->state = mspwh_first_element;
}


static inline void
mspwh_scanner_put_char(mspwh_scanner_t *s, char ch)
{
    if (s->skip != 0) {
        return;
    }

    if (s->length < s->size) {
        s->envelope[s->length++] = ch;
        return;
    }

    mspwh_scanner_put(s, &ch, 1);
}


#endif /* _MSPWH_SCANNER_INTERNAL_H_INCLUDED_ */
