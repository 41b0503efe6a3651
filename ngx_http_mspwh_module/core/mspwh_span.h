
/*
 * The only machine-specific code: finds the end of a run of bytes that stand
 * for themselves inside a JSON string, and of a run of digits.
 */


#ifndef _MSPWH_SPAN_H_INCLUDED_
#define _MSPWH_SPAN_H_INCLUDED_


#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <stdint.h>
#include <arm_neon.h>
#endif


#define mspwh_span_is_plain(ch)                                               \
    ((ch) >= 0x20 && (ch) < 0x80 && (ch) != '"' && (ch) != '\\')


#define mspwh_span_is_digit(ch)  ((unsigned char) ((ch) - '0') < 10)


/*
 * mspwh_span_plain() returns the first byte in [p, end) that is a quote, a
 * backslash, a control character or not ASCII, and mspwh_span_digits() the
 * first that is not a digit; "end" if there is none.
 */

static inline const unsigned char *
mspwh_span_bytes(const unsigned char *p, const unsigned char *end)
{
    while (p < end && mspwh_span_is_plain(*p)) {
        p++;
    }

    return p;
}


static inline const unsigned char *
mspwh_span_digit_bytes(const unsigned char *p, const unsigned char *end)
{
    while (p < end && mspwh_span_is_digit(*p)) {
        p++;
    }

    return p;
}


#if defined(__SSE2__)

/*
 * Marks the bytes that are not plain.  As signed numbers, non-ASCII bytes are
 * below a space; the exclusive or moves the quote there, too.
 */
static inline __m128i
mspwh_span_special(const unsigned char *p)
{
    __m128i  bytes, low, backslash;

    bytes = _mm_loadu_si128((const __m128i *) p);

    low = _mm_cmplt_epi8(_mm_xor_si128(bytes, _mm_set1_epi8(0x02)),
                         _mm_set1_epi8(0x21));
    backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));

    return _mm_or_si128(low, backslash);
}


static inline const unsigned char *
mspwh_span_long(const unsigned char *p, const unsigned char *end)
{
    int      mask;
    __m128i  bytes[4];

    while (end - p >= 64) {
        bytes[0] = mspwh_span_special(p);
        bytes[1] = mspwh_span_special(p + 16);
        bytes[2] = mspwh_span_special(p + 32);
        bytes[3] = mspwh_span_special(p + 48);

        bytes[3] = _mm_or_si128(_mm_or_si128(bytes[0], bytes[1]),
                                _mm_or_si128(bytes[2], bytes[3]));

        if (_mm_movemask_epi8(bytes[3])) {
            break;
        }

        p += 64;
    }

    while (end - p >= 16) {
        mask = _mm_movemask_epi8(mspwh_span_special(p));

        if (mask) {
            return p + __builtin_ctz((unsigned) mask);
        }

        p += 16;
    }

    return mspwh_span_bytes(p, end);
}


/*
 * Most runs are short, and only the code for these is worth inlining.  A
 * branch for each of the shortest can be predicted, so that the next token
 * does not wait for the vector: 1.4 instead of 0.9 GB/s for dense JSON.
 */

static inline __attribute__((always_inline)) const unsigned char *
mspwh_span_plain(const unsigned char *p, const unsigned char *end)
{
    int  mask;

    if (end - p >= 16) {
        mask = _mm_movemask_epi8(mspwh_span_special(p));

        if (mask & 1) {
            return p;
        }

        if (mask & 2) {
            return p + 1;
        }

        if (mask & 4) {
            return p + 2;
        }

        if (mask) {
            return p + __builtin_ctz((unsigned) mask);
        }

        p += 16;
    }

    return mspwh_span_long(p, end);
}


/* with the sign bit flipped, the digits are the ten lowest signed numbers */

static inline const unsigned char *
mspwh_span_digits(const unsigned char *p, const unsigned char *end)
{
    int      mask;
    __m128i  bytes;

    if (p < end && !mspwh_span_is_digit(*p)) {
        return p;
    }

    while (end - p >= 16) {
        bytes = _mm_add_epi8(_mm_loadu_si128((const __m128i *) p),
                             _mm_set1_epi8((char) (0x80 - '0')));
        mask = _mm_movemask_epi8(_mm_cmpgt_epi8(bytes,
                                                _mm_set1_epi8(-0x80 + 9)));
        if (mask) {
            return p + __builtin_ctz((unsigned) mask);
        }

        p += 16;
    }

    return mspwh_span_digit_bytes(p, end);
}

#elif defined(__aarch64__) && defined(__ARM_NEON)

static inline const unsigned char *
mspwh_span_plain(const unsigned char *p, const unsigned char *end)
{
    int8x16_t          bytes;
    uint64_t           mask;
    uint8x16_t         special;
    const int8x16_t    quote = vdupq_n_s8('"');
    const int8x16_t    backslash = vdupq_n_s8('\\');
    const int8x16_t    space = vdupq_n_s8(' ');

    while (end - p >= 16) {
        bytes = vreinterpretq_s8_u8(vld1q_u8(p));

        special = vorrq_u8(vcltq_s8(bytes, space),
                           vorrq_u8(vceqq_s8(bytes, quote),
                                    vceqq_s8(bytes, backslash)));

        /* four bits for each byte */

        mask = vget_lane_u64(vreinterpret_u64_u8(
                         vshrn_n_u16(vreinterpretq_u16_u8(special), 4)), 0);
        if (mask) {
            return p + (__builtin_ctzll(mask) >> 2);
        }

        p += 16;
    }

    return mspwh_span_bytes(p, end);
}

#else

#define mspwh_span_plain   mspwh_span_bytes

#endif


#if !defined(__SSE2__)
#define mspwh_span_digits  mspwh_span_digit_bytes
#endif


#endif /* _MSPWH_SPAN_H_INCLUDED_ */
