/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One bank of RAM: which blocks of it are free, which frames clean. No locks, no totals: those are of the allocator. */
#ifndef FRAME_REGION_H
#define FRAME_REGION_H

#include <stage2/frames.h>

static inline uint64_t s2_region_end(const struct s2_frame_region *r)
{
    return r->base.v + r->frames * S2_FRAME;
}
static inline bool s2_region_holds(const struct s2_frame_region *r, uint64_t pa)
{
    return pa >= r->base.v && pa < s2_region_end(r);
}

size_t s2_region_meta_bytes(s2_pa base, uint64_t bytes);
/* Nothing free, nothing clean. meta has s2_region_meta_bytes. */
void s2_region_init(struct s2_frame_region *r, s2_pa base, uint64_t bytes, uint64_t *meta);

/* The free block that holds pa: its order and where it ends. False: pa is in use. */
bool s2_region_block(const struct s2_frame_region *r, uint64_t pa, unsigned *order, uint64_t *end);
/* Does a free block meet [pa, end)? *first: where the lowest does. */
bool s2_region_any_free(const struct s2_frame_region *r, uint64_t pa, uint64_t end, uint64_t *first);
/* The lowest free block of exactly that order. */
bool s2_region_lowest(struct s2_frame_region *r, unsigned order, uint64_t *pa);
/* Takes [pa, end), all of it free, out of the free blocks; what is left of them stays free. */
void s2_region_take(struct s2_frame_region *r, uint64_t pa, uint64_t end);
/* Puts [pa, end), all of it in use, back, joining it with what is free beside it. */
void s2_region_put(struct s2_frame_region *r, uint64_t pa, uint64_t end);

/* How many frames of [pa, end) are marked clean; marking them. */
uint64_t s2_region_clean(const struct s2_frame_region *r, uint64_t pa, uint64_t end);
void s2_region_mark(struct s2_frame_region *r, uint64_t pa, uint64_t end, bool clean);
/* The end of the run of frames from pa that are marked as pa is; at most `end`. */
uint64_t s2_region_run(const struct s2_frame_region *r, uint64_t pa, uint64_t end, bool *clean);

/* Do the bit maps of the blocks that begin in [pa, end) agree, and the hints? Null: yes; adds up what is free. */
struct s2_region_sums {
    uint64_t free, clean, blocks[S2_FRAME_ORDERS];
};
const char *s2_region_check_part(const struct s2_frame_region *r, uint64_t pa, uint64_t end,
                                 struct s2_region_sums *sums);
/* Null when bit maps, counts and hints agree; adds up what is free and what of that is clean. */
const char *s2_region_check(const struct s2_frame_region *r, uint64_t *free, uint64_t *clean);

#endif
