
/*
 * mspwh_secret and mspwh_secret_file.  Messages show only a path or a valid
 * id: any other word could be a secret, or part of one.
 */


#include "ngx_http_mspwh_secret_conf.h"
#include "ngx_http_mspwh_secret_file.h"

#include "mspwh_event.h"
#include "mspwh_text.h"


static void ngx_http_mspwh_warn_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *secret);
static char *ngx_http_mspwh_add_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_str_t *text);
static ngx_http_mspwh_secrets_t *ngx_http_mspwh_level_secrets(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_int_t ngx_http_mspwh_secret_id(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t position, ngx_str_t *id);
static ngx_int_t ngx_http_mspwh_check_repeated(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_mspwh_secrets_t *secrets,
    ngx_http_mspwh_secret_t *secret);


char *
ngx_http_mspwh_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty secret \"\" in \"%V\" directive, "
                           "it must have at least one byte", &cmd->name);
        return NGX_CONF_ERROR;
    }

    ngx_http_mspwh_warn_secret(cf, cmd, &value[1]);

    return ngx_http_mspwh_add_secret(cf, cmd, conf, &value[1]);
}


static void
ngx_http_mspwh_warn_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *secret)
{
    u_char      *p, *last, *next;
    ngx_uint_t   control, variable;

    control = 0;
    variable = 0;
    last = secret->data + secret->len;

    for (p = secret->data; p < last; p++) {

        if (*p < ' ' || *p == 0x7f) {
            control = 1;
        }

        if (*p == '$' && p + 1 < last) {
            next = p + 1;
            variable |= (*next == '{' || *next == '_'
                         || mspwh_is_alnum(*next));
        }
    }

    if (control) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the secret in \"%V\" directive has a control "
                           "character: in quotes, nginx reads \"\\t\", "
                           "\"\\r\" and \"\\n\" as such", &cmd->name);
    }

    if (variable) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the secret in \"%V\" directive has a \"$\" that "
                           "looks like a variable, but is taken literally",
                           &cmd->name);
    }
}


char *
ngx_http_mspwh_secret_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char       *rv;
    u_char      buf[NGX_HTTP_MSPWH_SECRET_BUFFER];
    ngx_str_t   secret;

    rv = ngx_http_mspwh_read_secret(cf, cmd, buf, &secret);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_mspwh_add_secret(cf, cmd, conf, &secret);
    }

    mspwh_cleanse(buf, sizeof(buf));

    return rv;
}


static char *
ngx_http_mspwh_add_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_str_t *text)
{
    ngx_http_mspwh_secret_t   *secret;
    ngx_http_mspwh_secrets_t  *secrets;

    secrets = ngx_http_mspwh_level_secrets(cf, mlcf);
    if (secrets == NULL) {
        return NGX_CONF_ERROR;
    }

    if (secrets->nelts == MSPWH_SECRETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many secrets in \"%V\" directive, "
                           "there may be %d at a level",
                           &cmd->name, MSPWH_SECRETS);
        return NGX_CONF_ERROR;
    }

    secret = &secrets->elts[secrets->nelts];

    if (ngx_http_mspwh_secret_id(cf, cmd, secrets->nelts + 1, &secret->id)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (mspwh_secret_init(&secret->hmac, text->data, text->len) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" directive: OpenSSL cannot set up "
                           "HMAC-SHA256", &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_mspwh_check_repeated(cf, cmd, secrets, secret) != NGX_OK) {
        mspwh_secret_cleanup(&secret->hmac);
        return NGX_CONF_ERROR;
    }

    secrets->nelts++;

    return NGX_CONF_OK;
}


static ngx_http_mspwh_secrets_t *
ngx_http_mspwh_level_secrets(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    if (mlcf->secrets != NGX_CONF_UNSET_PTR) {
        return mlcf->secrets;
    }

    mlcf->secrets = ngx_http_mspwh_create_secrets(cf);

    if (mlcf->secrets == NULL || ngx_http_mspwh_add_level(cf, mlcf) != NGX_OK)
    {
        return NULL;
    }

    return mlcf->secrets;
}


/* sets the secret's id: the value of "id=", or else its position */

static ngx_int_t
ngx_http_mspwh_secret_id(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t position, ngx_str_t *id)
{
    ngx_str_t  *value, shown;

    value = cf->args->elts;

    /* a stray word may be a secret, or part of one without its quotes */

    ngx_str_set(&shown, "(not shown)");

    if (cmd->set == ngx_http_mspwh_secret_file) {
        shown = value[cf->args->nelts - 1];
    }

    if (ngx_strncmp(value[1].data, "id=", 3) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"%V\" directive, "
                           "\"id=name\" must be the second one",
                           &shown, &cmd->name);
        return NGX_ERROR;
    }

    if (cf->args->nelts == 2) {
        id->data = ngx_pnalloc(cf->pool, NGX_INT_T_LEN);
        if (id->data == NULL) {
            return NGX_ERROR;
        }

        id->len = ngx_sprintf(id->data, "%ui", position) - id->data;

        return NGX_OK;
    }

    id->data = value[2].data + 3;
    id->len = value[2].len - 3;

    /* the form of events' ids: it is shown in headers and URIs, too */

    if (ngx_strncmp(value[2].data, "id=", 3) == 0
        && mspwh_event_is_id((char *) id->data, id->len))
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"%V\" directive, it "
                       "must be \"id=name\", of up to %d letters, digits and "
                       "\"._~:-\", the first a letter or a digit",
                       &shown, &cmd->name, MSPWH_EVENT_ID);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_mspwh_check_repeated(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_secrets_t *secrets, ngx_http_mspwh_secret_t *secret)
{
    ngx_uint_t                i;
    ngx_http_mspwh_secret_t  *other;

    for (i = 0; i < secrets->nelts; i++) {
        other = &secrets->elts[i];

        if (mspwh_secret_equal(&other->hmac, &secret->hmac)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated secret in \"%V\" directive: "
                               "\"%V\" and \"%V\" are the same, "
                               "each may be given only once",
                               &cmd->name, &other->id, &secret->id);
            return NGX_ERROR;
        }

        if (other->id.len == secret->id.len
            && ngx_strncmp(other->id.data, secret->id.data, secret->id.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated id \"%V\" in \"%V\" directive, "
                               "each secret must have its own",
                               &secret->id, &cmd->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
