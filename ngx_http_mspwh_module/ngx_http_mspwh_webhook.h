
/*
 * mspwh_webhook: the name that counters, logs and spooled events carry.
 */


#ifndef _NGX_HTTP_MSPWH_WEBHOOK_H_INCLUDED_
#define _NGX_HTTP_MSPWH_WEBHOOK_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


/* names in a configuration, besides the default one */
#define NGX_HTTP_MSPWH_WEBHOOKS      64

#define NGX_HTTP_MSPWH_WEBHOOK_NAME  64


struct ngx_http_mspwh_webhook_s {
    ngx_str_t                            name;

    /* in shared memory; NULL if no location of this name is checked */
    struct ngx_http_mspwh_account_s     *account;
};


/*
 * Fills in the list of names, which begins with the default one.
 */
ngx_int_t ngx_http_mspwh_init_webhooks(ngx_conf_t *cf,
    ngx_http_mspwh_main_conf_t *mmcf);

/*
 * The directive.
 */
char *ngx_http_mspwh_webhook(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Sets a request's webhook to that of the location that checks it.  A location
 * that names none, such as the target of an error_page, changes nothing; in
 * such a location, a subrequest has the main request's webhook.
 */
void ngx_http_mspwh_set_webhook(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Returns the webhook of a request: that of its context, or else of its
 * location.
 */
ngx_http_mspwh_webhook_t *ngx_http_mspwh_get_webhook(ngx_http_request_t *r);

#define ngx_http_mspwh_webhook_name(r)                                        \
    (&ngx_http_mspwh_get_webhook(r)->name)


#endif /* _NGX_HTTP_MSPWH_WEBHOOK_H_INCLUDED_ */
