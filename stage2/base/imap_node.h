/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How the interval map looks inside: shared by its searches, its edits and its check.
 *
 * A B+-tree. Depth counts from the root (0) to the leaves (map->height); the root lives in the map itself. Every inner
 * node keeps the exact hull and the largest inner gap of each child (struct s2_imap_inner). */
#ifndef STAGE2_BASE_IMAP_NODE_H
#define STAGE2_BASE_IMAP_NODE_H

#include <stage2/imap.h>

#include "base/pool.h"

enum {
    S2_IMAP_LEAF_MIN = 6,   /* fewest entries in a leaf that is not the root */
    S2_IMAP_INNER_MIN = 8,  /* fewest children of an inner node that is not the root */
    S2_IMAP_LEAF_JOIN = 12, /* two leaves with up to this many in all become one: below full, so that the next */
    S2_IMAP_INNER_JOIN = 18 /* insertion does not split it again */
};

#define S2_IMAP_UNUSED UINT64_MAX /* in start and end of slots past the count */

struct s2_imap_hull {
    uint64_t start, end, gap;
};

/* The way from the root to a leaf. In an inner node `slot` is the child that was taken. */
struct s2_imap_path {
    void *node[S2_IMAP_HEIGHT + 1];
    unsigned slot[S2_IMAP_HEIGHT + 1];
};

/* How many of the n ascending keys are <= x. Without a branch, over unused slots too: they count only for x =
 * UINT64_MAX, which callers exclude. */
static inline unsigned s2_imap_rank(const uint64_t *key, unsigned n, uint64_t x)
{
    unsigned rank = 0;

    for (unsigned i = 0; i < n; i++)
        rank += key[i] <= x;
    return rank;
}

/* The child through which the search for the first entry with end > key goes; count when there is none. key <
 * UINT64_MAX. */
static inline unsigned s2_imap_inner_from(const struct s2_imap_inner *n, uint64_t key)
{
    return s2_imap_rank(n->end, S2_IMAP_INNER, key);
}

static inline unsigned s2_imap_leaf_from(const struct s2_imap_leaf *l, uint64_t key)
{
    return s2_imap_rank(l->end, S2_IMAP_LEAF, key);
}

static inline void *s2_imap_child(const struct s2_imap *map, const struct s2_imap_inner *n, unsigned slot)
{
    return s2_pool_node(map->pool, n->child[slot]);
}

static inline struct s2_imap_hull s2_imap_leaf_hull(const struct s2_imap_leaf *l)
{
    struct s2_imap_hull h = {l->start[0], l->end[l->count - 1u], 0};

    for (unsigned i = 1; i < l->count; i++) {
        uint64_t gap = l->start[i] - l->end[i - 1];
        h.gap = gap > h.gap ? gap : h.gap;
    }
    return h;
}

static inline struct s2_imap_hull s2_imap_inner_hull(const struct s2_imap_inner *n)
{
    struct s2_imap_hull h = {n->start[0], n->end[n->count - 1u], n->gap[0]};

    for (unsigned i = 1; i < n->count; i++) {
        uint64_t gap = n->start[i] - n->end[i - 1];
        gap = n->gap[i] > gap ? n->gap[i] : gap;
        h.gap = gap > h.gap ? gap : h.gap;
    }
    return h;
}

#endif
