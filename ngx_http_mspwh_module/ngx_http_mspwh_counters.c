
#include "ngx_http_mspwh_counters.h"


static ngx_int_t ngx_http_mspwh_init_zone(ngx_shm_zone_t *zone, void *data);
static void ngx_http_mspwh_name_keys(ngx_http_mspwh_main_conf_t *mmcf);
static ngx_uint_t ngx_http_mspwh_key_slot(ngx_http_mspwh_counters_t *counters,
    ngx_str_t *id);

static void ngx_http_mspwh_count_cause(ngx_http_mspwh_counters_t *counters,
    ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx);
static void ngx_http_mspwh_count_key(ngx_http_mspwh_key_counters_t *counter);
static void ngx_http_mspwh_count_event(ngx_http_mspwh_counters_t *counters,
    ngx_http_request_t *r, ngx_http_mspwh_verification_t *v);
static ngx_uint_t ngx_http_mspwh_type(mspwh_event_t *event);
static ngx_uint_t ngx_http_mspwh_class(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mspwh_final_status(ngx_http_request_t *r);


const size_t  ngx_http_mspwh_sizes[] = {
    1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864
};

const char  *ngx_http_mspwh_classes[] = {
    "2xx", "3xx", "4xx", "5xx", "none", "local"
};

const char  *ngx_http_mspwh_causes[] = {
    "unchecked", "too_large", "timeout", "client", "error"
};


ngx_int_t
ngx_http_mspwh_init_counters(ngx_conf_t *cf)
{
    size_t                       size;
    ngx_str_t                    name;
    ngx_shm_zone_t              *zone;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    if (!mmcf->counted) {
        return NGX_OK;
    }

    /* the slab allocator's own part is larger where pages are */

    size = ngx_align(sizeof(ngx_http_mspwh_counters_t), ngx_pagesize)
           + 8 * ngx_pagesize;

    ngx_str_set(&name, "mspwh_status");

    /* a tag of its own, not to be taken for a zone of a directive */

    zone = ngx_shared_memory_add(cf, &name, size,
                                 (void *) &ngx_http_mspwh_sizes);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_mspwh_init_zone;
    zone->data = mmcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_mspwh_main_conf_t *old = data;

    ngx_slab_pool_t             *shpool;
    ngx_http_mspwh_counters_t   *counters;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = zone->data;
    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old != NULL) {
        counters = old->counters;

    } else if (zone->shm.exists) {
        counters = shpool->data;

    } else {
        counters = ngx_slab_calloc(shpool, sizeof(ngx_http_mspwh_counters_t));
        if (counters == NULL) {
            return NGX_ERROR;
        }

        counters->start = ngx_time();
        shpool->data = counters;
    }

    mmcf->counters = counters;

    ngx_shmtx_lock(&shpool->mutex);
    ngx_http_mspwh_name_keys(mmcf);
    ngx_shmtx_unlock(&shpool->mutex);

    return NGX_OK;
}


/*
 * Gives each secret of the configuration the slot of its id.  The ids of
 * former configurations keep theirs: workers that are shutting down still
 * count there, and the last use of an old secret remains to be seen.
 */

static void
ngx_http_mspwh_name_keys(ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_uint_t                  i, k;
    ngx_http_mspwh_secret_t    *secret;
    ngx_http_mspwh_secrets_t  **secrets;

    secrets = mmcf->secrets.elts;

    for (i = 0; i < mmcf->secrets.nelts; i++) {
        for (k = 0; k < secrets[i]->nelts; k++) {
            secret = &secrets[i]->elts[k];

            secret->slot = ngx_http_mspwh_key_slot(mmcf->counters,
                                                   &secret->id);
            mmcf->configured[secret->slot] = 1;
        }
    }
}


static ngx_uint_t
ngx_http_mspwh_key_slot(ngx_http_mspwh_counters_t *counters, ngx_str_t *id)
{
    ngx_uint_t                  i;
    ngx_http_mspwh_key_name_t  *name;

    name = counters->names;

    for (i = 0; i < counters->nnames; i++) {
        if (name[i].len == id->len
            && ngx_memcmp(name[i].data, id->data, id->len) == 0)
        {
            return i;
        }
    }

    if (i == NGX_HTTP_MSPWH_KEY_SLOTS) {
        return NGX_HTTP_MSPWH_OTHER_KEY;
    }

    name[i].len = id->len;
    ngx_memcpy(name[i].data, id->data, id->len);

    /* workers read up to the number: it is set after the name */

    ngx_memory_barrier();
    counters->nnames = i + 1;

    return i;
}


ngx_uint_t
ngx_http_mspwh_key_name(ngx_http_mspwh_main_conf_t *mmcf, ngx_uint_t *slot,
    ngx_str_t *name)
{
    ngx_http_mspwh_counters_t  *counters;

    counters = mmcf->counters;

    if (*slot < counters->nnames) {
        name->len = counters->names[*slot].len;
        name->data = counters->names[*slot].data;

        return 1;
    }

    if (*slot > NGX_HTTP_MSPWH_OTHER_KEY
        || (!mmcf->configured[NGX_HTTP_MSPWH_OTHER_KEY]
            && counters->keys[NGX_HTTP_MSPWH_OTHER_KEY].matches == 0))
    {
        return 0;
    }

    *slot = NGX_HTTP_MSPWH_OTHER_KEY;

    /* no id begins with an underscore */

    ngx_str_set(name, "_other");

    return 1;
}


void
ngx_http_mspwh_count(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    ngx_http_mspwh_counters_t      *counters;
    ngx_http_mspwh_main_conf_t     *mmcf;
    ngx_http_mspwh_verification_t  *v;

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);
    counters = mmcf->counters;

    if (ctx == NULL || ctx->verdict == NGX_HTTP_MSPWH_NONE) {
        ngx_http_mspwh_count_cause(counters, r, ctx);
        return;
    }

    v = ctx->verification;

    ngx_http_mspwh_add(counters->verdicts[ctx->verdict], 1);

    if (v->reason != NGX_HTTP_MSPWH_NO_REASON) {
        ngx_http_mspwh_add(counters->rejections[v->reason], 1);
    }

    if (v->secret != NULL) {
        ngx_http_mspwh_count_key(&counters->keys[v->secret->slot]);
    }

    if (ctx->verdict == NGX_HTTP_MSPWH_VERIFIED) {
        ngx_http_mspwh_count_event(counters, r, v);
    }
}


static void
ngx_http_mspwh_count_cause(ngx_http_mspwh_counters_t *counters,
    ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    ngx_uint_t  cause, status;

    status = ngx_http_mspwh_final_status(r);

    /* the end of an HTTP/3 connection leaves its requests without a status */

    if (status == 0 && r->connection->read->error) {
        status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
    }

    switch (status) {

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        cause = NGX_HTTP_MSPWH_CAUSE_TOO_LARGE;
        break;

    case NGX_HTTP_REQUEST_TIME_OUT:
        cause = NGX_HTTP_MSPWH_CAUSE_TIMEOUT;
        break;

    case NGX_HTTP_BAD_REQUEST:
    case NGX_HTTP_CLIENT_CLOSED_REQUEST:
        cause = NGX_HTTP_MSPWH_CAUSE_CLIENT;
        break;

    default:
        cause = (ctx != NULL) ? NGX_HTTP_MSPWH_CAUSE_ERROR
                              : NGX_HTTP_MSPWH_CAUSE_UNCHECKED;
    }

    ngx_http_mspwh_add(counters->without_verdict[cause], 1);
}


static void
ngx_http_mspwh_count_key(ngx_http_mspwh_key_counters_t *counter)
{
    ngx_http_mspwh_add(counter->matches, 1);
    counter->last = (ngx_atomic_uint_t) ngx_time();
}


static void
ngx_http_mspwh_count_event(ngx_http_mspwh_counters_t *counters,
    ngx_http_request_t *r, ngx_http_mspwh_verification_t *v)
{
    ngx_uint_t                       i;
    ngx_http_mspwh_type_counters_t  *type;

    type = &counters->types[ngx_http_mspwh_type(&v->event)];

    ngx_http_mspwh_add(type->events, 1);
    ngx_http_mspwh_add(type->upstream[ngx_http_mspwh_class(r)], 1);
    type->last = (ngx_atomic_uint_t) ngx_time();

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


static ngx_uint_t
ngx_http_mspwh_type(mspwh_event_t *event)
{
    ngx_uint_t  i;

    /* a known type's name is the one text */

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


/* the answer of the last upstream that was asked */

static ngx_uint_t
ngx_http_mspwh_class(ngx_http_request_t *r)
{
    ngx_uint_t                 i, status;
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states != NULL) {
        state = r->upstream_states->elts;

        for (i = r->upstream_states->nelts; i > 0; i--) {

            /* one without a peer is nginx's mark of an internal redirect */

            if (state[i - 1].peer == NULL) {
                continue;
            }

            status = state[i - 1].status;

            /* a 502 or 504 of nginx's own making has no header */

            if (state[i - 1].header_time == (ngx_msec_t) -1
                || status < NGX_HTTP_OK || status > 599)
            {
                return NGX_HTTP_MSPWH_UPSTREAM_NONE;
            }

            return NGX_HTTP_MSPWH_UPSTREAM_2XX + status / 100 - 2;
        }
    }

    status = ngx_http_mspwh_final_status(r);

    if ((r->upstream != NULL && !r->cached)
        || status == 0 || status >= NGX_HTTP_BAD_REQUEST)
    {
        return NGX_HTTP_MSPWH_UPSTREAM_NONE;
    }

    return NGX_HTTP_MSPWH_UPSTREAM_LOCAL;
}


static ngx_uint_t
ngx_http_mspwh_final_status(ngx_http_request_t *r)
{
    return r->err_status ? r->err_status : r->headers_out.status;
}
