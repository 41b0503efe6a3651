
#include "inspect_change.h"
#include "mspwh_text.h"

#include <stdlib.h>
#include <string.h>


#define INSPECT_MARK  "\xef\xbb\xbf"


static int inspect_join(inspect_text_t *to, const char *before,
    const inspect_text_t *from, const char *after);
static int inspect_cut(inspect_text_t *to, const inspect_text_t *from,
    size_t start, size_t end);
static int inspect_ends_with(const inspect_text_t *text, const char *end);

static int inspect_add_lf(inspect_text_t *to, const inspect_text_t *from);
static int inspect_add_crlf(inspect_text_t *to, const inspect_text_t *from);
static int inspect_drop_newline(inspect_text_t *to,
    const inspect_text_t *from);
static int inspect_add_mark(inspect_text_t *to, const inspect_text_t *from);
static int inspect_drop_mark(inspect_text_t *to, const inspect_text_t *from);
static int inspect_drop_blanks(inspect_text_t *to,
    const inspect_text_t *from);
static int inspect_to_lf(inspect_text_t *to, const inspect_text_t *from);
static int inspect_to_crlf(inspect_text_t *to, const inspect_text_t *from);
static int inspect_to_nothing(inspect_text_t *to, const inspect_text_t *from);
static int inspect_to_hex(inspect_text_t *to, const inspect_text_t *from);
static int inspect_hex_digit(char ch);
static int inspect_base64_digit(char ch);


const inspect_change_t  inspect_secret_changes[] = {
    { inspect_add_lf, "with a newline at its end" },
    { inspect_add_crlf, "with CR LF at its end" },
    { inspect_drop_blanks, "without the blanks around it" },
    { inspect_drop_mark, "without the byte order mark before it" },
    { inspect_add_mark, "with a byte order mark before it" },
    { inspect_from_hex, "as the bytes that its hex digits stand for" },
    { inspect_from_base64, "as the bytes that its Base64 stands for" },
    { inspect_to_hex, "as hex digits" },
    { NULL, NULL }
};


const inspect_change_t  inspect_body_changes[] = {
    { inspect_drop_newline, "without the newline at its end" },
    { inspect_add_lf, "with a newline at its end" },
    { inspect_add_crlf, "with CR LF at its end" },
    { inspect_to_crlf, "with CR LF in place of LF" },
    { inspect_to_lf, "with LF in place of CR LF" },
    { inspect_drop_mark, "without the byte order mark before it" },
    { inspect_add_mark, "with a byte order mark before it" },
    { inspect_to_nothing, "while it was empty" },
    { NULL, NULL }
};


static int
inspect_join(inspect_text_t *to, const char *before,
    const inspect_text_t *from, const char *after)
{
    char  *p;

    to->length = strlen(before) + from->length + strlen(after);
    to->data = inspect_alloc(to->length + 1);

    p = to->data;

    memcpy(p, before, strlen(before));
    p += strlen(before);

    memcpy(p, from->data, from->length);
    p += from->length;

    strcpy(p, after);

    return 0;
}


static int
inspect_cut(inspect_text_t *to, const inspect_text_t *from, size_t start,
    size_t end)
{
    if (start == 0 && end == from->length) {
        return -1;
    }

    *to = inspect_text(from->data + start, end - start);

    return 0;
}


static int
inspect_ends_with(const inspect_text_t *text, const char *end)
{
    size_t  length;

    length = strlen(end);

    return text->length >= length
           && memcmp(text->data + text->length - length, end, length) == 0;
}


static int
inspect_add_lf(inspect_text_t *to, const inspect_text_t *from)
{
    return inspect_join(to, "", from, "\n");
}


static int
inspect_add_crlf(inspect_text_t *to, const inspect_text_t *from)
{
    return inspect_join(to, "", from, "\r\n");
}


static int
inspect_drop_newline(inspect_text_t *to, const inspect_text_t *from)
{
    size_t  length;

    length = inspect_ends_with(from, "\r\n") ? 2
             : (size_t) inspect_ends_with(from, "\n");

    return inspect_cut(to, from, 0, from->length - length);
}


static int
inspect_add_mark(inspect_text_t *to, const inspect_text_t *from)
{
    return inspect_join(to, INSPECT_MARK, from, "");
}


static int
inspect_drop_mark(inspect_text_t *to, const inspect_text_t *from)
{
    if (strncmp(from->data, INSPECT_MARK, 3) != 0) {
        return -1;
    }

    return inspect_cut(to, from, 3, from->length);
}


static int
inspect_drop_blanks(inspect_text_t *to, const inspect_text_t *from)
{
    size_t  start, end;

    start = 0;
    end = from->length;

    while (start < end && strchr(" \t", from->data[start]) != NULL) {
        start++;
    }

    while (end > start && strchr(" \t", from->data[end - 1]) != NULL) {
        end--;
    }

    return inspect_cut(to, from, start, end);
}


static int
inspect_to_lf(inspect_text_t *to, const inspect_text_t *from)
{
    size_t  i;

    *to = inspect_text(from->data, from->length);
    to->length = 0;

    for (i = 0; i < from->length; i++) {
        if (from->data[i] != '\r' || from->data[i + 1] != '\n') {
            to->data[to->length++] = from->data[i];
        }
    }

    return 0;
}


static int
inspect_to_crlf(inspect_text_t *to, const inspect_text_t *from)
{
    size_t  i;

    to->data = inspect_alloc(2 * from->length + 1);
    to->length = 0;

    for (i = 0; i < from->length; i++) {
        if (from->data[i] == '\n' && (i == 0 || from->data[i - 1] != '\r')) {
            to->data[to->length++] = '\r';
        }

        to->data[to->length++] = from->data[i];
    }

    return 0;
}


static int
inspect_to_nothing(inspect_text_t *to, const inspect_text_t *from)
{
    return inspect_cut(to, from, 0, 0);
}


int
inspect_from_hex(inspect_text_t *to, const inspect_text_t *from)
{
    size_t  i;

    for (i = 0; i < from->length; i++) {
        if (inspect_hex_digit(from->data[i]) == -1) {
            return -1;
        }
    }

    if (from->length == 0 || from->length % 2 != 0) {
        return -1;
    }

    to->length = from->length / 2;
    to->data = inspect_alloc(to->length);

    for (i = 0; i < to->length; i++) {
        to->data[i] = (char) (inspect_hex_digit(from->data[2 * i]) << 4
                              | inspect_hex_digit(from->data[2 * i + 1]));
    }

    return 0;
}


static int
inspect_to_hex(inspect_text_t *to, const inspect_text_t *from)
{
    size_t         i;
    unsigned char  ch;

    to->length = 2 * from->length;
    to->data = inspect_alloc(to->length + 1);

    for (i = 0; i < from->length; i++) {
        ch = (unsigned char) from->data[i];

        to->data[2 * i] = "0123456789abcdef"[ch >> 4];
        to->data[2 * i + 1] = "0123456789abcdef"[ch & 0xf];
    }

    return 0;
}


static int
inspect_hex_digit(char ch)
{
    if (mspwh_is_digit(ch)) {
        return ch - '0';
    }

    ch = (char) mspwh_to_lower(ch);

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


int
inspect_from_base64(inspect_text_t *to, const inspect_text_t *from)
{
    size_t    i, length;
    unsigned  bits, nbits;

    length = from->length;

    while (length > 0 && from->length - length < 2
           && from->data[length - 1] == '=')
    {
        length--;
    }

    for (i = 0; i < length; i++) {
        if (inspect_base64_digit(from->data[i]) == -1) {
            return -1;
        }
    }

    if (length == 0 || length % 4 == 1) {
        return -1;
    }

    to->length = 0;
    to->data = inspect_alloc(length);

    bits = 0;
    nbits = 0;

    for (i = 0; i < length; i++) {
        bits = (bits << 6 | (unsigned) inspect_base64_digit(from->data[i]))
               & 0xfff;
        nbits += 6;

        if (nbits >= 8) {
            nbits -= 8;
            to->data[to->length++] = (char) (bits >> nbits);
        }
    }

    return 0;
}


static int
inspect_base64_digit(char ch)
{
    if (mspwh_is_upper(ch)) {
        return ch - 'A';
    }

    if (mspwh_is_lower(ch)) {
        return ch - 'a' + 26;
    }

    if (mspwh_is_digit(ch)) {
        return ch - '0' + 52;
    }

    return (ch == '+' || ch == '-') ? 62 : (ch == '/' || ch == '_') ? 63 : -1;
}
