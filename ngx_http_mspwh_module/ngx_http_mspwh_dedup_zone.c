
/*
 * The memory of delivered events: who may claim an event, and for how long it
 * is kept.  The data structure is in mspwh_table.c.
 */


#include "ngx_http_mspwh_dedup_zone.h"


/* seconds between two messages that the zone is full */
#define NGX_HTTP_MSPWH_DEDUP_INTERVAL  60

/* seconds that the clock of one worker may be behind that of another */
#define NGX_HTTP_MSPWH_DEDUP_SKEW      60


struct ngx_http_mspwh_dedup_sh_s {
    mspwh_table_t             *table;

    /* when the last message that the zone is full was logged */
    uint32_t                   said;
};


static ngx_http_mspwh_dedup_sh_t *ngx_http_mspwh_dedup_create(
    ngx_slab_pool_t *shpool);
static mspwh_table_t *ngx_http_mspwh_dedup_lock(
    ngx_http_mspwh_dedup_zone_t *zone);
static void ngx_http_mspwh_dedup_unlock(ngx_http_mspwh_dedup_zone_t *zone);
static ngx_uint_t ngx_http_mspwh_dedup_is_claimed(mspwh_table_entry_t *entry,
    ngx_http_mspwh_claim_t *claim);
static void ngx_http_mspwh_dedup_expire(ngx_http_mspwh_dedup_zone_t *zone,
    mspwh_table_queue_e queue);
static time_t ngx_http_mspwh_dedup_left(ngx_http_mspwh_dedup_zone_t *zone,
    mspwh_table_entry_t *entry);
static void ngx_http_mspwh_dedup_full(ngx_http_mspwh_dedup_zone_t *zone,
    ngx_log_t *log);
static uint32_t ngx_http_mspwh_dedup_now(void);


ngx_int_t
ngx_http_mspwh_dedup_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_mspwh_dedup_zone_t *old = data;

    ngx_http_mspwh_dedup_zone_t  *zone;

    zone = shm_zone->data;

    if (old != NULL) {
        zone->shpool = old->shpool;
        zone->sh = old->sh;
        return NGX_OK;
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;
        return NGX_OK;
    }

    zone->sh = ngx_http_mspwh_dedup_create(zone->shpool);
    if (zone->sh == NULL) {
        return NGX_ERROR;
    }

    zone->shpool->data = zone->sh;

    return NGX_OK;
}


/* takes all of the zone that the slab allocator does not need for itself */

static ngx_http_mspwh_dedup_sh_t *
ngx_http_mspwh_dedup_create(ngx_slab_pool_t *shpool)
{
    size_t                      size, head;
    ngx_http_mspwh_dedup_sh_t  *sh;

    size = shpool->pfree * ngx_pagesize;

    sh = ngx_slab_alloc(shpool, size);
    if (sh == NULL) {
        return NULL;
    }

    head = ngx_align(sizeof(ngx_http_mspwh_dedup_sh_t), NGX_ALIGNMENT);

    sh->table = mspwh_table_create((u_char *) sh + head, size - head);
    if (sh->table == NULL) {
        return NULL;
    }

    /* so that the first message is not suppressed */
    sh->said = ngx_http_mspwh_dedup_now() - NGX_HTTP_MSPWH_DEDUP_INTERVAL;

    return sh;
}


ngx_int_t
ngx_http_mspwh_dedup_claim(ngx_http_mspwh_claim_t *claim, time_t *wait,
    ngx_log_t *log)
{
    ngx_int_t                     rc;
    mspwh_table_t                *table;
    mspwh_table_entry_t          *entry;
    ngx_http_mspwh_dedup_zone_t  *zone;

    zone = claim->zone;
    rc = NGX_OK;

    table = ngx_http_mspwh_dedup_lock(zone);

    entry = mspwh_table_find(table, claim->key);

    if (entry != NULL) {
        *wait = ngx_http_mspwh_dedup_left(zone, entry);

        if (*wait > 0) {
            rc = (entry->queue == MSPWH_TABLE_DELIVERED) ? NGX_DONE
                                                         : NGX_BUSY;
            goto done;
        }

        mspwh_table_delete(table, entry);
    }

    ngx_http_mspwh_dedup_expire(zone, MSPWH_TABLE_DELIVERED);
    ngx_http_mspwh_dedup_expire(zone, MSPWH_TABLE_PENDING);

    entry = mspwh_table_insert(table, claim->key, MSPWH_TABLE_PENDING,
                               ngx_http_mspwh_dedup_now());
    if (entry == NULL) {
        ngx_http_mspwh_dedup_full(zone, log);
        rc = NGX_DECLINED;
        goto done;
    }

    claim->number = entry->number;

done:

    ngx_http_mspwh_dedup_unlock(zone);

    return rc;
}


void
ngx_http_mspwh_dedup_renew(ngx_http_mspwh_claim_t *claim)
{
    mspwh_table_t        *table;
    mspwh_table_entry_t  *entry;

    table = ngx_http_mspwh_dedup_lock(claim->zone);

    entry = mspwh_table_find(table, claim->key);

    if (ngx_http_mspwh_dedup_is_claimed(entry, claim)) {
        mspwh_table_move(table, entry, MSPWH_TABLE_PENDING,
                         ngx_http_mspwh_dedup_now());
    }

    ngx_http_mspwh_dedup_unlock(claim->zone);
}


void
ngx_http_mspwh_dedup_settle(ngx_http_mspwh_claim_t *claim,
    ngx_uint_t delivered)
{
    uint32_t              now;
    mspwh_table_t        *table;
    mspwh_table_entry_t  *entry;

    now = ngx_http_mspwh_dedup_now();

    table = ngx_http_mspwh_dedup_lock(claim->zone);

    entry = mspwh_table_find(table, claim->key);

    if (!delivered) {

        if (ngx_http_mspwh_dedup_is_claimed(entry, claim)) {
            mspwh_table_delete(table, entry);
        }

    } else if (entry != NULL) {

        /* even if the claim has expired and another request has one now */

        mspwh_table_move(table, entry, MSPWH_TABLE_DELIVERED, now);

    } else {
        (void) mspwh_table_insert(table, claim->key, MSPWH_TABLE_DELIVERED,
                                  now);
    }

    ngx_http_mspwh_dedup_unlock(claim->zone);
}


static mspwh_table_t *
ngx_http_mspwh_dedup_lock(ngx_http_mspwh_dedup_zone_t *zone)
{
    ngx_shmtx_lock(&zone->shpool->mutex);

    /* nginx may have unlocked the mutex of a worker that was killed */

    mspwh_table_recover(zone->sh->table);

    return zone->sh->table;
}


static void
ngx_http_mspwh_dedup_unlock(ngx_http_mspwh_dedup_zone_t *zone)
{
    ngx_shmtx_unlock(&zone->shpool->mutex);
}


static ngx_uint_t
ngx_http_mspwh_dedup_is_claimed(mspwh_table_entry_t *entry,
    ngx_http_mspwh_claim_t *claim)
{
    return entry != NULL
           && entry->queue == MSPWH_TABLE_PENDING
           && entry->number == claim->number;
}


/* each insertion expires up to two entries, so that they cannot accumulate */

static void
ngx_http_mspwh_dedup_expire(ngx_http_mspwh_dedup_zone_t *zone,
    mspwh_table_queue_e queue)
{
    ngx_uint_t            i;
    mspwh_table_t        *table;
    mspwh_table_entry_t  *entry;

    table = zone->sh->table;

    for (i = 0; i < 2; i++) {
        entry = mspwh_table_oldest(table, queue);

        if (entry == NULL || ngx_http_mspwh_dedup_left(zone, entry) > 0) {
            return;
        }

        mspwh_table_delete(table, entry);
    }
}


/*
 * Returns how many more seconds to keep an entry.  Its time was rounded down
 * to whole seconds, so one more keeps it for the full limit.
 */

static time_t
ngx_http_mspwh_dedup_left(ngx_http_mspwh_dedup_zone_t *zone,
    mspwh_table_entry_t *entry)
{
    time_t   limit;
    int32_t  age;

    limit = (entry->queue == MSPWH_TABLE_DELIVERED) ? zone->ttl
                                                    : zone->pending;
    age = (int32_t) (ngx_http_mspwh_dedup_now() - entry->time);

    if (age < 0) {

        /* the worker's clock was ahead, or the time has wrapped around */

        return (age < -NGX_HTTP_MSPWH_DEDUP_SKEW) ? 0 : limit + 1;
    }

    return (age <= limit) ? limit + 1 - age : 0;
}


static void
ngx_http_mspwh_dedup_full(ngx_http_mspwh_dedup_zone_t *zone, ngx_log_t *log)
{
    uint32_t  now;

    now = ngx_http_mspwh_dedup_now();

    if (now - zone->sh->said < NGX_HTTP_MSPWH_DEDUP_INTERVAL) {
        return;
    }

    zone->sh->said = now;

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "mspwh: zone \"%V\" is full of pending events, "
                  "events pass without being remembered", &zone->name);
}


/* seconds of the monotonic clock, which all workers share */

static uint32_t
ngx_http_mspwh_dedup_now(void)
{
    return (uint32_t) (ngx_current_msec / 1000);
}
