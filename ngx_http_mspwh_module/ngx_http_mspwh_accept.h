
/*
 * mspwh_accept.
 */


#ifndef _NGX_HTTP_MSPWH_ACCEPT_H_INCLUDED_
#define _NGX_HTTP_MSPWH_ACCEPT_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


char *ngx_http_mspwh_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Returns NGX_DECLINED if the location accepts the event, or the status to
 * answer with.
 */
ngx_int_t ngx_http_mspwh_accept_event(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);


#endif /* _NGX_HTTP_MSPWH_ACCEPT_H_INCLUDED_ */
