
/*
 * The input is a document.  What has to hold for each:
 *
 *   - fed in any pieces, it gets the same error at the same offset, or the
 *     same envelope;
 *   - pointers, the filter and the limit change no verdict but the limit's;
 *   - jansson, a second parser, accepts it too, or refuses it too;
 *   - jansson, cJSON in the envelope, and a walk over the document find the
 *     same values in it, with the same characters of each number;
 *   - the envelope is, byte for byte, what its rules make of the document,
 *     and there is one with the least limit that allows it, and none below.
 *
 * jansson was chosen for being the stricter one: json-c takes more than
 * RFC 8259 allows, and does not say why it refuses.  Where the two differ,
 * and what is done about it:
 *
 *   - an escaped null character: jansson's names cannot hold one; both get
 *     the U+0001 that the envelope has for it (fuzz_mend);
 *   - a surrogate without its other half: jansson refuses it, RFC 8259,
 *     section 8.2, does not; likewise U+FFFD (fuzz_mend);
 *   - a number too large for its type: jansson refuses it, with an error of
 *     its own; it gets a zero and goes on (fuzz_second_parse);
 *   - a null byte behind a number or a word: jansson loses it; it gets the
 *     byte 0x01, which is allowed nowhere either (fuzz_second_parse);
 *   - repeated members: jansson keeps the last one; so does the comparison
 *     (fuzz_second_object);
 *   - depth: the scanner's limit is the lower one; where it is reached, the
 *     depth is counted here (fuzz_too_deep);
 *   - size: jansson has no limit; the scanner's is compared with the model.
 *
 * In these there is no difference: a document may be any value
 * (JSON_DECODE_ANY), nothing but white space may follow it, and a byte order
 * mark is refused.
 */


#include "check.h"
#include "model.h"
#include "second.h"
#include "tree.h"

#include <string.h>


typedef struct {
    const uint8_t                   *data;
    size_t                           size;
    uint64_t                         random;

    /* where the scanner stopped, and the tree, if that was the end */
    uint64_t                         offset;
    fuzz_tree_t                      tree;

    const mspwh_scanner_pointers_t  *pointers;
    mspwh_scanner_keep_pt            ask;
} fuzz_document_t;


typedef enum {
    FUZZ_WHOLE = 0,
    FUZZ_BYTES,
    FUZZ_PIECES,
    FUZZ_WAYS
} fuzz_way_e;


static const mspwh_scanner_pointers_t *fuzz_pointers(void);
static mspwh_scanner_keep_e fuzz_ask(const char *name, size_t length);
static void fuzz_scan(mspwh_scanner_t *s, fuzz_document_t *doc,
    fuzz_way_e way, size_t limit);
static void fuzz_feed(mspwh_scanner_t *s, const void *data, size_t length);
static void fuzz_same(const mspwh_scanner_t *one, const mspwh_scanner_t *two);
static void fuzz_in_all_ways(mspwh_scanner_t *s, fuzz_document_t *doc,
    size_t limit);
static void fuzz_with_limits(fuzz_document_t *doc);
static void fuzz_cjson(const mspwh_scanner_t *s, const fuzz_tree_t *tree);
static void fuzz_cjson_value(const cJSON *item, const fuzz_node_t *node);
static void fuzz_refused(fuzz_document_t *doc, const mspwh_scanner_t *s,
    const json_t *json);
static void fuzz_too_deep(const fuzz_document_t *doc, size_t offset);
static void fuzz_refused_with_limits(fuzz_document_t *doc,
    mspwh_scanner_error_e error);


/* more than any envelope of the document has */
#define fuzz_ample(doc)  ((doc)->size * 4 + 16)


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                   *mended;
    json_t                 *json;
    unsigned                how;
    fuzz_document_t         doc;
    mspwh_scanner_t         s;
    mspwh_scanner_error_e   error;

    mended = fuzz_copy(data, size);
    fuzz_mend(mended, size);
    json = fuzz_second_parse(mended, size);

    memset(&doc, 0, sizeof(fuzz_document_t));
    doc.data = data;
    doc.size = size;
    doc.random = fuzz_seed(data, size);

    fuzz_in_all_ways(&s, &doc, fuzz_ample(&doc));
    error = s.error;
    doc.offset = s.offset;

    if (error == MSPWH_SCANNER_OK) {
        fuzz_check(json != NULL, "the second parser refuses it");

        fuzz_tree_parse(&doc.tree, mended, size);
        fuzz_check(doc.tree.max_depth <= MSPWH_SCANNER_DEPTH, "%u levels",
                   doc.tree.max_depth);

        fuzz_second_compare(json, &doc.tree);
        fuzz_cjson(&s, &doc.tree);

    } else {
        fuzz_refused(&doc, &s, json);
    }

    mspwh_scanner_cleanup(&s);

    for (how = 0; how < 4; how++) {
        doc.pointers = (how & 1) ? fuzz_pointers() : NULL;
        doc.ask = (how & 2) ? fuzz_ask : NULL;

        if (error == MSPWH_SCANNER_OK) {
            fuzz_with_limits(&doc);

        } else {
            fuzz_refused_with_limits(&doc, error);
        }
    }

    if (error == MSPWH_SCANNER_OK) {
        fuzz_tree_free(&doc.tree);
    }

    json_decref(json);
    free(mended);

    return 0;
}


static const mspwh_scanner_pointers_t *
fuzz_pointers(void)
{
    size_t                           i;
    mspwh_pointer_t                 *pointer;
    static mspwh_scanner_pointers_t  pointers;

    static const char *const  texts[] = {
        "/0", "/1/0", "/1/a/2", "/a/0", "/a/1/b/0", "/a/-/0", "/a/b/10",
        "/b/b/1/0", "/p/0", "/n/n/1", "/x~1~0/0/~1/1", "//0",
        "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0"
    };

    if (pointers.npointers > 0) {
        return &pointers;
    }

    for (i = 0; i < fuzz_nitems(texts); i++) {
        fuzz_check(mspwh_pointer_parse(texts[i], strlen(texts[i]), &pointer)
                   == 0 && pointer != NULL, "no pointer: %s", texts[i]);
        pointers.pointers[pointers.npointers++] = pointer;
    }

    return &pointers;
}


/* asks for all kinds: "n..." for nothing, "p..." for presence only */

static mspwh_scanner_keep_e
fuzz_ask(const char *name, size_t length)
{
    if (length == 0) {
        return MSPWH_SCANNER_VALUE;
    }

    return (name[0] == 'n') ? MSPWH_SCANNER_NOTHING
                            : (name[0] == 'p') ? MSPWH_SCANNER_PRESENCE
                                               : MSPWH_SCANNER_VALUE;
}


static void
fuzz_scan(mspwh_scanner_t *s, fuzz_document_t *doc, fuzz_way_e way,
    size_t limit)
{
    size_t    done, left, n;
    uint8_t  *byte;

    mspwh_scanner_init(s, limit, doc->pointers);
    s->ask = doc->ask;

    byte = fuzz_copy("", 1);

    for (done = 0; done < doc->size; done += n) {

        switch (way) {

        case FUZZ_WHOLE:
            n = doc->size;
            break;

        case FUZZ_BYTES:
            n = 1;
            *byte = doc->data[done];
            mspwh_scanner_feed(s, byte, 1);
            mspwh_scanner_feed(s, byte + 1, 0);
            continue;

        default:
            left = doc->size - done;
            n = fuzz_random(&doc->random, 2) ? fuzz_random(&doc->random, 4)
                                             : fuzz_random(&doc->random, left);
            n = (n < left) ? n : left;
        }

        fuzz_feed(s, doc->data + done, n);
    }

    free(byte);

    mspwh_scanner_finish(s);
}


static void
fuzz_feed(mspwh_scanner_t *s, const void *data, size_t length)
{
    void  *copy;

    copy = fuzz_copy(data, length);
    mspwh_scanner_feed(s, copy, length);
    free(copy);

    fuzz_check(s->length <= s->size && s->size <= s->limit,
               "%zu of %zu bytes, with a limit of %zu", s->length, s->size,
               s->limit);
}


/* with an error, how much was kept depends on the pieces */

static void
fuzz_same(const mspwh_scanner_t *one, const mspwh_scanner_t *two)
{
    fuzz_check(one->error == two->error && one->offset == two->offset,
               "error %d at %d, not %d at %d", two->error,
               (int) two->offset, one->error, (int) one->offset);

    fuzz_check(one->error != MSPWH_SCANNER_OK
               || (one->length == two->length
                   && memcmp(one->envelope, two->envelope, one->length) == 0),
               "%.*s\nnot\n%.*s", (int) two->length, two->envelope,
               (int) one->length, one->envelope);
}


static void
fuzz_in_all_ways(mspwh_scanner_t *s, fuzz_document_t *doc, size_t limit)
{
    fuzz_way_e        way;
    mspwh_scanner_t   two;

    fuzz_scan(s, doc, FUZZ_WHOLE, limit);

    fuzz_check(s->error != MSPWH_SCANNER_NO_MEMORY, "no memory");

    for (way = FUZZ_BYTES; way < FUZZ_WAYS; way++) {
        fuzz_scan(&two, doc, way, limit);
        fuzz_same(s, &two);
        mspwh_scanner_cleanup(&two);
    }
}


/* the least limit, one too low, and none to speak of */

static void
fuzz_with_limits(fuzz_document_t *doc)
{
    size_t           limit;
    fuzz_model_t     model;
    mspwh_scanner_t  s;

    fuzz_model(&model, &doc->tree, doc->pointers, doc->ask);

    limit = fuzz_random(&doc->random, 2) ? model.least : fuzz_ample(doc);

    fuzz_in_all_ways(&s, doc, limit);

    fuzz_check(s.error == MSPWH_SCANNER_OK && s.offset == doc->size,
               "error %d at %d with a limit of %zu, %zu are needed", s.error,
               (int) s.offset, limit, model.least);

    fuzz_check(s.length == model.length
               && memcmp(s.envelope, model.envelope, s.length) == 0,
               "%.*s\nnot\n%.*s", (int) s.length, s.envelope,
               (int) model.length, model.envelope);

    mspwh_scanner_cleanup(&s);

    limit = fuzz_random(&doc->random, 2)
            ? model.least - 1 : fuzz_random(&doc->random, model.least);

    fuzz_in_all_ways(&s, doc, limit);

    fuzz_check(s.error == MSPWH_SCANNER_TOO_LARGE,
               "error %d with a limit of %zu, %zu are needed", s.error,
               limit, model.least);

    mspwh_scanner_cleanup(&s);
    fuzz_model_free(&model);
}


/* arrays are left out here, and long strings */

static void
fuzz_cjson(const mspwh_scanner_t *s, const fuzz_tree_t *tree)
{
    cJSON       *item;
    const char  *end;

    item = cJSON_ParseWithLengthOpts(s->envelope, s->length, &end, 0);

    fuzz_check(item != NULL && end == s->envelope + s->length,
               "cJSON refuses the envelope");

    fuzz_cjson_value(item, tree->root);

    cJSON_Delete(item);
}


static void
fuzz_cjson_value(const cJSON *item, const fuzz_node_t *node)
{
    fuzz_node_t  *child;
    const char   *text;

    if (node->type == '{' || node->type == '[') {
        fuzz_check(node->type == '{' ? cJSON_IsObject(item)
                                     : cJSON_IsArray(item) && !item->child,
                   "no such object or array");

        child = (node->type == '{') ? node->children : NULL;

        for (item = item->child; item && child; item = item->next) {

            text = (child->name_length > MSPWH_SCANNER_STRING)
                   ? "\xff" : child->decoded_name;

            fuzz_check(strcmp(item->string, text) == 0, "no name %s", text);
            fuzz_cjson_value(item, child);

            child = child->next;
        }

        fuzz_check(item == NULL && child == NULL, "not the same members");
        return;
    }

    if (node->type == '"') {
        text = (node->length > MSPWH_SCANNER_STRING) ? "" : node->decoded;

        fuzz_check(cJSON_IsString(item)
                   && strcmp(item->valuestring, text) == 0
                   && !mspwh_scanner_is_number(item->valuestring),
                   "no string %s", text);
        return;
    }

    if (node->type == '0') {
        fuzz_check(cJSON_IsString(item)
                   && mspwh_scanner_is_number(item->valuestring),
                   "no number");

        text = mspwh_scanner_text(item->valuestring);
        fuzz_check(strlen(text) == node->length
                   && memcmp(text, node->text, node->length) == 0,
                   "no number %.*s", (int) node->length, node->text);
        return;
    }

    fuzz_check(node->type == 't' ? cJSON_IsTrue(item)
                                 : node->type == 'f' ? cJSON_IsFalse(item)
                                                     : cJSON_IsNull(item),
               "no %.*s", (int) node->length, node->text);
}


static void
fuzz_refused(fuzz_document_t *doc, const mspwh_scanner_t *s,
    const json_t *json)
{
    uint8_t          ch;
    mspwh_scanner_t  again;

    fuzz_check(s->offset <= doc->size
               && (s->offset == doc->size)
                  == (s->error == MSPWH_SCANNER_UNFINISHED),
               "error %d at %d", s->error, (int) s->offset);

    ch = (s->offset < doc->size) ? doc->data[s->offset] : 0;

    switch (s->error) {

    case MSPWH_SCANNER_TOO_DEEP:
        fuzz_too_deep(doc, (size_t) s->offset);
        break;

    case MSPWH_SCANNER_CONTROL:
        fuzz_check(ch < 0x20, "a control character of %02x", ch);
        /* fall through */

    default:
        fuzz_check(s->error != MSPWH_SCANNER_TOO_LARGE, "too large");
        fuzz_check(json == NULL, "the second parser accepts it");
    }

    fuzz_check(strlen(mspwh_scanner_strerror(s->error)) > 0, "no words");

    /* the first error stays, whatever follows */

    again = *s;
    mspwh_scanner_feed(&again, doc->data, doc->size);
    mspwh_scanner_finish(&again);
    fuzz_same(s, &again);
}


static void
fuzz_too_deep(const fuzz_document_t *doc, size_t offset)
{
    int       is_string;
    size_t    i;
    unsigned  depth;

    is_string = 0;
    depth = 0;

    for (i = 0; i < offset; i++) {

        switch (doc->data[i]) {

        case '\\':
            i++;
            break;

        case '"':
            is_string = !is_string;
            break;

        case '{':
        case '[':
            depth += !is_string;
            break;

        case '}':
        case ']':
            depth -= !is_string;
        }
    }

    fuzz_check(depth == MSPWH_SCANNER_DEPTH && !is_string
               && (doc->data[offset] == '{' || doc->data[offset] == '['),
               "too deep at %u levels", depth);
}


/* the limit may be reached before the error, and only then counts */

static void
fuzz_refused_with_limits(fuzz_document_t *doc, mspwh_scanner_error_e error)
{
    mspwh_scanner_t  s;

    fuzz_scan(&s, doc, FUZZ_PIECES, fuzz_ample(doc));

    fuzz_check(s.error == error && s.offset == doc->offset,
               "error %d at %d, not %d at %d", s.error, (int) s.offset,
               error, (int) doc->offset);

    mspwh_scanner_cleanup(&s);

    fuzz_in_all_ways(&s, doc, fuzz_random(&doc->random, doc->size + 1));

    fuzz_check((s.error == error && s.offset == doc->offset)
               || (s.error == MSPWH_SCANNER_TOO_LARGE
                   && s.offset <= doc->offset),
               "error %d at %d, not %d at %d", s.error, (int) s.offset,
               error, (int) doc->offset);

    mspwh_scanner_cleanup(&s);
}
