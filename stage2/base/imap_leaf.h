/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Edits inside one leaf of the interval map. */
#ifndef STAGE2_BASE_IMAP_LEAF_H
#define STAGE2_BASE_IMAP_LEAF_H

#include "base/imap_node.h"

static inline void s2_leaf_init(struct s2_imap_leaf *l)
{
    l->count = 0;
    l->order = S2_IMAP_IN_ORDER;
    for (unsigned i = 0; i < S2_IMAP_LEAF; i++) {
        l->start[i] = 0;
        l->end[i] = S2_IMAP_UNUSED;
    }
}

/* The digits of `order` below the n-th. n <= 16. */
static inline uint64_t s2_leaf_digits(unsigned n)
{
    return n < S2_IMAP_LEAF ? (UINT64_C(1) << (4 * n)) - 1 : UINT64_MAX;
}

static inline struct s2_ient s2_leaf_entry(const struct s2_imap_leaf *l, unsigned rank)
{
    unsigned slot = s2_imap_slot(l, rank);

    return (struct s2_ient){l->start[slot], l->end[slot], l->val[slot]};
}

static inline void s2_leaf_write(struct s2_imap_leaf *l, unsigned rank, const struct s2_ient *e)
{
    unsigned slot = s2_imap_slot(l, rank);

    l->end[slot] = e->end;
    l->start[slot] = e->start;
    l->val[slot] = e->val;
}

/* The first free slot's digit moves down to `rank`, those between up by one. pre: not full. */
static inline void s2_leaf_put(struct s2_imap_leaf *l, unsigned rank, const struct s2_ient *e)
{
    uint64_t below = s2_leaf_digits(rank), moved = s2_leaf_digits(l->count) & ~below;
    uint64_t digit = s2_imap_slot(l, l->count);

    l->order = (l->order & ~(s2_leaf_digits(l->count + 1u) & ~below)) | (l->order & moved) << 4 | digit << (4 * rank);
    l->count++;
    s2_leaf_write(l, rank, e);
}

/* The other way round. */
static inline void s2_leaf_drop(struct s2_imap_leaf *l, unsigned rank)
{
    uint64_t below = s2_leaf_digits(rank), last = l->count - 1u;
    uint64_t moved = s2_leaf_digits(l->count) & ~s2_leaf_digits(rank + 1), digit = s2_imap_slot(l, rank);

    l->start[digit] = 0;
    l->end[digit] = S2_IMAP_UNUSED;
    l->order = (l->order & (below | ~s2_leaf_digits(l->count))) | (l->order & moved) >> 4 | digit << (4 * last);
    l->count = (uint16_t)last;
}

#endif
