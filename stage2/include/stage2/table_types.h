/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What others may see of the table engine: the record that a space holds, and what walks report. */
#ifndef STAGE2_TABLE_TYPES_H
#define STAGE2_TABLE_TYPES_H

#include <stage2/addr.h>
#include <stage2/attr.h>
#include <stage2/geometry.h>
#include <stage2/tpool.h>
#include <stage2/vmid.h>

/* How descriptors of one geometry hold an output address, and which bits an attribute decides. */
struct s2_format {
    uint64_t oa_low, oa_high; /* bits of the address in place, and those that stand elsewhere: */
    uint8_t oa_up;            /* so far below their place in the address */
    uint64_t attr;
};

/* One space's translation tables. Fields are the engine's own. */
struct s2_table {
    struct s2_port *port;
    struct s2_tpool *pool;
    struct s2_tquota quota;
    struct s2_vmids *vmids;
    struct s2_caps caps;
    struct s2_geometry geo;
    struct s2_vmid vmid;
    s2_pa root;
    uint16_t id;
    struct s2_format format;
    uint64_t marked_start, marked_end; /* where promotion is to look; an empty range: end is 0. Atomic. */
    /* What gathers have yet to give back; atomic. While 0, only who holds the space's lock is at work on this table. */
    uint32_t detached;
};

/* Leaves and linked table pages by level + 1. */
struct s2_table_counts {
    uint64_t leaves[5], tables[5];
};

/* One leaf, or the absence of one. */
struct s2_leaf {
    struct s2_ipa_range range; /* what the leaf covers, or the hole that one absent entry leaves */
    s2_pa pa;
    s2_attr attr;
    int8_t level;
    bool valid, accessed, dirty, contiguous;
    uint64_t desc;
};
typedef bool s2_leaf_fn(void *arg, const struct s2_leaf *leaf);
/* What a geometry tracks. */
enum s2_touch { S2_TOUCH_ACCESS = 1, S2_TOUCH_WRITE = 2 };

/* One descriptor that a walk reads. */
struct s2_walk_step {
    int8_t level;
    s2_pa slot;
    uint64_t desc;
};

#endif
