
/*
 * The signature of a webhook: Base64(HMAC-SHA256(secret, raw body)).
 */


#ifndef _MSPWH_SIGNATURE_H_INCLUDED_
#define _MSPWH_SIGNATURE_H_INCLUDED_


#include <stddef.h>
#include <openssl/evp.h>


#define MSPWH_DIGEST_LENGTH  32
#define MSPWH_SECRETS        8


/* one HMAC for each secret, running side by side over one body */

typedef struct {
    EVP_MAC_CTX  *mac[MSPWH_SECRETS];
    unsigned      nmacs;
} mspwh_verifier_t;


/*
 * Decodes the value of a signature header: canonical, padded Base64
 * (RFC 4648, sections 3.5 and 4) of exactly MSPWH_DIGEST_LENGTH bytes.
 * Returns 0, or -1 for anything else.
 */
int mspwh_signature_decode(const char *value, size_t length,
    unsigned char digest[MSPWH_DIGEST_LENGTH]);

/*
 * Makes an HMAC-SHA256 (RFC 2104) with its key set up, to be duplicated for
 * each body; the secret of "length" bytes, at least one, is not kept.
 * Returns NULL where OpenSSL fails; EVP_MAC_CTX_free() releases it.
 */
EVP_MAC_CTX *mspwh_signature_key(const void *secret, size_t length);

/*
 * Prepares to check one body against up to MSPWH_SECRETS keys.
 * Returns 0, or -1 where OpenSSL fails; the verifier is to be cleaned up
 * in either case.
 */
int mspwh_verifier_add(mspwh_verifier_t *verifier, const EVP_MAC_CTX *key);

/*
 * Adds "length" bytes of the body.  Returns 0, or -1 where OpenSSL fails.
 */
int mspwh_verifier_update(mspwh_verifier_t *verifier, const void *data,
    size_t length);

/*
 * Ends the body and compares its HMAC under every key, in constant time,
 * with the digest.  Sets "*match" to the number of the first key that
 * matches, from 0, or to -1.  Returns 0, or -1 where OpenSSL fails.
 */
int mspwh_verifier_final(mspwh_verifier_t *verifier,
    const unsigned char digest[MSPWH_DIGEST_LENGTH], int *match);

/*
 * Makes the verifier ready for another body under the same keys, wherever it
 * was in the one before.  Returns 0, or -1 where OpenSSL fails.
 */
int mspwh_verifier_reset(mspwh_verifier_t *verifier);

/*
 * Releases what the verifier holds; may be called again.
 */
void mspwh_verifier_cleanup(mspwh_verifier_t *verifier);


#endif /* _MSPWH_SIGNATURE_H_INCLUDED_ */
