/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Unmapping a large range in steps. Each step is an unmap of its own, of whole pieces of memory, with what begin took ahead.
 * Pieces end where entries of the ledger do, so that only the two ends of the range cut any, however small the steps are. */
#include "space/area_set.h"
#include "space/inner.h"
#include "space/steps.h"

enum {
    /* What the first step cuts an area with, and a chunk; later ones only move where that begins. */
    CUTS_AREA = 1,
    CUTS_CHUNK = 1,
    LEDGER_PROMISES = 2, /* an entry at each end of the range */
};

/* --- begin ----------------------------------------------------------------------------------------------------------- */

static void give_promises(struct s2_long *l, struct s2_space *sp)
{
    if (l->promises && !sp->cut_ledger) {
        sp->cut_ledger = true;
        l->promises--;
    }
    s2_ledger_unpromise(sp->cfg.ledger, l->promises);
    l->promises = 0;
}

/* The standing promise of the space stands in for one that cannot be had. */
static enum s2_err take_promises(struct s2_long *l, struct s2_space *sp)
{
    while (l->promises < LEDGER_PROMISES && !s2_ledger_promise(sp->cfg.ledger, sp->cfg.id, 1))
        l->promises++;
    if (l->promises < LEDGER_PROMISES && sp->cut_ledger) {
        sp->cut_ledger = false;
        l->promises++;
    }
    if (l->promises == LEDGER_PROMISES)
        return S2_OK;
    give_promises(l, sp);
    return s2_refuse(l->op.detail, S2_ECUT, S2_AXIS_NONE, 0, 0,
                     "may cut runs of frames, and the cut reserve is used up");
}

static enum s2_err take(struct s2_long *l, struct s2_space *sp)
{
    enum s2_err err;

    s2_op_may_cut(&l->op);
    l->op.tables = s2_cut_tables(&sp->cfg.geometry);
    l->op.cuts = 0;
    err = s2_op_need_nodes(&l->op, sp->cfg.nodes, (CUTS_AREA + CUTS_CHUNK) * S2_AREA_CUT_NODES);
    /* cover: nodes of one pool, and few */
    if (!err)
        err = s2_op_reserve(&l->op);
    if (!err)
        err = take_promises(l, sp);
    return err;
}

static enum s2_err begin(struct s2_long *l, struct s2_space *sp)
{
    enum s2_err err = s2_area_plan_unmap(&sp->areas, &l->op, l->range);

    if (!err)
        err = take(l, sp);
    if (!err) {
        s2_steps_take_over(l, sp);
        s2_long_link(l, sp);
    }
    return s2_area_leave(&sp->areas, &l->op, err);
}

enum s2_err s2_space_unmap_begin(struct s2_space *sp, struct s2_long *l, struct s2_ipa_range range, struct s2_detail *d)
{
    enum s2_err err;

    *l = (struct s2_long){.range = range, .done = range.start, .unmaps = true, .ahead = {.tables = S2_TSTASH_EMPTY}};
    err = s2_space_enter(sp, &l->op, range, d);
    return s2_space_leave(&l->op, err ? err : begin(l, sp));
}

/* --- steps ----------------------------------------------------------------------------------------------------------- */

static bool count_leaf(void *arg, const struct s2_leaf *leaf)
{
    uint64_t *left = arg;

    (void)leaf;
    return --*left > 0;
}

/* As far as `most`. */
static uint64_t leaves_in(const struct s2_space *sp, struct s2_ipa_range range, uint64_t most)
{
    uint64_t left = most;

    s2_table_visit(&sp->table, range, count_leaf, &left);
    return most - left;
}

/* Where a piece from `at` on ends, which is in the area: with the ledger's entry, though that reaches into the next area. */
static s2_ipa piece_end(const struct s2_long *l, const struct s2_area *a, s2_ipa at)
{
    const struct s2_space *sp = l->space;
    struct s2_ipa_range rest = s2_range_meet((struct s2_ipa_range){at, a->range.end}, l->range);
    struct s2_ledger_entry e;
    struct s2_chunk c = {.range = rest};

    if (a->backend == &s2_backend_linear)
        c.pa = s2_linear_pa(a, at);
    else if (a->backend != &s2_backend_alloc || !s2_chunk_next(&sp->chunks, rest, &c))
        return rest.end;
    /* cover: what an area maps is in the ledger */
    if (!s2_ledger_find(sp->cfg.ledger, c.pa, &e))
        return rest.end;
    return S2_IPA(s2_min_u64(c.range.start.v + (e.range.end.v - c.pa.v), l->range.end.v));
}

/* Pieces that have no more than `budget` leaves, each counting as one itself; or one piece. */
static struct s2_ipa_range next_pieces(const struct s2_long *l, uint64_t budget)
{
    struct s2_ipa_range rest = {l->done, l->range.end}, out = {l->done, l->done};
    struct s2_area a;

    while (budget && rest.start.v < rest.end.v) {
        struct s2_ipa_range piece = rest;
        uint64_t cost;

        if (!s2_area_set_overlaps(&l->space->areas, rest, &a))
            return (struct s2_ipa_range){out.start, rest.end};
        piece.start.v = s2_max_u64(rest.start.v, a.range.start.v);
        piece.end = piece_end(l, &a, piece.start);
        cost = 1 + leaves_in(l->space, piece, budget);
        if (cost > budget && out.end.v > out.start.v)
            return out;
        budget -= s2_min_u64(cost, budget);
        out.end = rest.start = piece.end;
    }
    return out;
}

static uint32_t nodes_of(const struct s2_space *sp)
{
    return sp->areas.map.nodes + sp->chunks.nodes;
}

/* Lock held. */
static void unmap(struct s2_long *l, struct s2_ipa_range range)
{
    struct s2_space *sp = l->space;
    uint32_t before = nodes_of(sp);

    s2_op_begin(&l->op, sp, NULL);
    l->op.ahead = &l->ahead;
    s2_op_may_cut(&l->op);
    if (!sp->cut_ledger && l->promises) {
        l->promises--;
        sp->cut_ledger = true;
    }
    l->refused = s2_area_set_unmap(&sp->areas, &l->op, range);
    if (!l->refused)
        l->done = range.end;
    if (nodes_of(sp) > before) /* what comes free is for whoever needs it */
        s2_steps_settle_nodes(l, before, nodes_of(sp));
}

bool s2_space_unmap_step(struct s2_long *l, uint64_t budget)
{
    struct s2_space *sp = l->space;
    bool more;

    if (!sp || l->refused)
        return false;
    s2_space_lock(sp);
    if (l->done.v < l->range.end.v)
        unmap(l, next_pieces(l, budget ? budget : 1));
    more = !l->refused && l->done.v < l->range.end.v;
    (void)s2_space_leave(&l->op, S2_OK);
    return more;
}

/* --- ends ------------------------------------------------------------------------------------------------------------ */

void s2_long_unmap_give_up(struct s2_long *l)
{
    l->refused = S2_EDYING;
    give_promises(l, l->space);
    s2_steps_end(l, &l->space->last);
}

void s2_space_unmap_stop(struct s2_long *l)
{
    struct s2_space *sp = l->space;

    if (!sp)
        return;
    s2_space_lock(sp);
    give_promises(l, sp);
    s2_steps_end(l, &l->op.gather);
    (void)s2_space_leave(&l->op, l->refused);
}

enum s2_err s2_space_unmap_end(struct s2_long *l)
{
    if (l->space)
        (void)s2_space_unmap_step(l, UINT64_MAX);
    s2_space_unmap_stop(l);
    return l->refused;
}
