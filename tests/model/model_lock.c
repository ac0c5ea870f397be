/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Fair reader-writer locks that know their order and their holder.
 *
 * word[0] counts tickets drawn, word[1] the ticket that may enter as a reader, word[2] the one that
 * may enter as a writer. A reader lets the next reader in at once and the next writer when it
 * leaves; so requests are served in order. */
#include <sched.h>

#include "model_watch.h"

#define HELD_MAX 16u

struct held {
    const struct s2_lock *lock;
    enum s2_lock_class cls;
    uint32_t id;
    bool shared;
};
static _Thread_local struct held held[HELD_MAX];
static _Thread_local unsigned held_count;

static bool holds(const struct s2_lock *lock)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].lock == lock)
            return true;
    return false;
}

static void check_order(struct s2_port *m, const struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    if (holds(lock))
        model_fatal("a lock is taken twice by one holder, class", (uint64_t)cls);
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].cls > cls || (held[i].cls == cls && held[i].id >= id))
            model_violate(m, "lock order: class %u id %u is taken while class %u id %u is held", (unsigned)cls, id,
                          (unsigned)held[i].cls, held[i].id);
}

/* Table pages and frames go back to their pools only after the flush (T1, O3), and are taken before the first edit: so
 * whoever has edits of its own still to be invalidated has no business there. */
static void check_flushed(struct s2_port *m, enum s2_lock_class cls)
{
    if (m->watch && (cls == S2_LOCK_TPOOL || cls == S2_LOCK_FRAMES))
        model_pool_entered(m, cls == S2_LOCK_TPOOL ? "table pool" : "frame allocator");
}

static void event(struct s2_port *m, enum s2_event_kind kind, enum s2_lock_mode mode, enum s2_lock_class cls,
                  uint32_t id, bool taken)
{
    if (m->trace)
        model_record(m, (struct s2_event){.kind = (uint8_t)kind, .how = (uint8_t)mode, .a = cls, .b = id, .n = taken});
}

static void note(struct s2_port *m, const struct s2_lock *lock, enum s2_lock_class cls, uint32_t id, bool shared)
{
    model_count(&m->count.locks, 1);
    if (held_count == HELD_MAX)
        model_fatal("too many locks held at once", held_count);
    held[held_count++] = (struct held){lock, cls, id, shared};
}

static void forget(struct s2_port *m, const struct s2_lock *lock, bool shared)
{
    for (unsigned i = held_count; i-- > 0;) {
        if (held[i].lock != lock)
            continue;
        if (held[i].shared != shared)
            model_violate(m, "a lock is released in another mode than it was taken in");
        event(m, S2_EVENT_UNLOCK, shared ? S2_LOCK_SHARED : S2_LOCK_EXCLUSIVE, held[i].cls, held[i].id, false);
        for (held_count--; i < held_count; i++)
            held[i] = held[i + 1];
        return;
    }
    model_fatal("a lock is released that this thread does not hold", (uint64_t)(uintptr_t)lock);
}

unsigned model_locks_held(void)
{
    return held_count;
}

bool model_holds(const struct s2_lock *lock, bool exclusive)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i].lock == lock)
            return !exclusive || !held[i].shared;
    return false;
}

void model_script_lock(struct s2_port *m, model_lock_fn *fn, void *arg)
{
    m->on_lock = fn;
    m->on_lock_arg = arg;
}

static void tell(struct s2_port *m, const struct s2_lock *lock, bool taken)
{
    model_lock_fn *fn = m->on_lock;

    if (!fn)
        return;
    m->on_lock = NULL;
    fn(m->on_lock_arg, lock, taken);
    m->on_lock = fn;
}

static void wait_for(const uint64_t *word, uint64_t ticket)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != ticket)
        sched_yield();
}

void s2_port_lock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    check_order(port, lock, cls, id);
    check_flushed(port, cls);
    wait_for(&lock->word[2], __atomic_fetch_add(&lock->word[0], 1, __ATOMIC_ACQ_REL));
    event(port, S2_EVENT_LOCK, S2_LOCK_EXCLUSIVE, cls, id, true);
    note(port, lock, cls, id, false);
    tell(port, lock, true);
}

bool s2_port_trylock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    uint64_t ticket = __atomic_load_n(&lock->word[2], __ATOMIC_ACQUIRE);
    bool taken =
        __atomic_compare_exchange_n(&lock->word[0], &ticket, ticket + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    event(port, S2_EVENT_LOCK, S2_LOCK_TRY, cls, id, taken);
    if (!taken)
        return false;
    note(port, lock, cls, id, false);
    return true;
}

void s2_port_unlock(struct s2_port *port, struct s2_lock *lock)
{
    forget(port, lock, false);
    __atomic_fetch_add(&lock->word[1], 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&lock->word[2], 1, __ATOMIC_ACQ_REL);
    tell(port, lock, false);
}

void s2_port_lock_shared(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    check_order(port, lock, cls, id);
    wait_for(&lock->word[1], __atomic_fetch_add(&lock->word[0], 1, __ATOMIC_ACQ_REL));
    __atomic_fetch_add(&lock->word[1], 1, __ATOMIC_ACQ_REL);
    event(port, S2_EVENT_LOCK, S2_LOCK_SHARED, cls, id, true);
    note(port, lock, cls, id, true);
    tell(port, lock, true);
}

void s2_port_unlock_shared(struct s2_port *port, struct s2_lock *lock)
{
    forget(port, lock, true);
    __atomic_fetch_add(&lock->word[2], 1, __ATOMIC_ACQ_REL);
    tell(port, lock, false);
}
