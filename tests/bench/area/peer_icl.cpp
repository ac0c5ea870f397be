/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Boost's interval container library, by its own operations: insert, erase and set of an interval. The map that does not
 * join neighbours, since there is nothing to join here and it has less to do. */
#include <boost/icl/split_interval_map.hpp>

#include <algorithm>

extern "C" {
#include "peer.h"
}

struct payload {
    uint64_t w[3];

    bool operator==(const payload &o) const
    {
        return w[0] == o.w[0] && w[1] == o.w[1] && w[2] == o.w[2];
    }
    payload &operator+=(const payload &o)
    {
        return *this = o;
    }
};

typedef boost::icl::right_open_interval<uint64_t> interval;
typedef boost::icl::split_interval_map<uint64_t, payload, boost::icl::partial_enricher, std::less,
                                       boost::icl::inplace_plus, boost::icl::inter_section, interval>
    peer_map;

static void *peer_create(uint64_t max_areas)
{
    (void)max_areas;
    return new peer_map;
}

static void peer_destroy(void *map)
{
    delete static_cast<peer_map *>(map);
}

static inline payload payload_of(const bench_area *a)
{
    return {{a->w[0], a->w[1], a->w[2]}};
}

static inline bool peer_find(peer_map *map, uint64_t key, bench_hit *hit)
{
    auto it = map->find(key);

    if (it == map->end())
        return false;
    *hit = {it->first.lower(), it->second.w[1]};
    return true;
}

static inline bool peer_insert(peer_map *map, const bench_area *area)
{
    interval range(area->start, area->end);
    auto it = map->lower_bound(range);

    if (it != map->end() && it->first.lower() < area->end)
        return false;
    map->insert(it, {range, payload_of(area)});
    return true;
}

static inline bool peer_erase(peer_map *map, uint64_t start, uint64_t end)
{
    auto it = map->lower_bound(interval(start, end));

    if (it == map->end() || it->first.lower() != start || it->first.upper() != end)
        return false;
    map->erase(it);
    return true;
}

static inline bool is_around(peer_map *map, uint64_t start, uint64_t end, payload *found)
{
    auto it = map->find(start);

    if (it == map->end() || it->first.lower() >= start || end >= it->first.upper())
        return false;
    *found = it->second;
    return true;
}

static inline bool peer_split(peer_map *map, uint64_t start, uint64_t end)
{
    payload found;

    if (!is_around(map, start, end, &found))
        return false;
    map->erase(interval(start, end));
    return true;
}

/* The library does not say what it met: three, if as many went or were cut as the job asks for. */
static inline unsigned peer_map_over(peer_map *map, const bench_area *area)
{
    size_t before = map->iterative_size();

    map->set({interval(area->start, area->end), payload_of(area)});
    return (unsigned)(before + 3 - map->iterative_size());
}

static inline bool peer_protect(peer_map *map, uint64_t start, uint64_t end, uint64_t attr)
{
    payload changed;

    if (!is_around(map, start, end, &changed))
        return false;
    changed.w[2] = attr;
    map->set({interval(start, end), changed});
    return true;
}

static inline uint64_t peer_find_free(peer_map *map, uint64_t lo, uint64_t size, uint64_t align)
{
    auto it = map->lower_bound(interval(lo, lo + 1));
    uint64_t at = lo;

    for (;; ++it) {
        uint64_t limit = it == map->end() ? BENCH_SPACE_END : it->first.lower();

        at = (at + align - 1) & ~(align - 1);
        if (at < limit && limit - at >= size)
            return at;
        if (it == map->end())
            return BENCH_NONE;
        at = it->first.upper();
    }
}

static uint64_t peer_iterate(void *arg)
{
    uint64_t sum = 0, before = 0;

    for (const auto &area : *static_cast<peer_map *>(arg)) {
        sum += (area.first.lower() ^ before) + area.second.w[1];
        before = area.first.upper();
    }
    return sum;
}

static void peer_clear(void *map)
{
    static_cast<peer_map *>(map)->clear();
}

static void peer_build(void *map, const bench_area *area, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        peer_insert(static_cast<peer_map *>(map), &area[i]);
}

#include "loops.h"

extern "C" const struct peer peer_icl = {
    .name = "boost::icl",
    .what = "split_interval_map: insert, erase and set of an interval; gaps by a linear walk",
    .create = peer_create,
    .destroy = peer_destroy,
    .build = peer_build,
    PEER_LOOPS,
    .linear_gaps = true,
    .iterate = peer_iterate,
    .clear = peer_clear,
    .bytes = nullptr,
};
