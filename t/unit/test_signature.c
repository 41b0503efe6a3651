
/*
 * The HMAC and its Base64.
 */


#include "headers.h"
#include "mspwh_signature.h"


#define TEXT(s)  s, sizeof(s) - 1
#define X10      "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
#define Y10      "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
#define A10      "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"
#define A131     A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 "\xaa"

/* 42 characters */
#define HEAD     "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/"


typedef struct {
    const char  *key;
    size_t       key_length;
    const char  *data;
    size_t       length;
    const char  *digest;
} vector_t;


/* RFC 4231, sections 4.2 to 4.5, 4.7 and 4.8 */

static const vector_t  vectors[] = {
    { TEXT("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
           "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
      TEXT("Hi There"),
      "\xb0\x34\x4c\x61\xd8\xdb\x38\x53\x5c\xa8\xaf\xce\xaf\x0b\xf1\x2b"
      "\x88\x1d\xc2\x00\xc9\x83\x3d\xa7\x26\xe9\x37\x6c\x2e\x32\xcf\xf7" },

    { TEXT("Jefe"), TEXT("what do ya want for nothing?"),
      "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7"
      "\x5a\x00\x3f\x08\x9d\x27\x39\x83\x9d\xec\x58\xb9\x64\xec\x38\x43" },

    { TEXT(A10 A10), TEXT(X10 X10 X10 X10 X10),
      "\x77\x3e\xa9\x1e\x36\x80\x0e\x46\x85\x4d\xb8\xeb\xd0\x91\x81\xa7"
      "\x29\x59\x09\x8b\x3e\xf8\xc1\x22\xd9\x63\x55\x14\xce\xd5\x65\xfe" },

    { TEXT("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
           "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19"),
      TEXT(Y10 Y10 Y10 Y10 Y10),
      "\x82\x55\x8a\x38\x9a\x44\x3c\x0e\xa4\xcc\x81\x98\x99\xf2\x08\x3a"
      "\x85\xf0\xfa\xa3\xe5\x78\xf8\x07\x7a\x2e\x3f\xf4\x67\x29\x66\x5b" },

    { TEXT(A131),
      TEXT("Test Using Larger Than Block-Size Key - Hash Key First"),
      "\x60\xe4\x31\x59\x1e\xe0\xb6\x7f\x0d\x8a\x26\xaa\xcb\xf5\xb7\x7f"
      "\x8e\x0b\xc6\x21\x37\x28\xc5\x14\x05\x46\x04\x0f\x0e\xe3\x7f\x54" },

    { TEXT(A131),
      TEXT("This is a test using a larger than block-size key and a larger "
           "than block-size data. The key needs to be hashed before being "
           "used by the HMAC algorithm."),
      "\x9b\x09\xff\xa7\x1b\x94\x2f\xcb\x27\x63\x5f\xbc\xd5\xb0\xe9\x44"
      "\xbf\xdc\x63\x64\x4f\x07\x13\x93\x8a\x7f\x51\x53\x5c\x3a\x35\xe2" },
};

#define NVECTORS  (sizeof(vectors) / sizeof(vectors[0]))


/* the number of the matching key, of those of the vectors in "keys" */

static int
verify(const char *keys, const vector_t *v, size_t split, const void *digest)
{
    int                match;
    mspwh_secret_t     secret;
    const vector_t    *k;
    mspwh_verifier_t   verifier;

    memset(&verifier, 0, sizeof(verifier));

    for ( /* void */ ; *keys; keys++) {
        k = &vectors[*keys - '0'];

        assert_int_equal(mspwh_secret_init(&secret, k->key, k->key_length),
                         0);
        assert_int_equal(mspwh_verifier_add(&verifier, &secret), 0);
        mspwh_secret_cleanup(&secret);
    }

    match = 99;

    assert_int_equal(mspwh_verifier_update(&verifier, v->data, split), 0);
    assert_int_equal(mspwh_verifier_update(&verifier, v->data + split,
                                           v->length - split), 0);
    assert_int_equal(mspwh_verifier_final(&verifier, digest, &match), 0);

    mspwh_verifier_cleanup(&verifier);
    mspwh_verifier_cleanup(&verifier);
    assert_int_equal(verifier.nmacs, 0);

    return match;
}


static void
test_vectors(void **state)
{
    char             key[2] = "0";
    size_t           i, n;
    unsigned char    digest[MSPWH_DIGEST_LENGTH];
    const vector_t  *v;

    (void) state;

    for (i = 0; i < NVECTORS; i++) {
        v = &vectors[i];
        key[0] = '0' + i;

        for (n = 0; n <= v->length; n++) {
            assert_int_equal(verify(key, v, n, v->digest), 0);
        }

        for (n = 0; n < MSPWH_DIGEST_LENGTH; n++) {
            memcpy(digest, v->digest, sizeof(digest));
            digest[n] ^= 1;
            assert_int_equal(verify(key, v, 0, digest), -1);
        }
    }
}


static void
test_keys(void **state)
{
    size_t           i;
    const vector_t  *v;

    static const struct {
        const char  *keys;
        int          match;
    } cases[] = {
        { "", -1 }, { "0", -1 }, { "1", 0 }, { "01", 1 }, { "10", 0 },
        { "11", 0 }, { "02345", -1 }, { "0101", 1 }, { "00000001", 7 },
    };

    (void) state;

    v = &vectors[1];

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(verify(cases[i].keys, v, 3, v->digest),
                         cases[i].match);
    }
}


/* one key verifies many bodies, and a body has a limited number of keys */

static void
test_reuse(void **state)
{
    int                match;
    unsigned           i;
    mspwh_secret_t     secret;
    const vector_t    *v;
    mspwh_verifier_t   verifier;

    (void) state;

    v = &vectors[1];
    memset(&verifier, 0, sizeof(verifier));

    assert_int_equal(mspwh_secret_init(&secret, v->key, v->key_length), 0);
    assert_true(mspwh_secret_equal(&secret, &secret));

    for (i = 0; i < 3; i++) {
        assert_int_equal(mspwh_verifier_add(&verifier, &secret), 0);
        assert_int_equal(mspwh_verifier_update(&verifier, v->data,
                                               v->length), 0);
        assert_int_equal(mspwh_verifier_final(&verifier,
                             (const unsigned char *) v->digest, &match), 0);
        assert_int_equal(match, 0);
        mspwh_verifier_cleanup(&verifier);
    }

    for (i = 0; i < MSPWH_SECRETS; i++) {
        assert_int_equal(mspwh_verifier_add(&verifier, &secret), 0);
    }

    assert_int_equal(mspwh_verifier_add(&verifier, &secret), -1);

    mspwh_verifier_cleanup(&verifier);
    mspwh_secret_cleanup(&secret);
}


/* a verifier that is reset has forgotten its input */

static void
test_reset(void **state)
{
    int                match;
    unsigned           i;
    mspwh_secret_t     secret;
    const vector_t    *v;
    mspwh_verifier_t   verifier;

    (void) state;

    v = &vectors[1];
    memset(&verifier, 0, sizeof(verifier));

    for (i = 0; i < 2; i++) {
        assert_int_equal(mspwh_secret_init(&secret, vectors[i].key,
                                           vectors[i].key_length), 0);
        assert_true(secret.can_reset);
        assert_int_equal(mspwh_verifier_add(&verifier, &secret), 0);
        mspwh_secret_cleanup(&secret);
    }

    for (i = 0; i < 3; i++) {
        assert_int_equal(mspwh_verifier_update(&verifier, v->data,
                                               v->length), 0);
        assert_int_equal(mspwh_verifier_final(&verifier,
                             (const unsigned char *) v->digest, &match), 0);
        assert_int_equal(match, 1);

        assert_int_equal(mspwh_verifier_reset(&verifier), 0);
        assert_int_equal(mspwh_verifier_update(&verifier, "half a body", 11),
                         0);
        assert_int_equal(mspwh_verifier_reset(&verifier), 0);
    }

    mspwh_verifier_cleanup(&verifier);
}


static void
test_decode(void **state)
{
    size_t         i;
    unsigned char  digest[MSPWH_DIGEST_LENGTH];

    static const unsigned char  bytes[] = { 0xfb, 0xff, 0xbf };

    static const struct {
        const char  *text;
        size_t       length;
    } refused[] = {
        { TEXT("") }, { TEXT("=") }, { TEXT("AAAA") },

        /* white space */
        { TEXT(" " HEAD "8=") }, { TEXT(HEAD "8= ") }, { TEXT(HEAD "8=\n") },
        { TEXT(" " HEAD "8") }, { TEXT(HEAD "8 ") }, { TEXT(HEAD " =") },
        { TEXT("+/+/\r\n/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=") },
        { TEXT("+/+/ /+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=") },

        /* padding */
        { TEXT(HEAD "8") }, { TEXT(HEAD "88") }, { TEXT(HEAD "8==") },
        { TEXT(HEAD "==") }, { TEXT(HEAD "=8") }, { TEXT(HEAD "8\0") },
        { TEXT("=" HEAD "8") }, { TEXT(HEAD "8-") },

        /* the URL-safe alphabet, and invalid characters */
        { TEXT("-_+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=") },
        { TEXT("+_+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=") },
        { TEXT("!/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=") },
        { TEXT("\0/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=") },
        { TEXT("\xff/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=") },

        /* bits after the last byte */
        { TEXT(HEAD "9=") }, { TEXT(HEAD "+=") }, { TEXT(HEAD "/=") },
        { TEXT(HEAD "B=") },

        /* 31, 33, 34, 35 bytes, and hex */
        { TEXT("+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+A==") },
        { TEXT(HEAD "++") }, { TEXT(HEAD "++AA==") }, { TEXT(HEAD "++AAA=") },
        { TEXT("b0344c61d8db38535ca8afceaf0bf12b"
               "881dc200c9833da726e9376c2e32cff7") },
    };

    (void) state;

    assert_int_equal(mspwh_signature_decode(TEXT(HEAD "8="), digest), 0);

    for (i = 0; i < MSPWH_DIGEST_LENGTH; i++) {
        assert_int_equal(digest[i], bytes[i % 3]);
    }

    assert_int_equal(mspwh_signature_decode(
                         TEXT("sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c="),
                         digest), 0);
    assert_memory_equal(digest, vectors[0].digest, sizeof(digest));

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (mspwh_signature_decode(refused[i].text, refused[i].length, digest)
            != -1)
        {
            fail_msg("accepted: %s", refused[i].text);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
