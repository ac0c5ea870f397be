/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Search for a free gap, from the root down: a child is entered only when one of its gaps has the room. What the limits cut
 * off can disappoint once per level at each limit; an alignment that the map keeps no account of, S2_IMAP_TRIES times. */
#include "base/bits.h"
#include "base/imap_room.h"

struct wanted {
    const struct s2_imap *map;
    unsigned by; /* the alignment whose account is asked */
    uint64_t lo, hi, size, mask;
    uint64_t least; /* bytes that a gap has, behind its first address so aligned, to be looked at */
    uint32_t room;  /* the same in units */
    uint32_t tries; /* gaps that were looked at and do not fit, before the search stops */
    bool stopped;   /* it did; the gap that it stopped at ends (highest: begins) at `at` */
    uint64_t at;    /* or else the answer */
};

static void ask(struct wanted *w, uint64_t least, unsigned by, uint32_t tries)
{
    uint64_t units = ((least - 1) >> w->map->align.log2[0]) + 1;

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
    uint64_t by = (UINT64_C(1) << w->map->align.log2[w->by]) - 1, from = (start + by) & ~by;

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
    unsigned rank = 0, count = l->count;
    uint64_t size = w->size, order;

    if (before < w->lo) {
        rank = s2_imap_leaf_from(l, w->lo);
        before = rank > 0 ? s2_imap_end(l, rank - 1) : before;
    }
    order = s2_imap_order_from(l, rank);
    for (; rank < count; rank++, order >>= 4) {
        unsigned slot = order & 15u;
        uint64_t start = l->start[slot];

        if (start - before >= size && fits(w, before, start, S2_FIT_LOWEST))
            return true;
        before = l->end[slot];
    }
    return false;
}

static bool leaf_highest(const struct s2_imap_leaf *l, uint64_t before, struct wanted *w)
{
    unsigned last =
        s2_imap_leaf_from(l, w->hi - 1); /* the gap before it may begin below hi, that of the next does not */

    for (unsigned left = last < l->count ? last + 1 : last; left > 0; left--) {
        uint64_t start = s2_imap_start(l, left - 1), end = left > 1 ? s2_imap_end(l, left - 2) : before;

        if (start - end >= w->size && fits(w, end, start, S2_FIT_HIGHEST))
            return true;
    }
    return false;
}

/* Where a search stands in an inner node: of the children that are left, `next` is the first, or (descending) their number;
 * `before` the end of what lies before the node. */
struct stand {
    const struct s2_imap_inner *node;
    unsigned next;
    uint64_t before;
};

static void enter(struct stand *s, const struct s2_imap_inner *node, uint64_t before, const struct wanted *w,
                  enum s2_fit fit)
{
    s->node = node;
    s->before = before;
    if (fit == S2_FIT_HIGHEST)
        s->next = s2_imap_inner_from(node, w->hi - 1) + 1;
    else
        s->next = 0;
}

static uint64_t before_child(const struct stand *s, unsigned i)
{
    return i > 0 ? s->node->end[i - 1] : s->before;
}

/* On to the next child, *i, under which a gap has the room. */
static bool next_child(const struct wanted *w, struct stand *s, enum s2_fit fit, unsigned *i)
{
    const uint32_t *room = s->node->room[w->by];
    unsigned count = s->node->count, at = s->next;
    uint32_t wanted = w->room;

    if (fit == S2_FIT_HIGHEST) {
        while (at > 0 && room[at - 1] < wanted)
            at--;
        s->next = *i = at - 1;
        return at > 0;
    }
    if (s->before >= w->lo) {
        while (at < count && room[at] < wanted)
            at++;
    } else { /* one condition of two, since each alone is hard to foretell */
        while (at < count && ((room[at] < wanted) | (s->node->end[at] <= w->lo)))
            at++;
    }
    s->next = at + 1;
    *i = at;
    return at < count;
}

/* The gaps before entries, from the end that is asked for. */
static bool before_entries(const struct s2_imap *map, struct wanted *w, enum s2_fit fit)
{
    struct stand way[S2_IMAP_HEIGHT], *s;
    const void *node = &map->root;
    uint64_t before = map->lo;
    unsigned i = 0;

    for (uint32_t depth = 0;;) {
        if (depth < map->height)
            enter(&way[depth++], node, before, w, fit);
        else if (fit == S2_FIT_HIGHEST ? leaf_highest(node, before, w) : leaf_lowest(node, before, w))
            return true;
        for (;; depth--) {
            if (depth == 0)
                return false;
            s = &way[depth - 1];
            if (next_child(w, s, fit, &i))
                break;
        }
        before = before_child(s, i);
        if (fit == S2_FIT_HIGHEST ? s->node->end[i] <= w->lo : before >= w->hi)
            return false;
        node = s2_imap_child(map, s->node, i);
    }
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
        return fits(w, last, map->hi, fit) || before_entries(map, w, fit);
    return before_entries(map, w, fit) || fits(w, last, map->hi, fit);
}

/* From where the search stopped: first the gaps in which it must fit, then all. */
static bool search_on(const struct s2_imap *map, struct wanted *w, unsigned by, enum s2_fit fit)
{
    uint64_t slack = w->mask + 1 - (UINT64_C(1) << w->map->align.log2[0]);

    if (fit == S2_FIT_HIGHEST)
        w->hi = w->at;
    else
        w->lo = w->at;
    /* Does not wrap around: S2_IMAP_TRIES gaps of `size` at least have been looked at. */
    ask(w, w->size + slack, 0, UINT32_MAX);
    if (search(map, w, fit))
        return true;
    ask(w, w->size, by, UINT32_MAX);
    return search(map, w, fit);
}

enum s2_err s2_imap_find_gap(const struct s2_imap *map, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                             enum s2_fit fit, uint64_t *out)
{
    struct wanted w = {
        .map = map, .lo = s2_max_u64(lo, map->lo), .hi = s2_min_u64(hi, map->hi), .size = size, .mask = align - 1};
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
