
#include "ngx_http_mspwh_recent.h"
#include "ngx_http_mspwh_response.h"
#include "mspwh_ring.h"


static ngx_int_t ngx_http_mspwh_init_ring(ngx_shm_zone_t *zone, void *data);
static mspwh_ring_t *ngx_http_mspwh_old_ring(ngx_shm_zone_t *zone);

static void ngx_http_mspwh_set_times(ngx_http_mspwh_delivered_t *delivered,
    ngx_http_mspwh_outcome_t *outcome);
static off_t ngx_http_mspwh_size(ngx_http_mspwh_outcome_t *outcome);
static void ngx_http_mspwh_set_event(ngx_http_mspwh_delivered_t *delivered,
    ngx_http_mspwh_outcome_t *outcome);
static void ngx_http_mspwh_set_upstream(ngx_http_mspwh_delivered_t *delivered,
    ngx_http_upstream_state_t *upstream);
static ngx_uint_t ngx_http_mspwh_attempt(ngx_http_request_t *r);

#define ngx_http_mspwh_copy(to, from, len)                                    \
    ngx_http_mspwh_copy_text(to, sizeof(to), from, len)

static void ngx_http_mspwh_copy_text(u_char *to, size_t size, u_char *from,
    size_t len);


static ngx_uint_t  ngx_http_mspwh_ring_tag;


char *
ngx_http_mspwh_recent(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_main_conf_t *mmcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (mmcf->recent != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n > NGX_HTTP_MSPWH_RECENT_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\" in \"%V\" directive, "
                           "it must be from 0 to %d",
                           &value[1], &cmd->name, NGX_HTTP_MSPWH_RECENT_MAX);
        return NGX_CONF_ERROR;
    }

    mmcf->recent = n;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_mspwh_init_recent(ngx_conf_t *cf)
{
    size_t                       size;
    ngx_str_t                    name;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    if (mmcf->recent == NGX_CONF_UNSET_UINT) {
        mmcf->recent = NGX_HTTP_MSPWH_RECENT_DEFAULT;
    }

    if (!mmcf->counted || mmcf->recent == 0) {
        return NGX_OK;
    }

    size = ngx_align(mspwh_ring_bytes(sizeof(ngx_http_mspwh_delivered_t),
                                      mmcf->recent),
                     ngx_pagesize);
    size += size / 64 + 8 * ngx_pagesize;
    size = ngx_align(size, ngx_pagesize);

    /* a ring of another size needs another zone, even of as many pages */

    name.data = ngx_pnalloc(cf->pool, sizeof("mspwh_recent_") + NGX_INT_T_LEN);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    name.len = ngx_sprintf(name.data, "mspwh_recent_%ui", mmcf->recent)
               - name.data;

    mmcf->recent_zone = ngx_shared_memory_add(cf, &name, size,
                                              &ngx_http_mspwh_ring_tag);
    if (mmcf->recent_zone == NULL) {
        return NGX_ERROR;
    }

    mmcf->recent_zone->init = ngx_http_mspwh_init_ring;
    mmcf->recent_zone->data = mmcf;

    return NGX_OK;
}


/* sets the zone's data to a ring */

static ngx_int_t
ngx_http_mspwh_init_ring(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_mspwh_main_conf_t *mmcf = zone->data;

    mspwh_ring_t     *ring, *old;
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data != NULL || zone->shm.exists) {
        zone->data = (data != NULL) ? data : shpool->data;
        return NGX_OK;
    }

    ring = ngx_slab_calloc(shpool,
                        mspwh_ring_bytes(sizeof(ngx_http_mspwh_delivered_t),
                                         mmcf->recent));
    if (ring == NULL) {
        return NGX_ERROR;
    }

    mspwh_ring_init(ring, sizeof(ngx_http_mspwh_delivered_t), mmcf->recent);

    old = ngx_http_mspwh_old_ring(zone);

    if (old != NULL) {
        mspwh_ring_copy(ring, old);
    }

    zone->data = ring;
    shpool->data = ring;

    return NGX_OK;
}


/*
 * Returns the ring of the running configuration.  If the number of deliveries
 * has changed, nginx creates a new zone, and does not pass on the old one.
 * Workers of the old configuration use the old ring until they exit.
 */

static mspwh_ring_t *
ngx_http_mspwh_old_ring(ngx_shm_zone_t *zone)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_shm_zone_t   *old;

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {
        old = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (old[i].tag == zone->tag && &old[i] != zone) {
                return old[i].data;
            }
        }
    }

    return NULL;
}


void
ngx_http_mspwh_remember(ngx_http_mspwh_outcome_t *outcome)
{
    mspwh_ring_slot_t           *slot;
    ngx_http_mspwh_ctx_t        *ctx;
    ngx_http_request_t          *r;
    ngx_http_mspwh_main_conf_t  *mmcf;
    ngx_http_mspwh_delivered_t  *delivered;

    r = outcome->request;
    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);

    if (mmcf->recent_zone == NULL) {
        return;
    }

    delivered = mspwh_ring_begin(mmcf->recent_zone->data, ngx_pid, &slot);

    if (delivered == NULL) {
        return;
    }

    ctx = outcome->ctx;

    delivered->verdict = outcome->verdict;
    delivered->reason = outcome->verification ? outcome->verification->reason
                                              : NGX_HTTP_MSPWH_NO_REASON;
    delivered->cause = outcome->cause;
    delivered->status = outcome->status;
    delivered->attempt = ngx_http_mspwh_attempt(r);
    delivered->spooled = (ctx != NULL) ? ctx->spooled : 0;
    delivered->streamed = (ctx != NULL) ? ctx->streamed : 0;

    ngx_http_mspwh_copy(delivered->webhook, outcome->webhook->name.data,
                        outcome->webhook->name.len);
    ngx_http_mspwh_copy(delivered->client, r->connection->addr_text.data,
                        r->connection->addr_text.len);

    ngx_http_mspwh_set_times(delivered, outcome);
    ngx_http_mspwh_set_event(delivered, outcome);
    ngx_http_mspwh_set_upstream(delivered, outcome->upstream);

    mspwh_ring_end(slot);
}


static void
ngx_http_mspwh_set_times(ngx_http_mspwh_delivered_t *delivered,
    ngx_http_mspwh_outcome_t *outcome)
{
    ngx_time_t          *tp;
    ngx_msec_int_t       ms;
    ngx_http_request_t  *r;

    r = outcome->request;
    tp = ngx_timeofday();

    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + (tp->msec - r->start_msec));

    delivered->time = (uint64_t) tp->sec * 1000 + tp->msec;
    delivered->duration_ms = ngx_max(ms, 0);
    delivered->bytes = ngx_http_mspwh_size(outcome);
}


/*
 * The size of the body as it was read, or else as the header announced it:
 * nginx sets content_length_n to 0 when it discards a body.
 */

static off_t
ngx_http_mspwh_size(ngx_http_mspwh_outcome_t *outcome)
{
    ngx_table_elt_t                *length;
    ngx_http_mspwh_verification_t  *v;

    v = outcome->verification;

    if (v != NULL && (v->body.request_body != NULL
                      || v->reason >= NGX_HTTP_MSPWH_NO_SECRET))
    {
        return v->size;
    }

    length = outcome->request->headers_in.content_length;

    return (length != NULL) ? ngx_atoof(length->value.data, length->value.len)
                            : -1;
}


static void
ngx_http_mspwh_set_event(ngx_http_mspwh_delivered_t *delivered,
    ngx_http_mspwh_outcome_t *outcome)
{
    mspwh_event_t                  *event;
    ngx_http_mspwh_verification_t  *v;

    v = outcome->verification;
    event = (v != NULL) ? ngx_http_mspwh_event(outcome->ctx) : NULL;

    if (event != NULL) {
        ngx_http_mspwh_copy(delivered->type, (u_char *) event->type,
                            ngx_strlen(event->type));
        ngx_http_mspwh_copy(delivered->entity_id, (u_char *) event->entity_id,
                            ngx_strlen(event->entity_id));
        ngx_http_mspwh_copy(delivered->ticket_id, (u_char *) event->ticket_id,
                            ngx_strlen(event->ticket_id));
        delivered->anomalies = event->anomalies;

    } else {
        delivered->type[0] = '\0';
        delivered->entity_id[0] = '\0';
        delivered->ticket_id[0] = '\0';
        delivered->anomalies = 0;
    }

    if (v != NULL && v->secret != NULL) {
        ngx_http_mspwh_copy(delivered->key_id, v->secret->id.data,
                            v->secret->id.len);
        ngx_http_mspwh_copy(delivered->delivery_id, v->delivery_id, 16);

    } else {
        delivered->key_id[0] = '\0';
        delivered->delivery_id[0] = '\0';
    }
}


static void
ngx_http_mspwh_set_upstream(ngx_http_mspwh_delivered_t *delivered,
    ngx_http_upstream_state_t *upstream)
{
    delivered->upstream[0] = '\0';
    delivered->upstream_status = 0;
    delivered->upstream_ms = -1;

    if (upstream == NULL) {
        return;
    }

    ngx_http_mspwh_copy(delivered->upstream, upstream->peer->data,
                        upstream->peer->len);

    if (ngx_http_mspwh_upstream_answered(upstream)) {
        delivered->upstream_status = upstream->status;
    }

    if (upstream->response_time != (ngx_msec_t) -1) {
        delivered->upstream_ms = upstream->response_time;
    }
}


/* anybody can send this header, so it is only shown */

static ngx_uint_t
ngx_http_mspwh_attempt(ngx_http_request_t *r)
{
    ngx_int_t         n;
    ngx_table_elt_t  *header;
    static ngx_str_t  name = ngx_string("X-Mspwh-Attempt");

    header = ngx_http_mspwh_find_header(&r->headers_in.headers, &name);

    if (header == NULL || header->value.len > 6) {
        return 1;
    }

    n = ngx_atoi(header->value.data, header->value.len);

    return (n < 1) ? 1 : (ngx_uint_t) n;
}


static void
ngx_http_mspwh_copy_text(u_char *to, size_t size, u_char *from, size_t len)
{
    len = ngx_min(len, size - 1);

    ngx_memcpy(to, from, len);
    to[len] = '\0';
}


ngx_uint_t
ngx_http_mspwh_recent_next(ngx_http_mspwh_main_conf_t *mmcf)
{
    return (mmcf->recent_zone != NULL)
           ? mspwh_ring_next(mmcf->recent_zone->data) : 0;
}


ngx_uint_t
ngx_http_mspwh_recent_get(ngx_http_mspwh_main_conf_t *mmcf, ngx_uint_t number,
    ngx_http_mspwh_delivered_t *delivered)
{
    return mspwh_ring_get(mmcf->recent_zone->data, number, delivered);
}
