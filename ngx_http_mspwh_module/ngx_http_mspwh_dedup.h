
/*
 * The memory of delivered events: an entry for each verified HMAC, which is
 * pending while a request has a claim to it, and delivered afterwards.
 */


#ifndef _NGX_HTTP_MSPWH_DEDUP_H_INCLUDED_
#define _NGX_HTTP_MSPWH_DEDUP_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


/*
 * Half of the HMAC identifies an event (RFC 2104, section 5): an entry then
 * takes 64 bytes of the zone.
 */
#define NGX_HTTP_MSPWH_DEDUP_KEY  (MSPWH_DIGEST_LENGTH / 2)


typedef struct ngx_http_mspwh_dedup_sh_s  ngx_http_mspwh_dedup_sh_t;


/* a zone as one configuration has it: the entries outlast a reload */

typedef struct {
    ngx_str_t                   name;
    ngx_slab_pool_t            *shpool;
    ngx_http_mspwh_dedup_sh_t  *sh;

    /* seconds */
    time_t                      ttl;
    time_t                      pending;
} ngx_http_mspwh_dedup_t;


typedef struct {
    ngx_http_mspwh_dedup_t     *dedup;
    u_char                      key[NGX_HTTP_MSPWH_DEDUP_KEY];

    /* tells it from later claims to the same entry */
    ngx_uint_t                  number;
} ngx_http_mspwh_claim_t;


/* directives, what they are kept in, and their check at the end */

char *ngx_http_mspwh_dedup_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_dedup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_mspwh_create_dedup(ngx_conf_t *cf,
    ngx_http_mspwh_main_conf_t *mmcf);
ngx_int_t ngx_http_mspwh_init_dedup(ngx_conf_t *cf);

/*
 * Claims a request's event.  Returns NGX_DECLINED if it may go on, the status
 * to answer a repeat with, or NGX_DONE if it has been answered.
 */
ngx_int_t ngx_http_mspwh_claim_event(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Ends the request's claims: by the answer's status, its event has been
 * delivered or not.
 */
void ngx_http_mspwh_settle(ngx_http_request_t *r);

/*
 * The initialization of a zone whose "data" is a ngx_http_mspwh_dedup_t.
 */
ngx_int_t ngx_http_mspwh_dedup_init_zone(ngx_shm_zone_t *zone, void *data);

/*
 * Makes an entry pending, for the claim's zone and key.  Returns NGX_OK;
 * NGX_DONE where the event has been delivered; NGX_BUSY where another claim
 * is pending, with "*wait" set to the seconds that it lasts unless it is
 * renewed; or NGX_DECLINED where the zone is full of pending entries, which
 * is logged once a minute.
 */
ngx_int_t ngx_http_mspwh_dedup_claim(ngx_http_mspwh_claim_t *claim,
    time_t *wait, ngx_log_t *log);

/*
 * Lets a claim last for another "pending" seconds, if it still does.
 */
void ngx_http_mspwh_dedup_renew(ngx_http_mspwh_claim_t *claim);

/*
 * Ends a claim: its entry is delivered from now on, or forgotten.
 */
void ngx_http_mspwh_dedup_settle(ngx_http_mspwh_claim_t *claim,
    ngx_uint_t delivered);


#endif /* _NGX_HTTP_MSPWH_DEDUP_H_INCLUDED_ */
