
/*
 * The table of keys in shared memory: its contents, and their order.
 */


#include "table.h"


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

    /* 66 bytes per entry, and no write after the end */

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

        assert_uint_in_range(i, size / 66 - 12, size / 66);

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


/* keys in the same bucket, and keys that differ in one byte */

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

    /* deletes from the middle, the end and the beginning of the chain */

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

    /* the oldest delivered entry makes room; a pending one never does */

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


/* a model that works in another way: a list of ids for each queue */

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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
