
/*
 * The rewrite module has compiled its directives to codes, one array for each
 * server and location, with those of "if" inside.
 */


#include "ngx_http_mspwh_rewrite.h"


/* a code of the rewrite module, by its function, and its size */

typedef struct {
    ngx_http_script_code_pt          code;
    size_t                           size;
} ngx_http_mspwh_code_t;


static ngx_array_t *ngx_http_mspwh_rewrite_codes(ngx_conf_t *cf,
    void **loc_conf);
static ngx_http_mspwh_code_t *ngx_http_mspwh_find_code(u_char *p, u_char *end);
static size_t ngx_http_mspwh_code_size(u_char *p, u_char *end);
static ngx_str_t *ngx_http_mspwh_code_variable(ngx_conf_t *cf, u_char *p);


static ngx_http_mspwh_code_t  ngx_http_mspwh_codes[] = {
    { ngx_http_script_copy_code, sizeof(ngx_http_script_copy_code_t) },
    { ngx_http_script_copy_var_code, sizeof(ngx_http_script_var_code_t) },
    { ngx_http_script_start_args_code, sizeof(uintptr_t) },
#if (NGX_PCRE)
    { ngx_http_script_copy_capture_code,
      sizeof(ngx_http_script_copy_capture_code_t) },
    { ngx_http_script_regex_start_code,
      sizeof(ngx_http_script_regex_code_t) },
    { ngx_http_script_regex_end_code,
      sizeof(ngx_http_script_regex_end_code_t) },
#endif
    { ngx_http_script_return_code, sizeof(ngx_http_script_return_code_t) },
    { ngx_http_script_break_code, sizeof(uintptr_t) },
    { ngx_http_script_if_code, sizeof(ngx_http_script_if_code_t) },
    { ngx_http_script_equal_code, sizeof(uintptr_t) },
    { ngx_http_script_not_equal_code, sizeof(uintptr_t) },
    { ngx_http_script_file_code, sizeof(ngx_http_script_file_code_t) },
    { ngx_http_script_complex_value_code,
      sizeof(ngx_http_script_complex_value_code_t) },
    { ngx_http_script_value_code, sizeof(ngx_http_script_value_code_t) },
    { ngx_http_script_set_var_code, sizeof(ngx_http_script_var_code_t) },
    { ngx_http_script_var_set_handler_code,
      sizeof(ngx_http_script_var_handler_code_t) },
    { ngx_http_script_var_code, sizeof(ngx_http_script_var_code_t) },
    { ngx_http_script_nop_code, sizeof(uintptr_t) },

    /* the end */
    { NULL, sizeof(uintptr_t) }
};


/* the rewrite module may not be there */

static ngx_array_t *
ngx_http_mspwh_rewrite_codes(ngx_conf_t *cf, void **loc_conf)
{
    ngx_uint_t     i;
    ngx_module_t  *module;

    for (i = 0; cf->cycle->modules[i]; i++) {
        module = cf->cycle->modules[i];

        if (ngx_strcmp(module->name, "ngx_http_rewrite_module") == 0) {

            /* the first member of its configuration */

            return *(ngx_array_t **) loc_conf[module->ctx_index];
        }
    }

    return NULL;
}


void
ngx_http_mspwh_scan_rewrite(ngx_conf_t *cf, void **loc_conf,
    ngx_http_mspwh_rewrite_t *rewrite)
{
    u_char                         *p, *end, *if_end;
    size_t                          size;
    ngx_uint_t                      leaves;
    ngx_array_t                    *codes;
    ngx_http_script_code_pt         code;
    ngx_http_script_if_code_t      *if_code;
    ngx_http_script_return_code_t  *ret;

    ngx_memzero(rewrite, sizeof(ngx_http_mspwh_rewrite_t));

    codes = ngx_http_mspwh_rewrite_codes(cf, loc_conf);

    if (codes == NULL) {
        return;
    }

    p = codes->elts;
    end = p + codes->nelts;
    if_end = p;
    leaves = 0;

    for ( /* void */ ; p < end; p += size) {
        size = ngx_http_mspwh_code_size(p, end);

        if (size == 0) {
            return;
        }

        if (rewrite->variable == NULL) {
            rewrite->variable = ngx_http_mspwh_code_variable(cf, p);
        }

        code = *(ngx_http_script_code_pt *) p;

        if (code == ngx_http_script_if_code) {
            if_code = (ngx_http_script_if_code_t *) p;
            if_end = ngx_max(if_end, p + if_code->next);

        } else if (code == ngx_http_script_break_code || code == NULL) {

            /* "break", or a "rewrite" that is the last */

            leaves = 1;

        } else if (code == ngx_http_script_return_code
                   && p >= if_end && !leaves && rewrite->status == 0)
        {
            ret = (ngx_http_script_return_code_t *) p;
            rewrite->status = ret->status;
        }
    }
}


static ngx_http_mspwh_code_t *
ngx_http_mspwh_find_code(u_char *p, u_char *end)
{
    ngx_http_mspwh_code_t    *entry;
    ngx_http_script_code_pt   code;

    if (p + sizeof(uintptr_t) > end) {
        return NULL;
    }

    code = *(ngx_http_script_code_pt *) p;

    for (entry = ngx_http_mspwh_codes; entry->code != code; entry++) {
        if (entry->code == NULL) {
            return NULL;
        }
    }

    return entry;
}


/* the size with what belongs to it, or 0 where another module has its own */

static size_t
ngx_http_mspwh_code_size(u_char *p, u_char *end)
{
    size_t                        len;
    ngx_http_mspwh_code_t        *entry;
    ngx_http_script_copy_code_t  *copy;

    entry = ngx_http_mspwh_find_code(p, end);

    if (entry == NULL) {

        /*
         * nginx 1.31 ends a value with a code that is not in the table, since
         * older ones do not have it: between known codes, it is stepped over.
         */

        entry = ngx_http_mspwh_find_code(p + sizeof(uintptr_t), end);

        if (entry == NULL || entry->code == NULL) {
            return 0;
        }

        return sizeof(uintptr_t);
    }

    if (entry->code != ngx_http_script_copy_code) {
        return entry->size;
    }

    copy = (ngx_http_script_copy_code_t *) p;
    len = ngx_align(copy->len, sizeof(uintptr_t));

    return sizeof(ngx_http_script_copy_code_t) + len;
}


static ngx_str_t *
ngx_http_mspwh_code_variable(ngx_conf_t *cf, u_char *p)
{
    ngx_uint_t                      i, n, *index;
    ngx_http_variable_t            *variables;
    ngx_http_script_code_pt         code;
    ngx_http_script_var_code_t     *var;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_script_return_code_t  *ret;

    code = *(ngx_http_script_code_pt *) p;

    if (code == ngx_http_script_var_code
        || code == ngx_http_script_copy_var_code)
    {
        var = (ngx_http_script_var_code_t *) p;
        index = &var->index;
        n = 1;

    } else if (code == ngx_http_script_return_code) {
        ret = (ngx_http_script_return_code_t *) p;
        index = ret->text.flushes;
        n = NGX_MAX_UINT32_VALUE;

    } else {
        return NULL;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    variables = cmcf->variables.elts;

    for (i = 0; index != NULL && i < n && index[i] != (ngx_uint_t) -1; i++) {
        if (ngx_http_mspwh_is_variable(cf, &variables[index[i]].name)) {
            return &variables[index[i]].name;
        }
    }

    return NULL;
}
