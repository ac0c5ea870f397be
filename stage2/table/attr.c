/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Which attributes a CPU can express. */
#include <stage2/attr.h>

#include <stddef.h>

static bool runs(uint32_t bits)
{
    return bits & (S2_X | S2_UX);
}

static bool one_level_runs(uint32_t bits)
{
    return !(bits & S2_X) != !(bits & S2_UX);
}

static const char *fault_in(uint32_t bits, const struct s2_caps *caps, bool ds)
{
    uint32_t type = bits & S2_MT_MASK;

    if (bits & ~(uint32_t)S2_ATTR_MASK || type > S2_MT_DEV_GRE || (bits & S2_SH_MASK) == S2_SH_MASK)
        return "has unknown attribute bits";
    if (!(bits & S2_R) && (bits & S2_W || runs(bits)))
        return "is writable or executable without being readable";
    if (one_level_runs(bits) && !caps->xnx && !(bits & S2_STRICTER_OK))
        return "is executable at one exception level only, which needs FEAT_XNX";
    if (type >= S2_MT_DEV_nGnRnE && runs(bits))
        return "is executable Device memory";
    if (type == S2_MT_NORMAL_WT && caps->fwb)
        return "is write-through, which FEAT_S2FWB cannot express";
    if ((bits & S2_SH_MASK) != S2_SH_INNER && ds)
        return "has its own shareability, which 52-bit descriptors cannot express";
    return NULL;
}

enum s2_err s2_attr_check(s2_attr attr, const struct s2_caps *caps, bool ds, struct s2_detail *d)
{
    const char *what = fault_in(attr.bits, caps, ds);

    return what ? s2_refuse(d, S2_EATTR, S2_AXIS_NONE, 0, 0, what) : S2_OK;
}
