
/*
 * The memory of a table:
 *
 *     head  entries                                     buckets
 *     +----+----+----+----+----+----+----+- - -+---+---+- - - - - -+
 *     |    | 0  | 1  | 2  | 3  | 4  | 5  |     |   |   | | | | | | |
 *     +----+----+----+----+----+----+----+- - -+---+---+- - - - - -+
 *            |    |    in use, or freed    never used
 *            |    |
 *            |    the ends of the queue of delivered entries
 *            the ends of the queue of pending entries
 *
 * Entries refer to each other by number.  An entry in use is in the chain of
 * its key's bucket, and in a queue:
 *
 *     bucket --next--> 4 --next--> 9 --next--> 0
 *
 *         newer        newer        newer        newer
 *     0 <=======> 7 <=======> 4 <=======> 9 <=======> 0
 *         older        older        older        older
 *
 * Entry 0 is in no chain, so 0 ends a chain.  Freed entries are in a list,
 * again by "next" and with 0 at its end.
 *
 * A process may be killed at any point.  It notes the old value of each number
 * that it changes, and drops the notes once the whole operation is done.  If
 * there are notes when the next process takes the lock, that one puts the old
 * values back.
 */


#include "mspwh_table.h"

#include <stdatomic.h>
#include <string.h>


#define MSPWH_TABLE_SMALLEST  4096

/* entries per bucket of a full table */
#define MSPWH_TABLE_LOAD      2

/* the changes that an insertion makes; all other operations make fewer */
#define MSPWH_TABLE_CHANGES   9


/* a line of the processor's cache */
_Static_assert(sizeof(mspwh_table_entry_t) == 64, "an entry takes 64 bytes");


/* volatile: the compiler keeps the order of the writes */

typedef struct {
    uint32_t *volatile       number;
    volatile uint32_t        before;
} mspwh_table_change_t;


struct mspwh_table_s {
    mspwh_table_entry_t     *entries;
    uint32_t                *buckets;
    uint32_t                 nentries;
    uint32_t                 nbuckets;

    /* the first of the freed entries, and the first that was never used */
    uint32_t                 freed;
    uint32_t                 fresh;

    /* how many entries have been inserted so far */
    uint64_t                 inserted;

    volatile uint32_t        nchanges;
    mspwh_table_change_t     changes[MSPWH_TABLE_CHANGES];
};


static mspwh_table_entry_t *mspwh_table_take(mspwh_table_t *table);
static void mspwh_table_enqueue(mspwh_table_t *table,
    mspwh_table_entry_t *entry, mspwh_table_queue_e queue, uint32_t time);
static void mspwh_table_dequeue(mspwh_table_t *table,
    mspwh_table_entry_t *entry);
static uint32_t *mspwh_table_bucket(mspwh_table_t *table,
    const unsigned char key[MSPWH_TABLE_KEY]);
static void mspwh_table_change(mspwh_table_t *table, uint32_t *number,
    uint32_t value);
static void mspwh_table_commit(mspwh_table_t *table);


mspwh_table_t *
mspwh_table_create(void *memory, size_t size)
{
    size_t          head, each, n;
    uint32_t        queue;
    mspwh_table_t  *table;

    if (size < MSPWH_TABLE_SMALLEST) {
        return NULL;
    }

    table = memory;
    memset(table, 0, sizeof(mspwh_table_t));

    /* each entry in one line of the cache */

    head = sizeof(mspwh_table_t);
    head += -((uintptr_t) memory + head) % sizeof(mspwh_table_entry_t);

    each = sizeof(mspwh_table_entry_t) + sizeof(uint32_t) / MSPWH_TABLE_LOAD;
    n = (size - head) / each;

    table->nentries = (n < UINT32_MAX) ? (uint32_t) n : UINT32_MAX;
    table->nbuckets = table->nentries / MSPWH_TABLE_LOAD;
    table->entries = (void *) ((char *) memory + head);
    table->buckets = (void *) (table->entries + table->nentries);
    table->fresh = MSPWH_TABLE_QUEUES;

    memset(table->buckets, 0, table->nbuckets * sizeof(uint32_t));

    for (queue = 0; queue < MSPWH_TABLE_QUEUES; queue++) {
        table->entries[queue].newer = queue;
        table->entries[queue].older = queue;
    }

    return table;
}


/* may be interrupted, too: until it ends, the notes are kept */

void
mspwh_table_recover(mspwh_table_t *table)
{
    uint32_t               n;
    mspwh_table_change_t  *change;

    if (table->nchanges == 0) {
        return;
    }

    for (n = table->nchanges; n-- > 0; /* void */) {
        change = &table->changes[n];
        *change->number = change->before;
    }

    mspwh_table_commit(table);
}


mspwh_table_entry_t *
mspwh_table_find(mspwh_table_t *table,
    const unsigned char key[MSPWH_TABLE_KEY])
{
    uint32_t              n;
    mspwh_table_entry_t  *entry;

    for (n = *mspwh_table_bucket(table, key); n != 0; n = entry->next) {
        entry = &table->entries[n];

        if (memcmp(entry->key, key, MSPWH_TABLE_KEY) == 0) {
            return entry;
        }
    }

    return NULL;
}


mspwh_table_entry_t *
mspwh_table_insert(mspwh_table_t *table,
    const unsigned char key[MSPWH_TABLE_KEY], mspwh_table_queue_e queue,
    uint32_t time)
{
    uint32_t             *bucket;
    mspwh_table_entry_t  *entry;

    entry = mspwh_table_take(table);
    if (entry == NULL) {
        return NULL;
    }

    memcpy(entry->key, key, MSPWH_TABLE_KEY);
    entry->number = ++table->inserted;

    bucket = mspwh_table_bucket(table, key);
    mspwh_table_change(table, &entry->next, *bucket);
    mspwh_table_change(table, bucket, entry - table->entries);

    mspwh_table_enqueue(table, entry, queue, time);
    mspwh_table_commit(table);

    return entry;
}


/* returns an unused entry; the caller commits that it is no longer free */

static mspwh_table_entry_t *
mspwh_table_take(mspwh_table_t *table)
{
    mspwh_table_entry_t  *entry;

    if (table->freed == 0 && table->fresh < table->nentries) {
        entry = &table->entries[table->fresh];
        mspwh_table_change(table, &table->fresh, table->fresh + 1);

        return entry;
    }

    if (table->freed == 0) {
        entry = mspwh_table_oldest(table, MSPWH_TABLE_DELIVERED);
        if (entry == NULL) {
            return NULL;
        }

        mspwh_table_delete(table, entry);
    }

    entry = &table->entries[table->freed];
    mspwh_table_change(table, &table->freed, entry->next);

    return entry;
}


void
mspwh_table_move(mspwh_table_t *table, mspwh_table_entry_t *entry,
    mspwh_table_queue_e queue, uint32_t time)
{
    mspwh_table_dequeue(table, entry);
    mspwh_table_enqueue(table, entry, queue, time);
    mspwh_table_commit(table);
}


void
mspwh_table_delete(mspwh_table_t *table, mspwh_table_entry_t *entry)
{
    uint32_t  n, *link;

    n = entry - table->entries;
    link = mspwh_table_bucket(table, entry->key);

    while (*link != n) {
        link = &table->entries[*link].next;
    }

    mspwh_table_change(table, link, entry->next);
    mspwh_table_dequeue(table, entry);

    mspwh_table_change(table, &entry->next, table->freed);
    mspwh_table_change(table, &table->freed, n);
    mspwh_table_commit(table);
}


mspwh_table_entry_t *
mspwh_table_oldest(mspwh_table_t *table, mspwh_table_queue_e queue)
{
    uint32_t  n;

    n = table->entries[queue].newer;

    return (n == queue) ? NULL : &table->entries[n];
}


static void
mspwh_table_enqueue(mspwh_table_t *table, mspwh_table_entry_t *entry,
    mspwh_table_queue_e queue, uint32_t time)
{
    uint32_t              n;
    mspwh_table_entry_t  *end, *newest;

    n = entry - table->entries;
    end = &table->entries[queue];
    newest = &table->entries[end->older];

    mspwh_table_change(table, &entry->queue, queue);
    mspwh_table_change(table, &entry->time, time);

    mspwh_table_change(table, &entry->newer, queue);
    mspwh_table_change(table, &entry->older, end->older);
    mspwh_table_change(table, &newest->newer, n);
    mspwh_table_change(table, &end->older, n);
}


static void
mspwh_table_dequeue(mspwh_table_t *table, mspwh_table_entry_t *entry)
{
    mspwh_table_change(table, &table->entries[entry->newer].older,
                       entry->older);
    mspwh_table_change(table, &table->entries[entry->older].newer,
                       entry->newer);
}


static uint32_t *
mspwh_table_bucket(mspwh_table_t *table,
    const unsigned char key[MSPWH_TABLE_KEY])
{
    uint32_t  hash;

    memcpy(&hash, key, sizeof(uint32_t));

    return &table->buckets[(uint64_t) hash * table->nbuckets >> 32];
}


static void
mspwh_table_change(mspwh_table_t *table, uint32_t *number, uint32_t value)
{
    mspwh_table_change_t  *change;

    change = &table->changes[table->nchanges];

    change->number = number;
    change->before = *number;
    table->nchanges++;

    *(volatile uint32_t *) number = value;
}


static void
mspwh_table_commit(mspwh_table_t *table)
{
    /* the key and the number of a new entry are not volatile */

    atomic_signal_fence(memory_order_seq_cst);

    table->nchanges = 0;

    atomic_signal_fence(memory_order_seq_cst);
}
