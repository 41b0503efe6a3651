
/*
 * A process may be killed anywhere inside the table.
 */


#include "table.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>


static void  *shared;


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

    /* in a full table, "107 108 ..." follow */

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


/* starts a child that stops before a function; -1 if it cannot be traced */

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
 * Goes through a function one instruction at a time.  Each time, the memory is
 * as a child that was killed there would leave it; the test uses it, and
 * restores it.
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


/* kills in each operation, and in some of the recoveries after that */

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
        cmocka_unit_test(test_killed),
    };

    shared = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                  -1, 0);
    if (shared == MAP_FAILED) {
        return 1;
    }

    return cmocka_run_group_tests_name("table_killed", tests, NULL, NULL);
}
