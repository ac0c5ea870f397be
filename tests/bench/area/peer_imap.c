/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Bulkhead's interval map, container against container: overlap check and gap index included, no operation around it. */
#include <stdlib.h>

#include <stage2/imap.h>

#include "peer.h"
#include "pool_memory.h"

typedef struct peer_map {
    struct s2_imap map;
    struct s2_pool pool;
    void *mem;
} peer_map;

static void *peer_create(uint64_t max_areas)
{
    peer_map *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);

    if (!p)
        abort();
    p->mem = pool_memory(&p->pool, max_areas);
    s2_imap_init(&p->map, &p->pool, 0, BENCH_SPACE_END, (struct s2_imap_align){{12, 21, 30}});
    return p;
}

static void peer_destroy(void *arg)
{
    peer_map *p = arg;

    free(p->mem);
    free(p);
}

static inline bool peer_find(const peer_map *p, uint64_t key, struct bench_hit *hit)
{
    struct s2_ient e;

    if (!s2_imap_find(&p->map, key, &e))
        return false;
    *hit = (struct bench_hit){e.start, e.val.w[1]};
    return true;
}

static inline struct s2_ient entry_of(const struct bench_area *a)
{
    return (struct s2_ient){a->start, a->end, {{a->w[0], a->w[1], a->w[2]}}};
}

static inline bool peer_insert(peer_map *p, const struct bench_area *area)
{
    struct s2_ient comes = entry_of(area), e;
    struct s2_imap_cursor at;

    if (s2_imap_seek(&p->map, area->start, &at) && s2_imap_get(&at, &e) && e.start < area->end)
        return false;
    s2_imap_put(&p->map, &at, &comes);
    return true;
}

static inline bool peer_erase(peer_map *p, uint64_t start, uint64_t end)
{
    struct s2_imap_cursor at;
    struct s2_ient e;

    if (!s2_imap_seek(&p->map, start, &at) || !s2_imap_get(&at, &e) || e.start != start || e.end != end)
        return false;
    s2_imap_drop(&p->map, &at);
    return true;
}

/* To the area that has [start, end) strictly inside. */
static inline bool seek_around(peer_map *p, uint64_t start, uint64_t end, struct s2_imap_cursor *at, struct s2_ient *e)
{
    return s2_imap_seek(&p->map, start, at) && s2_imap_get(at, e) && e->start < start && end < e->end;
}

static inline bool peer_split(peer_map *p, uint64_t start, uint64_t end)
{
    struct s2_imap_cursor at;
    struct s2_ient low, high;

    if (!seek_around(p, start, end, &at, &low))
        return false;
    high = low;
    high.start = end;
    low.end = start;
    s2_imap_alter(&p->map, &at, &high);
    s2_imap_put(&p->map, &at, &low);
    return true;
}

/* Cuts what lies before the area and reaches into it, if it ends there too. True: it reached beyond, and was all. */
static inline bool cut_around(peer_map *p, struct s2_imap_cursor *at, const struct s2_ient *comes, struct s2_ient e)
{
    struct s2_ient low = {e.start, comes->start, e.val}, high = {comes->end, e.end, e.val};

    if (e.end <= comes->end) {
        s2_imap_alter(&p->map, at, &low);
        return false;
    }
    s2_imap_alter(&p->map, at, &high);
    s2_imap_put(&p->map, at, comes);
    s2_imap_put(&p->map, at, &low);
    return true;
}

/* The first area that lies inside makes its place over, when the one behind it is out of the way. */
static inline unsigned peer_map_over(peer_map *p, const struct bench_area *area)
{
    struct s2_ient comes = entry_of(area), e;
    struct s2_imap_cursor at;
    bool more = s2_imap_seek(&p->map, area->start, &at) && s2_imap_get(&at, &e), inside = false;
    unsigned met = 0;

    if (more && e.start < area->start) {
        met++;
        if (cut_around(p, &at, &comes, e))
            return met;
        more = s2_imap_next(&p->map, &at) && s2_imap_get(&at, &e);
    }
    for (; more && e.end <= area->end; more = s2_imap_get(&at, &e), met++) {
        if (inside)
            s2_imap_drop(&p->map, &at);
        else
            s2_imap_next(&p->map, &at);
        inside = true;
    }
    if (more && e.start < area->end) {
        met++;
        e.start = area->end;
        s2_imap_alter(&p->map, &at, &e);
    }
    if (inside) {
        s2_imap_prev(&p->map, &at);
        s2_imap_alter(&p->map, &at, &comes);
    } else {
        s2_imap_put(&p->map, &at, &comes);
    }
    return met;
}

static inline bool peer_protect(peer_map *p, uint64_t start, uint64_t end, uint64_t attr)
{
    struct s2_ient low, middle, high;
    struct s2_imap_cursor at;

    if (!seek_around(p, start, end, &at, &low))
        return false;
    middle = (struct s2_ient){start, end, {{low.val.w[0], low.val.w[1], attr}}};
    high = low;
    high.start = end;
    low.end = start;
    s2_imap_alter(&p->map, &at, &high);
    s2_imap_put(&p->map, &at, &middle);
    s2_imap_put(&p->map, &at, &low);
    return true;
}

static inline uint64_t peer_find_free(const peer_map *p, uint64_t lo, uint64_t size, uint64_t align)
{
    uint64_t at;

    return s2_imap_find_gap(&p->map, lo, BENCH_SPACE_END, size, align, S2_FIT_LOWEST, &at) ? BENCH_NONE : at;
}

static uint64_t peer_iterate(void *arg)
{
    const peer_map *p = arg;
    uint64_t sum = 0, before = 0;
    struct s2_imap_cursor at;
    struct s2_ient e;

    for (bool more = s2_imap_seek(&p->map, 0, &at); more && s2_imap_get(&at, &e); more = s2_imap_next(&p->map, &at)) {
        sum += (e.start ^ before) + e.val.w[1];
        before = e.end;
    }
    return sum;
}

static void peer_clear(void *arg)
{
    peer_map *p = arg;

    s2_imap_clear(&p->map);
}

static uint64_t peer_bytes(void *arg)
{
    const peer_map *p = arg;

    return sizeof(p->map) + (uint64_t)p->map.nodes * S2_NODE_BYTES;
}

static void peer_build(void *arg, const struct bench_area *area, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        peer_insert(arg, &area[i]);
}

#include "loops.h"

const struct peer peer_imap = {
    .name = "imap",
    .what = "Bulkhead's interval map: overlap check and gap index, no operation around it",
    .create = peer_create,
    .destroy = peer_destroy,
    .build = peer_build,
    PEER_LOOPS,
    .iterate = peer_iterate,
    .clear = peer_clear,
    .bytes = peer_bytes,
};
