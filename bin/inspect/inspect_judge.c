
#include "inspect.h"

#include <string.h>


static inspect_reason_e inspect_check(const inspect_input_t *input,
    int *secret);
static int inspect_match(const inspect_input_t *input,
    const unsigned char digest[MSPWH_DIGEST_LENGTH]);
static inspect_reason_e inspect_payload(inspect_result_t *result,
    const inspect_input_t *input);
static inspect_reason_e inspect_json_reason(mspwh_json_error_e error);
static inspect_reason_e inspect_event_reason(mspwh_event_error_e error);


#define inspect_verdict(name, word)  [INSPECT_VERDICT_ ## name] = word,

const char *const  inspect_verdicts[INSPECT_VERDICTS] = {
    MSPWH_VERDICTS(inspect_verdict)
};


#define inspect_entry(name, verdict, metric, words)                           \
    [INSPECT_ ## name] = { INSPECT_VERDICT_ ## verdict, metric, words },
#define inspect_json_entry(name, metric, words)                               \
    inspect_entry(JSON_ ## name, MALFORMED_PAYLOAD, metric, words)
#define inspect_event_entry(name, metric, words)                              \
    inspect_entry(EVENT_ ## name, MALFORMED_PAYLOAD, metric, words)

const inspect_reason_t  inspect_reasons[INSPECT_REASONS] = {
    [INSPECT_NO_REASON] = { INSPECT_VERDICT_VERIFIED, "", "" },
    MSPWH_REASONS(inspect_entry, inspect_json_entry, inspect_event_entry)
};


void
inspect_judge(inspect_result_t *result, const inspect_input_t *input)
{
    memset(result, 0, sizeof(inspect_result_t));

    result->reason = inspect_check(input, &result->secret);
    result->payload = inspect_payload(result, input);

    if (result->reason == INSPECT_NO_REASON) {
        result->reason = result->payload;
    }
}


void
inspect_cleanup(inspect_result_t *result)
{
    mspwh_event_cleanup(&result->event);
    mspwh_extract_cleanup(&result->extract);
    mspwh_event_plan_free(result->plan);
}


static inspect_reason_e
inspect_check(const inspect_input_t *input, int *secret)
{
    unsigned char  digest[MSPWH_DIGEST_LENGTH];

    *secret = INSPECT_NO_MATCH;

    if (!input->has_signature) {
        return INSPECT_HEADER_MISSING;
    }

    if (input->is_repeated) {
        return INSPECT_HEADER_REPEATED;
    }

    if (mspwh_signature_decode(input->signature.data, input->signature.length,
                               digest)
        != 0)
    {
        return INSPECT_HEADER_MALFORMED;
    }

    if (input->nsecrets == 0) {
        return INSPECT_NO_SECRET;
    }

    *secret = inspect_match(input, digest);

    return (*secret == INSPECT_NO_MATCH) ? INSPECT_MISMATCH
                                         : INSPECT_NO_REASON;
}


static int
inspect_match(const inspect_input_t *input,
    const unsigned char digest[MSPWH_DIGEST_LENGTH])
{
    int               failed, match;
    unsigned          i;
    mspwh_secret_t    secret;
    mspwh_verifier_t  verifier;

    failed = 0;
    verifier.nmacs = 0;

    for (i = 0; i < input->nsecrets && !failed; i++) {
        failed = mspwh_secret_init(&secret, input->secrets[i].text.data,
                                   input->secrets[i].text.length);
        if (!failed) {
            failed = mspwh_verifier_add(&verifier, &secret);
            mspwh_secret_cleanup(&secret);
        }
    }

    if (failed
        || mspwh_verifier_update(&verifier, input->body.data,
                                 input->body.length)
           != 0
        || mspwh_verifier_final(&verifier, digest, &match) != 0)
    {
        inspect_no_memory();
    }

    mspwh_verifier_cleanup(&verifier);

    return match;
}


static inspect_reason_e
inspect_payload(inspect_result_t *result, const inspect_input_t *input)
{
    mspwh_json_error_e   syntax;
    mspwh_event_error_e  error;

    result->plan = mspwh_event_plan(&input->fields);

    if (result->plan == NULL
        || mspwh_extract_init(&result->extract, result->plan->extract) != 0)
    {
        inspect_no_memory();
    }

    mspwh_extract_feed(&result->extract, input->body.data,
                       input->body.length);

    syntax = mspwh_extract_finish(&result->extract);

    if (syntax != MSPWH_JSON_OK) {
        return inspect_json_reason(syntax);
    }

    error = mspwh_event_read(&result->event, &result->extract, result->plan);

    if (error == MSPWH_EVENT_NO_MEMORY) {
        inspect_no_memory();
    }

    return inspect_event_reason(error);
}


#define inspect_json_case(name, metric, words)                                \
    case MSPWH_JSON_ ## name:                                                 \
        return INSPECT_JSON_ ## name;

static inspect_reason_e
inspect_json_reason(mspwh_json_error_e error)
{
    switch (error) {
    MSPWH_JSON_ERRORS(inspect_json_case)
    default:
        return INSPECT_NO_REASON;
    }
}


#define inspect_event_case(name, metric, words)                               \
    case MSPWH_EVENT_ ## name:                                                \
        return INSPECT_EVENT_ ## name;

static inspect_reason_e
inspect_event_reason(mspwh_event_error_e error)
{
    switch (error) {
    MSPWH_EVENT_ERRORS(inspect_event_case)
    default:
        return INSPECT_NO_REASON;
    }
}
