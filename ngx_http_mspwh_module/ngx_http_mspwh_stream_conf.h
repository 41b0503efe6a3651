
/*
 * mspwh_stream_pass: the directive.
 */


#ifndef _NGX_HTTP_MSPWH_STREAM_CONF_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STREAM_CONF_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


char *ngx_http_mspwh_stream_pass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_merge_stream(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);


#endif /* _NGX_HTTP_MSPWH_STREAM_CONF_H_INCLUDED_ */
