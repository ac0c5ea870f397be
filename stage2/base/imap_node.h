/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How the interval map looks inside: shared by its searches, its edits and its check.
 *
 * A B+-tree. Depth counts from the root (0) to the leaves (map->height); the root lives in the map itself. A leaf keeps its
 * entries where they happen to be and their order in one word, so that an edit moves no entry. With A to E, ascending:
 *
 *   slot     0  1  2  3  4  5 to 15
 *   end      B  A  E  C  D  UNUSED     a search counts the ends <= key, and has the rank, in whatever order they lie
 *   start    B  A  E  C  D
 *   val      B  A  E  C  D
 *   order    0xfedcba9876524301        from the right: A (rank 0) is in slot 1, B in 0, C in 3; at last the free ones
 *
 * An inner node keeps its children in order, with the end of the last entry of each and the most room of a gap under it.
 * Were there so few entries in a leaf, and one letter a unit:
 *
 *   keys     lo ....AAAA..BBBB......CCC.DDDD.....EEE....... hi
 *   gap of      A       B     C        D    E       no entry
 *
 *   slot     0        1        2
 *   child    A, B     C, D     E
 *   end      of B     of D     of E
 *   room[0]  4        6        5       room[1], room[2]: of a gap only what lies behind its first address so aligned
 *
 * Every gap belongs to the entry behind it, whose leaf may not be that of the entry before; the last one belongs to none, and
 * a search looks there by itself. The record of a leaf is made anew with each edit of it; those above follow only where the
 * widest gap went or a wider one came (imap_room.h). */
#ifndef STAGE2_BASE_IMAP_NODE_H
#define STAGE2_BASE_IMAP_NODE_H

#include <stage2/imap.h>

#include "base/bits.h"
#include "base/pool.h"

enum {
    S2_IMAP_LEAF_MIN = 6,   /* fewest entries in a leaf that is neither the root nor the last */
    S2_IMAP_INNER_MIN = 8,  /* fewest children of an inner node that is neither the root nor the last of its level */
    S2_IMAP_LAST_MIN = 2,   /* fewest of those */
    S2_IMAP_LEAF_JOIN = 12, /* two leaves with up to this many in all become one: below full, so that the next */
    S2_IMAP_INNER_JOIN = 20 /* insertion does not split it again */
};

#define S2_IMAP_UNUSED   UINT64_MAX                   /* in `end` of slots that hold nothing */
#define S2_IMAP_IN_ORDER UINT64_C(0xfedcba9876543210) /* entry i in slot i */

static inline unsigned s2_imap_slot(const struct s2_imap_leaf *l, unsigned rank)
{
    return (unsigned)(l->order >> (4 * rank)) & 15u;
}

/* Two ways to search a node. Where the code is to be small, by halves: fewest instructions, too, when loops are not unrolled.
 * Else by counting, over unused slots too, without a branch that could be mispredicted. */
#if defined(__OPTIMIZE_SIZE__) || !defined(__OPTIMIZE__)

/* The child through which the search for the first entry with end > key goes: the last one when there is no such entry. */
static inline unsigned s2_imap_inner_from(const struct s2_imap_inner *n, uint64_t key)
{
    unsigned from = 0, to = n->count - 1u;

    while (from < to) {
        unsigned mid = (from + to) / 2;

        if (n->end[mid] <= key)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

/* The rank of that entry in a leaf; count when it is not there. */
S2_INLINE unsigned s2_imap_leaf_from(const struct s2_imap_leaf *l, uint64_t key)
{
    unsigned from = 0, to = l->count;
    uint64_t order = l->order;

    while (from < to) {
        unsigned mid = (from + to) / 2;

        if (l->end[order >> (4 * mid) & 15u] <= key)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

#else

/* How many of the n keys are <= x; n is a multiple of 4. */
static inline unsigned s2_imap_rank(const uint64_t *key, unsigned n, uint64_t x)
{
    int rank[4] = {0}; /* four sums that do not wait for each other; signed, or a compiler may make one of them */

#pragma GCC unroll 7
    for (unsigned i = 0; i < n; i += 4) {
        rank[0] += key[i] <= x;
        rank[1] += key[i + 1] <= x;
        rank[2] += key[i + 2] <= x;
        rank[3] += key[i + 3] <= x;
    }
    return (unsigned)(rank[0] + rank[1] + (rank[2] + rank[3]));
}

static inline unsigned s2_imap_inner_from(const struct s2_imap_inner *n, uint64_t key)
{
    unsigned slot = s2_imap_rank(n->end, S2_IMAP_INNER, key);

    return slot < n->count ? slot : n->count - 1u;
}

static inline unsigned s2_imap_leaf_from(const struct s2_imap_leaf *l, uint64_t key)
{
    unsigned rank = s2_imap_rank(l->end, S2_IMAP_LEAF, key);

    return rank < l->count ? rank : l->count;
}

#endif

/* The digits of the entries from `rank` on. In two steps: 16 digits at once are a shift by 64. */
static inline uint64_t s2_imap_order_from(const struct s2_imap_leaf *l, unsigned rank)
{
    return l->order >> (2 * rank) >> (2 * rank);
}

static inline uint64_t s2_imap_start(const struct s2_imap_leaf *l, unsigned rank)
{
    return l->start[s2_imap_slot(l, rank)];
}

static inline uint64_t s2_imap_end(const struct s2_imap_leaf *l, unsigned rank)
{
    return l->end[s2_imap_slot(l, rank)];
}

static inline void *s2_imap_child(const struct s2_imap *map, const struct s2_imap_inner *n, unsigned slot)
{
    return s2_pool_node(map->pool, n->child[slot]);
}

/* The end of the last entry before the node at `depth` of the cursor's way: where the gap of that one's first begins. */
static inline uint64_t s2_imap_before(const struct s2_imap *map, const struct s2_imap_cursor *at, uint32_t depth)
{
    for (; depth > 0; depth--)
        if (at->slot[depth - 1] > 0)
            return at->node[depth - 1]->end[at->slot[depth - 1] - 1];
    return map->lo;
}

/* The cursor's way on from child `slot` of the inner node at `depth`, down to the first entry there. */
void s2_imap_descend(const struct s2_imap *map, struct s2_imap_cursor *at, uint32_t depth, unsigned slot);

#endif
