/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* VMIDs with generations (T12).
 *
 * An id is generation | number. `active` is what each CPU loaded last. When the numbers run out a new generation begins:
 * what was active becomes reserved, so that a VM that runs on keeps its number (and its cached translations stay its
 * own), everything else is forgotten by one ALLE1IS. A VM of an old generation gets its reserved number, or a new one,
 * when it is next activated; if it was reserved on several CPUs, on all of them. */
#include <stage2/vmid.h>

#include <stddef.h>

#include <s2_port.h>

enum { NUMBER_BITS = 16, WORD_BITS = 64 };
#define GENERATION (1ull << NUMBER_BITS)
#define NUMBERS    (GENERATION - 1)

static bool of_generation(uint64_t id, uint64_t generation)
{
    return id && (id & ~NUMBERS) == generation;
}

static uint64_t word_bit(uint32_t number)
{
    return 1ull << (number % WORD_BITS);
}

static void mark(struct s2_vmids *v, uint32_t number)
{
    v->used[number / WORD_BITS] |= word_bit(number);
}

static void forget_all(struct s2_vmids *v)
{
    for (size_t i = 0; i < sizeof v->used / sizeof v->used[0]; i++)
        v->used[i] = 0;
    mark(v, 0); /* VMID 0 is nobody's: a context that was never loaded reads as it */
    v->next = 1;
}

void s2_vmids_init(struct s2_vmids *v, struct s2_port *port, unsigned bits)
{
    *v = (struct s2_vmids){.port = port, .generation = GENERATION, .bits = bits};
    forget_all(v);
}

/* A free number, going round from the last one given; 0 when there is none. */
static uint32_t find_free(const struct s2_vmids *v)
{
    uint32_t limit = 1u << v->bits;

    for (uint32_t i = 0; i < limit; i++) {
        uint32_t n = (v->next + i) & (limit - 1);

        if (!(v->used[n / WORD_BITS] & word_bit(n)))
            return n;
    }
    return 0;
}

static void roll_over(struct s2_vmids *v)
{
    forget_all(v);
    for (unsigned cpu = 0; cpu < v->cpus; cpu++) {
        /* A CPU that loaded nothing since the last rollover may still run what was reserved then. */
        if (v->active[cpu])
            v->reserved[cpu] = v->active[cpu];
        v->active[cpu] = 0;
        mark(v, (uint32_t)(v->reserved[cpu] & NUMBERS));
    }
    v->generation += GENERATION;
}

/* Where `id` was reserved, it becomes `now`. Returns whether it was. */
static bool renew_reserved(struct s2_vmids *v, uint64_t id, uint64_t now)
{
    bool was = false;

    for (unsigned cpu = 0; cpu < v->cpus; cpu++) {
        if (v->reserved[cpu] != id)
            continue;
        v->reserved[cpu] = now;
        was = true;
    }
    return was;
}

/* A current id for a VM that has none; sets *rolled when TLBs must be emptied before it is used. */
static uint64_t assign(struct s2_vmids *v, uint64_t old, bool *rolled)
{
    uint32_t number;

    if (old) {
        uint64_t renewed = v->generation | (old & NUMBERS);

        if (renew_reserved(v, old, renewed))
            return renewed;
    }
    number = find_free(v);
    if (!number) {
        roll_over(v);
        *rolled = true;
        number = find_free(v);
    }
    mark(v, number);
    v->next = number + 1;
    return v->generation | number;
}

uint16_t s2_vmid_activate(struct s2_vmids *v, struct s2_vmid *vmid)
{
    unsigned cpu = s2_port_cpu(v->port);

    s2_port_lock(v->port, &v->lock, S2_LOCK_VMIDS, 0);
    if (!of_generation(vmid->id, v->generation)) {
        bool rolled = false;
        uint64_t id = assign(v, vmid->id, &rolled);

        __atomic_store_n(&vmid->id, id, __ATOMIC_RELEASE);
        if (rolled) {
            s2_port_barrier(v->port, S2_DSB_ISHST);
            s2_port_tlbi(v->port, S2_TLBI_ALLE1IS, 0);
        }
        /* Before this CPU walks: either the editor of a table sees that the VMID is live, or the walk sees the edit
         * (s2_gather_flush looks after its barrier). */
        s2_port_barrier(v->port, S2_DSB_ISH);
    }
    v->active[cpu] = vmid->id;
    if (cpu >= v->cpus)
        v->cpus = cpu + 1;
    s2_port_unlock(v->port, &v->lock);
    return (uint16_t)(vmid->id & NUMBERS);
}

static bool reserved(const struct s2_vmids *v, uint64_t id)
{
    for (unsigned cpu = 0; cpu < v->cpus; cpu++)
        if (v->reserved[cpu] == id)
            return true;
    return false;
}

/* Under the lock: a renewal changes what is reserved and the VM's own id one after the other, and in between neither would
 * say that the VM runs. */
bool s2_vmid_hold(struct s2_vmids *v, const struct s2_vmid *vmid)
{
    s2_port_lock(v->port, &v->lock, S2_LOCK_VMIDS, 0);
    if (vmid->id && (of_generation(vmid->id, v->generation) || reserved(v, vmid->id)))
        return true;
    s2_vmid_release(v);
    return false;
}

void s2_vmid_release(struct s2_vmids *v)
{
    s2_port_unlock(v->port, &v->lock);
}

bool s2_vmid_live(struct s2_vmids *v, const struct s2_vmid *vmid)
{
    bool live = s2_vmid_hold(v, vmid);

    if (live)
        s2_vmid_release(v);
    return live;
}

void s2_vmid_leave(struct s2_vmids *v)
{
    unsigned cpu = s2_port_cpu(v->port);

    s2_port_lock(v->port, &v->lock, S2_LOCK_VMIDS, 0);
    v->active[cpu] = 0;
    v->reserved[cpu] = 0;
    s2_port_unlock(v->port, &v->lock);
}

void s2_vmid_free(struct s2_vmids *v, struct s2_vmid *vmid)
{
    bool loaded = false;

    s2_port_lock(v->port, &v->lock, S2_LOCK_VMIDS, 0);
    for (unsigned cpu = 0; cpu < v->cpus; cpu++)
        loaded |= v->active[cpu] == vmid->id || v->reserved[cpu] == vmid->id;
    /* A CPU that loaded nothing else yet keeps the number back, until the rollover after it did. */
    if (!loaded && of_generation(vmid->id, v->generation)) {
        uint32_t number = (uint32_t)(vmid->id & NUMBERS);

        v->used[number / WORD_BITS] &= ~word_bit(number);
    }
    vmid->id = 0;
    s2_port_unlock(v->port, &v->lock);
}
