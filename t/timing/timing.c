
/*
 * Does the time of the signature check reveal how much of a signature is
 * right?
 *
 * Two kinds of wrong signatures are checked in random order: in one the first
 * byte is wrong, in the other only the last.  An attacker can measure the time
 * of mspwh_verifier_final(), so it is measured here.  Welch's t-test judges
 * the differences, as in "Dude, is my code constant time?" (Reparaz, Balasch
 * and Verbauwhede, 2017), without the slowest samples of both kinds, which are
 * interrupts.
 *
 * A loop that ends at the first difference is measured in the same way, to
 * show that such a leak would be found.
 */


#define _GNU_SOURCE

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mspwh_signature.h"


#define BODY    256

/* nanoseconds: a smaller difference counts as none */
#define LIMIT   1.0

/* according to the paper, a larger |t| is not by chance */
#define T       10.0


typedef int (*check_pt)(mspwh_verifier_t *verifier,
    const unsigned char digest[MSPWH_DIGEST_LENGTH], int *match);


typedef struct {
    const char  *name;
    check_pt     check;
    int          leaks;
} subject_t;


typedef struct {
    double    difference;
    double    error;
    double    t;
    double    mean;
} result_t;


static unsigned char  body[BODY];
static unsigned char  digests[2][MSPWH_DIGEST_LENGTH];

static uint64_t       random_state = 0x9e3779b97f4a7c15;


static void
fail(const char *what)
{
    fprintf(stderr, "timing: %s\n", what);
    exit(2);
}


static uint64_t
next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;

    return random_state;
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}


/* mspwh_verifier_final() with the mistake that the test must find */

static int
leaking_final(mspwh_verifier_t *verifier,
    const unsigned char digest[MSPWH_DIGEST_LENGTH], int *match)
{
    size_t         length;
    unsigned       i;
    unsigned char  hmac[EVP_MAX_MD_SIZE];

    if (EVP_MAC_final(verifier->mac[0], hmac, &length, sizeof(hmac)) != 1) {
        return -1;
    }

    *match = 0;

    for (i = 0; i < MSPWH_DIGEST_LENGTH; i++) {
        if (hmac[i] != digest[i]) {
            *match = -1;
            break;
        }
    }

    return 0;
}


static void
measure(check_pt check, mspwh_verifier_t *verifier, unsigned char *kinds,
    float *times, size_t n)
{
    int            match;
    double         start, end;
    size_t         i;
    unsigned char  digest[MSPWH_DIGEST_LENGTH];

    for (i = 0; i < n; i++) {
        kinds[i] = next_random() >> 63;
    }

    for (i = 0; i < n; i++) {
        if (mspwh_verifier_reset(verifier) != 0
            || mspwh_verifier_update(verifier, body, sizeof(body)) != 0)
        {
            fail("OpenSSL fails");
        }

        /* the same memory for both kinds */

        memcpy(digest, digests[kinds[i]], sizeof(digest));

        start = now();

        if (check(verifier, digest, &match) != 0 || match != -1) {
            fail("a wrong signature is not refused");
        }

        end = now();
        times[i] = end - start;
    }
}


static int
by_value(const void *a, const void *b)
{
    float  x, y;

    x = *(const float *) a;
    y = *(const float *) b;

    return (x > y) - (x < y);
}


static result_t
compare(unsigned char *kinds, float *times, size_t n, double limit)
{
    double    mean[2], m2[2], d, variance;
    size_t    i, k, count[2];
    result_t  result;

    memset(mean, 0, sizeof(mean));
    memset(m2, 0, sizeof(m2));
    memset(count, 0, sizeof(count));

    for (i = 0; i < n; i++) {
        if (times[i] > limit) {
            continue;
        }

        k = kinds[i];
        count[k]++;
        d = times[i] - mean[k];
        mean[k] += d / count[k];
        m2[k] += d * (times[i] - mean[k]);
    }

    variance = m2[0] / (count[0] - 1) / count[0]
               + m2[1] / (count[1] - 1) / count[1];

    result.mean = mean[0];
    result.difference = mean[1] - mean[0];
    result.error = sqrt(variance);
    result.t = result.difference / result.error;

    return result;
}


/*
 * Prints the results without various shares of the slowest samples, and
 * returns the one for 90 % of the samples.
 */

static result_t
judge(const char *name, unsigned char *kinds, float *times, size_t n)
{
    float                *sorted;
    size_t                i;
    result_t              result, chosen;

    static const double   shares[] = { 0.5, 0.9, 0.99, 1 };

    sorted = malloc(n * sizeof(float));
    if (sorted == NULL) {
        fail("no memory");
    }

    memcpy(sorted, times, n * sizeof(float));
    qsort(sorted, n, sizeof(float), by_value);

    memset(&chosen, 0, sizeof(chosen));

    for (i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        result = compare(kinds, times, n,
                         sorted[(size_t) (shares[i] * (n - 1))]);

        printf("%-24s %4.0f %%  %8.1f  %+8.3f  %+8.3f to %+8.3f  %+9.1f\n",
               name, shares[i] * 100, result.mean, result.difference,
               result.difference - 1.96 * result.error,
               result.difference + 1.96 * result.error, result.t);

        if (shares[i] == 0.9) {
            chosen = result;
        }
    }

    free(sorted);

    return chosen;
}


static void
prepare(mspwh_verifier_t *verifier)
{
    int             match;
    size_t          length;
    unsigned char   right[EVP_MAX_MD_SIZE];
    mspwh_secret_t  hmac;

    memset(body, 'x', sizeof(body));
    memset(verifier, 0, sizeof(*verifier));

    if (mspwh_secret_init(&hmac, "correct horse battery staple", 28) != 0
        || mspwh_verifier_add(verifier, &hmac) != 0)
    {
        fail("no HMAC");
    }

    mspwh_secret_cleanup(&hmac);

    if (mspwh_verifier_update(verifier, body, sizeof(body)) != 0
        || EVP_MAC_final(verifier->mac[0], right, &length, sizeof(right)) != 1
        || mspwh_verifier_reset(verifier) != 0
        || mspwh_verifier_update(verifier, body, sizeof(body)) != 0
        || mspwh_verifier_final(verifier, right, &match) != 0 || match != 0)
    {
        fail("the right signature is refused");
    }

    memcpy(digests[0], right, MSPWH_DIGEST_LENGTH);
    memcpy(digests[1], right, MSPWH_DIGEST_LENGTH);

    digests[0][0] ^= 1;
    digests[1][MSPWH_DIGEST_LENGTH - 1] ^= 1;
}


/* returns whether there is no difference, or one if it is expected */

static int
is_as_expected(const subject_t *subject, const result_t *result)
{
    double  difference, error;

    difference = fabs(result->difference);
    error = 1.96 * result->error;

    if (subject->leaks) {
        return fabs(result->t) > T && difference - error > LIMIT;
    }

    return difference + error < LIMIT;
}


int
main(int argc, char *argv[])
{
    int                failed;
    float             *times;
    size_t             i, n;
    result_t           result;
    unsigned char     *kinds;
    mspwh_verifier_t   verifier;

    static const subject_t  subjects[] = {
        { "the module's check", mspwh_verifier_final, 0 },
        { "ends at a difference", leaking_final, 1 }
    };

    n = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000000;

    kinds = malloc(n);
    times = malloc(n * sizeof(float));

    if (n < 1000 || kinds == NULL || times == NULL) {
        fail("usage: timing [samples]");
    }

    prepare(&verifier);

    printf("%zu samples each; the last byte is wrong, against the first, in "
           "ns\n\n%-24s %6s  %8s  %8s  %20s  %9s\n", n, "", "of", "mean",
           "differ", "95 %", "t");

    failed = 0;

    for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        measure(subjects[i].check, &verifier, kinds, times, n / 10);
        measure(subjects[i].check, &verifier, kinds, times, n);
        result = judge(subjects[i].name, kinds, times, n);

        if (!is_as_expected(&subjects[i], &result)) {
            printf("FAILED: %s\n", subjects[i].leaks
                   ? "a difference would not be seen"
                   : "there may be a difference");
            failed = 1;
        }
    }

    mspwh_verifier_cleanup(&verifier);
    free(kinds);
    free(times);

    return failed;
}
