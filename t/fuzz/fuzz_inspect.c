
/*
 * The input is a document.  For each input:
 *
 *   - the pointer that mspwh-inspect reports for a value is a JSON pointer,
 *     and leads to that value, unless the pointer matches two places;
 *   - a role that is found has a pointer, unless it is nested too deeply, or
 *     in a container whose name cannot be reported.
 */


#include "check.h"
#include "inspect_report.h"

#include <string.h>


static void fuzz_role(const inspect_result_t *result, mspwh_role_e role,
    const char *pointer, const inspect_text_t *document);
static void fuzz_visit(void *data, const inspect_value_t *value);
static void fuzz_extract(mspwh_extract_t *extract, mspwh_event_plan_t *plan,
    const inspect_text_t *document);
static mspwh_event_plan_t *fuzz_plan(mspwh_pointer_t **pointer,
    const char *text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned            i;
    inspect_input_t     input;
    inspect_result_t    result;
    inspect_report_t   *report;

    memset(&input, 0, sizeof(inspect_input_t));

    input.body = inspect_text(data, size);

    inspect_judge(&result, &input);

    fuzz_check(result.reason == INSPECT_HEADER_MISSING, "%d",
               (int) result.reason);

    report = fuzz_memory(sizeof(inspect_report_t));

    inspect_collect(report, &input, &result);

    if (result.extract.json.error == MSPWH_JSON_OK) {
        for (i = 0; i < MSPWH_ROLES; i++) {
            fuzz_role(&result, i, report->found[i], &input.body);
        }

        inspect_walk(input.body.data, input.body.length, fuzz_visit,
                     &input.body);
    }

    inspect_report_cleanup(report);
    free(report);
    inspect_cleanup(&result);
    free(input.body.data);

    return 0;
}


static void
fuzz_role(const inspect_result_t *result, mspwh_role_e role,
    const char *pointer, const inspect_text_t *document)
{
    const mspwh_extract_found_t  *found;

    found = mspwh_event_found(&result->extract, result->plan, role);

    if (found->item == NULL) {
        fuzz_check(pointer == NULL, "\"%s\" is not there", pointer);
        return;
    }

    fuzz_check(pointer != NULL || found->depth > MSPWH_POINTER_TOKENS
               || document->length > MSPWH_JSON_TEXT
               || memchr(document->data, '\\', document->length) != NULL,
               "no pointer to role %d", (int) role);
}


static void
fuzz_visit(void *data, const inspect_value_t *value)
{
    const char                   *text;
    mspwh_pointer_t              *pointer;
    mspwh_extract_t               extract;
    mspwh_event_plan_t           *plan;
    const mspwh_extract_found_t  *found;

    if (value->pointer[0] == '\0') {
        return;
    }

    plan = fuzz_plan(&pointer, value->pointer);

    fuzz_extract(&extract, plan, data);

    found = mspwh_extract_found(&extract, plan->values);
    text = mspwh_extract_text(found);

    fuzz_check(found->item != NULL, "nothing at \"%s\"", value->pointer);

    if (found->offset == value->offset) {
        fuzz_check((value->text != NULL) == found->has_text, "\"%s\"",
                   value->pointer);
        fuzz_check(value->text == NULL
                   || (strlen(text) == value->length
                       && memcmp(text, value->text, value->length) == 0),
                   "\"%s\" has another text", value->pointer);

    } else {
        fuzz_check(found->offset < value->offset, "\"%s\" is later",
                   value->pointer);
    }

    mspwh_extract_cleanup(&extract);
    mspwh_event_plan_free(plan);
    free(pointer);
}


static mspwh_event_plan_t *
fuzz_plan(mspwh_pointer_t **pointer, const char *text)
{
    mspwh_fields_t       fields;
    mspwh_event_plan_t  *plan;

    fuzz_check(mspwh_pointer_parse(text, strlen(text), pointer) == 0,
               "\"%s\" is no pointer", text);

    memset(&fields, 0, sizeof(mspwh_fields_t));

    fields.nvalues = 1;
    fields.values = pointer;

    plan = mspwh_event_plan(&fields);

    fuzz_check(plan != NULL, "no plan");

    return plan;
}


static void
fuzz_extract(mspwh_extract_t *extract, mspwh_event_plan_t *plan,
    const inspect_text_t *document)
{
    fuzz_check(mspwh_extract_init(extract, plan->extract) == 0, "no memory");

    mspwh_extract_feed(extract, document->data, document->length);

    fuzz_check(mspwh_extract_finish(extract) == MSPWH_JSON_OK, "not JSON");
}
