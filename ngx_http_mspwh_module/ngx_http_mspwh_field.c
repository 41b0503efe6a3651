
#include "ngx_http_mspwh_field.h"


static char *ngx_http_mspwh_add_pointers(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_fields_t *fields, ngx_uint_t role);


static ngx_conf_enum_t  ngx_http_mspwh_roles[] = {
    { ngx_string("event_type"), MSPWH_ROLE_EVENT_TYPE },
    { ngx_string("entity_id"), MSPWH_ROLE_ENTITY_ID },
    { ngx_string("ticket_id"), MSPWH_ROLE_TICKET_ID },
    { ngx_string("response_type"), MSPWH_ROLE_RESPONSE_TYPE },
    { ngx_null_string, 0 }
};


char *
ngx_http_mspwh_field(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t        *value;
    ngx_conf_enum_t  *role;

    value = cf->args->elts;

    role = ngx_http_mspwh_find_enum(ngx_http_mspwh_roles, &value[1]);

    if (role == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid role \"%V\" in \"%V\" directive, it must "
                           "be \"event_type\", \"entity_id\", \"ticket_id\" "
                           "or \"response_type\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (mlcf->fields == NGX_CONF_UNSET_PTR) {
        mlcf->fields = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_fields_t));
        if (mlcf->fields == NULL
            || ngx_http_mspwh_add_level(cf, mlcf) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (mlcf->fields->pointers[role->value].elts != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "repeated role \"%V\" in \"%V\" directive, "
                           "all its pointers must be in one",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_mspwh_add_pointers(cf, cmd, mlcf->fields, role->value);
}


static char *
ngx_http_mspwh_add_pointers(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_fields_t *fields, ngx_uint_t role)
{
    char              *rv;
    ngx_str_t         *value;
    ngx_uint_t         i;
    mspwh_pointer_t  **elt;

    value = cf->args->elts;

    if (ngx_array_init(&fields->pointers[role], cf->pool, cf->args->nelts - 2,
                       sizeof(mspwh_pointer_t *))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        elt = ngx_array_push(&fields->pointers[role]);
        if (elt == NULL) {
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_mspwh_pointer(cf, cmd, &value[i], elt);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_mspwh_pointer(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *text,
    mspwh_pointer_t **pointer)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    if (mspwh_pointer_parse((char *) text->data, text->len, pointer) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid JSON pointer \"%V\" in \"%V\" directive, "
                           "it must be UTF-8, of up to %d parts with \"/\" "
                           "before each, and \"~\" only in \"~0\" and \"~1\"",
                           text, &cmd->name, MSPWH_POINTER_TOKENS);
        return NGX_CONF_ERROR;
    }

    if (*pointer == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = free;
    cln->data = *pointer;

    return NGX_CONF_OK;
}
