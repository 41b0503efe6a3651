
#include "ngx_http_mspwh_store_status.h"
#include "ngx_http_mspwh_json.h"
#include "ngx_http_mspwh_response.h"


/* all metrics, with numbers of any length, take less */
#define NGX_HTTP_MSPWH_STORE_METRICS  16384


static ngx_int_t ngx_http_mspwh_store_json_table(cJSON *object,
    const char *name, const char **names, ngx_atomic_t *counters,
    ngx_uint_t n);
static ngx_int_t ngx_http_mspwh_store_json_times(cJSON *object,
    ngx_http_mspwh_store_counters_t *counters);
static u_char *ngx_http_mspwh_store_print(u_char *p, u_char *last,
    ngx_http_mspwh_store_counters_t *counters);
static u_char *ngx_http_mspwh_store_print_times(u_char *p, u_char *last,
    ngx_http_mspwh_store_counters_t *counters);
static u_char *ngx_http_mspwh_store_print_one(u_char *p, u_char *last,
    const char *name, const char *type, const char *help,
    ngx_atomic_uint_t n);
static u_char *ngx_http_mspwh_store_print_table(u_char *p, u_char *last,
    const char *name, const char *help, const char *label,
    const char **names, ngx_atomic_t *counters, ngx_uint_t n);


ngx_int_t
ngx_http_mspwh_store_json(cJSON *root,
    ngx_http_mspwh_store_counters_t *counters)
{
    cJSON                           *store, *stream;
    ngx_http_mspwh_store_process_t   sum;

    if (counters == NULL) {
        return NGX_OK;
    }

    ngx_http_mspwh_store_sum(counters, &sum);

    store = cJSON_AddObjectToObject(root, "store");
    stream = cJSON_AddObjectToObject(root, "stream");

    if (ngx_http_mspwh_store_json_table(store, "claims",
                                        ngx_http_mspwh_store_results,
                                        counters->claims,
                                        NGX_HTTP_MSPWH_STORE_RESULTS)
        != NGX_OK
        || ngx_http_mspwh_store_json_table(store, "errors",
                                           ngx_http_mspwh_store_causes,
                                           counters->errors,
                                           NGX_HTTP_MSPWH_STORE_CAUSES)
           != NGX_OK
        || ngx_http_mspwh_json_number(store, "connected", sum.connected)
           != NGX_OK
        || ngx_http_mspwh_json_number(store, "connects", counters->connects)
           != NGX_OK
        || ngx_http_mspwh_json_number(store, "waiting", sum.waiting)
           != NGX_OK
        || ngx_http_mspwh_json_number(store, "lost", counters->lost)
           != NGX_OK
        || ngx_http_mspwh_store_json_times(store, counters) != NGX_OK
        || ngx_http_mspwh_json_number(stream, "events",
                                      counters->stream_events)
           != NGX_OK
        || ngx_http_mspwh_json_number(stream, "bytes", counters->stream_bytes)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_store_json_table(stream, "failures",
                                           ngx_http_mspwh_store_causes,
                                           counters->stream_failures,
                                           NGX_HTTP_MSPWH_STORE_CAUSES);
}


static ngx_int_t
ngx_http_mspwh_store_json_table(cJSON *object, const char *name,
    const char **names, ngx_atomic_t *counters, ngx_uint_t n)
{
    cJSON       *table;
    ngx_uint_t   i;

    table = cJSON_AddObjectToObject(object, name);

    for (i = 0; i < n; i++) {
        if (ngx_http_mspwh_json_number(table, names[i], counters[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* "up_to_us" is null in the last: it has no bound */

static ngx_int_t
ngx_http_mspwh_store_json_times(cJSON *object,
    ngx_http_mspwh_store_counters_t *counters)
{
    cJSON       *array, *time;
    ngx_uint_t   i;

    array = cJSON_AddArrayToObject(object, "claim_times");

    for (i = 0; i < NGX_HTTP_MSPWH_STORE_TIMES; i++) {
        time = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_nonzero(time, "up_to_us",
                                        ngx_http_mspwh_store_times[i])
            != NGX_OK
            || ngx_http_mspwh_json_number(time, "claims", counters->times[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_mspwh_json_number(object, "claim_us",
                                      counters->microseconds);
}


ngx_int_t
ngx_http_mspwh_store_prometheus(ngx_http_request_t *r,
    ngx_http_mspwh_store_counters_t *counters, ngx_chain_t *chain)
{
    u_char  *p, *last;

    if (counters == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_HTTP_MSPWH_STORE_METRICS);
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = ngx_http_mspwh_store_print(p, p + NGX_HTTP_MSPWH_STORE_METRICS,
                                      counters);

    while (chain->next != NULL) {
        chain = chain->next;
    }

    chain->next = ngx_http_mspwh_chain(r, (char *) p, last - p);

    return (chain->next != NULL) ? NGX_OK : NGX_ERROR;
}


static u_char *
ngx_http_mspwh_store_print(u_char *p, u_char *last,
    ngx_http_mspwh_store_counters_t *counters)
{
    ngx_http_mspwh_store_process_t  sum;

    ngx_http_mspwh_store_sum(counters, &sum);

    p = ngx_http_mspwh_store_print_table(p, last, "store_claims_total",
                                         "Claims of a zone with a store, by "
                                         "result.", "result",
                                         ngx_http_mspwh_store_results,
                                         counters->claims,
                                         NGX_HTTP_MSPWH_STORE_RESULTS);
    p = ngx_http_mspwh_store_print_table(p, last, "store_errors_total",
                                         "Failures of a store, by cause.",
                                         "cause", ngx_http_mspwh_store_causes,
                                         counters->errors,
                                         NGX_HTTP_MSPWH_STORE_CAUSES);
    p = ngx_http_mspwh_store_print_one(p, last, "store_connections", "gauge",
                                       "Connections that workers have to a "
                                       "store now.", sum.connected);
    p = ngx_http_mspwh_store_print_one(p, last, "store_connects_total",
                                       "counter", "Connections to a primary.",
                                       counters->connects);
    p = ngx_http_mspwh_store_print_one(p, last, "store_waiting_settles",
                                       "gauge", "Settles that a store has not "
                                       "confirmed yet.", sum.waiting);
    p = ngx_http_mspwh_store_print_one(p, last, "store_lost_settles_total",
                                       "counter", "Settles that no store has "
                                       "been told.", counters->lost);
    p = ngx_http_mspwh_store_print_times(p, last, counters);
    p = ngx_http_mspwh_store_print_one(p, last, "streamed_events_total",
                                       "counter",
                                       "Events appended to a stream.",
                                       counters->stream_events);
    p = ngx_http_mspwh_store_print_one(p, last, "streamed_bytes_total",
                                       "counter", "Bytes in the bodies of "
                                       "streamed events.",
                                       counters->stream_bytes);

    return ngx_http_mspwh_store_print_table(p, last, "stream_failures_total",
                                            "Attempts to append an event that "
                                            "have failed, by cause.", "cause",
                                            ngx_http_mspwh_store_causes,
                                            counters->stream_failures,
                                            NGX_HTTP_MSPWH_STORE_CAUSES);
}


static u_char *
ngx_http_mspwh_store_print_times(u_char *p, u_char *last,
    ngx_http_mspwh_store_counters_t *counters)
{
    uint32_t           us;
    ngx_uint_t         i;
    ngx_atomic_uint_t  total, sum;

    sum = counters->microseconds;

    p = ngx_slprintf(p, last, "# HELP mspwh_store_claim_seconds Time until a "
                     "store has answered a claim.\n"
                     "# TYPE mspwh_store_claim_seconds histogram\n");

    total = 0;

    for (i = 0; i < NGX_HTTP_MSPWH_STORE_TIMES - 1; i++) {
        us = ngx_http_mspwh_store_times[i];
        total += counters->times[i];

        p = ngx_slprintf(p, last, "mspwh_store_claim_seconds_bucket"
                         "{le=\"%uD.%05uD\"} %uA\n",
                         us / 1000000, us % 1000000 / 10, total);
    }

    total += counters->times[i];

    return ngx_slprintf(p, last, "mspwh_store_claim_seconds_bucket"
                        "{le=\"+Inf\"} %uA\n"
                        "mspwh_store_claim_seconds_sum %uA.%06uA\n"
                        "mspwh_store_claim_seconds_count %uA\n",
                        total, sum / 1000000, sum % 1000000, total);
}


static u_char *
ngx_http_mspwh_store_print_one(u_char *p, u_char *last, const char *name,
    const char *type, const char *help, ngx_atomic_uint_t n)
{
    return ngx_slprintf(p, last, "# HELP mspwh_%s %s\n# TYPE mspwh_%s %s\n"
                        "mspwh_%s %uA\n", name, help, name, type, name, n);
}


static u_char *
ngx_http_mspwh_store_print_table(u_char *p, u_char *last, const char *name,
    const char *help, const char *label, const char **names,
    ngx_atomic_t *counters, ngx_uint_t n)
{
    ngx_uint_t  i;

    p = ngx_slprintf(p, last, "# HELP mspwh_%s %s\n# TYPE mspwh_%s counter\n",
                     name, help, name);

    for (i = 0; i < n; i++) {
        p = ngx_slprintf(p, last, "mspwh_%s{%s=\"%s\"} %uA\n", name, label,
                         names[i], counters[i]);
    }

    return p;
}
