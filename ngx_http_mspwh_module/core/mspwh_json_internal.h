
/*
 * Shared by the parser's files.
 */


#ifndef _MSPWH_JSON_INTERNAL_H_INCLUDED_
#define _MSPWH_JSON_INTERNAL_H_INCLUDED_


#include "mspwh_json.h"


#define mspwh_json_inline  static inline __attribute__((always_inline))


/*
 * The order matters: between tokens up to MSPWH_JSON_END, in a string from
 * MSPWH_JSON_IN_TEXT to MSPWH_JSON_IN_HEX, in a number from
 * MSPWH_JSON_NUMBER_START on.
 */

typedef enum {
    MSPWH_JSON_BEFORE_VALUE = 0,
    MSPWH_JSON_FIRST_ELEMENT,
    MSPWH_JSON_FIRST_NAME,
    MSPWH_JSON_BEFORE_NAME,
    MSPWH_JSON_COLON,
    MSPWH_JSON_NEXT_ELEMENT,
    MSPWH_JSON_NEXT_MEMBER,
    MSPWH_JSON_END,

    MSPWH_JSON_IN_TEXT,
    MSPWH_JSON_IN_UTF8,
    MSPWH_JSON_IN_ESCAPE,
    MSPWH_JSON_IN_HEX,

    MSPWH_JSON_IN_LITERAL,

    /* before anything else, and inside a byte order mark */
    MSPWH_JSON_BEFORE_MARK,
    MSPWH_JSON_IN_MARK,
    MSPWH_JSON_IN_MARK_LAST,
    MSPWH_JSON_AFTER_MARK,

    MSPWH_JSON_FAILED,

    MSPWH_JSON_NUMBER_START,
    MSPWH_JSON_NUMBER_MINUS,
    MSPWH_JSON_NUMBER_ZERO,
    MSPWH_JSON_NUMBER_INTEGER,
    MSPWH_JSON_NUMBER_POINT,
    MSPWH_JSON_NUMBER_FRACTION,
    MSPWH_JSON_NUMBER_E,
    MSPWH_JSON_NUMBER_SIGN,
    MSPWH_JSON_NUMBER_EXPONENT,
    MSPWH_JSON_STATES
} mspwh_json_state_e;


/*
 * All functions that take bytes return where they stopped: at the end of the
 * piece, after the token, or at the byte in error.
 */

/* Sets the error, and returns "p". */
const unsigned char *mspwh_json_fail(mspwh_json_t *json,
    const unsigned char *p, mspwh_json_error_e error);

/* Takes everything between tokens, and the tokens that end in this piece. */
const unsigned char *mspwh_json_tokens(mspwh_json_t *json,
    const unsigned char *p, const unsigned char *end);

/* Takes the rest of a literal or of a number. */
const unsigned char *mspwh_json_literal(mspwh_json_t *json,
    const unsigned char *p, const unsigned char *end);
const unsigned char *mspwh_json_number(mspwh_json_t *json,
    const unsigned char *p, const unsigned char *end);

/* Takes a string or the rest of one, depending on the state. */
const unsigned char *mspwh_json_string(mspwh_json_t *json,
    const unsigned char *p, const unsigned char *end);

/* Collects text, as long as it is not too long. */
void mspwh_json_put(mspwh_json_t *json, const void *text, size_t length);

/* Reports the collected string or number, and goes on. */
void mspwh_json_end(mspwh_json_t *json);


/* If the text is too long, these report none. */

mspwh_json_inline void
mspwh_json_tell_name(mspwh_json_t *json, const void *text, size_t length)
{
    if (text == NULL || length > MSPWH_JSON_TEXT) {
        json->want = json->handler->name(json->data, NULL, 0);
        return;
    }

    json->want = json->handler->name(json->data, text, length);
}


mspwh_json_inline void
mspwh_json_tell_value(mspwh_json_t *json, mspwh_json_type_e type,
    const void *text, size_t length)
{
    if (text == NULL || length > MSPWH_JSON_TEXT
        || json->want < MSPWH_JSON_VALUE)
    {
        json->handler->value(json->data, type, NULL, 0);
        return;
    }

    json->handler->value(json->data, type, text, length);
}



#endif /* _MSPWH_JSON_INTERNAL_H_INCLUDED_ */
