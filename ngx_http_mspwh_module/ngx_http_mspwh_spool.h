
/*
 * The spool: a directory with two files for each event, NAME.body and
 * NAME.headers.  An event is complete once NAME.headers exists.
 */


#ifndef _NGX_HTTP_MSPWH_SPOOL_H_INCLUDED_
#define _NGX_HTTP_MSPWH_SPOOL_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


#define NGX_HTTP_MSPWH_SPOOL_BUFFER  65536


/* paths are null-terminated */

typedef struct {
    u_char             *directory;
    u_char             *body;
    u_char             *headers;

    /* the names while the files are being written */
    u_char             *temp_body;
    u_char             *temp_headers;

    ngx_str_t           fields;
    ngx_chain_t        *bufs;

    /* a file that is exactly the body, and can be linked to; or NULL */
    ngx_file_t         *file;

    /* for copying from a file: a thread's stack is small */
    u_char             *buffer;

    /* of a failure: the system call, its path and its error */
    const char         *call;
    u_char             *path;
    ngx_err_t           err;
} ngx_http_mspwh_spool_event_t;


char *ngx_http_mspwh_spool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_merge_spool(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);

/*
 * Called before the body is read: keeps the name of its file, so that a spool
 * can link to it.
 */
void ngx_http_mspwh_keep_body_file(ngx_http_request_t *r);

/*
 * Prepares the event of a verified request, with names in a directory.  It
 * stays valid until the request's pool is destroyed.  Returns NGX_ERROR if
 * there is no memory, or NGX_DECLINED if a system call has failed, which the
 * event then names.
 */
ngx_int_t ngx_http_mspwh_spool_prepare(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_str_t *directory,
    ngx_http_mspwh_spool_event_t *event);

/*
 * Writes an event to disk.  Returns NGX_OK once it would survive a crash, or
 * NGX_ERROR, with nothing left of it.  Uses system calls only, so that a
 * thread can call it.
 */
ngx_int_t ngx_http_mspwh_spool_write(ngx_http_mspwh_spool_event_t *event);


#endif /* _NGX_HTTP_MSPWH_SPOOL_H_INCLUDED_ */
