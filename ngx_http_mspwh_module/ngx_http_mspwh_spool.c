
#include "ngx_http_mspwh_spool.h"
#include "ngx_http_mspwh_counters.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_trust.h"


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


static ngx_path_t *ngx_http_mspwh_spool_directory(ngx_conf_t *cf,
    ngx_command_t *cmd);
static ngx_int_t ngx_http_mspwh_spool_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_spool_run(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job);
#if (NGX_THREADS)
static void ngx_http_mspwh_spool_thread(void *data, ngx_log_t *log);
static void ngx_http_mspwh_spool_wait(ngx_event_t *ev);
static void ngx_http_mspwh_spool_done(ngx_event_t *ev);
#endif
static ngx_int_t ngx_http_mspwh_spool_report(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job);
static ngx_int_t ngx_http_mspwh_spool_answer(ngx_http_mspwh_spool_job_t *job,
    ngx_int_t rc);


char *
ngx_http_mspwh_spool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_mspwh_loc_conf_t   **level;
    ngx_http_mspwh_main_conf_t   *mmcf;

    if (mlcf->spool != NULL) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL) {
        return "is not possible here: another directive answers";
    }

    mlcf->spool = ngx_http_mspwh_spool_directory(cf, cmd);
    if (mlcf->spool == NULL) {
        return NGX_CONF_ERROR;
    }

#if (NGX_THREADS)
    mlcf->thread_pool = ngx_thread_pool_add(cf, NULL);
    if (mlcf->thread_pool == NULL) {
        return NGX_CONF_ERROR;
    }
#endif

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    level = ngx_array_push(&mmcf->spools);
    if (level == NULL) {
        return NGX_CONF_ERROR;
    }

    *level = mlcf;

    clcf->handler = ngx_http_mspwh_spool_handler;

    return NGX_CONF_OK;
}


/* nginx creates the directory on start, for its workers only */

static ngx_path_t *
ngx_http_mspwh_spool_directory(ngx_conf_t *cf, ngx_command_t *cmd)
{
    ngx_str_t   *value;
    ngx_path_t  *path;

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty path in \"%V\" directive, "
                           "it must be a directory", &cmd->name);
        return NULL;
    }

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NULL;
    }

    path->name = value[1];

    if (path->name.len > 1 && path->name.data[path->name.len - 1] == '/') {
        path->name.data[--path->name.len] = '\0';
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NULL;
    }

    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    return (ngx_add_path(cf, &path) == NGX_OK) ? path : NULL;
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

    /* handlers are not inherited, but "if" and "limit_except" need this one */

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

    /* a spool can link to the body's file only while that has a name */

    if (mmcf->spools.nelts != 0 && !r->request_body_in_persistent_file) {
        r->request_body_in_persistent_file = 1;
        r->request_body_in_clean_file = 1;
    }
}


static ngx_int_t
ngx_http_mspwh_spool_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_mspwh_ctx_t        *ctx;
    ngx_http_mspwh_loc_conf_t   *mlcf;
    ngx_http_mspwh_spool_job_t  *job;

    ctx = ngx_http_mspwh_find_ctx(r);

    if (!ngx_http_mspwh_may_keep(r, ctx)) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "mspwh: not spooled: the request is not verified");
        return NGX_HTTP_FORBIDDEN;
    }

    ngx_http_mspwh_forget_error(r);

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    /* a duplicate that monitor mode lets through is stored like any event */

    if (ctx->request == r
        && ngx_http_mspwh_set_answer(ctx, NGX_HTTP_ACCEPTED,
                                     NGX_HTTP_MSPWH_VERIFIED)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job = ngx_pcalloc(r->pool, sizeof(ngx_http_mspwh_spool_job_t));
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job->request = r;
    job->size = ctx->verification->size;

    rc = ngx_http_mspwh_spool_prepare(r, ctx, &mlcf->spool->name, &job->event);

    if (rc == NGX_OK) {
        return ngx_http_mspwh_spool_run(r, job);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    job->rc = NGX_ERROR;

    return ngx_http_mspwh_spool_answer(job,
                                       ngx_http_mspwh_spool_report(r, job));
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

        return ngx_http_mspwh_spool_answer(job,
                                         ngx_http_mspwh_spool_report(r, job));
    }

    r->main->blocked++;
    r->main->count++;

    job->wait.handler = ngx_http_mspwh_spool_wait;
    job->wait.data = job;
    job->wait.log = ngx_cycle->log;

    ngx_add_timer(&job->wait, NGX_HTTP_MSPWH_KEEP_WORKER);

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
    ngx_add_timer(ev, NGX_HTTP_MSPWH_KEEP_WORKER);
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

    /* a request that was terminated has only waited for the thread */

    rc = c->error ? NGX_ERROR : ngx_http_mspwh_spool_answer(job, rc);

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);
}

#else

static ngx_int_t
ngx_http_mspwh_spool_run(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job)
{
    job->rc = ngx_http_mspwh_spool_write(&job->event);

    return ngx_http_mspwh_spool_answer(job,
                                       ngx_http_mspwh_spool_report(r, job));
}

#endif


/* counts and logs the result */

static ngx_int_t
ngx_http_mspwh_spool_report(ngx_http_request_t *r,
    ngx_http_mspwh_spool_job_t *job)
{
    ngx_http_mspwh_ctx_t          *ctx;
    ngx_http_mspwh_counters_t     *counters;
    ngx_http_mspwh_spool_event_t  *event;

    counters = &ngx_http_mspwh_get_webhook(r)->account->counters;
    event = &job->event;

    if (job->rc != NGX_OK) {
        ngx_http_mspwh_add(counters->spool_failures, 1);

        ngx_log_error(NGX_LOG_CRIT, r->connection->log, event->err,
                      "mspwh: not spooled: body %O bytes, %s \"%s\" failed",
                      job->size, event->call, event->path);
        return NGX_ERROR;
    }

    ctx = ngx_http_mspwh_find_ctx(r);

    if (ctx != NULL) {
        ctx->spooled = 1;
    }

    ngx_http_mspwh_add(counters->spooled_events, 1);
    ngx_http_mspwh_add(counters->spooled_bytes, job->size);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "mspwh: spooled: \"%s\", body %O bytes",
                  event->body, job->size);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_spool_answer(ngx_http_mspwh_spool_job_t *job, ngx_int_t rc)
{
    ngx_http_mspwh_ctx_t  *ctx;

    if (rc != NGX_OK) {

        /* error_page may lead to another answer */

        ctx = ngx_http_mspwh_get_ctx(job->request);
        if (ctx != NULL) {
            ctx->answer = 0;
        }

        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return ngx_http_mspwh_send_empty(job->request, NGX_HTTP_ACCEPTED);
}
