
/*
 * mspwh-inspect: judges one saved event as the module does, and tells what may
 * be wrong with it.
 */


#ifndef _INSPECT_H_INCLUDED_
#define _INSPECT_H_INCLUDED_


#include <stdio.h>

#include "mspwh_reason.h"
#include "mspwh_signature.h"


#define INSPECT_NO_MATCH  (-1)

#define inspect_verdict(name, word)  INSPECT_VERDICT_ ## name,

typedef enum {
    INSPECT_VERDICT_NONE = 0,
    MSPWH_VERDICTS(inspect_verdict)
    INSPECT_VERDICTS
} inspect_verdict_e;

#undef inspect_verdict


#define inspect_reason(name, verdict, metric, words)  INSPECT_ ## name,
#define inspect_json_reason(name, metric, words)  INSPECT_JSON_ ## name,
#define inspect_event_reason(name, metric, words)  INSPECT_EVENT_ ## name,

typedef enum {
    INSPECT_NO_REASON = 0,
    MSPWH_REASONS(inspect_reason, inspect_json_reason, inspect_event_reason)
    INSPECT_REASONS
} inspect_reason_e;

#undef inspect_reason
#undef inspect_json_reason
#undef inspect_event_reason


typedef struct {
    inspect_verdict_e    verdict;
    const char          *name;
    const char          *words;
} inspect_reason_t;

/* indexed by the constants */
extern const char *const       inspect_verdicts[];
extern const inspect_reason_t  inspect_reasons[];


/* bytes, followed by a null that is not counted */

typedef struct {
    char                *data;
    size_t               length;
} inspect_text_t;


typedef struct {
    const char          *file;
    inspect_text_t       text;
} inspect_secret_t;


/* the input to judge */

typedef struct {
    inspect_text_t       body;

    unsigned             nsecrets;
    inspect_secret_t     secrets[MSPWH_SECRETS];

    /* the signature without the white space around it */
    int                  has_signature;
    int                  is_repeated;
    inspect_text_t       signature;

    mspwh_fields_t       fields;
} inspect_input_t;


typedef struct {
    /* the reason of the first check that fails, or none if "verified" */
    inspect_reason_e     reason;

    /* what is wrong with the body, even if the signature is wrong, too */
    inspect_reason_e     payload;

    /* the number of the secret that matches, or INSPECT_NO_MATCH */
    int                  secret;

    mspwh_event_plan_t  *plan;
    mspwh_extract_t      extract;

    /* valid if "payload" is INSPECT_NO_REASON */
    mspwh_event_t        event;
} inspect_result_t;


/*
 * Judges the input.  The body's JSON error is in result->extract.json.
 */
void inspect_judge(inspect_result_t *result, const inspect_input_t *input);
void inspect_cleanup(inspect_result_t *result);


/*
 * Returns a common mistake that explains why the signature was rejected, as a
 * text that the caller frees, or NULL.
 */
char *inspect_hint(const inspect_input_t *input);


/* a value in a document */

typedef struct {
    const char          *pointer;
    mspwh_json_type_e    type;
    uint64_t             offset;

    /* of a string or a number; see mspwh_json.h */
    const char          *text;
    size_t               length;
} inspect_value_t;

typedef void (*inspect_visit_pt)(void *data, const inspect_value_t *value);

/*
 * Visits, in order, all values of a JSON document that a pointer of the
 * configuration can lead to.  Ends the process if there is no memory.
 */
void inspect_walk(const void *document, size_t length, inspect_visit_pt visit,
    void *data);


/* Print the result. */
void inspect_print_text(const inspect_input_t *input,
    const inspect_result_t *result);
void inspect_print_json(const inspect_input_t *input,
    const inspect_result_t *result);


/* Like printf(): reports a wrong argument, and ends the process. */
#define inspect_usage(...)                                                    \
    do {                                                                      \
        fputs("mspwh-inspect: ", stderr);                                     \
        fprintf(stderr, __VA_ARGS__);                                         \
        inspect_see_help();                                                   \
    } while (0)

/* These end the process. */
void inspect_see_help(void) __attribute__((noreturn));
void inspect_no_memory(void) __attribute__((noreturn));

/* These end the process if there is no memory. */
void *inspect_alloc(size_t size);
void *inspect_realloc(void *p, size_t size);
inspect_text_t inspect_text(const void *data, size_t length);


#endif /* _INSPECT_H_INCLUDED_ */
