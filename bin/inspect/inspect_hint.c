
#define _GNU_SOURCE

#include "inspect_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static int inspect_decode(const inspect_text_t *value,
    unsigned char digest[MSPWH_DIGEST_LENGTH], const char **form);
static char *inspect_explain(const inspect_input_t *input,
    const unsigned char digest[MSPWH_DIGEST_LENGTH]);
static const char *inspect_try(const inspect_change_t *changes,
    const inspect_text_t *from, const inspect_text_t *secret,
    const inspect_text_t *body,
    const unsigned char digest[MSPWH_DIGEST_LENGTH]);
static int inspect_signs(const inspect_text_t *secret,
    const inspect_text_t *body,
    const unsigned char digest[MSPWH_DIGEST_LENGTH]);


#define inspect_format(text, ...)                                             \
    do {                                                                      \
        if (asprintf(text, __VA_ARGS__) == -1) {                              \
            inspect_no_memory();                                              \
        }                                                                     \
    } while (0)


/* there may be a prefix such as "sha256=" before the signature */

char *
inspect_hint(const inspect_input_t *input)
{
    char            *hint, *whole;
    size_t           i;
    const char      *form;
    inspect_text_t   rest;
    unsigned char    digest[MSPWH_DIGEST_LENGTH];

    if (!input->has_signature) {
        return NULL;
    }

    rest = input->signature;

    while (inspect_decode(&rest, digest, &form) != 0) {
        i = strcspn(rest.data, "=:, ") + 1;

        if (i >= rest.length) {
            return NULL;
        }

        rest.data += i;
        rest.length -= i;
    }

    hint = inspect_explain(input, digest);

    if (form == NULL && rest.data == input->signature.data) {
        return hint;
    }

    inspect_format(&whole, "the signature is in %s%s, but has to be padded "
                   "Base64 and nothing else%s%s",
                   form ? form : "Base64",
                   (rest.data == input->signature.data) ? ""
                                                        : " with a prefix",
                   hint ? "; " : "", hint ? hint : "");
    free(hint);

    return whole;
}


/* sets "*form" to NULL if the module accepts this form */

static int
inspect_decode(const inspect_text_t *value,
    unsigned char digest[MSPWH_DIGEST_LENGTH], const char **form)
{
    int             failed;
    inspect_text_t  bytes;

    *form = NULL;

    if (mspwh_signature_decode(value->data, value->length, digest) == 0) {
        return 0;
    }

    if (inspect_from_hex(&bytes, value) == 0) {
        *form = "hex";

    } else if (inspect_from_base64(&bytes, value) == 0) {
        *form = (strpbrk(value->data, "-_") != NULL)
                ? "Base64url" : "Base64 without padding";

    } else {
        return -1;
    }

    failed = (bytes.length != MSPWH_DIGEST_LENGTH);

    if (!failed) {
        memcpy(digest, bytes.data, MSPWH_DIGEST_LENGTH);
    }

    free(bytes.data);

    return failed ? -1 : 0;
}


/* looks for a single mistake, in the secret or in the body */

static char *
inspect_explain(const inspect_input_t *input,
    const unsigned char digest[MSPWH_DIGEST_LENGTH])
{
    char                  *hint;
    unsigned               i;
    const char            *words, *file;
    const inspect_text_t  *secret, *body;

    body = &input->body;

    for (i = 0; i < input->nsecrets; i++) {
        if (inspect_signs(&input->secrets[i].text, body, digest)) {
            return NULL;
        }
    }

    for (i = 0; i < input->nsecrets; i++) {
        file = input->secrets[i].file;
        secret = &input->secrets[i].text;

        words = inspect_try(inspect_secret_changes, secret, NULL, body,
                            digest);
        if (words != NULL) {
            inspect_format(&hint, "the sender has the secret of \"%s\" %s",
                           file, words);
            return hint;
        }

        words = inspect_try(inspect_body_changes, body, secret, NULL, digest);

        if (words != NULL) {
            inspect_format(&hint, "the body was signed %s, with the secret "
                           "of \"%s\"", words, file);
            return hint;
        }
    }

    return NULL;
}


/* changes the secret or the body, whichever is NULL here */

static const char *
inspect_try(const inspect_change_t *changes, const inspect_text_t *from,
    const inspect_text_t *secret, const inspect_text_t *body,
    const unsigned char digest[MSPWH_DIGEST_LENGTH])
{
    int             found;
    inspect_text_t  to;

    for ( /* void */ ; changes->change != NULL; changes++) {
        if (changes->change(&to, from) != 0) {
            continue;
        }

        found = inspect_signs(secret ? secret : &to, body ? body : &to,
                              digest);

        mspwh_cleanse(to.data, to.length);
        free(to.data);

        if (found) {
            return changes->words;
        }
    }

    return NULL;
}


static int
inspect_signs(const inspect_text_t *secret, const inspect_text_t *body,
    const unsigned char digest[MSPWH_DIGEST_LENGTH])
{
    int               failed, match;
    mspwh_secret_t    hmac;
    mspwh_verifier_t  verifier;

    if (secret->length == 0) {
        return 0;
    }

    if (mspwh_secret_init(&hmac, secret->data, secret->length) != 0) {
        inspect_no_memory();
    }

    verifier.nmacs = 0;

    failed = mspwh_verifier_add(&verifier, &hmac) != 0
             || mspwh_verifier_update(&verifier, body->data, body->length) != 0
             || mspwh_verifier_final(&verifier, digest, &match) != 0;

    mspwh_verifier_cleanup(&verifier);
    mspwh_secret_cleanup(&hmac);

    if (failed) {
        inspect_no_memory();
    }

    return match == 0;
}
