/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The shape of each VM's tables, by its manifest and the CPUs, and how the memory for table pages is divided; how large the ledger
 * is, and what of it each VM may take up. Plain logic. */
#ifndef VM_SHAPE_H
#define VM_SHAPE_H

#include <stage2/geometry.h>

#include "vm/manifest.h"

/* 4K, 16K, 64K: each has a pool of table pages of its own. */
enum { SHAPES = 3 };
static inline unsigned shape_index(unsigned granule_log2)
{
    return (granule_log2 - S2_4K) / 2;
}
static inline unsigned shape_granule_log2(unsigned index)
{
    return S2_4K + 2 * index;
}

/* What this VM's tables look like on such CPUs. Errors: s2_geometry_make's. */
S2_NODISCARD enum s2_err shape_make(const struct manifest_vm *v, const struct s2_caps *caps, struct s2_geometry *out,
                                    struct s2_detail *d);
/* What the CPUs have, "4K to 48 bits, 64K to 52": each granule with the largest IPA size. */
void shape_describe(struct text *t, const struct s2_caps *caps);
/* The most table pages that this VM may use: what its manifest says, else enough for all its memory in smallest pages. */
uint64_t shape_table_pages(const struct manifest_vm *v, const struct s2_geometry *g);
/* Divides `bytes` by need: a granule gets what it needs, and at least an equal part if that is not enough for all; what is
 * left over goes to the neediest. Whole pages of each granule; nothing for one that needs nothing. */
void shape_split(uint64_t bytes, const uint64_t need[SHAPES], uint64_t share[SHAPES]);

/* What is to be in the ledger: entries of the machine's own, and VMs with so much memory in all. */
struct shape_ledger {
    unsigned own, vms;
    uint64_t mib;
};
/* So many nodes that there is an entry for each 2 MiB of the VMs' memory, SHAPE_LEDGER_LEAST for each of them besides, and as many
 * again for the free memory between; never fewer than the least that any machine has. */
enum { SHAPE_LEDGER_LEAST = 64, SHAPE_LEDGER_NODES = 1024 };
uint32_t shape_ledger_nodes(const struct shape_ledger *l);
/* What a VM with so much of that memory may take up of a ledger with room for so many entries, so that none can use it up for
 * others. */
uint32_t shape_ledger_limit(const struct shape_ledger *l, uint64_t capacity, uint64_t mib);

#endif
