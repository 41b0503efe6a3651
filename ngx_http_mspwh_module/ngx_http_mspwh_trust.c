
#include "ngx_http_mspwh_trust.h"


static ngx_http_mspwh_verification_t *ngx_http_mspwh_find_verification(
    ngx_http_request_t *r, ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_uint_t ngx_http_mspwh_is_final(ngx_http_request_t *r,
    ngx_http_mspwh_verification_t *v);
static ngx_uint_t ngx_http_mspwh_is_usable(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_http_mspwh_verification_t *v,
    ngx_http_mspwh_body_t *body);
static ngx_uint_t ngx_http_mspwh_is_access_check(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf);


ngx_http_mspwh_trust_e
ngx_http_mspwh_trust(ngx_http_request_t *r, ngx_http_mspwh_loc_conf_t *mlcf,
    ngx_http_mspwh_verification_t **v)
{
    *v = ngx_http_mspwh_find_verification(r, mlcf);

    if (*v != NULL) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "mspwh trust: known, \"%V\"",
                       &ngx_http_mspwh_reasons[(*v)->reason].name);

        return NGX_HTTP_MSPWH_TRUST_KNOWN;
    }

    if (ngx_http_mspwh_is_access_check(r, mlcf)) {
        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "mspwh trust: access check");

        return NGX_HTTP_MSPWH_TRUST_ACCESS;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "mspwh trust: to be verified");

    return NGX_HTTP_MSPWH_TRUST_VERIFY;
}


static ngx_http_mspwh_verification_t *
ngx_http_mspwh_find_verification(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_body_t           body;
    ngx_http_mspwh_store_t         *store;
    ngx_http_mspwh_verification_t  *v;

    store = ngx_http_mspwh_get_store(r);

    if (store == NULL) {
        return NULL;
    }

    ngx_http_mspwh_describe_body(r, &body);

    for (v = store->verifications; v; v = v->next) {
        if (ngx_http_mspwh_is_final(r, v)
            || ngx_http_mspwh_is_usable(r, mlcf, v, &body))
        {
            return v;
        }
    }

    return NULL;
}


/* a body that could not be read cannot be read under other secrets either */

static ngx_uint_t
ngx_http_mspwh_is_final(ngx_http_request_t *r,
    ngx_http_mspwh_verification_t *v)
{
    return v->request == r
           && (v->state == NGX_HTTP_MSPWH_FAILED
               || (v->state == NGX_HTTP_MSPWH_DECIDED
                   && v->reason == NGX_HTTP_MSPWH_BODY_INCOMPLETE));
}


static ngx_uint_t
ngx_http_mspwh_is_usable(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_http_mspwh_verification_t *v,
    ngx_http_mspwh_body_t *body)
{
    ngx_http_mspwh_ctx_t  *ctx;

    if (v->state != NGX_HTTP_MSPWH_DECIDED) {
        return 0;
    }

    /* without a body, it was decided by the headers of its own request */

    if (v->body.request_body == NULL) {
        if (v->request != r) {
            return 0;
        }

    } else if (!ngx_http_mspwh_same_body(&v->body, body)) {
        return 0;
    }

    if (mlcf->secrets == NULL) {

        /* without secrets here, verifying again cannot improve a verdict */

        ctx = ngx_http_mspwh_find_ctx(r);

        return ctx != NULL && ctx->verification == v;
    }

    return ngx_http_mspwh_same_secrets(v->secrets, mlcf->secrets)
           && v->header.len == mlcf->header.len
           && (v->header.data == mlcf->header.data
               || ngx_strncasecmp(v->header.data, mlcf->header.data,
                                  mlcf->header.len)
                  == 0);
}


/*
 * A subrequest of auth_request may pass before the main request is verified.
 * Its response never becomes that of the main request, which still has to pass
 * its own check: nothing but the access check is reached without a signature.
 * Subrequests of other kinds can end up in a response.
 */

static ngx_uint_t
ngx_http_mspwh_is_access_check(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_mspwh_loc_conf_t  *main_mlcf;

    if (r == r->main || !r->waited || !r->header_only
        || r->request_body == NULL
        || ngx_http_mspwh_whose_body(r) != NGX_HTTP_MSPWH_BODY_NONE)
    {
        return 0;
    }

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = &cmcf->phase_engine.handlers[r->main->phase_handler];

    if (ph->checker != ngx_http_core_access_phase || r->main->header_sent) {
        return 0;
    }

    /* a monitored verdict is not enough for a location that rejects */

    main_mlcf = ngx_http_get_module_loc_conf(r->main, ngx_http_mspwh_module);

    return main_mlcf->checked
           && (main_mlcf->enable == NGX_HTTP_MSPWH_ON
               || main_mlcf->enable == mlcf->enable);
}


ngx_uint_t
ngx_http_mspwh_may_keep(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    ngx_http_mspwh_body_t           body;
    ngx_http_mspwh_loc_conf_t      *mlcf;
    ngx_http_mspwh_verification_t  *v;

    v = ngx_http_mspwh_decided(ctx);

    if (v == NULL || v->secret == NULL || r->request_body == NULL
        || ngx_http_mspwh_whose_body(r) == NGX_HTTP_MSPWH_BODY_NONE)
    {
        return 0;
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (v->reason != NGX_HTTP_MSPWH_NO_REASON
        && mlcf->malformed != NGX_HTTP_MSPWH_PASS)
    {
        return 0;
    }

    ngx_http_mspwh_describe_body(r, &body);

    return ngx_http_mspwh_same_body(&v->body, &body);
}
