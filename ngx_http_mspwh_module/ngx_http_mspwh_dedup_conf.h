
/*
 * mspwh_dedup_zone and mspwh_dedup.
 */


#ifndef _NGX_HTTP_MSPWH_DEDUP_CONF_H_INCLUDED_
#define _NGX_HTTP_MSPWH_DEDUP_CONF_H_INCLUDED_


#include "ngx_http_mspwh_dedup_zone.h"


/* a "mspwh_dedup" directive */

struct ngx_http_mspwh_dedup_s {

    /* its "data" is a ngx_http_mspwh_dedup_zone_t; may be defined later */
    ngx_shm_zone_t             *zone;

    ngx_http_complex_value_t    key;

    ngx_http_mspwh_place_t     *place;
};


char *ngx_http_mspwh_dedup_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_dedup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Checks that every zone that is used has been defined.
 */
ngx_int_t ngx_http_mspwh_check_dedup_zones(ngx_conf_t *cf);


#endif /* _NGX_HTTP_MSPWH_DEDUP_CONF_H_INCLUDED_ */
