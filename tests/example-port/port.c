/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A port of stage2/ to a machine that is one array and one CPU: the smallest that is whole. What a real one does
 * instead stands beside each function. */
#include "port.h"

#include <stdlib.h>
#include <string.h>

static unsigned char *at(struct s2_port *port, uint64_t pa)
{
    if (pa < EXAMPLE_RAM || pa >= EXAMPLE_RAM + EXAMPLE_BYTES)
        abort(); /* the library asked for memory that it was never given */
    return port->ram + (pa - EXAMPLE_RAM);
}

/* Table memory. A hypervisor maps its table pool once and adds an offset here. */
uint64_t *s2_port_table(struct s2_port *port, s2_pa pa)
{
    return (uint64_t *)(void *)at(port, pa.v);
}

/* Descriptors. With other CPUs or a walker beside us: relaxed, release and acquire-release atomics. */
uint64_t s2_port_pte_load(struct s2_port *port, const uint64_t *slot)
{
    (void)port;
    return *slot;
}

void s2_port_pte_store(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    port->stores++;
    *slot = desc;
}

void s2_port_pte_store_release(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    s2_port_pte_store(port, slot, desc);
}

bool s2_port_pte_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc)
{
    if (*slot != expected)
        return false;
    s2_port_pte_store(port, slot, desc);
    return true;
}

uint64_t s2_port_pte_xchg(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    uint64_t was = *slot;

    s2_port_pte_store(port, slot, desc);
    return was;
}

void s2_port_pte_fill(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first, uint64_t step)
{
    for (unsigned i = 0; i < n; i++)
        s2_port_pte_store(port, slot + i, first + i * step);
}

/* Invalidation. The instruction that the enumerator is named after, with `operand` as it stands. */
void s2_port_tlbi(struct s2_port *port, enum s2_tlbi op, uint64_t operand)
{
    (void)op;
    (void)operand;
    port->tlbis++;
}

void s2_port_barrier(struct s2_port *port, enum s2_barrier barrier)
{
    port->barriers += barrier != S2_ISB;
}

/* VTTBR_EL2 and VTCR_EL2. */
uint64_t s2_port_vttbr(struct s2_port *port)
{
    return port->vttbr;
}

uint64_t s2_port_vtcr(struct s2_port *port)
{
    return port->vtcr;
}

void s2_port_load_context(struct s2_port *port, uint64_t vttbr, uint64_t vtcr)
{
    port->vttbr = vttbr;
    port->vtcr = vtcr;
}

void s2_port_walks_stop(struct s2_port *port, struct s2_walks *saved)
{
    (void)port;
    (void)saved;
}

void s2_port_walks_resume(struct s2_port *port, const struct s2_walks *saved)
{
    (void)port;
    (void)saved;
}

/* AT S1E1R and so on. This machine has no guest: every translation fails (PAR_EL1.F). */
uint64_t s2_port_at_s1(struct s2_port *port, uint64_t va, bool write, bool user)
{
    (void)port;
    (void)va;
    (void)write;
    (void)user;
    return 1;
}

/* Guest memory. A hypervisor that does not map it makes a mapping here, for this CPU, and takes it away again. */
void *s2_port_window_map(struct s2_port *port, s2_pa pa, size_t bytes)
{
    (void)bytes;
    return at(port, pa.v);
}

void s2_port_window_unmap(struct s2_port *port, void *va, size_t bytes)
{
    (void)port;
    (void)va;
    (void)bytes;
}

void s2_port_copy(struct s2_port *port, void *to, const void *from, size_t bytes)
{
    (void)port;
    memcpy(to, from, bytes);
}

void s2_port_zero(struct s2_port *port, void *va, size_t bytes)
{
    (void)port;
    memset(va, 0, bytes);
}

/* Caches: DC CIVAC over the lines, then DSB; DC CVAU, IC IVAU as CTR_EL0 asks. An array has none. */
void s2_port_clean_poc(struct s2_port *port, void *va, size_t bytes)
{
    (void)port;
    (void)va;
    (void)bytes;
}

void s2_port_sync_code(struct s2_port *port, void *va, size_t bytes)
{
    (void)port;
    (void)va;
    (void)bytes;
}

unsigned s2_port_cpu(struct s2_port *port)
{
    (void)port;
    return 0;
}

uint64_t s2_port_irq_mask(struct s2_port *port)
{
    (void)port;
    return 0;
}

void s2_port_irq_restore(struct s2_port *port, uint64_t was)
{
    (void)port;
    (void)was;
}

/* Locks. One CPU cannot wait for itself: a lock that is held is a fault of ours. Several need a fair one. */
void s2_port_lock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    if (!s2_port_trylock(port, lock, cls, id))
        abort();
}

bool s2_port_trylock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    (void)port;
    (void)cls;
    (void)id;
    if (lock->word[0])
        return false;
    lock->word[0] = 1;
    return true;
}

void s2_port_unlock(struct s2_port *port, struct s2_lock *lock)
{
    (void)port;
    lock->word[0] = 0;
}

void s2_port_lock_shared(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    s2_port_lock(port, lock, cls, id);
}

void s2_port_unlock_shared(struct s2_port *port, struct s2_lock *lock)
{
    s2_port_unlock(port, lock);
}
