
#include "ngx_http_mspwh_store_pipeline.h"
#include "ngx_http_mspwh_store_timeout.h"


#define NGX_HTTP_MSPWH_PIPELINE_OUT   16384

/* the most settles and forgets that wait for a lost store */
#define NGX_HTTP_MSPWH_PIPELINE_KEPT  10000


static void ngx_http_mspwh_pipeline_take_refused(
    ngx_http_mspwh_pipeline_t *pipeline);
static void ngx_http_mspwh_pipeline_wake(ngx_http_mspwh_pipeline_t *pipeline);
static void ngx_http_mspwh_pipeline_failed(void *data,
    ngx_http_mspwh_store_cause_e cause, const char *text);
static void ngx_http_mspwh_pipeline_readable(void *data);
static ngx_int_t ngx_http_mspwh_pipeline_read(
    ngx_http_mspwh_pipeline_t *pipeline, const char *p, const char *last);
static ngx_int_t ngx_http_mspwh_pipeline_answer(
    ngx_http_mspwh_pipeline_t *pipeline);
static void ngx_http_mspwh_pipeline_writable(void *data);
static void ngx_http_mspwh_pipeline_flush_handler(ngx_event_t *ev);
static void ngx_http_mspwh_pipeline_fill(ngx_http_mspwh_pipeline_t *pipeline);
static void ngx_http_mspwh_pipeline_make_room(
    ngx_http_mspwh_pipeline_t *pipeline);
static void ngx_http_mspwh_pipeline_lose(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command);
static void ngx_http_mspwh_pipeline_free(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command);
static ngx_uint_t ngx_http_mspwh_pipeline_is_kept(
    ngx_http_mspwh_store_command_t *command);


ngx_int_t
ngx_http_mspwh_pipeline_init(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_pool_t *pool)
{
    pipeline->out_size = NGX_HTTP_MSPWH_PIPELINE_OUT
                       + ngx_http_mspwh_store_command_size(&pipeline->words);

    pipeline->out = ngx_palloc(pool, pipeline->out_size);
    if (pipeline->out == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&pipeline->waiting);
    ngx_queue_init(&pipeline->sent);
    ngx_queue_init(&pipeline->refused);
    ngx_queue_init(&pipeline->unused);

    ngx_http_mspwh_pipeline_reset(pipeline);

    pipeline->connection.conf = pipeline->conf;
    pipeline->connection.readable = ngx_http_mspwh_pipeline_readable;
    pipeline->connection.writable = ngx_http_mspwh_pipeline_writable;
    pipeline->connection.failed = ngx_http_mspwh_pipeline_failed;
    pipeline->connection.data = pipeline;

    pipeline->flush.handler = ngx_http_mspwh_pipeline_flush_handler;
    pipeline->flush.data = pipeline;
    pipeline->flush.log = ngx_cycle->log;

    /* not cancelable: a worker that is about to exit waits for the answers */

    pipeline->timeout.handler = ngx_http_mspwh_pipeline_timeout;
    pipeline->timeout.data = pipeline;
    pipeline->timeout.log = ngx_cycle->log;

    return NGX_OK;
}


void
ngx_http_mspwh_pipeline_cleanup(ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_http_mspwh_store_command_t  *command;

    pipeline->state = NGX_HTTP_MSPWH_STORE_DOWN;

    ngx_http_mspwh_pipeline_reset(pipeline);

    /* "dropped" is not called: no request is left to be told */

    while (!ngx_queue_empty(&pipeline->waiting)) {
        command = ngx_http_mspwh_pipeline_first(&pipeline->waiting);
        ngx_http_mspwh_pipeline_lose(pipeline, command);
    }

    while (!ngx_queue_empty(&pipeline->unused)) {
        command = ngx_http_mspwh_pipeline_first(&pipeline->unused);
        ngx_queue_remove(&command->queue);
        ngx_free(command);
    }

    if (pipeline->flush.posted) {
        ngx_delete_posted_event(&pipeline->flush);
    }

    pipeline->out = NULL;
}


void
ngx_http_mspwh_pipeline_reset(ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_queue_t                     *q, *next;
    ngx_http_mspwh_store_command_t  *command;

    if (!ngx_queue_empty(&pipeline->waiting)) {
        ngx_queue_add(&pipeline->sent, &pipeline->waiting);
    }

    ngx_queue_init(&pipeline->waiting);

    for (q = ngx_queue_head(&pipeline->sent);
         q != ngx_queue_sentinel(&pipeline->sent);
         q = next)
    {
        next = ngx_queue_next(q);
        command = ngx_queue_data(q, ngx_http_mspwh_store_command_t, queue);
        command->prompt = 0;

        if (command->data == NULL
            && !ngx_http_mspwh_pipeline_is_kept(command))
        {
            ngx_queue_remove(q);
            ngx_http_mspwh_pipeline_free(pipeline, command);
        }
    }

    if (!ngx_queue_empty(&pipeline->sent)) {
        ngx_queue_add(&pipeline->waiting, &pipeline->sent);
    }

    ngx_queue_init(&pipeline->sent);

    ngx_http_mspwh_pipeline_take_refused(pipeline);

    pipeline->out_pos = pipeline->out;
    pipeline->out_last = pipeline->out;

    ngx_memzero(&pipeline->resp, sizeof(mspwh_resp_t));

    if (pipeline->timeout.timer_set) {
        ngx_del_timer(&pipeline->timeout);
    }
}


static void
ngx_http_mspwh_pipeline_take_refused(ngx_http_mspwh_pipeline_t *pipeline)
{
    if (!ngx_queue_empty(&pipeline->refused)) {
        ngx_queue_add(&pipeline->waiting, &pipeline->refused);
        ngx_queue_init(&pipeline->refused);
    }
}


void
ngx_http_mspwh_pipeline_retry(ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_http_mspwh_pipeline_take_refused(pipeline);
    ngx_http_mspwh_pipeline_wake(pipeline);
}


/* the waiting commands are sent once all received answers are read */

static void
ngx_http_mspwh_pipeline_wake(ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_http_mspwh_pipeline_set_timeout(pipeline);

    if (!pipeline->flush.posted) {
        ngx_post_event(&pipeline->flush, &ngx_posted_events);
    }
}


void
ngx_http_mspwh_pipeline_drop(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_uint_t all)
{
    ngx_queue_t                     *q, *next;
    ngx_http_mspwh_store_command_t  *command;

    for (q = ngx_queue_head(&pipeline->waiting);
         q != ngx_queue_sentinel(&pipeline->waiting);
         q = next)
    {
        command = ngx_queue_data(q, ngx_http_mspwh_store_command_t, queue);

        if (command->data != NULL) {
            pipeline->dropped(pipeline, command);
        }

        /* only now, since "dropped" may have added commands */

        next = ngx_queue_next(q);

        if (all || !ngx_http_mspwh_pipeline_is_kept(command)) {
            ngx_http_mspwh_pipeline_lose(pipeline, command);
        }
    }
}


static void
ngx_http_mspwh_pipeline_failed(void *data, ngx_http_mspwh_store_cause_e cause,
    const char *text)
{
    ngx_http_mspwh_pipeline_t *pipeline = data;

    pipeline->broken(pipeline, cause, text);
}


static void
ngx_http_mspwh_pipeline_readable(void *data)
{
    ngx_http_mspwh_pipeline_t *pipeline = data;

    u_char   buf[4096];
    ssize_t  n;

    do {
        n = ngx_http_mspwh_store_recv(&pipeline->connection, buf, sizeof(buf));

        if (n == NGX_ERROR) {
            pipeline->broken(pipeline, NGX_HTTP_MSPWH_STORE_CLOSED,
                             (char *) pipeline->connection.text);
            return;
        }

        if (ngx_http_mspwh_pipeline_read(pipeline, (char *) buf,
                                              (char *) buf + n)
            != NGX_OK)
        {
            return;
        }

    } while (n > 0);
}


/* returns NGX_ERROR if the connection was closed or replaced */

static ngx_int_t
ngx_http_mspwh_pipeline_read(ngx_http_mspwh_pipeline_t *pipeline,
    const char *p, const char *last)
{
    int  found;

    while ((found = ngx_http_mspwh_store_read(&pipeline->resp, &p, last))
           == 1)
    {
        if (ngx_http_mspwh_pipeline_answer(pipeline) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (found == -1) {
        pipeline->broken(pipeline, NGX_HTTP_MSPWH_STORE_PROTOCOL,
                         "it does not speak RESP2");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* if "answered" closes the connection, the command stays in its queue */

static ngx_int_t
ngx_http_mspwh_pipeline_answer(ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_http_mspwh_store_command_t  *command;

    command = ngx_http_mspwh_pipeline_first(&pipeline->sent);

    if (command == NULL) {
        pipeline->broken(pipeline, NGX_HTTP_MSPWH_STORE_PROTOCOL,
                         "a reply to no command");
        return NGX_ERROR;
    }

    if (pipeline->answered(pipeline, command, &pipeline->resp) != NGX_OK) {
        return NGX_ERROR;
    }

    if (pipeline->resp.last) {
        ngx_queue_remove(&command->queue);

        if (command->again) {
            command->again = 0;
            ngx_queue_insert_tail(&pipeline->refused, &command->queue);

        } else {
            ngx_http_mspwh_pipeline_free(pipeline, command);
        }

        ngx_http_mspwh_pipeline_set_timeout(pipeline);
    }

    return NGX_OK;
}


static void
ngx_http_mspwh_pipeline_writable(void *data)
{
    ngx_http_mspwh_pipeline_t *pipeline = data;

    ngx_http_mspwh_pipeline_flush(pipeline);
}


static void
ngx_http_mspwh_pipeline_flush_handler(ngx_event_t *ev)
{
    ngx_http_mspwh_pipeline_flush(ev->data);
}


void
ngx_http_mspwh_pipeline_flush(ngx_http_mspwh_pipeline_t *pipeline)
{
    if (ngx_http_mspwh_pipeline_send(pipeline) != NGX_OK) {
        pipeline->broken(pipeline, NGX_HTTP_MSPWH_STORE_CLOSED,
                         (char *) pipeline->connection.text);
    }
}


/*
 * Callers may ignore a failure, and also that nothing is sent while the queues
 * are being walked: "add" has posted a flush, which tries again.
 */

ngx_int_t
ngx_http_mspwh_pipeline_send(ngx_http_mspwh_pipeline_t *pipeline)
{
    ssize_t  n;

    while (pipeline->state >= NGX_HTTP_MSPWH_STORE_GREETING
           && !pipeline->walked)
    {

        if (pipeline->out_pos == pipeline->out_last) {
            ngx_http_mspwh_pipeline_fill(pipeline);
        }

        if (pipeline->out_pos == pipeline->out_last) {
            break;
        }

        n = ngx_http_mspwh_store_send(&pipeline->connection,
                                      pipeline->out_pos,
                                      pipeline->out_last - pipeline->out_pos);
        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == 0) {
            break;
        }

        pipeline->out_pos += n;
    }

    return NGX_OK;
}


static void
ngx_http_mspwh_pipeline_fill(ngx_http_mspwh_pipeline_t *pipeline)
{
    size_t                           size;
    ngx_http_mspwh_store_command_t  *command;

    pipeline->out_pos = pipeline->out;
    pipeline->out_last = pipeline->out;

    size = ngx_http_mspwh_store_command_size(&pipeline->words);

    while (pipeline->out + pipeline->out_size - pipeline->out_last
           >= (ssize_t) size)
    {
        command = ngx_http_mspwh_pipeline_first(&pipeline->waiting);

        if (command == NULL
            || (pipeline->state != NGX_HTTP_MSPWH_STORE_READY
                && command->type > NGX_HTTP_MSPWH_STORE_PROBE))
        {
            return;
        }

        ngx_queue_remove(&command->queue);

        if (command->type == NGX_HTTP_MSPWH_STORE_CLAIM
            && command->data == NULL)
        {
            ngx_http_mspwh_pipeline_free(pipeline, command);
            continue;
        }

        ngx_queue_insert_tail(&pipeline->sent, &command->queue);

        /*
         * Not by the time of the last poll: the worker may have been blocked
         * since, and the store has not had that time to answer.
         */

        command->microseconds = ngx_http_mspwh_store_now();
        command->sent = (ngx_msec_t) (command->microseconds / 1000);

        if (command->prompt) {
            command->prompt = 0;
            command->deadline = command->sent + pipeline->conf->timeout;
        }

        pipeline->out_last = ngx_http_mspwh_store_write(&pipeline->words,
                                                       command,
                                                       pipeline->out_last);
    }
}


ngx_http_mspwh_store_command_t *
ngx_http_mspwh_pipeline_add(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_type_e type, u_char *key, uint64_t number, void *data)
{
    ngx_http_mspwh_store_command_t  *command;

    if (pipeline->out == NULL) {
        return NULL;
    }

    command = ngx_http_mspwh_pipeline_first(&pipeline->unused);

    if (command != NULL) {
        ngx_queue_remove(&command->queue);

    } else {
        command = ngx_alloc(sizeof(ngx_http_mspwh_store_command_t),
                            ngx_cycle->log);
        if (command == NULL) {
            return NULL;
        }
    }

    ngx_memzero(command, sizeof(ngx_http_mspwh_store_command_t));

    command->type = type;
    command->number = number;
    command->data = data;
    command->sent = ngx_current_msec;
    command->deadline = ngx_current_msec + pipeline->conf->timeout;
    command->prompt = (pipeline->state == NGX_HTTP_MSPWH_STORE_READY);

    if (key != NULL) {
        ngx_memcpy(command->key, key, MSPWH_TABLE_KEY);
    }

    if (ngx_http_mspwh_pipeline_is_kept(command)) {
        ngx_http_mspwh_pipeline_make_room(pipeline);
        ngx_http_mspwh_store_process(pipeline->counters)->waiting++;
        pipeline->kept++;
    }

    ngx_queue_insert_tail(&pipeline->waiting, &command->queue);

    if (pipeline->state != NGX_HTTP_MSPWH_STORE_DOWN) {
        ngx_http_mspwh_pipeline_wake(pipeline);
    }

    return command;
}


/* drops the oldest settle or forget, which counts as lost */

static void
ngx_http_mspwh_pipeline_make_room(ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_queue_t                     *q;
    ngx_http_mspwh_store_command_t  *command;

    if (pipeline->kept < NGX_HTTP_MSPWH_PIPELINE_KEPT) {
        return;
    }

    command = ngx_http_mspwh_pipeline_first(&pipeline->refused);

    if (command != NULL) {
        ngx_http_mspwh_pipeline_lose(pipeline, command);
        return;
    }

    for (q = ngx_queue_head(&pipeline->waiting);
         q != ngx_queue_sentinel(&pipeline->waiting);
         q = ngx_queue_next(q))
    {
        command = ngx_queue_data(q, ngx_http_mspwh_store_command_t, queue);

        if (ngx_http_mspwh_pipeline_is_kept(command)) {
            ngx_http_mspwh_pipeline_lose(pipeline, command);
            return;
        }
    }
}


static void
ngx_http_mspwh_pipeline_lose(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command)
{
    if (ngx_http_mspwh_pipeline_is_kept(command)) {
        (void) ngx_atomic_fetch_add(&pipeline->counters->lost, 1);
    }

    ngx_queue_remove(&command->queue);
    ngx_http_mspwh_pipeline_free(pipeline, command);
}


static void
ngx_http_mspwh_pipeline_free(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command)
{
    if (ngx_http_mspwh_pipeline_is_kept(command)) {
        ngx_http_mspwh_store_process(pipeline->counters)->waiting--;
        pipeline->kept--;
    }

    ngx_queue_insert_head(&pipeline->unused, &command->queue);
}


/* sent again on each new connection, until it is answered */

static ngx_uint_t
ngx_http_mspwh_pipeline_is_kept(ngx_http_mspwh_store_command_t *command)
{
    return command->type == NGX_HTTP_MSPWH_STORE_SETTLE
           || command->type == NGX_HTTP_MSPWH_STORE_FORGET;
}
