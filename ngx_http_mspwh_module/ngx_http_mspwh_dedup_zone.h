
/*
 * The memory of delivered events: an entry for each key, which is pending
 * while a request has a claim to it, and delivered afterwards.
 */


#ifndef _NGX_HTTP_MSPWH_DEDUP_ZONE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_DEDUP_ZONE_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"
#include "mspwh_digest.h"
#include "mspwh_table.h"


typedef struct ngx_http_mspwh_dedup_sh_s  ngx_http_mspwh_dedup_sh_t;


/* a zone's settings in one configuration; its entries survive a reload */

typedef struct {
    ngx_str_t                   name;
    ngx_slab_pool_t            *shpool;
    ngx_http_mspwh_dedup_sh_t  *sh;
    mspwh_sha256_t             *sha256;

    /* seconds */
    time_t                      ttl;
    time_t                      pending;

    /* the store that other machines share, or NULL */
    ngx_http_mspwh_remote_t    *remote;
} ngx_http_mspwh_dedup_zone_t;


typedef struct {
    ngx_http_mspwh_dedup_zone_t  *zone;
    u_char                        key[MSPWH_TABLE_KEY];

    /* tells it from later claims to the same entry */
    uint64_t                      number;
} ngx_http_mspwh_claim_t;


/*
 * Initializes a zone whose "data" is a ngx_http_mspwh_dedup_zone_t.
 */
ngx_int_t ngx_http_mspwh_dedup_init_zone(ngx_shm_zone_t *zone, void *data);

/*
 * Makes an entry pending, for the claim's zone and key.  Returns NGX_OK;
 * NGX_DONE if the event has been delivered; NGX_BUSY if another claim is
 * pending, with "*wait" set to the seconds that it lasts unless it is
 * renewed; or NGX_DECLINED if the zone is full of pending entries, which is
 * logged once a minute.
 */
ngx_int_t ngx_http_mspwh_dedup_claim(ngx_http_mspwh_claim_t *claim,
    time_t *wait, ngx_log_t *log);

/*
 * Extends a claim by another "pending" seconds, unless it has expired.
 */
void ngx_http_mspwh_dedup_renew(ngx_http_mspwh_claim_t *claim);

/*
 * Ends a claim: marks its entry as delivered, or removes it.
 */
void ngx_http_mspwh_dedup_settle(ngx_http_mspwh_claim_t *claim,
    ngx_uint_t delivered);


#endif /* _NGX_HTTP_MSPWH_DEDUP_ZONE_H_INCLUDED_ */
