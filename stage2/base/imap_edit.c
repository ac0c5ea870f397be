/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Edits of the interval map. They cannot fail: the caller has promised itself s2_imap_need nodes. */
#include "base/imap_node.h"

/* --- nodes -------------------------------------------------------------------------------------------------------- */

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

static unsigned count_at(const struct s2_imap *map, const struct s2_imap_path *p, uint32_t depth)
{
    const void *node = p->node[depth];

    return is_leaf(map, depth) ? ((const struct s2_imap_leaf *)node)->count
                               : ((const struct s2_imap_inner *)node)->count;
}

static bool full_at(const struct s2_imap *map, const struct s2_imap_path *p, uint32_t depth)
{
    return count_at(map, p, depth) == (is_leaf(map, depth) ? S2_IMAP_LEAF : S2_IMAP_INNER);
}

static struct s2_imap_hull hull_of(const struct s2_imap *map, const void *node, uint32_t depth)
{
    return is_leaf(map, depth) ? s2_imap_leaf_hull(node) : s2_imap_inner_hull(node);
}

static void copy_node(const struct s2_imap *map, void *to, const void *from, uint32_t depth)
{
    __builtin_memcpy(to, from, is_leaf(map, depth) ? sizeof(struct s2_imap_leaf) : sizeof(struct s2_imap_inner));
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

/* Copies n entries, whichever way they overlap. */
static void leaf_copy(struct s2_imap_leaf *to, unsigned at, const struct s2_imap_leaf *from, unsigned first, unsigned n)
{
    __builtin_memmove(&to->start[at], &from->start[first], n * sizeof(to->start[0]));
    __builtin_memmove(&to->end[at], &from->end[first], n * sizeof(to->end[0]));
    __builtin_memmove(&to->val[at], &from->val[first], n * sizeof(to->val[0]));
}

static void leaf_resize(struct s2_imap_leaf *l, unsigned count)
{
    for (unsigned i = count; i < l->count; i++)
        l->start[i] = l->end[i] = S2_IMAP_UNUSED;
    l->count = (uint16_t)count;
}

static void leaf_put(struct s2_imap_leaf *l, unsigned at, const struct s2_ient *e)
{
    leaf_copy(l, at + 1, l, at, l->count - at);
    l->start[at] = e->start;
    l->end[at] = e->end;
    l->val[at] = e->val;
    l->count++;
}

static void leaf_drop(struct s2_imap_leaf *l, unsigned at)
{
    leaf_copy(l, at, l, at + 1, l->count - at - 1u);
    leaf_resize(l, l->count - 1u);
}

static void inner_copy(struct s2_imap_inner *to, unsigned at, const struct s2_imap_inner *from, unsigned first,
                       unsigned n)
{
    __builtin_memmove(&to->start[at], &from->start[first], n * sizeof(to->start[0]));
    __builtin_memmove(&to->child[at], &from->child[first], n * sizeof(to->child[0]));
    __builtin_memmove(&to->end[at], &from->end[first], n * sizeof(to->end[0]));
    __builtin_memmove(&to->gap[at], &from->gap[first], n * sizeof(to->gap[0]));
}

static void inner_resize(struct s2_imap_inner *n, unsigned count)
{
    for (unsigned i = count; i < n->count; i++)
        n->start[i] = n->end[i] = S2_IMAP_UNUSED;
    n->count = (uint16_t)count;
}

static void inner_set(struct s2_imap_inner *n, unsigned at, struct s2_imap_hull hull)
{
    n->start[at] = hull.start;
    n->end[at] = hull.end;
    n->gap[at] = hull.gap;
}

static void inner_put(struct s2_imap_inner *n, unsigned at, uint32_t child, struct s2_imap_hull hull)
{
    inner_copy(n, at + 1, n, at, n->count - at);
    n->child[at] = child;
    inner_set(n, at, hull);
    n->count++;
}

static void inner_drop(struct s2_imap_inner *n, unsigned at)
{
    inner_copy(n, at, n, at + 1, n->count - at - 1u);
    inner_resize(n, n->count - 1u);
}

/* An empty node of the kind that lives at `depth`: all slots unused, so that resize and copy keep the rule. */
static void make_empty(const struct s2_imap *map, void *node, uint32_t depth, uint16_t level)
{
    if (is_leaf(map, depth)) {
        struct s2_imap_leaf *l = node;

        l->count = S2_IMAP_LEAF;
        l->level = level;
        leaf_resize(l, 0);
    } else {
        struct s2_imap_inner *n = node;

        n->count = S2_IMAP_INNER;
        n->level = level;
        inner_resize(n, 0);
    }
}

/* Moves the last n entries or children of `low` to the front of `high`, its upper neighbour. */
static void move_up(const struct s2_imap *map, void *low, void *high, uint32_t depth, unsigned n)
{
    if (is_leaf(map, depth)) {
        struct s2_imap_leaf *l = low, *h = high;

        leaf_copy(h, n, h, 0, h->count);
        leaf_copy(h, 0, l, l->count - n, n);
        leaf_resize(h, h->count + n);
        leaf_resize(l, l->count - n);
    } else {
        struct s2_imap_inner *l = low, *h = high;

        inner_copy(h, n, h, 0, h->count);
        inner_copy(h, 0, l, l->count - n, n);
        inner_resize(h, h->count + n);
        inner_resize(l, l->count - n);
    }
}

/* Moves the first n of `high` to the end of `low`. */
static void move_down(const struct s2_imap *map, void *low, void *high, uint32_t depth, unsigned n)
{
    if (is_leaf(map, depth)) {
        struct s2_imap_leaf *l = low, *h = high;

        leaf_copy(l, l->count, h, 0, n);
        leaf_resize(l, l->count + n);
        leaf_copy(h, 0, h, n, h->count - n);
        leaf_resize(h, h->count - n);
    } else {
        struct s2_imap_inner *l = low, *h = high;

        inner_copy(l, l->count, h, 0, n);
        inner_resize(l, l->count + n);
        inner_copy(h, 0, h, n, h->count - n);
        inner_resize(h, h->count - n);
    }
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

/* The path to where an entry that starts at key is or would be: in the leaf, slot is the number of entries with start
 * <= key. */
static void path_to(struct s2_imap *map, uint64_t key, struct s2_imap_path *p)
{
    void *node = &map->root;
    uint32_t depth = 0;

    for (; depth < map->height; depth++) {
        struct s2_imap_inner *inner = node;
        unsigned rank = s2_imap_rank(inner->start, S2_IMAP_INNER, key);

        p->node[depth] = node;
        p->slot[depth] = rank - (rank > 0); /* below all: into the first */
        node = s2_imap_child(map, inner, p->slot[depth]);
    }
    p->node[depth] = node;
    p->slot[depth] = s2_imap_rank(((struct s2_imap_leaf *)node)->start, S2_IMAP_LEAF, key);
}

/* The node at `depth` has changed: its record in the parent follows, and so on up, until a record stays as it was. */
static void refresh(struct s2_imap *map, const struct s2_imap_path *p, uint32_t depth)
{
    for (; depth > 0; depth--) {
        struct s2_imap_hull h = hull_of(map, p->node[depth], depth);
        struct s2_imap_inner *parent = p->node[depth - 1];
        unsigned at = p->slot[depth - 1];

        if (parent->start[at] == h.start && parent->end[at] == h.end && parent->gap[at] == h.gap)
            return;
        inner_set(parent, at, h);
    }
}

/* --- insertion ---------------------------------------------------------------------------------------------------- */

/* The root moves out into a node of its own and becomes the only child of a new root. */
static void grow(struct s2_imap *map, struct s2_imap_path *p)
{
    struct s2_imap_inner *root = &map->root.inner;
    struct s2_imap_hull hull = hull_of(map, root, 0);
    uint32_t node = take_node(map);
    void *moved = s2_pool_node(map->pool, node);

    copy_node(map, moved, root, 0);
    map->height++;
    make_empty(map, root, 0, (uint16_t)map->height);
    inner_put(root, 0, node, hull);

    __builtin_memmove(&p->node[1], &p->node[0], map->height * sizeof(p->node[0]));
    __builtin_memmove(&p->slot[1], &p->slot[0], map->height * sizeof(p->slot[0]));
    p->node[0] = root;
    p->slot[0] = 0;
    p->node[1] = moved;
}

/* Of a full node, how many stay in the lower half: half of them, but next to all where a run of ascending (descending)
 * insertions grows at the end (front), which would otherwise leave half-empty nodes behind it. */
static unsigned split_point(unsigned slot, unsigned count, unsigned last, unsigned min)
{
    if (slot == last)
        return count - (min - 1);
    return slot == 0 ? min - 1 : count / 2;
}

/* Splits the full node at depth >= 1, whose parent has room; the path goes on to the half where its slot is now. */
static void split(struct s2_imap *map, struct s2_imap_path *p, uint32_t depth)
{
    struct s2_imap_inner *parent = p->node[depth - 1];
    unsigned at = p->slot[depth - 1], slot = p->slot[depth];
    unsigned keep = is_leaf(map, depth) ? split_point(slot, S2_IMAP_LEAF, S2_IMAP_LEAF, S2_IMAP_LEAF_MIN)
                                        : split_point(slot, S2_IMAP_INNER, S2_IMAP_INNER - 1u, S2_IMAP_INNER_MIN);
    uint32_t upper = take_node(map);
    void *low = p->node[depth], *high = s2_pool_node(map->pool, upper);

    make_empty(map, high, depth, (uint16_t)(map->height - depth));
    move_up(map, low, high, depth, count_at(map, p, depth) - keep);
    inner_set(parent, at, hull_of(map, low, depth));
    inner_put(parent, at + 1, upper, hull_of(map, high, depth));
    if (slot >= keep) {
        p->slot[depth - 1]++;
        p->node[depth] = high;
        p->slot[depth] -= keep;
    }
}

/* Splits what is full from the leaf upwards, so that the leaf has a free slot. */
static void make_room(struct s2_imap *map, struct s2_imap_path *p)
{
    uint32_t top = map->height;

    if (!full_at(map, p, top))
        return;
    while (top > 0 && full_at(map, p, top - 1))
        top--;
    if (top == 0) {
        grow(map, p);
        top = 1;
    }
    for (; top <= map->height; top++)
        split(map, p, top);
}

void s2_imap_insert(struct s2_imap *map, const struct s2_ient *e)
{
    struct s2_imap_path p;

    path_to(map, e->start, &p);
    make_room(map, &p);
    leaf_put(p.node[map->height], p.slot[map->height], e);
    map->count++;
    refresh(map, &p, map->height);
}

/* --- erasure ------------------------------------------------------------------------------------------------------ */

/* The only child of the root becomes the root. */
static void shrink(struct s2_imap *map)
{
    uint32_t node = map->root.inner.child[0];
    const void *child = s2_pool_node(map->pool, node);

    copy_node(map, &map->root, child, 1);
    map->height--;
    give_node(map, node);
}

/* The node at depth >= 1 has too few: it joins a neighbour, or takes half of what that has. */
static void rebalance(struct s2_imap *map, struct s2_imap_path *p, uint32_t depth)
{
    struct s2_imap_inner *parent = p->node[depth - 1];
    unsigned at = p->slot[depth - 1] > 0 ? p->slot[depth - 1] - 1 : 0; /* of the lower one of the two */
    void *low = s2_imap_child(map, parent, at), *high = s2_imap_child(map, parent, at + 1);
    unsigned join = is_leaf(map, depth) ? S2_IMAP_LEAF_JOIN : S2_IMAP_INNER_JOIN, nlow, nhigh;

    p->node[depth] = high;
    nhigh = count_at(map, p, depth);
    p->node[depth] = low;
    nlow = count_at(map, p, depth);
    if (nlow + nhigh <= join) {
        move_down(map, low, high, depth, nhigh);
        give_node(map, parent->child[at + 1]);
        inner_drop(parent, at + 1);
    } else {
        unsigned half = (nlow + nhigh) / 2;

        if (nlow > half)
            move_up(map, low, high, depth, nlow - half);
        else
            move_down(map, low, high, depth, half - nlow);
        inner_set(parent, at + 1, hull_of(map, high, depth));
    }
    inner_set(parent, at, hull_of(map, low, depth));
}

void s2_imap_erase(struct s2_imap *map, uint64_t start)
{
    struct s2_imap_path p;
    uint32_t depth = map->height;

    path_to(map, start, &p);
    leaf_drop(p.node[depth], p.slot[depth] - 1);
    map->count--;
    while (depth > 0 && count_at(map, &p, depth) < (is_leaf(map, depth) ? S2_IMAP_LEAF_MIN : S2_IMAP_INNER_MIN))
        rebalance(map, &p, depth--);
    refresh(map, &p, depth);
    if (map->height > 0 && map->root.inner.count == 1)
        shrink(map);
}

/* --- in place ----------------------------------------------------------------------------------------------------- */

void s2_imap_set(struct s2_imap *map, uint64_t start, const struct s2_ival *val)
{
    struct s2_imap_path p;

    path_to(map, start, &p);
    ((struct s2_imap_leaf *)p.node[map->height])->val[p.slot[map->height] - 1] = *val;
}

void s2_imap_resize(struct s2_imap *map, uint64_t start, uint64_t new_start, uint64_t new_end)
{
    struct s2_imap_path p;
    struct s2_imap_leaf *leaf;
    unsigned slot;

    path_to(map, start, &p);
    leaf = p.node[map->height];
    slot = p.slot[map->height] - 1;
    leaf->start[slot] = new_start;
    leaf->end[slot] = new_end;
    refresh(map, &p, map->height);
}
