/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What an operation has still to invalidate, publish and free. */
#include "table/engine.h"

/* Nothing to invalidate or to make; the records that were made stay as they are, most of an operation's stack. */
static void forget(struct s2_gather *g)
{
    g->range = (struct s2_ipa_range){S2_IPA(0), S2_IPA(0)};
    g->level = 0;
    g->tables = g->broadcast = g->all = g->made = false;
    g->makes = 0;
}

void s2_gather_init(struct s2_gather *g)
{
    forget(g);
    g->dead = g->spare = S2_TSTASH_EMPTY;
    g->detached = 0;
}

static bool empty(const struct s2_gather *g)
{
    return g->range.start.v >= g->range.end.v;
}

bool s2_gather_pends(const struct s2_gather *g)
{
    return g->all || !empty(g);
}

void s2_gather_add(struct s2_gather *g, uint64_t start, uint64_t end, int level, bool broadcast)
{
    if (empty(g)) {
        g->range = (struct s2_ipa_range){S2_IPA(start), S2_IPA(end)};
        g->level = (int8_t)level;
    } else {
        g->range.start.v = s2_min_u64(g->range.start.v, start);
        g->range.end.v = s2_max_u64(g->range.end.v, end);
        if (g->level != level)
            g->level = S2_LEVEL_MIXED;
    }
    g->broadcast |= broadcast;
}

static void owe(struct s2_table *t, struct s2_gather *g)
{
    __atomic_fetch_add(&t->detached, 1, __ATOMIC_RELAXED);
    g->detached++;
}

void s2_gather_detach(struct s2_table *t, struct s2_gather *g, uint64_t desc)
{
    s2_tstash_push(t->pool, &g->dead, s2_tpool_index(t->pool, s2_desc_oa(t, desc)));
    owe(t, g);
    g->tables = true;
}

void s2_gather_spare(struct s2_table *t, struct s2_gather *g, struct s2_tstash *unused)
{
    if (!unused->count)
        return;
    s2_tstash_move(t->pool, unused, &g->spare, unused->count);
    owe(t, g);
}

void s2_gather_make(struct s2_table *t, struct s2_gather *g, uint64_t *slot, uint32_t run, uint64_t desc,
                    struct s2_ipa_range range)
{
    if (g->makes == S2_GATHER_MAKES)
        s2_gather_flush(t, g);
    g->make[g->makes++] = (struct s2_gather_make){slot, desc, run, range};
}

static void make(struct s2_table *t, const struct s2_gather_make *m)
{
    if (!m->run)
        s2_port_pte_store_release(t->port, m->slot, m->desc);
    for (uint32_t i = 0; i < m->run; i++) {
        uint64_t desc = s2_port_pte_load(t->port, &m->slot[i]);

        if (desc && !(desc & DESC_VALID))
            s2_port_pte_store(t->port, &m->slot[i], desc | m->desc);
    }
}

static bool meets(struct s2_ipa_range a, struct s2_ipa_range b)
{
    return a.start.v < b.end.v && b.start.v < a.end.v;
}

void s2_gather_settle(struct s2_table *t, struct s2_gather *g, struct s2_ipa_range range, bool make)
{
    /* A table that is gone translated more than what was taken out of it last. */
    bool unsettled = make && (g->all || g->tables || meets(g->range, range));

    for (unsigned i = 0; i < g->makes; i++)
        unsettled |= meets(g->make[i].range, range);
    if (unsettled)
        s2_gather_flush(t, g);
}

void s2_gather_flush(struct s2_table *t, struct s2_gather *g)
{
    if (s2_gather_pends(g))
        s2_flush_invalidate(t, g);
    else if (g->made)
        s2_port_barrier(t->port, S2_DSB_ISHST);
    for (unsigned i = 0; i < g->makes; i++)
        make(t, &g->make[i]);
    if (g->makes)
        s2_port_barrier(t->port, S2_DSB_ISHST);
    forget(g);
}

/* The tables that the dead table `index` leads to are dead by themselves. */
static void part(struct s2_table *t, struct s2_tstash *dead, uint32_t index)
{
    const struct s2_tpage *page = &t->pool->meta[index];
    const uint64_t *slot = s2_port_table(t->port, s2_tpool_pa(t->pool, index));

    for (unsigned left = page->tables; left; slot++) {
        uint64_t desc = s2_port_pte_load(t->port, slot);

        if (!s2_desc_is_table(page->level, desc))
            continue;
        left--;
        s2_tstash_push(t->pool, dead, s2_tpool_index(t->pool, s2_desc_oa(t, desc)));
    }
}

bool s2_gather_reuse(struct s2_table *t, struct s2_gather *g, struct s2_tstash *stash)
{
    uint32_t index;

    if (!g->dead.count)
        return false;
    index = s2_tstash_pop(t->pool, &g->dead);
    part(t, &g->dead, index);
    t->pool->meta[index].level = S2_TPAGE_HELD;
    t->pool->meta[index].flags = 0;
    t->pool->meta[index].tables = 0;
    s2_tstash_push(t->pool, stash, index);
    return true;
}

bool s2_gather_free_step(struct s2_table *t, struct s2_gather *g, uint32_t budget)
{
    struct s2_tstash trees = S2_TSTASH_EMPTY;

    for (; g->dead.count && budget; budget--) {
        uint32_t index = s2_tstash_pop(t->pool, &g->dead);
        struct s2_tpage *page = &t->pool->meta[index];

        if (page->level < S2_LAST_LEVEL - 1) { /* the pool takes trees of two levels */
            part(t, &g->dead, index);
            page->tables = 0;
        }
        s2_tstash_push(t->pool, &trees, index);
    }
    s2_tpool_give_trees(t->pool, &t->quota, &trees);
    s2_tpool_give(t->pool, &t->quota, &g->spare);
    if (g->dead.count)
        return true;
    /* The last that is done to the table: who takes it down waits for this (destroy.c). */
    __atomic_fetch_sub(&t->detached, g->detached, __ATOMIC_RELEASE);
    g->detached = 0;
    return false;
}

void s2_gather_free(struct s2_table *t, struct s2_gather *g)
{
    s2_gather_free_step(t, g, UINT32_MAX);
}
