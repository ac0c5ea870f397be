/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine: stage2/'s port for code that runs at EL2 with the MMU on. The contract of each function is in
 * stage2/port/extern/s2_port.h.
 *
 * What the hypervisor supplies is struct s2_port, filled once, and the functions declared as hyp_*. */
#ifndef S2_PORT_H
#define S2_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/port_types.h>
#include <stage2/trace.h>

struct s2_port {
    /* The pool of table pages is mapped in one piece: VA = PA + table_offset (wrapping), Normal write-back, inner
     * shareable, as VTCR_EL2 says of the walks. */
    uint64_t table_offset;
    /* From struct s2_caps, the minimum over all CPUs. */
    bool dic;
    uint8_t dline_log2;
};

/* Windows to guest frames on this CPU, at most two at once, within one multiple of S2_PORT_WINDOW: mapped Normal
 * write-back, read-write, never executable. Unmapping ends with the invalidation that a new use of the window needs. */
void *hyp_window_map(uint64_t pa, size_t bytes);
void hyp_window_unmap(void *va, size_t bytes);
/* This CPU's number, from 0, below S2_MAX_CPUS. */
unsigned hyp_cpu_id(void);

/* Checks after each operation, for debugging. */
#ifdef CONFIG_DEBUG_AUDIT
#define S2_PORT_CHECKS true
#else
#define S2_PORT_CHECKS false
#endif

/* --- the event trace: without CONFIG_EVENT_TRACE, nothing ---------------------------------------------------------- */

#ifdef CONFIG_EVENT_TRACE
/* Records it. Number, CPU and the loaded context are filled in there; `a` of kinds that have a PA is an address of EL2's. */
void hyp_event(struct s2_event event);

static inline void s2_port_event(enum s2_event_kind kind, unsigned how, uint64_t a, uint64_t b, uint64_t c, uint32_t n)
{
    hyp_event((struct s2_event){.kind = (uint8_t)kind, .how = (uint8_t)how, .a = a, .b = b, .c = c, .n = n});
}
/* Whose lock it is stands in the word that locking has no use for, so that giving it up can say so. */
enum { S2_LOCK_NAME = 3 };
static inline void s2_port_event_lock(struct s2_lock *lock, enum s2_lock_mode mode, enum s2_lock_class cls, uint32_t id,
                                      bool taken)
{
    __atomic_store_n(&lock->word[S2_LOCK_NAME], (uint64_t)cls << 32 | id, __ATOMIC_RELAXED);
    s2_port_event(S2_EVENT_LOCK, mode, cls, id, 0, taken);
}
static inline void s2_port_event_unlock(const struct s2_lock *lock, enum s2_lock_mode mode)
{
    uint64_t name = __atomic_load_n(&lock->word[S2_LOCK_NAME], __ATOMIC_RELAXED);

    s2_port_event(S2_EVENT_UNLOCK, mode, name >> 32, (uint32_t)name, 0, 0);
}
#else
static inline void s2_port_event(enum s2_event_kind kind, unsigned how, uint64_t a, uint64_t b, uint64_t c, uint32_t n)
{
    (void)kind, (void)how, (void)a, (void)b, (void)c, (void)n;
}
static inline void s2_port_event_lock(struct s2_lock *lock, enum s2_lock_mode mode, enum s2_lock_class cls, uint32_t id,
                                      bool taken)
{
    (void)lock, (void)mode, (void)cls, (void)id, (void)taken;
}
static inline void s2_port_event_unlock(const struct s2_lock *lock, enum s2_lock_mode mode)
{
    (void)lock, (void)mode;
}
#endif
static inline void s2_port_event_write(enum s2_write how, const uint64_t *slot, uint64_t b, uint64_t c, uint32_t n)
{
    s2_port_event(S2_EVENT_WRITE, how, (uintptr_t)slot, b, c, n);
}
static inline void s2_port_event_memory(enum s2_memory how, const void *va, size_t bytes)
{
    s2_port_event(S2_EVENT_MEMORY, how, (uintptr_t)va, bytes, 0, 0);
}

/* --- table memory -------------------------------------------------------------------------------------------------- */

static inline uint64_t *s2_port_table(struct s2_port *port, s2_pa pa)
{
    return (uint64_t *)(uintptr_t)(pa.v + port->table_offset);
}

static inline uint64_t s2_port_pte_load(struct s2_port *port, const uint64_t *slot)
{
    (void)port;
    return __atomic_load_n(slot, __ATOMIC_RELAXED); /* what it points to is ordered by the address dependency */
}
static inline void s2_port_pte_store(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    (void)port;
    s2_port_event_write(S2_WRITE_STORE, slot, 0, desc, 0);
    __atomic_store_n(slot, desc, __ATOMIC_RELAXED);
}
static inline void s2_port_pte_store_release(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    (void)port;
    s2_port_event_write(S2_WRITE_RELEASE, slot, 0, desc, 0);
    __atomic_store_n(slot, desc, __ATOMIC_RELEASE);
}
static inline bool s2_port_pte_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc)
{
    uint64_t was = expected;
    bool done = __atomic_compare_exchange_n(slot, &was, desc, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);

    (void)port;
    s2_port_event_write(S2_WRITE_CAS, slot, expected, desc, done);
    return done;
}
static inline uint64_t s2_port_pte_xchg(struct s2_port *port, uint64_t *slot, uint64_t desc)
{
    uint64_t was = __atomic_exchange_n(slot, desc, __ATOMIC_ACQ_REL);

    (void)port;
    s2_port_event_write(S2_WRITE_SWAP, slot, was, desc, 0);
    return was;
}
static inline void s2_port_pte_fill(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first, uint64_t step)
{
    (void)port;
    s2_port_event_write(S2_WRITE_FILL, slot, first, step, n);
    for (uint64_t *end = slot + n; slot < end; slot++, first += step)
        __atomic_store_n(slot, first, __ATOMIC_RELAXED);
}

/* --- invalidation -------------------------------------------------------------------------------------------------- */

static inline void s2_port_tlbi(struct s2_port *port, enum s2_tlbi op, uint64_t operand)
{
    (void)port;
    s2_port_event(S2_EVENT_TLBI, op, operand, 0, 0, 0);
    switch (op) {
    case S2_TLBI_IPAS2E1IS:
        __asm__ volatile("tlbi ipas2e1is, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_IPAS2LE1IS:
        __asm__ volatile("tlbi ipas2le1is, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_RIPAS2E1IS: /* spelled as SYS: the assembler knows the name from Armv8.4 only (C5.5.22) */
        __asm__ volatile("sys #4, c8, c0, #2, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_RIPAS2LE1IS:
        __asm__ volatile("sys #4, c8, c0, #6, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_VMALLE1IS:
        __asm__ volatile("tlbi vmalle1is" ::: "memory");
        break;
    case S2_TLBI_VMALLS12E1IS:
        __asm__ volatile("tlbi vmalls12e1is" ::: "memory");
        break;
    case S2_TLBI_ALLE1IS:
        __asm__ volatile("tlbi alle1is" ::: "memory");
        break;
    case S2_TLBI_IPAS2E1:
        __asm__ volatile("tlbi ipas2e1, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_IPAS2LE1:
        __asm__ volatile("tlbi ipas2le1, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_RIPAS2E1:
        __asm__ volatile("sys #4, c8, c4, #2, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_RIPAS2LE1:
        __asm__ volatile("sys #4, c8, c4, #6, %0" ::"r"(operand) : "memory");
        break;
    case S2_TLBI_VMALLE1:
        __asm__ volatile("tlbi vmalle1" ::: "memory");
        break;
    case S2_TLBI_VMALLS12E1:
        __asm__ volatile("tlbi vmalls12e1" ::: "memory");
        break;
    case S2_TLBI_ALLE1:
        __asm__ volatile("tlbi alle1" ::: "memory");
        break;
    }
}

static inline void s2_port_barrier(struct s2_port *port, enum s2_barrier barrier)
{
    (void)port;
    s2_port_event(S2_EVENT_BARRIER, barrier, 0, 0, 0, 0);
    switch (barrier) {
    case S2_DSB_ISHST:
        __asm__ volatile("dsb ishst" ::: "memory");
        break;
    case S2_DSB_ISH:
        __asm__ volatile("dsb ish" ::: "memory");
        break;
    case S2_DSB_NSH:
        __asm__ volatile("dsb nsh" ::: "memory");
        break;
    case S2_ISB:
        __asm__ volatile("isb" ::: "memory");
        break;
    }
}

/* --- the loaded context -------------------------------------------------------------------------------------------- */

static inline uint64_t s2_port_vttbr(struct s2_port *port)
{
    uint64_t v;

    (void)port;
    __asm__ volatile("mrs %0, vttbr_el2" : "=r"(v)::"memory");
    return v;
}
static inline uint64_t s2_port_vtcr(struct s2_port *port)
{
    uint64_t v;

    (void)port;
    __asm__ volatile("mrs %0, vtcr_el2" : "=r"(v)::"memory");
    return v;
}
static inline void s2_port_load_context(struct s2_port *port, uint64_t vttbr, uint64_t vtcr)
{
    (void)port;
    s2_port_event(S2_EVENT_VTTBR, 0, vttbr, vtcr, 0, 0);
    __asm__ volatile("msr vttbr_el2, %0\n\tmsr vtcr_el2, %1" ::"r"(vttbr), "r"(vtcr) : "memory");
}

/* CONFIG_SPECULATIVE_AT: TCR_EL1.EPD0 and EPD1, then SCTLR_EL1.M so that they apply; back in reverse order (Cortex-A57
 * 1319537, A72 1319367, A76 1165522). */
#define S2_PORT_TCR_EPD (1ull << 7 | 1ull << 23)
#define S2_PORT_SCTLR_M 1ull

static inline void s2_port_walks_stop(struct s2_port *port, struct s2_walks *saved)
{
    (void)port, (void)saved;
#ifdef CONFIG_SPECULATIVE_AT
    __asm__ volatile("mrs %0, tcr_el1\n\tmrs %1, sctlr_el1" : "=&r"(saved->word[0]), "=r"(saved->word[1])::"memory");
    __asm__ volatile("msr tcr_el1, %0\n\tisb" ::"r"(saved->word[0] | S2_PORT_TCR_EPD) : "memory");
    __asm__ volatile("msr sctlr_el1, %0\n\tisb" ::"r"(saved->word[1] | S2_PORT_SCTLR_M) : "memory");
#endif
}
static inline void s2_port_walks_resume(struct s2_port *port, const struct s2_walks *saved)
{
    (void)port, (void)saved;
#ifdef CONFIG_SPECULATIVE_AT
    __asm__ volatile("msr sctlr_el1, %0\n\tisb" ::"r"(saved->word[1]) : "memory");
    __asm__ volatile("msr tcr_el1, %0\n\tisb" ::"r"(saved->word[0]) : "memory");
#endif
}

static inline uint64_t s2_port_at_s1(struct s2_port *port, uint64_t va, bool write, bool user)
{
    uint64_t was, par;

    (void)port;
    __asm__ volatile("mrs %0, par_el1" : "=r"(was)::"memory");
    if (user && write)
        __asm__ volatile("at s1e0w, %0" ::"r"(va) : "memory");
    else if (user)
        __asm__ volatile("at s1e0r, %0" ::"r"(va) : "memory");
    else if (write)
        __asm__ volatile("at s1e1w, %0" ::"r"(va) : "memory");
    else
        __asm__ volatile("at s1e1r, %0" ::"r"(va) : "memory");
    __asm__ volatile("isb\n\tmrs %0, par_el1\n\tmsr par_el1, %1" : "=&r"(par) : "r"(was) : "memory");
    return par;
}

/* --- guest frames and caches --------------------------------------------------------------------------------------- */

static inline void *s2_port_window_map(struct s2_port *port, s2_pa pa, size_t bytes)
{
    (void)port;
    return hyp_window_map(pa.v, bytes);
}
static inline void s2_port_window_unmap(struct s2_port *port, void *va, size_t bytes)
{
    (void)port;
    hyp_window_unmap(va, bytes);
}
static inline void s2_port_copy(struct s2_port *port, void *to, const void *from, size_t bytes)
{
    (void)port;
    s2_port_event_memory(S2_MEMORY_COPY, to, bytes);
    __builtin_memcpy(to, from, bytes);
}
static inline void s2_port_zero(struct s2_port *port, void *va, size_t bytes)
{
    uint64_t dczid;

    (void)port;
    s2_port_event_memory(S2_MEMORY_ZERO, va, bytes);
    __asm__("mrs %0, dczid_el0" : "=r"(dczid));
    size_t block = (size_t)4 << (dczid & 0xf); /* DCZID_EL0.BS: log2 of words; DZP, bit 4: not to be used */
    if ((dczid & 0x10) != 0 || (((uintptr_t)va | bytes) & (block - 1)) != 0) {
        __builtin_memset(va, 0, bytes);
        return;
    }
    for (uintptr_t at = (uintptr_t)va, end = at + bytes; at < end; at += block)
        __asm__ volatile("dc zva, %0" ::"r"(at) : "memory");
}

static inline void s2_port_clean_poc(struct s2_port *port, void *va, size_t bytes)
{
    uintptr_t line = (uintptr_t)1 << port->dline_log2, end = (uintptr_t)va + bytes;

    s2_port_event_memory(S2_MEMORY_CLEAN, va, bytes);
    for (uintptr_t at = (uintptr_t)va & ~(line - 1); at < end; at += line)
        __asm__ volatile("dc civac, %0" ::"r"(at) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}

/* What is clean to the point of coherency is clean to the point of unification (D7.5.9). */
static inline void s2_port_sync_code(struct s2_port *port, void *va, size_t bytes)
{
    s2_port_event_memory(S2_MEMORY_SYNC, va, bytes);
    if (!port->dic) /* all of it: the guest's address may index a VIPT cache elsewhere than the window's (D7.5.3) */
        __asm__ volatile("ic ialluis\n\tdsb ish" ::: "memory");
    __asm__ volatile("isb" ::: "memory");
}

/* --- CPUs, interrupts ---------------------------------------------------------------------------------------------- */

static inline unsigned s2_port_cpu(struct s2_port *port)
{
    (void)port;
    return hyp_cpu_id();
}

static inline uint64_t s2_port_irq_mask(struct s2_port *port)
{
    uint64_t was;

    (void)port;
    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #3" : "=r"(was)::"memory");
    return was;
}
static inline void s2_port_irq_restore(struct s2_port *port, uint64_t was)
{
    (void)port;
    __asm__ volatile("msr daif, %0" ::"r"(was) : "memory");
}

/* --- locks: a ticket for everybody, two displays. A reader that is let in lets the next one in, if it reads; a writer
 * waits until all before it have left. First come, first served, so nobody starves. ---------------------------------- */

enum { S2_LOCK_NEXT, S2_LOCK_READ, S2_LOCK_WRITE };

static inline uint64_t s2_port_take_ticket(struct s2_lock *lock)
{
    return __atomic_fetch_add(&lock->word[S2_LOCK_NEXT], 1, __ATOMIC_RELAXED);
}
/* The exclusive load arms the monitor; the store that moves the display ends the WFE. */
static inline void s2_port_await(const uint64_t *display, uint64_t ticket)
{
    uint64_t shown;

    __asm__ volatile("sevl\n"
                     "1:\twfe\n\t"
                     "ldaxr %0, %1\n\t"
                     "cmp %0, %2\n\t"
                     "b.ne 1b"
                     : "=&r"(shown)
                     : "Q"(*display), "r"(ticket)
                     : "cc", "memory");
}
/* One reader or writer moves a display at a time, except that readers leave together. */
static inline void s2_port_show_next(uint64_t *display)
{
    __atomic_fetch_add(display, 1, __ATOMIC_RELEASE);
}

static inline void s2_port_lock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    (void)port;
    s2_port_await(&lock->word[S2_LOCK_WRITE], s2_port_take_ticket(lock));
    s2_port_event_lock(lock, S2_LOCK_EXCLUSIVE, cls, id, true);
}
static inline bool s2_port_trylock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    uint64_t free = __atomic_load_n(&lock->word[S2_LOCK_WRITE], __ATOMIC_ACQUIRE);
    bool taken = __atomic_compare_exchange_n(&lock->word[S2_LOCK_NEXT], &free, free + 1, false, __ATOMIC_ACQUIRE,
                                             __ATOMIC_RELAXED);

    (void)port;
    s2_port_event_lock(lock, S2_LOCK_TRY, cls, id, taken);
    return taken;
}
static inline void s2_port_unlock(struct s2_port *port, struct s2_lock *lock)
{
    (void)port;
    s2_port_event_unlock(lock, S2_LOCK_EXCLUSIVE);
    s2_port_show_next(&lock->word[S2_LOCK_READ]);
    s2_port_show_next(&lock->word[S2_LOCK_WRITE]);
}
static inline void s2_port_lock_shared(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id)
{
    (void)port;
    s2_port_await(&lock->word[S2_LOCK_READ], s2_port_take_ticket(lock));
    s2_port_show_next(&lock->word[S2_LOCK_READ]);
    s2_port_event_lock(lock, S2_LOCK_SHARED, cls, id, true);
}
static inline void s2_port_unlock_shared(struct s2_port *port, struct s2_lock *lock)
{
    (void)port;
    s2_port_event_unlock(lock, S2_LOCK_SHARED);
    s2_port_show_next(&lock->word[S2_LOCK_WRITE]);
}

#endif
