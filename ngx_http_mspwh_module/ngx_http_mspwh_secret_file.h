
/*
 * Reads a secret from the file that the first argument of a directive names.
 */


#ifndef _NGX_HTTP_MSPWH_SECRET_FILE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_SECRET_FILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_MSPWH_SECRET_FILE    4096

/* with CRLF, and one byte that shows that the file is too large */
#define NGX_HTTP_MSPWH_SECRET_BUFFER  (NGX_HTTP_MSPWH_SECRET_FILE + 3)


/*
 * Reads the file into "buf", of NGX_HTTP_MSPWH_SECRET_BUFFER bytes, and sets
 * "*secret" to its bytes without one trailing newline.  Fails with a message
 * if they cannot be a secret, and warns of likely mistakes.  The caller
 * cleanses the buffer, whatever the result.
 */
char *ngx_http_mspwh_read_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    u_char *buf, ngx_str_t *secret);


#endif /* _NGX_HTTP_MSPWH_SECRET_FILE_H_INCLUDED_ */
