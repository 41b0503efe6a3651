
#include "ngx_http_mspwh_module.h"


static ngx_http_mspwh_reason_e ngx_http_mspwh_check_header(
    ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_read(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static void ngx_http_mspwh_body_handler(ngx_http_request_t *r);
static void ngx_http_mspwh_reject_unread(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_reason_e reason);
static ngx_int_t ngx_http_mspwh_answer(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);


ngx_int_t
ngx_http_mspwh_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_mspwh_ctx_t       *ctx;
    ngx_http_mspwh_loc_conf_t  *mlcf, *main_mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (!ngx_http_mspwh_is_checked(mlcf)) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_mspwh_get_ctx(r);

    if (ctx == NULL && r != r->main
        && (r->request_body == NULL || r->request_body->bufs == NULL))
    {
        /*
         * a subrequest with no body, such as auth_request's, of a request
         * that itself has yet to come here
         */

        main_mlcf = ngx_http_get_module_loc_conf(r->main,
                                                 ngx_http_mspwh_module);

        /* what is only monitored is not fit for a location that rejects */

        if (main_mlcf->enable == NGX_HTTP_MSPWH_ON
            || main_mlcf->enable == mlcf->enable)
        {
            return NGX_DECLINED;
        }
    }

    /*
     * with no secret, a verdict that others have led to cannot be bettered,
     * nor with any where the body could not be read
     */

    if (ctx == NULL
        || (mlcf->keys != NULL && !ctx->reading
            && !ngx_http_mspwh_same_keys(ctx->keys, mlcf->keys)))
    {
        rc = ngx_http_mspwh_verify(r, &ctx, mlcf);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_http_mspwh_answer(r, ctx, mlcf);
}


ngx_int_t
ngx_http_mspwh_verify(ngx_http_request_t *r, ngx_http_mspwh_ctx_t **ctxp,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_ctx_t     *ctx;
    ngx_http_mspwh_reason_e   reason;

    ctx = *ctxp;

    if (ctx == NULL || ctx->request != r) {
        ctx = ngx_http_mspwh_create_ctx(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        *ctxp = ctx;

    } else {
        ngx_http_mspwh_release_ctx(ctx);
    }

    ctx->keys = mlcf->keys;
    ctx->header = mlcf->header;
    ctx->monitor = (mlcf->enable == NGX_HTTP_MSPWH_MONITOR);
    ngx_http_set_ctx(r, ctx, ngx_http_mspwh_module);

    reason = ngx_http_mspwh_check_header(r, ctx, mlcf);

    if (reason != NGX_HTTP_MSPWH_NO_REASON && !ctx->monitor) {
        ngx_http_mspwh_reject(r, ctx, reason);
        return NGX_OK;
    }

    /* in monitor mode the body is read all the same, and may be an event */

    ctx->reason = reason;

    if (ngx_http_mspwh_start(r, ctx, mlcf) != NGX_OK) {
        ctx->failed = 1;
        return NGX_OK;
    }

    return ngx_http_mspwh_read(r, ctx);
}


static ngx_http_mspwh_reason_e
ngx_http_mspwh_check_header(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header, *signature;

    signature = NULL;
    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (!ngx_http_mspwh_is_field(&header[i], mlcf->header.data,
                                     mlcf->header.len))
        {
            continue;
        }

        if (signature != NULL) {
            return NGX_HTTP_MSPWH_HEADER_REPEATED;
        }

        signature = &header[i];
    }

    if (signature == NULL) {
        return NGX_HTTP_MSPWH_HEADER_MISSING;
    }

    if (mspwh_signature_decode((char *) signature->value.data,
                               signature->value.len, ctx->digest)
        != 0)
    {
        return NGX_HTTP_MSPWH_HEADER_MALFORMED;
    }

    return NGX_HTTP_MSPWH_NO_REASON;
}


static ngx_int_t
ngx_http_mspwh_read(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (r == r->main && r->request_body == NULL && !r->discard_body) {
        ctx->reading = 1;

        ngx_http_mspwh_keep_body_file(r);

        rc = ngx_http_read_client_request_body(r, ngx_http_mspwh_body_handler);
        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ctx->failed |= (rc >= NGX_HTTP_INTERNAL_SERVER_ERROR);
            return rc;
        }

        ngx_http_finalize_request(r, NGX_DONE);
        return NGX_DONE;
    }

    /* the filter has not seen this body, or not under these secrets */

    if (r->reading_body || r->discard_body) {
        ngx_http_mspwh_reject_unread(r, ctx, NGX_HTTP_MSPWH_BODY_GONE);
        return NGX_OK;
    }

    if (r->request_body != NULL && r->request_body->rest > 0) {

        /* another module has failed to read it all */

        ngx_http_mspwh_reject_unread(r, ctx, NGX_HTTP_MSPWH_BODY_INCOMPLETE);
        return NGX_OK;
    }

    rc = ngx_http_mspwh_feed_buffered(r, ctx);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_http_mspwh_finish(r, ctx, rc);

    return NGX_OK;
}


static void
ngx_http_mspwh_body_handler(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);

    ctx->reading = 0;

    ngx_http_mspwh_finish(r, ctx, NGX_OK);

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/* there is no whole body to come to a verdict by */

static void
ngx_http_mspwh_reject_unread(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_reason_e reason)
{
    if (ctx->reason != NGX_HTTP_MSPWH_NO_REASON) {
        reason = ctx->reason;
    }

    ngx_http_mspwh_release_verifier(ctx);
    mspwh_scanner_cleanup(&ctx->scanner);

    ctx->size = 0;

    ngx_http_mspwh_reject(r, ctx, reason);
}


/* what becomes of the request in this location, by its verdict */

static ngx_int_t
ngx_http_mspwh_answer(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_int_t  rc;

    rc = ngx_http_mspwh_refuse(r, ctx, mlcf);

    if (rc != NGX_DECLINED || ctx->reason != NGX_HTTP_MSPWH_NO_REASON) {
        return rc;
    }

    /* what another location does not accept, or has seen, this one may */

    rc = ngx_http_mspwh_check_accept(r, ctx, mlcf);

    return (rc == NGX_DECLINED) ? ngx_http_mspwh_check_dedup(r, ctx, mlcf)
                                : rc;
}


ngx_int_t
ngx_http_mspwh_refuse(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    if (ctx->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->verdict == NGX_HTTP_MSPWH_NONE) {

        /* the client did not send the body, and error_page led here */

        ctx->monitor = (mlcf->enable == NGX_HTTP_MSPWH_MONITOR);
        ngx_http_mspwh_reject_unread(r, ctx, NGX_HTTP_MSPWH_BODY_INCOMPLETE);
    }

    if (ctx->reason == NGX_HTTP_MSPWH_NO_REASON
        || mlcf->enable == NGX_HTTP_MSPWH_MONITOR)
    {
        return NGX_DECLINED;
    }

    if (ctx->monitor) {

        /* another location let it through, this one does not */

        ngx_http_mspwh_reject(r, ctx, ctx->reason);

        if (ctx->request == r) {
            ngx_http_mspwh_drop_event(ctx);
        }
    }

    if (ctx->verdict != NGX_HTTP_MSPWH_MALFORMED_PAYLOAD) {
        return ngx_http_mspwh_challenge(r);
    }

    if (mlcf->malformed == NGX_HTTP_MSPWH_PASS) {
        return NGX_DECLINED;
    }

    /* nginx would close the connection, though the body has been read */

    ctx->keepalive = r->keepalive;

    return NGX_HTTP_BAD_REQUEST;
}
