
/*
 * The counters of stores and streams that mspwh_status shows.  All workers
 * share them, in a zone of their own, and they survive a reload.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_COUNTERS_H_INCLUDED_


#include "ngx_http_mspwh_conf.h"
#include "ngx_http_mspwh_store_reply.h"


/* X(constant, name): the results of claims */

#define NGX_HTTP_MSPWH_STORE_RESULT_TABLE(X)                                  \
    X(CLAIMED,    "claimed")                                                  \
    X(DELIVERED,  "delivered")                                                \
    X(IN_FLIGHT,  "in_flight")                                                \
    X(ALONE,      "alone")      /* the zone has decided, without the store */ \
    X(REJECTED,   "rejected")   /* 503 */


#define NGX_HTTP_MSPWH_STORE_RESULT_CONSTANT(constant, name)                  \
    NGX_HTTP_MSPWH_STORE_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_STORE_RESULT_TABLE(NGX_HTTP_MSPWH_STORE_RESULT_CONSTANT)
    NGX_HTTP_MSPWH_STORE_RESULTS,
    NGX_HTTP_MSPWH_STORE_ASKING
} ngx_http_mspwh_store_result_e;


/* the buckets for the time of a claim; the last one has no upper bound */
#define NGX_HTTP_MSPWH_STORE_TIMES  14


/* a process's own numbers, at its slot in nginx's process table */

typedef struct {
    ngx_atomic_t  connected;    /* stores that it has a connection to */
    ngx_atomic_t  waiting;      /* settles that have not been confirmed */
} ngx_http_mspwh_store_process_t;


struct ngx_http_mspwh_store_counters_s {
    ngx_atomic_t  claims[NGX_HTTP_MSPWH_STORE_RESULTS];
    ngx_atomic_t  errors[NGX_HTTP_MSPWH_STORE_CAUSES];
    ngx_atomic_t  connects;
    ngx_atomic_t  lost;         /* settles that never reached the store */

    /* of claims that the store has answered */
    ngx_atomic_t  times[NGX_HTTP_MSPWH_STORE_TIMES];
    ngx_atomic_t  microseconds;

    ngx_atomic_t  stream_events;
    ngx_atomic_t  stream_bytes;
    ngx_atomic_t  stream_failures[NGX_HTTP_MSPWH_STORE_CAUSES];

    ngx_http_mspwh_store_process_t  processes[NGX_MAX_PROCESSES];
};


extern const char  *ngx_http_mspwh_store_results[];

/* in microseconds; the last is 0 */
extern const uint32_t  ngx_http_mspwh_store_times[NGX_HTTP_MSPWH_STORE_TIMES];


/*
 * Creates the zone, if a store or a stream is used.
 */
ngx_int_t ngx_http_mspwh_init_store_counters(ngx_conf_t *cf);

/*
 * Counts a claim that the store has answered after so many microseconds.
 */
void ngx_http_mspwh_store_count_time(ngx_http_mspwh_store_counters_t *counters,
    uint64_t microseconds);

/*
 * Returns this process's own numbers.
 */
ngx_http_mspwh_store_process_t *ngx_http_mspwh_store_process(
    ngx_http_mspwh_store_counters_t *counters);

/*
 * Adds up the numbers of all processes.
 */
void ngx_http_mspwh_store_sum(ngx_http_mspwh_store_counters_t *counters,
    ngx_http_mspwh_store_process_t *sum);


#endif /* _NGX_HTTP_MSPWH_STORE_COUNTERS_H_INCLUDED_ */
