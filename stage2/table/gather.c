/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What an operation has still to invalidate, publish and free. */
#include "table/engine.h"

void s2_gather_init(struct s2_gather *g)
{
    *g = (struct s2_gather){.dead = S2_TSTASH_EMPTY, .spare = S2_TSTASH_EMPTY};
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
    bool unsettled = make && (g->all || meets(g->range, range));

    for (unsigned i = 0; i < g->makes; i++)
        unsettled |= meets(g->make[i].range, range);
    if (unsettled)
        s2_gather_flush(t, g);
}

void s2_gather_flush(struct s2_table *t, struct s2_gather *g)
{
    const struct s2_gather rest = {.dead = g->dead, .spare = g->spare, .detached = g->detached};

    if (s2_gather_pends(g))
        s2_flush_invalidate(t, g);
    else if (g->made)
        s2_port_barrier(t->port, S2_DSB_ISHST);
    for (unsigned i = 0; i < g->makes; i++)
        make(t, &g->make[i]);
    if (g->makes)
        s2_port_barrier(t->port, S2_DSB_ISHST);
    *g = rest;
}

/* Queues the tables below the dead table `index`, forgets its leaves, and hands the page over. */
static void free_page(struct s2_table *t, struct s2_tstash *dead, struct s2_tstash *freed, uint32_t index)
{
    const struct s2_tpage *page = &t->pool->meta[index];
    const uint64_t *slots = s2_port_table(t->port, s2_tpool_pa(t->pool, index));
    unsigned left = page->valid, leaves = 0;

    if (page->level == S2_LAST_LEVEL) {
        leaves = left;
        left = 0;
    }
    for (unsigned i = 0; left; i++) {
        uint64_t desc = s2_port_pte_load(t->port, &slots[i]);

        if (!desc)
            continue;
        left--;
        if (s2_desc_is_table(page->level, desc))
            s2_tstash_push(t->pool, dead, s2_tpool_index(t->pool, s2_desc_oa(t, desc)));
        else
            leaves++;
    }
    s2_leaves_sub(t, page->level, leaves);
    s2_tstash_push(t->pool, freed, index);
}

bool s2_gather_reuse(struct s2_table *t, struct s2_gather *g, struct s2_tstash *stash)
{
    uint32_t index;

    if (!g->dead.count)
        return false;
    index = s2_tstash_pop(t->pool, &g->dead);
    free_page(t, &g->dead, stash, index);
    t->pool->meta[index].level = S2_TPAGE_HELD;
    t->pool->meta[index].flags = 0;
    return true;
}

bool s2_gather_free_step(struct s2_table *t, struct s2_gather *g, uint32_t budget)
{
    while (g->dead.count && g->spare.count < budget)
        free_page(t, &g->dead, &g->spare, s2_tstash_pop(t->pool, &g->dead));
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
