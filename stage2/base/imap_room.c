/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "base/imap_room.h"

uint32_t s2_room_leaf(struct s2_imap_align align, unsigned c, const struct s2_imap_leaf *l, uint64_t before)
{
    uint32_t most = 0;

    for (unsigned i = 0; i < l->count; i++) {
        unsigned slot = s2_imap_slot(l, i);
        uint32_t room = s2_room_by(align, c, before, l->rec[slot].start);

        most = room > most ? room : most;
        before = l->end[slot];
    }
    return most;
}

uint32_t s2_room_inner(const struct s2_imap_inner *n, unsigned c)
{
    uint32_t most = 0;

    for (unsigned i = 0; i < n->count; i++)
        most = n->room[c][i] > most ? n->room[c][i] : most;
    return most;
}

static uint32_t look_through(const struct s2_imap *map, const struct s2_imap_cursor *at, uint32_t depth, unsigned c)
{
    if (depth == map->height)
        return s2_room_leaf(map->align, c, at->leaf, s2_imap_before(map, at, depth));
    return s2_room_inner(at->node[depth], c);
}

void s2_room_changed(struct s2_imap *map, const struct s2_imap_cursor *at, struct s2_room lost, struct s2_room gained)
{
    bool changed = true;

    for (uint32_t depth = map->height; depth > 0 && changed; depth--) {
        struct s2_imap_inner *parent = at->node[depth - 1];
        unsigned slot = at->slot[depth - 1];

        changed = false;
        for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++) {
            uint32_t was = parent->room[c][slot], now = was;

            if (gained.v[c] >= was)
                now = gained.v[c];
            else if (lost.v[c] >= was)
                now = look_through(map, at, depth, c); /* the largest went */
            changed |= now != was;
            parent->room[c][slot] = now;
            lost.v[c] = was;
            gained.v[c] = now;
        }
    }
}
