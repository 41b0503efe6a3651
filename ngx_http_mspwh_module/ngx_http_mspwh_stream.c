
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
#include "ngx_http_mspwh_stream_command.h"
#include "ngx_http_mspwh_stream_reply.h"
#include "ngx_http_mspwh_trust.h"


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

    /* a store may have said why before it, or the last server, was gone */

    if (append->refusal[0] && rc == NGX_HTTP_BAD_GATEWAY) {
        ngx_http_mspwh_stream_count_failure(append, append->cause);

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "mspwh: not streamed by \"%V\": %s",
                      r->upstream->peer.name, append->refusal);
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
