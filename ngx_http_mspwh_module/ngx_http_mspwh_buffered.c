
/*
 * A body that was read before, under other secrets or by another module:
 * fed in steps, with the worker's other events between them.
 */


#include "ngx_http_mspwh_module.h"


#define NGX_HTTP_MSPWH_STEP  65536


static ngx_int_t ngx_http_mspwh_feed_step(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static ngx_int_t ngx_http_mspwh_read_file(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, size_t size);
static void ngx_http_mspwh_next_step(ngx_event_t *ev);


/*
 * Returns NGX_OK where the whole body has been fed, NGX_AGAIN where the
 * phases will go on once it has, or NGX_ERROR.
 */

ngx_int_t
ngx_http_mspwh_feed_buffered(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    ctx->rest = r->request_body->bufs;
    ctx->offset = 0;

    rc = ngx_http_mspwh_feed_step(r, ctx);

    if (rc == NGX_AGAIN) {
        r->write_event_handler = ngx_http_request_empty_handler;

        ctx->step.handler = ngx_http_mspwh_next_step;
        ctx->step.data = ctx;
        ctx->step.log = r->connection->log;

        ngx_add_timer(&ctx->step, NGX_HTTP_MSPWH_KEEP_WORKER);
        ngx_post_event(&ctx->step, &ngx_posted_next_events);
    }

    return rc;
}


static void
ngx_http_mspwh_next_step(ngx_event_t *ev)
{
    ngx_int_t              rc;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_mspwh_feed_step(r, ctx);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    ngx_http_mspwh_stop_steps(ctx);

    ngx_http_mspwh_finish(r, ctx, rc);

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_mspwh_stop_steps(ngx_http_mspwh_ctx_t *ctx)
{
    if (ctx->step.timer_set) {
        ngx_del_timer(&ctx->step);
    }

    if (ctx->step.posted) {
        ngx_delete_posted_event(&ctx->step);
    }
}


static ngx_int_t
ngx_http_mspwh_feed_step(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    off_t       left;
    size_t      size;
    ngx_buf_t  *b;

    for (size = NGX_HTTP_MSPWH_STEP; ctx->rest && size > 0; /* void */ ) {

        b = ctx->rest->buf;
        left = ngx_buf_size(b) - ctx->offset;

        if (left == 0) {
            ctx->rest = ctx->rest->next;
            ctx->offset = 0;
            continue;
        }

        if (left > (off_t) size) {
            left = size;
        }

        if (b->in_file) {
            if (ngx_http_mspwh_read_file(r, ctx, (size_t) left) != NGX_OK) {
                return NGX_ERROR;
            }

        } else if (ngx_http_mspwh_feed(ctx, b->pos + ctx->offset,
                                       (size_t) left)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }

        ctx->offset += left;
        size -= (size_t) left;
    }

    return ctx->rest ? NGX_AGAIN : NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_read_file(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    size_t size)
{
    ssize_t     n;
    ngx_buf_t  *b;

    b = ctx->rest->buf;

    if (ctx->buffer == NULL) {
        ctx->buffer = ngx_palloc(r->pool, NGX_HTTP_MSPWH_STEP);
        if (ctx->buffer == NULL) {
            return NGX_ERROR;
        }
    }

    n = ngx_read_file(b->file, ctx->buffer, size, b->file_pos + ctx->offset);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if ((size_t) n != size) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: the request body's file \"%V\" "
                      "has been truncated", &b->file->name);
        return NGX_ERROR;
    }

    return ngx_http_mspwh_feed(ctx, ctx->buffer, size);
}
