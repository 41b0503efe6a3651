
#include "ngx_http_mspwh_set.h"
#include "ngx_http_mspwh_variables.h"
#include "mspwh_text.h"


static char *ngx_http_mspwh_set_name(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *word, ngx_str_t *name);
static ngx_int_t ngx_http_mspwh_set_index(ngx_conf_t *cf, ngx_str_t *name);
static mspwh_event_plan_t *ngx_http_mspwh_plan(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);
static void ngx_http_mspwh_free_plan(void *data);


char *
ngx_http_mspwh_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    char                  *rv;
    ngx_int_t              index;
    ngx_str_t             *value, name;
    ngx_uint_t             i;
    ngx_http_mspwh_set_t  *set;

    value = cf->args->elts;

    rv = ngx_http_mspwh_set_name(cf, cmd, &value[1], &name);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (mlcf->sets == NGX_CONF_UNSET_PTR) {
        mlcf->sets = ngx_array_create(cf->pool, 4,
                                      sizeof(ngx_http_mspwh_set_t));
        if (mlcf->sets == NULL
            || ngx_http_mspwh_add_level(cf, mlcf) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    index = ngx_http_mspwh_set_index(cf, &name);
    if (index == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    set = mlcf->sets->elts;

    for (i = 0; i < mlcf->sets->nelts; i++) {
        if (set[i].index == (ngx_uint_t) index) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated variable \"%V\" in \"%V\" "
                               "directive, each may be given only once",
                               &value[1], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    set = ngx_array_push(mlcf->sets);
    if (set == NULL) {
        return NGX_CONF_ERROR;
    }

    set->name = name;
    set->index = (ngx_uint_t) index;

    return ngx_http_mspwh_pointer(cf, cmd, &value[2], &set->pointer);
}


static char *
ngx_http_mspwh_set_name(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *word,
    ngx_str_t *name)
{
    size_t                i;
    u_char                ch;
    ngx_http_variable_t  *var;

    /* nginx cannot use other names, and takes "$1" as a capture */

    for (i = 1; i < word->len; i++) {
        ch = word->data[i];

        if (ch != '_' && (!mspwh_is_alnum(ch)
                          || (i == 1 && mspwh_is_digit(ch))))
        {
            break;
        }
    }

    if (word->len < 2 || word->data[0] != '$' || i < word->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid variable name \"%V\" in \"%V\" "
                           "directive, it must be \"$\" with letters, digits "
                           "and \"_\", and no digit first", word, &cmd->name);
        return NGX_CONF_ERROR;
    }

    name->len = word->len - 1;
    name->data = word->data + 1;

    var = ngx_http_mspwh_find_variable(cf, name);

    if (var != NULL && !ngx_http_mspwh_is_body_variable(var)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the variable \"%V\" in \"%V\" directive is "
                           "already defined, it must be a new one",
                           word, &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Returns the variable's index, by which it finds its value.  The variable is
 * not changeable: if a "set" or "map" has the same name, nginx reports an
 * error instead of silently preferring one of the two.
 */

static ngx_int_t
ngx_http_mspwh_set_index(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_int_t             index;
    ngx_http_variable_t  *var;

    var = ngx_http_mspwh_find_variable(cf, name);

    if (var != NULL) {
        return (ngx_int_t) var->data;
    }

    var = ngx_http_add_variable(cf, name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    index = ngx_http_get_variable_index(cf, name);
    if (index == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_http_mspwh_init_body_variable(var, index);

    return index;
}


/* a level that asks for the same values as the one above shares its plan */

ngx_int_t
ngx_http_mspwh_merge_plan(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    mspwh_event_plan_t          **plan;
    ngx_http_mspwh_main_conf_t   *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    if (conf->fields == NULL && conf->sets == NULL) {
        plan = &mmcf->plan;

    } else if (conf->fields == prev->fields && conf->sets == prev->sets) {
        plan = &prev->plan;

    } else {
        plan = &conf->plan;
    }

    if (*plan == NULL) {
        *plan = ngx_http_mspwh_plan(cf, conf);
    }

    conf->plan = *plan;

    return conf->plan ? NGX_OK : NGX_ERROR;
}


static mspwh_event_plan_t *
ngx_http_mspwh_plan(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t             i, n;
    ngx_array_t           *pointers;
    mspwh_fields_t         fields;
    mspwh_pointer_t      **values;
    ngx_pool_cleanup_t    *cln;
    ngx_http_mspwh_set_t  *set;

    ngx_memzero(&fields, sizeof(mspwh_fields_t));

    for (i = 0; mlcf->fields != NULL && i < MSPWH_ROLES; i++) {
        pointers = &mlcf->fields->pointers[i];

        fields.roles[i].npointers = pointers->nelts;
        fields.roles[i].pointers = pointers->elts;
    }

    n = mlcf->sets ? mlcf->sets->nelts : 0;
    set = n ? mlcf->sets->elts : NULL;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    values = ngx_palloc(cf->pool, (n + 1) * sizeof(mspwh_pointer_t *));

    if (cln == NULL || values == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        values[i] = set[i].pointer;
    }

    fields.nvalues = n;
    fields.values = values;

    cln->data = mspwh_event_plan(&fields);
    cln->handler = ngx_http_mspwh_free_plan;

    return cln->data;
}


static void
ngx_http_mspwh_free_plan(void *data)
{
    mspwh_event_plan_free(data);
}
