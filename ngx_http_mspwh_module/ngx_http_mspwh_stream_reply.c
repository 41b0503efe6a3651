
#include "ngx_http_mspwh_stream_reply.h"


static ngx_int_t ngx_http_mspwh_stream_element(
    ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_refused(
    ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_hello(ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_added(ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_done(ngx_http_mspwh_append_t *append);
static ngx_uint_t ngx_http_mspwh_stream_tries_next(
    ngx_http_mspwh_store_cause_e cause);
static ngx_int_t ngx_http_mspwh_stream_answer(ngx_http_request_t *r,
    ngx_uint_t status);


ngx_int_t
ngx_http_mspwh_stream_process_header(ngx_http_request_t *r)
{
    int                       found;
    ngx_int_t                 rc;
    const char               *p;
    ngx_http_upstream_t      *u;
    ngx_http_mspwh_append_t  *append;

    u = r->upstream;
    append = u->input_filter_ctx;

    p = (char *) u->buffer.pos;
    rc = NGX_AGAIN;

    do {
        found = ngx_http_mspwh_store_read(&append->resp, &p,
                                          (char *) u->buffer.last);

        if (found == 1) {
            rc = ngx_http_mspwh_stream_element(append);

        } else if (found == -1) {
            rc = ngx_http_mspwh_stream_failed(append,
                                              NGX_HTTP_MSPWH_STORE_PROTOCOL,
                                              "it does not speak RESP2");
        }

    } while (found == 1 && rc == NGX_AGAIN);

    /* nothing may follow the answers on a connection that is kept */

    u->keepalive = (rc == NGX_OK && (u_char *) p == u->buffer.last
                    && u->headers_in.status_n != NGX_HTTP_BAD_GATEWAY);

    u->buffer.pos = u->buffer.start;
    u->buffer.last = u->buffer.start;

    return rc;
}


/* returns NGX_AGAIN if more answers follow, or as process_header() */

static ngx_int_t
ngx_http_mspwh_stream_element(ngx_http_mspwh_append_t *append)
{
    u_char         text[NGX_INT64_LEN + sizeof(" replicas have it")];
    mspwh_resp_t  *resp;

    resp = &append->resp;

    if (append->state == NGX_HTTP_MSPWH_STREAM_HELLO) {
        return ngx_http_mspwh_stream_hello(append);
    }

    if (resp->type == MSPWH_RESP_ERROR) {
        return ngx_http_mspwh_stream_refused(append);
    }

    if (append->state == NGX_HTTP_MSPWH_STREAM_XADD
        && resp->type == MSPWH_RESP_STRING)
    {
        return ngx_http_mspwh_stream_added(append);
    }

    if (append->state != NGX_HTTP_MSPWH_STREAM_REPLICAS
        || resp->type != MSPWH_RESP_INTEGER)
    {
        return ngx_http_mspwh_stream_failed(append,
                                            NGX_HTTP_MSPWH_STORE_PROTOCOL,
                                            "an unexpected reply");
    }

    if (resp->number >= (int64_t) append->stream->replicas) {
        return ngx_http_mspwh_stream_done(append);
    }

    ngx_sprintf(text, "%L replicas have it%Z", resp->number);

    return ngx_http_mspwh_stream_failed(append, NGX_HTTP_MSPWH_STORE_REPLICAS,
                                        (char *) text);
}


/* if HELLO was refused, that is why, unless the server is the wrong one */

static ngx_int_t
ngx_http_mspwh_stream_refused(ngx_http_mspwh_append_t *append)
{
    ngx_http_mspwh_store_cause_e  cause;

    cause = ngx_http_mspwh_store_cause(&append->resp);

    return (append->refusal[0] && !ngx_http_mspwh_stream_tries_next(cause))
           ? ngx_http_mspwh_stream_failed(append, append->cause,
                                          (char *) append->refusal)
           : ngx_http_mspwh_stream_failed(append, cause, append->resp.text);
}


static ngx_int_t
ngx_http_mspwh_stream_hello(ngx_http_mspwh_append_t *append)
{
    ngx_int_t                      rc;
    mspwh_resp_t                  *resp;
    ngx_http_mspwh_store_cause_e   cause;

    resp = &append->resp;
    rc = ngx_http_mspwh_store_hello_element(&append->hello, resp, &cause);

    if (rc == NGX_ERROR && resp->type == MSPWH_RESP_ERROR && resp->last
        && !ngx_http_mspwh_store_is_elsewhere(cause))
    {
        append->state = NGX_HTTP_MSPWH_STREAM_XADD;
        append->cause = cause;
        ngx_cpystrn(append->refusal, (u_char *) resp->text,
                    sizeof(append->refusal));

        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR) {
        return ngx_http_mspwh_stream_failed(append, cause,
                                      resp->type == MSPWH_RESP_ERROR
                                      ? resp->text : "it is not a primary");
    }

    if (rc == NGX_OK) {
        append->state = NGX_HTTP_MSPWH_STREAM_XADD;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_mspwh_stream_added(ngx_http_mspwh_append_t *append)
{
    ngx_http_request_t  *r;

    r = append->request;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "mspwh: streamed: entry %s, body %O bytes",
                  append->resp.text, append->ctx->verification->size);

    if (append->refusal[0]) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "mspwh: streamed by \"%V\" as its default user: %s",
                      r->upstream->peer.name, append->refusal);

        append->refusal[0] = '\0';
    }

    append->state = NGX_HTTP_MSPWH_STREAM_REPLICAS;

    return append->stream->replicas ? NGX_AGAIN
                                    : ngx_http_mspwh_stream_done(append);
}


static ngx_int_t
ngx_http_mspwh_stream_done(ngx_http_mspwh_append_t *append)
{
    ngx_http_request_t               *r;
    ngx_http_mspwh_main_conf_t       *mmcf;
    ngx_http_mspwh_store_counters_t  *counters;

    r = append->request;

    append->ctx->streamed = 1;

    if (append->ctx->request == r) {
        append->ctx->answer = NGX_HTTP_ACCEPTED;
    }

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);
    counters = mmcf->store_counters;

    (void) ngx_atomic_fetch_add(&counters->stream_events, 1);
    (void) ngx_atomic_fetch_add(&counters->stream_bytes,
                        (ngx_atomic_int_t) append->ctx->verification->size);

    return ngx_http_mspwh_stream_answer(r, NGX_HTTP_ACCEPTED);
}


ngx_int_t
ngx_http_mspwh_stream_failed(ngx_http_mspwh_append_t *append,
    ngx_http_mspwh_store_cause_e cause, const char *text)
{
    ngx_uint_t           level, tries_next;
    ngx_http_request_t  *r;

    r = append->request;
    level = NGX_LOG_ERR;

    tries_next = append->state != NGX_HTTP_MSPWH_STREAM_REPLICAS
                 && ngx_http_mspwh_stream_tries_next(cause);

    /*
     * To meet a replica before the primary is nothing that failed, unless no
     * other server can be asked then: finalize_request() finds out.
     */

    if (tries_next && ngx_http_mspwh_store_is_elsewhere(cause)
        && r->upstream->peer.tries > 1)
    {
        level = NGX_LOG_INFO;
        append->cause = cause;
        ngx_cpystrn(append->refusal, (u_char *) text,
                    sizeof(append->refusal));

    } else {
        ngx_http_mspwh_stream_count_failure(append, cause);
    }

    ngx_log_error(level, r->connection->log, 0,
                  "mspwh: not streamed by \"%V\": %s",
                  r->upstream->peer.name, text);

    if (append->state == NGX_HTTP_MSPWH_STREAM_REPLICAS) {
        return ngx_http_mspwh_stream_answer(r, NGX_HTTP_GATEWAY_TIME_OUT);
    }

    return tries_next ? NGX_HTTP_UPSTREAM_INVALID_HEADER
                      : ngx_http_mspwh_stream_answer(r, NGX_HTTP_BAD_GATEWAY);
}


static ngx_uint_t
ngx_http_mspwh_stream_tries_next(ngx_http_mspwh_store_cause_e cause)
{
    return cause == NGX_HTTP_MSPWH_STORE_PROTOCOL
           || cause == NGX_HTTP_MSPWH_STORE_REPLICAS
           || ngx_http_mspwh_store_is_elsewhere(cause);
}


void
ngx_http_mspwh_stream_count_failure(ngx_http_mspwh_append_t *append,
    ngx_http_mspwh_store_cause_e cause)
{
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_get_module_main_conf(append->request,
                                         ngx_http_mspwh_module);

    (void) ngx_atomic_fetch_add(&mmcf->store_counters->stream_failures[cause],
                                1);

    append->failed = 1;
}


static ngx_int_t
ngx_http_mspwh_stream_answer(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    u->headers_in.status_n = status;
    u->headers_in.content_length_n = 0;
    u->state->status = status;

    return NGX_OK;
}
