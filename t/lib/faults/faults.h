
/*
 * Makes calls fail, one at a time, in an nginx that this library is preloaded
 * into.  t/lib/MspwhFaults.pm says which, through a file that both have open.
 *
 * "own" are the calls of ngx_http_mspwh_module.so: an executable's functions
 * cannot be replaced by preloading, so the addresses that the linker has put
 * into the module's table are replaced.  "memory" are all calls of the process
 * that allocate memory, "files" those on files under a directory.  "sizes" are
 * the allocations again, listed by caller and size; they do not fail.
 */


#ifndef _FAULTS_H_INCLUDED_
#define _FAULTS_H_INCLUDED_


#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>


#define FAULTS_SITES  1024
#define FAULTS_TRACE  32768

enum { FAULTS_OFF = 0, FAULTS_OWN, FAULTS_MEMORY, FAULTS_FILES, FAULTS_SIZES };

enum { FAULTS_ONCE = 0, FAULTS_FROM_THEN_ON, FAULTS_SHORT };


/*
 * The place of a call: an offset in the module, or 0.  For "sizes", the name
 * is that of a library, and the offset is the size.
 */

typedef struct {
    uint64_t            offset;
    uint32_t            calls;
    uint32_t            failed;
    char                name[48];
} faults_site_t;


typedef struct {
    /* from the test */
    uint32_t            class;
    uint32_t            mode;
    uint32_t            pid;                 /* 0 for any process */
    int32_t             err;
    uint64_t            target;              /* 0 to count only */
    char                skipped[48];

    /* to the test */
    uint64_t            count;
    uint64_t            failed;
    uint64_t            site;                /* of the last that failed */
    int64_t             blocks;              /* of memory, in use */
    uint64_t            nsites;

    faults_site_t       sites[FAULTS_SITES];

    /* the site of each call, in order */
    uint16_t            trace[FAULTS_TRACE];
} faults_t;


extern faults_t  *faults;

/* the directory of "files" */
extern char       faults_directory[256];

/* the module's address, once it is loaded */
extern uintptr_t  faults_base;

/* this process's pid */
extern uint32_t   faults_pid;


/*
 * Counts a call of a class, and returns whether it is to fail; then errno is
 * set.  "offset" is the place of the call in the module, or 0.
 */
int faults_fails(unsigned class, const char *name, uint64_t offset);

/* replaces the functions that the module calls */
struct link_map;
void faults_patch(struct link_map *map);


/* the original of the function that this one replaces */

#define faults_next(name)                                                     \
    static __typeof__(name) *next;                                            \
                                                                              \
    if (next == NULL) {                                                       \
        next = (__typeof__(name) *) dlsym(RTLD_NEXT, #name);                  \
    }


#endif /* _FAULTS_H_INCLUDED_ */
