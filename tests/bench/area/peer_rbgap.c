/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* rb+gap: the kernel's red-black tree, each node with the largest gap of its subtree, as Linux kept its VMAs before 6.1
 * had the maple tree. Better than there in two things: a node stores its own gap, so that no neighbour is read to
 * recompute a maximum, and there is no list beside the tree to keep. Edits know their neighbours and never descend
 * twice; map_over gives a deleted area's node to the new one. */
#include <linux/slab.h>

#include <lib/rbtree.c>
#include <linux_version.h>

#include "peer.h"

struct rb_area {
    struct rb_node rb;
    uint64_t start, end;
    uint64_t gap;  /* free bytes below start */
    uint64_t most; /* the largest gap in this subtree */
    uint64_t w[3];
};

typedef struct {
    struct rb_root root;
    uint64_t top; /* end of the last area, 0 when there is none: no node has the gap above it */
    uint64_t promised;
} peer_map;

static struct kmem_cache *areas;

static inline uint64_t own_gap(const struct rb_area *a)
{
    return a->gap;
}
RB_DECLARE_CALLBACKS_MAX(static, gaps, struct rb_area, rb, uint64_t, most, own_gap)

static inline struct rb_area *area_of(struct rb_node *rb)
{
    return rb_entry_safe(rb, struct rb_area, rb);
}

static inline struct rb_area *next_of(struct rb_area *a)
{
    return area_of(rb_next(&a->rb));
}

static inline uint64_t end_before(const struct rb_area *a)
{
    return a->start - a->gap;
}

/* The area above a place now begins after a gap of this size; without one, the areas end there. */
static inline void set_gap_above(peer_map *map, struct rb_area *next, uint64_t end)
{
    if (!next) {
        map->top = end;
    } else if (next->gap != next->start - end) {
        next->gap = next->start - end;
        gaps_propagate(&next->rb, NULL);
    }
}

/* A new area at *link below parent, its neighbours' ends being final. */
static inline void link_area(peer_map *map, struct rb_node *parent, struct rb_node **link, struct rb_area *next,
                             uint64_t gap, const struct bench_area *from)
{
    struct rb_area *a = kmem_cache_alloc(areas, 0);

    set_gap_above(map, next, from->end);
    a->start = from->start;
    a->end = from->end;
    memcpy(a->w, from->w, sizeof a->w);
    a->gap = a->most = gap;
    rb_link_node(&a->rb, parent, link);
    gaps_propagate(parent, NULL);
    rb_insert_augmented(&a->rb, &map->root, &gaps);
}

/* A new area right above prev, which has one below it at most; next is what was above prev. */
static inline void link_after(peer_map *map, struct rb_area *prev, struct rb_area *next, const struct bench_area *from)
{
    if (!prev->rb.rb_right)
        link_area(map, &prev->rb, &prev->rb.rb_right, next, from->start - prev->end, from);
    else
        link_area(map, &next->rb, &next->rb.rb_left, next, from->start - prev->end, from);
}

/* A new area right below next. */
static inline void link_before(peer_map *map, struct rb_area *next, const struct bench_area *from)
{
    uint64_t gap = from->start - end_before(next);

    if (!next->rb.rb_left) {
        link_area(map, &next->rb, &next->rb.rb_left, next, gap, from);
    } else {
        struct rb_node *prev = rb_prev(&next->rb);
        link_area(map, prev, &prev->rb_right, next, gap, from);
    }
}

static inline void unlink_area(peer_map *map, struct rb_area *a)
{
    rb_erase_augmented(&a->rb, &map->root, &gaps);
    kmem_cache_free(areas, a);
}

/* The first area with end > key. */
static inline struct rb_area *first_above(const peer_map *map, uint64_t key)
{
    struct rb_node *rb = map->root.rb_node;
    struct rb_area *found = NULL;

    while (rb) {
        struct rb_area *a = area_of(rb);

        if (key < a->end) {
            found = a;
            if (key >= a->start)
                break;
            rb = rb->rb_left;
        } else {
            rb = rb->rb_right;
        }
    }
    return found;
}

static inline bool peer_find(peer_map *map, uint64_t key, struct bench_hit *hit)
{
    struct rb_area *a = first_above(map, key);

    if (!a || a->start > key)
        return false;
    hit->start = a->start;
    hit->w1 = a->w[1];
    return true;
}

static inline bool peer_insert(peer_map *map, const struct bench_area *from)
{
    struct rb_node **link = &map->root.rb_node, *parent = NULL;
    struct rb_area *prev = NULL, *next = NULL;

    while (*link) {
        struct rb_area *a = area_of(*link);

        parent = *link;
        if (from->end <= a->start) {
            next = a;
            link = &parent->rb_left;
        } else if (from->start >= a->end) {
            prev = a;
            link = &parent->rb_right;
        } else {
            return false;
        }
    }
    link_area(map, parent, link, next, from->start - (prev ? prev->end : 0), from);
    return true;
}

static inline bool peer_erase(peer_map *map, uint64_t start, uint64_t end)
{
    struct rb_area *a = first_above(map, start), *next;
    uint64_t before;

    if (!a || a->start != start || a->end != end)
        return false;
    next = next_of(a);
    before = end_before(a);
    unlink_area(map, a);
    set_gap_above(map, next, before);
    return true;
}

static inline struct rb_area *strictly_around(const peer_map *map, uint64_t start, uint64_t end)
{
    struct rb_area *a = first_above(map, start);

    return a && a->start < start && end < a->end ? a : NULL;
}

/* Cuts [start, end) out of an area that has it strictly inside. */
static inline void cut_out(peer_map *map, struct rb_area *a, uint64_t start, uint64_t end)
{
    struct bench_area right = {end, a->end, {a->w[0], a->w[1], a->w[2]}};

    a->end = start;
    link_after(map, a, next_of(a), &right);
}

static inline bool peer_split(peer_map *map, uint64_t start, uint64_t end)
{
    struct rb_area *a = strictly_around(map, start, end);

    if (!a)
        return false;
    cut_out(map, a, start, end);
    return true;
}

static inline bool peer_protect(peer_map *map, uint64_t start, uint64_t end, uint64_t attr)
{
    struct rb_area *a = strictly_around(map, start, end), *next;

    if (!a)
        return false;

    struct bench_area right = {end, a->end, {a->w[0], a->w[1], a->w[2]}};
    struct bench_area middle = {start, end, {a->w[0], a->w[1], attr}};

    next = next_of(a);
    a->end = end;
    link_after(map, a, next, &right);
    a->end = start;
    link_after(map, a, next_of(a), &middle);
    return true;
}

static inline unsigned peer_map_over(peer_map *map, const struct bench_area *from)
{
    struct rb_area *a = first_above(map, from->start), *left = NULL, *inside = NULL;
    unsigned met = 0;

    if (!a || a->start >= from->end)
        return peer_insert(map, from), 0;
    if (a->start < from->start) {
        if (from->end < a->end) {
            cut_out(map, a, from->start, from->end);
            link_after(map, a, next_of(a), from);
            return 1;
        }
        left = a;
        left->end = from->start;
        met++;
        a = next_of(a);
    }
    while (a && a->end <= from->end) {
        struct rb_area *next = next_of(a);

        if (inside)
            unlink_area(map, a);
        else
            inside = a;
        met++;
        a = next;
    }
    if (a && a->start < from->end) {
        a->gap += from->end - a->start;
        a->start = from->end;
        gaps_propagate(&a->rb, NULL);
        met++;
    }
    if (inside) {
        uint64_t before = left ? left->end : end_before(inside);

        set_gap_above(map, a, from->end);
        inside->start = from->start;
        inside->end = from->end;
        memcpy(inside->w, from->w, sizeof inside->w);
        set_gap_above(map, inside, before);
    } else if (left) {
        link_after(map, left, a, from);
    } else {
        link_before(map, a, from);
    }
    return met;
}

static inline bool fits(uint64_t lo, uint64_t start, uint64_t end, uint64_t size, uint64_t align, uint64_t *out)
{
    uint64_t at = ((start > lo ? start : lo) + align - 1) & ~(align - 1);

    *out = at;
    return at < end && end - at >= size;
}

static inline uint64_t peer_find_free(peer_map *map, uint64_t lo, uint64_t size, uint64_t align)
{
    struct rb_area *a = area_of(map->root.rb_node);
    uint64_t at;
    bool from_left = false; /* the left subtree of a is done */

    if (a && a->most < size)
        a = NULL;
    while (a) {
        struct rb_area *side = area_of(a->rb.rb_left);

        if (!from_left && side && side->most >= size && end_before(a) > lo) {
            a = side;
            continue;
        }
        if (a->gap >= size && fits(lo, end_before(a), a->start, size, align, &at))
            return at;
        side = area_of(a->rb.rb_right);
        from_left = false;
        if (side && side->most >= size) {
            a = side;
            continue;
        }
        while (!from_left && a) {
            struct rb_area *up = area_of(rb_parent(&a->rb));

            from_left = up && up->rb.rb_left == &a->rb;
            a = up;
        }
    }
    return fits(lo, map->top, BENCH_SPACE_END, size, align, &at) ? at : BENCH_NONE;
}

static uint64_t peer_iterate(void *arg)
{
    peer_map *map = arg;
    uint64_t sum = 0, before = 0;

    for (struct rb_node *rb = rb_first(&map->root); rb; rb = rb_next(rb)) {
        const struct rb_area *a = area_of(rb);

        sum += (a->start ^ before) + a->w[1];
        before = a->end;
    }
    return sum;
}

static void peer_clear(void *arg)
{
    peer_map *map = arg;
    struct rb_area *a, *next;

    rbtree_postorder_for_each_entry_safe(a, next, &map->root, rb) kmem_cache_free(areas, a);
    map->root = RB_ROOT;
    map->top = 0;
}

static void *peer_create(uint64_t max_areas)
{
    peer_map *map = calloc(1, sizeof *map);

    if (!map)
        abort();
    if (!areas)
        areas = kmem_cache_create("area", sizeof(struct rb_area), 8, 0, NULL);
    kmem_cache_promise(areas, max_areas);
    map->promised = max_areas;
    return map;
}

static void peer_destroy(void *arg)
{
    peer_map *map = arg;

    peer_clear(map);
    kmem_cache_settle(areas, map->promised);
    free(map);
}

static uint64_t peer_bytes(void *arg)
{
    peer_map *map = arg;
    uint64_t bytes = sizeof *map;

    for (struct rb_node *rb = rb_first(&map->root); rb; rb = rb_next(rb))
        bytes += areas->size;
    return bytes;
}

static void peer_build(void *map, const struct bench_area *area, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        peer_insert(map, &area[i]);
}

#include "loops.h"

const struct peer peer_rbgap = {
    .name = "rb+gap",
    .what = "red-black tree of Linux " LINUX_VERSION ", each node with the largest gap of its subtree; in-place edits",
    .create = peer_create,
    .destroy = peer_destroy,
    .build = peer_build,
    PEER_LOOPS,
    .iterate = peer_iterate,
    .clear = peer_clear,
    .bytes = peer_bytes,
};
