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
    enum s2_map_mode mode;

    struct s2_imap_cursor at;   /* the first entry that ends above range.start, until the edits */
    bool meets;                 /* an area goes, at least in part, */
    bool whole;                 /* one of them wholly, */
    bool inside;                /* or there is one that stays on both sides */
    bool joins_low, joins_high; /* what comes joins what then lies directly below it, or above */
    struct s2_area low, high;   /* these two, */
    struct s2_area all;         /* and what comes, with those that it joins */
    uint64_t planned;           /* changes in all */
    uint64_t taken, done;       /* those whose backend has taken what it needs; and the later phases' */
};

#define MOST_CHANGES 3u /* that one area goes (two cuts, its removal), that one comes (itself, two merges) */

/* The area at a cursor, if it meets the range. */
static bool meeting(const struct run *r, const struct s2_imap_cursor *at, struct s2_area *area)
{
    struct s2_ient e;

    if (!s2_imap_get(at, &e) || e.start >= r->range.end.v)
        return false;
    *area = s2_area_unpack(&e);
    return true;
}

/* What of an area lies below the range, and above it; empty, or inverted, where nothing does. */
static struct s2_area rest_below(const struct run *r, const struct s2_area *area)
{
    return s2_area_part(area, (struct s2_ipa_range){area->range.start, r->range.start});
}

static struct s2_area rest_above(const struct run *r, const struct s2_area *area)
{
    return s2_area_part(area, (struct s2_ipa_range){r->range.end, area->range.end});
}

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

static unsigned coming(const struct run *r, struct s2_change c[MOST_CHANGES])
{
    struct s2_area below = r->joins_low ? r->low : *r->comes;
    unsigned n = 0;

    c[n++] = (struct s2_change){
        .step = S2_STEP_MAP, .area = *r->comes, .part = r->range, .attr = r->comes->attr, .replacing = r->meets};
    if (r->joins_low)
        c[n++] = (struct s2_change){.step = S2_STEP_MERGE, .area = r->low, .part = r->range};
    below.range.end = r->range.end;
    if (r->joins_high)
        c[n++] = (struct s2_change){.step = S2_STEP_MERGE, .area = below, .part = r->high.range};
    return n;
}

/* --- the phases --------------------------------------------------------------------------------------------------- */

/* The cursor ends where no area meets the range any more. */
static enum s2_err run_going(struct run *r, enum s2_phase phase, uint64_t *done, struct s2_imap_cursor *at)
{
    struct s2_change c[MOST_CHANGES];
    struct s2_area area;
    enum s2_err err = S2_OK;
    unsigned n;

    for (*at = r->at; !err && meeting(r, at, &area); (void)s2_imap_next(&r->set->map, at)) {
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

    return r->comes ? s2_area_phase(r->set, r->op, phase, c, coming(r, c), done) : S2_OK;
}

static bool below_range(const struct run *r, struct s2_imap_cursor at, struct s2_area *low)
{
    struct s2_ient e;

    if (!s2_imap_get(&at, &e) || e.start >= r->range.start.v) {
        /* cover: what prev has found is there */
        if (!s2_imap_prev(&r->set->map, &at) || !s2_imap_get(&at, &e))
            return false;
    }
    *low = s2_area_unpack(&e);
    *low = rest_below(r, low);
    return true;
}

/* `at`: behind the last area that meets the range. */
static bool above_range(const struct run *r, struct s2_imap_cursor at, struct s2_area *high)
{
    struct s2_ient e;

    if (!s2_imap_get(&at, &e) || e.start > r->range.end.v) {
        /* cover: likewise */
        if (!s2_imap_prev(&r->set->map, &at) || !s2_imap_get(&at, &e) || e.end <= r->range.end.v)
            return false;
    }
    *high = s2_area_unpack(&e);
    *high = rest_above(r, high);
    return true;
}

/* What comes, with what lies directly below it and above once the areas in the range are gone, if these join it. */
static void look_around(struct run *r, const struct s2_imap_cursor *behind)
{
    r->all = *r->comes;
    r->joins_low = below_range(r, r->at, &r->low) && s2_area_joins(&r->low, r->comes);
    if (r->joins_low) {
        r->all = r->low;
        r->all.range.end = r->range.end;
    }
    r->joins_high = above_range(r, *behind, &r->high) && s2_area_joins(&r->all, &r->high);
    if (r->joins_high)
        r->all.range.end = r->high.range.end;
}

static enum s2_err plan(struct run *r)
{
    struct s2_imap_cursor behind;
    struct s2_area found;
    enum s2_err err;

    (void)s2_imap_seek(&r->set->map, r->range.start.v, &r->at);
    if (r->comes && r->mode == S2_MAP_NEW && meeting(r, &r->at, &found))
        return s2_area_refuse(r->op, S2_EEXIST, r->range, &found, s2_err_phrase(S2_EEXIST));
    err = run_going(r, S2_PREPARE, &r->planned, &behind);
    if (err || !r->comes)
        return err;
    look_around(r, &behind);
    return run_coming(r, S2_PREPARE, &r->planned);
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
    struct s2_imap_cursor at;
    enum s2_err err = run_going(r, S2_TAKE, &r->taken, &at);

    if (!err)
        err = run_coming(r, S2_TAKE, &r->taken);
    if (err)
        undo_all(r);
    return err;
}

/* --- the edits ---------------------------------------------------------------------------------------------------- */

/* Does what comes become an area by itself? */
static bool stands_alone(const struct run *r)
{
    return r->comes && !r->joins_low && !r->joins_high;
}

/* Entries that the edits add: what comes takes the place of an area that goes, so that none is added while one is still to
 * be removed. */
static uint32_t inserts(const struct run *r)
{
    uint32_t n = r->inside && !(r->joins_low && r->joins_high);

    return stands_alone(r) && !r->whole ? n + 1 : n;
}

static void put(struct run *r, const struct s2_area *area)
{
    struct s2_ient e = s2_area_entry(area);

    s2_imap_put(&r->set->map, &r->at, &e);
}

static void alter(struct run *r, const struct s2_area *area)
{
    struct s2_ient e = s2_area_entry(area);

    s2_imap_alter(&r->set->map, &r->at, &e);
}

/* One area becomes two, or three with what comes between. */
static void edit_inside(struct run *r, const struct s2_area *area)
{
    struct s2_area low = rest_below(r, area), high = rest_above(r, area);

    if (r->joins_low && r->joins_high)
        return; /* it is one again */
    alter(r, r->joins_high ? &r->all : &high);
    if (stands_alone(r))
        put(r, r->comes);
    put(r, r->joins_low ? &r->all : &low);
}

/* The cursor ends behind the range, on what is left above it if that was cut. True: a place for what comes was kept, which
 * is the one before. */
static bool edit_going(struct run *r)
{
    bool keep = stands_alone(r), kept = false;
    struct s2_area area, rest;

    while (meeting(r, &r->at, &area)) {
        if (area.range.end.v > r->range.end.v) {
            rest = rest_above(r, &area);
            alter(r, &rest);
        } else if (area.range.start.v < r->range.start.v) {
            rest = rest_below(r, &area);
            alter(r, &rest);
            (void)s2_imap_next(&r->set->map, &r->at);
        } else if (keep && !kept) {
            kept = true;
            (void)s2_imap_next(&r->set->map, &r->at);
        } else {
            s2_imap_drop(&r->set->map, &r->at);
        }
    }
    return kept;
}

static void edit_coming(struct run *r, bool kept)
{
    if (r->joins_low && r->joins_high)
        s2_imap_drop(&r->set->map, &r->at);
    if (r->joins_low || kept)
        (void)s2_imap_prev(&r->set->map, &r->at);
    if (stands_alone(r) && !kept)
        put(r, r->comes);
    else
        alter(r, &r->all);
}

static void edit(struct run *r)
{
    struct s2_area area;
    bool kept;

    if (r->inside) {
        (void)meeting(r, &r->at, &area);
        edit_inside(r, &area);
    } else if (!r->comes && r->range.start.v == r->set->map.lo && r->range.end.v == r->set->map.hi) {
        s2_imap_clear(&r->set->map);
    } else {
        kept = edit_going(r);
        if (r->comes)
            edit_coming(r, kept);
    }
}

/* What takes a place is made only after what was there has been flushed and given back (break-before-make). The void
 * casts: only the first two phases can fail. */
static void commit_all(struct run *r)
{
    struct s2_imap_cursor at;

    if (r->meets) {
        (void)run_going(r, S2_COMMIT, &r->done, &at);
        s2_op_flush(r->op);
        (void)run_going(r, S2_RELEASE, &r->done, &at);
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
    enum s2_err err = plan(r);

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

/* S2_EINVAL: no backend that commits. */
static enum s2_err check_backend(struct s2_detail *d, const struct s2_area *area)
{
    if (area->backend && area->backend->commit)
        return S2_OK;
    return s2_refuse(d, S2_EINVAL, S2_AXIS_IPA, area->range.start.v, area->range.end.v, "has no backend that commits");
}

enum s2_err s2_area_check_new(const struct s2_area_set *set, struct s2_op *op, const struct s2_area *area)
{
    struct s2_area found;

    if (!s2_area_set_overlaps(set, area->range, &found))
        return S2_OK;
    return s2_area_refuse(op, S2_EEXIST, area->range, &found, s2_err_phrase(S2_EEXIST));
}

static enum s2_err run_and_leave(struct run *r, enum s2_err err)
{
    return s2_area_leave(r->set, r->op, err ? err : run(r));
}

enum s2_err s2_area_set_map(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                            enum s2_map_mode mode)
{
    struct run r = {.set = set, .op = op, .range = area->range, .comes = area, .mode = mode};
    enum s2_err err = s2_area_enter(set, op, area->range);

    return err ? err : run_and_leave(&r, check_backend(op->detail, area));
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
    enum s2_err err = check_backend(r->op->detail, r->comes);
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
    struct run r = {.set = set, .op = op, .range = area->range, .comes = area, .mode = S2_MAP_REPLACE};
    enum s2_err err = s2_area_enter(set, op, area->range);

    return err ? err : run_and_leave(&r, check_swap(&r, expected));
}
