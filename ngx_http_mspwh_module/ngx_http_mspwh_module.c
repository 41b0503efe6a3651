
#include "ngx_http_mspwh_module.h"

#include <openssl/crypto.h>
#include <openssl/err.h>


#define NGX_HTTP_MSPWH_SECRET_FILE  4096


static char *ngx_http_mspwh_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_mspwh_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_mspwh_secret_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ssize_t ngx_http_mspwh_read_secret(ngx_conf_t *cf, ngx_str_t *name,
    u_char *buf, size_t size);
static char *ngx_http_mspwh_check_secret(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *secret);
static char *ngx_http_mspwh_add_key(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_loc_conf_t *mlcf, ngx_str_t *secret);
static ngx_int_t ngx_http_mspwh_key_id(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t position, ngx_str_t *id);
static void ngx_http_mspwh_key_cleanup(void *data);
static char *ngx_http_mspwh_signature_header(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_mspwh_envelope_size(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_mspwh_field(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_mspwh_add_pointer(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_fields_t *fields, ngx_uint_t role, ngx_str_t *text);

static void *ngx_http_mspwh_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_mspwh_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_mspwh_init(ngx_conf_t *cf);


static ngx_conf_enum_t  ngx_http_mspwh_modes[] = {
    { ngx_string("off"), NGX_HTTP_MSPWH_OFF },
    { ngx_string("on"), NGX_HTTP_MSPWH_ON },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_mspwh_malformed[] = {
    { ngx_string("reject"), NGX_HTTP_MSPWH_REJECT },
    { ngx_string("pass"), NGX_HTTP_MSPWH_PASS },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_mspwh_roles[] = {
    { ngx_string("event_type"), MSPWH_ROLE_EVENT_TYPE },
    { ngx_string("entity_id"), MSPWH_ROLE_ENTITY_ID },
    { ngx_string("ticket_id"), MSPWH_ROLE_TICKET_ID },
    { ngx_string("response_type"), MSPWH_ROLE_RESPONSE_TYPE },
    { ngx_null_string, 0 }
};


#define NGX_HTTP_MSPWH_ANY_CONF                                               \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)


static ngx_command_t  ngx_http_mspwh_commands[] = {

    { ngx_string("mspwh"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mspwh_loc_conf_t, enable),
      ngx_http_mspwh_modes },

    { ngx_string("mspwh_secret"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_mspwh_secret,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_secret_file"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_mspwh_secret_file,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_signature_header"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_signature_header,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_field"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_2MORE,
      ngx_http_mspwh_field,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mspwh_malformed"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mspwh_loc_conf_t, malformed),
      ngx_http_mspwh_malformed },

    { ngx_string("mspwh_envelope_size"),
      NGX_HTTP_MSPWH_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_mspwh_envelope_size,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_mspwh_module_ctx = {
    ngx_http_mspwh_add_variables,          /* preconfiguration */
    ngx_http_mspwh_init,                   /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_mspwh_create_loc_conf,        /* create location configuration */
    ngx_http_mspwh_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_mspwh_module = {
    NGX_MODULE_V1,
    &ngx_http_mspwh_module_ctx,            /* module context */
    ngx_http_mspwh_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* nginx's own slot does not say what is allowed */

static char *
ngx_http_mspwh_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t        *value;
    ngx_uint_t        i, *np;
    ngx_conf_enum_t  *e;

    np = (ngx_uint_t *) (p + cmd->offset);

    if (*np != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    e = cmd->post;

    for (i = 0; e[i].name.len != 0; i++) {
        if (e[i].name.len == value[1].len
            && ngx_strncmp(e[i].name.data, value[1].data, value[1].len) == 0)
        {
            *np = e[i].value;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, "
                       "it must be \"%V\" or \"%V\"",
                       &value[1], &cmd->name, &e[1].name, &e[0].name);

    return NGX_CONF_ERROR;
}


static char *
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


static char *
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
    size_t                 len;
    ngx_str_t              id;
    ngx_uint_t             i, n;
    EVP_MAC_CTX           *mac;
    ngx_pool_cleanup_t    *cln;
    ngx_http_mspwh_key_t   key, *keys;

    if (mlcf->keys == NGX_CONF_UNSET_PTR) {
        mlcf->keys = ngx_array_create(cf->pool, 2,
                                      sizeof(ngx_http_mspwh_key_t));
        if (mlcf->keys == NULL) {
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

    if (ngx_http_mspwh_key_id(cf, cmd, n + 1, &id) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    key.id = id;
    key.mac = mspwh_signature_key(secret->data, secret->len);

    if (key.mac == NULL) {
        goto failed;
    }

    cln->handler = ngx_http_mspwh_key_cleanup;
    cln->data = key.mac;

    mac = EVP_MAC_CTX_dup(key.mac);
    if (mac == NULL) {
        goto failed;
    }

    i = EVP_MAC_final(mac, key.fingerprint, &len, MSPWH_DIGEST_LENGTH);

    EVP_MAC_CTX_free(mac);

    if (i != 1) {
        goto failed;
    }

    keys = mlcf->keys->elts;

    for (i = 0; i < n; i++) {
        if (ngx_memcmp(keys[i].fingerprint, key.fingerprint,
                       MSPWH_DIGEST_LENGTH)
            == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated secret in \"%V\" directive: "
                               "\"%V\" and \"%V\" are the same, "
                               "each must be another",
                               &cmd->name, &keys[i].id, &id);
            return NGX_CONF_ERROR;
        }

        if (keys[i].id.len == id.len
            && ngx_strncmp(keys[i].id.data, id.data, id.len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "repeated id \"%V\" in \"%V\" directive, "
                               "each secret must have another",
                               &id, &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    keys = ngx_array_push(mlcf->keys);
    if (keys == NULL) {
        return NGX_CONF_ERROR;
    }

    *keys = key;

    return NGX_CONF_OK;

failed:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" directive: OpenSSL cannot set up HMAC-SHA256",
                       &cmd->name);
    ERR_clear_error();

    return NGX_CONF_ERROR;
}


/* what "id=" says, or the position */

static ngx_int_t
ngx_http_mspwh_key_id(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t position, ngx_str_t *id)
{
    size_t      i;
    u_char      ch;
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

    /* it is shown in headers and URIs */

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9')
            || (i > 0 && ngx_strchr("._~:-", ch) != NULL))
        {
            continue;
        }

        break;
    }

    if (id->len == 0 || id->len > MSPWH_EVENT_ID || i < id->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid id \"%V\" in \"%V\" directive, it must be "
                           "up to %d letters, digits and \"._~:-\", "
                           "and begin with a letter or a digit",
                           &value[2], &cmd->name, MSPWH_EVENT_ID);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_mspwh_key_cleanup(void *data)
{
    EVP_MAC_CTX_free(data);
}


static char *
ngx_http_mspwh_signature_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    size_t      i;
    u_char      ch;
    ngx_str_t  *value;

    if (mlcf->header.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    /* RFC 9110, section 5.6.2: a token */

    for (i = 0; i < value[1].len; i++) {
        ch = value[1].data[i];

        if (ch <= ' ' || ch >= 0x7f
            || ngx_strchr("\"(),/:;<=>?@[\\]{}", ch) != NULL)
        {
            break;
        }
    }

    if (value[1].len == 0 || i < value[1].len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid header name \"%V\" in \"%V\" directive, "
                           "it must be letters, digits and hyphens",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    mlcf->header = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_envelope_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (mlcf->envelope_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" in \"%V\" directive, "
                           "it must be a number of bytes above 0, "
                           "such as \"64k\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    mlcf->envelope_size = (size_t) size;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_field(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_uint_t                i, role;
    ngx_http_mspwh_fields_t  *fields;

    value = cf->args->elts;

    for (i = 0; ngx_http_mspwh_roles[i].name.len != 0; i++) {
        if (ngx_strcmp(ngx_http_mspwh_roles[i].name.data, value[1].data) == 0)
        {
            break;
        }
    }

    if (ngx_http_mspwh_roles[i].name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid role \"%V\" in \"%V\" directive, it must "
                           "be \"event_type\", \"entity_id\", \"ticket_id\" "
                           "or \"response_type\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    role = ngx_http_mspwh_roles[i].value;

    if (mlcf->fields == NGX_CONF_UNSET_PTR) {
        mlcf->fields = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_fields_t));
        if (mlcf->fields == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    fields = mlcf->fields;

    if (fields->pointers[role].elts != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "repeated role \"%V\" in \"%V\" directive, "
                           "all its pointers must be in one",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_array_init(&fields->pointers[role], cf->pool, cf->args->nelts - 2,
                       sizeof(mspwh_pointer_t *))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_http_mspwh_add_pointer(cf, cmd, fields, role, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    fields->fields.roles[role].npointers = fields->pointers[role].nelts;
    fields->fields.roles[role].pointers = fields->pointers[role].elts;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_add_pointer(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_mspwh_fields_t *fields, ngx_uint_t role, ngx_str_t *text)
{
    ngx_uint_t                 i;
    mspwh_pointer_t           *pointer, **elt;
    ngx_pool_cleanup_t        *cln;
    mspwh_scanner_pointers_t  *scanner;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    if (mspwh_pointer_parse((char *) text->data, text->len, &pointer) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid JSON pointer \"%V\" in \"%V\" directive, "
                           "it must be of up to %d parts with \"/\" before "
                           "each, and \"~\" only in \"~0\" and \"~1\"",
                           text, &cmd->name, MSPWH_POINTER_TOKENS);
        return NGX_CONF_ERROR;
    }

    if (pointer == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = free;
    cln->data = pointer;

    /* cannot fail: the array has been made of the size */

    elt = ngx_array_push(&fields->pointers[role]);
    if (elt == NULL) {
        return NGX_CONF_ERROR;
    }

    *elt = pointer;

    for (i = 0; i < pointer->ntokens; i++) {
        if (pointer->tokens[i].index != MSPWH_POINTER_NO_INDEX) {
            break;
        }
    }

    if (i == pointer->ntokens) {
        return NGX_CONF_OK;
    }

    scanner = &fields->scanner;

    if (scanner->npointers == MSPWH_SCANNER_POINTERS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many JSON pointers into arrays in \"%V\" "
                           "directive at \"%V\", there may be %d at a level",
                           &cmd->name, text, MSPWH_SCANNER_POINTERS);
        return NGX_CONF_ERROR;
    }

    scanner->pointers[scanner->npointers++] = pointer;

    return NGX_CONF_OK;
}


static void *
ngx_http_mspwh_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_mspwh_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->header = { 0, NULL };
     */

    conf->enable = NGX_CONF_UNSET_UINT;
    conf->malformed = NGX_CONF_UNSET_UINT;
    conf->keys = NGX_CONF_UNSET_PTR;
    conf->fields = NGX_CONF_UNSET_PTR;
    conf->envelope_size = NGX_CONF_UNSET_SIZE;

    return conf;
}


static char *
ngx_http_mspwh_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_mspwh_loc_conf_t *prev = parent;
    ngx_http_mspwh_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    ngx_conf_merge_uint_value(conf->enable, prev->enable,
                              NGX_HTTP_MSPWH_OFF);
    ngx_conf_merge_uint_value(conf->malformed, prev->malformed,
                              NGX_HTTP_MSPWH_REJECT);
    ngx_conf_merge_ptr_value(conf->keys, prev->keys, NULL);
    ngx_conf_merge_ptr_value(conf->fields, prev->fields, NULL);
    ngx_conf_merge_size_value(conf->envelope_size, prev->envelope_size,
                              64 * 1024);
    ngx_conf_merge_str_value(conf->header, prev->header,
                             "X-Webhook-Signature");

    if (conf->enable != NGX_HTTP_MSPWH_ON || conf->keys != NULL) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->name.len != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mspwh\" is \"on\" in location \"%V\", "
                           "but there is no \"mspwh_secret\" "
                           "or \"mspwh_secret_file\"", &clcf->name);

    } else {
        cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mspwh\" is \"on\" in server \"%V\" "
                           "at %s:%ui, but there is no \"mspwh_secret\" "
                           "or \"mspwh_secret_file\"", &cscf->server_name,
                           cscf->file_name, cscf->line);
    }

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_mspwh_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_mspwh_handler;

    ngx_http_mspwh_next_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_mspwh_body_filter;

    ngx_http_mspwh_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_mspwh_header_filter;

    return NGX_OK;
}
