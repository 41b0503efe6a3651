
#include "ngx_http_mspwh_counters.h"


static void ngx_http_mspwh_count_key(ngx_http_mspwh_account_t *account,
    ngx_http_mspwh_secret_t *secret);
static void ngx_http_mspwh_count_event(ngx_http_mspwh_counters_t *counters,
    ngx_http_mspwh_outcome_t *outcome);
static void ngx_http_mspwh_count_delay(ngx_http_mspwh_counters_t *counters,
    ngx_http_mspwh_outcome_t *outcome);
static void ngx_http_mspwh_count_minute(ngx_http_mspwh_history_t *history,
    ngx_http_mspwh_outcome_t *outcome);
static ngx_uint_t ngx_http_mspwh_type(mspwh_event_t *event);


const size_t  ngx_http_mspwh_sizes[] = {
    1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864
};

const ngx_uint_t  ngx_http_mspwh_delays[] = {
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000
};

const char  *ngx_http_mspwh_classes[] = {
    "2xx", "3xx", "4xx", "5xx", "none", "local"
};

const char  *ngx_http_mspwh_causes[] = {
    "unchecked", "too_large", "timeout", "client", "error"
};


void
ngx_http_mspwh_count(ngx_http_mspwh_outcome_t *outcome)
{
    ngx_http_mspwh_account_t       *account;
    ngx_http_mspwh_counters_t      *counters;
    ngx_http_mspwh_verification_t  *v;

    account = outcome->webhook->account;
    counters = &account->counters;
    v = outcome->verification;

    if (v == NULL) {
        ngx_http_mspwh_add(counters->without_verdict[outcome->cause], 1);
        return;
    }

    ngx_http_mspwh_add(counters->verdicts[outcome->verdict], 1);

    if (v->reason != NGX_HTTP_MSPWH_NO_REASON) {
        ngx_http_mspwh_add(counters->rejections[v->reason], 1);
    }

    if (v->secret != NULL) {
        ngx_http_mspwh_count_key(account, v->secret);
    }

    if (outcome->verdict == NGX_HTTP_MSPWH_VERIFIED) {
        ngx_http_mspwh_count_event(counters, outcome);
        ngx_http_mspwh_count_delay(counters, outcome);
    }

    ngx_http_mspwh_count_minute(&account->history, outcome);
}


static void
ngx_http_mspwh_count_key(ngx_http_mspwh_account_t *account,
    ngx_http_mspwh_secret_t *secret)
{
    ngx_http_mspwh_key_counters_t  *key;

    key = ngx_http_mspwh_find_key(account, &secret->id);

    ngx_http_mspwh_add(key->matches, 1);
    key->last = (ngx_atomic_uint_t) ngx_time();
}


static void
ngx_http_mspwh_count_event(ngx_http_mspwh_counters_t *counters,
    ngx_http_mspwh_outcome_t *outcome)
{
    ngx_uint_t                       i;
    ngx_http_mspwh_verification_t   *v;
    ngx_http_mspwh_type_counters_t  *type;

    v = outcome->verification;
    type = &counters->types[ngx_http_mspwh_type(&v->event)];

    ngx_http_mspwh_add(type->events, 1);
    ngx_http_mspwh_add(type->upstream[outcome->class], 1);
    type->last = (ngx_atomic_uint_t) ngx_time();

    if (outcome->ctx->spooled) {
        ngx_http_mspwh_add(type->spooled, 1);
    }

    for (i = 0; i < NGX_HTTP_MSPWH_SIZES - 1; i++) {
        if (v->size <= (off_t) ngx_http_mspwh_sizes[i]) {
            break;
        }
    }

    ngx_http_mspwh_add(counters->sizes[i], 1);
    ngx_http_mspwh_add(counters->bytes, v->size);

    if (v->event.anomalies == 0) {
        return;
    }

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (v->event.anomalies & (1u << i)) {
            ngx_http_mspwh_add(counters->anomalies[i], 1);
        }
    }
}


/* counts how long an upstream took to answer, whichever attempt it was */

static void
ngx_http_mspwh_count_delay(ngx_http_mspwh_counters_t *counters,
    ngx_http_mspwh_outcome_t *outcome)
{
    ngx_uint_t             i;
    ngx_msec_t             delay;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = outcome->ctx;

    if (outcome->class > NGX_HTTP_MSPWH_UPSTREAM_5XX
        || ctx->received == 0 || ctx->answered == 0)
    {
        return;
    }

    delay = ctx->answered - ctx->received;

    for (i = 0; i < NGX_HTTP_MSPWH_DELAYS - 1; i++) {
        if (delay <= ngx_http_mspwh_delays[i]) {
            break;
        }
    }

    ngx_http_mspwh_add(counters->delays[i], 1);
    ngx_http_mspwh_add(counters->delay, delay);
}


static void
ngx_http_mspwh_count_minute(ngx_http_mspwh_history_t *history,
    ngx_http_mspwh_outcome_t *outcome)
{
    time_t                 now;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = outcome->ctx;
    now = ngx_time();

    if (outcome->verdict == NGX_HTTP_MSPWH_VERIFIED) {
        ngx_http_mspwh_history_add(history, now,
                                   NGX_HTTP_MSPWH_HISTORY_VERIFIED);

        if (outcome->status < NGX_HTTP_OK
            || outcome->status >= NGX_HTTP_BAD_REQUEST)
        {
            ngx_http_mspwh_history_add(history, now,
                                       NGX_HTTP_MSPWH_HISTORY_FAILED);
        }

    } else if (outcome->verdict == NGX_HTTP_MSPWH_DUPLICATE) {
        ngx_http_mspwh_history_add(history, now,
                                   NGX_HTTP_MSPWH_HISTORY_DUPLICATE);

    } else if (ctx->rejected) {
        ngx_http_mspwh_history_add(history, now,
                                   NGX_HTTP_MSPWH_HISTORY_REJECTED);
    }

    if (ctx->spooled) {
        ngx_http_mspwh_history_add(history, now,
                                   NGX_HTTP_MSPWH_HISTORY_SPOOLED);
    }
}


static ngx_uint_t
ngx_http_mspwh_type(mspwh_event_t *event)
{
    ngx_uint_t  i;

    /* a known type's name is always the same pointer */

    for (i = 0; i < MSPWH_EVENT_TYPES; i++) {
        if (event->type == mspwh_event_type_name(i)) {
            return i;
        }
    }

    return NGX_HTTP_MSPWH_UNKNOWN_TYPE;
}


const char *
ngx_http_mspwh_type_name(ngx_uint_t type)
{
    return (type < MSPWH_EVENT_TYPES) ? mspwh_event_type_name(type)
                                      : "unknown";
}
