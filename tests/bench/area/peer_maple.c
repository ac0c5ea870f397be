/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The Linux maple tree, with gaps tracked and not in RCU mode. A slot holds a pointer, so the payload is a record of its
 * own; start and end are the tree's, and a record does not repeat them. */
#include <linux/slab.h>

#include <lib/maple_tree.c>
#include <linux_version.h>

#include "peer.h"

struct record {
    uint64_t w[3];
};

typedef struct {
    struct maple_tree tree;
    uint64_t promised;
} peer_map;

static struct kmem_cache *records;

static inline struct record *new_record(const uint64_t w[3])
{
    struct record *r = kmem_cache_alloc(records, 0);

    memcpy(r->w, w, sizeof r->w);
    return r;
}

static inline void free_record(struct record *r)
{
    kmem_cache_free(records, r);
}

/* The shim's memory does not run out, and nothing else can fail. */
static inline void store(struct ma_state *mas, struct record *r)
{
    if (mas_store_gfp(mas, r, GFP_KERNEL))
        abort();
}

static inline bool peer_find(peer_map *map, uint64_t key, struct bench_hit *hit)
{
    MA_STATE(mas, &map->tree, key, key);
    const struct record *r = mas_walk(&mas);

    if (!r)
        return false;
    hit->start = mas.index;
    hit->w1 = r->w[1];
    return true;
}

static inline bool peer_insert(peer_map *map, const struct bench_area *from)
{
    struct record *r = new_record(from->w);

    if (!mtree_insert_range(&map->tree, from->start, from->end - 1, r, GFP_KERNEL))
        return true;
    free_record(r);
    return false;
}

static inline bool peer_erase(peer_map *map, uint64_t start, uint64_t end)
{
    MA_STATE(mas, &map->tree, start, start);
    struct record *r = mas_walk(&mas);

    if (!r || mas.index != start || mas.last != end - 1)
        return false;
    store(&mas, NULL);
    free_record(r);
    return true;
}

/* Stores r (or null) over [start, end), strictly inside the area where mas stands: the tree then has that area's record
 * on both sides, and the right one gets its own. */
static inline void store_inside(struct ma_state *mas, uint64_t start, uint64_t end, const struct record *around,
                                struct record *r)
{
    uint64_t last = mas->last;

    mas->index = start;
    mas->last = end - 1;
    store(mas, r);
    mas_set_range(mas, end, last);
    store(mas, new_record(around->w));
}

static inline bool peer_split(peer_map *map, uint64_t start, uint64_t end)
{
    MA_STATE(mas, &map->tree, start, start);
    struct record *r = mas_walk(&mas);

    if (!r || mas.index >= start || mas.last <= end - 1)
        return false;
    store_inside(&mas, start, end, r, NULL);
    return true;
}

static inline bool peer_protect(peer_map *map, uint64_t start, uint64_t end, uint64_t attr)
{
    MA_STATE(mas, &map->tree, start, start);
    struct record *r = mas_walk(&mas);

    if (!r || mas.index >= start || mas.last <= end - 1)
        return false;
    store_inside(&mas, start, end, r, new_record((uint64_t[3]){r->w[0], r->w[1], attr}));
    return true;
}

static inline unsigned peer_map_over(peer_map *map, const struct bench_area *from)
{
    MA_STATE(mas, &map->tree, from->start, from->start);
    struct record *r = mas_walk(&mas);
    struct ma_state first = mas; /* the write begins in the leaf where the first walk ended */
    unsigned met = 0;

    if (r && mas.index < from->start && mas.last > from->end - 1) {
        store_inside(&mas, from->start, from->end, r, new_record(from->w));
        return 1;
    }
    if (!r)
        r = mas_next(&mas, from->end - 1);
    for (; r; r = mas_next(&mas, from->end - 1)) {
        if (mas.index >= from->start && mas.last <= from->end - 1)
            free_record(r);
        met++;
    }
    first.index = from->start;
    first.last = from->end - 1;
    store(&first, new_record(from->w));
    return met;
}

static inline uint64_t peer_find_free(peer_map *map, uint64_t lo, uint64_t size, uint64_t align)
{
    for (;;) {
        MA_STATE(mas, &map->tree, 0, 0);
        uint64_t at;

        if (lo >= BENCH_SPACE_END || BENCH_SPACE_END - lo < size || mas_empty_area(&mas, lo, BENCH_SPACE_END - 1, size))
            return BENCH_NONE;
        at = (mas.index + align - 1) & ~(align - 1);
        if (at == mas.index)
            return at;
        mas_set(&mas, at);
        if (BENCH_SPACE_END - at >= size && !mas_find(&mas, at + size - 1))
            return at;
        lo = mas.last + 1;
    }
}

static uint64_t peer_iterate(void *arg)
{
    peer_map *map = arg;
    MA_STATE(mas, &map->tree, 0, 0);
    uint64_t sum = 0, before = 0;
    const struct record *r;

    mas_for_each(&mas, r, BENCH_SPACE_END - 1)
    {
        sum += (mas.index ^ before) + r->w[1];
        before = mas.last + 1;
    }
    return sum;
}

static void peer_clear(void *arg)
{
    peer_map *map = arg;
    MA_STATE(mas, &map->tree, 0, 0);
    struct record *r;

    mas_for_each(&mas, r, BENCH_SPACE_END - 1) free_record(r);
    __mt_destroy(&map->tree);
    mt_init_flags(&map->tree, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_LOCK_EXTERN);
}

/* A leaf that is not the root has more than three areas and the gaps between them, so this is enough. */
static size_t most_nodes(uint64_t areas)
{
    return areas / 2 + 16;
}

static void *peer_create(uint64_t max_areas)
{
    peer_map *map = calloc(1, sizeof *map);

    if (!map)
        abort();
    if (!records) {
        maple_tree_init();
        records = kmem_cache_create("record", sizeof(struct record), 8, 0, NULL);
    }
    mt_init_flags(&map->tree, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_LOCK_EXTERN);
    kmem_cache_promise(maple_node_cache, most_nodes(max_areas));
    kmem_cache_promise(records, max_areas);
    map->promised = max_areas;
    return map;
}

static void peer_destroy(void *arg)
{
    peer_map *map = arg;

    peer_clear(map);
    kmem_cache_settle(maple_node_cache, most_nodes(map->promised));
    kmem_cache_settle(records, map->promised);
    free(map);
}

static uint64_t nodes_below(struct maple_tree *tree, struct maple_enode *enode, unsigned long max)
{
    struct maple_node *node = mte_to_node(enode);
    enum maple_type type = mte_node_type(enode);
    unsigned long *pivot = ma_pivots(node, type);
    uint64_t nodes = 1;
    unsigned last;

    if (mte_is_leaf(enode))
        return nodes;
    last = ma_data_end(node, type, pivot, max);
    for (unsigned i = 0; i <= last; i++)
        nodes += nodes_below(tree, mt_slot(tree, ma_slots(node, type), (unsigned char)i), i < last ? pivot[i] : max);
    return nodes;
}

static uint64_t peer_bytes(void *arg)
{
    peer_map *map = arg;
    uint64_t bytes = sizeof *map;
    struct record *r;
    MA_STATE(mas, &map->tree, 0, 0);

    if (xa_is_node(map->tree.ma_root))
        bytes += nodes_below(&map->tree, mte_safe_root(map->tree.ma_root), ULONG_MAX) * maple_node_cache->size;
    mas_for_each(&mas, r, ULONG_MAX) bytes += records->size;
    return bytes;
}

static void peer_build(void *map, const struct bench_area *area, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        peer_insert(map, &area[i]);
}

#include "loops.h"

const struct peer peer_maple = {
    .name = "maple",
    .what = "maple tree of Linux " LINUX_VERSION ", gaps tracked, no RCU; slots point to records of the payload",
    .create = peer_create,
    .destroy = peer_destroy,
    .build = peer_build,
    PEER_LOOPS,
    .iterate = peer_iterate,
    .clear = peer_clear,
    .bytes = peer_bytes,
};
