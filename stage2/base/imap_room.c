/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "base/imap_room.h"

static uint32_t units(const struct s2_imap *map, uint64_t bytes)
{
    uint64_t n = bytes >> map->align.log2[0];

    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* In bytes: a gap begins at a multiple of the unit, so that all of it is room. All slots, without a branch: those that hold
 * nothing have no gap before them, nor have entries that overlap, as they may in the middle of a splice. */
static uint64_t widest(const struct s2_imap_leaf *l, uint64_t before)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < S2_IMAP_LEAF; i++) {
        unsigned slot = s2_imap_slot(l, i);
        uint64_t start = l->start[slot], gap = start > before ? start - before : 0;

        most = gap > most ? gap : most;
        before = l->end[slot];
    }
    return most;
}

uint32_t s2_room_leaf(const struct s2_imap *map, unsigned c, const struct s2_imap_leaf *l, uint64_t before)
{
    uint64_t most = 0;

    if (c == 0)
        return units(map, widest(l, before));
    for (unsigned i = 0; i < l->count; i++) {
        unsigned slot = s2_imap_slot(l, i);
        uint64_t room = s2_room_behind(map, c, before, l->start[slot]);

        most = room > most ? room : most;
        before = l->end[slot];
    }
    return units(map, most);
}

uint32_t s2_room_inner(const struct s2_imap_inner *n, unsigned c)
{
    const uint32_t *room = n->room[c];
    uint32_t most[4] = {0}; /* which do not wait for each other */

    for (unsigned i = 0; i < S2_IMAP_INNER; i += 4)
        for (unsigned k = 0; k < 4; k++)
            most[k] = room[i + k] > most[k] ? room[i + k] : most[k];
    most[0] = most[1] > most[0] ? most[1] : most[0];
    most[2] = most[3] > most[2] ? most[3] : most[2];
    return most[2] > most[0] ? most[2] : most[0];
}

/* A record in the node at `depth` was `was` and is `now`: those above follow. */
static void follow(const struct s2_imap_cursor *at, uint32_t depth, unsigned c, uint32_t was, uint32_t now)
{
    while (now != was && depth-- > 0) {
        uint32_t *record = &at->node[depth]->room[c][at->slot[depth]], old = *record;

        if (now < old) /* if the largest went, another is */
            now = was < old ? old : s2_room_inner(at->node[depth + 1], c);
        *record = now;
        was = old;
    }
}

static void set_record(const struct s2_imap *map, const struct s2_imap_cursor *at, unsigned c, uint32_t now)
{
    uint32_t depth = map->height - 1, *record = &at->node[depth]->room[c][at->slot[depth]], was = *record;

    *record = now;
    follow(at, depth, c, was, now);
}

static uint32_t look_through(const struct s2_imap *map, const struct s2_imap_cursor *at, unsigned c)
{
    return s2_room_leaf(map, c, at->leaf, s2_imap_before(map, at, map->height));
}

void s2_room_changed(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t from, uint64_t to)
{
    uint32_t depth = map->height - 1, *record = &at->node[depth]->room[0][at->slot[depth]], was = *record;
    uint32_t now = look_through(map, at, 0),
             above = depth > 0 ? at->node[depth - 1]->room[0][at->slot[depth - 1]] : now;

    *record = now;
    /* Seldom, and hard to foretell: so one condition of all. */
    if ((now > above) | ((was >= above) & (now < was)))
        follow(at, depth, 0, was, now);
    for (unsigned c = 1; c < S2_IMAP_ALIGNS && s2_room_behind(map, c, from, to) > 0; c++)
        set_record(map, at, c, look_through(map, at, c));
}
