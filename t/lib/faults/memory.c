
/* makes allocations fail, and counts the worker's blocks of memory */


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


static void
faults_count_size(size_t size, void *caller)
{
    Dl_info      info;
    const char  *name;

    if (faults == NULL || faults->class != FAULTS_SIZES
        || dladdr(caller, &info) == 0)
    {
        return;
    }

    name = strrchr(info.dli_fname, '/');

    (void) faults_fails(FAULTS_SIZES, name ? name + 1 : info.dli_fname, size);
}


static int
faults_memory_fails(const char *name, size_t size, void *caller)
{
    int  err, fails;

    err = errno;
    fails = faults_fails(FAULTS_MEMORY, name, 0);
    faults_count_size(size, caller);
    errno = fails ? ENOMEM : err;

    return fails;
}


void *
malloc(size_t size)
{
    return faults_memory_fails("malloc", size, __builtin_return_address(0))
           ? NULL : faults_block(__libc_malloc(size));
}


void *
calloc(size_t n, size_t size)
{
    return faults_memory_fails("calloc", n * size, __builtin_return_address(0))
           ? NULL : faults_block(__libc_calloc(n, size));
}


void *
realloc(void *p, size_t size)
{
    void  *new;

    if (faults_memory_fails("realloc", size, __builtin_return_address(0))) {
        return NULL;
    }

    new = __libc_realloc(p, size);

    if (p == NULL) {
        return faults_block(new);
    }

    /* glibc has freed the old block */

    return (size == 0) ? faults_count_block(new, -1) : new;
}


void *
memalign(size_t alignment, size_t size)
{
    return faults_memory_fails("memalign", size, __builtin_return_address(0))
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

    if (faults_memory_fails("posix_memalign", size,
                            __builtin_return_address(0)))
    {
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
