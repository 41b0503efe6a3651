
#include "ngx_http_mspwh_query.h"


static ngx_int_t ngx_http_mspwh_query_text(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_uint_t ngx_http_mspwh_query_number(ngx_http_request_t *r,
    const char *name);


ngx_int_t
ngx_http_mspwh_read_query(ngx_http_request_t *r, ngx_http_mspwh_query_t *query)
{
    ngx_memzero(query, sizeof(ngx_http_mspwh_query_t));

    if (r->args.len == 0) {
        return NGX_OK;
    }

    query->recent = ngx_http_mspwh_query_number(r, "recent");
    query->history = ngx_http_mspwh_query_number(r, "history");
    query->sum = ngx_http_mspwh_query_number(r, "sum");

    if (ngx_http_mspwh_query_text(r, "webhook", &query->webhook) != NGX_OK
        || ngx_http_mspwh_query_text(r, "verdict", &query->verdict) != NGX_OK
        || ngx_http_mspwh_query_text(r, "ticket", &query->ticket) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_query_text(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    u_char     *dst, *src;
    ngx_str_t   arg;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &arg) != NGX_OK) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, arg.len + 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    dst = value->data;
    src = arg.data;

    ngx_unescape_uri(&dst, &src, arg.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


/* anything but a number selects nothing */

static ngx_uint_t
ngx_http_mspwh_query_number(ngx_http_request_t *r, const char *name)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &arg) != NGX_OK) {
        return 0;
    }

    n = ngx_atoi(arg.data, arg.len);

    return (n == NGX_ERROR) ? 0 : n;
}


ngx_uint_t
ngx_http_mspwh_is_asked(ngx_str_t *asked, u_char *data, size_t len)
{
    return asked->len == 0
           || (asked->len == len && ngx_memcmp(asked->data, data, len) == 0);
}
