
/*
 * A body that was read before, under other secrets or by another module: fed
 * in steps, so that the worker's other events are handled in between.
 */


#ifndef _NGX_HTTP_MSPWH_BUFFERED_H_INCLUDED_
#define _NGX_HTTP_MSPWH_BUFFERED_H_INCLUDED_


#include "ngx_http_mspwh_verify.h"


/*
 * Feeds a verification with the body that its request has in buffers.  Returns
 * NGX_OK if it has ended, or NGX_AGAIN if the phases will be run once it has.
 */
ngx_int_t ngx_http_mspwh_feed_buffered(ngx_http_mspwh_verification_t *v);


#endif /* _NGX_HTTP_MSPWH_BUFFERED_H_INCLUDED_ */
