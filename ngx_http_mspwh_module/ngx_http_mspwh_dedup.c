
/*
 * A request's claim to its event: made before the event is passed on, renewed
 * while it is being delivered, and settled by the answer.
 */


#include "ngx_http_mspwh_dedup.h"
#include "ngx_http_mspwh_dedup_key.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_store.h"


/* milliseconds from one renewal of a claim to the next */

#define ngx_http_mspwh_renewal(zone)                                          \
    ((ngx_msec_t) ngx_min((zone)->pending, 3600) * 1000 / 2)


/* a request's claim, kept in the cleanups of its pool */

typedef struct {
    ngx_event_t                   renewal;
    ngx_http_mspwh_claim_t        claim;
    ngx_http_request_t           *request;

    /* the zone has the claim */
    unsigned                      local:1;
    unsigned                      settled:1;

    /* the request waits for the store's answer */
    unsigned                      asking:1;

    ngx_http_mspwh_store_claim_t  remote;
} ngx_http_mspwh_delivery_t;


static ngx_int_t ngx_http_mspwh_claim(ngx_http_request_t *r,
    ngx_http_mspwh_dedup_t *dedup, time_t *wait);
static ngx_int_t ngx_http_mspwh_add_delivery(ngx_http_request_t *r,
    ngx_http_mspwh_claim_t *claim, time_t *wait,
    ngx_http_mspwh_delivery_t **added);
static void ngx_http_mspwh_claim_remote(ngx_http_mspwh_delivery_t *delivery);
static ngx_int_t ngx_http_mspwh_remote_result(
    ngx_http_mspwh_delivery_t *delivery, time_t *wait);
static void ngx_http_mspwh_resume(void *data);
static ngx_http_mspwh_delivery_t *ngx_http_mspwh_find_delivery(
    ngx_http_request_t *r, ngx_http_mspwh_claim_t *claim);
static void ngx_http_mspwh_renew(ngx_event_t *ev);
static void ngx_http_mspwh_settle_delivery(ngx_http_mspwh_delivery_t *delivery,
    ngx_uint_t delivered);
static void ngx_http_mspwh_delivery_cleanup(void *data);
static ngx_int_t ngx_http_mspwh_answer_repeat(ngx_http_mspwh_ctx_t *ctx,
    time_t wait);


ngx_int_t
ngx_http_mspwh_claim_event(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    time_t     wait;
    ngx_int_t  rc;

    /* only the main request's answer tells whether its event is delivered */

    if (mlcf->dedup == NULL || ctx->request != ctx->request->main
        || ctx->verdict != NGX_HTTP_MSPWH_VERIFIED)
    {
        return NGX_DECLINED;
    }

    wait = 0;

    rc = ngx_http_mspwh_claim(ctx->request, mlcf->dedup, &wait);

    switch (rc) {

    case NGX_DONE:
        ngx_http_mspwh_set_verdict(ctx, NGX_HTTP_MSPWH_DUPLICATE);
        break;

    case NGX_BUSY:
        ngx_http_mspwh_set_verdict(ctx, NGX_HTTP_MSPWH_IN_FLIGHT);
        break;

    case NGX_ERROR:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    case NGX_AGAIN:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return rc;

    default: /* NGX_OK, NGX_DECLINED */
        return NGX_DECLINED;
    }

    return ngx_http_mspwh_answer_repeat(ctx, wait);
}


/*
 * Returns NGX_OK if the request has the claim, NGX_AGAIN if the store has not
 * answered yet, the status of a failure, or a result of
 * ngx_http_mspwh_dedup_claim().
 */

static ngx_int_t
ngx_http_mspwh_claim(ngx_http_request_t *r, ngx_http_mspwh_dedup_t *dedup,
    time_t *wait)
{
    ngx_int_t                   rc;
    ngx_http_mspwh_claim_t      claim;
    ngx_http_mspwh_delivery_t  *delivery;

    /* when it goes on, the key may have another value: it is not asked for */

    delivery = ngx_http_mspwh_find_delivery(r, NULL);

    if (delivery != NULL) {
        return ngx_http_mspwh_remote_result(delivery, wait);
    }

    rc = ngx_http_mspwh_dedup_key(r, dedup, &claim);

    if (rc != NGX_OK) {
        return rc;
    }

    delivery = ngx_http_mspwh_find_delivery(r, &claim);

    if (delivery == NULL) {
        rc = ngx_http_mspwh_add_delivery(r, &claim, wait, &delivery);

        if (rc != NGX_OK) {
            return rc;
        }

        if (claim.zone->remote != NULL) {
            ngx_http_mspwh_claim_remote(delivery);
        }
    }

    return (claim.zone->remote != NULL)
           ? ngx_http_mspwh_remote_result(delivery, wait) : NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_add_delivery(ngx_http_request_t *r,
    ngx_http_mspwh_claim_t *claim, time_t *wait,
    ngx_http_mspwh_delivery_t **added)
{
    ngx_int_t                   rc;
    ngx_pool_cleanup_t         *cln;
    ngx_http_mspwh_delivery_t  *delivery;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_mspwh_delivery_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_mspwh_dedup_claim(claim, wait, r->connection->log);

    /* if the zone is full, the store can still remember the event */

    if (rc != NGX_OK && (rc != NGX_DECLINED || claim->zone->remote == NULL)) {
        return rc;
    }

    delivery = cln->data;

    ngx_memzero(delivery, sizeof(ngx_http_mspwh_delivery_t));
    delivery->claim = *claim;
    delivery->request = r;
    delivery->local = (rc == NGX_OK);

    delivery->renewal.handler = ngx_http_mspwh_renew;
    delivery->renewal.data = delivery;
    delivery->renewal.log = ngx_cycle->log;
    delivery->renewal.cancelable = 1;

    ngx_add_timer(&delivery->renewal, ngx_http_mspwh_renewal(claim->zone));

    cln->handler = ngx_http_mspwh_delivery_cleanup;

    *added = delivery;

    return NGX_OK;
}


static void
ngx_http_mspwh_claim_remote(ngx_http_mspwh_delivery_t *delivery)
{
    ngx_http_mspwh_store_claim_t  *remote;

    remote = &delivery->remote;

    remote->remote = delivery->claim.zone->remote;
    ngx_memcpy(remote->key, delivery->claim.key, MSPWH_TABLE_KEY);
    remote->handler = ngx_http_mspwh_resume;
    remote->data = delivery;

    if (ngx_http_mspwh_store_claim(remote) == NGX_AGAIN) {
        delivery->asking = 1;
        delivery->request->write_event_handler =
                                               ngx_http_request_empty_handler;
    }
}


static ngx_int_t
ngx_http_mspwh_remote_result(ngx_http_mspwh_delivery_t *delivery,
    time_t *wait)
{
    if (delivery->remote.result == NGX_HTTP_MSPWH_STORE_ASKING) {
        return NGX_AGAIN;
    }

    delivery->asking = 0;

    switch (delivery->remote.result) {

    case NGX_HTTP_MSPWH_STORE_DELIVERED:
        ngx_http_mspwh_settle_delivery(delivery, 0);
        return NGX_DONE;

    case NGX_HTTP_MSPWH_STORE_IN_FLIGHT:
        ngx_http_mspwh_settle_delivery(delivery, 0);
        *wait = delivery->remote.left;
        return NGX_BUSY;

    case NGX_HTTP_MSPWH_STORE_REJECTED:
        ngx_http_mspwh_settle_delivery(delivery, 0);
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    default: /* NGX_HTTP_MSPWH_STORE_CLAIMED, NGX_HTTP_MSPWH_STORE_ALONE */
        return NGX_OK;
    }
}


/* the precontent handler runs again, and finds the result */

static void
ngx_http_mspwh_resume(void *data)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_mspwh_delivery_t  *delivery;

    delivery = data;
    r = delivery->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0, "mspwh claim: \"%s\"",
                   ngx_http_mspwh_store_results[delivery->remote.result]);

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


/* if "claim" is NULL, the one that the store is being asked about */

static ngx_http_mspwh_delivery_t *
ngx_http_mspwh_find_delivery(ngx_http_request_t *r,
    ngx_http_mspwh_claim_t *claim)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_mspwh_delivery_t  *delivery;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_http_mspwh_delivery_cleanup) {
            continue;
        }

        delivery = cln->data;

        if (claim == NULL) {

            if (delivery->asking) {
                return delivery;
            }

            continue;
        }

        if (delivery->claim.zone == claim->zone
            && ngx_memcmp(delivery->claim.key, claim->key, MSPWH_TABLE_KEY)
               == 0)
        {
            return delivery;
        }
    }

    return NULL;
}


/* a request may outlast "pending", which is meant for lost workers */

static void
ngx_http_mspwh_renew(ngx_event_t *ev)
{
    ngx_http_mspwh_delivery_t  *delivery;

    delivery = ev->data;

    ngx_http_mspwh_dedup_renew(&delivery->claim);

    if (delivery->remote.remote != NULL) {
        ngx_http_mspwh_store_renew(&delivery->remote);
    }

    ngx_add_timer(ev, ngx_http_mspwh_renewal(delivery->claim.zone));
}


/*
 * Settles as soon as the answer is decided.  If it waited for the log phase, a
 * sender that tries again at once would be told that the event is in flight,
 * and a worker that dies in between would leave it so.
 */

void
ngx_http_mspwh_settle(ngx_http_request_t *r)
{
    ngx_uint_t           status, success;
    ngx_pool_cleanup_t  *cln;

    status = r->headers_out.status;

    success = (status >= NGX_HTTP_OK && status < NGX_HTTP_SPECIAL_RESPONSE);

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_mspwh_delivery_cleanup) {
            ngx_http_mspwh_settle_delivery(cln->data, success);
        }
    }
}


static void
ngx_http_mspwh_settle_delivery(ngx_http_mspwh_delivery_t *delivery,
    ngx_uint_t delivered)
{
    if (delivery->settled) {
        return;
    }

    delivery->settled = 1;

    if (delivery->renewal.timer_set) {
        ngx_del_timer(&delivery->renewal);
    }

    if (delivered || delivery->local) {
        ngx_http_mspwh_dedup_settle(&delivery->claim, delivered);
    }

    if (delivery->remote.remote != NULL) {
        ngx_http_mspwh_store_settle(&delivery->remote, delivered);
    }
}


/* without an answer, the event may not have been delivered: forget it */

static void
ngx_http_mspwh_delivery_cleanup(void *data)
{
    ngx_http_mspwh_settle_delivery(data, 0);
}


static ngx_int_t
ngx_http_mspwh_answer_repeat(ngx_http_mspwh_ctx_t *ctx, time_t wait)
{
    ngx_uint_t           level, in_flight;
    ngx_http_request_t  *r;

    r = ctx->request;
    in_flight = (ctx->verdict == NGX_HTTP_MSPWH_IN_FLIGHT);

    level = in_flight ? NGX_LOG_WARN : NGX_LOG_INFO;

    ngx_log_error(level, r->connection->log, 0,
                  "mspwh: %V: %s, body %O bytes%s",
                  &ngx_http_mspwh_verdicts[ctx->verdict],
                  in_flight ? "the same event is still being delivered"
                            : "the event has been delivered before",
                  ctx->verification->size,
                  ctx->monitor ? NGX_HTTP_MSPWH_LET_THROUGH : "");

    if (ctx->monitor) {
        return NGX_DECLINED;
    }

    if (ngx_http_mspwh_set_answer(ctx, in_flight ? NGX_HTTP_CONFLICT
                                                 : NGX_HTTP_OK, ctx->verdict)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (in_flight) {
        return ngx_http_mspwh_retry_after(r, wait);
    }

    ngx_http_mspwh_forget_error(r);
    ngx_http_finalize_request(r, ngx_http_mspwh_send_empty(r, NGX_HTTP_OK));

    return NGX_DONE;
}
