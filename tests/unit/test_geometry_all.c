/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every request on every CPU (G1, rule 17), against two opinions that share nothing with the code: the Arm ARM's tables of
 * initial lookup levels as data, and every value of VTCR_EL2 that the model takes for legal. */
#include "unit.h"

#include <string.h>

#include <model_arch.h>
#include <stage2/geometry.h>

/* --- the Arm ARM's tables (D8.2.2 .. D8.2.5): which IPA sizes a start level resolves ---------------------------------- */

enum { IF_TTST = 1, IF_DS = 2 };
struct row {
    unsigned granule;
    int level;
    unsigned least, single, most; /* IPA bits: at least, with one root table, with sixteen */
    unsigned pa_bits;             /* the CPU's, at least (D8-8, D8-9) */
    unsigned sl2_sl0, only;
};

/* The highest level number first: of those that are possible, the first is wanted. */
static const struct row rows[] = {
    {12, 3, 13, 21, 25, 0, 3, IF_TTST}, {12, 2, 22, 30, 34, 0, 0, 0},       {12, 1, 31, 39, 43, 0, 1, 0},
    {12, 0, 40, 48, 52, 44, 2, 0},      {12, -1, 49, 52, 52, 52, 4, IF_DS}, {14, 3, 15, 25, 29, 0, 0, 0},
    {14, 2, 26, 36, 40, 0, 1, 0},       {14, 1, 37, 47, 51, 42, 2, 0},      {14, 0, 48, 52, 52, 52, 3, IF_DS},
    {16, 3, 17, 29, 33, 0, 0, 0},       {16, 2, 30, 42, 46, 0, 1, 0},       {16, 1, 43, 52, 52, 44, 2, 0},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* What a CPU and a request amount to. */
struct setting {
    struct s2_caps caps;
    struct s2_geometry_request req;
    unsigned granule, most_roots;
    bool lpa2;
};

static bool with_ds(const struct setting *s, unsigned ipa)
{
    return s->granule != 16 && (ipa > 48 || s->req.wide);
}

static unsigned outputs(const struct setting *s, unsigned ipa)
{
    bool narrow = s->granule != 16 && !with_ds(s, ipa);

    return narrow && s->caps.pa_bits == 52 ? 48 : s->caps.pa_bits;
}

static const struct row *row_of(const struct setting *s, unsigned ipa, unsigned *roots)
{
    unsigned have = (s->caps.small_va ? IF_TTST : 0u) | (with_ds(s, ipa) ? IF_DS : 0u);

    if (ipa > outputs(s, ipa) || ipa < (s->caps.small_va ? 16u : 25u) || (with_ds(s, ipa) && !s->lpa2))
        return NULL;
    for (unsigned i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];

        if (r->granule != s->granule || ipa < r->least || ipa > r->most || s->caps.pa_bits < r->pa_bits ||
            (r->only & have) != r->only)
            continue;
        *roots = 1;
        for (unsigned b = r->single; b < ipa; b++)
            *roots *= 2;
        if (*roots <= s->most_roots)
            return r;
    }
    return NULL;
}

static unsigned largest(const struct setting *s)
{
    unsigned bits = 60, roots;

    while (bits > 0 && !row_of(s, bits, &roots))
        bits--;
    return bits;
}

/* --- the model: any start that VTCR_EL2 can say ----------------------------------------------------------------------- */

static uint64_t ps_of(unsigned pa_bits)
{
    switch (pa_bits) {
    case 32:
        return 0;
    case 36:
        return 1;
    case 40:
        return 2;
    case 42:
        return 3;
    case 44:
        return 4;
    case 48:
        return 5;
    default:
        return 6;
    }
}

/* Inner shareable, write-back; without VS, HA, HD. */
static uint64_t vtcr_of(const struct setting *s, unsigned ipa, unsigned sl2_sl0)
{
    uint64_t tg0 = s->granule == 12 ? 0 : s->granule == 16 ? 1 : 2;

    return 0x80003500 | (64 - ipa) | (uint64_t)(sl2_sl0 & 3) << 6 | tg0 << 14 | ps_of(outputs(s, ipa)) << 16 |
           (uint64_t)with_ds(s, ipa) << 32 | (uint64_t)(sl2_sl0 >> 2) << 33;
}

static const char *judged(const struct setting *s, uint64_t vtcr, struct arch_regime *r)
{
    struct arch_machine machine = {.caps = s->caps};

    return arch_regime(&machine, 1ull << 48, vtcr, r);
}

/* Later editions (S2InvalidSL) want 52 bits of PA for the levels that came with FEAT_LPA2; the model lets 16K with 48 pass. */
static bool needs_52(const struct arch_regime *r)
{
    return r->start == (r->granule == 14 ? 0 : -1);
}

/* The best of all that are legal: 0 when none is. */
static uint64_t best_vtcr(const struct setting *s, unsigned ipa)
{
    uint64_t best = 0;
    int level = -2;

    for (unsigned sl = 0; sl < 8; sl++) {
        uint64_t vtcr = vtcr_of(s, ipa, sl);
        struct arch_regime r;

        if (judged(s, vtcr, &r) || r.ipa_bits != ipa || r.roots > s->most_roots || r.start <= level ||
            (needs_52(&r) && s->caps.pa_bits < 52))
            continue;
        level = r.start;
        best = vtcr;
    }
    return best;
}

/* --- leaves, by their bytes (log2) -------------------------------------------------------------------------------------- */

struct leaf {
    unsigned granule, bytes, run; /* run: bytes of a run with the Contiguous bit; 0: none (D8.7.1) */
    bool only_52;
};
static const struct leaf leaves[] = {
    {12, 12, 16, false}, {12, 21, 25, false}, {12, 30, 34, false}, {12, 39, 0, true},   {14, 14, 21, false},
    {14, 25, 30, false}, {14, 36, 0, true},   {16, 16, 21, false}, {16, 29, 34, false}, {16, 42, 0, true},
};

static const struct leaf *leaf_of(const struct s2_geometry *g, int level)
{
    bool wide = g->granule_log2 == 16 ? g->pa_bits == 52 : g->ds;

    for (unsigned i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        if (leaves[i].granule == g->granule_log2 && leaves[i].bytes == s2_level_shift(g, level) &&
            (wide || !leaves[i].only_52))
            return &leaves[i];
    return NULL;
}

static void check_leaves(const struct setting *s, const struct s2_geometry *g, const struct arch_regime *r)
{
    for (int level = -1; level <= 3; level++) {
        const struct leaf *l = level < g->start_level ? NULL : leaf_of(g, level);
        unsigned run = l && l->run && l->run <= g->ipa_bits && !s->req.no_runs ? l->run - l->bytes : 0;

        assert_int_equal(l != NULL, level >= g->block_level);
        assert_int_equal(g->run_log2[level + 1], run);
        if (run)
            assert_int_equal(1u << run, arch_run(r, level));
    }
}

/* --- the product --------------------------------------------------------------------------------------------------------- */

static void check_made(const struct setting *s, unsigned ipa, const struct s2_geometry *g, uint64_t plain)
{
    const struct s2_caps *c = &s->caps;
    bool hd = s->req.dirty && c->hdbs, ha = hd || (s->req.access_flag && c->haf);
    struct arch_regime r;
    unsigned roots = 0;
    const struct row *row = row_of(s, ipa, &roots);

    assert_non_null(row);
    assert_int_equal(plain, vtcr_of(s, ipa, row->sl2_sl0));
    assert_int_equal(g->vtcr, plain | (c->vmid_bits == 16 ? 1ull << 19 : 0) | (uint64_t)ha << 21 | (uint64_t)hd << 22);
    assert_null(judged(s, g->vtcr, &r));
    assert_int_equal(g->granule_log2, r.granule);
    assert_int_equal(g->stride, r.stride);
    assert_int_equal(g->ipa_bits, ipa);
    assert_int_equal(g->pa_bits, r.pa_bits);
    assert_int_equal(g->start_level, row->level);
    assert_int_equal(g->start_level, r.start);
    assert_int_equal(g->roots, roots);
    assert_int_equal(g->roots, r.roots);
    assert_int_equal(g->ds, r.ds);
    assert_int_equal(g->track_access, s->req.access_flag);
    assert_int_equal(g->track_dirty, s->req.dirty);
    check_leaves(s, g, &r);
}

static void check_refused(const struct setting *s, unsigned ipa, enum s2_err err, const struct s2_detail *d,
                          unsigned most)
{
    bool exists = ipa >= 16 && ipa <= 52 && ipa > s->granule;
    unsigned roots;

    assert_null(row_of(s, ipa, &roots));
    assert_int_equal(err, exists ? S2_EUNSUP : S2_EINVAL);
    assert_int_equal(d->err, err);
    assert_int_equal(d->asked_end, ipa);
    assert_int_equal(d->found_end, exists ? most : 0);
    assert_non_null(d->what);
}

/* Who tracks: 16 ways to want it and to have it; caps with hdbs have haf. */
static void set_tracking(struct setting *s, unsigned way)
{
    s->req.access_flag = way & 1;
    s->req.dirty = way & 2;
    s->caps.haf = way & 4;
    s->caps.hdbs = (way & 12) == 12;
}

static void every_size(struct setting *s)
{
    unsigned most = largest(s);

    for (unsigned ipa = 0; ipa <= 60; ipa++) {
        uint64_t plain = ipa ? best_vtcr(s, ipa) : 0;

        s->req.ipa_bits = (uint8_t)ipa;
        for (unsigned way = 0; way < 16; way++) {
            struct s2_geometry g;
            struct s2_detail d = {.err = S2_OK};
            enum s2_err err;

            set_tracking(s, way);
            err = s2_geometry_make(&s->caps, &s->req, &g, &d);
            if (plain)
                assert_int_equal(err, S2_OK);
            if (err)
                check_refused(s, ipa, err, &d, most);
            else
                check_made(s, ipa, &g, plain);
            if (err && way)
                break; /* a refusal has nothing to do with tracking: twice is enough */
        }
    }
}

static struct setting setting_of(unsigned granule, unsigned pa_bits, bool lpa2, bool ttst)
{
    /* Of the other granules each says the opposite. */
    struct s2_caps c = {
        .pa_bits = (uint8_t)pa_bits,
        .gran4k = granule == 12,
        .gran16k = granule == 14,
        .gran64k = granule == 16,
        .lpa2_4k = granule == 12 ? lpa2 : !lpa2,
        .lpa2_16k = granule == 14 ? lpa2 : !lpa2,
        .small_va = ttst,
    };

    return (struct setting){.caps = c, .granule = granule, .lpa2 = lpa2, .req.granule = (enum s2_granule)granule};
}

static void every_cpu(unsigned granule)
{
    static const uint8_t pa[] = {32, 36, 40, 42, 44, 48, 52}, roots[] = {0, 1, 2, 4, 8, 16};

    for (unsigned i = 0; i < sizeof pa * 4; i++) {
        struct setting s = setting_of(granule, pa[i / 4], i & 1, i & 2);

        for (unsigned k = 0; k < sizeof roots * 8; k++) {
            s.req.most_roots = roots[k / 8];
            s.most_roots = s.req.most_roots ? s.req.most_roots : 16;
            s.req.wide = k & 1;
            s.req.no_runs = k & 2;
            s.caps.vmid_bits = k & 4 ? 16 : 8;
            every_size(&s);
        }
    }
}

static void all_of_4k(void **state)
{
    (void)state;
    every_cpu(12);
}

static void all_of_16k(void **state)
{
    (void)state;
    every_cpu(14);
}

static void all_of_64k(void **state)
{
    (void)state;
    every_cpu(16);
}

/* A granule that only others have: nothing is possible, and nothing is said to be. */
static void lacking_granules(void **state)
{
    (void)state;
    for (unsigned granule = 12; granule <= 16; granule += 2)
        for (unsigned other = 12; other <= 16; other += 2)
            for (unsigned ipa = 17; ipa <= 52 && other != granule; ipa++) {
                struct setting s = setting_of(other, 52, true, true);
                struct s2_geometry g;
                struct s2_detail d;

                s.caps.lpa2_4k = s.caps.lpa2_16k = true;
                s.req = (struct s2_geometry_request){.granule = (enum s2_granule)granule, .ipa_bits = (uint8_t)ipa};
                assert_int_equal(s2_geometry_make(&s.caps, &s.req, &g, &d), S2_EUNSUP);
                assert_string_equal(d.what, "needs a granule that a CPU lacks at stage 2");
                assert_int_equal(d.found_end, 0);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_4k),
        cmocka_unit_test(all_of_16k),
        cmocka_unit_test(all_of_64k),
        cmocka_unit_test(lacking_granules),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
