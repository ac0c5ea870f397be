/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Taking a space down. Translations go first and at once, by one store per root entry and one flush; then tables, memory
 * and rights in steps, so that nothing stalls. A dying space refuses all else. */
#include <stage2/colours.h>

#include "space/inner.h"

void s2_space_destroy_begin(struct s2_space *sp)
{
    s2_space_lock(sp);
    __atomic_store_n(&sp->dying, true, __ATOMIC_RELAXED); /* promote.c looks at it without the lock */
    s2_gather_init(&sp->last);
    s2_longs_end(sp);
    s2_table_detach_all(&sp->table, &sp->last);
    s2_gather_flush(&sp->table, &sp->last);
    s2_space_unlock(sp);
    (void)s2_share_orphan(sp->cfg.ledger, sp->cfg.id); /* what it offered nobody takes any more */
}

/* What the backend of the area at sp->gone holds for about `budget` frames of it goes back. False: no area is left. Its
 * ledger entries go whole, with what later steps and areas have of them, so that this needs no node. */
static bool release_areas(struct s2_space *sp, uint64_t budget)
{
    struct s2_change c = {.step = S2_STEP_UNMAP};
    uint64_t granule = s2_granule_bytes(&sp->cfg.geometry), most = s2_ipa_limit(&sp->cfg.geometry) / S2_FRAME;
    uint64_t bytes = s2_max_u64((s2_min_u64(budget, most) * S2_FRAME) & ~(granule - 1), granule);
    struct s2_op op;

    if (!s2_area_set_find_from(&sp->areas, sp->gone, &c.area))
        return false;
    c.part.start = S2_IPA(s2_max_u64(c.area.range.start.v, sp->gone.v));
    c.part.end = c.area.range.end;
    if (c.area.backend->release) {
        c.part.end.v = s2_min_u64(c.part.end.v, c.part.start.v + bytes);
        c.goes = (struct s2_ipa_range){c.part.start, S2_IPA(s2_ipa_limit(&sp->cfg.geometry))};
        s2_op_begin(&op, sp, NULL);
        c.area.backend->release(sp, &op, &c);
    }
    sp->gone = c.part.end;
    return true;
}

bool s2_space_destroy_step(struct s2_space *sp, uint64_t budget)
{
    uint32_t pages = (uint32_t)s2_min_u64(budget ? budget : 1, UINT32_MAX);
    bool left;

    if (s2_gather_free_step(&sp->table, &sp->last, pages))
        return true;
    s2_space_lock(sp);
    left = release_areas(sp, budget ? budget : 1);
    s2_space_unlock(sp);
    /* An operation that came before may still be giving its tables back (s2_op_dispose). */
    left = left || s2_share_orphan(sp->cfg.ledger, sp->cfg.id) ||
           s2_share_scrub_left(sp->cfg.ledger, sp->cfg.id, budget ? budget : 1);
    return left || __atomic_load_n(&sp->table.detached, __ATOMIC_ACQUIRE);
}

void s2_space_destroy_end(struct s2_space *sp)
{
    s2_space_lock(sp);
    s2_imap_clear(&sp->areas.map);
    s2_imap_clear(&sp->chunks);
    s2_space_unlock(sp);
    s2_cut_release(sp);
    s2_table_fini(&sp->table);
}

/* A whole entry of this VM's is nobody's. */
static void give_back(struct s2_space *sp, struct s2_ledger_entry *e)
{
    bool ram = e->state == S2_OWNED;

    e->ipa = S2_IPA_NONE;
    e->owner = S2_OWNER_NONE;
    e->state = ram ? S2_FREE : S2_DEVICE;
    e->rights = ram ? S2_RWX : e->rights;
    e->pooled = false;
    s2_ledger_set(sp->cfg.ledger, e);
    if (ram)
        s2_frames_give_back(sp->cfg.frames, e->range); /* not all of it need be of the VM's allocator */
}

bool s2_space_disown_step(struct s2_space *sp)
{
    enum { FRAMES_AT_ONCE = 64 };
    struct s2_ledger_entry e;

    if (s2_share_scrub_left(sp->cfg.ledger, sp->cfg.id, FRAMES_AT_ONCE)) {
        sp->swept = S2_PA(0); /* it may lie below what went before */
        return true;
    }
    for (s2_pa at = sp->swept; s2_ledger_next(sp->cfg.ledger, at, &e); at = e.range.end) {
        if (e.owner != sp->cfg.id || (e.state != S2_OWNED && e.state != S2_DEVICE))
            continue;
        sp->swept = e.range.end;
        give_back(sp, &e);
        return true;
    }
    if (s2_colours_take_back(sp->cfg.ledger, sp->cfg.id))
        return true;
    sp->swept = S2_PA(0); /* what a borrower leaves behind later is the next call's */
    return false;
}
