
#include "ngx_http_mspwh_rewrite.h"


/*
 * What is legal, but surely a mistake.  All that is said here is said once
 * for each "mspwh" line, and only where it is certain: a location that may be
 * reached by a redirect, with the event known, is given the benefit of the
 * doubt.
 */

#define NGX_HTTP_MSPWH_SMALL_BODY  (1024 * 1024)

/* at run time, a worker says it once in so many seconds */
#define NGX_HTTP_MSPWH_EARLY_INTERVAL  60

#define NGX_HTTP_MSPWH_TOLD_RETURN    0x01
#define NGX_HTTP_MSPWH_TOLD_VARIABLE  0x02
#define NGX_HTTP_MSPWH_TOLD_SECRET    0x04
#define NGX_HTTP_MSPWH_TOLD_SIZE      0x08


static void ngx_http_mspwh_check_rewrite(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *conf, ngx_uint_t own);
static ngx_uint_t ngx_http_mspwh_check_return(ngx_conf_t *cf,
    ngx_http_mspwh_source_t *source, ngx_http_core_loc_conf_t *clcf,
    ngx_uint_t status);
static void ngx_http_mspwh_warn_return(ngx_conf_t *cf,
    ngx_http_mspwh_source_t *source, ngx_http_core_loc_conf_t *clcf);
static void ngx_http_mspwh_warn_variable(ngx_conf_t *cf,
    ngx_http_mspwh_source_t *source, ngx_http_core_loc_conf_t *clcf,
    ngx_str_t *variable);
static const char *ngx_http_mspwh_level(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_str_t **name);
static ngx_uint_t ngx_http_mspwh_is_told(ngx_conf_t *cf,
    ngx_http_mspwh_source_t *source, ngx_uint_t cause);
static ngx_uint_t ngx_http_mspwh_has_locations(ngx_http_core_loc_conf_t *clcf);
static ngx_uint_t ngx_http_mspwh_has_error_page(ngx_http_core_loc_conf_t *clcf,
    ngx_uint_t status);
static ngx_uint_t ngx_http_mspwh_may_be_error_page(
    ngx_http_core_loc_conf_t *from, ngx_http_core_loc_conf_t *clcf);


char *
ngx_http_mspwh_add_source(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_source_t     *source;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    source = ngx_pcalloc(cf->pool, sizeof(ngx_http_mspwh_source_t));
    if (source == NULL) {
        return NGX_CONF_ERROR;
    }

    source->file_name = cf->conf_file->file.name.data;
    source->line = cf->conf_file->line;
    source->next = mmcf->sources;

    mmcf->sources = source;
    mlcf->source = source;

    return NGX_CONF_OK;
}


void
ngx_http_mspwh_check_location(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    ngx_http_mspwh_source_t   *source;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* in "if" and "limit_except", all this is inherited */

    if (!ngx_http_mspwh_is_checked(conf) || clcf->noname) {
        return;
    }

    source = conf->source;

    ngx_http_mspwh_check_rewrite(cf, conf, source != prev->source);

    /*
     * A server's own level is rarely asked for anything, and neither may some
     * of the locations: it takes all of them to be sure.
     */

    if (clcf->named || clcf->internal
        || (clcf->name.len == 0 && ngx_http_mspwh_has_locations(clcf)))
    {
        return;
    }

    if (clcf->client_max_body_size != 0
        && clcf->client_max_body_size <= NGX_HTTP_MSPWH_SMALL_BODY)
    {
        source->small_body = 1;

    } else {
        source->large_body = 1;
    }

    if (conf->keys != NULL) {
        source->secret = 1;

    } else if (conf->enable == NGX_HTTP_MSPWH_MONITOR) {
        source->no_secret = 1;
    }
}


void
ngx_http_mspwh_check_sources(ngx_conf_t *cf)
{
    ngx_http_mspwh_source_t     *source;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    for (source = mmcf->sources; source; source = source->next) {

        if (source->no_secret && !source->secret
            && !ngx_http_mspwh_is_told(cf, source, NGX_HTTP_MSPWH_TOLD_SECRET))
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"mspwh\" is \"monitor\", but with no "
                          "\"mspwh_secret\" or \"mspwh_secret_file\" "
                          "nothing can be verified in %s:%ui",
                          source->file_name, source->line);
        }

        if (source->small_body && !source->large_body
            && !ngx_http_mspwh_is_told(cf, source, NGX_HTTP_MSPWH_TOLD_SIZE))
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"mspwh\" is enabled, but \"client_max_body_size\" "
                          "is 1m, its default, or less: events with images "
                          "are larger in %s:%ui",
                          source->file_name, source->line);
        }
    }
}


/*
 * What a map or another module does with a variable cannot be seen in the
 * configuration.  A request that the rewrite module has answered, or that an
 * error has led elsewhere, is left in its phase for headers and logs, and one
 * that came to no phase looks as if in the first: there it is too late.
 */

void
ngx_http_mspwh_check_early(ngx_http_request_t *r, ngx_str_t *variable)
{
    static time_t  last;

    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    ph = &cmcf->phase_engine.handlers[r->phase_handler];

    if ((ph->checker != ngx_http_core_rewrite_phase
         && ph->checker != ngx_http_core_find_config_phase)
        || r->write_event_handler != ngx_http_core_run_phases
        || r->headers_out.status != 0
        || r->error_page
        || r != r->main
        || !ngx_http_mspwh_is_checked(mlcf))
    {
        return;
    }

    if (last != 0 && ngx_time() - last < NGX_HTTP_MSPWH_EARLY_INTERVAL) {
        return;
    }

    last = ngx_time();

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "mspwh: \"$%V\" is used before the body is read, when it "
                  "is always empty: use it in \"proxy_pass\", headers and "
                  "logs, not in \"if\", \"set\", \"rewrite\" or to choose "
                  "a location; a map on it may need \"volatile\"",
                  variable);
}


static void
ngx_http_mspwh_check_rewrite(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *conf,
    ngx_uint_t own)
{
    void                      **loc_conf, **srv_loc_conf;
    ngx_http_core_loc_conf_t   *clcf, *server;
    ngx_http_core_srv_conf_t   *cscf;
    ngx_http_mspwh_rewrite_t    here, before;
    ngx_http_mspwh_loc_conf_t  *srv_mlcf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    loc_conf = ((ngx_http_conf_ctx_t *) cf->ctx)->loc_conf;
    srv_loc_conf = cscf->ctx->loc_conf;

    clcf = loc_conf[ngx_http_core_module.ctx_index];
    server = srv_loc_conf[ngx_http_core_module.ctx_index];
    srv_mlcf = srv_loc_conf[ngx_http_mspwh_module.ctx_index];

#if (NGX_HTTP_MSPWH_EARLY_READ)

    if (cscf->client_body_early_read != NULL
        && ngx_http_mspwh_is_checked(srv_mlcf))
    {
        return;
    }

#endif

    ngx_http_mspwh_scan_rewrite(cf, loc_conf, &here);
    ngx_http_mspwh_scan_rewrite(cf, srv_loc_conf, &before);

    /* where "mspwh" is inherited, "return" may well be an exception from it */

    if (own
        && (((clcf == server || !ngx_http_mspwh_has_locations(clcf))
             && ngx_http_mspwh_check_return(cf, conf->source, clcf,
                                            here.status))
            || ngx_http_mspwh_check_return(cf, conf->source, server,
                                           before.status)))
    {
        return;
    }

    if (clcf->named || clcf->internal) {
        return;
    }

    if (here.variable
        && (own || clcf == server
            || !ngx_http_mspwh_may_be_error_page(server, clcf)))
    {
        ngx_http_mspwh_warn_variable(cf, conf->source, clcf, here.variable);

    } else if (before.variable && own && !ngx_http_mspwh_is_checked(srv_mlcf))
    {
        ngx_http_mspwh_warn_variable(cf, conf->source, server,
                                     before.variable);
    }
}


static ngx_uint_t
ngx_http_mspwh_check_return(ngx_conf_t *cf, ngx_http_mspwh_source_t *source,
    ngx_http_core_loc_conf_t *clcf, ngx_uint_t status)
{
    if (status == 0 || ngx_http_mspwh_has_error_page(clcf, status)) {
        return 0;
    }

    ngx_http_mspwh_warn_return(cf, source, clcf);

    return 1;
}


static void
ngx_http_mspwh_warn_return(ngx_conf_t *cf, ngx_http_mspwh_source_t *source,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_str_t   *name;
    const char  *level;

    if (ngx_http_mspwh_is_told(cf, source, NGX_HTTP_MSPWH_TOLD_RETURN)) {
        return;
    }

    level = ngx_http_mspwh_level(cf, clcf, &name);

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"mspwh\" is enabled, but \"return\" in %s \"%V\" "
                  "answers every request before it is verified in %s:%ui",
                  level, name, source->file_name, source->line);
}


static void
ngx_http_mspwh_warn_variable(ngx_conf_t *cf, ngx_http_mspwh_source_t *source,
    ngx_http_core_loc_conf_t *clcf, ngx_str_t *variable)
{
    ngx_str_t   *name;
    const char  *level;

    if (ngx_http_mspwh_is_told(cf, source, NGX_HTTP_MSPWH_TOLD_VARIABLE)) {
        return;
    }

    level = ngx_http_mspwh_level(cf, clcf, &name);

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"mspwh\" is enabled, but \"if\", \"set\", \"rewrite\" or "
                  "\"return\" in %s \"%V\" uses \"$%V\" before the body is "
                  "read, when it is always empty in %s:%ui",
                  level, name, variable, source->file_name, source->line);
}


static const char *
ngx_http_mspwh_level(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_str_t **name)
{
    ngx_http_core_srv_conf_t  *cscf;

    if (clcf->name.len != 0) {
        *name = &clcf->name;
        return "location";
    }

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    *name = &cscf->server_name;

    return "server";
}


/* one file may be included many times */

static ngx_uint_t
ngx_http_mspwh_is_told(ngx_conf_t *cf, ngx_http_mspwh_source_t *source,
    ngx_uint_t cause)
{
    ngx_uint_t                   told;
    ngx_http_mspwh_source_t     *s;
    ngx_http_mspwh_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    told = 0;

    for (s = mmcf->sources; s; s = s->next) {
        if (s->line == source->line
            && ngx_strcmp(s->file_name, source->file_name) == 0)
        {
            told |= s->told;
        }
    }

    source->told |= cause;

    return (told & cause) != 0;
}


static ngx_uint_t
ngx_http_mspwh_has_locations(ngx_http_core_loc_conf_t *clcf)
{
    ngx_queue_t                *q;
    ngx_http_core_loc_conf_t   *inner;
    ngx_http_location_queue_t  *lq;

    if (clcf->locations == NULL) {
        return 0;
    }

    for (q = ngx_queue_head(clcf->locations);
         q != ngx_queue_sentinel(clcf->locations);
         q = ngx_queue_next(q))
    {
        lq = (ngx_http_location_queue_t *) q;
        inner = lq->exact ? lq->exact : lq->inclusive;

        if (!inner->noname) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_mspwh_has_error_page(ngx_http_core_loc_conf_t *clcf,
    ngx_uint_t status)
{
    ngx_uint_t            i;
    ngx_http_err_page_t  *page;

    if (clcf->error_pages == NULL) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if ((ngx_uint_t) page[i].status == status) {
            return 1;
        }
    }

    return 0;
}


/* from any level: the event of what went wrong there is known here */

static ngx_uint_t
ngx_http_mspwh_may_be_error_page(ngx_http_core_loc_conf_t *from,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_str_t                  *uri;
    ngx_uint_t                  i, n;
    ngx_queue_t                *q;
    ngx_http_err_page_t        *page;
    ngx_http_location_queue_t  *lq;

    n = from->error_pages ? from->error_pages->nelts : 0;
    page = n ? from->error_pages->elts : NULL;

    for (i = 0; i < n; i++) {
        uri = &page[i].value.value;

        if (page[i].value.lengths != NULL) {
            return 1;
        }

        if (uri->len == 0 || uri->data[0] != '/') {
            continue;
        }

#if (NGX_PCRE)
        if (clcf->regex) {
            return 1;
        }
#endif

        if (uri->len >= clcf->name.len
            && ngx_strncmp(uri->data, clcf->name.data, clcf->name.len) == 0)
        {
            return 1;
        }
    }

    if (from->locations == NULL) {
        return 0;
    }

    for (q = ngx_queue_head(from->locations);
         q != ngx_queue_sentinel(from->locations);
         q = ngx_queue_next(q))
    {
        lq = (ngx_http_location_queue_t *) q;

        if (ngx_http_mspwh_may_be_error_page(
                                     lq->exact ? lq->exact : lq->inclusive,
                                     clcf))
        {
            return 1;
        }
    }

    return 0;
}
