
/*
 * The command that appends a request to a stream.
 */


#ifndef _NGX_HTTP_MSPWH_STREAM_COMMAND_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STREAM_COMMAND_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"
#include "ngx_http_mspwh_stream.h"


/*
 * Sets the key of the stream.  Returns NGX_OK, or the status to answer with if
 * there is none.
 */
ngx_int_t ngx_http_mspwh_stream_find_key(ngx_http_request_t *r,
    ngx_http_mspwh_stream_t *stream, ngx_str_t *key);

/*
 * Returns XADD with copies of the body's buffers (not of its bytes), followed
 * by WAIT if there are replicas; or NULL if there is no memory.
 */
ngx_chain_t *ngx_http_mspwh_stream_command(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_stream_t *stream,
    ngx_str_t *key);


#endif /* _NGX_HTTP_MSPWH_STREAM_COMMAND_H_INCLUDED_ */
