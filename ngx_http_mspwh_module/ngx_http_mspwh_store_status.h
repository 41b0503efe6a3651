
/*
 * The counters of stores and streams, as JSON and for Prometheus, if one is
 * used.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_STATUS_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_STATUS_H_INCLUDED_


#include "ngx_http_mspwh_store_counters.h"

#include <cjson/cJSON.h>


/*
 * Adds the members "store" and "stream".
 */
ngx_int_t ngx_http_mspwh_store_json(cJSON *root,
    ngx_http_mspwh_store_counters_t *counters);

/*
 * Adds a buffer with the metrics to the end of a chain.
 */
ngx_int_t ngx_http_mspwh_store_prometheus(ngx_http_request_t *r,
    ngx_http_mspwh_store_counters_t *counters, ngx_chain_t *chain);


#endif /* _NGX_HTTP_MSPWH_STORE_STATUS_H_INCLUDED_ */
