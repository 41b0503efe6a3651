
/*
 * Decides who may use whose verification.
 */


#ifndef _NGX_HTTP_MSPWH_TRUST_H_INCLUDED_
#define _NGX_HTTP_MSPWH_TRUST_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


typedef enum {
    /* this body has been verified under these secrets, or never will be */
    NGX_HTTP_MSPWH_TRUST_KNOWN = 0,

    /* it has not been, and must be verified now */
    NGX_HTTP_MSPWH_TRUST_VERIFY,

    /* a subrequest of auth_request, ahead of the main request's own check */
    NGX_HTTP_MSPWH_TRUST_ACCESS
} ngx_http_mspwh_trust_e;


/*
 * Decides what a request in a location that verifies can rely on.  Sets "*v"
 * if it returns NGX_HTTP_MSPWH_TRUST_KNOWN.
 */
ngx_http_mspwh_trust_e ngx_http_mspwh_trust(ngx_http_request_t *r,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_http_mspwh_verification_t **v);

/*
 * Returns whether a location may store a request: its whole body is signed,
 * and the location lets it through.
 */
ngx_uint_t ngx_http_mspwh_may_keep(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);


#endif /* _NGX_HTTP_MSPWH_TRUST_H_INCLUDED_ */
