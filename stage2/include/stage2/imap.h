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

/* The size of every pool node, whatever it holds: eleven cache lines, 64-byte aligned. A leaf of 16 entries of 40 bytes
 * takes 640 and a counter; the same node seen as an inner one has room for 24 children of 28 bytes. 512 bytes would hold
 * only 12 entries in a pool leaf, and an inline leaf of 16 could then not move out by one copy. */
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
#define S2_IMAP_INNER 24u /* children of an inner node */
/* Levels of inner nodes. A leaf that is not the root has at least 6 entries, an inner node that is not the root 8
 * children, the root 2; with fewer than 2^32 nodes 2 * 8^(h-1) < 2^32, hence h <= 11. */
#define S2_IMAP_HEIGHT 11u

/* The nodes; their fields are the map's own. Unused slots of start and end hold UINT64_MAX (no key can: an entry is not
 * empty), so that a search counts a whole array without a branch. */
struct s2_imap_leaf {
    uint64_t start[S2_IMAP_LEAF], end[S2_IMAP_LEAF];
    struct s2_ival val[S2_IMAP_LEAF];
    uint16_t count, level; /* level 0 */
};
/* Of each child: the exact hull [start, end) of its entries and the largest gap inside that hull. The gap between two
 * neighbours is start[i + 1] - end[i], so that an edit changes only what lies on the path to the root. */
struct s2_imap_inner {
    uint64_t start[S2_IMAP_INNER];
    uint32_t child[S2_IMAP_INNER];
    uint64_t end[S2_IMAP_INNER], gap[S2_IMAP_INNER];
    uint16_t count, level; /* inner levels from here down, so 1 and more */
};

struct s2_imap {
    struct s2_pool *pool;
    uint64_t lo, hi;                /* every entry lies in [lo, hi); gaps are gaps in it */
    uint64_t count;                 /* entries */
    uint32_t height;                /* levels of inner nodes; 0: the root leaf is the whole map */
    uint32_t nodes;                 /* pool nodes in use by this map */
    union {                         /* the root is inline: up to 16 entries take no node at all */
        struct s2_imap_leaf leaf;   /* height == 0 */
        struct s2_imap_inner inner; /* height > 0 */
    } root;
};

/* lo < hi. Never fails. */
void s2_imap_init(struct s2_imap *map, struct s2_pool *pool, uint64_t lo, uint64_t hi);

/* The worst-case number of pool nodes that `inserts` insertions can take, in any order, with any erasures between; 0
 * for none, and while all of them fit in the root leaf. An insertion splits at most one leaf and the inner node at each
 * level; a root that splits moves out by two nodes, so height + 2. The height grows only when the root is full, and a
 * root that has grown has two children, so another 22 insertions cannot make it grow again: inserts * (height + 2 +
 * inserts / 22) covers any number. */
uint32_t s2_imap_need(const struct s2_imap *map, uint32_t inserts);
/* The same, when meanwhile nobody else changes the map or takes from the pool, so that nodes which come back are there
 * for the next insertion: no more than the emptiest map of that many entries has, less what this one has. */
uint32_t s2_imap_need_alone(const struct s2_imap *map, uint32_t inserts);

/* Lookups: O(log n); true and *out (which may be null) when there is one. */
bool s2_imap_find(const struct s2_imap *map, uint64_t key, struct s2_ient *out);       /* entry that holds key */
bool s2_imap_find_from(const struct s2_imap *map, uint64_t key, struct s2_ient *out);  /* first with end > key */
bool s2_imap_find_below(const struct s2_imap *map, uint64_t key, struct s2_ient *out); /* last with start < key */
/* Range iteration: for (k = start; s2_imap_find_from(map, k, &e) && e.start < end; k = e.end) — valid whatever the
 * body does to the map. s2_imap_walk is the fast read-only form: calls fn in ascending order on every entry that
 * meets [start, end) until it returns false; fn must not change the map. */
typedef bool s2_imap_fn(void *arg, const struct s2_ient *e);
void s2_imap_walk(const struct s2_imap *map, uint64_t start, uint64_t end, s2_imap_fn *fn, void *arg);
static inline bool s2_imap_overlaps(const struct s2_imap *map, uint64_t start, uint64_t end, struct s2_ient *out)
{
    struct s2_ient e;
    if (start >= end || !s2_imap_find_from(map, start, &e) || e.start >= end)
        return false;
    if (out)
        *out = e;
    return true;
}

enum s2_fit { S2_FIT_LOWEST, S2_FIT_HIGHEST };
/* A gap of `size` bytes, aligned to `align` (a power of two), wholly inside [lo, hi) and the map's own limits.
 * S2_EINVAL: size 0, lo >= hi. S2_EALIGN: align 0 or not a power of two. S2_ENOENT: none. */
S2_NODISCARD enum s2_err s2_imap_find_gap(const struct s2_imap *map, uint64_t lo, uint64_t hi, uint64_t size,
                                          uint64_t align, enum s2_fit fit, uint64_t *out);

/* Edits: the caller has checked the preconditions and reserved the nodes (a promise is kept, not spent: the operation
 * gives the whole of it back with s2_pool_unreserve at its end); they cannot fail. */
void s2_imap_insert(struct s2_imap *map, const struct s2_ient *e);                /* pre: no overlap, inside limits */
void s2_imap_erase(struct s2_imap *map, uint64_t start);                          /* pre: an entry starts there */
void s2_imap_set(struct s2_imap *map, uint64_t start, const struct s2_ival *val); /* pre: an entry starts there */
/* Moves the ends of the entry at `start`; it may grow into free space or shrink. pre: not empty, no overlap, the
 * order of entries does not change. */
void s2_imap_resize(struct s2_imap *map, uint64_t start, uint64_t new_start, uint64_t new_end);
/* Gives every node back. */
void s2_imap_clear(struct s2_imap *map);

/* Structural check for tests and debug builds: order, balance, gap maxima, counts. Null when sound, else a static
 * phrase. */
const char *s2_imap_check(const struct s2_imap *map);

#endif
