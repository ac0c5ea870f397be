/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What all long work has in common: its place in the list of what keeps ranges busy. */
#include "space/inner.h"
#include "space/steps.h"

struct s2_long *s2_long_meeting(const struct s2_space *sp, struct s2_ipa_range range)
{
    for (struct s2_long *l = sp->longs; l; l = l->next)
        if (range.start.v < l->range.end.v && l->range.start.v < range.end.v)
            return l;
    return NULL;
}

void s2_long_link(struct s2_long *l, struct s2_space *sp)
{
    l->space = sp;
    l->next = sp->longs;
    __atomic_store_n(&sp->longs, l, __ATOMIC_RELAXED); /* promote.c looks at it without the lock */
}

void s2_long_unlink(struct s2_long *l)
{
    struct s2_long **at = &l->space->longs;

    while (*at != l)
        at = &(*at)->next;
    __atomic_store_n(at, l->next, __ATOMIC_RELAXED);
    l->space = NULL;
}

void s2_longs_end(struct s2_space *sp)
{
    while (sp->longs) {
        if (sp->longs->populates)
            s2_long_map_give_up(sp->longs);
        else if (sp->longs->unmaps)
            s2_long_unmap_give_up(sp->longs);
        else
            s2_long_protect_give_up(sp->longs);
    }
}

void s2_steps_take_over(struct s2_long *l, struct s2_space *sp)
{
    l->ahead.tables = l->op.stash;
    l->op.stash = S2_TSTASH_EMPTY;
    for (unsigned i = 0; i < S2_OP_POOLS; i++) {
        if (l->op.pool[i].pool != sp->cfg.nodes)
            continue;
        l->ahead.nodes = l->op.pool[i].taken;
        l->op.pool[i].taken = 0;
    }
}

void s2_steps_settle_nodes(struct s2_long *l, uint32_t before, uint32_t now)
{
    struct s2_pool *pool = l->space->cfg.nodes;

    if (now > before) {
        uint32_t used = (uint32_t)s2_min_u64(now - before, l->ahead.nodes);

        s2_pool_unreserve(pool, used);
        l->ahead.nodes -= used;
    } else if (before > now && /* cover: the nodes that just came free are there */
               !s2_pool_reserve(pool, before - now)) {
        l->ahead.nodes += before - now;
    }
}

void s2_steps_end(struct s2_long *l, struct s2_gather *left)
{
    struct s2_space *sp = l->space;

    s2_pool_unreserve(sp->cfg.nodes, l->ahead.nodes);
    s2_gather_spare(&sp->table, left, &l->ahead.tables);
    s2_long_unlink(l);
}
