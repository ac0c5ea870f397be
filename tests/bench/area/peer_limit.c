/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The limit: a static, read-only search tree with 16 keys in a node and implicit children. Nothing that can also be
 * edited has less to do for a search than this; no SIMD by hand. */
#include <stdlib.h>

#include "peer.h"

#define FAN    16u
#define LEVELS 16u

struct entry {
    uint64_t end, w[3];
};

/* Level 0 holds every start, level k every 16th of level k - 1, each filled up to whole nodes with keys that no search
 * counts. The first key of an upper level is 0, so that a search always enters a child. */
typedef struct peer_map {
    uint64_t *level[LEVELS];
    struct entry *entry;
    unsigned levels;
} peer_map;

static void *allocate(uint64_t bytes)
{
    void *mem = aligned_alloc(128, (bytes + 127) & ~UINT64_C(127));

    if (!mem)
        abort();
    return mem;
}

static void *peer_create(uint64_t max_areas)
{
    (void)max_areas;
    return calloc(1, sizeof(peer_map));
}

static void peer_clear(void *arg)
{
    peer_map *map = arg;

    for (unsigned i = 0; i < map->levels; i++)
        free(map->level[i]);
    free(map->entry);
    *map = (peer_map){.levels = 0};
}

static void peer_destroy(void *arg)
{
    peer_clear(arg);
    free(arg);
}

static int by_start(const void *a, const void *b)
{
    const struct bench_area *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

static uint64_t *new_level(uint64_t keys)
{
    uint64_t whole = (keys + FAN - 1) / FAN * FAN;
    uint64_t *key = allocate(whole * sizeof(*key));

    for (uint64_t i = keys; i < whole; i++)
        key[i] = UINT64_MAX;
    return key;
}

static void peer_build(void *arg, const struct bench_area *area, uint64_t n)
{
    peer_map *map = arg;
    struct bench_area *sorted = allocate(n * sizeof(*sorted));
    uint64_t keys = n;

    for (uint64_t i = 0; i < n; i++)
        sorted[i] = area[i];
    qsort(sorted, n, sizeof(*sorted), by_start);
    map->entry = allocate(n * sizeof(*map->entry));
    map->level[0] = new_level(n);
    for (uint64_t i = 0; i < n; i++) {
        map->level[0][i] = sorted[i].start;
        map->entry[i] = (struct entry){sorted[i].end, {sorted[i].w[0], sorted[i].w[1], sorted[i].w[2]}};
    }
    free(sorted);
    for (map->levels = 1; keys > FAN; map->levels++) {
        const uint64_t *below = map->level[map->levels - 1];
        uint64_t *above = new_level(keys = (keys + FAN - 1) / FAN);

        for (uint64_t i = 0; i < keys; i++)
            above[i] = i ? below[i * FAN] : 0;
        map->level[map->levels] = above;
    }
}

static inline uint64_t rank_in(const uint64_t *node, uint64_t key)
{
    uint64_t below = 0;

    for (unsigned i = 0; i < FAN; i++)
        below += node[i] <= key;
    return below;
}

static inline bool peer_find(const peer_map *map, uint64_t key, struct bench_hit *hit)
{
    uint64_t node = 0, at;

    for (unsigned level = map->levels - 1; level > 0; level--)
        node = node * FAN + rank_in(map->level[level] + node * FAN, key) - 1;
    at = node * FAN + rank_in(map->level[0] + node * FAN, key) - 1;
    if (at == UINT64_MAX || key >= map->entry[at].end)
        return false;
    *hit = (struct bench_hit){map->level[0][at], map->entry[at].w[1]};
    return true;
}

#define PEER_FIND_ONLY
#include "loops.h"

const struct peer peer_limit = {
    .name = "limit",
    .what = "a static read-only search tree, 16 keys in a node, implicit children, no SIMD by hand",
    .create = peer_create,
    .destroy = peer_destroy,
    .build = peer_build,
    PEER_LOOPS,
    .clear = peer_clear,
};
