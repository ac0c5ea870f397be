/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Mapping where nothing is mapped. All decisions are taken per run of leaves; a run is a bare fill. A new table is
 * filled, with everything below it, before it is linked: walkers see it whole or not at all. */
#include "table/engine.h"

struct job {
    struct s2_table *t;
    struct s2_tstash *stash;
    uint64_t delta; /* output - input, wrapping */
    uint64_t attr_bits;
};

/* Leaves from `at` on, as many as fit into the node. Returns where they end. */
static uint64_t fill_row(const struct job *j, const struct s2_node *n, uint64_t at, uint64_t end)
{
    uint64_t desc = s2_desc_leaf(j->t, n->level, at + j->delta, j->attr_bits);

    end = s2_leaves_fill(j->t, n, at, end & ~(s2_entry_bytes(j->t, n->level) - 1), desc);
    s2_mark_leaves(j->t, n, at, end, desc | DESC_CONTIGUOUS);
    return end;
}

/* fresh: the table is new, and what it holds inside the range is not to be read. */
static void map_node(const struct job *j, const struct s2_node *n, uint64_t start, uint64_t end, bool fresh)
{
    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t *slot = &n->slots[s2_node_index(j->t, n, at)], desc;
        struct s2_node child;

        if (s2_leaf_fits(j->t, n->level, at, end, j->delta)) {
            next = fill_row(j, n, at, end);
            continue;
        }
        next = s2_entry_end(j->t, n->level, at, end);
        desc = fresh ? 0 : s2_port_pte_load(j->t->port, slot);
        if (desc) {
            child = s2_node_child(j->t, n, at, desc);
            map_node(j, &child, at, next, false);
            continue;
        }
        child = s2_node_new(j->t, j->stash, n->level + 1, at & ~(s2_entry_bytes(j->t, n->level) - 1), at, next, &desc);
        map_node(j, &child, at, next, true);
        s2_port_pte_store_release(j->t->port, slot, desc);
        n->page->valid++;
        n->page->tables++;
    }
}

void s2_table_map(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range, s2_pa pa,
                  s2_attr attr)
{
    struct job j = {t, stash, pa.v - range.start.v, s2_desc_attr_bits(t, attr)};
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level), end = range.end.v;

    s2_gather_settle(t, g, range, true);
    for (uint64_t at = range.start.v, next; at < end; at = next) {
        struct s2_node root = s2_node_root(t, at);

        next = s2_min_u64(root.base + bytes, end);
        map_node(&j, &root, at, next, false);
    }
    g->made = true; /* nothing valid was there, and no TLB holds what is invalid: one barrier will do */
}
