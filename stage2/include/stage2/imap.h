/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The interval map: the one ordered structure of the library. Non-overlapping, non-empty half-open ranges of 64-bit
 * keys, each with a small value; nodes come from a pool and are named by 32-bit index; gaps are indexed.
 *
 * The area set is one over guest-physical addresses, the ledger one over physical addresses, the chunks of an alloc
 * area a third. No locks inside: the owner of the map has one. No operation allocates anything but pool nodes. */
#ifndef STAGE2_IMAP_H
#define STAGE2_IMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/error.h>

/* --- node pool ------------------------------------------------------------------------------------------------- */

/* The size of every pool node, whatever it holds: eleven cache lines, 64-byte aligned. A leaf of 16 entries takes 656
 * bytes, an inner node of 28 children 680. An odd number of lines spreads the nodes over the sets of a cache. */
#define S2_NODE_BYTES 704u
#define S2_NODE_NONE  UINT32_MAX

/* Fixed memory given by the caller, cut into nodes. `reserved` nodes are promised to operations that have planned
 * but not committed. A pool may serve several maps of one owner. */
struct s2_pool {
    unsigned char *base;
    uint32_t count, free_head, free, reserved;
};

/* mem: 64-byte aligned, bytes / S2_NODE_BYTES nodes. Never fails (a pool of 0 nodes is a pool). */
void s2_pool_init(struct s2_pool *pool, void *mem, size_t bytes);
/* Promise n nodes; S2_ENODES and no effect when free - reserved < n. */
S2_NODISCARD enum s2_err s2_pool_reserve(struct s2_pool *pool, uint32_t n);
/* pre: so many are promised. */
void s2_pool_unreserve(struct s2_pool *pool, uint32_t n);
/* Is the free list sound? Null, or a static phrase. O(nodes). */
const char *s2_pool_check(const struct s2_pool *pool);

/* --- the map --------------------------------------------------------------------------------------------------- */

struct s2_ival {
    uint64_t w[3];
};
struct s2_ient {
    uint64_t start, end;
    struct s2_ival val;
};

#define S2_IMAP_LEAF  16u /* entries in a leaf */
#define S2_IMAP_INNER 28u /* children of an inner node */
/* Levels of inner nodes. Only the last leaf of a map may have fewer than 6 entries and only the last inner node of a level
 * fewer than 8 children, but never fewer than 2; with fewer than 2^32 nodes 8^(h-1) < 2^32, hence h <= 11. */
#define S2_IMAP_HEIGHT 11u

/* What gaps are measured and searched by: alignments as log2, ascending, at most 63. [0] is the unit: every key of the map is a
 * multiple of it. Of [1] and [2] (leaf sizes of translation tables) the map knows, as of the unit, how much room each gap has
 * behind its first address so aligned. 63 where none matters: hardly a key is so aligned, and an edit has nothing to keep. */
#define S2_IMAP_ALIGNS 3u
struct s2_imap_align {
    uint8_t log2[S2_IMAP_ALIGNS];
};
#define S2_IMAP_BYTES ((struct s2_imap_align){{0, 63, 63}})

/* The nodes; their fields are the map's own. Slots of `end` that hold nothing are UINT64_MAX (which is the end of no entry
 * but one, that ends the key space), so that a search counts a whole array without a branch; and of `start` 0, so that no gap
 * lies before them. */
struct s2_imap_leaf {
    uint64_t end[S2_IMAP_LEAF]; /* in no order: what counts how many are below a key need not have them sorted */
    uint64_t start[S2_IMAP_LEAF];
    uint64_t order; /* sixteen digits of four bits: digit i is the slot of entry i, or, past count, a free slot */
    uint16_t count;
    struct s2_ival val[S2_IMAP_LEAF];
};
/* Of each child: the end of its last entry, and for each alignment the most room, in units, that a gap before one of its
 * entries has (the gap before its first entry, which begins in the sibling before it, is its own); UINT32_MAX: that or more. */
struct s2_imap_inner {
    uint64_t end[S2_IMAP_INNER]; /* ascending */
    uint32_t child[S2_IMAP_INNER];
    uint32_t room[S2_IMAP_ALIGNS][S2_IMAP_INNER];
    uint16_t count;
};

struct s2_imap {
    struct s2_pool *pool;
    uint64_t lo, hi; /* every entry lies in [lo, hi); gaps are gaps in it */
    uint64_t count;  /* entries */
    uint32_t height; /* levels of inner nodes; 0: the root leaf is the whole map */
    uint32_t nodes;  /* pool nodes in use by this map */
    struct s2_imap_align align;
    union {                         /* the root is inline: 16 entries or fewer take no node at all */
        struct s2_imap_leaf leaf;   /* height == 0 */
        struct s2_imap_inner inner; /* height > 0 */
    } root;
};

/* lo < hi, multiples of the unit. Never fails. */
void s2_imap_init(struct s2_imap *map, struct s2_pool *pool, uint64_t lo, uint64_t hi, struct s2_imap_align align);

/* The worst-case number of pool nodes that `inserts` insertions can take, in any order, with any erasures between; 0
 * for none, and while all of them fit in the root leaf. An insertion splits at most one leaf and the inner node at each
 * level; a root that splits moves out by two nodes, so height + 2. The height grows only when the root is full, and a
 * root that has grown has two children, so another 26 insertions cannot make it grow again: inserts * (height + 2 +
 * inserts / 26) covers any number.
 *
 * What two operations need together is not the sum of their needs, since each may count on the same room in the root: ask once
 * for all insertions. And it is what they need of the map as it is now: once others have inserted, it may be more. */
uint32_t s2_imap_need(const struct s2_imap *map, uint32_t inserts);
/* The same, when meanwhile nobody else changes the map or takes from the pool, so that nodes which come back are there
 * for the next insertion: no more than the emptiest map of that many entries has, less what this one has. */
uint32_t s2_imap_need_alone(const struct s2_imap *map, uint32_t inserts);
/* So many entries fit, whatever the order of insertions and erasures that led there, in a map whose pool of that many nodes
 * serves no other, each insertion with its need promised. About 5 for each node; 16 without any. */
uint64_t s2_imap_capacity(uint32_t nodes);

/* Lookups: O(log n); true and *out (which may be null) when there is one. As all that takes a const map, they write nothing in
 * it or its nodes: the owner's lock held shared is enough. */
bool s2_imap_find(const struct s2_imap *map, uint64_t key, struct s2_ient *out);       /* entry that holds key */
bool s2_imap_find_from(const struct s2_imap *map, uint64_t key, struct s2_ient *out);  /* first with end > key */
bool s2_imap_find_below(const struct s2_imap *map, uint64_t key, struct s2_ient *out); /* last with start < key */
static inline bool s2_imap_overlaps(const struct s2_imap *map, uint64_t start, uint64_t end, struct s2_ient *out)
{
    struct s2_ient e;
    if (start >= end || !s2_imap_find_from(map, start, &e) || e.start >= end)
        return false;
    if (out)
        *out = e;
    return true;
}

/* --- cursors --------------------------------------------------------------------------------------------------- */

/* A place in a map: an entry, or the end behind the last one. Good until the map changes other than through this cursor, or
 * moves: its root is part of it.
 * Its fields are the map's own. */
struct s2_imap_cursor {
    struct s2_imap_leaf *leaf;
    uint32_t rank; /* in the leaf; its count: the end of the map */
    uint8_t slot[S2_IMAP_HEIGHT];
    struct s2_imap_inner *node[S2_IMAP_HEIGHT]; /* the way down, with the child that was taken in `slot` */
};

/* To the first entry with end > key, O(log n); false: there is none, the cursor is at the end. */
bool s2_imap_seek(const struct s2_imap *map, uint64_t key, struct s2_imap_cursor *at);

/* The entry there; false at the end. O(1). */
static inline bool s2_imap_get(const struct s2_imap_cursor *at, struct s2_ient *out)
{
    const struct s2_imap_leaf *leaf = at->leaf;
    unsigned slot;

    if (at->rank >= leaf->count)
        return false;
    slot = leaf->order >> (4 * at->rank) & 15u;
    *out = (struct s2_ient){leaf->start[slot], leaf->end[slot], leaf->val[slot]};
    return true;
}

/* On to the next entry; false: that was the last, the cursor is at the end. O(1) on average, as is prev: back to the one
 * before; false and no move at the first. */
bool s2_imap_next_leaf(const struct s2_imap *map, struct s2_imap_cursor *at);
bool s2_imap_prev(const struct s2_imap *map, struct s2_imap_cursor *at);
static inline bool s2_imap_next(const struct s2_imap *map, struct s2_imap_cursor *at)
{
    return ++at->rank < at->leaf->count || s2_imap_next_leaf(map, at);
}

/* Iteration over what meets [start, end):
 *   for (ok = s2_imap_seek(map, start, &at); ok && s2_imap_get(&at, &e) && e.start < end; ok = s2_imap_next(map, &at))
 * and, valid whatever the body does to the map, for (k = start; s2_imap_find_from(map, k, &e) && e.start < end; k = e.end).
 * s2_imap_walk calls fn in ascending order on every such entry until it returns false; fn must not change the map. */
typedef bool s2_imap_fn(void *arg, const struct s2_ient *e);
void s2_imap_walk(const struct s2_imap *map, uint64_t start, uint64_t end, s2_imap_fn *fn, void *arg);

/* Edits at a cursor, O(1) on average for each entry. They cannot fail: the caller has checked the preconditions and reserved
 * the nodes (a promise is kept, not spent: the operation gives the whole of it back with s2_pool_unreserve at its end).
 *
 * The `out` entries from the cursor on give way to the `in` entries at e, in one step. The cursor is then on the first of
 * these; with none, on what follows. pre: so many entries are there; those that come are ascending, not empty, do not overlap,
 * and lie between the entry before the cursor and the one behind those that go. Takes nodes as in - out insertions, none when
 * no more come than go. */
void s2_imap_splice(struct s2_imap *map, struct s2_imap_cursor *at, unsigned out, const struct s2_ient *e, unsigned in);
static inline void s2_imap_put(struct s2_imap *map, struct s2_imap_cursor *at, const struct s2_ient *e)
{
    s2_imap_splice(map, at, 0, e, 1);
}
static inline void s2_imap_drop(struct s2_imap *map, struct s2_imap_cursor *at)
{
    s2_imap_splice(map, at, 1, NULL, 0);
}
static inline void s2_imap_alter(struct s2_imap *map, struct s2_imap_cursor *at, const struct s2_ient *e)
{
    s2_imap_splice(map, at, 1, e, 1);
}

/* The same by key, O(log n). */
void s2_imap_insert(struct s2_imap *map, const struct s2_ient *e);                /* pre: no overlap, inside limits */
void s2_imap_erase(struct s2_imap *map, uint64_t start);                          /* pre: an entry starts there */
void s2_imap_set(struct s2_imap *map, uint64_t start, const struct s2_ival *val); /* pre: an entry starts there */
/* Moves the ends of the entry at `start`; it may grow into free space or shrink. pre: an entry starts there; as alter. */
void s2_imap_resize(struct s2_imap *map, uint64_t start, uint64_t new_start, uint64_t new_end);
/* Gives every node back. */
void s2_imap_clear(struct s2_imap *map);

/* --- gaps ------------------------------------------------------------------------------------------------------- */

enum s2_fit { S2_FIT_LOWEST, S2_FIT_HIGHEST };
/* The lowest (highest) place for `size` bytes, aligned to `align` (a power of two), wholly inside [lo, hi), the map's own
 * limits, and a gap. S2_EINVAL: size 0, lo >= hi. S2_EALIGN: align 0 or not a power of two. S2_ENOENT: none.
 *
 * O(log n) and exact for alignments up to the unit and for the map's larger two. Another alignment may meet gaps that have the
 * room by the next smaller of these and yet do not fit, each of which costs a step and at most a descent. After
 * S2_IMAP_TRIES of them the search goes on from there to the lowest (highest) gap of at least size + align - unit, in which it
 * must fit; only when there is none does it look at every gap with room. So it is O(log n) whenever such a gap exists, and an
 * answer is always found when there is one. A size of 2^32 units or more may meet gaps that are as large and do not do: fewer than
 * (hi - lo) / 2^32 units. */
#define S2_IMAP_TRIES 32u
S2_NODISCARD enum s2_err s2_imap_find_gap(const struct s2_imap *map, uint64_t lo, uint64_t hi, uint64_t size,
                                          uint64_t align, enum s2_fit fit, uint64_t *out);

/* Structural check for tests and debug builds: order, balance, gap maxima, counts. Null when sound, else a static
 * phrase. */
const char *s2_imap_check(const struct s2_imap *map);
/* The same for the nodes that an edit in [start, end) can have touched, and their neighbours: O(log n). */
const char *s2_imap_check_near(const struct s2_imap *map, uint64_t start, uint64_t end);

#endif
