
/*
 * A request's claim to its event.
 */


#ifndef _NGX_HTTP_MSPWH_DEDUP_H_INCLUDED_
#define _NGX_HTTP_MSPWH_DEDUP_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


/*
 * Claims a request's event.  Returns NGX_DECLINED if it may be passed on, the
 * status to answer a repeat with, NGX_DONE if it has been answered, or
 * NGX_AGAIN if the phases will run again once a store has decided.
 */
ngx_int_t ngx_http_mspwh_claim_event(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Settles the request's claims: the status of the answer tells whether its
 * event has been delivered.
 */
void ngx_http_mspwh_settle(ngx_http_request_t *r);


#endif /* _NGX_HTTP_MSPWH_DEDUP_H_INCLUDED_ */
