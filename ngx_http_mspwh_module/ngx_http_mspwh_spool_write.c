
#include "ngx_http_mspwh_spool.h"


static ngx_int_t ngx_http_mspwh_spool_body(
    ngx_http_mspwh_spool_event_t *event);
static ngx_int_t ngx_http_mspwh_spool_link(
    ngx_http_mspwh_spool_event_t *event);
static ngx_int_t ngx_http_mspwh_spool_headers(
    ngx_http_mspwh_spool_event_t *event);
static ngx_int_t ngx_http_mspwh_spool_rename(
    ngx_http_mspwh_spool_event_t *event, u_char *from, u_char *to);
static ngx_int_t ngx_http_mspwh_spool_sync_directory(
    ngx_http_mspwh_spool_event_t *event);

static ngx_fd_t ngx_http_mspwh_spool_create(
    ngx_http_mspwh_spool_event_t *event, u_char *path);
static ngx_int_t ngx_http_mspwh_spool_close(
    ngx_http_mspwh_spool_event_t *event, ngx_fd_t fd, u_char *path,
    ngx_int_t rc);
static ngx_int_t ngx_http_mspwh_spool_copy(
    ngx_http_mspwh_spool_event_t *event, ngx_fd_t fd, ngx_buf_t *b);
static ngx_int_t ngx_http_mspwh_spool_append(
    ngx_http_mspwh_spool_event_t *event, ngx_fd_t fd, u_char *data,
    size_t len, u_char *path);
static ngx_int_t ngx_http_mspwh_spool_failed(
    ngx_http_mspwh_spool_event_t *event, const char *call, u_char *path);


ngx_int_t
ngx_http_mspwh_spool_write(ngx_http_mspwh_spool_event_t *event)
{
    /* the headers come last: they mark the event as complete */

    if (ngx_http_mspwh_spool_body(event) == NGX_OK
        && ngx_http_mspwh_spool_headers(event) == NGX_OK
        && ngx_http_mspwh_spool_rename(event, event->temp_body, event->body)
           == NGX_OK
        && ngx_http_mspwh_spool_rename(event, event->temp_headers,
                                       event->headers)
           == NGX_OK
        && ngx_http_mspwh_spool_sync_directory(event) == NGX_OK)
    {
        return NGX_OK;
    }

    /* some of them may not exist */

    (void) ngx_delete_file(event->headers);
    (void) ngx_delete_file(event->body);
    (void) ngx_delete_file(event->temp_headers);
    (void) ngx_delete_file(event->temp_body);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_mspwh_spool_body(ngx_http_mspwh_spool_event_t *event)
{
    ngx_fd_t      fd;
    ngx_int_t     rc;
    ngx_chain_t  *cl;

    if (event->file != NULL) {
        rc = ngx_http_mspwh_spool_link(event);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    fd = ngx_http_mspwh_spool_create(event, event->temp_body);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (cl = event->bufs; cl && rc == NGX_OK; cl = cl->next) {
        rc = ngx_http_mspwh_spool_copy(event, fd, cl->buf);
    }

    return ngx_http_mspwh_spool_close(event, fd, event->temp_body, rc);
}


/* returns NGX_DECLINED if the file cannot be linked, and must be copied */

static ngx_int_t
ngx_http_mspwh_spool_link(ngx_http_mspwh_spool_event_t *event)
{
    ngx_file_info_t  own, linked;

    if (link((char *) event->file->name.data, (char *) event->temp_body)
        == -1)
    {
        return NGX_DECLINED;
    }

    /* the name may be another file's: nginx deletes most body files at once */

    if (ngx_fd_info(event->file->fd, &own) == NGX_FILE_ERROR
        || ngx_link_info(event->temp_body, &linked) == NGX_FILE_ERROR
        || own.st_dev != linked.st_dev
        || ngx_file_uniq(&own) != ngx_file_uniq(&linked))
    {
        (void) ngx_delete_file(event->temp_body);
        return NGX_DECLINED;
    }

    if (fsync(event->file->fd) == -1) {
        return ngx_http_mspwh_spool_failed(event, "fsync()",
                                           event->temp_body);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_spool_headers(ngx_http_mspwh_spool_event_t *event)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = ngx_http_mspwh_spool_create(event, event->temp_headers);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = ngx_http_mspwh_spool_append(event, fd, event->fields.data,
                                     event->fields.len, event->temp_headers);

    return ngx_http_mspwh_spool_close(event, fd, event->temp_headers, rc);
}


static ngx_int_t
ngx_http_mspwh_spool_rename(ngx_http_mspwh_spool_event_t *event, u_char *from,
    u_char *to)
{
    if (ngx_rename_file(from, to) == NGX_FILE_ERROR) {
        return ngx_http_mspwh_spool_failed(event, ngx_rename_file_n, to);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_spool_sync_directory(ngx_http_mspwh_spool_event_t *event)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = open((char *) event->directory, O_RDONLY|O_CLOEXEC);

    if (fd == NGX_INVALID_FILE) {
        return ngx_http_mspwh_spool_failed(event, "open()", event->directory);
    }

    rc = NGX_OK;

    if (fsync(fd) == -1) {
        rc = ngx_http_mspwh_spool_failed(event, "fsync()", event->directory);
    }

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_fd_t
ngx_http_mspwh_spool_create(ngx_http_mspwh_spool_event_t *event, u_char *path)
{
    ngx_fd_t  fd;

    fd = open((char *) path, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC,
              NGX_FILE_OWNER_ACCESS);

    if (fd == NGX_INVALID_FILE) {
        (void) ngx_http_mspwh_spool_failed(event, "open()", path);
    }

    return fd;
}


static ngx_int_t
ngx_http_mspwh_spool_close(ngx_http_mspwh_spool_event_t *event, ngx_fd_t fd,
    u_char *path, ngx_int_t rc)
{
    if (rc == NGX_OK && fsync(fd) == -1) {
        rc = ngx_http_mspwh_spool_failed(event, "fsync()", path);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR && rc == NGX_OK) {
        rc = ngx_http_mspwh_spool_failed(event, ngx_close_file_n, path);
    }

    return rc;
}


static ngx_int_t
ngx_http_mspwh_spool_copy(ngx_http_mspwh_spool_event_t *event, ngx_fd_t fd,
    ngx_buf_t *b)
{
    off_t    offset;
    size_t   size;
    ssize_t  n;

    if (!b->in_file) {
        return ngx_http_mspwh_spool_append(event, fd, b->pos,
                                           b->last - b->pos,
                                           event->temp_body);
    }

    for (offset = b->file_pos; offset < b->file_last; offset += n) {
        size = (size_t) ngx_min(b->file_last - offset,
                                NGX_HTTP_MSPWH_SPOOL_BUFFER);

        n = pread(b->file->fd, event->buffer, size, offset);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        /* the file is shorter than the verified body */

        if (n == 0) {
            ngx_set_errno(EIO);
        }

        if (n <= 0) {
            return ngx_http_mspwh_spool_failed(event, "pread()",
                                               b->file->name.data);
        }

        if (ngx_http_mspwh_spool_append(event, fd, event->buffer, n,
                                        event->temp_body)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_spool_append(ngx_http_mspwh_spool_event_t *event, ngx_fd_t fd,
    u_char *data, size_t len, u_char *path)
{
    ssize_t  n;

    while (len > 0) {
        n = ngx_write_fd(fd, data, len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n <= 0) {
            return ngx_http_mspwh_spool_failed(event, ngx_write_fd_n, path);
        }

        data += n;
        len -= n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mspwh_spool_failed(ngx_http_mspwh_spool_event_t *event,
    const char *call, u_char *path)
{
    event->err = ngx_errno;
    event->call = call;
    event->path = path;

    return NGX_ERROR;
}
