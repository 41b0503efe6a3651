
/*
 * The key that tells events apart: the SHA-256 of the webhook's name, the
 * method and the value of "key=".  A NUL follows each of the first two, which
 * cannot contain one.
 */


#include "ngx_http_mspwh_dedup_key.h"
#include "ngx_http_mspwh_webhook.h"


static void ngx_http_mspwh_method(ngx_http_request_t *r, ngx_str_t *method);


ngx_int_t
ngx_http_mspwh_dedup_key(ngx_http_request_t *r, ngx_http_mspwh_dedup_t *dedup,
    ngx_http_mspwh_claim_t *claim)
{
    u_char     *text, *p;
    ngx_str_t   method, value, *webhook;

    if (ngx_http_complex_value(r, &dedup->key, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        return NGX_DECLINED;
    }

    ngx_http_mspwh_method(r, &method);

    webhook = ngx_http_mspwh_webhook_name(r);

    text = ngx_pnalloc(r->pool, webhook->len + 1 + method.len + 1 + value.len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text, webhook->data, webhook->len);
    *p++ = '\0';
    p = ngx_cpymem(p, method.data, method.len);
    *p++ = '\0';
    p = ngx_cpymem(p, value.data, value.len);

    claim->zone = dedup->zone->data;
    claim->number = 0;

    if (mspwh_sha256(claim->zone->sha256, text, p - text, claim->key) != 0) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "mspwh: EVP_Digest() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The method that the client sent: after an internal redirect, such as that of
 * error_page, r->method_name is GET.
 */

static void
ngx_http_mspwh_method(ngx_http_request_t *r, ngx_str_t *method)
{
    u_char  *end;

    *method = r->request_line;

    end = ngx_strlchr(method->data, method->data + method->len, ' ');

    if (end != NULL) {
        method->len = end - method->data;
    }
}
