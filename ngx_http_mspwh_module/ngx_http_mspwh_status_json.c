
#include "ngx_http_mspwh_status.h"
#include "ngx_http_mspwh_deliveries.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_store_status.h"
#include "ngx_http_mspwh_waiting.h"


static ngx_int_t ngx_http_mspwh_json_root(cJSON *root, ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf);
static ngx_int_t ngx_http_mspwh_json_requests(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_rejections(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_events(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_anomalies(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_bodies(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_spooled(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_keys(cJSON *root,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_query_t *query);
static ngx_int_t ngx_http_mspwh_json_about(cJSON *root, ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_query_t *query);
static ngx_int_t ngx_http_mspwh_json_webhooks(cJSON *root,
    ngx_http_mspwh_main_conf_t *mmcf);
static ngx_atomic_uint_t ngx_http_mspwh_requests(
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_delivery(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_spool(cJSON *root, ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf);
static ngx_int_t ngx_http_mspwh_json_waiting(cJSON *object,
    ngx_http_mspwh_waiting_t *waiting);
static ngx_int_t ngx_http_mspwh_json_account_keys(cJSON *array,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_account_t *account);


ngx_chain_t *
ngx_http_mspwh_status_json(ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf)
{
    char                *text;
    cJSON               *root;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    text = NULL;
    root = cJSON_CreateObject();

    if (root != NULL && ngx_http_mspwh_json_root(root, r, mmcf) == NGX_OK
        && ngx_http_mspwh_store_json(root, mmcf->store_counters) == NGX_OK)
    {
        text = cJSON_PrintUnformatted(root);
    }

    cJSON_Delete(root);

    if (text == NULL) {
        return NULL;
    }

    cln->handler = cJSON_free;
    cln->data = text;

    return ngx_http_mspwh_chain(r, text, ngx_strlen(text));
}


static ngx_int_t
ngx_http_mspwh_json_root(cJSON *root, ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_http_mspwh_query_t     query;
    ngx_http_mspwh_counters_t  counters;

    if (ngx_http_mspwh_read_query(r, &query) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_mspwh_sum(mmcf->shared, &query.webhook, &counters);

    if (ngx_http_mspwh_json_about(root, r, mmcf, &query) != NGX_OK
        || ngx_http_mspwh_json_requests(root, &counters) != NGX_OK
        || ngx_http_mspwh_json_rejections(root, &counters) != NGX_OK
        || ngx_http_mspwh_json_events(root, &counters) != NGX_OK
        || ngx_http_mspwh_json_anomalies(root, &counters) != NGX_OK
        || ngx_http_mspwh_json_bodies(root, &counters) != NGX_OK
        || ngx_http_mspwh_json_delivery(root, &counters) != NGX_OK
        || ngx_http_mspwh_json_spooled(root, &counters) != NGX_OK
        || ngx_http_mspwh_json_spool(root, r, mmcf) != NGX_OK
        || ngx_http_mspwh_json_keys(root, mmcf, &query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_json_deliveries(root, mmcf, &query);
}


static ngx_int_t
ngx_http_mspwh_json_about(cJSON *root, ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_query_t *query)
{
    ngx_open_file_t           *file;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    file = (clcf->error_log != NULL) ? clcf->error_log->file : NULL;

    /* to find a delivery in the logs, one must know their time zone */

    if (ngx_http_mspwh_json_number(root, "time", ngx_time()) != NGX_OK
        || ngx_http_mspwh_json_number(root, "start", mmcf->shared->start)
           != NGX_OK
        || ngx_http_mspwh_json_text(root, "version", NGX_HTTP_MSPWH_VERSION)
           != NGX_OK
        || ngx_http_mspwh_json_text(root, "nginx", NGINX_VERSION) != NGX_OK
        || cJSON_AddNumberToObject(root, "utc_offset",
                                   ngx_cached_time->gmtoff)
           == NULL
        || ngx_http_mspwh_json_string(root, "error_log",
                                      file ? file->name.data : NULL,
                                      file ? file->name.len : 0)
           != NGX_OK
        || ngx_http_mspwh_json_string(root, "webhook", query->webhook.data,
                                      query->webhook.len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_json_webhooks(root, mmcf);
}


static ngx_int_t
ngx_http_mspwh_json_webhooks(cJSON *root, ngx_http_mspwh_main_conf_t *mmcf)
{
    cJSON                     *array, *object;
    ngx_uint_t                 i;
    ngx_http_mspwh_account_t  *account;

    array = cJSON_AddArrayToObject(root, "webhooks");

    for (i = 0; i < mmcf->shared->naccounts; i++) {
        account = mmcf->shared->accounts[i];
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_string(object, "webhook", account->name,
                                       account->len)
            != NGX_OK
            || ngx_http_mspwh_json_bool(object, "configured",
                                   account->generation >= mmcf->generation)
               != NGX_OK
            || ngx_http_mspwh_json_number(object, "requests",
                              ngx_http_mspwh_requests(&account->counters))
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (array != NULL) ? NGX_OK : NGX_ERROR;
}


static ngx_atomic_uint_t
ngx_http_mspwh_requests(ngx_http_mspwh_counters_t *counters)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  n;

    n = 0;

    for (i = NGX_HTTP_MSPWH_VERIFIED; i < NGX_HTTP_MSPWH_VERDICTS; i++) {
        n += counters->verdicts[i];
    }

    for (i = 0; i < NGX_HTTP_MSPWH_CAUSES; i++) {
        n += counters->without_verdict[i];
    }

    return n;
}


static ngx_int_t
ngx_http_mspwh_json_requests(cJSON *root, ngx_http_mspwh_counters_t *counters)
{
    cJSON       *object;
    ngx_uint_t   i;

    object = cJSON_AddObjectToObject(root, "requests");

    for (i = NGX_HTTP_MSPWH_VERIFIED; i < NGX_HTTP_MSPWH_VERDICTS; i++) {
        if (ngx_http_mspwh_json_number(object,
                                 (char *) ngx_http_mspwh_verdicts[i].data,
                                 counters->verdicts[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    object = cJSON_AddObjectToObject(root, "without_verdict");

    for (i = 0; i < NGX_HTTP_MSPWH_CAUSES; i++) {
        if (ngx_http_mspwh_json_number(object, ngx_http_mspwh_causes[i],
                                       counters->without_verdict[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_json_rejections(cJSON *root,
    ngx_http_mspwh_counters_t *counters)
{
    cJSON                    *array, *object;
    ngx_uint_t                i;
    ngx_http_mspwh_reason_t  *reason;

    array = cJSON_AddArrayToObject(root, "rejections");

    for (i = NGX_HTTP_MSPWH_NO_REASON + 1; i < NGX_HTTP_MSPWH_REASONS; i++) {
        reason = &ngx_http_mspwh_reasons[i];
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_text(object, "verdict",
                      (char *) ngx_http_mspwh_verdicts[reason->verdict].data)
            != NGX_OK
            || ngx_http_mspwh_json_text(object, "reason",
                                        (char *) reason->name.data)
               != NGX_OK
            || ngx_http_mspwh_json_number(object, "requests",
                                          counters->rejections[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_json_events(cJSON *root, ngx_http_mspwh_counters_t *counters)
{
    cJSON                           *array, *object, *upstream;
    ngx_uint_t                       i, k;
    ngx_atomic_uint_t                last;
    ngx_http_mspwh_type_counters_t  *type;

    array = cJSON_AddArrayToObject(root, "events");
    last = 0;

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        type = &counters->types[i];
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_text(object, "type",
                                     ngx_http_mspwh_type_name(i))
            != NGX_OK
            || ngx_http_mspwh_json_number(object, "events", type->events)
               != NGX_OK
            || ngx_http_mspwh_json_nonzero(object, "last", type->last)
               != NGX_OK
            || ngx_http_mspwh_json_number(object, "spooled", type->spooled)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        last = ngx_max(last, type->last);
        upstream = cJSON_AddObjectToObject(object, "upstream");

        for (k = 0; k < NGX_HTTP_MSPWH_CLASSES; k++) {
            if (ngx_http_mspwh_json_number(upstream,
                                           ngx_http_mspwh_classes[k],
                                           type->upstream[k])
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_mspwh_json_nonzero(root, "last_verified", last);
}


static ngx_int_t
ngx_http_mspwh_json_anomalies(cJSON *root,
    ngx_http_mspwh_counters_t *counters)
{
    cJSON       *object;
    ngx_uint_t   i;

    object = cJSON_AddObjectToObject(root, "anomalies");

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (ngx_http_mspwh_json_number(object, mspwh_event_anomaly(i),
                                       counters->anomalies[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* "up_to" is null in the last size: it has no bound */

static ngx_int_t
ngx_http_mspwh_json_bodies(cJSON *root, ngx_http_mspwh_counters_t *counters)
{
    cJSON              *array, *object;
    ngx_uint_t          i;
    ngx_atomic_uint_t   bound;

    if (ngx_http_mspwh_json_number(root, "body_bytes", counters->bytes)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    array = cJSON_AddArrayToObject(root, "body_sizes");

    for (i = 0; i < NGX_HTTP_MSPWH_SIZES; i++) {
        bound = (i < NGX_HTTP_MSPWH_SIZES - 1) ? ngx_http_mspwh_sizes[i] : 0;
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_nonzero(object, "up_to", bound) != NGX_OK
            || ngx_http_mspwh_json_number(object, "events",
                                          counters->sizes[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_json_delivery(cJSON *root, ngx_http_mspwh_counters_t *counters)
{
    cJSON              *array, *object;
    ngx_uint_t          i;
    ngx_atomic_uint_t   bound;

    if (ngx_http_mspwh_json_number(root, "delivery_ms", counters->delay)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    array = cJSON_AddArrayToObject(root, "delivery_times");

    for (i = 0; i < NGX_HTTP_MSPWH_DELAYS; i++) {
        bound = (i < NGX_HTTP_MSPWH_DELAYS - 1) ? ngx_http_mspwh_delays[i] : 0;
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_nonzero(object, "up_to_ms", bound) != NGX_OK
            || ngx_http_mspwh_json_number(object, "events",
                                          counters->delays[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_json_spooled(cJSON *root, ngx_http_mspwh_counters_t *counters)
{
    cJSON  *object;

    object = cJSON_AddObjectToObject(root, "spooled");

    if (ngx_http_mspwh_json_number(object, "events", counters->spooled_events)
        != NGX_OK
        || ngx_http_mspwh_json_number(object, "bytes",
                                      counters->spooled_bytes)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_json_number(object, "failures",
                                      counters->spool_failures);
}


/* all but the path is null if mspwh-redeliver has not run */

static ngx_int_t
ngx_http_mspwh_json_spool(cJSON *root, ngx_http_request_t *r,
    ngx_http_mspwh_main_conf_t *mmcf)
{
    cJSON                      *array, *object;
    ngx_uint_t                  i;
    ngx_path_t                **path;
    ngx_http_mspwh_waiting_t    waiting;

    array = cJSON_AddArrayToObject(root, "spool");
    path = mmcf->spool_paths.elts;

    for (i = 0; i < mmcf->spool_paths.nelts; i++) {
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_string(object, "path", path[i]->name.data,
                                       path[i]->name.len)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_http_mspwh_read_waiting(r, &path[i]->name, &waiting);

        if (ngx_http_mspwh_json_waiting(object, &waiting) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (array != NULL) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_mspwh_json_waiting(cJSON *object, ngx_http_mspwh_waiting_t *waiting)
{
    if (ngx_http_mspwh_json_known(object, "waiting", waiting->waiting)
        != NGX_OK
        || ngx_http_mspwh_json_known(object, "waiting_bytes",
                                     waiting->waiting_bytes)
           != NGX_OK
        || ngx_http_mspwh_json_date(object, "oldest",
                                    (uint64_t) waiting->oldest * 1000, 0)
           != NGX_OK
        || ngx_http_mspwh_json_known(object, "quarantined",
                                     waiting->quarantined)
           != NGX_OK
        || ngx_http_mspwh_json_date(object, "last_run",
                                    (uint64_t) waiting->last_run * 1000, 0)
           != NGX_OK
        || ngx_http_mspwh_json_known(object, "sent", waiting->sent) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mspwh_json_known(object, "kept", waiting->kept);
}


static ngx_int_t
ngx_http_mspwh_json_keys(cJSON *root, ngx_http_mspwh_main_conf_t *mmcf,
    ngx_http_mspwh_query_t *query)
{
    cJSON                     *array;
    ngx_uint_t                 i;
    ngx_http_mspwh_account_t  *account;

    array = cJSON_AddArrayToObject(root, "keys");

    for (i = 0; i < mmcf->shared->naccounts; i++) {
        account = mmcf->shared->accounts[i];

        if (ngx_http_mspwh_is_asked(&query->webhook, account->name,
                                    account->len)
            && ngx_http_mspwh_json_account_keys(array, mmcf, account)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (array != NULL) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_mspwh_json_account_keys(cJSON *array,
    ngx_http_mspwh_main_conf_t *mmcf, ngx_http_mspwh_account_t *account)
{
    cJSON                          *object;
    ngx_str_t                       id;
    ngx_uint_t                      i;
    ngx_http_mspwh_key_counters_t  *key;

    for (i = 0; ngx_http_mspwh_next_key(account, &i, &id); i++) {
        key = &account->keys[i];
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_string(object, "webhook", account->name,
                                       account->len)
            != NGX_OK
            || ngx_http_mspwh_json_string(object, "id", id.data, id.len)
               != NGX_OK
            || ngx_http_mspwh_json_bool(object, "configured",
                                        key->generation >= mmcf->generation)
               != NGX_OK
            || ngx_http_mspwh_json_number(object, "matches", key->matches)
               != NGX_OK
            || ngx_http_mspwh_json_nonzero(object, "last", key->last)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
