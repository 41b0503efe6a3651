
/*
 * mspwh_field, and what is read from a body.
 */


#ifndef _NGX_HTTP_MSPWH_FIELD_H_INCLUDED_
#define _NGX_HTTP_MSPWH_FIELD_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"
#include "mspwh_event.h"
#include "mspwh_scanner.h"


/* what mspwh_field and mspwh_set ask for at one level */

struct ngx_http_mspwh_fields_s {
    mspwh_fields_t             fields;
    mspwh_scanner_pointers_t   scanner;
    ngx_array_t                pointers[MSPWH_ROLES];
};


char *ngx_http_mspwh_field(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Parses a JSON pointer of a directive; logs what is wrong with it.
 */
char *ngx_http_mspwh_pointer(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *text, mspwh_pointer_t **pointer);

/*
 * Tells the scanner of a pointer that may enter arrays.  Returns NGX_DECLINED
 * if there are too many.
 */
ngx_int_t ngx_http_mspwh_scan_pointer(mspwh_scanner_pointers_t *scanner,
    mspwh_pointer_t *pointer);


#endif /* _NGX_HTTP_MSPWH_FIELD_H_INCLUDED_ */
