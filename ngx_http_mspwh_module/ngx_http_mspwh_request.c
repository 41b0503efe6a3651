
#include "ngx_http_mspwh_module.h"


#define NGX_HTTP_MSPWH_FILE_BUFFER  65536


static ngx_int_t ngx_http_mspwh_verify(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t **ctx, ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_answer(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_challenge(ngx_http_request_t *r);
static void ngx_http_mspwh_reject(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_verdict_e verdict,
    const char *reason);
static ngx_uint_t ngx_http_mspwh_same_keys(ngx_array_t *one,
    ngx_array_t *two);

static ngx_http_mspwh_ctx_t *ngx_http_mspwh_create_ctx(ngx_http_request_t *r);
static ngx_http_mspwh_ctx_t *ngx_http_mspwh_find_ctx(ngx_http_request_t *r,
    ngx_http_request_t *owner);
static void ngx_http_mspwh_release(ngx_http_mspwh_ctx_t *ctx);
static void ngx_http_mspwh_cleanup(void *data);

static ngx_int_t ngx_http_mspwh_check_header(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_start(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);
static void ngx_http_mspwh_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_feed(ngx_http_mspwh_ctx_t *ctx, u_char *data,
    size_t len);
static ngx_int_t ngx_http_mspwh_feed_buffered(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static ngx_int_t ngx_http_mspwh_feed_file(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_buf_t *b);
static ngx_int_t ngx_http_mspwh_finish(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_parse(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);


ngx_http_request_body_filter_pt   ngx_http_mspwh_next_body_filter;
ngx_http_output_header_filter_pt  ngx_http_mspwh_next_header_filter;


ngx_int_t
ngx_http_mspwh_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_mspwh_ctx_t       *ctx;
    ngx_http_mspwh_loc_conf_t  *mlcf, *main_mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (mlcf->enable == NGX_HTTP_MSPWH_OFF) {
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

        if (main_mlcf->enable != NGX_HTTP_MSPWH_OFF) {
            return NGX_DECLINED;
        }
    }

    if (ctx == NULL || !ngx_http_mspwh_same_keys(ctx->keys, mlcf->keys)) {
        rc = ngx_http_mspwh_verify(r, &ctx, mlcf);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_http_mspwh_answer(r, ctx, mlcf);
}


/*
 * Returns NGX_OK with a verdict, NGX_DONE while the body is being read, or
 * the status of a failure.
 */

static ngx_int_t
ngx_http_mspwh_verify(ngx_http_request_t *r, ngx_http_mspwh_ctx_t **ctxp,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_int_t              rc;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = *ctxp;

    if (ctx == NULL || ctx->request != r) {
        ctx = ngx_http_mspwh_create_ctx(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        *ctxp = ctx;

    } else {
        ngx_http_mspwh_release(ctx);
    }

    ctx->keys = mlcf->keys;
    ngx_http_set_ctx(r, ctx, ngx_http_mspwh_module);

    if (ngx_http_mspwh_check_header(r, ctx, mlcf) != NGX_OK) {
        return NGX_OK;
    }

    if (ngx_http_mspwh_start(r, ctx, mlcf) != NGX_OK) {
        ctx->failed = 1;
        return NGX_OK;
    }

    if (r == r->main && r->request_body == NULL && !r->discard_body) {
        ctx->reading = 1;

        rc = ngx_http_read_client_request_body(r, ngx_http_mspwh_body_handler);
        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        ngx_http_finalize_request(r, NGX_DONE);
        return NGX_DONE;
    }

    /* the filter has not seen this body, or not under these secrets */

    if (r->reading_body || r->discard_body) {
        ngx_http_mspwh_release(ctx);
        ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_BAD_SIGNATURE,
                              "the body is no longer there to be verified");
        return NGX_OK;
    }

    if (ngx_http_mspwh_feed_buffered(r, ctx) != NGX_OK
        || ngx_http_mspwh_finish(r, ctx, mlcf) != NGX_OK)
    {
        ngx_http_mspwh_release(ctx);
        ctx->failed = 1;
    }

    return NGX_OK;
}


/* what becomes of the request in this location, by its verdict */

static ngx_int_t
ngx_http_mspwh_answer(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    if (ctx->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    switch (ctx->verdict) {

    case NGX_HTTP_MSPWH_VERIFIED:
        return NGX_DECLINED;

    case NGX_HTTP_MSPWH_MALFORMED_PAYLOAD:
        if (mlcf->malformed == NGX_HTTP_MSPWH_PASS) {
            return NGX_DECLINED;
        }

        /* nginx would close the connection, though the body has been read */

        ctx->keepalive = r->keepalive;

        return NGX_HTTP_BAD_REQUEST;

    case NGX_HTTP_MSPWH_NONE:

        /* reading the body failed, and error_page led here */

        ngx_http_mspwh_release(ctx);
        ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_BAD_SIGNATURE,
                              "the body was not received whole");

        /* fall through */

    default:
        return ngx_http_mspwh_challenge(r);
    }
}


/* RFC 9110, section 11.6.1 */

static ngx_int_t
ngx_http_mspwh_challenge(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = r->headers_out.www_authenticate;

    /* an error_page may lead here a second time */

    if (h == NULL || h->hash == 0) {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        r->headers_out.www_authenticate = h;

#if (nginx_version >= 1023000)
        h->next = NULL;
#endif
        h->hash = 1;
        ngx_str_set(&h->key, "WWW-Authenticate");
        ngx_str_set(&h->value, "HMAC-SHA256 realm=\"webhook\"");
    }

    return NGX_HTTP_UNAUTHORIZED;
}


static void
ngx_http_mspwh_reject(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_verdict_e verdict, const char *reason)
{
    ctx->verdict = verdict;

    if (verdict == NGX_HTTP_MSPWH_NO_SIGNATURE
        || verdict == NGX_HTTP_MSPWH_MALFORMED_SIGNATURE)
    {
        if (r->headers_in.content_length_n >= 0) {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "mspwh: %V: %s, body %O bytes, not read",
                          &ngx_http_mspwh_verdicts[verdict], reason,
                          r->headers_in.content_length_n);
            return;
        }

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "mspwh: %V: %s, body not read",
                      &ngx_http_mspwh_verdicts[verdict], reason);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "mspwh: %V: %s, body %O bytes, %ui secret(s)",
                  &ngx_http_mspwh_verdicts[verdict], reason, ctx->size,
                  ctx->keys->nelts);
}


static ngx_uint_t
ngx_http_mspwh_same_keys(ngx_array_t *one, ngx_array_t *two)
{
    ngx_uint_t             i;
    ngx_http_mspwh_key_t  *a, *b;

    if (one == two) {
        return 1;
    }

    if (one->nelts != two->nelts) {
        return 0;
    }

    a = one->elts;
    b = two->elts;

    for (i = 0; i < one->nelts; i++) {
        if (a[i].id.len != b[i].id.len
            || ngx_memcmp(a[i].id.data, b[i].id.data, a[i].id.len) != 0
            || ngx_memcmp(a[i].fingerprint, b[i].fingerprint,
                          MSPWH_DIGEST_LENGTH)
               != 0)
        {
            return 0;
        }
    }

    return 1;
}


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


static ngx_http_mspwh_ctx_t *
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


/* back to a context with no verdict */

static void
ngx_http_mspwh_release(ngx_http_mspwh_ctx_t *ctx)
{
    mspwh_verifier_cleanup(&ctx->verifier);
    mspwh_scanner_cleanup(&ctx->scanner);
    mspwh_event_cleanup(&ctx->event);

    ctx->verdict = NGX_HTTP_MSPWH_NONE;
    ngx_str_null(&ctx->key_id);
    ctx->size = 0;
    ctx->reading = 0;
    ctx->failed = 0;
    ctx->keepalive = 0;
}


static void
ngx_http_mspwh_cleanup(void *data)
{
    ngx_http_mspwh_release(data);
}


static ngx_int_t
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

        if (header[i].key.len != mlcf->header.len
            || ngx_strncasecmp(header[i].key.data, mlcf->header.data,
                               mlcf->header.len)
               != 0)
        {
            continue;
        }

        if (signature != NULL) {
            ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_MALFORMED_SIGNATURE,
                                  "the signature header is repeated");
            return NGX_DECLINED;
        }

        signature = &header[i];
    }

    if (signature == NULL) {
        ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_NO_SIGNATURE,
                              "there is no signature header");
        return NGX_DECLINED;
    }

    if (mspwh_signature_decode((char *) signature->value.data,
                               signature->value.len, ctx->digest)
        != 0)
    {
        ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_MALFORMED_SIGNATURE,
                              "the signature header is not canonical Base64 "
                              "of 32 bytes");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_start(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t             i;
    ngx_http_mspwh_key_t  *key;

    key = mlcf->keys->elts;

    for (i = 0; i < mlcf->keys->nelts; i++) {
        if (mspwh_verifier_add(&ctx->verifier, key[i].mac) != 0) {
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                          "mspwh: EVP_MAC_CTX_dup() failed");
            return NGX_ERROR;
        }
    }

    mspwh_scanner_init(&ctx->scanner, mlcf->envelope_size,
                       mlcf->fields ? &mlcf->fields->scanner : NULL);

    return NGX_OK;
}


ngx_int_t
ngx_http_mspwh_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t           *cl;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);

    if (ctx != NULL && ctx->reading) {

        for (cl = in; cl; cl = cl->next) {
            if (ngx_http_mspwh_feed(ctx, cl->buf->pos,
                                    cl->buf->last - cl->buf->pos)
                != NGX_OK)
            {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }
        }
    }

    return ngx_http_mspwh_next_body_filter(r, in);
}


static ngx_int_t
ngx_http_mspwh_feed(ngx_http_mspwh_ctx_t *ctx, u_char *data, size_t len)
{
    if (len == 0) {
        return NGX_OK;
    }

    if (mspwh_verifier_update(&ctx->verifier, data, len) != 0) {
        ngx_log_error(NGX_LOG_CRIT, ctx->request->connection->log, 0,
                      "mspwh: EVP_MAC_update() failed");
        return NGX_ERROR;
    }

    mspwh_scanner_feed(&ctx->scanner, data, len);
    ctx->size += len;

    return NGX_OK;
}


static void
ngx_http_mspwh_body_handler(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t       *ctx;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);
    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    ctx->reading = 0;

    if (ngx_http_mspwh_finish(r, ctx, mlcf) != NGX_OK) {
        ngx_http_mspwh_release(ctx);
        ctx->failed = 1;
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static ngx_int_t
ngx_http_mspwh_feed_buffered(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        rc = b->in_file ? ngx_http_mspwh_feed_file(r, ctx, b)
                        : ngx_http_mspwh_feed(ctx, b->pos, b->last - b->pos);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_feed_file(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_buf_t *b)
{
    off_t      offset;
    size_t     size;
    u_char    *buf;
    ssize_t    n;
    ngx_int_t  rc;

    buf = ngx_palloc(r->pool, NGX_HTTP_MSPWH_FILE_BUFFER);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (offset = b->file_pos; offset < b->file_last; offset += n) {
        size = (size_t) ngx_min(b->file_last - offset,
                                NGX_HTTP_MSPWH_FILE_BUFFER);

        n = ngx_read_file(b->file, buf, size, offset);

        if (n <= 0) {
            if (n == 0) {
                ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                              "mspwh: the request body's file \"%V\" "
                              "has been truncated", &b->file->name);
            }

            rc = NGX_ERROR;
            break;
        }

        rc = ngx_http_mspwh_feed(ctx, buf, (size_t) n);
        if (rc != NGX_OK) {
            break;
        }
    }

    ngx_pfree(r->pool, buf);

    return rc;
}


/* the body is complete: the verdict */

static ngx_int_t
ngx_http_mspwh_finish(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    int                    match;
    ngx_int_t              rc;
    ngx_http_mspwh_key_t  *key;

    if (mspwh_verifier_final(&ctx->verifier, ctx->digest, &match) != 0) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: EVP_MAC_final() failed");
        return NGX_ERROR;
    }

    mspwh_verifier_cleanup(&ctx->verifier);

    if (match == -1) {
        ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_BAD_SIGNATURE,
                              "the signature is of another body or secret");
        rc = NGX_OK;

    } else {
        key = ctx->keys->elts;
        ctx->key_id = key[match].id;

        rc = ngx_http_mspwh_parse(r, ctx, mlcf);
    }

    mspwh_scanner_cleanup(&ctx->scanner);

    return rc;
}


static ngx_int_t
ngx_http_mspwh_parse(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    u_char                 reason[128];
    mspwh_scanner_t       *scanner;
    mspwh_event_error_e    error;
    mspwh_scanner_error_e  syntax;

    scanner = &ctx->scanner;

    syntax = mspwh_scanner_finish(scanner);

    if (syntax == MSPWH_SCANNER_NO_MEMORY) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: no memory for the envelope");
        return NGX_ERROR;
    }

    if (syntax != MSPWH_SCANNER_OK) {
        ngx_snprintf(reason, sizeof(reason), "%s at byte %uL%Z",
                     mspwh_scanner_strerror(syntax), scanner->offset);

        ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_MALFORMED_PAYLOAD,
                              (char *) reason);
        return NGX_OK;
    }

    error = mspwh_event_parse(&ctx->event, scanner->envelope, scanner->length,
                              mlcf->fields ? &mlcf->fields->fields : NULL);

    if (error == MSPWH_EVENT_NO_MEMORY) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: no memory for the event");
        return NGX_ERROR;
    }

    if (error != MSPWH_EVENT_OK) {
        ngx_http_mspwh_reject(r, ctx, NGX_HTTP_MSPWH_MALFORMED_PAYLOAD,
                              mspwh_event_strerror(error));
        return NGX_OK;
    }

    ctx->verdict = NGX_HTTP_MSPWH_VERIFIED;

    return NGX_OK;
}


ngx_int_t
ngx_http_mspwh_header_filter(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t  *ctx;

    if (r == r->main) {
        ctx = ngx_http_mspwh_get_ctx(r);

        if (ctx != NULL && ctx->keepalive) {
            r->keepalive = 1;
        }
    }

    return ngx_http_mspwh_next_header_filter(r);
}
