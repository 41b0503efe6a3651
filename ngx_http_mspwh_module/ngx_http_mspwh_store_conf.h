
/*
 * How to reach a store: mspwh_store_auth, mspwh_store_timeout and
 * mspwh_store_ssl*, and the addresses of an upstream.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_CONF_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_CONF_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


#define NGX_HTTP_MSPWH_STORE_PORT  6379


/* the settings of a level */

struct ngx_http_mspwh_store_conf_s {

    /* HELLO, the first command on a connection: logs in, and asks the role */
    ngx_str_t                hello;

    ngx_msec_t               timeout;

#if (NGX_HTTP_SSL)
    ngx_flag_t               ssl;
    ngx_flag_t               ssl_verify;
    ngx_str_t                ssl_name;
    ngx_str_t                ssl_trusted_certificate;

    ngx_http_mspwh_place_t  *ssl_place;     /* of "ssl" */

    /* NULL if connections are not encrypted */
    ngx_ssl_t               *ssl_ctx;
#endif

    unsigned                 merged:1;
};


/* an address of an upstream; their order is that of the attempts */

typedef struct {
    struct sockaddr         *sockaddr;
    socklen_t                socklen;
    ngx_str_t                name;
} ngx_http_mspwh_store_address_t;


/* directives */

char *ngx_http_mspwh_store_auth(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_store_timeout(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_store_ssl(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_store_ssl_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_store_ssl_name(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_store_ssl_trusted_certificate(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);

/*
 * Inherits settings from the level above, which is NULL for "http".
 */
char *ngx_http_mspwh_merge_store(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);

/*
 * Returns the upstream that a word in a directive names, or NULL, with a
 * message.
 */
ngx_http_upstream_srv_conf_t *ngx_http_mspwh_store_upstream(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_str_t *word);

/*
 * Once the configuration has been read: returns the addresses of an upstream,
 * servers before backups, as an array of ngx_http_mspwh_store_address_t, or
 * NULL, with a message.
 */
ngx_array_t *ngx_http_mspwh_store_addresses(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *upstream);


#endif /* _NGX_HTTP_MSPWH_STORE_CONF_H_INCLUDED_ */
