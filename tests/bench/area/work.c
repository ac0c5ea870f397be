/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "work.h"

#include <stdlib.h>

#define MOST_EDITS 5120u
#define ENOUGH     4096u

struct sizes sizes_of(uint64_t n)
{
    struct sizes s = {.n = n, .maps = 1, .finds = 2 * ENOUGH, .gaps = ENOUGH};
    uint64_t each = n / 8;

    while (s.maps * 2 * n <= 512)
        s.maps *= 2;
    if (each < 4)
        each = 4;
    if (each > MOST_EDITS)
        each = MOST_EDITS;
    s.edits = (uint32_t)each * s.maps;
    s.batches = s.edits >= ENOUGH ? 1 : (ENOUGH + s.edits - 1) / s.edits;
    s.warm_finds = n < 100000 ? 1024 : 32768;
    return s;
}

/* Every list of a batch has at most three entries for each job. */
struct work *work_new(const struct sizes *s)
{
    struct work *w = must_alloc(sizeof(*w));
    size_t most = 3 * (size_t)s->edits;

    w->area = must_alloc(most * sizeof(*w->area));
    w->before = must_alloc(most * sizeof(*w->before));
    w->gone = must_alloc(most * sizeof(*w->gone));
    w->back = must_alloc(most * sizeof(*w->back));
    return w;
}

void work_free(struct work *w)
{
    free(w->area);
    free(w->before);
    free(w->gone);
    free(w->back);
    free(w);
}

static struct bench_range range_of(const struct bench_area *a)
{
    return (struct bench_range){a->start, a->end};
}

/* The middle third, in whole granules. */
static struct bench_range middle_of(const struct bench_area *a)
{
    uint64_t third = (a->end - a->start) / BENCH_GRANULE / 3 * BENCH_GRANULE;

    return (struct bench_range){a->start + third, a->end - third};
}

/* One job on the area (MAP_OVER: the three areas) at a, in slot `at` of the lists. */
static void one_job(struct work *w, uint32_t at, uint32_t jobs, const struct bench_area *a, struct rng *rng)
{
    struct bench_range cut = middle_of(a), last;

    w->back[at] = *a;
    switch (w->row) {
    case INSERT:
        w->area[at] = *a;
        w->before[at] = range_of(a);
        break;
    case ERASE:
        w->range[at] = range_of(a);
        break;
    case SPLIT:
        w->range[at] = cut;
        w->gone[at] = (struct bench_range){a->start, cut.start};
        w->gone[at + jobs] = (struct bench_range){cut.end, a->end};
        break;
    case MAP_OVER:
        last = middle_of(&a[2]);
        w->area[at] = (struct bench_area){cut.end, last.start, {BENCH_KIND, rng_next(rng), 8}};
        w->gone[at] = (struct bench_range){a->start, cut.end};
        w->gone[at + jobs] = (struct bench_range){cut.end, last.start};
        w->gone[at + 2 * jobs] = (struct bench_range){last.start, a[2].end};
        w->back[at + jobs] = a[1];
        w->back[at + 2 * jobs] = a[2];
        break;
    default: /* PROTECT */
        w->protect[at] = (struct bench_protect){cut.start, cut.end, 8};
        w->gone[at] = (struct bench_range){a->start, cut.start};
        w->gone[at + jobs] = cut;
        w->gone[at + 2 * jobs] = (struct bench_range){cut.end, a->end};
        break;
    }
}

/* Removed before and put back at last, so that what the jobs add has room. */
static void make_room(struct work *w, uint32_t at, const struct bench_area *a)
{
    w->before[at] = range_of(a);
    w->back[w->jobs + at] = *a;
}

void work_draw(struct work *w, enum row row, const struct sizes *s, struct layout *l, struct rng *rng)
{
    static const struct {
        uint32_t each, areas, room, before, gone, back; /* for each job */
    } shape[ROWS] = {[INSERT] = {1, 1, 0, 1, 0, 0},
                     [ERASE] = {1, 1, 0, 0, 0, 1},
                     [SPLIT] = {1, 1, 1, 1, 2, 2},
                     [MAP_OVER] = {3, 3, 0, 0, 3, 3},
                     [PROTECT] = {1, 1, 2, 2, 3, 3}};
    uint32_t steps = s->edits / s->maps, room = shape[row].room * steps;

    w->row = row;
    w->jobs = s->edits;
    w->each = shape[row].each;
    w->n_before = shape[row].before * w->jobs;
    w->n_gone = shape[row].gone * w->jobs;
    w->n_back = shape[row].back * w->jobs;
    for (uint32_t map = 0; map < s->maps; map++) {
        layout_draw(l, rng, s->n / shape[row].areas, steps + room);
        for (uint32_t i = 0; i < steps; i++)
            one_job(w, i * s->maps + map, w->jobs, &l->sorted[l->pick[i] * shape[row].areas], rng);
        for (uint32_t i = 0; i < room; i++)
            make_room(w, i * s->maps + map, &l->sorted[l->pick[steps + i]]);
    }
}

uint64_t work_run(const struct work *w, const struct peer *peer, const struct bench_maps *m, uint32_t from, uint32_t n)
{
    switch (w->row) {
    case INSERT:
        return peer->insert(m, w->area + from, n);
    case ERASE:
        return peer->erase(m, w->range + from, n);
    case SPLIT:
        return peer->split(m, w->range + from, n);
    case MAP_OVER:
        return peer->map_over(m, w->area + from, n);
    default:
        return peer->protect(m, w->protect + from, n);
    }
}

bool work_possible(enum row row, const struct peer *peer)
{
    if (!peer->insert || !peer->erase)
        return false;
    switch (row) {
    case SPLIT:
        return peer->split != NULL;
    case MAP_OVER:
        return peer->map_over != NULL;
    case PROTECT:
        return peer->protect != NULL;
    default:
        return true;
    }
}

void draw_keys(uint64_t *key, uint32_t n, const struct layout *l, struct rng *rng)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_area *a = &l->sorted[rng_below(rng, l->n)];

        key[i] = a->start + rng_below(rng, a->end - a->start);
    }
}

void draw_gaps(struct bench_gap *gap, uint32_t n, enum row row, const struct layout *l, struct rng *rng)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t lo = l->sorted[rng_below(rng, l->n)].start, size;

        if (row == GAP_WORST) { /* only the wide gap, before the last area, does; from the bottom on */
            lo = 0;
            size = RARE_GRANULES + COMMON_GRANULES + 1 + rng_below(rng, RARE_GRANULES);
        } else if (row == GAP_RARE) {
            size = COMMON_GRANULES + 1 + rng_below(rng, RARE_GRANULES - COMMON_GRANULES);
        } else {
            size = 1 + rng_below(rng, COMMON_GRANULES);
        }
        gap[i] = (struct bench_gap){lo, size * BENCH_GRANULE, BENCH_GRANULE};
    }
}
