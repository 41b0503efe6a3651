
/*
 * A document's scan, as a whole and in pieces, and inside an array.
 */


#ifndef _SCAN_H_INCLUDED_
#define _SCAN_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mspwh_scanner.h"


#define TEXT(s)  s, sizeof(s) - 1
#define LIMIT    65536
#define MARK     "\xff"

#define nitems(a)  (sizeof(a) / sizeof(a[0]))


static const mspwh_scanner_pointers_t  *pointers;
static mspwh_scanner_keep_pt            ask;


/* pieces are copied, for a memory checker to see the ends of them */

static void
feed(mspwh_scanner_t *s, const char *data, size_t length)
{
    char  *copy;

    copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, data, length);
    mspwh_scanner_feed(s, copy, length);
    free(copy);
}


static void
same(mspwh_scanner_t *one, mspwh_scanner_t *two, const char *text,
    const char *how, size_t at)
{
    /* with an error, how much was kept depends on the pieces */

    if (one->error != two->error || one->offset != two->offset
        || (one->error == MSPWH_SCANNER_OK
            && (one->length != two->length
                || memcmp(one->envelope, two->envelope, one->length) != 0)))
    {
        fail_msg("%.60s: %s %zu: error %d at %d, not %d at %d\n%.*s\n%.*s",
                 text, how, at, two->error, (int) two->offset, one->error,
                 (int) one->offset, (int) one->length, one->envelope,
                 (int) two->length, two->envelope);
    }
}


/* scans the document as a whole, and in pieces */

static void
scan(mspwh_scanner_t *s, const char *text, size_t length, size_t limit)
{
    size_t                 i;
    mspwh_scanner_t        two;
    mspwh_scanner_error_e  error;

    mspwh_scanner_init(s, limit, pointers);
    s->ask = ask;
    feed(s, text, length);
    error = mspwh_scanner_finish(s);
    assert_int_equal(error, s->error);

    for (i = 0; i <= length; i++) {
        mspwh_scanner_init(&two, limit, pointers);
        two.ask = ask;
        feed(&two, text, i);
        feed(&two, text + i, length - i);
        error = mspwh_scanner_finish(&two);
        assert_int_equal(error, two.error);
        same(s, &two, text, "split at", i);
        mspwh_scanner_cleanup(&two);
    }

    mspwh_scanner_init(&two, limit, pointers);
    two.ask = ask;

    for (i = 0; i < length; i++) {
        feed(&two, text + i, 1);
        feed(&two, text, 0);
    }

    mspwh_scanner_finish(&two);
    same(s, &two, text, "by bytes", 1);
    mspwh_scanner_cleanup(&two);
    mspwh_scanner_cleanup(&two);
}


/*
 * The same inside an array that is left out; "end" is what closes it.  What
 * the limits say depends on the rest, and a comma or a bracket may stand
 * there, so they are not for this.
 */

static void
in_array(const char *text, size_t length, const char *end,
    mspwh_scanner_error_e error, uint64_t offset)
{
    char             *array;
    size_t            i, total, depth;
    mspwh_scanner_t   s;

    for (i = 0, depth = 0; i < length; i++) {
        depth += (text[i] == '[' || text[i] == '{');
    }

    if (error == MSPWH_SCANNER_TOO_LARGE || depth >= MSPWH_SCANNER_DEPTH
        || (error == MSPWH_SCANNER_UNEXPECTED
            && (text[offset] == ',' || text[offset] == ']')))
    {
        return;
    }

    total = 1 + length + strlen(end);

    array = malloc(total + 1);
    assert_non_null(array);

    array[0] = '[';
    memcpy(array + 1, text, length);
    strcpy(array + 1 + length, end);

    scan(&s, array, total, 65536);

    if (s.error != error
        || (error != MSPWH_SCANNER_OK && s.offset != offset + 1))
    {
        fail_msg("in an array: %.60s: %s at %d, not %s at %d", text,
                 mspwh_scanner_strerror(s.error), (int) s.offset,
                 mspwh_scanner_strerror(error), (int) offset + 1);
    }

    if (error == MSPWH_SCANNER_OK) {
        assert_int_equal(s.length, 2);
        assert_memory_equal(s.envelope, "[]", 2);
    }

    mspwh_scanner_cleanup(&s);
    free(array);
}


static void
accept(const char *text, size_t length, size_t limit, const char *envelope)
{
    mspwh_scanner_t  s;

    scan(&s, text, length, limit);

    if (s.error != MSPWH_SCANNER_OK) {
        fail_msg("%.60s: %s at %d", text, mspwh_scanner_strerror(s.error),
                 (int) s.offset);
    }

    if (s.length != strlen(envelope)
        || memcmp(s.envelope, envelope, s.length) != 0)
    {
        fail_msg("%.60s:\n%.*s\nis not\n%.80s", text, (int) s.length,
                 s.envelope, envelope);
    }

    mspwh_scanner_cleanup(&s);

    if (pointers == NULL) {
        in_array(text, length, "]", MSPWH_SCANNER_OK, 0);
    }
}


static void
refuse(const char *text, size_t length, size_t limit,
    mspwh_scanner_error_e error, uint64_t offset)
{
    mspwh_scanner_t  s;

    scan(&s, text, length, limit);

    if (s.error != error || s.offset != offset) {
        fail_msg("%.60s: %s at %d, not %s at %d", text,
                 mspwh_scanner_strerror(s.error), (int) s.offset,
                 mspwh_scanner_strerror(error), (int) offset);
    }

    mspwh_scanner_cleanup(&s);

    if (pointers == NULL) {
        in_array(text, length, "", error, offset);
    }
}


/* "n" times "ch" between two texts */

static char *
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


#endif /* _SCAN_H_INCLUDED_ */
