/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Reading the tables: one address, a range, and the descriptors on the way. */
#include "table/engine.h"

/* `shift` is the level's: log2 of what an entry covers. */
static inline void describe(const struct s2_table *t, int level, unsigned shift, uint64_t ipa, uint64_t desc,
                            struct s2_leaf *out)
{
    uint64_t size = 1ull << shift, start = ipa & ~(size - 1);
    bool valid = desc & DESC_VALID;

    out->range = (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + size)};
    out->pa = valid ? s2_desc_oa(t, desc) : S2_PA(0);
    out->attr = valid ? s2_desc_attr(t, desc) : S2_ATTR(0);
    out->level = (int8_t)level;
    out->valid = valid;
    out->accessed = valid && desc & DESC_AF;
    out->dirty = valid && s2_desc_dirty(desc);
    out->contiguous = valid && desc & DESC_CONTIGUOUS;
    out->desc = desc;
}

void s2_leaf_describe(const struct s2_table *t, int level, uint64_t ipa, uint64_t desc, struct s2_leaf *out)
{
    describe(t, level, s2_level_shift(&t->geo, level), ipa, desc, out);
}

struct found {
    uint64_t desc;
    int level;
    unsigned shift, steps;
};

/* Reads down to the entry that ends a walk of ipa, which is below the IPA limit. Each step goes to steps when not null. */
static inline struct found descend(const struct s2_table *t, uint64_t ipa, struct s2_walk_step *steps)
{
    unsigned stride = t->geo.stride;
    struct found f = {.level = t->geo.start_level, .shift = s2_level_shift(&t->geo, t->geo.start_level)};
    uint64_t mask = s2_entries(t) - 1,
             index = ipa >> f.shift; /* concatenated roots are one, with as many more entries */

    for (s2_pa table = t->root;; table = s2_desc_oa(t, f.desc), index = ipa >> f.shift & mask) {
        f.desc = s2_port_pte_load(t->port, &s2_port_table(t->port, table)[index]);
        if (steps)
            steps[f.steps++] = (struct s2_walk_step){(int8_t)f.level, S2_PA(table.v + index * sizeof f.desc), f.desc};
        if (!s2_desc_is_table(f.level, f.desc))
            return f;
        f.level++;
        f.shift -= stride;
    }
}

/* Not through s2_node_child, nor descend(): of most tables on the way no more than one entry is wanted, and of the last one all. */
uint64_t *s2_descend(const struct s2_table *t, uint64_t ipa, struct s2_node *out, uint64_t *desc)
{
    unsigned stride = t->geo.stride, mask = (1u << stride) - 1;
    int level = t->geo.start_level;
    unsigned shift = s2_level_shift(&t->geo, level);
    s2_pa pa = {t->root.v + (ipa >> shift >> stride << t->geo.granule_log2)};

    for (;; level++, shift -= stride) {
        uint64_t *slots = s2_port_table(t->port, pa), *slot = &slots[ipa >> shift & mask];
        uint64_t says = s2_port_pte_load(t->port, slot);

        if (!s2_desc_is_table(level, says)) {
            *desc = says;
            out->slots = slots;
            out->page = &t->pool->meta[s2_tpool_index(t->pool, pa)];
            out->base = ipa >> shift >> stride << stride << shift;
            out->level = level;
            return slot;
        }
        pa = s2_desc_oa(t, says);
    }
}

bool s2_table_has(const struct s2_table *t, s2_ipa ipa)
{
    struct s2_node n;
    uint64_t desc;

    s2_descend(t, ipa.v, &n, &desc);
    return desc & DESC_VALID;
}

bool s2_table_lookup(const struct s2_table *t, s2_ipa ipa, struct s2_leaf *out)
{
    struct found f;

    if (ipa.v >= s2_ipa_limit(&t->geo)) {
        *out = (struct s2_leaf){.range = {S2_IPA(s2_ipa_limit(&t->geo)), S2_IPA_NONE}, .level = t->geo.start_level};
        return false;
    }
    f = descend(t, ipa.v, NULL);
    describe(t, f.level, f.shift, ipa.v, f.desc, out);
    return out->valid;
}

unsigned s2_table_walk(const struct s2_table *t, s2_ipa ipa, struct s2_walk_step steps[5])
{
    return ipa.v < s2_ipa_limit(&t->geo) ? descend(t, ipa.v, steps).steps : 0;
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
