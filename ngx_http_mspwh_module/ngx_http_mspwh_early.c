
/*
 * A body that nginx has read before it chooses a location, by the directive
 * client_body_early_read: it is verified for the server as a whole, and the
 * variables can lead to the location.
 */


#include "ngx_http_mspwh_module.h"


#if (NGX_HTTP_MSPWH_EARLY_READ)


/* ahead of the rewrite module, in its phase */

ngx_int_t
ngx_http_mspwh_early_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_mspwh_ctx_t       *ctx;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (!ngx_http_mspwh_is_checked(mlcf) || r != r->main || r->internal) {
        return NGX_DECLINED;
    }

    /* a request with no body, such as one for the status, can wait */

    if (r->request_body == NULL
        || (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked))
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);

    if (ctx == NULL) {
        rc = ngx_http_mspwh_verify(r, &ctx, mlcf);

        if (rc != NGX_OK) {
            return (rc == NGX_AGAIN) ? NGX_DONE : rc;
        }
    }

    return ngx_http_mspwh_refuse(r, ctx, mlcf);
}


#endif
