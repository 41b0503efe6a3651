
#include "ngx_http_mspwh_buffered.h"


#define NGX_HTTP_MSPWH_STEP  65536


static ngx_int_t ngx_http_mspwh_feed_step(ngx_http_mspwh_verification_t *v);
static ngx_int_t ngx_http_mspwh_feed_file(ngx_http_mspwh_verification_t *v,
    size_t size);
static void ngx_http_mspwh_next_step(ngx_event_t *ev);


ngx_int_t
ngx_http_mspwh_feed_buffered(ngx_http_mspwh_verification_t *v)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = v->request;

    ngx_http_mspwh_describe_body(r, &v->body);

    v->state = NGX_HTTP_MSPWH_STEPPING;
    v->rest = v->body.bufs;

    rc = ngx_http_mspwh_feed_step(v);

    if (rc != NGX_AGAIN) {
        return NGX_OK;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mspwh feeds a buffered body of %O bytes in steps",
                   v->body.size);

    r->write_event_handler = ngx_http_request_empty_handler;

    v->step.handler = ngx_http_mspwh_next_step;
    v->step.data = v;
    v->step.log = r->connection->log;

    ngx_add_timer(&v->step, NGX_HTTP_MSPWH_KEEP_WORKER);
    ngx_post_event(&v->step, &ngx_posted_next_events);

    return NGX_AGAIN;
}


static void
ngx_http_mspwh_next_step(ngx_event_t *ev)
{
    ngx_connection_t               *c;
    ngx_http_request_t             *r;
    ngx_http_mspwh_verification_t  *v;

    v = ev->data;
    r = v->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ngx_http_mspwh_feed_step(v) == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


/* returns NGX_OK once the verification has ended, NGX_AGAIN before */

static ngx_int_t
ngx_http_mspwh_feed_step(ngx_http_mspwh_verification_t *v)
{
    off_t                   left;
    size_t                  size;
    ngx_int_t               rc;
    ngx_buf_t              *b;
    ngx_http_mspwh_body_t   body;

    /* a script can change the buffers between two steps */

    ngx_http_mspwh_describe_body(v->request, &body);

    if (!ngx_http_mspwh_same_body(&v->body, &body)) {
        ngx_http_mspwh_decide_unread(v, NGX_HTTP_MSPWH_BODY_GONE);
        return NGX_OK;
    }

    for (size = NGX_HTTP_MSPWH_STEP; v->rest && size > 0; /* void */ ) {

        b = v->rest->buf;
        left = ngx_http_mspwh_buf_size(b) - v->offset;

        if (left == 0) {
            v->rest = v->rest->next;
            v->offset = 0;
            continue;
        }

        if (left > (off_t) size) {
            left = size;
        }

        rc = ngx_buf_in_memory(b)
             ? ngx_http_mspwh_feed(v, b->pos + v->offset, (size_t) left)
             : ngx_http_mspwh_feed_file(v, (size_t) left);

        if (rc != NGX_OK) {
            ngx_http_mspwh_fail(v);
            return NGX_OK;
        }

        v->offset += left;
        size -= (size_t) left;
    }

    if (v->rest) {
        return NGX_AGAIN;
    }

    ngx_http_mspwh_decide(v);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_feed_file(ngx_http_mspwh_verification_t *v, size_t size)
{
    ssize_t     n;
    ngx_buf_t  *b;

    b = v->rest->buf;

    if (v->buffer == NULL) {
        v->buffer = ngx_palloc(v->request->pool, NGX_HTTP_MSPWH_STEP);
        if (v->buffer == NULL) {
            return NGX_ERROR;
        }
    }

    n = ngx_read_file(b->file, v->buffer, size, b->file_pos + v->offset);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if ((size_t) n != size) {
        ngx_log_error(NGX_LOG_CRIT, v->request->connection->log, 0,
                      "mspwh: the request body's file \"%V\" "
                      "has been truncated", &b->file->name);
        return NGX_ERROR;
    }

    return ngx_http_mspwh_feed(v, v->buffer, size);
}
