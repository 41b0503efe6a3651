
#include "ngx_http_mspwh_module.h"


static const char *ngx_http_mspwh_reason_text(ngx_http_mspwh_reason_e reason);


/* those of JSON and of the event, with no text, are in the core's words */

ngx_http_mspwh_reason_t  ngx_http_mspwh_reasons[NGX_HTTP_MSPWH_REASONS] = {

    { ngx_null_string, NGX_HTTP_MSPWH_NONE, "no reason" },

    { ngx_string("header_missing"), NGX_HTTP_MSPWH_NO_SIGNATURE,
      "there is no signature header" },
    { ngx_string("header_repeated"), NGX_HTTP_MSPWH_MALFORMED_SIGNATURE,
      "the signature header is repeated" },
    { ngx_string("header_malformed"), NGX_HTTP_MSPWH_MALFORMED_SIGNATURE,
      "the signature header is not canonical Base64 of 32 bytes" },

    { ngx_string("no_secret"), NGX_HTTP_MSPWH_BAD_SIGNATURE,
      "there is no secret to verify it with" },
    { ngx_string("mismatch"), NGX_HTTP_MSPWH_BAD_SIGNATURE,
      "the signature is of another body or secret" },
    { ngx_string("body_gone"), NGX_HTTP_MSPWH_BAD_SIGNATURE,
      "the body is no longer there to be verified" },
    { ngx_string("body_incomplete"), NGX_HTTP_MSPWH_BAD_SIGNATURE,
      "the body was not received whole" },

    { ngx_string("json_unexpected"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("json_unfinished"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("json_control"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("json_escape"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("json_utf8"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("nested_too_deeply"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD,
      NULL },
    { ngx_string("envelope_too_large"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD,
      NULL },

    { ngx_string("not_object"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("no_event_type"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("no_entity_id"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("no_ticket_id"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("bad_entity_id"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("bad_ticket_id"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL },
    { ngx_string("ambiguous_field"), NGX_HTTP_MSPWH_MALFORMED_PAYLOAD, NULL }
};


ngx_http_mspwh_reason_e
ngx_http_mspwh_scanner_reason(mspwh_scanner_error_e error)
{
    return NGX_HTTP_MSPWH_JSON_UNEXPECTED + (error - MSPWH_SCANNER_UNEXPECTED);
}


ngx_http_mspwh_reason_e
ngx_http_mspwh_event_reason(mspwh_event_error_e error)
{
    return NGX_HTTP_MSPWH_NOT_OBJECT + (error - MSPWH_EVENT_NOT_OBJECT);
}


static const char *
ngx_http_mspwh_reason_text(ngx_http_mspwh_reason_e reason)
{
    ngx_uint_t  n;

    if (reason >= NGX_HTTP_MSPWH_NOT_OBJECT) {
        n = reason - NGX_HTTP_MSPWH_NOT_OBJECT;

        return mspwh_event_strerror(MSPWH_EVENT_NOT_OBJECT + n);
    }

    if (reason >= NGX_HTTP_MSPWH_JSON_UNEXPECTED) {
        n = reason - NGX_HTTP_MSPWH_JSON_UNEXPECTED;

        return mspwh_scanner_strerror(MSPWH_SCANNER_UNEXPECTED + n);
    }

    return ngx_http_mspwh_reasons[reason].text;
}


void
ngx_http_mspwh_reject(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_reason_e reason)
{
    u_char                      at[sizeof(" at byte ") + NGX_INT64_LEN];
    ngx_str_t                  *verdict;
    const char                 *text, *encoded, *suffix;
    ngx_http_mspwh_loc_conf_t  *mlcf;
    static ngx_str_t            encoding = ngx_string("Content-Encoding");

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    ctx->reason = reason;
    ctx->verdict = ngx_http_mspwh_reasons[reason].verdict;

    verdict = &ngx_http_mspwh_verdicts[ctx->verdict];
    text = ngx_http_mspwh_reason_text(reason);
    suffix = (mlcf->enable == NGX_HTTP_MSPWH_MONITOR)
             ? NGX_HTTP_MSPWH_LET_THROUGH : "";

    /* in monitor mode the body is read whatever the header says */

    if (!ctx->monitor
        && (ctx->verdict == NGX_HTTP_MSPWH_NO_SIGNATURE
            || ctx->verdict == NGX_HTTP_MSPWH_MALFORMED_SIGNATURE))
    {
        if (r->headers_in.content_length_n >= 0) {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "mspwh: %V: %s, body %O bytes, not read",
                          verdict, text, r->headers_in.content_length_n);
            return;
        }

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "mspwh: %V: %s, body not read", verdict, text);
        return;
    }

    at[0] = '\0';

    if (reason >= NGX_HTTP_MSPWH_JSON_UNEXPECTED
        && reason < NGX_HTTP_MSPWH_NOT_OBJECT)
    {
        ngx_sprintf(at, " at byte %uL%Z", ctx->scanner.offset);
    }

    /* MSP Manager compresses nothing: something on the way has changed it */

    encoded = ngx_http_mspwh_find_header(&r->headers_in.headers, &encoding)
              ? " with Content-Encoding" : "";

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "mspwh: %V: %s%s, body %O bytes%s, %ui secret(s)%s",
                  verdict, text, at, ctx->size, encoded,
                  ctx->keys ? ctx->keys->nelts : 0, suffix);
}
