/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Stage-2 descriptors (D8.3): the one place that knows their bits. */
#ifndef STAGE2_TABLE_DESC_H
#define STAGE2_TABLE_DESC_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/attr.h>
#include <stage2/table_types.h>

#include "base/bits.h"

#define DESC_VALID         (1ull << 0)
#define DESC_TYPE          (1ull << 1) /* a table above level 3, a page at it; clear: a block */
#define DESC_MEMATTR_SHIFT 2
#define DESC_MEMATTR       (15ull << DESC_MEMATTR_SHIFT)
#define DESC_READ          (1ull << 6) /* S2AP[0] */
#define DESC_WRITE         (1ull << 7) /* S2AP[1]; with DBM: has been written */
#define DESC_SH_SHIFT      8
#define DESC_SH            (3ull << DESC_SH_SHIFT) /* with VTCR_EL2.DS: OA[51:50] */
#define DESC_AF            (1ull << 10)
#define DESC_NT            (1ull << 16) /* of a block, with FEAT_BBM: no translation of it is cached beside one of another size */
#define DESC_DBM           (1ull << 51) /* S2AP[1] says whether it was written, and hardware or a fault may set it */
#define DESC_CONTIGUOUS    (1ull << 52)
#define DESC_XN_SHIFT      53
#define DESC_XN            (3ull << DESC_XN_SHIFT)
#define DESC_SW_SHIFT      55
#define DESC_SW            (15ull << DESC_SW_SHIFT)

/* All that an attribute can decide; struct s2_format has what it does in a table's geometry. */
#define DESC_ATTR (DESC_MEMATTR | DESC_READ | DESC_WRITE | DESC_SH | DESC_DBM | DESC_XN | DESC_SW)

enum { S2_LAST_LEVEL = 3 };

/* How this geometry's descriptors hold addresses and attributes (D8.3.1, D8.3.2). */
struct s2_format s2_format_of(const struct s2_geometry *g);

/* Does hardware write into live descriptors of this table? */
bool s2_desc_hardware_writes(const struct s2_table *t);

/* The bits of a leaf that an attribute decides, with nothing else. */
uint64_t s2_desc_attr_bits(const struct s2_table *t, s2_attr attr);
s2_attr s2_desc_attr(const struct s2_table *t, uint64_t desc);
/* Bits that a leaf of this table at that level may have set. */
uint64_t s2_desc_leaf_bits(const struct s2_table *t, int level);

/* The output address of a page, a block without nT, or a table; and such an address as descriptors hold it. */
S2_INLINE s2_pa s2_desc_oa(const struct s2_table *t, uint64_t desc)
{
    return S2_PA((desc & t->format.oa_low) | (desc & t->format.oa_high) << t->format.oa_up);
}
static inline uint64_t s2_desc_pa(const struct s2_table *t, uint64_t pa)
{
    return (pa & t->format.oa_low) | (pa >> t->format.oa_up & t->format.oa_high);
}
S2_INLINE bool s2_desc_is_table(int level, uint64_t desc)
{
    return level < S2_LAST_LEVEL && (desc & (DESC_VALID | DESC_TYPE)) == (DESC_VALID | DESC_TYPE);
}
static inline bool s2_desc_dirty(uint64_t leaf)
{
    return leaf & DESC_WRITE && leaf & DESC_DBM;
}
static inline uint64_t s2_desc_table(const struct s2_table *t, s2_pa table)
{
    return s2_desc_pa(t, table.v) | DESC_TYPE | DESC_VALID;
}
/* A new leaf. Where accesses are not tracked AF is set (architecture rule 13). */
static inline uint64_t s2_desc_leaf(const struct s2_table *t, int level, uint64_t pa, uint64_t attr_bits)
{
    return s2_desc_pa(t, pa) | attr_bits | (t->geo.track_access ? 0 : DESC_AF) |
           (level == S2_LAST_LEVEL ? DESC_TYPE : 0) | DESC_VALID;
}
/* The first of the leaves one level down that say what this block says. */
static inline uint64_t s2_desc_lower(int level, uint64_t block)
{
    return (block & ~(DESC_CONTIGUOUS | DESC_NT)) | (level + 1 == S2_LAST_LEVEL ? DESC_TYPE : 0) | DESC_VALID;
}
/* The block one level up that says what a full table of such leaves says, the first of which this is. */
static inline uint64_t s2_desc_upper(uint64_t first)
{
    return first & ~(DESC_CONTIGUOUS | DESC_TYPE);
}
/* The same leaf with other attributes: output, access flag and the dirty state of what stays writable are kept. */
static inline uint64_t s2_desc_change(const struct s2_table *t, uint64_t desc, uint64_t attr_bits)
{
    uint64_t dirty = desc & attr_bits & DESC_DBM ? desc & DESC_WRITE : 0;

    return (desc & ~t->format.attr) | attr_bits | dirty;
}

/* --- what a table page's `sum` adds up: for each leaf a hash of its output, relative to its index, and one of its attributes.
 * The leaves that one block could say all have the same, so that their sum is known from the first of them; as both are far
 * from linear, no other table is likely to have that sum. Hashes of outputs and of attributes are apart, so that a change of
 * attributes is the same for leaves with any outputs. What hardware, break-before-make or a run changes does not count. ------ */

static inline uint64_t s2_hash(uint64_t v)
{
    v = (v ^ v >> 29) * 0x9e3779b97f4a7c15ull;
    return v ^ v >> 32;
}
/* `below`: what the leaf's index adds to its output. */
static inline uint64_t s2_sum_output(const struct s2_table *t, uint64_t leaf, uint64_t below)
{
    return s2_hash((leaf & (t->format.oa_low | t->format.oa_high)) - below);
}
S2_INLINE uint64_t s2_sum_attr(const struct s2_table *t, uint64_t leaf)
{
    return s2_hash(~(leaf & t->format.attr & ~(leaf & DESC_DBM ? DESC_WRITE : 0)));
}

#endif
