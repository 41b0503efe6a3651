
#include "ngx_http_mspwh_status.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_store_status.h"
#include "ngx_http_mspwh_waiting.h"


#define NGX_HTTP_MSPWH_PAGE  4096

/* no line is longer, unless it has a path */
#define NGX_HTTP_MSPWH_LINE  512


typedef struct {
    ngx_pool_t               *pool;
    ngx_chain_t              *first;
    ngx_buf_t                *buf;
    ngx_chain_t             **next;
    ngx_http_mspwh_shared_t  *shared;
    ngx_uint_t                failed;
} ngx_http_mspwh_text_t;


/* the numbers of a spool, and its path as a label */

typedef struct {
    ngx_str_t                 path;
    ngx_http_mspwh_waiting_t  waiting;
} ngx_http_mspwh_spool_t;


#define ngx_http_mspwh_spool_gauge(text, spools, n, name, member, help)       \
    ngx_http_mspwh_family(text, "spool_" name, "gauge", help);                \
                                                                              \
    for (i = 0; i < n; i++) {                                                 \
        ngx_http_mspwh_print_spool(text, &spools[i], name,                    \
                                   (spools)[i].waiting.member);               \
    }


/* prints a counter of each account, with labels besides the webhook's */

#define ngx_http_mspwh_samples(text, name, member, fmt, ...)                  \
    ngx_http_mspwh_print_samples(text, name,                                  \
                          offsetof(ngx_http_mspwh_counters_t, member),        \
                          fmt, ##__VA_ARGS__)


static void ngx_http_mspwh_print(ngx_http_mspwh_text_t *text, const char *fmt,
    ...);
static void ngx_http_mspwh_print_long(ngx_http_mspwh_text_t *text,
    size_t size, const char *fmt, ...);
static void ngx_http_mspwh_vprint(ngx_http_mspwh_text_t *text, size_t size,
    const char *fmt, va_list args);
static void ngx_http_mspwh_family(ngx_http_mspwh_text_t *text,
    const char *name, const char *type, const char *help);
static void ngx_http_mspwh_print_samples(ngx_http_mspwh_text_t *text,
    const char *name, size_t offset, const char *fmt, ...);
static void ngx_http_mspwh_print_requests(ngx_http_mspwh_text_t *text);
static void ngx_http_mspwh_print_events(ngx_http_mspwh_text_t *text);
static void ngx_http_mspwh_print_last(ngx_http_mspwh_text_t *text);
static void ngx_http_mspwh_print_sizes(ngx_http_mspwh_text_t *text);
static void ngx_http_mspwh_print_delays(ngx_http_mspwh_text_t *text);
static void ngx_http_mspwh_print_spooled(ngx_http_mspwh_text_t *text);
static void ngx_http_mspwh_print_keys(ngx_http_mspwh_text_t *text,
    ngx_uint_t generation);
static void ngx_http_mspwh_print_key(ngx_http_mspwh_text_t *text,
    const char *name, ngx_http_mspwh_account_t *account, ngx_str_t *id,
    ngx_atomic_uint_t value);
static void ngx_http_mspwh_print_spools(ngx_http_mspwh_text_t *text,
    ngx_http_request_t *r, ngx_http_mspwh_main_conf_t *mmcf);
static void ngx_http_mspwh_print_spool(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_spool_t *spool, const char *name, int64_t value);
static ngx_int_t ngx_http_mspwh_escape_label(ngx_pool_t *pool,
    ngx_str_t *value, ngx_str_t *escaped);


/* https://prometheus.io/docs/instrumenting/exposition_formats/ */

ngx_chain_t *
ngx_http_mspwh_status_prometheus(ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_http_mspwh_text_t  text;

    ngx_memzero(&text, sizeof(ngx_http_mspwh_text_t));
    text.pool = r->pool;
    text.next = &text.first;
    text.shared = mmcf->shared;

    ngx_http_mspwh_family(&text, "start_time_seconds", "gauge",
                          "Unix time at which counting began.");
    ngx_http_mspwh_print(&text, "mspwh_start_time_seconds %T\n",
                         mmcf->shared->start);

    ngx_http_mspwh_print_requests(&text);
    ngx_http_mspwh_print_events(&text);
    ngx_http_mspwh_print_last(&text);
    ngx_http_mspwh_print_sizes(&text);
    ngx_http_mspwh_print_delays(&text);
    ngx_http_mspwh_print_spooled(&text);
    ngx_http_mspwh_print_keys(&text, mmcf->generation);
    ngx_http_mspwh_print_spools(&text, r, mmcf);

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
    va_list  args;

    va_start(args, fmt);
    ngx_http_mspwh_vprint(text, NGX_HTTP_MSPWH_LINE, fmt, args);
    va_end(args);
}


static void
ngx_http_mspwh_print_long(ngx_http_mspwh_text_t *text, size_t size,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_http_mspwh_vprint(text, size, fmt, args);
    va_end(args);
}


static void
ngx_http_mspwh_vprint(ngx_http_mspwh_text_t *text, size_t size,
    const char *fmt, va_list args)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = text->buf;

    if (b == NULL || (size_t) (b->end - b->last) < size) {
        b = ngx_create_temp_buf(text->pool,
                                ngx_max(size, NGX_HTTP_MSPWH_PAGE));
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

    b->last = ngx_vslprintf(b->last, b->end, fmt, args);
}


static void
ngx_http_mspwh_family(ngx_http_mspwh_text_t *text, const char *name,
    const char *type, const char *help)
{
    ngx_http_mspwh_print(text, "# HELP mspwh_%s %s\n# TYPE mspwh_%s %s\n",
                         name, help, name, type);
}


static void
ngx_http_mspwh_print_samples(ngx_http_mspwh_text_t *text, const char *name,
    size_t offset, const char *fmt, ...)
{
    va_list                    args;
    ngx_uint_t                 i;
    ngx_atomic_t              *value;
    ngx_http_mspwh_account_t  *account;

    for (i = 0; i < text->shared->naccounts; i++) {
        account = text->shared->accounts[i];
        value = (ngx_atomic_t *) ((u_char *) &account->counters + offset);

        ngx_http_mspwh_print(text, "mspwh_%s{webhook=\"%*s\"", name,
                             account->len, account->name);

        va_start(args, fmt);
        ngx_http_mspwh_vprint(text, NGX_HTTP_MSPWH_LINE, fmt, args);
        va_end(args);

        ngx_http_mspwh_print(text, "} %uA\n", *value);
    }
}


static void
ngx_http_mspwh_print_requests(ngx_http_mspwh_text_t *text)
{
    ngx_uint_t                i;
    ngx_http_mspwh_reason_t  *reason;

    ngx_http_mspwh_family(text, "requests_total", "counter",
                          "Requests, by verdict.");

    for (i = NGX_HTTP_MSPWH_VERIFIED; i < NGX_HTTP_MSPWH_VERDICTS; i++) {
        ngx_http_mspwh_samples(text, "requests_total", verdicts[i],
                               ",verdict=\"%V\"", &ngx_http_mspwh_verdicts[i]);
    }

    ngx_http_mspwh_family(text, "requests_without_verdict_total", "counter",
                          "Requests that ended without a verdict, by cause.");

    for (i = 0; i < NGX_HTTP_MSPWH_CAUSES; i++) {
        ngx_http_mspwh_samples(text, "requests_without_verdict_total",
                               without_verdict[i], ",cause=\"%s\"",
                               ngx_http_mspwh_causes[i]);
    }

    ngx_http_mspwh_family(text, "rejections_total", "counter",
                          "Requests that failed verification, by the reason "
                          "in the error log.");

    for (i = NGX_HTTP_MSPWH_NO_REASON + 1; i < NGX_HTTP_MSPWH_REASONS; i++) {
        reason = &ngx_http_mspwh_reasons[i];

        ngx_http_mspwh_samples(text, "rejections_total", rejections[i],
                               ",verdict=\"%V\",reason=\"%V\"",
                               &ngx_http_mspwh_verdicts[reason->verdict],
                               &reason->name);
    }
}


static void
ngx_http_mspwh_print_events(ngx_http_mspwh_text_t *text)
{
    ngx_uint_t  i, k;

    ngx_http_mspwh_family(text, "events_total", "counter",
                          "Verified events, by type.");

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        ngx_http_mspwh_samples(text, "events_total", types[i].events,
                               ",type=\"%s\"", ngx_http_mspwh_type_name(i));
    }

    ngx_http_mspwh_family(text, "upstream_responses_total", "counter",
                          "Verified events, by type and the class of the "
                          "last upstream's answer.");

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        for (k = 0; k < NGX_HTTP_MSPWH_CLASSES; k++) {
            ngx_http_mspwh_samples(text, "upstream_responses_total",
                                   types[i].upstream[k],
                                   ",type=\"%s\",class=\"%s\"",
                                   ngx_http_mspwh_type_name(i),
                                   ngx_http_mspwh_classes[k]);
        }
    }

    ngx_http_mspwh_family(text, "anomalies_total", "counter",
                          "Anomalies of verified events, by name.");

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        ngx_http_mspwh_samples(text, "anomalies_total", anomalies[i],
                               ",anomaly=\"%s\"", mspwh_event_anomaly(i));
    }
}


static void
ngx_http_mspwh_print_last(ngx_http_mspwh_text_t *text)
{
    ngx_uint_t                 i, k;
    ngx_atomic_uint_t          last;
    ngx_http_mspwh_account_t  *account;

    ngx_http_mspwh_family(text, "event_last_timestamp_seconds", "gauge",
                          "Unix time of the last verified event, by type, "
                          "or 0.");

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        ngx_http_mspwh_samples(text, "event_last_timestamp_seconds",
                               types[i].last, ",type=\"%s\"",
                               ngx_http_mspwh_type_name(i));
    }

    ngx_http_mspwh_family(text, "last_verified_timestamp_seconds", "gauge",
                          "Unix time of the last verified event, or 0.");

    for (i = 0; i < text->shared->naccounts; i++) {
        account = text->shared->accounts[i];
        last = 0;

        for (k = 0; k < NGX_HTTP_MSPWH_TYPES; k++) {
            last = ngx_max(last, account->counters.types[k].last);
        }

        ngx_http_mspwh_print(text, "mspwh_last_verified_timestamp_seconds"
                             "{webhook=\"%*s\"} %uA\n",
                             account->len, account->name, last);
    }
}


static void
ngx_http_mspwh_print_sizes(ngx_http_mspwh_text_t *text)
{
    ngx_uint_t                 i, k;
    ngx_atomic_uint_t          total, bytes;
    ngx_http_mspwh_account_t  *account;

    ngx_http_mspwh_family(text, "body_bytes_total", "counter",
                          "Bytes in the bodies of verified events.");
    ngx_http_mspwh_samples(text, "body_bytes_total", bytes, "");

    ngx_http_mspwh_family(text, "body_size_bytes", "histogram",
                          "Sizes of the bodies of verified events.");

    for (i = 0; i < text->shared->naccounts; i++) {
        account = text->shared->accounts[i];
        bytes = account->counters.bytes;
        total = 0;

        for (k = 0; k < NGX_HTTP_MSPWH_SIZES - 1; k++) {
            total += account->counters.sizes[k];
            ngx_http_mspwh_print(text, "mspwh_body_size_bytes_bucket"
                                 "{webhook=\"%*s\",le=\"%uz\"} %uA\n",
                                 account->len, account->name,
                                 ngx_http_mspwh_sizes[k], total);
        }

        total += account->counters.sizes[k];

        ngx_http_mspwh_print(text, "mspwh_body_size_bytes_bucket"
                             "{webhook=\"%*s\",le=\"+Inf\"} %uA\n"
                             "mspwh_body_size_bytes_sum{webhook=\"%*s\"} %uA\n"
                             "mspwh_body_size_bytes_count{webhook=\"%*s\"} "
                             "%uA\n",
                             account->len, account->name, total,
                             account->len, account->name, bytes,
                             account->len, account->name, total);
    }
}


static void
ngx_http_mspwh_print_delays(ngx_http_mspwh_text_t *text)
{
    ngx_uint_t                 i, k, ms;
    ngx_atomic_uint_t          total, sum;
    ngx_http_mspwh_account_t  *account;

    ngx_http_mspwh_family(text, "delivery_duration_seconds", "histogram",
                          "Time from the end of a verified event's body to "
                          "the upstream's answer.");

    for (i = 0; i < text->shared->naccounts; i++) {
        account = text->shared->accounts[i];
        sum = account->counters.delay;
        total = 0;

        for (k = 0; k < NGX_HTTP_MSPWH_DELAYS - 1; k++) {
            ms = ngx_http_mspwh_delays[k];
            total += account->counters.delays[k];

            ngx_http_mspwh_print(text, "mspwh_delivery_duration_seconds_bucket"
                                 "{webhook=\"%*s\",le=\"%ui.%03ui\"} %uA\n",
                                 account->len, account->name,
                                 ms / 1000, ms % 1000, total);
        }

        total += account->counters.delays[k];

        ngx_http_mspwh_print(text, "mspwh_delivery_duration_seconds_bucket"
                             "{webhook=\"%*s\",le=\"+Inf\"} %uA\n"
                             "mspwh_delivery_duration_seconds_sum"
                             "{webhook=\"%*s\"} %uA.%03uA\n"
                             "mspwh_delivery_duration_seconds_count"
                             "{webhook=\"%*s\"} %uA\n",
                             account->len, account->name, total,
                             account->len, account->name,
                             sum / 1000, sum % 1000,
                             account->len, account->name, total);
    }
}


static void
ngx_http_mspwh_print_spooled(ngx_http_mspwh_text_t *text)
{
    ngx_http_mspwh_family(text, "spooled_events_total", "counter",
                          "Events put on disk by mspwh_spool.");
    ngx_http_mspwh_samples(text, "spooled_events_total", spooled_events, "");

    ngx_http_mspwh_family(text, "spooled_bytes_total", "counter",
                          "Bytes in the bodies of spooled events.");
    ngx_http_mspwh_samples(text, "spooled_bytes_total", spooled_bytes, "");

    ngx_http_mspwh_family(text, "spool_failures_total", "counter",
                          "Events that could not be spooled.");
    ngx_http_mspwh_samples(text, "spool_failures_total", spool_failures, "");
}


static void
ngx_http_mspwh_print_keys(ngx_http_mspwh_text_t *text, ngx_uint_t generation)
{
    ngx_str_t                       id;
    ngx_uint_t                      i, k, m;
    ngx_atomic_uint_t               value;
    ngx_http_mspwh_account_t       *account;
    ngx_http_mspwh_key_counters_t  *key;

    static const char              *names[] = {
        "key_matches_total", "key_last_match_timestamp_seconds",
        "key_configured"
    };

    static const char              *help[] = {
        "Requests whose signature matched, by the id of the secret.",
        "Unix time of the last match, by the id of the secret, or 0.",
        "Whether a secret of this id is in the configuration."
    };

    for (m = 0; m < 3; m++) {
        ngx_http_mspwh_family(text, names[m], (m == 0) ? "counter" : "gauge",
                              help[m]);

        for (i = 0; i < text->shared->naccounts; i++) {
            account = text->shared->accounts[i];

            for (k = 0; ngx_http_mspwh_next_key(account, &k, &id); k++) {
                key = &account->keys[k];
                value = (m == 0) ? key->matches
                        : (m == 1) ? key->last : key->generation >= generation;

                ngx_http_mspwh_print_key(text, names[m], account, &id, value);
            }
        }
    }
}


static void
ngx_http_mspwh_print_key(ngx_http_mspwh_text_t *text, const char *name,
    ngx_http_mspwh_account_t *account, ngx_str_t *id, ngx_atomic_uint_t value)
{
    ngx_http_mspwh_print(text, "mspwh_%s{webhook=\"%*s\",key=\"%V\"} %uA\n",
                         name, account->len, account->name, id, value);
}


static void
ngx_http_mspwh_print_spools(ngx_http_mspwh_text_t *text,
    ngx_http_request_t *r, ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_uint_t                  i, n;
    ngx_path_t                **path;
    ngx_http_mspwh_spool_t     *spool;

    n = mmcf->spool_paths.nelts;
    path = mmcf->spool_paths.elts;

    spool = ngx_palloc(text->pool, n * sizeof(ngx_http_mspwh_spool_t));

    if (spool == NULL) {
        text->failed = 1;
        return;
    }

    for (i = 0; i < n; i++) {
        ngx_http_mspwh_read_waiting(r, &path[i]->name, &spool[i].waiting);

        if (ngx_http_mspwh_escape_label(text->pool, &path[i]->name,
                                        &spool[i].path)
            != NGX_OK)
        {
            text->failed = 1;
            return;
        }
    }

    ngx_http_mspwh_spool_gauge(text, spool, n, "waiting_events", waiting,
                               "Events that wait in a spool.");
    ngx_http_mspwh_spool_gauge(text, spool, n, "waiting_bytes", waiting_bytes,
                               "Bytes in the bodies of waiting events.");
    ngx_http_mspwh_spool_gauge(text, spool, n, "quarantined_events",
                               quarantined,
                               "Events that a person has to look at.");
    ngx_http_mspwh_spool_gauge(text, spool, n, "oldest_timestamp_seconds",
                               oldest,
                               "Unix time of the oldest waiting event, or 0.");
    ngx_http_mspwh_spool_gauge(text, spool, n, "last_run_timestamp_seconds",
                               last_run,
                               "Unix time of the last run of "
                               "mspwh-redeliver.");
}


static void
ngx_http_mspwh_print_spool(ngx_http_mspwh_text_t *text,
    ngx_http_mspwh_spool_t *spool, const char *name, int64_t value)
{
    /* nothing is known if mspwh-redeliver has not run */

    if (spool->waiting.waiting < 0) {
        return;
    }

    ngx_http_mspwh_print_long(text, NGX_HTTP_MSPWH_LINE + spool->path.len,
                              "mspwh_spool_%s{path=\"%V\"} %L\n",
                              name, &spool->path, value);
}


/* escapes backslashes, quotes and newlines */

static ngx_int_t
ngx_http_mspwh_escape_label(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *escaped)
{
    size_t   i;
    u_char  *p;

    p = ngx_pnalloc(pool, 2 * value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    escaped->data = p;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] == '\n') {
            *p++ = '\\';
            *p++ = 'n';
            continue;
        }

        if (value->data[i] == '\\' || value->data[i] == '"') {
            *p++ = '\\';
        }

        *p++ = value->data[i];
    }

    escaped->len = p - escaped->data;

    return NGX_OK;
}
