
/*
 * nginx leaves the configuration's pool after "nginx -t", and the initial pool
 * after a failed start, for exit() to free.  They are not leaks, but the only
 * pointers to them were on the stack.  This module keeps other pointers, for
 * LeakSanitizer to find.
 */


#include <ngx_config.h>
#include <ngx_core.h>


static void *ngx_keep_cycle_create_conf(ngx_cycle_t *cycle);


static ngx_cycle_t *volatile  ngx_keep_cycle;
static ngx_pool_t *volatile   ngx_keep_pool;


static ngx_core_module_t  ngx_keep_cycle_module_ctx = {
    ngx_string("keep_cycle"),
    ngx_keep_cycle_create_conf,
    NULL
};


ngx_module_t  ngx_keep_cycle_module = {
    NGX_MODULE_V1,
    &ngx_keep_cycle_module_ctx,            /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_keep_cycle_create_conf(ngx_cycle_t *cycle)
{
    ngx_keep_cycle = cycle;
    ngx_keep_pool = cycle->old_cycle->pool;

    return cycle;
}
