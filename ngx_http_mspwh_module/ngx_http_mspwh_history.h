
/*
 * Counters for each minute of the last day, in shared memory.
 *
 * The upper half of a counter is the minute that it belongs to.  The first to
 * count in a new minute replaces the counter of the day before in the same
 * atomic operation, so nothing has to be cleared or locked, and a worker that
 * is killed leaves nothing unfinished.
 */


#ifndef _NGX_HTTP_MSPWH_HISTORY_H_INCLUDED_
#define _NGX_HTTP_MSPWH_HISTORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_MSPWH_MINUTES  1440


/* X(constant, name) */

#define NGX_HTTP_MSPWH_HISTORY_TABLE(X)                                       \
    X(VERIFIED,   "verified")                                                 \
    X(REJECTED,   "rejected")                                                 \
    X(FAILED,     "failed")                                                   \
    X(SPOOLED,    "spooled")                                                  \
    X(DUPLICATE,  "duplicate")

#define NGX_HTTP_MSPWH_HISTORY_CONSTANT(constant, name)                       \
    NGX_HTTP_MSPWH_HISTORY_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_HISTORY_TABLE(NGX_HTTP_MSPWH_HISTORY_CONSTANT)
    NGX_HTTP_MSPWH_HISTORY_KINDS
} ngx_http_mspwh_history_e;


typedef struct {
    uint64_t  counts[NGX_HTTP_MSPWH_MINUTES][NGX_HTTP_MSPWH_HISTORY_KINDS];
} ngx_http_mspwh_history_t;


/*
 * The names, indexed by the constants.
 */
extern const char  *ngx_http_mspwh_history_names[];

/*
 * Adds one to a counter of the minute of "now", a Unix time.
 */
void ngx_http_mspwh_history_add(ngx_http_mspwh_history_t *history,
    time_t now, ngx_http_mspwh_history_e kind);

/*
 * Adds the counters of a minute, which is a Unix time divided by 60, to
 * "counts".  Returns whether any of them is not 0.
 */
ngx_uint_t ngx_http_mspwh_history_get(ngx_http_mspwh_history_t *history,
    time_t minute, ngx_uint_t *counts);


#endif /* _NGX_HTTP_MSPWH_HISTORY_H_INCLUDED_ */
