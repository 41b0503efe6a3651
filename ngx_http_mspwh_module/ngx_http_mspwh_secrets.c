
#include "ngx_http_mspwh_secrets.h"


static ngx_uint_t ngx_http_mspwh_can_reset(ngx_http_mspwh_secrets_t *secrets);
static void ngx_http_mspwh_secrets_cleanup(void *data);


ngx_http_mspwh_secrets_t *
ngx_http_mspwh_create_secrets(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_mspwh_secrets_t  *secrets;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_mspwh_secrets_t));
    if (cln == NULL) {
        return NULL;
    }

    secrets = cln->data;

    ngx_memzero(secrets, sizeof(ngx_http_mspwh_secrets_t));

    secrets->idle = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_idle_t));
    if (secrets->idle == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_mspwh_secrets_cleanup;

    return secrets;
}


static void
ngx_http_mspwh_secrets_cleanup(void *data)
{
    ngx_http_mspwh_secrets_t *secrets = data;

    ngx_uint_t              i;
    ngx_http_mspwh_idle_t  *idle;

    idle = secrets->idle;

    while (idle->nverifiers > 0) {
        mspwh_verifier_cleanup(&idle->verifiers[--idle->nverifiers]);
    }

    for (i = 0; i < secrets->nelts; i++) {
        mspwh_secret_cleanup(&secrets->elts[i].hmac);
    }
}


ngx_uint_t
ngx_http_mspwh_same_secrets(ngx_http_mspwh_secrets_t *one,
    ngx_http_mspwh_secrets_t *two)
{
    ngx_uint_t                i;
    ngx_http_mspwh_secret_t  *a, *b;

    if (one == two) {
        return 1;
    }

    if (one == NULL || two == NULL || one->nelts != two->nelts) {
        return 0;
    }

    for (i = 0; i < one->nelts; i++) {
        a = &one->elts[i];
        b = &two->elts[i];

        if (a->id.len != b->id.len
            || ngx_memcmp(a->id.data, b->id.data, a->id.len) != 0
            || !mspwh_secret_equal(&a->hmac, &b->hmac))
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_mspwh_get_verifier(ngx_http_mspwh_secrets_t *secrets,
    mspwh_verifier_t *verifier, ngx_log_t *log)
{
    ngx_uint_t              i;
    ngx_http_mspwh_idle_t  *idle;

    idle = secrets->idle;

    if (idle->nverifiers > 0) {
        *verifier = idle->verifiers[--idle->nverifiers];
        return NGX_OK;
    }

    for (i = 0; i < secrets->nelts; i++) {
        if (mspwh_verifier_add(verifier, &secrets->elts[i].hmac) != 0) {
            ngx_log_error(NGX_LOG_CRIT, log, 0,
                          "mspwh: EVP_MAC_CTX_dup() failed");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_mspwh_free_verifier(ngx_http_mspwh_secrets_t *secrets,
    mspwh_verifier_t *verifier)
{
    ngx_http_mspwh_idle_t  *idle;

    if (verifier->nmacs == 0) {
        return;
    }

    idle = secrets->idle;

    if (verifier->nmacs != secrets->nelts
        || idle->nverifiers == NGX_HTTP_MSPWH_IDLE
        || !ngx_http_mspwh_can_reset(secrets)
        || mspwh_verifier_reset(verifier) != 0)
    {
        mspwh_verifier_cleanup(verifier);
        return;
    }

    idle->verifiers[idle->nverifiers++] = *verifier;
    verifier->nmacs = 0;
}


static ngx_uint_t
ngx_http_mspwh_can_reset(ngx_http_mspwh_secrets_t *secrets)
{
    ngx_uint_t  i;

    for (i = 0; i < secrets->nelts; i++) {
        if (!secrets->elts[i].hmac.can_reset) {
            return 0;
        }
    }

    return 1;
}
