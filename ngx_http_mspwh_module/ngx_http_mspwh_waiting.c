
#include "ngx_http_mspwh_waiting.h"

#include <cjson/cJSON.h>


/* the file has about 200 bytes */
#define NGX_HTTP_MSPWH_WAITING_FILE  4096

/* doubles are exact up to here */
#define NGX_HTTP_MSPWH_WAITING_MAX   9007199254740992.0


static ssize_t ngx_http_mspwh_read_small_file(ngx_http_request_t *r,
    ngx_str_t *directory, u_char *buf);
static ngx_int_t ngx_http_mspwh_waiting_values(cJSON *root,
    ngx_http_mspwh_waiting_t *waiting);
static ngx_int_t ngx_http_mspwh_waiting_number(cJSON *root, const char *name,
    int64_t *n);
static ngx_int_t ngx_http_mspwh_waiting_time(cJSON *root, const char *name,
    time_t *time);
static time_t ngx_http_mspwh_parse_time(const char *text);


ngx_int_t
ngx_http_mspwh_add_spool_path(ngx_conf_t *cf, ngx_http_mspwh_loc_conf_t *mlcf)
{
    ngx_uint_t                    i;
    ngx_path_t                  **path;
    ngx_http_mspwh_main_conf_t   *mmcf;

    if (mlcf->spool == NULL) {
        return NGX_OK;
    }

    mmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mspwh_module);
    path = mmcf->spool_paths.elts;

    for (i = 0; i < mmcf->spool_paths.nelts; i++) {
        if (path[i]->name.len == mlcf->spool->name.len
            && ngx_memcmp(path[i]->name.data, mlcf->spool->name.data,
                          path[i]->name.len)
               == 0)
        {
            return NGX_OK;
        }
    }

    path = ngx_array_push(&mmcf->spool_paths);
    if (path == NULL) {
        return NGX_ERROR;
    }

    *path = mlcf->spool;

    return NGX_OK;
}


void
ngx_http_mspwh_read_waiting(ngx_http_request_t *r, ngx_str_t *directory,
    ngx_http_mspwh_waiting_t *waiting)
{
    cJSON    *root;
    u_char    buf[NGX_HTTP_MSPWH_WAITING_FILE];
    ssize_t   n;

    n = ngx_http_mspwh_read_small_file(r, directory, buf);

    root = (n > 0 && n < NGX_HTTP_MSPWH_WAITING_FILE)
           ? cJSON_ParseWithLength((char *) buf, n) : NULL;

    if (ngx_http_mspwh_waiting_values(root, waiting) != NGX_OK) {
        waiting->waiting = -1;
        waiting->waiting_bytes = -1;
        waiting->quarantined = -1;
        waiting->sent = -1;
        waiting->kept = -1;
        waiting->oldest = 0;
        waiting->last_run = 0;
    }

    cJSON_Delete(root);
}


/* nonblocking, in case somebody has made a pipe of it */

static ssize_t
ngx_http_mspwh_read_small_file(ngx_http_request_t *r, ngx_str_t *directory,
    u_char *buf)
{
    u_char    *name;
    ssize_t    n;
    ngx_fd_t   fd;

    name = ngx_pnalloc(r->pool, directory->len + sizeof("/status.json"));
    if (name == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(name, "%V/status.json%Z", directory);

    fd = ngx_open_file(name, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN,
                       0);

    if (fd == NGX_INVALID_FILE) {
        if (ngx_errno != NGX_ENOENT) {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, ngx_errno,
                          "mspwh: cannot open \"%s\"", name);
        }

        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, buf, NGX_HTTP_MSPWH_WAITING_FILE);

    ngx_close_file(fd);

    return n;
}


static ngx_int_t
ngx_http_mspwh_waiting_values(cJSON *root, ngx_http_mspwh_waiting_t *waiting)
{
    if (ngx_http_mspwh_waiting_number(root, "waiting", &waiting->waiting)
        != NGX_OK
        || ngx_http_mspwh_waiting_number(root, "waiting_bytes",
                                         &waiting->waiting_bytes)
           != NGX_OK
        || ngx_http_mspwh_waiting_number(root, "quarantined",
                                         &waiting->quarantined)
           != NGX_OK
        || ngx_http_mspwh_waiting_number(root, "sent", &waiting->sent)
           != NGX_OK
        || ngx_http_mspwh_waiting_number(root, "kept", &waiting->kept)
           != NGX_OK
        || ngx_http_mspwh_waiting_time(root, "oldest", &waiting->oldest)
           != NGX_OK
        || ngx_http_mspwh_waiting_time(root, "last_run", &waiting->last_run)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_waiting_number(cJSON *root, const char *name, int64_t *n)
{
    cJSON   *item;
    double   value;

    item = cJSON_GetObjectItemCaseSensitive(root, name);

    if (!cJSON_IsNumber(item)) {
        return NGX_DECLINED;
    }

    value = cJSON_GetNumberValue(item);

    if (!(value >= 0 && value < NGX_HTTP_MSPWH_WAITING_MAX)) {
        return NGX_DECLINED;
    }

    *n = (int64_t) value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_waiting_time(cJSON *root, const char *name, time_t *time)
{
    cJSON  *item;

    item = cJSON_GetObjectItemCaseSensitive(root, name);

    if (cJSON_IsNull(item)) {
        *time = 0;
        return NGX_OK;
    }

    if (!cJSON_IsString(item)) {
        return NGX_DECLINED;
    }

    *time = ngx_http_mspwh_parse_time(cJSON_GetStringValue(item));

    return (*time > 0) ? NGX_OK : NGX_DECLINED;
}


/* RFC 3339 in UTC, with or without a fraction; -1 for anything else */

static time_t
ngx_http_mspwh_parse_time(const char *text)
{
    int         end;
    const char *p;
    struct tm   tm;

    ngx_memzero(&tm, sizeof(struct tm));
    end = 0;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
               &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end)
        != 6)
    {
        return -1;
    }

    p = text + end;

    if (*p == '.') {
        do {
            p++;
        } while (*p >= '0' && *p <= '9');
    }

    if (p[0] != 'Z' || p[1] != '\0') {
        return -1;
    }

    tm.tm_year -= 1900;
    tm.tm_mon--;

    return timegm(&tm);
}
