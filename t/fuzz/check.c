
#include "check.h"

#include <string.h>


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
fuzz_copy(const void *data, size_t length)
{
    void  *copy;

    copy = malloc(length ? length : 1);
    fuzz_check(copy != NULL, "no memory");

    if (length > 0) {
        memcpy(copy, data, length);
    }

    return copy;
}


char *
fuzz_string(const void *data, size_t length)
{
    char  *copy;

    copy = malloc(length + 1);
    fuzz_check(copy != NULL, "no memory");

    if (length > 0) {
        memcpy(copy, data, length);
    }

    copy[length] = '\0';

    return copy;
}
