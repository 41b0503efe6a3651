
/*
 * Text: classes of ASCII characters, UTF-8 and percent-encoding.  Arguments
 * of the macros are evaluated more than once.
 */


#ifndef _MSPWH_TEXT_H_INCLUDED_
#define _MSPWH_TEXT_H_INCLUDED_


#include <stddef.h>


#define mspwh_is_lower(ch)  ((ch) >= 'a' && (ch) <= 'z')
#define mspwh_is_upper(ch)  ((ch) >= 'A' && (ch) <= 'Z')
#define mspwh_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')
#define mspwh_is_alnum(ch)                                                    \
    (mspwh_is_lower(ch) || mspwh_is_upper(ch) || mspwh_is_digit(ch))

/* non-ASCII characters count as letters */
#define mspwh_is_word(ch)   (mspwh_is_alnum(ch) || (ch) >= 0x80)

#define mspwh_to_lower(ch)  (mspwh_is_upper(ch) ? (ch) | 0x20 : (ch))


/*
 * The bytes after the first one of a UTF-8 sequence (RFC 3629, section 4): how
 * many there are, and the range of the first of them.  The range excludes
 * overlong forms, surrogates and everything above U+10FFFF.  "left" is 0 if no
 * sequence starts with this byte.
 */

typedef struct {
    unsigned char  left;
    unsigned char  low;
    unsigned char  high;
} mspwh_text_sequence_t;

extern const mspwh_text_sequence_t  mspwh_text_sequences[256];


/*
 * Returns the length of the UTF-8 sequence of two to four bytes at "p", or 0
 * if there is none, or it does not end before "end".
 */

static inline size_t
mspwh_text_sequence(const unsigned char *p, const unsigned char *end)
{
    size_t                        i;
    const mspwh_text_sequence_t  *sequence;

    sequence = &mspwh_text_sequences[*p];

    if (sequence->left == 0 || end - p <= sequence->left
        || p[1] < sequence->low || p[1] > sequence->high)
    {
        return 0;
    }

    for (i = 2; i <= sequence->left; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return i;
}


/*
 * Returns 1 if the text is UTF-8 (RFC 3629), 0 if not.
 */
int mspwh_text_is_utf8(const char *text, size_t length);

/*
 * Writes a code point, at most U+10FFFF, as UTF-8.  "dst" has room for four
 * bytes.  Returns the end of what it wrote.
 */
char *mspwh_text_put_utf8(char *dst, unsigned code);

/*
 * Writes a text with every byte percent-encoded except the unreserved
 * characters of RFC 3986, section 2.3.  "dst" has room for three times the
 * length.  Returns the end of what it wrote; that is not null-terminated.
 */
char *mspwh_text_escape(char *dst, const char *text, size_t length);


#endif /* _MSPWH_TEXT_H_INCLUDED_ */
