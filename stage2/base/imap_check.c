/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Is an interval map sound? For tests and debug builds. */
#include "base/imap_room.h"

struct census {
    const struct s2_imap *map;
    uint64_t start, end;
    uint64_t before; /* the end of the last entry seen */
    uint64_t entries;
    uint32_t nodes;
};

/* Every slot stands in `order` once. */
static bool is_permutation(uint64_t order)
{
    unsigned seen = 0;

    for (; seen < UINT16_MAX && !(seen >> (order & 15u) & 1u); order >>= 4)
        seen |= 1u << (order & 15u);
    return seen == UINT16_MAX;
}

static const char *check_leaf(const struct s2_imap_leaf *l, bool last, struct census *c)
{
    if (l->count > S2_IMAP_LEAF)
        return "a leaf has too many entries";
    if (l->count < (!last ? S2_IMAP_LEAF_MIN : c->map->height > 0 ? 1 : 0))
        return "a leaf has too few entries";
    if (!is_permutation(l->order))
        return "a leaf's order names a slot twice";
    for (unsigned i = 0; i < S2_IMAP_LEAF; i++) {
        unsigned slot = s2_imap_slot(l, i);

        if (i >= l->count) {
            if (l->end[slot] != S2_IMAP_UNUSED || l->start[slot] != 0)
                return "an unused slot looks used";
            continue;
        }
        if (l->start[slot] >= l->end[slot])
            return "an entry is empty";
        if (l->start[slot] < c->before)
            return "entries are out of order or overlap";
        c->before = l->end[slot];
    }
    c->entries += l->count;
    return NULL;
}

/* What the parent says of a child whose entries follow on `before`. */
static const char *check_record(const struct census *c, const struct s2_imap_inner *n, unsigned i, uint64_t before,
                                bool leaf)
{
    const void *child = s2_imap_child(c->map, n, i);

    if (n->end[i] != c->before)
        return "a child's end is not what its parent says";
    for (unsigned by = 0; by < S2_IMAP_ALIGNS; by++)
        if (n->room[by][i] != (leaf ? s2_room_leaf(c->map, by, child, before) : s2_room_inner(child, by)))
            return "the most room under a child is not what its parent says";
    return NULL;
}

/* Lies child i, whose entries follow on `before`, and its neighbour on that side, beyond what is to be checked? */
static bool is_far(const struct census *c, const struct s2_imap_inner *n, unsigned i, uint64_t before)
{
    bool below = i + 1u < n->count && n->end[i + 1] < c->start;
    bool above = before > c->end && (i == 0 || (i > 1 ? n->end[i - 2] : 0) > c->end);

    return below || above;
}

/* Recursion: once per level, at most S2_IMAP_HEIGHT deep. `last`: nothing lies behind the node. */
static const char *check_node(const void *node, uint32_t depth, bool last, struct census *c)
{
    const struct s2_imap_inner *n = node;
    const char *wrong = NULL;

    if (depth == c->map->height)
        return check_leaf(node, last, c);
    if (n->count > S2_IMAP_INNER)
        return "an inner node has too many children";
    if (n->count < (unsigned)(last ? S2_IMAP_LAST_MIN : S2_IMAP_INNER_MIN))
        return "an inner node has too few children";
    for (unsigned i = n->count; i < S2_IMAP_INNER; i++)
        if (n->end[i] != S2_IMAP_UNUSED)
            return "an unused slot looks used";
    for (unsigned i = 0; !wrong && i < n->count; i++) {
        uint64_t before = c->before;

        if (n->child[i] >= c->map->pool->count)
            return "a child lies outside the pool";
        c->nodes++;
        if (is_far(c, n, i, before)) {
            if (n->end[i] <= before)
                return "children are out of order";
            c->before = n->end[i];
            continue;
        }
        wrong = check_node(s2_imap_child(c->map, n, i), depth + 1, last && i + 1u == n->count, c);
        if (!wrong)
            wrong = check_record(c, n, i, before, depth + 1 == c->map->height);
    }
    return wrong;
}

static const char *check(struct census *c)
{
    const char *wrong = "the tree is too high";

    if (c->map->height <= S2_IMAP_HEIGHT)
        wrong = check_node(&c->map->root, 0, true, c);
    return !wrong && c->before > c->map->hi ? "an entry lies outside the limits" : wrong;
}

const char *s2_imap_check_near(const struct s2_imap *map, uint64_t start, uint64_t end)
{
    struct census c = {.map = map, .start = start, .end = end, .before = map->lo};

    return check(&c);
}

const char *s2_imap_check(const struct s2_imap *map)
{
    struct census c = {.map = map, .end = UINT64_MAX, .before = map->lo};
    const char *wrong = check(&c);

    if (wrong)
        return wrong;
    if (c.entries != map->count)
        return "the count of entries is wrong";
    if (c.nodes != map->nodes)
        return "the count of nodes is wrong";
    return s2_pool_check(map->pool);
}
