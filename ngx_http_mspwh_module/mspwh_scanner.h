
/*
 * A streaming RFC 8259 validator that takes a document in pieces of any size
 * and keeps its envelope: the same document, small enough to be parsed into
 * a tree.  In the envelope
 *
 *   - there is no white space between tokens;
 *   - a number is a string of its exact characters behind a mark;
 *   - a string of more than MSPWH_SCANNER_STRING bytes is an empty one, and
 *     a member name of that size is the mark alone;
 *   - an array that no pointer can enter is an empty one;
 *   - a member that nobody asks for is left out, and a string that is asked
 *     for only whether it is there is empty;
 *   - what no C string of UTF-8 can hold is another character: an escaped
 *     null character is U+0001, and a surrogate without its other half
 *     U+FFFD;
 *   - the hexadecimal digits of an escape are in small letters.
 */


#ifndef _MSPWH_SCANNER_H_INCLUDED_
#define _MSPWH_SCANNER_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "mspwh_pointer.h"


/* how deep objects and arrays may nest */
#define MSPWH_SCANNER_DEPTH     256

/* bytes of a string, as written in the document, that the envelope keeps */
#define MSPWH_SCANNER_STRING    1024

/* pointers that can lead into arrays */
#define MSPWH_SCANNER_POINTERS  64

/* a byte that UTF-8 has no use for */
#define MSPWH_SCANNER_MARK      0xff


typedef enum {
    MSPWH_SCANNER_OK = 0,
    MSPWH_SCANNER_UNEXPECTED,
    MSPWH_SCANNER_UNFINISHED,
    MSPWH_SCANNER_CONTROL,
    MSPWH_SCANNER_ESCAPE,
    MSPWH_SCANNER_UTF8,
    MSPWH_SCANNER_TOO_DEEP,
    MSPWH_SCANNER_TOO_LARGE,
    MSPWH_SCANNER_NO_MEMORY
} mspwh_scanner_error_e;


/* what is kept of a member: nothing, that it is there, or its value */

typedef enum {
    MSPWH_SCANNER_NOTHING = 0,
    MSPWH_SCANNER_PRESENCE,
    MSPWH_SCANNER_VALUE
} mspwh_scanner_keep_e;

typedef mspwh_scanner_keep_e (*mspwh_scanner_keep_pt)(const char *name,
    size_t length);


/* the pointers with a token that can be an array index */

typedef struct {
    unsigned                   npointers;
    const mspwh_pointer_t     *pointers[MSPWH_SCANNER_POINTERS];
} mspwh_scanner_pointers_t;


typedef struct {
    mspwh_scanner_error_e      error;

    /* bytes taken before the current piece; with an error, before it */
    uint64_t                   offset;

    char                      *envelope;
    size_t                     length;
    size_t                     size;
    size_t                     limit;

    unsigned                   state;
    unsigned                   depth;

    /* depth of the array that is left out, or 0 */
    unsigned                   skip;

    /* a bit for each depth: set for an object */
    unsigned char              objects[MSPWH_SCANNER_DEPTH / 8 + 1];

    /* the string: where its text begins, its size in the document */
    size_t                     text;
    size_t                     text_length;

    /* the end of the \u escape of a high surrogate in the envelope, or 0 */
    size_t                     surrogate;

    unsigned                   code;
    unsigned                   digits;

    /* bytes left of a UTF-8 sequence, and the range of the next one */
    unsigned char              utf8_left;
    unsigned char              utf8_low;
    unsigned char              utf8_high;

    /*
     * asks by a member's name, if set; objects are kept in any case, and
     * what is left out counts towards the limit like the rest
     */
    mspwh_scanner_keep_pt      ask;
    mspwh_scanner_keep_e       keep;

    /* where the member begins in the envelope, with the comma before it */
    size_t                     member;

    unsigned                   is_name:1;
    unsigned                   is_escaped:1;
    unsigned                   is_dropped:1;
    unsigned                   is_over_limit:1;

    const char                *literal;

    /*
     * sets of pointers, a bit for each: those whose first tokens lead to
     * the container at a depth, and those that lead to the value ahead
     */
    const mspwh_scanner_pointers_t  *pointers;
    uint64_t                   value_match;
    uint64_t                   match[MSPWH_POINTER_TOKENS + 1];
    size_t                     index[MSPWH_POINTER_TOKENS + 1];
} mspwh_scanner_t;


/*
 * Prepares for one document, whose envelope may have up to "limit" bytes.
 * The pointers may be NULL, and are not copied.
 */
void mspwh_scanner_init(mspwh_scanner_t *scanner, size_t limit,
    const mspwh_scanner_pointers_t *pointers);

/*
 * Takes the next "length" bytes.  Once "scanner->error" is set, the rest of
 * the document is not looked at.
 */
void mspwh_scanner_feed(mspwh_scanner_t *scanner, const void *data,
    size_t length);

/*
 * Ends the document and returns "scanner->error".
 */
mspwh_scanner_error_e mspwh_scanner_finish(mspwh_scanner_t *scanner);

/*
 * Releases the envelope; may be called again.
 */
void mspwh_scanner_cleanup(mspwh_scanner_t *scanner);

/*
 * Says in words what an error is.
 */
const char *mspwh_scanner_strerror(mspwh_scanner_error_e error);

/*
 * The text of a string in the parsed envelope, and whether it stands for a
 * number.
 */
const char *mspwh_scanner_text(const char *string);
int mspwh_scanner_is_number(const char *string);

/*
 * Tells if a text is of UTF-8 (RFC 3629), as every name in an envelope is but
 * the mark.
 */
int mspwh_scanner_is_utf8(const char *text, size_t length);


#endif /* _MSPWH_SCANNER_H_INCLUDED_ */
