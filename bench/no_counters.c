
/*
 * The counters' functions with nothing in them, to measure what the counters
 * cost: in place of ngx_http_mspwh_counters.c, for the benchmark only.  With
 * one missing here, nginx does not load the module.
 */


#include "ngx_http_mspwh_counters.h"


const size_t  ngx_http_mspwh_sizes[NGX_HTTP_MSPWH_SIZES - 1];
const char   *ngx_http_mspwh_classes[NGX_HTTP_MSPWH_CLASSES];
const char   *ngx_http_mspwh_causes[NGX_HTTP_MSPWH_CAUSES];


ngx_int_t
ngx_http_mspwh_count_keys(ngx_conf_t *cf, ngx_array_t *keys)
{
    return NGX_OK;
}


ngx_int_t
ngx_http_mspwh_init_counters(ngx_conf_t *cf)
{
    return NGX_OK;
}


const char *
ngx_http_mspwh_type_name(ngx_uint_t type)
{
    return "";
}


ngx_uint_t
ngx_http_mspwh_key_name(ngx_http_mspwh_main_conf_t *mmcf, ngx_uint_t *slot,
    ngx_str_t *name)
{
    return 0;
}
