/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The flat array: what an area set must say, in the plainest way to compute it. */
#include "area_world.h"

#define LOOK 48u /* cells of an area that are looked at from each of its ends, near an operation */

/* --- areas -------------------------------------------------------------------------------------------------------- */

uint32_t model_first(const struct world *w, uint32_t cell)
{
    while (!w->cell[cell].first)
        cell--;
    return cell;
}

uint32_t model_end(const struct world *w, uint32_t cell)
{
    do
        cell++;
    while (w->cell[cell].kind != HOLE && !w->cell[cell].first);
    return cell;
}

bool model_area(const struct world *w, uint32_t cell, struct s2_area *out)
{
    const struct cell *c;

    if (w->cell[cell].kind == HOLE)
        return false;
    c = &w->cell[model_first(w, cell)];
    *out = (struct s2_area){
        .range = {S2_IPA(address(w, (uint64_t)(c - w->cell))), S2_IPA(address(w, model_end(w, cell)))},
        .backend = &fuzz_backend[c->kind],
        .backing = c->backing,
        .attr = S2_ATTR(c->attr),
        .name = c->name,
        .flags = c->flags,
    };
    return true;
}

uint32_t model_meets(const struct world *w, uint32_t first, uint32_t last)
{
    while (first < last && w->cell[first].kind == HOLE)
        first++;
    return first;
}

uint32_t model_from(const struct world *w, uint64_t at)
{
    return at < w->lo ? 0 : at >= w->hi ? w->cells : index_of(w, at);
}

uint32_t model_starts(const struct world *w, uint32_t first, uint32_t last)
{
    uint32_t n = 0;

    for (; first < last; first++)
        n += w->cell[first].first;
    return n;
}

/* --- edits -------------------------------------------------------------------------------------------------------- */

void model_cut(struct world *w, uint32_t cell)
{
    if (w->cell[cell].kind != HOLE && !w->cell[cell].first) {
        w->cell[cell].first = true;
        w->areas++;
    }
}

void model_join(struct world *w, uint32_t cell)
{
    const struct cell *low = &w->cell[cell - 1];
    struct cell *high = &w->cell[cell];
    uint64_t goes_on;

    if (cell == 0 || low->kind == HOLE || !high->first || high->kind != low->kind || high->kind == LOOSE)
        return;
    goes_on = low->kind == LINEAR ? low->backing + w->granule : low->backing;
    if (low->attr == high->attr && low->name == high->name && low->flags == high->flags && goes_on == high->backing) {
        high->first = false;
        w->areas--;
    }
}

void model_unmap(struct world *w, uint32_t first, uint32_t last)
{
    model_cut(w, last);
    w->areas -= model_starts(w, first, last);
    memset(&w->cell[first], 0, (last - first) * sizeof(w->cell[0]));
}

void model_map(struct world *w, const struct s2_area *area, uint32_t first, uint32_t last)
{
    enum kind kind = kind_of(area->backend);

    model_unmap(w, first, last);
    for (uint32_t i = first; i < last; i++)
        w->cell[i] = (struct cell){.backing = area->backing + (kind == LINEAR ? (i - first) * w->granule : 0),
                                   .attr = area->attr.bits,
                                   .name = area->name,
                                   .flags = area->flags,
                                   .kind = (uint8_t)kind};
    w->cell[first].first = true;
    w->areas++;
    model_join(w, first);
    model_join(w, last);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

enum s2_err model_range(const struct world *w, uint64_t start, uint64_t end)
{
    if (start >= end)
        return S2_EINVAL;
    if (start % w->granule || end % w->granule)
        return S2_EALIGN;
    return start < w->lo || end > w->hi ? S2_ERANGE : S2_OK;
}

/* Every place in turn, from the end that is asked for. */
enum s2_err model_find_free(const struct world *w, uint64_t hint, uint64_t size, uint64_t lo, uint64_t hi,
                            uint64_t align, enum s2_fit fit, uint64_t *out, unsigned *tries)
{
    uint32_t cells, first, last, run = 0;

    if (size == 0 || lo >= hi)
        return S2_EINVAL;
    if (align == 0 || (align & (align - 1)) != 0 || size % w->granule)
        return S2_EALIGN;
    if (fit == S2_FIT_LOWEST)
        lo = hint > lo ? hint : lo;
    else
        hi = hint < hi ? hint : hi;
    lo = lo > w->lo ? lo : w->lo;
    hi = hi < w->hi ? hi : w->hi;
    *tries = 0;
    if (lo >= hi || size / w->granule > w->cells)
        return S2_ENOENT;
    cells = (uint32_t)(size / w->granule);
    last = index_of(w, hi);
    first = index_of(w, lo) + ((lo - w->lo) % w->granule != 0);
    /* i: how many cells of the limits have been looked at */
    for (uint32_t i = 0; first < last && i < last - first; i++) {
        uint32_t low_end = first + i + 1 - cells, high_end = last - 1 - i; /* where the last `cells` cells begin */
        uint32_t cell = fit == S2_FIT_LOWEST ? first + i : high_end;

        run = w->cell[cell].kind == HOLE ? run + 1 : 0;
        if (run < cells)
            continue;
        cell = fit == S2_FIT_LOWEST ? low_end : high_end;
        if (address(w, cell) % align == 0) {
            *out = address(w, cell);
            return S2_OK;
        }
        *tries += run == cells; /* the gap's first place; another may follow in it */
    }
    return S2_ENOENT;
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

static void compare_cell(const struct world *w, const struct s2_area *a, uint32_t begin, uint32_t i)
{
    const struct cell *c = &w->cell[i];
    const struct shade *s = &w->shade[i];
    uint64_t backing = a->backing + (c->kind == LINEAR ? (i - begin) * w->granule : 0);

    FUZZ_EQ(c->kind, kind_of(a->backend));
    FUZZ_EQ(c->first, i == begin);
    FUZZ_EQ(a->attr.bits, c->attr);
    FUZZ_EQ(a->name, c->name);
    FUZZ_EQ(a->flags, c->flags);
    FUZZ_EQ(backing, c->backing);
    FUZZ_EQ(s->kind, c->kind);
    FUZZ_EQ(s->attr, c->attr);
    FUZZ_EQ(s->backing, c->backing);
}

static void compare_area(const struct world *w, const struct s2_area *a, uint32_t look)
{
    uint32_t begin = index_of(w, a->range.start.v), end = index_of(w, a->range.end.v);

    FUZZ_EQ(a->range.start.v % w->granule, 0);
    FUZZ_TRUE(a->range.start.v >= w->lo && a->range.start.v < a->range.end.v && a->range.end.v <= w->hi);
    FUZZ_TRUE(w->cell[end].kind == HOLE || w->cell[end].first);
    for (uint32_t i = begin; i < end; i++) {
        if (i - begin == look && end - i > look)
            i = end - look;
        compare_cell(w, a, begin, i);
    }
}

static void compare_holes(const struct world *w, uint32_t first, uint32_t last)
{
    for (; first < last; first++) {
        FUZZ_EQ(w->cell[first].kind, HOLE);
        FUZZ_EQ(w->shade[first].kind, HOLE);
    }
}

static uint64_t compare_span(const struct world *w, uint32_t first, uint32_t last, uint32_t look)
{
    uint32_t at = first;
    uint64_t areas = 0;
    struct s2_area a;

    while (at < last && s2_area_set_find_from(&w->set, S2_IPA(address(w, at)), &a) &&
           a.range.start.v < address(w, last)) {
        if (index_of(w, a.range.start.v) > at)
            compare_holes(w, at, index_of(w, a.range.start.v));
        compare_area(w, &a, look);
        at = index_of(w, a.range.end.v);
        areas++;
    }
    compare_holes(w, at, last);
    return areas;
}

void compare_near(const struct world *w, uint32_t first, uint32_t last)
{
    uint64_t from = w->lo, to = w->hi;
    struct s2_ient e;

    (void)compare_span(w, first - (first > 0), last + (last < w->cells), LOOK);
    FUZZ_EQ(s2_area_set_count(&w->set), w->areas);
    if (w->areas <= FUZZ_FEW) /* step() checks everything */
        return;
    if (s2_imap_find_below(&w->set.map, address(w, first), &e))
        from = e.start;
    if (s2_imap_find_from(&w->set.map, address(w, last), &e))
        to = e.end;
    FUZZ_SOUND(s2_imap_check_near(&w->set.map, from, to));
}

void compare_all(const struct world *w)
{
    FUZZ_EQ(compare_span(w, 0, w->cells, UINT32_MAX), w->areas);
    FUZZ_EQ(model_starts(w, 0, w->cells), w->areas);
    FUZZ_EQ(s2_area_set_count(&w->set), w->areas);
    FUZZ_SOUND(s2_imap_check(&w->set.map)); /* the pool's free list too */
}

void step(const struct world *w)
{
    fuzz_size(w->areas, w->set.map.height);
    if (w->areas <= FUZZ_FEW)
        FUZZ_SOUND(s2_imap_check(&w->set.map));
    if (fuzz.step % FUZZ_ALL == 0 || (w->cells <= FUZZ_FEW && fuzz.step % 16 == 0))
        compare_all(w);
    fuzz.step++;
}
