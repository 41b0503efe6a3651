
/*
 * A worker's session with a store: how it finds a primary, and finds one
 * again.
 *
 *              lost, or not a primary                answered: a primary
 *         +---------------------------+          +------------------------+
 *         |                           |          |                        v
 *     CONNECTING ---> GREETING ---> (next address, or) ---> DOWN        READY
 *         ^           HELLO sent                             |            |
 *         +--------------------------------------------------+            |
 *         |   0.1 to 5 s later                                            |
 *         +---------------------------------------------------------------+
 *                                  lost
 *
 * Until the session is ready again, it keeps the commands that have not been
 * answered, and sends them once more.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_SESSION_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_SESSION_H_INCLUDED_


#include "ngx_http_mspwh_store_pipeline.h"


typedef struct ngx_http_mspwh_store_session_s  ngx_http_mspwh_store_session_t;

struct ngx_http_mspwh_store_session_s {

    /* set by its user; of the pipeline: conf, words, counters, dropped */
    ngx_http_mspwh_pipeline_t           pipeline;
    ngx_str_t                           name;
    ngx_array_t                        *addresses;

    /* takes an element of an answer to its user; NGX_ERROR: unexpected */
    ngx_int_t                         (*answered)(
                                    ngx_http_mspwh_store_session_t *session,
                                    ngx_http_mspwh_store_command_t *command,
                                    mspwh_resp_t *resp);

    /* private from here */

    ngx_uint_t                          address;    /* the current one */
    ngx_uint_t                          primary;    /* the last that was one */
    u_char                             *refuses;    /* each: the last write */
    ngx_uint_t                          tries;      /* before it is down */
    ngx_msec_t                          backoff;
    ngx_msec_t                          ready;      /* since when */

    /* all addresses have failed, or refuse: no event is to wait for it */
    unsigned                            known_down:1;
    unsigned                            said_lost:1;
    unsigned                            written:1;  /* a write has succeeded */
    unsigned                            has_server:1;
    unsigned                            is_primary:1;
    unsigned                            policy_told:1;
    unsigned                            shown:1;    /* as connected */
    ngx_uint_t                          alone;      /* events, while lost */

    ngx_http_mspwh_hello_t              hello;

    ngx_event_t                         retry;
    ngx_event_t                         check;      /* of the role */

    /* why it was lost, and when each cause was last logged */
    u_char                              text[NGX_HTTP_MSPWH_STORE_TEXT];
    time_t                              said[NGX_HTTP_MSPWH_STORE_CAUSES];
};


/*
 * Start and end a session, in a process that handles requests.
 */
ngx_int_t ngx_http_mspwh_store_start(ngx_http_mspwh_store_session_t *session,
    ngx_pool_t *pool);
void ngx_http_mspwh_store_stop(ngx_http_mspwh_store_session_t *session);

/*
 * Returns whether the store is known to be down: then no event is to wait for
 * it.
 */
#define ngx_http_mspwh_store_is_down(session)  ((session)->known_down)

/*
 * Counts an error, and says so once a minute for each cause.
 */
void ngx_http_mspwh_store_error(ngx_http_mspwh_store_session_t *session,
    ngx_http_mspwh_store_cause_e cause, const char *text);


#endif /* _NGX_HTTP_MSPWH_STORE_SESSION_H_INCLUDED_ */
