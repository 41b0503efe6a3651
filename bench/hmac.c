
/*
 * The lower bound: CPU time of libcrypto's HMAC-SHA256, in ns per message.
 */


#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


static double
cpu_time(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}


int
main(int argc, char *argv[])
{
    long            i, count;
    size_t          size, length;
    double          start;
    EVP_MAC        *mac;
    OSSL_PARAM      params[2];
    EVP_MAC_CTX    *ctx;
    unsigned char  *message, digest[EVP_MAX_MD_SIZE];

    if (argc != 3) {
        fprintf(stderr, "usage: hmac bytes count\n");
        return 2;
    }

    size = atol(argv[1]);
    count = atol(argv[2]);

    params[0] = OSSL_PARAM_construct_utf8_string("digest", "SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();

    message = malloc(size);
    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

    if (message == NULL || ctx == NULL
        || !EVP_MAC_init(ctx, (const unsigned char *) "key", 3, params))
    {
        fprintf(stderr, "hmac: libcrypto failed\n");
        return 1;
    }

    memset(message, 'A', size);
    start = cpu_time();

    for (i = 0; i < count; i++) {
        EVP_MAC_init(ctx, NULL, 0, NULL);
        EVP_MAC_update(ctx, message, size);
        EVP_MAC_final(ctx, digest, &length, sizeof(digest));
    }

    printf("%.1f\n", (cpu_time() - start) / count);

    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    free(message);

    return 0;
}
