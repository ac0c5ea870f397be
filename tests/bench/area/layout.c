/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "layout.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
    return rng_next(rng) % n;
}

void *must_alloc(size_t bytes)
{
    void *mem = malloc(bytes ? bytes : 1);

    if (!mem) {
        fputs("bench: out of memory\n", stderr);
        exit(2);
    }
    return mem;
}

static struct bench_area area_at(uint64_t slot, uint64_t rare, uint64_t wide, struct rng *rng)
{
    uint64_t before = rare * RARE_GRANULES + wide * WIDE_GRANULES;
    uint64_t first = slot * SLOT_GRANULES + before + 1 + rng_below(rng, 3);
    uint64_t granules = 6 + rng_below(rng, 4);

    return (struct bench_area){
        first * BENCH_GRANULE, (first + granules) * BENCH_GRANULE, {BENCH_KIND, rng_next(rng), 1 + rng_below(rng, 7)}};
}

struct layout layout_new(uint64_t n, struct rng *rng)
{
    struct layout l = {.n = n};
    uint64_t every = n < RARE_EVERY ? n : RARE_EVERY, before = 0;

    l.sorted = must_alloc(n * sizeof(*l.sorted));
    l.mixed = must_alloc(n * sizeof(*l.mixed));
    l.pick = must_alloc(n * sizeof(*l.pick));
    for (uint64_t i = 0; i < n; i++) {
        l.sorted[i] = area_at(i, (i + every / 2) / every, i + 1 == n, rng);
        l.sum += (l.sorted[i].start ^ before) + l.sorted[i].w[1];
        before = l.sorted[i].end;
    }
    layout_draw(&l, rng, n, (uint32_t)n);
    for (uint64_t i = 0; i < n; i++)
        l.mixed[i] = l.sorted[l.pick[i]];
    return l;
}

void layout_free(struct layout *l)
{
    free(l->sorted);
    free(l->mixed);
    free(l->pick);
}

void layout_draw(struct layout *l, struct rng *rng, uint64_t below, uint32_t count)
{
    for (uint64_t i = 0; i < below; i++)
        l->pick[i] = (uint32_t)i;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t other = i + rng_below(rng, below - i);
        uint32_t was = l->pick[i];

        l->pick[i] = l->pick[other];
        l->pick[other] = was;
    }
}

uint64_t layout_from(const struct layout *l, uint64_t at)
{
    uint64_t low = 0, high = l->n;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (l->sorted[middle].end > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint64_t layout_find_sum(const struct layout *l, const uint64_t *key, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = layout_from(l, key[i]);

        if (at < l->n && l->sorted[at].start <= key[i])
            sum += l->sorted[at].start ^ l->sorted[at].w[1];
    }
    return sum;
}

uint64_t layout_free_at(const struct layout *l, const struct bench_gap *gap)
{
    uint64_t at = gap->lo, i = layout_from(l, at);

    if (gap->size > (RARE_GRANULES + COMMON_GRANULES) * (uint64_t)BENCH_GRANULE && i + 1 < l->n) {
        i = l->n - 1; /* no gap before the wide one does */
        at = l->sorted[i - 1].end;
    }
    for (;; i++) {
        uint64_t limit = i < l->n ? l->sorted[i].start : BENCH_SPACE_END;

        at = (at + gap->align - 1) & ~(gap->align - 1);
        if (at < limit && limit - at >= gap->size)
            return at;
        if (i == l->n)
            return BENCH_NONE;
        at = l->sorted[i].end > at ? l->sorted[i].end : at;
    }
}
