
/*
 * The signature of a webhook: Base64(HMAC-SHA256(secret, raw body)).
 *
 * OpenSSL's HMAC is used only here.  nginx would take errors left in OpenSSL's
 * queue for those of its next TLS connection, so a function that fails empties
 * the queue.
 */


#ifndef _MSPWH_SIGNATURE_H_INCLUDED_
#define _MSPWH_SIGNATURE_H_INCLUDED_


#include <stddef.h>
#include <openssl/evp.h>


#define MSPWH_DIGEST_LENGTH  32
#define MSPWH_SECRETS        8


/* an HMAC-SHA256 that is keyed with a secret; verifiers copy it */

typedef struct {
    EVP_MAC_CTX    *mac;

    /* the HMAC of an empty body: the same for the same secret */
    unsigned char   fingerprint[MSPWH_DIGEST_LENGTH];

    /* set if a verifier can be reset, which OpenSSL before 3.0.3 cannot do */
    unsigned        can_reset:1;
} mspwh_secret_t;


/* one HMAC for each secret, all of them over the same body */

typedef struct {
    EVP_MAC_CTX    *mac[MSPWH_SECRETS];
    unsigned        nmacs;
} mspwh_verifier_t;


/*
 * Decodes the value of a signature header: canonical, padded Base64
 * (RFC 4648, sections 3.5 and 4) of exactly MSPWH_DIGEST_LENGTH bytes.
 * Returns 0, or -1 for anything else.
 */
int mspwh_signature_decode(const char *value, size_t length,
    unsigned char digest[MSPWH_DIGEST_LENGTH]);

/*
 * Keys an HMAC (RFC 2104) with a secret of "length" bytes, at least one.  The
 * text is not kept.  Returns 0, or -1 if OpenSSL fails; then there is nothing
 * to clean up.
 */
int mspwh_secret_init(mspwh_secret_t *hmac, const void *text, size_t length);

/*
 * Releases the HMAC; verifiers that were made from it stay valid.
 */
void mspwh_secret_cleanup(mspwh_secret_t *hmac);

/*
 * Returns whether both are the same secret.
 */
int mspwh_secret_equal(const mspwh_secret_t *one, const mspwh_secret_t *two);

/*
 * Overwrites "length" bytes in a way that the compiler does not optimize away.
 */
void mspwh_cleanse(void *data, size_t length);

/*
 * Adds a secret to those that one body is checked against.  "nmacs" must be 0
 * before the first one.  Returns 0, or -1 if OpenSSL fails or MSPWH_SECRETS
 * have been added; the verifier must be cleaned up in either case.
 */
int mspwh_verifier_add(mspwh_verifier_t *verifier,
    const mspwh_secret_t *secret);

/*
 * Adds "length" bytes of the body.  Returns 0, or -1 if OpenSSL fails.
 */
int mspwh_verifier_update(mspwh_verifier_t *verifier, const void *data,
    size_t length);

/*
 * Ends the body and compares its HMAC under every secret, in constant
 * time, with the digest.  Sets "*match" to the number of the first secret that
 * matches, from 0, or to -1.  Returns 0, or -1 if OpenSSL fails.  After it,
 * the verifier may only be reset or cleaned up.
 */
int mspwh_verifier_final(mspwh_verifier_t *verifier,
    const unsigned char digest[MSPWH_DIGEST_LENGTH], int *match);

/*
 * Prepares the verifier for another body under the same secrets, in whatever
 * state it is.  Works only if all of them have "can_reset".  Returns 0, or -1
 * if OpenSSL fails.
 */
int mspwh_verifier_reset(mspwh_verifier_t *verifier);

/*
 * Releases everything that the verifier holds.  May be called again.
 */
void mspwh_verifier_cleanup(mspwh_verifier_t *verifier);


#endif /* _MSPWH_SIGNATURE_H_INCLUDED_ */
