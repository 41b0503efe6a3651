
/*
 * SHA-256.
 */


#include <openssl/err.h>

#include "headers.h"
#include "mspwh_digest.h"


/* FIPS 180-4, "abc", and nothing */

static const unsigned char  of_abc[] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
    0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
    0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static const unsigned char  of_nothing[] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
    0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
    0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
};


static void
test_sha256(void **state)
{
    unsigned char    digest[MSPWH_SHA256_LENGTH];
    mspwh_sha256_t  *sha256;

    (void) state;

    sha256 = mspwh_sha256_fetch();
    assert_non_null(sha256);

    assert_int_equal(mspwh_sha256(sha256, "abc", 3, digest), 0);
    assert_memory_equal(digest, of_abc, sizeof(digest));

    assert_int_equal(mspwh_sha256(sha256, "", 0, digest), 0);
    assert_memory_equal(digest, of_nothing, sizeof(digest));

    mspwh_sha256_free(sha256);
}


/* no error of OpenSSL is left in the queue for nginx to find */

static void
test_failure(void **state)
{
    unsigned char  digest[MSPWH_SHA256_LENGTH];

    (void) state;

    assert_int_equal(mspwh_sha256(NULL, "abc", 3, digest), -1);
    assert_int_equal(ERR_peek_error(), 0);

    mspwh_sha256_free(NULL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_failure),
    };

    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
