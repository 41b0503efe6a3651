
/*
 * The commands that a worker sends to a store for claims.
 */


#ifndef _NGX_HTTP_MSPWH_STORE_COMMAND_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STORE_COMMAND_H_INCLUDED_


#include "ngx_http_mspwh_store_reply.h"

#include "mspwh_table.h"


typedef enum {
    NGX_HTTP_MSPWH_STORE_HELLO = 0,
    NGX_HTTP_MSPWH_STORE_PROBE,     /* is it loading, or cut off? */
    NGX_HTTP_MSPWH_STORE_POLICY,    /* what if its memory is full? */
    NGX_HTTP_MSPWH_STORE_CLAIM,
    NGX_HTTP_MSPWH_STORE_LEFT,      /* how long another claim lasts */
    NGX_HTTP_MSPWH_STORE_RENEW,
    NGX_HTTP_MSPWH_STORE_FORGET,
    NGX_HTTP_MSPWH_STORE_SETTLE
} ngx_http_mspwh_store_type_e;


#define NGX_HTTP_MSPWH_STORE_RANDOM  16


/* what commands have in common */

typedef struct {
    ngx_str_t                    hello;     /* the whole command */
    ngx_str_t                    prefix;    /* of keys, with a colon */
    u_char                       token[2 * NGX_HTTP_MSPWH_STORE_RANDOM];
    ngx_msec_t                   ttl;
    ngx_msec_t                   pending;
} ngx_http_mspwh_store_words_t;


typedef struct {
    ngx_queue_t                  queue;
    ngx_http_mspwh_store_type_e  type;
    u_char                       key[MSPWH_TABLE_KEY];

    /* with the worker's token, this is the claim's token */
    uint64_t                     number;

    /* the claim that waits for the answer, or NULL */
    void                        *data;

    /* until when it waits; and when it was sent, also in microseconds */
    ngx_msec_t                   deadline;
    ngx_msec_t                   sent;
    uint64_t                     microseconds;

    /* it need not wait for a connection, only for the worker */
    unsigned                     prompt:1;

    /* it was refused, but may succeed later */
    unsigned                     again:1;
} ngx_http_mspwh_store_command_t;


/*
 * Returns an upper limit of the size of a command.
 */
size_t ngx_http_mspwh_store_command_size(ngx_http_mspwh_store_words_t *words);

/*
 * Writes a command to "p", and returns the byte after it.
 */
u_char *ngx_http_mspwh_store_write(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, u_char *p);

/*
 * Returns whether a value in the store is the claim of this command.
 */
ngx_uint_t ngx_http_mspwh_store_is_own(ngx_http_mspwh_store_words_t *words,
    ngx_http_mspwh_store_command_t *command, mspwh_resp_t *value);

/*
 * Returns whether the server has to write for this command, whatever it finds.
 */
ngx_uint_t ngx_http_mspwh_store_is_write(
    ngx_http_mspwh_store_command_t *command);

/*
 * Returns the microseconds of the monotonic clock.
 */
uint64_t ngx_http_mspwh_store_now(void);


#endif /* _NGX_HTTP_MSPWH_STORE_COMMAND_H_INCLUDED_ */
