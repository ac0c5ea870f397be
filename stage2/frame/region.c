/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "frame/region.h"

#include "base/bits.h"

enum { WORD_BITS = 64 };

/* Blocks are numbered from the first one of their order that the bank touches, which need not lie wholly inside. */
static uint64_t block_index(const struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    unsigned shift = S2_FRAME_LOG2 + order;

    return (pa >> shift) - (r->base.v >> shift);
}

static uint64_t block_bytes(unsigned order)
{
    return S2_FRAME << order;
}

static uint64_t block_start(uint64_t pa, unsigned order)
{
    return pa & ~(block_bytes(order) - 1);
}

static uint64_t frame_index(const struct s2_frame_region *r, uint64_t pa)
{
    return (pa - r->base.v) / S2_FRAME;
}

static bool test(const uint64_t *map, uint64_t i)
{
    return map[i / WORD_BITS] >> i % WORD_BITS & 1;
}

/* n bits, at least one, from bit `from` of a word. */
static uint64_t mask(uint64_t from, uint64_t n)
{
    return UINT64_MAX >> (WORD_BITS - n) << from;
}

/* --- set up -------------------------------------------------------------------------------------------------------- */

static uint64_t words(uint64_t bits)
{
    return (bits + WORD_BITS - 1) / WORD_BITS;
}

static uint64_t block_words(s2_pa base, uint64_t bytes, unsigned order)
{
    unsigned shift = S2_FRAME_LOG2 + order;

    return words(((base.v + bytes - 1) >> shift) - (base.v >> shift) + 1);
}

size_t s2_region_meta_bytes(s2_pa base, uint64_t bytes)
{
    uint64_t n = words(bytes / S2_FRAME);

    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++)
        n += block_words(base, bytes, o);
    return (size_t)(n * sizeof(uint64_t));
}

void s2_region_init(struct s2_frame_region *r, s2_pa base, uint64_t bytes, uint64_t *meta)
{
    *r = (struct s2_frame_region){.base = base, .frames = bytes / S2_FRAME};
    for (uint64_t i = 0, n = s2_region_meta_bytes(base, bytes) / sizeof(uint64_t); i < n; i++)
        meta[i] = 0;
    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++) {
        r->free[o] = meta;
        meta += block_words(base, bytes, o);
    }
    r->clean = meta;
}

/* --- blocks -------------------------------------------------------------------------------------------------------- */

static void mark_free(struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    uint64_t i = block_index(r, pa, order);

    r->free[order][i / WORD_BITS] |= mask(i % WORD_BITS, 1);
    r->count[order]++;
    r->hint[order] = s2_min_u64(r->hint[order], i / WORD_BITS);
}

static void mark_used(struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    uint64_t i = block_index(r, pa, order);

    r->free[order][i / WORD_BITS] &= ~mask(i % WORD_BITS, 1);
    r->count[order]--;
}

static bool is_free_block(const struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    uint64_t start = block_start(pa, order);

    return start >= r->base.v && start + block_bytes(order) <= s2_region_end(r) &&
           test(r->free[order], block_index(r, start, order));
}

bool s2_region_block(const struct s2_frame_region *r, uint64_t pa, unsigned *order, uint64_t *end)
{
    for (*order = 0; *order < S2_FRAME_ORDERS; ++*order) {
        if (!is_free_block(r, pa, *order))
            continue;
        *end = block_start(pa, *order) + block_bytes(*order);
        return true;
    }
    return false;
}

/* The first bit that is set in [i, end) of a map; end: none. */
static uint64_t next_bit(const uint64_t *map, uint64_t i, uint64_t end)
{
    while (i < end) {
        uint64_t rest = map[i / WORD_BITS] >> i % WORD_BITS;

        if (rest)
            return s2_min_u64(i + s2_ctz(rest), end);
        i += WORD_BITS - i % WORD_BITS;
    }
    return end;
}

bool s2_region_any_free(const struct s2_frame_region *r, uint64_t pa, uint64_t end, uint64_t *first)
{
    *first = end;
    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++) {
        uint64_t last = block_index(r, end - 1, o) + 1, i = next_bit(r->free[o], block_index(r, pa, o), last);
        uint64_t start = ((r->base.v >> (S2_FRAME_LOG2 + o)) + i) << (S2_FRAME_LOG2 + o);

        if (i < last)
            *first = s2_min_u64(*first, s2_max_u64(start, pa));
    }
    return *first < end;
}

bool s2_region_lowest(struct s2_frame_region *r, unsigned order, uint64_t *pa)
{
    uint64_t w = r->hint[order];
    unsigned shift = S2_FRAME_LOG2 + order;

    if (r->count[order] == 0)
        return false;
    while (r->free[order][w] == 0)
        w++;
    r->hint[order] = w;
    *pa = ((r->base.v >> shift) + w * WORD_BITS + s2_ctz(r->free[order][w])) << shift;
    return true;
}

/* Puts one aligned block back and joins it with its buddy as often as that is free too. */
static void put_block(struct s2_frame_region *r, uint64_t pa, unsigned order)
{
    while (order + 1 < S2_FRAME_ORDERS) {
        uint64_t buddy = pa ^ block_bytes(order);

        if (!is_free_block(r, buddy, order))
            break;
        mark_used(r, buddy, order);
        order++;
        pa = block_start(pa, order);
    }
    mark_free(r, pa, order);
}

/* The largest order of a block that starts at pa and fits into bytes. */
static unsigned largest_order(uint64_t pa, uint64_t bytes)
{
    unsigned order = 0;

    while (order + 1 < S2_FRAME_ORDERS && !(pa & block_bytes(order)) && block_bytes(order + 1) <= bytes)
        order++;
    return order;
}

void s2_region_put(struct s2_frame_region *r, uint64_t pa, uint64_t end)
{
    for (unsigned order; pa < end; pa += block_bytes(order)) {
        order = largest_order(pa, end - pa);
        put_block(r, pa, order);
    }
}

void s2_region_take(struct s2_frame_region *r, uint64_t pa, uint64_t end)
{
    uint64_t block_end, stop;
    unsigned order;

    for (; pa < end && s2_region_block(r, pa, &order, &block_end); pa = stop) {
        stop = s2_min_u64(block_end, end);
        mark_used(r, block_start(pa, order), order);
        s2_region_put(r, block_start(pa, order), pa);
        s2_region_put(r, stop, block_end);
    }
}

/* --- clean bits ---------------------------------------------------------------------------------------------------- */

uint64_t s2_region_clean(const struct s2_frame_region *r, uint64_t pa, uint64_t end)
{
    uint64_t n = 0;

    for (uint64_t i = frame_index(r, pa), last = frame_index(r, end), here; i < last; i += here) {
        here = s2_min_u64(WORD_BITS - i % WORD_BITS, last - i);
        n += s2_popcount(r->clean[i / WORD_BITS] & mask(i % WORD_BITS, here));
    }
    return n;
}

void s2_region_mark(struct s2_frame_region *r, uint64_t pa, uint64_t end, bool clean)
{
    for (uint64_t i = frame_index(r, pa), last = frame_index(r, end), here; i < last; i += here) {
        uint64_t *word = &r->clean[i / WORD_BITS];

        here = s2_min_u64(WORD_BITS - i % WORD_BITS, last - i);
        *word = clean ? *word | mask(i % WORD_BITS, here) : *word & ~mask(i % WORD_BITS, here);
    }
}

uint64_t s2_region_run(const struct s2_frame_region *r, uint64_t pa, uint64_t end, bool *clean)
{
    uint64_t i = frame_index(r, pa), last = frame_index(r, end);

    *clean = test(r->clean, i);
    while (i < last) {
        /* Bits that differ from the first, from here to the end of the word. */
        uint64_t other = (*clean ? ~r->clean[i / WORD_BITS] : r->clean[i / WORD_BITS]) >> i % WORD_BITS;

        if (other) {
            i += s2_ctz(other);
            break;
        }
        i += WORD_BITS - i % WORD_BITS;
    }
    return r->base.v + s2_min_u64(i, last) * S2_FRAME;
}

/* --- check --------------------------------------------------------------------------------------------------------- */

/* Adds up one free block, with no other free one in it. */
static bool lone_block(const struct s2_frame_region *r, uint64_t pa, unsigned order, struct s2_region_sums *sums)
{
    uint64_t end = pa + block_bytes(order);

    for (unsigned o = 0; o < order; o++) {
        uint64_t last = block_index(r, end - 1, o) + 1;

        if (next_bit(r->free[o], block_index(r, pa, o), last) < last)
            return false;
    }
    sums->blocks[order]++;
    sums->free += block_bytes(order) / S2_FRAME;
    sums->clean += s2_region_clean(r, pa, end);
    return true;
}

static const char *check_order(const struct s2_frame_region *r, unsigned o, uint64_t pa, uint64_t end,
                               struct s2_region_sums *sums)
{
    uint64_t bits = block_index(r, end - 1, o) + 1;
    uint64_t first = pa == r->base.v ? 0 : block_index(r, pa + block_bytes(o) - 1, o);

    for (uint64_t i = next_bit(r->free[o], first, bits); i < bits; i = next_bit(r->free[o], i + 1, bits)) {
        uint64_t at = ((r->base.v >> (S2_FRAME_LOG2 + o)) + i) << (S2_FRAME_LOG2 + o);

        if (!is_free_block(r, at, o) || !lone_block(r, at, o, sums))
            return "a frame lies in two free blocks";
        if (i / WORD_BITS < r->hint[o])
            return "a free block lies below the hint";
    }
    return NULL;
}

const char *s2_region_check_part(const struct s2_frame_region *r, uint64_t pa, uint64_t end,
                                 struct s2_region_sums *sums)
{
    const char *wrong = NULL;

    for (unsigned o = 0; o < S2_FRAME_ORDERS && !wrong; o++)
        wrong = check_order(r, o, pa, end, sums);
    return wrong;
}

const char *s2_region_check(const struct s2_frame_region *r, uint64_t *free, uint64_t *clean)
{
    struct s2_region_sums sums = {.free = 0};
    const char *wrong = s2_region_check_part(r, r->base.v, s2_region_end(r), &sums);

    for (unsigned o = 0; o < S2_FRAME_ORDERS && !wrong; o++)
        if (sums.blocks[o] != r->count[o])
            wrong = "the count of free blocks is wrong";
    *free += sums.free;
    *clean += sums.clean;
    return wrong;
}
