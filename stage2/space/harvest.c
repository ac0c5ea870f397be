/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a guest accessed and wrote. */
#include "space/inner.h"

static bool tracks(const struct s2_geometry *g, unsigned what)
{
    return what && !(what & ~(unsigned)(S2_TOUCH_ACCESS | S2_TOUCH_WRITE)) &&
           (g->track_access || !(what & S2_TOUCH_ACCESS)) && (g->track_dirty || !(what & S2_TOUCH_WRITE));
}

enum s2_err s2_space_harvest(struct s2_space *sp, struct s2_ipa_range range, unsigned what, s2_leaf_fn *fn, void *arg)
{
    const struct s2_geometry *g = &sp->cfg.geometry;
    enum s2_err err = S2_OK;
    struct s2_gather gather;

    if (!tracks(g, what))
        return S2_EUNSUP;
    if ((range.start.v | range.end.v) & (s2_granule_bytes(g) - 1) || range.start.v > range.end.v ||
        range.end.v > s2_ipa_limit(g))
        return S2_EINVAL;
    s2_gather_init(&gather);
    s2_space_lock(sp);
    if (sp->dying)
        err = S2_EDYING;
    else
        s2_table_harvest(&sp->table, &gather, range, what, fn, arg);
    s2_gather_flush(&sp->table, &gather);
    s2_space_unlock(sp);
    return err;
}
