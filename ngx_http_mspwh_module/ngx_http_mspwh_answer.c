
#include "ngx_http_mspwh_answer.h"
#include "ngx_http_mspwh_accept.h"
#include "ngx_http_mspwh_dedup.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_webhook.h"


static void ngx_http_mspwh_hide_upgrade(ngx_http_request_t *r);
static void ngx_http_mspwh_log_rejected(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);
static void ngx_http_mspwh_log_unread(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf);


ngx_int_t
ngx_http_mspwh_answer(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_int_t  rc;

    rc = ngx_http_mspwh_answer_rejected(ctx, mlcf);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (mlcf->enable == NGX_HTTP_MSPWH_ON) {
        ngx_http_mspwh_hide_upgrade(ctx->request);
    }

    if (ctx->verdict != NGX_HTTP_MSPWH_VERIFIED) {
        return NGX_DECLINED;
    }

    /* each location decides for itself what to accept and deduplicate */

    rc = ngx_http_mspwh_accept_event(ctx, mlcf);

    return (rc == NGX_DECLINED) ? ngx_http_mspwh_claim_event(ctx, mlcf) : rc;
}


/* what follows the body of an upgraded connection is signed by nobody */

static void
ngx_http_mspwh_hide_upgrade(ngx_http_request_t *r)
{
    ngx_http_variable_value_t   *value;
    ngx_http_mspwh_main_conf_t  *mmcf;

    r->headers_in.upgrade = NULL;

    /* the backend is not to be asked for it; subrequests share the variable */

    if (r == r->main) {
        mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);

        value = &r->variables[mmcf->upgrade];
        value->valid = 0;
        value->not_found = 1;
    }
}


ngx_int_t
ngx_http_mspwh_answer_rejected(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_request_t             *r;
    ngx_http_mspwh_verification_t  *v;

    r = ctx->request;
    v = ctx->verification;

    ctx->monitor = (mlcf->enable == NGX_HTTP_MSPWH_MONITOR);
    ctx->answer = 0;

    if (v->state != NGX_HTTP_MSPWH_DECIDED) {
        ngx_http_mspwh_set_verdict(ctx, NGX_HTTP_MSPWH_NONE);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (v->reason == NGX_HTTP_MSPWH_NO_REASON) {
        ngx_http_mspwh_set_verdict(ctx, NGX_HTTP_MSPWH_VERIFIED);
        return NGX_DECLINED;
    }

    ngx_http_mspwh_set_verdict(ctx,
                               ngx_http_mspwh_reasons[v->reason].verdict);

    ngx_http_mspwh_log_rejected(ctx, mlcf);

    if (ctx->monitor) {
        return NGX_DECLINED;
    }

    if (ctx->verdict != NGX_HTTP_MSPWH_MALFORMED_PAYLOAD) {
        ctx->rejected = 1;
        return ngx_http_mspwh_challenge(r);
    }

    if (mlcf->malformed == NGX_HTTP_MSPWH_PASS) {
        return NGX_DECLINED;
    }

    ctx->rejected = 1;

    /* nginx closes the connection after a 400, but this body has been read */

    ctx->keepalive = r->keepalive;

    return NGX_HTTP_BAD_REQUEST;
}


/* once per verification, and again if monitor mode let it pass first */

static void
ngx_http_mspwh_log_rejected(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    u_char                          at[sizeof(" at byte  in line ")
                                       + 2 * NGX_INT64_LEN];
    ngx_uint_t                      encoded;
    ngx_http_request_t             *r;
    ngx_http_mspwh_verification_t  *v;
    static ngx_str_t                name = ngx_string("Content-Encoding");

    r = ctx->request;
    v = ctx->verification;

    if (v->logged || (v->let_through && ctx->monitor)) {
        return;
    }

    if (ctx->monitor) {
        v->let_through = 1;

    } else {
        v->logged = 1;
    }

    if (v->body.request_body == NULL
        && ctx->verdict != NGX_HTTP_MSPWH_BAD_SIGNATURE)
    {
        ngx_http_mspwh_log_unread(ctx, mlcf);
        return;
    }

    at[0] = '\0';

    if (v->is_json_error) {
        ngx_sprintf(at, " at byte %uL in line %uL%Z", v->extract->json.offset,
                    v->extract->json.line);
    }

    /* MSP Manager compresses nothing: a proxy must have changed the body */

    encoded = (ngx_http_mspwh_find_header(&r->headers_in.headers, &name)
               != NULL);

    ngx_log_error(mlcf->log_level, r->connection->log, 0,
                  "mspwh: %V: %s%s, body %O bytes%s, %ui secret(s), "
                  "webhook \"%V\"%s",
                  &ngx_http_mspwh_verdicts[ctx->verdict],
                  ngx_http_mspwh_reasons[v->reason].words, at, v->size,
                  encoded ? " with Content-Encoding" : "",
                  v->secrets ? v->secrets->nelts : 0,
                  ngx_http_mspwh_webhook_name(r),
                  ctx->monitor ? NGX_HTTP_MSPWH_LET_THROUGH : "");
}


static void
ngx_http_mspwh_log_unread(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    u_char               size[sizeof(" bytes,") + NGX_OFF_T_LEN];
    ngx_http_request_t  *r;

    r = ctx->request;
    size[0] = '\0';

    if (r->headers_in.content_length_n >= 0) {
        ngx_sprintf(size, " %O bytes,%Z", r->headers_in.content_length_n);
    }

    ngx_log_error(mlcf->log_level, r->connection->log, 0,
                  "mspwh: %V: %s, body%s not read, webhook \"%V\"%s",
                  &ngx_http_mspwh_verdicts[ctx->verdict],
                  ngx_http_mspwh_reasons[ctx->verification->reason].words,
                  size, ngx_http_mspwh_webhook_name(r),
                  ctx->monitor ? NGX_HTTP_MSPWH_LET_THROUGH : "");
}


void
ngx_http_mspwh_show_verdict(ngx_http_mspwh_ctx_t *ctx)
{
    /* if a filter restarts the response, nginx has emptied the header list */

    if (ctx->shown != NULL && !ctx->request->filter_finalize) {
        ctx->shown->hash = (ctx->answer == ctx->request->headers_out.status);
    }
}
