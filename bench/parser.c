
/*
 * The core alone: CPU time for a document that is fed in the pieces in which
 * nginx reads it, with the module's default values, or with everything
 * reported.
 */


#include "mspwh_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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


/* a handler that wants to hear everything; "data" counts the calls */

static int
tell_begin(void *data, mspwh_json_type_e type)
{
    (void) type;
    ++*(long *) data;

    return 1;
}


static mspwh_json_want_e
tell_name(void *data, const char *name, size_t length)
{
    (void) name;
    (void) length;
    ++*(long *) data;

    return MSPWH_JSON_VALUE;
}


static size_t
tell_element(void *data)
{
    ++*(long *) data;

    return 0;
}


static void
tell_value(void *data, mspwh_json_type_e type, const char *text,
    size_t length)
{
    (void) type;
    (void) text;
    (void) length;
    ++*(long *) data;
}


static const mspwh_json_handler_t  handler = {
    .begin = tell_begin,
    .name = tell_name,
    .element = tell_element,
    .value = tell_value
};


/* Not inlined, so that callgrind counts it separately. */

static const char * __attribute__((noinline))
scan_all(const char *text, size_t length)
{
    long           calls;
    size_t         at, n;
    mspwh_json_t   json;

    calls = 0;
    mspwh_json_init(&json, &handler, &calls);

    for (at = 0; at < length; at += n) {
        n = length - at < PIECE ? length - at : PIECE;
        mspwh_json_feed(&json, text + at, n);
    }

    return mspwh_json_finish(&json) ? mspwh_json_strerror(json.error) : "ok";
}


static const char * __attribute__((noinline))
scan_event(const mspwh_event_plan_t *plan, const char *text, size_t length)
{
    size_t                at, n;
    const char           *said;
    mspwh_event_t         event;
    mspwh_extract_t       extract;
    mspwh_json_error_e    error;
    mspwh_event_error_e   wrong;

    if (mspwh_extract_init(&extract, plan->extract) != 0) {
        return "no memory";
    }

    for (at = 0; at < length; at += n) {
        n = length - at < PIECE ? length - at : PIECE;
        mspwh_extract_feed(&extract, text + at, n);
    }

    error = mspwh_extract_finish(&extract);
    said = error ? mspwh_json_strerror(error) : "ok";

    if (error == MSPWH_JSON_OK) {
        wrong = mspwh_event_read(&event, &extract, plan);
        said = wrong ? mspwh_event_strerror(wrong) : said;
        mspwh_event_cleanup(&event);
    }

    mspwh_extract_cleanup(&extract);

    return said;
}


int
main(int argc, char *argv[])
{
    int                   all;
    long                  i, count;
    char                 *text;
    double                start;
    size_t                length;
    const char           *said;
    mspwh_event_plan_t   *plan;

    if (argc != 4) {
        fprintf(stderr, "usage: parser file count event|all\n");
        return 2;
    }

    text = read_file(argv[1], &length);
    count = atol(argv[2]);
    all = (strcmp(argv[3], "all") == 0);
    plan = mspwh_event_plan(NULL);

    if (text == NULL || plan == NULL) {
        fprintf(stderr, "parser: \"%s\" cannot be read\n", argv[1]);
        return 1;
    }

    said = "ok";
    start = cpu_time();

    for (i = 0; i < count; i++) {
        said = all ? scan_all(text, length) : scan_event(plan, text, length);
    }

    printf("%.0f %s\n", (cpu_time() - start) / count, said);

    mspwh_event_plan_free(plan);
    free(text);

    return 0;
}
