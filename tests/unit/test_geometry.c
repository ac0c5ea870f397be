/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every size on every CPU (G1), against a formula that shares nothing with the code: D8-8 as inequalities. */
#include "unit.h"

#include <string.h>

#include <stage2/geometry.h>

static struct s2_caps cpu(unsigned pa_bits)
{
    return (struct s2_caps){.pa_bits = (uint8_t)pa_bits, .vmid_bits = 8, .gran4k = true};
}

static enum s2_err make(const struct s2_caps *c, unsigned ipa_bits, struct s2_geometry *g, struct s2_detail *d)
{
    struct s2_geometry_request req = {.granule = S2_4K, .ipa_bits = (uint8_t)ipa_bits};

    return s2_geometry_make(c, &req, g, d);
}

/* 4K: level 2 resolves 30 bits, level 1 39, level 0 48; up to 16 tables side by side add 4. */
struct shape {
    int level;
    unsigned roots;
};

static struct shape expected(unsigned ipa_bits)
{
    struct shape s = {ipa_bits <= 34 ? 2 : ipa_bits <= 43 ? 1 : 0, 1};
    unsigned resolved = 48 - 9 * (unsigned)s.level;

    for (unsigned b = resolved; b < ipa_bits; b++)
        s.roots *= 2;
    return s;
}

static uint64_t vtcr_field(uint64_t v, unsigned high, unsigned low)
{
    return v << (63 - high) >> (63 - high + low);
}

static void check_vtcr(const struct s2_geometry *g, unsigned ipa_bits, unsigned ps)
{
    static const unsigned sl0_of_level[] = {2, 1, 0}; /* level 0, 1, 2 (4K) */
    uint64_t v = g->vtcr;

    assert_int_equal(vtcr_field(v, 5, 0), 64 - ipa_bits);
    assert_int_equal(vtcr_field(v, 7, 6), sl0_of_level[g->start_level]);
    assert_int_equal(vtcr_field(v, 9, 8), 1);   /* IRGN0: write-back, allocate */
    assert_int_equal(vtcr_field(v, 11, 10), 1); /* ORGN0 */
    assert_int_equal(vtcr_field(v, 13, 12), 3); /* SH0: inner */
    assert_int_equal(vtcr_field(v, 15, 14), 0); /* TG0: 4K */
    assert_int_equal(vtcr_field(v, 18, 16), ps);
    assert_int_equal(vtcr_field(v, 19, 19), 0); /* VS */
    assert_int_equal(vtcr_field(v, 30, 20), 0); /* HA, HD, HWU*, NSW, NSA */
    assert_int_equal(vtcr_field(v, 31, 31), 1); /* RES1 */
    assert_int_equal(vtcr_field(v, 63, 32), 0); /* DS, SL2 */
}

static void every_size_on_every_cpu(void **state)
{
    static const unsigned pa[] = {32, 36, 40, 42, 44, 48, 52};

    (void)state;
    for (unsigned p = 0; p < 7; p++) {
        struct s2_caps c = cpu(pa[p]);
        unsigned most = pa[p] > 48 ? 48 : pa[p];

        for (unsigned ipa = 0; ipa < 256; ipa++) {
            struct s2_geometry g;
            struct s2_detail d = {.err = S2_OK};
            enum s2_err err = make(&c, ipa, &g, &d);
            struct shape s = expected(ipa);

            if (ipa < 32 || ipa > 52) {
                assert_int_equal(err, S2_EINVAL);
                continue;
            }
            if (ipa > most) {
                assert_int_equal(err, S2_EUNSUP);
                assert_int_equal(d.err, S2_EUNSUP);
                assert_int_equal(d.asked_end, ipa);
                assert_int_equal(d.found_end, most);
                assert_non_null(d.what);
                continue;
            }
            assert_int_equal(err, S2_OK);
            assert_int_equal(g.granule_log2, 12);
            assert_int_equal(g.stride, 9);
            assert_int_equal(g.ipa_bits, ipa);
            assert_int_equal(g.pa_bits, most);
            assert_int_equal(g.start_level, s.level);
            assert_int_equal(g.roots, s.roots);
            assert_true(g.roots <= 16);
            assert_int_equal(g.block_level, 1);
            assert_false(g.ds);
            /* 4K starts at level 0 only where the PA size is at least 44 bits (D8-8). */
            assert_true(g.start_level > 0 || pa[p] >= 44);
            check_vtcr(&g, ipa, p > 5 ? 5 : p);
        }
    }
}

static void levels(void **state)
{
    struct s2_caps c = cpu(48);
    struct s2_geometry g;

    (void)state;
    assert_int_equal(make(&c, 48, &g, NULL), S2_OK);
    assert_int_equal(s2_level_shift(&g, 0), 39);
    assert_int_equal(s2_level_shift(&g, 1), 30);
    assert_int_equal(s2_level_shift(&g, 2), 21);
    assert_int_equal(s2_level_shift(&g, 3), 12);
    assert_int_equal(s2_granule_bytes(&g), 4096);
    assert_int_equal(s2_ipa_limit(&g), 1ull << 48);
}

static void features_in_vtcr(void **state)
{
    struct s2_caps c = cpu(40);
    struct s2_geometry_request req = {.granule = S2_4K, .ipa_bits = 40};
    struct s2_geometry g, plain;

    (void)state;
    assert_int_equal(s2_geometry_make(&c, &req, &plain, NULL), S2_OK);
    c.vmid_bits = 16;
    assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_OK);
    assert_int_equal(g.vtcr ^ plain.vtcr, 1ull << 19);
    req.access_flag = true;
    assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_EUNSUP);
    c.haf = true;
    assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_OK);
    assert_int_equal(g.vtcr ^ plain.vtcr, 1ull << 19 | 1ull << 21);
    req.dirty = true;
    assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_EUNSUP);
    c.hdbs = true;
    assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_OK);
    assert_int_equal(g.vtcr ^ plain.vtcr, 1ull << 19 | 1ull << 21 | 1ull << 22);
}

static void refused(void **state)
{
    struct s2_caps c = cpu(48);
    struct s2_geometry_request req = {.granule = S2_16K, .ipa_bits = 40};
    struct s2_geometry g, untouched;
    struct s2_detail d;

    (void)state;
    memset(&g, 0x5a, sizeof g);
    untouched = g;
    c.gran16k = c.gran64k = true;
    assert_int_equal(s2_geometry_make(&c, &req, &g, &d), S2_EUNSUP);
    req.granule = S2_64K;
    assert_int_equal(s2_geometry_make(&c, &req, &g, &d), S2_EUNSUP);
    req.granule = (enum s2_granule)13;
    assert_int_equal(s2_geometry_make(&c, &req, &g, &d), S2_EINVAL);
    req.granule = S2_4K;
    c.gran4k = false;
    assert_int_equal(s2_geometry_make(&c, &req, &g, &d), S2_EUNSUP);
    assert_memory_equal(&g, &untouched, sizeof g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_on_every_cpu),
        cmocka_unit_test(levels),
        cmocka_unit_test(features_in_vtcr),
        cmocka_unit_test(refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
