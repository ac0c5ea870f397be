/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Search for a free gap, from the root down: a child is entered only when one of its gaps has the room. What the limits cut
 * off can disappoint once per level at each limit; an alignment that the map keeps no account of, S2_IMAP_TRIES times. */
#include "base/bits.h"
#include "base/imap_room.h"

struct wanted {
    struct s2_imap_align align; /* of the map */
    unsigned by;                /* the one whose account is asked */
    uint64_t lo, hi, size, mask;
    uint64_t least; /* bytes that a gap has, behind its first address so aligned, to be looked at */
    uint32_t room;  /* the same in units */
    uint32_t tries; /* gaps that were looked at and do not fit, before the search stops */
    bool stopped;   /* it did; the gap that it stopped at ends (highest: begins) at `at` */
    uint64_t at;    /* or else the answer */
};

static void ask(struct wanted *w, uint64_t least, unsigned by, uint32_t tries)
{
    uint64_t unit = UINT64_C(1) << w->align.log2[0], units = (least - 1) / unit + 1;

    w->least = least;
    w->room = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
    w->by = by;
    w->tries = tries;
    w->stopped = false;
}

/* Is [start, end) a gap to look at, and does it fit there, as far as that lies in the limits? */
static bool fits(struct wanted *w, uint64_t start, uint64_t end, enum s2_fit fit)
{
    uint64_t lo = s2_max_u64(start, w->lo), hi = s2_min_u64(end, w->hi), at;
    uint64_t by = (UINT64_C(1) << w->align.log2[w->by]) - 1, from = (start + by) & ~by;

    if (lo >= hi || from < start || from >= end || end - from < w->least)
        return false;
    if (hi - lo >= w->size) {
        /* A sum that wraps comes out below lo. */
        at = fit == S2_FIT_HIGHEST ? (hi - w->size) & ~w->mask : (lo + w->mask) & ~w->mask;
        if (at >= lo && at <= hi - w->size) {
            w->at = at;
            return true;
        }
    }
    if (--w->tries == 0) {
        w->stopped = true;
        w->at = fit == S2_FIT_HIGHEST ? start : end;
    }
    return w->stopped;
}

/* The gaps of a leaf, whose first one begins at `before`; true: the search is over. */
static bool leaf_lowest(const struct s2_imap_leaf *l, uint64_t before, struct wanted *w)
{
    unsigned rank = before < w->lo ? s2_imap_leaf_from(l, w->lo) : 0;

    if (rank > 0)
        before = s2_imap_end(l, rank - 1);
    for (; rank < l->count && before < w->hi; rank++) {
        unsigned slot = s2_imap_slot(l, rank);

        if (fits(w, before, l->rec[slot].start, S2_FIT_LOWEST))
            return true;
        before = l->end[slot];
    }
    return false;
}

static bool leaf_highest(const struct s2_imap_leaf *l, uint64_t before, struct wanted *w)
{
    unsigned left = s2_imap_leaf_from(l, w->hi - 1) + 1; /* the gap behind the last entry that ends before hi too */

    for (left = left < l->count ? left : l->count; left > 0; left--) {
        uint64_t start = s2_imap_start(l, left - 1), end = left > 1 ? s2_imap_end(l, left - 2) : before;

        if (start <= w->lo)
            return false;
        if (fits(w, end, start, S2_FIT_HIGHEST))
            return true;
    }
    return false;
}

/* The gaps before the entries under a node, ascending. Recursion: once per level, at most S2_IMAP_HEIGHT deep. */
static bool lowest(const struct s2_imap *map, const void *node, uint32_t levels, uint64_t before, struct wanted *w)
{
    const struct s2_imap_inner *n = node;
    const uint32_t *room = n->room[w->by];

    if (levels == 0)
        return leaf_lowest(node, before, w);
    for (unsigned i = before < w->lo ? s2_imap_inner_from(n, w->lo) : 0; i < n->count; i++) {
        if (room[i] < w->room)
            continue;
        if (i > 0)
            before = n->end[i - 1];
        if (before >= w->hi)
            return false;
        if (lowest(map, s2_imap_child(map, n, i), levels - 1, before, w))
            return true;
    }
    return false;
}

/* The same, descending. */
static bool highest(const struct s2_imap *map, const void *node, uint32_t levels, uint64_t before, struct wanted *w)
{
    const struct s2_imap_inner *n = node;
    const uint32_t *room = n->room[w->by];

    if (levels == 0)
        return leaf_highest(node, before, w);
    for (unsigned i = s2_imap_inner_from(n, w->hi - 1) + 1; i > 0; i--) {
        if (room[i - 1] < w->room)
            continue;
        if (n->end[i - 1] <= w->lo)
            return false;
        if (highest(map, s2_imap_child(map, n, i - 1), levels - 1, i > 1 ? n->end[i - 2] : before, w))
            return true;
    }
    return false;
}

static uint64_t last_end(const struct s2_imap *map)
{
    if (map->count == 0)
        return map->lo;
    return map->height > 0 ? map->root.inner.end[map->root.inner.count - 1u]
                           : s2_imap_end(&map->root.leaf, map->root.leaf.count - 1u);
}

/* Every gap, from the end that is asked for. */
static bool search(const struct s2_imap *map, struct wanted *w, enum s2_fit fit)
{
    uint64_t last = last_end(map);

    if (w->lo >= w->hi)
        return false;
    if (fit == S2_FIT_HIGHEST)
        return fits(w, last, map->hi, fit) || highest(map, &map->root, map->height, map->lo, w);
    return lowest(map, &map->root, map->height, map->lo, w) || fits(w, last, map->hi, fit);
}

/* From where the search stopped: first the gaps in which it must fit, then all. */
static bool search_on(const struct s2_imap *map, struct wanted *w, unsigned by, enum s2_fit fit)
{
    uint64_t slack = w->mask + 1 - (UINT64_C(1) << w->align.log2[0]);

    if (fit == S2_FIT_HIGHEST)
        w->hi = w->at;
    else
        w->lo = w->at;
    if (w->size <= UINT64_MAX - slack) {
        ask(w, w->size + slack, 0, UINT32_MAX);
        if (search(map, w, fit))
            return true;
    }
    ask(w, w->size, by, UINT32_MAX);
    return search(map, w, fit);
}

enum s2_err s2_imap_find_gap(const struct s2_imap *map, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                             enum s2_fit fit, uint64_t *out)
{
    struct wanted w = {.align = map->align,
                       .lo = s2_max_u64(lo, map->lo),
                       .hi = s2_min_u64(hi, map->hi),
                       .size = size,
                       .mask = align - 1};
    unsigned by = 0;
    bool found;

    if (size == 0 || lo >= hi)
        return S2_EINVAL;
    if (!s2_is_pow2(align))
        return S2_EALIGN;
    while (by + 1 < S2_IMAP_ALIGNS && align >> map->align.log2[by + 1])
        by++;
    ask(&w, size, by, align >> map->align.log2[by] > 1 ? S2_IMAP_TRIES : UINT32_MAX);
    found = search(map, &w, fit);
    if (w.stopped)
        found = search_on(map, &w, by, fit);
    if (!found)
        return S2_ENOENT;
    *out = w.at;
    return S2_OK;
}
