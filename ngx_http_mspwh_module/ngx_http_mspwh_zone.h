
/*
 * The counters in shared memory, which all workers share, and which survive a
 * reload:
 *
 *     shared --> accounts[0] --> counters, keys, history    of "default"
 *                accounts[1] --> counters, keys, history    of "acme"
 *                ...
 *
 * A webhook gets its account when a configuration first names it, and loses it
 * only if later configurations need the place for other names.
 */


#ifndef _NGX_HTTP_MSPWH_ZONE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_ZONE_H_INCLUDED_


#include "ngx_http_mspwh_history.h"
#include "ngx_http_mspwh_query.h"
#include "ngx_http_mspwh_webhook.h"


/* the names of two configurations, each with the default one */
#define NGX_HTTP_MSPWH_WEBHOOK_SLOTS  (2 * (NGX_HTTP_MSPWH_WEBHOOKS + 1))

/* separately counted ids of a webhook, and one place for all others */
#define NGX_HTTP_MSPWH_KEY_SLOTS      64
#define NGX_HTTP_MSPWH_OTHER_KEY      NGX_HTTP_MSPWH_KEY_SLOTS

/* the known event types, and one for all others */
#define NGX_HTTP_MSPWH_TYPES          (MSPWH_EVENT_TYPES + 1)
#define NGX_HTTP_MSPWH_UNKNOWN_TYPE   MSPWH_EVENT_TYPES

#define NGX_HTTP_MSPWH_SIZES          10
#define NGX_HTTP_MSPWH_DELAYS         13


/* what became of a verified event */

enum {
    NGX_HTTP_MSPWH_UPSTREAM_2XX = 0,
    NGX_HTTP_MSPWH_UPSTREAM_3XX,
    NGX_HTTP_MSPWH_UPSTREAM_4XX,
    NGX_HTTP_MSPWH_UPSTREAM_5XX,

    /* no upstream has answered, and nginx itself answered with an error */
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
    ngx_atomic_t  spooled;
    ngx_atomic_t  upstream[NGX_HTTP_MSPWH_CLASSES];
} ngx_http_mspwh_type_counters_t;


typedef struct {
    ngx_atomic_t  matches;
    ngx_atomic_t  last;                         /* Unix time, or 0 */

    /* the last configuration that has it */
    ngx_uint_t    generation;

    size_t        len;
    u_char        id[MSPWH_EVENT_ID];
} ngx_http_mspwh_key_counters_t;


/* the counters of a webhook, or the sum of several */

typedef struct {
    /* once for each request; a verdict that rejects has a reason */
    ngx_atomic_t  verdicts[NGX_HTTP_MSPWH_VERDICTS];
    ngx_atomic_t  without_verdict[NGX_HTTP_MSPWH_CAUSES];
    ngx_atomic_t  rejections[NGX_HTTP_MSPWH_REASONS];
    ngx_atomic_t  anomalies[MSPWH_ANOMALIES];

    /* of verified bodies; the last size counts all larger ones */
    ngx_atomic_t  bytes;
    ngx_atomic_t  sizes[NGX_HTTP_MSPWH_SIZES];

    /* from the end of the body to the upstream's answer; likewise */
    ngx_atomic_t  delay;                        /* milliseconds */
    ngx_atomic_t  delays[NGX_HTTP_MSPWH_DELAYS];

    ngx_atomic_t  spooled_events;
    ngx_atomic_t  spooled_bytes;
    ngx_atomic_t  spool_failures;

    ngx_http_mspwh_type_counters_t  types[NGX_HTTP_MSPWH_TYPES];
} ngx_http_mspwh_counters_t;


typedef struct ngx_http_mspwh_account_s {
    size_t                          len;
    u_char                          name[NGX_HTTP_MSPWH_WEBHOOK_NAME];

    /* the last configuration that has it */
    ngx_uint_t                      generation;

    ngx_http_mspwh_counters_t       counters;

    /* keys are added while a configuration is read, under the zone's mutex */
    ngx_atomic_t                    nkeys;
    ngx_http_mspwh_key_counters_t   keys[NGX_HTTP_MSPWH_KEY_SLOTS + 1];

    ngx_http_mspwh_history_t        history;
} ngx_http_mspwh_account_t;


typedef struct ngx_http_mspwh_shared_s {
    time_t                          start;

    /* counts the configurations */
    ngx_uint_t                      generation;

    ngx_atomic_t                    naccounts;
    ngx_http_mspwh_account_t       *accounts[NGX_HTTP_MSPWH_WEBHOOK_SLOTS];
} ngx_http_mspwh_shared_t;


/*
 * Creates the zone, if a location needs it.
 */
ngx_int_t ngx_http_mspwh_init_counters(ngx_conf_t *cf);

/*
 * Adds up the counters of all webhooks, or of the one with this name.
 */
void ngx_http_mspwh_sum(ngx_http_mspwh_shared_t *shared, ngx_str_t *webhook,
    ngx_http_mspwh_counters_t *sum);

/*
 * Returns where the id of a secret is counted.
 */
ngx_http_mspwh_key_counters_t *ngx_http_mspwh_find_key(
    ngx_http_mspwh_account_t *account, ngx_str_t *id);

/*
 * Finds the first key in use, from "*slot" on.  Returns 0 if there is none.
 */
ngx_uint_t ngx_http_mspwh_next_key(ngx_http_mspwh_account_t *account,
    ngx_uint_t *slot, ngx_str_t *id);


#endif /* _NGX_HTTP_MSPWH_ZONE_H_INCLUDED_ */
