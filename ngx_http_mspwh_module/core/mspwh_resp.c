
#include "mspwh_resp.h"

#include <string.h>


typedef enum {
    MSPWH_RESP_SW_TYPE = 0,     /* before the first byte of an element */
    MSPWH_RESP_SW_LINE,         /* in a text that ends with its line */
    MSPWH_RESP_SW_NUMBER,       /* in a number */
    MSPWH_RESP_SW_LF,           /* after the CR of a line */
    MSPWH_RESP_SW_BULK,         /* in the bytes of a bulk string */
    MSPWH_RESP_SW_BULK_CR,      /* after them */
    MSPWH_RESP_SW_BULK_LF
} mspwh_resp_state_e;


static int mspwh_resp_begin(mspwh_resp_t *resp, char ch);
static const char *mspwh_resp_line(mspwh_resp_t *resp, const char *p,
    const char *end);
static const char *mspwh_resp_bulk(mspwh_resp_t *resp, const char *p,
    const char *end);
static void mspwh_resp_keep(mspwh_resp_t *resp, const char *p, size_t n);
static int mspwh_resp_end_line(mspwh_resp_t *resp);
static int mspwh_resp_parse_number(mspwh_resp_t *resp);
static int mspwh_resp_element(mspwh_resp_t *resp);
static char *mspwh_resp_head(char *p, char type, uint64_t n);


int
mspwh_resp_read(mspwh_resp_t *resp, const char **p, const char *end)
{
    int  rc;

    rc = 0;

    while (*p < end && rc == 0) {

        switch (resp->state) {

        case MSPWH_RESP_SW_TYPE:
            rc = mspwh_resp_begin(resp, *(*p)++);
            break;

        case MSPWH_RESP_SW_LINE:
        case MSPWH_RESP_SW_NUMBER:
            *p = mspwh_resp_line(resp, *p, end);
            rc = (resp->length > MSPWH_RESP_LINE) ? -1 : 0;
            break;

        case MSPWH_RESP_SW_LF:
            rc = (*(*p)++ == '\n') ? mspwh_resp_end_line(resp) : -1;
            break;

        case MSPWH_RESP_SW_BULK:
            *p = mspwh_resp_bulk(resp, *p, end);
            break;

        case MSPWH_RESP_SW_BULK_CR:
            rc = (*(*p)++ == '\r') ? 0 : -1;
            resp->state = MSPWH_RESP_SW_BULK_LF;
            break;

        default: /* MSPWH_RESP_SW_BULK_LF */
            rc = (*(*p)++ == '\n') ? mspwh_resp_element(resp) : -1;
        }
    }

    return rc;
}


static int
mspwh_resp_begin(mspwh_resp_t *resp, char ch)
{
    resp->length = 0;
    resp->text[0] = '\0';
    resp->number = 0;
    resp->state = MSPWH_RESP_SW_NUMBER;

    switch (ch) {

    case '+':
        resp->type = MSPWH_RESP_STATUS;
        resp->state = MSPWH_RESP_SW_LINE;
        return 0;

    case '-':
        resp->type = MSPWH_RESP_ERROR;
        resp->state = MSPWH_RESP_SW_LINE;
        return 0;

    case ':':
        resp->type = MSPWH_RESP_INTEGER;
        return 0;

    case '$':
        resp->type = MSPWH_RESP_STRING;
        return 0;

    case '*':
        resp->type = MSPWH_RESP_ARRAY;
        return 0;

    default:
        return -1;
    }
}


/* the digits of a number are collected as a text until it is complete */

static const char *
mspwh_resp_line(mspwh_resp_t *resp, const char *p, const char *end)
{
    const char  *cr;

    cr = memchr(p, '\r', (size_t) (end - p));

    mspwh_resp_keep(resp, p, (size_t) ((cr ? cr : end) - p));

    if (cr == NULL) {
        return end;
    }

    resp->state = MSPWH_RESP_SW_LF;

    return cr + 1;
}


static const char *
mspwh_resp_bulk(mspwh_resp_t *resp, const char *p, const char *end)
{
    size_t  n;

    n = (size_t) (end - p);

    if (n >= resp->left) {
        n = (size_t) resp->left;
        resp->state = MSPWH_RESP_SW_BULK_CR;
    }

    mspwh_resp_keep(resp, p, n);
    resp->left -= n;

    return p + n;
}


static void
mspwh_resp_keep(mspwh_resp_t *resp, const char *p, size_t n)
{
    size_t  room;

    if (resp->length < MSPWH_RESP_TEXT) {
        room = MSPWH_RESP_TEXT - resp->length;

        if (room > n) {
            room = n;
        }

        memcpy(resp->text + resp->length, p, room);
        resp->text[resp->length + room] = '\0';
    }

    resp->length += n;
}


static int
mspwh_resp_end_line(mspwh_resp_t *resp)
{
    if (resp->type == MSPWH_RESP_STATUS || resp->type == MSPWH_RESP_ERROR) {
        return mspwh_resp_element(resp);
    }

    if (mspwh_resp_parse_number(resp) != 0) {
        return -1;
    }

    resp->length = 0;
    resp->text[0] = '\0';

    if (resp->type == MSPWH_RESP_INTEGER) {
        return mspwh_resp_element(resp);
    }

    if (resp->number == -1) {
        resp->type = MSPWH_RESP_NIL;
        return mspwh_resp_element(resp);
    }

    if (resp->number < 0) {
        return -1;
    }

    if (resp->type == MSPWH_RESP_ARRAY) {
        return (resp->number <= MSPWH_RESP_ITEMS) ? mspwh_resp_element(resp)
                                                  : -1;
    }

    if (resp->number > MSPWH_RESP_BULK) {
        return -1;
    }

    resp->left = (uint64_t) resp->number;
    resp->number = 0;
    resp->state = MSPWH_RESP_SW_BULK;

    return 0;
}


/* takes a sign, and 1 to 18 digits: no overflow is possible */

static int
mspwh_resp_parse_number(mspwh_resp_t *resp)
{
    int          negative;
    const char  *p, *end;

    p = resp->text;
    end = p + resp->length;
    negative = (*p == '-');

    if (negative || *p == '+') {
        p++;
    }

    if (resp->length > 19 || p == end || end - p > 18) {
        return -1;
    }

    for (resp->number = 0; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return -1;
        }

        resp->number = resp->number * 10 + (*p - '0');
    }

    if (negative) {
        resp->number = -resp->number;
    }

    return 0;
}


/* ends an element; an array that has just begun has all its elements ahead */

static int
mspwh_resp_element(mspwh_resp_t *resp)
{
    resp->state = MSPWH_RESP_SW_TYPE;

    if (resp->type == MSPWH_RESP_ARRAY && resp->number > 0) {

        if (resp->depth == MSPWH_RESP_DEPTH) {
            return -1;
        }

        resp->items[resp->depth++] = (uint32_t) resp->number;
        resp->last = 0;

        return 1;
    }

    while (resp->depth > 0 && --resp->items[resp->depth - 1] == 0) {
        resp->depth--;
    }

    resp->last = (resp->depth == 0);

    return 1;
}


char *
mspwh_resp_array(char *p, uint64_t words)
{
    return mspwh_resp_head(p, '*', words);
}


char *
mspwh_resp_string(char *p, const void *data, size_t length)
{
    p = mspwh_resp_length(p, length);

    if (length > 0) {
        memcpy(p, data, length);
    }

    return mspwh_resp_end(p + length);
}


char *
mspwh_resp_length(char *p, uint64_t length)
{
    return mspwh_resp_head(p, '$', length);
}


char *
mspwh_resp_end(char *p)
{
    *p++ = '\r';
    *p++ = '\n';

    return p;
}


static char *
mspwh_resp_head(char *p, char type, uint64_t n)
{
    char    digits[20];
    size_t  i;

    i = sizeof(digits);

    do {
        digits[--i] = (char) ('0' + n % 10);
        n /= 10;
    } while (n > 0);

    *p++ = type;
    memcpy(p, digits + i, sizeof(digits) - i);

    return mspwh_resp_end(p + sizeof(digits) - i);
}
