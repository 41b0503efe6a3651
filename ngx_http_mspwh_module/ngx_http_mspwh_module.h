
#ifndef _NGX_HTTP_MSPWH_MODULE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mspwh_signature.h"
#include "mspwh_scanner.h"
#include "mspwh_event.h"


#define NGX_HTTP_MSPWH_OFF     0
#define NGX_HTTP_MSPWH_ON      1
#define NGX_HTTP_MSPWH_MONITOR 2

#define NGX_HTTP_MSPWH_REJECT  0
#define NGX_HTTP_MSPWH_PASS    1

/* milliseconds of timers that only keep a worker that is to quit */
#define NGX_HTTP_MSPWH_KEEP_WORKER  60000

/* the ids of secrets that are told apart, and one place for all others */
#define NGX_HTTP_MSPWH_KEY_SLOTS  64
#define NGX_HTTP_MSPWH_OTHER_KEY  NGX_HTTP_MSPWH_KEY_SLOTS


/* see ngx_http_mspwh_counters.h and ngx_http_mspwh_dedup.h */

typedef struct ngx_http_mspwh_counters_s  ngx_http_mspwh_counters_t;
typedef struct ngx_http_mspwh_dedup_s  ngx_http_mspwh_dedup_t;


typedef enum {
    NGX_HTTP_MSPWH_NONE = 0,
    NGX_HTTP_MSPWH_VERIFIED,
    NGX_HTTP_MSPWH_NO_SIGNATURE,
    NGX_HTTP_MSPWH_MALFORMED_SIGNATURE,
    NGX_HTTP_MSPWH_BAD_SIGNATURE,
    NGX_HTTP_MSPWH_MALFORMED_PAYLOAD,
    NGX_HTTP_MSPWH_NOT_ACCEPTED,
    NGX_HTTP_MSPWH_DUPLICATE,
    NGX_HTTP_MSPWH_IN_FLIGHT,
    NGX_HTTP_MSPWH_VERDICTS
} ngx_http_mspwh_verdict_e;


/* why a request is not verified */

typedef enum {
    NGX_HTTP_MSPWH_NO_REASON = 0,

    NGX_HTTP_MSPWH_HEADER_MISSING,
    NGX_HTTP_MSPWH_HEADER_REPEATED,
    NGX_HTTP_MSPWH_HEADER_MALFORMED,

    NGX_HTTP_MSPWH_NO_SECRET,
    NGX_HTTP_MSPWH_MISMATCH,
    NGX_HTTP_MSPWH_BODY_GONE,
    NGX_HTTP_MSPWH_BODY_INCOMPLETE,

    /* in the order of mspwh_scanner_error_e */
    NGX_HTTP_MSPWH_JSON_UNEXPECTED,
    NGX_HTTP_MSPWH_JSON_UNFINISHED,
    NGX_HTTP_MSPWH_JSON_CONTROL,
    NGX_HTTP_MSPWH_JSON_ESCAPE,
    NGX_HTTP_MSPWH_JSON_UTF8,
    NGX_HTTP_MSPWH_NESTED_TOO_DEEPLY,
    NGX_HTTP_MSPWH_ENVELOPE_TOO_LARGE,

    /* in the order of mspwh_event_error_e */
    NGX_HTTP_MSPWH_NOT_OBJECT,
    NGX_HTTP_MSPWH_NO_EVENT_TYPE,
    NGX_HTTP_MSPWH_NO_ENTITY_ID,
    NGX_HTTP_MSPWH_NO_TICKET_ID,
    NGX_HTTP_MSPWH_BAD_ENTITY_ID,
    NGX_HTTP_MSPWH_BAD_TICKET_ID,
    NGX_HTTP_MSPWH_AMBIGUOUS_FIELD,

    NGX_HTTP_MSPWH_REASONS
} ngx_http_mspwh_reason_e;


typedef struct {
    ngx_str_t                  name;
    ngx_http_mspwh_verdict_e   verdict;
    const char                *text;
} ngx_http_mspwh_reason_t;


typedef struct {
    ngx_str_t                  id;
    EVP_MAC_CTX               *mac;

    /* the HMAC of nothing: the same for the same secret */
    u_char                     fingerprint[MSPWH_DIGEST_LENGTH];

    /* where it is counted */
    ngx_uint_t                 slot;
} ngx_http_mspwh_key_t;


/* what mspwh_field, and mspwh_set, say at one level */

typedef struct {
    mspwh_fields_t             fields;
    mspwh_scanner_pointers_t   scanner;
    ngx_array_t                pointers[MSPWH_ROLES];
} ngx_http_mspwh_fields_t;


/*
 * Verifiers that a worker has done with, for its next requests under the
 * same secrets: cheaper to reset than to make.
 */

#define NGX_HTTP_MSPWH_IDLE  16

typedef struct {
    ngx_uint_t                 nverifiers;
    mspwh_verifier_t           verifiers[NGX_HTTP_MSPWH_IDLE];
} ngx_http_mspwh_idle_t;


/* a "mspwh" line, with what was found where it takes effect */

typedef struct ngx_http_mspwh_source_s  ngx_http_mspwh_source_t;

struct ngx_http_mspwh_source_s {
    u_char                    *file_name;
    ngx_uint_t                 line;
    ngx_http_mspwh_source_t   *next;

    /* the causes that it has been warned of */
    ngx_uint_t                 told;

    unsigned                   small_body:1;
    unsigned                   large_body:1;
    unsigned                   no_secret:1;
    unsigned                   secret:1;
};


typedef struct {
    ngx_uint_t                 enable;
    ngx_http_mspwh_source_t   *source;      /* of "enable" */
    ngx_uint_t                 malformed;
    ngx_array_t               *keys;        /* of ngx_http_mspwh_key_t */
    ngx_http_mspwh_idle_t     *idle;        /* theirs */
    ngx_http_mspwh_fields_t   *fields;
    ngx_array_t               *sets;        /* of ngx_http_mspwh_set_t */
    ngx_http_mspwh_fields_t   *wanted;      /* both together, or NULL */
    ngx_array_t               *accept;      /* of ngx_str_t, the patterns */
    ngx_http_mspwh_dedup_t    *dedup;
    size_t                     envelope_size;

    ngx_str_t                  header;

    /* of content handlers, which are not inherited */
    ngx_uint_t                 status;      /* a format */
    ngx_path_t                *spool;
#if (NGX_THREADS)
    ngx_thread_pool_t         *thread_pool;
#endif
} ngx_http_mspwh_loc_conf_t;


/* mspwh_status answers for itself, whatever it inherits */

#define ngx_http_mspwh_is_checked(mlcf)                                       \
    ((mlcf)->enable != NGX_HTTP_MSPWH_OFF                                     \
     && (mlcf)->status == NGX_CONF_UNSET_UINT)


typedef struct {
    /* a location has its requests counted, or shows the counters */
    ngx_uint_t                  counted;

    /* a location has a spool */
    ngx_uint_t                  spooled;

    /* the last of a list of all "mspwh" lines */
    ngx_http_mspwh_source_t    *sources;

    /* of ngx_array_t *: the secrets of each level */
    ngx_array_t                 keys;

    /* of ngx_http_mspwh_dedup_t *: all "mspwh_dedup" directives but "off" */
    ngx_array_t                 dedups;

    /* in shared memory */
    ngx_http_mspwh_counters_t  *counters;

    /* set for the slots of secrets of this configuration */
    u_char                      configured[NGX_HTTP_MSPWH_KEY_SLOTS + 1];
} ngx_http_mspwh_main_conf_t;


typedef struct {
    ngx_http_request_t        *request;
    ngx_http_mspwh_verdict_e   verdict;
    ngx_http_mspwh_reason_e    reason;

    /* the secrets that the verdict was reached under; NULL for none */
    ngx_array_t               *keys;
    ngx_str_t                  key_id;

    /* the name of the signature's header */
    ngx_str_t                  header;

    u_char                     digest[MSPWH_DIGEST_LENGTH];
    mspwh_verifier_t           verifier;
    ngx_http_mspwh_idle_t     *idle;
    mspwh_scanner_t            scanner;
    mspwh_event_t              event;

    /* the texts of variables, of a key that matched and of the event */
    u_char                     delivery_id[2 * MSPWH_DIGEST_LENGTH];
    ngx_str_t                  type_raw;
    ngx_str_t                  anomaly;

    /* whose values the event has */
    ngx_array_t               *sets;

    off_t                      size;

    /* a body that was read before: what is left, and the next step */
    ngx_chain_t               *rest;
    off_t                      offset;
    u_char                    *buffer;
    ngx_event_t                step;

    /* until all of the body is there: for ever, if that fails */
    unsigned                   reading:1;

    unsigned                   failed:1;
    unsigned                   keepalive:1;

    /* the verdict is of a location that rejects nothing */
    unsigned                   monitor:1;

    /* there is an event; unless in monitor mode, a verified one */
    unsigned                   has_event:1;
} ngx_http_mspwh_ctx_t;


/* directives, and what they leave to be done once all have been read */

char *ngx_http_mspwh_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_secret(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_secret_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_signature_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_field(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_envelope_size(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_dedup_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_dedup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_spool(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* NULL where the word is none of them */
ngx_conf_enum_t *ngx_http_mspwh_find_enum(ngx_conf_enum_t *e,
    ngx_str_t *word);

/* a JSON pointer of a directive; what is wrong with it has been logged */
char *ngx_http_mspwh_pointer(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *text, mspwh_pointer_t **pointer);

/* tells the scanner of a pointer that may enter arrays, if there is room */
ngx_int_t ngx_http_mspwh_scan_pointer(mspwh_scanner_pointers_t *scanner,
    mspwh_pointer_t *pointer);

ngx_int_t ngx_http_mspwh_merge_sets(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);
char *ngx_http_mspwh_merge_spool(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);

/* what "mspwh_dedup" directives are kept in, and their check at the end */
ngx_int_t ngx_http_mspwh_create_dedup(ngx_conf_t *cf,
    ngx_http_mspwh_main_conf_t *mmcf);
ngx_int_t ngx_http_mspwh_init_dedup(ngx_conf_t *cf);

/* tells if two locations have the same secrets, or none, and the same ids */
ngx_uint_t ngx_http_mspwh_same_keys(ngx_array_t *one, ngx_array_t *two);


/*
 * Warnings of what is legal but a mistake: the place of a "mspwh" directive,
 * a location where it takes effect, once merged, and all of these together.
 */

char *ngx_http_mspwh_add_source(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);
void ngx_http_mspwh_check_location(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *prev, ngx_http_mspwh_loc_conf_t *conf);
void ngx_http_mspwh_check_sources(ngx_conf_t *cf);

/* a variable is asked for, but there is no verdict: is it too early? */
void ngx_http_mspwh_check_early(ngx_http_request_t *r, ngx_str_t *variable);


/* the way of a request */

#if (NGX_HTTP_MSPWH_EARLY_READ)
ngx_int_t ngx_http_mspwh_early_handler(ngx_http_request_t *r);
#endif

ngx_int_t ngx_http_mspwh_handler(ngx_http_request_t *r);

/*
 * Returns NGX_OK with a verdict, NGX_DONE while the body is being read,
 * NGX_AGAIN while one that was read before is being fed, or the status of a
 * failure.
 */
ngx_int_t ngx_http_mspwh_verify(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t **ctx, ngx_http_mspwh_loc_conf_t *mlcf);

/* the request's context; NULL where there is none, or no memory */
ngx_http_mspwh_ctx_t *ngx_http_mspwh_get_ctx(ngx_http_request_t *r);
ngx_http_mspwh_ctx_t *ngx_http_mspwh_create_ctx(ngx_http_request_t *r);

/* back to a context with no event, or with no verdict either */
void ngx_http_mspwh_drop_event(ngx_http_mspwh_ctx_t *ctx);
void ngx_http_mspwh_release_ctx(ngx_http_mspwh_ctx_t *ctx);

/* before the body is read: where there is a spool, it may need the file */
void ngx_http_mspwh_keep_body_file(ngx_http_request_t *r);


/* the body: prepare, feed as it arrives or once buffered, and the verdict */

ngx_int_t ngx_http_mspwh_start(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);
void ngx_http_mspwh_release_verifier(ngx_http_mspwh_ctx_t *ctx);
ngx_int_t ngx_http_mspwh_body_filter(ngx_http_request_t *r, ngx_chain_t *in);
ngx_int_t ngx_http_mspwh_feed(ngx_http_mspwh_ctx_t *ctx, u_char *data,
    size_t len);
ngx_int_t ngx_http_mspwh_feed_buffered(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);
void ngx_http_mspwh_stop_steps(ngx_http_mspwh_ctx_t *ctx);

/* the body is all there, or "rc" says that it failed: sets the verdict */
void ngx_http_mspwh_finish(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_int_t rc);

extern ngx_http_request_body_filter_pt  ngx_http_mspwh_next_body_filter;


/* reasons; an error is one of those that are not about memory */

ngx_http_mspwh_reason_e ngx_http_mspwh_scanner_reason(
    mspwh_scanner_error_e error);
ngx_http_mspwh_reason_e ngx_http_mspwh_event_reason(mspwh_event_error_e error);

/* sets the reason and its verdict, and logs them; monitor mode is told */
void ngx_http_mspwh_reject(ngx_http_request_t *r, ngx_http_mspwh_ctx_t *ctx,
    ngx_http_mspwh_reason_e reason);

extern ngx_http_mspwh_reason_t  ngx_http_mspwh_reasons[];

/* the end of a log line in monitor mode */
#define NGX_HTTP_MSPWH_LET_THROUGH  ", let through (monitor)"


/* what becomes of a request, by its verdict */

/* NGX_DECLINED, or the status for what this location does not let through */
ngx_int_t ngx_http_mspwh_refuse(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);

/* NGX_DECLINED, or the status for an event that mspwh_accept keeps out */
ngx_int_t ngx_http_mspwh_check_accept(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);

/* NGX_DECLINED, or the status for a repeat, or NGX_DONE once answered */
ngx_int_t ngx_http_mspwh_check_dedup(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx, ngx_http_mspwh_loc_conf_t *mlcf);

/* by the answer's status, the event has been delivered or not */
void ngx_http_mspwh_settle(ngx_http_request_t *r);


/* headers and answers */

/* tells if a header is of that name */
ngx_uint_t ngx_http_mspwh_is_field(ngx_table_elt_t *h, u_char *name,
    size_t len);

/* the first of that name, or NULL */
ngx_table_elt_t *ngx_http_mspwh_find_header(ngx_list_t *headers,
    ngx_str_t *name);

/* a header, in place of one of that name; NULL with no memory */
ngx_table_elt_t *ngx_http_mspwh_set_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);

/* 401 with its header, or 500 */
ngx_int_t ngx_http_mspwh_challenge(ngx_http_request_t *r);

/* sends a whole answer with no body; the result is for finalization */
ngx_int_t ngx_http_mspwh_send_empty(ngx_http_request_t *r, ngx_uint_t status);

ngx_int_t ngx_http_mspwh_header_filter(ngx_http_request_t *r);

extern ngx_http_output_header_filter_pt  ngx_http_mspwh_next_header_filter;


/* variables */

ngx_int_t ngx_http_mspwh_add_variables(ngx_conf_t *cf);

/* what variables need memory for, of an event that has been parsed */
ngx_int_t ngx_http_mspwh_make_texts(ngx_http_request_t *r,
    ngx_http_mspwh_ctx_t *ctx);

/* a variable that a directive or a module has defined, or NULL */
ngx_http_variable_t *ngx_http_mspwh_find_variable(ngx_conf_t *cf,
    ngx_str_t *name);

/* tells if a variable is one of the module's */
ngx_uint_t ngx_http_mspwh_is_variable(ngx_conf_t *cf, ngx_str_t *name);

/* the value of a variable of mspwh_set, whose index is "data" */
ngx_int_t ngx_http_mspwh_set_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

extern ngx_str_t  ngx_http_mspwh_verdicts[];


extern ngx_module_t  ngx_http_mspwh_module;


#endif /* _NGX_HTTP_MSPWH_MODULE_H_INCLUDED_ */
