
/*
 * The directives of one value.
 */


#include "ngx_http_mspwh_module.h"


char *
ngx_http_mspwh_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rv;

    rv = ngx_http_mspwh_enum_slot(cf, cmd, conf);

    return (rv == NGX_CONF_OK) ? ngx_http_mspwh_add_source(cf, conf) : rv;
}


/* nginx's own slot does not say what is allowed */

char *
ngx_http_mspwh_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    u_char            allowed[64], *last;
    ngx_str_t        *value;
    ngx_uint_t        i, *np;
    ngx_conf_enum_t  *e, *found;

    np = (ngx_uint_t *) (p + cmd->offset);

    if (*np != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    e = cmd->post;

    found = ngx_http_mspwh_find_enum(e, &value[1]);

    if (found != NULL) {
        *np = found->value;
        return NGX_CONF_OK;
    }

    last = allowed;

    for (i = 0; e[i].name.len != 0; i++) {
        last = ngx_slprintf(last, allowed + sizeof(allowed), "%s\"%V\"",
                            (i == 0) ? "" : e[i + 1].name.len ? ", " : " or ",
                            &e[i].name);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, "
                       "it must be %*s",
                       &value[1], &cmd->name, last - allowed, allowed);

    return NGX_CONF_ERROR;
}


ngx_conf_enum_t *
ngx_http_mspwh_find_enum(ngx_conf_enum_t *e, ngx_str_t *word)
{
    for ( /* void */ ; e->name.len != 0; e++) {
        if (e->name.len == word->len
            && ngx_strncmp(e->name.data, word->data, word->len) == 0)
        {
            return e;
        }
    }

    return NULL;
}


char *
ngx_http_mspwh_signature_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    size_t      i;
    u_char      ch;
    ngx_str_t  *value;

    if (mlcf->header.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    /* RFC 9110, section 5.6.2: a token */

    for (i = 0; i < value[1].len; i++) {
        ch = value[1].data[i];

        if (ch <= ' ' || ch >= 0x7f
            || ngx_strchr("\"(),/:;<=>?@[\\]{}", ch) != NULL)
        {
            break;
        }
    }

    if (value[1].len == 0 || i < value[1].len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid header name \"%V\" in \"%V\" directive, "
                           "it must be letters, digits and hyphens",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    mlcf->header = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_mspwh_envelope_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (mlcf->envelope_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" in \"%V\" directive, "
                           "it must be a number of bytes above 0, "
                           "such as \"64k\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    mlcf->envelope_size = (size_t) size;

    return NGX_CONF_OK;
}
