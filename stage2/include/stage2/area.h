/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The area set: which part of a guest's physical address space is what. The truth; tables are its projection. */
#ifndef STAGE2_AREA_H
#define STAGE2_AREA_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/attr.h>
#include <stage2/error.h>
#include <stage2/imap.h>

struct s2_op;
struct s2_backend;

struct s2_area {
    struct s2_ipa_range range;
    const struct s2_backend *backend;
    uint64_t backing; /* the backend's: the PA of range.start (linear), a device handle (trap), ... */
    s2_attr attr;     /* opaque here */
    uint16_t name;    /* a tag that the owner resolves; equal neighbours merge only when it is equal */
    uint16_t flags;   /* S2_AREA_* */
};
enum {
    S2_AREA_LAZY = 1u << 0,       /* alloc: take memory on the first fault */
    S2_AREA_OVERCOMMIT = 1u << 1, /* alloc + lazy: do not reserve frames */
    S2_AREA_GROWING = 1u << 2,    /* set by s2_space_map_begin, until its end: merges with no other */
};

struct s2_area_set {
    struct s2_imap map;
    uint64_t granule;         /* bytes, a power of two; every range is a multiple of it */
    void *ctx;                /* handed to the backends */
    const struct s2_op *busy; /* the operation under way: another one, from a callback, gets S2_EBUSY */
    uint32_t cut, cut_most;   /* nodes kept for unmaps: now, and when full (s2_area_set_keep_cut) */
};

enum s2_map_mode { S2_MAP_NEW, S2_MAP_REPLACE };

/* granule: a power of two. [lo, hi): the address space, multiples of the granule. S2_EINVAL: empty; S2_EALIGN. */
S2_NODISCARD enum s2_err s2_area_set_init(struct s2_area_set *set, struct s2_pool *pool, s2_ipa lo, s2_ipa hi,
                                          uint64_t granule, void *ctx);

/* --- memory: nodes ------------------------------------------------------------------------------------------------
 * An operation never holds more areas than it begins or ends with, so that one which leaves no more areas than there were takes
 * no node: extend, rename, clear and every unmap of whole areas; a protect, replace or swap whose pieces merge again. */

enum s2_area_op {
    S2_AREA_OP_MAP,     /* one area more */
    S2_AREA_OP_REPLACE, /* in the middle of one: two more */
    S2_AREA_OP_UNMAP,   /* a hole in one: one more */
    S2_AREA_OP_PROTECT, /* in the middle of one: two more */
    S2_AREA_OP_SWAP,    /* likewise */
    S2_AREA_OP_EXPECTED,
    S2_AREA_OP_EXTEND,
    S2_AREA_OP_RENAME,
    S2_AREA_OP_CLEAR,
};
/* The most nodes that such an operation takes from the set's pool now, whatever its range; with so many unreserved it does not
 * fail for S2_ENODES. What a backend needs for itself comes on top. */
uint32_t s2_area_set_need(const struct s2_area_set *set, enum s2_area_op op);
/* So many areas fit in a set whose pool of `nodes` serves nothing else, whatever the order of operations that led there; each
 * is added by itself, as an operation that adds two at once has more of a need. A set that keeps a cut (below) has
 * S2_AREA_CUT_NODES fewer nodes. */
uint64_t s2_area_set_capacity(uint32_t nodes);

/* For a set that stands alone (a space has its own, op.h): sets aside the nodes of one insertion in a map of any height, for
 * unmaps alone. A hole in an area takes from them when the pool has none left, and every operation's end fills them up again
 * as far as it can; only when that could not be done does a further hole get S2_ECUT. S2_ENODES; S2_EBUSY from a callback. */
#define S2_AREA_CUT_NODES (S2_IMAP_HEIGHT + 2u)
S2_NODISCARD enum s2_err s2_area_set_keep_cut(struct s2_area_set *set);
/* Gives them back. */
void s2_area_set_drop_cut(struct s2_area_set *set);

/* --- operations: the caller has called s2_op_begin; each completes `op` (check, prepare, reserve, take, commit, flush,
 * release, edit) and ends it, whatever it returns. On an error nothing has changed. All: S2_EINVAL for an empty or
 * wrapping range, S2_EALIGN, S2_ERANGE outside [lo, hi), S2_EBUSY on re-entrance from a callback (lookups are fine
 * there), S2_ENODES by the needs above, and what a backend's prepare or take or s2_op_reserve says. Time: O(log n) for each
 * area touched. The caller holds the owner's lock exclusively. --------------------------------------------------------- */

/* Adds an area. S2_EEXIST when mode is S2_MAP_NEW and it meets one (detail: both ranges); S2_EINVAL without a backend.
 * With S2_MAP_REPLACE what it meets is unmapped first, in the same operation. Merges with equal neighbours: those of the
 * same backend, attr, name and flags, and with a backing that goes on (s2_backend.mergeable). */
S2_NODISCARD enum s2_err s2_area_set_map(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                                         enum s2_map_mode mode);
/* Removes every part of an area inside range; holes are fine. Only a hole in the middle of an area needs memory: S2_ENODES, or
 * S2_ECUT in a set that keeps a cut. */
S2_NODISCARD enum s2_err s2_area_set_unmap(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range);
/* Removes exactly this area. S2_ENOENT unless one has this very range, backend, backing, attr, name and flags (detail: both
 * ranges; found is empty when expected->range meets no area). */
S2_NODISCARD enum s2_err s2_area_set_unmap_expected(struct s2_area_set *set, struct s2_op *op,
                                                    const struct s2_area *expected);
/* Replaces the backend behind an exact range: as a map that replaces, but S2_ENOENT unless area->range lies in one area, and
 * that is `expected`'s (detail: both ranges, as above). S2_EINVAL without `expected`. */
S2_NODISCARD enum s2_err s2_area_set_swap(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                                          const struct s2_backend *expected);
/* The area that holds `at` grows in place to `to`, at one end or both, and merges there with equal neighbours. Its backing
 * goes on: S2_ERANGE when it would wrap around. S2_ENOENT: no area holds `at`. S2_EINVAL: `to` does not contain it (detail:
 * both ranges). S2_EEXIST: another is in the way (detail: it, and the part that would come). Its own range again: nothing
 * happens. */
S2_NODISCARD enum s2_err s2_area_set_extend(struct s2_area_set *set, struct s2_op *op, s2_ipa at,
                                            struct s2_ipa_range to);
/* For each area that meets the range: *attr in, true and *attr out to change, false to leave (so is an attr that stays
 * equal). Pure; called at most twice per area (plan, commit), never for another area; null: S2_EINVAL. Holes are skipped;
 * areas are cut at the ends of range when they change, and merge with equal neighbours again. */
typedef bool s2_update_fn(void *arg, const struct s2_area *area, s2_attr *attr);
S2_NODISCARD enum s2_err s2_area_set_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                             s2_update_fn *update, void *arg);
/* The area that holds `at` gets that name, and merges with neighbours that are equal now. S2_ENOENT. */
S2_NODISCARD enum s2_err s2_area_set_rename(struct s2_area_set *set, struct s2_op *op, s2_ipa at, uint16_t name);
/* Removes all. */
S2_NODISCARD enum s2_err s2_area_set_clear(struct s2_area_set *set, struct s2_op *op);

/* --- lookups: O(log n) unless said otherwise; `out` may be null; the owner's lock held shared is enough ------------------ */

bool s2_area_set_find(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out);
bool s2_area_set_find_from(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out);  /* first with end > ipa */
bool s2_area_set_find_below(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out); /* last, start < ipa */
bool s2_area_set_overlaps(const struct s2_area_set *set, struct s2_ipa_range range, struct s2_area *out);
uint64_t s2_area_set_count(const struct s2_area_set *set);

/* What is at ipa: an area, to *area; or a gap, to *gap, from the area below to the area above, at most to the set's limits; or
 * nothing that the set knows of, outside its limits, and neither is written. */
enum s2_around { S2_AROUND_OUTSIDE, S2_AROUND_GAP, S2_AROUND_AREA };
enum s2_around s2_area_set_around(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *area,
                                  struct s2_ipa_range *gap);

/* The areas that meet range, ascending, whole: one descent, then steps. The set must not change meanwhile; where it may, the
 * next one is s2_area_set_find_from(set, area.range.end, &area) as long as area.range.start < range.end. An empty range meets
 * none. Fields are the set's own. */
struct s2_area_iter {
    const struct s2_area_set *set;
    struct s2_imap_cursor at;
    s2_ipa end;
};
struct s2_area_iter s2_area_set_iter(const struct s2_area_set *set, struct s2_ipa_range range);
bool s2_area_iter_next(struct s2_area_iter *it, struct s2_area *out);

/* O(n). */
struct s2_area_set_stats {
    uint64_t areas, bytes;
    uint64_t gaps, free_bytes, largest_gap; /* inside the set's limits */
    uint32_t nodes;                         /* in use */
};
void s2_area_set_stats(const struct s2_area_set *set, struct s2_area_set_stats *out);

/* Of one area, by its backend (s2_backend.stats): false when none holds ipa. Time: the backend's, too. */
struct s2_area_stats {
    uint64_t bytes;
    uint64_t resident; /* bytes that memory or a device stands behind now */
    uint64_t promised; /* bytes that are set aside for it and not resident yet */
};
bool s2_area_set_area_stats(const struct s2_area_set *set, s2_ipa ipa, struct s2_area_stats *out);

/* A free range of `size`, aligned, inside `limit` and at or after (S2_FIT_LOWEST) `hint`, or ending at or before it
 * (S2_FIT_HIGHEST; hint = limit.end for no hint). Errors as s2_imap_find_gap, S2_EALIGN also for a size that is not
 * a multiple of the granule. The result is a multiple of max(align, granule). */
S2_NODISCARD enum s2_err s2_area_set_find_free(const struct s2_area_set *set, s2_ipa hint, uint64_t size,
                                               struct s2_ipa_range limit, uint64_t align, enum s2_fit fit, s2_ipa *out);

#endif
