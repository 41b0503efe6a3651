
/*
 * The state of the spools, from the status.json that mspwh-redeliver writes
 * into each directory.
 */


#ifndef _NGX_HTTP_MSPWH_WAITING_H_INCLUDED_
#define _NGX_HTTP_MSPWH_WAITING_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


/* an unknown number is -1, an unknown Unix time 0 */

typedef struct {
    int64_t  waiting;
    int64_t  waiting_bytes;
    int64_t  quarantined;
    int64_t  sent;
    int64_t  kept;

    time_t   oldest;
    time_t   last_run;
} ngx_http_mspwh_waiting_t;


/*
 * Adds a location's spool to those that the status shows.
 */
ngx_int_t ngx_http_mspwh_add_spool_path(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Reads the status.json in a directory.  Everything is unknown if there is no
 * such file, or if it is malformed.
 */
void ngx_http_mspwh_read_waiting(ngx_http_request_t *r,
    ngx_str_t *directory, ngx_http_mspwh_waiting_t *waiting);


#endif /* _NGX_HTTP_MSPWH_WAITING_H_INCLUDED_ */
