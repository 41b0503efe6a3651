
/*
 * The timeout of commands.  A store that does not answer in time is given up,
 * and no event waits longer, whatever the reason.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_TIMEOUT_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_TIMEOUT_H_INCLUDED_


#include "ngx_http_mspwh_store_pipeline.h"


/*
 * Sets the timer if there is a command, and deletes it if there is none.
 */
void ngx_http_mspwh_pipeline_set_timeout(ngx_http_mspwh_pipeline_t *pipeline);

/*
 * The timer's handler.
 */
void ngx_http_mspwh_pipeline_timeout(ngx_event_t *ev);

/*
 * Returns the first command of a queue, or NULL.
 */
ngx_http_mspwh_store_command_t *ngx_http_mspwh_pipeline_first(
    ngx_queue_t *queue);


#endif /* _NGX_HTTP_MSPWH_STORE_TIMEOUT_H_INCLUDED_ */
