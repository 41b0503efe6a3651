
/*
 * What is sent to the store, and what it answers:
 *
 *     HELLO 2 [AUTH user password]   the role; only on a new connection
 *     XADD key * type ... body ...   the entry's id
 *     WAIT replicas milliseconds     the number of replicas that have it
 *
 * All of it is sent at once.  The sender gets 202 once the last answer is in.
 *
 * If HELLO is refused, say for a wrong password, the store may still carry out
 * XADD, as its default user.  So the answer to XADD decides: an event that is
 * wrongly reported as failed would come again, and be in the stream twice.
 */


#include "ngx_http_mspwh_stream.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_store_counters.h"
#include "ngx_http_mspwh_stream_command.h"
#include "ngx_http_mspwh_trust.h"


typedef enum {
    NGX_HTTP_MSPWH_STREAM_HELLO = 0,
    NGX_HTTP_MSPWH_STREAM_XADD,
    NGX_HTTP_MSPWH_STREAM_REPLICAS
} ngx_http_mspwh_stream_state_e;


typedef struct {
    ngx_http_request_t             *request;
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_stream_t        *stream;
    ngx_str_t                       key;

    /* the answer that is expected next */
    ngx_http_mspwh_stream_state_e   state;
    mspwh_resp_t                    resp;
    ngx_http_mspwh_hello_t          hello;

    /* why HELLO was refused, until XADD is answered */
    ngx_http_mspwh_store_cause_e    cause;
    u_char                          refusal[MSPWH_RESP_TEXT + 1];

    unsigned                        sending:1;
    unsigned                        failed:1;
} ngx_http_mspwh_append_t;


static void ngx_http_mspwh_stream_set_upstream(
    ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_create_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_stream_reinit_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_stream_output_filter(void *data,
    ngx_chain_t *in);
static ngx_int_t ngx_http_mspwh_stream_add_hello(
    ngx_http_mspwh_append_t *append, ngx_chain_t **in);
static ngx_uint_t ngx_http_mspwh_stream_knows(ngx_connection_t *c,
    ngx_http_mspwh_store_conf_t *store);
static void ngx_http_mspwh_stream_cleanup(void *data);
static ngx_int_t ngx_http_mspwh_stream_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_stream_element(
    ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_refused(
    ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_hello(ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_added(ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_done(ngx_http_mspwh_append_t *append);
static ngx_int_t ngx_http_mspwh_stream_failed(ngx_http_mspwh_append_t *append,
    ngx_http_mspwh_store_cause_e cause, const char *text);
static ngx_uint_t ngx_http_mspwh_stream_tries_next(
    ngx_http_mspwh_store_cause_e cause);
static void ngx_http_mspwh_stream_count_failure(
    ngx_http_mspwh_append_t *append, ngx_http_mspwh_store_cause_e cause);
static ngx_int_t ngx_http_mspwh_stream_answer(ngx_http_request_t *r,
    ngx_uint_t status);
static void ngx_http_mspwh_stream_abort_request(ngx_http_request_t *r);
static void ngx_http_mspwh_stream_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);
static ngx_int_t ngx_http_mspwh_stream_filter_init(void *data);
static ngx_int_t ngx_http_mspwh_stream_filter(void *data, ssize_t bytes);


ngx_int_t
ngx_http_mspwh_stream_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_mspwh_ctx_t       *ctx;
    ngx_http_mspwh_append_t    *append;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    ctx = ngx_http_mspwh_find_ctx(r);

    if (!ngx_http_mspwh_may_keep(r, ctx)) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "mspwh: not streamed: the request is not verified");
        return NGX_HTTP_FORBIDDEN;
    }

    ngx_http_mspwh_forget_error(r);

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    append = ngx_pcalloc(r->pool, sizeof(ngx_http_mspwh_append_t));

    if (append == NULL || ngx_http_upstream_create(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the status is set later, once the event is in the stream */

    if (ctx->request == r
        && ngx_http_mspwh_set_answer(ctx, 0, NGX_HTTP_MSPWH_VERIFIED)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    append->request = r;
    append->ctx = ctx;
    append->stream = mlcf->stream;

    rc = ngx_http_mspwh_stream_find_key(r, append->stream, &append->key);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_mspwh_stream_set_upstream(append);

    rc = ngx_http_read_client_request_body(r, ngx_http_upstream_init);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
ngx_http_mspwh_stream_set_upstream(ngx_http_mspwh_append_t *append)
{
    ngx_http_upstream_t  *u;

    u = append->request->upstream;

    u->conf = &append->stream->upstream;
#if (NGX_HTTP_SSL)
    u->ssl = (u->conf->ssl != NULL);
#endif
    ngx_str_set(&u->schema, "redis://");
    u->output.tag = (ngx_buf_tag_t) &ngx_http_mspwh_stream_handler;

    u->create_request = ngx_http_mspwh_stream_create_request;
    u->reinit_request = ngx_http_mspwh_stream_reinit_request;
    u->process_header = ngx_http_mspwh_stream_process_header;
    u->abort_request = ngx_http_mspwh_stream_abort_request;
    u->finalize_request = ngx_http_mspwh_stream_finalize_request;

    /* all handlers use "input_filter_ctx"; there is no body to filter */

    u->input_filter_init = ngx_http_mspwh_stream_filter_init;
    u->input_filter = ngx_http_mspwh_stream_filter;
    u->input_filter_ctx = append;
}


static ngx_int_t
ngx_http_mspwh_stream_create_request(ngx_http_request_t *r)
{
    ngx_http_upstream_t      *u;
    ngx_http_mspwh_append_t  *append;

    u = r->upstream;
    append = u->input_filter_ctx;

    u->request_bufs = ngx_http_mspwh_stream_command(r, append->ctx,
                                                    append->stream,
                                                    &append->key);
    if (u->request_bufs == NULL) {
        return NGX_ERROR;
    }

    u->output.output_filter = ngx_http_mspwh_stream_output_filter;
    u->output.filter_ctx = append;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_stream_reinit_request(ngx_http_request_t *r)
{
    ngx_http_mspwh_append_t  *append;

    append = r->upstream->input_filter_ctx;

    append->state = NGX_HTTP_MSPWH_STREAM_HELLO;
    append->sending = 0;
    append->failed = 0;
    append->refusal[0] = '\0';

    ngx_memzero(&append->resp, sizeof(mspwh_resp_t));
    ngx_memzero(&append->hello, sizeof(ngx_http_mspwh_hello_t));

    return NGX_OK;
}


/* adds HELLO only here: now it is known which connection is used */

static ngx_int_t
ngx_http_mspwh_stream_output_filter(void *data, ngx_chain_t *in)
{
    ngx_http_mspwh_append_t *append = data;

    ngx_http_core_loc_conf_t  *clcf;

    if (!append->sending) {
        append->sending = 1;

        /* otherwise Nagle's algorithm delays the end of a large event */

        clcf = ngx_http_get_module_loc_conf(append->request,
                                            ngx_http_core_module);
        if (clcf->tcp_nodelay) {
            (void) ngx_tcp_nodelay(append->request->upstream->peer.connection);
        }

        if (ngx_http_mspwh_stream_add_hello(append, &in) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_chain_writer(&append->request->upstream->writer, in);
}


static ngx_int_t
ngx_http_mspwh_stream_add_hello(ngx_http_mspwh_append_t *append,
    ngx_chain_t **in)
{
    ngx_chain_t                  *cl;
    ngx_connection_t             *c;
    ngx_pool_cleanup_t           *cln;
    ngx_http_mspwh_store_conf_t  *store;

    store = append->stream->store;
    c = append->request->upstream->peer.connection;

    if (ngx_http_mspwh_stream_knows(c, store)) {
        append->state = NGX_HTTP_MSPWH_STREAM_XADD;
        return NGX_OK;
    }

    cl = ngx_http_mspwh_chain(append->request, (char *) store->hello.data,
                              store->hello.len);
    cln = ngx_pool_cleanup_add(c->pool, 0);

    if (cl == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cl->next = *in;
    *in = cl;

    cln->handler = ngx_http_mspwh_stream_cleanup;
    cln->data = store;

    return NGX_OK;
}


/* the first such cleanup is the newest, of the last HELLO */

static ngx_uint_t
ngx_http_mspwh_stream_knows(ngx_connection_t *c,
    ngx_http_mspwh_store_conf_t *store)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = c->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_mspwh_stream_cleanup) {
            return cln->data == store;
        }
    }

    return 0;
}


/* does nothing: its presence marks a connection */

static void
ngx_http_mspwh_stream_cleanup(void *data)
{
    /* void */
}


static ngx_int_t
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


/*
 * If another server may do better, nginx tries the next one.  Otherwise this
 * server is well, and the answer is one that "error_page" can handle.
 */

static ngx_int_t
ngx_http_mspwh_stream_failed(ngx_http_mspwh_append_t *append,
    ngx_http_mspwh_store_cause_e cause, const char *text)
{
    ngx_uint_t           level, tries_next;
    ngx_http_request_t  *r;

    r = append->request;
    level = NGX_LOG_ERR;

    tries_next = append->state != NGX_HTTP_MSPWH_STREAM_REPLICAS
                 && ngx_http_mspwh_stream_tries_next(cause);

    /* to meet a replica before the primary is nothing that failed */

    if (tries_next && ngx_http_mspwh_store_is_elsewhere(cause)
        && r->upstream->peer.tries > 1)
    {
        level = NGX_LOG_INFO;

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


static void
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


static void
ngx_http_mspwh_stream_abort_request(ngx_http_request_t *r)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mspwh stream: abort");
}


static void
ngx_http_mspwh_stream_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_mspwh_append_t  *append;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mspwh stream: finalize %i", rc);

    append = r->upstream->input_filter_ctx;

    if (append->failed) {
        return;
    }

    /* a store that refuses a connection may say why, and then close it */

    if (append->refusal[0] && rc == NGX_HTTP_BAD_GATEWAY) {
        (void) ngx_http_mspwh_stream_failed(append, append->cause,
                                            (char *) append->refusal);
        return;
    }

    /* nginx has noticed and logged these failures itself */

    if (rc == NGX_HTTP_GATEWAY_TIME_OUT) {
        ngx_http_mspwh_stream_count_failure(append,
                                            NGX_HTTP_MSPWH_STORE_TIMEOUT);

    } else if (rc == NGX_HTTP_BAD_GATEWAY) {
        ngx_http_mspwh_stream_count_failure(append,
                                            append->sending
                                            ? NGX_HTTP_MSPWH_STORE_CLOSED
                                            : NGX_HTTP_MSPWH_STORE_CONNECT);
    }
}


static ngx_int_t
ngx_http_mspwh_stream_filter_init(void *data)
{
    ngx_http_mspwh_append_t *append = data;

    append->request->upstream->length = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_stream_filter(void *data, ssize_t bytes)
{
    return NGX_OK;
}
