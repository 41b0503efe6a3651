
/*
 * The core's verdicts and reasons, as nginx's strings.
 */


#ifndef _NGX_HTTP_MSPWH_REASON_H_INCLUDED_
#define _NGX_HTTP_MSPWH_REASON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mspwh_reason.h"


#define NGX_HTTP_MSPWH_VERDICT_CONSTANT(constant, name)                       \
    NGX_HTTP_MSPWH_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_NONE = 0,
    MSPWH_VERDICTS(NGX_HTTP_MSPWH_VERDICT_CONSTANT)
    NGX_HTTP_MSPWH_VERDICTS
} ngx_http_mspwh_verdict_e;


#define NGX_HTTP_MSPWH_REASON_CONSTANT(constant, verdict, name, words)        \
    NGX_HTTP_MSPWH_ ## constant,
#define NGX_HTTP_MSPWH_JSON_CONSTANT(constant, name, words)                   \
    NGX_HTTP_MSPWH_JSON_ ## constant,
#define NGX_HTTP_MSPWH_EVENT_CONSTANT(constant, name, words)                  \
    NGX_HTTP_MSPWH_EVENT_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_NO_REASON = 0,
    MSPWH_REASONS(NGX_HTTP_MSPWH_REASON_CONSTANT,
                  NGX_HTTP_MSPWH_JSON_CONSTANT, NGX_HTTP_MSPWH_EVENT_CONSTANT)
    NGX_HTTP_MSPWH_REASONS
} ngx_http_mspwh_reason_e;


typedef struct {
    ngx_http_mspwh_verdict_e   verdict;
    ngx_str_t                  name;
    const char                *words;
} ngx_http_mspwh_reason_t;


/* indexed by the constants; the entries at 0 are empty */

extern ngx_str_t                ngx_http_mspwh_verdicts[];
extern ngx_http_mspwh_reason_t  ngx_http_mspwh_reasons[];

/*
 * Return the reason for an error of the core other than a lack of memory.
 */
ngx_http_mspwh_reason_e ngx_http_mspwh_json_reason(mspwh_json_error_e error);
ngx_http_mspwh_reason_e ngx_http_mspwh_event_reason(mspwh_event_error_e error);


#endif /* _NGX_HTTP_MSPWH_REASON_H_INCLUDED_ */
