
/* memory, and how many blocks of it the worker has */


#include "faults.h"


extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);


static int64_t  faults_blocks;


static void *
faults_count_block(void *p, int n)
{
    int64_t  blocks;

    blocks = __atomic_add_fetch(&faults_blocks, n, __ATOMIC_RELAXED);

    if (faults != NULL && faults->pid == faults_pid) {
        faults->blocks = blocks;
    }

    return p;
}


static void *
faults_block(void *p)
{
    return (p != NULL) ? faults_count_block(p, 1) : NULL;
}


static int
faults_memory_fails(const char *name)
{
    int  err, fails;

    err = errno;
    fails = faults_fails(FAULTS_MEMORY, name, 0);
    errno = fails ? ENOMEM : err;

    return fails;
}


void *
malloc(size_t size)
{
    return faults_memory_fails("malloc") ? NULL
                                         : faults_block(__libc_malloc(size));
}


void *
calloc(size_t n, size_t size)
{
    return faults_memory_fails("calloc")
           ? NULL : faults_block(__libc_calloc(n, size));
}


void *
realloc(void *p, size_t size)
{
    void  *new;

    if (faults_memory_fails("realloc")) {
        return NULL;
    }

    new = __libc_realloc(p, size);

    if (p == NULL) {
        return faults_block(new);
    }

    /* glibc has freed it */

    return (size == 0) ? faults_count_block(new, -1) : new;
}


void *
memalign(size_t alignment, size_t size)
{
    return faults_memory_fails("memalign")
           ? NULL : faults_block(__libc_memalign(alignment, size));
}


void *
aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    void  *new;

    if (faults_memory_fails("posix_memalign")) {
        return ENOMEM;
    }

    new = faults_block(__libc_memalign(alignment, size));
    if (new == NULL) {
        return ENOMEM;
    }

    *p = new;

    return 0;
}


void
free(void *p)
{
    if (p != NULL) {
        faults_count_block(p, -1);
        __libc_free(p);
    }
}
