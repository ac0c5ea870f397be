/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What all long work has in common: its place in the list of what keeps ranges busy. */
#include "space/inner.h"

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
        else
            s2_long_protect_give_up(sp->longs);
    }
}
