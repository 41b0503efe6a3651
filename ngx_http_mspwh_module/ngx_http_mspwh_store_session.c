
#include "ngx_http_mspwh_store_session.h"


/* milliseconds between attempts; the last: while no server is a primary */
#define NGX_HTTP_MSPWH_STORE_FIRST     100
#define NGX_HTTP_MSPWH_STORE_LONGEST   5000
#define NGX_HTTP_MSPWH_STORE_ELECTION  500

/* milliseconds: how often to ask for the role; how long a steady session is */
#define NGX_HTTP_MSPWH_STORE_CHECK     5000
#define NGX_HTTP_MSPWH_STORE_STEADY    1000


static void ngx_http_mspwh_store_try(ngx_http_mspwh_store_session_t *session);
static ngx_int_t ngx_http_mspwh_store_greet(
    ngx_http_mspwh_store_session_t *session);
static void ngx_http_mspwh_store_opened(void *data);
static void ngx_http_mspwh_store_broken(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_cause_e cause, const char *text);
static void ngx_http_mspwh_store_lost(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause, const char *text);
static void ngx_http_mspwh_store_is_refused(
    ngx_http_mspwh_store_session_t *session);
static void ngx_http_mspwh_store_leave(
    ngx_http_mspwh_store_session_t *session);
static void ngx_http_mspwh_store_go_down(
    ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause, const char *text);
static void ngx_http_mspwh_store_is_ready(
    ngx_http_mspwh_store_session_t *session);
static void ngx_http_mspwh_store_is_back(
    ngx_http_mspwh_store_session_t *session);
static ngx_int_t ngx_http_mspwh_store_session_answered(
    ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp);
static ngx_uint_t ngx_http_mspwh_store_may_be_cut_off(
    ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause);
static ngx_int_t ngx_http_mspwh_store_answer_hello(
    ngx_http_mspwh_store_session_t *session, mspwh_resp_t *resp);
static void ngx_http_mspwh_store_answer_probe(
    ngx_http_mspwh_store_session_t *session, mspwh_resp_t *resp);
static void ngx_http_mspwh_store_answer_policy(
    ngx_http_mspwh_store_session_t *session, mspwh_resp_t *resp);
static void ngx_http_mspwh_store_retry(ngx_event_t *ev);
static void ngx_http_mspwh_store_check(ngx_event_t *ev);
static void ngx_http_mspwh_store_show(ngx_http_mspwh_store_session_t *session,
    ngx_uint_t connected);


ngx_int_t
ngx_http_mspwh_store_start(ngx_http_mspwh_store_session_t *session,
    ngx_pool_t *pool)
{
    ngx_http_mspwh_pipeline_t  *pipeline;

    pipeline = &session->pipeline;

    pipeline->data = session;
    pipeline->answered = ngx_http_mspwh_store_session_answered;
    pipeline->broken = ngx_http_mspwh_store_broken;
    pipeline->connection.opened = ngx_http_mspwh_store_opened;

    if (ngx_http_mspwh_pipeline_init(pipeline, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    session->retry.handler = ngx_http_mspwh_store_retry;
    session->retry.data = session;
    session->retry.log = ngx_cycle->log;
    session->retry.cancelable = 1;

    session->check.handler = ngx_http_mspwh_store_check;
    session->check.data = session;
    session->check.log = ngx_cycle->log;
    session->check.cancelable = 1;

    session->backoff = NGX_HTTP_MSPWH_STORE_FIRST;
    session->tries = session->addresses->nelts;

    session->refuses = ngx_pcalloc(pool, session->addresses->nelts);
    if (session->refuses == NULL) {
        return NGX_ERROR;
    }

    ngx_http_mspwh_store_try(session);

    return NGX_OK;
}


void
ngx_http_mspwh_store_stop(ngx_http_mspwh_store_session_t *session)
{
    if (session->pipeline.out == NULL) {
        return;
    }

    session->known_down = 1;

    ngx_http_mspwh_store_leave(session);
    ngx_http_mspwh_pipeline_cleanup(&session->pipeline);

    if (session->retry.timer_set) {
        ngx_del_timer(&session->retry);
    }
}


/* tries the remaining addresses, one after the other */

static void
ngx_http_mspwh_store_try(ngx_http_mspwh_store_session_t *session)
{
    ngx_http_mspwh_store_address_t     *address;
    ngx_http_mspwh_store_connection_t  *connection;

    address = session->addresses->elts;
    connection = &session->pipeline.connection;

    for ( ;; ) {
        session->pipeline.state = NGX_HTTP_MSPWH_STORE_CONNECTING;
        session->tries--;

        if (ngx_http_mspwh_store_open(connection, &address[session->address])
            == NGX_OK
            && ngx_http_mspwh_store_greet(session) == NGX_OK)
        {
            return;
        }

        ngx_http_mspwh_store_close(connection);

        ngx_cpystrn(session->text, connection->text,
                    NGX_HTTP_MSPWH_STORE_TEXT);

        session->address = (session->address + 1) % session->addresses->nelts;

        if (session->tries == 0) {
            ngx_http_mspwh_store_go_down(session, NGX_HTTP_MSPWH_STORE_CONNECT,
                                         (char *) connection->text);
            return;
        }
    }
}


/* sends HELLO and the probe before all waiting commands */

static ngx_int_t
ngx_http_mspwh_store_greet(ngx_http_mspwh_store_session_t *session)
{
    ngx_http_mspwh_pipeline_t       *pipeline;
    ngx_http_mspwh_store_command_t  *hello, *probe;

    session->is_primary = 0;
    ngx_memzero(&session->hello, sizeof(ngx_http_mspwh_hello_t));

    pipeline = &session->pipeline;

    probe = ngx_http_mspwh_pipeline_add(pipeline, NGX_HTTP_MSPWH_STORE_PROBE,
                                        NULL, 0, NULL);
    hello = ngx_http_mspwh_pipeline_add(pipeline, NGX_HTTP_MSPWH_STORE_HELLO,
                                        NULL, 0, NULL);

    if (probe == NULL || hello == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_remove(&probe->queue);
    ngx_queue_insert_head(&pipeline->waiting, &probe->queue);

    ngx_queue_remove(&hello->queue);
    ngx_queue_insert_head(&pipeline->waiting, &hello->queue);

    return NGX_OK;
}


static void
ngx_http_mspwh_store_opened(void *data)
{
    ngx_http_mspwh_pipeline_t *pipeline = data;

    pipeline->state = NGX_HTTP_MSPWH_STORE_GREETING;

    ngx_http_mspwh_pipeline_flush(pipeline);
}


static void
ngx_http_mspwh_store_broken(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_cause_e cause, const char *text)
{
    ngx_http_mspwh_store_lost(pipeline->data, cause, text);
}


static void
ngx_http_mspwh_store_lost(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause, const char *text)
{
    ngx_uint_t  ready, steady;

    ngx_cpystrn(session->text, (u_char *) text, NGX_HTTP_MSPWH_STORE_TEXT);
    text = (char *) session->text;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "mspwh store: lost in state %d, %s: %s",
                   session->pipeline.state,
                   ngx_http_mspwh_store_causes[cause], text);

    ready = (session->pipeline.state == NGX_HTTP_MSPWH_STORE_READY);
    steady = ready && ngx_current_msec - session->ready
                      > NGX_HTTP_MSPWH_STORE_STEADY;

    ngx_http_mspwh_store_leave(session);

    if (cause == NGX_HTTP_MSPWH_STORE_REPLICAS) {
        ngx_http_mspwh_store_is_refused(session);
    }

    if (ready && (session->written || steady
                  || cause != NGX_HTTP_MSPWH_STORE_REPLICAS))
    {
        session->tries = session->addresses->nelts;
    }

    if (ngx_http_mspwh_store_is_elsewhere(cause)
        || cause == NGX_HTTP_MSPWH_STORE_REPLICAS)
    {
        session->has_server = 1;
    }

    /* a server that was ready may have restarted: it gets one more attempt */

    if (!ready || cause != NGX_HTTP_MSPWH_STORE_CLOSED) {
        session->address = (session->address + 1) % session->addresses->nelts;
    }

    if (session->tries == 0
        || (ready && cause != NGX_HTTP_MSPWH_STORE_REPLICAS
            && (cause == NGX_HTTP_MSPWH_STORE_TIMEOUT || !steady)))
    {
        ngx_http_mspwh_store_go_down(session, cause, text);
        return;
    }

    (void) ngx_atomic_fetch_add(&session->pipeline.counters->errors[cause], 1);

    ngx_http_mspwh_store_try(session);
}


/*
 * One that refuses all writes is no better than one that is silent: only once
 * are events carried on to other servers, which may be slow.
 */

static void
ngx_http_mspwh_store_is_refused(ngx_http_mspwh_store_session_t *session)
{
    session->known_down |= session->refuses[session->address];
    session->refuses[session->address] = 1;

    if (session->known_down) {
        ngx_http_mspwh_pipeline_drop(&session->pipeline, 0);
    }
}


static void
ngx_http_mspwh_store_leave(ngx_http_mspwh_store_session_t *session)
{
    ngx_http_mspwh_store_close(&session->pipeline.connection);

    session->pipeline.state = NGX_HTTP_MSPWH_STORE_DOWN;

    ngx_http_mspwh_pipeline_reset(&session->pipeline);
    ngx_http_mspwh_store_show(session, 0);

    if (session->check.timer_set) {
        ngx_del_timer(&session->check);
    }
}


static void
ngx_http_mspwh_store_go_down(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause, const char *text)
{
    ngx_msec_t  longest;

    session->pipeline.state = NGX_HTTP_MSPWH_STORE_DOWN;

    (void) ngx_atomic_fetch_add(&session->pipeline.counters->errors[cause], 1);

    session->known_down = 1;

    if (!session->said_lost) {
        session->said_lost = 1;
        session->alone = 0;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "mspwh: store \"%V\" is lost: %s", &session->name, text);
    }

    ngx_http_mspwh_pipeline_drop(&session->pipeline, ngx_exiting);

    longest = session->has_server ? NGX_HTTP_MSPWH_STORE_ELECTION
                                  : NGX_HTTP_MSPWH_STORE_LONGEST;

    session->has_server = 0;
    session->tries = session->addresses->nelts;
    session->backoff = ngx_min(session->backoff, longest);

    /* plus or minus a quarter, so that not all workers retry at once */

    ngx_add_timer(&session->retry,
                  session->backoff * 3 / 4
                  + (ngx_msec_t) ngx_random() % (session->backoff / 2));

    session->backoff *= 2;
}


static void
ngx_http_mspwh_store_is_ready(ngx_http_mspwh_store_session_t *session)
{
    ngx_http_mspwh_store_address_t  *address;

    session->pipeline.state = NGX_HTTP_MSPWH_STORE_READY;
    session->ready = ngx_current_msec;
    session->known_down &= session->refuses[session->address];
    session->written = 0;

    (void) ngx_atomic_fetch_add(&session->pipeline.counters->connects, 1);

    address = session->addresses->elts;

    if (!session->said_lost && session->address != session->primary) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "mspwh: store \"%V\" is at %V now: %s", &session->name,
                      &address[session->address].name, session->text);
    }

    session->primary = session->address;

    ngx_add_timer(&session->check, NGX_HTTP_MSPWH_STORE_STEADY);

    if (!session->policy_told) {
        (void) ngx_http_mspwh_pipeline_add(&session->pipeline,
                                           NGX_HTTP_MSPWH_STORE_POLICY, NULL,
                                           0, NULL);
    }

    ngx_http_mspwh_store_show(session, 1);

    ngx_http_mspwh_pipeline_retry(&session->pipeline);
}


/*
 * Not before a write has succeeded, or a second has passed in which none was
 * refused: a store may answer reads, and keep writes waiting.
 */

static void
ngx_http_mspwh_store_is_back(ngx_http_mspwh_store_session_t *session)
{
    ngx_http_mspwh_store_address_t  *address;

    session->backoff = NGX_HTTP_MSPWH_STORE_FIRST;
    session->has_server = 0;
    session->known_down = 0;
    ngx_memzero(session->refuses, session->addresses->nelts);

    if (!session->said_lost) {
        return;
    }

    session->said_lost = 0;

    address = session->addresses->elts;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mspwh: store \"%V\" is back at %V: %ui events were "
                  "decided without it", &session->name,
                  &address[session->address].name, session->alone);
}


/* the pipeline's "answered" */

static ngx_int_t
ngx_http_mspwh_store_session_answered(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp)
{
    ngx_http_mspwh_store_cause_e     cause;
    ngx_http_mspwh_store_session_t  *session;

    session = pipeline->data;

    /* after such an error, the same command goes to another server, if any */

    if (resp->type == MSPWH_RESP_ERROR) {
        cause = ngx_http_mspwh_store_cause(resp);

        if (ngx_http_mspwh_store_is_elsewhere(cause)
            || ngx_http_mspwh_store_may_be_cut_off(session, cause))
        {
            ngx_http_mspwh_store_lost(session, cause, resp->text);
            return NGX_ERROR;
        }

        if (cause == NGX_HTTP_MSPWH_STORE_REPLICAS
            && session->addresses->nelts == 1)
        {
            session->refuses[0] = 1;
        }
    }

    switch (command->type) {

    case NGX_HTTP_MSPWH_STORE_HELLO:
        return ngx_http_mspwh_store_answer_hello(session, resp);

    case NGX_HTTP_MSPWH_STORE_PROBE:
        ngx_http_mspwh_store_answer_probe(session, resp);
        return NGX_OK;

    case NGX_HTTP_MSPWH_STORE_POLICY:
        ngx_http_mspwh_store_answer_policy(session, resp);
        return NGX_OK;

    default:
        if ((!session->written || session->refuses[session->address])
            && resp->type != MSPWH_RESP_ERROR
            && ngx_http_mspwh_store_is_write(command))
        {
            session->written = 1;
            ngx_http_mspwh_store_is_back(session);
        }

        if (session->answered(session, command, resp) == NGX_OK) {
            return NGX_OK;
        }

        ngx_http_mspwh_store_lost(session, NGX_HTTP_MSPWH_STORE_PROTOCOL,
                                  "an unexpected reply");
        return NGX_ERROR;
    }
}


/* it may be a former primary: look for another one at once, or in a while */

static ngx_uint_t
ngx_http_mspwh_store_may_be_cut_off(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause)
{
    return cause == NGX_HTTP_MSPWH_STORE_REPLICAS
           && session->addresses->nelts > 1
           && (!session->written
               || ngx_current_msec - session->ready
                  > NGX_HTTP_MSPWH_STORE_CHECK);
}


static ngx_int_t
ngx_http_mspwh_store_answer_hello(ngx_http_mspwh_store_session_t *session,
    mspwh_resp_t *resp)
{
    ngx_int_t                      rc;
    ngx_http_mspwh_store_cause_e   cause;

    rc = ngx_http_mspwh_store_hello_element(&session->hello, resp, &cause);

    if (rc == NGX_ERROR) {
        ngx_http_mspwh_store_lost(session, cause,
                                  resp->type == MSPWH_RESP_ERROR
                                  ? resp->text : "it is not a primary");
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        session->is_primary = 1;
    }

    return NGX_OK;
}


static void
ngx_http_mspwh_store_answer_probe(ngx_http_mspwh_store_session_t *session,
    mspwh_resp_t *resp)
{
    /* an error, such as of a narrow ACL, will recur where it matters */

    if (session->is_primary && resp->last) {
        ngx_http_mspwh_store_is_ready(session);
    }
}


/* CONFIG's reply: the name, then the value; or an error, if not allowed */

static void
ngx_http_mspwh_store_answer_policy(ngx_http_mspwh_store_session_t *session,
    mspwh_resp_t *resp)
{
    session->policy_told = 1;

    if (resp->type != MSPWH_RESP_STRING || !resp->last
        || ngx_strcmp(resp->text, "noeviction") == 0)
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "mspwh: store \"%V\" has \"maxmemory-policy %s\" and may "
                  "forget events and entries: it should be \"noeviction\"",
                  &session->name, resp->text);
}


static void
ngx_http_mspwh_store_retry(ngx_event_t *ev)
{
    ngx_http_mspwh_store_try(ev->data);
}


/* a primary that has become a replica only says so when asked */

static void
ngx_http_mspwh_store_check(ngx_event_t *ev)
{
    ngx_http_mspwh_store_session_t  *session;

    session = ev->data;

    /* whether it still refuses is found out by events */

    if (session->refuses[session->address]) {
        session->known_down = 0;

    } else if (ngx_queue_empty(&session->pipeline.sent)) {
        ngx_http_mspwh_store_is_back(session);
    }

    ngx_http_mspwh_pipeline_retry(&session->pipeline);

    ngx_memzero(&session->hello, sizeof(ngx_http_mspwh_hello_t));

    (void) ngx_http_mspwh_pipeline_add(&session->pipeline,
                                       NGX_HTTP_MSPWH_STORE_HELLO, NULL, 0,
                                       NULL);

    ngx_add_timer(ev, NGX_HTTP_MSPWH_STORE_CHECK);
}


void
ngx_http_mspwh_store_error(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause, const char *text)
{
    (void) ngx_atomic_fetch_add(&session->pipeline.counters->errors[cause], 1);

    if (session->said[cause] != 0
        && ngx_time() - session->said[cause] < NGX_HTTP_MSPWH_NOTICE_INTERVAL)
    {
        return;
    }

    session->said[cause] = ngx_time();

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "mspwh: store \"%V\": %s", &session->name, text);
}


static void
ngx_http_mspwh_store_show(ngx_http_mspwh_store_session_t *session,
    ngx_uint_t connected)
{
    ngx_http_mspwh_store_process_t  *process;

    process = ngx_http_mspwh_store_process(session->pipeline.counters);

    process->connected += connected;
    process->connected -= session->shown;

    session->shown = connected;
}
