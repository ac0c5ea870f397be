/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a mapping allows and how memory behaves. To the area set an attribute is an opaque value; which values are
 * legal is the business of the space (s2_attr_check). */
#ifndef STAGE2_ATTR_H
#define STAGE2_ATTR_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/caps.h>
#include <stage2/error.h>
#include <stage2/rights.h>

typedef struct {
    uint32_t bits;
} s2_attr;

enum {
    S2_STRICTER_OK = 1u << 4, /* X != UX may be rounded down to neither where FEAT_XNX is absent */

    S2_MT_SHIFT = 8, /* memory type, 3 bits */
    S2_MT_NORMAL_WB = 0u << 8,
    S2_MT_NORMAL_WT = 1u << 8,
    S2_MT_NORMAL_NC = 2u << 8,
    S2_MT_DEV_nGnRnE = 3u << 8,
    S2_MT_DEV_nGnRE = 4u << 8,
    S2_MT_DEV_nGRE = 5u << 8,
    S2_MT_DEV_GRE = 6u << 8,
    S2_MT_MASK = 7u << 8,

    S2_SH_INNER = 0u << 11, /* shareability, 2 bits; inner is the default */
    S2_SH_OUTER = 1u << 11,
    S2_SH_NONE = 2u << 11,
    S2_SH_MASK = 3u << 11,

    S2_SW_SHIFT = 16, /* four software bits, kept in the descriptor */
    S2_SW_MASK = 15u << 16,

    S2_ATTR_MASK = S2_PERM_MASK | S2_STRICTER_OK | S2_MT_MASK | S2_SH_MASK | S2_SW_MASK,
};

#define S2_ATTR(x) ((s2_attr){(uint32_t)(x)})
static inline bool s2_attr_eq(s2_attr a, s2_attr b)
{
    return a.bits == b.bits;
}

/* Is the value one that these capabilities can express? S2_EATTR (with what and why in detail->what) for: unknown
 * bits; write or execute without read; X != UX without FEAT_XNX unless S2_STRICTER_OK; executable Device memory;
 * write-through with FWB (D8.6.6); shareability other than inner when `ds` is set (it comes from VTCR_EL2.SH0). */
S2_NODISCARD enum s2_err s2_attr_check(s2_attr attr, const struct s2_caps *caps, bool ds, struct s2_detail *d);

/* What the tables can tell of a legal attribute, and what s2_leaf.attr reports: without S2_STRICTER_OK, and with X != UX
 * rounded down to neither where FEAT_XNX is absent. In line wherever it is asked for: each fault asks it twice. */
__attribute__((always_inline)) static inline s2_attr s2_attr_effective(s2_attr attr, const struct s2_caps *caps)
{
    uint32_t bits = attr.bits & ~(uint32_t)S2_STRICTER_OK;

    if (!(bits & S2_X) != !(bits & S2_UX) && !caps->xnx)
        bits &= ~(uint32_t)(S2_X | S2_UX);
    return S2_ATTR(bits);
}

#endif
