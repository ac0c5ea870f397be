/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Populating a large area in steps. Begin takes all of the memory into sp->chunks, where no area shows it yet: neither a
 * guest nor another operation can reach it, so that zeroing needs no lock. The area then grows over it.
 *
 *     range.start      done           clean                range.end
 *     | mapped, area   | zeroed       | taken, ledger's    |
 */
#include "space/area_set.h"
#include "space/inner.h"

/* --- begin ----------------------------------------------------------------------------------------------------------- */

enum {
    /* One insertion in a map of whatever height. */
    AREA_NODES = S2_AREA_CUT_NODES,
    /* What abort sets in the ledger cuts at most an entry at each end of the area. */
    LEDGER_PROMISES = 2,
};

static enum s2_err take(struct s2_long *l, struct s2_space *sp)
{
    struct s2_change c = {.step = S2_STEP_MAP, .area = l->area, .part = l->range, .attr = l->area.attr};
    const struct s2_geometry *g = &sp->cfg.geometry;
    struct s2_op *op = &l->op;
    enum s2_err err = s2_area_prepare(&sp->areas, op, &c);

    if (err)
        return err;
    /* Tables at the two ends that stand for others' sake may be gone when the steps come there. */
    s2_op_need_tables(op, 2u * (uint32_t)(3 - g->start_level));
    err = s2_area_reserve(&sp->areas, op, 0, false);
    if (!err)
        err = s2_op_more_nodes(op, sp->cfg.nodes, AREA_NODES);
    if (err)
        return err;
    err = s2_ledger_promise(sp->cfg.ledger, sp->cfg.id, LEDGER_PROMISES);
    if (err)
        return s2_refuse(op->detail, err, S2_AXIS_NONE, 0, 0, "needs more ledger nodes than there are");
    err = s2_area_refused(op, l->area.backend->take(sp, op, &c), &c);
    if (err)
        s2_ledger_unpromise(sp->cfg.ledger, LEDGER_PROMISES);
    return err;
}

/* Only the nodes of the area, and table pages, are still needed. */
static void keep_rest(struct s2_long *l, struct s2_space *sp)
{
    struct s2_op *op = &l->op;
    struct s2_op_pool *nodes = &l->op.pool[0];

    s2_pool_unreserve(nodes->pool, nodes->taken - AREA_NODES);
    nodes->taken = AREA_NODES;
    s2_ledger_unreserve(sp->cfg.ledger, op->ledger_taken);
    op->ledger_taken = 0;
    l->op.detail = NULL;
}

static enum s2_err begin(struct s2_long *l, struct s2_space *sp)
{
    struct s2_area_set *set = &sp->areas;
    enum s2_err err = s2_area_enter(set, &l->op, l->range);

    if (err)
        return err;
    err = s2_area_check_free(set, &l->op, l->area.range);
    if (!err)
        err = take(l, sp);
    if (err)
        return s2_area_leave(set, &l->op, err);
    set->busy = NULL;
    s2_chunks_hold(sp, l->range.end.v);
    keep_rest(l, sp);
    s2_long_link(l, sp);
    return S2_OK;
}

enum s2_err s2_space_map_begin(struct s2_space *sp, struct s2_long *l, const struct s2_area *area, struct s2_detail *d)
{
    enum s2_err err = s2_space_check_area(sp, area, d);

    *l = (struct s2_long){
        .range = area->range, .done = area->range.start, .clean = area->range.start, .area = *area, .populates = true};
    if (!err && (area->backend != &s2_backend_alloc || s2_area_lazy(area)))
        err = s2_refuse(d, S2_EINVAL, S2_AXIS_IPA, area->range.start.v, area->range.end.v,
                        "has no memory that is to be taken");
    if (err)
        return err;
    err = s2_space_enter(sp, &l->op, area->range, d);
    return s2_space_leave(&l->op, err ? err : begin(l, sp));
}

/* --- steps ----------------------------------------------------------------------------------------------------------- */

/* What is taken from `at` on, as far as it lies together. */
static bool chunk_from(const struct s2_long *l, s2_ipa at, struct s2_chunk *c)
{
    return s2_chunk_next(&l->space->chunks, (struct s2_ipa_range){at, l->range.end}, c);
}

/* The leaf that mapping the chunk begins with. */
static uint64_t leaf_bytes(const struct s2_space *sp, const struct s2_chunk *c)
{
    return sp->cfg.small_leaves ? s2_granule_bytes(&sp->cfg.geometry)
                                : s2_table_leaf_bytes(&sp->table, c->range, c->pa);
}

/* Where a step that began at `from` and could get to `end` in the chunk stops, so that it cuts no run of leaves with the
 * Contiguous bit: at a multiple of the largest run that the memory is congruent for, if that is any progress. */
static uint64_t whole_runs(const struct s2_space *sp, const struct s2_chunk *c, s2_ipa from, uint64_t end)
{
    const struct s2_geometry *g = &sp->cfg.geometry;
    uint64_t delta = c->pa.v - c->range.start.v;

    if (end >= c->range.end.v || sp->cfg.small_leaves)
        return end;
    for (int level = g->block_level; level <= 3; level++) {
        uint64_t below =
            (1ull << (s2_level_shift(g, level) + g->run_log2[level + 1])) - 1; /* a run, or a single leaf */

        if (!(delta & below) && (end & ~below) > from.v)
            return end & ~below;
    }
    return end;
}

/* One stretch of memory is clean after this. Nobody else has it, so that it needs no lock; the map of chunks does. False: the
 * step, which began at `from`, cleans no more. */
static bool clean_some(struct s2_long *l, s2_ipa from, uint64_t *budget)
{
    struct s2_space *sp = l->space;
    struct s2_chunk c;
    uint64_t leaf = 0, most, bytes;
    bool found;

    s2_space_lock_shared(sp);
    found = chunk_from(l, l->clean, &c);
    if (found)
        leaf = leaf_bytes(sp, &c);
    s2_space_unlock_shared(sp);
    if (!found)
        return false;
    bytes = s2_range_bytes(c.range);
    most = bytes / (c.dirty ? S2_FRAME : leaf) > *budget ? *budget * (c.dirty ? S2_FRAME : leaf) : bytes;
    most = whole_runs(sp, &c, from, c.range.start.v + most);
    if (most <= c.range.start.v)
        return false;
    if (c.dirty) {
        bytes = most - c.range.start.v;
        s2_frames_zero(sp->cfg.port, c.pa, bytes);
        *budget -= bytes / S2_FRAME;
    } else { /* the next leaf may be another one */
        bytes = leaf;
        *budget -= 1;
    }
    l->clean.v += bytes;
    return true;
}

static void grow_area(struct s2_long *l, s2_ipa was)
{
    struct s2_area_set *set = &l->space->areas;
    struct s2_area area = l->area;

    area.range.end = l->done;
    area.flags |= S2_AREA_GROWING;
    if (was.v > area.range.start.v) {
        s2_area_replace(set, area.range.start, &area);
        return;
    }
    s2_area_insert(set, &area);
    s2_pool_unreserve(l->op.pool[0].pool, l->op.pool[0].taken);
    l->op.pool[0].taken = 0;
}

/* Lock held. A leaf waits until all of its memory is clean: at most one does, so that what is mapped here are no more leaves
 * than frames were cleaned in the same step. */
static void map_clean(struct s2_long *l)
{
    struct s2_space *sp = l->space;
    s2_ipa was = l->done;
    struct s2_chunk c;

    while (chunk_from(l, l->done, &c)) {
        struct s2_chunk left = c;

        while (left.range.start.v < left.range.end.v) {
            uint64_t bytes = leaf_bytes(sp, &left);

            if (left.range.start.v + bytes > l->clean.v)
                break;
            left.range.start.v += bytes;
            left.pa.v += bytes;
        }
        if (left.range.start.v > c.range.start.v)
            s2_map_run(sp, &l->op, (struct s2_ipa_range){c.range.start, left.range.start}, c.pa, l->area.attr);
        l->done = left.range.start;
        if (l->done.v < c.range.end.v)
            break;
    }
    if (l->done.v == was.v)
        return;
    s2_op_flush(&l->op);
    grow_area(l, was);
}

bool s2_space_map_step(struct s2_long *l, uint64_t budget)
{
    struct s2_space *sp = l->space;
    s2_ipa from = l->clean;
    bool more;

    if (!sp || l->aborts)
        return false;
    budget = budget ? budget : 1;
    while (budget && clean_some(l, from, &budget))
        ;
    s2_space_lock(sp);
    map_clean(l);
    more = l->done.v < l->range.end.v;
    s2_space_unlock(sp);
    return more;
}

/* --- ends ------------------------------------------------------------------------------------------------------------ */

static void finish(struct s2_long *l)
{
    struct s2_space *sp = l->space;

    s2_op_end(&l->op);
    s2_ledger_unpromise(sp->cfg.ledger, LEDGER_PROMISES);
    s2_long_unlink(l);
}

void s2_space_map_end(struct s2_long *l)
{
    struct s2_space *sp = l->space;

    if (!sp || l->aborts)
        return;
    (void)s2_space_map_step(l, UINT64_MAX);
    s2_space_lock(sp);
    s2_area_settle(&sp->areas, &l->area);
    s2_chunks_unmark(sp, l->range);
    finish(l);
    (void)s2_space_leave(&l->op, S2_OK);
}

/* The space is about to lose its tables: the area stands for all of its memory, so that this goes where all other goes. */
void s2_long_map_give_up(struct s2_long *l)
{
    s2_ipa was = l->done;

    l->done = l->range.end;
    grow_area(l, was);
    s2_gather_spare(&l->space->table, &l->space->last, &l->op.stash);
    finish(l);
}

/* Where the ledger's entry for the memory right below `end` begins, as far as that is the work's. */
static s2_ipa entry_start(const struct s2_long *l, s2_ipa end)
{
    struct s2_ledger_entry e;
    struct s2_chunk c;

    (void)chunk_from(l, S2_IPA(end.v - 1), &c);
    (void)s2_ledger_find(l->space->cfg.ledger, c.pa, &e);
    return S2_IPA(s2_max_u64(e.ipa.v, l->range.start.v));
}

/* How far down a step comes: what lies above *done is mapped no more after it, what lies above *end given back. That goes by
 * entries of the ledger: each that is cut could split a leaf, and there may be more of them than promises. */
static void reach(const struct s2_long *l, uint64_t budget, s2_ipa *done, s2_ipa *end)
{
    struct s2_leaf leaf;

    while (budget && end->v > l->range.start.v) {
        s2_ipa from = entry_start(l, *end), untouched = S2_IPA(s2_max_u64(from.v, l->clean.v));

        for (; budget && done->v > from.v; budget--) { /* whole leaves, so that nothing is split */
            (void)s2_table_lookup(&l->space->table, S2_IPA(done->v - 1), &leaf);
            *done = leaf.range.start;
        }
        if (done->v > from.v)
            return;
        if (end->v > untouched.v)
            budget -= s2_min_u64(budget, (end->v - untouched.v) / S2_FRAME);
        *end = from;
    }
}

static void unmap_from(struct s2_long *l, s2_ipa done)
{
    struct s2_space *sp = l->space;
    struct s2_op *op = &l->op;
    struct s2_area area = l->area;

    s2_table_unmap(&sp->table, &op->stash, &op->gather, (struct s2_ipa_range){done, l->done});
    s2_op_flush(&l->op);
    l->done = area.range.end = done;
    area.flags |= S2_AREA_GROWING;
    if (area.range.end.v > area.range.start.v)
        s2_area_replace(&sp->areas, area.range.start, &area);
    else
        s2_imap_erase(&sp->areas.map, area.range.start.v);
}

/* What was never mapped is as clean as it was. */
static void give_back_from(struct s2_long *l, s2_ipa end)
{
    struct s2_ipa_range goes = {end, l->range.end};
    s2_ipa untouched = S2_IPA(s2_max_u64(end.v, l->clean.v));

    s2_chunks_release(l->space, (struct s2_ipa_range){end, untouched}, goes, false);
    s2_chunks_release(l->space, (struct s2_ipa_range){untouched, goes.end}, goes, true);
    l->range.end = end;
    l->clean.v = s2_min_u64(l->clean.v, end.v);
}

bool s2_space_map_abort(struct s2_long *l, uint64_t budget)
{
    struct s2_space *sp = l->space;
    s2_ipa done = l->done, end = l->range.end;
    bool more;

    if (!sp)
        return false;
    s2_space_lock(sp);
    if (!l->aborts)
        l->clean = l->done;
    l->aborts = true;
    reach(l, budget ? budget : 1, &done, &end);
    if (done.v < l->done.v)
        unmap_from(l, done);
    give_back_from(l, end);
    more = l->range.start.v < l->range.end.v;
    if (!more)
        finish(l);
    (void)s2_space_leave(&l->op, S2_OK);
    return more;
}
