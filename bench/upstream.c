
/*
 * The upstream behind every peer: reads a request to its end, without looking
 * at the body, and answers 200.  nginx's "return 200" would answer before the
 * body has arrived; a proxy would then drop the connection and the rest of the
 * body.
 */


#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "head.h"
#include "upstream.h"


#define HEAD   16384
#define DRAIN  (1 << 20)


typedef struct {
    int        fd;
    size_t     length;
    long long  body;            /* bytes to come, or -1 in the head */
    char       head[HEAD + 1];
} connection_t;


long        upstream_connections, upstream_requests;

static int  epoll, listener;


static void
fail(const char *what)
{
    fprintf(stderr, "upstream: %s: %s\n", what, strerror(errno));
    exit(1);
}


static int
listen_on(int port)
{
    int                 fd, one = 1;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    if (fd == -1 || bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 128) == -1)
    {
        fail("listen");
    }

    return fd;
}


static void
accept_connection(void)
{
    int                 one = 1;
    connection_t       *c;
    struct epoll_event  event;

    c = malloc(sizeof(connection_t));

    if (c == NULL) {
        fail("malloc");
    }

    c->fd = accept(listener, NULL, NULL);

    if (c->fd == -1) {
        free(c);
        return;
    }

    c->length = 0;
    c->body = -1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    event.events = EPOLLIN;
    event.data.ptr = c;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) == -1) {
        fail("epoll_ctl");
    }

    upstream_connections++;
}


static void
answer(connection_t *c)
{
    static const char  text[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    upstream_requests++;

    if (send(c->fd, text, sizeof(text) - 1, MSG_NOSIGNAL)
        != (ssize_t) sizeof(text) - 1)
    {
        shutdown(c->fd, SHUT_RDWR);
    }

    c->length = 0;
    c->body = -1;
}


/* There is only one request at a time, and the proxies send a length. */

static void
parse_head(connection_t *c)
{
    c->body = head_end(c->head, c->length);

    if (c->body == -1 && c->length == HEAD) {
        shutdown(c->fd, SHUT_RDWR);
    }
}


static int
receive(connection_t *c)
{
    int      one = 1;
    ssize_t  n;

    /* MSG_TRUNC takes the bytes without a copy */

    n = c->body > 0 ? recv(c->fd, NULL, DRAIN, MSG_TRUNC)
                    : recv(c->fd, c->head + c->length, HEAD - c->length, 0);

    if (n <= 0) {
        close(c->fd);
        free(c);
        return 0;
    }

    /* nginx leaves Nagle's algorithm on here: a delayed ACK costs 40 ms */

    setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));

    if (c->body > 0) {
        c->body -= n;

    } else {
        c->length += n;
        parse_head(c);
    }

    return c->body == 0;
}


void
upstream_open(int port)
{
    struct epoll_event  event;

    listener = listen_on(port);
    epoll = epoll_create1(0);
    event.events = EPOLLIN;
    event.data.ptr = NULL;

    if (epoll == -1
        || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == -1)
    {
        fail("epoll");
    }
}


void
upstream_run(int timeout)
{
    int                 i, n;
    struct epoll_event  events[64];

    n = epoll_wait(epoll, events, 64, timeout);

    for (i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL) {
            accept_connection();

        } else if (receive(events[i].data.ptr)) {
            answer(events[i].data.ptr);
        }
    }
}
