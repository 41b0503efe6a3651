
#include "mspwh_json_internal.h"
#include "mspwh_json_number.h"

#include <string.h>


static const unsigned char *mspwh_json_mark(mspwh_json_t *j,
    const unsigned char *p);


_Static_assert(MSPWH_JSON_BEFORE_VALUE == 0
               && MSPWH_JSON_END < MSPWH_JSON_IN_TEXT
               && MSPWH_JSON_IN_HEX - MSPWH_JSON_IN_TEXT == 3
               && MSPWH_JSON_NUMBER_START > MSPWH_JSON_FAILED,
               "states are compared by their order");
_Static_assert(MSPWH_JSON_STATES <= 256, "states are kept in bytes");


void
mspwh_json_init(mspwh_json_t *j, const mspwh_json_handler_t *handler,
    void *data)
{
    memset(j, 0, offsetof(mspwh_json_t, text));

    j->line = 1;
    j->state = MSPWH_JSON_BEFORE_MARK;
    j->handler = handler;
    j->data = data;
    j->want = handler ? MSPWH_JSON_VALUE : MSPWH_JSON_SKIP;
    j->after[0] = MSPWH_JSON_END;
}


void
mspwh_json_feed(mspwh_json_t *j, const void *data, size_t length)
{
    const unsigned char  *p, *end;

    p = data;
    end = p + length;

    j->piece = p;

    while (p < end && j->error == MSPWH_JSON_OK) {

        if (j->state <= MSPWH_JSON_END) {
            p = mspwh_json_tokens(j, p, end);

        } else if (j->state <= MSPWH_JSON_IN_HEX) {
            p = mspwh_json_string(j, p, end);

        } else if (j->state == MSPWH_JSON_IN_LITERAL) {
            p = mspwh_json_literal(j, p, end);

        } else if (j->state > MSPWH_JSON_FAILED) {
            p = mspwh_json_number(j, p, end);

        } else {
            p = mspwh_json_mark(j, p);
        }
    }

    j->offset += (uint64_t) (p - j->piece);
}


mspwh_json_error_e
mspwh_json_finish(mspwh_json_t *j)
{
    if (j->error != MSPWH_JSON_OK || j->state == MSPWH_JSON_END) {
        return j->error;
    }

    /* the end of a number shows only when something follows it */

    if (j->depth == 0 && mspwh_json_number_ends(j->state)) {
        mspwh_json_end(j);
        return MSPWH_JSON_OK;
    }

    j->error = (j->state == MSPWH_JSON_IN_MARK
                || j->state == MSPWH_JSON_IN_MARK_LAST)
               ? MSPWH_JSON_BYTE_ORDER_MARK : MSPWH_JSON_UNFINISHED;
    j->state = MSPWH_JSON_FAILED;

    return j->error;
}


/* takes a byte before the first value */

static const unsigned char *
mspwh_json_mark(mspwh_json_t *j, const unsigned char *p)
{
    switch (j->state) {

    case MSPWH_JSON_BEFORE_MARK:
        if (*p == 0xef) {
            j->state = MSPWH_JSON_IN_MARK;
            return p + 1;
        }

        /* UTF-16 has the mark FE FF or FF FE, or may start with 00 */

        if (*p == 0xfe || *p == 0xff || *p == 0x00) {
            return mspwh_json_fail(j, p, MSPWH_JSON_UTF16);
        }

        break;

    case MSPWH_JSON_IN_MARK:
    case MSPWH_JSON_IN_MARK_LAST:
        if (*p != (j->state == MSPWH_JSON_IN_MARK ? 0xbb : 0xbf)) {
            return mspwh_json_fail(j, p, MSPWH_JSON_BYTE_ORDER_MARK);
        }

        j->state++;
        return p + 1;

    default: /* MSPWH_JSON_AFTER_MARK */
        if (*p == 0xef) {
            return mspwh_json_fail(j, p, MSPWH_JSON_BYTE_ORDER_MARK);
        }
    }

    j->state = MSPWH_JSON_BEFORE_VALUE;

    return p;
}
