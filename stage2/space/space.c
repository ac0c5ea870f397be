/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "frame/region.h"
#include "space/area_set.h"
#include "space/inner.h"

/* --- life ------------------------------------------------------------------------------------------------------------ */

static enum s2_err check_config(const struct s2_space_config *cfg, struct s2_detail *d)
{
    const char *what = NULL;

    if (!cfg->port || !cfg->caps || !cfg->tables || !cfg->vmids || !cfg->frames || !cfg->ledger || !cfg->nodes)
        what = "lacks a part that a space is made of";
    else if (cfg->id < S2_OWNER_FIRST_VM)
        what = "has an id that is not a VM's";
    else if (cfg->chunk_log2 && cfg->chunk_log2 < cfg->geometry.granule_log2)
        what = "asks for chunks smaller than the granule";
    if (what)
        return s2_refuse(d, S2_EINVAL, S2_AXIS_NONE, 0, 0, what);
    for (unsigned i = 0; i < cfg->frames->regions; i++) {
        const struct s2_frame_region *r = &cfg->frames->region[i];

        if (s2_region_end(r) > 1ull << cfg->geometry.pa_bits)
            return s2_refuse(d, S2_ERANGE, S2_AXIS_PA, r->base.v, s2_region_end(r),
                             "is memory that this geometry's descriptors cannot name");
    }
    return S2_OK;
}

enum s2_err s2_space_init(struct s2_space *sp, const struct s2_space_config *cfg, struct s2_detail *d)
{
    enum { LEVEL_OF_CHUNKS = 2 };
    uint64_t limit;
    enum s2_err err = check_config(cfg, d);

    if (err)
        return err;
    limit = s2_ipa_limit(&cfg->geometry);
    *sp = (struct s2_space){.cfg = *cfg, .cut = S2_TSTASH_EMPTY, .promotion_off = cfg->no_promotion};
    if (!sp->cfg.chunk_log2)
        sp->cfg.chunk_log2 = (uint8_t)s2_level_shift(&cfg->geometry, LEVEL_OF_CHUNKS);
    s2_imap_init(&sp->chunks, cfg->nodes, 0, limit, S2_IMAP_BYTES);
    s2_imap_init(&sp->taken, cfg->nodes, 0, limit, S2_IMAP_BYTES);
    err = s2_area_set_init(&sp->areas, cfg->nodes, S2_IPA(0), S2_IPA(limit), s2_granule_bytes(&cfg->geometry), sp);
    if (!err)
        err = s2_table_init(&sp->table, cfg->port, cfg->caps, &cfg->geometry, cfg->tables, cfg->vmids, cfg->table_pages,
                            cfg->id);
    if (err)
        return s2_refuse(d, err, S2_AXIS_NONE, 0, 0, "cannot have the root of its tables");
    if (!s2_cut_refill(sp)) {
        err = sp->cut_nodes < S2_CUT_NODES || !sp->cut_ledger                          ? S2_ENODES
              : cfg->geometry.roots + s2_cut_tables(&cfg->geometry) > cfg->table_pages ? S2_EQUOTA
                                                                                       : S2_ETABLES;
        s2_cut_release(sp);
        s2_table_fini(&sp->table);
        return s2_refuse(d, err, S2_AXIS_NONE, 0, 0, "cannot have its cut reserve");
    }
    return S2_OK;
}

void s2_space_load(struct s2_space *sp)
{
    s2_table_load(&sp->table);
}

/* --- what backends ask ------------------------------------------------------------------------------------------------- */

enum s2_err s2_space_reaches(const struct s2_space *sp, struct s2_pa_range run, struct s2_detail *d)
{
    if (run.start.v <= run.end.v && run.end.v <= 1ull << sp->cfg.geometry.pa_bits)
        return S2_OK;
    return s2_refuse(d, S2_ERANGE, S2_AXIS_PA, run.start.v, run.end.v, "lies beyond the physical address size");
}

enum s2_err s2_space_attr(const struct s2_space *sp, s2_attr attr, struct s2_detail *d)
{
    return s2_attr_check(attr, &sp->table.caps, sp->cfg.geometry.ds, d);
}

uint32_t s2_pages_need(const struct s2_space *sp, struct s2_ipa_range range, bool replacing)
{
    /* One granule off, nothing is congruent. */
    return s2_table_need_map(&sp->table, range, S2_PA(range.start.v ^ s2_granule_bytes(&sp->cfg.geometry)), replacing);
}

uint32_t s2_map_need(const struct s2_space *sp, struct s2_ipa_range range, s2_pa pa, bool replacing)
{
    return sp->cfg.small_leaves ? s2_pages_need(sp, range, replacing)
                                : s2_table_need_map(&sp->table, range, pa, replacing);
}

void s2_map_run(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range, s2_pa pa, s2_attr attr)
{
    uint64_t step = sp->cfg.small_leaves ? s2_granule_bytes(&sp->cfg.geometry) : s2_range_bytes(range);

    for (uint64_t at = range.start.v; at < range.end.v; at += step) {
        struct s2_ipa_range piece = {S2_IPA(at), S2_IPA(at + step)};

        s2_table_map(&sp->table, &op->stash, &op->gather, piece, S2_PA(pa.v + (at - range.start.v)), attr);
    }
}

void s2_edit_run(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{

    if (c->step == S2_STEP_UNMAP)
        s2_table_unmap(&sp->table, &op->stash, &op->gather, c->part);
    else if (c->step == S2_STEP_PROTECT)
        s2_table_protect(&sp->table, &op->stash, &op->gather, c->part, c->attr);
}

uint32_t s2_ledger_cuts(struct s2_space *sp, struct s2_ipa_range range, s2_pa pa, struct s2_ipa_range goes)
{
    struct s2_pa_range run = s2_pa_run(pa, s2_range_bytes(range));
    struct s2_ledger_entry e = {0};
    uint32_t cuts = 0;
    bool same;

    /* cover: what is unmapped was mapped, so that the ledger has it */
    if (range.start.v == goes.start.v && s2_ledger_find(sp->cfg.ledger, run.start, &e))
        cuts += e.range.start.v < run.start.v;
    same = e.range.end.v >= run.end.v;
    /* cover: the same of its end, which may lie in the same entry */
    if (range.end.v == goes.end.v && (same || s2_ledger_find(sp->cfg.ledger, S2_PA(run.end.v - 1), &e)))
        cuts += e.range.end.v > run.end.v;
    return cuts;
}

/* The pool's lock guards quotas: vCPUs refill their caches without the space's. */
static void lock_quota(struct s2_space *sp)
{
    s2_port_lock(sp->cfg.port, &sp->cfg.tables->lock, S2_LOCK_TPOOL, 0);
}

static void unlock_quota(struct s2_space *sp)
{
    s2_port_unlock(sp->cfg.port, &sp->cfg.tables->lock);
}

struct s2_tquota s2_space_quota(struct s2_space *sp)
{
    struct s2_tquota q;

    lock_quota(sp);
    q = sp->table.quota;
    unlock_quota(sp);
    return q;
}

static bool promise(struct s2_space *sp, uint64_t had, uint64_t n)
{
    struct s2_tquota *q = &sp->table.quota;
    bool fits;

    lock_quota(sp);
    fits = q->used + had + n <= q->limit;
    if (fits)
        q->promised = (uint32_t)(had + n);
    unlock_quota(sp);
    return fits;
}

/* All that promised areas can need: as if no table stood there, or what they still lack. */
static uint64_t lazy_tables(struct s2_space *sp, bool as_empty)
{
    s2_ipa before = S2_IPA(0);
    struct s2_area a;
    uint64_t n = 0;

    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(&sp->areas, at, &a); at = a.range.end) {
        if (!s2_area_promised(&a))
            continue;
        n += s2_table_lack(&sp->table, a.range, before, as_empty);
        before = a.range.end;
    }
    return n;
}

static void set_promised(struct s2_space *sp, bool as_empty)
{
    uint64_t n = lazy_tables(sp, as_empty);

    lock_quota(sp);
    sp->table.quota.promised = (uint32_t)s2_min_u64(n, UINT32_MAX);
    unlock_quota(sp);
}

void s2_tables_recount(struct s2_space *sp)
{
    set_promised(sp, true);
}

enum s2_err s2_tables_promise(struct s2_space *sp, struct s2_ipa_range range)
{
    uint32_t n = s2_table_lack(&sp->table, range, S2_IPA(0), true);
    enum s2_err err = S2_OK;

    if (promise(sp, sp->table.quota.promised, n))
        return S2_OK;
    set_promised(sp, false);
    if (!promise(sp, sp->table.quota.promised, n)) {
        s2_tables_recount(sp);
        err = S2_EQUOTA;
    }
    return err;
}

enum s2_err s2_tables_take(struct s2_space *sp, uint32_t n, struct s2_tstash *stash)
{
    struct s2_table *t = &sp->table;
    enum s2_err err = s2_tpool_take(t->pool, &t->quota, n, stash);

    if (err != S2_EQUOTA)
        return err;
    set_promised(sp, false);
    err = s2_tpool_take(t->pool, &t->quota, n, stash);
    s2_tables_recount(sp);
    return err;
}

/* --- areas --------------------------------------------------------------------------------------------------------------- */

static enum s2_err check_idle(const struct s2_space *sp, struct s2_ipa_range range, struct s2_detail *d)
{
    const struct s2_long *l = s2_long_meeting(sp, range);

    if (sp->dying)
        return s2_refuse(d, S2_EDYING, S2_AXIS_NONE, 0, 0, "is of a space that is being destroyed");
    if (l)
        return s2_refuse_found(d, S2_EBUSY, S2_AXIS_IPA, range.start.v, range.end.v, l->range.start.v, l->range.end.v,
                               "meets a range that is being worked on in steps");
    return S2_OK;
}

enum s2_err s2_space_enter(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range, struct s2_detail *d)
{
    s2_op_begin(op, sp, d);
    op->edits = range;
    s2_space_lock(sp);
    return check_idle(sp, range, d);
}

enum s2_err s2_space_leave(struct s2_op *op, enum s2_err err)
{
    if (S2_PORT_CHECKS && op->space->cfg.audit)
        s2_check_operation(op->space, op->edits);
    if (err)
        s2_space_unlock(op->space); /* and nothing has changed */
    else
        s2_unlock_promoting(op->space);
    s2_op_dispose(op);
    return err;
}

enum s2_err s2_space_check_area(const struct s2_space *sp, const struct s2_area *a, struct s2_detail *d)
{
    const char *what = NULL;

    if (!a->backend)
        what = "has no backend";
    else if (a->flags & ~(S2_AREA_LAZY | S2_AREA_OVERCOMMIT))
        what = "has unknown flags";
    else if (a->flags && a->backend != &s2_backend_alloc)
        what = "is lazy, and its memory is not allocated";
    else if ((a->flags & S2_AREA_OVERCOMMIT) && !(a->flags & S2_AREA_LAZY))
        what = "is overcommitted and not lazy";
    else if (a->backend == &s2_backend_alloc && a->backing)
        what = "has a backing, and its memory is allocated";
    if (what)
        return s2_refuse(d, S2_EINVAL, S2_AXIS_IPA, a->range.start.v, a->range.end.v, what);
    return s2_space_attr(sp, a->attr, d);
}

bool s2_area_memory(const struct s2_space *sp, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run,
                    s2_pa *pa)
{
    return area->backend->memory && area->backend->memory(sp->areas.ctx, area, ipa, run, pa);
}

/* Is this area there already, exactly so, and its backing says all? Then there is nothing to break (lesson T9). */
static bool already_so(const struct s2_space *sp, const struct s2_area *a)
{
    struct s2_area have;

    if (a->backend->mergeable)
        return false;
    if ((a->range.start.v | a->range.end.v) & (sp->areas.granule - 1))
        return false; /* and to be refused */
    if (!s2_area_set_find(&sp->areas, a->range.start, &have) || have.range.end.v < a->range.end.v)
        return false;
    if (have.backend != a->backend || have.name != a->name || !s2_attr_eq(have.attr, a->attr))
        return false;
    return a->backing == s2_area_backing_at(&have, a->range.start);
}

enum s2_err s2_space_map(struct s2_space *sp, const struct s2_area *area, enum s2_map_mode mode, struct s2_detail *d)
{
    enum s2_err err = s2_space_check_area(sp, area, d);
    struct s2_op op;

    if (err)
        return err;
    err = s2_space_enter(sp, &op, area->range, d);
    if (!err && (mode != S2_MAP_REPLACE || area->range.start.v >= area->range.end.v || !already_so(sp, area)))
        err = s2_area_set_map(&sp->areas, &op, area, mode);
    return s2_space_leave(&op, err);
}

enum s2_err s2_space_unmap(struct s2_space *sp, struct s2_ipa_range range, struct s2_detail *d)
{
    struct s2_op op;
    enum s2_err err = s2_space_enter(sp, &op, range, d);

    s2_op_may_cut(&op);
    return s2_space_leave(&op, err ? err : s2_area_set_unmap(&sp->areas, &op, range));
}

enum s2_err s2_space_protect(struct s2_space *sp, struct s2_ipa_range range, s2_update_fn *update, void *arg,
                             struct s2_detail *d)
{
    struct s2_op op;
    enum s2_err err = s2_space_enter(sp, &op, range, d);

    return s2_space_leave(&op, err ? err : s2_area_set_protect(&sp->areas, &op, range, update, arg));
}

enum s2_err s2_space_unmap_expected(struct s2_space *sp, const struct s2_area *expected, struct s2_detail *d)
{
    struct s2_op op;
    enum s2_err err = s2_space_enter(sp, &op, expected->range, d);

    s2_op_may_cut(&op);
    return s2_space_leave(&op, err ? err : s2_area_set_unmap_expected(&sp->areas, &op, expected));
}

enum s2_err s2_space_swap(struct s2_space *sp, const struct s2_area *area, const struct s2_backend *expected,
                          struct s2_detail *d)
{
    enum s2_err err = s2_space_check_area(sp, area, d);
    struct s2_op op;

    if (err)
        return err;
    err = s2_space_enter(sp, &op, area->range, d);
    return s2_space_leave(&op, err ? err : s2_area_set_swap(&sp->areas, &op, area, expected));
}

enum s2_err s2_space_extend(struct s2_space *sp, s2_ipa at, struct s2_ipa_range to, struct s2_detail *d)
{
    struct s2_op op;
    enum s2_err err = s2_space_enter(sp, &op, to, d);

    return s2_space_leave(&op, err ? err : s2_area_set_extend(&sp->areas, &op, at, to));
}

enum s2_err s2_space_rename(struct s2_space *sp, s2_ipa at, uint16_t name, struct s2_detail *d)
{
    struct s2_area area = {.range = {at, at}};
    struct s2_op op;
    enum s2_err err = s2_space_enter(sp, &op, area.range, d);

    if (!err && s2_area_set_find(&sp->areas, at, &area))
        err = check_idle(sp, area.range, d);
    return s2_space_leave(&op, err ? err : s2_area_set_rename(&sp->areas, &op, at, name));
}

/* --- lookups ------------------------------------------------------------------------------------------------------------- */

bool s2_space_find(struct s2_space *sp, s2_ipa ipa, struct s2_area *out)
{
    bool found;

    s2_space_lock_shared(sp);
    found = s2_area_set_find(&sp->areas, ipa, out);
    s2_space_unlock_shared(sp);
    return found;
}

bool s2_space_next(struct s2_space *sp, s2_ipa ipa, struct s2_area *out)
{
    bool found;

    s2_space_lock_shared(sp);
    found = s2_area_set_find_from(&sp->areas, ipa, out);
    s2_space_unlock_shared(sp);
    return found;
}

enum s2_around s2_space_around(struct s2_space *sp, s2_ipa ipa, struct s2_area *area, struct s2_ipa_range *gap)
{
    enum s2_around what;

    s2_space_lock_shared(sp);
    what = s2_area_set_around(&sp->areas, ipa, area, gap);
    s2_space_unlock_shared(sp);
    return what;
}

enum s2_err s2_space_find_free(struct s2_space *sp, s2_ipa hint, uint64_t size, struct s2_ipa_range limit,
                               uint64_t align, enum s2_fit fit, s2_ipa *out)
{
    enum s2_err err;

    s2_space_lock_shared(sp);
    err = s2_area_set_find_free(&sp->areas, hint, size, limit, align, fit, out);
    s2_space_unlock_shared(sp);
    return err;
}

bool s2_space_translate(struct s2_space *sp, s2_ipa ipa, struct s2_leaf *out)
{
    bool found;

    s2_space_lock_shared(sp);
    found = s2_table_lookup(&sp->table, ipa, out);
    s2_space_unlock_shared(sp);
    return found;
}

unsigned s2_space_walk(struct s2_space *sp, s2_ipa ipa, struct s2_walk_step steps[5])
{
    unsigned n;

    s2_space_lock_shared(sp);
    n = s2_table_walk(&sp->table, ipa, steps);
    s2_space_unlock_shared(sp);
    return n;
}

void s2_space_visit(struct s2_space *sp, struct s2_ipa_range range, s2_leaf_fn *fn, void *arg)
{
    s2_space_lock_shared(sp);
    s2_table_visit(&sp->table, range, fn, arg);
    s2_space_unlock_shared(sp);
}

static bool count_leaf(void *arg, const struct s2_leaf *leaf)
{
    uint64_t *leaves = arg;

    leaves[leaf->level + 1]++;
    return true;
}

static void count_leaves(const struct s2_space *sp, struct s2_ipa_range range, uint64_t leaves[5])
{
    for (unsigned i = 0; i < 5; i++)
        leaves[i] = 0;
    s2_table_visit(&sp->table, range, count_leaf, leaves);
}

void s2_space_leaves(struct s2_space *sp, struct s2_ipa_range range, uint64_t leaves[5])
{
    s2_space_lock_shared(sp);
    count_leaves(sp, range, leaves);
    s2_space_unlock_shared(sp);
}

bool s2_space_area_stats(struct s2_space *sp, s2_ipa ipa, struct s2_space_area_stats *out)
{
    bool found;

    s2_space_lock_shared(sp);
    found = s2_area_set_find(&sp->areas, ipa, &out->area);
    if (found) {
        (void)s2_area_set_area_stats(&sp->areas, ipa, &out->memory);
        count_leaves(sp, out->area.range, out->leaves);
    }
    s2_space_unlock_shared(sp);
    return found;
}

static uint64_t table_bytes_per_gib(const struct s2_space *sp, const struct s2_space_stats *s)
{
    enum { MIB_LOG2 = 20, MIB_PER_GIB_LOG2 = 10 };
    uint64_t pages = 0, mib = s->mapped_bytes >> MIB_LOG2; /* so that nothing overflows */

    for (unsigned i = 0; i < sizeof s->table.tables / sizeof s->table.tables[0]; i++)
        pages += s->table.tables[i];
    return mib ? ((pages << sp->cfg.geometry.granule_log2) << MIB_PER_GIB_LOG2) / mib : 0;
}

void s2_space_stats(struct s2_space *sp, struct s2_space_stats *out)
{
    s2_space_lock_shared(sp);
    *out = (struct s2_space_stats){
        .areas = s2_area_set_count(&sp->areas),
        .table_pages = s2_space_quota(sp).used,
        .frames_held = sp->frames_held,
        .frames_promised = sp->frames_promised,
    };
    s2_table_count(&sp->table, &out->table);
    for (int level = sp->cfg.geometry.start_level; level <= 3; level++)
        out->mapped_bytes += out->table.leaves[level + 1] << s2_level_shift(&sp->cfg.geometry, level);
    out->table_bytes_per_gib = table_bytes_per_gib(sp, out);
    s2_space_unlock_shared(sp);
}
