/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Map, unmap and clear: what goes, then what comes. The changes of what goes are not stored: every phase walks the areas
 * and derives them again, until the last step edits. */
#include "space/area_set.h"

#define MOST_CHANGES 3u /* that one area goes (two cuts, its removal), that one comes (itself, two merges) */

/* An operation under way: the areas in `range` go; `comes`, if not null, takes their place. */
struct run {
    struct s2_area_set *set;
    struct s2_op *op;
    struct s2_ipa_range range;
    const struct s2_area *comes;
    struct s2_imap_cursor at;          /* the first entry that ends above range.start, until the edits */
    unsigned meets;                    /* so many areas go, at least in part */
    bool cuts_low, cuts_high;          /* of the first of them something stays below, of the last one above */
    bool joins_low, joins_high;        /* what comes joins that, or a neighbour */
    struct s2_area low, high;          /* what stays, or the neighbours */
    struct s2_area all;                /* what comes, with those of these two that it joins */
    uint64_t planned;                  /* changes in all */
    uint64_t taken, done;              /* those whose backend has taken what it needs; and the later phases' */
    unsigned going, coming;            /* how many changes stand in */
    struct s2_change go[MOST_CHANGES]; /* that of the area which was walked last, */
    struct s2_change come[MOST_CHANGES];
};

static void start(struct run *r, struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                  const struct s2_area *comes)
{
    r->set = set;
    r->op = op;
    r->range = range;
    r->comes = comes;
    r->cuts_low = r->cuts_high = r->joins_low = r->joins_high = false;
    r->planned = r->taken = r->done = 0;
    r->meets = r->going = r->coming = 0;
}

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

/* Not inline: six copies of an area are more than a call. */
__attribute__((noinline)) static void add(struct s2_change *c, enum s2_step step, const struct s2_area *area,
                                          struct s2_ipa_range part)
{
    c->step = step;
    c->area = *area;
    c->part = c->goes = part;
    c->attr = area->attr;
    c->replacing = false;
}

/* Ascending: the cuts, then the removal. */
static void derive_going(struct run *r, const struct s2_area *area)
{
    struct s2_ipa_range part = s2_area_part(area, r->range).range;
    unsigned n = 0;

    if (r->going > 0 && r->go[0].area.range.start.v == area->range.start.v)
        return; /* as they stand */
    if (part.start.v > area->range.start.v) {
        add(&r->go[n++], S2_STEP_SPLIT, area, (struct s2_ipa_range){part.start, part.start});
        r->cuts_low = true;
        r->low = rest_below(r, area);
    }
    if (part.end.v < area->range.end.v) {
        add(&r->go[n++], S2_STEP_SPLIT, area, (struct s2_ipa_range){part.end, part.end});
        r->cuts_high = true;
        r->high = rest_above(r, area);
    }
    add(&r->go[n], S2_STEP_UNMAP, area, part);
    r->go[n++].goes = r->range;
    r->going = n;
}

static void derive_coming(struct run *r)
{
    struct s2_area below = r->joins_low ? r->low : *r->comes;
    unsigned n = 0;

    add(&r->come[n], S2_STEP_MAP, r->comes, r->range);
    r->come[n++].replacing = r->meets > 0;
    if (r->joins_low)
        add(&r->come[n++], S2_STEP_MERGE, &r->low, r->range);
    below.range.end = r->range.end;
    if (r->joins_high)
        add(&r->come[n++], S2_STEP_MERGE, &below, r->high.range);
    r->coming = n;
}

/* --- the phases --------------------------------------------------------------------------------------------------- */

/* The cursor ends where no area meets the range any more; *areas counts those before. */
static enum s2_err walk_going(struct run *r, enum s2_phase phase, uint64_t *done, struct s2_imap_cursor *at,
                              unsigned *areas)
{
    struct s2_area area;
    enum s2_err err = S2_OK;

    *at = r->at;
    for (*areas = 0; !err && meeting(r, at, &area); ++*areas) {
        derive_going(r, &area);
        err = s2_area_phase(r->set, r->op, phase, r->go, r->going, done);
        (void)s2_imap_next(&r->set->map, at);
    }
    return err;
}

static enum s2_err run_going(struct run *r, enum s2_phase phase, uint64_t *done)
{
    struct s2_imap_cursor at;
    unsigned areas;

    return walk_going(r, phase, done, &at, &areas);
}

/* Nothing where nothing comes. */
static enum s2_err run_coming(struct run *r, enum s2_phase phase, uint64_t *done)
{
    return s2_area_phase(r->set, r->op, phase, r->come, r->coming, done);
}

/* The neighbours, where nothing of the areas that go stays: what comes may join them. `behind`: the last that goes. */
static bool has_low(struct run *r)
{
    struct s2_imap_cursor at = r->at;
    struct s2_ient e = {0};

    if (r->cuts_low)
        return true;
    if (!s2_imap_prev(&r->set->map, &at))
        return false;
    (void)s2_imap_get(&at, &e);
    r->low = s2_area_unpack(&e);
    return true;
}

static bool has_high(struct run *r, const struct s2_imap_cursor *behind)
{
    struct s2_ient e;

    if (r->cuts_high)
        return true;
    if (!s2_imap_get(behind, &e))
        return false;
    r->high = s2_area_unpack(&e);
    return true;
}

static void look_around(struct run *r, const struct s2_imap_cursor *behind)
{
    r->all = *r->comes;
    r->joins_low = has_low(r) && s2_area_joins(&r->low, r->comes);
    if (r->joins_low) {
        r->all = r->low;
        r->all.range.end = r->range.end;
    }
    r->joins_high = has_high(r, behind) && s2_area_joins(&r->all, &r->high);
    if (r->joins_high)
        r->all.range.end = r->high.range.end;
}

static enum s2_err plan(struct run *r, enum s2_map_mode mode)
{
    struct s2_imap_cursor behind;
    struct s2_area found;
    enum s2_err err;

    (void)s2_imap_seek(&r->set->map, r->range.start.v, &r->at);
    if (mode == S2_MAP_NEW && meeting(r, &r->at, &found))
        return s2_area_refuse(r->op, S2_EEXIST, r->range, &found, s2_err_phrase(S2_EEXIST));
    err = walk_going(r, S2_PREPARE, &r->planned, &behind, &r->meets);
    if (err || !r->comes)
        return err;
    look_around(r, &behind);
    derive_coming(r);
    return run_coming(r, S2_PREPARE, &r->planned);
}

/* Takes back, last first, what was taken: of all changes, backwards, those before the one that failed. */
static void undo_all(struct run *r)
{
    uint64_t end = s2_area_undo(r->set, r->op, r->come, r->coming, r->planned, r->taken);
    struct s2_area area;

    for (s2_ipa at = r->range.end; s2_area_set_find_below(r->set, at, &area) && area.range.end.v > r->range.start.v;
         at = area.range.start) {
        derive_going(r, &area);
        end = s2_area_undo(r->set, r->op, r->go, r->going, end, r->taken);
    }
}

static enum s2_err take_all(struct run *r)
{
    enum s2_err err = run_going(r, S2_TAKE, &r->taken);

    if (!err)
        err = run_coming(r, S2_TAKE, &r->taken);
    if (err)
        undo_all(r);
    return err;
}

/* --- the edits ---------------------------------------------------------------------------------------------------- */

/* The entries that stand there afterwards: what stays, and what comes, unless they are one. */
static unsigned entries_in(const struct run *r, struct s2_ient e[3])
{
    unsigned n = 0;

    if (r->cuts_low && !r->joins_low)
        e[n++] = s2_area_entry(&r->low);
    if (r->comes)
        e[n++] = s2_area_entry(&r->all);
    if (r->cuts_high && !r->joins_high)
        e[n++] = s2_area_entry(&r->high);
    return n;
}

/* Those that stand there now: the areas that go, at least in part, and the neighbours that what comes joins. */
static unsigned entries_out(const struct run *r)
{
    unsigned n = r->meets;

    n += r->joins_low && !r->cuts_low;
    n += r->joins_high && !r->cuts_high;
    return n;
}

static void edit(struct run *r)
{
    struct s2_imap *map = &r->set->map;
    struct s2_ient e[3];
    unsigned in = entries_in(r, e);

    if (in == 0 && r->meets == map->count) {
        s2_imap_clear(map);
        return;
    }
    if (r->joins_low && !r->cuts_low)
        (void)s2_imap_prev(map, &r->at);
    s2_imap_splice(map, &r->at, entries_out(r), e, in);
}

/* What takes a place is made only after what was there has been flushed and given back (break-before-make). The void
 * casts: only the first two phases can fail. */
static void commit_all(struct run *r)
{
    if (r->meets > 0) {
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

static enum s2_err run(struct run *r, enum s2_map_mode mode)
{
    enum s2_err err = plan(r, mode);
    struct s2_ient e[3];
    unsigned in, out;

    if (err || r->planned == 0)
        return err;
    in = entries_in(r, e);
    out = entries_out(r);
    err = s2_area_reserve(r->set, r->op, in > out ? in - out : 0, !r->comes);
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

static enum s2_err run_and_leave(struct run *r, enum s2_err err, enum s2_map_mode mode)
{
    return s2_area_leave(r->set, r->op, err ? err : run(r, mode));
}

enum s2_err s2_area_set_map(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                            enum s2_map_mode mode)
{
    enum s2_err err = s2_area_enter(set, op, area->range);
    struct run r;

    start(&r, set, op, area->range, area);
    return err ? err : run_and_leave(&r, check_backend(op->detail, area), mode);
}

enum s2_err s2_area_set_unmap(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range)
{
    enum s2_err err = s2_area_enter(set, op, range);
    struct run r;

    start(&r, set, op, range, NULL);
    return err ? err : run_and_leave(&r, S2_OK, S2_MAP_REPLACE);
}

enum s2_err s2_area_plan_unmap(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range)
{
    enum s2_err err = s2_area_enter(set, op, range);
    struct run r;

    start(&r, set, op, range, NULL);
    return err ? err : plan(&r, S2_MAP_REPLACE);
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
    enum s2_err err = s2_area_enter(set, op, expected->range);
    struct run r;

    start(&r, set, op, expected->range, NULL);
    return err ? err : run_and_leave(&r, check_expected(&r, expected), S2_MAP_REPLACE);
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
    enum s2_err err = s2_area_enter(set, op, area->range);
    struct run r;

    start(&r, set, op, area->range, area);
    return err ? err : run_and_leave(&r, check_swap(&r, expected), S2_MAP_REPLACE);
}
