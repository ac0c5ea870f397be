/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* An oracle for random operations on a space: what each page is, found without trees, chunks or tables. */
#ifndef RANDOM_SPACE_H
#define RANDOM_SPACE_H

#include "space_world.h"

enum { PAGES_MOST = 8192, OWN_MOST = 1024 };
#define SPACE_BYTES MIB(32)
#define OWN_PA      (FRAME_BASE + MIB(24))
#define OWN_BYTES   MIB(4)
#define LARGE       MIB(2) /* what blocks or runs of some granule are */

/* Of the granule that is tried now. */
static uint64_t page_bytes, all_pages, own_pages;

enum kind { NONE, LINEAR, ALLOC, LAZY, OVERCOMMIT, TRAP };
enum {
    UNMAP = TRAP + 1,
    PROTECT,
    EXTEND,
    SWAP,
    RENAME,
    EXPECTED,
    POPULATED,
    ABORTED,
    PROTECTED,
    BUSY,
    FOLDED,
    TOLD,
    DONE
};
struct page {
    enum kind kind;
    uint32_t attr;
    uint16_t name;
    uint64_t backing; /* linear: PA; trap: handle */
    unsigned char byte;
    bool written; /* by the guest, and not told of since */
};

struct run {
    struct world *w;
    uint64_t seed;
    struct page page[PAGES_MOST];
    unsigned char own[OWN_MOST]; /* content of the linear frames */
    bool own_mapped[OWN_MOST];
    struct s2_long work; /* at `busy`, if that is not empty */
    struct s2_ipa_range busy;
    unsigned done[DONE], refused;
};

static inline uint64_t below(struct run *r, uint64_t n)
{
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return r->seed % n;
}

static const uint32_t attrs[] = {S2_RW, S2_R, S2_RWX, S2_RX, 0, S2_RW | S2_MT_NORMAL_NC, S2_RW | 5u << S2_SW_SHIFT};

/* A range that is often of whole blocks and often of a few pages. */
static inline struct s2_ipa_range random_range(struct run *r)
{
    uint64_t unit = below(r, 3) ? 1 + below(r, 40) : LARGE / page_bytes, start, pages;

    start = below(r, all_pages / unit) * unit;
    pages = (1 + below(r, 4)) * unit;
    if (start + pages > all_pages)
        pages = all_pages - start;
    return ipa_range(start * page_bytes, pages * page_bytes);
}

/* --- the oracle ------------------------------------------------------------------------------------------------------ */

static inline bool is_own(const struct page *p)
{
    return p->kind == LINEAR;
}

static inline uint64_t own_index(uint64_t pa)
{
    return (pa - OWN_PA) / page_bytes;
}

static inline void forget(struct run *r, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++) {
        if (is_own(&r->page[i]))
            r->own_mapped[own_index(r->page[i].backing)] = false;
        r->page[i] = (struct page){.kind = NONE};
    }
}

static inline bool meets(const struct run *r, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++)
        if (r->page[i].kind != NONE)
            return true;
    return false;
}

static inline bool short_of_something(enum s2_err err)
{
    return err == S2_ENODES || err == S2_ETABLES || err == S2_EFRAMES || err == S2_EQUOTA;
}

static inline bool is_busy(const struct run *r, uint64_t first, uint64_t end)
{
    return first * page_bytes < r->busy.end.v && r->busy.start.v < end * page_bytes;
}

/* Does page i go on in the area of the page before it? */
static inline bool goes_on(const struct run *r, uint64_t i)
{
    const struct page *low = &r->page[i - 1], *high = &r->page[i];

    return low->kind != NONE && low->kind == high->kind && low->attr == high->attr && low->name == high->name &&
           low->backing + (low->kind == LINEAR ? page_bytes : 0) == high->backing;
}

/* All pages of the area that has page i: equal neighbours are one. */
static inline void area_around(const struct run *r, uint64_t i, uint64_t *first, uint64_t *end)
{
    for (*first = i; *first > 0 && goes_on(r, *first); --*first)
        ;
    for (*end = i + 1; *end < all_pages && goes_on(r, *end); ++*end)
        ;
}

static inline const struct s2_backend *backend_of(enum kind kind)
{
    return kind == LINEAR ? &s2_backend_linear : kind == TRAP ? &s2_backend_trap : &s2_backend_alloc;
}

static inline uint16_t flags_of(enum kind kind)
{
    return kind == LAZY ? S2_AREA_LAZY : kind == OVERCOMMIT ? S2_AREA_LAZY | S2_AREA_OVERCOMMIT : 0;
}

/* What is at work is half of what was and half of what will be. */
static inline void compare_areas(struct run *r)
{
    uint64_t at = 0, first, end;
    struct s2_area a;

    for (s2_ipa from = S2_IPA(0); s2_space_next(&r->w->space, from, &a); from = a.range.end) {
        for (; at < a.range.start.v / page_bytes; at++)
            assert_true(r->page[at].kind == NONE || is_busy(r, at, at + 1));
        if (!is_busy(r, 0, all_pages)) {
            area_around(r, at, &first, &end);
            assert_int_equal(first, at);
            assert_int_equal(end, a.range.end.v / page_bytes);
        }
        for (; at < a.range.end.v / page_bytes; at++) {
            const struct page *p = &r->page[at];
            uint64_t off = at * page_bytes - a.range.start.v;

            if (is_busy(r, at, at + 1))
                continue;
            assert_int_equal(p->attr, a.attr.bits);
            assert_int_equal(flags_of(p->kind), a.flags & ~S2_AREA_GROWING);
            assert_int_equal(p->name, a.name);
            assert_ptr_equal(a.backend, backend_of(p->kind));
            if (p->kind == LINEAR)
                assert_int_equal(a.backing + off, p->backing);
            if (p->kind == TRAP)
                assert_int_equal(a.backing, p->backing);
        }
    }
    for (; at < all_pages; at++)
        assert_true(r->page[at].kind == NONE || is_busy(r, at, at + 1));
}

/* --- areas at random ------------------------------------------------------------------------------------------------- */

static inline struct s2_area random_area(struct run *r, struct s2_ipa_range range, enum kind *kind)
{
    uint64_t bytes = range.end.v - range.start.v,
             own = below(r, 2) ? LARGE / page_bytes * below(r, 2) : below(r, own_pages);
    uint32_t attr = attrs[below(r, sizeof attrs / sizeof *attrs)];
    struct s2_area a;

    *kind = (enum kind)(1 + below(r, 5));
    if (*kind == LINEAR && bytes > own_pages * page_bytes)
        *kind = ALLOC;
    switch (*kind) {
    case LINEAR:
        a = area_linear(range.start.v, bytes, OWN_PA + own * page_bytes, attr);
        break;
    case TRAP:
        a = area_trap(range.start.v, bytes, below(r, 3));
        break;
    case LAZY:
        a = area_alloc(range.start.v, bytes, attr, S2_AREA_LAZY);
        break;
    case OVERCOMMIT:
        a = area_alloc(range.start.v, bytes, attr, S2_AREA_LAZY | S2_AREA_OVERCOMMIT);
        break;
    default:
        *kind = ALLOC;
        a = area_alloc(range.start.v, bytes, attr, 0);
    }
    a.name = (uint16_t)below(r, 2);
    return a;
}

/* Are the frames of this linear area mapped elsewhere, or not the VM's? What lies in the replaced range goes. */
static inline bool frames_taken(const struct run *r, const struct s2_area *a, enum s2_map_mode mode)
{
    uint64_t first = a->range.start.v / page_bytes, end = a->range.end.v / page_bytes;

    if (a->backing < OWN_PA || a->backing + (end - first) * page_bytes > OWN_PA + own_pages * page_bytes)
        return true;
    for (uint64_t i = 0; i < all_pages; i++) {
        bool goes = mode == S2_MAP_REPLACE && i >= first && i < end;

        if (is_own(&r->page[i]) && !goes && r->page[i].backing >= a->backing &&
            r->page[i].backing < a->backing + (end - first) * page_bytes)
            return true;
    }
    return false;
}

static inline bool same_already(const struct run *r, const struct s2_area *a, enum kind kind)
{
    for (uint64_t i = a->range.start.v / page_bytes; i < a->range.end.v / page_bytes; i++) {
        const struct page *p = &r->page[i];
        uint64_t backing = kind == LINEAR ? a->backing + i * page_bytes - a->range.start.v : a->backing;

        if (p->kind != kind || p->attr != a->attr.bits || p->name != a->name || p->backing != backing)
            return false;
    }
    return kind == LINEAR || kind == TRAP;
}

/* Was the range one that long work is busy with, and the operation refused for it, and no other? */
static inline bool refused_as_busy(struct run *r, uint64_t first, uint64_t end, enum s2_err err)
{
    bool busy = is_busy(r, first, end);

    assert_int_equal(err == S2_EBUSY, busy);
    if (busy)
        r->done[BUSY]++;
    return busy;
}

/* The pages become the area's. */
static inline void remember(struct run *r, const struct s2_area *a, enum kind kind)
{
    uint64_t first = a->range.start.v / page_bytes, end = a->range.end.v / page_bytes;

    forget(r, first, end);
    for (uint64_t i = first; i < end; i++) {
        r->page[i] = (struct page){kind, a->attr.bits, a->name, a->backing, 0, false};
        if (kind == LINEAR) {
            r->page[i].backing += (i - first) * page_bytes;
            r->own_mapped[own_index(r->page[i].backing)] = true;
        }
    }
}

#endif
