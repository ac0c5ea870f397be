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
    struct s2_ient e[2];

    if (!seek_around(p, start, end, &at, &e[0]))
        return false;
    e[1] = e[0];
    e[0].end = start;
    e[1].start = end;
    s2_imap_splice(&p->map, &at, 1, e, 2);
    return true;
}

/* All that the area meets goes; what is left of the first and the last one comes back with it. */
static inline unsigned peer_map_over(peer_map *p, const struct bench_area *area)
{
    struct s2_imap_cursor at, on;
    struct s2_ient met, e[3], high;
    unsigned out = 0, in = 0;
    bool beyond = false;

    (void)s2_imap_seek(&p->map, area->start, &at);
    for (on = at; s2_imap_get(&on, &met) && met.start < area->end; out++) {
        if (met.start < area->start)
            e[in++] = (struct s2_ient){met.start, area->start, met.val};
        beyond = met.end > area->end;
        high = (struct s2_ient){area->end, met.end, met.val};
        (void)s2_imap_next(&p->map, &on);
    }
    e[in++] = entry_of(area);
    if (beyond)
        e[in++] = high;
    s2_imap_splice(&p->map, &at, out, e, in);
    return out;
}

static inline bool peer_protect(peer_map *p, uint64_t start, uint64_t end, uint64_t attr)
{
    struct s2_imap_cursor at;
    struct s2_ient e[3];

    if (!seek_around(p, start, end, &at, &e[0]))
        return false;
    e[1] = (struct s2_ient){start, end, {{e[0].val.w[0], e[0].val.w[1], attr}}};
    e[2] = (struct s2_ient){end, e[0].end, e[0].val};
    e[0].end = start;
    s2_imap_splice(&p->map, &at, 1, e, 3);
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
