
#include "mspwh_ring.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>


/* how often a reader tries to get the same record */
#define MSPWH_RING_TRIES  4

#define mspwh_ring_align(size)                                                \
    (((size) + sizeof(unsigned long) - 1) & ~(sizeof(unsigned long) - 1))


static size_t mspwh_ring_step(size_t size);
static mspwh_ring_slot_t *mspwh_ring_slot(const mspwh_ring_t *ring,
    unsigned long number);
static int mspwh_ring_own(mspwh_ring_slot_t *slot, unsigned long pid);
static int mspwh_ring_is_alive(unsigned long pid);


size_t
mspwh_ring_bytes(size_t size, unsigned long nslots)
{
    return sizeof(mspwh_ring_t) + nslots * mspwh_ring_step(size);
}


static size_t
mspwh_ring_step(size_t size)
{
    return sizeof(mspwh_ring_slot_t) + mspwh_ring_align(size);
}


void
mspwh_ring_init(mspwh_ring_t *ring, size_t size, unsigned long nslots)
{
    ring->size = size;
    ring->nslots = nslots;
    ring->next = 1;
}


static mspwh_ring_slot_t *
mspwh_ring_slot(const mspwh_ring_t *ring, unsigned long number)
{
    char  *slots;

    slots = (char *) ring + sizeof(mspwh_ring_t);

    return (mspwh_ring_slot_t *)
           (slots + number % ring->nslots * mspwh_ring_step(ring->size));
}


void *
mspwh_ring_begin(mspwh_ring_t *ring, unsigned long pid,
    mspwh_ring_slot_t **slot)
{
    unsigned long       number;
    mspwh_ring_slot_t  *s;

    number = __atomic_fetch_add(&ring->next, 1, __ATOMIC_RELAXED);
    s = mspwh_ring_slot(ring, number);

    if (!mspwh_ring_own(s, pid)) {
        return NULL;
    }

    /* it is odd already if a process was killed here */

    __atomic_store_n(&s->sequence, s->sequence | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    s->number = number;
    *slot = s;

    return s + 1;
}


void
mspwh_ring_end(mspwh_ring_slot_t *slot)
{
    __atomic_store_n(&slot->sequence, slot->sequence + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->owner, 0, __ATOMIC_RELEASE);
}


static int
mspwh_ring_own(mspwh_ring_slot_t *slot, unsigned long pid)
{
    unsigned long  owner;

    owner = 0;

    if (__atomic_compare_exchange_n(&slot->owner, &owner, pid, 0,
                                    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    {
        return 1;
    }

    /* a process does not write two records at a time */

    if (owner != pid && mspwh_ring_is_alive(owner)) {
        return 0;
    }

    return __atomic_compare_exchange_n(&slot->owner, &owner, pid, 0,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}


static int
mspwh_ring_is_alive(unsigned long pid)
{
    return kill((pid_t) pid, 0) == 0 || errno != ESRCH;
}


unsigned long
mspwh_ring_next(const mspwh_ring_t *ring)
{
    return __atomic_load_n(&ring->next, __ATOMIC_ACQUIRE);
}


int
mspwh_ring_get(const mspwh_ring_t *ring, unsigned long number, void *record)
{
    int                 i;
    unsigned long       sequence, found;
    mspwh_ring_slot_t  *slot;

    slot = mspwh_ring_slot(ring, number);

    for (i = 0; i < MSPWH_RING_TRIES; i++) {
        sequence = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);

        if (sequence & 1) {
            continue;
        }

        found = slot->number;
        memcpy(record, slot + 1, ring->size);

        __atomic_thread_fence(__ATOMIC_SEQ_CST);

        if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == sequence) {
            return found == number;
        }
    }

    return 0;
}


void
mspwh_ring_copy(mspwh_ring_t *to, const mspwh_ring_t *from)
{
    unsigned long       number, next;
    mspwh_ring_slot_t  *slot;

    next = mspwh_ring_next(from);
    number = (next > to->nslots) ? next - to->nslots : 1;

    if (next > from->nslots && number < next - from->nslots) {
        number = next - from->nslots;
    }

    for ( /* void */ ; number < next; number++) {
        slot = mspwh_ring_slot(to, number);

        if (mspwh_ring_get(from, number, slot + 1)) {
            slot->number = number;
        }
    }

    to->next = next;
}
