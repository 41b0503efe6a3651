
#include "ngx_http_mspwh_variables.h"
#include "ngx_http_mspwh_webhook.h"


typedef enum {
    NGX_HTTP_MSPWH_VAR_VERDICT = 0,
    NGX_HTTP_MSPWH_VAR_REASON,
    NGX_HTTP_MSPWH_VAR_KEY_ID,
    NGX_HTTP_MSPWH_VAR_DELIVERY_ID,

    /* these belong to the event, once there is one */
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
static ngx_int_t ngx_http_mspwh_webhook_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mspwh_body_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_mspwh_result_value(ngx_http_mspwh_ctx_t *ctx,
    uintptr_t data, ngx_str_t *value);
static void ngx_http_mspwh_event_value(ngx_http_mspwh_verification_t *vf,
    uintptr_t data, ngx_str_t *value);
static void ngx_http_mspwh_text(const char *text, ngx_str_t *value);
static void ngx_http_mspwh_show(ngx_http_variable_value_t *v,
    ngx_str_t *value);
static ngx_str_t *ngx_http_mspwh_variable_name(uintptr_t data);
static void ngx_http_mspwh_warn_early(ngx_http_request_t *r,
    ngx_str_t *variable);
static ngx_uint_t ngx_http_mspwh_is_early(ngx_http_request_t *r);


#define ngx_http_mspwh_var(name, data)                                        \
    { ngx_string("mspwh_" name), NULL, ngx_http_mspwh_variable,               \
      NGX_HTTP_MSPWH_VAR_ ## data, NGX_HTTP_VAR_NOCACHEABLE, 0 }

static ngx_http_variable_t  ngx_http_mspwh_vars[] = {
    ngx_http_mspwh_var("verdict", VERDICT),
    ngx_http_mspwh_var("reason", REASON),
    ngx_http_mspwh_var("event_type", EVENT_TYPE),
    ngx_http_mspwh_var("event_type_raw", EVENT_TYPE_RAW),
    ngx_http_mspwh_var("entity", ENTITY),
    ngx_http_mspwh_var("action", ACTION),
    ngx_http_mspwh_var("entity_id", ENTITY_ID),
    ngx_http_mspwh_var("ticket_id", TICKET_ID),
    ngx_http_mspwh_var("key_id", KEY_ID),
    ngx_http_mspwh_var("delivery_id", DELIVERY_ID),
    ngx_http_mspwh_var("anomaly", ANOMALY),
    { ngx_string("mspwh_webhook"), NULL, ngx_http_mspwh_webhook_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
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


void
ngx_http_mspwh_init_body_variable(ngx_http_variable_t *var, ngx_uint_t index)
{
    var->get_handler = ngx_http_mspwh_body_variable;
    var->data = index;
}


ngx_uint_t
ngx_http_mspwh_is_body_variable(ngx_http_variable_t *var)
{
    return var->get_handler == ngx_http_mspwh_body_variable;
}


static ngx_int_t
ngx_http_mspwh_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t              value;
    ngx_http_mspwh_ctx_t  *ctx;

    ctx = ngx_http_mspwh_find_ctx(r);
    v->not_found = 1;

    if (ctx == NULL) {
        ngx_http_mspwh_warn_early(r, ngx_http_mspwh_variable_name(data));
        return NGX_OK;
    }

    if (data < NGX_HTTP_MSPWH_VAR_EVENT_TYPE) {
        ngx_http_mspwh_result_value(ctx, data, &value);

    } else if (ngx_http_mspwh_event(ctx) != NULL) {
        ngx_http_mspwh_event_value(ctx->verification, data, &value);

    } else {
        return NGX_OK;
    }

    ngx_http_mspwh_show(v, &value);

    return NGX_OK;
}


/* this is a property of the location, whether or not a body has been read */

static ngx_int_t
ngx_http_mspwh_webhook_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_mspwh_show(v, ngx_http_mspwh_webhook_name(r));

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_body_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                       value;
    ngx_uint_t                      i;
    ngx_http_variable_t            *var;
    ngx_http_mspwh_ctx_t           *ctx;
    ngx_http_mspwh_set_t           *set;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_mspwh_verification_t  *vf;

    ctx = ngx_http_mspwh_find_ctx(r);
    v->not_found = 1;

    if (ctx == NULL) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
        var = cmcf->variables.elts;

        ngx_http_mspwh_warn_early(r, &var[data].name);
        return NGX_OK;
    }

    if (ngx_http_mspwh_event(ctx) == NULL) {
        return NGX_OK;
    }

    vf = ctx->verification;
    set = vf->sets ? vf->sets->elts : NULL;

    for (i = 0; set && i < vf->sets->nelts; i++) {
        if (set[i].index == data) {
            ngx_http_mspwh_text(mspwh_event_value(vf->extract, vf->plan, i),
                                &value);
            ngx_http_mspwh_show(v, &value);
            break;
        }
    }

    return NGX_OK;
}


static void
ngx_http_mspwh_result_value(ngx_http_mspwh_ctx_t *ctx, uintptr_t data,
    ngx_str_t *value)
{
    ngx_http_mspwh_verification_t  *vf;

    ngx_str_null(value);

    if (data == NGX_HTTP_MSPWH_VAR_VERDICT) {
        *value = ngx_http_mspwh_verdicts[ctx->verdict];
        return;
    }

    vf = ngx_http_mspwh_decided(ctx);

    if (vf != NULL && data == NGX_HTTP_MSPWH_VAR_REASON) {
        *value = ngx_http_mspwh_reasons[vf->reason].name;
        return;
    }

    if (vf == NULL || vf->secret == NULL) {
        return;
    }

    if (data == NGX_HTTP_MSPWH_VAR_KEY_ID) {
        *value = vf->secret->id;

    } else { /* NGX_HTTP_MSPWH_VAR_DELIVERY_ID */
        value->data = vf->delivery_id;
        value->len = sizeof(vf->delivery_id);
    }
}


static void
ngx_http_mspwh_event_value(ngx_http_mspwh_verification_t *vf, uintptr_t data,
    ngx_str_t *value)
{
    mspwh_event_t  *event;

    event = &vf->event;

    switch (data) {

    case NGX_HTTP_MSPWH_VAR_EVENT_TYPE:
        ngx_http_mspwh_text(event->type, value);
        break;

    case NGX_HTTP_MSPWH_VAR_EVENT_TYPE_RAW:
        *value = vf->type_raw;
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
        *value = vf->anomaly;
    }
}


static void
ngx_http_mspwh_text(const char *text, ngx_str_t *value)
{
    value->data = (u_char *) text;
    value->len = ngx_strlen(text);
}


static void
ngx_http_mspwh_show(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = value->len;
    v->data = value->data;
}


static ngx_str_t *
ngx_http_mspwh_variable_name(uintptr_t data)
{
    ngx_http_variable_t  *v;

    for (v = ngx_http_mspwh_vars; v->data != data; v++) { /* void */ }

    return &v->name;
}


/* "nginx -t" cannot see how a map or another module uses a variable */

static void
ngx_http_mspwh_warn_early(ngx_http_request_t *r, ngx_str_t *variable)
{
    static time_t  last;

    if (!ngx_http_mspwh_is_early(r)
        || (last != 0 && ngx_time() - last < NGX_HTTP_MSPWH_NOTICE_INTERVAL))
    {
        return;
    }

    last = ngx_time();

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "mspwh: \"$%V\" is used before the body is read, when it "
                  "is always empty: use it in \"proxy_pass\", headers and "
                  "logs, not in limits, access checks, \"if\", \"set\", "
                  "\"rewrite\" or to choose a location; a map on it may need "
                  "\"volatile\"", variable);
}


/*
 * Returns whether the main request has yet to be verified.  For headers and
 * logs, a request that was answered, or that an error led elsewhere, keeps the
 * phase that it was in, and one that reached no phase is in the first: there,
 * an empty value is right.
 */

static ngx_uint_t
ngx_http_mspwh_is_early(ngx_http_request_t *r)
{
    ngx_http_request_t          *mr;
    ngx_http_mspwh_loc_conf_t   *mlcf;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (ngx_http_mspwh_get_store(r) != NULL) {
        return 0;
    }

    mr = r->main;

    mlcf = ngx_http_get_module_loc_conf(mr, ngx_http_mspwh_module);
    mmcf = ngx_http_get_module_main_conf(mr, ngx_http_mspwh_module);

    return mlcf->checked
           && mr->phase_handler < mmcf->check_phase
           && mr->headers_out.status == 0
           && !mr->error_page
           && (r != mr || r->write_event_handler == ngx_http_core_run_phases);
}
