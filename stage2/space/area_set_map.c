/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Map, unmap and clear: what goes, then what comes. No change is stored: every phase walks the areas anew and derives
 * the same changes again, until the last step edits them. */
#include "space/area_set.h"

enum phase { TAKE, COMMIT, RELEASE };

/* An operation under way: the areas in `range` go; `comes`, if not null, takes their place. */
struct run {
    struct s2_area_set *set;
    struct s2_op *op;
    struct s2_ipa_range range;
    const struct s2_area *comes;
    bool meets;       /* an area goes */
    uint32_t inserts; /* entries that the edits will add before they remove any */
    uint64_t taken;   /* changes whose backend has taken what it needs */
    uint64_t planned; /* changes in all */
};

#define MOST_CHANGES 3u /* that one area goes (two cuts, its removal), that one comes (itself, two merges) */

/* --- the changes -------------------------------------------------------------------------------------------------- */

/* Ascending: the cuts, then the removal. */
static unsigned going(const struct run *r, const struct s2_area *area, struct s2_change c[MOST_CHANGES])
{
    struct s2_ipa_range part = s2_area_part(area, r->range).range;
    unsigned n = 0;

    if (part.start.v > area->range.start.v)
        c[n++] = (struct s2_change){.step = S2_STEP_SPLIT, .area = *area, .part = {part.start, part.start}};
    if (part.end.v < area->range.end.v)
        c[n++] = (struct s2_change){.step = S2_STEP_SPLIT, .area = *area, .part = {part.end, part.end}};
    c[n++] = (struct s2_change){.step = S2_STEP_UNMAP, .area = *area, .part = part};
    return n;
}

/* What lies directly below and above the range once the areas in it are gone, if that joins the area that comes:
 * *whole is then the area that all of them make. */
static bool join_below(const struct run *r, struct s2_area *whole, struct s2_area *low)
{
    struct s2_ipa_range below = {S2_IPA(r->set->map.lo), whole->range.start};
    struct s2_area all;

    if (!s2_area_set_find_below(r->set, whole->range.start, low))
        return false;
    *low = s2_area_part(low, below);
    if (!s2_area_joins(low, whole))
        return false;
    all = *low;
    all.range.end = whole->range.end;
    *whole = all;
    return true;
}

static bool join_above(const struct run *r, struct s2_area *whole, struct s2_area *high)
{
    struct s2_ipa_range above = {whole->range.end, S2_IPA(r->set->map.hi)};

    if (!s2_area_set_find(r->set, whole->range.end, high))
        return false;
    *high = s2_area_part(high, above);
    if (!s2_area_joins(whole, high))
        return false;
    whole->range.end = high->range.end;
    return true;
}

static unsigned coming(const struct run *r, struct s2_change c[MOST_CHANGES])
{
    struct s2_area whole = *r->comes, before, other;
    unsigned n = 0;

    c[n++] = (struct s2_change){
        .step = S2_STEP_MAP, .area = whole, .part = whole.range, .attr = whole.attr, .replacing = r->meets};
    if (join_below(r, &whole, &other))
        c[n++] = (struct s2_change){.step = S2_STEP_MERGE, .area = other, .part = r->range};
    before = whole;
    if (join_above(r, &whole, &other))
        c[n++] = (struct s2_change){.step = S2_STEP_MERGE, .area = before, .part = other.range};
    return n;
}

/* --- the phases --------------------------------------------------------------------------------------------------- */

static enum s2_err prepare(struct run *r, const struct s2_change *c, unsigned n)
{
    enum s2_err err = S2_OK;

    for (unsigned i = 0; !err && i < n; i++)
        err = s2_area_prepare(r->set, r->op, &c[i]);
    r->planned += n;
    return err;
}

static enum s2_err prepare_all(struct run *r)
{
    struct s2_change c[MOST_CHANGES];
    struct s2_area area;
    enum s2_err err;
    unsigned n;

    for (s2_ipa at = r->range.start; s2_area_set_find_from(r->set, at, &area) && area.range.start.v < r->range.end.v;
         at = area.range.end) {
        r->meets = true;
        n = going(r, &area, c);
        r->inserts += n == MOST_CHANGES; /* a hole in the middle: one area more */
        err = prepare(r, c, n);
        if (err)
            return err;
    }
    if (!r->comes)
        return S2_OK;
    n = coming(r, c);
    r->inserts += n == 1; /* merged with nothing */
    return prepare(r, c, n);
}

static enum s2_err run_changes(struct run *r, enum phase phase, const struct s2_change *c, unsigned n)
{
    enum s2_err err = S2_OK;

    for (unsigned i = 0; !err && i < n; i++) {
        const struct s2_backend *b = c[i].area.backend;

        if (phase == COMMIT) {
            b->commit(r->set->ctx, r->op, &c[i]);
        } else if (phase == RELEASE) {
            if (b->release)
                b->release(r->set->ctx, r->op, &c[i]);
        } else {
            err = b->take ? s2_area_refused(r->op, b->take(r->set->ctx, r->op, &c[i]), &c[i]) : S2_OK;
            r->taken += !err;
        }
    }
    return err;
}

static enum s2_err run_going(struct run *r, enum phase phase)
{
    struct s2_change c[MOST_CHANGES];
    struct s2_area area;
    enum s2_err err = S2_OK;

    for (s2_ipa at = r->range.start;
         !err && s2_area_set_find_from(r->set, at, &area) && area.range.start.v < r->range.end.v; at = area.range.end)
        err = run_changes(r, phase, c, going(r, &area, c));
    return err;
}

static enum s2_err run_coming(struct run *r, enum phase phase)
{
    struct s2_change c[MOST_CHANGES];

    return r->comes ? run_changes(r, phase, c, coming(r, c)) : S2_OK;
}

/* Takes back, last first, what was taken: of all changes, backwards, those before the one that failed. */
static void undo(struct run *r, const struct s2_change *c, unsigned n)
{
    while (n-- > 0) {
        const struct s2_backend *b = c[n].area.backend;

        if (r->planned-- <= r->taken && b->take && b->undo)
            b->undo(r->set->ctx, r->op, &c[n]);
    }
}

static void undo_all(struct run *r)
{
    struct s2_change c[MOST_CHANGES];
    struct s2_area area;

    if (r->comes)
        undo(r, c, coming(r, c));
    for (s2_ipa at = r->range.end; s2_area_set_find_below(r->set, at, &area) && area.range.end.v > r->range.start.v;
         at = area.range.start)
        undo(r, c, going(r, &area, c));
}

static enum s2_err take_all(struct run *r)
{
    enum s2_err err = run_going(r, TAKE);

    if (!err)
        err = run_coming(r, TAKE);
    if (err)
        undo_all(r);
    return err;
}

/* --- the edits ---------------------------------------------------------------------------------------------------- */

static void edit_going(struct run *r)
{
    struct s2_ipa_range below = {S2_IPA(r->set->map.lo), r->range.start};
    struct s2_ipa_range above = {r->range.end, S2_IPA(r->set->map.hi)};
    struct s2_area area, rest;

    if (r->range.start.v == r->set->map.lo && r->range.end.v == r->set->map.hi) {
        s2_imap_clear(&r->set->map);
        return;
    }
    while (s2_area_set_overlaps(r->set, r->range, &area)) {
        bool keeps_low = area.range.start.v<r->range.start.v, keeps_high = area.range.end.v> r->range.end.v;

        if (keeps_low) {
            rest = s2_area_part(&area, below);
            s2_area_replace(r->set, area.range.start, &rest);
        }
        if (keeps_high) {
            rest = s2_area_part(&area, above);
            if (keeps_low)
                s2_area_insert(r->set, &rest);
            else
                s2_area_replace(r->set, area.range.start, &rest);
        }
        if (!keeps_low && !keeps_high)
            s2_imap_erase(&r->set->map, area.range.start.v);
    }
}

static void edit_coming(struct run *r)
{
    struct s2_area whole = *r->comes, low, high;
    bool below = join_below(r, &whole, &low), above = join_above(r, &whole, &high);

    if (below && above)
        s2_imap_erase(&r->set->map, high.range.start.v);
    if (below)
        s2_area_replace(r->set, low.range.start, &whole);
    else if (above)
        s2_area_replace(r->set, high.range.start, &whole);
    else
        s2_area_insert(r->set, &whole);
}

/* What takes a place is made only after what was there has been flushed and given back (break-before-make). The void
 * casts: only TAKE can fail. */
static void commit_all(struct run *r)
{
    if (r->meets) {
        (void)run_going(r, COMMIT);
        s2_op_flush(r->op);
        (void)run_going(r, RELEASE);
    }
    if (r->comes) {
        (void)run_coming(r, COMMIT);
        s2_op_flush(r->op);
        (void)run_coming(r, RELEASE);
    }
    edit_going(r);
    if (r->comes)
        edit_coming(r);
}

static enum s2_err run(struct run *r)
{
    enum s2_err err = prepare_all(r);

    if (err || r->planned == 0)
        return err;
    err = s2_area_reserve(r->set, r->op, r->inserts);
    if (!err)
        err = take_all(r);
    if (!err)
        commit_all(r);
    return err;
}

/* --- operations --------------------------------------------------------------------------------------------------- */

enum s2_err s2_area_check_new(const struct s2_area_set *set, struct s2_detail *d, const struct s2_area *area,
                              enum s2_map_mode mode)
{
    uint64_t start = area->range.start.v, end = area->range.end.v;
    struct s2_area found;

    if (!area->backend || !area->backend->commit)
        return s2_refuse(d, S2_EINVAL, S2_AXIS_IPA, start, end, "has no backend that commits");
    if (mode == S2_MAP_NEW && s2_area_set_overlaps(set, area->range, &found))
        return s2_refuse_found(d, S2_EEXIST, S2_AXIS_IPA, start, end, found.range.start.v, found.range.end.v,
                               s2_err_phrase(S2_EEXIST));
    return S2_OK;
}

enum s2_err s2_area_set_map(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                            enum s2_map_mode mode)
{
    struct run r = {.set = set, .op = op, .range = area->range, .comes = area};
    enum s2_err err = s2_area_enter(set, op, area->range);

    if (err)
        return err;
    err = s2_area_check_new(set, op->detail, area, mode);
    if (!err)
        err = run(&r);
    return s2_area_leave(set, op, err);
}

enum s2_err s2_area_set_unmap(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range)
{
    struct run r = {.set = set, .op = op, .range = range};
    enum s2_err err = s2_area_enter(set, op, range);

    return err ? err : s2_area_leave(set, op, run(&r));
}

enum s2_err s2_area_set_clear(struct s2_area_set *set, struct s2_op *op)
{
    struct s2_ipa_range all = {S2_IPA(set->map.lo), S2_IPA(set->map.hi)};

    return s2_area_set_unmap(set, op, all);
}
