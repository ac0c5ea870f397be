/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Protect: one pass over the areas that plans, one that does, both by the same code, so that the update function is
 * asked twice about each area and never about another. */
#include "space/area_set.h"

/* Edits never add an entry that a merge will make superfluous: a protect that leaves no more areas than before takes no
 * node. A part that is cut off before its merge was seen (`waits`) has no entry until then; an entry that is superfluous
 * before the cut that needs it (`spare`) stays meanwhile, as the upper end of the area that it was merged into. With x, y
 * and z for attributes:
 *
 *   [0, 10) x, [10, 20) y; x becomes y in [5, 20): [5, 10) waits until it is one with [10, 20), whose entry they get
 *   [0, 10) x, [10, 20) y, [20, 40) z; y becomes x, and z y, in [10, 30): the entry at 10 is to spare until [20, 30) is cut
 *   off, which gets it; entries between would move down by one place for that */
struct pass {
    struct s2_area_set *set;
    struct s2_op *op;
    struct s2_ipa_range range;
    s2_update_fn *update;
    void *arg;
    bool commit;
    uint32_t cuts, merges; /* areas that the set gains and loses */
    uint64_t changes, areas;
    struct s2_imap_cursor at; /* the entry of the area at work, or of what has become of it */
    bool has_last, last_changed;
    struct s2_area last; /* the area below the next one, as it is by then */

    uint32_t inserts; /* commit only: entries that are still to be added, of cuts - merges, */
    uint32_t to_cut;  /* and cuts that are still to come */
    bool waits, has_spare;
    struct s2_area cut, part; /* waits: of the area `cut`, which has its entry still, this part, */
    bool part_is_last;        /* which is p->last, so that its end is not known yet */
    bool bare;                /* the next one has no entry: a part that p->last absorbs */
    s2_ipa spare;
};

static enum s2_err step(struct pass *p, const struct s2_change *c)
{
    p->changes++;
    if (!p->commit)
        return s2_area_prepare(p->set, p->op, c);
    c->area.backend->commit(p->set->ctx, p->op, c);
    return S2_OK;
}

/* --- edits -------------------------------------------------------------------------------------------------------- */

static uint32_t added(const struct pass *p)
{
    return p->cuts > p->merges ? p->cuts - p->merges : 0;
}

static struct s2_area rest_below(const struct s2_area *area, s2_ipa end)
{
    return s2_area_part(area, (struct s2_ipa_range){area->range.start, end});
}

static struct s2_area rest_above(const struct s2_area *area, s2_ipa start)
{
    return s2_area_part(area, (struct s2_ipa_range){start, area->range.end});
}

/* Each entry from `low` up to the superfluous one at `spare` moves up by one place, which makes room for *low. */
static void move_up(struct s2_area_set *set, struct s2_area low, s2_ipa spare)
{
    struct s2_area next;

    do {
        (void)s2_area_set_find_from(set, low.range.start, &next);
        if (next.range.start.v == spare.v)
            low.range.end = next.range.end; /* which was merged into it */
        s2_area_replace(set, next.range.start, &low);
        low = next;
    } while (next.range.start.v != spare.v);
}

/* Likewise down to `spare`, whose place the area below it has when it is free. */
static void move_down(struct s2_area_set *set, struct s2_area high, s2_ipa spare)
{
    struct s2_area next;

    do {
        (void)s2_area_set_find_below(set, high.range.start, &next);
        s2_area_replace(set, next.range.start, &high);
        high = next;
    } while (next.range.start.v != spare.v);
    (void)s2_area_set_find_below(set, spare, &next);
    next.range.end = high.range.end;
    s2_area_replace(set, next.range.start, &next);
}

/* `out` entries from the cursor on become these areas. */
static void splice(struct pass *p, unsigned out, const struct s2_area *first, const struct s2_area *second)
{
    struct s2_ient e[2];
    unsigned in = 1;

    e[0] = s2_area_entry(first);
    if (second)
        e[in++] = s2_area_entry(second);
    s2_imap_splice(&p->set->map, &p->at, out, e, in);
}

static void step_back(struct pass *p)
{
    (void)s2_imap_prev(&p->set->map, &p->at);
}

static void step_on(struct pass *p)
{
    (void)s2_imap_next(&p->set->map, &p->at);
}

/* `area` becomes `mid` and what is left of it below. */
static void edit_low_cut(struct pass *p, const struct s2_area *area, const struct s2_area *mid)
{
    struct s2_area rest = rest_below(area, mid->range.start);

    p->to_cut--;
    if (p->inserts > 0) {
        p->inserts--;
        splice(p, 1, &rest, mid);
        step_on(p);
    } else {
        p->waits = true;
        p->cut = *area;
        p->part = *mid;
    }
}

/* `area` becomes `mid` and what is left of it above. */
static void edit_high_cut(struct pass *p, const struct s2_area *area, const struct s2_area *mid)
{
    struct s2_area rest = rest_above(area, mid->range.end);

    p->to_cut--;
    if (p->inserts > 0) {
        splice(p, 1, mid, &rest);
        return;
    }
    splice(p, 1, &rest, NULL);
    p->bare = !p->has_spare; /* then the merge that sets it off is its own */
    if (p->has_spare) {
        move_down(p->set, *mid, p->spare);
        (void)s2_imap_seek(&p->set->map, mid->range.start.v, &p->at);
    }
    p->has_spare = false;
}

static void edit_change(struct pass *p, const struct s2_area *area, const struct s2_area *mid)
{
    bool low = mid->range.start.v > area->range.start.v, high = mid->range.end.v < area->range.end.v;
    struct s2_area upper;

    if (low && high) {
        upper = rest_above(area, mid->range.start);
        edit_low_cut(p, area, &upper);
        edit_high_cut(p, &upper, mid);
    } else if (low) {
        edit_low_cut(p, area, mid);
    } else if (high) {
        edit_high_cut(p, area, mid);
    } else {
        splice(p, 1, mid, NULL);
    }
}

/* What has an entry of p->last, now that it has become `all`: it, or the upper one of two. The cursor is behind it, and
 * `out` entries go with it. */
static void edit_last(struct pass *p, const struct s2_area *all, unsigned out)
{
    struct s2_area upper = *all;

    if (p->has_spare && p->spare.v > all->range.start.v)
        upper = rest_above(all, p->spare);
    step_back(p);
    splice(p, 1 + out, &upper, NULL);
}

/* p->last becomes `all`, which is itself and the next one, at `next`. */
static void edit_merge(struct pass *p, s2_ipa next, const struct s2_area *all)
{
    struct s2_area rest;

    if (p->waits)
        rest = rest_below(&p->cut, p->part.range.start);
    if (p->bare) {
        edit_last(p, all, 0);
    } else if (p->part_is_last) {
        step_back(p);
        splice(p, 2, &rest, all);
        step_on(p);
    } else if (p->waits) {
        s2_area_replace(p->set, p->cut.range.start, &rest);
        move_up(p->set, p->part, next);
        (void)s2_imap_seek(&p->set->map, all->range.start.v, &p->at);
    } else if (p->inserts < p->to_cut && !p->has_spare) {
        p->has_spare = true;
        p->spare = next;
        return;
    } else {
        edit_last(p, all, 1);
    }
    p->waits = p->part_is_last = false;
}

/* --- one pass ----------------------------------------------------------------------------------------------------- */

static enum s2_err change(struct pass *p, const struct s2_area *area, const struct s2_area *mid)
{
    s2_ipa start = mid->range.start, end = mid->range.end;
    struct s2_change cut_low = {.step = S2_STEP_SPLIT, .area = *area, .part = {start, start}};
    struct s2_change cut_high = {.step = S2_STEP_SPLIT, .area = *area, .part = {end, end}};
    struct s2_change protect = {.step = S2_STEP_PROTECT, .area = *area, .part = mid->range, .attr = mid->attr};
    enum s2_err err = S2_OK;

    if (start.v > area->range.start.v) {
        p->cuts++;
        err = step(p, &cut_low);
    }
    if (!err && end.v < area->range.end.v) {
        p->cuts++;
        err = step(p, &cut_high);
    }
    if (!err)
        err = step(p, &protect);
    if (!err && p->commit)
        edit_change(p, area, mid);
    return err;
}

/* The area that follows p->last joins it if it can, and is then p->last itself. Two that were there before and did not
 * change cannot join: they would have been one. */
static enum s2_err join(struct pass *p, const struct s2_area *next, bool changed)
{
    struct s2_change merge = {.step = S2_STEP_MERGE, .part = next->range};
    enum s2_err err;

    if (!p->has_last || !(changed || p->last_changed) || !s2_area_joins(&p->last, next)) {
        if (p->part_is_last)
            p->part = p->last;
        p->part_is_last = p->waits && next->range.start.v == p->part.range.start.v;
        p->last = *next;
        p->last_changed = changed;
        p->has_last = true;
        return S2_OK;
    }
    p->merges++;
    merge.area = p->last;
    err = step(p, &merge);
    p->last.range.end = next->range.end;
    p->last_changed = true;
    if (p->commit)
        edit_merge(p, next->range.start, &p->last);
    return err;
}

static enum s2_err one_area(struct pass *p, const struct s2_area *area)
{
    s2_attr attr = area->attr;
    struct s2_area mid;
    enum s2_err err;

    p->areas++;
    if (!p->update(p->arg, area, &attr) || s2_attr_eq(attr, area->attr))
        return join(p, area, false);
    mid = s2_area_part(area, p->range);
    mid.attr = attr;
    err = change(p, area, &mid);
    return err ? err : join(p, &mid, true);
}

/* The area below the range, then those in it, then the one above. */
static enum s2_err one_pass(struct pass *p)
{
    struct s2_imap *map = &p->set->map;
    bool on = s2_imap_seek(map, p->range.start.v, &p->at);
    struct s2_imap_cursor below = p->at;
    struct s2_area area;
    struct s2_ient e = {0};
    enum s2_err err;

    p->has_last = s2_imap_prev(map, &below);
    if (p->has_last) {
        (void)s2_imap_get(&below, &e);
        p->last = s2_area_unpack(&e);
    }
    while (on) {
        (void)s2_imap_get(&p->at, &e);
        area = s2_area_unpack(&e);
        if (e.start >= p->range.end.v)
            break;
        err = one_area(p, &area);
        if (err || e.end > p->range.end.v)
            return err;
        on = s2_imap_next(map, &p->at);
    }
    return on && p->last_changed ? join(p, &area, false) : S2_OK;
}

/* Begins a pass; the first one plans. */
static void restart(struct pass *p)
{
    p->cuts = p->merges = 0;
    p->changes = p->areas = 0;
    p->last_changed = p->waits = p->has_spare = p->part_is_last = p->bare = false;
}

static enum s2_err plan(struct pass *p, struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                        s2_update_fn *update, void *arg)
{
    p->set = set;
    p->op = op;
    p->range = range;
    p->update = update;
    p->arg = arg;
    p->commit = false;
    restart(p);
    return update ? one_pass(p) : s2_area_refuse(op, S2_EINVAL, range, NULL, "has no update function");
}

static enum s2_err act(struct pass *p)
{
    enum s2_err err;

    p->inserts = added(p);
    p->to_cut = p->cuts;
    if (p->inserts == 0)
        s2_op_may_cut(p->op); /* no more areas than before: only a border moves, perhaps into a block */
    err = s2_area_reserve(p->set, p->op, p->inserts, false);
    if (err)
        return err;
    p->commit = true;
    restart(p);
    (void)one_pass(p); /* only planning can fail */
    s2_op_flush(p->op);
    return S2_OK;
}

enum s2_err s2_area_set_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                s2_update_fn *update, void *arg)
{
    enum s2_err err = s2_area_enter(set, op, range);
    struct pass p;

    if (err)
        return err;
    err = plan(&p, set, op, range, update, arg);
    if (!err && p.changes > 0)
        err = act(&p);
    return s2_area_leave(set, op, err);
}

enum s2_err s2_area_plan_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                 s2_update_fn *update, void *arg, uint64_t *areas)
{
    enum s2_err err = s2_area_enter(set, op, range);
    struct pass p;

    if (err)
        return err;
    err = plan(&p, set, op, range, update, arg);
    *areas = p.areas;
    return err ? s2_area_leave(set, op, err) : S2_OK;
}
