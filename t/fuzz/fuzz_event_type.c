
/*
 * The input is a pattern, and behind a line's end an event type, which is
 * the pattern where there is no such end.  What has to hold:
 *
 *   - a type, whatever its spelling, gets the name, entity and action that
 *     the contract has for it, in the form for names;
 *   - the name of a type without bytes outside ASCII is its own name;
 *   - a pattern is accepted where it is the name of some type, or the first
 *     words of one; where another was meant, that one is accepted;
 *   - an accepted pattern matches the types it names, and no others;
 *   - an escaped text is made of unreserved characters, and says the same.
 */


#include "check.h"
#include "types.h"

#include <ctype.h>
#include <string.h>


static void fuzz_type(const char *type);
static void fuzz_pattern(const char *pattern);
static int fuzz_names_a_type(const char *pattern);
static char *fuzz_unescape(const char *pattern, const char *more);
static void fuzz_match(const char *pattern, const char *type);
static void fuzz_escape(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char  *pattern, *type;

    fuzz_escape(data, size);

    pattern = fuzz_string(data, size);
    type = strchr(pattern, '\n');
    type = type ? type + 1 : pattern;

    if (type != pattern) {
        type[-1] = '\0';
    }

    fuzz_type(type);
    fuzz_pattern(pattern);
    fuzz_match(pattern, type);

    free(pattern);

    return 0;
}


static void
fuzz_type(const char *type)
{
    int                        known;
    char                      *name, *again, *canonical;
    size_t                     i, length;
    mspwh_action_e             action, expected_action;
    mspwh_entity_e             entity, expected_entity;
    const mspwh_event_type_t  *found;

    known = fuzz_type_known(type);
    name = fuzz_type_name(type);
    found = mspwh_event_type_known(type);
    fuzz_type_classify(name, &expected_entity, &expected_action);

    if (known != -1) {
        fuzz_check(found != NULL && strcmp(found->type, name) == 0
                   && found->type == mspwh_event_type_name((unsigned) known)
                   && found->entity == expected_entity
                   && found->action == expected_action,
                   "not the known type %s", name);
        free(name);
        return;
    }

    fuzz_check(found == NULL, "%s is known as %s", type, found->type);

    length = strlen(type);
    canonical = malloc(length * 4 + 1);
    fuzz_check(canonical != NULL, "no memory");

    mspwh_event_type_canonical(canonical, type);
    fuzz_check(strcmp(canonical, name) == 0, "%s, not %s", canonical, name);
    fuzz_check(*name == '\0' || fuzz_type_has_form(name), "%s", name);

    entity = MSPWH_ENTITY_UNKNOWN;
    action = MSPWH_ACTION_UNKNOWN;
    mspwh_event_type_classify(canonical, &entity, &action);
    fuzz_check(entity == expected_entity && action == expected_action,
               "%s: entity %d, action %d", canonical, entity, action);

    for (i = 0; i < length && (type[i] & 0x80) == 0; i++) { /* void */ }

    if (i == length) {
        again = malloc(strlen(name) * 4 + 1);
        fuzz_check(again != NULL, "no memory");
        mspwh_event_type_canonical(again, name);
        fuzz_check(strcmp(again, name) == 0, "%s, not %s", again, name);
        free(again);
    }

    free(canonical);
    free(name);
}


static void
fuzz_pattern(const char *pattern)
{
    int          rc, is_short, is_spelling;
    const char  *meant, *other;

    rc = mspwh_event_type_pattern(pattern, &meant);

    /* nothing wrong with these, but they are not what they seem to be */

    is_short = (strcmp(pattern, "note.*") == 0
                || strcmp(pattern, "response.*") == 0
                || strcmp(pattern, "attachment.*") == 0);

    /* nor is ticket%deleted, which no UTF-8 gives, of the byte 0xde */

    is_spelling = (meant != NULL && strchr(pattern, '%') != NULL);

    fuzz_check((rc == 0) == (!is_short && !is_spelling
                             && fuzz_names_a_type(pattern)),
               "%d for %s", rc, pattern);

    if (meant != NULL) {
        fuzz_check(rc != 0 && strcmp(meant, pattern) != 0
                   && mspwh_event_type_pattern(meant, &other) == 0
                   && other == NULL,
                   "%s for %s", meant, pattern);
    }

    fuzz_check(!is_short || meant != NULL, "nothing meant by %s", pattern);
}


/* there is a type of that name, or of those first words */

static int
fuzz_names_a_type(const char *pattern)
{
    int     is_prefix, same;
    char   *type, *name, *stem;
    size_t  length;

    if (strcmp(pattern, "*") == 0) {
        return 1;
    }

    length = strlen(pattern);
    is_prefix = (length > 2 && strcmp(pattern + length - 2, ".*") == 0);

    stem = fuzz_string(pattern, is_prefix ? length - 2 : length);
    type = fuzz_unescape(stem, is_prefix ? " zzz" : "");
    name = fuzz_type_name(type);

    length = strlen(stem);

    same = (length > 0 && strncmp(name, stem, length) == 0
            && strcmp(name + length, is_prefix ? ".zzz" : "") == 0);

    free(name);
    free(type);
    free(stem);

    return same;
}


/* bytes outside ASCII have an escape in a name, and no others */

static char *
fuzz_unescape(const char *pattern, const char *more)
{
    char      *text, *p;
    unsigned   code;

    p = text = malloc(strlen(pattern) + strlen(more) + 1);
    fuzz_check(text != NULL, "no memory");

    for ( /* void */ ; *pattern != '\0'; pattern++) {

        if (pattern[0] == '%' && strspn(pattern + 1, "0123456789abcdef") >= 2
            && sscanf(pattern + 1, "%2x", &code) == 1 && code >= 0x80)
        {
            *p++ = (char) code;
            pattern += 2;
            continue;
        }

        *p++ = *pattern;
    }

    memcpy(p, more, strlen(more) + 1);

    return text;
}


static void
fuzz_match(const char *pattern, const char *type)
{
    int          expected;
    char        *name;
    size_t       length;
    const char  *meant;

    if (mspwh_event_type_pattern(pattern, &meant) != 0) {
        return;
    }

    name = fuzz_type_name(type);
    length = strlen(pattern);

    if (strcmp(pattern, "*") == 0) {
        expected = 1;

    } else if (pattern[length - 1] == '*') {
        expected = (strncmp(name, pattern, length - 2) == 0
                    && name[length - 2] == '.');

    } else {
        expected = (strcmp(name, pattern) == 0);
    }

    fuzz_check(mspwh_event_type_matches(pattern, length, name) == expected,
               "%s and %s", pattern, name);

    free(name);
}


static void
fuzz_escape(const uint8_t *data, size_t size)
{
    char      *text, *p, *end;
    size_t     i;
    unsigned   code;

    text = malloc(size * 3 + 1);
    fuzz_check(text != NULL, "no memory");

    end = mspwh_event_type_escape(text, (const char *) data, size);
    *end = '\0';

    for (i = 0, p = text; i < size; i++, p++) {
        code = (unsigned char) *p;

        if (*p == '%') {
            fuzz_check(isxdigit((unsigned char) p[1]) && !islower(p[1])
                       && isxdigit((unsigned char) p[2]) && !islower(p[2])
                       && sscanf(p + 1, "%2x", &code) == 1, "%s", p);
            p += 2;

        } else {
            fuzz_check(isalnum((unsigned char) *p)
                       || strchr("-._~", *p) != NULL, "%s", p);
        }

        fuzz_check(code == data[i], "%s", p);
    }

    fuzz_check(p == end, "more than was to be escaped: %s", p);

    free(text);
}
