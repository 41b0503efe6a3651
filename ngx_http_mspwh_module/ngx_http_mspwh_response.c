
#include "ngx_http_mspwh_response.h"


/* the exact comparison is quick, and nearly always enough */

ngx_uint_t
ngx_http_mspwh_is_field(ngx_table_elt_t *h, u_char *name, size_t len)
{
    return h->key.len == len
           && (ngx_memcmp(h->key.data, name, len) == 0
               || ngx_strncasecmp(h->key.data, name, len) == 0);
}


ngx_table_elt_t *
ngx_http_mspwh_find_header(ngx_list_t *headers, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &headers->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mspwh_is_field(&h[i], name->data, name->len)) {
                return &h[i];
            }
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_mspwh_is_repeated(ngx_list_t *headers, ngx_table_elt_t *header)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &headers->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (&h[i] != header
                && ngx_http_mspwh_is_field(&h[i], header->key.data,
                                           header->key.len))
            {
                return 1;
            }
        }
    }

    return 0;
}


ngx_str_t
ngx_http_mspwh_received_host(ngx_http_request_t *r)
{
    u_char     *p, *end;
    ngx_str_t   host;

    /* only HTTP/1 has an absolute URI */

    if (r->main->host_start != NULL && r->http_version < NGX_HTTP_VERSION_20)
    {
        p = r->main->host_end;
        end = r->request_line.data + r->request_line.len;

        if (p < end && *p == ':') {
            do { p++; } while (p < end && *p >= '0' && *p <= '9');
        }

        host.data = r->main->host_start;
        host.len = p - host.data;

        return host;
    }

    /* HTTP/3 may have no Host header */

    return (r->headers_in.host != NULL) ? r->headers_in.host->value
                                        : r->headers_in.server;
}


void
ngx_http_mspwh_forget_error(ngx_http_request_t *r)
{
    if (r->err_status >= NGX_HTTP_SPECIAL_RESPONSE) {
        r->err_status = 0;
    }
}


ngx_table_elt_t *
ngx_http_mspwh_set_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    /* an error_page may lead here a second time */

    h = ngx_http_mspwh_find_header(&r->headers_out.headers, name);

    if (h == NULL) {
        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NULL;
        }
    }

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->hash = 1;
    h->key = *name;
    h->value = *value;

    return h;
}


/* RFC 9110, section 11.6.1 */

ngx_int_t
ngx_http_mspwh_challenge(ngx_http_request_t *r)
{
    ngx_table_elt_t   *h;
    static ngx_str_t   name = ngx_string("WWW-Authenticate");
    static ngx_str_t   value = ngx_string("HMAC-SHA256 realm=\"webhook\"");

    h = ngx_http_mspwh_set_header(r, &name, &value);

    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.www_authenticate = h;

    return NGX_HTTP_UNAUTHORIZED;
}


/* RFC 9110, section 10.2.3 */

ngx_int_t
ngx_http_mspwh_retry_after(ngx_http_request_t *r, time_t seconds)
{
    ngx_str_t         value;
    static ngx_str_t  name = ngx_string("Retry-After");

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", seconds) - value.data;

    if (ngx_http_mspwh_set_header(r, &name, &value) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_CONFLICT;
}


ngx_int_t
ngx_http_mspwh_send_empty(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_http_complex_value_t  cv;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    return ngx_http_send_response(r, status, NULL, &cv);
}


ngx_chain_t *
ngx_http_mspwh_chain(ngx_http_request_t *r, const char *text, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    b->pos = (u_char *) text;
    b->last = b->pos + len;
    b->memory = 1;

    cl->buf = b;
    cl->next = NULL;

    return cl;
}
