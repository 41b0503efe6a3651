
/*
 * The variables: those of the module, and those of mspwh_set.
 */


#ifndef _NGX_HTTP_MSPWH_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_MSPWH_VARIABLES_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"
#include "ngx_http_mspwh_field.h"


/* a variable of mspwh_set at one level */

typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 index;
    mspwh_pointer_t           *pointer;
} ngx_http_mspwh_set_t;


/*
 * Defines the module's variables.
 */
ngx_int_t ngx_http_mspwh_add_variables(ngx_conf_t *cf);

/*
 * Returns a variable that a directive or a module has defined, or NULL.
 */
ngx_http_variable_t *ngx_http_mspwh_find_variable(ngx_conf_t *cf,
    ngx_str_t *name);

/*
 * The first makes a variable one of mspwh_set; the second returns whether it
 * is one.
 */
void ngx_http_mspwh_init_body_variable(ngx_http_variable_t *var,
    ngx_uint_t index);
ngx_uint_t ngx_http_mspwh_is_body_variable(ngx_http_variable_t *var);


#endif /* _NGX_HTTP_MSPWH_VARIABLES_H_INCLUDED_ */
