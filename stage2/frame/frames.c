/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The banks together: promises, counts and the lock. */
#include "frame/frames.h"

#include <s2_port.h>

#include "base/bits.h"
#include "frame/region.h"

static void lock(struct s2_frames *f)
{
    s2_port_lock(f->port, &f->lock, S2_LOCK_FRAMES, 0);
}

static void unlock(struct s2_frames *f)
{
    s2_port_unlock(f->port, &f->lock);
}

static uint64_t frames_in(uint64_t start, uint64_t end)
{
    return (end - start) / S2_FRAME;
}

/* The number of the bank that has pa; f->regions: none has. */
static unsigned bank_of(const struct s2_frames *f, uint64_t pa)
{
    unsigned i = 0;

    while (i < f->regions && !s2_region_holds(&f->region[i], pa))
        i++;
    return i;
}

static struct s2_frame_region *region_of(struct s2_frames *f, uint64_t pa)
{
    unsigned i = bank_of(f, pa);

    return i < f->regions ? &f->region[i] : NULL;
}

void s2_frames_init(struct s2_frames *f, struct s2_port *port)
{
    *f = (struct s2_frames){.port = port, .next = f};
}

size_t s2_frames_meta_bytes(s2_pa base, uint64_t bytes)
{
    return s2_region_meta_bytes(base, bytes);
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
        if (base.v < s2_region_end(r) && r->base.v < end) {
            enum s2_err err = s2_refuse(d, S2_EEXIST, S2_AXIS_PA, base.v, end, "overlaps a bank");
            if (d) {
                d->found_start = r->base.v;
                d->found_end = s2_region_end(r);
            }
            return err;
        }
    }

    s2_region_init(&f->region[f->regions], base, bytes, meta);
    f->total += bytes / S2_FRAME;
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

/* Under the lock; pre: all of it is free, in one bank. Returns how many frames were clean. */
static uint64_t take_range(struct s2_frames *f, struct s2_frame_region *r, uint64_t start, uint64_t end)
{
    uint64_t clean = s2_region_clean(r, start, end);

    s2_region_take(r, start, end);
    f->free -= frames_in(start, end);
    f->clean -= clean;
    return clean;
}

/* Under the lock. A block of `order`, cut from the smallest free block that is large enough, so that large ones last. */
static bool take_block(struct s2_frames *f, unsigned order, struct s2_block *out)
{
    for (unsigned o = order; o < S2_FRAME_ORDERS; o++) {
        for (unsigned i = 0; i < f->regions; i++) {
            struct s2_frame_region *r = &f->region[i];
            uint64_t pa;

            if (!s2_region_lowest(r, o, &pa))
                continue;
            uint64_t clean = take_range(f, r, pa, pa + (S2_FRAME << order));
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
    unsigned order;

    for (uint64_t next; pa < end; pa = next) {
        if (s2_region_block(r, pa, &order, &next))
            continue;
        *used = pa;
        return false;
    }
    return true;
}

enum s2_err s2_frames_alloc_at(struct s2_frames *f, struct s2_pa_range range, bool *clean, struct s2_detail *d)
{
    uint64_t start = range.start.v, end = range.end.v, used;

    if (start >= end)
        return s2_refuse(d, S2_EINVAL, S2_AXIS_PA, start, end, "is empty or wraps");
    if ((start | end) % S2_FRAME)
        return s2_refuse(d, S2_EALIGN, S2_AXIS_PA, start, end, "is not aligned to a frame");
    struct s2_frame_region *r = region_of(f, start);
    if (r == NULL || end > s2_region_end(r))
        return s2_refuse(d, S2_ENOENT, S2_AXIS_PA, start, end, "is not memory of one bank");

    enum s2_err err = S2_OK;
    lock(f);
    if (!range_is_free(r, start, end, &used)) {
        err = s2_refuse(d, S2_EEXIST, S2_AXIS_PA, start, end, "is in use");
        if (d) {
            d->found_start = used;
            d->found_end = used + S2_FRAME;
        }
    } else if (frames_in(start, end) > f->free - f->reserved) {
        err = s2_refuse(d, S2_EFRAMES, S2_AXIS_PA, start, end, "is promised to others");
    } else {
        *clean = take_range(f, r, start, end) == frames_in(start, end);
    }
    unlock(f);
    return err;
}

/* Under the lock; pre: all of it lies in the bank. */
static void give_range(struct s2_frames *f, struct s2_frame_region *r, uint64_t start, uint64_t end, bool clean)
{
    if (!clean)
        s2_region_mark(r, start, end, false);
    s2_region_put(r, start, end);
    f->clean += s2_region_clean(r, start, end);
    f->free += frames_in(start, end);
}

void s2_frames_free(struct s2_frames *f, struct s2_pa_range range, bool clean, bool reserve_again)
{
    lock(f);
    /* What was allocated piece by piece may come back as one run, and banks may touch. */
    for (uint64_t pa = range.start.v, end; pa < range.end.v; pa = end) {
        struct s2_frame_region *r = region_of(f, pa);

        end = s2_min_u64(s2_region_end(r), range.end.v);
        give_range(f, r, pa, end, clean);
    }
    if (reserve_again)
        f->reserved += frames_in(range.start.v, range.end.v);
    unlock(f);
}

/* --- several allocators ---------------------------------------------------------------------------------------------- */

void s2_frames_join(struct s2_frames *f, struct s2_frames *other)
{
    other->next = f->next;
    f->next = other;
}

static void give_part(struct s2_frames *f, struct s2_pa_range range)
{
    for (unsigned i = 0; i < f->regions; i++) {
        uint64_t start = s2_max_u64(range.start.v, f->region[i].base.v);
        uint64_t end = s2_min_u64(range.end.v, s2_region_end(&f->region[i]));

        if (start < end)
            s2_frames_free(f, (struct s2_pa_range){S2_PA(start), S2_PA(end)}, false, false);
    }
}

void s2_frames_give_back(struct s2_frames *f, struct s2_pa_range range)
{
    struct s2_frames *one = f;

    do {
        give_part(one, range);
        one = one->next;
    } while (one != f);
}

/* --- scrubbing (scrub.c) ------------------------------------------------------------------------------------------- */

/* Under the lock. Looks from *pa on for free dirty frames that lie inside one free block, at no more than `looks` blocks,
 * runs and frames in use. Returns how many frames there are, at most `most`; *pa is the first, or where to look next. */
static uint64_t dirty_run(const struct s2_frame_region *r, uint64_t *pa, uint64_t looks, uint64_t most)
{
    uint64_t end, run;
    unsigned order;
    bool clean;

    for (; *pa < s2_region_end(r) && looks-- > 0; *pa = run) {
        if (!s2_region_block(r, *pa, &order, &end)) {
            run = *pa + S2_FRAME;
            continue;
        }
        run = s2_region_run(r, *pa, end, &clean);
        if (!clean)
            return s2_min_u64(frames_in(*pa, run), most);
    }
    return 0;
}

/* Under the lock. One look at the bank that f->scrub lies in; moves it on, to the next bank at the end of this one. */
static bool look(struct s2_frames *f, uint64_t most, struct s2_pa_range *out)
{
    enum { LOOKS_PER_FRAME = 4 };
    struct s2_frame_region *r = region_of(f, f->scrub.v);
    uint64_t pa, n;

    if (r == NULL) {
        r = &f->region[0];
        f->scrub = r->base;
    }
    pa = f->scrub.v;
    n = dirty_run(r, &pa, LOOKS_PER_FRAME * most, most);
    *out = (struct s2_pa_range){S2_PA(pa), S2_PA(pa + n * S2_FRAME)};
    f->scrub = out->end;
    if (f->scrub.v >= s2_region_end(r))
        f->scrub = f->region[(unsigned)(r - f->region + 1) % f->regions].base;
    if (n)
        take_range(f, r, out->start.v, out->end.v);
    return n != 0;
}

bool s2_frames_take_dirty(struct s2_frames *f, uint64_t most, struct s2_pa_range *out)
{
    bool found;

    lock(f);
    most = s2_min_u64(most, f->free - f->reserved);
    found = most && f->free != f->clean && look(f, most, out);
    unlock(f);
    return found;
}

void s2_frames_put_clean(struct s2_frames *f, struct s2_pa_range range)
{
    struct s2_frame_region *r = region_of(f, range.start.v);

    lock(f);
    s2_region_mark(r, range.start.v, range.end.v, true);
    give_range(f, r, range.start.v, range.end.v, true);
    unlock(f);
}

/* --- for tests, the console, the checker --------------------------------------------------------------------------- */

void s2_frames_stats(struct s2_frames *f, struct s2_frames_stats *out)
{
    lock(f);
    *out = (struct s2_frames_stats){.total = f->total,
                                    .free = f->free,
                                    .clean = f->clean,
                                    .reserved = f->reserved,
                                    .largest_order = S2_FRAME_ORDERS};
    for (unsigned o = S2_FRAME_ORDERS; o-- > 0;) {
        out->blocks[o] = s2_frames_free_blocks(f, o);
        out->usable[o] = out->blocks[o] << o;
        if (out->blocks[o] && out->largest_order == S2_FRAME_ORDERS)
            out->largest_order = o;
        if (o + 1 < S2_FRAME_ORDERS)
            out->usable[o] += out->usable[o + 1];
    }
    unlock(f);
}

bool s2_frames_holds(const struct s2_frames *f, struct s2_pa_range range)
{
    unsigned i;

    for (uint64_t pa = range.start.v; pa < range.end.v; pa = s2_region_end(&f->region[i])) {
        i = bank_of(f, pa);
        if (i == f->regions)
            return false;
    }
    return range.start.v < range.end.v;
}

bool s2_frames_is_free(const struct s2_frames *f, s2_pa pa)
{
    unsigned order, i = bank_of(f, pa.v);
    uint64_t end;

    return i < f->regions && s2_region_block(&f->region[i], pa.v, &order, &end);
}

bool s2_frames_any_free(struct s2_frames *f, struct s2_pa_range range, s2_pa *first)
{
    bool any = false;

    lock(f);
    for (unsigned i = 0; i < f->regions && !any; i++) {
        const struct s2_frame_region *r = &f->region[i];
        uint64_t start = s2_max_u64(range.start.v, r->base.v), end = s2_min_u64(range.end.v, s2_region_end(r));

        any = start < end && s2_region_any_free(r, start, end, &first->v);
    }
    unlock(f);
    return any;
}

uint64_t s2_frames_free_blocks(const struct s2_frames *f, unsigned order)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < f->regions; i++)
        n += f->region[i].count[order];
    return n;
}

const char *s2_frames_check(const struct s2_frames *f)
{
    uint64_t free = 0, clean = 0;

    for (unsigned i = 0; i < f->regions; i++) {
        const char *wrong = s2_region_check(&f->region[i], &free, &clean);
        if (wrong)
            return wrong;
    }
    if (free != f->free)
        return "the count of free frames is wrong";
    if (clean != f->clean)
        return "the count of clean frames is wrong";
    return f->reserved > f->free ? "more frames are promised than free" : NULL;
}
