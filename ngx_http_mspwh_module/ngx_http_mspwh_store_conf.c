
#include "ngx_http_mspwh_store_conf.h"
#include "ngx_http_mspwh_secret_file.h"

#include "mspwh_resp.h"
#include "mspwh_signature.h"


#define NGX_HTTP_MSPWH_STORE_TIMEOUT  200

/* certificates between the store's and the trusted one */
#define NGX_HTTP_MSPWH_STORE_CHAIN    4


static ngx_int_t ngx_http_mspwh_store_user(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *user);
static ngx_int_t ngx_http_mspwh_store_hello(ngx_conf_t *cf,
    ngx_http_mspwh_store_conf_t *store, ngx_str_t *user, ngx_str_t *password);
static ngx_http_mspwh_store_conf_t *ngx_http_mspwh_store_level(
    ngx_conf_t *cf, void *conf);
#if (NGX_HTTP_SSL)
static char *ngx_http_mspwh_store_flag(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_flag_t *flag);
static char *ngx_http_mspwh_store_word(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *text, const char *allowed);
static char *ngx_http_mspwh_store_merge_ssl(ngx_conf_t *cf,
    ngx_http_mspwh_store_conf_t *prev, ngx_http_mspwh_store_conf_t *conf);
static char *ngx_http_mspwh_store_create_ssl(ngx_conf_t *cf,
    ngx_http_mspwh_store_conf_t *conf);
#endif
static ngx_int_t ngx_http_mspwh_store_add_server(ngx_array_t *addresses,
    ngx_addr_t *addrs, ngx_uint_t naddrs);
static ngx_int_t ngx_http_mspwh_store_resolve(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *upstream, ngx_array_t *addresses);


static ngx_conf_enum_t  ngx_http_mspwh_store_flags[] = {
    { ngx_string("on"), 1 },
    { ngx_string("off"), 0 },
    { ngx_null_string, 0 }
};


char *
ngx_http_mspwh_store_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                         *rv;
    u_char                        buf[NGX_HTTP_MSPWH_SECRET_BUFFER];
    ngx_str_t                     user, password;
    ngx_http_mspwh_store_conf_t  *store;

    store = ngx_http_mspwh_store_level(cf, conf);
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    if (store->hello.data != NULL) {
        return "is duplicate";
    }

    if (ngx_http_mspwh_store_user(cf, cmd, &user) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_mspwh_read_secret(cf, cmd, buf, &password);

    if (rv == NGX_CONF_OK
        && ngx_http_mspwh_store_hello(cf, store, &user, &password) != NGX_OK)
    {
        rv = NGX_CONF_ERROR;
    }

    mspwh_cleanse(buf, sizeof(buf));

    return rv;
}


static ngx_int_t
ngx_http_mspwh_store_user(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *user)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 2) {
        ngx_str_set(user, "default");
        return NGX_OK;
    }

    if (value[2].len > 5 && ngx_strncmp(value[2].data, "user=", 5) == 0) {
        user->data = value[2].data + 5;
        user->len = value[2].len - 5;

        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"%V\" directive, "
                       "it must be \"user=name\"", &value[2], &cmd->name);

    return NGX_ERROR;
}


/* HELLO 2 [AUTH user password]; the password is kept nowhere else */

static ngx_int_t
ngx_http_mspwh_store_hello(ngx_conf_t *cf, ngx_http_mspwh_store_conf_t *store,
    ngx_str_t *user, ngx_str_t *password)
{
    char    *p;
    size_t   size;

    size = MSPWH_RESP_HEAD + 3 * mspwh_resp_size(5);

    if (user != NULL) {
        size += mspwh_resp_size(user->len) + mspwh_resp_size(password->len);
    }

    p = ngx_pnalloc(cf->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    store->hello.data = (u_char *) p;

    p = mspwh_resp_array(p, user ? 5 : 2);
    p = mspwh_resp_string(p, "HELLO", 5);
    p = mspwh_resp_string(p, "2", 1);

    if (user != NULL) {
        p = mspwh_resp_string(p, "AUTH", 4);
        p = mspwh_resp_string(p, user->data, user->len);
        p = mspwh_resp_string(p, password->data, password->len);
    }

    store->hello.len = (u_char *) p - store->hello.data;

    return NGX_OK;
}


char *
ngx_http_mspwh_store_timeout(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                     n;
    ngx_str_t                    *value;
    ngx_http_mspwh_store_conf_t  *store;

    store = ngx_http_mspwh_store_level(cf, conf);
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    if (store->timeout != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_parse_time(&value[1], 0);

    if (n == NGX_ERROR || n == 0 || n > 60000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"%V\" directive, it must "
                           "be from \"1ms\" to \"60s\"", &value[1],
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    store->timeout = (ngx_msec_t) n;

    return NGX_CONF_OK;
}


#if (NGX_HTTP_SSL)

char *
ngx_http_mspwh_store_ssl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_store_conf_t  *store;

    store = ngx_http_mspwh_store_level(cf, conf);
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    store->ssl_place = ngx_http_mspwh_place(cf);

    return store->ssl_place ? ngx_http_mspwh_store_flag(cf, cmd, &store->ssl)
                            : NGX_CONF_ERROR;
}


char *
ngx_http_mspwh_store_ssl_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_mspwh_store_conf_t  *store;

    store = ngx_http_mspwh_store_level(cf, conf);

    return store ? ngx_http_mspwh_store_flag(cf, cmd, &store->ssl_verify)
                 : NGX_CONF_ERROR;
}


char *
ngx_http_mspwh_store_ssl_name(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_store_conf_t  *store;

    store = ngx_http_mspwh_store_level(cf, conf);

    return store ? ngx_http_mspwh_store_word(cf, cmd, &store->ssl_name,
                                             "the name in the store's "
                                             "certificate")
                 : NGX_CONF_ERROR;
}


char *
ngx_http_mspwh_store_ssl_trusted_certificate(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_store_conf_t  *store;

    store = ngx_http_mspwh_store_level(cf, conf);

    return store ? ngx_http_mspwh_store_word(cf, cmd,
                                             &store->ssl_trusted_certificate,
                                             "a file in PEM format")
                 : NGX_CONF_ERROR;
}


static char *
ngx_http_mspwh_store_flag(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_flag_t *flag)
{
    ngx_str_t        *value;
    ngx_conf_enum_t  *e;

    if (*flag != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    e = ngx_http_mspwh_find_enum(ngx_http_mspwh_store_flags, &value[1]);

    if (e == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, "
                           "it must be \"on\" or \"off\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    *flag = (ngx_flag_t) e->value;

    return NGX_CONF_OK;
}


static char *
ngx_http_mspwh_store_word(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *text, const char *allowed)
{
    ngx_str_t  *value;

    if (text->data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty word \"\" in \"%V\" directive, "
                           "it must be %s", &cmd->name, allowed);
        return NGX_CONF_ERROR;
    }

    *text = value[1];

    return NGX_CONF_OK;
}

#endif


char *
ngx_http_mspwh_merge_store(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    ngx_http_mspwh_store_conf_t  *store, *above;

    above = NULL;

    if (prev != NULL) {
        if (ngx_http_mspwh_merge_store(cf, NULL, prev) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        above = prev->store;

        if (conf->store == NULL) {
            conf->store = above;
        }
    }

    store = ngx_http_mspwh_store_level(cf, conf);
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    if (store->merged) {
        return NGX_CONF_OK;
    }

    store->merged = 1;

    ngx_conf_merge_msec_value(store->timeout,
                              above ? above->timeout : NGX_CONF_UNSET_MSEC,
                              NGX_HTTP_MSPWH_STORE_TIMEOUT);

    if (store->hello.data == NULL && above != NULL) {
        store->hello = above->hello;
    }

    if (store->hello.data == NULL
        && ngx_http_mspwh_store_hello(cf, store, NULL, NULL) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

#if (NGX_HTTP_SSL)
    return ngx_http_mspwh_store_merge_ssl(cf, above, store);
#else
    return NGX_CONF_OK;
#endif
}


static ngx_http_mspwh_store_conf_t *
ngx_http_mspwh_store_level(ngx_conf_t *cf, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    if (mlcf->store != NULL) {
        return mlcf->store;
    }

    mlcf->store = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_store_conf_t));
    if (mlcf->store == NULL) {
        return NULL;
    }

    mlcf->store->timeout = NGX_CONF_UNSET_MSEC;
#if (NGX_HTTP_SSL)
    mlcf->store->ssl = NGX_CONF_UNSET;
    mlcf->store->ssl_verify = NGX_CONF_UNSET;
#endif

    return mlcf->store;
}


#if (NGX_HTTP_SSL)

static char *
ngx_http_mspwh_store_merge_ssl(ngx_conf_t *cf,
    ngx_http_mspwh_store_conf_t *prev, ngx_http_mspwh_store_conf_t *conf)
{
    static ngx_http_mspwh_store_conf_t  none = {
        .ssl = NGX_CONF_UNSET,
        .ssl_verify = NGX_CONF_UNSET
    };

    if (prev == NULL) {
        prev = &none;
    }

    if (conf->ssl_place == NULL) {
        conf->ssl_place = prev->ssl_place;
    }

    ngx_conf_merge_value(conf->ssl, prev->ssl, 0);
    ngx_conf_merge_value(conf->ssl_verify, prev->ssl_verify, 0);
    ngx_conf_merge_str_value(conf->ssl_name, prev->ssl_name, "");
    ngx_conf_merge_str_value(conf->ssl_trusted_certificate,
                             prev->ssl_trusted_certificate, "");

    if (!conf->ssl || conf->ssl_place == NULL) {
        return NGX_CONF_OK;
    }

    if (conf->ssl_verify && conf->ssl_trusted_certificate.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"mspwh_store_ssl_trusted_certificate\" for "
                      "\"mspwh_store_ssl_verify\" of \"mspwh_store_ssl\" in "
                      "%s:%ui", conf->ssl_place->file_name,
                      conf->ssl_place->line);
        return NGX_CONF_ERROR;
    }

    if (!conf->ssl_verify) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"mspwh_store_ssl\" is on, but without "
                      "\"mspwh_store_ssl_verify on\" anybody can pretend to "
                      "be the store in %s:%ui",
                      conf->ssl_place->file_name, conf->ssl_place->line);
    }

    return ngx_http_mspwh_store_create_ssl(cf, conf);
}


static char *
ngx_http_mspwh_store_create_ssl(ngx_conf_t *cf,
    ngx_http_mspwh_store_conf_t *conf)
{
    ngx_pool_cleanup_t  *cln;

    conf->ssl_ctx = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (conf->ssl_ctx == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->ssl_ctx->log = cf->log;

    if (ngx_ssl_create(conf->ssl_ctx, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = conf->ssl_ctx;

    if (conf->ssl_verify
        && ngx_ssl_trusted_certificate(cf, conf->ssl_ctx,
                                       &conf->ssl_trusted_certificate,
                                       NGX_HTTP_MSPWH_STORE_CHAIN)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}

#endif


ngx_http_upstream_srv_conf_t *
ngx_http_mspwh_store_upstream(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *word)
{
    u_char     *last;
    ngx_url_t   u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *word;
    u.default_port = NGX_HTTP_MSPWH_STORE_PORT;
    u.no_resolve = 1;

    last = word->data + word->len;

    if (word->len == 0
        || ngx_strlchr(word->data, last, '$') != NULL
        || (ngx_strlchr(word->data, last, '/') != NULL
            && ngx_strncmp(word->data, "unix:", 5) != 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid upstream \"%V\" in \"%V\" directive, it "
                           "must be the name of an \"upstream\", an address "
                           "such as \"192.0.2.1:6379\", or \"unix:path\"",
                           word, &cmd->name);
        return NULL;
    }

    return ngx_http_upstream_add(cf, &u, 0);
}


ngx_array_t *
ngx_http_mspwh_store_addresses(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *upstream)
{
    ngx_uint_t                   i, backup;
    ngx_array_t                 *addresses;
    ngx_http_upstream_server_t  *server;

    addresses = ngx_array_create(cf->pool, 4,
                                 sizeof(ngx_http_mspwh_store_address_t));
    if (addresses == NULL) {
        return NULL;
    }

    if (upstream->servers == NULL) {
        return (ngx_http_mspwh_store_resolve(cf, upstream, addresses)
                == NGX_OK) ? addresses : NULL;
    }

    server = upstream->servers->elts;

    for (backup = 0; backup < 2; backup++) {
        for (i = 0; i < upstream->servers->nelts; i++) {
            if (server[i].backup == backup && !server[i].down
                && ngx_http_mspwh_store_add_server(addresses, server[i].addrs,
                                                   server[i].naddrs)
                   != NGX_OK)
            {
                return NULL;
            }
        }
    }

    if (addresses->nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no server with an address in upstream \"%V\" in %s:%ui",
                      &upstream->host, upstream->file_name, upstream->line);
        return NULL;
    }

    return addresses;
}


static ngx_int_t
ngx_http_mspwh_store_add_server(ngx_array_t *addresses, ngx_addr_t *addrs,
    ngx_uint_t naddrs)
{
    ngx_uint_t                       i;
    ngx_http_mspwh_store_address_t  *address;

    for (i = 0; i < naddrs; i++) {
        address = ngx_array_push(addresses);
        if (address == NULL) {
            return NGX_ERROR;
        }

        address->sockaddr = addrs[i].sockaddr;
        address->socklen = addrs[i].socklen;
        address->name = addrs[i].name;
    }

    return NGX_OK;
}


/* resolves a name without an "upstream" block, as nginx itself does */

static ngx_int_t
ngx_http_mspwh_store_resolve(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *upstream, ngx_array_t *addresses)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.host = upstream->host;
    u.port = upstream->port ? upstream->port : NGX_HTTP_MSPWH_STORE_PORT;

    if (ngx_inet_resolve_host(cf->pool, &u) != NGX_OK) {

        if (u.err != NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "%s in upstream \"%V\" in %s:%ui", u.err,
                          &upstream->host, upstream->file_name,
                          upstream->line);
        }

        return NGX_ERROR;
    }

    return ngx_http_mspwh_store_add_server(addresses, u.addrs, u.naddrs);
}
