/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Geometries by name: what known CPUs have (G1), what a refusal says, what each feature adds. All others:
 * test_geometry_all. */
#include "unit.h"

#include <string.h>

#include <stage2/geometry.h>

static struct s2_caps cpu(unsigned pa_bits)
{
    return (struct s2_caps){
        .pa_bits = (uint8_t)pa_bits, .vmid_bits = 8, .gran4k = true, .gran16k = true, .gran64k = true};
}

/* As Cortex-A53 and A57 (no 16K), A76, and QEMU's max are. */
static struct s2_caps known_cpu(char which)
{
    struct s2_caps c = cpu(which == '3' ? 40 : which == '7' ? 44 : which == '6' ? 40 : 52);

    c.gran16k = which == '6' || which == 'm';
    if (which == 'm')
        c.lpa2_4k = c.lpa2_16k = c.small_va = true;
    return c;
}

enum { FEW = 1, WIDE = 2 };
struct example {
    char cpu; /* '3' A53, '7' A57, '6' A76, 'm' max */
    unsigned granule, ipa_bits, how;
    int level;
    unsigned roots;
    uint64_t vtcr;
};

/* The sizes that were seen to work on QEMU (hardware notes), and those at an edge. */
static const struct example examples[] = {
    {'3', 12, 32, 0, 2, 4, 0x80023520},
    {'3', 12, 34, 0, 2, 16, 0x8002351e},
    {'3', 12, 39, 0, 1, 1, 0x80023559},
    {'3', 12, 40, 0, 1, 2, 0x80023558},
    {'3', 16, 40, 0, 2, 1, 0x80027558},
    {'7', 12, 40, 0, 1, 2, 0x80043558},
    {'7', 12, 40, FEW, 0, 1, 0x80043598},
    {'7', 12, 43, 0, 1, 16, 0x80043555},
    {'7', 12, 44, 0, 0, 1, 0x80043594},
    {'7', 16, 44, 0, 2, 4, 0x80047554},
    {'6', 14, 36, 0, 2, 1, 0x8002b55c},
    {'6', 14, 40, 0, 2, 16, 0x8002b558}, /* level 1 would need 42 bits of PA */
    {'m', 12, 16, 0, 3, 1, 0x800535f0},
    {'m', 12, 25, 0, 3, 16, 0x800535e7},
    {'m', 12, 26, 0, 2, 1, 0x80053526},
    {'m', 12, 48, 0, 0, 1, 0x80053590},
    {'m', 12, 40, WIDE, 1, 2, 0x180063558},
    {'m', 12, 49, 0, 0, 2, 0x18006358f},
    {'m', 12, 52, 0, 0, 16, 0x18006358c},
    {'m', 12, 52, FEW, -1, 1, 0x38006350c},
    {'m', 14, 25, 0, 3, 1, 0x8005b527},
    {'m', 14, 47, 0, 1, 1, 0x8005b591},
    {'m', 14, 48, 0, 1, 2, 0x8005b590}, /* the only way without DS */
    {'m', 14, 48, FEW | WIDE, 0, 1, 0x18006b5d0},
    {'m', 14, 51, 0, 1, 16, 0x18006b58d},
    {'m', 14, 52, 0, 0, 1, 0x18006b5cc},
    {'m', 16, 17, 0, 3, 1, 0x8006752f},
    {'m', 16, 42, 0, 2, 1, 0x80067556},
    {'m', 16, 46, 0, 2, 16, 0x80067552},
    {'m', 16, 48, 0, 1, 1, 0x80067590},
    {'m', 16, 52, WIDE, 1, 1, 0x8006758c},
};

static void known_sizes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *e = &examples[i];
        struct s2_caps c = known_cpu(e->cpu);
        struct s2_geometry_request req = {
            .granule = (enum s2_granule)e->granule,
            .ipa_bits = (uint8_t)e->ipa_bits,
            .most_roots = e->how & FEW ? 1 : 0,
            .wide = e->how & WIDE,
        };
        struct s2_geometry g;

        print_message("# %c %u %u\n", e->cpu, e->granule, e->ipa_bits);
        assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_OK);
        assert_int_equal(g.start_level, e->level);
        assert_int_equal(g.roots, e->roots);
        assert_int_equal(g.vtcr, e->vtcr);
    }
}

static struct s2_geometry made(const struct s2_caps *c, enum s2_granule granule, unsigned ipa_bits, bool wide)
{
    struct s2_geometry_request req = {.granule = granule, .ipa_bits = (uint8_t)ipa_bits, .wide = wide};
    struct s2_geometry g;

    assert_int_equal(s2_geometry_make(c, &req, &g, NULL), S2_OK);
    return g;
}

static void levels(void **state)
{
    struct s2_caps c = known_cpu('m');
    struct s2_geometry g = made(&c, S2_4K, 48, false);

    (void)state;
    assert_int_equal(s2_level_shift(&g, 0), 39);
    assert_int_equal(s2_level_shift(&g, 1), 30);
    assert_int_equal(s2_level_shift(&g, 2), 21);
    assert_int_equal(s2_level_shift(&g, 3), 12);
    assert_int_equal(s2_granule_bytes(&g), 4096);
    assert_int_equal(s2_ipa_limit(&g), 1ull << 48);
    g = made(&c, S2_4K, 52, false);
    assert_int_equal(s2_level_shift(&g, -1), 48);
    g = made(&c, S2_16K, 48, false);
    assert_int_equal(s2_level_shift(&g, 1), 36);
    assert_int_equal(s2_granule_bytes(&g), 16384);
    g = made(&c, S2_64K, 48, false);
    assert_int_equal(s2_level_shift(&g, 1), 42);
    assert_int_equal(s2_granule_bytes(&g), 65536);
}

static void leaves_and_runs(void **state)
{
    static const struct {
        enum s2_granule granule;
        unsigned pa_bits, ipa_bits, most_roots;
        bool wide;
        int block_level;
        unsigned out, run_log2[5];
    } rows[] = {
        {S2_4K, 48, 48, 0, false, 1, 48, {0, 0, 4, 4, 4}},
        {S2_4K, 52, 48, 0, false, 1, 48, {0, 0, 4, 4, 4}},
        {S2_4K, 52, 48, 0, true, 0, 52, {0, 0, 4, 4, 4}}, /* 512G blocks, and none of them contiguous */
        {S2_4K, 44, 44, 0, true, 0, 44, {0, 0, 4, 4, 4}},
        {S2_4K, 48, 34, 1, false, 1, 48, {0, 0, 4, 4, 4}}, /* a run of 1G blocks is all there is */
        {S2_4K, 48, 33, 1, false, 1, 48, {0, 0, 0, 4, 4}}, /* and more than there is */
        {S2_4K, 48, 32, 0, false, 2, 48, {0, 0, 0, 4, 4}},
        {S2_4K, 48, 22, 0, false, 3, 48, {0, 0, 0, 0, 4}},
        {S2_16K, 48, 48, 0, false, 2, 48, {0, 0, 0, 5, 7}},
        {S2_16K, 52, 48, 0, true, 1, 52, {0, 0, 0, 5, 7}},
        {S2_16K, 48, 20, 0, false, 3, 48, {0, 0, 0, 0, 0}},
        {S2_64K, 48, 48, 0, false, 2, 48, {0, 0, 0, 5, 5}},
        {S2_64K, 52, 48, 0, false, 1, 52, {0, 0, 0, 5, 5}}, /* 4T blocks come with 52-bit addresses */
        {S2_64K, 52, 46, 0, false, 2, 52, {0, 0, 0, 5, 5}}, /* where the walk has a level 1 */
        {S2_64K, 52, 33, 1, false, 2, 52, {0, 0, 0, 0, 5}},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s2_caps c = known_cpu('m');
        struct s2_geometry_request req = {.granule = rows[i].granule,
                                          .ipa_bits = (uint8_t)rows[i].ipa_bits,
                                          .most_roots = (uint8_t)rows[i].most_roots,
                                          .wide = rows[i].wide};
        struct s2_geometry g;

        print_message("# row %u\n", i);
        c.pa_bits = (uint8_t)rows[i].pa_bits;
        assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_OK);
        assert_int_equal(g.block_level, rows[i].block_level);
        assert_int_equal(g.pa_bits, rows[i].out);
        for (unsigned k = 0; k < 5; k++)
            assert_int_equal(g.run_log2[k], rows[i].run_log2[k]);
        req.no_runs = true;
        assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_OK);
        for (unsigned k = 0; k < 5; k++)
            assert_int_equal(g.run_log2[k], 0);
    }
}

#define VS (1ull << 19)
#define HA (1ull << 21)
#define HD (1ull << 22)

/* What is asked for is tracked anyhow; hardware does what it can of it. HD means nothing without HA. */
static void tracking(void **state)
{
    static const struct {
        bool access_flag, dirty, haf, hdbs;
        uint64_t bits;
    } rows[] = {
        {false, false, true, true, 0},  {true, false, false, false, 0},    {true, false, true, true, HA},
        {false, true, false, false, 0}, {false, true, true, false, 0},     {false, true, true, true, HA | HD},
        {true, true, true, false, HA},  {true, true, true, true, HA | HD}, {true, true, false, false, 0},
    };
    struct s2_caps c = cpu(40);
    uint64_t plain = made(&c, S2_4K, 40, false).vtcr;

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s2_geometry_request req = {
            .granule = S2_4K, .ipa_bits = 40, .access_flag = rows[i].access_flag, .dirty = rows[i].dirty};
        struct s2_geometry g;

        c.haf = rows[i].haf;
        c.hdbs = rows[i].hdbs;
        assert_int_equal(s2_geometry_make(&c, &req, &g, NULL), S2_OK);
        assert_int_equal(g.vtcr ^ plain, rows[i].bits);
        assert_int_equal(g.track_access, rows[i].access_flag);
        assert_int_equal(g.track_dirty, rows[i].dirty);
    }
    c.vmid_bits = 16;
    assert_int_equal(made(&c, S2_4K, 40, false).vtcr ^ plain, VS);
}

/* --- refusals: why, and what there is instead ------------------------------------------------------------------------- */

static const char no_granule[] = "needs a granule that a CPU lacks at stage 2";
static const char pa_size[] = "is more than the CPUs' physical address size";
static const char no_lpa2[] = "needs 52-bit descriptors (FEAT_LPA2), which a CPU lacks";
static const char no_ttst[] = "is less than 25 bits, which needs FEAT_TTST";
static const char no_start[] = "needs more root tables than allowed, or a start level that a CPU lacks";
static const char no_size[] = "is not an IPA size (16 to 52 bits, more than a page)";
static const char no_roots[] = "asks for a number of root tables other than 1, 2, 4, 8 or 16";

static void refuses(const struct s2_caps *c, struct s2_geometry_request req, enum s2_err err, const char *what,
                    unsigned most)
{
    struct s2_geometry g, untouched;
    struct s2_detail d = {.err = S2_OK};

    memset(&g, 0x5a, sizeof g);
    untouched = g;
    assert_int_equal(s2_geometry_make(c, &req, &g, &d), err);
    assert_int_equal(s2_geometry_make(c, &req, &g, NULL), err);
    assert_memory_equal(&g, &untouched, sizeof g);
    assert_int_equal(d.err, err);
    assert_string_equal(d.what, what);
    assert_int_equal(d.asked_start, req.ipa_bits);
    assert_int_equal(d.asked_end, req.ipa_bits);
    assert_int_equal(d.found_end, most);
}

static void refused_by_the_cpu(void **state)
{
    struct s2_caps a53 = known_cpu('3'), a57 = known_cpu('7'), a76 = known_cpu('6'), max = known_cpu('m');

    (void)state;
    refuses(&a53, (struct s2_geometry_request){.granule = S2_16K, .ipa_bits = 36}, S2_EUNSUP, no_granule, 0);
    refuses(&a53, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 41}, S2_EUNSUP, pa_size, 40);
    refuses(&a53, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 24}, S2_EUNSUP, no_ttst, 40);
    refuses(&a53, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 40, .most_roots = 1}, S2_EUNSUP, no_start,
            39);
    refuses(&a57, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 40, .wide = true}, S2_EUNSUP, no_lpa2, 0);
    refuses(&a57, (struct s2_geometry_request){.granule = S2_64K, .ipa_bits = 52}, S2_EUNSUP, pa_size, 44);
    refuses(&a76, (struct s2_geometry_request){.granule = S2_16K, .ipa_bits = 40, .most_roots = 8}, S2_EUNSUP, no_start,
            39);
    max.lpa2_4k = false;
    refuses(&max, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 49}, S2_EUNSUP, no_lpa2, 48);
    refuses(&max, (struct s2_geometry_request){.granule = S2_16K, .ipa_bits = 48, .most_roots = 1}, S2_EUNSUP, no_start,
            52); /* with DS, 49 to 52 bits start at level 0, which has one table */
    max.pa_bits = 48;
    refuses(&max, (struct s2_geometry_request){.granule = S2_16K, .ipa_bits = 48, .most_roots = 1, .wide = true},
            S2_EUNSUP, no_start, 47);
    max.lpa2_16k = false;
    refuses(&max, (struct s2_geometry_request){.granule = S2_16K, .ipa_bits = 48, .most_roots = 1}, S2_EUNSUP, no_start,
            47);
}

static void no_such_request(void **state)
{
    struct s2_caps max = known_cpu('m');

    (void)state;
    refuses(&max, (struct s2_geometry_request){.granule = (enum s2_granule)13, .ipa_bits = 40}, S2_EINVAL,
            "names no granule", 0);
    refuses(&max, (struct s2_geometry_request){.granule = (enum s2_granule)0, .ipa_bits = 40}, S2_EINVAL,
            "names no granule", 0);
    refuses(&max, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 0}, S2_EINVAL, no_size, 0);
    refuses(&max, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 15}, S2_EINVAL, no_size, 0);
    refuses(&max, (struct s2_geometry_request){.granule = S2_64K, .ipa_bits = 16}, S2_EINVAL, no_size, 0);
    refuses(&max, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 53}, S2_EINVAL, no_size, 0);
    refuses(&max, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 255}, S2_EINVAL, no_size, 0);
    refuses(&max, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 40, .most_roots = 3}, S2_EINVAL, no_roots,
            0);
    refuses(&max, (struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 40, .most_roots = 32}, S2_EINVAL, no_roots,
            0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sizes),        cmocka_unit_test(levels),
        cmocka_unit_test(leaves_and_runs),    cmocka_unit_test(tracking),
        cmocka_unit_test(refused_by_the_cpu), cmocka_unit_test(no_such_request),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
