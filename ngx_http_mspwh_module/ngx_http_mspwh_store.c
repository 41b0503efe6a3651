
#include "ngx_http_mspwh_store.h"

#include "mspwh_digest.h"


static ngx_int_t ngx_http_mspwh_init_remote(ngx_conf_t *cf,
    ngx_http_mspwh_remote_t *remote, ngx_http_mspwh_store_conf_t *conf);
static ngx_int_t ngx_http_mspwh_start_remote(
    ngx_http_mspwh_remote_t *remote);
static ngx_int_t ngx_http_mspwh_store_answered(
    ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp);
static ngx_int_t ngx_http_mspwh_store_answered_claim(
    ngx_http_mspwh_store_claim_t *claim,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp);
static void ngx_http_mspwh_store_ask_left(ngx_http_mspwh_store_claim_t *claim);
static void ngx_http_mspwh_store_refused(
    ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp);
static void ngx_http_mspwh_store_dropped(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command);
static void ngx_http_mspwh_store_decide(ngx_http_mspwh_store_claim_t *claim,
    ngx_http_mspwh_store_result_e result);
static void ngx_http_mspwh_store_decide_alone(
    ngx_http_mspwh_store_claim_t *claim);


ngx_int_t
ngx_http_mspwh_init_stores(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_http_mspwh_remote_t     **remote;
    ngx_http_mspwh_loc_conf_t    *mlcf;
    ngx_http_mspwh_main_conf_t   *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    remote = mmcf->remotes.elts;

    for (i = 0; i < mmcf->remotes.nelts; i++) {

        remote[i]->main_conf = mmcf;

        /* the settings of "http" */

        mlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_mspwh_module);

        if (ngx_http_mspwh_merge_store(cf, NULL, mlcf) != NGX_CONF_OK
            || ngx_http_mspwh_init_remote(cf, remote[i], mlcf->store)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_init_remote(ngx_conf_t *cf, ngx_http_mspwh_remote_t *remote,
    ngx_http_mspwh_store_conf_t *conf)
{
    u_char                          *p;
    ngx_str_t                       *prefix;
    ngx_http_mspwh_store_session_t  *session;

    session = &remote->session;

    session->pipeline.conf = conf;
    session->name = remote->upstream->host;
    session->pipeline.connection.name = session->name;
    session->addresses = ngx_http_mspwh_store_addresses(cf, remote->upstream);

    p = ngx_pnalloc(cf->pool, sizeof("mspwh::") - 1 + remote->zone->len);

    if (session->addresses == NULL || p == NULL) {
        return NGX_ERROR;
    }

    prefix = &session->pipeline.words.prefix;

    prefix->data = p;
    prefix->len = ngx_sprintf(p, "mspwh:%V:", remote->zone) - p;

    session->pipeline.words.hello = conf->hello;

    session->answered = ngx_http_mspwh_store_answered;
    session->pipeline.dropped = ngx_http_mspwh_store_dropped;

    return NGX_OK;
}


ngx_int_t
ngx_http_mspwh_start_stores(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_mspwh_remote_t     **remote;
    ngx_http_mspwh_main_conf_t   *mmcf;

    mmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_mspwh_module);

    if (mmcf == NULL || !mmcf->stores
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_memzero(ngx_http_mspwh_store_process(mmcf->store_counters),
                sizeof(ngx_http_mspwh_store_process_t));

    remote = mmcf->remotes.elts;

    for (i = 0; i < mmcf->remotes.nelts; i++) {
        if (ngx_http_mspwh_start_remote(remote[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_start_remote(ngx_http_mspwh_remote_t *remote)
{
    u_char                           random[NGX_HTTP_MSPWH_STORE_RANDOM];
    ngx_http_mspwh_store_session_t  *session;

    session = &remote->session;
    session->pipeline.counters = remote->main_conf->store_counters;

    if (mspwh_random(random, sizeof(random)) != 0) {
        ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, 0,
                      "mspwh: RAND_bytes() failed");
        return NGX_ERROR;
    }

    ngx_hex_dump(session->pipeline.words.token, random, sizeof(random));

    return ngx_http_mspwh_store_start(session, ngx_cycle->pool);
}


/* nginx would log an alert for each socket left open */

void
ngx_http_mspwh_stop_stores(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_mspwh_remote_t     **remote;
    ngx_http_mspwh_main_conf_t   *mmcf;

    mmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_mspwh_module);

    if (mmcf == NULL) {
        return;
    }

    remote = mmcf->remotes.elts;

    for (i = 0; i < mmcf->remotes.nelts; i++) {
        ngx_http_mspwh_store_stop(&remote[i]->session);
    }
}


ngx_int_t
ngx_http_mspwh_store_claim(ngx_http_mspwh_store_claim_t *claim)
{
    ngx_http_mspwh_remote_t  *remote;

    remote = claim->remote;

    /* without a master process, a reload does not start the sessions */

    if (remote->session.pipeline.out == NULL) {
        (void) ngx_http_mspwh_start_remote(remote);
    }

    if (!ngx_http_mspwh_store_is_down(&remote->session)) {
        claim->number = ++remote->number;

        claim->command = ngx_http_mspwh_pipeline_add(&remote->session.pipeline,
                                            NGX_HTTP_MSPWH_STORE_CLAIM,
                                            claim->key, claim->number, claim);
        if (claim->command != NULL) {
            claim->result = NGX_HTTP_MSPWH_STORE_ASKING;
            return NGX_AGAIN;
        }
    }

    ngx_http_mspwh_store_decide_alone(claim);

    return NGX_OK;
}


/* the session's "answered" */

static ngx_int_t
ngx_http_mspwh_store_answered(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp)
{
    ngx_http_mspwh_store_claim_t  *claim;

    claim = command->data;

    if (resp->type == MSPWH_RESP_ERROR) {
        ngx_http_mspwh_store_refused(session, command, resp);
        return NGX_OK;
    }

    if (resp->type == MSPWH_RESP_ARRAY || !resp->last) {
        return NGX_ERROR;
    }

    if (claim == NULL) {
        return NGX_OK;
    }

    if (command->type == NGX_HTTP_MSPWH_STORE_CLAIM) {
        return ngx_http_mspwh_store_answered_claim(claim, command, resp);
    }

    /* NGX_HTTP_MSPWH_STORE_LEFT; the other claim may have ended meanwhile */

    if (resp->type != MSPWH_RESP_INTEGER) {
        return NGX_ERROR;
    }

    /* if it has been settled meanwhile, that lasts longer than any claim */

    if (resp->number > (int64_t) session->pipeline.words.pending) {
        claim->left = 1;

    } else if (resp->number > 0) {
        claim->left = (time_t) ((resp->number + 999) / 1000);
    }

    ngx_http_mspwh_store_decide(claim, NGX_HTTP_MSPWH_STORE_IN_FLIGHT);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_store_answered_claim(ngx_http_mspwh_store_claim_t *claim,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp)
{
    ngx_http_mspwh_store_session_t  *session;

    session = &claim->remote->session;

    ngx_http_mspwh_store_count_time(session->pipeline.counters,
                                    ngx_http_mspwh_store_now()
                                    - command->microseconds);

    /* its own value: an earlier try succeeded, but its answer was lost */

    if (resp->type == MSPWH_RESP_NIL
        || ngx_http_mspwh_store_is_own(&session->pipeline.words, command,
                                       resp))
    {
        ngx_http_mspwh_store_decide(claim, NGX_HTTP_MSPWH_STORE_CLAIMED);

    } else if (resp->type != MSPWH_RESP_STRING) {
        return NGX_ERROR;

    } else if (ngx_strcmp(resp->text, "d") == 0) {
        claim->number = 0;
        ngx_http_mspwh_store_decide(claim, NGX_HTTP_MSPWH_STORE_DELIVERED);

    } else if (resp->text[0] == 'p') {
        claim->number = 0;
        ngx_http_mspwh_store_ask_left(claim);

    } else {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* asks how long the other claim lasts unless it is renewed */

static void
ngx_http_mspwh_store_ask_left(ngx_http_mspwh_store_claim_t *claim)
{
    ngx_http_mspwh_store_session_t  *session;

    session = &claim->remote->session;

    claim->left = (time_t) (session->pipeline.words.pending / 1000);

    claim->command = ngx_http_mspwh_pipeline_add(&session->pipeline,
                                              NGX_HTTP_MSPWH_STORE_LEFT,
                                              claim->key, 0, claim);
    if (claim->command == NULL) {
        ngx_http_mspwh_store_decide(claim, NGX_HTTP_MSPWH_STORE_IN_FLIGHT);
    }
}


static void
ngx_http_mspwh_store_refused(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *resp)
{
    ngx_http_mspwh_store_cause_e  cause;

    /* an older server does not know SET with both NX and GET */

    cause = ngx_http_mspwh_store_cause(resp);

    ngx_http_mspwh_store_error(session, cause,
                               (ngx_strcmp(resp->text, "ERR syntax error")
                                == 0)
                               ? "ERR syntax error: it must be Valkey, or "
                                 "Redis 7.0 or later" : resp->text);

    if (command->type == NGX_HTTP_MSPWH_STORE_SETTLE
        || command->type == NGX_HTTP_MSPWH_STORE_FORGET)
    {
        if (ngx_http_mspwh_store_passes(resp)) {
            command->again = 1;

        } else {
            (void) ngx_atomic_fetch_add(&session->pipeline.counters->lost, 1);
        }
    }

    if (command->data != NULL) {
        ngx_http_mspwh_store_dropped(&session->pipeline, command);
    }
}


static void
ngx_http_mspwh_store_dropped(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_http_mspwh_store_command_t *command)
{
    ngx_http_mspwh_store_claim_t  *claim;

    claim = command->data;
    command->data = NULL;

    /* another claim exists, even if it is unknown how long it lasts */

    if (command->type == NGX_HTTP_MSPWH_STORE_LEFT) {
        ngx_http_mspwh_store_decide(claim, NGX_HTTP_MSPWH_STORE_IN_FLIGHT);
        return;
    }

    ngx_http_mspwh_store_decide_alone(claim);

    claim->handler(claim->data);
}


static void
ngx_http_mspwh_store_decide(ngx_http_mspwh_store_claim_t *claim,
    ngx_http_mspwh_store_result_e result)
{
    ngx_http_mspwh_store_counters_t  *counters;

    counters = claim->remote->session.pipeline.counters;

    (void) ngx_atomic_fetch_add(&counters->claims[result], 1);

    claim->command = NULL;
    claim->result = result;

    claim->handler(claim->data);
}


/* without the store, the zone decides, or the event is rejected */

static void
ngx_http_mspwh_store_decide_alone(ngx_http_mspwh_store_claim_t *claim)
{
    ngx_http_mspwh_store_session_t   *session;
    ngx_http_mspwh_store_counters_t  *counters;

    session = &claim->remote->session;
    counters = session->pipeline.counters;

    claim->command = NULL;
    claim->result = claim->remote->reject ? NGX_HTTP_MSPWH_STORE_REJECTED
                                          : NGX_HTTP_MSPWH_STORE_ALONE;

    session->alone++;

    (void) ngx_atomic_fetch_add(&counters->claims[claim->result], 1);
}


void
ngx_http_mspwh_store_renew(ngx_http_mspwh_store_claim_t *claim)
{
    if (claim->number == 0
        || ngx_http_mspwh_store_is_down(&claim->remote->session))
    {
        return;
    }

    (void) ngx_http_mspwh_pipeline_add(&claim->remote->session.pipeline,
                                       NGX_HTTP_MSPWH_STORE_RENEW, claim->key,
                                       claim->number, NULL);
}


void
ngx_http_mspwh_store_settle(ngx_http_mspwh_store_claim_t *claim,
    ngx_uint_t delivered)
{
    ngx_http_mspwh_store_session_t  *session;

    session = &claim->remote->session;

    if (claim->command != NULL) {
        claim->command->data = NULL;
        claim->command = NULL;
    }

    if (!delivered && claim->number == 0) {
        return;
    }

    if (ngx_http_mspwh_pipeline_add(&session->pipeline,
                                    delivered ? NGX_HTTP_MSPWH_STORE_SETTLE
                                              : NGX_HTTP_MSPWH_STORE_FORGET,
                                    claim->key, claim->number, NULL)
        != NULL)
    {
        /*
         * Sent before the answer, after which the sender may ask another
         * machine; but a busy worker sends it with other commands, to save
         * system calls.
         */

        if (ngx_queue_empty(&session->pipeline.sent)) {
            (void) ngx_http_mspwh_pipeline_send(&session->pipeline);
        }

    } else {
        (void) ngx_atomic_fetch_add(&session->pipeline.counters->lost, 1);
    }
}
