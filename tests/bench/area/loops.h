/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The loops of an adapter, in C and C++. An adapter is one source file, which
 *   1. includes peer.h and defines the type peer_map and static inline functions:
 *        bool     peer_find(peer_map *, uint64_t key, struct bench_hit *hit)
 *        bool     peer_insert(peer_map *, const struct bench_area *area)
 *        bool     peer_erase(peer_map *, uint64_t start, uint64_t end)
 *        bool     peer_split(peer_map *, uint64_t start, uint64_t end)
 *        unsigned peer_map_over(peer_map *, const struct bench_area *area)
 *        bool     peer_protect(peer_map *, uint64_t start, uint64_t end, uint64_t attr)
 *        uint64_t peer_find_free(peer_map *, uint64_t lo, uint64_t size, uint64_t align)
 *   2. includes this;
 *   3. defines its struct peer, with PEER_LOOPS among the members (designated, in the order of peer.h).
 * What a container cannot do: an adapter that only finds defines PEER_FIND_ONLY, one without splits (split, map over,
 * protect) PEER_NO_SPLITS, one that finds no gaps PEER_NO_FIND_FREE, before 2. */
#ifndef BENCH_AREA_LOOPS_H
#define BENCH_AREA_LOOPS_H

static uint64_t loop_find_dep(const struct bench_maps *m, const uint64_t *key, uint32_t n, const uint64_t *zero)
{
    uint64_t sum = 0, before = 0, mask = *zero;

    for (uint32_t i = 0; i < n; i++) {
        struct bench_hit hit = {0, 0};

        if (peer_find((peer_map *)m->map[i & m->mask], key[i] + (before & mask), &hit))
            sum += hit.start ^ hit.w1;
        before = hit.w1;
    }
    return sum;
}

static uint64_t loop_find_indep(const struct bench_maps *m, const uint64_t *key, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct bench_hit hit = {0, 0};

        if (peer_find((peer_map *)m->map[i & m->mask], key[i], &hit))
            sum += hit.start ^ hit.w1;
    }
    return sum;
}

#ifdef PEER_FIND_ONLY
#define LOOP_EDITS NULL
#define LOOP_ERASE NULL
#else
static uint64_t loop_insert(const struct bench_maps *m, const struct bench_area *area, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += peer_insert((peer_map *)m->map[i & m->mask], &area[i]);
    return sum;
}

static uint64_t loop_erase(const struct bench_maps *m, const struct bench_range *range, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += peer_erase((peer_map *)m->map[i & m->mask], range[i].start, range[i].end);
    return sum;
}
#define LOOP_EDITS loop_insert
#define LOOP_ERASE loop_erase
#endif

#if defined(PEER_FIND_ONLY) || defined(PEER_NO_SPLITS)
#define LOOP_SPLIT    NULL
#define LOOP_MAP_OVER NULL
#define LOOP_PROTECT  NULL
#else
static uint64_t loop_split(const struct bench_maps *m, const struct bench_range *range, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += peer_split((peer_map *)m->map[i & m->mask], range[i].start, range[i].end);
    return sum;
}

static uint64_t loop_map_over(const struct bench_maps *m, const struct bench_area *area, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += peer_map_over((peer_map *)m->map[i & m->mask], &area[i]);
    return sum;
}

static uint64_t loop_protect(const struct bench_maps *m, const struct bench_protect *job, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += peer_protect((peer_map *)m->map[i & m->mask], job[i].start, job[i].end, job[i].attr);
    return sum;
}
#define LOOP_SPLIT    loop_split
#define LOOP_MAP_OVER loop_map_over
#define LOOP_PROTECT  loop_protect
#endif

#if defined(PEER_FIND_ONLY) || defined(PEER_NO_FIND_FREE)
#define LOOP_FIND_FREE NULL
#else
static uint64_t loop_find_free(const struct bench_maps *m, const struct bench_gap *job, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += peer_find_free((peer_map *)m->map[i & m->mask], job[i].lo, job[i].size, job[i].align);
    return sum;
}
#define LOOP_FIND_FREE loop_find_free
#endif

/* clang-format off */
#define PEER_LOOPS                                                                                                     \
    .find_dep = loop_find_dep, .find_indep = loop_find_indep, .insert = LOOP_EDITS, .erase = LOOP_ERASE,               \
    .split = LOOP_SPLIT, .map_over = LOOP_MAP_OVER, .protect = LOOP_PROTECT, .find_free = LOOP_FIND_FREE
/* clang-format on */

#endif
