
/*
 * The input is a document.  What has to hold for each that the scanner
 * accepts, where everything is looked for by name, as without mspwh_field
 * and mspwh_set:
 *
 *   - the event, or the error, is what the contract makes of the document;
 *   - the types and ids have their form;
 *   - the filter makes no other event, and needs no higher limit.
 */


#include "check.h"
#include "expect.h"

#include <string.h>


static mspwh_scanner_error_e fuzz_scan(mspwh_scanner_t *s,
    const uint8_t *data, size_t size, size_t limit,
    mspwh_scanner_keep_pt ask);
static void fuzz_same_event(const mspwh_event_t *one,
    const mspwh_event_t *two);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                 *mended;
    fuzz_tree_t           tree;
    mspwh_event_t         event, filtered;
    mspwh_scanner_t       s, asked;
    mspwh_event_error_e   error, same;

    if (fuzz_scan(&s, data, size, size * 4 + 16, NULL) != MSPWH_SCANNER_OK) {
        mspwh_scanner_cleanup(&s);
        return -1;
    }

    /* all of it is in the envelope: that is the limit */

    fuzz_check(fuzz_scan(&asked, data, size, s.length, mspwh_event_ask)
               == MSPWH_SCANNER_OK,
               "error %d with the filter", asked.error);

    mended = fuzz_copy(data, size);
    fuzz_mend(mended, size);
    fuzz_tree_parse(&tree, mended, size);

    error = mspwh_event_parse(&event, s.envelope, s.length, NULL);
    fuzz_expect_event(&event, error, &tree, NULL, NULL);

    same = mspwh_event_parse(&filtered, asked.envelope, asked.length, NULL);
    fuzz_check(same == error, "%s, and with the filter %s",
               mspwh_event_strerror(error), mspwh_event_strerror(same));
    fuzz_same_event(&event, &filtered);

    fuzz_check(strlen(mspwh_event_strerror(error)) > 0, "no words");

    mspwh_event_cleanup(&event);
    mspwh_event_cleanup(&event);
    mspwh_event_cleanup(&filtered);

    fuzz_tree_free(&tree);
    free(mended);

    mspwh_scanner_cleanup(&asked);
    mspwh_scanner_cleanup(&s);

    return 0;
}


static mspwh_scanner_error_e
fuzz_scan(mspwh_scanner_t *s, const uint8_t *data, size_t size, size_t limit,
    mspwh_scanner_keep_pt ask)
{
    mspwh_scanner_init(s, limit, NULL);
    s->ask = ask;

    mspwh_scanner_feed(s, data, size);

    return mspwh_scanner_finish(s);
}


static void
fuzz_same_event(const mspwh_event_t *one, const mspwh_event_t *two)
{
    unsigned     i;
    const char  *anomaly;

    fuzz_check(strcmp(one->type, two->type) == 0
               && strcmp(one->type_raw, two->type_raw) == 0
               && strcmp(one->entity_id, two->entity_id) == 0
               && strcmp(one->ticket_id, two->ticket_id) == 0,
               "%s (%s) %s %s, and with the filter %s (%s) %s %s", one->type,
               one->type_raw, one->entity_id, one->ticket_id, two->type,
               two->type_raw, two->entity_id, two->ticket_id);

    fuzz_check(one->entity == two->entity && one->action == two->action,
               "not the same entity or action");

    for (i = 0; i < MSPWH_ANOMALIES; i++) {
        anomaly = mspwh_event_anomaly(i);
        fuzz_check(strlen(anomaly) > 0, "no word");
        fuzz_check(((one->anomalies ^ two->anomalies) >> i & 1) == 0,
                   "not the same with the filter: %s", anomaly);
    }
}
