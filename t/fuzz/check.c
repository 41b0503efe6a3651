
#include "check.h"

#include <string.h>


static int fuzz_hex(const char *p, const char *end);


uint64_t
fuzz_seed(const void *data, size_t length)
{
    size_t                i;
    uint64_t              hash;
    const unsigned char  *p;

    p = data;
    hash = 0xcbf29ce484222325;

    for (i = 0; i < length; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3;
    }

    return hash ? hash : 1;
}


/* xorshift64* */

size_t
fuzz_random(uint64_t *state, size_t below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;

    return (size_t) (*state * 0x2545f4914f6cdd1d >> 32) % below;
}


void *
fuzz_memory(size_t length)
{
    void  *memory;

    memory = malloc(length ? length : 1);
    fuzz_check(memory != NULL, "no memory");

    return memory;
}


void *
fuzz_copy(const void *data, size_t length)
{
    void  *copy;

    copy = fuzz_memory(length);

    if (length > 0) {
        memcpy(copy, data, length);
    }

    return copy;
}


char *
fuzz_string(const void *data, size_t length)
{
    char  *copy;

    copy = fuzz_memory(length + 1);

    if (length > 0) {
        memcpy(copy, data, length);
    }

    copy[length] = '\0';

    return copy;
}


void
fuzz_feed(void (*feed)(void *, const void *, size_t), void *to,
    const uint8_t *data, size_t size, int way)
{
    void      *piece;
    size_t     done, left, n;
    uint64_t   random;

    random = fuzz_seed(data, size);

    for (done = 0; done < size; done += n) {
        left = size - done;

        n = (way == 0) ? size
            : (way == 1) ? 1
            : fuzz_random(&random, fuzz_random(&random, 2) ? 4 : left + 1);
        n = (n < left) ? n : left;

        piece = fuzz_copy(data + done, n);
        feed(to, piece, n);
        free(piece);
    }
}


void
fuzz_mend(char *text, size_t length)
{
    int          code, low;
    char        *p, *end;
    const char  *with;

    end = text + length;

    for (p = text; p < end; p++) {

        if (*p != '\\') {
            continue;
        }

        code = fuzz_hex(p, end);

        if (code == -1) {
            /* the next byte does not start an escape */
            p++;
            continue;
        }

        low = fuzz_hex(p + 6, end);

        if (code >= 0xd800 && code <= 0xdbff
            && low >= 0xdc00 && low <= 0xdfff)
        {
            p += 11;
            continue;
        }

        with = (code == 0) ? "0001"
               : (code >= 0xd800 && code <= 0xdfff) ? "fffd" : NULL;

        if (with != NULL) {
            memcpy(p + 2, with, 4);
        }

        p += 5;
    }
}


/* returns the code of the \u escape at "p", or -1 */

static int
fuzz_hex(const char *p, const char *end)
{
    char  digits[5];

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }

    memcpy(digits, p + 2, 4);
    digits[4] = '\0';

    if (strspn(digits, "0123456789abcdefABCDEF") != 4) {
        return -1;
    }

    return (int) strtol(digits, NULL, 16);
}
