
#include "mspwh_text.h"


const mspwh_text_sequence_t  mspwh_text_sequences[256] = {
    [0xc2 ... 0xdf] = { 1, 0x80, 0xbf },
    [0xe0] = { 2, 0xa0, 0xbf },
    [0xe1 ... 0xec] = { 2, 0x80, 0xbf },
    [0xed] = { 2, 0x80, 0x9f },
    [0xee ... 0xef] = { 2, 0x80, 0xbf },
    [0xf0] = { 3, 0x90, 0xbf },
    [0xf1 ... 0xf3] = { 3, 0x80, 0xbf },
    [0xf4] = { 3, 0x80, 0x8f }
};


int
mspwh_text_is_utf8(const char *text, size_t length)
{
    size_t                n;
    const unsigned char  *p, *end;

    p = (const unsigned char *) text;
    end = p + length;

    for ( /* void */ ; p < end; p += n) {
        n = (*p < 0x80) ? 1 : mspwh_text_sequence(p, end);

        if (n == 0) {
            return 0;
        }
    }

    return 1;
}


char *
mspwh_text_put_utf8(char *dst, unsigned code)
{
    if (code < 0x80) {
        *dst++ = (char) code;
        return dst;
    }

    if (code < 0x800) {
        *dst++ = (char) (0xc0 | code >> 6);

    } else {
        if (code < 0x10000) {
            *dst++ = (char) (0xe0 | code >> 12);

        } else {
            *dst++ = (char) (0xf0 | code >> 18);
            *dst++ = (char) (0x80 | (code >> 12 & 0x3f));
        }

        *dst++ = (char) (0x80 | (code >> 6 & 0x3f));
    }

    *dst++ = (char) (0x80 | (code & 0x3f));

    return dst;
}


char *
mspwh_text_escape(char *dst, const char *text, size_t length)
{
    size_t         i;
    unsigned char  ch;

    for (i = 0; i < length; i++) {
        ch = (unsigned char) text[i];

        if (mspwh_is_alnum(ch)
            || ch == '-' || ch == '.' || ch == '_' || ch == '~')
        {
            *dst++ = (char) ch;
            continue;
        }

        *dst++ = '%';
        *dst++ = "0123456789ABCDEF"[ch >> 4];
        *dst++ = "0123456789ABCDEF"[ch & 0xf];
    }

    return dst;
}
