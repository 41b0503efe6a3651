
#include "ngx_http_mspwh_dedup.h"


/* seconds between two log lines about a full zone */
#define NGX_HTTP_MSPWH_DEDUP_INTERVAL  60

/* seconds that the clock of one worker may be behind that of another */
#define NGX_HTTP_MSPWH_DEDUP_SKEW      60


/* overlays ngx_rbtree_node_t from its color on */

typedef struct {
    u_char                     color;
    u_char                     delivered;

    /* the number of the claim that it is pending for */
    u_short                    claim;

    /* of its delivery, or of the last renewal of the claim */
    uint32_t                   time;

    ngx_queue_t                queue;

    /* what follows the part of the key that the tree is sorted by */
    u_char                     key[NGX_HTTP_MSPWH_DEDUP_KEY
                                   - sizeof(ngx_rbtree_key_t)];
} ngx_http_mspwh_dedup_node_t;


/*
 * There are as many trees as to have a few entries each: one tree of a
 * million would take twenty steps, most of them to memory in no cache.
 */

#define NGX_HTTP_MSPWH_DEDUP_TREES  8       /* for a page of the zone */


struct ngx_http_mspwh_dedup_sh_s {
    ngx_rbtree_node_t        **roots;
    ngx_rbtree_key_t           mask;
    ngx_rbtree_node_t          sentinel;

    /* each with the newest first */
    ngx_queue_t                delivered;
    ngx_queue_t                pending;

    u_short                    claims;

    /* when it was last said that the zone is full */
    uint32_t                   said;
};


#define ngx_http_mspwh_dedup_node(n)                                          \
    ((ngx_http_mspwh_dedup_node_t *) &(n)->color)

#define ngx_http_mspwh_dedup_rbtree_node(dn)                                  \
    ((ngx_rbtree_node_t *)                                                    \
     ((u_char *) (dn) - offsetof(ngx_rbtree_node_t, color)))


static ngx_int_t ngx_http_mspwh_dedup_init_trees(ngx_slab_pool_t *shpool,
    ngx_http_mspwh_dedup_sh_t *sh);
static ngx_rbtree_node_t **ngx_http_mspwh_dedup_tree(
    ngx_http_mspwh_dedup_sh_t *sh, ngx_rbtree_node_t *node,
    ngx_rbtree_t *tree);
static ngx_rbtree_key_t ngx_http_mspwh_dedup_hash(u_char *key);
static ngx_int_t ngx_http_mspwh_dedup_compare(ngx_rbtree_key_t hash,
    u_char *rest, ngx_rbtree_node_t *node);
static void ngx_http_mspwh_dedup_insert_value(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_http_mspwh_dedup_node_t *ngx_http_mspwh_dedup_find(
    ngx_http_mspwh_claim_t *claim);
static ngx_http_mspwh_dedup_node_t *ngx_http_mspwh_dedup_insert(
    ngx_http_mspwh_claim_t *claim);
static void ngx_http_mspwh_dedup_deliver(ngx_http_mspwh_dedup_sh_t *sh,
    ngx_http_mspwh_dedup_node_t *dn);
static void ngx_http_mspwh_dedup_delete(ngx_http_mspwh_dedup_t *dedup,
    ngx_http_mspwh_dedup_node_t *dn);
static void ngx_http_mspwh_dedup_expire(ngx_http_mspwh_dedup_t *dedup,
    ngx_queue_t *queue);
static time_t ngx_http_mspwh_dedup_left(ngx_http_mspwh_dedup_t *dedup,
    ngx_http_mspwh_dedup_node_t *dn);
static void ngx_http_mspwh_dedup_full(ngx_http_mspwh_dedup_t *dedup,
    ngx_log_t *log);
static uint32_t ngx_http_mspwh_dedup_now(void);


ngx_int_t
ngx_http_mspwh_dedup_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_mspwh_dedup_t *old = data;

    ngx_http_mspwh_dedup_t     *dedup;
    ngx_http_mspwh_dedup_sh_t  *sh;

    dedup = zone->data;

    if (old != NULL) {
        dedup->shpool = old->shpool;
        dedup->sh = old->sh;
        return NGX_OK;
    }

    dedup->shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        dedup->sh = dedup->shpool->data;
        return NGX_OK;
    }

    sh = ngx_slab_calloc(dedup->shpool, sizeof(ngx_http_mspwh_dedup_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_mspwh_dedup_init_trees(dedup->shpool, sh) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_queue_init(&sh->delivered);
    ngx_queue_init(&sh->pending);

    /* as long ago as not to keep the first line back */
    sh->said = ngx_http_mspwh_dedup_now() - NGX_HTTP_MSPWH_DEDUP_INTERVAL;

    dedup->shpool->data = sh;
    dedup->sh = sh;

    /* a full zone is no error: its oldest entries make room */
    dedup->shpool->log_nomem = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_dedup_init_trees(ngx_slab_pool_t *shpool,
    ngx_http_mspwh_dedup_sh_t *sh)
{
    ngx_uint_t  i, n, pages;

    pages = (shpool->end - shpool->start) / ngx_pagesize;

    for (n = 1; n * 2 <= pages * NGX_HTTP_MSPWH_DEDUP_TREES; n *= 2) {
        /* void */
    }

    sh->roots = ngx_slab_alloc(shpool, n * sizeof(ngx_rbtree_node_t *));
    if (sh->roots == NULL) {
        return NGX_ERROR;
    }

    ngx_rbtree_sentinel_init(&sh->sentinel);

    for (i = 0; i < n; i++) {
        sh->roots[i] = &sh->sentinel;
    }

    sh->mask = n - 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_mspwh_dedup_claim(ngx_http_mspwh_claim_t *claim, time_t *wait,
    ngx_log_t *log)
{
    ngx_int_t                     rc;
    ngx_http_mspwh_dedup_t       *dedup;
    ngx_http_mspwh_dedup_sh_t    *sh;
    ngx_http_mspwh_dedup_node_t  *dn;

    dedup = claim->dedup;
    sh = dedup->sh;
    rc = NGX_OK;

    ngx_shmtx_lock(&dedup->shpool->mutex);

    dn = ngx_http_mspwh_dedup_find(claim);

    if (dn != NULL) {
        *wait = ngx_http_mspwh_dedup_left(dedup, dn);

        if (*wait > 0) {
            rc = dn->delivered ? NGX_DONE : NGX_BUSY;
            goto done;
        }

        ngx_http_mspwh_dedup_delete(dedup, dn);
    }

    ngx_http_mspwh_dedup_expire(dedup, &sh->delivered);
    ngx_http_mspwh_dedup_expire(dedup, &sh->pending);

    dn = ngx_http_mspwh_dedup_insert(claim);

    if (dn == NULL) {
        ngx_http_mspwh_dedup_full(dedup, log);
        rc = NGX_DECLINED;
        goto done;
    }

    dn->delivered = 0;
    dn->claim = ++sh->claims;
    dn->time = ngx_http_mspwh_dedup_now();
    ngx_queue_insert_head(&sh->pending, &dn->queue);

    claim->number = dn->claim;

done:

    ngx_shmtx_unlock(&dedup->shpool->mutex);

    return rc;
}


void
ngx_http_mspwh_dedup_renew(ngx_http_mspwh_claim_t *claim)
{
    ngx_http_mspwh_dedup_sh_t    *sh;
    ngx_http_mspwh_dedup_node_t  *dn;

    sh = claim->dedup->sh;

    ngx_shmtx_lock(&claim->dedup->shpool->mutex);

    dn = ngx_http_mspwh_dedup_find(claim);

    if (dn != NULL && !dn->delivered && dn->claim == claim->number) {
        dn->time = ngx_http_mspwh_dedup_now();

        ngx_queue_remove(&dn->queue);
        ngx_queue_insert_head(&sh->pending, &dn->queue);
    }

    ngx_shmtx_unlock(&claim->dedup->shpool->mutex);
}


void
ngx_http_mspwh_dedup_settle(ngx_http_mspwh_claim_t *claim,
    ngx_uint_t delivered)
{
    ngx_http_mspwh_dedup_t       *dedup;
    ngx_http_mspwh_dedup_node_t  *dn;

    dedup = claim->dedup;

    ngx_shmtx_lock(&dedup->shpool->mutex);

    dn = ngx_http_mspwh_dedup_find(claim);

    if (delivered) {

        /* it is, even if the claim has expired meanwhile */

        if (dn != NULL) {
            ngx_queue_remove(&dn->queue);

        } else {
            dn = ngx_http_mspwh_dedup_insert(claim);
        }

        if (dn != NULL) {
            ngx_http_mspwh_dedup_deliver(dedup->sh, dn);
        }

    } else if (dn != NULL && !dn->delivered && dn->claim == claim->number) {
        ngx_http_mspwh_dedup_delete(dedup, dn);
    }

    ngx_shmtx_unlock(&dedup->shpool->mutex);
}


static void
ngx_http_mspwh_dedup_deliver(ngx_http_mspwh_dedup_sh_t *sh,
    ngx_http_mspwh_dedup_node_t *dn)
{
    dn->delivered = 1;
    dn->time = ngx_http_mspwh_dedup_now();
    ngx_queue_insert_head(&sh->delivered, &dn->queue);
}


static ngx_http_mspwh_dedup_node_t *
ngx_http_mspwh_dedup_find(ngx_http_mspwh_claim_t *claim)
{
    u_char                     *rest;
    ngx_int_t                   rc;
    ngx_rbtree_key_t            hash;
    ngx_rbtree_node_t          *node;
    ngx_http_mspwh_dedup_sh_t  *sh;

    sh = claim->dedup->sh;

    hash = ngx_http_mspwh_dedup_hash(claim->key);
    rest = claim->key + sizeof(ngx_rbtree_key_t);

    node = sh->roots[hash & sh->mask];

    while (node != &sh->sentinel) {
        rc = ngx_http_mspwh_dedup_compare(hash, rest, node);

        if (rc == 0) {
            return ngx_http_mspwh_dedup_node(node);
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


/* NULL where there is no room, even without the oldest delivered entry */

static ngx_http_mspwh_dedup_node_t *
ngx_http_mspwh_dedup_insert(ngx_http_mspwh_claim_t *claim)
{
    size_t                        size;
    ngx_queue_t                  *q;
    ngx_rbtree_t                  tree;
    ngx_rbtree_node_t            *node, **root;
    ngx_http_mspwh_dedup_t       *dedup;
    ngx_http_mspwh_dedup_node_t  *dn;

    dedup = claim->dedup;

    size = offsetof(ngx_rbtree_node_t, color)
           + sizeof(ngx_http_mspwh_dedup_node_t);

    node = ngx_slab_alloc_locked(dedup->shpool, size);

    if (node == NULL) {

        if (ngx_queue_empty(&dedup->sh->delivered)) {
            return NULL;
        }

        q = ngx_queue_last(&dedup->sh->delivered);
        dn = ngx_queue_data(q, ngx_http_mspwh_dedup_node_t, queue);
        ngx_http_mspwh_dedup_delete(dedup, dn);

        node = ngx_slab_alloc_locked(dedup->shpool, size);
        if (node == NULL) {
            return NULL;
        }
    }

    node->key = ngx_http_mspwh_dedup_hash(claim->key);

    dn = ngx_http_mspwh_dedup_node(node);
    ngx_memcpy(dn->key, claim->key + sizeof(ngx_rbtree_key_t),
               sizeof(dn->key));

    root = ngx_http_mspwh_dedup_tree(dedup->sh, node, &tree);
    ngx_rbtree_insert(&tree, node);
    *root = tree.root;

    return dn;
}


/* the tree that an entry belongs to, and where its new root is to be kept */

static ngx_rbtree_node_t **
ngx_http_mspwh_dedup_tree(ngx_http_mspwh_dedup_sh_t *sh,
    ngx_rbtree_node_t *node, ngx_rbtree_t *tree)
{
    ngx_rbtree_node_t  **root;

    root = &sh->roots[node->key & sh->mask];

    tree->root = *root;
    tree->sentinel = &sh->sentinel;
    tree->insert = ngx_http_mspwh_dedup_insert_value;

    return root;
}


static void
ngx_http_mspwh_dedup_delete(ngx_http_mspwh_dedup_t *dedup,
    ngx_http_mspwh_dedup_node_t *dn)
{
    ngx_rbtree_t        tree;
    ngx_rbtree_node_t  *node, **root;

    node = ngx_http_mspwh_dedup_rbtree_node(dn);

    ngx_queue_remove(&dn->queue);

    root = ngx_http_mspwh_dedup_tree(dedup->sh, node, &tree);
    ngx_rbtree_delete(&tree, node);
    *root = tree.root;

    ngx_slab_free_locked(dedup->shpool, node);
}


/* one entry is added at a time: two a time are enough to be rid of all */

static void
ngx_http_mspwh_dedup_expire(ngx_http_mspwh_dedup_t *dedup, ngx_queue_t *queue)
{
    ngx_uint_t                    n;
    ngx_queue_t                  *q;
    ngx_http_mspwh_dedup_node_t  *dn;

    for (n = 0; n < 2 && !ngx_queue_empty(queue); n++) {

        q = ngx_queue_last(queue);
        dn = ngx_queue_data(q, ngx_http_mspwh_dedup_node_t, queue);

        if (ngx_http_mspwh_dedup_left(dedup, dn) > 0) {
            return;
        }

        ngx_http_mspwh_dedup_delete(dedup, dn);
    }
}


/*
 * The seconds that an entry is still to be kept.  Its second had begun before
 * it was made: a whole one more is what makes the limit a full one.
 */

static time_t
ngx_http_mspwh_dedup_left(ngx_http_mspwh_dedup_t *dedup,
    ngx_http_mspwh_dedup_node_t *dn)
{
    time_t   limit;
    int32_t  age;

    limit = dn->delivered ? dedup->ttl : dedup->pending;
    age = (int32_t) (ngx_http_mspwh_dedup_now() - dn->time);

    if (age < 0) {

        /* from a worker whose time is ahead, or from before a wrap-around */

        return (age < -NGX_HTTP_MSPWH_DEDUP_SKEW) ? 0 : limit + 1;
    }

    return (age <= limit) ? limit + 1 - age : 0;
}


static void
ngx_http_mspwh_dedup_full(ngx_http_mspwh_dedup_t *dedup, ngx_log_t *log)
{
    uint32_t  now;

    now = ngx_http_mspwh_dedup_now();

    if (now - dedup->sh->said < NGX_HTTP_MSPWH_DEDUP_INTERVAL) {
        return;
    }

    dedup->sh->said = now;

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "mspwh: zone \"%V\" is full of pending events, "
                  "events pass without being remembered", &dedup->name);
}


static ngx_rbtree_key_t
ngx_http_mspwh_dedup_hash(u_char *key)
{
    ngx_rbtree_key_t  hash;

    ngx_memcpy(&hash, key, sizeof(ngx_rbtree_key_t));

    return hash;
}


static ngx_int_t
ngx_http_mspwh_dedup_compare(ngx_rbtree_key_t hash, u_char *rest,
    ngx_rbtree_node_t *node)
{
    if (hash != node->key) {
        return (hash < node->key) ? -1 : 1;
    }

    return ngx_memcmp(rest, ngx_http_mspwh_dedup_node(node)->key,
                      NGX_HTTP_MSPWH_DEDUP_KEY - sizeof(ngx_rbtree_key_t));
}


static void
ngx_http_mspwh_dedup_insert_value(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    u_char             *rest;
    ngx_rbtree_node_t **p;

    rest = ngx_http_mspwh_dedup_node(node)->key;

    for ( ;; ) {
        p = (ngx_http_mspwh_dedup_compare(node->key, rest, temp) < 0)
            ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


/* seconds of the clock that workers share, and that nobody sets */

static uint32_t
ngx_http_mspwh_dedup_now(void)
{
    return (uint32_t) (ngx_current_msec / 1000);
}
