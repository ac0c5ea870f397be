/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Is a table sound by itself? */
#include "table/engine.h"

struct audit {
    const struct s2_table *t;
    struct s2_ipa_range range; /* tables that meet it */
    uint32_t pages;
};

/* Is the member at index i of a whole run that is alike throughout? Asked of each run's first. */
static const char *check_run(const struct s2_table *t, const struct s2_node *n, unsigned i)
{
    unsigned members = 1u << t->geo.run_log2[n->level + 1];

    if (i & (members - 1))
        return s2_port_pte_load(t->port, &n->slots[i & ~(members - 1)]) & DESC_CONTIGUOUS
                   ? NULL
                   : "a leaf is marked contiguous, and the first of its run is not";
    for (unsigned m = 0; m < members; m++)
        if (!(s2_port_pte_load(t->port, &n->slots[i + m]) & DESC_CONTIGUOUS))
            return "a run of contiguous leaves is not whole";
    return s2_leaves_congruent(t, &n->slots[i], members, s2_entry_bytes(t, n->level))
               ? NULL
               : "the leaves of a contiguous run do not agree";
}

static const char *check_leaf(struct audit *a, const struct s2_node *n, unsigned i, uint64_t desc)
{
    const struct s2_table *t = a->t;
    s2_attr attr = s2_desc_attr(t, desc);

    if (!(desc & DESC_VALID))
        return "an entry holds something that is not valid";
    if (n->level < t->geo.block_level)
        return "a block stands at a level that has none";
    if (n->level == S2_LAST_LEVEL && !(desc & DESC_TYPE))
        return "a page descriptor is of the reserved type";
    if (desc & ~s2_desc_leaf_bits(t, n->level))
        return "a leaf has reserved bits set, or an output that is not aligned to its size";
    if ((desc ^ s2_desc_attr_bits(t, attr)) & t->format.attr & ~DESC_WRITE ||
        s2_attr_check(attr, &t->caps, t->geo.ds, NULL))
        return "a leaf has attributes that no area can ask for";
    return desc & DESC_CONTIGUOUS ? check_run(t, n, i) : NULL;
}

static bool in_pool(const struct s2_table *t, s2_pa pa)
{
    return pa.v - t->pool->base.v < (uint64_t)t->pool->pages << t->pool->granule_log2;
}

static const char *check_node(struct audit *a, const struct s2_node *n);

static bool meets(const struct s2_table *t, struct s2_ipa_range range, const struct s2_node *n)
{
    return n->base < range.end.v && range.start.v < n->base + s2_node_bytes(t, n->level);
}

static const char *check_table(struct audit *a, const struct s2_node *parent, uint64_t ipa, uint64_t desc)
{
    const struct s2_table *t = a->t;
    s2_pa pa = s2_desc_oa(t, desc);
    struct s2_node n;

    if (desc != s2_desc_table(t, pa))
        return "a table descriptor has reserved bits set";
    if (!in_pool(t, pa))
        return "a table descriptor leads out of the pool";
    n = s2_node_child(t, parent, ipa, desc);
    if (!n.page->valid)
        return "an empty table is linked";
    return meets(t, a->range, &n) ? check_node(a, &n) : NULL;
}

/* Bounded by the number of levels; a page met twice ends it. */
static const char *check_node(struct audit *a, const struct s2_node *n)
{
    const struct s2_table *t = a->t;
    const char *wrong = NULL;
    unsigned valid = 0, tables = 0;
    uint64_t sum = 0;

    if (n->page->flags & S2_TPAGE_SEEN)
        return "a table page is linked twice";
    n->page->flags |= S2_TPAGE_SEEN;
    a->pages++;
    if (n->page->level != n->level || n->page->space != t->id)
        return "a table page is recorded as another one";
    for (unsigned i = 0; i < s2_entries(t) && !wrong; i++) {
        uint64_t desc = s2_port_pte_load(t->port, &n->slots[i]);
        uint64_t ipa = n->base + i * s2_entry_bytes(t, n->level);

        if (!desc)
            continue;
        valid++;
        if (ipa >= s2_ipa_limit(&t->geo))
            wrong = "an entry lies beyond the IPA size";
        else if (s2_desc_is_table(n->level, desc))
            wrong = check_table(a, n, ipa, desc);
        else
            wrong = check_leaf(a, n, i, desc);
        if (s2_desc_is_table(n->level, desc))
            tables++;
        else
            sum += s2_leaf_sum(t, n, ipa, desc);
    }
    if (!wrong && (valid != n->page->valid || tables != n->page->tables))
        wrong = "the count of entries in a table is wrong";
    if (!wrong && sum != n->page->sum)
        wrong = "the sum of a table's leaves is wrong";
    return wrong;
}

/* Every page that was met is so no more. No others are touched: vCPUs may be filling their caches. */
static void forget_node(const struct s2_table *t, const struct s2_node *n)
{
    n->page->flags &= (uint8_t)~S2_TPAGE_SEEN;
    for (unsigned i = 0; n->level < S2_LAST_LEVEL && i < s2_entries(t); i++) {
        uint64_t desc = s2_port_pte_load(t->port, &n->slots[i]);
        struct s2_node child;

        if (!s2_desc_is_table(n->level, desc) || !in_pool(t, s2_desc_oa(t, desc)))
            continue;
        child = s2_node_child(t, n, n->base + i * s2_entry_bytes(t, n->level), desc);
        if (child.page->flags & S2_TPAGE_SEEN)
            forget_node(t, &child);
    }
}

static const char *check(struct audit *a)
{
    const struct s2_table *t = a->t;
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level), limit = s2_ipa_limit(&t->geo);
    const char *wrong = NULL;

    for (uint64_t base = 0; base < limit && !wrong; base += bytes) {
        struct s2_node root = s2_node_root(t, base);

        if (meets(t, a->range, &root))
            wrong = check_node(a, &root);
    }
    for (uint64_t base = 0; base < limit; base += bytes) {
        struct s2_node root = s2_node_root(t, base);

        if (root.page->flags & S2_TPAGE_SEEN)
            forget_node(t, &root);
    }
    return wrong;
}

const char *s2_table_check(const struct s2_table *t)
{
    struct audit a = {.t = t, .range = {S2_IPA(0), S2_IPA(s2_ipa_limit(&t->geo))}};
    const char *wrong = check(&a);
    uint32_t charged;

    s2_port_lock(t->pool->port, &t->pool->lock, S2_LOCK_TPOOL, 0); /* faults refill caches meanwhile */
    charged = t->quota.used;
    s2_port_unlock(t->pool->port, &t->pool->lock);
    if (!wrong && a.pages > charged)
        wrong = "more table pages are linked than were charged";
    return wrong;
}

const char *s2_table_check_range(const struct s2_table *t, struct s2_ipa_range range)
{
    struct audit a = {.t = t, .range = range};

    return check(&a);
}
