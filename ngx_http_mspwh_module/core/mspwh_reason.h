
/*
 * The verdicts, and the reasons for each one that rejects: the one table that
 * all enums, names and log messages are generated from.
 */


#ifndef _MSPWH_REASON_H_INCLUDED_
#define _MSPWH_REASON_H_INCLUDED_


#include "mspwh_event.h"


/* X(constant, name) */

#define MSPWH_VERDICTS(X)                                                     \
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

#define MSPWH_REASONS(X, JSON, EVENT)                                         \
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


#endif /* _MSPWH_REASON_H_INCLUDED_ */
