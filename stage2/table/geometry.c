/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* From capabilities and a wished size to the shape of the tables and VTCR_EL2 (D24.2.182, D8.2; architecture rule 17). */
#include <stage2/geometry.h>

#include "table/vtcr.h"

enum {
    IPA_BITS_MIN = 16,
    IPA_BITS_MIN_WITHOUT_TTST = 25,
    IPA_BITS_MAX = 52,
    PA_BITS_WITHOUT_DS = 48, /* of a 4K or 16K descriptor while VTCR_EL2.DS is 0 (D8.3.1) */
    PA_BITS_MAX = 52,
    DESCRIPTOR_LOG2 = 3,
    MOST_ROOTS = 16,
    FIRST_LEVEL = -1,
    LAST_LEVEL = 3,
    LEVELS = LAST_LEVEL - FIRST_LEVEL + 1,
};

/* A level at which a walk may start: what that takes besides the PA size, and how VTCR_EL2 says it. */
enum { NOTHING = 0, TTST = 1, DS = 2 };
struct start {
    uint8_t needs, pa_bits, sl; /* sl: SL2 and the two bits of SL0 */
};
#define NOWHERE                                                                                                        \
    {                                                                                                                  \
        0, UINT8_MAX, 0                                                                                                \
    }

/* What one granule has. Arrays of LEVELS are by level + 1. */
static const struct granule {
    uint8_t tg0;
    int8_t block_level, block_level_52; /* without and with 52-bit descriptors (D8.3.1) */
    uint8_t run_log2[LEVELS];           /* D8.7.1 */
    struct start start[LEVELS];
} granules[] = {
    {0, 1, 0, {0, 0, 4, 4, 4}, {{DS, 52, 4}, {NOTHING, 44, 2}, {NOTHING, 0, 1}, {NOTHING, 0, 0}, {TTST, 0, 3}}},
    {2, 2, 1, {0, 0, 0, 5, 7}, {NOWHERE, {DS, 52, 3}, {NOTHING, 42, 2}, {NOTHING, 0, 1}, {NOTHING, 0, 0}}},
    {1, 2, 1, {0, 0, 0, 5, 5}, {NOWHERE, NOWHERE, {NOTHING, 44, 2}, {NOTHING, 0, 1}, {NOTHING, 0, 0}}},
};

static unsigned row(unsigned granule_log2)
{
    return (granule_log2 - S2_4K) / 2;
}

static unsigned roots_at(const struct s2_geometry *g, int level)
{
    unsigned single = s2_level_shift(g, level) + g->stride; /* address bits that one root table resolves */

    return g->ipa_bits > single ? 1u << (g->ipa_bits - single) : 1;
}

static bool find_start(const struct s2_caps *caps, struct s2_geometry *g, unsigned most_roots)
{
    unsigned have = (caps->small_va ? TTST : 0) | (g->ds ? DS : 0);

    for (int level = LAST_LEVEL; level >= FIRST_LEVEL; level--) {
        const struct start *s = &granules[row(g->granule_log2)].start[level - FIRST_LEVEL];
        unsigned roots = roots_at(g, level);

        if (s->needs & ~have || s->pa_bits > caps->pa_bits || roots > most_roots)
            continue;
        g->start_level = (int8_t)level;
        g->roots = (uint16_t)roots;
        return true;
    }
    return false;
}

static const char *nonsense(const struct s2_geometry_request *req)
{
    if (req->granule != S2_4K && req->granule != S2_16K && req->granule != S2_64K)
        return "names no granule";
    if (req->ipa_bits < IPA_BITS_MIN || req->ipa_bits <= (unsigned)req->granule || req->ipa_bits > IPA_BITS_MAX)
        return "is not an IPA size (16 to 52 bits, more than a page)";
    if (req->most_roots > MOST_ROOTS || req->most_roots & (req->most_roots - 1))
        return "asks for a number of root tables other than 1, 2, 4, 8 or 16";
    return NULL;
}

/* The size, the descriptors and the start of a geometry with ipa_bits; or why there is none. */
static const char *plan(const struct s2_caps *caps, const struct s2_geometry_request *req, unsigned ipa_bits,
                        struct s2_geometry *g)
{
    const bool usable[] = {caps->gran4k, caps->gran16k, caps->gran64k}, lpa2[] = {caps->lpa2_4k, caps->lpa2_16k, false};
    bool ds = req->granule != S2_64K && (req->wide || ipa_bits > PA_BITS_WITHOUT_DS);
    uint8_t carried = ds || req->granule == S2_64K ? PA_BITS_MAX : PA_BITS_WITHOUT_DS;

    *g = (struct s2_geometry){
        .granule_log2 = (uint8_t)req->granule,
        .stride = (uint8_t)(req->granule - DESCRIPTOR_LOG2),
        .ipa_bits = (uint8_t)ipa_bits,
        .pa_bits = caps->pa_bits < carried ? caps->pa_bits : carried,
        .ds = ds,
    };
    for (int level = LAST_LEVEL, shift = g->granule_log2; level >= FIRST_LEVEL; level--, shift += g->stride)
        g->shift[level - FIRST_LEVEL] = (uint8_t)shift;
    if (!usable[row(req->granule)])
        return "needs a granule that a CPU lacks at stage 2";
    if (ipa_bits > caps->pa_bits)
        return "is more than the CPUs' physical address size";
    if (ds && !lpa2[row(req->granule)])
        return "needs 52-bit descriptors (FEAT_LPA2), which a CPU lacks";
    if (ipa_bits < IPA_BITS_MIN_WITHOUT_TTST && !caps->small_va)
        return "is less than 25 bits, which needs FEAT_TTST";
    if (!find_start(caps, g, req->most_roots ? req->most_roots : MOST_ROOTS))
        return "needs more root tables than allowed, or a start level that a CPU lacks";
    return NULL;
}

static unsigned largest(const struct s2_caps *caps, const struct s2_geometry_request *req)
{
    struct s2_geometry g;
    unsigned bits = IPA_BITS_MAX;

    while (bits > (unsigned)req->granule && plan(caps, req, bits, &g))
        bits--;
    return bits > (unsigned)req->granule ? bits : 0;
}

/* A run that is larger than the input is not one (rule 11). */
static void set_leaves(struct s2_geometry *g, const struct granule *of, bool runs)
{
    g->block_level = g->ds || g->pa_bits == PA_BITS_MAX ? of->block_level_52 : of->block_level;
    if (g->block_level < g->start_level)
        g->block_level = g->start_level;
    for (int level = g->block_level; runs && level <= LAST_LEVEL; level++) {
        uint8_t run = of->run_log2[level - FIRST_LEVEL];

        if (s2_level_shift(g, level) + run <= g->ipa_bits)
            g->run_log2[level - FIRST_LEVEL] = run;
    }
}

static uint64_t vtcr(const struct s2_caps *caps, const struct s2_geometry *g, const struct granule *of)
{
    static const uint8_t pa_sizes[] = {32, 36, 40, 42, 44, 48, PA_BITS_MAX};
    uint64_t sl = of->start[g->start_level - FIRST_LEVEL].sl, ps = 0;
    bool hd = g->track_dirty && caps->hdbs;

    while (pa_sizes[ps] < g->pa_bits)
        ps++;
    return VTCR_RES1 | VTCR_SH0_INNER | VTCR_ORGN0_WBWA | VTCR_IRGN0_WBWA | (64ull - g->ipa_bits) << VTCR_T0SZ_SHIFT |
           (sl & 3) << VTCR_SL0_SHIFT | sl >> 2 << VTCR_SL2_SHIFT | (uint64_t)of->tg0 << VTCR_TG0_SHIFT |
           ps << VTCR_PS_SHIFT | (caps->vmid_bits == 16 ? VTCR_VS : 0) | (g->ds ? VTCR_DS : 0) |
           /* HD does nothing without HA, which finds nothing to do where all leaves begin with AF = 1. */
           (hd || (g->track_access && caps->haf) ? VTCR_HA : 0) | (hd ? VTCR_HD : 0);
}

static enum s2_err refuse(struct s2_detail *d, enum s2_err err, unsigned asked, unsigned most, const char *what)
{
    s2_refuse(d, err, S2_AXIS_NONE, asked, asked, what);
    if (d)
        d->found_start = d->found_end = most;
    return err;
}

enum s2_err s2_geometry_make(const struct s2_caps *caps, const struct s2_geometry_request *req, struct s2_geometry *out,
                             struct s2_detail *d)
{
    const char *what = nonsense(req);
    struct s2_geometry g;

    if (what)
        return refuse(d, S2_EINVAL, req->ipa_bits, 0, what);
    what = plan(caps, req, req->ipa_bits, &g);
    if (what)
        return refuse(d, S2_EUNSUP, req->ipa_bits, largest(caps, req), what);
    g.track_access = req->access_flag;
    g.track_dirty = req->dirty;
    set_leaves(&g, &granules[row(req->granule)], !req->no_runs);
    g.vtcr = vtcr(caps, &g, &granules[row(req->granule)]);
    *out = g;
    return S2_OK;
}
