
/* makes calls on files under the directory fail */


#include "faults.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>


static int
faults_path_fails(const char *name, const char *path)
{
    return faults != NULL && faults->class == FAULTS_FILES
           && strncmp(path, faults_directory, strlen(faults_directory)) == 0
           && faults_fails(FAULTS_FILES, name, 0);
}


static int
faults_fd_fails(const char *name, int fd)
{
    char     link[32], path[512];
    ssize_t  n;

    if (faults == NULL || faults->class != FAULTS_FILES) {
        return 0;
    }

    sprintf(link, "/proc/self/fd/%d", fd);

    n = readlink(link, path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = '\0';

    return faults_path_fails(name, path);
}


#define FAULTS_OPEN(name)                                                     \
int                                                                           \
name(const char *path, int flags, ...)                                        \
{                                                                             \
    mode_t   mode;                                                            \
    va_list  args;                                                            \
                                                                              \
    faults_next(name)                                                         \
                                                                              \
    va_start(args, flags);                                                    \
    mode = (flags & (O_CREAT|O_TMPFILE)) ? va_arg(args, mode_t) : 0;          \
    va_end(args);                                                             \
                                                                              \
    return faults_path_fails("open", path) ? -1 : next(path, flags, mode);    \
}

FAULTS_OPEN(open)
FAULTS_OPEN(open64)


/* fails, or does half of its work */

#define FAULTS_IO(name, called, type, params, rest, half)                     \
ssize_t                                                                       \
name params                                                                   \
{                                                                             \
    faults_next(name)                                                         \
                                                                              \
    if (faults_fd_fails(called, fd)) {                                        \
        return (faults->mode == FAULTS_SHORT) ? next half : -1;               \
    }                                                                         \
                                                                              \
    return next rest;                                                         \
}

FAULTS_IO(read, "read", void *,
          (int fd, void *p, size_t n), (fd, p, n), (fd, p, n / 2))
FAULTS_IO(write, "write", const void *,
          (int fd, const void *p, size_t n), (fd, p, n), (fd, p, n / 2))
FAULTS_IO(pread, "pread", void *, (int fd, void *p, size_t n, off_t at),
          (fd, p, n, at), (fd, p, n / 2, at))
FAULTS_IO(pread64, "pread", void *, (int fd, void *p, size_t n, off64_t at),
          (fd, p, n, at), (fd, p, n / 2, at))
FAULTS_IO(pwrite, "pwrite", void *,
          (int fd, const void *p, size_t n, off_t at),
          (fd, p, n, at), (fd, p, n / 2, at))
FAULTS_IO(pwrite64, "pwrite", void *,
          (int fd, const void *p, size_t n, off64_t at),
          (fd, p, n, at), (fd, p, n / 2, at))
FAULTS_IO(pwritev, "pwritev", const struct iovec *,
          (int fd, const struct iovec *v, int n, off_t at),
          (fd, v, n, at), (fd, v, 1, at))
FAULTS_IO(pwritev64, "pwritev", const struct iovec *,
          (int fd, const struct iovec *v, int n, off64_t at),
          (fd, v, n, at), (fd, v, 1, at))


int
fsync(int fd)
{
    faults_next(fsync)

    return faults_fd_fails("fsync", fd) ? -1 : next(fd);
}


/* Linux closes the file even if close() fails */

int
close(int fd)
{
    int  fails;

    faults_next(close)

    fails = faults_fd_fails("close", fd);

    if (next(fd) == -1) {
        return -1;
    }

    if (fails) {
        errno = faults->err;
    }

    return fails ? -1 : 0;
}


int
link(const char *from, const char *to)
{
    faults_next(link)

    return faults_path_fails("link", to) ? -1 : next(from, to);
}


int
rename(const char *from, const char *to)
{
    faults_next(rename)

    return faults_path_fails("rename", to) ? -1 : next(from, to);
}


int
unlink(const char *path)
{
    faults_next(unlink)

    return faults_path_fails("unlink", path) ? -1 : next(path);
}
