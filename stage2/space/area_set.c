/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The area set: its records, and what its operations (area_set_map.c, _grow.c, _protect.c) have in common. */
#include "space/area_set.h"

#include "base/bits.h"

/* --- records ------------------------------------------------------------------------------------------------------ */

#define NAME_SHIFT  32
#define FLAGS_SHIFT 48

struct s2_ival s2_area_pack(const struct s2_area *area)
{
    return (struct s2_ival){
        {(uintptr_t)area->backend, area->backing,
         area->attr.bits | (uint64_t)area->name << NAME_SHIFT | (uint64_t)area->flags << FLAGS_SHIFT}};
}

struct s2_area s2_area_unpack(const struct s2_ient *e)
{
    return (struct s2_area){
        .range = {S2_IPA(e->start), S2_IPA(e->end)},
        .backend = (const struct s2_backend *)(uintptr_t)e->val.w[0],
        .backing = e->val.w[1],
        .attr = S2_ATTR(e->val.w[2]),
        .name = (uint16_t)(e->val.w[2] >> NAME_SHIFT),
        .flags = (uint16_t)(e->val.w[2] >> FLAGS_SHIFT),
    };
}

struct s2_ient s2_area_entry(const struct s2_area *area)
{
    return (struct s2_ient){area->range.start.v, area->range.end.v, s2_area_pack(area)};
}

void s2_area_insert(struct s2_area_set *set, const struct s2_area *area)
{
    struct s2_ient e = s2_area_entry(area);

    s2_imap_insert(&set->map, &e);
}

void s2_area_replace(struct s2_area_set *set, s2_ipa start, const struct s2_area *area)
{
    struct s2_ient e = s2_area_entry(area);
    struct s2_imap_cursor at;

    (void)s2_imap_seek(&set->map, start.v, &at);
    s2_imap_alter(&set->map, &at, &e);
}

uint64_t s2_area_backing_at(const struct s2_area *area, s2_ipa start)
{
    return area->backend->backing_at ? area->backend->backing_at(area, start) : area->backing;
}

struct s2_area s2_area_part(const struct s2_area *area, struct s2_ipa_range range)
{
    struct s2_area part = *area;

    if (range.end.v < part.range.end.v)
        part.range.end = range.end;
    if (range.start.v > part.range.start.v) {
        part.range.start = range.start;
        part.backing = s2_area_backing_at(area, range.start);
    }
    return part;
}

bool s2_area_joins(const struct s2_area *low, const struct s2_area *high)
{
    if (low->range.end.v != high->range.start.v || low->backend != high->backend || low->name != high->name ||
        low->flags != high->flags || !s2_attr_eq(low->attr, high->attr))
        return false;
    if (low->backend->mergeable)
        return low->backend->mergeable(low, high);
    return s2_area_backing_at(low, high->range.start) == high->backing;
}

void s2_area_settle(struct s2_area_set *set, const struct s2_area *area)
{
    struct s2_area whole = *area, low, high;

    if (s2_area_set_find_below(set, area->range.start, &low) && s2_area_joins(&low, area)) {
        s2_imap_erase(&set->map, area->range.start.v);
        low.range.end = area->range.end;
        whole = low;
    }
    if (s2_area_set_find(set, area->range.end, &high) && s2_area_joins(&whole, &high)) {
        s2_imap_erase(&set->map, high.range.start.v);
        whole.range.end = high.range.end;
    }
    s2_area_replace(set, whole.range.start, &whole);
}

unsigned s2_area_merges(const struct s2_area_set *set, const struct s2_area *area, struct s2_change c[2])
{
    struct s2_area whole = *area, low, high;
    unsigned n = 0;

    if (s2_area_set_find_below(set, area->range.start, &low) && s2_area_joins(&low, area)) {
        c[n++] = (struct s2_change){.step = S2_STEP_MERGE, .area = low, .part = area->range};
        low.range.end = area->range.end;
        whole = low;
    }
    if (s2_area_set_find(set, area->range.end, &high) && s2_area_joins(&whole, &high))
        c[n++] = (struct s2_change){.step = S2_STEP_MERGE, .area = whole, .part = high.range};
    return n;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

/* The granule and, where it is one of translation tables, the sizes of the blocks above it: an entry of one level covers a
 * whole table of the level below, granule / 8 descriptors. */
static struct s2_imap_align leaf_aligns(uint64_t granule)
{
    uint8_t page = (uint8_t)s2_log2(granule);

    if (page < 12 || page > 16)
        return (struct s2_imap_align){{page, 63, 63}};
    return (struct s2_imap_align){{page, (uint8_t)(2 * page - 3), (uint8_t)(3 * page - 6)}};
}

enum s2_err s2_area_set_init(struct s2_area_set *set, struct s2_pool *pool, s2_ipa lo, s2_ipa hi, uint64_t granule,
                             void *ctx)
{
    if (lo.v >= hi.v)
        return S2_EINVAL;
    if (!s2_is_pow2(granule) || ((lo.v | hi.v) & (granule - 1)) != 0)
        return S2_EALIGN;
    *set = (struct s2_area_set){.granule = granule, .ctx = ctx};
    s2_imap_init(&set->map, pool, lo.v, hi.v, leaf_aligns(granule));
    return S2_OK;
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

uint32_t s2_area_set_need(const struct s2_area_set *set, enum s2_area_op op)
{
    uint32_t inserts = 0;

    if (op == S2_AREA_OP_MAP || op == S2_AREA_OP_UNMAP)
        inserts = 1;
    else if (op == S2_AREA_OP_REPLACE || op == S2_AREA_OP_PROTECT || op == S2_AREA_OP_SWAP)
        inserts = 2;
    return s2_imap_need(&set->map, inserts);
}

uint64_t s2_area_set_capacity(uint32_t nodes)
{
    return s2_imap_capacity(nodes);
}

static void fill_cut(struct s2_area_set *set)
{
    while (set->cut < set->cut_most && !s2_pool_reserve(set->map.pool, 1))
        set->cut++;
}

enum s2_err s2_area_set_keep_cut(struct s2_area_set *set)
{
    if (set->busy)
        return S2_EBUSY;
    if (s2_pool_reserve(set->map.pool, S2_AREA_CUT_NODES - set->cut))
        return S2_ENODES;
    set->cut = set->cut_most = S2_AREA_CUT_NODES;
    return S2_OK;
}

void s2_area_set_drop_cut(struct s2_area_set *set)
{
    s2_pool_unreserve(set->map.pool, set->cut);
    set->cut = set->cut_most = 0;
}

/* --- what operations share ---------------------------------------------------------------------------------------- */

static enum s2_err check_range(const struct s2_area_set *set, struct s2_detail *d, uint64_t start, uint64_t end)
{
    if (start >= end)
        return s2_refuse(d, S2_EINVAL, S2_AXIS_IPA, start, end, "is empty or wraps around");
    if (((start | end) & (set->granule - 1)) != 0)
        return s2_refuse(d, S2_EALIGN, S2_AXIS_IPA, start, end, "is not aligned to the granule");
    if (start < set->map.lo || end > set->map.hi)
        return s2_refuse_found(d, S2_ERANGE, S2_AXIS_IPA, start, end, set->map.lo, set->map.hi,
                               "lies outside the address space");
    return S2_OK;
}

enum s2_err s2_area_enter(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range)
{
    enum s2_err err;

    if (set->busy == op)
        return S2_EBUSY; /* and its story stays its own */
    if (set->busy) {
        s2_op_end(op);
        return s2_refuse(op->detail, S2_EBUSY, S2_AXIS_IPA, range.start.v, range.end.v,
                         "comes while another operation on these areas is under way");
    }
    set->busy = op;
    if (op->detail)
        *op->detail = (struct s2_detail){.err = S2_OK};
    err = check_range(set, op->detail, range.start.v, range.end.v);
    return err ? s2_area_leave(set, op, err) : S2_OK;
}

enum s2_err s2_area_leave(struct s2_area_set *set, struct s2_op *op, enum s2_err err)
{
    s2_op_end(op);
    fill_cut(set);
    set->busy = NULL;
    return err;
}

enum s2_err s2_area_refuse(struct s2_op *op, enum s2_err err, struct s2_ipa_range range, const struct s2_area *found,
                           const char *what)
{
    struct s2_ipa_range none = {S2_IPA(0), S2_IPA(0)}, there = found ? found->range : none;

    return s2_refuse_found(op->detail, err, S2_AXIS_IPA, range.start.v, range.end.v, there.start.v, there.end.v, what);
}

enum s2_err s2_area_check_free(const struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range)
{
    struct s2_area found;

    if (!s2_area_set_overlaps(set, range, &found))
        return S2_OK;
    return s2_area_refuse(op, S2_EEXIST, range, &found, s2_err_phrase(S2_EEXIST));
}

enum s2_err s2_area_refused(struct s2_op *op, enum s2_err err, const struct s2_change *c)
{
    if (err && op->detail && op->detail->err != err)
        (void)s2_refuse_found(op->detail, err, S2_AXIS_IPA, c->part.start.v, c->part.end.v, c->area.range.start.v,
                              c->area.range.end.v, s2_err_phrase(err));
    return err;
}

enum s2_err s2_area_prepare(const struct s2_area_set *set, struct s2_op *op, const struct s2_change *c)
{
    if (!c->area.backend->prepare)
        return S2_OK;
    return s2_area_refused(op, c->area.backend->prepare(set->ctx, op, c), c);
}

/* Once more, with the nodes that are kept for this. The set's lock is held: what is given up here is still there. */
static enum s2_err reserve_kept(struct s2_area_set *set, struct s2_op *op)
{
    s2_pool_unreserve(set->map.pool, set->cut);
    set->cut = 0;
    if (!s2_op_reserve(op)) {
        if (op->detail)
            *op->detail = (struct s2_detail){.err = S2_OK}; /* that it failed at first is no story */
        return S2_OK;
    }
    fill_cut(set);
    return s2_refuse(op->detail, S2_ECUT, S2_AXIS_NONE, 0, 0,
                     "makes a hole in an area, and the nodes kept for that are used up");
}

enum s2_err s2_area_reserve(struct s2_area_set *set, struct s2_op *op, uint32_t inserts, bool cut)
{
    enum s2_err err = s2_op_need_nodes(op, set->map.pool, s2_imap_need(&set->map, inserts));

    if (!err)
        err = s2_op_reserve(op);
    return err == S2_ENODES && cut && set->cut_most ? reserve_kept(set, op) : err;
}

/* --- phases ------------------------------------------------------------------------------------------------------- */

static enum s2_err one_phase(const struct s2_area_set *set, struct s2_op *op, enum s2_phase phase,
                             const struct s2_change *c)
{
    const struct s2_backend *b = c->area.backend;

    switch (phase) {
    case S2_PREPARE:
        return s2_area_prepare(set, op, c);
    case S2_TAKE:
        return b->take ? s2_area_refused(op, b->take(set->ctx, op, c), c) : S2_OK;
    case S2_COMMIT:
        b->commit(set->ctx, op, c);
        break;
    case S2_RELEASE:
        if (b->release)
            b->release(set->ctx, op, c);
        break;
    }
    return S2_OK;
}

enum s2_err s2_area_phase(const struct s2_area_set *set, struct s2_op *op, enum s2_phase phase,
                          const struct s2_change *c, unsigned n, uint64_t *done)
{
    enum s2_err err = S2_OK;

    for (unsigned i = 0; !err && i < n; i++) {
        err = one_phase(set, op, phase, &c[i]);
        *done += !err;
    }
    return err;
}

uint64_t s2_area_undo(const struct s2_area_set *set, struct s2_op *op, const struct s2_change *c, unsigned n,
                      uint64_t end, uint64_t taken)
{
    while (n-- > 0) {
        const struct s2_backend *b = c[n].area.backend;

        if (end-- <= taken && b->take && b->undo)
            b->undo(set->ctx, op, &c[n]);
    }
    return end;
}
