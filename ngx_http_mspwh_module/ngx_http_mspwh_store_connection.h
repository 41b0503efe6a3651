
/*
 * A connection of the worker's own, which outlives requests: TCP or a unix
 * socket, encrypted if the settings say so.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_CONNECTION_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_CONNECTION_H_INCLUDED_


#include "ngx_http_mspwh_store_conf.h"
#include "ngx_http_mspwh_store_reply.h"


#define NGX_HTTP_MSPWH_STORE_TEXT  512


typedef struct {
    ngx_peer_connection_t         peer;
    ngx_http_mspwh_store_conf_t  *conf;
    ngx_str_t                     name;     /* of the upstream */

    /* quiet: the user of the connection logs that it is lost */
    ngx_log_t                     log;

    /* called with "data" */
    void                        (*opened)(void *data);
    void                        (*readable)(void *data);
    void                        (*writable)(void *data);
    void                        (*failed)(void *data,
                                    ngx_http_mspwh_store_cause_e cause,
                                    const char *text);
    void                         *data;

    u_char                        text[NGX_HTTP_MSPWH_STORE_TEXT];
} ngx_http_mspwh_store_connection_t;


/*
 * Connects to an address.  Returns NGX_OK if "opened" or "failed" will be
 * called, or NGX_ERROR, with "text" set.
 */
ngx_int_t ngx_http_mspwh_store_open(
    ngx_http_mspwh_store_connection_t *connection,
    ngx_http_mspwh_store_address_t *address);

/*
 * Closes it, if it is open.
 */
void ngx_http_mspwh_store_close(ngx_http_mspwh_store_connection_t *connection);

/*
 * Each returns the number of bytes; 0 if none can be moved now, in which case
 * "readable" or "writable" will be called; or NGX_ERROR, with "text" set.
 */
ssize_t ngx_http_mspwh_store_recv(
    ngx_http_mspwh_store_connection_t *connection, u_char *p, size_t size);
ssize_t ngx_http_mspwh_store_send(
    ngx_http_mspwh_store_connection_t *connection, u_char *p, size_t size);


#endif /* _NGX_HTTP_MSPWH_STORE_CONNECTION_H_INCLUDED_ */
