/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Protecting a large range in steps. Each step is a protect of its own, of a piece that ends where a leaf does, with what
 * begin took ahead; areas and leaves agree after each. */
#include "space/area_set.h"
#include "space/inner.h"
#include "space/steps.h"

/* --- begin ----------------------------------------------------------------------------------------------------------- */

/* Nodes for the areas that the steps cut. A piece inserts at most three areas, and all but two go again with the next piece,
 * which joins them. So there is one hole in the order that wanders through the range: it splits a leaf that is full, and
 * what it splits has room from then on; others change nothing inside the range. */
static uint32_t nodes_needed(uint64_t areas)
{
    enum { INSERTS = 3, INSERT_NODES = S2_AREA_CUT_NODES, PER_SPLIT = 2, EDGES = 2 };
    uint64_t leaves = areas / S2_IMAP_LEAF + EDGES;

    return (uint32_t)s2_min_u64((uint64_t)INSERTS * INSERT_NODES + PER_SPLIT * leaves, UINT32_MAX);
}

static enum s2_err begin(struct s2_long *l, struct s2_space *sp)
{
    uint64_t areas = 0;
    enum s2_err err = s2_area_plan_protect(&sp->areas, &l->op, l->range, l->update, l->arg, &areas);

    if (err)
        return err;
    /* Only the two ends of the range can cut a block, whatever faults put there meanwhile. */
    l->op.tables = s2_cut_tables(&sp->cfg.geometry);
    err = s2_op_need_nodes(&l->op, sp->cfg.nodes, nodes_needed(areas));
    /* cover: more nodes than a pool can have, for areas that are in such nodes themselves */
    if (!err)
        err = s2_op_reserve(&l->op);
    if (!err) {
        s2_steps_take_over(l, sp);
        s2_long_link(l, sp);
    }
    return s2_area_leave(&sp->areas, &l->op, err);
}

enum s2_err s2_space_protect_begin(struct s2_space *sp, struct s2_long *l, struct s2_ipa_range range,
                                   s2_update_fn *update, void *arg, struct s2_detail *d)
{
    enum s2_err err;

    *l = (struct s2_long){
        .range = range, .done = range.start, .update = update, .arg = arg, .ahead = {.tables = S2_TSTASH_EMPTY}};
    err = s2_space_enter(sp, &l->op, range, d);
    return s2_space_leave(&l->op, err ? err : begin(l, sp));
}

/* --- steps ----------------------------------------------------------------------------------------------------------- */

struct reach {
    uint64_t budget;
    struct s2_leaf last;
};

static bool count_leaf(void *arg, const struct s2_leaf *leaf)
{
    struct reach *r = arg;

    r->last = *leaf;
    return --r->budget > 0;
}

/* Where a piece from `start` ends whose last leaf is this one. A run with the Contiguous bit is not cut, which would have to break
 * it: the piece ends before it, or, where it would be nothing then, with it. */
static s2_ipa piece_end(const struct s2_geometry *g, s2_ipa start, const struct s2_leaf *last)
{
    uint64_t bytes = (last->range.end.v - last->range.start.v) << g->run_log2[last->level + 1];
    uint64_t run = last->range.start.v & ~(bytes - 1);

    if (!last->contiguous || last->range.end.v == run + bytes)
        return last->range.end;
    return S2_IPA(run > start.v ? run : run + bytes);
}

static bool as_answered(void *arg, const struct s2_area *area, s2_attr *attr)
{
    const struct s2_long *l = arg;

    (void)area;
    *attr = l->attr;
    return true;
}

static void change_piece(struct s2_long *l, uint64_t budget)
{
    struct s2_space *sp = l->space;
    struct s2_ipa_range piece = {l->done, l->until};
    struct reach r = {.budget = budget};
    uint32_t before = sp->areas.map.nodes;

    s2_table_visit(&sp->table, piece, count_leaf, &r);
    if (r.budget == 0)
        piece.end.v = s2_min_u64(piece_end(&sp->cfg.geometry, piece.start, &r.last).v, l->until.v);
    s2_op_begin(&l->op, sp, NULL);
    l->op.ahead = &l->ahead;
    l->refused = s2_area_set_protect(&sp->areas, &l->op, piece, as_answered, l);
    if (!l->refused)
        l->done = piece.end;
    s2_steps_settle_nodes(l, before, sp->areas.map.nodes);
}

static void ask(struct s2_long *l, const struct s2_area *area)
{
    l->attr = area->attr;
    l->changes = l->update(l->arg, area, &l->attr) && !s2_attr_eq(l->attr, area->attr);
    l->until.v = s2_min_u64(area->range.end.v, l->range.end.v);
}

/* Lock held. */
static void step(struct s2_long *l, uint64_t budget)
{
    struct s2_area area;

    for (; budget && l->done.v < l->range.end.v; budget--) {
        if (!s2_area_set_overlaps(&l->space->areas, (struct s2_ipa_range){l->done, l->range.end}, &area)) {
            l->done = l->range.end;
            return;
        }
        l->done.v = s2_max_u64(l->done.v, area.range.start.v);
        if (l->done.v >= l->until.v)
            ask(l, &area);
        if (l->changes) {
            change_piece(l, budget);
            return;
        }
        l->done = l->until;
    }
}

bool s2_space_protect_step(struct s2_long *l, uint64_t budget)
{
    struct s2_space *sp = l->space;
    bool more;

    if (!sp || l->refused)
        return false;
    s2_space_lock(sp);
    step(l, budget ? budget : 1);
    more = !l->refused && l->done.v < l->range.end.v;
    (void)s2_space_leave(&l->op, S2_OK);
    return more;
}

/* --- ends ------------------------------------------------------------------------------------------------------------ */

void s2_long_protect_give_up(struct s2_long *l)
{
    l->refused = S2_EDYING;
    s2_steps_end(l, &l->space->last);
}

enum s2_err s2_space_protect_end(struct s2_long *l)
{
    struct s2_space *sp = l->space;

    if (!sp)
        return l->refused;
    s2_space_lock(sp);
    s2_steps_end(l, &l->op.gather);
    return s2_space_leave(&l->op, l->refused);
}
