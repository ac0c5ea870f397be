/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Map, unmap and clear: what goes, then what comes. No change is stored: every phase walks the areas anew and derives
 * the same changes again, until the last step edits them. */
#include "space/area_set.h"

/* An operation under way: the areas in `range` go; `comes`, if not null, takes their place. */
struct run {
    struct s2_area_set *set;
    struct s2_op *op;
    struct s2_ipa_range range;
    const struct s2_area *comes;
    bool meets;           /* an area goes, at least in part, */
    bool whole;           /* one of them wholly, */
    bool inside;          /* or there is one that stays on both sides */
    bool joins;           /* what comes joins a neighbour, */
    bool joins_both;      /* or two */
    uint64_t planned;     /* changes in all */
    uint64_t taken, done; /* those whose backend has taken what it needs; and the later phases' */
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
    c[n++] = (struct s2_change){.step = S2_STEP_UNMAP, .area = *area, .part = part, .goes = r->range};
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

static enum s2_err run_going(struct run *r, enum s2_phase phase, uint64_t *done)
{
    struct s2_change c[MOST_CHANGES];
    struct s2_area area;
    enum s2_err err = S2_OK;
    unsigned n;

    for (s2_ipa at = r->range.start;
         !err && s2_area_set_find_from(r->set, at, &area) && area.range.start.v < r->range.end.v; at = area.range.end) {
        n = going(r, &area, c);
        r->meets = true;
        r->whole |= n == 1;
        r->inside |= n == MOST_CHANGES;
        err = s2_area_phase(r->set, r->op, phase, c, n, done);
    }
    return err;
}

static enum s2_err run_coming(struct run *r, enum s2_phase phase, uint64_t *done)
{
    struct s2_change c[MOST_CHANGES];
    unsigned n;

    if (!r->comes)
        return S2_OK;
    n = coming(r, c);
    r->joins = n > 1;
    r->joins_both = n == MOST_CHANGES;
    return s2_area_phase(r->set, r->op, phase, c, n, done);
}

static enum s2_err run_all(struct run *r, enum s2_phase phase, uint64_t *done)
{
    enum s2_err err = run_going(r, phase, done);

    return err ? err : run_coming(r, phase, done);
}

/* Takes back, last first, what was taken: of all changes, backwards, those before the one that failed. */
static void undo_all(struct run *r)
{
    struct s2_change c[MOST_CHANGES];
    struct s2_area area;
    uint64_t end = r->planned;

    if (r->comes)
        end = s2_area_undo(r->set, r->op, c, coming(r, c), end, r->taken);
    for (s2_ipa at = r->range.end; s2_area_set_find_below(r->set, at, &area) && area.range.end.v > r->range.start.v;
         at = area.range.start)
        end = s2_area_undo(r->set, r->op, c, going(r, &area, c), end, r->taken);
}

static enum s2_err take_all(struct run *r)
{
    enum s2_err err = run_all(r, S2_TAKE, &r->taken);

    if (err)
        undo_all(r);
    return err;
}

/* --- the edits ---------------------------------------------------------------------------------------------------- */

/* Entries that these add: what comes takes the place of an area that goes, so that none is added while one is still to be
 * removed. */
static uint32_t inserts(const struct run *r)
{
    uint32_t n = r->inside && !r->joins_both;

    return r->comes && !r->joins && !r->whole ? n + 1 : n;
}

/* What of the area lies outside the range stays. */
static void trim(struct run *r, const struct s2_area *area)
{
    struct s2_ipa_range below = {S2_IPA(r->set->map.lo), r->range.start};
    struct s2_ipa_range above = {r->range.end, S2_IPA(r->set->map.hi)};
    struct s2_area low = s2_area_part(area, below), high = s2_area_part(area, above);

    if (area->range.start.v >= r->range.start.v) {
        s2_area_replace(r->set, area->range.start, &high);
        return;
    }
    s2_area_replace(r->set, area->range.start, &low);
    if (area->range.end.v > r->range.end.v)
        s2_area_insert(r->set, &high);
}

static void edit_coming(struct run *r, const struct s2_area *instead)
{
    struct s2_area whole = *r->comes, low, high;
    bool below = join_below(r, &whole, &low), above = join_above(r, &whole, &high);

    if (below && above)
        s2_imap_erase(&r->set->map, high.range.start.v);
    if (below)
        s2_area_replace(r->set, low.range.start, &whole);
    else if (above)
        s2_area_replace(r->set, high.range.start, &whole);
    else if (r->whole)
        s2_area_replace(r->set, instead->range.start, &whole);
    else
        s2_area_insert(r->set, &whole);
}

static void edit(struct run *r)
{
    struct s2_area area, instead;
    bool place = r->comes && !r->joins; /* the first whole area is one for what comes */

    if (r->inside && r->joins_both)
        return; /* it is one with both rests again */
    if (!r->comes && r->range.start.v == r->set->map.lo && r->range.end.v == r->set->map.hi) {
        s2_imap_clear(&r->set->map);
        return;
    }
    for (s2_ipa at = r->range.start; s2_area_set_find_from(r->set, at, &area) && area.range.start.v < r->range.end.v;
         at = area.range.end) {
        if (area.range.start.v < r->range.start.v || area.range.end.v > r->range.end.v) {
            trim(r, &area);
        } else if (place) {
            instead = area;
            place = false;
        } else {
            s2_imap_erase(&r->set->map, area.range.start.v);
        }
    }
    if (r->comes)
        edit_coming(r, &instead);
}

/* What takes a place is made only after what was there has been flushed and given back (break-before-make). The void
 * casts: only the first two phases can fail. */
static void commit_all(struct run *r)
{
    if (r->meets) {
        (void)run_going(r, S2_COMMIT, &r->done);
        s2_op_flush(r->op);
        (void)run_going(r, S2_RELEASE, &r->done);
    }
    if (r->comes) {
        (void)run_coming(r, S2_COMMIT, &r->done);
        s2_op_flush(r->op);
        (void)run_coming(r, S2_RELEASE, &r->done);
    }
    edit(r);
}

static enum s2_err run(struct run *r)
{
    enum s2_err err = run_all(r, S2_PREPARE, &r->planned);

    if (err || r->planned == 0)
        return err;
    err = s2_area_reserve(r->set, r->op, inserts(r), !r->comes);
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

static enum s2_err run_and_leave(struct run *r, enum s2_err err)
{
    return s2_area_leave(r->set, r->op, err ? err : run(r));
}

enum s2_err s2_area_set_map(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                            enum s2_map_mode mode)
{
    struct run r = {.set = set, .op = op, .range = area->range, .comes = area};
    enum s2_err err = s2_area_enter(set, op, area->range);

    return err ? err : run_and_leave(&r, s2_area_check_new(set, op->detail, area, mode));
}

enum s2_err s2_area_set_unmap(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range)
{
    struct run r = {.set = set, .op = op, .range = range};
    enum s2_err err = s2_area_enter(set, op, range);

    return err ? err : run_and_leave(&r, S2_OK);
}

enum s2_err s2_area_set_clear(struct s2_area_set *set, struct s2_op *op)
{
    struct s2_ipa_range all = {S2_IPA(set->map.lo), S2_IPA(set->map.hi)};

    return s2_area_set_unmap(set, op, all);
}

/* --- operations that insist on what is there ---------------------------------------------------------------------- */

static enum s2_err refuse_other(struct run *r, const char *what)
{
    struct s2_area found;
    bool meets = s2_area_set_overlaps(r->set, r->range, &found);

    return s2_area_refuse(r->op, S2_ENOENT, r->range, meets ? &found : NULL, what);
}

static enum s2_err check_expected(struct run *r, const struct s2_area *expected)
{
    struct s2_ival want = s2_area_pack(expected), have;
    struct s2_area found;

    if (!s2_area_set_find(r->set, r->range.start, &found) || found.range.start.v != r->range.start.v ||
        found.range.end.v != r->range.end.v)
        return refuse_other(r, "is not the range of an area");
    have = s2_area_pack(&found);
    if (have.w[0] != want.w[0] || have.w[1] != want.w[1] || have.w[2] != want.w[2])
        return refuse_other(r, "is the range of another area");
    return S2_OK;
}

enum s2_err s2_area_set_unmap_expected(struct s2_area_set *set, struct s2_op *op, const struct s2_area *expected)
{
    struct run r = {.set = set, .op = op, .range = expected->range};
    enum s2_err err = s2_area_enter(set, op, expected->range);

    return err ? err : run_and_leave(&r, check_expected(&r, expected));
}

static enum s2_err check_swap(struct run *r, const struct s2_backend *expected)
{
    enum s2_err err = s2_area_check_new(r->set, r->op->detail, r->comes, S2_MAP_REPLACE);
    struct s2_area found;

    if (!err && !expected)
        err = s2_area_refuse(r->op, S2_EINVAL, r->range, NULL, "is to replace no backend");
    if (!err && (!s2_area_set_find(r->set, r->range.start, &found) || found.range.end.v < r->range.end.v ||
                 found.backend != expected))
        err = refuse_other(r, "lies in no area of the backend that is to be replaced");
    return err;
}

enum s2_err s2_area_set_swap(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                             const struct s2_backend *expected)
{
    struct run r = {.set = set, .op = op, .range = area->range, .comes = area};
    enum s2_err err = s2_area_enter(set, op, area->range);

    return err ? err : run_and_leave(&r, check_swap(&r, expected));
}
