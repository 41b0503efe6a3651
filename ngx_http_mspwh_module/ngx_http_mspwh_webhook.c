
#include "ngx_http_mspwh_webhook.h"


static ngx_uint_t ngx_http_mspwh_is_webhook_name(ngx_str_t *name);
static ngx_http_mspwh_webhook_t *ngx_http_mspwh_find_webhook(
    ngx_http_mspwh_main_conf_t *mmcf, ngx_str_t *name);
static ngx_http_mspwh_webhook_t *ngx_http_mspwh_add_webhook(ngx_conf_t *cf,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_str_t *name);


ngx_int_t
ngx_http_mspwh_init_webhooks(ngx_conf_t *cf, ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_str_t  name = ngx_string("default");

    if (ngx_array_init(&mmcf->webhooks, cf->pool, 4,
                       sizeof(ngx_http_mspwh_webhook_t *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return (ngx_http_mspwh_add_webhook(cf, mmcf, &name) != NULL) ? NGX_OK
                                                                 : NGX_ERROR;
}


char *
ngx_http_mspwh_webhook(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t                   *value;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (mlcf->webhook != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!ngx_http_mspwh_is_webhook_name(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" in \"%V\" directive, it must "
                           "be up to %d letters, digits and \"._-\", the "
                           "first a letter or a digit",
                           &value[1], &cmd->name, NGX_HTTP_MSPWH_WEBHOOK_NAME);
        return NGX_CONF_ERROR;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    mlcf->webhook = ngx_http_mspwh_find_webhook(mmcf, &value[1]);

    if (mlcf->webhook == NULL) {

        if (mmcf->webhooks.nelts > NGX_HTTP_MSPWH_WEBHOOKS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "too many names in \"%V\" directive at "
                               "\"%V\", there may be %d",
                               &cmd->name, &value[1], NGX_HTTP_MSPWH_WEBHOOKS);
            return NGX_CONF_ERROR;
        }

        mlcf->webhook = ngx_http_mspwh_add_webhook(cf, mmcf, &value[1]);
    }

    if (mlcf->webhook == NULL || ngx_http_mspwh_add_level(cf, mlcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_mspwh_is_webhook_name(ngx_str_t *name)
{
    size_t  i;
    u_char  ch;

    if (name->len == 0 || name->len > NGX_HTTP_MSPWH_WEBHOOK_NAME) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9'))
        {
            continue;
        }

        if (i == 0 || (ch != '.' && ch != '_' && ch != '-')) {
            return 0;
        }
    }

    return 1;
}


static ngx_http_mspwh_webhook_t *
ngx_http_mspwh_find_webhook(ngx_http_mspwh_main_conf_t *mmcf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_mspwh_webhook_t  **webhook;

    webhook = mmcf->webhooks.elts;

    for (i = 0; i < mmcf->webhooks.nelts; i++) {
        if (webhook[i]->name.len == name->len
            && ngx_memcmp(webhook[i]->name.data, name->data, name->len) == 0)
        {
            return webhook[i];
        }
    }

    return NULL;
}


static ngx_http_mspwh_webhook_t *
ngx_http_mspwh_add_webhook(ngx_conf_t *cf, ngx_http_mspwh_main_conf_t *mmcf,
    ngx_str_t *name)
{
    ngx_http_mspwh_webhook_t  *webhook, **elt;

    webhook = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_webhook_t));
    elt = ngx_array_push(&mmcf->webhooks);

    if (webhook == NULL || elt == NULL) {
        return NULL;
    }

    webhook->name = *name;
    *elt = webhook;

    return webhook;
}


void
ngx_http_mspwh_set_webhook(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_request_t           *r;
    ngx_http_mspwh_webhook_t    **webhook;
    ngx_http_mspwh_main_conf_t   *mmcf;

    r = ctx->request;
    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);
    webhook = mmcf->webhooks.elts;

    if (mlcf->webhook != webhook[0]) {
        ctx->webhook = mlcf->webhook;

    } else if (ctx->webhook == NULL) {
        ctx->webhook = (r != r->main) ? ngx_http_mspwh_get_webhook(r->main)
                                      : mlcf->webhook;
    }
}


ngx_http_mspwh_webhook_t *
ngx_http_mspwh_get_webhook(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t       *ctx;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    ctx = ngx_http_mspwh_get_ctx(r);

    if (ctx == NULL && r != r->main) {
        ctx = ngx_http_mspwh_get_ctx(r->main);
    }

    if (ctx != NULL && ctx->webhook != NULL) {
        return ctx->webhook;
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    return mlcf->webhook;
}
