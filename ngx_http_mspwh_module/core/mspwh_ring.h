
/*
 * A ring of the last records, in memory that several processes share.  They
 * write to it without waiting for each other.
 *
 *     number of the next record
 *         |
 *         v
 *     +-------+-------+-------+-------+
 *     | 12    | 9     | 10    | 11    |     number % slots is the place
 *     +-------+-------+-------+-------+
 *
 * A slot has the pid of the process that is writing to it, or 0, and a
 * sequence number that is odd while a process writes.  A reader copies the
 * record, and uses the copy only if the number was even and has not changed
 * since.
 *
 * A process that is killed while it writes leaves its pid and an odd number.
 * Readers skip the slot until another process gets to it, and sees that no
 * process has that pid.
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
 * Returns the size of a ring of "nslots" records of "size" bytes.
 */
size_t mspwh_ring_bytes(size_t size, unsigned long nslots);

/*
 * Makes an empty ring in memory that has been cleared.
 */
void mspwh_ring_init(mspwh_ring_t *ring, size_t size, unsigned long nslots);

/*
 * Returns a record for this process to fill in, and sets "*slot" for
 * mspwh_ring_end().  The caller passes its pid, to save a system call.
 * Returns NULL if another process is still writing there, which takes a
 * process that is slower than all others in a whole round.
 */
void *mspwh_ring_begin(mspwh_ring_t *ring, unsigned long pid,
    mspwh_ring_slot_t **slot);
void mspwh_ring_end(mspwh_ring_slot_t *slot);

/*
 * Returns the number of the next record; the first one is 1.
 */
unsigned long mspwh_ring_next(const mspwh_ring_t *ring);

/*
 * Copies the record with that number.  Returns 0 if it is not, or no longer,
 * there, or is just being written.
 */
int mspwh_ring_get(const mspwh_ring_t *ring, unsigned long number,
    void *record);

/*
 * Fills a new ring with the last records of another, under their numbers.
 */
void mspwh_ring_copy(mspwh_ring_t *to, const mspwh_ring_t *from);


#endif /* _MSPWH_RING_H_INCLUDED_ */
