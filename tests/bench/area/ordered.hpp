/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Areas in an ordered map of C++ (std::map, absl::btree_map), keyed by start. The includer defines `ordered`, that map from
 * bench_key to bench_value, and the name of its struct peer.
 *
 * A moved start that keeps the order is written in place: the key's number is mutable for that, which spares a removal
 * and an insertion. Everything else goes through one search and iterators: hints for insertions beside what was found. */
#ifndef BENCH_AREA_ORDERED_HPP
#define BENCH_AREA_ORDERED_HPP

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

extern "C" {
#include "peer.h"
}

struct bench_key {
    mutable uint64_t start;
};

struct bench_key_less {
    /* As absl does by itself for a plain number. */
    using absl_btree_prefer_linear_node_search = std::true_type;
    bool operator()(const bench_key &a, const bench_key &b) const
    {
        return a.start < b.start;
    }
};

struct bench_value {
    uint64_t end, w[3];
};

typedef ordered<bench_key, bench_value, bench_key_less> peer_map;

static void *peer_create(uint64_t max_areas)
{
    (void)max_areas;
    return new peer_map;
}

static void peer_destroy(void *map)
{
    delete static_cast<peer_map *>(map);
}

static inline bench_value value_of(const bench_area *a)
{
    return {a->end, {a->w[0], a->w[1], a->w[2]}};
}

static inline bool peer_find(peer_map *map, uint64_t key, bench_hit *hit)
{
    auto it = map->upper_bound({key});

    if (it == map->begin())
        return false;
    --it;
    if (key >= it->second.end)
        return false;
    *hit = {it->first.start, it->second.w[1]};
    return true;
}

static inline bool peer_insert(peer_map *map, const bench_area *area)
{
    auto next = map->lower_bound({area->start});

    if (next != map->end() && next->first.start < area->end)
        return false;
    if (next != map->begin() && std::prev(next)->second.end > area->start)
        return false;
    map->emplace_hint(next, bench_key{area->start}, value_of(area));
    return true;
}

static inline bool peer_erase(peer_map *map, uint64_t start, uint64_t end)
{
    auto it = map->find({start});

    if (it == map->end() || it->second.end != end)
        return false;
    map->erase(it);
    return true;
}

/* The area that has [start, end) strictly inside, or map->end(). */
static inline peer_map::iterator around(peer_map *map, uint64_t start, uint64_t end)
{
    auto it = map->lower_bound({start});

    if (it == map->begin())
        return map->end();
    --it;
    return end < it->second.end ? it : map->end();
}

static inline bool peer_split(peer_map *map, uint64_t start, uint64_t end)
{
    auto it = around(map, start, end);

    if (it == map->end())
        return false;
    bench_value high = it->second;
    it->second.end = start;
    map->emplace_hint(std::next(it), bench_key{end}, high);
    return true;
}

static inline unsigned peer_map_over(peer_map *map, const bench_area *area)
{
    auto it = map->lower_bound({area->start});
    unsigned met = 0;
    bool placed = false;

    if (it != map->begin()) {
        auto low = std::prev(it);

        if (low->second.end > area->start) {
            bench_value rest = low->second;

            met++;
            low->second.end = area->start;
            if (rest.end > area->end) /* strictly inside one area */
                it = map->emplace_hint(it, bench_key{area->end}, rest);
        }
    }
    while (it != map->end() && it->second.end <= area->end) {
        met++;
        if (placed) {
            it = map->erase(it);
        } else { /* the first that goes makes its place over */
            it->first.start = area->start;
            it->second = value_of(area);
            placed = true;
            ++it;
        }
    }
    if (it != map->end() && it->first.start < area->end) {
        met++;
        it->first.start = area->end;
    }
    if (!placed)
        map->emplace_hint(it, bench_key{area->start}, value_of(area));
    return met;
}

static inline bool peer_protect(peer_map *map, uint64_t start, uint64_t end, uint64_t attr)
{
    auto it = around(map, start, end);

    if (it == map->end())
        return false;
    bench_value high = it->second, middle = {end, {high.w[0], high.w[1], attr}};
    it->second.end = start;
    it = map->emplace_hint(std::next(it), bench_key{start}, middle);
    map->emplace_hint(std::next(it), bench_key{end}, high);
    return true;
}

/* No index of gaps: from lo on, one after the other. */
static inline uint64_t peer_find_free(peer_map *map, uint64_t lo, uint64_t size, uint64_t align)
{
    auto it = map->upper_bound({lo});
    uint64_t at = lo;

    if (it != map->begin())
        at = std::max(at, std::prev(it)->second.end);
    for (;; ++it) {
        uint64_t limit = it == map->end() ? BENCH_SPACE_END : it->first.start;

        at = (at + align - 1) & ~(align - 1);
        if (at < limit && limit - at >= size)
            return at;
        if (it == map->end())
            return BENCH_NONE;
        at = it->second.end;
    }
}

static uint64_t peer_iterate(void *arg)
{
    uint64_t sum = 0, before = 0;

    for (const auto &area : *static_cast<peer_map *>(arg)) {
        sum += (area.first.start ^ before) + area.second.w[1];
        before = area.second.end;
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

#define ORDERED_PEER(symbol, its_name, its_description)                                                                \
    extern "C" const struct peer symbol = {                                                                            \
        .name = its_name,                                                                                              \
        .what = its_description,                                                                                       \
        .create = peer_create,                                                                                         \
        .destroy = peer_destroy,                                                                                       \
        .build = peer_build,                                                                                           \
        PEER_LOOPS,                                                                                                    \
        .linear_gaps = true,                                                                                           \
        .iterate = peer_iterate,                                                                                       \
        .clear = peer_clear,                                                                                           \
        .bytes = nullptr,                                                                                              \
    }

#endif
