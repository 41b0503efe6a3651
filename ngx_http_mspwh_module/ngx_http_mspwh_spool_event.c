
#include "ngx_http_mspwh_spool.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_webhook.h"


/*
 * The parts of a file name are cut to these lengths: with ".headers", the name
 * has to fit into 255 bytes.
 */
#define NGX_HTTP_MSPWH_SPOOL_WEBHOOK  40
#define NGX_HTTP_MSPWH_SPOOL_TYPE     64
#define NGX_HTTP_MSPWH_SPOOL_ID       48

#define NGX_HTTP_MSPWH_SPOOL_TIME     (sizeof("20261124T181819.123456Z") - 1)

/* bytes of the HMAC */
#define NGX_HTTP_MSPWH_SPOOL_MAC      8

/* time, webhook, type, ids and HMAC, with commas */
#define NGX_HTTP_MSPWH_SPOOL_NAME                                             \
    (NGX_HTTP_MSPWH_SPOOL_TIME + 1 + NGX_HTTP_MSPWH_SPOOL_WEBHOOK             \
     + 1 + NGX_HTTP_MSPWH_SPOOL_TYPE + 2 * (1 + NGX_HTTP_MSPWH_SPOOL_ID)      \
     + 1 + 2 * NGX_HTTP_MSPWH_SPOOL_MAC + 1)

/* the longest name of a field, and a time */
#define NGX_HTTP_MSPWH_SPOOL_FIELD                                            \
    (sizeof("X-Mspwh-Delivery-Id: 2026-11-24T18:18:19.123Z\n"))

#define NGX_HTTP_MSPWH_SPOOL_TEMP                                             \
    (sizeof(".tmp-.-") + NGX_INT64_LEN + NGX_ATOMIC_T_LEN                     \
     + NGX_HTTP_MSPWH_SPOOL_TIME)


static ngx_int_t ngx_http_mspwh_spool_bufs(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event);
static ngx_file_t *ngx_http_mspwh_spool_file(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event, ngx_file_t *file);
static u_char *ngx_http_mspwh_spool_name(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static u_char *ngx_http_mspwh_spool_part(u_char *p, const char *text,
    size_t size);
static u_char *ngx_http_mspwh_spool_path(ngx_http_request_t *r,
    ngx_str_t *directory, u_char *name, const char *suffix);
static ngx_int_t ngx_http_mspwh_spool_fields(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_str_t *fields);
static size_t ngx_http_mspwh_spool_fields_size(ngx_http_request_t *r);
static u_char *ngx_http_mspwh_spool_metadata(u_char *p,
    ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx);
static u_char *ngx_http_mspwh_spool_headers(u_char *p,
    ngx_http_request_t *r, ngx_str_t *signature);
static ngx_str_t ngx_http_mspwh_received_method(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mspwh_is_spooled_field(ngx_table_elt_t *h,
    ngx_str_t *signature);


/* tells the temporary names of a worker apart */

static ngx_atomic_uint_t  ngx_http_mspwh_spool_count;


ngx_int_t
ngx_http_mspwh_spool_prepare(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_str_t *directory, ngx_http_mspwh_spool_event_t *event)
{
    u_char  *name, temp[NGX_HTTP_MSPWH_SPOOL_TEMP];

    name = ngx_http_mspwh_spool_name(r, ctx);
    if (name == NULL) {
        return NGX_ERROR;
    }

    /* a killed worker of the same pid may have left files of another time */

    ngx_sprintf(temp, ".tmp-%P.%uA-%*s%Z", ngx_pid,
                ++ngx_http_mspwh_spool_count, NGX_HTTP_MSPWH_SPOOL_TIME, name);

    event->directory = directory->data;
    event->body = ngx_http_mspwh_spool_path(r, directory, name, ".body");
    event->headers = ngx_http_mspwh_spool_path(r, directory, name, ".headers");
    event->temp_body = ngx_http_mspwh_spool_path(r, directory, temp, ".body");
    event->temp_headers = ngx_http_mspwh_spool_path(r, directory, temp,
                                                    ".headers");

    if (event->body == NULL || event->headers == NULL
        || event->temp_body == NULL || event->temp_headers == NULL
        || ngx_http_mspwh_spool_fields(r, ctx, &event->fields) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_spool_bufs(r, event);
}


/*
 * Copies the list of buffers, and opens the file once more: if the main
 * request does not wait for the spool, as with "mirror", nginx closes its file
 * once the upstream has answered.
 */

static ngx_int_t
ngx_http_mspwh_spool_bufs(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event)
{
    ngx_buf_t    *b;
    ngx_file_t   *source, *copy;
    ngx_chain_t  *cl, **last;

    source = NULL;
    copy = NULL;
    last = &event->bufs;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = ngx_palloc(r->pool, sizeof(ngx_buf_t));
        *last = ngx_alloc_chain_link(r->pool);

        if (b == NULL || *last == NULL) {
            *last = NULL;
            return NGX_ERROR;
        }

        *b = *cl->buf;

        if (b->in_file) {
            if (b->file != source) {
                source = b->file;
                copy = ngx_http_mspwh_spool_file(r, event, source);
            }

            if (copy == NULL) {
                *last = NULL;
                return event->call ? NGX_DECLINED : NGX_ERROR;
            }

            b->file = copy;
        }

        (*last)->buf = b;
        last = &(*last)->next;
    }

    *last = NULL;

    b = event->bufs ? event->bufs->buf : NULL;

    /* others may change a file that "client_body_in_file_only" keeps */

    if (b && b->in_file && b->file_pos == 0 && event->bufs->next == NULL
        && !r->main->request_body_in_file_only
        && !r->main->request_body_file_group_access)
    {
        event->file = b->file;
    }

    return NGX_OK;
}


/* duplicates a descriptor; the copy is closed with the pool */

static ngx_file_t *
ngx_http_mspwh_spool_file(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event, ngx_file_t *file)
{
    ngx_file_t               *copy;
    ngx_pool_cleanup_t       *cln;
    ngx_pool_cleanup_file_t  *clnf;

    copy = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_pool_cleanup_file_t));

    if (event->buffer == NULL) {
        event->buffer = ngx_palloc(r->pool, NGX_HTTP_MSPWH_SPOOL_BUFFER);
    }

    if (copy == NULL || cln == NULL || event->buffer == NULL) {
        return NULL;
    }

    copy->name = file->name;
    copy->fd = dup(file->fd);

    if (copy->fd == NGX_INVALID_FILE) {
        event->err = ngx_errno;
        event->call = "dup()";
        event->path = file->name.data;
        return NULL;
    }

    clnf = cln->data;
    clnf->fd = copy->fd;
    clnf->name = file->name.data;
    clnf->log = r->pool->log;

    cln->handler = ngx_pool_cleanup_file;

    return copy;
}


static u_char *
ngx_http_mspwh_spool_name(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    u_char          *name, *p;
    ngx_tm_t         tm;
    struct timeval   tv;
    mspwh_event_t   *event;

    name = ngx_pnalloc(r->pool, NGX_HTTP_MSPWH_SPOOL_NAME);
    if (name == NULL) {
        return NULL;
    }

    ngx_gettimeofday(&tv);
    ngx_gmtime(tv.tv_sec, &tm);

    p = ngx_sprintf(name, "%4d%02d%02dT%02d%02d%02d.%06dZ",
                    tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                    tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                    (int) tv.tv_usec);

    event = ngx_http_mspwh_event(ctx);

    p = ngx_http_mspwh_spool_part(p,
                          (char *) ngx_http_mspwh_webhook_name(r)->data,
                          NGX_HTTP_MSPWH_SPOOL_WEBHOOK);
    p = ngx_http_mspwh_spool_part(p, event ? event->type : "malformed",
                                  NGX_HTTP_MSPWH_SPOOL_TYPE);
    p = ngx_http_mspwh_spool_part(p, event ? event->entity_id : "",
                                  NGX_HTTP_MSPWH_SPOOL_ID);
    p = ngx_http_mspwh_spool_part(p, event ? event->ticket_id : "",
                                  NGX_HTTP_MSPWH_SPOOL_ID);
    *p++ = ',';

    p = ngx_hex_dump(p, ctx->verification->digest, NGX_HTTP_MSPWH_SPOOL_MAC);
    *p = '\0';

    return name;
}


/* appends a comma and a text, which may be cut, or "-" for none */

static u_char *
ngx_http_mspwh_spool_part(u_char *p, const char *text, size_t size)
{
    size_t  len;

    if (*text == '\0') {
        text = "-";
    }

    len = ngx_strlen(text);

    *p++ = ',';

    return ngx_cpymem(p, text, ngx_min(len, size));
}


static u_char *
ngx_http_mspwh_spool_path(ngx_http_request_t *r, ngx_str_t *directory,
    u_char *name, const char *suffix)
{
    size_t   len;
    u_char  *path;

    len = directory->len + 1 + ngx_strlen(name) + ngx_strlen(suffix) + 1;

    path = ngx_pnalloc(r->pool, len);
    if (path == NULL) {
        return NULL;
    }

    ngx_sprintf(path, "%V/%s%s%Z", directory, name, suffix);

    return path;
}


/*
 * Everything that is needed to send the event again, in the form that "curl -H
 * @FILE" reads: "Name: value", "Name;" for an empty value, and "Name:" for a
 * header that curl would add.  The module's own fields come first, so that a
 * header of the same name cannot take their place.
 */

static ngx_int_t
ngx_http_mspwh_spool_fields(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_str_t *fields)
{
    u_char  *p;

    r = r->main;

    p = ngx_pnalloc(r->pool, ngx_http_mspwh_spool_fields_size(r));
    if (p == NULL) {
        return NGX_ERROR;
    }

    fields->data = p;

    p = ngx_http_mspwh_spool_metadata(p, r, ctx);
    p = ngx_http_mspwh_spool_headers(p, r, &ctx->verification->header);

    fields->len = p - fields->data;

    return NGX_OK;
}


static size_t
ngx_http_mspwh_spool_fields_size(ngx_http_request_t *r)
{
    size_t            size;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    /* five fields of the module, a Host, and a Content-Type that is missing */

    size = 7 * NGX_HTTP_MSPWH_SPOOL_FIELD + r->request_line.len
           + r->unparsed_uri.len + ngx_http_mspwh_webhook_name(r)->len
           + 2 * MSPWH_DIGEST_LENGTH + r->headers_in.server.len;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            size += h[i].key.len + sizeof(": \n") - 1 + h[i].value.len;
        }
    }

    return size;
}


static u_char *
ngx_http_mspwh_spool_metadata(u_char *p, ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx)
{
    ngx_tm_t   tm;
    ngx_str_t  method, host;

    method = ngx_http_mspwh_received_method(r);
    host = ngx_http_mspwh_received_host(r);

    ngx_gmtime(r->start_sec, &tm);

    p = ngx_sprintf(p, "X-Mspwh-Method: %V\n" "X-Mspwh-Uri: %V\n",
                    &method, &r->unparsed_uri);
    p = ngx_sprintf(p, "X-Mspwh-Received: "
                    "%4d-%02d-%02dT%02d:%02d:%02d.%03MZ\n",
                    tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                    tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                    r->start_msec);
    p = ngx_sprintf(p, "X-Mspwh-Webhook: %V\n" "X-Mspwh-Delivery-Id: ",
                    ngx_http_mspwh_webhook_name(r));
    p = ngx_hex_dump(p, ctx->verification->digest, MSPWH_DIGEST_LENGTH);
    *p++ = '\n';

    return host.len ? ngx_sprintf(p, "Host: %V\n", &host) : p;
}


static u_char *
ngx_http_mspwh_spool_headers(u_char *p, ngx_http_request_t *r,
    ngx_str_t *signature)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (r->headers_in.content_type == NULL) {
        p = ngx_cpymem(p, "Content-Type:\n", sizeof("Content-Type:\n") - 1);
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mspwh_is_spooled_field(&h[i], signature)) {
                p = ngx_sprintf(p, h[i].value.len ? "%V: %V\n" : "%V;%V\n",
                                &h[i].key, &h[i].value);
            }
        }
    }

    return p;
}


/* from the request line, since an internal redirect changes it to GET */

static ngx_str_t
ngx_http_mspwh_received_method(ngx_http_request_t *r)
{
    u_char     *end;
    ngx_str_t   method;

    method = r->request_line;

    end = ngx_strlchr(method.data, method.data + method.len, ' ');

    if (end != NULL) {
        method.len = end - method.data;
    }

    return method;
}


static ngx_uint_t
ngx_http_mspwh_is_spooled_field(ngx_table_elt_t *h, ngx_str_t *signature)
{
    return ngx_http_mspwh_is_field(h, signature->data, signature->len)
           || ngx_http_mspwh_is_field(h, (u_char *) "Content-Type",
                                      sizeof("Content-Type") - 1)
           || ngx_http_mspwh_is_field(h, (u_char *) "Content-Encoding",
                                      sizeof("Content-Encoding") - 1);
}
