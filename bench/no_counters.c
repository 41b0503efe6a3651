
/*
 * Counters that do not count, to measure the cost of counting: replaces
 * ngx_http_mspwh_counters.c in the benchmark.
 */


#include "ngx_http_mspwh_counters.h"


const size_t      ngx_http_mspwh_sizes[NGX_HTTP_MSPWH_SIZES - 1];
const ngx_uint_t  ngx_http_mspwh_delays[NGX_HTTP_MSPWH_DELAYS - 1];
const char       *ngx_http_mspwh_classes[NGX_HTTP_MSPWH_CLASSES];
const char       *ngx_http_mspwh_causes[NGX_HTTP_MSPWH_CAUSES];


void
ngx_http_mspwh_count(ngx_http_mspwh_outcome_t *outcome)
{
}


const char *
ngx_http_mspwh_type_name(ngx_uint_t type)
{
    return "";
}
