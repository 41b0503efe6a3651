
/*
 * What the fuzz targets share: a check that ends the process, and choices
 * that depend on nothing but the input.
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

#define fuzz_nitems(a)  (sizeof(a) / sizeof(a[0]))


/* libFuzzer calls this one */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* a state to begin with, from all bytes (FNV-1a); never 0 */
uint64_t fuzz_seed(const void *data, size_t length);

/* a number below "below" */
size_t fuzz_random(uint64_t *state, size_t below);

/* a copy on its own, for the sanitizer to see both ends of it */
void *fuzz_copy(const void *data, size_t length);

/* the same, null-terminated */
char *fuzz_string(const void *data, size_t length);


#endif /* _FUZZ_CHECK_H_INCLUDED_ */
