
#include "ngx_http_mspwh_status.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_store_status.h"


#define NGX_HTTP_MSPWH_PAGE  4096

/* a line is shorter */
#define NGX_HTTP_MSPWH_LINE  512


typedef struct {
    ngx_pool_t   *pool;
    ngx_chain_t  *first;
    ngx_buf_t    *buf;
    ngx_chain_t **next;
    ngx_uint_t    failed;
} ngx_http_mspwh_text_t;


static void ngx_http_mspwh_print(ngx_http_mspwh_text_t *text, const char *fmt,
    ...);
static void ngx_http_mspwh_family(ngx_http_mspwh_text_t *text,
    const char *name, const char *type, const char *help);
static void ngx_http_mspwh_print_requests(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters);
static void ngx_http_mspwh_print_events(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters);
static void ngx_http_mspwh_print_sizes(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters);
static void ngx_http_mspwh_print_spool(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters);
static void ngx_http_mspwh_print_keys(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_main_conf_t *mmcf);


/* https://prometheus.io/docs/instrumenting/exposition_formats/ */

ngx_chain_t *
ngx_http_mspwh_status_prometheus(ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_http_mspwh_text_t       text;
    ngx_http_mspwh_counters_t  *counters;

    counters = mmcf->counters;

    ngx_memzero(&text, sizeof(ngx_http_mspwh_text_t));
    text.pool = r->pool;
    text.next = &text.first;

    ngx_http_mspwh_family(&text, "start_time_seconds", "gauge",
                          "Unix time at which counting began.");
    ngx_http_mspwh_print(&text, "mspwh_start_time_seconds %T\n",
                         counters->start);

    ngx_http_mspwh_print_requests(&text, counters);
    ngx_http_mspwh_print_events(&text, counters);
    ngx_http_mspwh_print_sizes(&text, counters);
    ngx_http_mspwh_print_spool(&text, counters);
    ngx_http_mspwh_print_keys(&text, mmcf);

    if (text.failed
        || ngx_http_mspwh_store_prometheus(r, mmcf->store_counters, text.first)
           != NGX_OK)
    {
        return NULL;
    }

    return text.first;
}


static void
ngx_http_mspwh_print(ngx_http_mspwh_text_t *text, const char *fmt, ...)
{
    va_list       args;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = text->buf;

    if (b == NULL || b->end - b->last < NGX_HTTP_MSPWH_LINE) {
        b = ngx_create_temp_buf(text->pool, NGX_HTTP_MSPWH_PAGE);
        cl = ngx_alloc_chain_link(text->pool);

        if (b == NULL || cl == NULL) {
            text->failed = 1;
            return;
        }

        cl->buf = b;
        cl->next = NULL;

        text->buf = b;
        *text->next = cl;
        text->next = &cl->next;
    }

    va_start(args, fmt);
    b->last = ngx_vslprintf(b->last, b->end, fmt, args);
    va_end(args);
}


static void
ngx_http_mspwh_family(ngx_http_mspwh_text_t *text, const char *name,
    const char *type, const char *help)
{
    ngx_http_mspwh_print(text, "# HELP mspwh_%s %s\n# TYPE mspwh_%s %s\n",
                         name, help, name, type);
}


static void
ngx_http_mspwh_print_requests(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters)
{
    ngx_uint_t                i;
    ngx_http_mspwh_reason_t  *reason;

    ngx_http_mspwh_family(text, "requests_total", "counter",
                          "Requests, by verdict.");

    for (i = NGX_HTTP_MSPWH_VERIFIED; i < NGX_HTTP_MSPWH_VERDICTS; i++) {
        ngx_http_mspwh_print(text, "mspwh_requests_total{verdict=\"%V\"} "
                             "%uA\n", &ngx_http_mspwh_verdicts[i],
                             counters->verdicts[i]);
    }

    ngx_http_mspwh_family(text, "requests_without_verdict_total", "counter",
                          "Requests that ended without a verdict, by cause.");

    for (i = 0; i < NGX_HTTP_MSPWH_CAUSES; i++) {
        ngx_http_mspwh_print(text, "mspwh_requests_without_verdict_total"
                             "{cause=\"%s\"} %uA\n",
                             ngx_http_mspwh_causes[i],
                             counters->without_verdict[i]);
    }

    ngx_http_mspwh_family(text, "rejections_total", "counter",
                          "Requests that failed verification, by the reason "
                          "in the error log.");

    for (i = NGX_HTTP_MSPWH_NO_REASON + 1; i < NGX_HTTP_MSPWH_REASONS; i++) {
        reason = &ngx_http_mspwh_reasons[i];

        ngx_http_mspwh_print(text, "mspwh_rejections_total"
                             "{verdict=\"%V\",reason=\"%V\"} %uA\n",
                             &ngx_http_mspwh_verdicts[reason->verdict],
                             &reason->name, counters->rejections[i]);
    }
}


static void
ngx_http_mspwh_print_events(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters)
{
    ngx_uint_t         i, k;
    ngx_atomic_uint_t  time, last;

    ngx_http_mspwh_family(text, "events_total", "counter",
                          "Verified events, by type.");

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        ngx_http_mspwh_print(text, "mspwh_events_total{type=\"%s\"} %uA\n",
                             ngx_http_mspwh_type_name(i),
                             counters->types[i].events);
    }

    ngx_http_mspwh_family(text, "upstream_responses_total", "counter",
                          "Verified events, by type and the class of the "
                          "last upstream's answer.");

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        for (k = 0; k < NGX_HTTP_MSPWH_CLASSES; k++) {
            ngx_http_mspwh_print(text, "mspwh_upstream_responses_total"
                                 "{type=\"%s\",class=\"%s\"} %uA\n",
                                 ngx_http_mspwh_type_name(i),
                                 ngx_http_mspwh_classes[k],
                                 counters->types[i].upstream[k]);
        }
    }

    ngx_http_mspwh_family(text, "event_last_timestamp_seconds", "gauge",
                          "Unix time of the last verified event, by type, "
                          "or 0.");

    last = 0;

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        time = counters->types[i].last;
        last = ngx_max(last, time);

        ngx_http_mspwh_print(text, "mspwh_event_last_timestamp_seconds"
                             "{type=\"%s\"} %uA\n",
                             ngx_http_mspwh_type_name(i), time);
    }

    ngx_http_mspwh_family(text, "last_verified_timestamp_seconds", "gauge",
                          "Unix time of the last verified event, or 0.");
    ngx_http_mspwh_print(text, "mspwh_last_verified_timestamp_seconds %uA\n",
                         last);

    ngx_http_mspwh_family(text, "anomalies_total", "counter",
                          "Anomalies of verified events, by name.");

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        ngx_http_mspwh_print(text, "mspwh_anomalies_total{anomaly=\"%s\"} "
                             "%uA\n", mspwh_event_anomaly(i),
                             counters->anomalies[i]);
    }
}


static void
ngx_http_mspwh_print_sizes(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  total, bytes;

    bytes = counters->bytes;

    ngx_http_mspwh_family(text, "body_bytes_total", "counter",
                          "Bytes in the bodies of verified events.");
    ngx_http_mspwh_print(text, "mspwh_body_bytes_total %uA\n", bytes);

    ngx_http_mspwh_family(text, "body_size_bytes", "histogram",
                          "Sizes of the bodies of verified events.");

    total = 0;

    for (i = 0; i < NGX_HTTP_MSPWH_SIZES - 1; i++) {
        total += counters->sizes[i];
        ngx_http_mspwh_print(text, "mspwh_body_size_bytes_bucket{le=\"%uz\"} "
                             "%uA\n", ngx_http_mspwh_sizes[i], total);
    }

    total += counters->sizes[i];

    ngx_http_mspwh_print(text, "mspwh_body_size_bytes_bucket{le=\"+Inf\"} "
                         "%uA\n"
                         "mspwh_body_size_bytes_sum %uA\n"
                         "mspwh_body_size_bytes_count %uA\n",
                         total, bytes, total);
}


static void
ngx_http_mspwh_print_spool(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_counters_t *counters)
{
    ngx_http_mspwh_family(text, "spooled_events_total", "counter",
                          "Events put on disk by mspwh_spool.");
    ngx_http_mspwh_print(text, "mspwh_spooled_events_total %uA\n",
                         counters->spooled_events);

    ngx_http_mspwh_family(text, "spooled_bytes_total", "counter",
                          "Bytes in the bodies of spooled events.");
    ngx_http_mspwh_print(text, "mspwh_spooled_bytes_total %uA\n",
                         counters->spooled_bytes);

    ngx_http_mspwh_family(text, "spool_failures_total", "counter",
                          "Events that could not be spooled.");
    ngx_http_mspwh_print(text, "mspwh_spool_failures_total %uA\n",
                         counters->spool_failures);
}


static void
ngx_http_mspwh_print_keys(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_str_t                       name;
    ngx_uint_t                      i;
    ngx_http_mspwh_key_counters_t  *key;

    key = mmcf->counters->keys;

    ngx_http_mspwh_family(text, "key_matches_total", "counter",
                          "Requests whose signature matched, by the id of "
                          "the secret.");

    for (i = 0; ngx_http_mspwh_key_name(mmcf, &i, &name); i++) {
        ngx_http_mspwh_print(text, "mspwh_key_matches_total{key=\"%V\"} "
                             "%uA\n", &name, key[i].matches);
    }

    ngx_http_mspwh_family(text, "key_last_match_timestamp_seconds", "gauge",
                          "Unix time of the last match, by the id of the "
                          "secret, or 0.");

    for (i = 0; ngx_http_mspwh_key_name(mmcf, &i, &name); i++) {
        ngx_http_mspwh_print(text, "mspwh_key_last_match_timestamp_seconds"
                             "{key=\"%V\"} %uA\n", &name, key[i].last);
    }

    ngx_http_mspwh_family(text, "key_configured", "gauge",
                          "Whether a secret of this id is in the "
                          "configuration.");

    for (i = 0; ngx_http_mspwh_key_name(mmcf, &i, &name); i++) {
        ngx_http_mspwh_print(text, "mspwh_key_configured{key=\"%V\"} %ud\n",
                             &name, mmcf->configured[i]);
    }
}
