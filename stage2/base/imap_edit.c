/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Edits of the interval map. They cannot fail: the caller has promised itself s2_imap_need nodes. */
#include "base/bits.h"
#include "base/imap_balance.h"
#include "base/imap_leaf.h"
#include "base/imap_room.h"

/* --- inside one leaf ---------------------------------------------------------------------------------------------- */

/* Where the gap before the cursor's place begins. */
static uint64_t gap_begin(const struct s2_imap *map, const struct s2_imap_cursor *at)
{
    return at->rank > 0 ? s2_imap_end(at->leaf, at->rank - 1) : s2_imap_before(map, at, map->height);
}

static void edit(struct s2_imap *map, struct s2_imap_cursor *at, unsigned out, const struct s2_ient *e, unsigned in)
{
    unsigned both = out < in ? out : in;

    for (unsigned i = 0; i < both; i++)
        s2_leaf_write(at->leaf, at->rank + i, &e[i]);
    for (unsigned i = both; i < out; i++)
        s2_leaf_drop(at->leaf, at->rank + both);
    for (unsigned i = both; i < in; i++)
        s2_leaf_put(at->leaf, at->rank + i, &e[i]);
    map->count = map->count - out + in;
}

/* The last entry of the cursor's leaf ended at `was` and ends at `end` now: so say those above, and the gap behind it, which is
 * in the next leaf, has changed. */
static void end_moved(struct s2_imap *map, const struct s2_imap_cursor *at, uint64_t was, uint64_t end)
{
    struct s2_imap_cursor next = *at;
    uint32_t depth = map->height;
    struct s2_imap_inner *n;

    do {
        n = at->node[--depth];
        n->end[at->slot[depth]] = end;
    } while (depth > 0 && at->slot[depth] + 1u == n->count);
    if (s2_imap_next_leaf(map, &next))
        s2_room_changed(map, &next, s2_min_u64(was, end), s2_imap_start(next.leaf, 0));
}

/* The splice when all that goes and comes is in the cursor's leaf, which has the slots. It may be left with too few. */
static void replace(struct s2_imap *map, struct s2_imap_cursor *at, unsigned out, const struct s2_ient *e, unsigned in)
{
    const struct s2_imap_leaf *leaf = at->leaf;
    uint64_t begin, from, was, end;

    if (map->height == 0) { /* no records of the root */
        edit(map, at, out, e, in);
        return;
    }
    begin = from = gap_begin(map, at);
    if (out > 0) /* what came to the leaf before may reach beyond what goes here */
        from = s2_min_u64(begin, s2_imap_start(leaf, at->rank));
    was = leaf->count > 0 ? s2_imap_end(leaf, leaf->count - 1u) : begin;
    edit(map, at, out, e, in);
    end = leaf->count > 0 ? s2_imap_end(leaf, leaf->count - 1u) : begin;
    if (end != was)
        end_moved(map, at, was, end);
    s2_room_changed(map, at, from,
                    at->rank + in < leaf->count ? s2_imap_start(leaf, at->rank + in) : s2_max_u64(was, end));
}

/* --- wherever it lies --------------------------------------------------------------------------------------------- */

static void put(struct s2_imap *map, struct s2_imap_cursor *at, const struct s2_ient *e)
{
    if (at->leaf->count == S2_IMAP_LEAF)
        s2_imap_make_room(map, at);
    replace(map, at, 0, e, 1);
}

static void drop(struct s2_imap *map, struct s2_imap_cursor *at)
{
    uint64_t start = s2_imap_start(at->leaf, at->rank);

    replace(map, at, 1, NULL, 0);
    if (s2_imap_mend(map, at))
        (void)s2_imap_seek(map, start, at);
    else if (at->rank == at->leaf->count)
        (void)s2_imap_next_leaf(map, at);
}

/* As many come as go. On to what follows. Between two leaves, those that came may reach into those that are still to go. */
static void exchange(struct s2_imap *map, struct s2_imap_cursor *at, unsigned n, const struct s2_ient *e)
{
    while (n > 0) {
        unsigned here = at->leaf->count - at->rank, some = n < here ? n : here;

        replace(map, at, some, e, some);
        at->rank += some - 1;
        (void)s2_imap_next(map, at);
        e += some;
        n -= some;
    }
}

/* Can one leaf take it, and neither it nor the map be left with too few? */
static bool fits_leaf(const struct s2_imap *map, const struct s2_imap_cursor *at, unsigned out, unsigned in)
{
    unsigned behind = at->leaf->count - at->rank, count = at->leaf->count - out + in;

    if (out > behind || count > S2_IMAP_LEAF)
        return false;
    return in >= out || map->height == 0 || (count >= S2_IMAP_LEAF_MIN && map->count - out + in > S2_IMAP_LEAF);
}

void s2_imap_splice(struct s2_imap *map, struct s2_imap_cursor *at, unsigned out, const struct s2_ient *e, unsigned in)
{
    struct s2_imap_cursor here;

    if (fits_leaf(map, at, out, in)) {
        replace(map, at, out, e, in);
        if (at->rank == at->leaf->count)
            (void)s2_imap_next_leaf(map, at);
        return;
    }
    for (; out > in; out--)
        drop(map, at);
    here = *at;
    exchange(map, &here, out, e);
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
