
#include "mspwh_json_internal.h"


#define mspwh_json_words(name, metric, words)  [MSPWH_JSON_ ## name] = words,

static const char *const  mspwh_json_errors[MSPWH_JSON_ERROR_COUNT] = {
    [MSPWH_JSON_OK] = "no error",
    MSPWH_JSON_ERRORS(mspwh_json_words)
};


const char *
mspwh_json_strerror(mspwh_json_error_e error)
{
    return mspwh_json_errors[error];
}


const unsigned char *
mspwh_json_fail(mspwh_json_t *j, const unsigned char *p,
    mspwh_json_error_e error)
{
    /* "{" or "[" in UTF-16 without a byte order mark */

    if (error == MSPWH_JSON_UNEXPECTED && *p == '\0' && j->depth == 1
        && j->offset + (uint64_t) (p - j->piece) == 1)
    {
        error = MSPWH_JSON_UTF16;
    }

    j->error = error;
    j->state = MSPWH_JSON_FAILED;

    return p;
}
