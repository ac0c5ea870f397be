/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Search for a free gap, from the root down. A child is entered only when its largest gap is big enough; what the
 * limits cut off can disappoint once per level at each limit, so the search is O(log n) for an alignment that the ends
 * of every gap have. A larger alignment may in addition reject gaps that are big enough: each costs a descent. */
#include "base/bits.h"
#include "base/imap_node.h"

struct wanted {
    uint64_t lo, hi, size, align;
    enum s2_fit fit;
    uint64_t at; /* the answer */
};

/* Does it fit in [start, end), as far as that lies in the limits? */
static bool fits(struct wanted *w, uint64_t start, uint64_t end)
{
    uint64_t lo = s2_max_u64(start, w->lo), hi = s2_min_u64(end, w->hi), mask = w->align - 1, at;

    if (lo >= hi || hi - lo < w->size)
        return false;
    if (w->fit == S2_FIT_HIGHEST)
        at = (hi - w->size) & ~mask;
    else
        at = (lo + mask) & ~mask; /* a sum that wraps comes out below lo */
    if (at < lo || at > hi - w->size)
        return false;
    w->at = at;
    return true;
}

/* The gaps between the entries of a leaf, ascending. */
static bool leaf_lowest(const struct s2_imap_leaf *l, struct wanted *w)
{
    unsigned from = s2_imap_leaf_from(l, w->lo);

    for (unsigned i = from > 0 ? from : 1; i < l->count && l->end[i - 1] < w->hi; i++)
        if (fits(w, l->end[i - 1], l->start[i]))
            return true;
    return false;
}

/* The same, descending. */
static bool leaf_highest(const struct s2_imap_leaf *l, struct wanted *w)
{
    unsigned below = s2_imap_rank(l->start, S2_IMAP_LEAF, w->hi - 1); /* entries that start before hi */

    for (unsigned i = below < l->count ? below : below - 1; i > 0 && l->start[i] > w->lo; i--)
        if (fits(w, l->end[i - 1], l->start[i]))
            return true;
    return false;
}

/* The gaps inside the hull of a node. Recursion: once per level, at most S2_IMAP_HEIGHT deep. */
static bool lowest(const struct s2_imap *map, const void *node, uint32_t depth, struct wanted *w)
{
    const struct s2_imap_inner *n = node;

    if (depth == map->height)
        return leaf_lowest(node, w);
    for (unsigned i = s2_imap_inner_from(n, w->lo); i < n->count; i++) {
        if (i > 0 && fits(w, n->end[i - 1], n->start[i]))
            return true;
        if (n->start[i] >= w->hi)
            return false;
        if (n->gap[i] >= w->size && lowest(map, s2_imap_child(map, n, i), depth + 1, w))
            return true;
    }
    return false;
}

/* The same, descending; i counts the children that are left. */
static bool highest(const struct s2_imap *map, const void *node, uint32_t depth, struct wanted *w)
{
    const struct s2_imap_inner *n = node;

    if (depth == map->height)
        return leaf_highest(node, w);
    for (unsigned i = s2_imap_rank(n->start, S2_IMAP_INNER, w->hi - 1); i > 0; i--) {
        if (i < n->count && fits(w, n->end[i - 1], n->start[i]))
            return true;
        if (n->end[i - 1] <= w->lo)
            return false;
        if (n->gap[i - 1] >= w->size && highest(map, s2_imap_child(map, n, i - 1), depth + 1, w))
            return true;
    }
    return false;
}

/* The gaps before, inside and behind the hull of all entries, from the end that is asked for. */
static bool search(const struct s2_imap *map, struct wanted *w)
{
    uint64_t start, end;

    if (map->count == 0)
        return fits(w, map->lo, map->hi);
    if (map->height == 0) {
        start = map->root.leaf.start[0];
        end = map->root.leaf.end[map->root.leaf.count - 1u];
    } else {
        start = map->root.inner.start[0];
        end = map->root.inner.end[map->root.inner.count - 1u];
    }
    if (w->fit == S2_FIT_HIGHEST)
        return fits(w, end, map->hi) || highest(map, &map->root, 0, w) || fits(w, map->lo, start);
    return fits(w, map->lo, start) || lowest(map, &map->root, 0, w) || fits(w, end, map->hi);
}

enum s2_err s2_imap_find_gap(const struct s2_imap *map, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                             enum s2_fit fit, uint64_t *out)
{
    struct wanted w = {
        .lo = s2_max_u64(lo, map->lo), .hi = s2_min_u64(hi, map->hi), .size = size, .align = align, .fit = fit};

    if (size == 0 || lo >= hi)
        return S2_EINVAL;
    if (!s2_is_pow2(align))
        return S2_EALIGN;
    if (w.lo >= w.hi || !search(map, &w))
        return S2_ENOENT;
    *out = w.at;
    return S2_OK;
}
