
#include "mspwh_event_internal.h"

#include <string.h>


static void mspwh_event_members(mspwh_member_t *members, const cJSON *object,
    unsigned depth);
static unsigned mspwh_event_member(const char *name, size_t length);
static void mspwh_event_role(mspwh_member_t *member, const cJSON *tree,
    const mspwh_role_t *role);


/* without case, "_" and "-" */

#define mspwh_member_name(name)  { sizeof(name) - 1, name }

static const struct {
    size_t       length;
    const char  *name;
} mspwh_member_names[MSPWH_MEMBERS] = {
    mspwh_member_name("eventtype"),
    mspwh_member_name("entityid"),
    mspwh_member_name("ticketid"),
    mspwh_member_name("ticketresponsetypeid"),
    mspwh_member_name("event"),
    mspwh_member_name("details"),
    mspwh_member_name("description"),
    mspwh_member_name("additionalfields")
};

#define MSPWH_MEMBER_NAME  (sizeof("ticketresponsetypeid") - 1)


mspwh_event_error_e
mspwh_event_find(mspwh_member_t *members, const cJSON *tree,
    const mspwh_fields_t *fields)
{
    unsigned  i;

    memset(members, 0, MSPWH_MEMBERS * sizeof(mspwh_member_t));
    mspwh_event_members(members, tree, 1);

    if (members[MSPWH_ROLE_EVENT_TYPE].item == NULL) {
        members[MSPWH_ROLE_EVENT_TYPE] = members[MSPWH_MEMBER_EVENT];
    }

    for (i = 0; i < MSPWH_ROLES; i++) {
        if (fields != NULL && fields->roles[i].npointers > 0) {
            mspwh_event_role(&members[i], tree, &fields->roles[i]);
        }

        if (members[i].ambiguous) {
            return MSPWH_EVENT_AMBIGUOUS;
        }
    }

    return MSPWH_EVENT_OK;
}


/* the shallowest members of each name; arrays are not entered */

static void
mspwh_event_members(mspwh_member_t *members, const cJSON *object,
    unsigned depth)
{
    unsigned         i;
    const cJSON     *item;
    mspwh_member_t  *member;

    cJSON_ArrayForEach(item, object) {
        i = mspwh_event_member(item->string, strlen(item->string));

        if (i < MSPWH_MEMBERS) {
            member = &members[i];

            if (member->item == NULL || depth < member->depth) {
                member->item = item;
                member->depth = depth;
                member->ambiguous = 0;

            } else if (depth == member->depth
                       && !mspwh_pointer_same_value(member->item, item))
            {
                member->ambiguous = 1;
            }
        }

        if (cJSON_IsObject(item)) {
            mspwh_event_members(members, item, depth + 1);
        }
    }
}


mspwh_scanner_keep_e
mspwh_event_ask(const char *name, size_t length)
{
    unsigned  i;

    i = mspwh_event_member(name, length);

    if (i == MSPWH_MEMBERS) {
        return MSPWH_SCANNER_NOTHING;
    }

    return (i < MSPWH_MEMBER_DETAILS) ? MSPWH_SCANNER_VALUE
                                      : MSPWH_SCANNER_PRESENCE;
}


/* which of the members the name is of, or MSPWH_MEMBERS */

static unsigned
mspwh_event_member(const char *name, size_t length)
{
    char         text[MSPWH_MEMBER_NAME];
    size_t       n;
    unsigned     i;
    const char  *end;

    n = 0;

    for (end = name + length; name < end; name++) {
        if (*name == '_' || *name == '-') {
            continue;
        }

        if (n == MSPWH_MEMBER_NAME) {
            return MSPWH_MEMBERS;
        }

        text[n++] = (char) mspwh_to_lower(*name);
    }

    if (n == 0) {
        return MSPWH_MEMBERS;
    }

    for (i = 0; i < MSPWH_MEMBERS; i++) {
        if (n == mspwh_member_names[i].length
            && memcmp(text, mspwh_member_names[i].name, n) == 0)
        {
            break;
        }
    }

    return i;
}


static void
mspwh_event_role(mspwh_member_t *member, const cJSON *tree,
    const mspwh_role_t *role)
{
    unsigned  i;

    member->item = NULL;
    member->ambiguous = 0;

    for (i = 0; i < role->npointers && member->item == NULL; i++) {
        member->item = mspwh_pointer_resolve(role->pointers[i], tree,
                                             &member->ambiguous);
    }
}
