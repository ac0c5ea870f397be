/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the parts of the self-test of geometries share: selftest_geometry.c makes each geometry, selftest_space.c a space of it,
 * selftest_ask.c asks the CPU about its addresses. */
#ifndef VM_SELFTEST_GEOMETRY_H
#define VM_SELFTEST_GEOMETRY_H

#include "vm/vm.h"

enum {
    SCRATCH_BYTES = 4 << 20, /* 64 table pages of 64K */
    SCRATCH_NODES = 512,
    SCRATCH_PIECES = 16,
    SCRATCH_ANY_LEVEL = 99,
};

/* What is mapped: in one piece, to outputs that have all bits above the IPA size set. */
struct piece {
    uint64_t ipa, bytes;
    uint32_t attr;
    int level; /* of its leaves */
    bool run;  /* they make up contiguous runs */
};

struct scratch {
    struct s2_space space;
    struct s2_cache cache;
    struct s2_caps caps;
    struct s2_geometry geo;
    struct s2_ledger ledger;
    struct s2_frames frames;
    struct s2_vmids vmids;
    struct s2_tpool tables;
    struct s2_pool nodes, ledger_nodes;
    void *node_memory, *ledger_memory, *pages;
    struct s2_tpage *meta;
    struct piece piece[SCRATCH_PIECES];
    unsigned pieces;
    uint64_t flip; /* output = IPA with these bits inverted */
    uint64_t asked, differ, reported;
    unsigned tested, skips; /* geometries */
};

/* selftest_ask.c. What lies at ipa is this piece, in leaves of this level, or SCRATCH_ANY_LEVEL; is nothing; is what the plan says. */
void scratch_expect_leaf(struct scratch *s, uint64_t ipa, const struct piece *p, int level);
void scratch_expect_hole(struct scratch *s, uint64_t ipa);
void scratch_expect_any(struct scratch *s, uint64_t ipa);
void scratch_differs(struct scratch *s, uint64_t ipa, const char *what, uint64_t par);

/* selftest_space.c. A space of s->geo with s->caps: made, asked, changed, emptied, and gone. */
void scratch_test(struct scratch *s);

#endif
