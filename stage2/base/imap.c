/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The interval map: life, lookups and iteration. Edits are in imap_edit.c, gaps in imap_gap.c. */
#include <stage2/imap.h>

#include "base/imap_node.h"

_Static_assert(sizeof(struct s2_imap_leaf) <= S2_NODE_BYTES, "a leaf fits in a node");
_Static_assert(sizeof(struct s2_imap_inner) <= S2_NODE_BYTES, "an inner node fits in a node");
_Static_assert(S2_NODE_BYTES % 64 == 0, "nodes start on cache lines");

/* Insertions between two growths of one tree: a root that has grown has two children. */
#define INSERTS_PER_GROWTH (S2_IMAP_INNER - 2u)

static void reset(struct s2_imap *map)
{
    struct s2_imap_leaf *leaf = &map->root.leaf;

    map->count = 0;
    map->height = 0;
    leaf->count = 0;
    leaf->level = 0;
    for (unsigned i = 0; i < S2_IMAP_LEAF; i++)
        leaf->start[i] = leaf->end[i] = S2_IMAP_UNUSED;
}

void s2_imap_init(struct s2_imap *map, struct s2_pool *pool, uint64_t lo, uint64_t hi)
{
    map->pool = pool;
    map->lo = lo;
    map->hi = hi;
    map->nodes = 0;
    reset(map);
}

uint32_t s2_imap_need(const struct s2_imap *map, uint32_t inserts)
{
    uint64_t need;

    if (inserts == 0 || (map->height == 0 && inserts <= S2_IMAP_LEAF - map->count))
        return 0;
    need = (uint64_t)inserts * (map->height + 2u + inserts / INSERTS_PER_GROWTH);
    return need < UINT32_MAX ? (uint32_t)need : UINT32_MAX;
}

/* The most nodes that n entries can stand in: leaves and inner nodes as empty as they may be. */
static uint64_t most_nodes(uint64_t n)
{
    uint64_t level = n / S2_IMAP_LEAF_MIN, nodes = 0;

    for (; level > 1; level /= S2_IMAP_INNER_MIN)
        nodes += level;
    return nodes;
}

uint32_t s2_imap_need_alone(const struct s2_imap *map, uint32_t inserts)
{
    uint64_t one_way = map->height + 2u, room = most_nodes(map->count + inserts) + one_way - map->nodes;
    uint32_t need = s2_imap_need(map, inserts);

    return room < need ? (uint32_t)room : need;
}

static bool take(const struct s2_imap_leaf *leaf, unsigned slot, struct s2_ient *out)
{
    if (out)
        *out = (struct s2_ient){leaf->start[slot], leaf->end[slot], leaf->val[slot]};
    return true;
}

bool s2_imap_find_from(const struct s2_imap *map, uint64_t key, struct s2_ient *out)
{
    const struct s2_imap_inner *inner = &map->root.inner;
    const struct s2_imap_leaf *leaf = &map->root.leaf;
    unsigned slot;

    if (key == UINT64_MAX)
        return false; /* no end lies above it */
    for (uint32_t depth = 0; depth < map->height; depth++) {
        slot = s2_imap_inner_from(inner, key);
        if (slot == inner->count)
            return false; /* in the root only: below it the hull promised an entry */
        leaf = s2_imap_child(map, inner, slot);
        inner = (const void *)leaf;
    }
    slot = s2_imap_leaf_from(leaf, key);
    return slot < leaf->count && take(leaf, slot, out);
}

bool s2_imap_find(const struct s2_imap *map, uint64_t key, struct s2_ient *out)
{
    struct s2_ient e;

    if (!s2_imap_find_from(map, key, &e) || e.start > key)
        return false;
    if (out)
        *out = e;
    return true;
}

bool s2_imap_find_below(const struct s2_imap *map, uint64_t key, struct s2_ient *out)
{
    const struct s2_imap_inner *inner = &map->root.inner;
    const struct s2_imap_leaf *leaf = &map->root.leaf;
    unsigned rank;

    if (key == 0)
        return false;
    for (uint32_t depth = 0; depth < map->height; depth++) {
        rank = s2_imap_rank(inner->start, S2_IMAP_INNER, key - 1);
        if (rank == 0)
            return false; /* in the root only, as above */
        leaf = s2_imap_child(map, inner, rank - 1);
        inner = (const void *)leaf;
    }
    rank = s2_imap_rank(leaf->start, S2_IMAP_LEAF, key - 1);
    return rank > 0 && take(leaf, rank - 1, out);
}

/* The path to the first entry with end > key, false when there is none. key < UINT64_MAX. */
static bool path_from(const struct s2_imap *map, uint64_t key, struct s2_imap_path *p)
{
    const void *node = &map->root;
    uint32_t depth = 0;

    for (; depth < map->height; depth++) {
        const struct s2_imap_inner *inner = node;

        p->node[depth] = (void *)(uintptr_t)node;
        p->slot[depth] = s2_imap_inner_from(inner, key);
        if (p->slot[depth] == inner->count)
            return false;
        node = s2_imap_child(map, inner, p->slot[depth]);
    }
    p->node[depth] = (void *)(uintptr_t)node;
    p->slot[depth] = s2_imap_leaf_from(node, key);
    return p->slot[depth] < ((const struct s2_imap_leaf *)node)->count;
}

/* On to the first entry of the next leaf; false after the last. */
static bool next_leaf(const struct s2_imap *map, struct s2_imap_path *p)
{
    uint32_t depth = map->height;

    do {
        if (depth == 0)
            return false;
        depth--;
        p->slot[depth]++;
    } while (p->slot[depth] == ((struct s2_imap_inner *)p->node[depth])->count);
    for (; depth < map->height; depth++) {
        p->node[depth + 1] = s2_imap_child(map, p->node[depth], p->slot[depth]);
        p->slot[depth + 1] = 0;
    }
    return true;
}

void s2_imap_walk(const struct s2_imap *map, uint64_t start, uint64_t end, s2_imap_fn *fn, void *arg)
{
    struct s2_imap_path p;

    if (start >= end || !path_from(map, start, &p))
        return;
    do {
        const struct s2_imap_leaf *leaf = p.node[map->height];

        for (unsigned i = p.slot[map->height]; i < leaf->count; i++) {
            struct s2_ient e = {leaf->start[i], leaf->end[i], leaf->val[i]};

            if (e.start >= end || !fn(arg, &e))
                return;
        }
    } while (next_leaf(map, &p));
}

/* Gives every node below the root back, children before parents. */
static void give_nodes(struct s2_imap *map)
{
    struct s2_imap_path p = {.node = {&map->root}};
    uint32_t depth = 0;

    for (;;) {
        struct s2_imap_inner *inner = p.node[depth];

        if (inner->level > 1 && p.slot[depth] < inner->count) {
            p.node[depth + 1] = s2_imap_child(map, inner, p.slot[depth]);
            p.slot[++depth] = 0;
            continue;
        }
        if (inner->level == 1)
            for (unsigned i = 0; i < inner->count; i++)
                s2_pool_give(map->pool, inner->child[i]);
        if (depth == 0)
            break;
        depth--;
        inner = p.node[depth];
        s2_pool_give(map->pool, inner->child[p.slot[depth]++]);
    }
    map->nodes = 0;
}

void s2_imap_clear(struct s2_imap *map)
{
    if (map->height > 0)
        give_nodes(map);
    reset(map);
}
