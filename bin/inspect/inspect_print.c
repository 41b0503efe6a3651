
#include "inspect_report.h"
#include "mspwh_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static void inspect_print_event(const mspwh_event_t *event);
static void inspect_print_report(const inspect_report_t *report);
static void inspect_print_payload(const inspect_result_t *result);
static void inspect_print_line(const char *name, const char *text);
static void inspect_print_safe(const char *text);

static cJSON *inspect_event_object(const mspwh_event_t *event);
static cJSON *inspect_payload_object(const inspect_result_t *result);
static void inspect_add_report(cJSON *root, const inspect_result_t *result,
    const inspect_report_t *report);
static void inspect_add(cJSON *object, const char *name, cJSON *item);
static cJSON *inspect_string(const char *text);


#define inspect_has_event(result)  ((result)->payload == INSPECT_NO_REASON)


void
inspect_print_text(const inspect_input_t *input,
    const inspect_result_t *result)
{
    char                    *hint;
    inspect_report_t        *report;
    const inspect_reason_t  *reason;

    reason = &inspect_reasons[result->reason];

    inspect_print_line("verdict", inspect_verdicts[reason->verdict]);

    if (result->reason != INSPECT_NO_REASON) {
        printf("%-12s %s: %s\n", "reason", reason->name, reason->words);
    }

    hint = inspect_hint(input);

    if (hint != NULL) {
        inspect_print_line("hint", hint);
        free(hint);
    }

    if (result->secret != INSPECT_NO_MATCH) {
        inspect_print_line("secret", input->secrets[result->secret].file);
    }

    printf("%-12s %zu bytes", "body", input->body.length);
    inspect_print_payload(result);

    if (inspect_has_event(result)) {
        inspect_print_event(&result->event);
    }

    if (result->extract.json.error != MSPWH_JSON_OK) {
        return;
    }

    report = inspect_alloc(sizeof(inspect_report_t));

    inspect_collect(report, input, result);
    inspect_print_report(report);
    inspect_report_cleanup(report);

    free(report);
}


static void
inspect_print_payload(const inspect_result_t *result)
{
    const mspwh_json_t      *json;
    const inspect_reason_t  *reason;

    json = &result->extract.json;
    reason = &inspect_reasons[result->payload];

    if (result->payload != INSPECT_NO_REASON) {
        printf(", %s: %s", reason->name, reason->words);
    }

    if (json->error != MSPWH_JSON_OK) {
        printf(" at byte %llu in line %llu", (unsigned long long) json->offset,
               (unsigned long long) json->line);
    }

    putchar('\n');
}


static void
inspect_print_event(const mspwh_event_t *event)
{
    unsigned     i;
    const char  *separator;

    printf("%-12s %s, from \"", "type", event->type);
    inspect_print_safe(event->type_raw);
    puts("\"");

    inspect_print_line("entity", mspwh_event_entity(event->entity));
    inspect_print_line("action", mspwh_event_action(event->action));
    inspect_print_line("entity id", event->entity_id);
    inspect_print_line("ticket id", event->ticket_id);

    printf("%-12s ", "anomalies");
    separator = "";

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (event->anomalies & (1u << i)) {
            printf("%s%s", separator, mspwh_event_anomaly(i));
            separator = ", ";
        }
    }

    puts(separator[0] == '\0' ? "none" : "");
}


static void
inspect_print_report(const inspect_report_t *report)
{
    unsigned                    i;
    const inspect_candidate_t  *candidate;

    puts("\nfound");

    for (i = 0; i < MSPWH_ROLES; i++) {
        printf("  %-13s ", inspect_roles[i]);
        inspect_print_safe(report->found[i] ? report->found[i] : "-");
        putchar('\n');
    }

    puts("\ncandidates for mspwh_field");

    for (i = 0; i < report->ncandidates; i++) {
        candidate = &report->candidates[i];

        fputs("  ", stdout);
        inspect_print_safe(candidate->pointer);
        fputs("  ", stdout);
        inspect_print_safe(candidate->text);

        if (candidate->type != NULL) {
            printf("  (%s)", candidate->type->type);
        }

        putchar('\n');
    }

    if (report->nomitted > 0) {
        printf("  and %llu more\n", (unsigned long long) report->nomitted);
    }
}


static void
inspect_print_line(const char *name, const char *text)
{
    printf("%-12s ", name);
    inspect_print_safe(text);
    putchar('\n');
}


/* a sender's text must not control the terminal: C0, DEL, and C1 */

static void
inspect_print_safe(const char *text)
{
    const unsigned char  *p;

    for (p = (const unsigned char *) text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            printf("\\x%02x", *p);

        } else if (*p == 0xc2 && p[1] < 0xa0 && p[1] >= 0x80) {
            printf("\\xc2\\x%02x", *++p);

        } else {
            putchar(*p);
        }
    }
}


void
inspect_print_json(const inspect_input_t *input,
    const inspect_result_t *result)
{
    char                    *hint, *text;
    cJSON                   *root;
    inspect_report_t        *report;
    const inspect_reason_t  *reason;

    reason = &inspect_reasons[result->reason];
    hint = inspect_hint(input);
    report = inspect_alloc(sizeof(inspect_report_t));

    inspect_collect(report, input, result);

    root = cJSON_CreateObject();

    inspect_add(root, "verdict",
                inspect_string(inspect_verdicts[reason->verdict]));
    inspect_add(root, "reason",
                inspect_string(reason->name[0] ? reason->name : NULL));
    inspect_add(root, "hint", inspect_string(hint));
    inspect_add(root, "secret",
                inspect_string((result->secret != INSPECT_NO_MATCH)
                               ? input->secrets[result->secret].file : NULL));
    inspect_add(root, "bytes",
                cJSON_CreateNumber((double) input->body.length));
    inspect_add(root, "payload", inspect_payload_object(result));
    inspect_add(root, "event", inspect_has_event(result)
                               ? inspect_event_object(&result->event)
                               : cJSON_CreateNull());
    inspect_add_report(root, result, report);

    text = cJSON_Print(root);
    if (text == NULL) {
        inspect_no_memory();
    }

    puts(text);

    cJSON_free(text);
    cJSON_Delete(root);
    inspect_report_cleanup(report);
    free(report);
    free(hint);
}


static cJSON *
inspect_payload_object(const inspect_result_t *result)
{
    cJSON               *object;
    const mspwh_json_t  *json;

    if (inspect_has_event(result)) {
        return cJSON_CreateNull();
    }

    json = &result->extract.json;
    object = cJSON_CreateObject();

    inspect_add(object, "reason",
                inspect_string(inspect_reasons[result->payload].name));

    if (json->error != MSPWH_JSON_OK) {
        inspect_add(object, "byte", cJSON_CreateNumber((double) json->offset));
        inspect_add(object, "line", cJSON_CreateNumber((double) json->line));
    }

    return object;
}


static cJSON *
inspect_event_object(const mspwh_event_t *event)
{
    cJSON  *object;

    object = cJSON_CreateObject();

    inspect_add(object, "type", inspect_string(event->type));
    inspect_add(object, "type_raw", inspect_string(event->type_raw));
    inspect_add(object, "entity",
                inspect_string(mspwh_event_entity(event->entity)));
    inspect_add(object, "action",
                inspect_string(mspwh_event_action(event->action)));
    inspect_add(object, "entity_id", inspect_string(event->entity_id));
    inspect_add(object, "ticket_id", inspect_string(event->ticket_id));

    return object;
}


static void
inspect_add_report(cJSON *root, const inspect_result_t *result,
    const inspect_report_t *report)
{
    cJSON     *found, *anomalies, *candidates;
    unsigned   i;

    found = cJSON_CreateObject();
    anomalies = cJSON_CreateArray();
    candidates = cJSON_CreateObject();

    inspect_add(root, "found", found);
    inspect_add(root, "anomalies", anomalies);
    inspect_add(root, "candidates", candidates);
    inspect_add(root, "candidates_omitted",
                cJSON_CreateNumber((double) report->nomitted));

    for (i = 0; i < MSPWH_ROLES; i++) {
        inspect_add(found, inspect_roles[i],
                    inspect_string(report->found[i]));
    }

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        if (inspect_has_event(result)
            && result->event.anomalies & (1u << i)
            && !cJSON_AddItemToArray(anomalies,
                                     inspect_string(mspwh_event_anomaly(i))))
        {
            inspect_no_memory();
        }
    }

    for (i = 0; i < report->ncandidates; i++) {
        inspect_add(candidates, report->candidates[i].pointer,
                    inspect_string(report->candidates[i].text));
    }
}


/* adds the item, which is NULL if there is no memory */

static void
inspect_add(cJSON *object, const char *name, cJSON *item)
{
    if (item == NULL || !cJSON_AddItemToObject(object, name, item)) {
        inspect_no_memory();
    }
}


static cJSON *
inspect_string(const char *text)
{
    return text ? cJSON_CreateString(text) : cJSON_CreateNull();
}
