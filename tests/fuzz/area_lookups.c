/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What can be asked of the set. */
#include "area_world.h"

#define LL(x) ((unsigned long long)(x))

static void same_area(bool found, const struct s2_area *got, bool there, const struct s2_area *want)
{
    FUZZ_EQ(found, there);
    if (!found)
        return;
    FUZZ_EQ(got->range.start.v, want->range.start.v);
    FUZZ_EQ(got->range.end.v, want->range.end.v);
    FUZZ_EQ(got->attr.bits, want->attr.bits);
    FUZZ_EQ(got->backing, want->backing);
    FUZZ_TRUE(got->backend == want->backend && got->name == want->name && got->flags == want->flags);
}

/* --- one address -------------------------------------------------------------------------------------------------- */

/* The cells at, above and below the address that hold something; false: there is none. */
static bool at_address(const struct world *w, uint64_t at, struct s2_area *out)
{
    return at >= w->lo && at < w->hi && model_area(w, index_of(w, at), out);
}

static bool above(const struct world *w, uint64_t at, struct s2_area *out)
{
    uint32_t cell = model_meets(w, model_from(w, at), w->cells);

    return cell < w->cells && model_area(w, cell, out);
}

static bool below(const struct world *w, uint64_t at, struct s2_area *out)
{
    uint32_t cell = model_from(w, at);

    if (cell < w->cells && address(w, cell) < at)
        cell++; /* the one that holds the address begins below it */
    while (cell > 0 && w->cell[cell - 1].kind == HOLE)
        cell--;
    return cell > 0 && model_area(w, cell - 1, out);
}

void try_find(struct world *w)
{
    uint64_t at = read_address(w);
    struct s2_area got, want;
    bool there;

    FUZZ_TELL("find %#llx", LL(at));
    there = at_address(w, at, &want);
    same_area(s2_area_set_find(&w->set, S2_IPA(at), &got), &got, there, &want);
    FUZZ_EQ(s2_area_set_find(&w->set, S2_IPA(at), NULL), there);
    there = above(w, at, &want);
    same_area(s2_area_set_find_from(&w->set, S2_IPA(at), &got), &got, there, &want);
    there = below(w, at, &want);
    same_area(s2_area_set_find_below(&w->set, S2_IPA(at), &got), &got, there, &want);
}

void try_around(struct world *w)
{
    uint64_t at = read_address(w);
    struct s2_area got = {.name = 9}, want;
    struct s2_ipa_range gap = {S2_IPA(5), S2_IPA(5)};
    bool there = at_address(w, at, &want);
    enum s2_around answer = s2_area_set_around(&w->set, S2_IPA(at), &got, &gap);

    FUZZ_TELL("around %#llx", LL(at));
    FUZZ_EQ(answer, there ? S2_AROUND_AREA : at < w->lo || at >= w->hi ? S2_AROUND_OUTSIDE : S2_AROUND_GAP);
    FUZZ_EQ(s2_area_set_around(&w->set, S2_IPA(at), NULL, NULL), answer);
    if (there)
        same_area(true, &got, true, &want);
    else
        FUZZ_EQ(got.name, 9);
    if (answer == S2_AROUND_GAP) {
        FUZZ_EQ(gap.start.v, below(w, at, &want) ? want.range.end.v : w->lo);
        FUZZ_EQ(gap.end.v, above(w, at, &want) ? want.range.start.v : w->hi);
    } else {
        FUZZ_TRUE(gap.start.v == 5 && gap.end.v == 5);
    }
}

/* --- ranges ------------------------------------------------------------------------------------------------------- */

/* Any two addresses: an empty or a reversed range overlaps nothing. */
void try_overlaps(struct world *w)
{
    uint64_t start = read_address(w), end = read_address(w);
    struct s2_area got, want;
    bool there = start < end && above(w, start, &want) && want.range.start.v < end;

    FUZZ_TELL("overlaps [%#llx, %#llx)", LL(start), LL(end));
    same_area(s2_area_set_overlaps(&w->set, (struct s2_ipa_range){S2_IPA(start), S2_IPA(end)}, &got), &got, there,
              &want);
}

#define ITERATED 40u

void try_iterate(struct world *w)
{
    uint64_t start = read_address(w), end = read_address(w), at = start;
    struct s2_area_iter it = s2_area_set_iter(&w->set, (struct s2_ipa_range){S2_IPA(start), S2_IPA(end)});
    struct s2_area got, want;

    FUZZ_TELL("iterate over [%#llx, %#llx)", LL(start), LL(end));
    for (unsigned n = 0; n < ITERATED; n++) {
        bool there = at < end && above(w, at, &want) && want.range.start.v < end;

        same_area(s2_area_iter_next(&it, &got), &got, there, &want);
        if (!there)
            break;
        at = want.range.end.v;
    }
}

/* --- statistics --------------------------------------------------------------------------------------------------- */

static struct s2_area_set_stats count(const struct world *w)
{
    struct s2_area_set_stats s = {.areas = w->areas, .nodes = w->set.map.nodes};
    uint64_t run = 0;

    for (uint32_t i = 0; i < w->cells; i++) {
        if (w->cell[i].kind != HOLE) {
            s.bytes += w->granule;
            run = 0;
            continue;
        }
        s.gaps += run == 0;
        run += w->granule;
        s.free_bytes += w->granule;
        s.largest_gap = run > s.largest_gap ? run : s.largest_gap;
    }
    return s;
}

void try_stats(struct world *w)
{
    uint64_t at = read_address(w);
    struct s2_area_set_stats got, want = count(w);
    struct s2_area_stats one;
    struct s2_area area;
    bool there = at_address(w, at, &area);

    FUZZ_TELL("statistics, of all and at %#llx", LL(at));
    s2_area_set_stats(&w->set, &got);
    FUZZ_EQ(got.areas, want.areas);
    FUZZ_EQ(got.bytes, want.bytes);
    FUZZ_EQ(got.gaps, want.gaps);
    FUZZ_EQ(got.free_bytes, want.free_bytes);
    FUZZ_EQ(got.largest_gap, want.largest_gap);
    FUZZ_EQ(got.nodes, want.nodes);
    FUZZ_EQ(s2_area_set_area_stats(&w->set, S2_IPA(at), &one), there);
    if (!there)
        return;
    FUZZ_EQ(one.bytes, area.range.end.v - area.range.start.v);
    FUZZ_EQ(one.resident, kind_of(area.backend) == LINEAR ? one.bytes : 0);
    FUZZ_EQ(one.promised, 0);
}

/* --- gaps --------------------------------------------------------------------------------------------------------- */

struct wanted {
    uint64_t hint, size, lo, hi, align;
    enum s2_fit fit;
};

static struct wanted read_wanted(struct world *w)
{
    struct wanted f = {.hint = read_address(w), .lo = read_address(w), .hi = read_address(w)};
    uint32_t bits = fuzz_u8(&w->in), sizes = fuzz_u8(&w->in);

    f.fit = bits & 1 ? S2_FIT_HIGHEST : S2_FIT_LOWEST;
    f.size = w->granule * (sizes < 0xe0 ? 1 + sizes % 24 : w->cells - (sizes & 7));
    if (sizes >= 0xe0 && sizes < 0xf0)
        f.size = w->granule << (sizes & 15);
    if (sizes == 0xff)
        f.size = bits & 2 ? 0 : w->granule / 2;
    f.align = bits < 0x20 ? w->granule : w->granule << (bits >> 1 & 7);
    if (bits < 0x08)
        f.align = w->granule << (9 + 9 * (bits >> 1 & 1)); /* leaf sizes of 4 KiB pages */
    if (bits >= 0xf8)                                      /* bad, far too large, or smaller than the granule */
        f.align = (const uint64_t[]){0, 3, w->granule * 3, UINT64_C(1) << 63, 1, 1, w->granule - 1, 0}[bits & 7];
    if (bits & 0x40 && f.lo > f.hi) { /* else now and then the wrong way round */
        uint64_t lo = f.lo;

        f.lo = f.hi;
        f.hi = lo;
    }
    if (bits & 0x80)
        f.hint = f.fit == S2_FIT_HIGHEST ? f.hi : f.lo;
    return f;
}

/* A place that does, although perhaps not the lowest or highest. */
static bool is_free(const struct world *w, uint64_t at, const struct wanted *f)
{
    uint32_t cell, end;

    if (at < f->lo || at < w->lo || at % f->align != 0 || at % w->granule != 0 || f->hi - at < f->size ||
        w->hi - at < f->size)
        return false;
    if (f->fit == S2_FIT_LOWEST ? at < f->hint : at > f->hint || f->hint - at < f->size)
        return false;
    cell = index_of(w, at);
    end = cell + (uint32_t)(f->size / w->granule);
    return model_meets(w, cell, end) == end;
}

/* Alignments of which the map knows the room: the search is exact however many gaps it must pass by. */
static bool is_exact(const struct world *w, const struct wanted *f)
{
    for (unsigned i = 0; i < S2_IMAP_ALIGNS; i++)
        if (f->align == UINT64_C(1) << w->set.map.align.log2[i])
            return true;
    return f->align <= w->granule;
}

/* The place in the first gap that is so large that it must fit: what may come before the search gives up to look at each. */
static bool place_in_large(const struct world *w, const struct wanted *f, uint64_t *at)
{
    uint64_t slack = f->align - w->granule, start;
    unsigned tries;

    if (f->size > UINT64_MAX - slack)
        return false;
    if (model_find_free(w, f->hint, f->size + slack, f->lo, f->hi, w->granule, f->fit, &start, &tries))
        return false;
    *at = (start + slack) / f->align * f->align; /* for either fit, as the search was for all of the room */
    return true;
}

/* Is the place in such a gap, of which the limits cut off a part? */
static bool in_large(const struct world *w, uint64_t at, const struct wanted *f)
{
    uint32_t first = index_of(w, at), end = model_meets(w, first, w->cells);

    while (first > 0 && w->cell[first - 1].kind == HOLE)
        first--;
    return (end - first) * w->granule >= f->size + f->align - w->granule;
}

void try_find_free(struct world *w)
{
    struct wanted f = read_wanted(w);
    uint64_t want_at = 0, sure;
    s2_ipa got = S2_IPA(99);
    enum s2_err want, err;
    unsigned tries = 0;

    FUZZ_TELL("find_free %s hint %#llx size %#llx limit [%#llx, %#llx) align %#llx",
              f.fit == S2_FIT_LOWEST ? "lowest" : "highest", LL(f.hint), LL(f.size), LL(f.lo), LL(f.hi), LL(f.align));
    want = model_find_free(w, f.hint, f.size, f.lo, f.hi, f.align, f.fit, &want_at, &tries);
    err = s2_area_set_find_free(&w->set, S2_IPA(f.hint), f.size, (struct s2_ipa_range){S2_IPA(f.lo), S2_IPA(f.hi)},
                                f.align, f.fit, &got);
    FUZZ_TELL("  says %s, %#llx after %u", s2_err_name(err), LL(got.v), tries);
    FUZZ_EQ(err, want);
    if (err) {
        FUZZ_EQ(got.v, 99);
        return;
    }
    FUZZ_TRUE(is_free(w, got.v, &f));
    /* A gap of which the limit leaves less than a cell is one more, which the model does not see. */
    if (tries + 1 < S2_IMAP_TRIES || is_exact(w, &f))
        FUZZ_EQ(got.v, want_at);
    else if (!place_in_large(w, &f, &sure))
        FUZZ_TRUE(got.v == want_at || in_large(w, got.v, &f));
    else if (f.fit == S2_FIT_LOWEST)
        FUZZ_TRUE(got.v >= want_at && got.v <= sure);
    else
        FUZZ_TRUE(got.v <= want_at && got.v >= sure);
}
