
/*
 * The secrets of a level, and the verifiers that a worker keeps for them.
 */


#ifndef _NGX_HTTP_MSPWH_SECRETS_H_INCLUDED_
#define _NGX_HTTP_MSPWH_SECRETS_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"
#include "mspwh_signature.h"


/* verifiers kept for later requests: resetting is cheaper than creating */
#define NGX_HTTP_MSPWH_IDLE  16


typedef struct {
    ngx_str_t                  id;
    mspwh_secret_t             hmac;
} ngx_http_mspwh_secret_t;


typedef struct {
    ngx_uint_t                 nverifiers;
    mspwh_verifier_t           verifiers[NGX_HTTP_MSPWH_IDLE];
} ngx_http_mspwh_idle_t;


struct ngx_http_mspwh_secrets_s {
    ngx_uint_t                 nelts;
    ngx_http_mspwh_secret_t    elts[MSPWH_SECRETS];

    /* each worker's own verifiers; all the rest is read-only */
    ngx_http_mspwh_idle_t     *idle;
};


/*
 * Returns a new, empty set, or NULL if there is no memory.
 */
ngx_http_mspwh_secrets_t *ngx_http_mspwh_create_secrets(ngx_conf_t *cf);

/*
 * Returns whether two levels have the same secrets with the same ids, or none.
 */
ngx_uint_t ngx_http_mspwh_same_secrets(ngx_http_mspwh_secrets_t *one,
    ngx_http_mspwh_secrets_t *two);

/*
 * Fills in an empty verifier for one body.  Returns NGX_OK, or logs an error
 * and returns NGX_ERROR.
 */
ngx_int_t ngx_http_mspwh_get_verifier(ngx_http_mspwh_secrets_t *secrets,
    mspwh_verifier_t *verifier, ngx_log_t *log);

/*
 * Takes a verifier back, to reuse it for another body if possible.
 */
void ngx_http_mspwh_free_verifier(ngx_http_mspwh_secrets_t *secrets,
    mspwh_verifier_t *verifier);


#endif /* _NGX_HTTP_MSPWH_SECRETS_H_INCLUDED_ */
