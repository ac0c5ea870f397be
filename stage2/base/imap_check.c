/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Is an interval map sound? For tests and debug builds: visits every node. */
#include "base/imap_node.h"

struct census {
    uint64_t entries;
    uint32_t nodes;
};

static const char *check_slots(const uint64_t *start, const uint64_t *end, unsigned count, unsigned slots)
{
    for (unsigned i = 0; i < count; i++) {
        if (start[i] >= end[i])
            return "an entry is empty";
        if (i > 0 && start[i] < end[i - 1])
            return "entries are out of order or overlap";
    }
    for (unsigned i = count; i < slots; i++)
        if (start[i] != S2_IMAP_UNUSED || end[i] != S2_IMAP_UNUSED)
            return "an unused slot looks used";
    return NULL;
}

static const char *check_leaf(const struct s2_imap_leaf *l, bool root, struct census *c)
{
    if (l->level != 0)
        return "a leaf is not on level 0";
    if (l->count > S2_IMAP_LEAF)
        return "a leaf has too many entries";
    if (!root && l->count < S2_IMAP_LEAF_MIN)
        return "a leaf has too few entries";
    c->entries += l->count;
    return check_slots(l->start, l->end, l->count, S2_IMAP_LEAF);
}

/* Recursion: once per level, at most S2_IMAP_HEIGHT deep. */
static const char *check_node(const struct s2_imap *map, const void *node, uint32_t depth, struct census *c)
{
    const struct s2_imap_inner *n = node;
    const char *wrong;

    if (depth == map->height)
        return check_leaf(node, depth == 0, c);
    if (n->level != map->height - depth)
        return "an inner node is on the wrong level";
    if (n->count > S2_IMAP_INNER)
        return "an inner node has too many children";
    if (n->count < (depth == 0 ? 2u : S2_IMAP_INNER_MIN))
        return "an inner node has too few children";
    wrong = check_slots(n->start, n->end, n->count, S2_IMAP_INNER);
    for (unsigned i = 0; !wrong && i < n->count; i++) {
        const void *child = s2_imap_child(map, n, i);
        struct s2_imap_hull h;

        if (n->child[i] >= map->pool->count)
            return "a child lies outside the pool";
        c->nodes++;
        wrong = check_node(map, child, depth + 1, c);
        if (wrong)
            break;
        h = depth + 1 == map->height ? s2_imap_leaf_hull(child) : s2_imap_inner_hull(child);
        if (h.start != n->start[i] || h.end != n->end[i])
            wrong = "a child's hull is not what its parent says";
        else if (h.gap != n->gap[i])
            wrong = "a child's largest gap is not what its parent says";
    }
    return wrong;
}

static const char *check_limits(const struct s2_imap *map)
{
    struct s2_ient first, last;

    if (map->count == 0)
        return NULL;
    if (!s2_imap_find_from(map, 0, &first) || !s2_imap_find_below(map, UINT64_MAX, &last))
        return "the first or the last entry cannot be found";
    return first.start < map->lo || last.end > map->hi ? "an entry lies outside the limits" : NULL;
}

const char *s2_imap_check(const struct s2_imap *map)
{
    struct census c = {0, 0};
    const char *wrong;

    if (map->height > S2_IMAP_HEIGHT)
        return "the tree is too high";
    wrong = check_node(map, &map->root, 0, &c);
    if (wrong)
        return wrong;
    if (c.entries != map->count)
        return "the count of entries is wrong";
    if (c.nodes != map->nodes)
        return "the count of nodes is wrong";
    wrong = check_limits(map);
    return wrong ? wrong : s2_pool_check(map->pool);
}
