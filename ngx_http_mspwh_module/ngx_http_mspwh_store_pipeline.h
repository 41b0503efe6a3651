
/*
 * Commands to a store, which are pipelined, and answered in order:
 *
 *     add --> waiting --> (buffer) --> sent --> answered, or refused
 *                ^                      |                       |
 *                +----------------------+-----------------------+
 *                   the connection is lost     may succeed later
 */


#ifndef _NGX_HTTP_MSPWH_STORE_PIPELINE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_PIPELINE_H_INCLUDED_


#include "ngx_http_mspwh_store_command.h"
#include "ngx_http_mspwh_store_connection.h"
#include "ngx_http_mspwh_store_counters.h"


/* READY: all commands may be sent; before that, only HELLO and the probe */

typedef enum {
    NGX_HTTP_MSPWH_STORE_DOWN = 0,
    NGX_HTTP_MSPWH_STORE_CONNECTING,
    NGX_HTTP_MSPWH_STORE_GREETING,
    NGX_HTTP_MSPWH_STORE_READY
} ngx_http_mspwh_store_state_e;


typedef struct ngx_http_mspwh_pipeline_s  ngx_http_mspwh_pipeline_t;

struct ngx_http_mspwh_pipeline_s {

    /* set by its user, who also opens and closes the connection */
    ngx_http_mspwh_store_conf_t        *conf;
    ngx_http_mspwh_store_words_t        words;
    ngx_http_mspwh_store_counters_t    *counters;
    ngx_http_mspwh_store_state_e        state;
    ngx_http_mspwh_store_connection_t   connection;
    void                               *data;

    /* takes an element of an answer; NGX_ERROR: it closed the connection */
    ngx_int_t                         (*answered)(
                                    ngx_http_mspwh_pipeline_t *pipeline,
                                    ngx_http_mspwh_store_command_t *command,
                                    mspwh_resp_t *resp);

    /* a command that has a waiter will not be answered, or not in time */
    void                              (*dropped)(
                                    ngx_http_mspwh_pipeline_t *pipeline,
                                    ngx_http_mspwh_store_command_t *command);

    /* the connection is unusable, or the store does not answer */
    void                              (*broken)(
                                    ngx_http_mspwh_pipeline_t *pipeline,
                                    ngx_http_mspwh_store_cause_e cause,
                                    const char *text);

    /* private from here */

    ngx_queue_t                         waiting;
    ngx_queue_t                         sent;
    ngx_queue_t                         refused;
    ngx_queue_t                         unused;
    ngx_uint_t                          kept;       /* settles and forgets */

    /* the queues are being walked: no command may move between them */
    ngx_uint_t                          walked;

    mspwh_resp_t                        resp;

    u_char                             *out;        /* NULL before "init" */
    u_char                             *out_pos;
    u_char                             *out_last;
    size_t                              out_size;

    ngx_event_t                         flush;
    ngx_event_t                         timeout;
};


ngx_int_t ngx_http_mspwh_pipeline_init(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_pool_t *pool);
void ngx_http_mspwh_pipeline_cleanup(ngx_http_mspwh_pipeline_t *pipeline);

/*
 * Adds a command, which "data" waits for unless that is NULL.  Returns NULL if
 * there is no memory, or before "init".
 */
ngx_http_mspwh_store_command_t *ngx_http_mspwh_pipeline_add(
    ngx_http_mspwh_pipeline_t *pipeline, ngx_http_mspwh_store_type_e type,
    u_char *key, uint64_t number, void *data);

/*
 * Both send as many commands as the state and the socket allow.  "send" may be
 * called from anywhere; "flush" may call "broken", and so must be called from
 * an event's handler.
 */
ngx_int_t ngx_http_mspwh_pipeline_send(ngx_http_mspwh_pipeline_t *pipeline);
void ngx_http_mspwh_pipeline_flush(ngx_http_mspwh_pipeline_t *pipeline);

/*
 * Called after a connection was closed: commands that were not answered, but
 * are still of use, wait to be sent again.
 */
void ngx_http_mspwh_pipeline_reset(ngx_http_mspwh_pipeline_t *pipeline);

/*
 * Sends the waiting commands, and those that were refused but may succeed
 * later, once the events of this iteration have been handled.
 */
void ngx_http_mspwh_pipeline_retry(ngx_http_mspwh_pipeline_t *pipeline);

/*
 * Drops the waiting commands except settles and forgets, and if "all" is set
 * those as well.
 */
void ngx_http_mspwh_pipeline_drop(ngx_http_mspwh_pipeline_t *pipeline,
    ngx_uint_t all);


#endif /* _NGX_HTTP_MSPWH_STORE_PIPELINE_H_INCLUDED_ */
