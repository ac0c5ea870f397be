/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* When what is mapped may become larger leaves: never in the fault path, and inside one area only. */
#include "space/inner.h"

/* What one leaf may cover around ipa: no more than one area, and one run of its memory. */
static struct s2_ipa_range within(void *arg, s2_ipa ipa)
{
    const struct s2_space *sp = arg;
    const struct s2_ipa_range none = {ipa, ipa};
    struct s2_ipa_range run;
    struct s2_area area;
    s2_pa pa;

    /* cover: what is mapped is an area's */
    if (!s2_area_set_find(&sp->areas, ipa, &area))
        return none;
    /* cover: and the area has memory there */
    if (!s2_area_memory(sp, &area, ipa, &run, &pa))
        return none;
    return s2_range_meet(area.range, run);
}

/* Without the lock a guess. */
static bool wanted(const struct s2_space *sp)
{
    if (!s2_table_marked(&sp->table) || sp->cfg.small_leaves || __atomic_load_n(&sp->promotion_off, __ATOMIC_RELAXED) ||
        __atomic_load_n(&sp->dying, __ATOMIC_RELAXED))
        return false;
    /* Long work comes back for what it has not done yet: marks wait for its end. */
    return !__atomic_load_n(&sp->longs, __ATOMIC_RELAXED);
}

bool s2_promote(struct s2_space *sp, struct s2_gather *g, unsigned budget)
{
    bool more;

    s2_gather_init(g);
    if (!wanted(sp))
        return false;
    more = s2_table_promote(&sp->table, g, budget, within, sp);
    s2_gather_flush(&sp->table, g);
    return more;
}

/* Not inline: the gather is large, and hardly ever needed. */
__attribute__((noinline)) static void promote_and_unlock(struct s2_space *sp)
{
    struct s2_gather g;

    (void)s2_promote(sp, &g, S2_PROMOTE_BUDGET);
    s2_space_unlock(sp);
    if (g.detached) /* else nothing keeps the table alive (destroy.c) */
        s2_gather_free(&sp->table, &g);
}

void s2_unlock_promoting(struct s2_space *sp)
{
    if (wanted(sp))
        promote_and_unlock(sp);
    else
        s2_space_unlock(sp);
}

void s2_promote_after_fault(struct s2_space *sp)
{
    if (wanted(sp) && s2_port_trylock(sp->cfg.port, &sp->lock, S2_LOCK_SPACE, sp->cfg.id))
        s2_unlock_promoting(sp);
}

void s2_space_promotion(struct s2_space *sp, bool on)
{
    s2_space_lock(sp);
    __atomic_store_n(&sp->promotion_off, !on, __ATOMIC_RELAXED);
    s2_space_unlock(sp);
}

bool s2_space_promote_step(struct s2_space *sp, unsigned budget)
{
    struct s2_gather g;
    bool more;

    s2_space_lock(sp);
    more = s2_promote(sp, &g, budget);
    s2_space_unlock(sp);
    if (g.detached) /* else nothing keeps the table alive (destroy.c) */
        s2_gather_free(&sp->table, &g);
    return more;
}
