
#include "ngx_http_mspwh_history.h"


#define NGX_HTTP_MSPWH_HISTORY_NAME(constant, name)  name,

const char  *ngx_http_mspwh_history_names[] = {
    NGX_HTTP_MSPWH_HISTORY_TABLE(NGX_HTTP_MSPWH_HISTORY_NAME)
};


/* ngx_atomic_t has 32 bits on some machines */

void
ngx_http_mspwh_history_add(ngx_http_mspwh_history_t *history, time_t now,
    ngx_http_mspwh_history_e kind)
{
    uint64_t  *count, old, new, minute;

    minute = (uint64_t) now / 60;
    count = &history->counts[minute % NGX_HTTP_MSPWH_MINUTES][kind];
    minute <<= 32;

    do {
        old = *(volatile uint64_t *) count;
        new = (old >> 32 == minute >> 32) ? old + 1 : minute + 1;
    } while (!__sync_bool_compare_and_swap(count, old, new));
}


ngx_uint_t
ngx_http_mspwh_history_get(ngx_http_mspwh_history_t *history, time_t minute,
    ngx_uint_t *counts)
{
    uint64_t    count;
    ngx_uint_t  i, found;

    found = 0;

    for (i = 0; i < NGX_HTTP_MSPWH_HISTORY_KINDS; i++) {
        count = *(volatile uint64_t *)
                &history->counts[minute % NGX_HTTP_MSPWH_MINUTES][i];

        if ((time_t) (count >> 32) == minute) {
            counts[i] += (uint32_t) count;
            found = 1;
        }
    }

    return found;
}
