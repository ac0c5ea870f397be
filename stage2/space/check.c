/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Areas against tables, both ways: every leaf, chunk and ledger entry is one that the areas would produce, and what the
 * areas promise to be there is there. Access flag and dirty state do not count. Reads only.
 *
 * In two parts: what can be told of a range by itself, and what only all of it together says. Each check says whether to go on. */
#include "frame/ledger.h"
#include "space/inner.h"

struct audit {
    struct s2_space *sp;
    s2_check_fn *found;
    void *arg;
    bool over; /* nothing more is wanted */
    struct s2_ipa_range range, part;
    uint64_t bytes, leaves; /* of what was visited */
};

static bool tell(struct audit *a, const struct s2_detail *d)
{
    a->over = !a->found(a->arg, d);
    return !a->over;
}

static bool fail(struct audit *a, enum s2_detail_axis axis, uint64_t start, uint64_t end, const char *what)
{
    struct s2_detail d;

    (void)s2_refuse(&d, S2_EINVAL, axis, start, end, what);
    return tell(a, &d);
}

static bool fail_ipa(struct audit *a, struct s2_ipa_range r, const char *what)
{
    return fail(a, S2_AXIS_IPA, r.start.v, r.end.v, what);
}

static struct s2_ipa_range all_of(const struct s2_space *sp)
{
    return (struct s2_ipa_range){S2_IPA(0), S2_IPA(s2_ipa_limit(&sp->cfg.geometry))};
}

/* --- leaves against areas, chunks, ledger --------------------------------------------------------------------------------- */

/* What the area's kind has from ipa on, as far as it lies together; false: nothing. */
static bool expected(const struct s2_space *sp, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run,
                     s2_pa *pa)
{
    if (!s2_area_memory(sp, area, ipa, run, pa))
        return false;
    pa->v += ipa.v - run->start.v;
    run->start = ipa;
    return true;
}

/* With whose it is. */
static bool fail_rights(struct audit *a, uint64_t start, uint64_t end, const char *what)
{
    struct s2_ledger_entry e = {.owner = S2_OWNER_NONE};
    struct s2_detail d;

    (void)s2_ledger_find(a->sp->cfg.ledger, S2_PA(start), &e);
    (void)s2_refuse_found(&d, S2_EPERM, S2_AXIS_PA, start, end, e.range.start.v, e.range.end.v, what);
    d.holder = e.owner;
    return tell(a, &d);
}

/* Every frame of the run is this VM's, or shared with it, allows `rights`, and is known to be mapped at `ipa`. */
static bool check_rights(struct audit *a, struct s2_pa_range run, s2_ipa ipa, uint32_t rights)
{
    s2_pa end;
    s2_ipa known;

    for (s2_pa at = run.start; at.v < run.end.v; at = end) {
        uint8_t allowed = s2_ledger_right(a->sp->cfg.ledger, a->sp->cfg.id, at, &known, &end);
        const char *what = NULL;

        if (!allowed && end.v == at.v + 1)
            what = "is mapped, and is no memory that the machine has";
        else if (!allowed)
            what = "is mapped, and the ledger says that it is not this VM's";
        else if (rights & ~(uint32_t)allowed)
            what = "is mapped with rights that the ledger does not allow";
        else if (known.v != ipa.v + (at.v - run.start.v))
            what = "is mapped, and the ledger says at another place";
        if (what)
            return fail_rights(a, at.v, s2_min_u64(end.v, run.end.v), what);
    }
    return true;
}

static bool check_leaf(void *arg, const struct s2_leaf *leaf)
{
    struct audit *a = arg;
    const struct s2_space *sp = a->sp;
    struct s2_ipa_range run;
    struct s2_area area;
    s2_pa pa;

    a->leaves++;
    a->bytes += s2_range_bytes(s2_range_meet(leaf->range, a->part));
    if (!s2_area_set_find(&sp->areas, leaf->range.start, &area) || area.range.end.v < leaf->range.end.v)
        return fail_ipa(a, leaf->range, "is mapped, and no one area covers it");
    if (!expected(sp, &area, leaf->range.start, &run, &pa) || run.end.v < leaf->range.end.v)
        return fail_ipa(a, leaf->range, "is mapped, and its area has no memory there");
    if (pa.v != leaf->pa.v)
        return fail_ipa(a, leaf->range, "is mapped to another address than its area says");
    if (!s2_attr_eq(leaf->attr, s2_attr_effective(area.attr, &sp->table.caps)))
        return fail_ipa(a, leaf->range, "is mapped with other attributes than its area has");
    return check_rights(a, s2_pa_run(leaf->pa, s2_range_bytes(leaf->range)), leaf->range.start,
                        leaf->attr.bits & S2_PERM_MASK);
}

/* --- areas against leaves and chunks ------------------------------------------------------------------------------------- */

static uint64_t chunk_bytes(const struct s2_space *sp, struct s2_ipa_range range)
{
    struct s2_chunk c;
    uint64_t bytes = 0;

    for (; range.start.v < range.end.v && s2_chunk_next(&sp->chunks, range, &c); range.start = c.range.end)
        bytes += s2_range_bytes(c.range);
    return bytes;
}

/* Is all of the part mapped that its kind says is there? Not asked of alloc areas, some of whose leaves come with faults. */
static bool wholly_mapped(const struct audit *a, const struct s2_area *area)
{
    uint64_t there = 0, granule = s2_granule_bytes(&a->sp->cfg.geometry);
    struct s2_ipa_range run;
    s2_pa pa;

    for (s2_ipa at = a->part.start; at.v < a->part.end.v; at = run.end)
        if (expected(a->sp, area, at, &run, &pa))
            there += s2_range_bytes(s2_range_meet(run, a->part));
        else
            run.end.v = at.v + granule;
    return there == a->bytes;
}

/* The leaves of a part of the range; bytes: what they map of it. */
static bool check_leaves(struct audit *a, struct s2_ipa_range part)
{
    a->part = part;
    a->bytes = 0;
    if (part.start.v < part.end.v)
        s2_table_visit(&a->sp->table, part, check_leaf, a);
    return !a->over;
}

static bool check_area(struct audit *a, const struct s2_area *area)
{
    struct s2_ipa_range part = s2_range_meet(area->range, a->range);
    uint64_t bytes = s2_range_bytes(part), held = chunk_bytes(a->sp, part);
    bool is_alloc = area->backend == &s2_backend_alloc;

    if (!check_leaves(a, part))
        return false;
    if (!is_alloc && area->backend->memory && !wholly_mapped(a, area))
        return fail_ipa(a, area->range, "is not wholly mapped");
    if (!is_alloc && held)
        return fail_ipa(a, area->range, "has chunks of memory, and is not of a kind that has any");
    if (is_alloc && !s2_area_lazy(area) && (held != bytes || a->bytes != bytes))
        return fail_ipa(a, area->range, "is not wholly populated");
    return true;
}

/* Area by area, and what is mapped between them, too. */
static bool check_areas(struct audit *a)
{
    struct s2_area area;
    bool any = true;

    for (s2_ipa at = a->range.start; any && at.v < a->range.end.v; at = area.range.end) {
        any = s2_area_set_find_from(&a->sp->areas, at, &area) && area.range.start.v < a->range.end.v;
        if (!check_leaves(a, (struct s2_ipa_range){at, any ? area.range.start : a->range.end}))
            return false;
        if (any && !check_area(a, &area))
            return false;
    }
    return true;
}

/* --- chunks and ledger against areas --------------------------------------------------------------------------------------- */

/* What long work that populates an area has taken there and not mapped yet. False: nothing. */
static bool held_at(const struct s2_space *sp, s2_ipa ipa, struct s2_ipa_range *held)
{
    const struct s2_long *l = s2_long_meeting(sp, (struct s2_ipa_range){ipa, S2_IPA(ipa.v + 1)});

    if (!l || !l->populates || ipa.v < l->done.v)
        return false;
    *held = (struct s2_ipa_range){l->done, l->range.end};
    return true;
}

/* Chunks may run on from one alloc area into the next; that areas of other kinds have none is known already. */
static bool in_alloc_areas(const struct s2_space *sp, struct s2_ipa_range range)
{
    struct s2_ipa_range held;
    struct s2_area area;

    while (range.start.v < range.end.v) {
        if (s2_area_set_find(&sp->areas, range.start, &area))
            range.start = area.range.end;
        else if (held_at(sp, range.start, &held))
            range.start = held.end;
        else
            return false;
    }
    return true;
}

static bool check_chunk(struct audit *a, const struct s2_chunk *c)
{
    struct s2_pa_range run = s2_pa_run(c->pa, s2_range_bytes(c->range));
    s2_pa free;

    if (!in_alloc_areas(a->sp, c->range))
        return fail_ipa(a, c->range, "is memory of an area that is not there");
    if (s2_frames_any_free(a->sp->cfg.frames, run, &free))
        return fail(a, S2_AXIS_PA, free.v, free.v + S2_FRAME, "is an area's memory, and free");
    return check_rights(a, run, c->range.start, 0);
}

static bool check_chunks(struct audit *a)
{
    struct s2_ipa_range left = a->range;
    struct s2_chunk c;

    for (; left.start.v < left.end.v && s2_chunk_next(&a->sp->chunks, left, &c); left.start = c.range.end)
        if (!check_chunk(a, &c))
            return false;
    return true;
}

/* What the ledger says is mapped in the range, is. */
static bool check_entry(struct audit *a, const struct s2_ledger_entry *e, struct s2_ipa_range said)
{
    while (said.start.v < said.end.v) {
        uint64_t pa_start = e->range.start.v + (said.start.v - e->ipa.v);
        struct s2_area area = {.backend = &s2_backend_alloc};
        struct s2_ipa_range run;
        s2_pa pa;

        if (!s2_area_set_find(&a->sp->areas, said.start, &area) && !held_at(a->sp, said.start, &area.range))
            return fail(a, S2_AXIS_PA, pa_start, e->range.end.v, "is mapped by the ledger, not by an area");
        if (!expected(a->sp, &area, said.start, &run, &pa) || pa.v != pa_start)
            return fail(a, S2_AXIS_PA, pa_start, e->range.end.v, "is mapped by the ledger, not by its area");
        said.start = run.end;
    }
    return true;
}

static bool check_ledger(struct audit *a)
{
    struct s2_ipa_range range = a->range;
    struct s2_ledger_entry e;

    if (range.end.v == s2_ipa_limit(&a->sp->cfg.geometry))
        range.end.v = S2_IPA_NONE.v; /* the ledger may name what no address can be */
    for (s2_pa at = S2_PA(0); s2_ledger_next(a->sp->cfg.ledger, at, &e); at = e.range.end) {
        struct s2_ipa_range said = {e.ipa, S2_IPA(e.ipa.v + (e.range.end.v - e.range.start.v))};

        if (e.owner == a->sp->cfg.id && e.ipa.v != S2_IPA_NONE.v && !e.share &&
            !check_entry(a, &e, s2_range_meet(said, range)))
            return false;
    }
    return true;
}

/* --- sums ------------------------------------------------------------------------------------------------------------------- */

static bool check_sums(struct audit *a)
{
    uint64_t promised = 0, held = chunk_bytes(a->sp, a->range) / S2_FRAME;
    struct s2_area area;

    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(&a->sp->areas, at, &area); at = area.range.end)
        if (s2_area_promised(&area))
            promised += (s2_range_bytes(area.range) - chunk_bytes(a->sp, area.range)) / S2_FRAME;
    if (promised != a->sp->frames_promised &&
        !fail(a, S2_AXIS_NONE, promised, a->sp->frames_promised, "promises other frames than its areas lack"))
        return false;
    if (held != a->sp->frames_held &&
        !fail(a, S2_AXIS_NONE, held, a->sp->frames_held, "holds another number of frames than its chunks have"))
        return false;
    return !a->sp->taken.count || fail(a, S2_AXIS_NONE, 0, 0, "still holds what an operation took");
}

/* --- shares against areas ---------------------------------------------------------------------------------------------------- */

/* Bytes of areas that show that share. */
static uint64_t shown(const struct s2_space *sp, uint32_t handle)
{
    uint64_t bytes = 0;
    struct s2_area area;

    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(&sp->areas, at, &area); at = area.range.end)
        if (area.backend == &s2_backend_shared && s2_shared_index(&area) == s2_share_index(handle))
            bytes += s2_range_bytes(area.range);
    return bytes;
}

/* What each share says that this VM has of it is there, no more and no less, and so is what counts as shared. */
static bool check_shares(struct audit *a)
{
    uint64_t all = 0, counted = 0, charged, is;
    struct s2_share_info info = {.handle = 0};
    struct s2_area area;

    while (s2_share_next(a->sp->cfg.ledger, info.handle, &info)) {
        const struct s2_borrower *b = s2_share_borrower(&info, a->sp->cfg.id);
        uint64_t has = info.owner == a->sp->cfg.id ? info.owner_has : b ? b->mapped : 0;

        if (shown(a->sp, info.handle) != has)
            return fail(a, S2_AXIS_NONE, info.handle, has, "shows another part of a share than it is said to have");
        counted += has;
    }
    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(&a->sp->areas, at, &area); at = area.range.end)
        all += area.backend == &s2_backend_shared ? s2_range_bytes(area.range) : 0;
    if (all != counted)
        return fail(a, S2_AXIS_NONE, all, counted, "shows shares that there are not");
    charged = s2_share_charge(a->sp->cfg.ledger, &a->sp->frames_shared, &is);
    if (charged != is)
        return fail(a, S2_AXIS_NONE, charged, is, "is charged for another number of shared frames");
    return true;
}

/* --- long work -------------------------------------------------------------------------------------------------------------- */

/* An area that grows is what its work has done, and what the work still holds is in no area. */
static bool check_long(struct audit *a, const struct s2_long *l)
{
    struct s2_ipa_range held = {l->done, l->range.end};
    struct s2_area area = {.range = {l->range.start, l->range.start}};

    if (l->range.start.v > l->done.v || l->done.v > l->range.end.v)
        return fail_ipa(a, l->range, "is worked on outside of its range");
    if (!l->populates)
        return true;
    if (s2_area_set_find(&a->sp->areas, l->range.start, &area) && !(area.flags & S2_AREA_GROWING))
        return fail_ipa(a, l->range, "is being populated, and an area is there");
    if (area.range.start.v != l->range.start.v || area.range.end.v != l->done.v)
        return fail_ipa(a, l->range, "is being populated, and its area is not what is done");
    if (s2_area_set_overlaps(&a->sp->areas, held, NULL))
        return fail_ipa(a, held, "is yet to be populated, and an area is there");
    if (chunk_bytes(a->sp, held) != s2_range_bytes(held))
        return fail_ipa(a, held, "is yet to be populated, and the memory for it is not there");
    return true;
}

static bool check_longs(struct audit *a)
{
    uint64_t growing = 0, marked = 0;
    struct s2_area area;

    for (const struct s2_long *l = a->sp->longs; l; l = l->next) {
        if (s2_long_meeting(a->sp, l->range) != l)
            return fail_ipa(a, l->range, "is worked on twice");
        if (!check_long(a, l))
            return false;
        growing += l->populates && l->done.v > l->range.start.v;
    }
    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(&a->sp->areas, at, &area); at = area.range.end)
        marked += (area.flags & S2_AREA_GROWING) != 0;
    if (growing != marked)
        return fail(a, S2_AXIS_NONE, growing, marked, "has areas that grow, and nobody at work on them");
    return true;
}

/* --- structures and quotas --------------------------------------------------------------------------------------------------- */

/* False, too, when what is wrong is what the other checks would go through. The audit has looked at the ledger, in steps. */
static bool check_structures(struct audit *a, bool ledger)
{
    struct s2_ledger *l = a->sp->cfg.ledger;
    const struct s2_space *sp = a->sp;
    const char *wrong = s2_imap_check(&sp->areas.map);

    if (!wrong)
        wrong = s2_imap_check(&sp->chunks);
    if (!wrong && ledger) {
        s2_ledger_lock(l);
        wrong = s2_imap_check(&l->map);
        s2_ledger_unlock(l);
    }
    if (wrong)
        (void)fail(a, S2_AXIS_NONE, 0, 0, wrong);
    return !wrong;
}

static bool check_quotas(struct audit *a)
{
    const struct s2_space *sp = a->sp;
    struct s2_tquota q = s2_space_quota(a->sp);
    const char *wrong = NULL;

    if (q.used > q.limit)
        wrong = "uses more table pages than its quota";
    else if (s2_frames_charged(sp) > sp->cfg.frame_quota)
        wrong = "holds and promises more frames than its quota";
    else if (sp->cut_nodes > S2_CUT_NODES || sp->cut.count > s2_cut_tables(&sp->cfg.geometry))
        wrong = "has more in its cut reserve than belongs there";
    return !wrong || fail(a, S2_AXIS_NONE, 0, 0, wrong);
}

static bool check_tables(struct audit *a)
{
    const char *wrong = s2_table_check_range(&a->sp->table, a->range);

    if (wrong)
        (void)fail_ipa(a, a->range, wrong);
    return !wrong;
}

bool s2_check_totals(struct s2_space *sp, s2_check_fn *found, void *arg)
{
    struct audit a = {.sp = sp, .found = found, .arg = arg, .range = all_of(sp)};

    return check_structures(&a, false) && check_quotas(&a) && check_sums(&a) && check_shares(&a) && check_longs(&a);
}

bool s2_check_range(struct s2_space *sp, struct s2_ipa_range range, s2_check_fn *found, void *arg, uint64_t *leaves)
{
    struct audit a = {.sp = sp, .found = found, .arg = arg, .range = s2_range_meet(range, all_of(sp))};
    bool on = check_tables(&a) && check_areas(&a) && check_chunks(&a) && check_ledger(&a);

    *leaves += a.leaves;
    return on;
}

/* --- the first finding ---------------------------------------------------------------------------------------------------------- */

static bool first(void *arg, const struct s2_detail *d)
{
    *(struct s2_detail *)arg = *d;
    return false;
}

/* What is wrong inside comes before what is wrong of it. */
static const char *check_all(struct s2_space *sp, struct s2_detail *d)
{
    struct audit a = {.sp = sp, .found = first, .arg = d, .range = all_of(sp)};
    const char *wrong;

    if (!check_structures(&a, true))
        return d->what;
    wrong = s2_table_check(&sp->table);
    if (wrong)
        (void)fail(&a, S2_AXIS_NONE, 0, 0, wrong);
    else if (check_quotas(&a) && check_areas(&a) && check_chunks(&a) && check_sums(&a) && check_ledger(&a) &&
             check_shares(&a))
        (void)check_longs(&a);
    return a.over ? d->what : NULL;
}

const char *s2_space_check(struct s2_space *sp, struct s2_detail *d)
{
    const char *wrong = NULL;
    struct s2_detail own;

    s2_space_lock(sp);
    if (!sp->dying)
        wrong = check_all(sp, d ? d : &own);
    s2_space_unlock(sp);
    return wrong;
}

void s2_check_operation(struct s2_space *sp, struct s2_ipa_range range)
{
    enum { ALL_OF_IT = 64 };
    uint64_t leaves = 0;

    if (sp->wrong || sp->dying)
        return;
    sp->wrong_detail.what = NULL;
    if (++sp->operations % ALL_OF_IT == 0)
        sp->wrong = check_all(sp, &sp->wrong_detail);
    else if (range.start.v < range.end.v && !s2_check_range(sp, range, first, &sp->wrong_detail, &leaves))
        sp->wrong = sp->wrong_detail.what;
}
