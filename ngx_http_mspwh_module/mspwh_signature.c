
#include "mspwh_signature.h"

#include <string.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>


#define MSPWH_BASE64_LENGTH  ((MSPWH_DIGEST_LENGTH + 2) / 3 * 4)


int
mspwh_signature_decode(const char *value, size_t length,
    unsigned char digest[MSPWH_DIGEST_LENGTH])
{
    unsigned char  text[MSPWH_BASE64_LENGTH + 1];
    unsigned char  bytes[MSPWH_BASE64_LENGTH / 4 * 3];

    if (length != MSPWH_BASE64_LENGTH) {
        return -1;
    }

    if (EVP_DecodeBlock(bytes, (const unsigned char *) value,
                        MSPWH_BASE64_LENGTH)
        == -1)
    {
        return -1;
    }

    /*
     * OpenSSL forgives white space, other padding and bits behind the last
     * byte; only the canonical text comes back the same
     */

    EVP_EncodeBlock(text, bytes, MSPWH_DIGEST_LENGTH);

    if (memcmp(text, value, MSPWH_BASE64_LENGTH) != 0) {
        return -1;
    }

    memcpy(digest, bytes, MSPWH_DIGEST_LENGTH);

    return 0;
}


EVP_MAC_CTX *
mspwh_signature_key(const void *secret, size_t length)
{
    EVP_MAC      *hmac;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *key;

    hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    if (hmac == NULL) {
        return NULL;
    }

    key = EVP_MAC_CTX_new(hmac);

    /* the context holds a reference of its own */
    EVP_MAC_free(hmac);

    if (key == NULL) {
        return NULL;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *) "SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();

    if (EVP_MAC_init(key, secret, length, params) != 1) {
        EVP_MAC_CTX_free(key);
        return NULL;
    }

    return key;
}


int
mspwh_verifier_add(mspwh_verifier_t *verifier, const EVP_MAC_CTX *key)
{
    EVP_MAC_CTX  *mac;

    if (verifier->nmacs == MSPWH_SECRETS) {
        return -1;
    }

    mac = EVP_MAC_CTX_dup(key);
    if (mac == NULL) {
        return -1;
    }

    verifier->mac[verifier->nmacs++] = mac;

    return 0;
}


int
mspwh_verifier_update(mspwh_verifier_t *verifier, const void *data,
    size_t length)
{
    unsigned  i;

    for (i = 0; i < verifier->nmacs; i++) {
        if (EVP_MAC_update(verifier->mac[i], data, length) != 1) {
            return -1;
        }
    }

    return 0;
}


int
mspwh_verifier_final(mspwh_verifier_t *verifier,
    const unsigned char digest[MSPWH_DIGEST_LENGTH], int *match)
{
    int            found;
    size_t         length;
    unsigned       i;
    unsigned char  hmac[EVP_MAX_MD_SIZE];

    found = -1;

    /* no early end: the time must not tell which secret matched */

    for (i = verifier->nmacs; i-- > 0; /* void */) {
        if (EVP_MAC_final(verifier->mac[i], hmac, &length, sizeof(hmac)) != 1
            || length != MSPWH_DIGEST_LENGTH)
        {
            return -1;
        }

        if (CRYPTO_memcmp(hmac, digest, MSPWH_DIGEST_LENGTH) == 0) {
            found = (int) i;
        }
    }

    *match = found;

    return 0;
}


int
mspwh_verifier_reset(mspwh_verifier_t *verifier)
{
    unsigned  i;

    for (i = 0; i < verifier->nmacs; i++) {
        if (EVP_MAC_init(verifier->mac[i], NULL, 0, NULL) != 1) {
            return -1;
        }
    }

    return 0;
}


void
mspwh_verifier_cleanup(mspwh_verifier_t *verifier)
{
    while (verifier->nmacs > 0) {
        EVP_MAC_CTX_free(verifier->mac[--verifier->nmacs]);
    }
}
