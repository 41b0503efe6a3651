
#include "ngx_http_mspwh_store_counters.h"


static ngx_int_t ngx_http_mspwh_init_store_zone(ngx_shm_zone_t *zone,
    void *data);


#define NGX_HTTP_MSPWH_STORE_RESULT_NAME(constant, name)                      \
    [NGX_HTTP_MSPWH_STORE_ ## constant] = name,

const char  *ngx_http_mspwh_store_results[] = {
    NGX_HTTP_MSPWH_STORE_RESULT_TABLE(NGX_HTTP_MSPWH_STORE_RESULT_NAME)
};


const uint32_t  ngx_http_mspwh_store_times[] = {
    50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000,
    500000, 0
};


ngx_int_t
ngx_http_mspwh_init_store_counters(ngx_conf_t *cf)
{
    size_t                       size;
    ngx_str_t                    name;
    ngx_shm_zone_t              *zone;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    if (!mmcf->stores) {
        return NGX_OK;
    }

    /* the slab allocator's own part grows with the page size */

    size = ngx_align(sizeof(ngx_http_mspwh_store_counters_t), ngx_pagesize)
           + 8 * ngx_pagesize;

    ngx_str_set(&name, "mspwh_store");

    /* its own tag: a directive's zone may have the same name */

    zone = ngx_shared_memory_add(cf, &name, size,
                                 (void *) &ngx_http_mspwh_store_times);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_mspwh_init_store_zone;
    zone->data = mmcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_init_store_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_mspwh_main_conf_t *old = data;

    ngx_slab_pool_t             *shpool;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = zone->data;
    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old != NULL) {
        mmcf->store_counters = old->store_counters;
        return NGX_OK;
    }

    if (!zone->shm.exists) {
        shpool->data = ngx_slab_calloc(shpool,
                                     sizeof(ngx_http_mspwh_store_counters_t));
        if (shpool->data == NULL) {
            return NGX_ERROR;
        }
    }

    mmcf->store_counters = shpool->data;

    return NGX_OK;
}


void
ngx_http_mspwh_store_count_time(ngx_http_mspwh_store_counters_t *counters,
    uint64_t microseconds)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_MSPWH_STORE_TIMES - 1; i++) {
        if (microseconds <= ngx_http_mspwh_store_times[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&counters->times[i], 1);
    (void) ngx_atomic_fetch_add(&counters->microseconds,
                                (ngx_atomic_int_t) microseconds);
}


ngx_http_mspwh_store_process_t *
ngx_http_mspwh_store_process(ngx_http_mspwh_store_counters_t *counters)
{
    return &counters->processes[ngx_process_slot];
}


void
ngx_http_mspwh_store_sum(ngx_http_mspwh_store_counters_t *counters,
    ngx_http_mspwh_store_process_t *sum)
{
    ngx_uint_t  i;

    ngx_memzero(sum, sizeof(ngx_http_mspwh_store_process_t));

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        sum->connected += counters->processes[i].connected;
        sum->waiting += counters->processes[i].waiting;
    }
}
