/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Unmapping: the highest entries that the range covers are unlinked, whatever hangs below them; only what the range cuts
 * is looked into. */
#include "table/engine.h"

struct job {
    struct s2_table *t;
    struct s2_tstash *stash;
    struct s2_gather *g;
    struct s2_part hole;
};

/* An entry whose whole extent goes. */
static void drop(const struct job *j, const struct s2_node *n, uint64_t *slot, uint64_t desc, uint64_t at, uint64_t end)
{
    if (s2_desc_is_table(n->level, desc)) {
        s2_port_pte_store(j->t->port, slot, 0);
        n->page->tables--;
        s2_gather_detach(j->t, j->g, desc);
        s2_gather_add(j->g, at, end, S2_LEVEL_MIXED, true);
    } else {
        if (s2_desc_hardware_writes(j->t))
            s2_port_pte_xchg(j->t->port, slot, 0); /* rule 13 */
        else
            s2_port_pte_store(j->t->port, slot, 0);
        n->page->sum -= s2_leaf_sum(j->t, n, at, desc);
        s2_gather_add(j->g, at, end, n->level, true);
    }
}

static void unmap_node(const struct job *j, const struct s2_node *n, uint64_t start, uint64_t end)
{
    unsigned gone = 0, left = n->page->valid; /* entries not met yet that say something */

    for (uint64_t at = start, next; at < end && left; at = next) {
        uint64_t *slot = &n->slots[s2_node_index(j->t, n, at)];
        uint64_t desc = s2_port_pte_load(j->t->port, slot);

        next = s2_entry_end(j->t, n->level, at, end);
        if (!desc)
            continue; /* a hole (G8) */
        left--;
        if (s2_run_cut(j->t, n, at, start, end, desc)) {
            s2_run_unfold(j->t, j->g, n, at, true);
            desc = s2_port_pte_load(j->t->port, slot);
        }
        if (s2_entry_whole(j->t, n->level, at, next)) {
            drop(j, n, slot, desc, at, next);
            gone++;
        } else if (s2_desc_is_table(n->level, desc)) {
            struct s2_node child = s2_node_child(j->t, n, at, desc);

            unmap_node(j, &child, at, next);
            if (child.page->valid)
                continue;
            /* Empty now (G12). What it translated was added leaf by leaf; the same addresses reach the table itself. */
            s2_port_pte_store(j->t->port, slot, 0);
            s2_gather_detach(j->t, j->g, desc);
            n->page->tables--;
            gone++;
        } else {
            s2_split_block(j->t, j->stash, j->g, n, at, &j->hole);
        }
    }
    n->page->valid = (uint16_t)(n->page->valid - gone);
}

void s2_table_unmap(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range)
{
    struct job j = {t, stash, g, {.range = range, .keep = false}};
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level), end = range.end.v;

    s2_gather_settle(t, g, range, false);
    for (uint64_t at = range.start.v, next; at < end; at = next) {
        struct s2_node root = s2_node_root(t, at);

        next = s2_min_u64(root.base + bytes, end);
        unmap_node(&j, &root, at, next);
    }
}
