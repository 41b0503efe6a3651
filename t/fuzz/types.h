
/*
 * What the contract says of event types, written once more.
 */


#ifndef _FUZZ_TYPES_H_INCLUDED_
#define _FUZZ_TYPES_H_INCLUDED_


#include "mspwh_event_type.h"


/* the number of the known type that the text spells, or -1 */
int fuzz_type_known(const char *text);

/* the name of a type, known or not; to be freed */
char *fuzz_type_name(const char *text);

/* words of small letters, digits and escaped bytes, joined by dots */
int fuzz_type_has_form(const char *name);

/* entity and action by the words of a name */
void fuzz_type_classify(const char *name, mspwh_entity_e *entity,
    mspwh_action_e *action);


#endif /* _FUZZ_TYPES_H_INCLUDED_ */
