
/*
 * Shared by the fuzz targets: a check that ends the process, choices that
 * depend only on the input, and documents in the form that other parsers
 * accept.
 */


#ifndef _FUZZ_CHECK_H_INCLUDED_
#define _FUZZ_CHECK_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>


#define fuzz_check(condition, ...)                                            \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,        \
                    #condition);                                              \
            fprintf(stderr, __VA_ARGS__);                                     \
            fputc('\n', stderr);                                              \
            abort();                                                          \
        }                                                                     \
    } while (0)


/* libFuzzer calls this function */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Returns an initial state, computed from all bytes (FNV-1a); never 0. */
uint64_t fuzz_seed(const void *data, size_t length);

/* Returns a number below "below". */
size_t fuzz_random(uint64_t *state, size_t below);

/*
 * Return a new copy, null-terminated; one without the null, so that the
 * sanitizer sees both ends of it; and an array of bytes to be filled later.
 */
char *fuzz_string(const void *data, size_t length);
void *fuzz_copy(const void *data, size_t length);
void *fuzz_memory(size_t length);

/*
 * Feeds the document as a whole (0), byte by byte (1), or in pieces of any
 * size (2).
 */
void fuzz_feed(void (*feed)(void *, const void *, size_t), void *to,
    const uint8_t *data, size_t size, int way);

/*
 * Replaces, in place, escapes that other parsers reject: null characters and
 * unpaired surrogates.
 */
void fuzz_mend(char *text, size_t length);


#endif /* _FUZZ_CHECK_H_INCLUDED_ */
