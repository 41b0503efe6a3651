
/* makes the module's own calls fail */


#include "faults.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>


/* libcrypto's, if nginx is linked with it */
extern void ERR_new(void) __attribute__((weak));
extern void ERR_set_error(int lib, int reason, const char *fmt, ...)
    __attribute__((weak));


/* leaves an error in the queue, as OpenSSL does */

static int
faults_openssl(void)
{
    if (ERR_new != NULL && ERR_set_error != NULL) {
        ERR_new();
        ERR_set_error(6 /* ERR_LIB_EVP */, 0xc0100 /* ERR_R_MALLOC_FAILURE */,
                      NULL);
    }

    return 0;
}


#define FAULTS_ALL                                                            \
    FAULTS_TWO(void *, ngx_palloc, void *, size_t, NULL)                      \
    FAULTS_TWO(void *, ngx_pcalloc, void *, size_t, NULL)                     \
    FAULTS_TWO(void *, ngx_pnalloc, void *, size_t, NULL)                     \
    FAULTS_TWO(void *, ngx_pool_cleanup_add, void *, size_t, NULL)            \
    FAULTS_ONE(void *, ngx_list_push, void *, NULL)                           \
    FAULTS_ONE(void *, ngx_array_push, void *, NULL)                          \
    FAULTS_THREE(void *, ngx_array_create, void *, size_t, size_t, NULL)      \
    FAULTS_ONE(void *, ngx_alloc_chain_link, void *, NULL)                    \
    FAULTS_TWO(void *, ngx_create_temp_buf, void *, size_t, NULL)             \
    FAULTS_TWO(void *, ngx_slab_alloc, void *, size_t, NULL)                  \
    FAULTS_TWO(void *, ngx_slab_calloc, void *, size_t, NULL)                 \
    FAULTS_TWO(void *, ngx_slab_calloc_locked, void *, size_t, NULL)          \
    FAULTS_TWO(void *, ngx_alloc, size_t, void *, NULL)                       \
    FAULTS_TWO(void *, ngx_create_pool, size_t, void *, NULL)                 \
    FAULTS_ONE(intptr_t, ngx_event_connect_peer, void *, -1)                  \
    FAULTS_ONE(int, ngx_tcp_nodelay, void *, -1)                              \
    FAULTS_TWO(intptr_t, ngx_handle_read_event, void *, uintptr_t, -1)        \
    FAULTS_TWO(intptr_t, ngx_handle_write_event, void *, uintptr_t, -1)       \
    FAULTS_TWO(intptr_t, ngx_chain_writer, void *, void *, -1)                \
    FAULTS_ONE(intptr_t, ngx_http_upstream_create, void *, -1)                \
    FAULTS_THREE(void *, ngx_http_upstream_add, void *, void *, uintptr_t,    \
                 NULL)                                                        \
    FAULTS_TWO(intptr_t, ngx_inet_resolve_host, void *, void *, -1)           \
    FAULTS_THREE(intptr_t, ngx_ssl_create, void *, uintptr_t, void *, -1)     \
    FAULTS_FOUR(intptr_t, ngx_ssl_trusted_certificate, void *, void *,        \
                void *, intptr_t, -1)                                         \
    FAULTS_THREE(intptr_t, ngx_ssl_create_connection, void *, void *,         \
                 uintptr_t, -1)                                               \
    FAULTS_ONE(intptr_t, ngx_ssl_handshake, void *, -1)                       \
    FAULTS_TWO(intptr_t, ngx_ssl_check_host, void *, void *, -1)              \
    FAULTS_FOUR(ssize_t, ngx_read_file, void *, void *, size_t, int64_t, -1)  \
    FAULTS_TWO(intptr_t, ngx_http_read_client_request_body, void *, void *,   \
               500)                                                           \
    FAULTS_ONE(intptr_t, ngx_http_discard_request_body, void *, 500)          \
    FAULTS_ONE(intptr_t, ngx_http_send_header, void *, -1)                    \
    FAULTS_TWO(intptr_t, ngx_http_output_filter, void *, void *, -1)          \
    FAULTS_FOUR(intptr_t, ngx_http_send_response, void *, uintptr_t, void *,  \
                void *, 500)                                                  \
    FAULTS_TWO(intptr_t, ngx_thread_task_post, void *, void *, -1)            \
    FAULTS_TWO(void *, ngx_thread_pool_add, void *, void *, NULL)             \
    FAULTS_FOUR(void *, ngx_shared_memory_add, void *, void *, size_t,        \
                void *, NULL)                                                 \
    FAULTS_THREE(void *, ngx_http_add_variable, void *, void *, uintptr_t,    \
                 NULL)                                                        \
    FAULTS_TWO(intptr_t, ngx_http_get_variable_index, void *, void *, -1)     \
    FAULTS_ONE(intptr_t, ngx_http_compile_complex_value, void *, -1)          \
    FAULTS_THREE(intptr_t, ngx_http_complex_value, void *, void *, void *,    \
                 -1)                                                          \
    FAULTS_THREE(intptr_t, ngx_conf_full_name, void *, void *, uintptr_t, -1) \
    FAULTS_TWO(intptr_t, ngx_add_path, void *, void *, -1)                    \
                                                                              \
    FAULTS_THREE(void *, EVP_MAC_fetch, void *, void *, void *,               \
                 (void *) (intptr_t) faults_openssl())                        \
    FAULTS_ONE(void *, EVP_MAC_CTX_new, void *,                               \
               (void *) (intptr_t) faults_openssl())                          \
    FAULTS_ONE(void *, EVP_MAC_CTX_dup, void *,                               \
               (void *) (intptr_t) faults_openssl())                          \
    FAULTS_FOUR(int, EVP_MAC_init, void *, void *, size_t, void *,            \
                faults_openssl())                                             \
    FAULTS_THREE(int, EVP_MAC_update, void *, void *, size_t,                 \
                 faults_openssl())                                            \
    FAULTS_FOUR(int, EVP_MAC_final, void *, void *, void *, size_t,           \
                faults_openssl())                                             \
                                                                              \
    FAULTS_THREE(void *, EVP_MD_fetch, void *, void *, void *,                \
                 (void *) (intptr_t) faults_openssl())                        \
    FAULTS_SIX(int, EVP_Digest, void *, size_t, void *, void *, void *,       \
               void *, faults_openssl())                                      \
                                                                              \
    FAULTS_TWO(void *, cJSON_ParseWithLength, void *, size_t, NULL)           \
    FAULTS_TWO(int, RAND_bytes, void *, int, faults_openssl())                \
                                                                              \
    FAULTS_NONE(void *, cJSON_CreateNull, NULL)                               \
    FAULTS_NONE(void *, cJSON_CreateFalse, NULL)                              \
    FAULTS_NONE(void *, cJSON_CreateTrue, NULL)                               \
    FAULTS_NONE(void *, cJSON_CreateArray, NULL)                              \
    FAULTS_NONE(void *, cJSON_CreateObject, NULL)                             \
    FAULTS_ONE(void *, cJSON_CreateString, void *, NULL)                      \
    FAULTS_ONE(void *, cJSON_CreateRaw, void *, NULL)                         \
    FAULTS_TWO(void *, cJSON_AddArrayToObject, void *, void *, NULL)          \
    FAULTS_TWO(void *, cJSON_AddNullToObject, void *, void *, NULL)           \
    FAULTS_TWO(void *, cJSON_AddObjectToObject, void *, void *, NULL)         \
    FAULTS_THREE(void *, cJSON_AddBoolToObject, void *, void *, int, NULL)    \
    FAULTS_THREE(void *, cJSON_AddNumberToObject, void *, void *, double,     \
                 NULL)                                                        \
    FAULTS_THREE(void *, cJSON_AddRawToObject, void *, void *, void *, NULL)  \
    FAULTS_THREE(void *, cJSON_AddStringToObject, void *, void *, void *,     \
                 NULL)                                                        \
    FAULTS_TWO(int, cJSON_AddItemToArray, void *, void *, 0)                  \
    FAULTS_ONE(void *, cJSON_PrintUnformatted, void *, NULL)                  \
                                                                              \
    FAULTS_ONE(void *, malloc, size_t, NULL)                                  \
    FAULTS_TWO(void *, calloc, size_t, size_t, NULL)                          \
    FAULTS_TWO(void *, realloc, void *, size_t, NULL)                         \
    FAULTS_THREE(int, open, void *, int, mode_t, -1)                          \
    FAULTS_THREE(int, open64, void *, int, mode_t, -1)                        \
    FAULTS_TWO(int, __open_2, void *, int, -1)                                \
    FAULTS_TWO(int, __open64_2, void *, int, -1)                              \
    FAULTS_TWO(int, fstat, int, void *, -1)                                   \
    FAULTS_TWO(int, fstat64, int, void *, -1)                                 \
    FAULTS_TWO(int, lstat, const char *, void *, -1)                          \
    FAULTS_TWO(int, lstat64, const char *, void *, -1)                        \
    FAULTS_THREE(ssize_t, read, int, void *, size_t, -1)                      \
    FAULTS_FOUR(ssize_t, pread, int, void *, size_t, off_t, -1)               \
    FAULTS_FOUR(ssize_t, pread64, int, void *, size_t, int64_t, -1)           \
    FAULTS_THREE(ssize_t, write, int, void *, size_t, -1)                     \
    FAULTS_ONE(int, dup, int, -1)                                             \
    FAULTS_ONE(int, fsync, int, -1)                                           \
    FAULTS_ONE(int, close, int, (real_close(a), errno = faults->err, -1))     \
    FAULTS_TWO(int, link, void *, void *, -1)                                 \
    FAULTS_TWO(int, rename, void *, void *, -1)


#define faults_own(type, name, params, args, failure)                         \
                                                                              \
static type (*real_ ## name) params;                                          \
                                                                              \
static type                                                                   \
own_ ## name params                                                           \
{                                                                             \
    if (faults_fails(FAULTS_OWN, #name,                                       \
                     (uintptr_t) __builtin_return_address(0) - faults_base))  \
    {                                                                         \
        return failure;                                                       \
    }                                                                         \
                                                                              \
    return real_ ## name args;                                                \
}

#define FAULTS_NONE(type, name, failure)                                      \
    faults_own(type, name, (void), (), failure)
#define FAULTS_ONE(type, name, A, failure)                                    \
    faults_own(type, name, (A a), (a), failure)
#define FAULTS_TWO(type, name, A, B, failure)                                 \
    faults_own(type, name, (A a, B b), (a, b), failure)
#define FAULTS_THREE(type, name, A, B, C, failure)                            \
    faults_own(type, name, (A a, B b, C c), (a, b, c), failure)
#define FAULTS_FOUR(type, name, A, B, C, D, failure)                          \
    faults_own(type, name, (A a, B b, C c, D d), (a, b, c, d), failure)
#define FAULTS_SIX(type, name, A, B, C, D, E, F, failure)                     \
    faults_own(type, name, (A a, B b, C c, D d, E e, F f),                    \
               (a, b, c, d, e, f), failure)

FAULTS_ALL

#undef FAULTS_NONE
#undef FAULTS_ONE
#undef FAULTS_TWO
#undef FAULTS_THREE
#undef FAULTS_FOUR
#undef FAULTS_SIX


#define faults_entry(name)  { #name, (void *) own_ ## name,                   \
                              (void **) &real_ ## name },

#define FAULTS_NONE(type, name, ...)   faults_entry(name)
#define FAULTS_ONE(type, name, ...)    faults_entry(name)
#define FAULTS_TWO(type, name, ...)    faults_entry(name)
#define FAULTS_THREE(type, name, ...)  faults_entry(name)
#define FAULTS_FOUR(type, name, ...)   faults_entry(name)
#define FAULTS_SIX(type, name, ...)    faults_entry(name)

static const struct {
    const char          *name;
    void                *own;
    void               **real;
} faults_functions[] = {
    FAULTS_ALL
};


static void
faults_replace(const char *name, void **address)
{
    size_t     i, size;
    uintptr_t  page;

    size = (size_t) getpagesize();
    page = (uintptr_t) address & ~(size - 1);

    for (i = 0; i < sizeof(faults_functions) / sizeof(faults_functions[0]);
         i++)
    {
        if (strcmp(faults_functions[i].name, name) == 0
            && *address != faults_functions[i].own)
        {
            if (mprotect((void *) page, size, PROT_READ|PROT_WRITE) != 0) {
                abort();
            }

            *faults_functions[i].real = *address;
            *address = faults_functions[i].own;
        }
    }
}


/* i386's relocation types have the same numbers as those of x86-64 */

#if defined(__i386__)

typedef ElfW(Rel)   faults_relocation_t;

#define FAULTS_RELOCATIONS       DT_REL
#define FAULTS_RELOCATIONS_SIZE  DT_RELSZ
#define FAULTS_TYPE(info)        ELF32_R_TYPE(info)
#define FAULTS_SYMBOL(info)      ELF32_R_SYM(info)

#else

typedef ElfW(Rela)  faults_relocation_t;

#define FAULTS_RELOCATIONS       DT_RELA
#define FAULTS_RELOCATIONS_SIZE  DT_RELASZ
#define FAULTS_TYPE(info)        ELF64_R_TYPE(info)
#define FAULTS_SYMBOL(info)      ELF64_R_SYM(info)

#endif


static void
faults_relocations(struct link_map *map, faults_relocation_t *relocation,
    size_t size, ElfW(Sym) *symbols, const char *strings)
{
    size_t      i;
    unsigned    type;
    ElfW(Sym)  *symbol;

    for (i = 0; i < size / sizeof(faults_relocation_t); i++) {
        type = (unsigned) FAULTS_TYPE(relocation[i].r_info);
        symbol = &symbols[FAULTS_SYMBOL(relocation[i].r_info)];

        if (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT
            || type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT)
        {
            faults_replace(strings + symbol->st_name,
                           (void **) (map->l_addr + relocation[i].r_offset));
        }
    }
}


void
faults_patch(struct link_map *map)
{
    size_t                size, plt_size;
    ElfW(Dyn)            *dyn;
    ElfW(Sym)            *symbols;
    const char           *strings;
    faults_relocation_t  *relocations, *plt;

    size = plt_size = 0;
    symbols = NULL;
    relocations = plt = NULL;
    strings = NULL;

    for (dyn = map->l_ld; dyn->d_tag != DT_NULL; dyn++) {
        switch (dyn->d_tag) {

        case DT_SYMTAB:
            symbols = (ElfW(Sym) *) dyn->d_un.d_ptr;
            break;

        case DT_STRTAB:
            strings = (const char *) dyn->d_un.d_ptr;
            break;

        case FAULTS_RELOCATIONS:
            relocations = (faults_relocation_t *) dyn->d_un.d_ptr;
            break;

        case FAULTS_RELOCATIONS_SIZE:
            size = dyn->d_un.d_val;
            break;

        case DT_JMPREL:
            plt = (faults_relocation_t *) dyn->d_un.d_ptr;
            break;

        case DT_PLTRELSZ:
            plt_size = dyn->d_un.d_val;
            break;

        default:
            break;
        }
    }

    faults_base = map->l_addr;

    faults_relocations(map, relocations, size, symbols, strings);
    faults_relocations(map, plt, plt_size, symbols, strings);
}
