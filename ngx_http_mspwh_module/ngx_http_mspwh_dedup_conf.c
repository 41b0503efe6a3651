
#include "ngx_http_mspwh_dedup_conf.h"
#include "ngx_http_mspwh_store.h"


static char *ngx_http_mspwh_dedup_parameters(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_mspwh_dedup_zone_t *zone, ssize_t *size);
static char *ngx_http_mspwh_dedup_remote(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_dedup_zone_t *zone);
static ngx_int_t ngx_http_mspwh_dedup_option(ngx_conf_t *cf,
    ngx_command_t *cmd, const char *name, ngx_str_t *option);
static char *ngx_http_mspwh_dedup_size(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_str_t *name, ssize_t *size);
static char *ngx_http_mspwh_dedup_time(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, size_t prefix, time_t *seconds);
static char *ngx_http_mspwh_dedup_fetch(ngx_conf_t *cf,
    ngx_http_mspwh_dedup_zone_t *zone);
static void ngx_http_mspwh_dedup_cleanup(void *data);
static char *ngx_http_mspwh_dedup_arguments(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_dedup_t *dedup);
static char *ngx_http_mspwh_dedup_value(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_http_complex_value_t *key);


char *
ngx_http_mspwh_dedup_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ssize_t                       size;
    ngx_shm_zone_t               *shm_zone;
    ngx_http_mspwh_dedup_zone_t  *zone;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_dedup_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    size = 0;

    if (ngx_http_mspwh_dedup_parameters(cf, cmd, zone, &size) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (zone->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"zone=name:size\" in \"%V\" directive",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    shm_zone = ngx_shared_memory_add(cf, &zone->name, size,
                                     &ngx_http_mspwh_module);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (shm_zone->data != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" directive is defined twice",
                           &zone->name, &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (zone->ttl == 0) {
        zone->ttl = 24 * 60 * 60;
    }

    if (zone->pending == 0) {
        zone->pending = 60;
    }

    shm_zone->init = ngx_http_mspwh_dedup_init_zone;
    shm_zone->data = zone;

    if (ngx_http_mspwh_dedup_remote(cf, cmd, zone) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_mspwh_dedup_fetch(cf, zone);
}


static char *
ngx_http_mspwh_dedup_parameters(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_dedup_zone_t *zone, ssize_t *size)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0
            && zone->name.len == 0)
        {
            rv = ngx_http_mspwh_dedup_size(cf, cmd, &value[i], &zone->name,
                                           size);

        } else if (ngx_strncmp(value[i].data, "ttl=", 4) == 0
                   && zone->ttl == 0)
        {
            rv = ngx_http_mspwh_dedup_time(cf, cmd, &value[i], 4, &zone->ttl);

        } else if (ngx_strncmp(value[i].data, "pending=", 8) == 0
                   && zone->pending == 0)
        {
            rv = ngx_http_mspwh_dedup_time(cf, cmd, &value[i], 8,
                                           &zone->pending);

        } else if (ngx_strncmp(value[i].data, "store=", 6) == 0
                   || ngx_strncmp(value[i].data, "fallback=", 9) == 0)
        {
            /* handled below, once the zone's name is known */

            rv = NGX_CONF_OK;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\" directive, "
                               "it must be \"zone=name:size\", \"ttl=time\", "
                               "\"pending=time\", \"store=upstream\" or "
                               "\"fallback=local\" or \"reject\", each once",
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
ngx_http_mspwh_dedup_remote(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_dedup_zone_t *zone)
{
    ngx_str_t                    store, fallback;
    ngx_http_mspwh_remote_t     *remote, **added;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (ngx_http_mspwh_dedup_option(cf, cmd, "store=", &store) != NGX_OK
        || ngx_http_mspwh_dedup_option(cf, cmd, "fallback=", &fallback)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if ((fallback.data != NULL && store.data == NULL)
        || (fallback.data != NULL && ngx_strcmp(fallback.data, "local") != 0
            && ngx_strcmp(fallback.data, "reject") != 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"fallback=%V\" in \"%V\" directive, "
                           "it must be \"fallback=local\" or "
                           "\"fallback=reject\" with \"store=upstream\"",
                           &fallback, &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (store.data == NULL) {
        return NGX_CONF_OK;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    remote = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_remote_t));
    added = ngx_array_push(&mmcf->remotes);

    if (remote == NULL || added == NULL) {
        return NGX_CONF_ERROR;
    }

    remote->upstream = ngx_http_mspwh_store_upstream(cf, cmd, &store);
    if (remote->upstream == NULL) {
        return NGX_CONF_ERROR;
    }

    remote->zone = &zone->name;
    remote->reject = (fallback.data != NULL && fallback.data[0] == 'r');
    remote->session.pipeline.words.ttl = (ngx_msec_t) zone->ttl * 1000;
    remote->session.pipeline.words.pending = (ngx_msec_t) zone->pending * 1000;

    *added = remote;
    zone->remote = remote;
    mmcf->stores = 1;

    return NGX_CONF_OK;
}


/* sets "*option" to the value of a parameter, or to NULL; may be there once */

static ngx_int_t
ngx_http_mspwh_dedup_option(ngx_conf_t *cf, ngx_command_t *cmd,
    const char *name, ngx_str_t *option)
{
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;
    len = ngx_strlen(name);
    ngx_str_null(option);

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, name, len) != 0) {
            continue;
        }

        if (option->data != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated parameter \"%V\" in \"%V\" "
                               "directive, it may be given only once",
                               &value[i], &cmd->name);
            return NGX_ERROR;
        }

        option->data = value[i].data + len;
        option->len = value[i].len - len;
    }

    return NGX_OK;
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

    /* 32 bits of seconds must tell it from a time in the future */

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


static char *
ngx_http_mspwh_dedup_fetch(ngx_conf_t *cf, ngx_http_mspwh_dedup_zone_t *zone)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->sha256 = mspwh_sha256_fetch();

    if (zone->sha256 == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "OpenSSL has no SHA-256");
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_mspwh_dedup_cleanup;
    cln->data = zone;

    return NGX_CONF_OK;
}


static void
ngx_http_mspwh_dedup_cleanup(void *data)
{
    ngx_http_mspwh_dedup_zone_t *zone = data;

    mspwh_sha256_free(zone->sha256);
}


char *
ngx_http_mspwh_dedup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t                   *value;
    ngx_http_mspwh_dedup_t      *dedup, **used;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (mlcf->dedup != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        mlcf->dedup = NULL;
        return NGX_CONF_OK;
    }

    dedup = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_dedup_t));
    if (dedup == NULL) {
        return NGX_CONF_ERROR;
    }

    dedup->place = ngx_http_mspwh_place(cf);

    if (dedup->place == NULL
        || ngx_http_mspwh_add_level(cf, mlcf) != NGX_OK
        || ngx_http_mspwh_dedup_arguments(cf, cmd, dedup) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    used = ngx_array_push(&mmcf->dedups);
    if (used == NULL) {
        return NGX_CONF_ERROR;
    }

    *used = dedup;
    mlcf->dedup = dedup;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_dedup_arguments(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_dedup_t *dedup)
{
    ngx_str_t         *value, *key, name;
    ngx_uint_t         i;
    static ngx_str_t   default_key = ngx_string("key=$mspwh_delivery_id");

    value = cf->args->elts;
    key = NULL;
    ngx_str_null(&name);

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0
            && value[i].len > 5 && name.len == 0)
        {
            name.data = value[i].data + 5;
            name.len = value[i].len - 5;

        } else if (ngx_strncmp(value[i].data, "key=", 4) == 0 && key == NULL) {
            key = &value[i];

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"%V\" directive, "
                               "it must be \"zone=name\" and \"key=value\", "
                               "each once, or \"off\"",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    if (name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"zone=name\" in \"%V\" directive beside "
                           "\"%V\"", &cmd->name, key);
        return NGX_CONF_ERROR;
    }

    dedup->zone = ngx_shared_memory_add(cf, &name, 0, &ngx_http_mspwh_module);
    if (dedup->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_mspwh_dedup_value(cf, cmd, key ? key : &default_key,
                                      &dedup->key);
}


static char *
ngx_http_mspwh_dedup_value(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_http_complex_value_t *key)
{
    ngx_str_t                         value;
    ngx_http_compile_complex_value_t  ccv;

    value.data = option->data + 4;
    value.len = option->len - 4;

    if (ngx_http_script_variables_count(&value) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no variable in \"%V\" of \"%V\" directive, it "
                           "must have one, or all events would be the same",
                           option, &cmd->name);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value;
    ccv.complex_value = key;

    return (ngx_http_compile_complex_value(&ccv) == NGX_OK) ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_mspwh_check_dedup_zones(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_http_mspwh_dedup_t      **dedup;
    ngx_http_mspwh_main_conf_t   *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    dedup = mmcf->dedups.elts;

    for (i = 0; i < mmcf->dedups.nelts; i++) {
        if (dedup[i]->zone->data == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown zone \"%V\" in \"mspwh_dedup\" directive, "
                          "it must be one of \"mspwh_dedup_zone\" in %s:%ui",
                          &dedup[i]->zone->shm.name,
                          dedup[i]->place->file_name, dedup[i]->place->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
