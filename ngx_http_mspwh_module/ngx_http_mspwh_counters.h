
/*
 * What mspwh_status shows: counters in shared memory, over all workers and
 * from one configuration to the next.
 */


#ifndef _NGX_HTTP_MSPWH_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_MSPWH_COUNTERS_H_INCLUDED_


#include "ngx_http_mspwh_ctx.h"


/* the known event types, and one for all others */
#define NGX_HTTP_MSPWH_TYPES         (MSPWH_EVENT_TYPES + 1)
#define NGX_HTTP_MSPWH_UNKNOWN_TYPE  MSPWH_EVENT_TYPES

#define NGX_HTTP_MSPWH_SIZES         10


/* what became of a verified event */

enum {
    NGX_HTTP_MSPWH_UPSTREAM_2XX = 0,
    NGX_HTTP_MSPWH_UPSTREAM_3XX,
    NGX_HTTP_MSPWH_UPSTREAM_4XX,
    NGX_HTTP_MSPWH_UPSTREAM_5XX,

    /* no upstream has answered, and nginx itself with no success */
    NGX_HTTP_MSPWH_UPSTREAM_NONE,

    /* nginx itself has answered */
    NGX_HTTP_MSPWH_UPSTREAM_LOCAL,

    NGX_HTTP_MSPWH_CLASSES
};


/* why a request has ended without a verdict */

enum {
    /* answered before the check: by access rules, limits or "return" */
    NGX_HTTP_MSPWH_CAUSE_UNCHECKED = 0,

    NGX_HTTP_MSPWH_CAUSE_TOO_LARGE,
    NGX_HTTP_MSPWH_CAUSE_TIMEOUT,
    NGX_HTTP_MSPWH_CAUSE_CLIENT,
    NGX_HTTP_MSPWH_CAUSE_ERROR,

    NGX_HTTP_MSPWH_CAUSES
};


typedef struct {
    ngx_atomic_t  events;
    ngx_atomic_t  last;                         /* Unix time, or 0 */
    ngx_atomic_t  upstream[NGX_HTTP_MSPWH_CLASSES];
} ngx_http_mspwh_type_counters_t;


typedef struct {
    ngx_atomic_t  matches;
    ngx_atomic_t  last;                         /* Unix time, or 0 */
} ngx_http_mspwh_key_counters_t;


typedef struct {
    size_t        len;
    u_char        data[MSPWH_EVENT_ID];
} ngx_http_mspwh_key_name_t;


struct ngx_http_mspwh_counters_s {
    time_t        start;

    /* once for each request; a verdict that rejects has a reason */
    ngx_atomic_t  verdicts[NGX_HTTP_MSPWH_VERDICTS];
    ngx_atomic_t  without_verdict[NGX_HTTP_MSPWH_CAUSES];
    ngx_atomic_t  rejections[NGX_HTTP_MSPWH_REASONS];
    ngx_atomic_t  anomalies[MSPWH_ANOMALIES];

    /* of verified bodies; the last size is that of all larger ones */
    ngx_atomic_t  bytes;
    ngx_atomic_t  sizes[NGX_HTTP_MSPWH_SIZES];

    ngx_atomic_t  spooled_events;
    ngx_atomic_t  spooled_bytes;
    ngx_atomic_t  spool_failures;

    ngx_http_mspwh_type_counters_t  types[NGX_HTTP_MSPWH_TYPES];
    ngx_http_mspwh_key_counters_t   keys[NGX_HTTP_MSPWH_KEY_SLOTS + 1];

    /* written where a configuration is read, under the zone's mutex */
    ngx_atomic_t                    nnames;
    ngx_http_mspwh_key_name_t       names[NGX_HTTP_MSPWH_KEY_SLOTS];
};


/*
 * A request's numbers are added one by one: a reader may see some of them,
 * but none is lost.
 */
#define ngx_http_mspwh_add(counter, n)                                        \
    (void) ngx_atomic_fetch_add(&(counter), (ngx_atomic_int_t) (n))

/*
 * Makes the zone, if a location needs it.
 */
ngx_int_t ngx_http_mspwh_init_counters(ngx_conf_t *cf);

/*
 * Counts a request that has ended, with its last verdict; the context may be
 * NULL.
 */
void ngx_http_mspwh_count(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx);

/*
 * The upper bounds of the body sizes, and the names of classes and causes.
 */
extern const size_t  ngx_http_mspwh_sizes[NGX_HTTP_MSPWH_SIZES - 1];
extern const char   *ngx_http_mspwh_classes[NGX_HTTP_MSPWH_CLASSES];
extern const char   *ngx_http_mspwh_causes[NGX_HTTP_MSPWH_CAUSES];

/*
 * The name of an event type's counters.
 */
const char *ngx_http_mspwh_type_name(ngx_uint_t type);

/*
 * Finds the first slot from "*slot" on that has a name.  Returns 0 where
 * there is none.
 */
ngx_uint_t ngx_http_mspwh_key_name(ngx_http_mspwh_main_conf_t *mmcf,
    ngx_uint_t *slot, ngx_str_t *name);


#endif /* _NGX_HTTP_MSPWH_COUNTERS_H_INCLUDED_ */
