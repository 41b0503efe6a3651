
/*
 * Headers, and answers that have no body.
 */


#ifndef _NGX_HTTP_MSPWH_RESPONSE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_RESPONSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Returns whether a header has that name.
 */
ngx_uint_t ngx_http_mspwh_is_field(ngx_table_elt_t *h, u_char *name,
    size_t len);

/*
 * Returns the first header of that name, or NULL.
 */
ngx_table_elt_t *ngx_http_mspwh_find_header(ngx_list_t *headers,
    ngx_str_t *name);

/*
 * Returns whether another header of the list has the name of this one.
 */
ngx_uint_t ngx_http_mspwh_is_repeated(ngx_list_t *headers,
    ngx_table_elt_t *header);

/*
 * Returns the host, and the port if there is one, that the client has asked
 * for: an absolute URI takes precedence over the header (RFC 9112, section
 * 3.2.2).
 */
ngx_str_t ngx_http_mspwh_received_host(ngx_http_request_t *r);

/*
 * Lets this answer have its own status, and not that of an error before, which
 * "error_page" without "=" would keep.
 */
void ngx_http_mspwh_forget_error(ngx_http_request_t *r);

/*
 * Sets a response header, and replaces one of the same name.  Returns it, or
 * NULL if there is no memory.
 */
ngx_table_elt_t *ngx_http_mspwh_set_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);

/*
 * Returns 401 with its header set, or 500.
 */
ngx_int_t ngx_http_mspwh_challenge(ngx_http_request_t *r);

/*
 * Returns 409 with "Retry-After" set to "seconds", or 500.
 */
ngx_int_t ngx_http_mspwh_retry_after(ngx_http_request_t *r, time_t seconds);

/*
 * Sends a whole answer without a body; the result is for finalization.
 */
ngx_int_t ngx_http_mspwh_send_empty(ngx_http_request_t *r, ngx_uint_t status);

/*
 * Returns a text as a chain of one buffer, or NULL if there is no memory.
 */
ngx_chain_t *ngx_http_mspwh_chain(ngx_http_request_t *r, const char *text,
    size_t len);


#endif /* _NGX_HTTP_MSPWH_RESPONSE_H_INCLUDED_ */
