/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Splitting a block: the table that replaces it is filled with the final contents, through every level that the cut
 * needs, before walkers can see it. */
#include "table/engine.h"

struct cut {
    struct s2_table *t;
    struct s2_tstash *stash;
    const struct s2_part *part;
};

/* n leaves that each added `sum` are gone. */
static void uncount(const struct s2_node *node, uint64_t n, uint64_t sum)
{
    node->page->valid = (uint16_t)(node->page->valid - n);
    node->page->sum -= n * sum;
}

/* The runs that the range cuts become single leaves. first: the table's first leaf. */
static void cut_runs(const struct cut *c, const struct s2_node *node, struct s2_ipa_range range, uint64_t first)
{
    uint64_t run = s2_run_bytes(c->t, node->level), low = range.start.v & ~(run - 1);

    if (!run)
        return;
    s2_entries_set(c->t, node, low, range.start.v, first + (low - node->base));
    s2_entries_set(c->t, node, range.end.v, (range.end.v + run - 1) & ~(run - 1), first + (range.end.v - node->base));
}

/* The table in place of `block`, a leaf at `level` that translates [base, base + its size) and that the part covers in
 * part: all of it first, in one go, and then the part. Returns the descriptor that links it. */
static uint64_t replacement(const struct cut *c, int level, uint64_t base, uint64_t block)
{
    uint64_t end = base + s2_entry_bytes(c->t, level), size = s2_entry_bytes(c->t, level + 1);
    uint64_t from = s2_max_u64(c->part->range.start.v, base), to = s2_min_u64(c->part->range.end.v, end);
    uint64_t low = from & ~(size - 1), high = (to + size - 1) & ~(size - 1);
    uint64_t first = s2_desc_lower(level, block), table;
    struct s2_node node = s2_node_new(c->t, c->stash, level + 1, base, base, end, &table);
    uint64_t sum = s2_leaf_sum(c->t, &node, base, first);

    s2_leaves_fill(c->t, &node, base, end, first); /* to its end: a block's outputs differ in their low bits only */
    cut_runs(c, &node, (struct s2_ipa_range){S2_IPA(low), S2_IPA(high)}, first);
    for (uint64_t at = low, next; at < high; at = next) {
        uint64_t desc = first + (at - base);

        if (at < from || at + size > to) {
            next = at + size;
            uncount(&node, 1, sum);
            s2_entries_set(c->t, &node, at, next, replacement(c, level + 1, at, desc));
            node.page->valid++;
            node.page->tables++;
            continue;
        }
        next = to & ~(size - 1);
        uncount(&node, (next - at) / size, sum);
        if (c->part->keep)
            s2_leaves_fill(c->t, &node, at, next, s2_desc_change(c->t, desc, c->part->attr_bits));
        else
            s2_entries_set(c->t, &node, at, next, 0);
    }
    return table;
}

/* May one step replace the block without break-before-make (rule 12)? At FEAT_BBM level 2, when its size alone changes, a hole
 * in it included; not where hardware may write into the block meanwhile. A block with nT (level 1) could be cached when its
 * table comes, and would take another flush: no better than a break. */
static bool at_once(const struct s2_table *t, const struct s2_part *part, uint64_t block)
{
    bool same = !part->keep || s2_desc_change(t, block, part->attr_bits) == block;

    return same && block & DESC_VALID && s2_size_in_place(t);
}

void s2_split_block(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, const struct s2_node *n,
                    uint64_t ipa, const struct s2_part *part)
{
    struct cut c = {t, stash, part};
    uint64_t *slot = &n->slots[s2_node_index(t, n, ipa)], size = s2_entry_bytes(t, n->level);
    uint64_t base = ipa & ~(size - 1), block = s2_port_pte_load(t->port, slot);
    struct s2_ipa_range extent = {S2_IPA(base), S2_IPA(base + size)};

    n->page->tables++;
    n->page->sum -= s2_leaf_sum(t, n, base, block);
    s2_gather_add(g, base, base + size, n->level, true);
    if (at_once(t, part, block)) {
        s2_port_pte_store_release(t->port, slot, replacement(&c, n->level, base, block));
        return;
    }
    if (s2_desc_hardware_writes(t))
        block = s2_port_pte_xchg(t->port, slot, 0); /* with what hardware wrote last */
    else
        s2_port_pte_store(t->port, slot, 0);
    s2_gather_make(t, g, slot, 0, replacement(&c, n->level, base, block), extent);
}
