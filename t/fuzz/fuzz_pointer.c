
/*
 * The input is lines of JSON pointers, an empty line, and a document.  What
 * has to hold:
 *
 *   - a text is a pointer where it is one by RFC 6901, is UTF-8, is not empty
 *     and has 32 tokens at most; its tokens are those of the text;
 *   - the values of the pointers, read from the envelope, are those that a
 *     walk over the whole document finds: nothing that one leads to is left
 *     out;
 *   - the event, or the error, is what the contract makes of the document,
 *     with the pointers for the roles, as with mspwh_field.
 */


#include "check.h"
#include "expect.h"

#include <jansson.h>
#include <string.h>


typedef struct {
    unsigned          npointers;
    mspwh_pointer_t  *pointers[FUZZ_POINTERS];
    char             *texts[FUZZ_POINTERS];
} fuzz_input_t;


static void fuzz_line(fuzz_input_t *input, const char *line, size_t length);
static void fuzz_tokens(const mspwh_pointer_t *pointer, const char *text);
static int fuzz_is_pointer(const char *text, size_t length);
static size_t fuzz_index(const char *text, size_t length);
static void fuzz_document(fuzz_input_t *input, const char *text,
    size_t length);
static void fuzz_scan(mspwh_scanner_t *s, fuzz_input_t *input,
    const char *text, size_t length);
static void fuzz_event(fuzz_input_t *input, const mspwh_scanner_t *s,
    const fuzz_tree_t *tree);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned       i;
    const char    *p, *end, *next;
    fuzz_input_t   input;

    memset(&input, 0, sizeof(fuzz_input_t));

    p = (const char *) data;
    end = p + size;

    for ( /* void */ ; p < end; p = next + 1) {
        next = memchr(p, '\n', (size_t) (end - p));

        if (next == NULL) {
            fuzz_line(&input, p, (size_t) (end - p));
            break;
        }

        fuzz_line(&input, p, (size_t) (next - p));

        if (next == p) {
            p++;
            fuzz_document(&input, p, (size_t) (end - p));
            break;
        }
    }

    for (i = 0; i < input.npointers; i++) {
        free(input.pointers[i]);
        free(input.texts[i]);
    }

    return 0;
}


static void
fuzz_line(fuzz_input_t *input, const char *line, size_t length)
{
    int               rc;
    char             *copy;
    mspwh_pointer_t  *pointer;

    copy = fuzz_copy(line, length);
    rc = mspwh_pointer_parse(copy, length, &pointer);
    free(copy);

    fuzz_check((rc == 0) == fuzz_is_pointer(line, length), "%d for %.*s", rc,
               (int) length, line);

    if (rc != 0) {
        fuzz_check(pointer == NULL, "a pointer in spite of an error");
        return;
    }

    fuzz_check(pointer != NULL, "no memory");

    copy = fuzz_string(line, length);

    /* the names of a parsed document are texts without null characters */

    if (strlen(copy) != length || input->npointers == FUZZ_POINTERS) {
        free(copy);
        free(pointer);
        return;
    }

    fuzz_tokens(pointer, copy);

    input->texts[input->npointers] = copy;
    input->pointers[input->npointers++] = pointer;
}


static int
fuzz_is_pointer(const char *text, size_t length)
{
    size_t    i;
    json_t   *json;
    unsigned  tokens;

    /* jansson has strings of UTF-8 only */

    json = json_stringn(text, length);
    if (json == NULL) {
        return 0;
    }

    json_decref(json);

    for (i = 0, tokens = 0; i < length; i++) {
        tokens += (text[i] == '/');

        if (text[i] == '~'
            && (length - i < 2 || memchr("01", text[i + 1], 2) == NULL))
        {
            return 0;
        }
    }

    return length > 0 && text[0] == '/' && tokens <= MSPWH_POINTER_TOKENS;
}


/* put together again, the tokens are the text */

static void
fuzz_tokens(const mspwh_pointer_t *pointer, const char *text)
{
    size_t                        n;
    unsigned                      i;
    const char                   *token;
    const mspwh_pointer_token_t  *t;

    for (i = 0; i < pointer->ntokens; i++) {
        t = &pointer->tokens[i];

        fuzz_check(*text == '/', "a token too many");
        token = ++text;

        for (n = 0; n < t->length; n++) {

            if (t->name[n] == '~' || t->name[n] == '/') {
                fuzz_check(text[0] == '~'
                           && text[1] == (t->name[n] == '~' ? '0' : '1'),
                           "a token with %c", t->name[n]);
                text += 2;
                continue;
            }

            fuzz_check(*text == t->name[n], "a token with %c", t->name[n]);
            text++;
        }

        fuzz_check(t->name[n] == '\0', "a token without an end");
        fuzz_check(t->index == fuzz_index(token, (size_t) (text - token)),
                   "index %zu for %s", t->index, token);
    }

    fuzz_check(*text == '\0', "no token for %s", text);
}


/* the number that is written like that, if there is one of nine digits */

static size_t
fuzz_index(const char *text, size_t length)
{
    char    digits[32];
    size_t  index;

    index = strtoul(text, NULL, 10);

    return (index <= 999999999
            && snprintf(digits, sizeof(digits), "%zu", index) == (int) length
            && memcmp(digits, text, length) == 0)
           ? index : MSPWH_POINTER_NO_INDEX;
}


static void
fuzz_document(fuzz_input_t *input, const char *text, size_t length)
{
    char             *mended;
    fuzz_tree_t       tree;
    mspwh_scanner_t   s;

    fuzz_scan(&s, input, text, length);

    if (s.error == MSPWH_SCANNER_OK) {
        mended = fuzz_copy(text, length);
        fuzz_mend(mended, length);
        fuzz_tree_parse(&tree, mended, length);

        fuzz_event(input, &s, &tree);

        fuzz_tree_free(&tree);
        free(mended);
    }

    mspwh_scanner_cleanup(&s);
}


/* only those that can lead into an array are for the scanner */

static void
fuzz_scan(mspwh_scanner_t *s, fuzz_input_t *input, const char *text,
    size_t length)
{
    unsigned                  i, n;
    mspwh_scanner_pointers_t  pointers;

    pointers.npointers = 0;

    for (i = 0; i < input->npointers; i++) {
        for (n = 0; n < input->pointers[i]->ntokens; n++) {

            if (input->pointers[i]->tokens[n].index
                != MSPWH_POINTER_NO_INDEX)
            {
                pointers.pointers[pointers.npointers++] = input->pointers[i];
                break;
            }
        }
    }

    mspwh_scanner_init(s, length * 4 + 16, &pointers);
    mspwh_scanner_feed(s, text, length);
    mspwh_scanner_finish(s);

    /* no use of them beyond this function */
    s->pointers = NULL;
}


/* all are values; the roles share them, and take up to three each */

static void
fuzz_event(fuzz_input_t *input, const mspwh_scanner_t *s,
    const fuzz_tree_t *tree)
{
    unsigned              i, n;
    fuzz_role_t           roles[MSPWH_ROLES], values;
    mspwh_event_t         event;
    mspwh_fields_t        fields;
    mspwh_pointer_t      *pointers[MSPWH_ROLES][FUZZ_POINTERS];
    mspwh_event_error_e   error;

    memset(roles, 0, sizeof(roles));
    memset(&fields, 0, sizeof(mspwh_fields_t));

    for (i = 0; i < input->npointers; i++) {
        n = fields.roles[i % MSPWH_ROLES].npointers++;

        pointers[i % MSPWH_ROLES][n] = input->pointers[i];
        roles[i % MSPWH_ROLES].pointers[n] = input->texts[i];
        roles[i % MSPWH_ROLES].npointers++;

        values.pointers[i] = input->texts[i];
    }

    for (i = 0; i < MSPWH_ROLES; i++) {
        fields.roles[i].pointers = pointers[i];
    }

    values.npointers = input->npointers;
    fields.nvalues = input->npointers;
    fields.values = input->pointers;

    error = mspwh_event_parse(&event, s->envelope, s->length, &fields);
    fuzz_expect_event(&event, error, tree, roles, &values);
    mspwh_event_cleanup(&event);

    /* by name as well, as with mspwh_set alone */

    memset(fields.roles, 0, sizeof(fields.roles));

    error = mspwh_event_parse(&event, s->envelope, s->length, &fields);
    fuzz_expect_event(&event, error, tree, NULL, &values);
    mspwh_event_cleanup(&event);
}
