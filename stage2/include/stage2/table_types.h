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
    uint64_t leaves[5]; /* valid leaves by level + 1, those in detached tables until they are freed; atomic */
    /* What gathers have yet to give back; atomic. While 0, leaves[] is exact, and only who holds the space's lock is at work
     * on this table. */
    uint32_t detached;
};

/* One leaf, or the absence of one. */
struct s2_leaf {
    struct s2_ipa_range range; /* what the leaf covers, or the hole that one absent entry leaves */
    s2_pa pa;
    s2_attr attr;
    int8_t level;
    bool valid, accessed, dirty;
    uint64_t desc;
};
/* One descriptor that a walk reads. */
struct s2_walk_step {
    int8_t level;
    s2_pa slot;
    uint64_t desc;
};

#endif
