
/*
 * RESP2, the protocol of Valkey and Redis: a reader of replies in pieces of
 * any size, and a writer of commands.
 */


#ifndef _MSPWH_RESP_H_INCLUDED_
#define _MSPWH_RESP_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* the bytes of a text that are kept; the rest is dropped */
#define MSPWH_RESP_TEXT   256

/* limits: nested arrays, bytes of a line, elements, bytes of a string */
#define MSPWH_RESP_DEPTH  8
#define MSPWH_RESP_LINE   65536
#define MSPWH_RESP_ITEMS  (1024 * 1024)
#define MSPWH_RESP_BULK   (512 * 1024 * 1024)

/* the bytes of the largest mspwh_resp_array() or mspwh_resp_length() */
#define MSPWH_RESP_HEAD   (sizeof("$18446744073709551615\r\n") - 1)

/* the bytes of a mspwh_resp_string(), at most */
#define mspwh_resp_size(length)  (MSPWH_RESP_HEAD + (length) + 2)


typedef enum {
    MSPWH_RESP_STATUS = 0,      /* +OK */
    MSPWH_RESP_ERROR,           /* -ERR ... */
    MSPWH_RESP_INTEGER,         /* :1 */
    MSPWH_RESP_STRING,          /* $3 */
    MSPWH_RESP_NIL,             /* $-1 or *-1 */
    MSPWH_RESP_ARRAY            /* *2, with its elements to follow */
} mspwh_resp_type_e;


typedef struct {

    /* the element that mspwh_resp_read() has found */
    mspwh_resp_type_e  type;
    int64_t            number;  /* an integer, or the length of an array */
    size_t             length;  /* of the whole text */
    char               text[MSPWH_RESP_TEXT + 1];       /* null-terminated */
    unsigned           last;    /* it ends the reply */

    /* private */
    unsigned           state;
    unsigned           depth;
    uint64_t           left;
    uint32_t           items[MSPWH_RESP_DEPTH];
} mspwh_resp_t;


/*
 * A reader that consists of zeroes is ready for the first byte of a reply.
 *
 * mspwh_resp_read() reads from "*p", which it moves, up to "end" at most.
 * Returns 1 if it has found an element, -1 if this is not RESP2 or exceeds a
 * limit, or 0 if it needs more bytes.  A simple reply is one element; an array
 * is one element, followed by those in it.  After -1 the reader is of no
 * further use.
 */
int mspwh_resp_read(mspwh_resp_t *resp, const char **p, const char *end);

/*
 * Each writes to "p", and returns a pointer to the byte after: the head of a
 * command of so many words; a word; and a word's head, to be followed by its
 * bytes and mspwh_resp_end().
 */
char *mspwh_resp_array(char *p, uint64_t words);
char *mspwh_resp_string(char *p, const void *data, size_t length);
char *mspwh_resp_length(char *p, uint64_t length);
char *mspwh_resp_end(char *p);


#endif /* _MSPWH_RESP_H_INCLUDED_ */
