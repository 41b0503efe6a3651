
#include "check.h"
#include "types.h"

#include <ctype.h>
#include <string.h>


static char *fuzz_type_letters(const char *text);
static int fuzz_type_is_word(char ch);
static int fuzz_type_begins_word(const char *text, size_t i);


static const char *const  fuzz_type_names[MSPWH_EVENT_TYPES] = {
    "ticket.created", "ticket.updated", "ticket.deleted",
    "ticket.note.added", "ticket.note.updated", "ticket.note.deleted",
    "ticket.response.added", "ticket.response.updated",
    "ticket.response.deleted",
    "ticket.attachment.added", "ticket.attachment.deleted"
};


int
fuzz_type_known(const char *text)
{
    int    known;
    char  *letters, *name;
    size_t i;

    known = -1;
    letters = fuzz_type_letters(text);

    for (i = 0; i < MSPWH_EVENT_TYPES; i++) {
        name = fuzz_type_letters(fuzz_type_names[i]);

        /* only those of a ticket's parts need no "ticket" */

        if (strcmp(letters, name) == 0
            || (i > 2 && strcmp(letters, name + strlen("ticket")) == 0))
        {
            known = (int) i;
        }

        free(name);
    }

    free(letters);

    return known;
}


static char *
fuzz_type_letters(const char *text)
{
    char  *letters, *p;

    p = letters = fuzz_string(text, strlen(text));

    for ( /* void */ ; *text != '\0'; text++) {
        if (fuzz_type_is_word(*text)) {
            *p++ = (char) tolower((unsigned char) *text);
        }
    }

    *p = '\0';

    return letters;
}


static int
fuzz_type_is_word(char ch)
{
    return isalnum((unsigned char) ch) || (ch & 0x80);
}


char *
fuzz_type_name(const char *text)
{
    int     known;
    char   *name, *p;
    size_t  i;

    known = fuzz_type_known(text);

    if (known != -1) {
        return fuzz_string(fuzz_type_names[known],
                           strlen(fuzz_type_names[known]));
    }

    p = name = malloc(strlen(text) * 4 + 1);
    fuzz_check(name != NULL, "no memory");

    for (i = 0; text[i] != '\0'; i++) {

        if (!fuzz_type_is_word(text[i])) {
            continue;
        }

        if (p > name && fuzz_type_begins_word(text, i)) {
            *p++ = '.';
        }

        if (text[i] & 0x80) {
            p += sprintf(p, "%%%02x", (unsigned char) text[i]);

        } else {
            *p++ = (char) tolower((unsigned char) text[i]);
        }
    }

    *p = '\0';

    return name;
}


static int
fuzz_type_begins_word(const char *text, size_t i)
{
    int  is_first_capital, is_last_capital;

    if (!fuzz_type_is_word(text[i - 1])) {
        return 1;
    }

    is_first_capital = !isupper((unsigned char) text[i - 1]);
    is_last_capital = islower((unsigned char) text[i + 1]);

    return isupper((unsigned char) text[i])
           && (is_first_capital || is_last_capital);
}


int
fuzz_type_has_form(const char *name)
{
    size_t  n;

    for ( ;; ) {

        for (n = 0; *name != '\0' && *name != '.'; n++) {

            if (*name == '%') {
                if (name[1] == '\0' || strchr("89abcdef", name[1]) == NULL
                    || name[2] == '\0'
                    || strchr("0123456789abcdef", name[2]) == NULL)
                {
                    return 0;
                }

                name += 3;
                continue;
            }

            if (!islower((unsigned char) *name)
                && !isdigit((unsigned char) *name))
            {
                return 0;
            }

            name++;
        }

        if (n == 0) {
            return 0;
        }

        if (*name++ == '\0') {
            return 1;
        }
    }
}


void
fuzz_type_classify(const char *name, mspwh_entity_e *entity,
    mspwh_action_e *action)
{
    char      *copy, *word, *last, *save;
    unsigned   i, n;

    *entity = MSPWH_ENTITY_UNKNOWN;
    *action = MSPWH_ACTION_UNKNOWN;

    copy = fuzz_string(name, strlen(name));
    last = copy;

    for (n = 0, word = strtok_r(copy, ".", &save); word != NULL;
         n++, word = strtok_r(NULL, ".", &save))
    {
        last = word;

        for (i = MSPWH_ENTITY_TICKET; i <= MSPWH_ENTITY_ATTACHMENT; i++) {
            if (strcmp(word, mspwh_event_entity(i)) != 0) {
                continue;
            }

            /* "ticket" as the first word, its part behind it or alone */

            if (n == 0 || (n == 1 && i != MSPWH_ENTITY_TICKET
                           && *entity == MSPWH_ENTITY_TICKET))
            {
                *entity = i;
            }
        }
    }

    for (i = MSPWH_ACTION_CREATED; i <= MSPWH_ACTION_ADDED; i++) {
        if (strcmp(last, mspwh_event_action(i)) == 0) {
            *action = i;
        }
    }

    free(copy);
}
