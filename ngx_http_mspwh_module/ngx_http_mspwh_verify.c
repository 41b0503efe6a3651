
#include "ngx_http_mspwh_verify.h"
#include "ngx_http_mspwh_response.h"
#include "mspwh_text.h"


#define NGX_HTTP_MSPWH_PIECE  16384


static ngx_int_t ngx_http_mspwh_init_extract(
    ngx_http_mspwh_verification_t *v);
static ngx_http_mspwh_reason_e ngx_http_mspwh_read_signature(
    ngx_http_mspwh_verification_t *v);
static void ngx_http_mspwh_record_reason(ngx_http_mspwh_verification_t *v,
    ngx_http_mspwh_reason_e reason);
static ngx_int_t ngx_http_mspwh_match(ngx_http_mspwh_verification_t *v);
static ngx_int_t ngx_http_mspwh_parse(ngx_http_mspwh_verification_t *v);
static ngx_int_t ngx_http_mspwh_make_texts(ngx_http_mspwh_verification_t *v);
static void ngx_http_mspwh_join_anomalies(u_char *p, mspwh_event_t *event,
    ngx_str_t *text);


ngx_int_t
ngx_http_mspwh_start(ngx_http_mspwh_verification_t *v)
{
    ngx_log_t  *log;

    log = v->request->connection->log;

    ngx_http_mspwh_record_reason(v, ngx_http_mspwh_read_signature(v));

    if (v->reason != NGX_HTTP_MSPWH_NO_REASON && !v->monitor) {
        ngx_http_mspwh_decide_unread(v, v->reason);
        return NGX_DONE;
    }

    /* in monitor mode the body is read in any case: it may be an event */

    if (ngx_http_mspwh_init_extract(v) != NGX_OK) {
        ngx_http_mspwh_fail(v);
        return NGX_ERROR;
    }

    if (v->secrets == NULL) {
        ngx_http_mspwh_record_reason(v, NGX_HTTP_MSPWH_NO_SECRET);
    }

    if (v->reason == NGX_HTTP_MSPWH_NO_REASON
        && ngx_http_mspwh_get_verifier(v->secrets, &v->verifier, log)
           != NGX_OK)
    {
        ngx_http_mspwh_fail(v);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* allocated separately: many verifications are decided without it */

static ngx_int_t
ngx_http_mspwh_init_extract(ngx_http_mspwh_verification_t *v)
{
    v->extract = ngx_palloc(v->request->pool, sizeof(mspwh_extract_t));
    if (v->extract == NULL) {
        return NGX_ERROR;
    }

    if (mspwh_extract_init(v->extract, v->plan->extract) != 0) {
        ngx_log_error(NGX_LOG_CRIT, v->request->connection->log, 0,
                      "mspwh: no memory for the event");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_http_mspwh_reason_e
ngx_http_mspwh_read_signature(ngx_http_mspwh_verification_t *v)
{
    ngx_str_t         value;
    ngx_table_elt_t  *header;

    header = ngx_http_mspwh_find_header(&v->request->headers_in.headers,
                                        &v->header);

    if (header == NULL) {
        return NGX_HTTP_MSPWH_HEADER_MISSING;
    }

    if (ngx_http_mspwh_is_repeated(&v->request->headers_in.headers, header)) {
        return NGX_HTTP_MSPWH_HEADER_REPEATED;
    }

    /* RFC 9110, section 5.5: white space around a value is not part of it */

    value = header->value;

    while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.len--;
    }

    while (value.len > 0 && (value.data[value.len - 1] == ' '
                             || value.data[value.len - 1] == '\t'))
    {
        value.len--;
    }

    if (mspwh_signature_decode((char *) value.data, value.len, v->digest)
        != 0)
    {
        return NGX_HTTP_MSPWH_HEADER_MALFORMED;
    }

    return NGX_HTTP_MSPWH_NO_REASON;
}


/* the first check that fails is the reason */

static void
ngx_http_mspwh_record_reason(ngx_http_mspwh_verification_t *v,
    ngx_http_mspwh_reason_e reason)
{
    if (v->reason == NGX_HTTP_MSPWH_NO_REASON) {
        v->reason = reason;
    }
}


ngx_int_t
ngx_http_mspwh_feed(ngx_http_mspwh_verification_t *v, u_char *data,
    size_t len)
{
    size_t  n;

    /* one piece at a time: it is still in the cache when it is parsed */

    for ( /* void */ ; len > 0; data += n, len -= n) {
        n = ngx_min(len, NGX_HTTP_MSPWH_PIECE);

        if (mspwh_verifier_update(&v->verifier, data, n) != 0) {
            ngx_log_error(NGX_LOG_CRIT, v->request->connection->log, 0,
                          "mspwh: EVP_MAC_update() failed");
            ngx_http_mspwh_fail(v);
            return NGX_ERROR;
        }

        mspwh_extract_feed(v->extract, data, n);
        v->size += n;
    }

    return NGX_OK;
}


void
ngx_http_mspwh_decide(ngx_http_mspwh_verification_t *v)
{
    if (v->reason == NGX_HTTP_MSPWH_NO_REASON
        && ngx_http_mspwh_match(v) != NGX_OK)
    {
        ngx_http_mspwh_fail(v);
        return;
    }

    /* an unsigned body is parsed in monitor mode only */

    if ((v->reason == NGX_HTTP_MSPWH_NO_REASON || v->monitor)
        && ngx_http_mspwh_parse(v) != NGX_OK)
    {
        ngx_http_mspwh_fail(v);
        return;
    }

    v->state = NGX_HTTP_MSPWH_DECIDED;

    ngx_http_mspwh_stop_feeding(v);

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, v->request->connection->log, 0,
                   "mspwh decided: \"%V\", body %O bytes, event:%d",
                   &ngx_http_mspwh_reasons[v->reason].name, v->size,
                   v->has_event);
}


void
ngx_http_mspwh_decide_unread(ngx_http_mspwh_verification_t *v,
    ngx_http_mspwh_reason_e reason)
{
    ngx_http_mspwh_record_reason(v, reason);

    v->state = NGX_HTTP_MSPWH_DECIDED;
    v->size = 0;

    ngx_http_mspwh_stop_feeding(v);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, v->request->connection->log, 0,
                   "mspwh decided unread: \"%V\"",
                   &ngx_http_mspwh_reasons[v->reason].name);
}


void
ngx_http_mspwh_fail(ngx_http_mspwh_verification_t *v)
{
    v->state = NGX_HTTP_MSPWH_FAILED;

    ngx_http_mspwh_stop_feeding(v);

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, v->request->connection->log, 0,
                   "mspwh verification failed");
}


static ngx_int_t
ngx_http_mspwh_match(ngx_http_mspwh_verification_t *v)
{
    int  match;

    if (mspwh_verifier_final(&v->verifier, v->digest, &match) != 0) {
        ngx_log_error(NGX_LOG_CRIT, v->request->connection->log, 0,
                      "mspwh: EVP_MAC_final() failed");
        return NGX_ERROR;
    }

    if (match == -1) {
        ngx_http_mspwh_record_reason(v, NGX_HTTP_MSPWH_MISMATCH);
        return NGX_OK;
    }

    v->secret = &v->secrets->elts[match];

    /* the signature matches, so the header's digest is the body's HMAC */

    ngx_hex_dump(v->delivery_id, v->digest, MSPWH_DIGEST_LENGTH);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_parse(ngx_http_mspwh_verification_t *v)
{
    mspwh_json_error_e   syntax;
    mspwh_event_error_e  error;

    syntax = mspwh_extract_finish(v->extract);

    if (syntax != MSPWH_JSON_OK) {
        v->is_json_error = (v->reason == NGX_HTTP_MSPWH_NO_REASON);
        ngx_http_mspwh_record_reason(v, ngx_http_mspwh_json_reason(syntax));
        return NGX_OK;
    }

    error = mspwh_event_read(&v->event, v->extract, v->plan);

    if (error == MSPWH_EVENT_NO_MEMORY) {
        ngx_log_error(NGX_LOG_CRIT, v->request->connection->log, 0,
                      "mspwh: no memory for the event");
        return NGX_ERROR;
    }

    if (error != MSPWH_EVENT_OK) {
        ngx_http_mspwh_record_reason(v, ngx_http_mspwh_event_reason(error));
        return NGX_OK;
    }

    v->has_event = 1;

    return ngx_http_mspwh_make_texts(v);
}


/*
 * Built in advance: a failed allocation in a get handler would look like an
 * empty value.
 */

static ngx_int_t
ngx_http_mspwh_make_texts(ngx_http_mspwh_verification_t *v)
{
    char           *p;
    size_t          raw, len;
    unsigned        i;
    mspwh_event_t  *event;

    event = &v->event;

    raw = ngx_strlen(event->type_raw);
    len = raw * 3;

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (event->anomalies & (1 << i)) {
            len += ngx_strlen(mspwh_event_anomaly(i)) + 1;
        }
    }

    p = ngx_pnalloc(v->request->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->type_raw.data = (u_char *) p;

    p = mspwh_text_escape(p, event->type_raw, raw);

    v->type_raw.len = (u_char *) p - v->type_raw.data;

    ngx_http_mspwh_join_anomalies((u_char *) p, event, &v->anomaly);

    return NGX_OK;
}


static void
ngx_http_mspwh_join_anomalies(u_char *p, mspwh_event_t *event,
    ngx_str_t *text)
{
    unsigned  i;

    text->data = p;

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (event->anomalies & (1 << i)) {

            if (p > text->data) {
                *p++ = ',';
            }

            p = ngx_cpymem(p, mspwh_event_anomaly(i),
                           ngx_strlen(mspwh_event_anomaly(i)));
        }
    }

    text->len = p - text->data;
}
