
#include "mspwh_signature.h"

#include <string.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>


#define MSPWH_BASE64_LENGTH  ((MSPWH_DIGEST_LENGTH + 2) / 3 * 4)

_Static_assert(MSPWH_DIGEST_LENGTH % 3 == 2, "one byte of padding");


/* the values of Base64 digits, and MSPWH_NO_DIGIT for other characters */

#define MSPWH_NO_DIGIT  0xc0
#define XX              MSPWH_NO_DIGIT

static const unsigned char  mspwh_base64_digits[128] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX, XX, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
    XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, XX,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX
};

#undef XX


static unsigned mspwh_base64_digit(char ch);
static EVP_MAC_CTX *mspwh_secret_mac(const void *text, size_t length);
static int mspwh_secret_fingerprint(mspwh_secret_t *hmac);
static unsigned mspwh_secret_can_reset(const mspwh_secret_t *hmac);
static int mspwh_openssl_failed(void);


/*
 * OpenSSL is not used, since it also accepts white space, other padding and
 * stray bits after the last byte.
 */

int
mspwh_signature_decode(const char *value, size_t length,
    unsigned char digest[MSPWH_DIGEST_LENGTH])
{
    unsigned        i, a, b, c, d, invalid;
    unsigned char   bytes[MSPWH_BASE64_LENGTH / 4 * 3], *p;

    if (length != MSPWH_BASE64_LENGTH
        || value[MSPWH_BASE64_LENGTH - 1] != '=')
    {
        return -1;
    }

    invalid = 0;
    p = bytes;

    for (i = 0; i < MSPWH_BASE64_LENGTH; i += 4) {
        a = mspwh_base64_digit(value[i]);
        b = mspwh_base64_digit(value[i + 1]);
        c = mspwh_base64_digit(value[i + 2]);
        d = (i + 4 < MSPWH_BASE64_LENGTH) ? mspwh_base64_digit(value[i + 3])
                                          : 0;

        invalid |= a | b | c | d;

        *p++ = (unsigned char) (a << 2 | b >> 4);
        *p++ = (unsigned char) (b << 4 | c >> 2);
        *p++ = (unsigned char) (c << 6 | d);
    }

    /* the byte after the digest consists of the stray bits */

    if ((invalid & MSPWH_NO_DIGIT) != 0 || bytes[MSPWH_DIGEST_LENGTH] != 0) {
        return -1;
    }

    memcpy(digest, bytes, MSPWH_DIGEST_LENGTH);

    return 0;
}


static unsigned
mspwh_base64_digit(char ch)
{
    unsigned char  byte = (unsigned char) ch;

    return (byte < 0x80) ? mspwh_base64_digits[byte] : MSPWH_NO_DIGIT;
}


int
mspwh_secret_init(mspwh_secret_t *hmac, const void *text, size_t length)
{
    hmac->mac = mspwh_secret_mac(text, length);
    if (hmac->mac == NULL) {
        return mspwh_openssl_failed();
    }

    if (mspwh_secret_fingerprint(hmac) != 0) {
        mspwh_secret_cleanup(hmac);
        return mspwh_openssl_failed();
    }

    hmac->can_reset = mspwh_secret_can_reset(hmac);

    return 0;
}


static EVP_MAC_CTX *
mspwh_secret_mac(const void *text, size_t length)
{
    EVP_MAC      *hmac;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *mac;

    hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    if (hmac == NULL) {
        return NULL;
    }

    mac = EVP_MAC_CTX_new(hmac);

    /* the context holds its own reference */
    EVP_MAC_free(hmac);

    if (mac == NULL) {
        return NULL;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *) "SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();

    if (EVP_MAC_init(mac, text, length, params) != 1) {
        EVP_MAC_CTX_free(mac);
        return NULL;
    }

    return mac;
}


static int
mspwh_secret_fingerprint(mspwh_secret_t *hmac)
{
    int           rc;
    size_t        length;
    EVP_MAC_CTX  *mac;

    mac = EVP_MAC_CTX_dup(hmac->mac);
    if (mac == NULL) {
        return -1;
    }

    rc = EVP_MAC_final(mac, hmac->fingerprint, &length, MSPWH_DIGEST_LENGTH);

    EVP_MAC_CTX_free(mac);

    return (rc == 1 && length == MSPWH_DIGEST_LENGTH) ? 0 : -1;
}


/* OpenSSL before 3.0.3 does not reset an HMAC that is started again */

static unsigned
mspwh_secret_can_reset(const mspwh_secret_t *hmac)
{
    int               match;
    mspwh_verifier_t  verifier;

    verifier.nmacs = 0;

    if (mspwh_verifier_add(&verifier, hmac) != 0
        || mspwh_verifier_update(&verifier, "x", 1) != 0
        || mspwh_verifier_final(&verifier, hmac->fingerprint, &match) != 0
        || mspwh_verifier_reset(&verifier) != 0
        || mspwh_verifier_final(&verifier, hmac->fingerprint, &match) != 0)
    {
        match = -1;
    }

    mspwh_verifier_cleanup(&verifier);

    return match == 0;
}


void
mspwh_secret_cleanup(mspwh_secret_t *hmac)
{
    EVP_MAC_CTX_free(hmac->mac);
    hmac->mac = NULL;
}


int
mspwh_secret_equal(const mspwh_secret_t *one, const mspwh_secret_t *two)
{
    return CRYPTO_memcmp(one->fingerprint, two->fingerprint,
                         MSPWH_DIGEST_LENGTH)
           == 0;
}


void
mspwh_cleanse(void *data, size_t length)
{
    OPENSSL_cleanse(data, length);
}


static int
mspwh_openssl_failed(void)
{
    ERR_clear_error();

    return -1;
}


int
mspwh_verifier_add(mspwh_verifier_t *verifier, const mspwh_secret_t *secret)
{
    EVP_MAC_CTX  *mac;

    if (verifier->nmacs == MSPWH_SECRETS) {
        return -1;
    }

    mac = EVP_MAC_CTX_dup(secret->mac);
    if (mac == NULL) {
        return mspwh_openssl_failed();
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
            return mspwh_openssl_failed();
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
            return mspwh_openssl_failed();
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
            return mspwh_openssl_failed();
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
