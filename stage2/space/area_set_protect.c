/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Protect: one pass over the areas that plans, one that does, both by the same code, so that the update function is
 * asked twice about each area and never about another. */
#include "space/area_set.h"

struct pass {
    struct s2_area_set *set;
    struct s2_op *op;
    struct s2_ipa_range range;
    s2_update_fn *update;
    void *arg;
    bool commit;
    uint32_t cuts; /* areas that the set gains before it loses any */
    uint64_t changes, areas;
    bool has_last, last_changed;
    struct s2_area last; /* the area below the next one, as it is by then */
};

static enum s2_err step(struct pass *p, const struct s2_change *c)
{
    p->changes++;
    if (!p->commit)
        return s2_area_prepare(p->set, p->op, c);
    c->area.backend->commit(p->set->ctx, p->op, c);
    return S2_OK;
}

/* `area` becomes `mid` and what is left of it on both sides. */
static void edit_change(struct pass *p, const struct s2_area *area, const struct s2_area *mid)
{
    struct s2_ipa_range below = {area->range.start, mid->range.start}, above = {mid->range.end, area->range.end};
    struct s2_area rest;

    if (below.start.v < below.end.v) {
        rest = s2_area_part(area, below);
        s2_area_replace(p->set, area->range.start, &rest);
        s2_area_insert(p->set, mid);
    } else {
        s2_area_replace(p->set, area->range.start, mid);
    }
    if (above.start.v < above.end.v) {
        rest = s2_area_part(area, above);
        s2_area_insert(p->set, &rest);
    }
}

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
    struct s2_change merge = {.step = S2_STEP_MERGE, .area = p->last, .part = next->range};
    enum s2_err err;

    if (!p->has_last || !(changed || p->last_changed) || !s2_area_joins(&p->last, next)) {
        p->last = *next;
        p->last_changed = changed;
        p->has_last = true;
        return S2_OK;
    }
    err = step(p, &merge);
    p->last.range.end = next->range.end;
    p->last_changed = true;
    if (p->commit) {
        s2_imap_erase(&p->set->map, next->range.start.v);
        s2_area_replace(p->set, p->last.range.start, &p->last);
    }
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

static enum s2_err one_pass(struct pass *p)
{
    struct s2_area area;
    enum s2_err err;

    p->has_last = s2_area_set_find_below(p->set, p->range.start, &p->last);
    for (s2_ipa at = p->range.start; s2_area_set_find_from(p->set, at, &area) && area.range.start.v < p->range.end.v;
         at = area.range.end) {
        err = one_area(p, &area);
        if (err)
            return err;
    }
    if (p->has_last && s2_area_set_find(p->set, p->last.range.end, &area))
        return join(p, &area, false);
    return S2_OK;
}

static enum s2_err plan_and_do(const struct pass *start)
{
    struct pass plan = *start, act = *start;
    enum s2_err err = one_pass(&plan);

    if (err || plan.changes == 0)
        return err;
    err = s2_area_reserve(start->set, start->op, plan.cuts);
    if (err)
        return err;
    act.commit = true;
    (void)one_pass(&act); /* only planning can fail */
    s2_op_flush(start->op);
    return S2_OK;
}

enum s2_err s2_area_set_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                s2_update_fn *update, void *arg)
{
    struct pass start = {.set = set, .op = op, .range = range, .update = update, .arg = arg};
    enum s2_err err = s2_area_enter(set, op, range);

    return err ? err : s2_area_leave(set, op, plan_and_do(&start));
}

enum s2_err s2_area_plan_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                 s2_update_fn *update, void *arg, uint64_t *areas)
{
    struct pass plan = {.set = set, .op = op, .range = range, .update = update, .arg = arg};
    enum s2_err err = s2_area_enter(set, op, range);

    if (err)
        return err;
    err = one_pass(&plan);
    *areas = plan.areas;
    return err ? s2_area_leave(set, op, err) : S2_OK;
}
