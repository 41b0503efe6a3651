
/*
 * The module as nginx sees it: its directives and its configuration.  A
 * request's path through the module starts in ngx_http_mspwh_request.c.
 */


#include "ngx_http_mspwh_accept.h"
#include "ngx_http_mspwh_dedup_conf.h"
#include "ngx_http_mspwh_recent.h"
#include "ngx_http_mspwh_request.h"
#include "ngx_http_mspwh_secret_conf.h"
#include "ngx_http_mspwh_set.h"
#include "ngx_http_mspwh_spool.h"
#include "ngx_http_mspwh_status.h"
#include "ngx_http_mspwh_store.h"
#include "ngx_http_mspwh_store_counters.h"
#include "ngx_http_mspwh_stream_conf.h"
#include "ngx_http_mspwh_variables.h"
#include "ngx_http_mspwh_waiting.h"
#include "ngx_http_mspwh_warnings.h"
#include "ngx_http_mspwh_zone.h"


static void *ngx_http_mspwh_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_mspwh_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_mspwh_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void ngx_http_mspwh_merge_values(ngx_http_mspwh_main_conf_t *mmcf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);
static char *ngx_http_mspwh_check_usable(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);
static char *ngx_http_mspwh_merge_handlers(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);
static char *ngx_http_mspwh_no_secret(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_init(ngx_conf_t *cf);


/* for strings(1): nginx does not show the versions of its modules */

const char  ngx_http_mspwh_version[] =
    "ngx_http_mspwh_module/" NGX_HTTP_MSPWH_VERSION;


static ngx_conf_enum_t  ngx_http_mspwh_modes[] = {
    { ngx_string("off"), NGX_HTTP_MSPWH_OFF },
    { ngx_string("on"), NGX_HTTP_MSPWH_ON },
    { ngx_string("monitor"), NGX_HTTP_MSPWH_MONITOR },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_mspwh_malformed[] = {
    { ngx_string("reject"), NGX_HTTP_MSPWH_REJECT },
    { ngx_string("pass"), NGX_HTTP_MSPWH_PASS },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_mspwh_log_levels[] = {
    { ngx_string("info"), NGX_LOG_INFO },
    { ngx_string("notice"), NGX_LOG_NOTICE },
    { ngx_string("warn"), NGX_LOG_WARN },
    { ngx_string("error"), NGX_LOG_ERR },
    { ngx_null_string, 0 }
};


#define NGX_HTTP_MSPWH_ANY_CONF                                               \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)


static ngx_command_t  ngx_http_mspwh_commands[] = {

    { ngx_string("mspwh"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_mode,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mspwh_loc_conf_t, enable),
      ngx_http_mspwh_modes },

    { ngx_string("mspwh_webhook"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_webhook,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_secret"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_mspwh_secret,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_secret_file"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_mspwh_secret_file,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_signature_header"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_signature_header,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_field"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_2MORE,
      ngx_http_mspwh_field,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_set"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE2,
      ngx_http_mspwh_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_accept"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_mspwh_accept,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_malformed"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mspwh_loc_conf_t, malformed),
      ngx_http_mspwh_malformed },

    { ngx_string("mspwh_log_level"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mspwh_loc_conf_t, log_level),
      ngx_http_mspwh_log_levels },

    { ngx_string("mspwh_dedup_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_mspwh_dedup_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_dedup"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_mspwh_dedup,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_spool"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_spool,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_stream_pass"),
      NGX_HTTP_LOC_CONF|NGX_CONF_2MORE,
      ngx_http_mspwh_stream_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_store_auth"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_mspwh_store_auth,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_store_timeout"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_store_timeout,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

#if (NGX_HTTP_SSL)

    { ngx_string("mspwh_store_ssl"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_store_ssl,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_store_ssl_verify"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_store_ssl_verify,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_store_ssl_name"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_store_ssl_name,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_store_ssl_trusted_certificate"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_store_ssl_trusted_certificate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

#endif

    { ngx_string("mspwh_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_mspwh_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_recent"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_recent,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_mspwh_module_ctx = {
    ngx_http_mspwh_add_variables,          /* preconfiguration */
    ngx_http_mspwh_init,                   /* postconfiguration */

    ngx_http_mspwh_create_main_conf,       /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_mspwh_create_loc_conf,        /* create location configuration */
    ngx_http_mspwh_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_mspwh_module = {
    NGX_MODULE_V1,
    &ngx_http_mspwh_module_ctx,            /* module context */
    ngx_http_mspwh_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_mspwh_find_check_phase,       /* init module */
    ngx_http_mspwh_start_stores,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_mspwh_stop_stores,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_mspwh_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_mspwh_main_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_main_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->counted = 0;
     *     conf->sources = NULL;
     *     conf->check_phase = 0;
     *     conf->plan = NULL;
     *     conf->recent_zone = NULL;
     *     conf->shared = NULL;
     *     conf->generation = 0;
     *     conf->stores = 0;
     *     conf->store_counters = NULL;
     */

    conf->recent = NGX_CONF_UNSET_UINT;

    if (ngx_http_mspwh_init_webhooks(cf, conf) != NGX_OK
        || ngx_array_init(&conf->checked, cf->pool, 4,
                          sizeof(ngx_http_mspwh_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&conf->spool_paths, cf->pool, 4,
                          sizeof(ngx_path_t *))
           != NGX_OK
        || ngx_array_init(&conf->spools, cf->pool, 4,
                          sizeof(ngx_http_mspwh_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&conf->levels, cf->pool, 4,
                          sizeof(ngx_http_mspwh_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&conf->dedups, cf->pool, 4,
                          sizeof(ngx_http_mspwh_dedup_t *))
           != NGX_OK
        || ngx_array_init(&conf->remotes, cf->pool, 1,
                          sizeof(ngx_http_mspwh_remote_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return conf;
}


static void *
ngx_http_mspwh_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_mspwh_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->parent = NULL;
     *     conf->plan = NULL;
     *     conf->header = { 0, NULL };
     *     conf->header_place = NULL;
     *     conf->store = NULL;
     *     conf->stream = NULL;
     *     conf->spool = NULL;
     *     conf->thread_pool = NULL;
     *     conf->first = NULL;
     *     conf->checked = 0;
     *     conf->checked_below = 0;
     */

    conf->enable = NGX_CONF_UNSET_UINT;
    conf->source = NGX_CONF_UNSET_PTR;
    conf->malformed = NGX_CONF_UNSET_UINT;
    conf->log_level = NGX_CONF_UNSET_UINT;
    conf->secrets = NGX_CONF_UNSET_PTR;
    conf->fields = NGX_CONF_UNSET_PTR;
    conf->sets = NGX_CONF_UNSET_PTR;
    conf->accept = NGX_CONF_UNSET_PTR;
    conf->dedup = NGX_CONF_UNSET_PTR;
    conf->webhook = NGX_CONF_UNSET_PTR;
    conf->status = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_mspwh_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_mspwh_loc_conf_t *prev = parent;
    ngx_http_mspwh_loc_conf_t *conf = child;

    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    if (ngx_http_mspwh_merge_status(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    conf->parent = prev;

    ngx_http_mspwh_merge_values(mmcf, prev, conf);

    if (ngx_http_mspwh_merge_plan(cf, prev, conf) != NGX_OK
        || ngx_http_mspwh_merge_handlers(cf, prev, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* mspwh_status verifies nothing, whatever it inherits */

    conf->checked = (conf->enable != NGX_HTTP_MSPWH_OFF
                     && conf->status == NGX_CONF_UNSET_UINT);

    ngx_http_mspwh_check_location(cf, conf);

    return conf->checked ? ngx_http_mspwh_check_usable(cf, conf)
                         : NGX_CONF_OK;
}


static char *
ngx_http_mspwh_check_usable(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_main_conf_t   *mmcf;
    ngx_http_mspwh_loc_conf_t   **checked;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    mmcf->counted = 1;

    checked = ngx_array_push(&mmcf->checked);
    if (checked == NULL) {
        return NGX_CONF_ERROR;
    }

    *checked = mlcf;

    if (mlcf->enable == NGX_HTTP_MSPWH_ON && mlcf->secrets == NULL) {
        return ngx_http_mspwh_no_secret(cf, mlcf);
    }

    return ngx_http_mspwh_check_header_name(cf, mlcf);
}


static void
ngx_http_mspwh_merge_values(ngx_http_mspwh_main_conf_t *mmcf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf)
{
    ngx_conf_merge_uint_value(conf->enable, prev->enable,
                              NGX_HTTP_MSPWH_OFF);
    ngx_conf_merge_ptr_value(conf->source, prev->source, NULL);
    ngx_conf_merge_uint_value(conf->malformed, prev->malformed,
                              NGX_HTTP_MSPWH_REJECT);
    ngx_conf_merge_uint_value(conf->log_level, prev->log_level, NGX_LOG_ERR);
    ngx_conf_merge_ptr_value(conf->secrets, prev->secrets, NULL);
    ngx_conf_merge_ptr_value(conf->fields, prev->fields, NULL);
    ngx_conf_merge_ptr_value(conf->sets, prev->sets, NULL);
    ngx_conf_merge_ptr_value(conf->accept, prev->accept, NULL);
    ngx_conf_merge_ptr_value(conf->dedup, prev->dedup, NULL);
    ngx_conf_merge_ptr_value(conf->webhook, prev->webhook,
                     *(ngx_http_mspwh_webhook_t **) mmcf->webhooks.elts);

    if (conf->header.data == NULL) {
        conf->header_place = prev->header_place;
    }

    ngx_conf_merge_str_value(conf->header, prev->header,
                             "X-Webhook-Signature");
}


static char *
ngx_http_mspwh_merge_handlers(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    if (ngx_http_mspwh_merge_spool(cf, prev, conf) != NGX_CONF_OK
        || ngx_http_mspwh_add_spool_path(cf, conf) != NGX_OK
        || ngx_http_mspwh_merge_store(cf, prev, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_mspwh_merge_stream(cf, prev, conf);
}


static char *
ngx_http_mspwh_no_secret(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"mspwh\" is \"on\" in %s \"%V\", but there is no "
                  "\"mspwh_secret\" or \"mspwh_secret_file\" in %s:%ui",
                  clcf->name.len ? "location" : "server",
                  clcf->name.len ? &clcf->name : &cscf->server_name,
                  mlcf->source->place.file_name, mlcf->source->place.line);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_mspwh_init(ngx_conf_t *cf)
{
    ngx_str_t                    upgrade = ngx_string("http_upgrade");
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    mmcf->upgrade = ngx_http_get_variable_index(cf, &upgrade);
    if (mmcf->upgrade == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_http_mspwh_tell_warnings(cf);

    if (ngx_http_mspwh_init_doors(cf) != NGX_OK
        || ngx_http_mspwh_check_dedup_zones(cf) != NGX_OK
        || ngx_http_mspwh_init_stores(cf) != NGX_OK
        || ngx_http_mspwh_init_store_counters(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_mspwh_init_counters(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_init_recent(cf);
}
