
/*
 * Shared by the unit tests: a document that is cut into pieces in every way.
 */


#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include "headers.h"


#define TEXT(s)    s, sizeof(s) - 1
#define nitems(a)  (sizeof(a) / sizeof(a[0]))


/* a place to cut at, or one of these */

#define WHOLE      ((size_t) -1)
#define BY_BYTES   ((size_t) -2)
#define BY_THREES  ((size_t) -3)


/* pieces are copied, so that a memory checker sees where they end */

static inline void
feed_copy(void (*feed)(void *, const void *, size_t), void *to,
    const char *data, size_t length)
{
    char  *copy;

    copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, data, length);
    feed(to, copy, length);
    free(copy);
}


static inline void
feed_pieces(void (*feed)(void *, const void *, size_t), void *to,
    const char *text, size_t length, size_t at)
{
    size_t  i, n, step;

    if (at <= length) {
        feed_copy(feed, to, text, at);
        feed_copy(feed, to, text + at, length - at);
        return;
    }

    step = (at == BY_BYTES) ? 1 : (at == BY_THREES) ? 3 : length + 1;

    for (i = 0; i < length; i += step) {
        n = (step < length - i) ? step : length - i;

        feed_copy(feed, to, text + i, n);
        feed(to, text, 0);
    }
}


/* "n" times "ch" between two texts */

static inline char *
fill(const char *head, char ch, size_t n, const char *tail)
{
    char    *text;
    size_t   length;

    length = strlen(head);
    text = malloc(length + n + strlen(tail) + 1);
    assert_non_null(text);

    memcpy(text, head, length);
    memset(text + length, ch, n);
    strcpy(text + length + n, tail);

    return text;
}


#endif /* _UNIT_H_INCLUDED_ */
