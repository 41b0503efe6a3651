
#include "ngx_http_mspwh_status.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_store_status.h"


static ngx_int_t ngx_http_mspwh_json_root(cJSON *root,
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
static ngx_int_t ngx_http_mspwh_json_spool(cJSON *root,
    ngx_http_mspwh_counters_t *counters);
static ngx_int_t ngx_http_mspwh_json_keys(cJSON *root,
    ngx_http_mspwh_main_conf_t *mmcf);
static ngx_int_t ngx_http_mspwh_json_number(cJSON *object, const char *name,
    ngx_atomic_uint_t n);
static ngx_int_t ngx_http_mspwh_json_time(cJSON *object, const char *name,
    ngx_atomic_uint_t time);
static ngx_int_t ngx_http_mspwh_json_string(cJSON *object, const char *name,
    ngx_str_t *value);
static cJSON *ngx_http_mspwh_json_element(cJSON *array);


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

    if (root != NULL && ngx_http_mspwh_json_root(root, mmcf) == NGX_OK
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
ngx_http_mspwh_json_root(cJSON *root, ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_http_mspwh_counters_t  *counters;

    counters = mmcf->counters;

    if (ngx_http_mspwh_json_number(root, "time", ngx_time()) != NGX_OK
        || ngx_http_mspwh_json_number(root, "start", counters->start)
           != NGX_OK
        || ngx_http_mspwh_json_requests(root, counters) != NGX_OK
        || ngx_http_mspwh_json_rejections(root, counters) != NGX_OK
        || ngx_http_mspwh_json_events(root, counters) != NGX_OK
        || ngx_http_mspwh_json_anomalies(root, counters) != NGX_OK
        || ngx_http_mspwh_json_bodies(root, counters) != NGX_OK
        || ngx_http_mspwh_json_spool(root, counters) != NGX_OK
        || ngx_http_mspwh_json_keys(root, mmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
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

        if (ngx_http_mspwh_json_string(object, "verdict",
                                   &ngx_http_mspwh_verdicts[reason->verdict])
            != NGX_OK
            || ngx_http_mspwh_json_string(object, "reason", &reason->name)
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
    ngx_str_t                        name;
    ngx_uint_t                       i, k;
    ngx_atomic_uint_t                last;
    ngx_http_mspwh_type_counters_t  *type;

    array = cJSON_AddArrayToObject(root, "events");
    last = 0;

    for (i = 0; i < NGX_HTTP_MSPWH_TYPES; i++) {
        type = &counters->types[i];
        object = ngx_http_mspwh_json_element(array);

        name.data = (u_char *) ngx_http_mspwh_type_name(i);
        name.len = ngx_strlen(name.data);

        if (ngx_http_mspwh_json_string(object, "type", &name) != NGX_OK
            || ngx_http_mspwh_json_number(object, "events", type->events)
               != NGX_OK
            || ngx_http_mspwh_json_time(object, "last", type->last) != NGX_OK)
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

    return ngx_http_mspwh_json_time(root, "last_verified", last);
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

        if (ngx_http_mspwh_json_time(object, "up_to", bound) != NGX_OK
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
ngx_http_mspwh_json_spool(cJSON *root, ngx_http_mspwh_counters_t *counters)
{
    cJSON  *object;

    object = cJSON_AddObjectToObject(root, "spool");

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


static ngx_int_t
ngx_http_mspwh_json_keys(cJSON *root, ngx_http_mspwh_main_conf_t *mmcf)
{
    cJSON                          *array, *object;
    ngx_str_t                       name;
    ngx_uint_t                      i;
    ngx_http_mspwh_key_counters_t  *key;

    array = cJSON_AddArrayToObject(root, "keys");

    for (i = 0; ngx_http_mspwh_key_name(mmcf, &i, &name); i++) {
        key = &mmcf->counters->keys[i];
        object = ngx_http_mspwh_json_element(array);

        if (ngx_http_mspwh_json_string(object, "id", &name) != NGX_OK
            || cJSON_AddBoolToObject(object, "configured",
                                     mmcf->configured[i])
               == NULL
            || ngx_http_mspwh_json_number(object, "matches", key->matches)
               != NGX_OK
            || ngx_http_mspwh_json_time(object, "last", key->last) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return (array != NULL) ? NGX_OK : NGX_ERROR;
}


/*
 * The functions of cJSON that add to an object return NULL where it is NULL
 * itself: it is enough to check the last.  A number of cJSON's own is not
 * exact over 15 digits.
 */

static ngx_int_t
ngx_http_mspwh_json_number(cJSON *object, const char *name,
    ngx_atomic_uint_t n)
{
    u_char  text[NGX_ATOMIC_T_LEN + 1];

    ngx_sprintf(text, "%uA%Z", n);

    return (cJSON_AddRawToObject(object, name, (char *) text) != NULL)
           ? NGX_OK : NGX_ERROR;
}


/* a number that is null where there is none */

static ngx_int_t
ngx_http_mspwh_json_time(cJSON *object, const char *name,
    ngx_atomic_uint_t time)
{
    if (time != 0) {
        return ngx_http_mspwh_json_number(object, name, time);
    }

    return (cJSON_AddNullToObject(object, name) != NULL) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_mspwh_json_string(cJSON *object, const char *name, ngx_str_t *value)
{
    u_char  text[MSPWH_EVENT_ID + 1];

    ngx_cpystrn(text, value->data, ngx_min(value->len, MSPWH_EVENT_ID) + 1);

    return (cJSON_AddStringToObject(object, name, (char *) text) != NULL)
           ? NGX_OK : NGX_ERROR;
}


/* a new object at the end of the array */

static cJSON *
ngx_http_mspwh_json_element(cJSON *array)
{
    cJSON  *object;

    object = cJSON_CreateObject();

    if (object != NULL && !cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        return NULL;
    }

    return object;
}
