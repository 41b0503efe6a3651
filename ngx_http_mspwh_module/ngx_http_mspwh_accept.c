
#include "ngx_http_mspwh_accept.h"


static char *ngx_http_mspwh_check_pattern(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_array_t *accept, ngx_str_t *pattern);
static void ngx_http_mspwh_warn_pattern(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *pattern);
static ngx_uint_t ngx_http_mspwh_is_accepted(ngx_array_t *accept,
    const char *type);


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
        if (mlcf->accept == NULL
            || ngx_http_mspwh_add_level(cf, mlcf) != NGX_OK)
        {
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

        ngx_http_mspwh_warn_pattern(cf, cmd, pattern);
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
                               "directive, it must be lowercase words joined "
                               "by dots, such as "
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
                               "each may be given only once", pattern,
                               &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* a misspelt pattern would silently drop events */

static void
ngx_http_mspwh_warn_pattern(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *pattern)
{
    const char  *nearest;

    nearest = mspwh_event_type_nearest((char *) pattern->data, pattern->len);

    if (nearest != NULL) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" in \"%V\" directive matches no known "
                           "event type, did you mean \"%s\"?",
                           pattern, &cmd->name, nearest);
    }
}


ngx_int_t
ngx_http_mspwh_accept_event(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_request_t             *r;
    ngx_http_mspwh_verification_t  *v;

    r = ctx->request;
    v = ctx->verification;

    /* auth_request would take a subrequest's 204 as permission */

    if ((r != r->main && !r->background)
        || ngx_http_mspwh_is_accepted(mlcf->accept, v->event.type))
    {
        return NGX_DECLINED;
    }

    ngx_http_mspwh_set_verdict(ctx, NGX_HTTP_MSPWH_NOT_ACCEPTED);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "mspwh: %V: %s, body %O bytes%s",
                  &ngx_http_mspwh_verdicts[ctx->verdict],
                  v->event.type, v->size,
                  ctx->monitor ? NGX_HTTP_MSPWH_LET_THROUGH : "");

    if (ctx->monitor) {
        return NGX_DECLINED;
    }

    return (ngx_http_mspwh_set_answer(ctx, NGX_HTTP_NO_CONTENT, ctx->verdict)
            == NGX_OK)
           ? NGX_HTTP_NO_CONTENT : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_uint_t
ngx_http_mspwh_is_accepted(ngx_array_t *accept, const char *type)
{
    ngx_str_t   *pattern;
    ngx_uint_t   i;

    if (accept == NULL) {
        return 1;
    }

    pattern = accept->elts;

    for (i = 0; i < accept->nelts; i++) {
        if (mspwh_event_type_matches((char *) pattern[i].data, pattern[i].len,
                                     type))
        {
            return 1;
        }
    }

    return 0;
}
