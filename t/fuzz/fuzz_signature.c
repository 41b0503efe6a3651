
/*
 * The input is the value of a signature header, and a body.  For each input:
 *
 *   - the value is accepted if it is the canonical, padded Base64 of 32 bytes,
 *     judged by its characters; encoding the decoded bytes gives the value;
 *   - any 32 bytes can be encoded and decoded again;
 *   - the HMAC of a body in pieces is that of the whole body, under each key;
 *     the first of equal keys is found, and none if one bit differs.
 */


#include "check.h"
#include "mspwh_signature.h"

#include <openssl/hmac.h>
#include <string.h>


#define FUZZ_TEXT  44

static const char  fuzz_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";


static void fuzz_value(const char *value, size_t length);
static int fuzz_is_canonical(const char *value, size_t length);
static void fuzz_bytes(const uint8_t *data, size_t size);
static void fuzz_verify(const uint8_t *data, size_t size);
static int fuzz_keys(mspwh_verifier_t *verifier, unsigned which,
    uint64_t *random);
static void fuzz_final(mspwh_verifier_t *verifier,
    const unsigned char *digest, int expected);
static void fuzz_body(mspwh_verifier_t *verifier, const uint8_t *data,
    size_t size, uint64_t *random);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char  *value;

    value = fuzz_copy(data, size);
    fuzz_value(value, size);
    free(value);

    fuzz_bytes(data, size);
    fuzz_verify(data, size);

    return 0;
}


static void
fuzz_value(const char *value, size_t length)
{
    int            rc;
    unsigned char  digest[MSPWH_DIGEST_LENGTH], text[FUZZ_TEXT + 1];

    rc = mspwh_signature_decode(value, length, digest);

    fuzz_check((rc == 0) == fuzz_is_canonical(value, length), "%d for %.*s",
               rc, (int) length, value);

    if (rc == 0) {
        EVP_EncodeBlock(text, digest, MSPWH_DIGEST_LENGTH);
        fuzz_check(memcmp(text, value, FUZZ_TEXT) == 0, "%.*s, not %.*s",
                   FUZZ_TEXT, text, FUZZ_TEXT, value);
    }
}


/* whether a value has 43 digits, the last of which ends in two zero bits */

static int
fuzz_is_canonical(const char *value, size_t length)
{
    size_t       i;
    const char  *ch;

    if (length != FUZZ_TEXT || value[FUZZ_TEXT - 1] != '=') {
        return 0;
    }

    ch = NULL;

    for (i = 0; i < FUZZ_TEXT - 1; i++) {
        ch = memchr(fuzz_alphabet, value[i], 64);

        if (ch == NULL) {
            return 0;
        }
    }

    return (ch - fuzz_alphabet) % 4 == 0;
}


static void
fuzz_bytes(const uint8_t *data, size_t size)
{
    unsigned char  bytes[MSPWH_DIGEST_LENGTH], digest[MSPWH_DIGEST_LENGTH];
    unsigned char  text[FUZZ_TEXT + 1];

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));

    EVP_EncodeBlock(text, bytes, sizeof(bytes));

    fuzz_check(mspwh_signature_decode((char *) text, FUZZ_TEXT, digest) == 0
               && memcmp(digest, bytes, sizeof(bytes)) == 0, "%s", text);
}


static void
fuzz_verify(const uint8_t *data, size_t size)
{
    int                expected;
    char               secret[16];
    uint64_t           random;
    unsigned           which;
    unsigned char      digest[EVP_MAX_MD_SIZE];
    mspwh_verifier_t   verifier;

    memset(&verifier, 0, sizeof(mspwh_verifier_t));

    random = fuzz_seed(data, size);
    which = (unsigned) fuzz_random(&random, MSPWH_SECRETS);
    expected = fuzz_keys(&verifier, which, &random);

    snprintf(secret, sizeof(secret), "secret%u", which);
    HMAC(EVP_sha256(), secret, (int) strlen(secret), data, size, digest,
         NULL);

    fuzz_body(&verifier, data, size, &random);
    fuzz_final(&verifier, digest, expected);

    /* once more, after part of another body */

    fuzz_check(mspwh_verifier_reset(&verifier) == 0, "no reset");
    fuzz_body(&verifier, digest, fuzz_random(&random, 32), &random);
    fuzz_check(mspwh_verifier_reset(&verifier) == 0, "no reset");

    fuzz_body(&verifier, data, size, &random);
    fuzz_final(&verifier, digest, expected);

    fuzz_check(mspwh_verifier_reset(&verifier) == 0, "no reset");

    digest[fuzz_random(&random, MSPWH_DIGEST_LENGTH)]
        ^= (unsigned char) (1 << fuzz_random(&random, 8));

    fuzz_body(&verifier, data, size, &random);
    fuzz_final(&verifier, digest, -1);

    mspwh_verifier_cleanup(&verifier);
    mspwh_verifier_cleanup(&verifier);
}


/* some keys of eight, with repeats; tells the place of the first "which" */

static int
fuzz_keys(mspwh_verifier_t *verifier, unsigned which, uint64_t *random)
{
    int             first;
    char            secret[16];
    unsigned        i, n, number;
    mspwh_secret_t  hmac;

    first = -1;
    n = 1 + (unsigned) fuzz_random(random, MSPWH_SECRETS);

    for (i = 0; i < n; i++) {
        number = (unsigned) fuzz_random(random, MSPWH_SECRETS);

        if (number == which && first == -1) {
            first = (int) i;
        }

        snprintf(secret, sizeof(secret), "secret%u", number);

        fuzz_check(mspwh_secret_init(&hmac, secret, strlen(secret)) == 0
                   && mspwh_verifier_add(verifier, &hmac) == 0,
                   "secret %u", i);
        fuzz_check(i < MSPWH_SECRETS - 1
                   || mspwh_verifier_add(verifier, &hmac) == -1,
                   "a secret too many");

        mspwh_secret_cleanup(&hmac);
    }

    return first;
}


static void
fuzz_final(mspwh_verifier_t *verifier, const unsigned char *digest,
    int expected)
{
    int  match;

    fuzz_check(mspwh_verifier_final(verifier, digest, &match) == 0
               && match == expected, "%d, not %d", match, expected);
}


static void
fuzz_body(mspwh_verifier_t *verifier, const uint8_t *data, size_t size,
    uint64_t *random)
{
    size_t  n;

    for ( /* void */ ; size > 0; data += n, size -= n) {
        n = fuzz_random(random, size + 1);

        fuzz_check(mspwh_verifier_update(verifier, data, n) == 0,
                   "no update");
    }
}
