
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


/*
 * Those that take bytes return where they stopped: at the end, behind the
 * token, or at the byte that is an error.
 */

/* tokens: the state after a value */
void mspwh_scanner_value_end(mspwh_scanner_t *s);

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
