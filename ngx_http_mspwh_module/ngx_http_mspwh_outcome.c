
#include "ngx_http_mspwh_outcome.h"


static ngx_uint_t ngx_http_mspwh_cause(ngx_http_mspwh_outcome_t *outcome);
static ngx_http_upstream_state_t *ngx_http_mspwh_last_upstream(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_mspwh_class(ngx_http_mspwh_outcome_t *outcome);


void
ngx_http_mspwh_find_outcome(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_outcome_t *outcome)
{
    outcome->request = r;
    outcome->webhook = ngx_http_mspwh_get_webhook(r);
    outcome->ctx = ctx;
    outcome->verdict = (ctx != NULL) ? ctx->verdict : NGX_HTTP_MSPWH_NONE;
    outcome->verification = (outcome->verdict != NGX_HTTP_MSPWH_NONE)
                            ? ctx->verification : NULL;
    outcome->status = r->err_status ? r->err_status : r->headers_out.status;
    outcome->upstream = ngx_http_mspwh_last_upstream(r);

    /* requests that end with their HTTP/3 connection have no status */

    if (outcome->status == 0 && r->connection->read->error
        && outcome->verdict == NGX_HTTP_MSPWH_NONE)
    {
        outcome->status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }

    outcome->cause = ngx_http_mspwh_cause(outcome);
    outcome->class = ngx_http_mspwh_class(outcome);
}


static ngx_uint_t
ngx_http_mspwh_cause(ngx_http_mspwh_outcome_t *outcome)
{
    switch (outcome->status) {

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return NGX_HTTP_MSPWH_CAUSE_TOO_LARGE;

    case NGX_HTTP_REQUEST_TIME_OUT:
        return NGX_HTTP_MSPWH_CAUSE_TIMEOUT;

    case NGX_HTTP_BAD_REQUEST:
    case NGX_HTTP_CLIENT_CLOSED_REQUEST:
        return NGX_HTTP_MSPWH_CAUSE_CLIENT;

    default:
        return (outcome->ctx != NULL) ? NGX_HTTP_MSPWH_CAUSE_ERROR
                                      : NGX_HTTP_MSPWH_CAUSE_UNCHECKED;
    }
}


static ngx_http_upstream_state_t *
ngx_http_mspwh_last_upstream(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL) {
        return NULL;
    }

    state = r->upstream_states->elts;

    for (i = r->upstream_states->nelts; i > 0; i--) {

        /* nginx adds a state without a peer at an internal redirect */

        if (state[i - 1].peer != NULL) {
            return &state[i - 1];
        }
    }

    return NULL;
}


/* the class of the last upstream's answer */

static ngx_uint_t
ngx_http_mspwh_class(ngx_http_mspwh_outcome_t *outcome)
{
    ngx_http_request_t  *r;

    r = outcome->request;

    /* no header: nginx made up the 502 or 504 itself */

    if (outcome->upstream != NULL) {
        return ngx_http_mspwh_upstream_answered(outcome->upstream)
               ? NGX_HTTP_MSPWH_UPSTREAM_2XX
                 + outcome->upstream->status / 100 - 2
               : NGX_HTTP_MSPWH_UPSTREAM_NONE;
    }

    if ((r->upstream != NULL && !r->cached)
        || outcome->status == 0 || outcome->status >= NGX_HTTP_BAD_REQUEST)
    {
        return NGX_HTTP_MSPWH_UPSTREAM_NONE;
    }

    return NGX_HTTP_MSPWH_UPSTREAM_LOCAL;
}
