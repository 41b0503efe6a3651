
/*
 * The meaning of a store's replies.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_REPLY_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_REPLY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "mspwh_resp.h"


/* X(constant, name in counters): why a store did not do what it was asked */

#define NGX_HTTP_MSPWH_STORE_CAUSE_TABLE(X)                                   \
    X(CONNECT,   "connect")     /* no connection could be opened */           \
    X(TIMEOUT,   "timeout")     /* no answer in time */                       \
    X(CLOSED,    "closed")      /* the connection was lost */                 \
    X(AUTH,      "auth")        /* wrong password, or not permitted */        \
    X(ROLE,      "role")        /* it is not a primary */                     \
    X(LOADING,   "loading")     /* it has just been started */                \
    X(FULL,      "full")        /* it is out of memory */                     \
    X(REPLICAS,  "replicas")    /* too few replicas have it */                \
    X(REFUSED,   "refused")     /* another error */                           \
    X(PROTOCOL,  "protocol")    /* an answer that was not expected */


#define NGX_HTTP_MSPWH_STORE_CAUSE_CONSTANT(constant, name)                   \
    NGX_HTTP_MSPWH_STORE_ ## constant,

typedef enum {
    NGX_HTTP_MSPWH_STORE_CAUSE_TABLE(NGX_HTTP_MSPWH_STORE_CAUSE_CONSTANT)
    NGX_HTTP_MSPWH_STORE_CAUSES
} ngx_http_mspwh_store_cause_e;


extern const char  *ngx_http_mspwh_store_causes[];


/* a reply to HELLO, as far as it has been read */

typedef struct {
    unsigned   is_role:1;       /* the next element is the role */
    unsigned   is_primary:1;
} ngx_http_mspwh_hello_t;


/*
 * As mspwh_resp_read(), but replaces control characters with "?": replies may
 * be logged, and must not add lines to the log.
 */
int ngx_http_mspwh_store_read(mspwh_resp_t *resp, const char **p,
    const char *end);

/*
 * Returns the cause that a store's error stands for.
 */
ngx_http_mspwh_store_cause_e ngx_http_mspwh_store_cause(mspwh_resp_t *resp);

/*
 * Returns whether the same command may succeed later.
 */
ngx_uint_t ngx_http_mspwh_store_passes(mspwh_resp_t *resp);

/*
 * Returns whether the cause calls for another server of the upstream.
 */
ngx_uint_t ngx_http_mspwh_store_is_elsewhere(
    ngx_http_mspwh_store_cause_e cause);

/*
 * Takes an element of the reply to HELLO.  Returns NGX_AGAIN if more of them
 * follow; NGX_OK if the store is a primary; or NGX_ERROR, with "*cause" set.
 */
ngx_int_t ngx_http_mspwh_store_hello_element(ngx_http_mspwh_hello_t *hello,
    mspwh_resp_t *resp, ngx_http_mspwh_store_cause_e *cause);


#endif /* _NGX_HTTP_MSPWH_STORE_REPLY_H_INCLUDED_ */
