
/*
 * What to report about a body: where the roles were found, and which other
 * values could be one.
 */


#ifndef _INSPECT_REPORT_H_INCLUDED_
#define _INSPECT_REPORT_H_INCLUDED_


#include "inspect.h"


/* the most values to list that could be a role */
#define INSPECT_CANDIDATES  1000


typedef struct {
    char                      *pointer;
    char                      *text;

    /* the event type that the value spells, or NULL */
    const mspwh_event_type_t  *type;
} inspect_candidate_t;


typedef struct {
    /* indexed by role; NULL if it was not found, or no pointer leads to it */
    char                      *found[MSPWH_ROLES];

    unsigned                   ncandidates;
    inspect_candidate_t        candidates[INSPECT_CANDIDATES];

    /* how many more candidates there were */
    uint64_t                   nomitted;
} inspect_report_t;


extern const char *const  inspect_roles[MSPWH_ROLES];

void inspect_collect(inspect_report_t *report, const inspect_input_t *input,
    const inspect_result_t *result);
void inspect_report_cleanup(inspect_report_t *report);


#endif /* _INSPECT_REPORT_H_INCLUDED_ */
