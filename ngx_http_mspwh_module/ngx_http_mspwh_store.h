
/*
 * Claims that several machines share: each worker has a session with the store
 * of each zone.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_H_INCLUDED_


#include "ngx_http_mspwh_store_session.h"


/* the store of a "mspwh_dedup_zone" */

struct ngx_http_mspwh_remote_s {
    ngx_http_upstream_srv_conf_t    *upstream;

    ngx_str_t                       *zone;

    ngx_http_mspwh_main_conf_t      *main_conf;

    /* without the store, events are answered 503, not decided by the zone */
    ngx_uint_t                       reject;

    /* of its words, "ttl" and "pending" are set */
    ngx_http_mspwh_store_session_t   session;

    /* the last claim of the worker */
    uint64_t                         number;
};


typedef struct {
    ngx_http_mspwh_remote_t         *remote;
    u_char                           key[MSPWH_TABLE_KEY];

    /* 0: the store does not have this claim */
    uint64_t                         number;

    ngx_http_mspwh_store_result_e    result;
    time_t                           left;      /* of the other claim */

    /* called with "data" once there is a result */
    void                           (*handler)(void *data);
    void                            *data;

    ngx_http_mspwh_store_command_t  *command;   /* while it waits */
} ngx_http_mspwh_store_claim_t;


/*
 * Completes the stores of zones, once the configuration has been read.
 */
ngx_int_t ngx_http_mspwh_init_stores(ngx_conf_t *cf);

/*
 * In each worker: start and end the sessions.
 */
ngx_int_t ngx_http_mspwh_start_stores(ngx_cycle_t *cycle);
void ngx_http_mspwh_stop_stores(ngx_cycle_t *cycle);

/*
 * Claims an event.  Returns NGX_AGAIN if the handler will be called; or NGX_OK
 * if there is a result at once.
 */
ngx_int_t ngx_http_mspwh_store_claim(ngx_http_mspwh_store_claim_t *claim);

/*
 * Extends a claim by another "pending" seconds, unless it has expired.
 */
void ngx_http_mspwh_store_renew(ngx_http_mspwh_store_claim_t *claim);

/*
 * Ends a claim: its event has been delivered, or is to be forgotten.  The
 * handler will not be called any more.
 */
void ngx_http_mspwh_store_settle(ngx_http_mspwh_store_claim_t *claim,
    ngx_uint_t delivered);


#endif /* _NGX_HTTP_MSPWH_STORE_H_INCLUDED_ */
