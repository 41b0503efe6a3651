
/*
 * An event that is being appended to a stream, and what the store answers.
 */


#ifndef _NGX_HTTP_MSPWH_STREAM_REPLY_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STREAM_REPLY_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"
#include "ngx_http_mspwh_store_counters.h"
#include "ngx_http_mspwh_stream.h"


typedef enum {
    NGX_HTTP_MSPWH_STREAM_HELLO = 0,
    NGX_HTTP_MSPWH_STREAM_XADD,
    NGX_HTTP_MSPWH_STREAM_REPLICAS
} ngx_http_mspwh_stream_state_e;


typedef struct {
    ngx_http_request_t             *request;
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_stream_t        *stream;
    ngx_str_t                       key;

    /* the answer that is expected next */
    ngx_http_mspwh_stream_state_e   state;
    mspwh_resp_t                    resp;
    ngx_http_mspwh_hello_t          hello;

    /* why HELLO was refused, or this is the wrong server */
    ngx_http_mspwh_store_cause_e    cause;
    u_char                          refusal[MSPWH_RESP_TEXT + 1];

    unsigned                        sending:1;
    unsigned                        failed:1;
} ngx_http_mspwh_append_t;


/*
 * The upstream's "process_header": reads the answers.
 */
ngx_int_t ngx_http_mspwh_stream_process_header(ngx_http_request_t *r);

/*
 * Logs and counts that a server has not appended the event, and returns the
 * result for nginx.  If another server may do better, nginx tries the next
 * one.  Otherwise this server is well, and the answer is one that "error_page"
 * can handle.
 */
ngx_int_t ngx_http_mspwh_stream_failed(ngx_http_mspwh_append_t *append,
    ngx_http_mspwh_store_cause_e cause, const char *text);

/*
 * Counts that a server has not appended the event, once.
 */
void ngx_http_mspwh_stream_count_failure(ngx_http_mspwh_append_t *append,
    ngx_http_mspwh_store_cause_e cause);


#endif /* _NGX_HTTP_MSPWH_STREAM_REPLY_H_INCLUDED_ */
