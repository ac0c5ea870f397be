/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* TLB invalidation: the one place that issues it. The sequence (D8.17.6): all edits complete (DSB), stage-2 entries by IPA,
 * complete (DSB), entries that combine both stages by VMID, complete (DSB), this CPU's pipeline (ISB). */
#include "table/engine.h"
#include "table/vtcr.h"

enum {
    IPA_FIELD_SHIFT = 12, /* IPAS2E1*: Xt holds IPA[51:12] whatever the granule (C5.5.13) */
    TTL_SHIFT = 44,       /* Xt[47:44]: granule, level (D8.17.4) */
    TTL_GRANULE_SHIFT = 2,
    RANGE_TTL_SHIFT = 37, /* RIPAS2E1* (C5.5.22) */
    RANGE_NUM_SHIFT = 39,
    RANGE_SCALE_SHIFT = 44,
    RANGE_TG_SHIFT = 46,
    RANGE_NUM_MAX = 31,
    RANGE_SCALE_MAX = 3,
    WIDE_BASE_SHIFT = 16,
    /* Without range operations: single entries up to here, then the whole VMID. Either way all combined entries of the
     * VMID go; what more is lost is the cache of stage-2 walks, which as many instructions would cost. */
    ENTRIES_MAX = 8,
};
/* With short_ranges no longer ones: a 32-bit length overflows in places (architecture rule 10). */
#define SHORT_RANGE_MAX ((4ull << 30) - 1)

/* Is it only this CPU's translations that must go? */
enum scope { LOCAL, BROADCAST };

struct flush {
    struct s2_table *t;
    enum scope scope;
    enum s2_barrier done; /* what completes an invalidation of that scope */
};

static void invalidate(const struct flush *f, enum s2_tlbi broadcast, enum s2_tlbi local, uint64_t operand)
{
    s2_port_tlbi(f->t->port, f->scope == LOCAL ? local : broadcast, operand);
}

static void complete(const struct flush *f)
{
    s2_port_barrier(f->t->port, f->done);
}

/* 1, 2, 3 for 4K, 16K, 64K: the granule in TTL and TG fields. */
static uint64_t granule_code(const struct s2_table *t)
{
    return (t->geo.granule_log2 - 10u) / 2u;
}

static bool one_level(const struct s2_gather *g)
{
    return g->level != S2_LEVEL_MIXED && !g->tables;
}

static void invalidate_entry(const struct flush *f, const struct s2_gather *g, uint64_t ipa)
{
    uint64_t operand = ipa >> IPA_FIELD_SHIFT;

    if (one_level(g) && f->t->caps.ttl) /* T2; levels that have no hint have no leaves here (rule 9) */
        operand |= (granule_code(f->t) << TTL_GRANULE_SHIFT | (uint64_t)g->level) << TTL_SHIFT;
    if (g->tables)
        invalidate(f, S2_TLBI_IPAS2E1IS, S2_TLBI_IPAS2E1, operand);
    else
        invalidate(f, S2_TLBI_IPAS2LE1IS, S2_TLBI_IPAS2LE1, operand);
}

/* One covering range operation; over-invalidation is allowed (R_MMZTY). False: the range has none. */
static bool range_operand(const struct s2_table *t, const struct s2_gather *g, uint64_t *operand)
{
    unsigned unit = t->geo.ds ? WIDE_BASE_SHIFT : t->geo.granule_log2; /* of the base (rule 6) */
    uint64_t start = g->range.start.v & ~((1ull << unit) - 1), bytes = g->range.end.v - start;
    uint64_t ttl = one_level(g) && t->caps.ttl && g->level > 0 ? (uint64_t)g->level : 0;
    uint64_t step, n, scale = 0;

    /* Where the texts disagree what base such an operation may have at 4K with DS, there is none (rule 7). */
    if (t->geo.ds && t->geo.granule_log2 == S2_4K && !ttl && start & (s2_entry_bytes(t, 0) - 1))
        return false;
    for (;; scale++) {
        step = 1ull << (5 * scale + 1 + t->geo.granule_log2);
        n = (bytes + step - 1) / step;
        if (n <= RANGE_NUM_MAX + 1)
            break;
        if (scale == RANGE_SCALE_MAX)
            return false;
    }
    if (t->caps.short_ranges && n * step > SHORT_RANGE_MAX)
        return false;
    /* The base is a multiple of the leaf's size, as TTL demands (D8.17.5), since leaves are added whole. */
    *operand = start >> unit | ttl << RANGE_TTL_SHIFT | (n - 1) << RANGE_NUM_SHIFT | scale << RANGE_SCALE_SHIFT |
               granule_code(t) << RANGE_TG_SHIFT;
    return true;
}

/* How many single invalidations the range takes. */
static uint64_t entries(const struct s2_table *t, const struct s2_gather *g)
{
    int level = g->level == S2_LEVEL_MIXED ? S2_LAST_LEVEL : g->level;

    return (g->range.end.v - g->range.start.v) >> s2_level_shift(&t->geo, level);
}

/* By IPA, whatever is cheapest. False: nothing is cheaper than the whole VMID. */
static bool invalidate_ipas(const struct flush *f, const struct s2_gather *g)
{
    uint64_t n = g->all ? UINT64_MAX : entries(f->t, g), operand, step;

    if (n == 1) {
        invalidate_entry(f, g, g->range.start.v);
        return true;
    }
    if (g->all)
        return false;
    if (f->t->caps.tlbirange && range_operand(f->t, g, &operand)) {
        if (g->tables)
            invalidate(f, S2_TLBI_RIPAS2E1IS, S2_TLBI_RIPAS2E1, operand);
        else
            invalidate(f, S2_TLBI_RIPAS2LE1IS, S2_TLBI_RIPAS2LE1, operand);
        return true;
    }
    if (f->t->caps.tlbirange || n > ENTRIES_MAX)
        return false;
    step = (g->range.end.v - g->range.start.v) / n;
    for (uint64_t ipa = g->range.start.v; ipa < g->range.end.v; ipa += step)
        invalidate_entry(f, g, ipa);
    return true;
}

static void sequence(const struct flush *f, const struct s2_gather *g)
{
    bool by_ipa = invalidate_ipas(f, g);

    if (by_ipa) {
        complete(f);
        invalidate(f, S2_TLBI_VMALLE1IS, S2_TLBI_VMALLE1, 0);
    } else {
        invalidate(f, S2_TLBI_VMALLS12E1IS, S2_TLBI_VMALLS12E1, 0);
    }
    complete(f);
}

static uint64_t vttbr(const struct s2_table *t)
{
    uint64_t vmid = __atomic_load_n(&t->vmid.id, __ATOMIC_ACQUIRE) & UINT16_MAX;

    /* BADDR[51:48] stand in bits 5 to 2, which are zero in a root below 2^48 (D24.2.183). */
    return (t->root.v & VTTBR_BADDR) | t->root.v >> 48 << VTTBR_BADDR_HIGH_SHIFT | vmid << VTTBR_VMID_SHIFT |
           (t->caps.cnp ? VTTBR_CNP : 0);
}

/* The context that invalidations refer to (T6): VTTBR and VTCR as a pair (rule 6), interrupts masked while it is another
 * than the CPU's own (T5). */
struct borrowed {
    uint64_t irqs, vttbr, vtcr;
    struct s2_walks walks;
    bool other;
};

static struct borrowed begin(const struct s2_table *t)
{
    struct borrowed b = {.irqs = s2_port_irq_mask(t->port)};

    b.vttbr = s2_port_vttbr(t->port);
    b.vtcr = s2_port_vtcr(t->port);
    b.other = b.vttbr != vttbr(t) || b.vtcr != t->geo.vtcr;
    return b;
}

/* False: no TLB holds anything of this table, nothing was loaded. A context of its own the CPU keeps, and with it the number,
 * through every rollover; a borrowed one is in no book, so that its number is held until it is given back: given to another
 * VM meanwhile, it would stand for what this CPU walks here. */
static bool borrow(const struct s2_table *t, struct borrowed *b)
{
    if (!b->other)
        return true;
    if (!s2_vmid_hold(t->vmids, &t->vmid))
        return false;
    s2_port_walks_stop(t->port, &b->walks);
    s2_port_load_context(t->port, vttbr(t), t->geo.vtcr);
    s2_port_barrier(t->port, S2_ISB);
    return true;
}

static void give_back(const struct s2_table *t, const struct borrowed *b)
{
    if (b->other)
        s2_port_load_context(t->port, b->vttbr, b->vtcr);
    s2_port_barrier(t->port, S2_ISB);
    if (b->other) {
        s2_port_walks_resume(t->port, &b->walks);
        s2_vmid_release(t->vmids);
    }
}

void s2_flush_invalidate(struct s2_table *t, const struct s2_gather *g)
{
    struct flush f = {t, g->broadcast ? BROADCAST : LOCAL, g->broadcast ? S2_DSB_ISH : S2_DSB_NSH};
    struct borrowed b = begin(t);

    /* ISH orders the loads of this CPU's walks too, before their context goes away (T5). */
    s2_port_barrier(t->port, b.other ? S2_DSB_ISH : S2_DSB_ISHST);
    /* After the barrier: a CPU that makes the VMID live from now on walks the new descriptors (vmid.c). */
    if (borrow(t, &b)) {
        sequence(&f, g);
        if (t->caps.repeat_tlbi)
            sequence(&f, g); /* T11 */
        give_back(t, &b);
    }
    s2_port_irq_restore(t->port, b.irqs);
}

void s2_table_load(struct s2_table *t)
{
    s2_vmid_activate(t->vmids, &t->vmid);
    s2_port_load_context(t->port, vttbr(t), t->geo.vtcr);
    s2_port_barrier(t->port, S2_ISB);
}

/* For this CPU alone, and not because of an edit: no barrier before. */
static void local(struct s2_table *t, const struct s2_gather *g)
{
    struct flush f = {t, LOCAL, S2_DSB_NSH};
    struct borrowed b = begin(t);

    if (b.other)
        s2_port_barrier(t->port, S2_DSB_ISH);
    if (borrow(t, &b)) {
        sequence(&f, g);
        give_back(t, &b);
    }
    s2_port_irq_restore(t->port, b.irqs);
}

void s2_table_flush_local(struct s2_table *t, s2_ipa ipa)
{
    uint64_t page = ipa.v & ~(s2_granule_bytes(&t->geo) - 1);
    /* Whatever leaf translates it, so no level hint and no leaf-only form. */
    struct s2_gather g = {
        .range = {S2_IPA(page), S2_IPA(page + s2_granule_bytes(&t->geo))},
        .level = S2_LEVEL_MIXED,
        .tables = true,
    };

    local(t, &g);
}

void s2_table_flush_local_all(struct s2_table *t)
{
    struct s2_gather g = {.all = true};

    local(t, &g);
}

void s2_table_flush_vcpu(struct s2_table *t)
{
    struct flush f = {t, LOCAL, S2_DSB_NSH};

    complete(&f); /* the walks of the vCPU that leaves */
    invalidate(&f, S2_TLBI_VMALLE1IS, S2_TLBI_VMALLE1, 0);
    complete(&f);
    s2_port_barrier(t->port, S2_ISB);
}
