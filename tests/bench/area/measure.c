/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "measure.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Larger than the containers' share of any cache: touched between preparation and measure where one instance is larger
 * than the caches near the CPU, so that what the preparation touched is no warmer than the rest. */
#define SWEEP_BYTES (64u << 20)
#define SWEEP_FROM  1000000u
#define SLOW_ROUNDS 3u /* of what takes long */
#define PARTS       8u /* of a long batch, timed one by one: one that was disturbed is left out */

struct run {
    const struct peer *const *peer;
    unsigned peers, rounds, round;
    struct sizes s;
    struct layout layout;
    struct rng rng;
    struct bench_maps maps[MOST_PEERS];
    struct work *work;
    uint64_t *key;
    struct bench_gap *gap;
    unsigned char *sweep;
    struct cell (*cell)[MOST_PEERS]; /* of each row */
    bool ok;
};

static void expect(struct run *r, unsigned p, const char *what, uint64_t got, uint64_t wanted)
{
    if (got == wanted)
        return;
    fprintf(stderr, "bench: %s at N = %llu: %s answers %llx, not %llx\n", r->peer[p]->name, (unsigned long long)r->s.n,
            what, (unsigned long long)got, (unsigned long long)wanted);
    r->ok = false;
}

/* Peers take turns, and another one begins each round. */
static unsigned turn(const struct run *r, unsigned i)
{
    return (i + r->round) % r->peers;
}

static void sweep(struct run *r)
{
    if (r->s.n >= SWEEP_FROM)
        for (size_t i = 0; i < SWEEP_BYTES; i += 64)
            r->sweep[i]++;
}

static void warm(struct run *r, unsigned p)
{
    r->peer[p]->find_indep(&r->maps[p], r->key, r->s.warm_finds);
}

/* --- contents ----------------------------------------------------------------------------------------------------- */

static void check_contents(struct run *r, unsigned p, const char *after, uint64_t sum)
{
    if (r->peer[p]->iterate)
        for (uint32_t i = 0; i <= r->maps[p].mask; i++)
            expect(r, p, after, r->peer[p]->iterate(r->maps[p].map[i]), sum);
}

/* Between an operation and what undoes it every peer must hold the same; instance 0 speaks for all. */
static void check_between(struct run *r, unsigned p, uint64_t *sum, const char *after)
{
    uint64_t got;

    if (!r->peer[p]->iterate)
        return;
    got = r->peer[p]->iterate(r->maps[p].map[0]);
    if (*sum == 0)
        *sum = got;
    expect(r, p, after, got, *sum);
}

/* What must be refused or not found changes nothing. */
static void check_refusals(struct run *r)
{
    const uint32_t jobs = 64;
    struct bench_area area[64];
    struct bench_range range[64], wrong[64];
    struct bench_protect protect[64];
    struct bench_gap gap[64];
    uint64_t key[64], found;

    for (uint32_t i = 0; i < jobs; i++) {
        const struct bench_area *a = &r->layout.sorted[rng_below(&r->rng, r->s.n)];
        bool low = i % 2;

        key[i] = rng_below(&r->rng, r->layout.sorted[r->s.n - 1].end + BENCH_GRANULE);
        area[i] = (struct bench_area){low ? a->start - BENCH_GRANULE : a->end - BENCH_GRANULE,
                                      low ? a->start + BENCH_GRANULE : a->end + BENCH_GRANULE,
                                      {BENCH_KIND, 0, 1}};
        wrong[i] = (struct bench_range){a->start + low * BENCH_GRANULE, a->end - !low * BENCH_GRANULE};
        range[i] = (struct bench_range){a->start, a->end - low * BENCH_GRANULE};
        protect[i] = (struct bench_protect){a->start + low * BENCH_GRANULE, a->end, 9};
        gap[i] = (struct bench_gap){i * BENCH_GRANULE, BENCH_SPACE_END - BENCH_GRANULE, BENCH_GRANULE};
    }
    found = layout_find_sum(&r->layout, key, jobs);
    for (unsigned p = 0; p < r->peers; p++) {
        const struct peer *peer = r->peer[p];
        const struct bench_maps *m = &r->maps[p];

        expect(r, p, "find among holes", peer->find_indep(m, key, jobs), found);
        if (peer->insert)
            expect(r, p, "insert over an area", peer->insert(m, area, jobs), 0);
        if (peer->erase)
            expect(r, p, "erase of what is no area", peer->erase(m, wrong, jobs), 0);
        if (peer->split)
            expect(r, p, "split at an end", peer->split(m, range, jobs), 0);
        if (peer->protect)
            expect(r, p, "protect at an end", peer->protect(m, protect, jobs), 0);
        if (peer->find_free)
            expect(r, p, "find free without a gap", peer->find_free(m, gap, jobs), (uint64_t)0 - jobs);
        check_contents(r, p, "iterate after refusals", r->layout.sum);
    }
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static uint64_t in_use(struct run *r, unsigned p)
{
    uint64_t bytes = 0;

    if (!r->peer[p]->bytes) {
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;
    }
    for (uint32_t i = 0; i <= r->maps[p].mask && r->maps[p].map[i]; i++)
        bytes += r->peer[p]->bytes(r->maps[p].map[i]);
    return bytes;
}

static void build(struct run *r, unsigned p, const struct bench_area *area)
{
    for (uint32_t i = 0; i <= r->maps[p].mask; i++)
        r->peer[p]->build(r->maps[p].map[i], area, r->s.n);
}

static double bytes_of_new(struct run *r, unsigned p, const struct bench_area *area)
{
    void **map = (void **)r->maps[p].map;
    uint64_t before;

    memset(map, 0, r->s.maps * sizeof(*map));
    before = in_use(r, p);
    for (uint32_t i = 0; i < r->s.maps; i++)
        map[i] = r->peer[p]->create(r->s.n);
    build(r, p, area);
    return (double)(in_use(r, p) - before) / (double)(r->s.n * r->s.maps);
}

static void destroy(struct run *r, unsigned p)
{
    for (uint32_t i = 0; i < r->s.maps; i++)
        r->peer[p]->destroy(r->maps[p].map[i]);
}

/* Built in ascending order for their bytes, then again in random order, as they stay. */
static void create_all(struct run *r, struct column *c)
{
    for (unsigned p = 0; p < r->peers; p++) {
        r->maps[p] = (struct bench_maps){must_alloc(r->s.maps * sizeof(void *)), r->s.maps - 1};
        c->value[BYTES_ASCENDING][p] = bytes_of_new(r, p, r->layout.sorted);
        check_contents(r, p, "iterate, built in ascending order", r->layout.sum);
        destroy(r, p);
        c->value[BYTES_RANDOM][p] = bytes_of_new(r, p, r->layout.mixed);
        check_contents(r, p, "iterate, built in random order", r->layout.sum);
        if (!r->peer[p]->insert)
            c->value[BYTES_ASCENDING][p] = c->value[BYTES_RANDOM][p] = -1;
    }
}

static void destroy_all(struct run *r)
{
    for (unsigned p = 0; p < r->peers; p++) {
        check_contents(r, p, "iterate at the end", r->layout.sum);
        destroy(r, p);
        free((void *)r->maps[p].map);
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void measure_finds(struct run *r, enum row row)
{
    static const volatile uint64_t zero;
    const uint64_t *key = r->key + r->s.warm_finds;
    uint32_t part = r->s.finds / PARTS;
    uint64_t wanted, mask = zero;

    draw_keys(r->key, r->s.warm_finds + r->s.finds, &r->layout, &r->rng);
    wanted = layout_find_sum(&r->layout, key, part * PARTS);
    for (unsigned i = 0; i < r->peers; i++) {
        unsigned p = turn(r, i);
        struct tally t = {.jobs = 0};
        uint64_t sum = 0;

        warm(r, p);
        for (uint32_t at = 0; at < part * PARTS; at += part) {
            struct watch watch = watch_start();

            if (row == FIND_DEP)
                sum += r->peer[p]->find_dep(&r->maps[p], key + at, part, &mask);
            else
                sum += r->peer[p]->find_indep(&r->maps[p], key + at, part);
            tally_add(&t, watch_stop(&watch), part);
        }
        cell_add(&r->cell[row][p], &t);
        expect(r, p, "find", sum, wanted);
    }
}

/* A linear walk of a large container takes up to half a second: one is then enough, and not in every round. */
static uint32_t gap_jobs(const struct run *r, enum row row, unsigned p)
{
    uint64_t jobs = row == GAP_WORST ? 1000000 / r->s.n : row == GAP_RARE ? r->s.gaps / 16 : r->s.gaps;

    if (!r->peer[p]->linear_gaps || jobs > r->s.gaps)
        return r->s.gaps;
    if (row == GAP_WORST && r->s.n >= SWEEP_FROM && r->round >= SLOW_ROUNDS)
        return 0;
    return jobs < 1 ? 1 : (uint32_t)jobs;
}

static void measure_gaps(struct run *r, enum row row)
{
    draw_keys(r->key, r->s.warm_finds, &r->layout, &r->rng);
    draw_gaps(r->gap, r->s.gaps, row, &r->layout, &r->rng);
    for (unsigned i = 0; i < r->peers; i++) {
        unsigned p = turn(r, i);
        uint32_t jobs = gap_jobs(r, row, p), part = jobs < PARTS ? 1 : jobs / PARTS;
        struct tally t = {.jobs = 0};
        uint64_t sum = 0, wanted = 0;

        if (!r->peer[p]->find_free || jobs == 0)
            continue;
        warm(r, p);
        for (uint32_t at = 0; at + part <= jobs; at += part) {
            struct watch watch = watch_start();

            sum += r->peer[p]->find_free(&r->maps[p], r->gap + at, part);
            if (at > 0 || jobs < PARTS) /* the first part warms */
                tally_add(&t, watch_stop(&watch), part);
        }
        for (uint32_t j = 0; j < jobs / part * part; j++)
            wanted += layout_free_at(&r->layout, &r->gap[j]);
        cell_add(&r->cell[row][p], &t);
        expect(r, p, "find free", sum, wanted);
    }
}

static void prepare(struct run *r, unsigned p)
{
    const struct work *w = r->work;

    if (w->n_before)
        expect(r, p, "erase", r->peer[p]->erase(&r->maps[p], w->before, w->n_before), w->n_before);
}

static void undo(struct run *r, unsigned p)
{
    const struct work *w = r->work;

    if (w->n_gone)
        expect(r, p, "erase", r->peer[p]->erase(&r->maps[p], w->gone, w->n_gone), w->n_gone);
    if (w->n_back)
        expect(r, p, "insert", r->peer[p]->insert(&r->maps[p], w->back, w->n_back), w->n_back);
}

/* The first `before` jobs untimed, the others in parts. */
static void run_edits(struct run *r, unsigned p, uint32_t before, unsigned parts, struct tally *t)
{
    const struct work *w = r->work;
    uint32_t part = (w->jobs - before) / parts;
    uint64_t sum = before ? work_run(w, r->peer[p], &r->maps[p], 0, before) : 0;

    for (uint32_t at = before; at < w->jobs; at += part) {
        uint32_t jobs = w->jobs - at < 2 * part ? w->jobs - at : part;
        struct watch watch = watch_start();

        sum += work_run(w, r->peer[p], &r->maps[p], at, jobs);
        tally_add(t, watch_stop(&watch), jobs);
        if (jobs > part)
            break;
    }
    expect(r, p, "an edit", sum, (uint64_t)w->jobs * w->each);
}

/* One large batch: each phase for all peers, so that what the preparation touched has cooled down. */
static void measure_one_batch(struct run *r, enum row row)
{
    uint64_t between = 0;

    for (unsigned p = 0; p < r->peers; p++)
        if (work_possible(row, r->peer[p]))
            prepare(r, p);
    sweep(r);
    for (unsigned i = 0; i < r->peers; i++) {
        unsigned p = turn(r, i);
        struct tally t = {.jobs = 0};

        if (!work_possible(row, r->peer[p]))
            continue;
        warm(r, p);
        run_edits(r, p, r->work->jobs / 5, PARTS, &t);
        cell_add(&r->cell[row][p], &t);
    }
    for (unsigned p = 0; p < r->peers; p++) {
        if (!work_possible(row, r->peer[p]))
            continue;
        if (r->round == 0)
            check_between(r, p, &between, "iterate after an edit");
        undo(r, p);
    }
}

/* Many small batches: one peer after the other, each warm; the first batch is not measured. */
static void measure_batches(struct run *r, enum row row)
{
    struct tally t[MOST_PEERS];

    for (uint32_t b = 0; b <= r->s.batches; b++) {
        uint64_t between = 0;

        if (b < 2)
            memset(t, 0, sizeof(t));
        if (b)
            work_draw(r->work, row, &r->s, &r->layout, &r->rng);
        for (unsigned i = 0; i < r->peers; i++) {
            unsigned p = turn(r, i);

            if (!work_possible(row, r->peer[p]))
                continue;
            warm(r, p);
            prepare(r, p);
            run_edits(r, p, 0, 1, &t[p]);
            if (r->round == 0)
                check_between(r, p, &between, "iterate after an edit");
            undo(r, p);
        }
    }
    for (unsigned p = 0; p < r->peers; p++)
        if (work_possible(row, r->peer[p]))
            cell_add(&r->cell[row][p], &t[p]);
}

static void measure_edits(struct run *r, enum row row)
{
    draw_keys(r->key, r->s.warm_finds, &r->layout, &r->rng);
    work_draw(r->work, row, &r->s, &r->layout, &r->rng);
    if (r->s.batches == 1)
        measure_one_batch(r, row);
    else
        measure_batches(r, row);
    for (unsigned p = 0; p < r->peers; p++)
        if (r->round == 0 || r->s.n < SWEEP_FROM)
            check_contents(r, p, "iterate after edits were undone", r->layout.sum);
}

static void measure_iterate(struct run *r)
{
    uint32_t times = r->s.n * r->s.maps < 100000 ? (uint32_t)(100000 / (r->s.n * r->s.maps)) : 1;

    for (unsigned i = 0; i < r->peers; i++) {
        unsigned p = turn(r, i);
        const struct bench_maps *m = &r->maps[p];
        struct watch watch;
        uint64_t sum = 0;

        if (!r->peer[p]->iterate)
            continue;
        r->peer[p]->iterate(m->map[0]);
        watch = watch_start();
        for (uint32_t t = 0; t < times; t++)
            for (uint32_t map = 0; map <= m->mask; map++)
                sum += r->peer[p]->iterate(m->map[map]);
        cell_add_one(&r->cell[ITERATE][p], watch_stop(&watch), r->s.n * r->s.maps * times);
        expect(r, p, "iterate", sum, r->layout.sum * times * r->s.maps);
    }
}

static struct took timed_clear(struct run *r, unsigned p)
{
    struct watch watch = watch_start();

    for (uint32_t i = 0; i <= r->maps[p].mask; i++)
        r->peer[p]->clear(r->maps[p].map[i]);
    return watch_stop(&watch);
}

static struct took timed_build(struct run *r, unsigned p, const struct bench_area *area)
{
    struct watch watch = watch_start();

    build(r, p, area);
    return watch_stop(&watch);
}

static void measure_life(struct run *r)
{
    uint64_t areas = r->s.n * r->s.maps;

    for (unsigned i = 0; i < r->peers; i++) {
        unsigned p = turn(r, i);

        if (!r->peer[p]->insert)
            continue;
        cell_add_one(&r->cell[CLEAR][p], timed_clear(r, p), areas);
        cell_add_one(&r->cell[BUILD_ASCENDING][p], timed_build(r, p, r->layout.sorted), areas);
        timed_clear(r, p);
        cell_add_one(&r->cell[BUILD_RANDOM][p], timed_build(r, p, r->layout.mixed), areas);
    }
}

static void measure_round(struct run *r)
{
    static const enum row edits[] = {INSERT, ERASE, SPLIT, MAP_OVER, PROTECT};

    measure_finds(r, FIND_DEP);
    measure_finds(r, FIND_INDEP);
    for (unsigned i = 0; i < sizeof(edits) / sizeof(edits[0]); i++)
        measure_edits(r, edits[i]);
    for (enum row row = GAP_WORST; row <= GAP_RARE; row++)
        measure_gaps(r, row);
    measure_iterate(r);
    if (r->round < SLOW_ROUNDS)
        measure_life(r);
}

static void medians(struct run *r, struct column *c)
{
    for (unsigned row = 0; row < BYTES_RANDOM; row++)
        for (unsigned p = 0; p < r->peers; p++)
            c->value[row][p] = cell_median(&r->cell[row][p]);
}

bool measure(struct column *column, const struct peer *const *peer, unsigned peers, uint64_t n, unsigned rounds,
             uint64_t seed)
{
    struct run r = {.peer = peer, .peers = peers, .rounds = rounds, .s = sizes_of(n), .rng = {seed}, .ok = true};

    column->n = n;
    r.layout = layout_new(n, &r.rng);
    r.work = work_new(&r.s);
    r.key = must_alloc((r.s.warm_finds + r.s.finds) * sizeof(*r.key));
    r.gap = must_alloc(r.s.gaps * sizeof(*r.gap));
    r.sweep = must_alloc(SWEEP_BYTES);
    memset(r.sweep, 1, SWEEP_BYTES);
    r.cell = must_alloc(ROWS * sizeof(*r.cell));
    memset(r.cell, 0, ROWS * sizeof(*r.cell));
    create_all(&r, column);
    check_refusals(&r);
    for (r.round = 0; r.round < rounds; r.round++)
        measure_round(&r);
    medians(&r, column);
    destroy_all(&r);
    free(r.cell);
    free(r.sweep);
    free(r.gap);
    free(r.key);
    work_free(r.work);
    layout_free(&r.layout);
    return r.ok;
}
