/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Edits of the interval map. They cannot fail: the caller has promised itself s2_imap_need nodes. */
#include "base/imap_balance.h"
#include "base/imap_leaf.h"
#include "base/imap_room.h"

/* Where the gap before the cursor's place begins. */
static uint64_t gap_begin(const struct s2_imap *map, const struct s2_imap_cursor *at)
{
    return at->rank > 0 ? s2_imap_end(at->leaf, at->rank - 1) : s2_imap_before(map, at, map->height);
}

/* --- one entry, wherever it lies ---------------------------------------------------------------------------------- */

/* The last entry of the cursor's leaf ends at `end` now. */
static void end_moved(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t end)
{
    for (uint32_t depth = map->height; depth > 0; depth--) {
        struct s2_imap_inner *n = at->node[depth - 1];

        n->end[at->slot[depth - 1]] = end;
        if (at->slot[depth - 1] + 1u < n->count)
            break;
    }
}

/* The gap before the cursor's entry, of which nothing else has changed, began at `was` and begins at `before` now. */
static void gap_moved(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t was, uint64_t before)
{
    uint64_t start = s2_imap_start(at->leaf, at->rank);

    s2_room_changed(map, at, s2_room_of(map->align, was, start), s2_room_of(map->align, before, start));
}

/* What lies behind the last entry of the cursor's leaf, which ended at `was` and ends at `end` now. */
static void leaf_end_moved(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t was, uint64_t end)
{
    struct s2_imap_cursor next = *at;

    end_moved(map, at, end);
    if (s2_imap_next_leaf(map, &next))
        gap_moved(map, &next, was, end);
}

static void put(struct s2_imap *map, struct s2_imap_cursor *at, const struct s2_ient *e)
{
    struct s2_room lost = S2_ROOM_NONE, gained;
    uint64_t before;

    if (at->leaf->count == S2_IMAP_LEAF)
        s2_imap_make_room(map, at);
    before = gap_begin(map, at);
    gained = s2_room_of(map->align, before, e->start);
    if (at->rank < at->leaf->count) {
        uint64_t next = s2_imap_start(at->leaf, at->rank);

        lost = s2_room_of(map->align, before, next);
        s2_room_max(&gained, s2_room_of(map->align, e->end, next));
    } else {
        end_moved(map, at, e->end);
    }
    s2_leaf_put(at->leaf, at->rank, e);
    map->count++;
    s2_room_changed(map, at, lost, gained);
}

static void drop(struct s2_imap *map, struct s2_imap_cursor *at)
{
    struct s2_imap_leaf *leaf = at->leaf;
    struct s2_ient e = s2_leaf_entry(leaf, at->rank);
    uint64_t before = gap_begin(map, at);

    s2_leaf_drop(leaf, at->rank);
    map->count--;
    if (at->rank < leaf->count) {
        gap_moved(map, at, e.end, before);
    } else {
        s2_room_changed(map, at, s2_room_of(map->align, before, e.start), S2_ROOM_NONE);
        leaf_end_moved(map, at, e.end, before);
    }
    if (map->height > 0 && leaf->count < S2_IMAP_LEAF_MIN) {
        s2_imap_mend(map, at);
        (void)s2_imap_seek(map, e.start, at);
    } else if (at->rank == leaf->count) {
        (void)s2_imap_next_leaf(map, at);
    }
}

/* The entry may reach into those behind it, which are about to change too. */
static void alter(struct s2_imap *map, const struct s2_imap_cursor *at, const struct s2_ient *e)
{
    struct s2_imap_leaf *leaf = at->leaf;
    struct s2_ient was = s2_leaf_entry(leaf, at->rank);
    struct s2_imap_cursor next = *at;

    s2_leaf_write(leaf, at->rank, e);
    if (e->start != was.start) {
        uint64_t before = gap_begin(map, at);

        s2_room_changed(map, at, s2_room_of(map->align, before, was.start), s2_room_of(map->align, before, e->start));
    }
    if (e->end != was.end) {
        if (++next.rank < leaf->count)
            gap_moved(map, &next, was.end, e->end);
        else
            leaf_end_moved(map, at, was.end, e->end);
    }
}

/* --- several at once ---------------------------------------------------------------------------------------------- */

/* Does what changes lie in the cursor's leaf, and do that leaf's end and its fill need no care? */
static bool stays_inside(const struct s2_imap *map, const struct s2_imap_cursor *at, unsigned out, unsigned in)
{
    unsigned behind = at->leaf->count - at->rank, count = at->leaf->count - out + in;

    if (behind < out || count > S2_IMAP_LEAF)
        return false;
    return map->height == 0 || (behind > out && (in >= out || count >= S2_IMAP_LEAF_MIN));
}

/* The most room of the gaps between `before` and each of the entries in turn, and up to `next`. */
static struct s2_room rooms(struct s2_imap_align align, uint64_t before, const struct s2_ient *e, unsigned n,
                            uint64_t next)
{
    struct s2_room most = S2_ROOM_NONE;

    for (; n > 0; n--, e++) {
        s2_room_max(&most, s2_room_of(align, before, e->start));
        before = e->end;
    }
    s2_room_max(&most, s2_room_of(align, before, next));
    return most;
}

/* The same for entries that stand in the leaf. */
static struct s2_room rooms_there(struct s2_imap_align align, uint64_t before, const struct s2_imap_cursor *at,
                                  unsigned n)
{
    struct s2_room most = S2_ROOM_NONE;

    for (unsigned rank = at->rank; rank <= at->rank + n; rank++) {
        unsigned slot = s2_imap_slot(at->leaf, rank);

        s2_room_max(&most, s2_room_of(align, before, at->leaf->rec[slot].start));
        before = at->leaf->end[slot];
    }
    return most;
}

static void splice_inside(struct s2_imap *map, const struct s2_imap_cursor *at, unsigned out, const struct s2_ient *e,
                          unsigned in)
{
    struct s2_room lost = S2_ROOM_NONE, gained = S2_ROOM_NONE;
    unsigned i = 0;

    if (map->height > 0) { /* a leaf that is the root has no record */
        uint64_t before = gap_begin(map, at);

        lost = rooms_there(map->align, before, at, out);
        gained = rooms(map->align, before, e, in, s2_imap_start(at->leaf, at->rank + out));
    }
    for (; i < out && i < in; i++)
        s2_leaf_write(at->leaf, at->rank + i, &e[i]);
    map->count = map->count - out + in;
    for (; out > i; out--)
        s2_leaf_drop(at->leaf, at->rank + i);
    for (; i < in; i++)
        s2_leaf_put(at->leaf, at->rank + i, &e[i]);
    s2_room_changed(map, at, lost, gained);
}

void s2_imap_splice(struct s2_imap *map, struct s2_imap_cursor *at, unsigned out, const struct s2_ient *e, unsigned in)
{
    struct s2_imap_cursor here;

    if (stays_inside(map, at, out, in)) {
        splice_inside(map, at, out, e, in);
        return;
    }
    for (; out > in; out--)
        drop(map, at);
    here = *at;
    for (unsigned i = 0; i < out; i++) {
        alter(map, &here, &e[i]);
        (void)s2_imap_next(map, &here);
    }
    for (unsigned i = in; i > out; i--)
        put(map, &here, &e[i - 1]);
    if (out == 0 && in > 0)
        *at = here; /* on the first one, which was put last */
    else if (in > out)
        (void)s2_imap_seek(map, e[0].start, at);
}

/* --- by key ------------------------------------------------------------------------------------------------------- */

void s2_imap_insert(struct s2_imap *map, const struct s2_ient *e)
{
    struct s2_imap_cursor at;

    (void)s2_imap_seek(map, e->start, &at);
    s2_imap_put(map, &at, e);
}

void s2_imap_erase(struct s2_imap *map, uint64_t start)
{
    struct s2_imap_cursor at;

    (void)s2_imap_seek(map, start, &at);
    s2_imap_drop(map, &at);
}

void s2_imap_set(struct s2_imap *map, uint64_t start, const struct s2_ival *val)
{
    struct s2_imap_cursor at;

    (void)s2_imap_seek(map, start, &at);
    at.leaf->rec[s2_imap_slot(at.leaf, at.rank)].val = *val;
}

void s2_imap_resize(struct s2_imap *map, uint64_t start, uint64_t new_start, uint64_t new_end)
{
    struct s2_imap_cursor at;
    struct s2_ient e;

    (void)s2_imap_seek(map, start, &at);
    e = s2_leaf_entry(at.leaf, at.rank);
    e.start = new_start;
    e.end = new_end;
    s2_imap_alter(map, &at, &e);
}
