/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Taking a space down. Translations go first and at once, by one store per root entry and one flush; then tables, memory
 * and rights in steps, so that nothing stalls. A dying space refuses all else. */
#include "space/inner.h"

void s2_space_destroy_begin(struct s2_space *sp)
{
    s2_space_lock(sp);
    sp->dying = true;
    s2_longs_end(sp);
    s2_gather_init(&sp->last);
    s2_table_detach_all(&sp->table, &sp->last);
    s2_gather_flush(&sp->table, &sp->last);
    s2_space_unlock(sp);
}

/* What the backend of the area at sp->gone holds for about `budget` frames of it goes back. False: no area is left. */
static bool release_areas(struct s2_space *sp, uint64_t budget)
{
    struct s2_change c = {.step = S2_STEP_UNMAP};
    uint64_t bytes = s2_max_u64(budget * S2_FRAME, s2_granule_bytes(&sp->cfg.geometry));
    struct s2_op op;

    if (!s2_area_set_find_from(&sp->areas, sp->gone, &c.area))
        return false;
    c.part.start = S2_IPA(s2_max_u64(c.area.range.start.v, sp->gone.v));
    c.part.end = c.area.range.end;
    bytes &= ~(s2_granule_bytes(&sp->cfg.geometry) - 1);
    /* To stop inside a run of frames cuts its ledger entry, which the cut reserve covers; without it, all at once. */
    if (sp->cut_ledger)
        c.part.end.v = s2_min_u64(c.part.end.v, c.part.start.v + bytes);
    s2_op_begin(&op, sp, NULL);
    if (c.area.backend->release)
        c.area.backend->release(sp, &op, &c);
    sp->gone = c.part.end;
    return true;
}

bool s2_space_destroy_step(struct s2_space *sp, uint64_t budget)
{
    uint32_t pages = (uint32_t)s2_min_u64(budget ? budget : 1, UINT32_MAX);
    bool left;

    s2_space_lock(sp);
    left = s2_gather_free_step(&sp->table, &sp->last, pages) || release_areas(sp, budget ? budget : 1);
    s2_space_unlock(sp);
    return left;
}

void s2_space_destroy_end(struct s2_space *sp)
{
    s2_space_lock(sp);
    s2_imap_clear(&sp->areas.map);
    s2_imap_clear(&sp->chunks);
    s2_cut_release(sp);
    s2_table_fini(&sp->table);
    s2_space_unlock(sp);
}

bool s2_space_disown_step(struct s2_space *sp)
{
    struct s2_ledger_entry e;

    for (s2_pa at = sp->swept; s2_ledger_next(sp->cfg.ledger, at, &e); at = e.range.end) {
        bool device = e.state == S2_DEVICE;

        if (e.owner != sp->cfg.id || (e.state != S2_OWNED && !device))
            continue;
        e.owner = S2_OWNER_NONE;
        e.state = device ? S2_DEVICE : S2_FREE;
        if (!device)
            e.rights = S2_RWX;
        s2_ledger_set(sp->cfg.ledger, &e);
        if (!device)
            s2_frames_free(sp->cfg.frames, e.range, false, false);
        sp->swept = e.range.end;
        return true;
    }
    return false;
}
