
#include "ngx_http_mspwh_reason.h"


#define NGX_HTTP_MSPWH_VERDICT_NAME(constant, name)                           \
    [NGX_HTTP_MSPWH_ ## constant] = ngx_string(name),

ngx_str_t  ngx_http_mspwh_verdicts[NGX_HTTP_MSPWH_VERDICTS] = {
    [NGX_HTTP_MSPWH_NONE] = ngx_null_string,
    NGX_HTTP_MSPWH_VERDICT_TABLE(NGX_HTTP_MSPWH_VERDICT_NAME)
};


#define NGX_HTTP_MSPWH_REASON_ENTRY(constant, verdict, name, words)           \
    [NGX_HTTP_MSPWH_ ## constant] = {                                         \
        NGX_HTTP_MSPWH_ ## verdict, ngx_string(name)                          \
    },

ngx_http_mspwh_reason_t  ngx_http_mspwh_reasons[NGX_HTTP_MSPWH_REASONS] = {
    [NGX_HTTP_MSPWH_NO_REASON] = { NGX_HTTP_MSPWH_NONE, ngx_null_string },
    NGX_HTTP_MSPWH_REASON_TABLE(NGX_HTTP_MSPWH_REASON_ENTRY)
};


#define NGX_HTTP_MSPWH_REASON_WORDS(constant, verdict, name, words)           \
    case NGX_HTTP_MSPWH_ ## constant:                                         \
        return words;

const char *
ngx_http_mspwh_reason_words(ngx_http_mspwh_reason_e reason)
{
    switch (reason) {
    NGX_HTTP_MSPWH_REASON_TABLE(NGX_HTTP_MSPWH_REASON_WORDS)
    default:
        return "no reason";
    }
}


ngx_http_mspwh_reason_e
ngx_http_mspwh_scanner_reason(mspwh_scanner_error_e error)
{
    static const ngx_http_mspwh_reason_e  reasons[] = {
        [MSPWH_SCANNER_UNEXPECTED] = NGX_HTTP_MSPWH_JSON_UNEXPECTED,
        [MSPWH_SCANNER_UNFINISHED] = NGX_HTTP_MSPWH_JSON_UNFINISHED,
        [MSPWH_SCANNER_CONTROL] = NGX_HTTP_MSPWH_JSON_CONTROL,
        [MSPWH_SCANNER_ESCAPE] = NGX_HTTP_MSPWH_JSON_ESCAPE,
        [MSPWH_SCANNER_UTF8] = NGX_HTTP_MSPWH_JSON_UTF8,
        [MSPWH_SCANNER_TOO_DEEP] = NGX_HTTP_MSPWH_NESTED_TOO_DEEPLY,
        [MSPWH_SCANNER_TOO_LARGE] = NGX_HTTP_MSPWH_ENVELOPE_TOO_LARGE
    };

    return reasons[error];
}


ngx_http_mspwh_reason_e
ngx_http_mspwh_event_reason(mspwh_event_error_e error)
{
    static const ngx_http_mspwh_reason_e  reasons[] = {
        [MSPWH_EVENT_NOT_OBJECT] = NGX_HTTP_MSPWH_NOT_OBJECT,
        [MSPWH_EVENT_NO_TYPE] = NGX_HTTP_MSPWH_NO_EVENT_TYPE,
        [MSPWH_EVENT_NO_ENTITY_ID] = NGX_HTTP_MSPWH_NO_ENTITY_ID,
        [MSPWH_EVENT_NO_TICKET_ID] = NGX_HTTP_MSPWH_NO_TICKET_ID,
        [MSPWH_EVENT_BAD_ENTITY_ID] = NGX_HTTP_MSPWH_BAD_ENTITY_ID,
        [MSPWH_EVENT_BAD_TICKET_ID] = NGX_HTTP_MSPWH_BAD_TICKET_ID,
        [MSPWH_EVENT_AMBIGUOUS] = NGX_HTTP_MSPWH_AMBIGUOUS_FIELD
    };

    return reasons[error];
}
