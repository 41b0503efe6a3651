
#include "ngx_http_mspwh_stream_conf.h"
#include "ngx_http_mspwh_stream.h"


/* milliseconds for a connection, and between two reads or writes */
#define NGX_HTTP_MSPWH_STREAM_TIMEOUT  5000

#define NGX_HTTP_MSPWH_STREAM_WAIT     1000


static char *ngx_http_mspwh_stream_arguments(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_mspwh_stream_t *stream);
static char *ngx_http_mspwh_stream_check(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_stream_t *stream);
static char *ngx_http_mspwh_stream_key(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_http_mspwh_stream_t *stream);
static char *ngx_http_mspwh_stream_replicas(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_str_t *option, ngx_http_mspwh_stream_t *stream);
static char *ngx_http_mspwh_stream_wait(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_http_mspwh_stream_t *stream);
static void ngx_http_mspwh_stream_upstream(ngx_http_mspwh_stream_t *stream);
#if (NGX_HTTP_SSL)
static char *ngx_http_mspwh_stream_ssl(ngx_conf_t *cf,
    ngx_http_mspwh_stream_t *stream);
#endif


char *
ngx_http_mspwh_stream_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t                   *value;
    ngx_http_mspwh_place_t      *place;
    ngx_http_mspwh_stream_t     *stream;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (mlcf->stream != NULL) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL) {
        return "is not possible here: another directive answers";
    }

    place = ngx_http_mspwh_place(cf);
    stream = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_stream_t));

    if (place == NULL || stream == NULL) {
        return NGX_CONF_ERROR;
    }

    stream->place = *place;

    value = cf->args->elts;

    stream->upstream.upstream = ngx_http_mspwh_store_upstream(cf, cmd,
                                                              &value[1]);
    if (stream->upstream.upstream == NULL
        || ngx_http_mspwh_stream_arguments(cf, cmd, stream) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_mspwh_stream_upstream(stream);

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    mmcf->stores = 1;

    mlcf->stream = stream;
    clcf->handler = ngx_http_mspwh_stream_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_stream_arguments(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_stream_t *stream)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "key=", 4) == 0 && value[i].len > 4
            && stream->key.value.data == NULL)
        {
            rv = ngx_http_mspwh_stream_key(cf, cmd, &value[i], stream);

        } else if (ngx_strncmp(value[i].data, "replicas=", 9) == 0
                   && stream->replicas == 0)
        {
            rv = ngx_http_mspwh_stream_replicas(cf, cmd, &value[i], stream);

        } else if (ngx_strncmp(value[i].data, "wait=", 5) == 0
                   && stream->wait == 0)
        {
            rv = ngx_http_mspwh_stream_wait(cf, cmd, &value[i], stream);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\" directive, "
                               "it must be \"key=value\", \"replicas=number\" "
                               "or \"wait=time\", each once",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_http_mspwh_stream_check(cf, cmd, stream);
}


static char *
ngx_http_mspwh_stream_check(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_stream_t *stream)
{
    if (stream->key.value.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"key=value\" in \"%V\" directive",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (stream->wait != 0 && stream->replicas == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"wait=\" without \"replicas=number\" in \"%V\" "
                           "directive", &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (stream->wait == 0) {
        stream->wait = NGX_HTTP_MSPWH_STREAM_WAIT;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_stream_key(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_http_mspwh_stream_t *stream)
{
    ngx_str_t                         value;
    ngx_http_compile_complex_value_t  ccv;

    value.data = option->data + 4;
    value.len = option->len - 4;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value;
    ccv.complex_value = &stream->key;

    return (ngx_http_compile_complex_value(&ccv) == NGX_OK) ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


static char *
ngx_http_mspwh_stream_replicas(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_http_mspwh_stream_t *stream)
{
    ngx_int_t  n;

    n = ngx_atoi(option->data + 9, option->len - 9);

    if (n == NGX_ERROR || n < 1 || n > 100) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\" in \"%V\" directive, "
                           "it must be from 1 to 100", option, &cmd->name);
        return NGX_CONF_ERROR;
    }

    stream->replicas = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_stream_wait(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_http_mspwh_stream_t *stream)
{
    ngx_int_t  n;
    ngx_str_t  text;

    text.data = option->data + 5;
    text.len = option->len - 5;

    n = ngx_parse_time(&text, 0);

    if (n == NGX_ERROR || n == 0 || n > 60000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"%V\" directive, it must "
                           "be from \"1ms\" to \"60s\"", option, &cmd->name);
        return NGX_CONF_ERROR;
    }

    stream->wait = (ngx_msec_t) n;

    return NGX_CONF_OK;
}


/* another server may get the event, too: its "delivery_id" is the same */

static void
ngx_http_mspwh_stream_upstream(ngx_http_mspwh_stream_t *stream)
{
    ngx_http_upstream_conf_t  *conf;

    conf = &stream->upstream;

    /*
     * set by ngx_pcalloc(): no buffering, no limits to tries, no files, no
     * headers passed, no 404 of its own
     */

    conf->connect_timeout = NGX_HTTP_MSPWH_STREAM_TIMEOUT;
    conf->send_timeout = NGX_HTTP_MSPWH_STREAM_TIMEOUT;
    conf->read_timeout = NGX_HTTP_MSPWH_STREAM_TIMEOUT + stream->wait;

    conf->buffer_size = ngx_pagesize;

    conf->next_upstream = NGX_HTTP_UPSTREAM_FT_ERROR
                          |NGX_HTTP_UPSTREAM_FT_TIMEOUT
                          |NGX_HTTP_UPSTREAM_FT_INVALID_HEADER
                          |NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;

    /* if the sender hangs up, the append is completed all the same */

    conf->ignore_client_abort = 1;

    conf->intercept_errors = 1;

    ngx_str_set(&conf->module, "mspwh_stream");
}


char *
ngx_http_mspwh_merge_stream(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    ngx_http_mspwh_stream_t   *stream;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    stream = conf->stream;

    if (stream == NULL) {

        /* handlers are not inherited, but "if" and "limit_except" need it */

        if (clcf->noname && clcf->handler == NULL && prev->stream != NULL) {
            conf->stream = prev->stream;
            clcf->handler = ngx_http_mspwh_stream_handler;
        }

        return NGX_CONF_OK;
    }

    if (clcf->handler != ngx_http_mspwh_stream_handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"mspwh_stream_pass\" is in location \"%V\", but "
                      "another directive there answers in %s:%ui",
                      &clcf->name, stream->place.file_name,
                      stream->place.line);
        return NGX_CONF_ERROR;
    }

    stream->store = conf->store;

#if (NGX_HTTP_SSL)
    return ngx_http_mspwh_stream_ssl(cf, stream);
#else
    return NGX_CONF_OK;
#endif
}


#if (NGX_HTTP_SSL)

static char *
ngx_http_mspwh_stream_ssl(ngx_conf_t *cf, ngx_http_mspwh_stream_t *stream)
{
    ngx_http_complex_value_t  *name;

    stream->upstream.ssl = stream->store->ssl_ctx;
    stream->upstream.ssl_server_name = 1;
    stream->upstream.ssl_verify = stream->store->ssl_verify;

    if (stream->store->ssl_name.len == 0) {
        return NGX_CONF_OK;
    }

    name = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (name == NULL) {
        return NGX_CONF_ERROR;
    }

    name->value = stream->store->ssl_name;
    stream->upstream.ssl_name = name;

    return NGX_CONF_OK;
}

#endif
