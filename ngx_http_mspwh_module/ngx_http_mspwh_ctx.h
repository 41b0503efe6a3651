
/*
 * What the module knows about a request's body: its verifications, and the
 * context, which points to the one that counts for the request's location.
 *
 *     pool cleanup of the main request
 *         |
 *         v            next            next
 *       store --> verification --> verification      of one body, under one
 *         |           ^    ^           ^             set of secrets each
 *         |           |    |           |
 *         +-------> ctx   ctx         ctx            of the main request and
 *                                                    of each subrequest
 */


#ifndef _NGX_HTTP_MSPWH_CTX_H_INCLUDED_
#define _NGX_HTTP_MSPWH_CTX_H_INCLUDED_


#include "ngx_http_mspwh_reason.h"
#include "ngx_http_mspwh_secrets.h"


/*
 *     NEW --> READING ---> DECIDED
 *      |         |   \     ^
 *      |         v    \   /
 *      +--> STEPPING ---------> FAILED
 *
 * A verification that is decided, or has failed, never changes.  Until then,
 * only the request that feeds it changes it.
 */

typedef enum {
    NGX_HTTP_MSPWH_NEW = 0,

    /* nginx reads the body, and the body filter sees it */
    NGX_HTTP_MSPWH_READING,

    /* the body was read before, and is fed in steps */
    NGX_HTTP_MSPWH_STEPPING,

    NGX_HTTP_MSPWH_DECIDED,

    /* no memory, or no body: answered with 500 */
    NGX_HTTP_MSPWH_FAILED
} ngx_http_mspwh_state_e;


/* the end of a log line in monitor mode */
#define NGX_HTTP_MSPWH_LET_THROUGH  ", let through (monitor)"


/*
 * Identifies a body, to notice if a script replaces it.  A script may reuse
 * the same buffers and the same file, but sets the length each time.
 */

typedef struct {
    ngx_http_request_body_t        *request_body;
    ngx_chain_t                    *bufs;
    ngx_buf_tag_t                   tag;
    u_char                         *pos;
    u_char                         *file_name;
    u_char                         *length;
    off_t                           file_pos;
    off_t                           size;
} ngx_http_mspwh_body_t;


typedef struct ngx_http_mspwh_verification_s  ngx_http_mspwh_verification_t;

struct ngx_http_mspwh_verification_s {
    ngx_http_mspwh_verification_t  *next;
    ngx_http_mspwh_state_e          state;

    /* the request that feeds it */
    ngx_http_request_t             *request;
    ngx_http_mspwh_body_t           body;

    /* the settings of the location that it was created in */
    ngx_http_mspwh_secrets_t       *secrets;
    mspwh_event_plan_t             *plan;
    ngx_array_t                    *sets;
    ngx_str_t                       header;

    /* the event is parsed even if the signature is wrong */
    unsigned                        monitor:1;

    /* the result; NGX_HTTP_MSPWH_NO_REASON means "verified" */
    ngx_http_mspwh_reason_e         reason;
    ngx_http_mspwh_secret_t        *secret;     /* that matched, or NULL */
    off_t                           size;
    u_char                          digest[MSPWH_DIGEST_LENGTH];
    u_char                          delivery_id[2 * MSPWH_DIGEST_LENGTH];

    /* the values found in the body, until the end of the request */
    mspwh_extract_t                *extract;

    /* valid if "has_event"; unsigned if there is also a reason */
    mspwh_event_t                   event;
    ngx_str_t                       type_raw;
    ngx_str_t                       anomaly;
    unsigned                        has_event:1;

    /* the reason is extract->json.error */
    unsigned                        is_json_error:1;

    /* what has been logged about the reason */
    unsigned                        logged:1;
    unsigned                        let_through:1;

    /* only while it is fed */
    mspwh_verifier_t                verifier;

    /* in steps: the rest of the body */
    ngx_chain_t                    *rest;
    off_t                           offset;
    u_char                         *buffer;
    ngx_event_t                     step;
};


typedef struct ngx_http_mspwh_ctx_s  ngx_http_mspwh_ctx_t;

struct ngx_http_mspwh_ctx_s {
    ngx_http_mspwh_ctx_t           *next;
    ngx_http_request_t             *request;
    ngx_http_mspwh_verification_t  *verification;
    ngx_http_mspwh_verdict_e        verdict;
    ngx_http_mspwh_webhook_t       *webhook;

    /* milliseconds: when the body was complete, and when the answer came */
    ngx_msec_t                      received;
    ngx_msec_t                      answered;

    /* the status of the module's own answer to a verified event, or 0 */
    ngx_uint_t                      answer;

    /* the header of that answer, hidden in any other */
    ngx_table_elt_t                *shown;

    /* the location rejects nothing */
    unsigned                        monitor:1;

    unsigned                        keepalive:1;

    /* the module answered 401 or 400; the event is on disk, or in a stream */
    unsigned                        rejected:1;
    unsigned                        spooled:1;
    unsigned                        streamed:1;
};


typedef struct {
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_verification_t  *verifications;
} ngx_http_mspwh_store_t;


/*
 * Returns the request's own context, or NULL if there is none.
 */
ngx_http_mspwh_ctx_t *ngx_http_mspwh_get_ctx(ngx_http_request_t *r);

/*
 * Returns the context whose verdict a request shows: its own or, unless a
 * subrequest has a body of its own, the main request's.  Returns NULL if there
 * is none, or if the body is no longer the one that was verified.
 */
ngx_http_mspwh_ctx_t *ngx_http_mspwh_find_ctx(ngx_http_request_t *r);

/*
 * Returns the request's own context, which it creates if necessary, or NULL if
 * there is no memory.
 */
ngx_http_mspwh_ctx_t *ngx_http_mspwh_create_ctx(ngx_http_request_t *r);

/*
 * Returns what the main request and its subrequests share, or NULL if none of
 * them has a context.
 */
ngx_http_mspwh_store_t *ngx_http_mspwh_get_store(ngx_http_request_t *r);

/*
 * Adds a new verification and makes it the context's.  Returns NULL if there
 * is no memory.
 */
ngx_http_mspwh_verification_t *ngx_http_mspwh_add_verification(
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Releases whatever a verification needs only until it is decided or fails.
 */
void ngx_http_mspwh_stop_feeding(ngx_http_mspwh_verification_t *v);

/*
 * The only place that sets a verdict.
 */
void ngx_http_mspwh_set_verdict(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_verdict_e verdict);

/*
 * Prepares an answer of the module to a verified event: its status, and the
 * verdict for its header.  Returns NGX_ERROR if there is no memory.
 */
ngx_int_t ngx_http_mspwh_set_answer(ngx_http_mspwh_ctx_t *ctx,
    ngx_uint_t status, ngx_http_mspwh_verdict_e verdict);

/*
 * Returns the context's verification if it is decided, or NULL.
 */
ngx_http_mspwh_verification_t *ngx_http_mspwh_decided(
    ngx_http_mspwh_ctx_t *ctx);

/*
 * Returns the event that a location may show, which may be unsigned in monitor
 * mode, or NULL.
 */
mspwh_event_t *ngx_http_mspwh_event(ngx_http_mspwh_ctx_t *ctx);


/* whose body a request has */

typedef enum {
    NGX_HTTP_MSPWH_BODY_MAIN = 0,
    NGX_HTTP_MSPWH_BODY_OWN,
    NGX_HTTP_MSPWH_BODY_NONE
} ngx_http_mspwh_body_e;

/*
 * Returns whose body a request has; for the main request, always "MAIN".
 */
ngx_http_mspwh_body_e ngx_http_mspwh_whose_body(ngx_http_request_t *r);

/*
 * Describes the body that goes with a request: for a subrequest without one,
 * that of the main request.
 */
void ngx_http_mspwh_describe_body(ngx_http_request_t *r,
    ngx_http_mspwh_body_t *body);

/*
 * Returns whether two descriptions are of one body.
 */
ngx_uint_t ngx_http_mspwh_same_body(ngx_http_mspwh_body_t *one,
    ngx_http_mspwh_body_t *two);

/*
 * Returns the number of bytes that a reader gets from a buffer; if it is both
 * in memory and in a file, memory counts.
 */
#define ngx_http_mspwh_buf_size(b)                                            \
    (ngx_buf_in_memory(b) ? (off_t) ((b)->last - (b)->pos)                    \
                          : (b)->in_file ? (b)->file_last - (b)->file_pos : 0)


#endif /* _NGX_HTTP_MSPWH_CTX_H_INCLUDED_ */
