
/*
 * A ring of the last records, in memory that processes share.  They write it
 * without waiting for each other.
 *
 *     number of the next record
 *         |
 *         v
 *     +-------+-------+-------+-------+
 *     | 12    | 9     | 10    | 11    |     number % slots is the place
 *     +-------+-------+-------+-------+
 *
 * A slot has the pid of the process that writes it, or 0, and a sequence
 * number that is odd while it is written.  A reader copies the record, and
 * takes the copy only if the number was even and is the same afterwards.
 *
 * A process that is killed while it writes leaves its pid and an odd number.
 * The slot is not shown until another process comes round to it and sees that
 * nobody has that pid.
 */


#ifndef _MSPWH_RING_H_INCLUDED_
#define _MSPWH_RING_H_INCLUDED_


#include <stddef.h>


typedef struct {
    unsigned long  owner;
    unsigned long  sequence;
    unsigned long  number;
} mspwh_ring_slot_t;


typedef struct {
    size_t         size;                        /* of a record */
    unsigned long  nslots;
    unsigned long  next;
} mspwh_ring_t;


/*
 * Returns the bytes of a ring with so many records of so many bytes.
 */
size_t mspwh_ring_bytes(size_t size, unsigned long nslots);

/*
 * Makes an empty ring in memory that has been cleared.
 */
void mspwh_ring_init(mspwh_ring_t *ring, size_t size, unsigned long nslots);

/*
 * Returns a record to be filled in by this process, whose pid is given because
 * it would cost a system call to ask, and sets "*slot" for mspwh_ring_end().
 * Returns NULL if another process is writing there: it would have to be slower
 * than all the others are in a whole round.
 */
void *mspwh_ring_begin(mspwh_ring_t *ring, unsigned long pid,
    mspwh_ring_slot_t **slot);
void mspwh_ring_end(mspwh_ring_slot_t *slot);

/*
 * Returns the number of the next record; the first one is 1.
 */
unsigned long mspwh_ring_next(const mspwh_ring_t *ring);

/*
 * Copies the record of that number.  Returns 0 if it is not, or no longer,
 * there, or being written.
 */
int mspwh_ring_get(const mspwh_ring_t *ring, unsigned long number,
    void *record);

/*
 * Fills a new ring with the last records of another, under their numbers.
 */
void mspwh_ring_copy(mspwh_ring_t *to, const mspwh_ring_t *from);


#endif /* _MSPWH_RING_H_INCLUDED_ */
