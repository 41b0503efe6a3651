
/*
 * The entry points of the module, in the order in which a request meets them:
 *
 *     server rewrite phase    ngx_http_mspwh_early_handler()
 *     precontent phase        ngx_http_mspwh_handler()
 *     request body filter     ngx_http_mspwh_body_filter()
 *     end of the body         ngx_http_mspwh_body_handler()
 *     precontent phase        ngx_http_mspwh_handler(), once more
 *     content phase           the handler of mspwh_spool or mspwh_status
 *     header filter           ngx_http_mspwh_header_filter()
 *     log phase               ngx_http_mspwh_log_handler()
 */


#include "ngx_http_mspwh_request.h"
#include "ngx_http_mspwh_answer.h"
#include "ngx_http_mspwh_buffered.h"
#include "ngx_http_mspwh_counters.h"
#include "ngx_http_mspwh_dedup.h"
#include "ngx_http_mspwh_recent.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_spool.h"
#include "ngx_http_mspwh_trust.h"
#include "ngx_http_mspwh_unread.h"


#if (NGX_HTTP_MSPWH_EARLY_READ)
static ngx_int_t ngx_http_mspwh_early_handler(ngx_http_request_t *r);
#endif
static ngx_int_t ngx_http_mspwh_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_verify(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_end_reading(ngx_http_mspwh_ctx_t *ctx);
static ngx_int_t ngx_http_mspwh_get_body(ngx_http_mspwh_verification_t *v);
static ngx_int_t ngx_http_mspwh_read_body(ngx_http_mspwh_verification_t *v);
static ngx_int_t ngx_http_mspwh_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static void ngx_http_mspwh_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_log_handler(ngx_http_request_t *r);
static void ngx_http_mspwh_warn_unchecked(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf);


static ngx_http_request_body_filter_pt   ngx_http_mspwh_next_body_filter;
static ngx_http_output_header_filter_pt  ngx_http_mspwh_next_header_filter;


#if (NGX_HTTP_MSPWH_EARLY_READ)

/*
 * With client_body_early_read, nginx reads the body before it chooses a
 * location.  The body is verified under the server's settings, so that the
 * variables can choose the location.
 */

static ngx_int_t
ngx_http_mspwh_early_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (!mlcf->checked || r != r->main || r->internal) {
        return NGX_DECLINED;
    }

    /* a request without a body, such as for the status, can wait */

    if (r->request_body == NULL
        || (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked))
    {
        return NGX_DECLINED;
    }

    rc = ngx_http_mspwh_verify(r, mlcf);

    if (rc != NGX_OK) {
        return (rc == NGX_AGAIN) ? NGX_DONE : rc;
    }

    return ngx_http_mspwh_answer_rejected(ngx_http_mspwh_get_ctx(r), mlcf);
}

#endif


static ngx_int_t
ngx_http_mspwh_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_mspwh_ctx_t       *ctx;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (!mlcf->checked) {
        return NGX_DECLINED;
    }

    rc = ngx_http_mspwh_verify(r, mlcf);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_mspwh_get_ctx(r);

    if (ctx->received == 0) {
        ctx->received = ngx_current_msec;
    }

    return ngx_http_mspwh_answer(ctx, mlcf);
}


/*
 * Returns NGX_OK if the context has a verification that has ended;
 * NGX_DECLINED if none is needed; NGX_DONE while the body is being read,
 * NGX_AGAIN while a buffered one is being fed; or the status of a failure.
 */

static ngx_int_t
ngx_http_mspwh_verify(ngx_http_request_t *r, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_trust_e          trust;
    ngx_http_mspwh_verification_t  *v;

    ctx = ngx_http_mspwh_get_ctx(r);

    if (ctx != NULL && ngx_http_mspwh_end_reading(ctx) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    trust = ngx_http_mspwh_trust(r, mlcf, &v);

    if (trust == NGX_HTTP_MSPWH_TRUST_ACCESS) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_mspwh_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_mspwh_set_webhook(ctx, mlcf);

    if (trust == NGX_HTTP_MSPWH_TRUST_KNOWN) {
        ctx->verification = v;
        return NGX_OK;
    }

    v = ngx_http_mspwh_add_verification(ctx, mlcf);
    if (v == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return (ngx_http_mspwh_start(v) == NGX_OK) ? ngx_http_mspwh_get_body(v)
                                               : NGX_OK;
}


/*
 * A request comes here while its body is being read only if the client did not
 * send all of it, and error_page led here.  While a body is being fed in
 * steps, the request waits for the end.
 */

static ngx_int_t
ngx_http_mspwh_end_reading(ngx_http_mspwh_ctx_t *ctx)
{
    ngx_http_mspwh_verification_t  *v;

    v = ctx->verification;

    if (v == NULL || v->request != ctx->request) {
        return NGX_OK;
    }

    if (v->state == NGX_HTTP_MSPWH_READING) {
        ngx_http_mspwh_decide_unread(v, NGX_HTTP_MSPWH_BODY_INCOMPLETE);
    }

    return (v->state == NGX_HTTP_MSPWH_STEPPING) ? NGX_AGAIN : NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_get_body(ngx_http_mspwh_verification_t *v)
{
    ngx_http_request_t     *r;
    ngx_http_mspwh_body_e   owner;

    r = v->request;
    owner = ngx_http_mspwh_whose_body(r);

    /* a subrequest may need the file after the main request is answered */

    r->main->preserve_body = 1;

    /* a missing body is not an empty one, which can be signed */

    if (r->main->reading_body || ngx_http_mspwh_is_discarded(r->main)
        || owner == NGX_HTTP_MSPWH_BODY_NONE)
    {
        ngx_http_mspwh_decide_unread(v, NGX_HTTP_MSPWH_BODY_GONE);
        return NGX_OK;
    }

    if (r == r->main && r->request_body == NULL) {
        return ngx_http_mspwh_read_body(v);
    }

    /* the filter has not seen this body, or not under these secrets */

    if (r->request_body != NULL && r->request_body->rest > 0) {

        /* another module failed to read all of it */

        ngx_http_mspwh_decide_unread(v, NGX_HTTP_MSPWH_BODY_INCOMPLETE);
        return NGX_OK;
    }

    if (owner == NGX_HTTP_MSPWH_BODY_MAIN && ngx_http_mspwh_is_taken(r->main))
    {
        ngx_http_mspwh_decide_unread(v, NGX_HTTP_MSPWH_BODY_GONE);
        return NGX_OK;
    }

    return ngx_http_mspwh_feed_buffered(v);
}


static ngx_int_t
ngx_http_mspwh_read_body(ngx_http_mspwh_verification_t *v)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = v->request;
    v->state = NGX_HTTP_MSPWH_READING;

    ngx_http_mspwh_keep_body_file(r);

    rc = ngx_http_read_client_request_body(r, ngx_http_mspwh_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {

        if (rc >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
            ngx_http_mspwh_fail(v);
        }

        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_mspwh_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t                       rc;
    ngx_chain_t                    *cl;
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_verification_t  *v;

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);
    v = (ctx != NULL) ? ctx->verification : NULL;

    if (v == NULL || v->state != NGX_HTTP_MSPWH_READING || v->request != r) {
        return ngx_http_mspwh_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        if (ngx_http_mspwh_feed(v, cl->buf->pos, cl->buf->last - cl->buf->pos)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    rc = ngx_http_mspwh_next_body_filter(r, in);

    /* no memory, or a full disk: final, wherever error_page leads */

    if (rc == NGX_ERROR || rc >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        ngx_http_mspwh_fail(v);
    }

    return rc;
}


static void
ngx_http_mspwh_body_handler(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_verification_t  *v;

    ctx = ngx_http_mspwh_get_ctx(r);
    v = (ctx != NULL) ? ctx->verification : NULL;

    if (v != NULL && v->state == NGX_HTTP_MSPWH_READING) {
        ngx_http_mspwh_describe_body(r, &v->body);

        /* a body filter that runs after this one has changed the body */

        if (v->body.size != v->size) {
            ngx_http_mspwh_decide_unread(v, NGX_HTTP_MSPWH_BODY_GONE);

        } else {
            ngx_http_mspwh_decide(v);
        }
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static ngx_int_t
ngx_http_mspwh_header_filter(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t  *ctx;

    if (r == r->main) {
        ctx = ngx_http_mspwh_get_ctx(r);

        if (ctx != NULL) {
            ctx->answered = ngx_current_msec;

            if (ctx->keepalive) {
                r->keepalive = 1;
            }

            ngx_http_mspwh_settle(r);
            ngx_http_mspwh_show_verdict(ctx);
        }
    }

    return ngx_http_mspwh_next_header_filter(r);
}


static ngx_int_t
ngx_http_mspwh_log_handler(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t        *ctx;
    ngx_http_mspwh_outcome_t     outcome;
    ngx_http_mspwh_loc_conf_t   *mlcf;

    if (r != r->main) {
        return NGX_OK;
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);
    ctx = ngx_http_mspwh_get_ctx(r);

    if (ctx != NULL || mlcf->checked) {
        ngx_http_mspwh_find_outcome(r, ctx, &outcome);
        ngx_http_mspwh_count(&outcome);
        ngx_http_mspwh_remember(&outcome);
    }

    if (ctx == NULL && mlcf->checked) {
        ngx_http_mspwh_warn_unchecked(r, mlcf);
    }

    return NGX_OK;
}


/* "return" or another module has answered: an event is lost */

static void
ngx_http_mspwh_warn_unchecked(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t      status;
    static time_t   last;

    status = r->err_status ? r->err_status : r->headers_out.status;

    if (mlcf->enable != NGX_HTTP_MSPWH_ON
        || status < NGX_HTTP_OK || status >= NGX_HTTP_BAD_REQUEST
        || (last != 0 && ngx_time() - last < NGX_HTTP_MSPWH_NOTICE_INTERVAL)
        || ngx_http_mspwh_find_header(&r->headers_in.headers, &mlcf->header)
           == NULL)
    {
        return;
    }

    last = ngx_time();

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "mspwh: a request with a signature was answered %ui before "
                  "it was checked, and is lost: \"return\" or another module "
                  "answers where \"mspwh\" is \"on\"", status);
}


ngx_int_t
ngx_http_mspwh_init_doors(ngx_conf_t *cf)
{
    ngx_http_handler_pt         *h;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_mspwh_main_conf_t  *mmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

#if (NGX_HTTP_MSPWH_EARLY_READ)

    /* runs before the rewrite module */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_mspwh_early_handler;

#endif

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_mspwh_handler;

    if (mmcf->counted) {
        h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_mspwh_log_handler;
    }

    ngx_http_mspwh_next_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_mspwh_body_filter;

    ngx_http_mspwh_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_mspwh_header_filter;

    return NGX_OK;
}


ngx_int_t
ngx_http_mspwh_find_check_phase(ngx_cycle_t *cycle)
{
    ngx_http_phase_handler_t    *ph;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_mspwh_main_conf_t  *mmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);
    mmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_mspwh_module);

    /* the configuration may have no "http" block */

    if (cmcf == NULL || mmcf == NULL) {
        return NGX_OK;
    }

    for (ph = cmcf->phase_engine.handlers; ph->checker; ph++) {
        if (ph->handler == ngx_http_mspwh_handler) {
            mmcf->check_phase = ph - cmcf->phase_engine.handlers;
            break;
        }
    }

    return NGX_OK;
}
