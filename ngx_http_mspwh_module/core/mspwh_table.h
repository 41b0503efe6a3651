
/*
 * A table of keys in shared memory, each in one of two queues.
 *
 * The caller has a lock, which only one process at a time holds, while it
 * calls any of these functions and while it reads an entry.
 */


#ifndef _MSPWH_TABLE_H_INCLUDED_
#define _MSPWH_TABLE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define MSPWH_TABLE_KEY  32


/* each entry is in one of them */

typedef enum {
    MSPWH_TABLE_PENDING = 0,
    MSPWH_TABLE_DELIVERED,
    MSPWH_TABLE_QUEUES
} mspwh_table_queue_e;


/* the caller only reads it; next, newer and older are the table's own */

typedef struct {
    unsigned char         key[MSPWH_TABLE_KEY];

    /* distinguishes it from later entries of the same key */
    uint64_t              number;

    uint32_t              next;
    uint32_t              newer;
    uint32_t              older;

    /* a mspwh_table_queue_e */
    uint32_t              queue;

    /* when it was inserted or last moved */
    uint32_t              time;

    uint32_t              unused;
} mspwh_table_entry_t;


typedef struct mspwh_table_s  mspwh_table_t;


/*
 * Creates an empty table in "size" bytes of memory, aligned as by malloc(),
 * that must be at the same address in all processes.  It holds an entry for
 * each 66 bytes.  Returns NULL if "size" is less than 4096.
 */
mspwh_table_t *mspwh_table_create(void *memory, size_t size);

/*
 * Must be called each time the lock has been taken: if the process that held
 * it before was killed, this undoes the change that it had begun.
 */
void mspwh_table_recover(mspwh_table_t *table);

/*
 * Returns the entry of a key, or NULL.  A key is expected to be uniformly
 * distributed, such as a hash.
 */
mspwh_table_entry_t *mspwh_table_find(mspwh_table_t *table,
    const unsigned char key[MSPWH_TABLE_KEY]);

/*
 * Inserts a key that is not in the table, as the newest of a queue.  In a full
 * table it replaces the oldest delivered entry.  Returns NULL if there is
 * none either.
 */
mspwh_table_entry_t *mspwh_table_insert(mspwh_table_t *table,
    const unsigned char key[MSPWH_TABLE_KEY], mspwh_table_queue_e queue,
    uint32_t time);

/*
 * Makes an entry the newest of a queue: its own or the other.
 */
void mspwh_table_move(mspwh_table_t *table, mspwh_table_entry_t *entry,
    mspwh_table_queue_e queue, uint32_t time);

void mspwh_table_delete(mspwh_table_t *table, mspwh_table_entry_t *entry);

/*
 * Returns the oldest entry of a queue, or NULL.
 */
mspwh_table_entry_t *mspwh_table_oldest(mspwh_table_t *table,
    mspwh_table_queue_e queue);


#endif /* _MSPWH_TABLE_H_INCLUDED_ */
