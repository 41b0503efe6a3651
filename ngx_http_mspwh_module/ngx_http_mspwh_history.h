
/*
 * What came in each minute of the last day, in shared memory.
 *
 * A counter has the minute that it is of in its upper half.  The first to
 * count in a new minute replaces the one of the day before in the same
 * operation, so nothing has to be cleared, nothing is locked, and a worker
 * that is killed leaves nothing unfinished.
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
 * By their constants.
 */
extern const char  *ngx_http_mspwh_history_names[];

/*
 * Counts one in the minute of "now", a Unix time.
 */
void ngx_http_mspwh_history_add(ngx_http_mspwh_history_t *history,
    time_t now, ngx_http_mspwh_history_e kind);

/*
 * Adds what came in a minute, a Unix time divided by 60, to "counts".  Returns
 * whether there was anything.
 */
ngx_uint_t ngx_http_mspwh_history_get(ngx_http_mspwh_history_t *history,
    time_t minute, ngx_uint_t *counts);


#endif /* _NGX_HTTP_MSPWH_HISTORY_H_INCLUDED_ */
