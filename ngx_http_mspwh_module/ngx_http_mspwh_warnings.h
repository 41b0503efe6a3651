
/*
 * The warnings of "nginx -t": what is legal, but surely a mistake.
 */


#ifndef _NGX_HTTP_MSPWH_WARNINGS_H_INCLUDED_
#define _NGX_HTTP_MSPWH_WARNINGS_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"


/*
 * Checks a location that has been merged.
 */
void ngx_http_mspwh_check_location(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Logs the warnings, once all locations have been checked.
 */
void ngx_http_mspwh_tell_warnings(ngx_conf_t *cf);


#endif /* _NGX_HTTP_MSPWH_WARNINGS_H_INCLUDED_ */
