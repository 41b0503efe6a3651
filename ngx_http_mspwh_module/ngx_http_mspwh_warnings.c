
#include "ngx_http_mspwh_warnings.h"


#define NGX_HTTP_MSPWH_SMALL_BODY  (1024 * 1024)


static ngx_uint_t ngx_http_mspwh_is_small(ngx_http_core_loc_conf_t *clcf);
static ngx_uint_t ngx_http_mspwh_has_locations(ngx_http_core_loc_conf_t *clcf);
static void ngx_http_mspwh_warn_source(ngx_conf_t *cf,
    ngx_http_mspwh_source_t *source);
static void ngx_http_mspwh_warn_spool(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);
static ngx_uint_t ngx_http_mspwh_same_place(ngx_http_mspwh_place_t *one,
    ngx_http_mspwh_place_t *two);
static void ngx_http_mspwh_warn_without_effect(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf);


void
ngx_http_mspwh_check_location(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_source_t    *source;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_mspwh_loc_conf_t  *level;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    mlcf->small_spool = (mlcf->spool != NULL && !clcf->noname
                         && ngx_http_mspwh_is_small(clcf));

    if (!mlcf->checked) {
        return;
    }

    for (level = mlcf; level; level = level->parent) {
        level->checked_below = 1;
    }

    /*
     * "if" and "limit_except" inherit all of this.  A server's own level
     * rarely serves requests, and clients cannot ask for named and internal
     * locations.
     */

    if (clcf->noname || clcf->named || clcf->internal
        || (clcf->name.len == 0 && ngx_http_mspwh_has_locations(clcf)))
    {
        return;
    }

    source = mlcf->source;

    if (ngx_http_mspwh_is_small(clcf)) {
        source->small_body = 1;

    } else {
        source->large_body = 1;
    }

    if (mlcf->secrets != NULL) {
        source->secret = 1;

    } else {
        source->no_secret = 1;
    }
}


static ngx_uint_t
ngx_http_mspwh_is_small(ngx_http_core_loc_conf_t *clcf)
{
    return clcf->client_max_body_size != 0
           && clcf->client_max_body_size <= NGX_HTTP_MSPWH_SMALL_BODY;
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


void
ngx_http_mspwh_tell_warnings(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_http_mspwh_source_t      *source;
    ngx_http_mspwh_loc_conf_t   **level;
    ngx_http_mspwh_main_conf_t   *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);

    for (source = mmcf->sources; source; source = source->next) {
        ngx_http_mspwh_warn_source(cf, source);
    }

    level = mmcf->spools.elts;

    for (i = 0; i < mmcf->spools.nelts; i++) {
        ngx_http_mspwh_warn_spool(cf, level[i]);
    }

    level = mmcf->levels.elts;

    for (i = 0; i < mmcf->levels.nelts; i++) {
        if (!level[i]->checked_below) {
            ngx_http_mspwh_warn_without_effect(cf, level[i]);
        }
    }
}


static void
ngx_http_mspwh_warn_source(ngx_conf_t *cf, ngx_http_mspwh_source_t *source)
{
    ngx_http_mspwh_source_t  *other;

    /* one warning for each line, even if its file is included many times */

    for (other = source->next; other; other = other->next) {
        if (ngx_http_mspwh_same_place(&other->place, &source->place)) {
            other->no_secret |= source->no_secret;
            other->secret |= source->secret;
            other->small_body |= source->small_body;
            other->large_body |= source->large_body;
            return;
        }
    }

    if (source->no_secret && !source->secret) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"mspwh\" is \"monitor\", but with no "
                      "\"mspwh_secret\" or \"mspwh_secret_file\" "
                      "nothing can be verified in %s:%ui",
                      source->place.file_name, source->place.line);
    }

    if (source->small_body && !source->large_body) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"mspwh\" is enabled, but \"client_max_body_size\" "
                      "is 1m, its default, or less: events with images "
                      "are larger in %s:%ui",
                      source->place.file_name, source->place.line);
    }
}


static void
ngx_http_mspwh_warn_spool(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_http_mspwh_source_t    *source;
    ngx_http_mspwh_loc_conf_t  *level;

    for (level = mlcf; level->parent; level = level->parent) { /* void */ }

    if (!level->checked_below) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"mspwh_spool\" is used, but \"mspwh\" is neither "
                      "\"on\" nor \"monitor\" anywhere: nothing is verified, "
                      "and every request is refused in %s:%ui",
                      mlcf->spool->conf_file, mlcf->spool->line);
        return;
    }

    source = mlcf->source;

    if (!mlcf->small_spool
        || (mlcf->checked && source->small_body && !source->large_body))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"mspwh_spool\" is used, but \"client_max_body_size\" is "
                  "1m, its default, or less: larger events are not spooled "
                  "in %s:%ui", mlcf->spool->conf_file, mlcf->spool->line);
}


static ngx_uint_t
ngx_http_mspwh_same_place(ngx_http_mspwh_place_t *one,
    ngx_http_mspwh_place_t *two)
{
    return one->line == two->line
           && ngx_strcmp(one->file_name, two->file_name) == 0;
}


static void
ngx_http_mspwh_warn_without_effect(ngx_conf_t *cf,
    ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t                    i;
    ngx_http_mspwh_loc_conf_t   **level;
    ngx_http_mspwh_main_conf_t   *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    level = mmcf->levels.elts;

    /* a line of an included file has an effect if it has one anywhere */

    for (i = 0; i < mmcf->levels.nelts; i++) {
        if (level[i] == mlcf) {
            break;
        }

        if (ngx_http_mspwh_same_place(level[i]->first, mlcf->first)) {
            return;
        }
    }

    for ( /* void */ ; i < mmcf->levels.nelts; i++) {
        if (level[i]->checked_below
            && ngx_http_mspwh_same_place(level[i]->first, mlcf->first))
        {
            return;
        }
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"%V\" has no effect: \"mspwh\" is neither \"on\" nor "
                  "\"monitor\" at or below this level in %s:%ui",
                  &mlcf->first->name, mlcf->first->file_name,
                  mlcf->first->line);
}
