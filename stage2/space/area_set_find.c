/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What can be asked of an area set. */
#include "space/area_set.h"

#include "base/bits.h"

static bool answer(bool found, const struct s2_ient *e, struct s2_area *out)
{
    if (found && out)
        *out = s2_area_unpack(e);
    return found;
}

bool s2_area_set_find(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out)
{
    struct s2_ient e;

    if (!s2_imap_find(&set->map, ipa.v, &e))
        return false;
    if (out)
        *out = s2_area_unpack(&e);
    return true;
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

enum s2_around s2_area_set_around(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *area,
                                  struct s2_ipa_range *gap)
{
    struct s2_ipa_range free = {S2_IPA(set->map.lo), S2_IPA(set->map.hi)};
    struct s2_area near;

    if (ipa.v < free.start.v || ipa.v >= free.end.v)
        return S2_AROUND_OUTSIDE;
    if (s2_area_set_find_from(set, ipa, &near)) {
        if (near.range.start.v <= ipa.v) {
            if (area)
                *area = near;
            return S2_AROUND_AREA;
        }
        free.end = near.range.start;
    }
    if (s2_area_set_find_below(set, ipa, &near))
        free.start = near.range.end;
    if (gap)
        *gap = free;
    return S2_AROUND_GAP;
}

/* --- iteration ---------------------------------------------------------------------------------------------------- */

struct s2_area_iter s2_area_set_iter(const struct s2_area_set *set, struct s2_ipa_range range)
{
    struct s2_area_iter it = {.set = set, .end = range.start.v < range.end.v ? range.end : S2_IPA(0)};

    (void)s2_imap_seek(&set->map, range.start.v, &it.at);
    return it;
}

bool s2_area_iter_next(struct s2_area_iter *it, struct s2_area *out)
{
    struct s2_ient e;

    if (!s2_imap_get(&it->at, &e) || e.start >= it->end.v)
        return false;
    (void)s2_imap_next(&it->set->map, &it->at);
    if (out)
        *out = s2_area_unpack(&e);
    return true;
}

/* --- statistics --------------------------------------------------------------------------------------------------- */

static void count_gap(struct s2_area_set_stats *stats, uint64_t start, uint64_t end)
{
    stats->gaps += end > start;
    stats->free_bytes += end - start;
    stats->largest_gap = s2_max_u64(stats->largest_gap, end - start);
}

void s2_area_set_stats(const struct s2_area_set *set, struct s2_area_set_stats *out)
{
    struct s2_ipa_range all = {S2_IPA(set->map.lo), S2_IPA(set->map.hi)};
    struct s2_area_iter it = s2_area_set_iter(set, all);
    uint64_t at = set->map.lo;
    struct s2_area area;

    *out = (struct s2_area_set_stats){.areas = set->map.count, .nodes = set->map.nodes};
    for (; s2_area_iter_next(&it, &area); at = area.range.end.v) {
        count_gap(out, at, area.range.start.v);
        out->bytes += area.range.end.v - area.range.start.v;
    }
    count_gap(out, at, set->map.hi);
}

bool s2_area_set_area_stats(const struct s2_area_set *set, s2_ipa ipa, struct s2_area_stats *out)
{
    struct s2_area area;

    if (!s2_area_set_find(set, ipa, &area))
        return false;
    *out = (struct s2_area_stats){.bytes = area.range.end.v - area.range.start.v};
    if (area.backend->stats)
        area.backend->stats(set->ctx, &area, out);
    return true;
}
