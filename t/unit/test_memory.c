
/*
 * Allocations: how many an event takes, and that each may fail.
 */


#include "unit.h"
#include "mspwh_event.h"


#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)

/* the sanitizer has its own allocator */

int
main(void)
{
    return 0;
}

#else

/* glibc's own: the functions of this program replace them everywhere */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static size_t  calls, largest, failing;


static int
count(size_t size)
{
    largest = (size > largest) ? size : largest;

    return ++calls != failing;
}


void *
malloc(size_t size)
{
    return count(size) ? __libc_malloc(size) : NULL;
}


void *
calloc(size_t n, size_t size)
{
    return count(n * size) ? __libc_calloc(n, size) : NULL;
}


void *
realloc(void *p, size_t size)
{
    return count(size) ? __libc_realloc(p, size) : NULL;
}


/* returns the error of the event */

static mspwh_event_error_e
read_event(const mspwh_event_plan_t *plan, const char *text)
{
    mspwh_event_t        event;
    mspwh_extract_t      extract;
    mspwh_event_error_e  error;

    if (mspwh_extract_init(&extract, plan->extract) != 0) {
        return MSPWH_EVENT_NO_MEMORY;
    }

    mspwh_extract_feed(&extract, text, strlen(text));
    assert_int_equal(mspwh_extract_finish(&extract), MSPWH_JSON_OK);

    error = mspwh_event_read(&event, &extract, plan);

    mspwh_event_cleanup(&event);
    mspwh_extract_cleanup(&extract);

    return error;
}


static void
test_calls(void **state)
{
    char                *text;
    mspwh_event_plan_t  *plan;

    (void) state;

    plan = mspwh_event_plan(NULL);
    assert_non_null(plan);

    text = fill("{\"EventType\":\"Ticket created\",\"entityId\":4711,"
                "\"TicketId\":\"4711\",\"Details\":\"", 'x', 10 << 20,
                "\",\"AdditionalFields\":[{\"Name\":\"a\",\"Value\":1}]}");

    calls = largest = 0;
    assert_int_equal(read_event(plan, text), MSPWH_EVENT_OK);
    assert_uint_in_range(calls, 1, 12);
    assert_uint_in_range(largest, 1, 1024);

    free(text);
    mspwh_event_plan_free(plan);
}


static void
test_failures(void **state)
{
    size_t               n;
    mspwh_pointer_t     *pointers[2], *const *value = &pointers[1];
    mspwh_event_plan_t  *plan;

    static const char  text[] =
        "{\"a\":{\"event\":\"x\",\"ticketId\":1},\"event\":\"TicketMerged\","
        "\"entityId\":5,\"Details\":\"\",\"b\":[\"c\",[]],\"c\":{}}";

    const mspwh_fields_t  fields = {
        .roles = { [MSPWH_ROLE_ENTITY_ID] = { 1, &pointers[0] } },
        .nvalues = 1, .values = value
    };

    (void) state;

    for (n = 0; n < 2; n++) {
        failing = calls + 1;
        assert_int_equal(mspwh_pointer_parse("/b/0", 4, &pointers[n]), 0);
        assert_null(pointers[n]);

        mspwh_pointer_parse(n ? "/b/1" : "/entityId", n ? 4 : 9,
                            &pointers[n]);
        assert_non_null(pointers[n]);
    }

    n = 0;

    do {
        failing = calls + ++n;
        plan = mspwh_event_plan(&fields);

    } while (plan == NULL);

    assert_uint_in_range(n, 8, 20);

    for (n = 1; /* void */ ; n++) {
        failing = calls + n;

        if (read_event(plan, text) == MSPWH_EVENT_OK) {
            break;
        }

        failing = calls + n;
        assert_int_equal(read_event(plan, text), MSPWH_EVENT_NO_MEMORY);
    }

    assert_uint_in_range(n, 8, 30);

    mspwh_event_plan_free(plan);
    free(pointers[0]);
    free(pointers[1]);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
