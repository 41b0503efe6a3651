
#include "ngx_http_mspwh_module.h"


static ngx_http_mspwh_ctx_t *ngx_http_mspwh_find_ctx(ngx_http_request_t *r,
    ngx_http_request_t *owner);
static void ngx_http_mspwh_cleanup(void *data);


/*
 * The context of the request, or else of the main one.  An internal redirect
 * resets it, but it can still be found among the pool's cleanups.
 */

ngx_http_mspwh_ctx_t *
ngx_http_mspwh_get_ctx(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    ctx = ngx_http_mspwh_find_ctx(r, r);

    if (ctx == NULL && r != r->main) {
        ctx = ngx_http_mspwh_find_ctx(r, r->main);
    }

    if (ctx != NULL) {
        ngx_http_set_ctx(r, ctx, ngx_http_mspwh_module);
    }

    return ctx;
}


static ngx_http_mspwh_ctx_t *
ngx_http_mspwh_find_ctx(ngx_http_request_t *r, ngx_http_request_t *owner)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_mspwh_ctx_t  *ctx;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_mspwh_cleanup) {
            ctx = cln->data;

            if (ctx->request == owner) {
                return ctx;
            }
        }
    }

    return NULL;
}


ngx_http_mspwh_ctx_t *
ngx_http_mspwh_create_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_mspwh_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_mspwh_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;

    ngx_memzero(ctx, sizeof(ngx_http_mspwh_ctx_t));
    ctx->request = r;

    cln->handler = ngx_http_mspwh_cleanup;

    return ctx;
}


void
ngx_http_mspwh_drop_event(ngx_http_mspwh_ctx_t *ctx)
{
    mspwh_event_cleanup(&ctx->event);
    ctx->has_event = 0;
}


void
ngx_http_mspwh_release_ctx(ngx_http_mspwh_ctx_t *ctx)
{
    ngx_http_mspwh_stop_steps(ctx);
    ngx_http_mspwh_release_verifier(ctx);
    mspwh_scanner_cleanup(&ctx->scanner);
    ngx_http_mspwh_drop_event(ctx);

    ctx->verdict = NGX_HTTP_MSPWH_NONE;
    ctx->reason = NGX_HTTP_MSPWH_NO_REASON;
    ngx_str_null(&ctx->key_id);
    ctx->size = 0;
    ctx->reading = 0;
    ctx->failed = 0;
    ctx->keepalive = 0;
    ctx->monitor = 0;
}


static void
ngx_http_mspwh_cleanup(void *data)
{
    ngx_http_mspwh_release_ctx(data);
}
