
/*
 * mspwh_secret and mspwh_secret_file.
 */


#ifndef _NGX_HTTP_MSPWH_SECRET_CONF_H_INCLUDED_
#define _NGX_HTTP_MSPWH_SECRET_CONF_H_INCLUDED_


#include "ngx_http_mspwh_secrets.h"


char *ngx_http_mspwh_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_secret_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_MSPWH_SECRET_CONF_H_INCLUDED_ */
