
#include "ngx_http_mspwh_module.h"


typedef enum {
    NGX_HTTP_MSPWH_VAR_VERDICT = 0,
    NGX_HTTP_MSPWH_VAR_KEY_ID,
    NGX_HTTP_MSPWH_VAR_DELIVERY_ID,

    /* these are of the event, once there is one */
    NGX_HTTP_MSPWH_VAR_EVENT_TYPE,
    NGX_HTTP_MSPWH_VAR_EVENT_TYPE_RAW,
    NGX_HTTP_MSPWH_VAR_ENTITY,
    NGX_HTTP_MSPWH_VAR_ACTION,
    NGX_HTTP_MSPWH_VAR_ENTITY_ID,
    NGX_HTTP_MSPWH_VAR_TICKET_ID,
    NGX_HTTP_MSPWH_VAR_ANOMALY
} ngx_http_mspwh_variable_e;


static ngx_int_t ngx_http_mspwh_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_mspwh_value(ngx_http_mspwh_ctx_t *ctx, uintptr_t data,
    ngx_str_t *value);
static void ngx_http_mspwh_text(const char *text, ngx_str_t *value);
static ngx_str_t *ngx_http_mspwh_variable_name(uintptr_t data);
static void ngx_http_mspwh_anomaly_text(u_char *p, mspwh_event_t *event,
    ngx_str_t *text);


ngx_str_t  ngx_http_mspwh_verdicts[] = {
    ngx_null_string,
    ngx_string("verified"),
    ngx_string("no_signature"),
    ngx_string("malformed_signature"),
    ngx_string("bad_signature"),
    ngx_string("malformed_payload"),
    ngx_string("not_accepted"),
    ngx_string("duplicate"),
    ngx_string("in_flight")
};


#define ngx_http_mspwh_var(name, data)                                        \
    { ngx_string("mspwh_" name), NULL, ngx_http_mspwh_variable,               \
      NGX_HTTP_MSPWH_VAR_ ## data, NGX_HTTP_VAR_NOCACHEABLE, 0 }

static ngx_http_variable_t  ngx_http_mspwh_vars[] = {
    ngx_http_mspwh_var("verdict", VERDICT),
    ngx_http_mspwh_var("event_type", EVENT_TYPE),
    ngx_http_mspwh_var("event_type_raw", EVENT_TYPE_RAW),
    ngx_http_mspwh_var("entity", ENTITY),
    ngx_http_mspwh_var("action", ACTION),
    ngx_http_mspwh_var("entity_id", ENTITY_ID),
    ngx_http_mspwh_var("ticket_id", TICKET_ID),
    ngx_http_mspwh_var("key_id", KEY_ID),
    ngx_http_mspwh_var("delivery_id", DELIVERY_ID),
    ngx_http_mspwh_var("anomaly", ANOMALY),
    ngx_http_null_variable
};


ngx_int_t
ngx_http_mspwh_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_mspwh_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


ngx_http_variable_t *
ngx_http_mspwh_find_variable(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i, n;
    ngx_hash_key_t             *key;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    key = cmcf->variables_keys->keys.elts;
    n = cmcf->variables_keys->keys.nelts;

    for (i = 0; i < n; i++) {
        if (key[i].key.len == name->len
            && ngx_strncasecmp(key[i].key.data, name->data, name->len) == 0)
        {
            return key[i].value;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_mspwh_is_variable(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_variable_t  *v;

    v = ngx_http_mspwh_find_variable(cf, name);

    return v != NULL
           && (v->get_handler == ngx_http_mspwh_variable
               || v->get_handler == ngx_http_mspwh_set_variable);
}


static ngx_int_t
ngx_http_mspwh_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t              value;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = ngx_http_mspwh_get_ctx(r);

    if (ctx == NULL) {
        ngx_http_mspwh_check_early(r, ngx_http_mspwh_variable_name(data));
    }

    if (ctx == NULL
        || (data >= NGX_HTTP_MSPWH_VAR_EVENT_TYPE
            && !ctx->has_event))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_http_mspwh_value(ctx, data, &value);

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = value.len;
    v->data = value.data;

    return NGX_OK;
}


static void
ngx_http_mspwh_value(ngx_http_mspwh_ctx_t *ctx, uintptr_t data,
    ngx_str_t *value)
{
    mspwh_event_t  *event;

    event = &ctx->event;

    switch (data) {

    case NGX_HTTP_MSPWH_VAR_VERDICT:
        *value = ngx_http_mspwh_verdicts[ctx->verdict];
        break;

    case NGX_HTTP_MSPWH_VAR_KEY_ID:
        *value = ctx->key_id;
        break;

    case NGX_HTTP_MSPWH_VAR_DELIVERY_ID:
        value->data = ctx->delivery_id;
        value->len = ctx->key_id.len ? sizeof(ctx->delivery_id) : 0;
        break;

    case NGX_HTTP_MSPWH_VAR_EVENT_TYPE:
        ngx_http_mspwh_text(event->type, value);
        break;

    case NGX_HTTP_MSPWH_VAR_EVENT_TYPE_RAW:
        *value = ctx->type_raw;
        break;

    case NGX_HTTP_MSPWH_VAR_ENTITY:
        ngx_http_mspwh_text(mspwh_event_entity(event->entity), value);
        break;

    case NGX_HTTP_MSPWH_VAR_ACTION:
        ngx_http_mspwh_text(mspwh_event_action(event->action), value);
        break;

    case NGX_HTTP_MSPWH_VAR_ENTITY_ID:
        ngx_http_mspwh_text(event->entity_id, value);
        break;

    case NGX_HTTP_MSPWH_VAR_TICKET_ID:
        ngx_http_mspwh_text(event->ticket_id, value);
        break;

    default: /* NGX_HTTP_MSPWH_VAR_ANOMALY */
        *value = ctx->anomaly;
    }
}


static void
ngx_http_mspwh_text(const char *text, ngx_str_t *value)
{
    value->data = (u_char *) text;
    value->len = ngx_strlen(text);
}


static ngx_str_t *
ngx_http_mspwh_variable_name(uintptr_t data)
{
    ngx_http_variable_t  *v;

    for (v = ngx_http_mspwh_vars; v->data != data; v++) { /* void */ }

    return &v->name;
}


/*
 * Made before anybody asks for them: of a variable that fails, nobody would
 * know but that it is empty.
 */

ngx_int_t
ngx_http_mspwh_make_texts(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx)
{
    char           *p;
    size_t          raw, len;
    unsigned        i;
    mspwh_event_t  *event;

    event = &ctx->event;

    raw = ngx_strlen(event->type_raw);
    len = raw * 3;

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (event->anomalies & (1 << i)) {
            len += ngx_strlen(mspwh_event_anomaly(i)) + 1;
        }
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->type_raw.data = (u_char *) p;

    p = mspwh_event_type_escape(p, event->type_raw, raw);

    ctx->type_raw.len = (u_char *) p - ctx->type_raw.data;

    ngx_http_mspwh_anomaly_text((u_char *) p, event, &ctx->anomaly);

    return NGX_OK;
}


static void
ngx_http_mspwh_anomaly_text(u_char *p, mspwh_event_t *event, ngx_str_t *text)
{
    unsigned  i;

    text->data = p;

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (event->anomalies & (1 << i)) {

            if (p > text->data) {
                *p++ = ',';
            }

            p = ngx_cpymem(p, mspwh_event_anomaly(i),
                           ngx_strlen(mspwh_event_anomaly(i)));
        }
    }

    text->len = p - text->data;
}
