
/*
 * SHA-256 (FIPS 180-4), and random bytes.
 */


#ifndef _MSPWH_DIGEST_H_INCLUDED_
#define _MSPWH_DIGEST_H_INCLUDED_


#include <stddef.h>


#define MSPWH_SHA256_LENGTH  32


/* OpenSSL's EVP_MD */
typedef struct evp_md_st  mspwh_sha256_t;


/*
 * Looks up the hash.  Call it once: in OpenSSL, that takes longer than
 * hashing.  Returns NULL if OpenSSL fails; mspwh_sha256_free() releases the
 * result.
 */
mspwh_sha256_t *mspwh_sha256_fetch(void);
void mspwh_sha256_free(mspwh_sha256_t *sha256);

/*
 * Hashes "length" bytes.  Returns 0, or -1 if OpenSSL fails.
 */
int mspwh_sha256(mspwh_sha256_t *sha256, const void *data, size_t length,
    unsigned char digest[MSPWH_SHA256_LENGTH]);

/*
 * Fills "data" with random bytes that nobody can predict.  Returns 0, or -1 if
 * OpenSSL fails.
 */
int mspwh_random(unsigned char *data, size_t length);


#endif /* _MSPWH_DIGEST_H_INCLUDED_ */
