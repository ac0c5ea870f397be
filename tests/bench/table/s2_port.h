/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The bare port of the table benchmark: plain memory. Descriptors are loaded and stored relaxed, or filled as fast as the
 * compiler knows; invalidations, barriers and locks cost the increment of a counter and nothing else, so that what is
 * measured is the engine's own work. Contract of each function: stage2/port/extern/s2_port.h. */
#ifndef S2_PORT_H
#define S2_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <stage2/addr.h>
#include <stage2/port_types.h>

#include "bench/table/fill.h"

struct port_counts {
    uint64_t tlbi, dsb, isb, locks;
};

struct s2_port {
    uint64_t table_offset; /* host address - PA, of every table page */
    struct port_counts count;
    uint64_t vttbr, vtcr;
};

static inline uint64_t *s2_port_table(struct s2_port *port, s2_pa pa)
{
    return (uint64_t *)(uintptr_t)(pa.v + port->table_offset);
}
static inline uint64_t s2_port_pte_load(struct s2_port *port, const uint64_t *slot)
{
    (void)port;
    return __atomic_load_n(slot, __ATOMIC_RELAXED);
}
static inline void s2_port_pte_store(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    (void)port;
    __atomic_store_n(slot, desc, __ATOMIC_RELAXED);
}
static inline void s2_port_pte_store_release(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    (void)port;
    __atomic_store_n(slot, desc, __ATOMIC_RELEASE);
}
static inline bool s2_port_pte_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc)
{
    (void)port;
    return __atomic_compare_exchange_n(slot, &expected, desc, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline uint64_t s2_port_pte_xchg(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    (void)port;
    return __atomic_exchange_n(slot, desc, __ATOMIC_ACQ_REL);
}
static inline void s2_port_pte_fill(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first, uint64_t step)
{
    (void)port;
    bench_fill(slot, n, first, step);
}

static inline void s2_port_tlbi(struct s2_port *port, enum s2_tlbi op, uint64_t operand)
{
    (void)op;
    (void)operand;
    port->count.tlbi++;
}
static inline void s2_port_barrier(struct s2_port *port, enum s2_barrier barrier)
{
    if (barrier == S2_ISB)
        port->count.isb++;
    else
        port->count.dsb++;
}

static inline uint64_t s2_port_vttbr(struct s2_port *port)
{
    return port->vttbr;
}
static inline uint64_t s2_port_vtcr(struct s2_port *port)
{
    return port->vtcr;
}
static inline void s2_port_load_context(struct s2_port *port, uint64_t vttbr, uint64_t vtcr)
{
    port->vttbr = vttbr;
    port->vtcr = vtcr;
}
static inline void s2_port_walks_stop(struct s2_port *port, struct s2_walks *saved)
{
    (void)port;
    *saved = (struct s2_walks){{0, 0}};
}
static inline void s2_port_walks_resume(struct s2_port *port, const struct s2_walks *saved)
{
    (void)port;
    (void)saved;
}
static inline uint64_t s2_port_at_s1(struct s2_port *port, uint64_t va, bool write, bool user)
{
    (void)port;
    (void)write;
    (void)user;
    return va;
}

/* No workload touches a guest's memory: there is none behind the outputs. */
static inline void *s2_port_window_map(struct s2_port *port, s2_pa pa, size_t bytes)
{
    (void)port;
    (void)pa;
    (void)bytes;
    __builtin_trap();
}
static inline void s2_port_window_unmap(struct s2_port *port, void *va, size_t bytes)
{
    (void)port;
    (void)va;
    (void)bytes;
}
static inline void s2_port_copy(struct s2_port *port, void *to, const void *from, size_t bytes)
{
    (void)port;
    memcpy(to, from, bytes);
}
static inline void s2_port_zero(struct s2_port *port, void *va, size_t bytes)
{
    (void)port;
    memset(va, 0, bytes);
}
static inline void s2_port_clean_poc(struct s2_port *port, void *va, size_t bytes)
{
    (void)va;
    (void)bytes;
    port->count.dsb++;
}
static inline void s2_port_sync_code(struct s2_port *port, void *va, size_t bytes)
{
    (void)va;
    (void)bytes;
    port->count.dsb++;
}

static inline unsigned s2_port_cpu(struct s2_port *port)
{
    (void)port;
    return 0;
}
static inline uint64_t s2_port_irq_mask(struct s2_port *port)
{
    (void)port;
    return 0;
}
static inline void s2_port_irq_restore(struct s2_port *port, uint64_t was)
{
    (void)port;
    (void)was;
}

static inline void s2_port_lock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    (void)lock;
    (void)cls;
    (void)id;
    port->count.locks++;
}
static inline bool s2_port_trylock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    s2_port_lock(port, lock, cls, id);
    return true;
}
static inline void s2_port_unlock(struct s2_port *port, struct s2_lock *lock)
{
    (void)port;
    (void)lock;
}
static inline void s2_port_lock_shared(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    s2_port_lock(port, lock, cls, id);
}
static inline void s2_port_unlock_shared(struct s2_port *port, struct s2_lock *lock)
{
    (void)port;
    (void)lock;
}

#endif
