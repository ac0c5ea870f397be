/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How much room gaps have, by each of the map's alignments, and the records of it in the inner nodes. */
#ifndef STAGE2_BASE_IMAP_ROOM_H
#define STAGE2_BASE_IMAP_ROOM_H

#include "base/imap_node.h"

/* The bytes of [start, end) behind its first address aligned to the map's align.log2[c]. */
static inline uint64_t s2_room_behind(const struct s2_imap *map, unsigned c, uint64_t start, uint64_t end)
{
    uint64_t mask = (UINT64_C(1) << map->align.log2[c]) - 1, from = (start + mask) & ~mask;

    return from >= start && from < end ? end - from : 0; /* not when it wraps */
}

/* The most room, by alignment c, of the gaps of a leaf, whose first one begins at `before`; and of those under an inner node. */
uint32_t s2_room_leaf(const struct s2_imap *map, unsigned c, const struct s2_imap_leaf *l, uint64_t before);
uint32_t s2_room_inner(const struct s2_imap_inner *n, unsigned c);

/* The cursor's leaf, not the root, has been edited; all gaps that differ lie in [from, to). Its record in the parent is made anew,
 * and so on up until a record stays as it was. */
void s2_room_changed(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t from, uint64_t to);

#endif
