
/*
 * The counters of mspwh_status: each request counts once, when it has ended.
 */


#ifndef _NGX_HTTP_MSPWH_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_MSPWH_COUNTERS_H_INCLUDED_


#include "ngx_http_mspwh_outcome.h"


/*
 * A request's numbers are added one at a time: a reader may see only some of
 * them yet, but none is lost.
 */
#define ngx_http_mspwh_add(counter, n)                                        \
    (void) ngx_atomic_fetch_add(&(counter), (ngx_atomic_int_t) (n))

/*
 * Counts a request that has ended, with its last verdict.
 */
void ngx_http_mspwh_count(ngx_http_mspwh_outcome_t *outcome);

/*
 * The upper bounds of the body sizes and, in milliseconds, of the delays; the
 * names of classes and causes.
 */
extern const size_t      ngx_http_mspwh_sizes[NGX_HTTP_MSPWH_SIZES - 1];
extern const ngx_uint_t  ngx_http_mspwh_delays[NGX_HTTP_MSPWH_DELAYS - 1];
extern const char       *ngx_http_mspwh_classes[NGX_HTTP_MSPWH_CLASSES];
extern const char       *ngx_http_mspwh_causes[NGX_HTTP_MSPWH_CAUSES];

/*
 * Returns the name of an event type's counters.
 */
const char *ngx_http_mspwh_type_name(ngx_uint_t type);


#endif /* _NGX_HTTP_MSPWH_COUNTERS_H_INCLUDED_ */
