
/*
 * mspwh_status: the counters as JSON, for Prometheus, and as a page.
 */


#ifndef _NGX_HTTP_MSPWH_STATUS_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STATUS_H_INCLUDED_


#include "ngx_http_mspwh_counters.h"


typedef enum {
    NGX_HTTP_MSPWH_STATUS_AUTO = 0,
    NGX_HTTP_MSPWH_STATUS_JSON,
    NGX_HTTP_MSPWH_STATUS_PROMETHEUS,
    NGX_HTTP_MSPWH_STATUS_HTML
} ngx_http_mspwh_status_e;


/*
 * The directive.
 */
char *ngx_http_mspwh_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_merge_status(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);

/*
 * Each returns the counters as text, in memory of the request's pool or
 * released with it, or NULL if there is no memory.
 */
ngx_chain_t *ngx_http_mspwh_status_json(ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf);
ngx_chain_t *ngx_http_mspwh_status_prometheus(ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf);


#endif /* _NGX_HTTP_MSPWH_STATUS_H_INCLUDED_ */
