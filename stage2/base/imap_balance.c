/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "base/imap_balance.h"

#include "base/imap_leaf.h"
#include "base/imap_room.h"

/* --- nodes -------------------------------------------------------------------------------------------------------- */

/* Moves the last n entries of `low` to the front of `high`, its upper neighbour. */
static void leaf_move_up(struct s2_imap_leaf *low, struct s2_imap_leaf *high, unsigned n)
{
    while (n-- > 0) {
        struct s2_ient e = s2_leaf_entry(low, low->count - 1u);

        s2_leaf_drop(low, low->count - 1u);
        s2_leaf_put(high, 0, &e);
    }
}

/* Moves the first n of `high` to the end of `low`. */
static void leaf_move_down(struct s2_imap_leaf *low, struct s2_imap_leaf *high, unsigned n)
{
    while (n-- > 0) {
        struct s2_ient e = s2_leaf_entry(high, 0);

        s2_leaf_drop(high, 0);
        s2_leaf_put(low, low->count, &e);
    }
}

/* Copies n children with their records, whichever way they overlap. */
static void inner_copy(struct s2_imap_inner *to, unsigned at, const struct s2_imap_inner *from, unsigned first,
                       unsigned n)
{
    __builtin_memmove(&to->end[at], &from->end[first], n * sizeof(to->end[0]));
    __builtin_memmove(&to->child[at], &from->child[first], n * sizeof(to->child[0]));
    for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
        __builtin_memmove(&to->room[c][at], &from->room[c][first], n * sizeof(to->room[0][0]));
}

static void inner_resize(struct s2_imap_inner *n, unsigned count)
{
    for (unsigned i = count; i < n->count; i++) {
        n->end[i] = S2_IMAP_UNUSED;
        for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
            n->room[c][i] = 0;
    }
    n->count = (uint16_t)count;
}

static void inner_init(struct s2_imap_inner *n)
{
    n->count = S2_IMAP_INNER;
    inner_resize(n, 0);
}

/* The record of the new child is still to be made. */
static void inner_put(struct s2_imap_inner *n, unsigned at, uint32_t child)
{
    inner_copy(n, at + 1, n, at, n->count - at);
    n->child[at] = child;
    n->end[at] = S2_IMAP_UNUSED;
    for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
        n->room[c][at] = 0;
    n->count++;
}

static void inner_drop(struct s2_imap_inner *n, unsigned at)
{
    inner_copy(n, at, n, at + 1, n->count - at - 1u);
    inner_resize(n, n->count - 1u);
}

static void inner_move_up(struct s2_imap_inner *low, struct s2_imap_inner *high, unsigned n)
{
    inner_copy(high, n, high, 0, high->count);
    inner_copy(high, 0, low, low->count - n, n);
    inner_resize(high, high->count + n);
    inner_resize(low, low->count - n);
}

static void inner_move_down(struct s2_imap_inner *low, struct s2_imap_inner *high, unsigned n)
{
    inner_copy(low, low->count, high, 0, n);
    inner_resize(low, low->count + n);
    inner_copy(high, 0, high, n, high->count - n);
    inner_resize(high, high->count - n);
}

static uint32_t take_node(struct s2_imap *map)
{
    map->nodes++;
    return s2_pool_take(map->pool);
}

static void give_node(struct s2_imap *map, uint32_t node)
{
    map->nodes--;
    s2_pool_give(map->pool, node);
}

static bool is_leaf(const struct s2_imap *map, uint32_t depth)
{
    return depth == map->height;
}

static unsigned count_at(const struct s2_imap *map, const struct s2_imap_cursor *at, uint32_t depth)
{
    return is_leaf(map, depth) ? at->leaf->count : at->node[depth]->count;
}

/* The record (end and rooms) of child `slot` of the inner node at `depth` of the cursor's way is made anew. */
static void make_record(const struct s2_imap *map, const struct s2_imap_cursor *at, uint32_t depth, unsigned slot)
{
    struct s2_imap_inner *n = at->node[depth];
    const void *child = s2_imap_child(map, n, slot);
    const struct s2_imap_inner *inner = child;
    const struct s2_imap_leaf *leaf = child;
    bool to_leaf = is_leaf(map, depth + 1);
    uint64_t before = slot > 0 ? n->end[slot - 1] : s2_imap_before(map, at, depth);

    if (to_leaf && leaf->count == 0)
        return; /* the entry comes that it was made for */
    n->end[slot] = to_leaf ? s2_imap_end(leaf, leaf->count - 1u) : inner->end[inner->count - 1u];
    for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
        n->room[c][slot] = to_leaf ? s2_room_leaf(map, c, leaf, before) : s2_room_inner(inner, c);
}

/* --- splitting ---------------------------------------------------------------------------------------------------- */

/* The root moves out into a node of its own and becomes the only child of a new root. */
static void grow(struct s2_imap *map, struct s2_imap_cursor *at)
{
    struct s2_imap_inner *root = &map->root.inner;
    uint32_t node = take_node(map);
    void *moved = s2_pool_node(map->pool, node);

    __builtin_memcpy(moved, &map->root, sizeof(map->root));
    if (map->height == 0)
        at->leaf = moved;
    else
        at->node[0] = moved;
    __builtin_memmove(&at->node[1], &at->node[0], map->height * sizeof(void *));
    __builtin_memmove(&at->slot[1], &at->slot[0], map->height);
    map->height++;
    at->node[0] = root;
    at->slot[0] = 0;
    inner_init(root);
    inner_put(root, 0, node);
    make_record(map, at, 0, 0);
}

/* Of a full node with place `at` (in a leaf, of the new entry; in an inner node, of the child that splits), how many stay
 * in the lower half: next to none at the front, where a run of descending insertions would otherwise leave half-empty nodes
 * behind it. `least` of them, and the one that comes, are enough for a node. */
static unsigned kept(unsigned at, unsigned count, unsigned least)
{
    return at == 0 ? least : count / 2;
}

/* Behind everything? Then nodes split so that the lower one stays full: a map built in ascending order is dense. */
static bool appends(const struct s2_imap_cursor *at)
{
    return at->rank == S2_IMAP_LEAF;
}

/* Splits the full leaf, whose parent has room; the cursor goes on to the half where its place is now. */
static void split_leaf(struct s2_imap *map, struct s2_imap_cursor *at)
{
    uint32_t depth = map->height - 1, upper = take_node(map);
    struct s2_imap_leaf *low = at->leaf, *high = s2_pool_node(map->pool, upper);
    unsigned keep = appends(at) ? S2_IMAP_LEAF : kept(at->rank, S2_IMAP_LEAF, S2_IMAP_LEAF_MIN - 1);
    unsigned slot = at->slot[depth];

    s2_leaf_init(high);
    leaf_move_up(low, high, S2_IMAP_LEAF - keep);
    inner_put(at->node[depth], slot + 1, upper);
    make_record(map, at, depth, slot);
    make_record(map, at, depth, slot + 1);
    if (at->rank >= keep) {
        at->slot[depth]++;
        at->leaf = high;
        at->rank -= keep;
    }
}

/* The same for the full inner node at `depth` >= 1. */
static void split_inner(struct s2_imap *map, struct s2_imap_cursor *at, uint32_t depth)
{
    uint32_t upper = take_node(map);
    struct s2_imap_inner *low = at->node[depth], *high = s2_pool_node(map->pool, upper);
    unsigned slot = at->slot[depth - 1];
    unsigned keep =
        appends(at) ? S2_IMAP_INNER - S2_IMAP_LAST_MIN : kept(at->slot[depth], S2_IMAP_INNER, S2_IMAP_INNER_MIN - 1);

    inner_init(high);
    inner_move_up(low, high, S2_IMAP_INNER - keep);
    inner_put(at->node[depth - 1], slot + 1, upper);
    make_record(map, at, depth - 1, slot);
    make_record(map, at, depth - 1, slot + 1);
    if (at->slot[depth] >= keep) {
        at->slot[depth - 1]++;
        at->node[depth] = high;
        at->slot[depth] = (uint8_t)(at->slot[depth] - keep);
    }
}

void s2_imap_make_room(struct s2_imap *map, struct s2_imap_cursor *at)
{
    uint32_t top = map->height;

    while (top > 0 && at->node[top - 1]->count == S2_IMAP_INNER)
        top--;
    if (top == 0) {
        grow(map, at);
        top = 1;
    }
    for (; top < map->height; top++)
        split_inner(map, at, top);
    split_leaf(map, at);
}

/* --- joining ------------------------------------------------------------------------------------------------------ */

/* The only child of the root becomes the root. */
static void shrink(struct s2_imap *map)
{
    uint32_t node = map->root.inner.child[0];

    __builtin_memcpy(&map->root, s2_pool_node(map->pool, node), sizeof(map->root));
    map->height--;
    give_node(map, node);
}

/* Of two neighbours with nlow and nhigh in all: 0 when they become one, else how many the lower one has then. */
static unsigned shared_out(unsigned nlow, unsigned nhigh, unsigned join)
{
    return nlow + nhigh <= join ? 0 : (nlow + nhigh) / 2;
}

/* Evens two leaves, or two inner nodes, out; true when all is in `low` then. */
static bool even_leaves(struct s2_imap_leaf *low, struct s2_imap_leaf *high)
{
    unsigned nlow = low->count, part = shared_out(nlow, high->count, S2_IMAP_LEAF_JOIN);

    if (part < nlow && part > 0)
        leaf_move_up(low, high, nlow - part);
    else
        leaf_move_down(low, high, part ? part - nlow : high->count);
    return part == 0;
}

static bool even_inners(struct s2_imap_inner *low, struct s2_imap_inner *high)
{
    unsigned nlow = low->count, part = shared_out(nlow, high->count, S2_IMAP_INNER_JOIN);

    if (part < nlow && part > 0)
        inner_move_up(low, high, nlow - part);
    else
        inner_move_down(low, high, part ? part - nlow : high->count);
    return part == 0;
}

/* The node at depth >= 1 has too few: it joins a neighbour, or they share what they have. */
static void rebalance(struct s2_imap *map, const struct s2_imap_cursor *at, uint32_t depth)
{
    struct s2_imap_inner *parent = at->node[depth - 1];
    unsigned slot = at->slot[depth - 1] > 0 ? at->slot[depth - 1] - 1u : 0; /* of the lower one of the two */
    void *low = s2_imap_child(map, parent, slot), *high = s2_imap_child(map, parent, slot + 1);
    bool joined = is_leaf(map, depth) ? even_leaves(low, high) : even_inners(low, high);

    if (joined) {
        give_node(map, parent->child[slot + 1]);
        inner_drop(parent, slot + 1);
    }
    make_record(map, at, depth - 1, slot);
    if (!joined)
        make_record(map, at, depth - 1, slot + 1);
}

/* The entries of all leaves go into the root. Few: all leaves but the last have S2_IMAP_LEAF_MIN at least. */
static void collapse(struct s2_imap *map)
{
    uint32_t child[S2_IMAP_LEAF / S2_IMAP_LEAF_MIN + 1];
    struct s2_imap_leaf *root = &map->root.leaf;
    unsigned children = map->root.inner.count;

    __builtin_memcpy(child, map->root.inner.child, sizeof(child));
    s2_leaf_init(root);
    map->height = 0;
    for (unsigned i = 0; i < children; i++) {
        struct s2_imap_leaf *leaf = s2_pool_node(map->pool, child[i]);

        leaf_move_down(root, leaf, leaf->count);
        give_node(map, child[i]);
    }
}

bool s2_imap_mend(struct s2_imap *map, const struct s2_imap_cursor *at)
{
    uint32_t depth = map->height;
    bool moved;

    if (depth == 0)
        return false;
    if (depth == 1 && map->count <= S2_IMAP_LEAF) {
        collapse(map);
        return true;
    }
    while (depth > 0 && count_at(map, at, depth) < (is_leaf(map, depth) ? S2_IMAP_LEAF_MIN : S2_IMAP_INNER_MIN))
        rebalance(map, at, depth--);
    moved = depth < map->height;
    if (map->root.inner.count == 1)
        shrink(map);
    return moved;
}
