/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The areas that every peer holds, and the truth about them: plain sorted arrays, searched the plain way. */
#ifndef BENCH_AREA_LAYOUT_H
#define BENCH_AREA_LAYOUT_H

#include "peer.h"

struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t n);

void *must_alloc(size_t bytes);

/* Area i has 6 to 9 granules at an offset of 1 to 3 in its slot of 16, so that gaps are 5 to 12 granules; before one slot
 * in a thousand (before the middle one of a smaller layout) there are 256 more. Before the last area there is the one wide gap, and all is
 * free behind it. */
#define SLOT_GRANULES   16u
#define RARE_GRANULES   256u
#define COMMON_GRANULES 12u /* the widest of the other gaps */
#define RARE_EVERY      1000u
#define WIDE_GRANULES   (1u << 20)

struct layout {
    uint64_t n;
    struct bench_area *sorted, *mixed; /* ascending, and the same in random order */
    uint32_t *pick;                    /* the last draw */
    uint64_t sum;                      /* what iterate answers */
};

struct layout layout_new(uint64_t n, struct rng *rng);
void layout_free(struct layout *l);
/* pick[0..count-1] become different random numbers below `below`, which is at most n. */
void layout_draw(struct layout *l, struct rng *rng, uint64_t below, uint32_t count);

/* Index of the first area with end > at; n if none. */
uint64_t layout_from(const struct layout *l, uint64_t at);
uint64_t layout_find_sum(const struct layout *l, const uint64_t *key, uint32_t n);
uint64_t layout_free_at(const struct layout *l, const struct bench_gap *gap);

#endif
