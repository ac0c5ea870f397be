/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One gather per space and operation: what must be invalidated, and what may be freed only after that. Fixed capacity;
 * when full it degrades to one whole-VMID invalidation. Nothing is written into a detached table before the flush. */
#ifndef STAGE2_GATHER_H
#define STAGE2_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/tpool.h>

#define S2_GATHER_RANGES 8u

struct s2_gather_range {
    s2_ipa start, end;
    int8_t level; /* of the leaves; S2_LEVEL_MIXED when of several */
    bool tables;  /* a table was detached: leaf-only forms do not do */
};
#define S2_LEVEL_MIXED 127

struct s2_gather {
    struct s2_gather_range range[S2_GATHER_RANGES];
    uint8_t ranges;
    bool all;              /* whole VMID */
    bool made;             /* new valid descriptors: one barrier before the operation's end */
    bool flushed;
    struct s2_tstash dead; /* detached table pages; entries inside name further tables until freed */
};

#endif
