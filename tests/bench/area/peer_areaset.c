/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Bulkhead's area set on a backend that does nothing: what the whole operation costs, with plan, reserve, commit and
 * merging, as a hypervisor calls it. */
#include <stdlib.h>

#include <stage2/area.h>
#include <stage2/backend.h>
#include <stage2/op.h>

#include "peer.h"
#include "pool_memory.h"

typedef struct peer_map {
    struct s2_area_set set;
    struct s2_pool pool;
    void *mem;
} peer_map;

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx, (void)op, (void)c;
}

static const struct s2_backend null_backend = {.kind = "null", .commit = commit};

static void *peer_create(uint64_t max_areas)
{
    peer_map *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);

    if (!p)
        abort();
    p->mem = pool_memory(&p->pool, max_areas);
    if (s2_area_set_init(&p->set, &p->pool, S2_IPA(0), S2_IPA(BENCH_SPACE_END), BENCH_GRANULE, NULL))
        abort();
    return p;
}

static void peer_destroy(void *arg)
{
    peer_map *p = arg;

    free(p->mem);
    free(p);
}

static inline struct s2_ipa_range ipa_range(uint64_t start, uint64_t end)
{
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(end)};
}

/* w[0] says that it is the one backend. */
static inline struct s2_area area_of(const struct bench_area *a)
{
    return (struct s2_area){
        .range = ipa_range(a->start, a->end), .backend = &null_backend, .backing = a->w[1], .attr = S2_ATTR(a->w[2])};
}

static inline bool peer_find(const peer_map *p, uint64_t key, struct bench_hit *hit)
{
    struct s2_area a;

    if (!s2_area_set_find(&p->set, S2_IPA(key), &a))
        return false;
    *hit = (struct bench_hit){a.range.start.v, a.backing};
    return true;
}

static inline enum s2_err map(peer_map *p, const struct bench_area *area, enum s2_map_mode mode)
{
    struct s2_area a = area_of(area);
    struct s2_op op;

    s2_op_begin(&op, NULL, NULL);
    return s2_area_set_map(&p->set, &op, &a, mode);
}

static inline bool peer_insert(peer_map *p, const struct bench_area *area)
{
    return map(p, area, S2_MAP_NEW) == S2_OK;
}

static inline bool unmap(peer_map *p, uint64_t start, uint64_t end)
{
    struct s2_op op;

    s2_op_begin(&op, NULL, NULL);
    return s2_area_set_unmap(&p->set, &op, ipa_range(start, end)) == S2_OK;
}

static inline bool peer_erase(peer_map *p, uint64_t start, uint64_t end)
{
    struct s2_area a;

    return s2_area_set_find(&p->set, S2_IPA(start), &a) && a.range.start.v == start && a.range.end.v == end &&
           unmap(p, start, end);
}

static inline bool is_around(const peer_map *p, uint64_t start, uint64_t end)
{
    struct s2_area a;

    return s2_area_set_find(&p->set, S2_IPA(start), &a) && a.range.start.v < start && end < a.range.end.v;
}

static inline bool peer_split(peer_map *p, uint64_t start, uint64_t end)
{
    return is_around(p, start, end) && unmap(p, start, end);
}

/* The set does not say what it met: three, if as many went or were cut as the job asks for. */
static inline unsigned peer_map_over(peer_map *p, const struct bench_area *area)
{
    uint64_t before = s2_area_set_count(&p->set);

    if (map(p, area, S2_MAP_REPLACE))
        return 0;
    return (unsigned)(before + 3 - s2_area_set_count(&p->set));
}

static bool set_attr(void *arg, const struct s2_area *area, s2_attr *attr)
{
    const uint64_t *bits = arg;

    (void)area;
    *attr = S2_ATTR(*bits);
    return true;
}

static inline bool peer_protect(peer_map *p, uint64_t start, uint64_t end, uint64_t attr)
{
    struct s2_op op;

    if (!is_around(p, start, end))
        return false;
    s2_op_begin(&op, NULL, NULL);
    return s2_area_set_protect(&p->set, &op, ipa_range(start, end), set_attr, &attr) == S2_OK;
}

static inline uint64_t peer_find_free(const peer_map *p, uint64_t lo, uint64_t size, uint64_t align)
{
    s2_ipa at;

    if (s2_area_set_find_free(&p->set, S2_IPA(lo), size, ipa_range(0, BENCH_SPACE_END), align, S2_FIT_LOWEST, &at))
        return BENCH_NONE;
    return at.v;
}

static uint64_t peer_iterate(void *arg)
{
    const peer_map *p = arg;
    struct s2_area_iter it = s2_area_set_iter(&p->set, ipa_range(0, BENCH_SPACE_END));
    uint64_t sum = 0, before = 0;
    struct s2_area a;

    while (s2_area_iter_next(&it, &a)) {
        sum += (a.range.start.v ^ before) + a.backing;
        before = a.range.end.v;
    }
    return sum;
}

static void peer_clear(void *arg)
{
    peer_map *p = arg;
    struct s2_op op;

    s2_op_begin(&op, NULL, NULL);
    if (s2_area_set_clear(&p->set, &op))
        abort();
}

static uint64_t peer_bytes(void *arg)
{
    const peer_map *p = arg;

    return sizeof(p->set) + (uint64_t)p->set.map.nodes * S2_NODE_BYTES;
}

static void peer_build(void *arg, const struct bench_area *area, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        peer_insert(arg, &area[i]);
}

#include "loops.h"

const struct peer peer_areaset = {
    .name = "area set",
    .what = "Bulkhead's area set on a backend that does nothing: the whole operation, plan, reserve, commit, merging",
    .create = peer_create,
    .destroy = peer_destroy,
    .build = peer_build,
    PEER_LOOPS,
    .iterate = peer_iterate,
    .clear = peer_clear,
    .bytes = peer_bytes,
};
