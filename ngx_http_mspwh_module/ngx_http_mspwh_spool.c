
#include "ngx_http_mspwh_counters.h"
#include "ngx_http_mspwh_spool.h"


/* what of a type and an id is part of a file's name */
#define NGX_HTTP_MSPWH_SPOOL_TYPE  64
#define NGX_HTTP_MSPWH_SPOOL_ID    48

/* bytes of the HMAC */
#define NGX_HTTP_MSPWH_SPOOL_MAC   8

/* time, type, ids and HMAC, with commas */
#define NGX_HTTP_MSPWH_SPOOL_NAME                                             \
    (sizeof("20261124T181819.123456Z") + NGX_HTTP_MSPWH_SPOOL_TYPE + 1        \
     + 2 * (NGX_HTTP_MSPWH_SPOOL_ID + 1) + 2 * NGX_HTTP_MSPWH_SPOOL_MAC + 1)


/* milliseconds; only to keep a worker that is to quit until all is done */
#define NGX_HTTP_MSPWH_SPOOL_WAIT  60000

#define NGX_HTTP_MSPWH_SPOOL_TEMP                                             \
    (sizeof(".tmp-.-") + NGX_INT64_LEN + NGX_ATOMIC_T_LEN)


typedef struct {
    ngx_http_mspwh_spool_event_t   event;
    ngx_http_request_t            *request;
    off_t                          size;
    ngx_int_t                      rc;
#if (NGX_THREADS)
    ngx_thread_task_t              task;
    ngx_event_t                    wait;
#endif
} ngx_http_mspwh_spool_job_t;


static ngx_int_t ngx_http_mspwh_spool_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mspwh_may_spool(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static ngx_http_mspwh_spool_job_t *ngx_http_mspwh_spool_job(
    ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx, ngx_str_t *directory);
static ngx_int_t ngx_http_mspwh_spool_bufs(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event);
static u_char *ngx_http_mspwh_spool_name(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
static u_char *ngx_http_mspwh_spool_part(u_char *p, const char *text,
    size_t size);
static u_char *ngx_http_mspwh_spool_path(ngx_http_request_t *r,
    ngx_str_t *directory, const char *prefix, u_char *name,
    const char *suffix);
static ngx_int_t ngx_http_mspwh_spool_fields(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_str_t *fields);
static ngx_uint_t ngx_http_mspwh_is_spooled_field(ngx_table_elt_t *h,
    ngx_str_t *signature);
static ngx_int_t ngx_http_mspwh_spool_run(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job);
#if (NGX_THREADS)
static void ngx_http_mspwh_spool_thread(void *data, ngx_log_t *log);
static void ngx_http_mspwh_spool_wait(ngx_event_t *ev);
static void ngx_http_mspwh_spool_done(ngx_event_t *ev);
#endif
static ngx_int_t ngx_http_mspwh_spool_report(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job);
static ngx_int_t ngx_http_mspwh_spool_answer(ngx_http_request_t *r,
    ngx_int_t rc);


/* tells the temporary names of a worker apart */

static ngx_atomic_uint_t  ngx_http_mspwh_spool_count;


char *
ngx_http_mspwh_spool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t                   *value;
    ngx_path_t                  *path;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (mlcf->spool != NULL) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL) {
        return "is not possible here: another directive answers";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty path in \"%V\" directive, "
                           "it must be a directory", &cmd->name);
        return NGX_CONF_ERROR;
    }

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    path->name = value[1];

    if (path->name.len > 1 && path->name.data[path->name.len - 1] == '/') {
        path->name.data[--path->name.len] = '\0';
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* nginx makes it on start, for its workers only */

    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    if (ngx_add_path(cf, &path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

#if (NGX_THREADS)
    mlcf->thread_pool = ngx_thread_pool_add(cf, NULL);
    if (mlcf->thread_pool == NULL) {
        return NGX_CONF_ERROR;
    }
#endif

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    mmcf->spooled = 1;

    mlcf->spool = path;
    clcf->handler = ngx_http_mspwh_spool_handler;

    return NGX_CONF_OK;
}


char *
ngx_http_mspwh_merge_spool(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->spool != NULL) {

        if (clcf->handler != ngx_http_mspwh_spool_handler) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"mspwh_spool\" is in location \"%V\", "
                               "but another directive there answers",
                               &clcf->name);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    /* a handler is not inherited, but "if" and "limit_except" are inside */

    if (clcf->noname && clcf->handler == NULL && prev->spool != NULL) {
        conf->spool = prev->spool;
#if (NGX_THREADS)
        conf->thread_pool = prev->thread_pool;
#endif
        clcf->handler = ngx_http_mspwh_spool_handler;
    }

    return NGX_CONF_OK;
}


void
ngx_http_mspwh_keep_body_file(ngx_http_request_t *r)
{
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);

    /* a file that still has a name can be given another */

    if (mmcf->spooled && !r->request_body_in_persistent_file) {
        r->request_body_in_persistent_file = 1;
        r->request_body_in_clean_file = 1;
    }
}


static ngx_int_t
ngx_http_mspwh_spool_handler(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t        *ctx;
    ngx_http_mspwh_loc_conf_t   *mlcf;
    ngx_http_mspwh_spool_job_t  *job;

    ctx = ngx_http_mspwh_get_ctx(r);

    if (!ngx_http_mspwh_may_spool(r, ctx)) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "mspwh: not spooled: the request is not verified");
        return NGX_HTTP_FORBIDDEN;
    }

    /* what an "error_page" without "=" has kept would hide the 202 */

    if (r->err_status >= NGX_HTTP_SPECIAL_RESPONSE) {
        r->err_status = 0;
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    job = ngx_http_mspwh_spool_job(r, ctx, &mlcf->spool->name);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_mspwh_spool_run(r, job);
}


/* a signed body that this location lets through, and all of it */

static ngx_uint_t
ngx_http_mspwh_may_spool(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    off_t                       size;
    ngx_chain_t                *cl;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    if (ctx == NULL || ctx->key_id.len == 0 || r->request_body == NULL) {
        return 0;
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (ctx->verdict == NGX_HTTP_MSPWH_MALFORMED_PAYLOAD
        && mlcf->malformed != NGX_HTTP_MSPWH_PASS)
    {
        return 0;
    }

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    return size == ctx->size;
}


static ngx_http_mspwh_spool_job_t *
ngx_http_mspwh_spool_job(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_str_t *directory)
{
    u_char                        *name;
    char                           temp[NGX_HTTP_MSPWH_SPOOL_TEMP];
    ngx_http_mspwh_spool_job_t    *job;
    ngx_http_mspwh_spool_event_t  *event;

    job = ngx_pcalloc(r->pool, sizeof(ngx_http_mspwh_spool_job_t));
    if (job == NULL) {
        return NULL;
    }

    name = ngx_http_mspwh_spool_name(r, ctx);
    if (name == NULL) {
        return NULL;
    }

    job->request = r;
    job->size = ctx->size;

    event = &job->event;

    ngx_sprintf((u_char *) temp, ".tmp-%P.%uA-%Z", ngx_pid, ++ngx_http_mspwh_spool_count);

    event->directory = directory->data;
    event->body = ngx_http_mspwh_spool_path(r, directory, "", name, ".body");
    event->headers = ngx_http_mspwh_spool_path(r, directory, "", name,
                                               ".headers");
    event->temp_body = ngx_http_mspwh_spool_path(r, directory, temp, name,
                                                 ".body");
    event->temp_headers = ngx_http_mspwh_spool_path(r, directory, temp, name,
                                                    ".headers");

    if (event->body == NULL || event->headers == NULL
        || event->temp_body == NULL || event->temp_headers == NULL
        || ngx_http_mspwh_spool_fields(r, ctx, &event->fields) != NGX_OK
        || ngx_http_mspwh_spool_bufs(r, event) != NGX_OK)
    {
        return NULL;
    }

    return job;
}


static ngx_int_t
ngx_http_mspwh_spool_bufs(ngx_http_request_t *r,
    ngx_http_mspwh_spool_event_t *event)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    event->bufs = r->request_body->bufs;

    for (cl = event->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (!b->in_file) {
            continue;
        }

        if (event->buffer == NULL) {
            event->buffer = ngx_palloc(r->pool, NGX_HTTP_MSPWH_SPOOL_BUFFER);
            if (event->buffer == NULL) {
                return NGX_ERROR;
            }
        }

        /* what "client_body_in_file_only" keeps others may change */

        if (cl == event->bufs && cl->next == NULL && b->file_pos == 0
            && !r->request_body_in_file_only
            && !r->request_body_file_group_access)
        {
            event->file = b->file;
        }
    }

    return NGX_OK;
}


static u_char *
ngx_http_mspwh_spool_name(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    u_char          *name, *p;
    ngx_tm_t         tm;
    struct timeval   tv;
    mspwh_event_t   *event;

    name = ngx_pnalloc(r->pool, NGX_HTTP_MSPWH_SPOOL_NAME);
    if (name == NULL) {
        return NULL;
    }

    ngx_gettimeofday(&tv);
    ngx_gmtime(tv.tv_sec, &tm);

    p = ngx_sprintf(name, "%4d%02d%02dT%02d%02d%02d.%06dZ",
                    tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                    tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                    (int) tv.tv_usec);

    event = &ctx->event;

    p = ngx_http_mspwh_spool_part(p, ctx->has_event ? event->type
                                                    : "malformed",
                                  NGX_HTTP_MSPWH_SPOOL_TYPE);
    p = ngx_http_mspwh_spool_part(p, event->entity_id,
                                  NGX_HTTP_MSPWH_SPOOL_ID);
    p = ngx_http_mspwh_spool_part(p, event->ticket_id,
                                  NGX_HTTP_MSPWH_SPOOL_ID);
    *p++ = ',';

    p = ngx_hex_dump(p, ctx->digest, NGX_HTTP_MSPWH_SPOOL_MAC);
    *p = '\0';

    return name;
}


/* a comma and what there is of a text, or "-" */

static u_char *
ngx_http_mspwh_spool_part(u_char *p, const char *text, size_t size)
{
    size_t  len;

    if (text == NULL || *text == '\0') {
        text = "-";
    }

    len = ngx_strlen(text);

    *p++ = ',';

    return ngx_cpymem(p, text, ngx_min(len, size));
}


static u_char *
ngx_http_mspwh_spool_path(ngx_http_request_t *r, ngx_str_t *directory,
    const char *prefix, u_char *name, const char *suffix)
{
    size_t   len;
    u_char  *path;

    len = directory->len + 1 + ngx_strlen(prefix) + ngx_strlen(name)
          + ngx_strlen(suffix) + 1;

    path = ngx_pnalloc(r->pool, len);
    if (path == NULL) {
        return NULL;
    }

    ngx_sprintf(path, "%V/%s%s%s%Z", directory, prefix, name, suffix);

    return path;
}


/* what it takes to send the event again */

static ngx_int_t
ngx_http_mspwh_spool_fields(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_str_t *fields)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            len += h[i].key.len + sizeof(": \n") - 1 + h[i].value.len;
        }
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    fields->data = p;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mspwh_is_spooled_field(&h[i], &ctx->header)) {
                p = ngx_sprintf(p, "%V: %V\n", &h[i].key, &h[i].value);
            }
        }
    }

    fields->len = p - fields->data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_mspwh_is_spooled_field(ngx_table_elt_t *h, ngx_str_t *signature)
{
    return ngx_http_mspwh_is_field(h, signature->data, signature->len)
           || ngx_http_mspwh_is_field(h, (u_char *) "Content-Type",
                                      sizeof("Content-Type") - 1)
           || ngx_http_mspwh_is_field(h, (u_char *) "Content-Encoding",
                                      sizeof("Content-Encoding") - 1);
}


#if (NGX_THREADS)

static ngx_int_t
ngx_http_mspwh_spool_run(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job)
{
    ngx_http_mspwh_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    job->task.ctx = job;
    job->task.handler = ngx_http_mspwh_spool_thread;
    job->task.event.data = job;
    job->task.event.handler = ngx_http_mspwh_spool_done;

    if (ngx_thread_task_post(mlcf->thread_pool, &job->task) != NGX_OK) {
        job->event.call = "ngx_thread_task_post()";
        job->event.path = job->event.body;
        job->rc = NGX_ERROR;

        return ngx_http_mspwh_spool_answer(r,
                                         ngx_http_mspwh_spool_report(r, job));
    }

    r->main->blocked++;
    r->main->count++;

    job->wait.handler = ngx_http_mspwh_spool_wait;
    job->wait.data = job;
    job->wait.log = ngx_cycle->log;

    ngx_add_timer(&job->wait, NGX_HTTP_MSPWH_SPOOL_WAIT);

    return NGX_DONE;
}


static void
ngx_http_mspwh_spool_thread(void *data, ngx_log_t *log)
{
    ngx_http_mspwh_spool_job_t *job = data;

    job->rc = ngx_http_mspwh_spool_write(&job->event);
}


static void
ngx_http_mspwh_spool_wait(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_HTTP_MSPWH_SPOOL_WAIT);
}


static void
ngx_http_mspwh_spool_done(ngx_event_t *ev)
{
    ngx_int_t                    rc;
    ngx_connection_t            *c;
    ngx_http_request_t          *r;
    ngx_http_mspwh_spool_job_t  *job;

    job = ev->data;
    r = job->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    r->main->blocked--;

    ngx_del_timer(&job->wait);

    rc = ngx_http_mspwh_spool_report(r, job);

    /* if it has been terminated meanwhile, that waited for the thread only */

    ngx_http_finalize_request(r, c->error ? NGX_ERROR
                                          : ngx_http_mspwh_spool_answer(r, rc));

    ngx_http_run_posted_requests(c);
}

#else

static ngx_int_t
ngx_http_mspwh_spool_run(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job)
{
    job->rc = ngx_http_mspwh_spool_write(&job->event);

    return ngx_http_mspwh_spool_answer(r, ngx_http_mspwh_spool_report(r, job));
}

#endif


/* counts and logs what has become of the event */

static ngx_int_t
ngx_http_mspwh_spool_report(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job)
{
    ngx_http_mspwh_counters_t     *counters;
    ngx_http_mspwh_main_conf_t    *mmcf;
    ngx_http_mspwh_spool_event_t  *event;

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);
    counters = mmcf->counters;
    event = &job->event;

    if (job->rc != NGX_OK) {
        ngx_http_mspwh_add(counters->spool_failures, 1);

        ngx_log_error(NGX_LOG_CRIT, r->connection->log, event->err,
                      "mspwh: not spooled: body %O bytes, %s \"%s\" failed",
                      job->size, event->call, event->path);
        return NGX_ERROR;
    }

    ngx_http_mspwh_add(counters->spooled_events, 1);
    ngx_http_mspwh_add(counters->spooled_bytes, job->size);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "mspwh: spooled: \"%s\", body %O bytes",
                  event->body, job->size);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_spool_answer(ngx_http_request_t *r, ngx_int_t rc)
{
    return (rc == NGX_OK) ? ngx_http_mspwh_send_empty(r, NGX_HTTP_ACCEPTED)
                          : NGX_HTTP_SERVICE_UNAVAILABLE;
}
