/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How many table pages an edit takes, from arithmetic and non-leaf levels alone. */
#include "table/engine.h"

uint32_t s2_entries_cut(const struct s2_table *t, int level, uint64_t start, uint64_t end)
{
    unsigned shift = s2_level_shift(&t->geo, level);
    uint64_t below = s2_entry_bytes(t, level) - 1;
    bool head = start & below, tail = end & below;

    if (head && tail && start >> shift == end >> shift)
        return 1;
    return (uint32_t)head + (uint32_t)tail;
}

static uint32_t entries_met(const struct s2_table *t, int level, uint64_t start, uint64_t end)
{
    unsigned shift = s2_level_shift(&t->geo, level);

    return (uint32_t)(((end - 1) >> shift) - (start >> shift) + 1);
}

/* Does the entry at `at` also translate what lies directly below `before`? */
static bool entry_shared(const struct s2_table *t, int level, uint64_t at, uint64_t before)
{
    unsigned shift = s2_level_shift(&t->geo, level);

    return before && (before - 1) >> shift == at >> shift;
}

/* Tables below `level` for [start, end), which lies in one or more empty tables of that level. Entries at a level where
 * leaves are congruent need a table only when the range cuts them. */
static uint32_t need_empty(const struct s2_table *t, int level, uint64_t start, uint64_t end, uint64_t delta)
{
    uint32_t need = 0;

    for (; level < S2_LAST_LEVEL; level++) {
        bool leaves = level >= t->geo.block_level && !(delta & (s2_entry_bytes(t, level) - 1));

        need += leaves ? s2_entries_cut(t, level, start, end) : entries_met(t, level, start, end);
    }
    return need;
}

static uint32_t need_node(const struct s2_table *t, const struct s2_node *n, uint64_t start, uint64_t end,
                          uint64_t delta)
{
    uint64_t size = s2_entry_bytes(t, n->level);
    uint32_t need = 0;

    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t desc;

        if (s2_leaf_fits(t, n->level, at, end, delta)) {
            next = end & ~(size - 1); /* the whole run */
            continue;
        }
        next = s2_entry_end(t, n->level, at, end);
        desc = s2_port_pte_load(t->port, &n->slots[s2_node_index(t, n, at)]);
        if (desc) {
            struct s2_node child = s2_node_child(t, n, at, desc);

            __builtin_prefetch(child.page, 1); /* the edit will count in it */
            need += need_node(t, &child, at, next, delta);
        } else {
            need += 1 + need_empty(t, n->level + 1, at, next, delta);
        }
    }
    return need;
}

uint32_t s2_table_need_map(const struct s2_table *t, struct s2_ipa_range range, s2_pa pa, bool as_empty)
{
    uint64_t delta = pa.v - range.start.v, end = range.end.v;
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level);
    uint32_t need = 0;

    if (as_empty)
        return need_empty(t, t->geo.start_level, range.start.v, end, delta);
    for (uint64_t at = range.start.v, next; at < end; at = next) {
        struct s2_node root = s2_node_root(t, at);

        next = s2_min_u64(root.base + bytes, end);
        need += need_node(t, &root, at, next, delta);
    }
    return need;
}

/* Pages of tables below `level` that [start, end) lacks, with nothing of them there. What ends at `before` lacks the tables
 * that it shares too, and has counted them. */
static uint32_t lack_empty(const struct s2_table *t, int level, uint64_t start, uint64_t end, uint64_t before)
{
    uint32_t lack = 0;

    for (; level < S2_LAST_LEVEL; level++)
        lack += entries_met(t, level, start, end) - entry_shared(t, level, start, before);
    return lack;
}

static uint32_t lack_node(const struct s2_table *t, const struct s2_node *n, uint64_t start, uint64_t end,
                          uint64_t before)
{
    uint32_t lack = 0;

    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t desc = s2_port_pte_load(t->port, &n->slots[s2_node_index(t, n, at)]);

        next = s2_entry_end(t, n->level, at, end);
        if (s2_desc_is_table(n->level, desc)) {
            struct s2_node child = s2_node_child(t, n, at, desc);

            if (child.level < S2_LAST_LEVEL)
                lack += lack_node(t, &child, at, next, before);
        } else if (!desc) {
            lack += !entry_shared(t, n->level, at, before) + lack_empty(t, n->level + 1, at, next, before);
        }
    }
    return lack;
}

uint32_t s2_table_lack(const struct s2_table *t, struct s2_ipa_range range, s2_ipa before, bool as_empty)
{
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level), end = range.end.v;
    uint32_t lack = 0;

    if (as_empty)
        return lack_empty(t, t->geo.start_level, range.start.v, end, before.v);
    for (uint64_t at = range.start.v, next; at < end; at = next) {
        struct s2_node root = s2_node_root(t, at);

        next = s2_min_u64(root.base + bytes, end);
        lack += lack_node(t, &root, at, next, before.v);
    }
    return lack;
}

uint64_t s2_table_leaf_bytes(const struct s2_table *t, struct s2_ipa_range range, s2_pa pa)
{
    int level = t->geo.start_level;

    while (level < S2_LAST_LEVEL && !s2_leaf_fits(t, level, range.start.v, range.end.v, pa.v - range.start.v))
        level++;
    return s2_entry_bytes(t, level);
}

/* Tables for cutting the block that translates `at`, if one does and the range covers it in part. *block: its extent. */
static uint32_t need_at(const struct s2_table *t, struct s2_ipa_range range, uint64_t at, struct s2_ipa_range *block)
{
    uint64_t start, end, size, desc;
    struct s2_node n;
    uint32_t need = 0;

    *block = (struct s2_ipa_range){range.end, range.end};
    if (at >= s2_ipa_limit(&t->geo))
        return 0;
    s2_descend(t, at, &n, &desc);
    __builtin_prefetch(n.page, 1); /* the edit will count in it */
    if (!(desc & DESC_VALID))
        return 0;
    size = s2_entry_bytes(t, n.level);
    *block = (struct s2_ipa_range){S2_IPA(at & ~(size - 1)), S2_IPA((at | (size - 1)) + 1)};
    start = s2_max_u64(range.start.v, block->start.v);
    end = s2_min_u64(range.end.v, block->end.v);
    for (int level = n.level; level < S2_LAST_LEVEL; level++)
        need += s2_entries_cut(t, level, start, end);
    return need;
}

uint32_t s2_table_need_cut(const struct s2_table *t, struct s2_ipa_range range)
{
    struct s2_ipa_range head, tail;
    uint32_t need = need_at(t, range, range.start.v, &head);

    if (head.end.v >= range.end.v && head.start.v < range.end.v)
        return need;
    return need + need_at(t, range, range.end.v - 1, &tail);
}
