
#include "mspwh_digest.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>


mspwh_sha256_t *
mspwh_sha256_fetch(void)
{
    EVP_MD  *md;

    md = EVP_MD_fetch(NULL, "SHA256", NULL);

    if (md == NULL) {
        ERR_clear_error();
    }

    return md;
}


void
mspwh_sha256_free(mspwh_sha256_t *sha256)
{
    EVP_MD_free(sha256);
}


int
mspwh_sha256(mspwh_sha256_t *sha256, const void *data, size_t length,
    unsigned char digest[MSPWH_SHA256_LENGTH])
{
    if (EVP_Digest(data, length, digest, NULL, sha256, NULL) != 1) {
        ERR_clear_error();
        return -1;
    }

    return 0;
}


int
mspwh_random(unsigned char *data, size_t length)
{
    if (RAND_bytes(data, (int) length) != 1) {
        ERR_clear_error();
        return -1;
    }

    return 0;
}
