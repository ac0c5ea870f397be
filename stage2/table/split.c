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

/* n entries of `node` from `at`: the leaves at its level that say what `desc` (of the first one) says; 0 makes holes. */
static void fill(const struct cut *c, const struct s2_node *node, uint64_t at, uint64_t end, uint64_t desc)
{
    uint64_t size = s2_entry_bytes(c->t, node->level);
    unsigned n = (unsigned)((end - at) / size);

    if (!desc || !n)
        return; /* new tables are zero */
    s2_port_pte_fill(c->t->port, &node->slots[s2_node_index(c->t, node, at)], n, desc, size);
    node->page->valid = (uint16_t)(node->page->valid + n);
    s2_leaves_add(c->t, node->level, n);
}

/* The table in place of `block`, a leaf at `level` that translates [base, base + its size) and that the part covers in
 * part. Returns the descriptor that links it. */
static uint64_t replacement(const struct cut *c, int level, uint64_t base, uint64_t block)
{
    uint64_t end = base + s2_entry_bytes(c->t, level), size = s2_entry_bytes(c->t, level + 1);
    uint64_t from = s2_max_u64(c->part->range.start.v, base), to = s2_min_u64(c->part->range.end.v, end);
    uint64_t first = s2_desc_lower(level, block), table;
    struct s2_node node = s2_node_new(c->t, c->stash, level + 1, base, &table);
    uint64_t at = base, next;

    for (; at < end; at = next) {
        uint64_t desc = first + (at - base);

        if (at + size <= from) {
            next = from & ~(size - 1);
            fill(c, &node, at, next, desc);
        } else if (at >= to) {
            next = end;
            fill(c, &node, at, next, desc);
        } else if (at >= from && at + size <= to) {
            next = to & ~(size - 1);
            fill(c, &node, at, next, c->part->keep ? s2_desc_change(desc, c->part->attr_bits) : 0);
        } else {
            next = at + size;
            desc = replacement(c, level + 1, at, desc);
            s2_port_pte_store(c->t->port, &node.slots[s2_node_index(c->t, &node, at)], desc);
            node.page->valid++;
        }
    }
    return table;
}

void s2_split_block(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, const struct s2_node *n,
                    uint64_t ipa, const struct s2_part *part)
{
    struct cut c = {t, stash, part};
    uint64_t *slot = &n->slots[s2_node_index(t, n, ipa)], size = s2_entry_bytes(t, n->level);
    uint64_t base = ipa & ~(size - 1), block;
    struct s2_ipa_range extent = {S2_IPA(base), S2_IPA(base + size)};

    s2_leaves_sub(t, n->level, 1);
    if (t->caps.bbm == 2 && !part->keep && !s2_desc_hardware_writes(t)) {
        /* A change of size alone, and a hole in it, need no break at level 2 of FEAT_BBM; other attributes in the same
         * step do (rule 12). */
        block = s2_port_pte_load(t->port, slot);
        s2_port_pte_store_release(t->port, slot, replacement(&c, n->level, base, block));
        s2_gather_add(g, base, base + size, n->level, true);
        return;
    }
    block = s2_port_pte_xchg(t->port, slot, 0); /* with what hardware wrote last */
    s2_gather_add(g, base, base + size, n->level, true);
    s2_gather_make(t, g, slot, replacement(&c, n->level, base, block), extent);
}
