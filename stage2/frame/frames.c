/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "frame/frames.h"

#include <stage2/frames.h>

#include <s2_port.h>

/* Blocks are numbered from the first one of their order that the bank touches, which need not lie
 * wholly inside. */
static uint64_t first_block(const struct s2_frame_region *r, unsigned order)
{
    return r->base.v >> (S2_FRAME_LOG2 + order);
}

static uint64_t block_count(s2_pa base, uint64_t bytes, unsigned order)
{
    unsigned shift = S2_FRAME_LOG2 + order;
    return ((base.v + bytes - 1) >> shift) - (base.v >> shift) + 1;
}

static uint64_t words(uint64_t bits)
{
    return (bits + 63) / 64;
}

static bool test(const uint64_t *map, uint64_t i)
{
    return (map[i / 64] >> (i % 64)) & 1;
}

static uint64_t region_end(const struct s2_frame_region *r)
{
    return r->base.v + r->frames * S2_FRAME;
}

static struct s2_frame_region *region_of(struct s2_frames *f, s2_pa pa)
{
    for (unsigned i = 0; i < f->regions; i++) {
        struct s2_frame_region *r = &f->region[i];
        if (pa.v >= r->base.v && pa.v < region_end(r))
            return r;
    }
    return NULL;
}

/* --- blocks of one bank
 * ------------------------------------------------------------------------------------------ */

static uint64_t block_index(const struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    return (pa >> (S2_FRAME_LOG2 + order)) - first_block(r, order);
}

static void mark_free(struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    uint64_t i = block_index(r, pa, order);

    r->free[order][i / 64] |= 1ull << (i % 64);
    r->count[order]++;
    if (i / 64 < r->hint[order])
        r->hint[order] = i / 64;
}

static void mark_used(struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    uint64_t i = block_index(r, pa, order);

    r->free[order][i / 64] &= ~(1ull << (i % 64));
    r->count[order]--;
}

static bool is_free_block(const struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    uint64_t start = pa & ~((S2_FRAME << order) - 1);

    return start >= r->base.v && start + (S2_FRAME << order) <= region_end(r) &&
           test(r->free[order], block_index(r, start, order));
}

/* The order of the free block that holds pa, or S2_FRAME_ORDERS. */
static unsigned free_order(const struct s2_frame_region *r, uint64_t pa)
{
    unsigned order = 0;

    while (order < S2_FRAME_ORDERS && !is_free_block(r, pa, order))
        order++;
    return order;
}

/* Puts one aligned block back and joins it with its buddy as often as that is free too. */
static void put_block(struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    while (order + 1 < S2_FRAME_ORDERS) {
        uint64_t buddy = pa ^ (S2_FRAME << order);
        if (!is_free_block(r, buddy, order))
            break;
        mark_used(r, buddy, order);
        pa &= ~(S2_FRAME << order);
        order++;
    }
    mark_free(r, pa, order);
}

unsigned s2_frames_largest_order(uint64_t pa, uint64_t bytes)
{
    unsigned order = 0;

    while (order + 1 < S2_FRAME_ORDERS && !(pa & (S2_FRAME << order)) && (S2_FRAME << (order + 1)) <= bytes)
        order++;
    return order;
}

static void put_range(struct s2_frame_region *r, uint64_t pa, uint64_t end)
{
    while (pa < end) {
        unsigned order = s2_frames_largest_order(pa, end - pa);
        put_block(r, pa, order);
        pa += S2_FRAME << order;
    }
}

/* Takes [pa, end) out of the free block of `order` that holds all of it; what is left of the block
 * stays free. */
static void carve(struct s2_frame_region *r, uint64_t pa, uint64_t end, unsigned order)
{
    uint64_t start = pa & ~((S2_FRAME << order) - 1);

    mark_used(r, start, order);
    put_range(r, start, pa);
    put_range(r, end, start + (S2_FRAME << order));
}

static bool lowest_block(struct s2_frame_region *r, unsigned order, uint64_t *pa)
{
    if (r->count[order] == 0)
        return false;
    uint64_t w = r->hint[order];
    while (r->free[order][w] == 0)
        w++;
    r->hint[order] = w;
    uint64_t i = w * 64 + (uint64_t)__builtin_ctzll(r->free[order][w]);
    *pa = (first_block(r, order) + i) << (S2_FRAME_LOG2 + order);
    return true;
}

/* --- clean bits
 * ----------------------------------------------------------------------------------------------------
 */

/* How many frames of [pa, end) are marked clean. */
static uint64_t clean_frames(const struct s2_frame_region *r, uint64_t pa, uint64_t end)
{
    uint64_t i = (pa - r->base.v) / S2_FRAME, last = (end - r->base.v) / S2_FRAME, n = 0;

    while (i < last) {
        uint64_t word = r->clean[i / 64] >> (i % 64), here = 64 - i % 64;
        if (here > last - i) {
            here = last - i;
            word &= (1ull << here) - 1;
        }
        n += (uint64_t)__builtin_popcountll(word);
        i += here;
    }
    return n;
}

static void set_clean(struct s2_frame_region *r, uint64_t pa, uint64_t end, bool clean)
{
    uint64_t i = (pa - r->base.v) / S2_FRAME, last = (end - r->base.v) / S2_FRAME;

    while (i < last) {
        uint64_t here = 64 - i % 64;
        if (here > last - i)
            here = last - i;
        uint64_t mask = (here == 64 ? UINT64_MAX : (1ull << here) - 1) << (i % 64);
        r->clean[i / 64] = clean ? r->clean[i / 64] | mask : r->clean[i / 64] & ~mask;
        i += here;
    }
}

/* --- the public face
 * --------------------------------------------------------------------------------------------- */

static void lock(struct s2_frames *f)
{
    s2_port_lock(f->port, &f->lock, S2_LOCK_FRAMES, 0);
}

static void unlock(struct s2_frames *f)
{
    s2_port_unlock(f->port, &f->lock);
}

void s2_frames_init(struct s2_frames *f, struct s2_port *port)
{
    *f = (struct s2_frames){.port = port};
}

size_t s2_frames_meta_bytes(s2_pa base, uint64_t bytes)
{
    uint64_t n = words(bytes / S2_FRAME);

    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++)
        n += words(block_count(base, bytes, o));
    return (size_t)(n * sizeof(uint64_t));
}

enum s2_err s2_frames_add(struct s2_frames *f, s2_pa base, uint64_t bytes, void *meta, struct s2_detail *d)
{
    uint64_t end = base.v + bytes;

    if (bytes == 0 || end < base.v || meta == NULL)
        return s2_refuse(d, S2_EINVAL, S2_AXIS_PA, base.v, end, "is not a bank of memory");
    if ((base.v | bytes) % S2_FRAME || (uintptr_t)meta % sizeof(uint64_t))
        return s2_refuse(d, S2_EALIGN, S2_AXIS_PA, base.v, end, "is not aligned to a frame");
    if (f->regions == S2_FRAME_REGIONS)
        return s2_refuse(d, S2_ERANGE, S2_AXIS_PA, base.v, end, "is one bank too many");
    for (unsigned i = 0; i < f->regions; i++) {
        struct s2_frame_region *r = &f->region[i];
        if (base.v < region_end(r) && r->base.v < end) {
            enum s2_err err = s2_refuse(d, S2_EEXIST, S2_AXIS_PA, base.v, end, "overlaps a bank");
            if (d) {
                d->found_start = r->base.v;
                d->found_end = region_end(r);
            }
            return err;
        }
    }

    struct s2_frame_region *r = &f->region[f->regions];
    uint64_t *next = meta;
    *r = (struct s2_frame_region){.base = base, .frames = bytes / S2_FRAME};
    for (uint64_t i = 0, n = s2_frames_meta_bytes(base, bytes) / sizeof(uint64_t); i < n; i++)
        next[i] = 0;
    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++) {
        r->free[o] = next;
        next += words(block_count(base, bytes, o));
    }
    r->clean = next;
    f->total += r->frames;
    f->regions++;
    return S2_OK;
}

enum s2_err s2_frames_reserve(struct s2_frames *f, uint64_t n)
{
    enum s2_err err = S2_EFRAMES;

    lock(f);
    if (n <= f->free - f->reserved) {
        f->reserved += n;
        err = S2_OK;
    }
    unlock(f);
    return err;
}

void s2_frames_unreserve(struct s2_frames *f, uint64_t n)
{
    lock(f);
    f->reserved -= n;
    unlock(f);
}

/* A bank and block of `order`: cut from the smallest block that is large enough, so that large ones
 * last. */
static bool take_block(struct s2_frames *f, unsigned order, struct s2_block *out)
{
    for (unsigned o = order; o < S2_FRAME_ORDERS; o++) {
        for (unsigned i = 0; i < f->regions; i++) {
            struct s2_frame_region *r = &f->region[i];
            uint64_t pa, end;
            if (!lowest_block(r, o, &pa))
                continue;
            end = pa + (S2_FRAME << order);
            carve(r, pa, end, o);
            uint64_t clean = clean_frames(r, pa, end);
            f->free -= 1ull << order;
            f->clean -= clean;
            *out = (struct s2_block){S2_PA(pa), (uint8_t)order, clean == 1ull << order};
            return true;
        }
    }
    return false;
}

enum s2_err s2_frames_alloc(struct s2_frames *f, unsigned max_order, bool reserved, struct s2_block *out)
{
    enum s2_err err = S2_EFRAMES;

    if (max_order >= S2_FRAME_ORDERS)
        max_order = S2_FRAME_ORDERS - 1;
    lock(f);
    uint64_t may_take = reserved ? f->reserved : f->free - f->reserved;
    for (unsigned o = max_order + 1; o-- > 0;) {
        if (1ull << o > may_take || !take_block(f, o, out))
            continue;
        if (reserved)
            f->reserved -= 1ull << o;
        err = S2_OK;
        break;
    }
    unlock(f);
    return err;
}

/* Under the lock. Is all of the range free? Else *used is the first frame that is not. */
static bool range_is_free(const struct s2_frame_region *r, uint64_t pa, uint64_t end, uint64_t *used)
{
    while (pa < end) {
        unsigned o = free_order(r, pa);
        if (o == S2_FRAME_ORDERS) {
            *used = pa;
            return false;
        }
        pa = (pa & ~((S2_FRAME << o) - 1)) + (S2_FRAME << o);
    }
    return true;
}

/* Under the lock; pre: all of it is free. Returns how many frames were clean. */
static uint64_t take_range(struct s2_frames *f, struct s2_frame_region *r, uint64_t start, uint64_t end)
{
    uint64_t clean = clean_frames(r, start, end);

    for (uint64_t pa = start; pa < end;) {
        unsigned o = free_order(r, pa);
        uint64_t stop = (pa & ~((S2_FRAME << o) - 1)) + (S2_FRAME << o);
        if (stop > end)
            stop = end;
        carve(r, pa, stop, o);
        pa = stop;
    }
    f->free -= (end - start) / S2_FRAME;
    f->clean -= clean;
    return clean;
}

enum s2_err s2_frames_alloc_at(struct s2_frames *f, struct s2_pa_range range, bool *clean, struct s2_detail *d)
{
    uint64_t start = range.start.v, end = range.end.v, used;

    if (start >= end)
        return s2_refuse(d, S2_EINVAL, S2_AXIS_PA, start, end, "is empty or wraps");
    if ((start | end) % S2_FRAME)
        return s2_refuse(d, S2_EALIGN, S2_AXIS_PA, start, end, "is not aligned to a frame");
    struct s2_frame_region *r = region_of(f, range.start);
    if (r == NULL || end > region_end(r))
        return s2_refuse(d, S2_ENOENT, S2_AXIS_PA, start, end, "is not memory of one bank");

    enum s2_err err = S2_OK;
    lock(f);
    if (!range_is_free(r, start, end, &used)) {
        err = s2_refuse(d, S2_EEXIST, S2_AXIS_PA, start, end, "is in use");
        if (d) {
            d->found_start = used;
            d->found_end = used + S2_FRAME;
        }
    } else if ((end - start) / S2_FRAME > f->free - f->reserved) {
        err = s2_refuse(d, S2_EFRAMES, S2_AXIS_PA, start, end, "is promised to others");
    } else {
        *clean = take_range(f, r, start, end) == (end - start) / S2_FRAME;
    }
    unlock(f);
    return err;
}

/* Under the lock; pre: all of it lies in the bank. */
static void give_range(struct s2_frames *f, struct s2_frame_region *r, uint64_t start, uint64_t end, bool clean)
{
    if (!clean)
        set_clean(r, start, end, false);
    f->clean += clean_frames(r, start, end);
    put_range(r, start, end);
    f->free += (end - start) / S2_FRAME;
}

void s2_frames_free(struct s2_frames *f, struct s2_pa_range range, bool clean, bool reserve_again)
{
    lock(f);
    /* What was allocated piece by piece may come back as one run, and banks may touch. */
    for (uint64_t pa = range.start.v, end; pa < range.end.v; pa = end) {
        struct s2_frame_region *r = region_of(f, S2_PA(pa));

        end = region_end(r) < range.end.v ? region_end(r) : range.end.v;
        give_range(f, r, pa, end, clean);
    }
    if (reserve_again)
        f->reserved += (range.end.v - range.start.v) / S2_FRAME;
    unlock(f);
}

/* --- scrub support (scrub.c)
 * ------------------------------------------------------------------------------------------ */

/* Under the lock. The first run of free dirty frames at or after pa that lies inside one free
 * block; looks at no more than `looks` blocks and frames. Returns its length in frames, 0 when none
 * was found; *pa is where to look next. */
static uint64_t dirty_run(const struct s2_frame_region *r, uint64_t *pa, uint64_t looks, uint64_t most)
{
    while (*pa < region_end(r) && looks-- > 0) {
        unsigned o = free_order(r, *pa);
        if (o == S2_FRAME_ORDERS) {
            *pa += S2_FRAME;
            continue;
        }
        uint64_t end = (*pa & ~((S2_FRAME << o) - 1)) + (S2_FRAME << o);
        while (*pa < end && test(r->clean, (*pa - r->base.v) / S2_FRAME))
            *pa += S2_FRAME;
        uint64_t n = 0;
        while (*pa + n * S2_FRAME < end && n < most && !test(r->clean, (*pa - r->base.v) / S2_FRAME + n))
            n++;
        if (n)
            return n;
    }
    return 0;
}

bool s2_frames_take_dirty(struct s2_frames *f, uint64_t most, struct s2_pa_range *out)
{
    bool found = false;

    lock(f);
    uint64_t spare = f->free - f->reserved;
    if (most > spare)
        most = spare;
    for (unsigned i = 0; i <= f->regions && most && f->free != f->clean && !found; i++) {
        struct s2_frame_region *r = region_of(f, f->scrub);
        if (r == NULL) {
            f->scrub = f->region[i % f->regions].base;
            continue;
        }
        uint64_t pa = f->scrub.v, n = dirty_run(r, &pa, 4 * most, most);
        if (n) {
            *out = (struct s2_pa_range){S2_PA(pa), S2_PA(pa + n * S2_FRAME)};
            take_range(f, r, out->start.v, out->end.v);
            found = true;
        }
        pa += n * S2_FRAME;
        unsigned next = (unsigned)(r - f->region + 1) % f->regions;
        f->scrub = pa < region_end(r) ? S2_PA(pa) : f->region[next].base;
        if (!found && pa < region_end(r))
            break;
    }
    unlock(f);
    return found;
}

void s2_frames_put_clean(struct s2_frames *f, struct s2_pa_range range)
{
    struct s2_frame_region *r = region_of(f, range.start);

    lock(f);
    set_clean(r, range.start.v, range.end.v, true);
    unlock(f);
    s2_frames_free(f, range, true, false);
}

/* --- for tests, the console, the checker
 * -------------------------------------------------------------------------- */

bool s2_frames_is_free(const struct s2_frames *f, s2_pa pa)
{
    for (unsigned i = 0; i < f->regions; i++) {
        const struct s2_frame_region *r = &f->region[i];
        if (pa.v >= r->base.v && pa.v < region_end(r))
            return free_order(r, pa.v) < S2_FRAME_ORDERS;
    }
    return false;
}

uint64_t s2_frames_free_blocks(const struct s2_frames *f, unsigned order)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < f->regions; i++)
        n += f->region[i].count[order];
    return n;
}

static const char *check_region(const struct s2_frame_region *r, uint64_t *free, uint64_t *clean)
{
    uint64_t seen[S2_FRAME_ORDERS] = {0};

    for (uint64_t pa = r->base.v; pa < region_end(r); pa += S2_FRAME) {
        unsigned holders = 0;
        for (unsigned o = 0; o < S2_FRAME_ORDERS; o++) {
            if (!is_free_block(r, pa, o))
                continue;
            holders++;
            seen[o] += pa % (S2_FRAME << o) == 0;
        }
        if (holders > 1)
            return "a frame lies in two free blocks";
        *free += holders;
        *clean += holders && test(r->clean, (pa - r->base.v) / S2_FRAME);
    }
    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++) {
        if (seen[o] != r->count[o])
            return "the count of free blocks is wrong";
        for (uint64_t w = 0; w < r->hint[o]; w++)
            if (r->free[o][w])
                return "a free block lies below the hint";
    }
    return NULL;
}

const char *s2_frames_check(const struct s2_frames *f)
{
    uint64_t free = 0, clean = 0;

    for (unsigned i = 0; i < f->regions; i++) {
        const char *wrong = check_region(&f->region[i], &free, &clean);
        if (wrong)
            return wrong;
    }
    if (free != f->free)
        return "the count of free frames is wrong";
    if (clean != f->clean)
        return "the count of clean frames is wrong";
    return f->reserved > f->free ? "more frames are promised than free" : NULL;
}
