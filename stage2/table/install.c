/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The fault path: one leaf, installed against other vCPUs that do the same, by compare-and-swap of an empty entry. Nothing
 * is unlinked under the shared lock, so a table once seen stays. */
#include "table/engine.h"

struct job {
    struct s2_table *t;
    struct s2_tstash *cache;
    struct s2_ipa_range within;
    uint64_t ipa, delta, attr_bits;
};

/* The level of the largest leaf from `level` down that may translate ipa. */
static int leaf_level(const struct job *j, int level)
{
    for (; level < S2_LAST_LEVEL; level++) {
        uint64_t start = j->ipa & ~(s2_entry_bytes(j->t, level) - 1);

        if (start >= j->within.start.v && s2_leaf_fits(j->t, level, start, j->within.end.v, j->delta))
            break;
    }
    return level;
}

/* The leaf at `leaf`, inside as many new tables as there are levels from `level` to it. */
static uint64_t build(const struct job *j, int level, int leaf)
{
    unsigned shift = s2_level_shift(&j->t->geo, leaf), stride = j->t->geo.stride;
    uint64_t pa = (j->ipa >> shift << shift) + j->delta;
    uint64_t desc = s2_desc_leaf(j->t, leaf, pa, j->attr_bits) | DESC_AF, link; /* it is being accessed */

    for (; leaf > level; leaf--, shift += stride) {
        uint64_t base = j->ipa >> shift >> stride << stride << shift;
        struct s2_node n = s2_node_new(j->t, j->cache, leaf, base, j->ipa, j->ipa + 1, &link);

        s2_port_pte_store(j->t->port, &n.slots[(j->ipa - base) >> shift], desc);
        n.page->valid = 1;
        n.page->tables = s2_desc_is_table(leaf, desc);
        if (!n.page->tables)
            n.page->sum = s2_leaf_sum(j->t, &n, j->ipa, desc);
        desc = link;
    }
    return desc;
}

/* The race was lost: pages that were never published go back as they came, all zero. */
static void unbuild(const struct job *j, const struct s2_node *parent, uint64_t desc)
{
    struct s2_node n = *parent;

    while (s2_desc_is_table(n.level, desc)) {
        uint64_t *slot;

        n = s2_node_child(j->t, &n, j->ipa, desc);
        slot = &n.slots[s2_node_index(j->t, &n, j->ipa)];
        s2_tstash_push(j->t->pool, j->cache, s2_tpool_index(j->t->pool, s2_desc_oa(j->t, desc)));
        desc = s2_port_pte_load(j->t->port, slot);
        s2_port_pte_store(j->t->port, slot, 0);
        n.page->valid = n.page->tables = 0;
        n.page->level = S2_TPAGE_HELD;
        n.page->flags = S2_TPAGE_ZERO;
    }
}

/* The leaf, or the tables around it, stand in n now. The sum first: who makes the count full finds all of it. */
static void account(const struct job *j, const struct s2_node *n, int leaf, uint64_t desc)
{
    if (leaf == n->level) {
        __atomic_fetch_add(&n->page->sum, s2_leaf_sum(j->t, n, j->ipa, desc), __ATOMIC_RELAXED);
        __atomic_fetch_add(&n->page->valid, 1, __ATOMIC_ACQ_REL);
        s2_mark_leaf(j->t, n, j->ipa, desc);
    } else {
        __atomic_fetch_add(&n->page->tables, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&n->page->valid, 1, __ATOMIC_ACQ_REL);
    }
}

enum s2_install s2_table_install(struct s2_table *t, struct s2_tstash *cache, struct s2_ipa_range within, s2_ipa ipa,
                                 s2_pa pa, s2_attr attr, uint32_t *need)
{
    uint64_t page = s2_granule_bytes(&t->geo) - 1;
    struct job j = {t, cache, within, ipa.v & ~page, (pa.v & ~page) - (ipa.v & ~page), s2_desc_attr_bits(t, attr)};

    /* A further turn: somebody else filled the entry meanwhile. At most one for each level. */
    for (;;) {
        struct s2_node n;
        uint64_t mine, was, *slot = s2_descend(t, ipa.v, &n, &was);
        int leaf;

        if (was)
            return S2_WAS_THERE;
        leaf = leaf_level(&j, n.level);
        if (cache->count < (uint32_t)(leaf - n.level)) {
            *need = (uint32_t)(leaf - n.level);
            return S2_NO_TABLE;
        }
        mine = build(&j, n.level, leaf);
        if (s2_port_pte_cas(t->port, slot, 0, mine)) {
            s2_port_barrier(t->port, S2_DSB_ISHST);
            account(&j, &n, leaf, mine);
            return S2_INSTALLED;
        }
        unbuild(&j, &n, mine);
    }
}
