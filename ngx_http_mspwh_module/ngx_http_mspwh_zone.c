
#include "ngx_http_mspwh_zone.h"


static ngx_int_t ngx_http_mspwh_init_zone(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_http_mspwh_name_webhooks(ngx_slab_pool_t *shpool,
    ngx_http_mspwh_main_conf_t *mmcf);
static ngx_http_mspwh_account_t *ngx_http_mspwh_name_webhook(
    ngx_slab_pool_t *shpool, ngx_http_mspwh_shared_t *shared,
    ngx_str_t *name);
static ngx_http_mspwh_account_t *ngx_http_mspwh_new_account(
    ngx_slab_pool_t *shpool, ngx_http_mspwh_shared_t *shared);
static void ngx_http_mspwh_name_key(ngx_http_mspwh_account_t *account,
    ngx_str_t *id, ngx_uint_t generation);


/* its own tag: a directive's zone may have the same name */

static ngx_uint_t  ngx_http_mspwh_zone_tag;


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

    /*
     * Pages that no webhook needs are never touched.  The slab allocator's own
     * part takes about 24 bytes for each page, and grows with the page size.
     */

    size = ngx_align(sizeof(ngx_http_mspwh_account_t), ngx_pagesize)
           * NGX_HTTP_MSPWH_WEBHOOK_SLOTS
           + ngx_align(sizeof(ngx_http_mspwh_shared_t), ngx_pagesize);
    size += size / 64 + 8 * ngx_pagesize;
    size = ngx_align(size, ngx_pagesize);

    ngx_str_set(&name, "mspwh_status");

    zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_mspwh_zone_tag);
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

    ngx_int_t                    rc;
    ngx_slab_pool_t             *shpool;
    ngx_http_mspwh_shared_t     *shared;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = zone->data;
    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old != NULL) {
        shared = old->shared;

    } else if (zone->shm.exists) {
        shared = shpool->data;

    } else {
        shared = ngx_slab_calloc(shpool, sizeof(ngx_http_mspwh_shared_t));
        if (shared == NULL) {
            return NGX_ERROR;
        }

        shared->start = ngx_time();
        shpool->data = shared;
    }

    mmcf->shared = shared;

    ngx_shmtx_lock(&shpool->mutex);
    rc = ngx_http_mspwh_name_webhooks(shpool, mmcf);
    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


/*
 * Gives each webhook of the configuration an account, and each secret's id a
 * place in it.  The ids of former configurations keep theirs: workers that are
 * shutting down still count there, and the last use of an old secret stays
 * visible.
 */

static ngx_int_t
ngx_http_mspwh_name_webhooks(ngx_slab_pool_t *shpool,
    ngx_http_mspwh_main_conf_t *mmcf)
{
    ngx_uint_t                   i, k;
    ngx_http_mspwh_secrets_t    *secrets;
    ngx_http_mspwh_webhook_t    *webhook;
    ngx_http_mspwh_loc_conf_t  **mlcf;

    mlcf = mmcf->checked.elts;
    mmcf->generation = ++mmcf->shared->generation;

    for (i = 0; i < mmcf->checked.nelts; i++) {
        webhook = mlcf[i]->webhook;
        secrets = mlcf[i]->secrets;

        if (webhook->account == NULL) {
            webhook->account = ngx_http_mspwh_name_webhook(shpool,
                                                            mmcf->shared,
                                                            &webhook->name);
            if (webhook->account == NULL) {
                return NGX_ERROR;
            }
        }

        for (k = 0; secrets && k < secrets->nelts; k++) {
            ngx_http_mspwh_name_key(webhook->account, &secrets->elts[k].id,
                                    mmcf->generation);
        }
    }

    return NGX_OK;
}


static ngx_http_mspwh_account_t *
ngx_http_mspwh_name_webhook(ngx_slab_pool_t *shpool,
    ngx_http_mspwh_shared_t *shared, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_mspwh_account_t  *account;

    for (i = 0; i < shared->naccounts; i++) {
        account = shared->accounts[i];

        if (account->len == name->len
            && ngx_memcmp(account->name, name->data, name->len) == 0)
        {
            account->generation = shared->generation;
            return account;
        }
    }

    account = ngx_http_mspwh_new_account(shpool, shared);

    if (account == NULL) {
        return NULL;
    }

    account->generation = shared->generation;
    account->len = name->len;
    ngx_memcpy(account->name, name->data, name->len);

    /* workers read as many as the number says: it is set last */

    if (i < NGX_HTTP_MSPWH_WEBHOOK_SLOTS) {
        shared->accounts[i] = account;
        ngx_memory_barrier();
        shared->naccounts = i + 1;
    }

    return account;
}


/* a new one, or the one whose name has been unused for longest */

static ngx_http_mspwh_account_t *
ngx_http_mspwh_new_account(ngx_slab_pool_t *shpool,
    ngx_http_mspwh_shared_t *shared)
{
    ngx_uint_t                  i;
    ngx_http_mspwh_account_t  *account;

    if (shared->naccounts < NGX_HTTP_MSPWH_WEBHOOK_SLOTS) {
        return ngx_slab_calloc_locked(shpool,
                                      sizeof(ngx_http_mspwh_account_t));
    }

    account = shared->accounts[0];

    for (i = 1; i < shared->naccounts; i++) {
        if (shared->accounts[i]->generation < account->generation) {
            account = shared->accounts[i];
        }
    }

    ngx_memzero(account, sizeof(ngx_http_mspwh_account_t));

    return account;
}


static void
ngx_http_mspwh_name_key(ngx_http_mspwh_account_t *account, ngx_str_t *id,
    ngx_uint_t generation)
{
    ngx_http_mspwh_key_counters_t  *key;

    key = ngx_http_mspwh_find_key(account, id);

    if (key == &account->keys[NGX_HTTP_MSPWH_OTHER_KEY]
        && account->nkeys < NGX_HTTP_MSPWH_KEY_SLOTS)
    {
        key = &account->keys[account->nkeys];
        key->len = id->len;
        ngx_memcpy(key->id, id->data, id->len);

        ngx_memory_barrier();
        account->nkeys++;
    }

    key->generation = generation;
}


ngx_http_mspwh_key_counters_t *
ngx_http_mspwh_find_key(ngx_http_mspwh_account_t *account, ngx_str_t *id)
{
    ngx_uint_t                      i;
    ngx_http_mspwh_key_counters_t  *key;

    for (i = 0; i < account->nkeys; i++) {
        key = &account->keys[i];

        if (key->len == id->len && ngx_memcmp(key->id, id->data, id->len) == 0)
        {
            return key;
        }
    }

    return &account->keys[NGX_HTTP_MSPWH_OTHER_KEY];
}


ngx_uint_t
ngx_http_mspwh_next_key(ngx_http_mspwh_account_t *account, ngx_uint_t *slot,
    ngx_str_t *id)
{
    ngx_http_mspwh_key_counters_t  *key;

    if (*slot < account->nkeys) {
        key = &account->keys[*slot];
        id->len = key->len;
        id->data = key->id;

        return 1;
    }

    key = &account->keys[NGX_HTTP_MSPWH_OTHER_KEY];

    if (*slot > NGX_HTTP_MSPWH_OTHER_KEY
        || (key->generation == 0 && key->matches == 0))
    {
        return 0;
    }

    *slot = NGX_HTTP_MSPWH_OTHER_KEY;

    /* no id begins with an underscore */

    ngx_str_set(id, "_other");

    return 1;
}


/* adds up all counters but the times */

void
ngx_http_mspwh_sum(ngx_http_mspwh_shared_t *shared, ngx_str_t *webhook,
    ngx_http_mspwh_counters_t *sum)
{
    ngx_uint_t                 i, k;
    ngx_atomic_t              *from, *to;
    ngx_atomic_uint_t          last[NGX_HTTP_MSPWH_TYPES];
    ngx_http_mspwh_account_t  *account;

    ngx_memzero(last, sizeof(last));
    ngx_memzero(sum, sizeof(ngx_http_mspwh_counters_t));

    to = (ngx_atomic_t *) sum;

    for (i = 0; i < shared->naccounts; i++) {
        account = shared->accounts[i];

        if (!ngx_http_mspwh_is_asked(webhook, account->name, account->len)) {
            continue;
        }

        from = (ngx_atomic_t *) &account->counters;

        for (k = 0; k < sizeof(*sum) / sizeof(ngx_atomic_t); k++) {
            to[k] += from[k];
        }

        for (k = 0; k < NGX_HTTP_MSPWH_TYPES; k++) {
            last[k] = ngx_max(last[k], account->counters.types[k].last);
        }
    }

    for (k = 0; k < NGX_HTTP_MSPWH_TYPES; k++) {
        sum->types[k].last = last[k];
    }
}
