
/*
 * For the tests of the table: keys from a small id, and the contents of a
 * table.
 */


#ifndef _TABLE_H_INCLUDED_
#define _TABLE_H_INCLUDED_


#include "headers.h"
#include "mspwh_table.h"


#define SIZE       4096
#define IDS        200
#define TEXT       (IDS * 8)

#define PENDING    MSPWH_TABLE_PENDING
#define DELIVERED  MSPWH_TABLE_DELIVERED


/* the second one is for comparison */

static _Alignas(64) unsigned char  memory[2][SIZE];


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


/* moves each entry to the newest end, which has to be intact for that */

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


#endif /* _TABLE_H_INCLUDED_ */
