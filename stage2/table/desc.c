/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Attributes to descriptor bits and back: permissions, memory types, shareability, software bits. */
#include "table/desc.h"

#include "table/vtcr.h"

/* MemAttr[3:0] by memory type: D8.6.5 without FEAT_S2FWB, D8.6.6 with it, where 0b0110 forces write-back and
 * there is no write-through (MEMATTR_NONE; s2_attr_check refuses it). */
enum { MEMORY_TYPES = 7, MEMATTR_NONE = 16 };

static const uint8_t memattr[2][MEMORY_TYPES] = {
    {0xf, 0xa, 0x5, 0x0, 0x1, 0x2, 0x3},
    {0x6, MEMATTR_NONE, 0x5, 0x0, 0x1, 0x2, 0x3},
};
/* SH[1:0] by S2_SH_*: inner, outer, none. */
static const uint8_t shareability[] = {3, 2, 0};
/* XN[1:0] by {UX, X} (D8.4.1.3): 1 = EL0 only, 3 = EL1 only. Without FEAT_XNX the low bit is RES0. */
enum { XN_BOTH_RUN = 0, XN_EL0_RUNS = 1, XN_NEITHER_RUNS = 2, XN_EL1_RUNS = 3 };
static const uint8_t execute_never[4] = {XN_NEITHER_RUNS, XN_EL1_RUNS, XN_EL0_RUNS, XN_BOTH_RUN};
static const uint32_t executes[4] = {S2_X | S2_UX, S2_UX, 0, S2_X};

struct s2_format s2_format_of(const struct s2_geometry *g)
{
    struct s2_format f = {.oa_low = s2_bits_mask(g->pa_bits - 1u, g->granule_log2), .attr = DESC_ATTR};

    if (g->ds) { /* OA[51:50] take the place of SH[1:0] (rule 16) */
        f = (struct s2_format){s2_bits_mask(49, g->granule_log2), DESC_SH, 42, DESC_ATTR & ~DESC_SH};
    } else if (g->pa_bits > 48) { /* 64K: OA[51:48] in bits 15 to 12 */
        f.oa_low = s2_bits_mask(47, g->granule_log2);
        f.oa_high = s2_bits_mask(15, 12);
        f.oa_up = 36;
    }
    return f;
}

bool s2_desc_hardware_writes(const struct s2_table *t)
{
    return t->geo.vtcr & (VTCR_HA | VTCR_HD);
}

static uint64_t permission_bits(const struct s2_table *t, uint32_t bits)
{
    uint64_t desc = bits & S2_R ? DESC_READ : 0;
    unsigned run = (bits & S2_X ? 1u : 0) | (bits & S2_UX ? 2u : 0);

    if (bits & S2_W)
        desc |= t->geo.track_dirty ? DESC_DBM : DESC_WRITE; /* tracked, a leaf begins clean */
    return desc | (uint64_t)execute_never[run] << DESC_XN_SHIFT;
}

uint64_t s2_desc_attr_bits(const struct s2_table *t, s2_attr attr)
{
    uint32_t bits = s2_attr_effective(attr, &t->caps).bits;
    unsigned type = (bits & S2_MT_MASK) >> S2_MT_SHIFT;
    unsigned sh = (bits & S2_SH_MASK) / S2_SH_OUTER;
    unsigned sw = (bits & S2_SW_MASK) >> S2_SW_SHIFT;

    return permission_bits(t, bits) | (uint64_t)memattr[t->caps.fwb][type] << DESC_MEMATTR_SHIFT |
           ((uint64_t)shareability[sh] << DESC_SH_SHIFT & t->format.attr) | (uint64_t)sw << DESC_SW_SHIFT;
}

/* The inverse, a hexadecimal digit for each value; what no attribute makes counts as the last type, or as none. One for both
 * tables above, since they agree where both have a value. */
#define TYPE_OF_MEMATTR 0x0666616660266543ull
#define SH_OF_SH        0x0122ull

static unsigned digit(uint64_t digits, uint64_t at)
{
    return (unsigned)(digits >> 4 * at) & 15;
}

s2_attr s2_desc_attr(const struct s2_table *t, uint64_t desc)
{
    unsigned type = digit(TYPE_OF_MEMATTR, (desc & DESC_MEMATTR) >> DESC_MEMATTR_SHIFT);
    unsigned sh = digit(SH_OF_SH, (desc & DESC_SH) >> DESC_SH_SHIFT);
    uint32_t bits = executes[(desc & DESC_XN) >> DESC_XN_SHIFT];

    bits |= desc & DESC_READ ? S2_R : 0;
    bits |= desc & (DESC_WRITE | DESC_DBM) ? S2_W : 0;
    bits |= type << S2_MT_SHIFT | (t->geo.ds ? 0 : sh * S2_SH_OUTER);
    bits |= (uint32_t)((desc & DESC_SW) >> DESC_SW_SHIFT) << S2_SW_SHIFT;
    return S2_ATTR(bits);
}

uint64_t s2_desc_leaf_bits(const struct s2_table *t, int level)
{
    uint64_t size = 1ull << s2_level_shift(&t->geo, level), run = t->geo.run_log2[level + 1] ? DESC_CONTIGUOUS : 0;

    return (t->format.oa_low & ~(size - 1)) | t->format.oa_high | t->format.attr | DESC_AF | DESC_VALID | run |
           (level == S2_LAST_LEVEL ? DESC_TYPE : 0);
}
