
/*
 * Sends the same request, a file that holds its head and its body, again and
 * again over keepalive connections, and reports statuses and latencies.
 *
 * With -k, the file holds so many requests of the same length, which are sent
 * in turn, starting with number -o.
 *
 * With -b, it is also the upstream, in the same loop, and never sleeps: a
 * server pays for waking up a core that sleeps, so that its CPU time would
 * depend on how busy the other core is.  With -b alone, it is only the
 * upstream.
 */


#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "head.h"
#include "upstream.h"


#define CONNECTIONS  64
#define LATENCIES    (1 << 20)
#define HEAD         8192
#define PIECE        16384
#define SECOND       1000000000LL


typedef struct {
    int        fd;
    int        busy;
    int64_t    start;           /* of the request */
    int64_t    next;            /* when the next one may start */
    char      *request;
    size_t     sent;
    int        in_body;
    int        status;
    int        closes;
    long long  body;            /* bytes of the response's body to come */
    size_t     length;
    char       head[HEAD + 1];
} connection_t;


static struct {
    long       connections;
    long       requests;        /* 0: until the time is over */
    double     seconds;
    double     rate;            /* bytes per second and connection, or 0 */
    int64_t    interval;        /* between the starts of two requests */
    int        port;
    int        upstream;        /* its port, or 0 */
    long       kinds;           /* of requests, one after another */
    long       first;           /* of them, to begin with */
    char      *request;
    size_t     size;            /* of one */
} options = { .connections = 1, .seconds = 60, .kinds = 1 };

static connection_t           connections[CONNECTIONS];
static int64_t                latencies[LATENCIES];
static long                   started, finished, connects, errors;
static long long              sent;
static long                   statuses[600];
static volatile sig_atomic_t  stopped;


static int64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * SECOND + ts.tv_nsec;
}


static void
fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}


static void
on_signal(int signo)
{
    stopped = 1;
}


static void
connect_to_server(connection_t *c)
{
    int                 one = 1;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons(options.port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    c->fd = socket(AF_INET, SOCK_STREAM, 0);

    if (c->fd == -1
        || connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) == -1)
    {
        fail("connect");
    }

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    connects++;
}


static void
start_request(connection_t *c, int64_t t)
{
    c->busy = 1;
    c->start = t;
    c->next = (c->next && t - c->next < options.interval ? c->next : t)
              + options.interval;
    c->request = options.request
                 + (options.first + started) % options.kinds * options.size;
    c->sent = 0;
    c->in_body = 0;
    c->length = 0;
    started++;
}


static void
end_request(connection_t *c)
{
    if (finished < LATENCIES) {
        latencies[finished] = now() - c->start;
    }

    finished++;
    statuses[c->status]++;
    c->busy = 0;

    /* if the answer came early, the rest of the request was not sent */

    if (c->closes || c->sent < options.size) {
        close(c->fd);
        connect_to_server(c);
    }
}


/* Returns how much may be sent now; if 0, sets "*wait" until there is more. */

static size_t
allowed(connection_t *c, int64_t t, int64_t *wait)
{
    size_t  left, piece, due;

    left = options.size - c->sent;

    if (options.rate == 0 || left == 0) {
        return left;
    }

    piece = left < PIECE ? left : PIECE;
    due = (double) (t - c->start) * options.rate / SECOND;

    if (due >= c->sent + piece) {
        return due - c->sent < left ? due - c->sent : left;
    }

    *wait = (double) (c->sent + piece) / options.rate * SECOND
            - (t - c->start) + 1000;

    return 0;
}


static void
send_request(connection_t *c, size_t size)
{
    ssize_t  n;

    n = send(c->fd, c->request + c->sent, size, MSG_NOSIGNAL);

    if (n >= 0) {
        c->sent += n;
        sent += n;

    } else if (errno != EAGAIN && errno != EPIPE && errno != ECONNRESET) {
        fail("send");
    }
}


static void
parse_head(connection_t *c)
{
    c->body = head_end(c->head, c->length);

    if (c->body == -1) {
        if (c->length == HEAD) {
            errno = EMSGSIZE;
            fail("response");
        }

        return;
    }

    c->status = c->length > 12 ? atoi(c->head + 9) : 0;

    if (c->status < 200 || c->status > 599) {
        errno = EPROTO;
        fail("response");
    }

    c->closes = strcasestr(c->head, "\r\nconnection: close\r\n") != NULL;
    c->in_body = 1;
}


static void
receive_response(connection_t *c)
{
    char     trash[PIECE];
    ssize_t  n;

    n = c->in_body ? recv(c->fd, trash, sizeof(trash), 0)
                   : recv(c->fd, c->head + c->length, HEAD - c->length, 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (n <= 0) {

        /* closed between two requests, or in the middle of one */

        if (c->busy) {
            errors++;
            finished++;
            c->busy = 0;
        }

        close(c->fd);
        connect_to_server(c);
        return;
    }

    if (c->in_body) {
        c->body -= n;

    } else {
        c->length += n;
        parse_head(c);
    }

    if (c->in_body && c->body <= 0) {
        end_request(c);
    }
}


/* Returns the events to wait for; shortens the timeout to the next action. */

static short
prepare(connection_t *c, int64_t t, int64_t *timeout)
{
    size_t   size;
    int64_t  wait;

    if (!c->busy) {
        if (options.requests && started >= options.requests) {
            return 0;
        }

        wait = c->next - t;

        if (wait > 0) {
            *timeout = wait < *timeout ? wait : *timeout;
            return POLLIN;
        }

        start_request(c, t);
    }

    size = allowed(c, t, &wait);

    if (size) {
        send_request(c, size);
        size = allowed(c, t, &wait);
    }

    if (c->sent == options.size) {
        return POLLIN;
    }

    if (size == 0) {
        *timeout = wait < *timeout ? wait : *timeout;
        return POLLIN;
    }

    return POLLIN|POLLOUT;
}


static void
run(void)
{
    long             i;
    int64_t          t, end, timeout;
    struct pollfd    fds[CONNECTIONS];
    struct timespec  ts;

    end = now() + (int64_t) (options.seconds * SECOND);

    while (!stopped && (!options.requests || finished < options.requests)) {
        t = now();
        timeout = end - t;

        if (timeout <= 0) {
            break;
        }

        for (i = 0; i < options.connections; i++) {
            fds[i].events = prepare(&connections[i], t, &timeout);
            fds[i].fd = connections[i].fd;
        }

        if (options.upstream) {
            upstream_run(0);
            timeout = 0;
        }

        ts.tv_sec = timeout / SECOND;
        ts.tv_nsec = timeout % SECOND;

        if (ppoll(fds, options.connections, &ts, NULL) <= 0) {
            continue;
        }

        for (i = 0; i < options.connections; i++) {
            if (fds[i].revents & (POLLIN|POLLHUP|POLLERR)) {
                receive_response(&connections[i]);
            }
        }
    }
}


static int
compare(const void *one, const void *two)
{
    int64_t  a = *(const int64_t *) one, b = *(const int64_t *) two;

    return (a > b) - (a < b);
}


static void
report(int64_t elapsed)
{
    long    i, n;
    size_t  k;
    static const struct { const char *name; double part; } points[] = {
        { "min", 0 }, { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 },
        { "max", 1 }
    };

    printf("requests %ld\nerrors %ld\nconnects %ld\nsent %lld\nelapsed %lld\n",
           finished, errors, connects, sent, (long long) elapsed);

    printf("upstream_connections %ld\nupstream_requests %ld\n",
           upstream_connections, upstream_requests);

    for (i = 0; i < 600; i++) {
        if (statuses[i]) {
            printf("status_%ld %ld\n", i, statuses[i]);
        }
    }

    n = finished - errors < LATENCIES ? finished - errors : LATENCIES;
    qsort(latencies, n, sizeof(latencies[0]), compare);

    for (k = 0; n > 0 && k < sizeof(points) / sizeof(points[0]); k++) {
        printf("%s %lld\n", points[k].name,
               (long long) latencies[(long) (points[k].part * (n - 1))]);
    }
}


static void
load_request(const char *name)
{
    int          fd;
    struct stat  st;

    fd = open(name, O_RDONLY);

    if (fd == -1 || fstat(fd, &st) == -1) {
        fail(name);
    }

    if (st.st_size % options.kinds) {
        errno = EINVAL;
        fail(name);
    }

    options.size = st.st_size / options.kinds;
    options.request = mmap(NULL, st.st_size, PROT_READ,
                           MAP_PRIVATE|MAP_POPULATE, fd, 0);

    if (options.request == MAP_FAILED) {
        fail(name);
    }

    close(fd);
}


static int
parse_options(int argc, char *argv[])
{
    int  option;

    while ((option = getopt(argc, argv, "b:c:n:t:r:i:k:o:")) != -1) {
        switch (option) {
        case 'b': options.upstream = atoi(optarg); break;
        case 'c': options.connections = atol(optarg); break;
        case 'n': options.requests = atol(optarg); break;
        case 't': options.seconds = atof(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'i': options.interval = atol(optarg) * 1000LL; break;
        case 'k': options.kinds = atol(optarg); break;
        case 'o': options.first = atol(optarg); break;
        default: return 0;
        }
    }

    if (options.kinds <= 0 || options.first < 0) {
        return 0;
    }

    if (argc - optind == 2) {
        options.port = atoi(argv[optind]);
        load_request(argv[optind + 1]);

    } else if (argc != optind || options.upstream == 0) {
        return 0;
    }

    return options.connections > 0 && options.connections <= CONNECTIONS;
}


int
main(int argc, char *argv[])
{
    long     i;
    int64_t  start;

    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: load [-b upstream-port] [-c connections] "
                        "[-n requests] [-t seconds]\n"
                        "            [-r bytes/s] [-i usec] [-k kinds] "
                        "[-o first] [port file]\n");
        return 2;
    }

    if (options.upstream) {
        upstream_open(options.upstream);
    }

    while (options.port == 0) {
        upstream_run(-1);
    }

    signal(SIGTERM, on_signal);

    for (i = 0; i < options.connections; i++) {
        connect_to_server(&connections[i]);
    }

    start = now();

    /* stagger endless streams, so that their requests do not end together */

    for (i = 1; options.rate && !options.requests && i < options.connections;
         i++)
    {
        connections[i].next = start + (double) i / options.connections
                                      * options.size / options.rate * SECOND;
    }

    run();
    report(now() - start);

    return 0;
}
