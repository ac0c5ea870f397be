/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Extend and rename: one area changes, and becomes one with neighbours. Their changes are few and stand in an array. */
#include "space/area_set.h"

/* An extension: two parts come, one at each end; they join the area, and it two neighbours. */
#define MOST_CHANGES 6u

struct plan {
    struct s2_change c[MOST_CHANGES];
    unsigned n;
    uint64_t prepared, taken, done;
};

static void add(struct plan *p, enum s2_step step, const struct s2_area *area, struct s2_ipa_range part)
{
    p->c[p->n++] = (struct s2_change){.step = step, .area = *area, .part = part, .attr = area->attr};
}

/* `taking`: memory comes. A merge of what is there moves none, and is prepared and committed alone, as in a protect. */
static enum s2_err run(struct s2_area_set *set, struct s2_op *op, struct plan *p, bool taking)
{
    enum s2_err err = s2_area_phase(set, op, S2_PREPARE, p->c, p->n, &p->prepared);

    if (!err)
        err = s2_area_reserve(set, op, 0, false);
    if (!err && taking) {
        err = s2_area_phase(set, op, S2_TAKE, p->c, p->n, &p->taken);
        if (err)
            (void)s2_area_undo(set, op, p->c, p->n, p->n, p->taken);
    }
    if (err)
        return err;
    (void)s2_area_phase(set, op, S2_COMMIT, p->c, p->n, &p->done);
    s2_op_flush(op);
    if (taking)
        (void)s2_area_phase(set, op, S2_RELEASE, p->c, p->n, &p->done);
    return S2_OK;
}

/* --- extend ------------------------------------------------------------------------------------------------------- */

/* The part of the extended area `whole` that is an area by itself until it is merged. */
static struct s2_area piece(const struct s2_area *whole, s2_ipa start, s2_ipa end)
{
    return s2_area_part(whole, (struct s2_ipa_range){start, end});
}

static void plan_extend(struct plan *p, const struct s2_area *was, const struct s2_area *whole)
{
    struct s2_area low = piece(whole, whole->range.start, was->range.start);
    struct s2_area high = piece(whole, was->range.end, whole->range.end);
    struct s2_area all = *was;

    if (low.range.start.v < low.range.end.v)
        add(p, S2_STEP_MAP, &low, low.range);
    if (high.range.start.v < high.range.end.v)
        add(p, S2_STEP_MAP, &high, high.range);
    if (low.range.start.v < low.range.end.v) {
        add(p, S2_STEP_MERGE, &low, was->range);
        all = piece(whole, whole->range.start, was->range.end);
    }
    if (high.range.start.v < high.range.end.v)
        add(p, S2_STEP_MERGE, &all, high.range);
}

static enum s2_err check_extend(const struct s2_area_set *set, struct s2_op *op, const struct s2_area *was,
                                struct s2_ipa_range to)
{
    enum s2_err err;

    if (to.start.v > was->range.start.v || to.end.v < was->range.end.v)
        return s2_area_refuse(op, S2_EINVAL, to, was, "does not contain the area that is to become it");
    err = s2_area_check_free(set, op, (struct s2_ipa_range){to.start, was->range.start});
    if (!err)
        err = s2_area_check_free(set, op, (struct s2_ipa_range){was->range.end, to.end});
    if (!err && (s2_area_backing_at(was, to.start) > was->backing ||
                 s2_area_backing_at(was, S2_IPA(to.end.v - 1)) < was->backing))
        err = s2_area_refuse(op, S2_ERANGE, to, was, "has a backing that wraps around");
    return err;
}

static enum s2_err extend(struct s2_area_set *set, struct s2_op *op, s2_ipa at, struct s2_ipa_range to)
{
    struct plan p = {.n = 0};
    struct s2_area was, whole;
    enum s2_err err;

    if (!s2_area_set_find(set, at, &was))
        return s2_area_refuse(op, S2_ENOENT, to, NULL, "is to extend an area that is not there");
    err = check_extend(set, op, &was, to);
    if (err || (to.start.v == was.range.start.v && to.end.v == was.range.end.v))
        return err;
    whole = was;
    whole.range = to;
    whole.backing = s2_area_backing_at(&was, to.start);
    plan_extend(&p, &was, &whole);
    p.n += s2_area_merges(set, &whole, &p.c[p.n]);
    err = run(set, op, &p, true);
    if (err)
        return err;
    s2_area_replace(set, was.range.start, &whole);
    s2_area_settle(set, &whole);
    return S2_OK;
}

enum s2_err s2_area_set_extend(struct s2_area_set *set, struct s2_op *op, s2_ipa at, struct s2_ipa_range to)
{
    enum s2_err err = s2_area_enter(set, op, to);

    return err ? err : s2_area_leave(set, op, extend(set, op, at, to));
}

/* --- rename ------------------------------------------------------------------------------------------------------- */

static enum s2_err rename_area(struct s2_area_set *set, struct s2_op *op, s2_ipa at, uint16_t name)
{
    struct plan p = {.n = 0};
    struct s2_area area;
    enum s2_err err;

    if (!s2_area_set_find(set, at, &area))
        return s2_refuse(op->detail, S2_ENOENT, S2_AXIS_IPA, at.v, at.v, "lies in no area");
    if (area.name == name)
        return S2_OK;
    area.name = name;
    p.n = s2_area_merges(set, &area, p.c);
    err = run(set, op, &p, false);
    if (!err)
        s2_area_settle(set, &area);
    return err;
}

enum s2_err s2_area_set_rename(struct s2_area_set *set, struct s2_op *op, s2_ipa at, uint16_t name)
{
    struct s2_ipa_range any = {S2_IPA(set->map.lo), S2_IPA(set->map.hi)};
    enum s2_err err = s2_area_enter(set, op, any);

    return err ? err : s2_area_leave(set, op, rename_area(set, op, at, name));
}
