
/*
 * The entry points of the module.
 */


#ifndef _NGX_HTTP_MSPWH_REQUEST_H_INCLUDED_
#define _NGX_HTTP_MSPWH_REQUEST_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


/*
 * Adds the handlers and filters to those of nginx.
 */
ngx_int_t ngx_http_mspwh_init_doors(ngx_conf_t *cf);

/*
 * Looks up the precontent handler's place, once nginx has built its phase
 * engine.
 */
ngx_int_t ngx_http_mspwh_find_check_phase(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_MSPWH_REQUEST_H_INCLUDED_ */
