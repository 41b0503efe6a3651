
/*
 * mspwh_stream_pass: the content handler, which uses nginx's upstream
 * machinery to append a verified request to a stream.
 */


#ifndef _NGX_HTTP_MSPWH_STREAM_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STREAM_H_INCLUDED_


#include "ngx_http_mspwh_store_conf.h"


/* a "mspwh_stream_pass" directive */

struct ngx_http_mspwh_stream_s {
    ngx_http_upstream_conf_t      upstream;
    ngx_http_complex_value_t      key;

    /* 0: the primary's own answer is enough */
    ngx_uint_t                    replicas;
    ngx_msec_t                    wait;

    ngx_http_mspwh_store_conf_t  *store;
    ngx_http_mspwh_place_t        place;
};


ngx_int_t ngx_http_mspwh_stream_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_MSPWH_STREAM_H_INCLUDED_ */
