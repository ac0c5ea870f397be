/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The interval map: life, needs, lookups and cursors. Edits are in imap_edit.c, gaps in imap_gap.c. */
#include <stage2/imap.h>

#include "base/imap_leaf.h"

_Static_assert(sizeof(struct s2_imap_leaf) <= S2_NODE_BYTES, "a leaf fits in a node");
_Static_assert(sizeof(struct s2_imap_inner) <= S2_NODE_BYTES, "an inner node fits in a node");
_Static_assert(S2_NODE_BYTES % 64 == 0, "nodes start on cache lines");
_Static_assert(S2_IMAP_LEAF % 4 == 0 && S2_IMAP_INNER % 4 == 0, "keys are counted by fours");

/* --- life --------------------------------------------------------------------------------------------------------- */

static void reset(struct s2_imap *map)
{
    map->count = 0;
    map->height = 0;
    s2_leaf_init(&map->root.leaf);
}

void s2_imap_init(struct s2_imap *map, struct s2_pool *pool, uint64_t lo, uint64_t hi, struct s2_imap_align align)
{
    map->pool = pool;
    map->lo = lo;
    map->hi = hi;
    map->nodes = 0;
    map->align = align;
    reset(map);
}

/* Gives every node below the root back, children before parents. */
static void give_nodes(struct s2_imap *map)
{
    struct s2_imap_inner *node[S2_IMAP_HEIGHT] = {&map->root.inner};
    unsigned slot[S2_IMAP_HEIGHT] = {0};
    uint32_t depth = 0;

    for (;;) {
        struct s2_imap_inner *inner = node[depth];

        if (depth + 1 < map->height && slot[depth] < inner->count) {
            node[depth + 1] = s2_imap_child(map, inner, slot[depth]);
            slot[++depth] = 0;
            continue;
        }
        if (depth + 1 == map->height)
            for (unsigned i = 0; i < inner->count; i++)
                s2_pool_give(map->pool, inner->child[i]);
        if (depth == 0)
            break;
        depth--;
        s2_pool_give(map->pool, node[depth]->child[slot[depth]++]);
    }
    map->nodes = 0;
}

void s2_imap_clear(struct s2_imap *map)
{
    if (map->height > 0)
        give_nodes(map);
    reset(map);
}

/* --- needs -------------------------------------------------------------------------------------------------------- */

/* Insertions between two growths of one tree: a root that has grown has two children. */
#define INSERTS_PER_GROWTH (S2_IMAP_INNER - 2u)

uint32_t s2_imap_need(const struct s2_imap *map, uint32_t inserts)
{
    uint64_t need;

    if (inserts == 0 || (map->height == 0 && inserts <= S2_IMAP_LEAF - map->count))
        return 0;
    need = (uint64_t)inserts * (map->height + 2u + inserts / INSERTS_PER_GROWTH);
    return need < UINT32_MAX ? (uint32_t)need : UINT32_MAX;
}

/* The most nodes that n entries can stand in: none when the root holds them; else leaves and inner nodes as empty as they may
 * be, and the last of each level emptier. *height: of such a map. */
static uint64_t most_nodes(uint64_t n, uint32_t *height)
{
    uint64_t level = n > S2_IMAP_LEAF ? n / S2_IMAP_LEAF_MIN + 1 : 1, nodes = 0;

    for (*height = 0; level > 1; level = level / S2_IMAP_INNER_MIN + 1) {
        nodes += level;
        (*height)++;
    }
    return nodes;
}

uint32_t s2_imap_need_alone(const struct s2_imap *map, uint32_t inserts)
{
    uint32_t need = s2_imap_need(map, inserts), height;
    uint64_t room = most_nodes(map->count + inserts, &height) + map->height + 2u - map->nodes;

    return room < need ? (uint32_t)room : need;
}

uint64_t s2_imap_capacity(uint32_t nodes)
{
    uint64_t fits = S2_IMAP_LEAF, beyond = S2_IMAP_LEAF_MIN * (uint64_t)nodes + S2_IMAP_LEAF + 1;

    while (beyond - fits > 1) {
        uint64_t n = fits + (beyond - fits) / 2, most;
        uint32_t height;

        most = most_nodes(n - 1, &height);
        if (most + height + 2 <= nodes) /* the last one comes with its need promised */
            fits = n;
        else
            beyond = n;
    }
    return fits;
}

/* --- lookups ------------------------------------------------------------------------------------------------------ */

/* Below this many levels the nodes are in a near cache anyway. */
#define FAR_HEIGHT 3u

/* What a search of a leaf's ends will want next is asked for while these are still on their way. */
static void hasten(const struct s2_imap *map, const struct s2_imap_leaf *leaf)
{
    if (map->height >= FAR_HEIGHT)
        for (const char *line = (const char *)leaf->start; line < (const char *)(leaf + 1); line += 64)
            __builtin_prefetch(line);
}

/* The leaf of the first entry with end > key, and its rank there. */
S2_INLINE const struct s2_imap_leaf *locate(const struct s2_imap *map, uint64_t key, unsigned *rank)
{
    const void *node = &map->root;
    const struct s2_imap_leaf *leaf;

    for (uint32_t left = map->height; left > 0; left--)
        node = s2_imap_child(map, node, s2_imap_inner_from(node, key));
    leaf = node;
    hasten(map, leaf);
    *rank = s2_imap_leaf_from(leaf, key);
    return leaf;
}

static inline bool answer(const struct s2_imap_leaf *leaf, unsigned slot, struct s2_ient *out)
{
    if (out)
        *out = (struct s2_ient){leaf->start[slot], leaf->end[slot], leaf->val[slot]};
    return true;
}

bool s2_imap_find_from(const struct s2_imap *map, uint64_t key, struct s2_ient *out)
{
    unsigned rank;
    const struct s2_imap_leaf *leaf = locate(map, key, &rank);

    if (rank == leaf->count)
        return false;
    return answer(leaf, s2_imap_slot(leaf, rank), out);
}

bool s2_imap_find(const struct s2_imap *map, uint64_t key, struct s2_ient *out)
{
    unsigned rank, slot;
    const struct s2_imap_leaf *leaf = locate(map, key, &rank);

    if (rank == leaf->count)
        return false;
    slot = s2_imap_slot(leaf, rank);
    if (leaf->start[slot] > key)
        return false;
    return answer(leaf, slot, out);
}

bool s2_imap_find_below(const struct s2_imap *map, uint64_t key, struct s2_ient *out)
{
    struct s2_imap_cursor at;
    struct s2_ient e;

    if (key == 0)
        return false;
    /* cover: what seek has found is there */
    if (!s2_imap_seek(map, key - 1, &at) || !s2_imap_get(&at, &e) || e.start >= key)
        /* cover: and so is what prev has */
        if (!s2_imap_prev(map, &at) || !s2_imap_get(&at, &e))
            return false;
    if (out)
        *out = e;
    return true;
}

/* --- cursors ------------------------------------------------------------------------------------------------------ */

bool s2_imap_seek(const struct s2_imap *map, uint64_t key, struct s2_imap_cursor *at)
{
    void *node = (void *)(uintptr_t)&map->root;

    for (uint32_t depth = 0; depth < map->height; depth++) {
        unsigned slot = s2_imap_inner_from(node, key);

        at->node[depth] = node;
        at->slot[depth] = (uint8_t)slot;
        node = s2_imap_child(map, node, slot);
    }
    at->leaf = node;
    hasten(map, at->leaf);
    at->rank = s2_imap_leaf_from(at->leaf, key);
    return at->rank < at->leaf->count;
}

void s2_imap_descend(const struct s2_imap *map, struct s2_imap_cursor *at, uint32_t depth, unsigned slot)
{
    void *node;

    for (at->slot[depth] = (uint8_t)slot;; at->slot[depth] = 0) {
        node = s2_imap_child(map, at->node[depth], at->slot[depth]);
        if (++depth == map->height)
            break;
        at->node[depth] = node;
    }
    at->leaf = node;
    at->rank = 0;
}

bool s2_imap_next_leaf(const struct s2_imap *map, struct s2_imap_cursor *at)
{
    uint32_t depth = map->height;

    while (depth-- > 0) {
        if (at->slot[depth] + 1u < at->node[depth]->count) {
            s2_imap_descend(map, at, depth, at->slot[depth] + 1u);
            return true;
        }
    }
    at->rank = at->leaf->count;
    return false;
}

bool s2_imap_prev(const struct s2_imap *map, struct s2_imap_cursor *at)
{
    uint32_t depth = map->height;

    if (at->rank > 0) {
        at->rank--;
        return true;
    }
    while (depth > 0 && at->slot[depth - 1] == 0)
        depth--;
    if (depth == 0)
        return false;
    at->slot[depth - 1]--;
    for (; depth < map->height; depth++) {
        at->node[depth] = s2_imap_child(map, at->node[depth - 1], at->slot[depth - 1]);
        at->slot[depth] = (uint8_t)(at->node[depth]->count - 1u);
    }
    at->leaf = s2_imap_child(map, at->node[depth - 1], at->slot[depth - 1]);
    at->rank = at->leaf->count - 1u;
    return true;
}

void s2_imap_walk(const struct s2_imap *map, uint64_t start, uint64_t end, s2_imap_fn *fn, void *arg)
{
    struct s2_imap_cursor at;
    struct s2_ient e;

    for (bool on = start < end && s2_imap_seek(map, start, &at); on; on = s2_imap_next(map, &at))
        /* cover: what seek or next has found is there */
        if (!s2_imap_get(&at, &e) || e.start >= end || !fn(arg, &e))
            return;
}
