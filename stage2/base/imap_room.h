/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How much room gaps have, by each of the map's alignments, and the records of it in the inner nodes. */
#ifndef STAGE2_BASE_IMAP_ROOM_H
#define STAGE2_BASE_IMAP_ROOM_H

#include "base/imap_node.h"

struct s2_room {
    uint32_t v[S2_IMAP_ALIGNS];
};

/* The units of [start, end) behind its first address aligned to align.log2[c]. */
static inline uint32_t s2_room_by(struct s2_imap_align align, unsigned c, uint64_t start, uint64_t end)
{
    uint64_t mask = (UINT64_C(1) << align.log2[c]) - 1, from = (start + mask) & ~mask, units;

    if (from < start || from >= end)
        return 0; /* it wraps, or lies behind */
    units = (end - from) >> align.log2[0];
    return units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

static inline struct s2_room s2_room_of(struct s2_imap_align align, uint64_t start, uint64_t end)
{
    struct s2_room r;

    for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
        r.v[c] = s2_room_by(align, c, start, end);
    return r;
}

static inline void s2_room_max(struct s2_room *a, struct s2_room b)
{
    for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
        a->v[c] = a->v[c] > b.v[c] ? a->v[c] : b.v[c];
}

#define S2_ROOM_NONE ((struct s2_room){{0, 0, 0}})

/* The most room, by alignment c, of the gaps of a leaf, whose first one begins at `before`; and of those under an inner node. */
uint32_t s2_room_leaf(struct s2_imap_align align, unsigned c, const struct s2_imap_leaf *l, uint64_t before);
uint32_t s2_room_inner(const struct s2_imap_inner *n, unsigned c);

/* In the cursor's leaf, gaps have gone, of which `lost` is the most room, and others have come, with `gained`: its record in
 * the parent follows, and so on up, until a record stays as it was. The leaf has been edited already. */
void s2_room_changed(struct s2_imap *map, const struct s2_imap_cursor *at, struct s2_room lost, struct s2_room gained);

#endif
