
/*
 * A body that was already read, under other secrets or by another module, is
 * fed in steps, so that the worker can handle other events in between.
 */


#ifndef _NGX_HTTP_MSPWH_BUFFERED_H_INCLUDED_
#define _NGX_HTTP_MSPWH_BUFFERED_H_INCLUDED_


#include "ngx_http_mspwh_verify.h"


/*
 * Feeds the buffered body of its request to a verification.  Returns NGX_OK if
 * the verification has ended, or NGX_AGAIN if the phases will run again once
 * it has.
 */
ngx_int_t ngx_http_mspwh_feed_buffered(ngx_http_mspwh_verification_t *v);


#endif /* _NGX_HTTP_MSPWH_BUFFERED_H_INCLUDED_ */
