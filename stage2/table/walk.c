/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Reading the tables: one address, a range, and the descriptors on the way. */
#include "table/engine.h"

void s2_leaf_describe(const struct s2_table *t, int level, uint64_t ipa, uint64_t desc, struct s2_leaf *out)
{
    uint64_t size = s2_entry_bytes(t, level), start = ipa & ~(size - 1);
    bool valid = desc & DESC_VALID;

    *out = (struct s2_leaf){
        .range = {S2_IPA(start), S2_IPA(start + size)},
        .level = (int8_t)level,
        .valid = valid,
        .desc = desc,
    };
    if (!valid)
        return;
    out->pa = s2_desc_oa(t, desc);
    out->attr = s2_desc_attr(t, desc);
    out->accessed = desc & DESC_AF;
    out->dirty = s2_desc_dirty(desc);
    out->contiguous = desc & DESC_CONTIGUOUS;
}

/* Reads down to the entry that ends a walk of ipa, which is below the IPA limit. Each step goes to steps when not null. */
static inline unsigned descend(const struct s2_table *t, uint64_t ipa, struct s2_walk_step *steps, int *level_out,
                               uint64_t *desc_out)
{
    unsigned granule = t->geo.granule_log2, shift = s2_level_shift(&t->geo, t->geo.start_level);
    uint64_t index_mask = UINT64_MAX, desc, table = t->root.v;
    unsigned n = 0;

    for (int level = t->geo.start_level;; level++, shift -= t->geo.stride) {
        uint64_t index = ipa >> shift & index_mask; /* the root's index has no upper bound but the IPA size */
        uint64_t page = table + (index >> t->geo.stride << granule);
        uint64_t entry = index & (s2_entries(t) - 1);

        desc = s2_port_pte_load(t->port, &s2_port_table(t->port, S2_PA(page))[entry]);
        if (steps)
            steps[n] = (struct s2_walk_step){(int8_t)level, S2_PA(page + entry * sizeof desc), desc};
        n++;
        if (!s2_desc_is_table(level, desc)) {
            *level_out = level;
            *desc_out = desc;
            return n;
        }
        table = s2_desc_oa(t, desc).v;
        index_mask = s2_entries(t) - 1;
    }
}

bool s2_table_lookup(const struct s2_table *t, s2_ipa ipa, struct s2_leaf *out)
{
    uint64_t desc;
    int level;

    if (ipa.v >= s2_ipa_limit(&t->geo)) {
        *out = (struct s2_leaf){.range = {S2_IPA(s2_ipa_limit(&t->geo)), S2_IPA_NONE}, .level = t->geo.start_level};
        return false;
    }
    descend(t, ipa.v, NULL, &level, &desc);
    s2_leaf_describe(t, level, ipa.v, desc, out);
    return out->valid;
}

unsigned s2_table_walk(const struct s2_table *t, s2_ipa ipa, struct s2_walk_step steps[5])
{
    uint64_t desc;
    int level;

    if (ipa.v >= s2_ipa_limit(&t->geo))
        return 0;
    return descend(t, ipa.v, steps, &level, &desc);
}

static bool visit_node(const struct s2_table *t, const struct s2_node *n, uint64_t start, uint64_t end, s2_leaf_fn *fn,
                       void *arg)
{
    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t desc = s2_port_pte_load(t->port, &n->slots[s2_node_index(t, n, at)]);

        next = s2_entry_end(t, n->level, at, end);
        if (!(desc & DESC_VALID))
            continue;
        if (s2_desc_is_table(n->level, desc)) {
            struct s2_node child = s2_node_child(t, n, at, desc);

            if (!visit_node(t, &child, at, next, fn, arg))
                return false;
        } else {
            struct s2_leaf leaf;

            s2_leaf_describe(t, n->level, at, desc, &leaf);
            if (!fn(arg, &leaf))
                return false;
        }
    }
    return true;
}

void s2_table_visit(const struct s2_table *t, struct s2_ipa_range range, s2_leaf_fn *fn, void *arg)
{
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level);
    uint64_t end = s2_min_u64(range.end.v, s2_ipa_limit(&t->geo));
    bool more = true;

    for (uint64_t at = range.start.v, next; more && at < end; at = next) {
        struct s2_node root = s2_node_root(t, at);

        next = s2_min_u64(root.base + bytes, end);
        more = visit_node(t, &root, at, next, fn, arg);
    }
}

static void count_node(const struct s2_table *t, const struct s2_node *n, struct s2_table_counts *out)
{
    unsigned left = __atomic_load_n(&n->page->tables, __ATOMIC_RELAXED);
    unsigned valid = __atomic_load_n(&n->page->valid, __ATOMIC_RELAXED);

    out->tables[n->level + 1]++;
    out->leaves[n->level + 1] += valid > left ? valid - left : 0; /* a fault may be between the two */
    for (uint64_t i = 0; left && i < s2_entries(t); i++) {
        uint64_t desc = s2_port_pte_load(t->port, &n->slots[i]);

        if (s2_desc_is_table(n->level, desc)) {
            struct s2_node child = s2_node_child(t, n, n->base + i * s2_entry_bytes(t, n->level), desc);

            left--;
            count_node(t, &child, out);
        }
    }
}

void s2_table_count(const struct s2_table *t, struct s2_table_counts *out)
{
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level);

    *out = (struct s2_table_counts){{0}, {0}};
    for (uint64_t i = 0; i < t->geo.roots; i++) {
        struct s2_node root = s2_node_root(t, i * bytes);

        count_node(t, &root, out);
    }
}
