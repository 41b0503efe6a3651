
#include "faults.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>


faults_t                *faults;
char                     faults_directory[256];
uintptr_t                faults_base;
uint32_t                 faults_pid;

static pthread_mutex_t   faults_mutex = PTHREAD_MUTEX_INITIALIZER;


static void
faults_forked(void)
{
    faults_pid = (uint32_t) getpid();
}


static void __attribute__((constructor))
faults_init(void)
{
    int          fd;
    void        *p;
    const char  *name;

    faults_forked();
    pthread_atfork(NULL, NULL, faults_forked);

    /* a worker's title overwrites the environment */

    name = getenv("MSPWH_FAULTS_FILES");

    if (name == NULL || strlen(name) >= sizeof(faults_directory)) {
        return;
    }

    strcpy(faults_directory, name);

    name = getenv("MSPWH_FAULTS");

    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDWR|O_CLOEXEC);
    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(faults_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);

    if (p != MAP_FAILED) {
        faults = p;
    }
}


static uint64_t
faults_site(const char *name, uint64_t offset)
{
    uint64_t        i;
    faults_site_t  *site;

    for (i = 0; i < faults->nsites; i++) {
        site = &faults->sites[i];

        if (site->offset == offset && strcmp(site->name, name) == 0) {
            return i;
        }
    }

    if (i == FAULTS_SITES) {
        abort();
    }

    site = &faults->sites[i];
    site->offset = offset;
    strncpy(site->name, name, sizeof(site->name) - 1);
    faults->nsites++;

    return i;
}


int
faults_fails(unsigned class, const char *name, uint64_t offset)
{
    int       fails;
    uint64_t  n, site;

    /* failures before the module is known are not tested here */

    if (faults == NULL || faults->class != class || faults_base == 0
        || (faults->pid != 0 && faults->pid != faults_pid)
        || strcmp(faults->skipped, name) == 0)
    {
        return 0;
    }

    /* threads write to the spool */

    pthread_mutex_lock(&faults_mutex);

    n = faults->count++;
    site = faults_site(name, offset);

    faults->sites[site].calls++;

    if (n < FAULTS_TRACE) {
        faults->trace[n] = (uint16_t) site;
    }

    fails = faults->target != 0
            && (n + 1 == faults->target
                || (faults->mode == FAULTS_FROM_THEN_ON
                    && n + 1 > faults->target));

    if (fails) {
        faults->sites[site].failed++;
        faults->site = site;
        faults->failed++;
        errno = faults->err;
    }

    pthread_mutex_unlock(&faults_mutex);

    return fails;
}


void *
dlopen(const char *path, int flags)
{
    void             *handle;
    struct link_map  *map;

    faults_next(dlopen)

    handle = next(path, flags);

    if (faults != NULL && handle != NULL && path != NULL
        && strstr(path, "ngx_http_mspwh_module") != NULL
        && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0)
    {
        faults_patch(map);
    }

    return handle;
}
