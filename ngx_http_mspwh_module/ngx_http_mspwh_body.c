
#include "ngx_http_mspwh_module.h"

#include <openssl/err.h>


#define NGX_HTTP_MSPWH_PIECE  16384


static ngx_int_t ngx_http_mspwh_decide(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static ngx_int_t ngx_http_mspwh_match(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static ngx_int_t ngx_http_mspwh_parse(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);


ngx_http_request_body_filter_pt  ngx_http_mspwh_next_body_filter;


ngx_int_t
ngx_http_mspwh_start(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t              i;
    ngx_http_mspwh_key_t   *key;
    ngx_http_mspwh_idle_t  *idle;

    mspwh_scanner_init(&ctx->scanner, mlcf->envelope_size,
                       mlcf->wanted ? &mlcf->wanted->scanner : NULL);

    if (mlcf->wanted == NULL) {
        ctx->scanner.ask = mspwh_event_ask;
    }

    if (mlcf->keys == NULL && ctx->reason == NGX_HTTP_MSPWH_NO_REASON) {
        ctx->reason = NGX_HTTP_MSPWH_NO_SECRET;
    }

    if (ctx->reason != NGX_HTTP_MSPWH_NO_REASON) {

        /* monitor mode: there is no HMAC to compare, the event is all */

        ctx->idle = NULL;
        return NGX_OK;
    }

    idle = mlcf->idle;
    ctx->idle = idle;

    if (idle != NULL && idle->nverifiers > 0) {
        ctx->verifier = idle->verifiers[--idle->nverifiers];
        return NGX_OK;
    }

    key = mlcf->keys->elts;

    for (i = 0; i < mlcf->keys->nelts; i++) {
        if (mspwh_verifier_add(&ctx->verifier, key[i].mac) != 0) {
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                          "mspwh: EVP_MAC_CTX_dup() failed");

            /* what is left in the queue, nginx takes for an error of TLS */

            ERR_clear_error();

            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_mspwh_release_verifier(ngx_http_mspwh_ctx_t *ctx)
{
    ngx_http_mspwh_idle_t  *idle;

    idle = ctx->idle;

    if (idle == NULL || ctx->verifier.nmacs != ctx->keys->nelts
        || idle->nverifiers == NGX_HTTP_MSPWH_IDLE
        || mspwh_verifier_reset(&ctx->verifier) != 0)
    {
        mspwh_verifier_cleanup(&ctx->verifier);
        ERR_clear_error();
        return;
    }

    idle->verifiers[idle->nverifiers++] = ctx->verifier;
    ctx->verifier.nmacs = 0;
}


ngx_int_t
ngx_http_mspwh_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t              rc;
    ngx_chain_t           *cl;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);

    if (ctx == NULL || !ctx->reading) {
        return ngx_http_mspwh_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        if (ngx_http_mspwh_feed(ctx, cl->buf->pos,
                                cl->buf->last - cl->buf->pos)
            != NGX_OK)
        {
            ctx->failed = 1;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    rc = ngx_http_mspwh_next_body_filter(r, in);

    /* no memory, or a full disk: wherever error_page leads to, it stays so */

    if (rc == NGX_ERROR || rc >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        ctx->failed = 1;
    }

    return rc;
}


ngx_int_t
ngx_http_mspwh_feed(ngx_http_mspwh_ctx_t *ctx, u_char *data, size_t len)
{
    size_t  n;

    /* a piece at a time, to be still in the cache when it is read again */

    for ( /* void */ ; len > 0; data += n, len -= n) {
        n = ngx_min(len, NGX_HTTP_MSPWH_PIECE);

        if (mspwh_verifier_update(&ctx->verifier, data, n) != 0) {
            ngx_log_error(NGX_LOG_CRIT, ctx->request->connection->log, 0,
                          "mspwh: EVP_MAC_update() failed");
            ERR_clear_error();
            return NGX_ERROR;
        }

        mspwh_scanner_feed(&ctx->scanner, data, n);
        ctx->size += n;
    }

    return NGX_OK;
}


void
ngx_http_mspwh_finish(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_int_t rc)
{
    if (rc != NGX_OK || ngx_http_mspwh_decide(r, ctx) != NGX_OK) {
        ngx_http_mspwh_release_ctx(ctx);
        ctx->failed = 1;
    }
}


/* the verdict, by the first check that fails */

static ngx_int_t
ngx_http_mspwh_decide(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    if (ctx->reason == NGX_HTTP_MSPWH_NO_REASON
        && ngx_http_mspwh_match(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* nothing is read out of what is not signed, except in monitor mode */

    if ((ctx->reason == NGX_HTTP_MSPWH_NO_REASON || ctx->monitor)
        && ngx_http_mspwh_parse(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    mspwh_scanner_cleanup(&ctx->scanner);

    if (ctx->reason == NGX_HTTP_MSPWH_NO_REASON) {
        ctx->verdict = NGX_HTTP_MSPWH_VERIFIED;

    } else {
        ngx_http_mspwh_reject(r, ctx, ctx->reason);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_match(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    int                    match;
    ngx_http_mspwh_key_t  *key;

    if (mspwh_verifier_final(&ctx->verifier, ctx->digest, &match) != 0) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: EVP_MAC_final() failed");
        ERR_clear_error();
        return NGX_ERROR;
    }

    ngx_http_mspwh_release_verifier(ctx);

    if (match == -1) {
        ctx->reason = NGX_HTTP_MSPWH_MISMATCH;
        return NGX_OK;
    }

    key = ctx->keys->elts;
    ctx->key_id = key[match].id;

    /* the digest is the body's own */

    ngx_hex_dump(ctx->delivery_id, ctx->digest, MSPWH_DIGEST_LENGTH);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_parse(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    mspwh_scanner_t            *scanner;
    mspwh_event_error_e         error;
    mspwh_scanner_error_e       syntax;
    ngx_http_mspwh_reason_e     reason;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    scanner = &ctx->scanner;
    reason = NGX_HTTP_MSPWH_NO_REASON;

    syntax = mspwh_scanner_finish(scanner);

    if (syntax == MSPWH_SCANNER_NO_MEMORY) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: no memory for the envelope");
        return NGX_ERROR;
    }

    if (syntax != MSPWH_SCANNER_OK) {
        reason = ngx_http_mspwh_scanner_reason(syntax);
        goto done;
    }

    error = mspwh_event_parse(&ctx->event, scanner->envelope, scanner->length,
                              mlcf->wanted ? &mlcf->wanted->fields : NULL);

    if (error == MSPWH_EVENT_NO_MEMORY) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: no memory for the event");
        return NGX_ERROR;
    }

    if (error != MSPWH_EVENT_OK) {
        reason = ngx_http_mspwh_event_reason(error);
        goto done;
    }

    if (ngx_http_mspwh_make_texts(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->has_event = 1;
    ctx->sets = mlcf->sets;

done:

    if (ctx->reason == NGX_HTTP_MSPWH_NO_REASON) {
        ctx->reason = reason;
    }

    return NGX_OK;
}
