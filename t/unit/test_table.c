
/*
 * The table of keys in shared memory: what it holds, in which order, and that
 * a process may be killed anywhere inside it.
 */


#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "mspwh_table.h"


#define SIZE      4096
#define IDS       200
#define TEXT      (IDS * 8)

#define PENDING   MSPWH_TABLE_PENDING
#define DELIVERED MSPWH_TABLE_DELIVERED


static _Alignas(64) unsigned char   memory[2][SIZE];
static void                        *shared;


/* all keys of "spread" 1 are in one chain, those of a larger one in several */

static unsigned char *
key(unsigned id, unsigned spread)
{
    uint32_t              hash;
    static unsigned char  key[MSPWH_TABLE_KEY];

    hash = UINT32_MAX / spread * (id % spread);

    memset(key, 0, sizeof(key));
    memcpy(key, &hash, sizeof(hash));
    key[MSPWH_TABLE_KEY - 1] = (unsigned char) id;

    return key;
}


static unsigned
id_of(mspwh_table_entry_t *entry)
{
    return entry->key[MSPWH_TABLE_KEY - 1];
}


static mspwh_table_entry_t *
find(mspwh_table_t *table, unsigned id)
{
    unsigned              spread;
    mspwh_table_entry_t  *entry;

    for (spread = 1; spread <= 7; spread += 6) {
        entry = mspwh_table_find(table, key(id, spread));

        if (entry != NULL) {
            assert_int_equal(id_of(entry), id);
            return entry;
        }
    }

    return NULL;
}


static unsigned
room(mspwh_table_t *table)
{
    unsigned  n;

    for (n = 0; n < IDS; n++) {
        if (mspwh_table_insert(table, key(IDS + n, 3), PENDING, 0) == NULL) {
            return n;
        }
    }

    fail_msg("the table has no end");

    return 0;
}


/* moves each entry to the newest end, which needs that end to be right */

static void
rotate(mspwh_table_t *table, mspwh_table_queue_e queue)
{
    unsigned              n;
    mspwh_table_entry_t  *entry, *first;

    first = mspwh_table_oldest(table, queue);

    for (n = 0, entry = first; entry != NULL; n++) {
        assert_true(n < IDS);
        mspwh_table_move(table, entry, queue, 0);

        entry = mspwh_table_oldest(table, queue);

        if (entry == first) {
            return;
        }
    }
}


/*
 * The ids in each queue, oldest first, such as "3 1 | 2 ".  An entry that only
 * a queue has, or only a chain, or neither, is an error.  The table is left as
 * it was.
 */

static const char *
contents(mspwh_table_t *table)
{
    char                 *p;
    unsigned              id, queue, n, in_chains;
    unsigned char         saved[SIZE];
    mspwh_table_entry_t  *entry;
    static char           text[2][TEXT];
    static int            turn;

    turn = !turn;
    p = text[turn];
    *p = '\0';

    memcpy(saved, table, SIZE);

    for (id = 0, in_chains = 0; id < IDS; id++) {
        in_chains += (find(table, id) != NULL);
    }

    for (queue = 0, n = 0; queue < MSPWH_TABLE_QUEUES; queue++) {
        rotate(table, queue);

        while ((entry = mspwh_table_oldest(table, queue)) != NULL) {
            assert_true(n++ < IDS);
            assert_int_equal(entry->queue, queue);
            assert_ptr_equal(find(table, id_of(entry)), entry);

            p += sprintf(p, "%u ", id_of(entry));
            mspwh_table_delete(table, entry);
        }

        p += sprintf(p, "%s", (queue == PENDING) ? "| " : "");
    }

    assert_int_equal(n, in_chains);
    assert_int_equal(room(table),
                     room(mspwh_table_create(memory[1], SIZE)));

    memcpy(table, saved, SIZE);

    return text[turn];
}


static void
insert(mspwh_table_t *table, unsigned id, mspwh_table_queue_e queue)
{
    assert_non_null(mspwh_table_insert(table, key(id, 1), queue, id));
}


static void
test_create(void **state)
{
    size_t          n, size;
    uint32_t        i;
    unsigned char  *large, key[MSPWH_TABLE_KEY] = { 0 };
    mspwh_table_t  *table;

    (void) state;

    assert_null(mspwh_table_create(memory[0], 4095));
    assert_non_null(mspwh_table_create(memory[0], 4096));

    /* 66 bytes for each, and nothing beyond the end */

    size = 1 << 20;
    large = malloc(size);
    assert_non_null(large);

    for (n = size - 66; n <= size; n += 3) {
        memset(large, 0xa5, size);

        table = mspwh_table_create(large, n);

        for (i = 0; /* void */ ; i++) {
            memcpy(key, &(uint32_t) { i * 2654435761u }, 4);
            memcpy(key + 4, &i, 4);

            if (mspwh_table_insert(table, key, PENDING, 0) == NULL) {
                break;
            }
        }

        assert_in_range(i, size / 66 - 12, size / 66);

        for (i = n; i < size; i++) {
            assert_int_equal(large[i], 0xa5);
        }
    }

    free(large);
}


static void
test_queues(void **state)
{
    uint64_t              number;
    mspwh_table_t        *table;
    mspwh_table_entry_t  *entry;

    (void) state;

    table = mspwh_table_create(memory[0], SIZE);
    assert_string_equal(contents(table), "| ");
    assert_null(mspwh_table_oldest(table, PENDING));

    insert(table, 1, PENDING);
    insert(table, 2, PENDING);
    insert(table, 3, DELIVERED);
    insert(table, 4, PENDING);
    assert_string_equal(contents(table), "1 2 4 | 3 ");

    entry = find(table, 2);
    assert_int_equal(entry->time, 2);
    number = entry->number;

    mspwh_table_move(table, entry, PENDING, 9);
    assert_string_equal(contents(table), "1 4 2 | 3 ");
    assert_int_equal(entry->time, 9);
    assert_true(entry->number == number);

    mspwh_table_move(table, entry, DELIVERED, 10);
    assert_string_equal(contents(table), "1 4 | 3 2 ");

    mspwh_table_delete(table, entry);
    assert_string_equal(contents(table), "1 4 | 3 ");

    insert(table, 2, PENDING);
    assert_string_equal(contents(table), "1 4 2 | 3 ");
    assert_true(find(table, 2)->number != number);
}


/* keys with the same bucket, and with the same bytes but one */

static void
test_collisions(void **state)
{
    unsigned        id, i;
    unsigned char   other[MSPWH_TABLE_KEY];
    mspwh_table_t  *table;

    (void) state;

    table = mspwh_table_create(memory[0], SIZE);

    for (id = 1; id <= 4; id++) {
        insert(table, id, DELIVERED);
    }

    for (i = 0; i < MSPWH_TABLE_KEY; i++) {
        memcpy(other, key(3, 1), MSPWH_TABLE_KEY);
        other[i] ^= 0x80;
        assert_null(mspwh_table_find(table, other));
    }

    /* from the middle, the end and the beginning of the chain */

    mspwh_table_delete(table, find(table, 3));
    assert_string_equal(contents(table), "| 1 2 4 ");
    mspwh_table_delete(table, find(table, 1));
    assert_string_equal(contents(table), "| 2 4 ");
    mspwh_table_delete(table, find(table, 4));
    assert_string_equal(contents(table), "| 2 ");
}


static void
test_full(void **state)
{
    unsigned        id, n;
    mspwh_table_t  *table;

    (void) state;

    n = room(mspwh_table_create(memory[0], SIZE));
    table = mspwh_table_create(memory[0], SIZE);

    insert(table, 1, DELIVERED);
    insert(table, 2, PENDING);
    insert(table, 3, DELIVERED);

    for (id = 4; id <= n; id++) {
        insert(table, id, PENDING);
    }

    /* the oldest delivered one makes room, and a pending one never does */

    insert(table, 150, PENDING);
    assert_null(find(table, 1));
    assert_non_null(find(table, 3));

    insert(table, 151, PENDING);
    assert_null(find(table, 3));
    assert_non_null(find(table, 2));

    assert_null(mspwh_table_insert(table, key(152, 1), PENDING, 0));
    assert_null(mspwh_table_insert(table, key(152, 1), DELIVERED, 0));
    assert_non_null(find(table, 2));

    mspwh_table_delete(table, find(table, 2));
    insert(table, 152, DELIVERED);
}


/* a list of ids, for each queue, that does the same in another way */

typedef struct {
    unsigned  ids[MSPWH_TABLE_QUEUES][IDS];
    unsigned  n[MSPWH_TABLE_QUEUES];
} model_t;


static void
model_remove(model_t *model, unsigned id)
{
    unsigned  queue, i, n;

    for (queue = 0; queue < MSPWH_TABLE_QUEUES; queue++) {
        for (i = 0, n = 0; i < model->n[queue]; i++) {
            if (model->ids[queue][i] != id) {
                model->ids[queue][n++] = model->ids[queue][i];
            }
        }

        model->n[queue] = n;
    }
}


static const char *
model_contents(model_t *model)
{
    char         *p;
    unsigned      queue, i;
    static char   text[TEXT];

    p = text;

    for (queue = 0; queue < MSPWH_TABLE_QUEUES; queue++) {
        for (i = 0; i < model->n[queue]; i++) {
            p += sprintf(p, "%u ", model->ids[queue][i]);
        }

        p += sprintf(p, "%s", (queue == PENDING) ? "| " : "");
    }

    return text;
}


static void
test_random(void **state)
{
    model_t               model;
    unsigned              step, id, queue, spread, capacity;
    mspwh_table_t        *table;
    mspwh_table_entry_t  *entry;

    (void) state;

    capacity = room(mspwh_table_create(memory[0], SIZE));

    for (spread = 1; spread <= 7; spread += 6) {
        table = mspwh_table_create(memory[0], SIZE);
        memset(&model, 0, sizeof(model));

        for (step = 0; step < 5000; step++) {
            id = rand() % 90;
            queue = rand() % MSPWH_TABLE_QUEUES;
            entry = find(table, id);

            if (entry == NULL) {

                if (model.n[0] + model.n[1] == capacity && model.n[1] > 0) {
                    model_remove(&model, model.ids[DELIVERED][0]);
                }

                if (mspwh_table_insert(table, key(id, spread), queue, 0)
                    == NULL)
                {
                    assert_int_equal(model.n[PENDING], capacity);
                    continue;
                }

            } else {
                model_remove(&model, id);

                if (rand() % 3 == 0) {
                    mspwh_table_delete(table, entry);
                    continue;
                }

                mspwh_table_move(table, entry, queue, 0);
            }

            model.ids[queue][model.n[queue]++] = id;

            assert_string_equal(contents(table), model_contents(&model));
        }
    }
}


/* operations to be killed in, on the contents "1 2 3 | 4 5 6 " */

static void
insert_fresh(mspwh_table_t *table)
{
    mspwh_table_insert(table, key(7, 1), PENDING, 0);
}


static void
insert_freed(mspwh_table_t *table)
{
    mspwh_table_delete(table, find(table, 5));
    mspwh_table_insert(table, key(7, 1), DELIVERED, 0);
}


static void
delete(mspwh_table_t *table)
{
    mspwh_table_delete(table, find(table, 2));
}


static void
deliver(mspwh_table_t *table)
{
    mspwh_table_move(table, find(table, 2), DELIVERED, 0);
}


static void
renew(mspwh_table_t *table)
{
    mspwh_table_move(table, find(table, 1), PENDING, 0);
}


static void
renew_newest(mspwh_table_t *table)
{
    mspwh_table_move(table, find(table, 3), PENDING, 0);
}


static void
insert_evicting(mspwh_table_t *table)
{
    mspwh_table_insert(table, key(7, 1), PENDING, 0);
}


typedef struct {
    const char  *name;
    void       (*function)(mspwh_table_t *table);
    unsigned     full;
    const char  *allowed[3];
} operation_t;

static const operation_t  operations[] = {
    { "insert_fresh", insert_fresh, 0,
      { "1 2 3 | 4 5 6 ", "1 2 3 7 | 4 5 6 " } },
    { "insert_freed", insert_freed, 0,
      { "1 2 3 | 4 5 6 ", "1 2 3 | 4 6 ", "1 2 3 | 4 6 7 " } },
    { "delete", delete, 0,
      { "1 2 3 | 4 5 6 ", "1 3 | 4 5 6 " } },
    { "deliver", deliver, 0,
      { "1 2 3 | 4 5 6 ", "1 3 | 4 5 6 2 " } },
    { "renew", renew, 0,
      { "1 2 3 | 4 5 6 ", "2 3 1 | 4 5 6 " } },
    { "renew_newest", renew_newest, 0,
      { "1 2 3 | 4 5 6 " } },
    { "insert_evicting", insert_evicting, 1,
      { "1 2 3 | 4 5 6 ", "1 2 3 | 5 6 ", "1 2 3 7 | 5 6 " } },
};


static mspwh_table_t *
setup(unsigned full)
{
    unsigned        id, n;
    mspwh_table_t  *table;

    n = room(mspwh_table_create(shared, SIZE));
    table = mspwh_table_create(shared, SIZE);

    for (id = 1; id <= (full ? n : 6); id++) {
        insert(table, id <= 6 ? id : 100 + id,
               id <= 3 ? PENDING : DELIVERED);
    }

    return table;
}


static void
verify(mspwh_table_t *table, const operation_t *operation)
{
    size_t       n;
    unsigned     i;
    const char  *text;

    text = contents(table);
    n = strlen(text);

    /* a full table goes on with "107 108 ..." */

    if (strstr(text, " 107 ") != NULL) {
        n = strstr(text, "107 ") - text;
    }

    for (i = 0; i < 3 && operation->allowed[i] != NULL; i++) {
        if (strlen(operation->allowed[i]) == n
            && strncmp(text, operation->allowed[i], n) == 0)
        {
            return;
        }
    }

    fail_msg("killed in %s: %s", operation->name, text);
}


/* a child that has stopped in front of a function; -1 if it cannot be traced */

static pid_t
trace(void (*function)(mspwh_table_t *table), mspwh_table_t *table)
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(1);
        }

        raise(SIGSTOP);
        function(table);
        _exit(0);
    }

    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);

    return WIFSTOPPED(status) ? pid : -1;
}


/* returns 0 once the child has exited, -1 if it cannot be traced */

static int
step(pid_t pid)
{
    int  status;

    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return -1;
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);

    if (WIFSTOPPED(status)) {
        assert_int_equal(WSTOPSIG(status), SIGTRAP);
        return 1;
    }

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);

    return 0;
}


/*
 * One instruction at a time.  What the memory holds then is what a child that
 * was killed there would leave; the test tries it, and puts it back.
 */

static unsigned
step_through(const operation_t *operation,
    void (*function)(mspwh_table_t *table), mspwh_table_t *table,
    unsigned again)
{
    int            rc;
    pid_t          pid;
    unsigned       states;
    unsigned char  now[SIZE];

    states = 0;
    memcpy(now, table, SIZE);

    pid = trace(function, table);

    if (pid == -1) {
        return 0;
    }

    while ((rc = step(pid)) > 0) {

        if (memcmp(now, table, SIZE) == 0) {
            continue;
        }

        states++;
        memcpy(now, table, SIZE);

        if (again && states % 4 == 0) {
            (void) step_through(operation, mspwh_table_recover, table, 0);
            memcpy(table, now, SIZE);
        }

        mspwh_table_recover(table);
        verify(table, operation);
        memcpy(table, now, SIZE);
    }

    return (rc == 0) ? states : 0;
}


/* in each operation, and in some of the recoveries from that */

static void
test_killed(void **state)
{
    unsigned        i, states;
    mspwh_table_t  *table;

    (void) state;

    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        table = setup(operations[i].full);
        verify(table, &operations[i]);

        states = step_through(&operations[i], operations[i].function, table,
                              1);

        if (states == 0) {
            print_message("no process can be traced by steps here\n");
            skip();
        }

        assert_true(states > 15);
        verify(table, &operations[i]);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_killed),
    };

    shared = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                  -1, 0);
    if (shared == MAP_FAILED) {
        return 1;
    }

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
