
#include "ngx_http_mspwh_module.h"


static char *ngx_http_mspwh_check_pattern(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_array_t *accept, ngx_str_t *pattern);
static ngx_uint_t ngx_http_mspwh_is_accepted(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);


char *
ngx_http_mspwh_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    char        *rv;
    ngx_str_t   *value, *pattern;
    ngx_uint_t   i;

    value = cf->args->elts;

    if (mlcf->accept == NGX_CONF_UNSET_PTR) {
        mlcf->accept = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (mlcf->accept == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_mspwh_check_pattern(cf, cmd, mlcf->accept, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        pattern = ngx_array_push(mlcf->accept);
        if (pattern == NULL) {
            return NGX_CONF_ERROR;
        }

        *pattern = value[i];
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_check_pattern(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_array_t *accept, ngx_str_t *pattern)
{
    ngx_str_t   *other;
    ngx_uint_t   i;
    const char  *meant;

    if (mspwh_event_type_pattern((char *) pattern->data, &meant) != 0) {

        if (meant != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "impossible pattern \"%V\" in \"%V\" "
                               "directive, did you mean \"%s\"?",
                               pattern, &cmd->name, meant);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "impossible pattern \"%V\" in \"%V\" "
                               "directive, it must be words in small letters "
                               "joined by dots, such as "
                               "\"ticket.note.added\" or \"ticket.note.*\"",
                               pattern, &cmd->name);
        }

        return NGX_CONF_ERROR;
    }

    other = accept->elts;

    for (i = 0; i < accept->nelts; i++) {
        if (other[i].len == pattern->len
            && ngx_strncmp(other[i].data, pattern->data, pattern->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated pattern \"%V\" in \"%V\" directive, "
                               "each must be another", pattern, &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_mspwh_check_accept(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t  monitor, accepted;

    /* auth_request would take the 204 of its subrequest for a yes */

    if (r != r->main && !r->background) {
        return NGX_DECLINED;
    }

    accepted = ngx_http_mspwh_is_accepted(ctx, mlcf);

    if (ctx->request == r) {
        ctx->verdict = accepted ? NGX_HTTP_MSPWH_VERIFIED
                                : NGX_HTTP_MSPWH_NOT_ACCEPTED;
    }

    if (accepted) {
        return NGX_DECLINED;
    }

    monitor = (mlcf->enable == NGX_HTTP_MSPWH_MONITOR);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "mspwh: %V: %s, body %O bytes%s",
                  &ngx_http_mspwh_verdicts[NGX_HTTP_MSPWH_NOT_ACCEPTED],
                  ctx->event.type, ctx->size,
                  monitor ? NGX_HTTP_MSPWH_LET_THROUGH : "");

    return monitor ? NGX_DECLINED : NGX_HTTP_NO_CONTENT;
}


static ngx_uint_t
ngx_http_mspwh_is_accepted(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_str_t   *pattern;
    ngx_uint_t   i;

    if (mlcf->accept == NULL) {
        return 1;
    }

    pattern = mlcf->accept->elts;

    for (i = 0; i < mlcf->accept->nelts; i++) {
        if (mspwh_event_type_matches((char *) pattern[i].data, pattern[i].len,
                                     ctx->event.type))
        {
            return 1;
        }
    }

    return 0;
}
