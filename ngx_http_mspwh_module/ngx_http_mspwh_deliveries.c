
#include "ngx_http_mspwh_deliveries.h"
#include "ngx_http_mspwh_counters.h"


static ngx_int_t ngx_http_mspwh_json_recent(cJSON *root,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_query_t *query);
static ngx_uint_t ngx_http_mspwh_is_wanted(
    ngx_http_mspwh_delivered_t *delivered, ngx_http_mspwh_query_t *query);
static const char *ngx_http_mspwh_why(ngx_http_mspwh_delivered_t *delivered);
static ngx_int_t ngx_http_mspwh_json_delivered(cJSON *object,
    ngx_uint_t number, ngx_http_mspwh_delivered_t *delivered);
static ngx_int_t ngx_http_mspwh_json_way(cJSON *object,
    ngx_http_mspwh_delivered_t *delivered);
static ngx_int_t ngx_http_mspwh_json_delivered_anomalies(cJSON *object,
    unsigned anomalies);

static ngx_int_t ngx_http_mspwh_json_history(cJSON *root,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_query_t *query);
static ngx_int_t ngx_http_mspwh_json_minute(cJSON *array,
    ngx_http_mspwh_shared_t *shared, ngx_http_mspwh_query_t *query,
    time_t minute);
static ngx_int_t ngx_http_mspwh_json_counts(cJSON *array, time_t minute,
    u_char *webhook, size_t len, ngx_uint_t *counts);


ngx_int_t
ngx_http_mspwh_json_deliveries(cJSON *root, ngx_http_mspwh_main_conf_t *mmcf,
    ngx_http_mspwh_query_t *query)
{
    if (query->recent > 0
        && ngx_http_mspwh_json_recent(root, mmcf, query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (query->history > 0
        && ngx_http_mspwh_json_history(root, mmcf, query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* newest first */

static ngx_int_t
ngx_http_mspwh_json_recent(cJSON *root, ngx_http_mspwh_main_conf_t *mmcf,
    ngx_http_mspwh_query_t *query)
{
    cJSON                       *array, *object;
    ngx_uint_t                   i, n, number;
    ngx_http_mspwh_delivered_t   delivered;

    array = cJSON_AddArrayToObject(root, "recent");
    number = ngx_http_mspwh_recent_next(mmcf);
    n = 0;

    for (i = 0; i < mmcf->recent && n < query->recent && number > 1; i++) {
        number--;

        if (!ngx_http_mspwh_recent_get(mmcf, number, &delivered)
            || !ngx_http_mspwh_is_wanted(&delivered, query))
        {
            continue;
        }

        object = ngx_http_mspwh_json_element(array);
        n++;

        if (ngx_http_mspwh_json_delivered(object, number, &delivered)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (array != NULL) ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_http_mspwh_is_wanted(ngx_http_mspwh_delivered_t *delivered,
    ngx_http_mspwh_query_t *query)
{
    ngx_str_t  *verdict;

    verdict = &ngx_http_mspwh_verdicts[delivered->verdict];

    return ngx_http_mspwh_is_asked(&query->webhook, delivered->webhook,
                                   ngx_strlen(delivered->webhook))
           && ngx_http_mspwh_is_asked(&query->verdict, verdict->data,
                                      verdict->len)
           && ngx_http_mspwh_is_asked(&query->ticket, delivered->ticket_id,
                                      ngx_strlen(delivered->ticket_id));
}


/* the reason for a rejection, or why there is no verdict */

static const char *
ngx_http_mspwh_why(ngx_http_mspwh_delivered_t *delivered)
{
    if (delivered->verdict == NGX_HTTP_MSPWH_NONE) {
        return ngx_http_mspwh_causes[delivered->cause];
    }

    return (delivered->reason != NGX_HTTP_MSPWH_NO_REASON)
           ? (char *) ngx_http_mspwh_reasons[delivered->reason].name.data : "";
}


static ngx_int_t
ngx_http_mspwh_json_delivered(cJSON *object, ngx_uint_t number,
    ngx_http_mspwh_delivered_t *delivered)
{
    ngx_str_t  *verdict;

    verdict = &ngx_http_mspwh_verdicts[delivered->verdict];

    if (ngx_http_mspwh_json_number(object, "number", number) != NGX_OK
        || ngx_http_mspwh_json_date(object, "time", delivered->time, 1)
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "webhook",
                                    (char *) delivered->webhook)
           != NGX_OK
        || ngx_http_mspwh_json_string(object, "verdict", verdict->data,
                                      verdict->len)
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "reason",
                                    ngx_http_mspwh_why(delivered))
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "type", (char *) delivered->type)
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "entity_id",
                                    (char *) delivered->entity_id)
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "ticket_id",
                                    (char *) delivered->ticket_id)
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "key_id",
                                    (char *) delivered->key_id)
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "delivery_id",
                                    (char *) delivered->delivery_id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_json_way(object, delivered);
}


static ngx_int_t
ngx_http_mspwh_json_way(cJSON *object, ngx_http_mspwh_delivered_t *delivered)
{
    if (ngx_http_mspwh_json_known(object, "bytes", delivered->bytes) != NGX_OK
        || ngx_http_mspwh_json_text(object, "client",
                                    (char *) delivered->client)
           != NGX_OK
        || ngx_http_mspwh_json_nonzero(object, "status", delivered->status)
           != NGX_OK
        || ngx_http_mspwh_json_text(object, "upstream",
                                    (char *) delivered->upstream)
           != NGX_OK
        || ngx_http_mspwh_json_nonzero(object, "upstream_status",
                                       delivered->upstream_status)
           != NGX_OK
        || ngx_http_mspwh_json_known(object, "upstream_ms",
                                     delivered->upstream_ms)
           != NGX_OK
        || ngx_http_mspwh_json_known(object, "duration_ms",
                                     delivered->duration_ms)
           != NGX_OK
        || ngx_http_mspwh_json_delivered_anomalies(object,
                                                   delivered->anomalies)
           != NGX_OK
        || ngx_http_mspwh_json_bool(object, "spooled", delivered->spooled)
           != NGX_OK
        || ngx_http_mspwh_json_bool(object, "streamed", delivered->streamed)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_json_number(object, "attempt", delivered->attempt);
}


static ngx_int_t
ngx_http_mspwh_json_delivered_anomalies(cJSON *object, unsigned anomalies)
{
    cJSON       *array, *name;
    ngx_uint_t   i;

    array = cJSON_AddArrayToObject(object, "anomalies");

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (!(anomalies & (1u << i))) {
            continue;
        }

        name = cJSON_CreateString(mspwh_event_anomaly(i));

        if (name != NULL && !cJSON_AddItemToArray(array, name)) {
            cJSON_Delete(name);
            name = NULL;
        }

        if (name == NULL) {
            return NGX_ERROR;
        }
    }

    return (array != NULL) ? NGX_OK : NGX_ERROR;
}


/* oldest first */

static ngx_int_t
ngx_http_mspwh_json_history(cJSON *root, ngx_http_mspwh_main_conf_t *mmcf,
    ngx_http_mspwh_query_t *query)
{
    cJSON   *array;
    time_t   minute, last;

    array = cJSON_AddArrayToObject(root, "history");
    last = ngx_time() / 60;
    minute = last - (time_t) ngx_min(query->history, NGX_HTTP_MSPWH_MINUTES)
             + 1;

    for ( /* void */ ; minute <= last; minute++) {
        if (ngx_http_mspwh_json_minute(array, mmcf->shared, query, minute)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (array != NULL) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_mspwh_json_minute(cJSON *array, ngx_http_mspwh_shared_t *shared,
    ngx_http_mspwh_query_t *query, time_t minute)
{
    ngx_uint_t                 i, found, counts[NGX_HTTP_MSPWH_HISTORY_KINDS];
    ngx_http_mspwh_account_t  *account;

    found = 0;
    ngx_memzero(counts, sizeof(counts));

    for (i = 0; i < shared->naccounts; i++) {
        account = shared->accounts[i];

        if (!ngx_http_mspwh_is_asked(&query->webhook, account->name,
                                     account->len)
            || !ngx_http_mspwh_history_get(&account->history, minute, counts))
        {
            continue;
        }

        if (query->sum) {
            found = 1;
            continue;
        }

        if (ngx_http_mspwh_json_counts(array, minute, account->name,
                                       account->len, counts)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_memzero(counts, sizeof(counts));
    }

    return found ? ngx_http_mspwh_json_counts(array, minute, NULL, 0, counts)
                 : NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_json_counts(cJSON *array, time_t minute, u_char *webhook,
    size_t len, ngx_uint_t *counts)
{
    cJSON       *object;
    ngx_uint_t   i;

    object = ngx_http_mspwh_json_element(array);

    if (ngx_http_mspwh_json_date(object, "time", (uint64_t) minute * 60000, 0)
        != NGX_OK
        || ngx_http_mspwh_json_string(object, "webhook", webhook, len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_MSPWH_HISTORY_KINDS; i++) {
        if (ngx_http_mspwh_json_number(object, ngx_http_mspwh_history_names[i],
                                       counts[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
