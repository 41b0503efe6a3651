
/*
 * The input is a pattern and, after a newline, an event type, which without a
 * newline is the pattern again.  For each input:
 *
 *   - neither case nor separators change which known type a text is, or its
 *     canonical form;
 *   - a canonical form consists of lowercase letters, digits and escaped
 *     bytes, with single dots in between; that of ASCII text is its own;
 *   - an accepted pattern matches itself, or its first words followed by
 *     others, but not without them; if another was meant, that is accepted;
 *   - a text with escapes consists of unreserved characters, and means the
 *     same.
 */


#include "check.h"
#include "mspwh_event_type.h"
#include "mspwh_text.h"

#include <ctype.h>
#include <string.h>


static void fuzz_type(const char *type);
static void fuzz_respell(const char *type);
static int fuzz_has_form(const char *name);
static void fuzz_pattern(const char *pattern, const char *type);
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
    fuzz_respell(type);
    fuzz_pattern(pattern, type);

    free(pattern);

    return 0;
}


static char *
fuzz_canonical(const char *type)
{
    char  *name;

    name = fuzz_memory(mspwh_event_type_size(strlen(type)));
    mspwh_event_type_canonical(name, type);

    return name;
}


static void
fuzz_type(const char *type)
{
    char                      *name, *again;
    size_t                     i;
    unsigned                   n;
    mspwh_action_e             action;
    mspwh_entity_e             entity;
    const mspwh_event_type_t  *known;

    name = fuzz_canonical(type);
    fuzz_check(*name == '\0' || fuzz_has_form(name), "%s", name);

    known = mspwh_event_type_known(type);

    if (known != NULL) {
        for (n = 0; mspwh_event_type_name(n) != known->type; n++) {
            fuzz_check(n + 1 < MSPWH_EVENT_TYPES, "no such type");
        }

        entity = MSPWH_ENTITY_UNKNOWN;
        action = MSPWH_ACTION_UNKNOWN;
        mspwh_event_type_classify(known->type, &entity, &action);
        fuzz_check(entity == known->entity && action == known->action
                   && mspwh_event_type_known(known->type) == known,
                   "%s: entity %d, action %d", known->type, entity, action);
    }

    for (i = 0; type[i] != '\0' && (type[i] & 0x80) == 0; i++) { /* void */ }

    if (type[i] == '\0') {
        again = fuzz_canonical(name);
        fuzz_check(strcmp(again, name) == 0, "%s, not %s", again, name);
        fuzz_check(mspwh_event_type_known(name) == known, "%s", name);
        free(again);
    }

    free(name);
}


/* the same type with inverted case, and with separators everywhere */

static void
fuzz_respell(const char *type)
{
    char        *text, *p;
    size_t       i;
    const char  *separators = " .-_/:";

    p = text = fuzz_memory(strlen(type) * 2 + 1);

    for (i = 0; type[i] != '\0'; i++) {
        if (isalpha((unsigned char) type[i])) {
            *p++ = type[i] ^ 0x20;

        } else if (mspwh_is_word((unsigned char) type[i])) {
            *p++ = type[i];
        }

        if (i % 3 == 1) {
            *p++ = separators[i % 6];
        }
    }

    *p = '\0';

    fuzz_check(mspwh_event_type_known(type) == mspwh_event_type_known(text),
               "%s and %s", type, text);

    free(text);
}


static int
fuzz_has_form(const char *name)
{
    int          is_word;
    unsigned     code;
    const char  *p;

    for (p = name, is_word = 0; *p != '\0'; p++) {
        if (*p == '.' && !is_word) {
            return 0;
        }

        is_word = (*p != '.');

        if (*p == '%') {
            if (strspn(p + 1, "0123456789abcdef") < 2
                || sscanf(p + 1, "%2x", &code) != 1 || code < 0x80)
            {
                return 0;
            }

            p += 2;

        } else if (is_word && !islower((unsigned char) *p)
                   && !isdigit((unsigned char) *p))
        {
            return 0;
        }
    }

    return is_word;
}


static void
fuzz_pattern(const char *pattern, const char *type)
{
    int          rc;
    char        *name;
    size_t       length;
    const char  *meant, *other;

    rc = mspwh_event_type_pattern(pattern, &meant);

    if (rc != 0) {
        fuzz_check(meant == NULL
                   || (mspwh_event_type_pattern(meant, &other) == 0
                       && other == NULL), "%s for %s", meant, pattern);
        return;
    }

    fuzz_check(meant == NULL, "%s for a good %s", meant, pattern);

    length = strlen(pattern);
    name = fuzz_memory(length + 8);
    sprintf(name, "%s", pattern);

    if (pattern[length - 1] == '*') {
        strcpy(name + length - 1, "zzz");
        fuzz_check(fuzz_has_form(name)
                   && mspwh_event_type_matches(pattern, length, name)
                   && (length == 1
                       || (name[length - 2] = '\0',
                           !mspwh_event_type_matches(pattern, length, name))),
                   "%s", pattern);

    } else {
        strcpy(name + length, ".z");
        fuzz_check(fuzz_has_form(pattern)
                   && mspwh_event_type_matches(pattern, length, pattern)
                   && !mspwh_event_type_matches(pattern, length, name),
                   "%s", pattern);
        fuzz_check(mspwh_event_type_matches(pattern, length, type)
                   == (strcmp(pattern, type) == 0), "%s", pattern);
    }

    free(name);
}


static void
fuzz_escape(const uint8_t *data, size_t size)
{
    char      *text, *p, *end;
    size_t     i;
    unsigned   code;

    text = fuzz_memory(size * 3 + 1);

    end = mspwh_text_escape(text, (const char *) data, size);
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
