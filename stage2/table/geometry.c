/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* From capabilities and a wished size to the shape of the tables and VTCR_EL2 (D24.2.182, D8.2). */
#include <stage2/geometry.h>

#include "base/bits.h"
#include "table/vtcr.h"

enum {
    IPA_BITS_MIN = 32,
    IPA_BITS_MAX = 52,
    PA_BITS_WITHOUT_DS = 48, /* of a 4K or 16K descriptor while VTCR_EL2.DS is 0 (D8.3.1) */
    DESCRIPTOR_LOG2 = 3,
    CONCAT_LOG2_MAX = 4, /* at most 16 concatenated root tables (D8.2.2) */
    LAST_LEVEL = 3,
};

static enum s2_err refuse(struct s2_detail *d, enum s2_err err, unsigned asked, unsigned most, const char *what)
{
    s2_refuse(d, err, S2_AXIS_NONE, asked, asked, what);
    if (d)
        d->found_start = d->found_end = most;
    return err;
}

static enum s2_err check(const struct s2_caps *caps, const struct s2_geometry_request *req, struct s2_detail *d)
{
    unsigned most = caps->pa_bits < PA_BITS_WITHOUT_DS ? caps->pa_bits : PA_BITS_WITHOUT_DS;

    if (req->ipa_bits < IPA_BITS_MIN || req->ipa_bits > IPA_BITS_MAX)
        return refuse(d, S2_EINVAL, req->ipa_bits, most, "is not an IPA size (32 to 52 bits)");
    if (req->granule != S2_4K && req->granule != S2_16K && req->granule != S2_64K)
        return refuse(d, S2_EINVAL, req->ipa_bits, most, "names no granule");
    if (req->granule != S2_4K)
        return refuse(d, S2_EUNSUP, req->ipa_bits, most, "only 4K granules are, as yet");
    if (!caps->gran4k)
        return refuse(d, S2_EUNSUP, req->ipa_bits, most, "needs the 4K granule at stage 2, which a CPU lacks");
    if (req->ipa_bits > most)
        return refuse(d, S2_EUNSUP, req->ipa_bits, most, "is more than the CPUs' physical address size");
    if ((req->access_flag && !caps->haf) || (req->dirty && !caps->hdbs))
        return refuse(d, S2_EUNSUP, req->ipa_bits, most,
                      "needs hardware access flag or dirty state, which a CPU lacks");
    return S2_OK;
}

/* Address bits that tables from `level` to 3 resolve, without concatenation. */
static unsigned bits_from(const struct s2_geometry *g, int level)
{
    return s2_level_shift(g, level) + g->stride;
}

static uint64_t vtcr(const struct s2_caps *caps, const struct s2_geometry_request *req, const struct s2_geometry *g)
{
    static const uint8_t pa_sizes[] = {32, 36, 40, 42, 44, 48};
    unsigned ps = 0;
    uint64_t sl0 = (uint64_t)(2 - g->start_level); /* 4K: level 2, 1, 0 are 0, 1, 2 */
    uint64_t v = VTCR_RES1 | VTCR_SH0_INNER | VTCR_ORGN0_WBWA | VTCR_IRGN0_WBWA | VTCR_TG0_4K;

    while (pa_sizes[ps] < g->pa_bits)
        ps++;
    v |= (64ull - g->ipa_bits) << VTCR_T0SZ_SHIFT | sl0 << VTCR_SL0_SHIFT | (uint64_t)ps << VTCR_PS_SHIFT;
    if (caps->vmid_bits == 16)
        v |= VTCR_VS;
    if (req->access_flag || req->dirty)
        v |= VTCR_HA;
    if (req->dirty)
        v |= VTCR_HD;
    return v;
}

enum s2_err s2_geometry_make(const struct s2_caps *caps, const struct s2_geometry_request *req, struct s2_geometry *out,
                             struct s2_detail *d)
{
    enum s2_err err = check(caps, req, d);
    struct s2_geometry g = {
        .granule_log2 = (uint8_t)req->granule,
        .ipa_bits = req->ipa_bits,
        .pa_bits = caps->pa_bits < PA_BITS_WITHOUT_DS ? caps->pa_bits : PA_BITS_WITHOUT_DS,
        .start_level = LAST_LEVEL,
        .block_level = 1,
        .stride = (uint8_t)(req->granule - DESCRIPTOR_LOG2),
        .roots = 1,
    };

    if (err)
        return err;
    while (g.ipa_bits > bits_from(&g, g.start_level) + CONCAT_LOG2_MAX)
        g.start_level--;
    if (g.ipa_bits > bits_from(&g, g.start_level))
        g.roots = (uint16_t)(1u << (g.ipa_bits - bits_from(&g, g.start_level)));
    g.vtcr = vtcr(caps, req, &g);
    *out = g;
    return S2_OK;
}
