
/*
 * The ring of records, alone and between processes that are killed.
 */


#include "mspwh_ring.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "headers.h"


#define WORDS  1024
#define SLOTS  8


/* all words have the same number: otherwise the record is torn */

typedef struct {
    unsigned long  words[WORDS];
} record_t;


static unsigned char  memory[262144]
    __attribute__((aligned(sizeof(unsigned long))));


static mspwh_ring_t *
create(void *where, unsigned long nslots)
{
    mspwh_ring_t  *ring;

    ring = where;
    memset(ring, 0, mspwh_ring_bytes(sizeof(record_t), nslots));
    mspwh_ring_init(ring, sizeof(record_t), nslots);

    return ring;
}


static int
add(mspwh_ring_t *ring, unsigned long pid, unsigned long word)
{
    unsigned            i;
    record_t           *record;
    mspwh_ring_slot_t  *slot;

    record = mspwh_ring_begin(ring, pid, &slot);

    if (record == NULL) {
        return 0;
    }

    for (i = 0; i < WORDS; i++) {
        *(volatile unsigned long *) &record->words[i] = word;
    }

    mspwh_ring_end(slot);

    return 1;
}


/* returns the word of a record, 0 if it is missing, or -1 if it is torn */

static long
get(const mspwh_ring_t *ring, unsigned long number)
{
    unsigned  i;
    record_t  record;

    if (!mspwh_ring_get(ring, number, &record)) {
        return 0;
    }

    for (i = 1; i < WORDS; i++) {
        if (record.words[i] != record.words[0]) {
            return -1;
        }
    }

    return (long) record.words[0];
}


static void
test_last_records(void **state)
{
    unsigned long   n;
    mspwh_ring_t   *ring;

    (void) state;
    ring = create(memory, SLOTS);

    assert_int_equal(mspwh_ring_next(ring), 1);
    assert_int_equal(get(ring, 1), 0);

    for (n = 1; n <= 3 * SLOTS + 1; n++) {
        assert_true(add(ring, getpid(), 100 + n));
    }

    assert_int_equal(mspwh_ring_next(ring), n);
    assert_int_equal(get(ring, n), 0);
    assert_int_equal(get(ring, n - SLOTS - 1), 0);

    for (n -= SLOTS; n < mspwh_ring_next(ring); n++) {
        assert_int_equal(get(ring, n), 100 + n);
    }
}


/* a record is not shown before its end, and neither is the one it replaces */

static void
test_unfinished(void **state)
{
    record_t           *record;
    mspwh_ring_t       *ring;
    mspwh_ring_slot_t  *slot;

    (void) state;
    ring = create(memory, 1);

    assert_true(add(ring, getpid(), 1));

    record = mspwh_ring_begin(ring, getpid(), &slot);
    assert_non_null(record);
    assert_int_equal(get(ring, 1), 0);
    assert_int_equal(get(ring, 2), 0);

    memset(record, 0, sizeof(record_t));
    record->words[0] = record->words[WORDS - 1] = 7;
    mspwh_ring_end(slot);
    assert_int_equal(get(ring, 2), -1);
}


/* pid 1 is alive, even if it cannot be signalled; the highest pid is unused */

static void
test_owner(void **state)
{
    mspwh_ring_t       *ring;
    mspwh_ring_slot_t  *slot;

    (void) state;
    ring = create(memory, 1);

    assert_non_null(mspwh_ring_begin(ring, 1, &slot));
    assert_false(add(ring, getpid(), 2));
    assert_int_equal(get(ring, 2), 0);
    mspwh_ring_end(slot);
    assert_true(add(ring, getpid(), 3));
    assert_int_equal(get(ring, 3), 3);

    assert_non_null(mspwh_ring_begin(ring, 0x7ffffffe, &slot));
    assert_true(add(ring, getpid(), 5));
    assert_int_equal(get(ring, 4), 0);
    assert_int_equal(get(ring, 5), 5);

    assert_non_null(mspwh_ring_begin(ring, getpid(), &slot));
    assert_true(add(ring, getpid(), 7));
    assert_int_equal(get(ring, 7), 7);
}


static void
test_copy(void **state)
{
    unsigned long          n, i;
    mspwh_ring_t          *from, *to;
    static const unsigned  sizes[][2] = {
        { 8, 4 }, { 4, 8 }, { 8, 8 }, { 1, 8 }, { 8, 1 }
    };

    (void) state;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        from = create(memory, sizes[i][0]);

        for (n = 1; n <= 21; n++) {
            assert_true(add(from, getpid(), 100 + n));
        }

        to = create(memory + sizeof(memory) / 2, sizes[i][1]);
        mspwh_ring_copy(to, from);

        assert_int_equal(mspwh_ring_next(to), 22);

        for (n = 1; n <= 21; n++) {
            assert_int_equal(get(to, n),
                             n + sizes[i][0] > 21 && n + sizes[i][1] > 21
                             ? 100 + n : 0);
        }

        assert_true(add(to, getpid(), 122));
        assert_int_equal(get(to, 22), 122);
    }

    from = create(memory, 8);
    to = create(memory + sizeof(memory) / 2, 4);
    mspwh_ring_copy(to, from);
    assert_int_equal(mspwh_ring_next(to), 1);
}


/* children write as fast as they can, and are killed at any point */

static void
write_forever(mspwh_ring_t *ring)
{
    unsigned long  n, pid;

    pid = (unsigned long) getpid();

    for (n = 1; ; n++) {
        (void) add(ring, pid, n);
    }
}


static pid_t
start(mspwh_ring_t *ring)
{
    pid_t  pid;

    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        write_forever(ring);
    }

    return pid;
}


static void
test_killed(void **state)
{
    long            found;
    pid_t           pids[4];
    unsigned        i, k, seen, torn, unfinished;
    unsigned long   n;
    mspwh_ring_t   *ring;

    (void) state;

    ring = mmap(NULL, sizeof(memory), PROT_READ|PROT_WRITE,
                MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    assert_true(ring != MAP_FAILED);
    ring = create(ring, SLOTS);

    for (i = 0; i < 4; i++) {
        pids[i] = start(ring);
    }

    seen = torn = unfinished = 0;

    for (i = 0; i < 40; i++) {
        for (k = 0; k < 500; k++) {
            n = mspwh_ring_next(ring);
            found = get(ring, n > SLOTS ? n - k % SLOTS : 1);
            seen += found > 0;
            torn += found < 0;
        }

        kill(pids[i % 4], SIGKILL);
        waitpid(pids[i % 4], NULL, 0);
        pids[i % 4] = start(ring);
    }

    for (i = 0; i < 4; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }

    n = mspwh_ring_next(ring);

    for (i = 1; i <= SLOTS; i++) {
        unfinished += get(ring, n - i) == 0;
    }

    /* the next round can use every slot */

    for (i = 0; i < SLOTS; i++) {
        assert_true(add(ring, getpid(), 7));
        assert_int_equal(get(ring, n + i), 7);
    }

    print_message("%lu records, %u seen, %u unfinished at the end\n",
                  n, seen, unfinished);
    assert_int_equal(torn, 0);
    assert_true(seen > 1000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_last_records),
        cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_killed),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
