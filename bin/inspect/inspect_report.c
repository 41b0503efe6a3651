
#include "inspect_report.h"
#include "mspwh_text.h"

#include <stdlib.h>
#include <string.h>


typedef struct {
    inspect_report_t        *report;
    const inspect_result_t  *result;
} inspect_visit_t;


static void inspect_visit(void *data, const inspect_value_t *value);
static int inspect_is_candidate(const inspect_value_t *value);


const char *const  inspect_roles[MSPWH_ROLES] = {
    [MSPWH_ROLE_EVENT_TYPE] = "event_type",
    [MSPWH_ROLE_ENTITY_ID] = "entity_id",
    [MSPWH_ROLE_TICKET_ID] = "ticket_id",
    [MSPWH_ROLE_RESPONSE_TYPE] = "response_type"
};


void
inspect_collect(inspect_report_t *report, const inspect_input_t *input,
    const inspect_result_t *result)
{
    inspect_visit_t  visit;

    memset(report, 0, sizeof(inspect_report_t));

    if (result->extract.json.error != MSPWH_JSON_OK) {
        return;
    }

    visit.report = report;
    visit.result = result;

    inspect_walk(input->body.data, input->body.length, inspect_visit, &visit);
}


void
inspect_report_cleanup(inspect_report_t *report)
{
    unsigned  i;

    for (i = 0; i < MSPWH_ROLES; i++) {
        free(report->found[i]);
    }

    for (i = 0; i < report->ncandidates; i++) {
        free(report->candidates[i].pointer);
        free(report->candidates[i].text);
    }
}


static void
inspect_visit(void *data, const inspect_value_t *value)
{
    inspect_visit_t  *visit = data;

    unsigned                      i;
    inspect_report_t             *report;
    inspect_candidate_t          *candidate;
    const mspwh_extract_found_t  *found;

    report = visit->report;

    for (i = 0; i < MSPWH_ROLES; i++) {
        found = mspwh_event_found(&visit->result->extract,
                                  visit->result->plan, i);

        if (found->item != NULL && found->offset == value->offset) {
            free(report->found[i]);
            report->found[i] = inspect_text(value->pointer,
                                            strlen(value->pointer)).data;
        }
    }

    if (!inspect_is_candidate(value)) {
        return;
    }

    if (report->ncandidates == INSPECT_CANDIDATES) {
        report->nomitted++;
        return;
    }

    candidate = &report->candidates[report->ncandidates++];

    candidate->pointer = inspect_text(value->pointer,
                                      strlen(value->pointer)).data;
    candidate->text = inspect_text(value->text, value->length).data;
    candidate->type = mspwh_event_type_known(candidate->text);
}


/* an integer, or a short text that contains a word */

static int
inspect_is_candidate(const inspect_value_t *value)
{
    int                   has_word;
    const unsigned char  *p, *end;

    if (value->text == NULL || value->length > MSPWH_EVENT_ID
        || value->pointer[0] == '\0')
    {
        return 0;
    }

    if (value->type == MSPWH_JSON_NUMBER) {
        return mspwh_event_is_id(value->text, value->length)
               && strspn(value->text, "0123456789") >= value->length;
    }

    has_word = 0;

    p = (const unsigned char *) value->text;
    end = p + value->length;

    for ( /* void */ ; p < end; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            return 0;
        }

        has_word |= mspwh_is_word(*p);
    }

    return has_word;
}
