
/*
 * The recent deliveries and the history as JSON.
 */


#ifndef _NGX_HTTP_MSPWH_DELIVERIES_H_INCLUDED_
#define _NGX_HTTP_MSPWH_DELIVERIES_H_INCLUDED_


#include "ngx_http_mspwh_json.h"
#include "ngx_http_mspwh_recent.h"


/*
 * Adds the members "recent" and "history", if they are requested.
 */
ngx_int_t ngx_http_mspwh_json_deliveries(cJSON *root,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_query_t *query);


#endif /* _NGX_HTTP_MSPWH_DELIVERIES_H_INCLUDED_ */
