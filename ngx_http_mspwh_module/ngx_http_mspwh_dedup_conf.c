
#include "ngx_http_mspwh_dedup.h"


/* a "mspwh_dedup" directive, whose zone may be defined later */

typedef struct {
    ngx_shm_zone_t            *zone;
    u_char                    *file_name;
    ngx_uint_t                 line;
} ngx_http_mspwh_dedup_use_t;


static char *ngx_http_mspwh_dedup_parameters(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_mspwh_dedup_t *dedup, ngx_str_t *name,
    ssize_t *size);
static char *ngx_http_mspwh_dedup_size(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_str_t *name, ssize_t *size);
static char *ngx_http_mspwh_dedup_time(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, size_t prefix, time_t *seconds);


char *
ngx_http_mspwh_dedup_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ssize_t                  size;
    ngx_str_t                name;
    ngx_shm_zone_t          *zone;
    ngx_http_mspwh_dedup_t  *dedup;

    dedup = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_dedup_t));
    if (dedup == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_null(&name);
    size = 0;

    if (ngx_http_mspwh_dedup_parameters(cf, cmd, dedup, &name, &size)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"zone=name:size\" in \"%V\" directive",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_mspwh_module);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (zone->data != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" directive is defined twice",
                           &name, &cmd->name);
        return NGX_CONF_ERROR;
    }

    dedup->name = name;

    if (dedup->ttl == 0) {
        dedup->ttl = 24 * 60 * 60;
    }

    if (dedup->pending == 0) {
        dedup->pending = 60;
    }

    zone->init = ngx_http_mspwh_dedup_init_zone;
    zone->data = dedup;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_dedup_parameters(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_dedup_t *dedup, ngx_str_t *name, ssize_t *size)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0 && name->len == 0) {
            rv = ngx_http_mspwh_dedup_size(cf, cmd, &value[i], name, size);

        } else if (ngx_strncmp(value[i].data, "ttl=", 4) == 0
                   && dedup->ttl == 0)
        {
            rv = ngx_http_mspwh_dedup_time(cf, cmd, &value[i], 4,
                                           &dedup->ttl);

        } else if (ngx_strncmp(value[i].data, "pending=", 8) == 0
                   && dedup->pending == 0)
        {
            rv = ngx_http_mspwh_dedup_time(cf, cmd, &value[i], 8,
                                           &dedup->pending);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\" directive, "
                               "it must be \"zone=name:size\", \"ttl=time\" "
                               "or \"pending=time\", each once",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_dedup_size(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_str_t *name, ssize_t *size)
{
    u_char     *p;
    ngx_str_t   text;

    name->data = option->data + 5;

    p = (u_char *) ngx_strchr(name->data, ':');

    if (p != NULL) {
        name->len = p - name->data;
        text.data = p + 1;
        text.len = option->data + option->len - text.data;
        *size = ngx_parse_size(&text);
    }

    if (p == NULL || name->len == 0 || *size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\" in \"%V\" directive, "
                           "it must be a name and a size, "
                           "such as \"zone=events:10m\"", option, &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (*size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" directive is too small, "
                           "it must be at least %uz bytes", option, &cmd->name,
                           8 * ngx_pagesize);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_dedup_time(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, size_t prefix, time_t *seconds)
{
    ngx_str_t  text;
    ngx_int_t  n;

    text.data = option->data + prefix;
    text.len = option->data + option->len - text.data;

    n = ngx_parse_time(&text, 1);

    /* 32 bits of seconds have to tell it from a time in the future */

    if (n == NGX_ERROR || n == 0 || n > 0x3fffffff) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"%V\" directive, "
                           "it must be a number of seconds above 0, "
                           "or a time such as \"24h\"", option, &cmd->name);
        return NGX_CONF_ERROR;
    }

    *seconds = n;

    return NGX_CONF_OK;
}


char *
ngx_http_mspwh_dedup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t                   *value, name;
    ngx_http_mspwh_dedup_use_t  *use;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (mlcf->dedup != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        mlcf->dedup = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "zone=", 5) != 0 || value[1].len == 5) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, "
                           "it must be \"zone=name\" or \"off\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data + 5;
    name.len = value[1].len - 5;

    mlcf->dedup = ngx_shared_memory_add(cf, &name, 0, &ngx_http_mspwh_module);
    if (mlcf->dedup == NULL) {
        return NGX_CONF_ERROR;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    use = ngx_array_push(&mmcf->dedup_uses);
    if (use == NULL) {
        return NGX_CONF_ERROR;
    }

    use->zone = mlcf->dedup;
    use->file_name = cf->conf_file->file.name.data;
    use->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_mspwh_create_dedup(ngx_conf_t *cf, ngx_http_mspwh_main_conf_t *mmcf)
{
    return ngx_array_init(&mmcf->dedup_uses, cf->pool, 4,
                          sizeof(ngx_http_mspwh_dedup_use_t));
}


ngx_int_t
ngx_http_mspwh_init_dedup(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    ngx_http_mspwh_dedup_use_t  *use;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    use = mmcf->dedup_uses.elts;

    for (i = 0; i < mmcf->dedup_uses.nelts; i++) {
        if (use[i].zone->data == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown zone \"%V\" in \"mspwh_dedup\" directive, "
                          "it must be one of \"mspwh_dedup_zone\" in %s:%ui",
                          &use[i].zone->shm.name, use[i].file_name,
                          use[i].line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
