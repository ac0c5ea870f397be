/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Leaves of one table: runs with the Contiguous bit (D8.7.1), and what may be promoted. A run is always whole: all its members
 * valid, congruent, alike but for what hardware writes. */
#include "table/engine.h"

/* --- filling --------------------------------------------------------------------------------------------------------- */

void s2_entries_set(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t end, uint64_t desc)
{
    unsigned shift = s2_level_shift(&t->geo, n->level);

    if (at < end)
        s2_port_pte_fill(t->port, &n->slots[s2_node_index(t, n, at)], (unsigned)((end - at) >> shift), desc,
                         desc ? 1ull << shift : 0);
}

/* How far outputs from pa on count up in the low bits of a descriptor. */
static uint64_t until_carry(const struct s2_table *t, uint64_t pa, uint64_t bytes)
{
    uint64_t below = t->format.oa_low | (s2_granule_bytes(&t->geo) - 1);

    return t->format.oa_high ? s2_min_u64(bytes, below - (pa & below) + 1) : bytes;
}

uint64_t s2_leaves_fill(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t end, uint64_t desc)
{
    uint64_t pa = s2_desc_oa(t, desc).v, run = s2_run_bytes(t, n->level), from, to, count;

    end = at + until_carry(t, pa, end - at);
    from = to = end;
    if (run && !((pa - at) & (run - 1))) {
        from = s2_min_u64((at + run - 1) & ~(run - 1), end);
        to = s2_max_u64(end & ~(run - 1), from);
    }
    s2_entries_set(t, n, at, from, desc);
    s2_entries_set(t, n, from, to, (desc + (from - at)) | DESC_CONTIGUOUS);
    s2_entries_set(t, n, to, end, desc + (to - at));
    count = (end - at) >> s2_level_shift(&t->geo, n->level);
    n->page->valid = (uint16_t)(n->page->valid + count);
    n->page->sum += count * s2_leaf_sum(t, n, at, desc);
    return end;
}

/* --- runs ------------------------------------------------------------------------------------------------------------ */

void s2_leaf_break(struct s2_table *t, uint64_t *slot, uint64_t bits)
{
    uint64_t desc = s2_port_pte_load(t->port, slot);

    if (!s2_desc_hardware_writes(t)) {
        s2_port_pte_store(t->port, slot, desc & ~(DESC_VALID | bits));
        return;
    }
    while (!s2_port_pte_cas(t->port, slot, desc, desc & ~(DESC_VALID | bits)))
        desc = s2_port_pte_load(t->port, slot); /* an access flag or a dirty bit: each sets one bit, once */
}

/* Hardware may have recorded in any one member of the run what was done to another (I_NFFSV). pre: all are broken. */
static void share_records(struct s2_table *t, uint64_t *slot, uint32_t members)
{
    uint64_t wrote = 0;

    for (uint32_t i = 0; i < members; i++)
        wrote |= s2_port_pte_load(t->port, &slot[i]) & (DESC_AF | DESC_WRITE);
    for (uint32_t i = 0; i < members; i++)
        s2_port_pte_store(t->port, &slot[i], s2_port_pte_load(t->port, &slot[i]) | wrote);
}

void s2_run_unfold(struct s2_table *t, struct s2_gather *g, const struct s2_node *n, uint64_t ipa, bool same)
{
    struct s2_ipa_range run = s2_run_around(t, n->level, ipa);
    uint64_t *slot = &n->slots[s2_node_index(t, n, run.start.v)];
    uint32_t members = 1u << t->geo.run_log2[n->level + 1];
    bool in_place = same && s2_size_in_place(t);

    for (uint32_t i = 0; i < members; i++) {
        if (in_place)
            s2_port_pte_store(t->port, &slot[i], s2_port_pte_load(t->port, &slot[i]) & ~DESC_CONTIGUOUS);
        else
            s2_leaf_break(t, &slot[i], DESC_CONTIGUOUS);
    }
    if (s2_desc_hardware_writes(t))
        share_records(t, slot, members);
    s2_gather_add(g, run.start.v, run.end.v, n->level, true);
    if (!in_place)
        s2_gather_make(t, g, slot, members, DESC_VALID, run);
}

/* --- what may be promoted -------------------------------------------------------------------------------------------- */

bool s2_leaves_congruent(const struct s2_table *t, const uint64_t *slot, unsigned n, uint64_t size)
{
    uint64_t first = s2_port_pte_load(t->port, slot);
    uint64_t same = t->format.oa_low | t->format.oa_high | t->format.attr | DESC_AF | DESC_TYPE | DESC_VALID;

    if (s2_desc_hardware_writes(t))
        same &= ~(DESC_AF | (first & DESC_DBM ? DESC_WRITE : 0));
    if (!(first & DESC_VALID) || s2_desc_oa(t, first).v & (n * size - 1))
        return false;
    for (unsigned i = 1; i < n; i++)
        if ((s2_port_pte_load(t->port, &slot[i]) ^ (first + i * size)) & same)
            return false;
    return true;
}

void s2_mark(struct s2_table *t, struct s2_ipa_range range)
{
    uint64_t was = __atomic_load_n(&t->marked_start, __ATOMIC_RELAXED);

    while (range.start.v < was && !__atomic_compare_exchange_n(&t->marked_start, &was, range.start.v, true,
                                                               __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
    was = __atomic_load_n(&t->marked_end, __ATOMIC_RELAXED);
    while (range.end.v > was &&
           !__atomic_compare_exchange_n(&t->marked_end, &was, range.end.v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

/* Could one leaf of that size say what is said around the one at ipa, as far as the output's alignment goes? */
static bool aligned(const struct s2_table *t, int level, uint64_t ipa, uint64_t desc, uint64_t bytes)
{
    return !((s2_desc_oa(t, desc).v - ipa) & (bytes - 1) & ~(s2_entry_bytes(t, level) - 1));
}

/* The run that the leaf at `at` is one of, which says desc without the Contiguous bit, if both ends say what it and its
 * neighbours would. Most runs lack an end, so that is asked first. */
static void mark_run(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t desc)
{
    const uint64_t same = t->format.oa_low | t->format.oa_high | (t->format.attr & ~DESC_WRITE) | DESC_CONTIGUOUS |
                          DESC_VALID | DESC_TYPE;
    unsigned shift = s2_level_shift(&t->geo, n->level), log2 = t->geo.run_log2[n->level + 1];
    uint64_t others = (1ull << log2) - 1, index = s2_node_index(t, n, at), below = (index & others) << shift;
    uint64_t a = s2_port_pte_load(t->port, &n->slots[index & ~others]), b;

    if (!a)
        return;
    b = s2_port_pte_load(t->port, &n->slots[index | others]);
    if (b && !((a ^ (desc - below)) & same) && !((b ^ (desc - below + (others << shift))) & same) &&
        aligned(t, n->level, at, desc, (others + 1) << shift))
        s2_mark(t, s2_run_around(t, n->level, at));
}

static void mark_runs(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t end, uint64_t desc)
{
    uint64_t bytes = s2_run_bytes(t, n->level), last;
    bool filled = desc & DESC_CONTIGUOUS, fits;

    if (!bytes)
        return;
    fits = aligned(t, n->level, at, desc, bytes);
    last = (end - 1) & ~(bytes - 1);
    if (!filled && fits && last - (at & ~(bytes - 1)) > bytes) {
        s2_mark(t, (struct s2_ipa_range){S2_IPA(at), S2_IPA(end)}); /* whole runs between the two at the ends */
        return;
    }
    if (filled && !fits)
        return;
    mark_run(t, n, at, desc & ~DESC_CONTIGUOUS);
    if (last > at) /* a row that was changed need not continue what its first leaf began */
        mark_run(t, n, last, s2_port_pte_load(t->port, &n->slots[s2_node_index(t, n, last)]) & ~DESC_CONTIGUOUS);
}

static void mark_table(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t desc)
{
    unsigned entries = s2_entries(t);
    uint64_t bytes;

    if (__atomic_load_n(&n->page->valid, __ATOMIC_RELAXED) != entries || n->level <= t->geo.start_level ||
        n->level <= t->geo.block_level)
        return;
    bytes = s2_node_bytes(t, n->level);
    if (aligned(t, n->level, at, desc, bytes) &&
        __atomic_load_n(&n->page->sum, __ATOMIC_RELAXED) == entries * s2_leaf_sum(t, n, at, desc))
        s2_mark(t, (struct s2_ipa_range){S2_IPA(n->base), S2_IPA(n->base + bytes)});
}

void s2_mark_leaves(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t end, uint64_t desc)
{
    mark_runs(t, n, at, end, desc);
    mark_table(t, n, at, desc);
}

void s2_mark_leaf(struct s2_table *t, const struct s2_node *n, uint64_t at, uint64_t desc)
{
    if (t->geo.run_log2[n->level + 1])
        mark_run(t, n, at, desc);
    mark_table(t, n, at, desc);
}
