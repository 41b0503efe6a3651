
/*
 * The directives that take a single value.
 */


#include "ngx_http_mspwh_conf.h"


static ngx_uint_t ngx_http_mspwh_is_dropped(ngx_str_t *name,
    ngx_http_core_srv_conf_t *cscf);


char *
ngx_http_mspwh_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    char                        *rv;
    ngx_http_mspwh_place_t      *place;
    ngx_http_mspwh_source_t     *source;
    ngx_http_mspwh_main_conf_t  *mmcf;

    rv = ngx_http_mspwh_enum_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    place = ngx_http_mspwh_place(cf);
    source = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_source_t));

    if (place == NULL || source == NULL) {
        return NGX_CONF_ERROR;
    }

    source->place = *place;
    source->next = mmcf->sources;

    mmcf->sources = source;
    mlcf->source = source;

    return NGX_CONF_OK;
}


ngx_http_mspwh_place_t *
ngx_http_mspwh_place(ngx_conf_t *cf)
{
    ngx_str_t               *value;
    ngx_http_mspwh_place_t  *place;

    place = ngx_palloc(cf->pool, sizeof(ngx_http_mspwh_place_t));
    if (place == NULL) {
        return NULL;
    }

    value = cf->args->elts;

    place->name = value[0];
    place->file_name = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;

    return place;
}


ngx_int_t
ngx_http_mspwh_add_level(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_loc_conf_t   **level;
    ngx_http_mspwh_main_conf_t   *mmcf;

    if (mlcf->first != NULL) {
        return NGX_OK;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    mlcf->first = ngx_http_mspwh_place(cf);
    level = ngx_array_push(&mmcf->levels);

    if (mlcf->first == NULL || level == NULL) {
        return NGX_ERROR;
    }

    *level = mlcf;

    return NGX_OK;
}


/* unlike ngx_conf_set_enum_slot(), the message lists the allowed words */

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

        /* all but "mspwh" itself have no effect without it */

        if (cmd->offset != offsetof(ngx_http_mspwh_loc_conf_t, enable)
            && ngx_http_mspwh_add_level(cf, conf) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

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
    mlcf->header_place = ngx_http_mspwh_place(cf);

    if (mlcf->header_place == NULL
        || ngx_http_mspwh_add_level(cf, mlcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_mspwh_check_header_name(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (!ngx_http_mspwh_is_dropped(&mlcf->header, cscf)) {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "nginx drops a header named \"%V\", the one of "
                  "\"mspwh_signature_header\", unless %s in %s:%ui",
                  &mlcf->header,
                  (ngx_strlchr(mlcf->header.data,
                               mlcf->header.data + mlcf->header.len, '_')
                   != NULL)
                  ? "\"underscores_in_headers\" is \"on\" or "
                    "\"ignore_invalid_headers\" is \"off\""
                  : "\"ignore_invalid_headers\" is \"off\"",
                  mlcf->header_place->file_name, mlcf->header_place->line);

    return NGX_CONF_ERROR;
}


/* as in ngx_http_parse_header_line() */

static ngx_uint_t
ngx_http_mspwh_is_dropped(ngx_str_t *name, ngx_http_core_srv_conf_t *cscf)
{
    size_t  i;
    u_char  ch;

    if (!cscf->ignore_invalid_headers) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        ch = ngx_tolower(name->data[i]);

        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-'
            || (ch == '_' && cscf->underscores_in_headers))
        {
            continue;
        }

        return 1;
    }

    return 0;
}
