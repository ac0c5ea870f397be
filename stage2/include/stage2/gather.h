/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One gather per space and operation: what must be invalidated, what may be published and what may be freed only after
 * that. Whatever is recorded melts into one covering range (over-invalidation is allowed, R_MMZTY), so its capacity
 * cannot run out; a range too large for one instruction becomes the whole VMID. Nothing is written into a detached table
 * before the flush. Fields are the engine's own. */
#ifndef STAGE2_GATHER_H
#define STAGE2_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/tpool.h>

/* A block that was broken so as to be split: the table that takes its place after the invalidation. */
struct s2_gather_make {
    uint64_t *slot;
    uint64_t desc;
    struct s2_ipa_range range; /* of the block */
};
#define S2_GATHER_MAKES 2u /* the two edges of a range; a third flushes first */

struct s2_gather {
    struct s2_ipa_range range; /* to invalidate; empty: nothing */
    int8_t level;              /* of the leaves; S2_LEVEL_MIXED when of several */
    bool tables;               /* a table was detached: leaf-only forms do not do */
    bool broadcast;            /* some right was taken away: this CPU alone does not do */
    bool all;                  /* whole VMID */
    bool made;                 /* new valid descriptors: one barrier before the operation's end */
    uint8_t makes;
    struct s2_gather_make make[S2_GATHER_MAKES];
    struct s2_tstash dead;  /* detached table pages; entries inside name further tables until freed */
    struct s2_tstash spare; /* pages that were never used, all zero; they go back with the dead */
    uint32_t detached;      /* how many subtrees and lots of spare pages those are */
};
#define S2_LEVEL_MIXED 127

#endif
