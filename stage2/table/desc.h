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
#define DESC_SH            (3ull << DESC_SH_SHIFT)
#define DESC_AF            (1ull << 10)
#define DESC_DBM           (1ull << 51) /* hardware may set S2AP[1] */
#define DESC_XN_SHIFT      53
#define DESC_XN            (3ull << DESC_XN_SHIFT)
#define DESC_SW_SHIFT      55
#define DESC_SW            (15ull << DESC_SW_SHIFT)

/* All that an attribute decides. */
#define DESC_ATTR (DESC_MEMATTR | DESC_READ | DESC_WRITE | DESC_SH | DESC_DBM | DESC_XN | DESC_SW)
/* All that hardware may change in a live leaf. */
#define DESC_HARDWARE (DESC_AF | DESC_WRITE)

enum { S2_LAST_LEVEL = 3 };

/* Does hardware write into live descriptors of this table? */
bool s2_desc_hardware_writes(const struct s2_table *t);

/* The bits of a leaf that an attribute decides, with nothing else. */
uint64_t s2_desc_attr_bits(const struct s2_table *t, s2_attr attr);
s2_attr s2_desc_attr(const struct s2_table *t, uint64_t desc);
/* Bits that a leaf of this table at that level may have set. */
uint64_t s2_desc_leaf_bits(const struct s2_table *t, int level);

static inline uint64_t s2_desc_oa_bits(const struct s2_table *t)
{
    return s2_bits_mask(t->geo.pa_bits - 1u, t->geo.granule_log2);
}
static inline s2_pa s2_desc_oa(const struct s2_table *t, uint64_t desc)
{
    return S2_PA(desc & s2_desc_oa_bits(t));
}
static inline bool s2_desc_is_table(int level, uint64_t desc)
{
    return level < S2_LAST_LEVEL && (desc & (DESC_VALID | DESC_TYPE)) == (DESC_VALID | DESC_TYPE);
}
static inline bool s2_desc_dirty(uint64_t leaf)
{
    return leaf & DESC_WRITE && leaf & DESC_DBM;
}
static inline uint64_t s2_desc_table(s2_pa table)
{
    return table.v | DESC_TYPE | DESC_VALID;
}
/* A new leaf: AF = 1 (architecture rule 13). */
static inline uint64_t s2_desc_leaf(int level, uint64_t pa, uint64_t attr_bits)
{
    return pa | attr_bits | DESC_AF | (level == S2_LAST_LEVEL ? DESC_TYPE : 0) | DESC_VALID;
}
/* The first of the leaves one level down that say what this block says. */
static inline uint64_t s2_desc_lower(int level, uint64_t block)
{
    return level + 1 == S2_LAST_LEVEL ? block | DESC_TYPE : block;
}
/* The same leaf with other attributes: output, access flag and the dirty state of what stays writable are kept. */
static inline uint64_t s2_desc_change(uint64_t desc, uint64_t attr_bits)
{
    uint64_t dirty = desc & attr_bits & DESC_DBM ? desc & DESC_WRITE : 0;

    return (desc & ~DESC_ATTR) | attr_bits | dirty;
}

#endif
