
#include "ngx_http_mspwh_status.h"
#include "ngx_http_mspwh_response.h"
#include "ngx_http_mspwh_status_page.h"


static ngx_int_t ngx_http_mspwh_status_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mspwh_status_format(ngx_http_request_t *r);
static void ngx_http_mspwh_status_accept(ngx_str_t *value,
    ngx_int_t *quality, ngx_uint_t *format);
static ngx_int_t ngx_http_mspwh_status_quality(u_char *p, u_char *last);
static ngx_chain_t *ngx_http_mspwh_status_html(ngx_http_request_t *r);
static ngx_int_t ngx_http_mspwh_status_send(ngx_http_request_t *r,
    ngx_uint_t format, ngx_chain_t *out);


static ngx_conf_enum_t  ngx_http_mspwh_status_formats[] = {
    { ngx_string("json"), NGX_HTTP_MSPWH_STATUS_JSON },
    { ngx_string("prometheus"), NGX_HTTP_MSPWH_STATUS_PROMETHEUS },
    { ngx_string("html"), NGX_HTTP_MSPWH_STATUS_HTML },
    { ngx_null_string, 0 }
};


/* indexed by format */

static ngx_str_t  ngx_http_mspwh_status_types[] = {
    ngx_null_string,
    ngx_string("application/json"),
    ngx_string("text/plain; version=0.0.4; charset=utf-8"),
    ngx_string("text/html; charset=utf-8")
};


/* the media types that a client can ask for; the most specific come first */

static ngx_conf_enum_t  ngx_http_mspwh_status_ranges[] = {
    { ngx_string("application/json"), NGX_HTTP_MSPWH_STATUS_JSON },
    { ngx_string("text/html"), NGX_HTTP_MSPWH_STATUS_HTML },
    { ngx_string("text/plain"), NGX_HTTP_MSPWH_STATUS_PROMETHEUS },
    { ngx_string("application/openmetrics-text"),
      NGX_HTTP_MSPWH_STATUS_PROMETHEUS },
    { ngx_string("text/*"), NGX_HTTP_MSPWH_STATUS_PROMETHEUS },
    { ngx_string("*/*"), NGX_HTTP_MSPWH_STATUS_PROMETHEUS },
    { ngx_null_string, 0 }
};


char *
ngx_http_mspwh_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mspwh_loc_conf_t *mlcf = conf;

    ngx_str_t                   *value;
    ngx_conf_enum_t             *format;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (mlcf->status != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    mlcf->status = NGX_HTTP_MSPWH_STATUS_AUTO;

    if (cf->args->nelts == 2) {
        format = ngx_http_mspwh_find_enum(ngx_http_mspwh_status_formats,
                                          &value[1]);
        if (format == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid format \"%V\" in \"%V\" directive, "
                               "it must be \"json\", \"prometheus\" "
                               "or \"html\"", &value[1], &cmd->name);
            return NGX_CONF_ERROR;
        }

        mlcf->status = format->value;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* the merge reports mspwh_spool, with its name */

    if (clcf->handler != NULL && mlcf->spool == NULL) {
        return "is not possible here: another directive answers";
    }

    clcf->handler = ngx_http_mspwh_status_handler;

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    mmcf->counted = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_mspwh_merge_status(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *prev,
    ngx_http_mspwh_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* handlers are not inherited, but "if" and "limit_except" need this one */

    if (clcf->noname && clcf->handler == NULL
        && conf->status == NGX_CONF_UNSET_UINT)
    {
        conf->status = prev->status;

        if (conf->status != NGX_CONF_UNSET_UINT) {
            clcf->handler = ngx_http_mspwh_status_handler;
        }
    }

    if (conf->status == NGX_CONF_UNSET_UINT) {
        return NGX_CONF_OK;
    }

    if (clcf->handler != ngx_http_mspwh_status_handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mspwh_status\" is in location \"%V\", "
                           "but another directive there answers",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->enable != NGX_CONF_UNSET_UINT
        && conf->enable != NGX_HTTP_MSPWH_OFF)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"mspwh\" is enabled in location \"%V\", but "
                           "\"mspwh_status\" there answers for itself: "
                           "it must be \"off\" or inherited", &clcf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_mspwh_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_uint_t                   format;
    ngx_chain_t                 *out;
    ngx_http_mspwh_main_conf_t  *mmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_mspwh_module);

    format = ngx_http_mspwh_status_format(r);

    switch (format) {

    case NGX_HTTP_MSPWH_STATUS_JSON:
        out = ngx_http_mspwh_status_json(r, mmcf);
        break;

    case NGX_HTTP_MSPWH_STATUS_HTML:
        out = ngx_http_mspwh_status_html(r);
        break;

    default: /* NGX_HTTP_MSPWH_STATUS_PROMETHEUS */
        out = ngx_http_mspwh_status_prometheus(r, mmcf);
    }

    if (out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_mspwh_status_send(r, format, out);
}


/* chooses by the directive, the argument or the client's preferences */

static ngx_uint_t
ngx_http_mspwh_status_format(ngx_http_request_t *r)
{
    ngx_int_t                   quality;
    ngx_str_t                   name;
    ngx_uint_t                  i, format;
    ngx_conf_enum_t            *asked;
    ngx_list_part_t            *part;
    ngx_table_elt_t            *header;
    ngx_http_mspwh_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_mspwh_module);

    if (mlcf->status == NGX_HTTP_MSPWH_STATUS_JSON
        || mlcf->status == NGX_HTTP_MSPWH_STATUS_PROMETHEUS)
    {
        return mlcf->status;
    }

    /* the page uses this argument in its links to the other formats */

    if (ngx_http_arg(r, (u_char *) "format", sizeof("format") - 1, &name)
        == NGX_OK)
    {
        asked = ngx_http_mspwh_find_enum(ngx_http_mspwh_status_formats, &name);

        if (asked != NULL) {
            return asked->value;
        }
    }

    format = NGX_HTTP_MSPWH_STATUS_PROMETHEUS;
    quality = 0;

    part = &r->headers_in.headers.part;

    for ( /* void */ ; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mspwh_is_field(&header[i], (u_char *) "Accept",
                                        sizeof("Accept") - 1))
            {
                ngx_http_mspwh_status_accept(&header[i].value, &quality,
                                             &format);
            }
        }
    }

    /* the page fetches the JSON from its own URL */

    if (mlcf->status == NGX_HTTP_MSPWH_STATUS_HTML
        && format != NGX_HTTP_MSPWH_STATUS_JSON)
    {
        return NGX_HTTP_MSPWH_STATUS_HTML;
    }

    return format;
}


/* RFC 9110, section 12.5.1; if the quality is equal, the first one wins */

static void
ngx_http_mspwh_status_accept(ngx_str_t *value, ngx_int_t *quality,
    ngx_uint_t *format)
{
    size_t            len;
    u_char           *p, *end, *next, *last;
    ngx_int_t         q;
    ngx_conf_enum_t  *range;

    last = value->data + value->len;

    for (p = value->data; p < last; p = next + 1) {

        next = ngx_strlchr(p, last, ',');
        if (next == NULL) {
            next = last;
        }

        while (p < next && (*p == ' ' || *p == '\t')) {
            p++;
        }

        for (end = p; end < next; end++) {
            if (*end == ';' || *end == ' ' || *end == '\t') {
                break;
            }
        }

        len = end - p;

        for (range = ngx_http_mspwh_status_ranges; range->name.len; range++) {
            if (range->name.len != len
                || ngx_strncasecmp(range->name.data, p, len) != 0)
            {
                continue;
            }

            q = ngx_http_mspwh_status_quality(end, next);

            if (q > *quality) {
                *quality = q;
                *format = range->value;
            }
        }
    }
}


/* returns the quality of one range, in thousandths */

static ngx_int_t
ngx_http_mspwh_status_quality(u_char *p, u_char *last)
{
    u_char     *end;
    ngx_int_t   q;

    while (p < last) {

        if (*p == ';' || *p == ' ' || *p == '\t') {
            p++;
            continue;
        }

        for (end = p; end < last; end++) {
            if (*end == ';' || *end == ' ' || *end == '\t') {
                break;
            }
        }

        if (end - p > 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=') {
            q = ngx_atofp(p + 2, end - p - 2, 3);

            return (q == NGX_ERROR) ? 0 : q;
        }

        p = end;
    }

    return 1000;
}


static ngx_chain_t *
ngx_http_mspwh_status_html(ngx_http_request_t *r)
{
    static ngx_str_t  name = ngx_string("Content-Security-Policy");
    static ngx_str_t  policy = ngx_string(NGX_HTTP_MSPWH_STATUS_PAGE_POLICY);

    if (ngx_http_mspwh_set_header(r, &name, &policy) == NULL) {
        return NULL;
    }

    return ngx_http_mspwh_chain(r, ngx_http_mspwh_status_page,
                                       sizeof(ngx_http_mspwh_status_page) - 1);
}


static ngx_int_t
ngx_http_mspwh_status_send(ngx_http_request_t *r, ngx_uint_t format,
    ngx_chain_t *out)
{
    off_t              length;
    ngx_int_t          rc;
    ngx_chain_t       *cl;
    static ngx_str_t   cache = ngx_string("Cache-Control");
    static ngx_str_t   no_store = ngx_string("no-store");
    static ngx_str_t   options = ngx_string("X-Content-Type-Options");
    static ngx_str_t   nosniff = ngx_string("nosniff");

    length = 0;

    for (cl = out; cl; cl = cl->next) {
        length += ngx_buf_size(cl->buf);

        if (cl->next == NULL) {
            cl->buf->last_buf = (r == r->main) ? 1 : 0;
            cl->buf->last_in_chain = 1;
        }
    }

    if (ngx_http_mspwh_set_header(r, &cache, &no_store) == NULL
        || ngx_http_mspwh_set_header(r, &options, &nosniff) == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = length;
    r->headers_out.content_type = ngx_http_mspwh_status_types[format];
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}
