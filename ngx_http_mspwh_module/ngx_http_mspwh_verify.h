
/*
 * The course of a verification: it is prepared, fed, and decided.
 */


#ifndef _NGX_HTTP_MSPWH_VERIFY_H_INCLUDED_
#define _NGX_HTTP_MSPWH_VERIFY_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


/*
 * Checks the signature header, and prepares for the body.  Returns NGX_OK if
 * the body is needed, NGX_DONE if the verification is decided without it, or
 * NGX_ERROR if it has failed.
 */
ngx_int_t ngx_http_mspwh_start(ngx_http_mspwh_verification_t *v);

/*
 * Takes the next "len" bytes of the body.  Returns NGX_OK or NGX_ERROR, after
 * which the verification has failed.
 */
ngx_int_t ngx_http_mspwh_feed(ngx_http_mspwh_verification_t *v, u_char *data,
    size_t len);

/*
 * Decides, once the whole body has been fed, and described in "body".
 */
void ngx_http_mspwh_decide(ngx_http_mspwh_verification_t *v);

/*
 * Decides without a whole body.  A reason that is already known stays.
 */
void ngx_http_mspwh_decide_unread(ngx_http_mspwh_verification_t *v,
    ngx_http_mspwh_reason_e reason);

/*
 * Marks a verification as failed: 500 is the only possible answer.
 */
void ngx_http_mspwh_fail(ngx_http_mspwh_verification_t *v);


#endif /* _NGX_HTTP_MSPWH_VERIFY_H_INCLUDED_ */
