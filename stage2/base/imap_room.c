/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "base/imap_room.h"

struct s2_room s2_room_leaf(struct s2_imap_align align, const struct s2_imap_leaf *l, uint64_t before,
                            struct s2_room enough)
{
    struct s2_room most = S2_ROOM_NONE;

    for (unsigned i = 0; i < l->count; i++) {
        unsigned slot = s2_imap_slot(l, i);
        uint64_t start = l->rec[slot].start;

        if (start > before)
            s2_room_max(&most, s2_room_of(align, before, start));
        if (s2_room_covers(most, enough))
            break;
        before = l->end[slot];
    }
    return most;
}

struct s2_room s2_room_inner(const struct s2_imap_inner *n)
{
    struct s2_room most = S2_ROOM_NONE;

    for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
        for (unsigned i = 0; i < n->count; i++)
            most.v[c] = n->room[c][i] > most.v[c] ? n->room[c][i] : most.v[c];
    return most;
}

/* The node at `depth`, whose record says `was` at most, is looked through: none has more now. */
static struct s2_room look_through(const struct s2_imap *map, const struct s2_imap_cursor *at, uint32_t depth,
                                   struct s2_room was)
{
    if (depth == map->height)
        return s2_room_leaf(map->align, at->leaf, s2_imap_before(map, at, depth), was);
    return s2_room_inner(at->node[depth]);
}

void s2_room_changed(struct s2_imap *map, const struct s2_imap_cursor *at, struct s2_room lost, struct s2_room gained)
{
    for (uint32_t depth = map->height; depth > 0; depth--) {
        struct s2_imap_inner *parent = at->node[depth - 1];
        unsigned slot = at->slot[depth - 1];
        struct s2_room was = s2_room_get(parent, slot), now = was;
        bool look = false;

        s2_room_max(&now, gained);
        for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
            look |= gained.v[c] < was.v[c] && lost.v[c] >= was.v[c];
        if (look)
            now = look_through(map, at, depth, now);
        if (s2_room_covers(was, now) && s2_room_covers(now, was))
            return;
        s2_room_set(parent, slot, now);
        lost = was;
        gained = now;
    }
}
