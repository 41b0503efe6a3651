
/*
 * What became of a request that has ended: determined once, for the counters
 * and for the recent deliveries.
 */


#ifndef _NGX_HTTP_MSPWH_OUTCOME_H_INCLUDED_
#define _NGX_HTTP_MSPWH_OUTCOME_H_INCLUDED_


#include "ngx_http_mspwh_zone.h"


typedef struct {
    ngx_http_request_t             *request;
    ngx_http_mspwh_webhook_t       *webhook;

    /* may be NULL; so may the verification, if there is no verdict */
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_verification_t  *verification;
    ngx_http_mspwh_verdict_e        verdict;

    /* of the answer, or 0 */
    ngx_uint_t                      status;

    /* of a request without a verdict, and of a verified event */
    ngx_uint_t                      cause;
    ngx_uint_t                      class;

    /* the last upstream that was asked, or NULL */
    ngx_http_upstream_state_t      *upstream;
} ngx_http_mspwh_outcome_t;


/*
 * Finds the outcome; the context may be NULL.
 */
void ngx_http_mspwh_find_outcome(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_outcome_t *outcome);

/*
 * Returns whether an upstream has answered, with any status.
 */
#define ngx_http_mspwh_upstream_answered(state)                               \
    ((state)->header_time != (ngx_msec_t) -1                                  \
     && (state)->status >= NGX_HTTP_OK && (state)->status <= 599)


#endif /* _NGX_HTTP_MSPWH_OUTCOME_H_INCLUDED_ */
