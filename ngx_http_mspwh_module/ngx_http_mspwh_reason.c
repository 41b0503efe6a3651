
#include "ngx_http_mspwh_reason.h"


#define NGX_HTTP_MSPWH_VERDICT_NAME(constant, name)                           \
    [NGX_HTTP_MSPWH_ ## constant] = ngx_string(name),

ngx_str_t  ngx_http_mspwh_verdicts[NGX_HTTP_MSPWH_VERDICTS] = {
    [NGX_HTTP_MSPWH_NONE] = ngx_null_string,
    MSPWH_VERDICTS(NGX_HTTP_MSPWH_VERDICT_NAME)
};


#define NGX_HTTP_MSPWH_REASON_ENTRY(constant, verdict, name, words)           \
    [NGX_HTTP_MSPWH_ ## constant] = {                                         \
        NGX_HTTP_MSPWH_ ## verdict, ngx_string(name), words                   \
    },
#define NGX_HTTP_MSPWH_JSON_ENTRY(constant, name, words)                      \
    NGX_HTTP_MSPWH_REASON_ENTRY(JSON_ ## constant, MALFORMED_PAYLOAD, name,   \
                                words)
#define NGX_HTTP_MSPWH_EVENT_ENTRY(constant, name, words)                     \
    NGX_HTTP_MSPWH_REASON_ENTRY(EVENT_ ## constant, MALFORMED_PAYLOAD, name,  \
                                words)

ngx_http_mspwh_reason_t  ngx_http_mspwh_reasons[NGX_HTTP_MSPWH_REASONS] = {
    [NGX_HTTP_MSPWH_NO_REASON] = {
        NGX_HTTP_MSPWH_NONE, ngx_null_string, "no reason"
    },
    MSPWH_REASONS(NGX_HTTP_MSPWH_REASON_ENTRY, NGX_HTTP_MSPWH_JSON_ENTRY,
                  NGX_HTTP_MSPWH_EVENT_ENTRY)
};


#define NGX_HTTP_MSPWH_JSON_CASE(constant, name, words)                       \
    case MSPWH_JSON_ ## constant:                                             \
        return NGX_HTTP_MSPWH_JSON_ ## constant;

ngx_http_mspwh_reason_e
ngx_http_mspwh_json_reason(mspwh_json_error_e error)
{
    switch (error) {
    MSPWH_JSON_ERRORS(NGX_HTTP_MSPWH_JSON_CASE)
    default:
        return NGX_HTTP_MSPWH_NO_REASON;
    }
}


#define NGX_HTTP_MSPWH_EVENT_CASE(constant, name, words)                      \
    case MSPWH_EVENT_ ## constant:                                            \
        return NGX_HTTP_MSPWH_EVENT_ ## constant;

ngx_http_mspwh_reason_e
ngx_http_mspwh_event_reason(mspwh_event_error_e error)
{
    switch (error) {
    MSPWH_EVENT_ERRORS(NGX_HTTP_MSPWH_EVENT_CASE)
    default:
        return NGX_HTTP_MSPWH_NO_REASON;
    }
}
