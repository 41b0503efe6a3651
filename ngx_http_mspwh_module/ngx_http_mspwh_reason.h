
/*
 * The verdicts, and the reasons for each one that rejects.
 */


#ifndef _NGX_HTTP_MSPWH_REASON_H_INCLUDED_
#define _NGX_HTTP_MSPWH_REASON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mspwh_event.h"


/* X(constant, name) */

#define NGX_HTTP_MSPWH_VERDICT_TABLE(X)                                       \
    X(VERIFIED,             "verified")                                       \
    X(NO_SIGNATURE,         "no_signature")                                   \
    X(MALFORMED_SIGNATURE,  "malformed_signature")                            \
    X(BAD_SIGNATURE,        "bad_signature")                                  \
    X(MALFORMED_PAYLOAD,    "malformed_payload")                              \
    X(NOT_ACCEPTED,         "not_accepted")                                   \
    X(DUPLICATE,            "duplicate")                                      \
    X(IN_FLIGHT,            "in_flight")


/*
 * X(constant, verdict, name in counters, words of the log); JSON and EVENT
 * take the rows of the core's tables: (name, name in counters, words).
 */

#define NGX_HTTP_MSPWH_REASON_TABLE(X, JSON, EVENT)                           \
    X(HEADER_MISSING,     NO_SIGNATURE,         "header_missing",             \
      "there is no signature header")                                         \
    X(HEADER_REPEATED,    MALFORMED_SIGNATURE,  "header_repeated",            \
      "the signature header is repeated")                                     \
    X(HEADER_MALFORMED,   MALFORMED_SIGNATURE,  "header_malformed",           \
      "the signature header is not canonical Base64 of 32 bytes")             \
    X(NO_SECRET,          BAD_SIGNATURE,        "no_secret",                  \
      "there is no secret to verify it with")                                 \
    X(MISMATCH,           BAD_SIGNATURE,        "mismatch",                   \
      "the signature is of another body or secret")                           \
    X(BODY_GONE,          BAD_SIGNATURE,        "body_gone",                  \
      "the body is no longer there to be verified")                           \
    X(BODY_INCOMPLETE,    BAD_SIGNATURE,        "body_incomplete",            \
      "the body was not received whole")                                      \
    MSPWH_JSON_ERRORS(JSON)                                                   \
    MSPWH_EVENT_ERRORS(EVENT)


#define NGX_HTTP_MSPWH_VERDICT_CONSTANT(constant, name)                       \
    NGX_HTTP_MSPWH_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_NONE = 0,
    NGX_HTTP_MSPWH_VERDICT_TABLE(NGX_HTTP_MSPWH_VERDICT_CONSTANT)
    NGX_HTTP_MSPWH_VERDICTS
} ngx_http_mspwh_verdict_e;


#define NGX_HTTP_MSPWH_REASON_CONSTANT(constant, verdict, name, words)        \
    NGX_HTTP_MSPWH_ ## constant,
#define NGX_HTTP_MSPWH_JSON_CONSTANT(constant, name, words)                   \
    NGX_HTTP_MSPWH_JSON_ ## constant,
#define NGX_HTTP_MSPWH_EVENT_CONSTANT(constant, name, words)                  \
    NGX_HTTP_MSPWH_EVENT_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_NO_REASON = 0,
    NGX_HTTP_MSPWH_REASON_TABLE(NGX_HTTP_MSPWH_REASON_CONSTANT,
                                NGX_HTTP_MSPWH_JSON_CONSTANT,
                                NGX_HTTP_MSPWH_EVENT_CONSTANT)
    NGX_HTTP_MSPWH_REASONS
} ngx_http_mspwh_reason_e;


typedef struct {
    ngx_http_mspwh_verdict_e   verdict;
    ngx_str_t                  name;
    const char                *words;
} ngx_http_mspwh_reason_t;


/* by their constants; those of 0 are empty */

extern ngx_str_t                ngx_http_mspwh_verdicts[];
extern ngx_http_mspwh_reason_t  ngx_http_mspwh_reasons[];

/*
 * Return the reason for an error of the core that is not about memory.
 */
ngx_http_mspwh_reason_e ngx_http_mspwh_json_reason(mspwh_json_error_e error);
ngx_http_mspwh_reason_e ngx_http_mspwh_event_reason(mspwh_event_error_e error);


#endif /* _NGX_HTTP_MSPWH_REASON_H_INCLUDED_ */
