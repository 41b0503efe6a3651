
/*
 * What a request for the status asks for.
 */


#ifndef _NGX_HTTP_MSPWH_QUERY_H_INCLUDED_
#define _NGX_HTTP_MSPWH_QUERY_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


typedef struct {
    /* only of this webhook, verdict and ticket, if not empty */
    ngx_str_t   webhook;
    ngx_str_t   verdict;
    ngx_str_t   ticket;

    /* at most so many deliveries, and minutes; 0 if not asked for */
    ngx_uint_t  recent;
    ngx_uint_t  history;

    /* the minutes of all webhooks together */
    ngx_uint_t  sum;
} ngx_http_mspwh_query_t;


/*
 * Reads the arguments.  Returns NGX_ERROR if there is no memory.
 */
ngx_int_t ngx_http_mspwh_read_query(ngx_http_request_t *r,
    ngx_http_mspwh_query_t *query);

/*
 * Returns whether a text is the one asked for, or any is.
 */
ngx_uint_t ngx_http_mspwh_is_asked(ngx_str_t *asked, u_char *data,
    size_t len);


#endif /* _NGX_HTTP_MSPWH_QUERY_H_INCLUDED_ */
