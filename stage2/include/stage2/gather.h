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

/* What was broken, and is made after the invalidation: a descriptor that takes its entry's place; or, when `run` is not 0, so
 * many entries from slot on that kept what they said: those that still say something get the bits of desc. */
struct s2_gather_make {
    uint64_t *slot;
    uint64_t desc;
    uint32_t run;
    struct s2_ipa_range range; /* of the block or the run */
};
#define S2_GATHER_MAKES 4u /* a block in a run at each of two edges; a fifth flushes first */

struct s2_gather {
    struct s2_ipa_range range; /* to invalidate; empty: nothing */
    int8_t level;              /* of the leaves; S2_LEVEL_MIXED when of several */
    bool tables;               /* a table was detached: leaf-only forms do not do */
    bool broadcast;            /* some right was taken away: this CPU alone does not do */
    bool all;                  /* whole VMID */
    bool made;                 /* new valid descriptors: one barrier before the operation's end */
    uint8_t makes;
    struct s2_gather_make make[S2_GATHER_MAKES];
    struct s2_tstash dead;  /* detached table pages; entries inside name further tables until they are taken again */
    struct s2_tstash spare; /* pages that were never used; they go back with the dead */
    uint32_t detached;      /* how many subtrees and lots of spare pages those are */
};
#define S2_LEVEL_MIXED 127

#endif
