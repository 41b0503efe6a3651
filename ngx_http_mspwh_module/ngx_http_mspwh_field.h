
/*
 * mspwh_field, and the plan of what to extract from a body.
 */


#ifndef _NGX_HTTP_MSPWH_FIELD_H_INCLUDED_
#define _NGX_HTTP_MSPWH_FIELD_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


/* what mspwh_field asks for at one level */

struct ngx_http_mspwh_fields_s {
    ngx_array_t                pointers[MSPWH_ROLES];
};


char *ngx_http_mspwh_field(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Parses a JSON pointer in a directive, and logs any mistake in it.
 */
char *ngx_http_mspwh_pointer(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *text, mspwh_pointer_t **pointer);


#endif /* _NGX_HTTP_MSPWH_FIELD_H_INCLUDED_ */
