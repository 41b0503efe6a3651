
#include "ngx_http_mspwh_spool.h"
#include "ngx_http_mspwh_response.h"


/* what of a type and an id is part of a file's name */
#define NGX_HTTP_MSPWH_SPOOL_TYPE  64
#define NGX_HTTP_MSPWH_SPOOL_ID    48

/* bytes of the HMAC */
#define NGX_HTTP_MSPWH_SPOOL_MAC   8

/* time, type, ids and HMAC, with commas */
#define NGX_HTTP_MSPWH_SPOOL_NAME                                             \
    (sizeof("20261124T181819.123456Z") + NGX_HTTP_MSPWH_SPOOL_TYPE + 1        \
     + 2 * (NGX_HTTP_MSPWH_SPOOL_ID + 1) + 2 * NGX_HTTP_MSPWH_SPOOL_MAC + 1)

#define NGX_HTTP_MSPWH_SPOOL_TEMP                                             \
    (sizeof(".tmp-.-") + NGX_INT64_LEN + NGX_ATOMIC_T_LEN)


static ngx_int_t ngx_http_mspwh_spool_bufs(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event);
static u_char *ngx_http_mspwh_spool_name(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static u_char *ngx_http_mspwh_spool_part(u_char *p, const char *text,
    size_t size);
static u_char *ngx_http_mspwh_spool_path(ngx_http_request_t *r,
    ngx_str_t *directory, const char *prefix, u_char *name,
    const char *suffix);
static ngx_int_t ngx_http_mspwh_spool_fields(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_str_t *fields);
static ngx_uint_t ngx_http_mspwh_is_spooled_field(ngx_table_elt_t *h,
    ngx_str_t *signature);


/* tells the temporary names of a worker apart */

static ngx_atomic_uint_t  ngx_http_mspwh_spool_count;


ngx_int_t
ngx_http_mspwh_spool_prepare(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_str_t *directory, ngx_http_mspwh_spool_event_t *event)
{
    char     temp[NGX_HTTP_MSPWH_SPOOL_TEMP];
    u_char  *name;

    name = ngx_http_mspwh_spool_name(r, ctx);
    if (name == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf((u_char *) temp, ".tmp-%P.%uA-%Z", ngx_pid,
                ++ngx_http_mspwh_spool_count);

    event->directory = directory->data;
    event->body = ngx_http_mspwh_spool_path(r, directory, "", name, ".body");
    event->headers = ngx_http_mspwh_spool_path(r, directory, "", name,
                                               ".headers");
    event->temp_body = ngx_http_mspwh_spool_path(r, directory, temp, name,
                                                 ".body");
    event->temp_headers = ngx_http_mspwh_spool_path(r, directory, temp, name,
                                                    ".headers");

    if (event->body == NULL || event->headers == NULL
        || event->temp_body == NULL || event->temp_headers == NULL
        || ngx_http_mspwh_spool_fields(r, ctx, &event->fields) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_spool_bufs(r, event);
}


static ngx_int_t
ngx_http_mspwh_spool_bufs(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    event->bufs = r->request_body->bufs;

    for (cl = event->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (!b->in_file) {
            continue;
        }

        if (event->buffer == NULL) {
            event->buffer = ngx_palloc(r->pool, NGX_HTTP_MSPWH_SPOOL_BUFFER);
            if (event->buffer == NULL) {
                return NGX_ERROR;
            }
        }

        /* what "client_body_in_file_only" keeps others may change */

        if (cl == event->bufs && cl->next == NULL && b->file_pos == 0
            && !r->request_body_in_file_only
            && !r->request_body_file_group_access)
        {
            event->file = b->file;
        }
    }

    return NGX_OK;
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


/* a comma and what there is of a text, or "-" */

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
    const char *prefix, u_char *name, const char *suffix)
{
    size_t   len;
    u_char  *path;

    len = directory->len + 1 + ngx_strlen(prefix) + ngx_strlen(name)
          + ngx_strlen(suffix) + 1;

    path = ngx_pnalloc(r->pool, len);
    if (path == NULL) {
        return NULL;
    }

    ngx_sprintf(path, "%V/%s%s%s%Z", directory, prefix, name, suffix);

    return path;
}


/* what it takes to send the event again */

static ngx_int_t
ngx_http_mspwh_spool_fields(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_str_t *fields)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            len += h[i].key.len + sizeof(": \n") - 1 + h[i].value.len;
        }
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    fields->data = p;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mspwh_is_spooled_field(&h[i],
                                            &ctx->verification->header)) {
                p = ngx_sprintf(p, "%V: %V\n", &h[i].key, &h[i].value);
            }
        }
    }

    fields->len = p - fields->data;

    return NGX_OK;
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
