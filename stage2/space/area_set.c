/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The area set: its records, lookups, and what its operations (area_set_map.c, area_set_protect.c) have in common. */
#include "space/area_set.h"

#include <stage2/frames.h>

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

void s2_area_insert(struct s2_area_set *set, const struct s2_area *area)
{
    struct s2_ient e = {area->range.start.v, area->range.end.v, s2_area_pack(area)};

    s2_imap_insert(&set->map, &e);
}

void s2_area_replace(struct s2_area_set *set, s2_ipa start, const struct s2_area *area)
{
    struct s2_ival val = s2_area_pack(area);

    s2_imap_resize(&set->map, start.v, area->range.start.v, area->range.end.v);
    s2_imap_set(&set->map, area->range.start.v, &val);
}

static uint64_t backing_at(const struct s2_area *area, s2_ipa start)
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
        part.backing = backing_at(area, range.start);
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
    return backing_at(low, high->range.start) == high->backing;
}

void s2_area_settle(struct s2_area_set *set, const struct s2_area *area)
{
    struct s2_area whole = *area, low, high;

    if (s2_area_set_find(set, area->range.end, &high) && s2_area_joins(&whole, &high)) {
        s2_imap_erase(&set->map, high.range.start.v);
        whole.range.end = high.range.end;
    }
    if (s2_area_set_find_below(set, area->range.start, &low) && s2_area_joins(&low, &whole)) {
        s2_imap_erase(&set->map, area->range.start.v);
        low.range.end = whole.range.end;
        whole = low;
    }
    s2_area_replace(set, whole.range.start, &whole);
}

/* --- life and lookups --------------------------------------------------------------------------------------------- */

/* The granule and, where it is one of translation tables, the sizes of the blocks above it: an entry of one level covers a
 * whole table of the level below, granule / 8 descriptors. */
static struct s2_imap_align leaf_aligns(uint64_t granule)
{
    uint8_t page = (uint8_t)s2_log2(granule), table = page >= S2_FRAME_LOG2 ? (uint8_t)(page - 3) : 0;

    return (struct s2_imap_align){{page, (uint8_t)(page + table), (uint8_t)(page + 2 * table)}};
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

static bool answer(bool found, const struct s2_ient *e, struct s2_area *out)
{
    if (found && out)
        *out = s2_area_unpack(e);
    return found;
}

bool s2_area_set_find(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out)
{
    struct s2_ient e;
    bool found = s2_imap_find(&set->map, ipa.v, &e);

    return answer(found, &e, out);
}

bool s2_area_set_find_from(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out)
{
    struct s2_ient e;
    bool found = s2_imap_find_from(&set->map, ipa.v, &e);

    return answer(found, &e, out);
}

bool s2_area_set_find_below(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out)
{
    struct s2_ient e;
    bool found = s2_imap_find_below(&set->map, ipa.v, &e);

    return answer(found, &e, out);
}

bool s2_area_set_overlaps(const struct s2_area_set *set, struct s2_ipa_range range, struct s2_area *out)
{
    struct s2_ient e;
    bool found = s2_imap_overlaps(&set->map, range.start.v, range.end.v, &e);

    return answer(found, &e, out);
}

uint64_t s2_area_set_count(const struct s2_area_set *set)
{
    return set->map.count;
}

enum s2_err s2_area_set_find_free(const struct s2_area_set *set, s2_ipa hint, uint64_t size, struct s2_ipa_range limit,
                                  uint64_t align, enum s2_fit fit, s2_ipa *out)
{
    uint64_t lo = limit.start.v, hi = limit.end.v, at;
    enum s2_err err;

    if (size == 0 || lo >= hi)
        return S2_EINVAL;
    if (!s2_is_pow2(align) || (size & (set->granule - 1)) != 0)
        return S2_EALIGN;
    if (fit == S2_FIT_HIGHEST)
        hi = s2_min_u64(hi, hint.v);
    else
        lo = s2_max_u64(lo, hint.v);
    if (lo >= hi)
        return S2_ENOENT; /* the hint lies beyond the limit */
    err = s2_imap_find_gap(&set->map, lo, hi, size, s2_max_u64(align, set->granule), fit, &at);
    if (!err)
        *out = S2_IPA(at);
    return err;
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

    if (set->busy) {
        if (set->busy != op)
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
    set->busy = NULL;
    return err;
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

enum s2_err s2_area_reserve(const struct s2_area_set *set, struct s2_op *op, uint32_t inserts)
{
    enum s2_err err = s2_op_need_nodes(op, set->map.pool, s2_imap_need(&set->map, inserts));

    return err ? err : s2_op_reserve(op);
}
