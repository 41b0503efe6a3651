
/*
 * The scanner alone: CPU time of scanning a document that is fed in pieces
 * as nginx reads it.
 */


#include "mspwh_scanner.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>


#define PIECE  16384


static double
cpu_time(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}


static char *
read_file(const char *name, size_t *length)
{
    long   size;
    char  *text;
    FILE  *file;

    file = fopen(name, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) == -1) {
        return NULL;
    }

    size = ftell(file);
    rewind(file);
    text = malloc(size + 1);

    if (text && fread(text, 1, size, file) != (size_t) size) {
        free(text);
        text = NULL;
    }

    fclose(file);
    *length = size;

    return text;
}


/* Not inlined: callgrind counts what is inside. */

static mspwh_scanner_error_e __attribute__((noinline))
scan(const char *text, size_t length, size_t limit, size_t *envelope)
{
    size_t                 at, n;
    mspwh_scanner_t        scanner;
    mspwh_scanner_error_e  error;

    mspwh_scanner_init(&scanner, limit, NULL);

    for (at = 0; at < length; at += n) {
        n = length - at < PIECE ? length - at : PIECE;
        mspwh_scanner_feed(&scanner, text + at, n);
    }

    error = mspwh_scanner_finish(&scanner);
    *envelope = scanner.length;
    mspwh_scanner_cleanup(&scanner);

    return error;
}


int
main(int argc, char *argv[])
{
    long                    i, count;
    char                   *text;
    size_t                  length, limit, envelope;
    double                  start;
    mspwh_scanner_error_e   error;

    if (argc != 4) {
        fprintf(stderr, "usage: scanner file count envelope-size\n");
        return 2;
    }

    text = read_file(argv[1], &length);
    count = atol(argv[2]);
    limit = atol(argv[3]);

    if (text == NULL) {
        fprintf(stderr, "scanner: \"%s\" cannot be read\n", argv[1]);
        return 1;
    }

    envelope = 0;
    error = MSPWH_SCANNER_OK;
    start = cpu_time();

    for (i = 0; i < count; i++) {
        error = scan(text, length, limit, &envelope);
    }

    printf("%.0f %zu %s\n", (cpu_time() - start) / count, envelope,
           error ? mspwh_scanner_strerror(error) : "ok");

    free(text);

    return 0;
}
