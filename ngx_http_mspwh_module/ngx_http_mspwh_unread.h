
/*
 * Bodies that are gone, or that nobody has read, and so are not the empty one.
 */


#ifndef _NGX_HTTP_MSPWH_UNREAD_H_INCLUDED_
#define _NGX_HTTP_MSPWH_UNREAD_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


/*
 * Returns whether nginx has discarded the body of the main request "r", as it
 * does before it answers without having read the body, or has rejected the
 * header before it knew of a body.
 */
ngx_uint_t ngx_http_mspwh_is_discarded(ngx_http_request_t *r);

/*
 * Returns whether a script, or an upstream without buffering, has taken the
 * body of the main request "r", which was read.
 */
ngx_uint_t ngx_http_mspwh_is_taken(ngx_http_request_t *r);


#endif /* _NGX_HTTP_MSPWH_UNREAD_H_INCLUDED_ */
