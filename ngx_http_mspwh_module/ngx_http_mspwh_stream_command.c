
#include "ngx_http_mspwh_stream_command.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_webhook.h"

#include "mspwh_resp.h"


/* the fields of an entry, in their order; the body is the last */

enum {
    NGX_HTTP_MSPWH_STREAM_TYPE = 0,
    NGX_HTTP_MSPWH_STREAM_ENTITY,
    NGX_HTTP_MSPWH_STREAM_ENTITY_ID,
    NGX_HTTP_MSPWH_STREAM_TICKET_ID,
    NGX_HTTP_MSPWH_STREAM_WEBHOOK_NAME,
    NGX_HTTP_MSPWH_STREAM_DELIVERY_ID,
    NGX_HTTP_MSPWH_STREAM_KEY_ID,
    NGX_HTTP_MSPWH_STREAM_CONTENT_TYPE,
    NGX_HTTP_MSPWH_STREAM_SIGNATURE,
    NGX_HTTP_MSPWH_STREAM_RECEIVED,
    NGX_HTTP_MSPWH_STREAM_METHOD,
    NGX_HTTP_MSPWH_STREAM_URI,
    NGX_HTTP_MSPWH_STREAM_HOST,
    NGX_HTTP_MSPWH_STREAM_CONTENT_ENCODING,
    NGX_HTTP_MSPWH_STREAM_FIELDS
};


static ngx_str_t  ngx_http_mspwh_stream_names[] = {
    ngx_string("type"),
    ngx_string("entity"),
    ngx_string("entity_id"),
    ngx_string("ticket_id"),
    ngx_string("webhook"),
    ngx_string("delivery_id"),
    ngx_string("key_id"),
    ngx_string("content_type"),
    ngx_string("signature"),
    ngx_string("received"),
    ngx_string("method"),
    ngx_string("uri"),
    ngx_string("host"),
    ngx_string("content_encoding")
};


static ngx_int_t ngx_http_mspwh_stream_values(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_str_t *values);
static void ngx_http_mspwh_stream_event(mspwh_event_t *event,
    ngx_str_t *values);
static void ngx_http_mspwh_stream_headers(ngx_http_request_t *r,
    ngx_str_t *signature, ngx_str_t *values);
static ngx_int_t ngx_http_mspwh_stream_received(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_buf_t *ngx_http_mspwh_stream_head(ngx_http_request_t *r,
    ngx_str_t *key, ngx_str_t *values, off_t size);
static ngx_chain_t **ngx_http_mspwh_stream_body(ngx_http_request_t *r,
    ngx_chain_t **last);
static ngx_buf_t *ngx_http_mspwh_stream_tail(ngx_http_request_t *r,
    ngx_http_mspwh_stream_t *stream);
static ngx_chain_t **ngx_http_mspwh_stream_add(ngx_http_request_t *r,
    ngx_chain_t **last, ngx_buf_t *b);


ngx_int_t
ngx_http_mspwh_stream_find_key(ngx_http_request_t *r,
    ngx_http_mspwh_stream_t *stream, ngx_str_t *key)
{
    if (ngx_http_complex_value(r, &stream->key, key) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the same status as for a lost store: "error_page" takes the event */

    if (key->len == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "mspwh: not streamed: the value of \"key=\" is empty");
        return NGX_HTTP_BAD_GATEWAY;
    }

    return NGX_OK;
}


ngx_chain_t *
ngx_http_mspwh_stream_command(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_stream_t *stream, ngx_str_t *key)
{
    ngx_str_t     values[NGX_HTTP_MSPWH_STREAM_FIELDS];
    ngx_chain_t  *first, **last;

    ngx_memzero(values, sizeof(values));

    if (ngx_http_mspwh_stream_values(r, ctx, values) != NGX_OK) {
        return NULL;
    }

    first = NULL;
    last = &first;

    last = ngx_http_mspwh_stream_add(r, last,
                 ngx_http_mspwh_stream_head(r, key, values,
                                            ctx->verification->body.size));

    last = ngx_http_mspwh_stream_body(r, last);

    last = ngx_http_mspwh_stream_add(r, last,
                                     ngx_http_mspwh_stream_tail(r, stream));

    return last ? first : NULL;
}


static ngx_int_t
ngx_http_mspwh_stream_values(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_str_t *values)
{
    u_char                         *end;
    ngx_str_t                      *method;
    mspwh_event_t                  *event;
    ngx_http_mspwh_verification_t  *v;

    v = ctx->verification;
    event = ngx_http_mspwh_event(ctx);

    if (event != NULL) {
        ngx_http_mspwh_stream_event(event, values);
    }

    values[NGX_HTTP_MSPWH_STREAM_WEBHOOK_NAME]
        = *ngx_http_mspwh_webhook_name(r);
    values[NGX_HTTP_MSPWH_STREAM_DELIVERY_ID].data = v->delivery_id;
    values[NGX_HTTP_MSPWH_STREAM_DELIVERY_ID].len = sizeof(v->delivery_id);
    values[NGX_HTTP_MSPWH_STREAM_KEY_ID] = v->secret->id;
    values[NGX_HTTP_MSPWH_STREAM_URI] = r->unparsed_uri;

    /* not r->method_name, which is GET after an internal redirect */

    method = &values[NGX_HTTP_MSPWH_STREAM_METHOD];
    *method = r->request_line;

    end = ngx_strlchr(method->data, method->data + method->len, ' ');

    if (end != NULL) {
        method->len = end - method->data;
    }

    ngx_http_mspwh_stream_headers(r, &v->header, values);

    return ngx_http_mspwh_stream_received(r,
                                      &values[NGX_HTTP_MSPWH_STREAM_RECEIVED]);
}


static void
ngx_http_mspwh_stream_event(mspwh_event_t *event, ngx_str_t *values)
{
    ngx_uint_t   i;
    const char  *texts[4];

    texts[NGX_HTTP_MSPWH_STREAM_TYPE] = event->type;
    texts[NGX_HTTP_MSPWH_STREAM_ENTITY] = mspwh_event_entity(event->entity);
    texts[NGX_HTTP_MSPWH_STREAM_ENTITY_ID] = event->entity_id;
    texts[NGX_HTTP_MSPWH_STREAM_TICKET_ID] = event->ticket_id;

    for (i = 0; i <= NGX_HTTP_MSPWH_STREAM_TICKET_ID; i++) {
        values[i].data = (u_char *) texts[i];
        values[i].len = ngx_strlen(texts[i]);
    }
}


static void
ngx_http_mspwh_stream_headers(ngx_http_request_t *r, ngx_str_t *signature,
    ngx_str_t *values)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;
    ngx_str_t         names[] = {
        ngx_string("Content-Type"),
        ngx_string("Content-Encoding"),
        *signature
    };
    ngx_uint_t        fields[] = {
        NGX_HTTP_MSPWH_STREAM_CONTENT_TYPE,
        NGX_HTTP_MSPWH_STREAM_CONTENT_ENCODING,
        NGX_HTTP_MSPWH_STREAM_SIGNATURE
    };

    for (i = 0; i < 3; i++) {
        h = ngx_http_mspwh_find_header(&r->headers_in.headers, &names[i]);

        if (h != NULL) {
            values[fields[i]] = h->value;
        }
    }

    values[NGX_HTTP_MSPWH_STREAM_HOST] = ngx_http_mspwh_received_host(r);
}


/* RFC 3339, in UTC */

static ngx_int_t
ngx_http_mspwh_stream_received(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_tm_t  tm;

    value->data = ngx_pnalloc(r->pool, sizeof("2026-11-26T17:35:59.123Z"));
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    ngx_gmtime(r->start_sec, &tm);

    value->len = ngx_sprintf(value->data,
                             "%4d-%02d-%02dT%02d:%02d:%02d.%03MZ",
                             tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                             tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                             r->start_msec)
                 - value->data;

    return NGX_OK;
}


static ngx_buf_t *
ngx_http_mspwh_stream_head(ngx_http_request_t *r, ngx_str_t *key,
    ngx_str_t *values, off_t size)
{
    char        *p;
    size_t       len;
    ngx_buf_t   *b;
    ngx_str_t   *names;
    ngx_uint_t   i;

    names = ngx_http_mspwh_stream_names;

    len = MSPWH_RESP_HEAD + 3 * mspwh_resp_size(4) + mspwh_resp_size(key->len)
          + MSPWH_RESP_HEAD;

    for (i = 0; i < NGX_HTTP_MSPWH_STREAM_FIELDS; i++) {
        len += mspwh_resp_size(names[i].len) + mspwh_resp_size(values[i].len);
    }

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NULL;
    }

    p = mspwh_resp_array((char *) b->pos,
                         3 + 2 * (NGX_HTTP_MSPWH_STREAM_FIELDS + 1));
    p = mspwh_resp_string(p, "XADD", 4);
    p = mspwh_resp_string(p, key->data, key->len);
    p = mspwh_resp_string(p, "*", 1);

    for (i = 0; i < NGX_HTTP_MSPWH_STREAM_FIELDS; i++) {
        p = mspwh_resp_string(p, names[i].data, names[i].len);
        p = mspwh_resp_string(p, values[i].data, values[i].len);
    }

    p = mspwh_resp_string(p, "body", 4);
    p = mspwh_resp_length(p, (uint64_t) size);

    b->last = (u_char *) p;

    return b;
}


static ngx_chain_t **
ngx_http_mspwh_stream_body(ngx_http_request_t *r, ngx_chain_t **last)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    for (cl = r->request_body->bufs; cl && last; cl = cl->next) {

        b = ngx_alloc_buf(r->pool);

        if (b != NULL) {
            ngx_memcpy(b, cl->buf, sizeof(ngx_buf_t));
        }

        last = ngx_http_mspwh_stream_add(r, last, b);
    }

    return last;
}


static ngx_buf_t *
ngx_http_mspwh_stream_tail(ngx_http_request_t *r,
    ngx_http_mspwh_stream_t *stream)
{
    char       *p;
    u_char      number[NGX_INT64_LEN];
    ngx_buf_t  *b;

    b = ngx_create_temp_buf(r->pool, 2 + MSPWH_RESP_HEAD + mspwh_resp_size(4)
                                     + 2 * mspwh_resp_size(NGX_INT64_LEN));
    if (b == NULL) {
        return NULL;
    }

    p = mspwh_resp_end((char *) b->pos);

    if (stream->replicas > 0) {
        p = mspwh_resp_array(p, 3);
        p = mspwh_resp_string(p, "WAIT", 4);
        p = mspwh_resp_string(p, number,
                     ngx_sprintf(number, "%ui", stream->replicas) - number);
        p = mspwh_resp_string(p, number,
                     ngx_sprintf(number, "%M", stream->wait) - number);
    }

    b->last = (u_char *) p;

    /* otherwise TLS would keep the last bytes until more follow */

    b->flush = 1;

    return b;
}


/* a NULL, for lack of memory, is passed on through all calls */

static ngx_chain_t **
ngx_http_mspwh_stream_add(ngx_http_request_t *r, ngx_chain_t **last,
    ngx_buf_t *b)
{
    ngx_chain_t  *cl;

    if (last == NULL || b == NULL) {
        return NULL;
    }

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;
    *last = cl;

    return &cl->next;
}
