
#include "ngx_http_mspwh_store_connection.h"


static ngx_int_t ngx_http_mspwh_store_connect(
    ngx_http_mspwh_store_connection_t *connection);
static void ngx_http_mspwh_store_connected(ngx_event_t *ev);
#if (NGX_HTTP_SSL)
static ngx_int_t ngx_http_mspwh_store_start_ssl(
    ngx_http_mspwh_store_connection_t *connection);
static void ngx_http_mspwh_store_handshake(ngx_connection_t *c);
static const char *ngx_http_mspwh_store_check_ssl(ngx_connection_t *c,
    ngx_http_mspwh_store_connection_t *connection);
#endif
static void ngx_http_mspwh_store_is_open(
    ngx_http_mspwh_store_connection_t *connection);
static void ngx_http_mspwh_store_read_handler(ngx_event_t *ev);
static void ngx_http_mspwh_store_write_handler(ngx_event_t *ev);
static void ngx_http_mspwh_store_empty_handler(ngx_event_t *ev);
static void ngx_http_mspwh_store_say(
    ngx_http_mspwh_store_connection_t *connection, const char *call,
    ngx_err_t err);
static void ngx_http_mspwh_store_fail(
    ngx_http_mspwh_store_connection_t *connection,
    ngx_http_mspwh_store_cause_e cause);


ngx_int_t
ngx_http_mspwh_store_open(ngx_http_mspwh_store_connection_t *connection,
    ngx_http_mspwh_store_address_t *address)
{
    ngx_peer_connection_t  *pc;

    connection->log = *ngx_cycle->log;
    connection->log.log_level = ngx_min(connection->log.log_level,
                                        NGX_LOG_ALERT);

    pc = &connection->peer;

    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = address->sockaddr;
    pc->socklen = address->socklen;
    pc->name = &address->name;
    pc->get = ngx_event_get_peer;
    pc->log = &connection->log;
    pc->log_error = NGX_ERROR_ERR;
    pc->so_keepalive = 1;

    return ngx_http_mspwh_store_connect(connection);
}


static ngx_int_t
ngx_http_mspwh_store_connect(ngx_http_mspwh_store_connection_t *connection)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    pc = &connection->peer;

    ngx_set_errno(0);

    rc = ngx_event_connect_peer(pc);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_http_mspwh_store_say(connection, "connect()", ngx_socket_errno);
        ngx_http_mspwh_store_close(connection);
        return NGX_ERROR;
    }

    c = pc->connection;

    c->data = connection;
    c->pool = ngx_create_pool(512, &connection->log);

    if (c->pool == NULL
        || (pc->sockaddr->sa_family != AF_UNIX
            && ngx_tcp_nodelay(c) != NGX_OK))
    {
        ngx_http_mspwh_store_say(connection, "nginx", ngx_errno);
        ngx_http_mspwh_store_close(connection);
        return NGX_ERROR;
    }

    c->read->handler = ngx_http_mspwh_store_connected;
    c->write->handler = ngx_http_mspwh_store_connected;

    /* same path as for a delayed connect(): a connected socket is writable */

    if (rc == NGX_OK) {
        ngx_post_event(c->write, &ngx_posted_events);
    }

    return NGX_OK;
}


static void
ngx_http_mspwh_store_connected(ngx_event_t *ev)
{
    int                                 err;
    socklen_t                           len;
    ngx_connection_t                   *c;
    ngx_http_mspwh_store_connection_t  *connection;

    c = ev->data;
    connection = c->data;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err != 0) {
        ngx_http_mspwh_store_say(connection, "connect()", err);
        ngx_http_mspwh_store_fail(connection, NGX_HTTP_MSPWH_STORE_CONNECT);
        return;
    }

    /* not connected yet: woken by a timer, or by the read event alone */

    if (!c->write->ready) {
        return;
    }

#if (NGX_HTTP_SSL)
    if (connection->conf->ssl_ctx != NULL) {
        if (ngx_http_mspwh_store_start_ssl(connection) != NGX_OK) {
            ngx_http_mspwh_store_say(connection, "TLS", 0);
            ngx_http_mspwh_store_fail(connection,
                                      NGX_HTTP_MSPWH_STORE_CONNECT);
        }

        return;
    }
#endif

    ngx_http_mspwh_store_is_open(connection);
}


#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_http_mspwh_store_start_ssl(ngx_http_mspwh_store_connection_t *connection)
{
    ngx_int_t                     rc;
    ngx_connection_t             *c;
    ngx_http_mspwh_store_conf_t  *conf;

    c = connection->peer.connection;
    conf = connection->conf;

    if (ngx_ssl_create_connection(conf->ssl_ctx, c, NGX_SSL_CLIENT) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->ssl_name.len
        && SSL_set_tlsext_host_name(c->ssl->connection,
                                    (char *) conf->ssl_name.data)
           == 0)
    {
        return NGX_ERROR;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_http_mspwh_store_handshake;
        return NGX_OK;
    }

    ngx_http_mspwh_store_handshake(c);

    return NGX_OK;
}


static void
ngx_http_mspwh_store_handshake(ngx_connection_t *c)
{
    const char                         *wrong;
    ngx_http_mspwh_store_connection_t  *connection;

    connection = c->data;

    wrong = ngx_http_mspwh_store_check_ssl(c, connection);

    if (wrong == NULL) {
        ngx_http_mspwh_store_is_open(connection);
        return;
    }

    ngx_snprintf(connection->text, NGX_HTTP_MSPWH_STORE_TEXT, "TLS: %s%Z",
                 wrong);

    ngx_http_mspwh_store_fail(connection, NGX_HTTP_MSPWH_STORE_CONNECT);
}


/* returns what is wrong, or NULL */

static const char *
ngx_http_mspwh_store_check_ssl(ngx_connection_t *c,
    ngx_http_mspwh_store_connection_t *connection)
{
    long                          rc;
    ngx_str_t                    *name;
    ngx_http_mspwh_store_conf_t  *conf;

    conf = connection->conf;

    if (!c->ssl->handshaked) {
        return "the handshake has failed";
    }

    if (!conf->ssl_verify) {
        return NULL;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        return X509_verify_cert_error_string(rc);
    }

    name = conf->ssl_name.len ? &conf->ssl_name : &connection->name;

    if (ngx_ssl_check_host(c, name) != NGX_OK) {
        return "the certificate is for another name";
    }

    return NULL;
}

#endif


static void
ngx_http_mspwh_store_is_open(ngx_http_mspwh_store_connection_t *connection)
{
    ngx_connection_t  *c;

    c = connection->peer.connection;

    c->read->handler = ngx_http_mspwh_store_read_handler;
    c->write->handler = ngx_http_mspwh_store_write_handler;

    connection->opened(connection->data);
}


/* nginx also calls it to close idle connections: this one stays open */

static void
ngx_http_mspwh_store_read_handler(ngx_event_t *ev)
{
    ngx_connection_t                   *c;
    ngx_http_mspwh_store_connection_t  *connection;

    c = ev->data;
    connection = c->data;

    connection->readable(connection->data);
}


static void
ngx_http_mspwh_store_write_handler(ngx_event_t *ev)
{
    ngx_connection_t                   *c;
    ngx_http_mspwh_store_connection_t  *connection;

    c = ev->data;
    connection = c->data;

    connection->writable(connection->data);
}


static void
ngx_http_mspwh_store_empty_handler(ngx_event_t *ev)
{
    /* void */
}


ssize_t
ngx_http_mspwh_store_recv(ngx_http_mspwh_store_connection_t *connection,
    u_char *p, size_t size)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = connection->peer.connection;

    n = c->recv(c, p, size);

    if (n > 0) {
        return n;
    }

    if (n == NGX_AGAIN) {
        if (ngx_handle_read_event(c->read, 0) == NGX_OK) {
            return 0;
        }

        n = NGX_ERROR;
    }

    if (n == 0) {
        ngx_snprintf(connection->text, NGX_HTTP_MSPWH_STORE_TEXT,
                     "it has closed the connection%Z");

    } else {
        ngx_http_mspwh_store_say(connection, "recv()", ngx_socket_errno);
    }

    return NGX_ERROR;
}


ssize_t
ngx_http_mspwh_store_send(ngx_http_mspwh_store_connection_t *connection,
    u_char *p, size_t size)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = connection->peer.connection;

    n = c->send(c, p, size);

    if (n >= 0) {
        return n;
    }

    if (n == NGX_AGAIN && ngx_handle_write_event(c->write, 0) == NGX_OK) {
        return 0;
    }

    ngx_http_mspwh_store_say(connection, "send()", ngx_socket_errno);

    return NGX_ERROR;
}


void
ngx_http_mspwh_store_close(ngx_http_mspwh_store_connection_t *connection)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = connection->peer.connection;

    if (c == NULL) {
        return;
    }

    connection->peer.connection = NULL;

    /* the TLS shutdown may call these */

    c->read->handler = ngx_http_mspwh_store_empty_handler;
    c->write->handler = ngx_http_mspwh_store_empty_handler;

#if (NGX_HTTP_SSL)
    if (c->ssl != NULL) {
        c->ssl->no_wait_shutdown = 1;
        (void) ngx_ssl_shutdown(c);
    }
#endif

    pool = c->pool;

    ngx_close_connection(c);

    if (pool != NULL) {
        ngx_destroy_pool(pool);
    }
}


static void
ngx_http_mspwh_store_say(ngx_http_mspwh_store_connection_t *connection,
    const char *call, ngx_err_t err)
{
    u_char  *p, *last;

    p = connection->text;
    last = p + NGX_HTTP_MSPWH_STORE_TEXT - 1;

    p = ngx_slprintf(p, last, "%s failed", call);

    if (err != 0) {
        p = ngx_slprintf(p, last, " (%d: ", err);
        p = ngx_strerror(err, p, last - p);
        p = ngx_slprintf(p, last, ")");
    }

    *p = '\0';
}


static void
ngx_http_mspwh_store_fail(ngx_http_mspwh_store_connection_t *connection,
    ngx_http_mspwh_store_cause_e cause)
{
    ngx_http_mspwh_store_close(connection);

    connection->failed(connection->data, cause,
                       (const char *) connection->text);
}
