
#include "ngx_http_mspwh_unread.h"


static ngx_uint_t ngx_http_mspwh_is_unannounced(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mspwh_is_whole(ngx_buf_t *header);


ngx_uint_t
ngx_http_mspwh_is_taken(ngx_http_request_t *r)
{
    ngx_http_mspwh_body_t  body;

    /* only reading into buffers finds out how long it is */

    if (r->headers_in.content_length_n < 0) {
        return r->headers_in.chunked;
    }

    ngx_http_mspwh_describe_body(r, &body);

    return r->headers_in.content_length_n > 0
           && r->headers_in.content_length_n != body.size;
}


/* the body then looks empty: content_length_n is 0, whatever was announced */

ngx_uint_t
ngx_http_mspwh_is_discarded(ngx_http_request_t *r)
{
    ngx_table_elt_t  *length;

    length = r->headers_in.content_length;

    if (r->discard_body || ngx_http_mspwh_is_unannounced(r)) {
        return 1;
    }

#if (NGX_HTTP_V2)
    if (r->stream != NULL && r->stream->skip_data) {
        return 1;
    }
#endif

    if (r->headers_in.content_length_n != 0) {
        return 0;
    }

    /* a body that was read on request has a handler */

    if (r->headers_in.chunked) {
        return r->request_body != NULL
               && r->request_body->post_handler == NULL;
    }

    return length != NULL
           && ngx_atoof(length->value.data, length->value.len) != 0;
}


/* whether nginx has rejected the header before it knew of the body */

static ngx_uint_t
ngx_http_mspwh_is_unannounced(ngx_http_request_t *r)
{
    if (r->headers_in.chunked || r->headers_in.content_length_n > 0) {
        return 0;
    }

    /* a header that nginx accepts is "chunked" then */

    if (r->headers_in.transfer_encoding != NULL) {
        return 1;
    }

    if (r->headers_in.content_length_n == 0) {
        return 0;
    }

    if (r->headers_in.content_length != NULL) {
        return 1;
    }

#if (NGX_HTTP_V2)
    if (r->stream != NULL) {
        /* nginx also sets "in_closed" when the client resets the stream */

        return !r->stream->in_closed || r->connection->error;
    }
#endif

#if (NGX_HTTP_V3)
    if (r->http_version == NGX_HTTP_VERSION_30) {
        return !r->connection->read->eof;
    }
#endif

    switch (r->http_state) {

    case NGX_HTTP_READING_REQUEST_STATE:
        return 1;

    case NGX_HTTP_PROCESS_REQUEST_STATE:
        return 0;

    default: /* an answer waits to be sent */
        return !ngx_http_mspwh_is_whole(r->header_in);
    }
}


/*
 * Whether nginx has read a header up to its empty line, behind which it leaves
 * the position while there is no body (RFC 9112, section 2.1).  If lines end
 * without CR, nothing tells: nginx has overwritten what was before.
 */

static ngx_uint_t
ngx_http_mspwh_is_whole(ngx_buf_t *header)
{
    u_char  *p;

    p = header->pos;

    if (p == header->start || *--p != LF) {
        return 0;
    }

    if (p > header->start && p[-1] == CR) {
        p--;
    }

    /* the empty line may be the first one in a further buffer */

    return p == header->start || p[-1] == LF;
}
