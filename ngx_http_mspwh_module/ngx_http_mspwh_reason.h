
/*
 * The verdicts, and the reasons for each one that rejects.
 */


#ifndef _NGX_HTTP_MSPWH_REASON_H_INCLUDED_
#define _NGX_HTTP_MSPWH_REASON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mspwh_event.h"
#include "mspwh_scanner.h"


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


/* X(constant, verdict, name in counters, words of the log) */

#define NGX_HTTP_MSPWH_REASON_TABLE(X)                                        \
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
    X(JSON_UNEXPECTED,    MALFORMED_PAYLOAD,    "json_unexpected",            \
      mspwh_scanner_strerror(MSPWH_SCANNER_UNEXPECTED))                       \
    X(JSON_UNFINISHED,    MALFORMED_PAYLOAD,    "json_unfinished",            \
      mspwh_scanner_strerror(MSPWH_SCANNER_UNFINISHED))                       \
    X(JSON_CONTROL,       MALFORMED_PAYLOAD,    "json_control",               \
      mspwh_scanner_strerror(MSPWH_SCANNER_CONTROL))                          \
    X(JSON_ESCAPE,        MALFORMED_PAYLOAD,    "json_escape",                \
      mspwh_scanner_strerror(MSPWH_SCANNER_ESCAPE))                           \
    X(JSON_UTF8,          MALFORMED_PAYLOAD,    "json_utf8",                  \
      mspwh_scanner_strerror(MSPWH_SCANNER_UTF8))                             \
    X(NESTED_TOO_DEEPLY,  MALFORMED_PAYLOAD,    "nested_too_deeply",          \
      mspwh_scanner_strerror(MSPWH_SCANNER_TOO_DEEP))                         \
    X(ENVELOPE_TOO_LARGE, MALFORMED_PAYLOAD,    "envelope_too_large",         \
      mspwh_scanner_strerror(MSPWH_SCANNER_TOO_LARGE))                        \
    X(NOT_OBJECT,         MALFORMED_PAYLOAD,    "not_object",                 \
      mspwh_event_strerror(MSPWH_EVENT_NOT_OBJECT))                           \
    X(NO_EVENT_TYPE,      MALFORMED_PAYLOAD,    "no_event_type",              \
      mspwh_event_strerror(MSPWH_EVENT_NO_TYPE))                              \
    X(NO_ENTITY_ID,       MALFORMED_PAYLOAD,    "no_entity_id",               \
      mspwh_event_strerror(MSPWH_EVENT_NO_ENTITY_ID))                         \
    X(NO_TICKET_ID,       MALFORMED_PAYLOAD,    "no_ticket_id",               \
      mspwh_event_strerror(MSPWH_EVENT_NO_TICKET_ID))                         \
    X(BAD_ENTITY_ID,      MALFORMED_PAYLOAD,    "bad_entity_id",              \
      mspwh_event_strerror(MSPWH_EVENT_BAD_ENTITY_ID))                        \
    X(BAD_TICKET_ID,      MALFORMED_PAYLOAD,    "bad_ticket_id",              \
      mspwh_event_strerror(MSPWH_EVENT_BAD_TICKET_ID))                        \
    X(AMBIGUOUS_FIELD,    MALFORMED_PAYLOAD,    "ambiguous_field",            \
      mspwh_event_strerror(MSPWH_EVENT_AMBIGUOUS))


#define NGX_HTTP_MSPWH_VERDICT_CONSTANT(constant, name)                       \
    NGX_HTTP_MSPWH_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_NONE = 0,
    NGX_HTTP_MSPWH_VERDICT_TABLE(NGX_HTTP_MSPWH_VERDICT_CONSTANT)
    NGX_HTTP_MSPWH_VERDICTS
} ngx_http_mspwh_verdict_e;


#define NGX_HTTP_MSPWH_REASON_CONSTANT(constant, verdict, name, words)        \
    NGX_HTTP_MSPWH_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_NO_REASON = 0,
    NGX_HTTP_MSPWH_REASON_TABLE(NGX_HTTP_MSPWH_REASON_CONSTANT)
    NGX_HTTP_MSPWH_REASONS
} ngx_http_mspwh_reason_e;


typedef struct {
    ngx_http_mspwh_verdict_e   verdict;
    ngx_str_t                  name;
} ngx_http_mspwh_reason_t;


/* by their constants; those of 0 are empty */

extern ngx_str_t                ngx_http_mspwh_verdicts[];
extern ngx_http_mspwh_reason_t  ngx_http_mspwh_reasons[];

/*
 * Returns a reason in words.
 */
const char *ngx_http_mspwh_reason_words(ngx_http_mspwh_reason_e reason);

/*
 * Return the reason for an error of the core that is not about memory.
 */
ngx_http_mspwh_reason_e ngx_http_mspwh_scanner_reason(
    mspwh_scanner_error_e error);
ngx_http_mspwh_reason_e ngx_http_mspwh_event_reason(mspwh_event_error_e error);


#endif /* _NGX_HTTP_MSPWH_REASON_H_INCLUDED_ */
