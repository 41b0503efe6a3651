
#include "ngx_http_mspwh_counters.h"
#include "ngx_http_mspwh_dedup.h"


/* milliseconds from one renewal of a claim to the next */

#define ngx_http_mspwh_renewal(dedup)                                         \
    ((ngx_msec_t) ngx_min((dedup)->pending, 3600) * 1000 / 2)


/* a "mspwh_dedup" directive, whose zone may be defined later */

typedef struct {
    ngx_shm_zone_t            *zone;
    u_char                    *file_name;
    ngx_uint_t                 line;
} ngx_http_mspwh_dedup_use_t;


/* what a request has claimed, in its pool's cleanups */

typedef struct {
    ngx_event_t                renewal;
    ngx_http_mspwh_claim_t     claim;
    unsigned                   settled:1;
} ngx_http_mspwh_delivery_t;


static char *ngx_http_mspwh_dedup_parameters(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_mspwh_dedup_t *dedup, ngx_str_t *name,
    ssize_t *size);
static char *ngx_http_mspwh_dedup_size(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_str_t *name, ssize_t *size);
static char *ngx_http_mspwh_dedup_time(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, size_t prefix, time_t *seconds);

static ngx_int_t ngx_http_mspwh_claim(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_dedup_t *dedup, time_t *wait);
static ngx_http_mspwh_delivery_t *ngx_http_mspwh_find_delivery(
    ngx_http_request_t *r, ngx_http_mspwh_claim_t *claim);
static void ngx_http_mspwh_renew(ngx_event_t *ev);
static void ngx_http_mspwh_settle_delivery(ngx_http_mspwh_delivery_t *delivery,
    ngx_uint_t delivered);
static void ngx_http_mspwh_delivery_cleanup(void *data);
static ngx_int_t ngx_http_mspwh_repeat(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf, time_t wait);
static ngx_int_t ngx_http_mspwh_retry_after(ngx_http_request_t *r,
    time_t seconds);


char *
ngx_http_mspwh_dedup_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ssize_t                  size;
    ngx_str_t                name;
    ngx_shm_zone_t          *zone;
    ngx_http_mspwh_dedup_t  *dedup;

    dedup = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_dedup_t));
    if (dedup == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_null(&name);
    size = 0;

    if (ngx_http_mspwh_dedup_parameters(cf, cmd, dedup, &name, &size)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"zone=name:size\" in \"%V\" directive",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_mspwh_module);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (zone->data != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" directive is defined twice",
                           &name, &cmd->name);
        return NGX_CONF_ERROR;
    }

    dedup->name = name;

    if (dedup->ttl == 0) {
        dedup->ttl = 24 * 60 * 60;
    }

    if (dedup->pending == 0) {
        dedup->pending = 60;
    }

    zone->init = ngx_http_mspwh_dedup_init_zone;
    zone->data = dedup;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_dedup_parameters(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_dedup_t *dedup, ngx_str_t *name, ssize_t *size)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0 && name->len == 0) {
            rv = ngx_http_mspwh_dedup_size(cf, cmd, &value[i], name, size);

        } else if (ngx_strncmp(value[i].data, "ttl=", 4) == 0
                   && dedup->ttl == 0)
        {
            rv = ngx_http_mspwh_dedup_time(cf, cmd, &value[i], 4,
                                           &dedup->ttl);

        } else if (ngx_strncmp(value[i].data, "pending=", 8) == 0
                   && dedup->pending == 0)
        {
            rv = ngx_http_mspwh_dedup_time(cf, cmd, &value[i], 8,
                                           &dedup->pending);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\" directive, "
                               "it must be \"zone=name:size\", \"ttl=time\" "
                               "or \"pending=time\", each once",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_dedup_size(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, ngx_str_t *name, ssize_t *size)
{
    u_char     *p;
    ngx_str_t   text;

    name->data = option->data + 5;

    p = (u_char *) ngx_strchr(name->data, ':');

    if (p != NULL) {
        name->len = p - name->data;
        text.data = p + 1;
        text.len = option->data + option->len - text.data;
        *size = ngx_parse_size(&text);
    }

    if (p == NULL || name->len == 0 || *size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\" in \"%V\" directive, "
                           "it must be a name and a size, "
                           "such as \"zone=events:10m\"", option, &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (*size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" in \"%V\" directive is too small, "
                           "it must be at least %uz bytes", option, &cmd->name,
                           8 * ngx_pagesize);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_dedup_time(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *option, size_t prefix, time_t *seconds)
{
    ngx_str_t  text;
    ngx_int_t  n;

    text.data = option->data + prefix;
    text.len = option->data + option->len - text.data;

    n = ngx_parse_time(&text, 1);

    /* 32 bits of seconds have to tell it from a time in the future */

    if (n == NGX_ERROR || n == 0 || n > 0x3fffffff) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"%V\" directive, "
                           "it must be a number of seconds above 0, "
                           "or a time such as \"24h\"", option, &cmd->name);
        return NGX_CONF_ERROR;
    }

    *seconds = n;

    return NGX_CONF_OK;
}


char *
ngx_http_mspwh_dedup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t                   *value, name;
    ngx_http_mspwh_dedup_use_t  *use;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (mlcf->dedup != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        mlcf->dedup = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "zone=", 5) != 0 || value[1].len == 5) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, "
                           "it must be \"zone=name\" or \"off\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data + 5;
    name.len = value[1].len - 5;

    mlcf->dedup = ngx_shared_memory_add(cf, &name, 0, &ngx_http_mspwh_module);
    if (mlcf->dedup == NULL) {
        return NGX_CONF_ERROR;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    use = ngx_array_push(&mmcf->dedup_uses);
    if (use == NULL) {
        return NGX_CONF_ERROR;
    }

    use->zone = mlcf->dedup;
    use->file_name = cf->conf_file->file.name.data;
    use->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_mspwh_create_dedup(ngx_conf_t *cf, ngx_http_mspwh_main_conf_t *mmcf)
{
    return ngx_array_init(&mmcf->dedup_uses, cf->pool, 4,
                          sizeof(ngx_http_mspwh_dedup_use_t));
}


ngx_int_t
ngx_http_mspwh_init_dedup(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    ngx_http_mspwh_dedup_use_t  *use;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    use = mmcf->dedup_uses.elts;

    for (i = 0; i < mmcf->dedup_uses.nelts; i++) {
        if (use[i].zone->data == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown zone \"%V\" in \"mspwh_dedup\" directive, "
                          "it must be one of \"mspwh_dedup_zone\" in %s:%ui",
                          &use[i].zone->shm.name, use[i].file_name,
                          use[i].line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_mspwh_check_dedup(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    time_t     wait;
    ngx_int_t  rc;

    /* a subrequest has no answer of its own to deliver an event by */

    if (mlcf->dedup == NULL || r != r->main
        || ctx->verdict != NGX_HTTP_MSPWH_VERIFIED)
    {
        return NGX_DECLINED;
    }

    rc = ngx_http_mspwh_claim(r, ctx, mlcf->dedup->data, &wait);

    switch (rc) {

    case NGX_DONE:
        ctx->verdict = NGX_HTTP_MSPWH_DUPLICATE;
        break;

    case NGX_BUSY:
        ctx->verdict = NGX_HTTP_MSPWH_IN_FLIGHT;
        break;

    case NGX_ERROR:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default: /* NGX_OK, NGX_DECLINED */
        return NGX_DECLINED;
    }

    return ngx_http_mspwh_repeat(r, ctx, mlcf, wait);
}


/* as ngx_http_mspwh_dedup_claim(), and NGX_OK for what the request has */

static ngx_int_t
ngx_http_mspwh_claim(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_dedup_t *dedup, time_t *wait)
{
    ngx_int_t                   rc;
    ngx_pool_cleanup_t         *cln;
    ngx_http_mspwh_claim_t      claim;
    ngx_http_mspwh_delivery_t  *delivery;

    claim.dedup = dedup;
    claim.number = 0;
    ngx_memcpy(claim.key, ctx->digest, NGX_HTTP_MSPWH_DEDUP_KEY);

    if (ngx_http_mspwh_find_delivery(r, &claim) != NULL) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_mspwh_delivery_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_mspwh_dedup_claim(&claim, wait, r->connection->log);

    if (rc != NGX_OK) {
        return rc;
    }

    delivery = cln->data;

    ngx_memzero(delivery, sizeof(ngx_http_mspwh_delivery_t));
    delivery->claim = claim;

    delivery->renewal.handler = ngx_http_mspwh_renew;
    delivery->renewal.data = delivery;
    delivery->renewal.log = ngx_cycle->log;
    delivery->renewal.cancelable = 1;

    ngx_add_timer(&delivery->renewal, ngx_http_mspwh_renewal(dedup));

    cln->handler = ngx_http_mspwh_delivery_cleanup;

    return NGX_OK;
}


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

        if (delivery->claim.dedup->sh == claim->dedup->sh
            && ngx_memcmp(delivery->claim.key, claim->key,
                          NGX_HTTP_MSPWH_DEDUP_KEY)
               == 0)
        {
            return delivery;
        }
    }

    return NULL;
}


/* a request may take longer than "pending", which is for lost workers */

static void
ngx_http_mspwh_renew(ngx_event_t *ev)
{
    ngx_http_mspwh_delivery_t  *delivery;

    delivery = ev->data;

    ngx_http_mspwh_dedup_renew(&delivery->claim);

    ngx_add_timer(ev, ngx_http_mspwh_renewal(delivery->claim.dedup));
}


/*
 * The answer is decided.  To wait until it is logged would have a sender's
 * next try told that the event is in flight, and a worker that dies in
 * between would leave it so.
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

    ngx_http_mspwh_dedup_settle(&delivery->claim, delivered);
}


/* no answer at all: nobody knows what has become of the event */

static void
ngx_http_mspwh_delivery_cleanup(void *data)
{
    ngx_http_mspwh_settle_delivery(data, 0);
}


static ngx_int_t
ngx_http_mspwh_repeat(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf, time_t wait)
{
    ngx_uint_t  level, monitor;

    monitor = (mlcf->enable == NGX_HTTP_MSPWH_MONITOR);
    level = (ctx->verdict == NGX_HTTP_MSPWH_IN_FLIGHT) ? NGX_LOG_WARN
                                                       : NGX_LOG_INFO;

    ngx_log_error(level, r->connection->log, 0,
                  "mspwh: %V: %s, body %O bytes%s",
                  &ngx_http_mspwh_verdicts[ctx->verdict],
                  (ctx->verdict == NGX_HTTP_MSPWH_IN_FLIGHT)
                  ? "the same event is still being delivered"
                  : "the event has been delivered before",
                  ctx->size, monitor ? NGX_HTTP_MSPWH_LET_THROUGH : "");

    if (monitor) {
        return NGX_DECLINED;
    }

    if (ctx->verdict == NGX_HTTP_MSPWH_IN_FLIGHT) {
        return ngx_http_mspwh_retry_after(r, wait);
    }

    ngx_http_finalize_request(r, ngx_http_mspwh_send_empty(r, NGX_HTTP_OK));

    return NGX_DONE;
}


/* RFC 9110, section 10.2.3 */

static ngx_int_t
ngx_http_mspwh_retry_after(ngx_http_request_t *r, time_t seconds)
{
    ngx_str_t         value;
    static ngx_str_t  name = ngx_string("Retry-After");

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T", seconds) - value.data;

    if (ngx_http_mspwh_set_header(r, &name, &value) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_CONFLICT;
}
