/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Promotion: runs get the Contiguous bit, full congruent tables become blocks. Only where edits left a mark is looked, and
 * tables are told apart by their metadata. Sizes change here and nothing else, so that FEAT_BBM helps (rule 12). */
#include "table/engine.h"

struct job {
    struct s2_table *t;
    struct s2_gather *g;
    s2_within_fn *within;
    void *arg;
    uint64_t start, end; /* the marks, as far as they are not looked at yet */
    unsigned budget;     /* folds and collapses */
    unsigned looks;      /* tables to look at, by up to LOOK_ENTRIES_LOG2 entries */
};

/* Looks for each that may be promoted: they bound the hold of the lock, too. The widest way down, four tables of 64K, takes 68. */
enum { LOOKS = 128, LOOK_ENTRIES_LOG2 = 9 };

static bool in_one(const struct job *j, struct s2_ipa_range range)
{
    struct s2_ipa_range in = j->within(j->arg, range.start);

    return in.start.v <= range.start.v && in.end.v >= range.end.v;
}

/* The leaves of the run at `run` get the Contiguous bit, if they may. */
static void fold(struct job *j, const struct s2_node *n, struct s2_ipa_range run)
{
    struct s2_table *t = j->t;
    uint64_t *slot = &n->slots[s2_node_index(t, n, run.start.v)];
    uint32_t members = 1u << t->geo.run_log2[n->level + 1];

    if (s2_port_pte_load(t->port, slot) & DESC_CONTIGUOUS ||
        !s2_leaves_congruent(t, slot, members, s2_entry_bytes(t, n->level)) || !in_one(j, run))
        return;
    j->budget--;
    for (uint32_t i = 0; i < members; i++)
        if (s2_size_in_place(t))
            s2_port_pte_store(t->port, &slot[i], s2_port_pte_load(t->port, &slot[i]) | DESC_CONTIGUOUS);
        else
            s2_leaf_break(t, &slot[i], 0);
    s2_gather_add(j->g, run.start.v, run.end.v, n->level, true); /* every member (T4) */
    if (!s2_size_in_place(t))
        s2_gather_make(t, j->g, slot, members, DESC_VALID | DESC_CONTIGUOUS, run);
}

/* What hardware wrote into the leaves of a table that is detached and flushed (rule 13). */
static uint64_t harvest(const struct s2_table *t, const struct s2_node *n)
{
    uint64_t wrote = 0;

    for (unsigned i = 0; i < s2_entries(t); i++)
        wrote |= s2_port_pte_load(t->port, &n->slots[i]);
    return wrote & (DESC_AF | DESC_WRITE);
}

/* The table `child`, which desc in *slot of n links, becomes a block, if it may: or false. */
static bool collapse(struct job *j, const struct s2_node *n, uint64_t *slot, uint64_t desc, const struct s2_node *child)
{
    struct s2_table *t = j->t;
    uint64_t bytes = s2_entry_bytes(t, n->level), block;
    struct s2_ipa_range range = {S2_IPA(child->base), S2_IPA(child->base + bytes)};

    if (n->level < t->geo.block_level || child->page->valid != s2_entries(t) || child->page->tables)
        return false;
    block = s2_port_pte_load(t->port, child->slots);
    if (child->page->sum != s2_entries(t) * s2_leaf_sum(t, child, child->base, block) ||
        !s2_leaves_congruent(t, child->slots, s2_entries(t), s2_entry_bytes(t, child->level)) || !in_one(j, range))
        return false;
    j->budget--;
    block = s2_desc_upper(block);
    n->page->sum += s2_leaf_sum(t, n, child->base, block);
    n->page->tables--;
    if (s2_size_in_place(t))
        s2_port_pte_store_release(t->port, slot, block);
    else
        s2_port_pte_store(t->port, slot, t->caps.bbm == 1 && !s2_desc_hardware_writes(t) ? block | DESC_NT : 0);
    s2_gather_detach(t, j->g, desc);
    s2_gather_add(j->g, range.start.v, range.end.v, S2_LEVEL_MIXED, true);
    if (s2_desc_hardware_writes(t)) {
        s2_gather_flush(t, j->g);
        block |= harvest(t, child);
    }
    if (!s2_size_in_place(t))
        s2_gather_make(t, j->g, slot, 0, block, range);
    s2_mark(t, range); /* the next call looks whether it completes a run, or a table */
    return true;
}

/* Returns where it got to. */
static uint64_t fold_runs(struct job *j, const struct s2_node *n, uint64_t start, uint64_t end)
{
    uint64_t bytes = s2_run_bytes(j->t, n->level), at = bytes ? start & ~(bytes - 1) : end;

    for (; at < end && j->budget; at += bytes)
        fold(j, n, s2_run_around(j->t, n->level, at));
    return s2_min_u64(at, end);
}

/* Tables first: what becomes a block may be part of a run, or of a larger block. Of a table that becomes one no run is folded
 * before: it would be broken until the flush, and the table not be full. j->start follows; what lies before a table is done with
 * first, as budget or looks may end in there. */
static void promote_node(struct job *j, const struct s2_node *n, uint64_t start, uint64_t end)
{
    struct s2_table *t = j->t;
    uint64_t done = start, cost = 1 + ((end - start) >> (s2_level_shift(&t->geo, n->level) + LOOK_ENTRIES_LOG2));

    if (j->looks < cost) {
        j->looks = 0;
        return;
    }
    j->looks -= (unsigned)cost;
    for (uint64_t at = start, next; n->level < S2_LAST_LEVEL && at < end; at = next) {
        uint64_t *slot = &n->slots[s2_node_index(t, n, at)], desc = s2_port_pte_load(t->port, slot);

        next = s2_entry_end(t, n->level, at, end);
        if (s2_desc_is_table(n->level, desc)) {
            struct s2_node child = s2_node_child(t, n, at, desc);

            j->start = done = fold_runs(j, n, done, at);
            if (j->budget && !collapse(j, n, slot, desc, &child))
                promote_node(j, &child, at, next);
            if (!j->looks || !j->budget)
                return;
        }
    }
    j->start = fold_runs(j, n, done, end);
}

bool s2_table_promote(struct s2_table *t, struct s2_gather *g, unsigned budget, s2_within_fn *within, void *arg)
{
    struct job j = {t, g, within, arg, t->marked_start, t->marked_end, budget, budget * LOOKS};
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level);

    /* Who holds no lock may look whether there is anything to promote (s2_table_marked). */
    __atomic_store_n(&t->marked_start, UINT64_MAX, __ATOMIC_RELAXED);
    __atomic_store_n(&t->marked_end, 0, __ATOMIC_RELAXED);
    s2_gather_settle(t, g, (struct s2_ipa_range){S2_IPA(j.start), S2_IPA(j.end)}, true);
    while (j.start < j.end && j.looks && j.budget) {
        struct s2_node root = s2_node_root(t, j.start);

        promote_node(&j, &root, j.start, s2_min_u64(root.base + bytes, j.end));
    }
    if (j.start < j.end)
        s2_mark(t, (struct s2_ipa_range){S2_IPA(j.start), S2_IPA(j.end)});
    return s2_table_marked(t);
}
