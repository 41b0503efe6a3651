
/*
 * The key that tells events apart.
 */


#ifndef _NGX_HTTP_MSPWH_DEDUP_KEY_H_INCLUDED_
#define _NGX_HTTP_MSPWH_DEDUP_KEY_H_INCLUDED_


#include "ngx_http_mspwh_dedup_conf.h"


/*
 * Sets the zone and the key of a claim.  Returns NGX_OK; NGX_DECLINED if the
 * value of "key=" is empty; or NGX_ERROR.
 */
ngx_int_t ngx_http_mspwh_dedup_key(ngx_http_request_t *r,
    ngx_http_mspwh_dedup_t *dedup, ngx_http_mspwh_claim_t *claim);


#endif /* _NGX_HTTP_MSPWH_DEDUP_KEY_H_INCLUDED_ */
