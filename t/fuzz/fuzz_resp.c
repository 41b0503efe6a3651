
/*
 * The input is a store's answer.  For each input:
 *
 *   - read in pieces of any size, it gives the same elements as a separately
 *     written parser of the whole, and ends the same way: complete, in the
 *     middle of an element, or as invalid RESP2;
 *   - a text has its length, and its first bytes;
 *   - the words of a written command can be read again.
 */


#include "check.h"
#include "mspwh_resp.h"

#include <string.h>


/* a parser of the whole: "at" is its position, and then the end */

typedef struct {
    const char         *at;
    const char         *end;
    unsigned            depth;
    uint64_t            items[MSPWH_RESP_DEPTH + 1];

    mspwh_resp_type_e   type;
    long long           number;
    const char         *text;
    size_t              length;
    unsigned            last;
} fuzz_model_t;


static void fuzz_pieces(const uint8_t *data, size_t size, uint64_t *random);
static int fuzz_element(fuzz_model_t *model);
static int fuzz_bulk(fuzz_model_t *model);
static int fuzz_count(fuzz_model_t *model);
static int fuzz_number(const char *p, size_t n, long long *number);
static void fuzz_same(mspwh_resp_t *resp, fuzz_model_t *model);
static void fuzz_command(const uint8_t *data, size_t size, uint64_t *random);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t  random;

    random = fuzz_seed(data, size);

    fuzz_pieces(data, size, &random);
    fuzz_command(data, size, &random);

    return 0;
}


static void
fuzz_pieces(const uint8_t *data, size_t size, uint64_t *random)
{
    int            rc, expected;
    char          *piece;
    size_t         n;
    const char    *p;
    fuzz_model_t   model;
    mspwh_resp_t   resp;

    memset(&resp, 0, sizeof(resp));
    memset(&model, 0, sizeof(model));
    model.at = (const char *) data;
    model.end = model.at + size;

    rc = 0;

    for ( /* void */ ; size > 0 && rc != -1; data += n, size -= n) {
        n = 1 + fuzz_random(random, size);
        piece = fuzz_copy(data, n);
        p = piece;

        while ((rc = mspwh_resp_read(&resp, &p, piece + n)) == 1) {
            fuzz_check(fuzz_element(&model) == 1, "type %d", resp.type);
            fuzz_same(&resp, &model);
        }

        fuzz_check(rc == -1 || p == piece + n, "%zu left",
                   (size_t) (piece + n - p));
        free(piece);
    }

    expected = fuzz_element(&model);

    fuzz_check(rc == expected, "%d, not %d", rc, expected);
}


/* returns 1, 0 if the input ends before, or -1 */

static int
fuzz_element(fuzz_model_t *model)
{
    int          rc;
    char         sign;
    const char  *cr;

    if (model->at == model->end) {
        return 0;
    }

    sign = *model->at;

    if (strchr("+-:$*", sign) == NULL || sign == '\0') {
        return -1;
    }

    model->text = model->at + 1;
    cr = memchr(model->text, '\r', (size_t) (model->end - model->text));
    model->length = (size_t) ((cr ? cr : model->end) - model->text);

    if (model->length > MSPWH_RESP_LINE) {
        return -1;
    }

    if (cr == NULL || cr + 1 == model->end) {
        return 0;
    }

    if (cr[1] != '\n') {
        return -1;
    }

    model->at = cr + 2;
    model->number = 0;

    if (sign == '+' || sign == '-') {
        model->type = (sign == '+') ? MSPWH_RESP_STATUS : MSPWH_RESP_ERROR;
        return fuzz_count(model);
    }

    rc = fuzz_number(model->text, model->length, &model->number);
    model->length = 0;

    if (sign == ':') {
        model->type = MSPWH_RESP_INTEGER;
        return rc ? rc : fuzz_count(model);
    }

    if (model->number < 0) {
        model->type = MSPWH_RESP_NIL;
        return (rc == 0 && model->number == -1) ? fuzz_count(model) : -1;
    }

    model->type = (sign == '*') ? MSPWH_RESP_ARRAY : MSPWH_RESP_STRING;

    return rc ? rc : (sign == '*') ? fuzz_count(model) : fuzz_bulk(model);
}


static int
fuzz_bulk(fuzz_model_t *model)
{
    size_t  n, left;

    if (model->number > MSPWH_RESP_BULK) {
        return -1;
    }

    n = (size_t) model->number;
    left = (size_t) (model->end - model->at);

    if ((left > n && model->at[n] != '\r')
        || (left > n + 1 && model->at[n + 1] != '\n'))
    {
        return -1;
    }

    if (left < n + 2) {
        return 0;
    }

    model->text = model->at;
    model->length = n;
    model->number = 0;
    model->at += n + 2;

    return fuzz_count(model) == 1 ? 1 : -1;
}


/* counts down the arrays that an element is in */

static int
fuzz_count(fuzz_model_t *model)
{
    if (model->type == MSPWH_RESP_ARRAY) {

        if (model->number > MSPWH_RESP_ITEMS
            || (model->number > 0 && model->depth == MSPWH_RESP_DEPTH))
        {
            return -1;
        }

        if (model->number > 0) {
            model->items[model->depth++] = (uint64_t) model->number;
            model->last = 0;
            return 1;
        }
    }

    for (model->last = 1; model->depth > 0; model->depth--) {
        model->items[model->depth - 1] -= 1;

        if (model->items[model->depth - 1] > 0) {
            model->last = 0;
            break;
        }
    }

    return 1;
}


static int
fuzz_number(const char *p, size_t n, long long *number)
{
    char    text[32], *end;
    size_t  digits;

    if (n == 0 || n > 19) {
        return -1;
    }

    memcpy(text, p, n);
    text[n] = '\0';

    digits = strspn(text + (*p == '-' || *p == '+'), "0123456789");

    if (digits == 0 || digits > 18
        || digits + (*p == '-' || *p == '+') != n)
    {
        return -1;
    }

    *number = strtoll(text, &end, 10);

    return (end == text + n) ? 0 : -1;
}


static void
fuzz_same(mspwh_resp_t *resp, fuzz_model_t *model)
{
    size_t  kept;

    fuzz_check(resp->type == model->type, "%d, not %d", resp->type,
               model->type);
    fuzz_check(resp->number == model->number, "%lld, not %lld",
               (long long) resp->number, model->number);
    fuzz_check(resp->length == model->length, "%zu, not %zu", resp->length,
               model->length);
    fuzz_check(resp->last == model->last, "%u", resp->last);

    kept = resp->length < MSPWH_RESP_TEXT ? resp->length : MSPWH_RESP_TEXT;

    fuzz_check(memcmp(resp->text, model->text, kept) == 0
               && resp->text[kept] == '\0', "%s", resp->text);
}


static void
fuzz_command(const uint8_t *data, size_t size, uint64_t *random)
{
    char         *text, *end;
    size_t        n;
    const char   *p;
    mspwh_resp_t  resp;

    n = fuzz_random(random, size + 1);

    text = malloc(MSPWH_RESP_HEAD + mspwh_resp_size(n)
                  + mspwh_resp_size(size));
    fuzz_check(text != NULL, "no memory");

    end = mspwh_resp_array(text, 2);
    end = mspwh_resp_string(end, data, n);
    end = mspwh_resp_string(end, data, size);

    memset(&resp, 0, sizeof(resp));
    p = text;

    fuzz_check(mspwh_resp_read(&resp, &p, end) == 1
               && resp.type == MSPWH_RESP_ARRAY && resp.number == 2, "head");
    fuzz_check(mspwh_resp_read(&resp, &p, end) == 1
               && resp.length == n && !resp.last, "word of %zu", n);
    fuzz_check(mspwh_resp_read(&resp, &p, end) == 1
               && resp.length == size && resp.last && p == end,
               "word of %zu", size);

    free(text);
}
