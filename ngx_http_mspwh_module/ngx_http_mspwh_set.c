
#include "ngx_http_mspwh_set.h"
#include "ngx_http_mspwh_variables.h"


static char *ngx_http_mspwh_set_name(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *word, ngx_str_t *name);
static ngx_int_t ngx_http_mspwh_set_index(ngx_conf_t *cf, ngx_str_t *name);
static ngx_int_t ngx_http_mspwh_add_values(ngx_conf_t *cf, ngx_array_t *sets,
    ngx_http_mspwh_fields_t *wanted);


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

    /* other names cannot be used, and those with a digit first are captures */

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
 * Returns the variable's index, by which it finds its value.  It cannot be
 * changed: a "set" or "map" of the same name is nginx's error, not a silent
 * winner.
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


/* what is read from a body, by mspwh_field and mspwh_set together */

ngx_int_t
ngx_http_mspwh_merge_sets(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    ngx_http_mspwh_fields_t  *wanted;

    if (conf->sets == NULL) {
        conf->wanted = conf->fields;
        return NGX_OK;
    }

    if (conf->sets == prev->sets && conf->fields == prev->fields
        && prev->wanted != NULL)
    {
        conf->wanted = prev->wanted;
        return NGX_OK;
    }

    wanted = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_fields_t));
    if (wanted == NULL) {
        return NGX_ERROR;
    }

    if (conf->fields != NULL) {
        *wanted = *conf->fields;
    }

    conf->wanted = wanted;

    return ngx_http_mspwh_add_values(cf, conf->sets, wanted);
}


static ngx_int_t
ngx_http_mspwh_add_values(ngx_conf_t *cf, ngx_array_t *sets,
    ngx_http_mspwh_fields_t *wanted)
{
    ngx_uint_t              i;
    mspwh_pointer_t       **values;
    ngx_http_mspwh_set_t   *set;

    values = ngx_palloc(cf->pool, sets->nelts * sizeof(mspwh_pointer_t *));
    if (values == NULL) {
        return NGX_ERROR;
    }

    set = sets->elts;

    for (i = 0; i < sets->nelts; i++) {
        values[i] = set[i].pointer;

        if (ngx_http_mspwh_scan_pointer(&wanted->scanner, values[i])
            != NGX_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "too many JSON pointers into arrays in "
                               "\"mspwh_set\" directive at \"$%V\", there "
                               "may be %d at a level, with those of "
                               "\"mspwh_field\"", &set[i].name,
                               MSPWH_SCANNER_POINTERS);
            return NGX_ERROR;
        }
    }

    wanted->fields.nvalues = sets->nelts;
    wanted->fields.values = values;

    return NGX_OK;
}
