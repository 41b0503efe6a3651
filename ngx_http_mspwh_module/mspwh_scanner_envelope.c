
#include "mspwh_scanner_internal.h"

#include <stdlib.h>
#include <string.h>


#define MSPWH_SCANNER_FIRST_SIZE  1024


static int mspwh_scanner_reserve(mspwh_scanner_t *s, size_t length);


/*
 * Which pointers lead to the value ahead, by its name or its place.  A name
 * with an escape may be anything: keeping an array too many does no harm, so
 * it is not decoded.
 */

void
mspwh_scanner_match(mspwh_scanner_t *s, int is_name)
{
    int                           found;
    size_t                        length;
    unsigned                      i;
    uint64_t                      match;
    const mspwh_pointer_token_t  *token;

    s->value_match = 0;

    if (s->pointers == NULL || s->skip != 0
        || s->depth > MSPWH_POINTER_TOKENS)
    {
        return;
    }

    length = s->length - s->text;

    for (i = 0, match = s->match[s->depth]; match; i++, match >>= 1) {
        if ((match & 1) == 0 || s->pointers->pointers[i]->ntokens < s->depth) {
            continue;
        }

        token = &s->pointers->pointers[i]->tokens[s->depth - 1];

        if (is_name) {
            found = s->is_escaped
                    || (length == token->length
                        && memcmp(s->envelope + s->text, token->name, length)
                           == 0);

        } else {
            found = (token->index == s->index[s->depth]);
        }

        if (found) {
            s->value_match |= (uint64_t) 1 << i;
        }
    }
}


/* tells if a pointer goes on into the value ahead, were it an array */

int
mspwh_scanner_can_enter(mspwh_scanner_t *s)
{
    unsigned                i;
    uint64_t                match;
    const mspwh_pointer_t  *pointer;

    for (i = 0, match = s->value_match; match; i++, match >>= 1) {
        if ((match & 1) == 0) {
            continue;
        }

        pointer = s->pointers->pointers[i];

        if (pointer->ntokens > s->depth
            && pointer->tokens[s->depth].index != MSPWH_POINTER_NO_INDEX)
        {
            return 1;
        }
    }

    return 0;
}


void
mspwh_scanner_ask(mspwh_scanner_t *s)
{
    s->keep = MSPWH_SCANNER_VALUE;

    /* a name with an escape, or one too long to be kept, may be anything */

    if (s->ask == NULL || s->skip != 0 || s->is_escaped) {
        return;
    }

    s->keep = s->ask(s->envelope + s->text, s->length - s->text);
    s->member = s->text - 1;

    if (s->envelope[s->member - 1] == ',') {
        s->member--;
    }
}


void
mspwh_scanner_cut(mspwh_scanner_t *s, size_t length)
{
    s->limit -= s->length - length;
    s->length = length;

    if (s->size > s->limit) {
        s->size = s->limit;
    }
}


void
mspwh_scanner_put(mspwh_scanner_t *s, const void *data, size_t length)
{
    if (s->skip != 0 || s->error != MSPWH_SCANNER_OK) {
        return;
    }

    if (length > s->limit - s->length) {
        s->error = MSPWH_SCANNER_TOO_LARGE;
        return;
    }

    if (mspwh_scanner_reserve(s, length) != 0) {
        return;
    }

    memcpy(s->envelope + s->length, data, length);
    s->length += length;
}


/*
 * The text of a string is over the limit only once its end shows that it
 * is not one of those left out.
 */

void
mspwh_scanner_put_text(mspwh_scanner_t *s, const void *data, size_t length)
{
    s->text_length += length;

    if (s->is_dropped) {
        return;
    }

    if (s->text_length > MSPWH_SCANNER_STRING) {
        s->length = s->text;
        s->surrogate = 0;
        s->is_dropped = 1;
        s->is_over_limit = (s->is_name && s->length == s->limit);

        if (s->is_name && !s->is_over_limit) {
            mspwh_scanner_put_char(s, (char) MSPWH_SCANNER_MARK);
        }

        return;
    }

    if (length > s->limit - s->length) {
        s->is_over_limit = 1;
    }

    if (!s->is_over_limit && mspwh_scanner_reserve(s, length) == 0) {
        memcpy(s->envelope + s->length, data, length);
        s->length += length;
    }
}


static int
mspwh_scanner_reserve(mspwh_scanner_t *s, size_t length)
{
    char    *envelope;
    size_t   size;

    if (length <= s->size - s->length) {
        return 0;
    }

    size = s->size ? s->size : MSPWH_SCANNER_FIRST_SIZE;

    while (size - s->length < length) {
        size *= 2;
    }

    if (size > s->limit) {
        size = s->limit;
    }

    envelope = realloc(s->envelope, size);
    if (envelope == NULL) {
        s->error = MSPWH_SCANNER_NO_MEMORY;
        return -1;
    }

    s->envelope = envelope;
    s->size = size;

    return 0;
}
