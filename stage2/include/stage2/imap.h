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

#define S2_NODE_BYTES 512u /* the size of every pool node, whatever it holds; 64-byte aligned */

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

/* --- the map --------------------------------------------------------------------------------------------------- */

struct s2_ival {
    uint64_t w[3];
};
struct s2_ient {
    uint64_t start, end;
    struct s2_ival val;
};

#define S2_IMAP_LEAF 16u /* entries in a leaf; the root leaf is inline */

struct s2_imap {
    struct s2_pool *pool;
    uint64_t lo, hi;  /* every entry lies in [lo, hi); gaps are gaps in it */
    uint64_t count;   /* entries */
    uint32_t root;    /* root node index while height > 0 */
    uint32_t height;  /* 0: the inline leaf is the whole map */
    uint32_t nodes;   /* pool nodes in use by this map */
    uint32_t inline_count;
    uint64_t start[S2_IMAP_LEAF], end[S2_IMAP_LEAF];
    struct s2_ival val[S2_IMAP_LEAF];
};

/* lo < hi. Never fails. */
void s2_imap_init(struct s2_imap *map, struct s2_pool *pool, uint64_t lo, uint64_t hi);

/* The worst-case number of pool nodes that `inserts` insertions can take, in any order, with any erasures between. */
uint32_t s2_imap_need(const struct s2_imap *map, uint32_t inserts);

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
void s2_imap_insert(struct s2_imap *map, const struct s2_ient *e);                 /* pre: no overlap, inside limits */
void s2_imap_erase(struct s2_imap *map, uint64_t start);                           /* pre: an entry starts there */
void s2_imap_set(struct s2_imap *map, uint64_t start, const struct s2_ival *val);  /* pre: an entry starts there */
/* Moves the ends of the entry at `start`; it may grow into free space or shrink. pre: not empty, no overlap, the
 * order of entries does not change. */
void s2_imap_resize(struct s2_imap *map, uint64_t start, uint64_t new_start, uint64_t new_end);
/* Gives every node back. */
void s2_imap_clear(struct s2_imap *map);

/* Structural check for tests and debug builds: order, balance, gap maxima, counts. Null when sound, else a static
 * phrase. */
const char *s2_imap_check(const struct s2_imap *map);

#endif
