
/*
 * What there is to report of a body: where the roles were found, and what
 * else could be one.
 */


#ifndef _INSPECT_REPORT_H_INCLUDED_
#define _INSPECT_REPORT_H_INCLUDED_


#include "inspect.h"


/* how many values that could be a role are listed */
#define INSPECT_CANDIDATES  1000


typedef struct {
    char                      *pointer;
    char                      *text;

    /* if it is a known one, or NULL */
    const mspwh_event_type_t  *type;
} inspect_candidate_t;


typedef struct {
    /* by role, NULL if it is not there, or if no pointer leads to it */
    char                      *found[MSPWH_ROLES];

    unsigned                   ncandidates;
    inspect_candidate_t        candidates[INSPECT_CANDIDATES];

    /* of more than there is room for */
    uint64_t                   nomitted;
} inspect_report_t;


extern const char *const  inspect_roles[MSPWH_ROLES];

void inspect_collect(inspect_report_t *report, const inspect_input_t *input,
    const inspect_result_t *result);
void inspect_report_cleanup(inspect_report_t *report);


#endif /* _INSPECT_REPORT_H_INCLUDED_ */
