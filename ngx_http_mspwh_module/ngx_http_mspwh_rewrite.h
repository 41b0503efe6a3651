
/*
 * What the directives of the rewrite module do, for warnings about them.
 */


#ifndef _NGX_HTTP_MSPWH_REWRITE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_REWRITE_H_INCLUDED_


#include "ngx_http_mspwh_module.h"


/* what the rewrite module does at one level */

typedef struct {
    /* the status that "return" always answers with, or 0 */
    ngx_uint_t                       status;

    /* an event variable, or NULL */
    ngx_str_t                       *variable;
} ngx_http_mspwh_rewrite_t;


/*
 * Scans what is at one level, whose configurations "loc_conf" has.
 */
void ngx_http_mspwh_scan_rewrite(ngx_conf_t *cf, void **loc_conf,
    ngx_http_mspwh_rewrite_t *rewrite);


#endif /* _NGX_HTTP_MSPWH_REWRITE_H_INCLUDED_ */
