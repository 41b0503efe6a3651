
#include "ngx_http_mspwh_store_timeout.h"


static ngx_http_mspwh_store_command_t *ngx_http_mspwh_pipeline_oldest(
    ngx_http_mspwh_pipeline_t *pipeline);
static ngx_msec_int_t ngx_http_mspwh_pipeline_expire(ngx_queue_t *queue,
    ngx_http_mspwh_pipeline_t *pipeline);


ngx_http_mspwh_store_command_t *
ngx_http_mspwh_pipeline_first(ngx_queue_t *queue)
{
    if (ngx_queue_empty(queue)) {
        return NULL;
    }

    return ngx_queue_data(ngx_queue_head(queue),
                          ngx_http_mspwh_store_command_t, queue);
}


void
ngx_http_mspwh_pipeline_set_timeout(ngx_http_mspwh_pipeline_t *pipeline)
{
    if (!ngx_queue_empty(&pipeline->sent)
        || !ngx_queue_empty(&pipeline->waiting))
    {
        if (!pipeline->timeout.timer_set) {
            ngx_add_timer(&pipeline->timeout, pipeline->conf->timeout);
        }

    } else if (pipeline->timeout.timer_set) {
        ngx_del_timer(&pipeline->timeout);
    }
}


void
ngx_http_mspwh_pipeline_timeout(ngx_event_t *ev)
{
    ngx_msec_int_t                   left, other;
    ngx_http_mspwh_store_command_t  *command;
    ngx_http_mspwh_pipeline_t  *pipeline;

    pipeline = ev->data;

    command = ngx_http_mspwh_pipeline_oldest(pipeline);

    if (command != NULL
        && (ngx_msec_int_t) (ngx_current_msec - command->sent)
           >= (ngx_msec_int_t) pipeline->conf->timeout)
    {
        pipeline->broken(pipeline, NGX_HTTP_MSPWH_STORE_TIMEOUT,
                         "no answer in time");
    }

    /* a claim may also have waited for one or more connections */

    pipeline->walked = 1;

    left = ngx_http_mspwh_pipeline_expire(&pipeline->sent, pipeline);
    other = ngx_http_mspwh_pipeline_expire(&pipeline->waiting, pipeline);

    pipeline->walked = 0;

    left = ngx_min(left, other);

    if (pipeline->timeout.timer_set) {
        ngx_del_timer(&pipeline->timeout);
    }

    command = ngx_http_mspwh_pipeline_oldest(pipeline);

    if (command != NULL) {
        other = (ngx_msec_int_t) (command->sent + pipeline->conf->timeout
                                  - ngx_current_msec);
        left = ngx_min(left, other);
    }

    if (pipeline->state != NGX_HTTP_MSPWH_STORE_DOWN
        && (!ngx_queue_empty(&pipeline->sent)
            || !ngx_queue_empty(&pipeline->waiting)))
    {
        ngx_add_timer(&pipeline->timeout, (ngx_msec_t) ngx_max(left, 1));
    }
}


/* the command that the server, or its connection, keeps waiting longest */

static ngx_http_mspwh_store_command_t *
ngx_http_mspwh_pipeline_oldest(ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_http_mspwh_store_command_t  *command;

    command = ngx_http_mspwh_pipeline_first(&pipeline->sent);

    if (command == NULL) {
        command = ngx_http_mspwh_pipeline_first(&pipeline->waiting);

        if (command != NULL && command->type != NGX_HTTP_MSPWH_STORE_HELLO) {
            return NULL;
        }
    }

    return command;
}


/* drops overdue claims; returns the time until the next one is overdue */

static ngx_msec_int_t
ngx_http_mspwh_pipeline_expire(ngx_queue_t *queue,
    ngx_http_mspwh_pipeline_t *pipeline)
{
    ngx_queue_t                     *q;
    ngx_msec_int_t                   left, least;
    ngx_http_mspwh_store_command_t  *command;

    least = (ngx_msec_int_t) pipeline->conf->timeout;

    for (q = ngx_queue_head(queue);
         q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        command = ngx_queue_data(q, ngx_http_mspwh_store_command_t, queue);

        if (command->data == NULL) {
            continue;
        }

        left = (ngx_msec_int_t) (command->deadline - ngx_current_msec);

        if (left > 0) {
            least = ngx_min(least, left);

        } else {
            pipeline->dropped(pipeline, command);
            command->data = NULL;
        }
    }

    return least;
}
