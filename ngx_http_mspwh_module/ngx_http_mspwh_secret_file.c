
#include "ngx_http_mspwh_secret_file.h"


static ssize_t ngx_http_mspwh_secret_bytes(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name, u_char *buf);
static char *ngx_http_mspwh_check_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name, ngx_str_t *secret);
static void ngx_http_mspwh_warn_secret_file(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name, ngx_str_t *secret);


char *
ngx_http_mspwh_read_secret(ngx_conf_t *cf, ngx_command_t *cmd, u_char *buf,
    ngx_str_t *secret)
{
    ssize_t     n;
    ngx_str_t  *value, name;

    value = cf->args->elts;
    name = value[1];

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_mspwh_secret_bytes(cf, cmd, &name, buf);
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

    secret->len = (size_t) n;
    secret->data = buf;

    if (ngx_http_mspwh_check_secret(cf, cmd, &name, secret) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_mspwh_warn_secret_file(cf, cmd, &name, secret);

    return NGX_CONF_OK;
}


static ssize_t
ngx_http_mspwh_secret_bytes(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name, u_char *buf)
{
    ssize_t          n;
    ngx_file_t       file;
    ngx_file_info_t  fi;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *name;
    file.log = cf->log;

    /* nonblocking, in case the path is a pipe without a writer */

    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\": " ngx_open_file_n " \"%V\" failed",
                           &cmd->name, name);
        return NGX_ERROR;
    }

    n = NGX_ERROR;

    if (ngx_fd_info(file.fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\": " ngx_fd_info_n " \"%V\" failed",
                           &cmd->name, name);

    } else if (!ngx_is_file(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": \"%V\" is not a regular file",
                           &cmd->name, name);

    } else {
        if (ngx_file_access(&fi) & (S_IRGRP|S_IROTH)) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"%V\": \"%V\" can be read by group or "
                               "others, it should have mode 0600",
                               &cmd->name, name);
        }

        /* the buffer takes one byte too many, which shows a file too large */

        n = ngx_read_file(&file, buf, NGX_HTTP_MSPWH_SECRET_BUFFER, 0);
    }

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    return n;
}


static char *
ngx_http_mspwh_check_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name, ngx_str_t *secret)
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
                       "\"%V\": \"%V\" %s", &cmd->name, name, reason);

    return NGX_CONF_ERROR;
}


/* an editor may have added bytes that the sender's secret does not have */

static void
ngx_http_mspwh_warn_secret_file(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name, ngx_str_t *secret)
{
    u_char  first, last;

    if (secret->len >= 3 && ngx_memcmp(secret->data, "\xef\xbb\xbf", 3) == 0) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\": \"%V\" begins with a byte order mark, "
                           "which is part of the secret",
                           &cmd->name, name);
    }

    first = secret->data[0];
    last = secret->data[secret->len - 1];

    if (first == ' ' || first == '\t' || last == ' ' || last == '\t') {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\": \"%V\" begins or ends with a blank, "
                           "which is part of the secret",
                           &cmd->name, name);
    }
}
