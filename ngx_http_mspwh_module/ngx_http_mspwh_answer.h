
/*
 * Turns a verification into an answer, by the settings of the location.
 */


#ifndef _NGX_HTTP_MSPWH_ANSWER_H_INCLUDED_
#define _NGX_HTTP_MSPWH_ANSWER_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


/*
 * Returns NGX_DECLINED if the location lets the request through, the status to
 * answer with, or NGX_DONE if it has been answered.  The context must have a
 * verification that has ended.
 */
ngx_int_t ngx_http_mspwh_answer(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Does the first half of ngx_http_mspwh_answer(): rejects a request that is
 * not verified.
 */
ngx_int_t ngx_http_mspwh_answer_rejected(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Shows "Mspwh-Verdict" with an answer of the module to a verified event, and
 * hides it with any other, such as that of an error_page.
 */
void ngx_http_mspwh_show_verdict(ngx_http_mspwh_ctx_t *ctx);


#endif /* _NGX_HTTP_MSPWH_ANSWER_H_INCLUDED_ */
