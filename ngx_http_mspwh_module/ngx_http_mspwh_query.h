
/*
 * The arguments of a request for the status.
 */


#ifndef _NGX_HTTP_MSPWH_QUERY_H_INCLUDED_
#define _NGX_HTTP_MSPWH_QUERY_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


typedef struct {
    /* select by webhook, verdict and ticket; an empty one selects all */
    ngx_str_t   webhook;
    ngx_str_t   verdict;
    ngx_str_t   ticket;

    /* the most deliveries and minutes to return; 0 if not requested */
    ngx_uint_t  recent;
    ngx_uint_t  history;

    /* whether to add up the minutes of all webhooks */
    ngx_uint_t  sum;
} ngx_http_mspwh_query_t;


/*
 * Reads the arguments.  Returns NGX_ERROR if there is no memory.
 */
ngx_int_t ngx_http_mspwh_read_query(ngx_http_request_t *r,
    ngx_http_mspwh_query_t *query);

/*
 * Returns whether a text is the one requested, or any text is.
 */
ngx_uint_t ngx_http_mspwh_is_asked(ngx_str_t *asked, u_char *data,
    size_t len);


#endif /* _NGX_HTTP_MSPWH_QUERY_H_INCLUDED_ */
