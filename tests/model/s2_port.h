/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The port of every host build: a machine of plain memory that counts what is asked of it, and, when it was created
 * strict, an MMU that watches (model.h). Contract of each function: stage2/port/extern/s2_port.h. */
#ifndef S2_PORT_H
#define S2_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/port_types.h>
#include <stage2/trace.h>

#define MODEL_CPUS    16u
#define MODEL_BANKS   8u
#define MODEL_WINDOWS 2u

/* What was asked of the machine since it was created or model_reset_counters was called. */
struct model_counters {
    uint64_t tlbi[S2_TLBI_ALLE1 + 1], barrier[S2_ISB + 1];
    uint64_t hints;                                    /* TLBI with a level hint */
    uint64_t walk_stops;                               /* walks_stop calls */
    uint64_t contexts;                                 /* load_context calls */
    uint64_t loads, stores, swaps, fills;              /* descriptors loaded, stored, swapped (cas, xchg), filled */
    uint64_t live;                                     /* descriptors changed that a walker could reach (strict) */
    uint64_t windows, zeroed, copied, cleaned, synced; /* calls, then bytes */
    uint64_t zeroed_locked;                            /* of zeroed: while the thread held a lock */
    uint64_t locks;
    uint64_t given; /* frames mapped for the first time since what a VM had left in them was zeroed (strict) */
};

struct model_window {
    unsigned char *va;
    size_t bytes;
};
struct model_cpu {
    uint64_t vttbr, vtcr;
    bool irqs_on;
    unsigned walks_stopped; /* stops that were not resumed */
    struct model_window window[MODEL_WINDOWS];
};
struct model_memory {
    uint64_t base, bytes;
    unsigned char *host;
};
struct model_watch; /* the strict part */
struct model_trace;

typedef uint64_t model_at_fn(void *arg, uint64_t va, bool write, bool user);
typedef void model_cas_fn(void *arg);
typedef void model_lock_fn(void *arg, const struct s2_lock *lock, bool taken);

struct s2_port {
    struct model_watch *watch; /* null: not strict */
    struct model_trace *trace; /* null: nobody asks for events */
    struct model_counters count;
    unsigned cpus, banks;
    struct model_cpu cpu[MODEL_CPUS];
    struct model_memory bank[MODEL_BANKS];
    model_at_fn *at;
    void *at_arg;
    model_cas_fn *before_cas; /* what another CPU does just before the next compare-and-swap; forgotten when called */
    void *before_cas_arg;
    model_lock_fn *on_lock; /* told of every lock taken and of every one given up */
    void *on_lock_arg;
    unsigned violations;
    char first[240]; /* the first violation, in words */
};

enum model_write { MODEL_STORE, MODEL_RELEASE, MODEL_SWAP, MODEL_FILL };

/* The strict side of a descriptor store: n descriptors first, first + step, ... at slot. Returns what slot held. */
uint64_t model_write(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first, uint64_t step,
                     enum model_write how);
/* What another CPU does meanwhile. */
void model_before_cas(struct s2_port *port);
/* A strict compare-and-swap. */
bool model_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc);

/* Counters may be read and added to by several threads. */
static inline void model_count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* Fills in number, CPU and the loaded context; pre: there is a trace. The second: at a host address, if that is RAM. */
void model_record(struct s2_port *port, struct s2_event event);
void model_record_at(struct s2_port *port, struct s2_event event, const void *host);

static inline void model_event_write(struct s2_port *port, enum s2_write how, const uint64_t *slot, uint64_t b,
                                     uint64_t c, uint32_t n)
{
    if (port->trace)
        model_record_at(port, (struct s2_event){.kind = S2_EVENT_WRITE, .how = (uint8_t)how, .b = b, .c = c, .n = n},
                        slot);
}

static inline uint64_t s2_port_pte_load(struct s2_port *port, const uint64_t *slot)
{
    model_count(&port->count.loads, 1);
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}
static inline void s2_port_pte_store(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    model_count(&port->count.stores, 1);
    model_event_write(port, S2_WRITE_STORE, slot, 0, desc, 0);
    if (port->watch)
        model_write(port, slot, 1, desc, 0, MODEL_STORE);
    else
        __atomic_store_n(slot, desc, __ATOMIC_RELAXED);
}
static inline void s2_port_pte_store_release(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    model_count(&port->count.stores, 1);
    model_event_write(port, S2_WRITE_RELEASE, slot, 0, desc, 0);
    if (port->watch)
        model_write(port, slot, 1, desc, 0, MODEL_RELEASE);
    else
        __atomic_store_n(slot, desc, __ATOMIC_RELEASE);
}
static inline bool s2_port_pte_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc)
{
    model_count(&port->count.swaps, 1);
    if (port->before_cas)
        model_before_cas(port);
    uint64_t was = expected;
    bool done = port->watch ? model_cas(port, slot, expected, desc)
                            : __atomic_compare_exchange_n(slot, &was, desc, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    model_event_write(port, S2_WRITE_CAS, slot, expected, desc, done);
    return done;
}
static inline uint64_t s2_port_pte_xchg(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    model_count(&port->count.swaps, 1);
    uint64_t was = port->watch ? model_write(port, slot, 1, desc, 0, MODEL_SWAP)
                               : __atomic_exchange_n(slot, desc, __ATOMIC_ACQ_REL);
    model_event_write(port, S2_WRITE_SWAP, slot, was, desc, 0);
    return was;
}
static inline void s2_port_pte_fill(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first, uint64_t step)
{
    model_count(&port->count.fills, n);
    model_event_write(port, S2_WRITE_FILL, slot, first, step, n);
    if (port->watch) {
        model_write(port, slot, n, first, step, MODEL_FILL);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        __atomic_store_n(&slot[i], first + i * step, __ATOMIC_RELAXED);
}

uint64_t *s2_port_table(struct s2_port *port, s2_pa pa);

void s2_port_tlbi(struct s2_port *port, enum s2_tlbi op, uint64_t operand);
void s2_port_barrier(struct s2_port *port, enum s2_barrier barrier);

uint64_t s2_port_vttbr(struct s2_port *port);
uint64_t s2_port_vtcr(struct s2_port *port);
void s2_port_load_context(struct s2_port *port, uint64_t vttbr, uint64_t vtcr);
void s2_port_walks_stop(struct s2_port *port, struct s2_walks *saved);
void s2_port_walks_resume(struct s2_port *port, const struct s2_walks *saved);
uint64_t s2_port_at_s1(struct s2_port *port, uint64_t va, bool write, bool user);

void *s2_port_window_map(struct s2_port *port, s2_pa pa, size_t bytes);
void s2_port_window_unmap(struct s2_port *port, void *va, size_t bytes);
void s2_port_copy(struct s2_port *port, void *to, const void *from, size_t bytes);
void s2_port_zero(struct s2_port *port, void *va, size_t bytes);
void s2_port_clean_poc(struct s2_port *port, void *va, size_t bytes);
void s2_port_sync_code(struct s2_port *port, void *va, size_t bytes);

unsigned s2_port_cpu(struct s2_port *port);
uint64_t s2_port_irq_mask(struct s2_port *port);
void s2_port_irq_restore(struct s2_port *port, uint64_t was);

void s2_port_lock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id);
bool s2_port_trylock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id);
void s2_port_unlock(struct s2_port *port, struct s2_lock *lock);
void s2_port_lock_shared(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id);
void s2_port_unlock_shared(struct s2_port *port, struct s2_lock *lock);

#endif
