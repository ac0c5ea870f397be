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
};

enum s2_map_mode { S2_MAP_NEW, S2_MAP_REPLACE };

/* granule: a power of two. [lo, hi): the address space, multiples of the granule. S2_EINVAL: empty; S2_EALIGN. */
S2_NODISCARD enum s2_err s2_area_set_init(struct s2_area_set *set, struct s2_pool *pool, s2_ipa lo, s2_ipa hi,
                                          uint64_t granule, void *ctx);

/* --- operations: the caller has called s2_op_begin; each completes `op` (check, prepare, reserve, take, commit, flush,
 * release, edit) and ends it, whatever it returns. On an error nothing has changed. All: S2_EINVAL for an empty or
 * wrapping range, S2_EALIGN, S2_ERANGE outside [lo, hi), S2_EBUSY on re-entrance from a callback (lookups are fine
 * there), and what a backend's prepare or take or s2_op_reserve says. Time: O(log n) for each area touched. Node need:
 * none for whole areas, one insertion for a hole in an area, at most two for map and protect. The caller holds the
 * owner's lock exclusively. --------------------------------------------------------------------------------------- */

/* Adds an area. S2_EEXIST when mode is S2_MAP_NEW and it meets one (detail: both ranges); S2_EINVAL without a backend.
 * With S2_MAP_REPLACE what it meets is unmapped first, in the same operation. Merges with equal neighbours: those of the
 * same backend, attr, name and flags, and with a backing that goes on (s2_backend.mergeable). */
S2_NODISCARD enum s2_err s2_area_set_map(struct s2_area_set *set, struct s2_op *op, const struct s2_area *area,
                                         enum s2_map_mode mode);
/* Removes every part of an area inside range; holes are fine. */
S2_NODISCARD enum s2_err s2_area_set_unmap(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range);
/* For each area that meets the range: *attr in, true and *attr out to change, false to leave (so is an attr that stays
 * equal). Pure; called at most twice per area (plan, commit), never for another area. Holes are skipped; areas are cut
 * at the ends of range when they change, and merge with equal neighbours again. */
typedef bool s2_update_fn(void *arg, const struct s2_area *area, s2_attr *attr);
S2_NODISCARD enum s2_err s2_area_set_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                             s2_update_fn *update, void *arg);
S2_NODISCARD enum s2_err s2_area_set_clear(struct s2_area_set *set, struct s2_op *op);

/* --- lookups: O(log n); `out` may be null; the owner's lock held shared is enough ---------------------------------------------------- */

bool s2_area_set_find(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out);
bool s2_area_set_find_from(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out);  /* first with end > ipa */
bool s2_area_set_find_below(const struct s2_area_set *set, s2_ipa ipa, struct s2_area *out); /* last, start < ipa */
bool s2_area_set_overlaps(const struct s2_area_set *set, struct s2_ipa_range range, struct s2_area *out);
uint64_t s2_area_set_count(const struct s2_area_set *set);

/* A free range of `size`, aligned, inside `limit` and at or after (S2_FIT_LOWEST) `hint`, or ending at or before it
 * (S2_FIT_HIGHEST; hint = limit.end for no hint). Errors as s2_imap_find_gap, S2_EALIGN also for a size that is not
 * a multiple of the granule. The result is a multiple of max(align, granule). */
S2_NODISCARD enum s2_err s2_area_set_find_free(const struct s2_area_set *set, s2_ipa hint, uint64_t size,
                                               struct s2_ipa_range limit, uint64_t align, enum s2_fit fit, s2_ipa *out);

#endif
