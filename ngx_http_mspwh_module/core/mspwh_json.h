
/*
 * A streaming JSON parser (RFC 8259).  It takes a document in pieces of any
 * size, checks all of it, and reports to a handler only what the handler asks
 * for.  It allocates nothing and looks at each byte once.
 *
 *     mspwh_json_init(&json, &handler, data);
 *     for each piece: mspwh_json_feed(&json, piece, length);
 *     error = mspwh_json_finish(&json);
 *
 * One UTF-8 byte order mark before the document is skipped (RFC 8259, section
 * 8.1).  The reports do not depend on how the document is cut into pieces.
 */


#ifndef _MSPWH_JSON_H_INCLUDED_
#define _MSPWH_JSON_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* how deep objects and arrays may nest */
#define MSPWH_JSON_DEPTH  256

/* the longest text that the handler gets, in bytes */
#define MSPWH_JSON_TEXT   1024

#define MSPWH_JSON_NEVER  ((size_t) -1)


/* name, name in the counters, words */

#define MSPWH_JSON_ERRORS(X)                                                  \
    X(UNEXPECTED, "json_unexpected", "unexpected character")                  \
    X(UNFINISHED, "json_unfinished", "unexpected end")                        \
    X(CONTROL, "json_control", "control character in a string")               \
    X(ESCAPE, "json_escape", "invalid escape")                                \
    X(UTF8, "json_utf8", "invalid UTF-8")                                     \
    X(BYTE_ORDER_MARK, "json_byte_order_mark",                                \
      "incomplete or repeated byte order mark")                               \
    X(UTF16, "json_utf16", "UTF-16 instead of UTF-8")                         \
    X(TOO_DEEP, "nested_too_deeply", "nested too deeply")

#define mspwh_json_error(name, metric, words)  MSPWH_JSON_ ## name,

typedef enum {
    MSPWH_JSON_OK = 0,
    MSPWH_JSON_ERRORS(mspwh_json_error)
    MSPWH_JSON_ERROR_COUNT
} mspwh_json_error_e;

#undef mspwh_json_error


typedef enum {
    MSPWH_JSON_NULL = 0,
    MSPWH_JSON_FALSE,
    MSPWH_JSON_TRUE,
    MSPWH_JSON_NUMBER,
    MSPWH_JSON_STRING,
    MSPWH_JSON_ARRAY,
    MSPWH_JSON_OBJECT
} mspwh_json_type_e;


/* what to report about a value; each includes the ones above it */

typedef enum {
    MSPWH_JSON_SKIP = 0,        /* neither it nor its content */
    MSPWH_JSON_CONTAINER,       /* that it is an object or an array */
    MSPWH_JSON_TYPE,            /* that it is there, and its type */
    MSPWH_JSON_VALUE            /* its text, too */
} mspwh_json_want_e;


/*
 * Texts are UTF-8 with all escapes decoded, and not null-terminated.  They are
 * valid only during the call.  A text is NULL if it is longer than
 * MSPWH_JSON_TEXT, or if it cannot be a C string in UTF-8 because it has a
 * null character or an unpaired surrogate.
 *
 * During a call, json->depth is the number of open containers, and json->start
 * the offset of the value's first byte (not for a name).
 */

typedef struct {
    /*
     * A container starts: the first value, or one that name() or element() has
     * announced.  json->depth already counts it.  Returns whether to report
     * its content.
     */
    int (*begin)(void *data, mspwh_json_type_e type);

    /* Returns what to report about the member with this name. */
    mspwh_json_want_e (*name)(void *data, const char *name, size_t length);

    /*
     * An element follows.  Returns how many elements to skip before the next
     * call: 0 reports this one (MSPWH_JSON_VALUE), MSPWH_JSON_NEVER skips the
     * rest of the array.
     */
    size_t (*element)(void *data);

    /*
     * A scalar.  The text is that of a string, or a number's exact characters.
     * It is NULL for other types, and with MSPWH_JSON_TYPE.
     */
    void (*value)(void *data, mspwh_json_type_e type, const char *text,
        size_t length);
} mspwh_json_handler_t;


typedef struct {
    mspwh_json_error_e           error;

    /* bytes taken, and the current line; or those of the error */
    uint64_t                     offset;
    uint64_t                     line;

    uint64_t                     start;
    unsigned                     depth;

    /* private from here */

    unsigned                     state;
    mspwh_json_want_e            want;
    const mspwh_json_handler_t  *handler;
    void                        *data;
    const unsigned char         *piece;

    /* depth of the container whose content is not reported, or 0 ... */
    unsigned                     quiet;

    /* ... until this many more of its elements have passed */
    size_t                       skip;

    const char                  *literal;

    /* the \u escape */
    unsigned                     code;
    unsigned                     digits;

    /* a high surrogate without its low one yet, or 0 */
    unsigned                     surrogate;

    /* bytes left of a UTF-8 sequence, and the range of the next byte */
    unsigned char                utf8_left;
    unsigned char                utf8_low;
    unsigned char                utf8_high;

    /* the scalar: its type, whether it is reported, its text so far */
    mspwh_json_type_e            type;
    unsigned                     is_name:1;
    unsigned                     is_told:1;
    unsigned                     is_kept:1;

    size_t                       length;
    char                         text[MSPWH_JSON_TEXT];

    /* the state after a value in the container at each depth */
    unsigned char                after[MSPWH_JSON_DEPTH + 1];
} mspwh_json_t;


/*
 * Prepares for one document.  "handler" and "data" are not copied; with a
 * NULL handler the document is only checked.
 */
void mspwh_json_init(mspwh_json_t *json, const mspwh_json_handler_t *handler,
    void *data);

/*
 * Takes the next "length" bytes, which may be 0.  May be called any number of
 * times between init and finish.  Does nothing once json->error is set.
 */
void mspwh_json_feed(mspwh_json_t *json, const void *data, size_t length);

/*
 * Ends the document.  May call the handler once more, for a document that is a
 * number.  Returns json->error.  May be called again.
 */
mspwh_json_error_e mspwh_json_finish(mspwh_json_t *json);

/*
 * Returns the words for an error.
 */
const char *mspwh_json_strerror(mspwh_json_error_e error);


#endif /* _MSPWH_JSON_H_INCLUDED_ */
