
#include "ngx_http_mspwh_ctx.h"
#include "ngx_http_mspwh_response.h"


static ngx_http_mspwh_store_t *ngx_http_mspwh_create_store(
    ngx_http_request_t *r);
static void ngx_http_mspwh_cleanup(void *data);


ngx_http_mspwh_ctx_t *
ngx_http_mspwh_get_ctx(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t    *ctx;
    ngx_http_mspwh_store_t  *store;

    ctx = ngx_http_get_module_ctx(r, ngx_http_mspwh_module);

    /* only an internal redirect makes nginx forget a context */

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    store = ngx_http_mspwh_get_store(r);
    if (store == NULL) {
        return NULL;
    }

    for (ctx = store->ctx; ctx; ctx = ctx->next) {
        if (ctx->request == r) {
            ngx_http_set_ctx(r, ctx, ngx_http_mspwh_module);
            break;
        }
    }

    return ctx;
}


ngx_http_mspwh_ctx_t *
ngx_http_mspwh_find_ctx(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_body_t           body;
    ngx_http_mspwh_verification_t  *v;

    ctx = ngx_http_mspwh_get_ctx(r);

    if (ctx == NULL && r != r->main
        && ngx_http_mspwh_whose_body(r) != NGX_HTTP_MSPWH_BODY_OWN)
    {
        ctx = ngx_http_mspwh_get_ctx(r->main);
    }

    v = ngx_http_mspwh_decided(ctx);

    if (v == NULL || v->body.request_body == NULL) {
        return ctx;
    }

    /* a script may have replaced the verified body */

    ngx_http_mspwh_describe_body(ctx->request, &body);

    return ngx_http_mspwh_same_body(&v->body, &body) ? ctx : NULL;
}


ngx_http_mspwh_ctx_t *
ngx_http_mspwh_create_ctx(ngx_http_request_t *r)
{
    ngx_http_mspwh_ctx_t    *ctx;
    ngx_http_mspwh_store_t  *store;

    ctx = ngx_http_mspwh_get_ctx(r);
    if (ctx != NULL) {
        return ctx;
    }

    store = ngx_http_mspwh_get_store(r);

    if (store == NULL) {
        store = ngx_http_mspwh_create_store(r);
        if (store == NULL) {
            return NULL;
        }
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_mspwh_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->next = store->ctx;
    store->ctx = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_mspwh_module);

    return ctx;
}


/* a subrequest shares the pool of the main request */

ngx_http_mspwh_store_t *
ngx_http_mspwh_get_store(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_mspwh_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_http_mspwh_store_t *
ngx_http_mspwh_create_store(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_mspwh_store_t));
    if (cln == NULL) {
        return NULL;
    }

    ngx_memzero(cln->data, sizeof(ngx_http_mspwh_store_t));
    cln->handler = ngx_http_mspwh_cleanup;

    return cln->data;
}


static void
ngx_http_mspwh_cleanup(void *data)
{
    ngx_http_mspwh_store_t *store = data;

    ngx_http_mspwh_verification_t  *v;

    for (v = store->verifications; v; v = v->next) {
        ngx_http_mspwh_stop_feeding(v);
        mspwh_event_cleanup(&v->event);

        if (v->extract != NULL) {
            mspwh_extract_cleanup(v->extract);
        }
    }
}


ngx_http_mspwh_verification_t *
ngx_http_mspwh_add_verification(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_request_t             *r;
    ngx_http_mspwh_store_t         *store;
    ngx_http_mspwh_verification_t  *v;

    r = ctx->request;

    v = ngx_pcalloc(r->pool, sizeof(ngx_http_mspwh_verification_t));
    if (v == NULL) {
        return NULL;
    }

    v->request = r;
    v->secrets = mlcf->secrets;
    v->plan = mlcf->plan;
    v->sets = mlcf->sets;
    v->header = mlcf->header;
    v->monitor = (mlcf->enable == NGX_HTTP_MSPWH_MONITOR);

    store = ngx_http_mspwh_get_store(r);
    v->next = store->verifications;
    store->verifications = v;

    ctx->verification = v;
    ngx_http_mspwh_set_verdict(ctx, NGX_HTTP_MSPWH_NONE);

    return v;
}


void
ngx_http_mspwh_stop_feeding(ngx_http_mspwh_verification_t *v)
{
    if (v->step.timer_set) {
        ngx_del_timer(&v->step);
    }

    if (v->step.posted) {
        ngx_delete_posted_event(&v->step);
    }

    if (v->secrets != NULL) {
        ngx_http_mspwh_free_verifier(v->secrets, &v->verifier);
    }
}


void
ngx_http_mspwh_set_verdict(ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_verdict_e verdict)
{
    ctx->verdict = verdict;
}


ngx_int_t
ngx_http_mspwh_set_answer(ngx_http_mspwh_ctx_t *ctx, ngx_uint_t status,
    ngx_http_mspwh_verdict_e verdict)
{
    static ngx_str_t  name = ngx_string("Mspwh-Verdict");

    ctx->shown = ngx_http_mspwh_set_header(ctx->request, &name,
                                           &ngx_http_mspwh_verdicts[verdict]);
    if (ctx->shown == NULL) {
        return NGX_ERROR;
    }

    /* hidden until the header filter sees this answer */

    ctx->shown->hash = 0;
    ctx->answer = status;

    return NGX_OK;
}


ngx_http_mspwh_verification_t *
ngx_http_mspwh_decided(ngx_http_mspwh_ctx_t *ctx)
{
    if (ctx == NULL || ctx->verification == NULL
        || ctx->verification->state != NGX_HTTP_MSPWH_DECIDED)
    {
        return NULL;
    }

    return ctx->verification;
}


mspwh_event_t *
ngx_http_mspwh_event(ngx_http_mspwh_ctx_t *ctx)
{
    ngx_http_mspwh_verification_t  *v;

    v = ngx_http_mspwh_decided(ctx);

    if (v == NULL || !v->has_event
        || (v->reason != NGX_HTTP_MSPWH_NO_REASON && !ctx->monitor))
    {
        return NULL;
    }

    return &v->event;
}


ngx_http_mspwh_body_e
ngx_http_mspwh_whose_body(ngx_http_request_t *r)
{
    if (r == r->main) {
        return NGX_HTTP_MSPWH_BODY_MAIN;
    }

    /* auth_request gives its subrequest an empty body */

    if (r->request_body == NULL
        || (r->request_body != r->main->request_body
            && r->request_body->bufs == NULL))
    {
        return NGX_HTTP_MSPWH_BODY_NONE;
    }

    return (r->request_body == r->main->request_body)
           ? NGX_HTTP_MSPWH_BODY_MAIN : NGX_HTTP_MSPWH_BODY_OWN;
}


void
ngx_http_mspwh_describe_body(ngx_http_request_t *r,
    ngx_http_mspwh_body_t *body)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_memzero(body, sizeof(ngx_http_mspwh_body_t));

    if (ngx_http_mspwh_whose_body(r) != NGX_HTTP_MSPWH_BODY_OWN) {
        r = r->main;
    }

    body->request_body = r->request_body;

    if (r->headers_in.content_length != NULL) {
        body->length = r->headers_in.content_length->value.data;
    }

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return;
    }

    body->bufs = r->request_body->bufs;

    b = body->bufs->buf;

    body->tag = b->tag;
    body->pos = b->pos;
    body->file_pos = b->file_pos;

    if (b->in_file) {
        body->file_name = b->file->name.data;
    }

    for (cl = body->bufs; cl; cl = cl->next) {
        body->size += ngx_http_mspwh_buf_size(cl->buf);
    }
}


ngx_uint_t
ngx_http_mspwh_same_body(ngx_http_mspwh_body_t *one,
    ngx_http_mspwh_body_t *two)
{
    return one->request_body == two->request_body
           && one->bufs == two->bufs
           && one->tag == two->tag
           && one->pos == two->pos
           && one->file_name == two->file_name
           && one->length == two->length
           && one->file_pos == two->file_pos
           && one->size == two->size;
}
