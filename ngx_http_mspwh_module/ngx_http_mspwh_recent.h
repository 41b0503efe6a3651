
/*
 * mspwh_recent: the most recent deliveries, in a ring in shared memory.
 */


#ifndef _NGX_HTTP_MSPWH_RECENT_H_INCLUDED_
#define _NGX_HTTP_MSPWH_RECENT_H_INCLUDED_


#include "ngx_http_mspwh_outcome.h"


#define NGX_HTTP_MSPWH_RECENT_DEFAULT  500
#define NGX_HTTP_MSPWH_RECENT_MAX      10000

/* an IPv6 address with brackets and port; longer names are cut */
#define NGX_HTTP_MSPWH_RECENT_ADDR     64


/* texts are null-terminated; "" and -1 mean unknown */

typedef struct {
    uint64_t    time;                       /* of the answer, milliseconds */
    int64_t     bytes;
    int64_t     upstream_ms;
    int64_t     duration_ms;
    ngx_uint_t  verdict;
    ngx_uint_t  reason;
    ngx_uint_t  cause;
    ngx_uint_t  status;
    ngx_uint_t  upstream_status;
    ngx_uint_t  attempt;
    unsigned    anomalies;

    unsigned    spooled:1;
    unsigned    streamed:1;

    u_char      webhook[NGX_HTTP_MSPWH_WEBHOOK_NAME + 1];
    u_char      type[MSPWH_EVENT_ID + 1];
    u_char      entity_id[MSPWH_EVENT_ID + 1];
    u_char      ticket_id[MSPWH_EVENT_ID + 1];
    u_char      key_id[MSPWH_EVENT_ID + 1];
    u_char      delivery_id[16 + 1];
    u_char      client[NGX_HTTP_MSPWH_RECENT_ADDR + 1];
    u_char      upstream[NGX_HTTP_MSPWH_RECENT_ADDR + 1];
} ngx_http_mspwh_delivered_t;


/*
 * The directive.
 */
char *ngx_http_mspwh_recent(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Creates the ring, if a location needs it.
 */
ngx_int_t ngx_http_mspwh_init_recent(ngx_conf_t *cf);

/*
 * Remembers a request that has ended.
 */
void ngx_http_mspwh_remember(ngx_http_mspwh_outcome_t *outcome);

/*
 * Returns the number of the next delivery, or 0 if none is remembered.
 */
ngx_uint_t ngx_http_mspwh_recent_next(ngx_http_mspwh_main_conf_t *mmcf);

/*
 * Copies the delivery with that number.  Returns 0 if it is not, or no longer,
 * remembered, or is just being written.
 */
ngx_uint_t ngx_http_mspwh_recent_get(ngx_http_mspwh_main_conf_t *mmcf,
    ngx_uint_t number, ngx_http_mspwh_delivered_t *delivered);


#endif /* _NGX_HTTP_MSPWH_RECENT_H_INCLUDED_ */
