
/*
 * mspwh_set.
 */


#ifndef _NGX_HTTP_MSPWH_SET_H_INCLUDED_
#define _NGX_HTTP_MSPWH_SET_H_INCLUDED_


#include "ngx_http_mspwh_field.h"


char *ngx_http_mspwh_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Plans how to find what mspwh_field and mspwh_set ask for at a level.
 */
ngx_int_t ngx_http_mspwh_merge_plan(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);


#endif /* _NGX_HTTP_MSPWH_SET_H_INCLUDED_ */
