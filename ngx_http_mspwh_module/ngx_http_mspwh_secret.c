
#include "ngx_http_mspwh_counters.h"

#include <openssl/crypto.h>
#include <openssl/err.h>


#define NGX_HTTP_MSPWH_SECRET_FILE  4096


static ssize_t ngx_http_mspwh_read_secret(ngx_conf_t *cf, ngx_str_t *name,
    u_char *buf, size_t size);
static char *ngx_http_mspwh_check_secret(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret);
static char *ngx_http_mspwh_add_key(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_str_t *secret);
static ngx_int_t ngx_http_mspwh_check_key(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_array_t *old, ngx_http_mspwh_key_t *key);
static ngx_int_t ngx_http_mspwh_key_id(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t position, ngx_str_t *id);
static ngx_int_t ngx_http_mspwh_set_up_key(ngx_conf_t *cf,
    ngx_http_mspwh_key_t *key, ngx_str_t *secret);
static void ngx_http_mspwh_key_cleanup(void *data);
static ngx_int_t ngx_http_mspwh_add_idle(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_uint_t ngx_http_mspwh_can_reset(ngx_http_mspwh_key_t *key);
static void ngx_http_mspwh_idle_cleanup(void *data);


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

    return ngx_http_mspwh_add_key(cf, cmd, conf, &value[1]);
}


char *
ngx_http_mspwh_secret_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char       *rv;
    u_char      buf[NGX_HTTP_MSPWH_SECRET_FILE + sizeof(CRLF)];
    ssize_t     n;
    ngx_str_t  *value, name, secret;

    value = cf->args->elts;
    name = value[1];

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_mspwh_read_secret(cf, &name, buf, sizeof(buf));
    if (n == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    /* one trailing newline is not part of the secret */

    if (n > 0 && buf[n - 1] == LF) {
        n--;

        if (n > 0 && buf[n - 1] == CR) {
            n--;
        }
    }

    secret.len = (size_t) n;
    secret.data = buf;

    rv = ngx_http_mspwh_check_secret(cf, &name, &secret);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_mspwh_add_key(cf, cmd, conf, &secret);
    }

    OPENSSL_cleanse(buf, sizeof(buf));

    return rv;
}


static ssize_t
ngx_http_mspwh_read_secret(ngx_conf_t *cf, ngx_str_t *name, u_char *buf,
    size_t size)
{
    ssize_t          n;
    ngx_file_t       file;
    ngx_file_info_t  fi;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *name;
    file.log = cf->log;

    /* not to wait for the other end of a pipe */

    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"mspwh_secret_file\": " ngx_open_file_n
                           " \"%V\" failed", name);
        return NGX_ERROR;
    }

    n = NGX_ERROR;

    if (ngx_fd_info(file.fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"mspwh_secret_file\": " ngx_fd_info_n
                           " \"%V\" failed", name);

    } else if (!ngx_is_file(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mspwh_secret_file\": \"%V\" "
                           "is not a regular file", name);

    } else {
        if (ngx_file_access(&fi) & (S_IRGRP|S_IROTH)) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"mspwh_secret_file\": \"%V\" can be read "
                               "by group or others, it should have "
                               "mode 0600", name);
        }

        /* nothing more than the buffer is read: a byte over shows it */

        n = ngx_read_file(&file, buf, size, 0);
    }

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    return n;
}


static char *
ngx_http_mspwh_check_secret(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret)
{
    u_char      *p, *last;
    const char  *reason;

    reason = NULL;

    if (secret->len == 0) {
        reason = "is empty";

    } else if (secret->len > NGX_HTTP_MSPWH_SECRET_FILE) {
        reason = "is over 4 KB";
    }

    last = secret->data + secret->len;

    for (p = secret->data; p < last && reason == NULL; p++) {
        if (*p == '\0') {
            reason = "has a null byte";

        } else if (*p == LF || *p == CR) {
            reason = "has a newline inside, it must be one line";
        }
    }

    if (reason == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"mspwh_secret_file\": \"%V\" %s", name, reason);

    return NGX_CONF_ERROR;
}


/* no message shows the secret */

static char *
ngx_http_mspwh_add_key(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_str_t *secret)
{
    ngx_uint_t             n;
    ngx_http_mspwh_key_t   key, *keys;

    if (mlcf->keys == NGX_CONF_UNSET_PTR) {
        mlcf->keys = ngx_array_create(cf->pool, 2,
                                      sizeof(ngx_http_mspwh_key_t));
        if (mlcf->keys == NULL
            || ngx_http_mspwh_count_keys(cf, mlcf->keys) != NGX_OK
            || ngx_http_mspwh_add_idle(cf, mlcf) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    n = mlcf->keys->nelts;

    if (n == MSPWH_SECRETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many secrets in \"%V\" directive, "
                           "there may be %d at a level",
                           &cmd->name, MSPWH_SECRETS);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_mspwh_key_id(cf, cmd, n + 1, &key.id) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_mspwh_set_up_key(cf, &key, secret) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" directive: OpenSSL cannot set up "
                           "HMAC-SHA256", &cmd->name);
        ERR_clear_error();
        return NGX_CONF_ERROR;
    }

    if (ngx_http_mspwh_check_key(cf, cmd, mlcf->keys, &key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    keys = ngx_array_push(mlcf->keys);
    if (keys == NULL) {
        return NGX_CONF_ERROR;
    }

    *keys = key;

    if (!ngx_http_mspwh_can_reset(&key)) {
        mlcf->idle = NULL;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_mspwh_check_key(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_array_t *old, ngx_http_mspwh_key_t *key)
{
    ngx_uint_t             i;
    ngx_http_mspwh_key_t  *keys;

    keys = old->elts;

    for (i = 0; i < old->nelts; i++) {
        if (ngx_memcmp(keys[i].fingerprint, key->fingerprint,
                       MSPWH_DIGEST_LENGTH)
            == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated secret in \"%V\" directive: "
                               "\"%V\" and \"%V\" are the same, "
                               "each must be another",
                               &cmd->name, &keys[i].id, &key->id);
            return NGX_ERROR;
        }

        if (keys[i].id.len == key->id.len
            && ngx_strncmp(keys[i].id.data, key->id.data, key->id.len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated id \"%V\" in \"%V\" directive, "
                               "each secret must have another",
                               &key->id, &cmd->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what "id=" says, or the position */

static ngx_int_t
ngx_http_mspwh_key_id(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t position, ngx_str_t *id)
{
    ngx_str_t  *value;

    if (cf->args->nelts == 2) {
        id->data = ngx_pnalloc(cf->pool, NGX_INT_T_LEN);
        if (id->data == NULL) {
            return NGX_ERROR;
        }

        id->len = ngx_sprintf(id->data, "%ui", position) - id->data;

        return NGX_OK;
    }

    value = cf->args->elts;

    if (ngx_strncmp(value[2].data, "id=", 3) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"%V\" directive, "
                           "it must be \"id=name\"", &value[2], &cmd->name);
        return NGX_ERROR;
    }

    id->data = value[2].data + 3;
    id->len = value[2].len - 3;

    /* it is shown in headers and URIs, as those of events are */

    if (!mspwh_event_is_id((char *) id->data, id->len)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid id \"%V\" in \"%V\" directive, it must be "
                           "up to %d letters, digits and \"._~:-\", "
                           "and begin with a letter or a digit",
                           &value[2], &cmd->name, MSPWH_EVENT_ID);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_set_up_key(ngx_conf_t *cf, ngx_http_mspwh_key_t *key,
    ngx_str_t *secret)
{
    int                  rc;
    size_t               len;
    EVP_MAC_CTX         *mac;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    key->mac = mspwh_signature_key(secret->data, secret->len);
    if (key->mac == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_mspwh_key_cleanup;
    cln->data = key->mac;

    mac = EVP_MAC_CTX_dup(key->mac);
    if (mac == NULL) {
        return NGX_ERROR;
    }

    rc = EVP_MAC_final(mac, key->fingerprint, &len, MSPWH_DIGEST_LENGTH);

    EVP_MAC_CTX_free(mac);

    return (rc == 1) ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_mspwh_key_cleanup(void *data)
{
    EVP_MAC_CTX_free(data);
}


static ngx_int_t
ngx_http_mspwh_add_idle(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_mspwh_idle_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    mlcf->idle = cln->data;
    mlcf->idle->nverifiers = 0;

    cln->handler = ngx_http_mspwh_idle_cleanup;

    return NGX_OK;
}


/* OpenSSL before 3.0.3 keeps the state of an HMAC that is begun anew */

static ngx_uint_t
ngx_http_mspwh_can_reset(ngx_http_mspwh_key_t *key)
{
    int               match;
    ngx_uint_t        i;
    mspwh_verifier_t  verifier;

    verifier.nmacs = 0;
    match = -1;

    if (mspwh_verifier_add(&verifier, key->mac) == 0) {

        for (i = 0; i < 2; i++) {
            if (mspwh_verifier_update(&verifier, "x", i ? 0 : 1) != 0
                || mspwh_verifier_final(&verifier, key->fingerprint, &match)
                   != 0
                || mspwh_verifier_reset(&verifier) != 0)
            {
                match = -1;
                break;
            }
        }
    }

    mspwh_verifier_cleanup(&verifier);
    ERR_clear_error();

    return match == 0;
}


static void
ngx_http_mspwh_idle_cleanup(void *data)
{
    ngx_http_mspwh_idle_t *idle = data;

    while (idle->nverifiers > 0) {
        mspwh_verifier_cleanup(&idle->verifiers[--idle->nverifiers]);
    }
}


ngx_uint_t
ngx_http_mspwh_same_keys(ngx_array_t *one, ngx_array_t *two)
{
    ngx_uint_t             i;
    ngx_http_mspwh_key_t  *a, *b;

    if (one == two) {
        return 1;
    }

    if (one == NULL || two == NULL) {
        return 0;
    }

    if (one->nelts != two->nelts) {
        return 0;
    }

    a = one->elts;
    b = two->elts;

    for (i = 0; i < one->nelts; i++) {
        if (a[i].id.len != b[i].id.len
            || ngx_memcmp(a[i].id.data, b[i].id.data, a[i].id.len) != 0
            || ngx_memcmp(a[i].fingerprint, b[i].fingerprint,
                          MSPWH_DIGEST_LENGTH)
               != 0)
        {
            return 0;
        }
    }

    return 1;
}
