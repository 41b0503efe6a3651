
/*
 * The configuration of a level, which is read-only at request time, and the
 * directives that take a single value.
 */


#ifndef _NGX_HTTP_MSPWH_CONF_H_INCLUDED_
#define _NGX_HTTP_MSPWH_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mspwh_event.h"


#define NGX_HTTP_MSPWH_OFF     0
#define NGX_HTTP_MSPWH_ON      1
#define NGX_HTTP_MSPWH_MONITOR 2

#define NGX_HTTP_MSPWH_REJECT  0
#define NGX_HTTP_MSPWH_PASS    1

/* milliseconds: period of timers that only delay a worker's exit */
#define NGX_HTTP_MSPWH_KEEP_WORKER  60000

/* seconds between log lines about the same mistake, in each worker */
#define NGX_HTTP_MSPWH_NOTICE_INTERVAL  60


typedef struct ngx_http_mspwh_secrets_s  ngx_http_mspwh_secrets_t;
typedef struct ngx_http_mspwh_fields_s  ngx_http_mspwh_fields_t;
typedef struct ngx_http_mspwh_webhook_s  ngx_http_mspwh_webhook_t;
typedef struct ngx_http_mspwh_dedup_s  ngx_http_mspwh_dedup_t;
typedef struct ngx_http_mspwh_store_conf_s  ngx_http_mspwh_store_conf_t;
typedef struct ngx_http_mspwh_remote_s  ngx_http_mspwh_remote_t;
typedef struct ngx_http_mspwh_store_counters_s
    ngx_http_mspwh_store_counters_t;
typedef struct ngx_http_mspwh_stream_s  ngx_http_mspwh_stream_t;

typedef struct ngx_http_mspwh_loc_conf_s  ngx_http_mspwh_loc_conf_t;


/* where a directive is written */

typedef struct {
    ngx_str_t                   name;
    u_char                     *file_name;
    ngx_uint_t                  line;
} ngx_http_mspwh_place_t;


/* a "mspwh" line, and what was found in the locations that it applies to */

typedef struct ngx_http_mspwh_source_s  ngx_http_mspwh_source_t;

struct ngx_http_mspwh_source_s {
    ngx_http_mspwh_place_t      place;
    ngx_http_mspwh_source_t    *next;

    unsigned                    small_body:1;
    unsigned                    large_body:1;
    unsigned                    no_secret:1;
    unsigned                    secret:1;
};


struct ngx_http_mspwh_loc_conf_s {
    ngx_http_mspwh_loc_conf_t  *parent;

    ngx_uint_t                  enable;
    ngx_http_mspwh_source_t    *source;     /* of "enable" */
    ngx_uint_t                  malformed;
    ngx_uint_t                  log_level;
    ngx_http_mspwh_secrets_t   *secrets;
    ngx_http_mspwh_fields_t    *fields;
    ngx_array_t                *sets;       /* of ngx_http_mspwh_set_t */
    mspwh_event_plan_t         *plan;       /* of fields and sets */
    ngx_array_t                *accept;     /* of ngx_str_t, the patterns */
    ngx_http_mspwh_dedup_t     *dedup;
    ngx_http_mspwh_webhook_t   *webhook;
    ngx_http_mspwh_store_conf_t  *store;

    ngx_str_t                   header;
    ngx_http_mspwh_place_t     *header_place;

    /* content handlers: only "if" and "limit_except" inherit them */
    ngx_uint_t                  status;     /* a format */
    ngx_http_mspwh_stream_t    *stream;
    ngx_path_t                 *spool;
#if (NGX_THREADS)
    ngx_thread_pool_t          *thread_pool;
#endif

    /* the first directive at this level that only "on" or "monitor" uses */
    ngx_http_mspwh_place_t     *first;

    /* whether requests are verified here, and whether here or below */
    unsigned                    checked:1;
    unsigned                    checked_below:1;

    /* client_max_body_size is too small for events of the usual size */
    unsigned                    small_spool:1;
};


typedef struct {
    /* whether a location has its requests counted, or shows the counters */
    ngx_uint_t                  counted;

    /* of ngx_http_mspwh_loc_conf_t *: the locations that have a spool */
    ngx_array_t                 spools;

    /* the list of all "mspwh" lines, newest first */
    ngx_http_mspwh_source_t    *sources;

    /* of ngx_http_mspwh_loc_conf_t *: the levels that have a "first" */
    ngx_array_t                 levels;

    /* of ngx_http_mspwh_dedup_t *: all "mspwh_dedup" directives but "off" */
    ngx_array_t                 dedups;

    /* the precontent handler's place in nginx's phase engine */
    ngx_int_t                   check_phase;

    /* the index of $http_upgrade */
    ngx_int_t                   upgrade;

    /* for levels without mspwh_field and mspwh_set */
    mspwh_event_plan_t         *plan;

    /* of ngx_http_mspwh_remote_t *: the stores of zones */
    ngx_array_t                 remotes;

    /* whether a zone or a stream uses a store */
    ngx_uint_t                  stores;

    ngx_http_mspwh_store_counters_t  *store_counters;

    /* of ngx_http_mspwh_webhook_t *; the first is the default one */
    ngx_array_t                 webhooks;

    /* of ngx_http_mspwh_loc_conf_t *: the locations that verify requests */
    ngx_array_t                 checked;

    /* of ngx_path_t *: the directories of all spools, each once */
    ngx_array_t                 spool_paths;

    /* deliveries to remember, and where */
    ngx_uint_t                  recent;
    ngx_shm_zone_t             *recent_zone;

    /* the counters in shared memory, and this configuration's number there */
    struct ngx_http_mspwh_shared_s  *shared;
    ngx_uint_t                  generation;
} ngx_http_mspwh_main_conf_t;


/* directives */

char *ngx_http_mspwh_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_mspwh_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mspwh_signature_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Returns the entry of that name, or NULL.
 */
ngx_conf_enum_t *ngx_http_mspwh_find_enum(ngx_conf_enum_t *e,
    ngx_str_t *word);

/*
 * Returns the place of the directive that is being read, or NULL if there is
 * no memory.
 */
ngx_http_mspwh_place_t *ngx_http_mspwh_place(ngx_conf_t *cf);

/*
 * Remembers that a level has a directive that only "on" or "monitor" uses.
 */
ngx_int_t ngx_http_mspwh_add_level(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);

/*
 * Fails if nginx would drop a header of the name that a location reads.
 */
char *ngx_http_mspwh_check_header_name(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);


extern ngx_module_t  ngx_http_mspwh_module;


#endif /* _NGX_HTTP_MSPWH_CONF_H_INCLUDED_ */
