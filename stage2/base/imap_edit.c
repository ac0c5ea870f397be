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

/* The last entry of the cursor's leaf ends at `end` now, and the gap behind it is another. */
static void leaf_end_moved(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t end)
{
    struct s2_imap_cursor next = *at;
    struct s2_imap_inner *n;
    uint32_t depth = map->height;

    do {
        n = at->node[--depth];
        n->end[at->slot[depth]] = end;
    } while (depth > 0 && at->slot[depth] + 1u == n->count);
    if (s2_imap_next_leaf(map, &next))
        s2_room_changed(map, &next, &S2_ROOM_ALL_CHANGED);
}

/* The cursor's leaf, whose last entry ended at `was`, has been edited. */
static void leaf_changed(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t was)
{
    const struct s2_imap_leaf *leaf = at->leaf;
    uint64_t end;

    if (map->height == 0)
        return; /* it is the root, of which there is no record */
    end = leaf->count > 0 ? s2_imap_end(leaf, leaf->count - 1u) : s2_imap_before(map, at, map->height);
    if (end != was)
        leaf_end_moved(map, at, end);
    s2_room_changed(map, at, &S2_ROOM_ALL_CHANGED);
}

static uint64_t leaf_end(const struct s2_imap_leaf *leaf)
{
    return leaf->count > 0 ? s2_imap_end(leaf, leaf->count - 1u) : 0;
}

static void put(struct s2_imap *map, struct s2_imap_cursor *at, const struct s2_ient *e)
{
    uint64_t end;

    if (at->leaf->count == S2_IMAP_LEAF)
        s2_imap_make_room(map, at);
    end = leaf_end(at->leaf);
    s2_leaf_put(at->leaf, at->rank, e);
    map->count++;
    leaf_changed(map, at, end);
}

static void drop(struct s2_imap *map, struct s2_imap_cursor *at)
{
    struct s2_imap_leaf *leaf = at->leaf;
    uint64_t start = s2_imap_start(leaf, at->rank), end = leaf_end(leaf);

    s2_leaf_drop(leaf, at->rank);
    map->count--;
    leaf_changed(map, at, end);
    if (map->height > 0 && leaf->count < S2_IMAP_LEAF_MIN) {
        s2_imap_mend(map, at);
        (void)s2_imap_seek(map, start, at);
    } else if (at->rank == leaf->count) {
        (void)s2_imap_next_leaf(map, at);
    }
}

/* The entry may reach into those behind it, which are about to change too. */
static void alter(struct s2_imap *map, const struct s2_imap_cursor *at, const struct s2_ient *e)
{
    uint64_t end = leaf_end(at->leaf);

    s2_leaf_write(at->leaf, at->rank, e);
    leaf_changed(map, at, end);
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

/* The widest of the gaps before the n entries from the cursor on, the first of which begins at `before`, and before the next. */
static uint64_t widest(const struct s2_imap_cursor *at, unsigned n, uint64_t before)
{
    uint64_t most = 0;

    for (unsigned rank = at->rank; rank <= at->rank + n; rank++) {
        uint64_t gap = s2_imap_start(at->leaf, rank) - before;

        most = gap > most ? gap : most;
        before = s2_imap_end(at->leaf, rank);
    }
    return most;
}

static void splice_inside(struct s2_imap *map, const struct s2_imap_cursor *at, unsigned out, const struct s2_ient *e,
                          unsigned in)
{
    unsigned both = out < in ? out : in;
    struct s2_room_change change = {0};

    if (map->height > 0) {
        change.from = gap_begin(map, at);
        change.lost = in > 0 ? widest(at, out, change.from) : 0; /* else what comes is wider than what went */
    }
    for (unsigned i = 0; i < both; i++)
        s2_leaf_write(at->leaf, at->rank + i, &e[i]);
    for (unsigned i = both; i < out; i++)
        s2_leaf_drop(at->leaf, at->rank + both);
    for (unsigned i = both; i < in; i++)
        s2_leaf_put(at->leaf, at->rank + i, &e[i]);
    map->count = map->count - out + in;
    if (map->height > 0) {
        change.to = s2_imap_start(at->leaf, at->rank + in);
        change.gained = widest(at, in, change.from);
        s2_room_changed(map, at, &change);
    }
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
    at.leaf->val[s2_imap_slot(at.leaf, at.rank)] = *val;
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
