/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The shape of each VM's tables on a given CPU, what is said where there is none, and how the memory for table pages is divided
 * among the granules. */
#include <stage2/space.h>

#include "manifest_world.h"
#include "vm/shape.h"

static const struct s2_caps a53 = {.pa_bits = 40, .vmid_bits = 8, .gran4k = true, .gran64k = true};
static const struct s2_caps a76 = {
    .pa_bits = 40, .vmid_bits = 16, .gran4k = true, .gran16k = true, .gran64k = true, .small_va = true};
static const struct s2_caps max = {.pa_bits = 52,
                                   .vmid_bits = 16,
                                   .gran4k = true,
                                   .gran16k = true,
                                   .gran64k = true,
                                   .lpa2_4k = true,
                                   .lpa2_16k = true,
                                   .small_va = true};

static struct manifest m;

/* One VM, "a", on a machine with such CPUs; the lines must be those. */
static void check_on(const struct s2_caps *caps, const char *body, const char *const *want)
{
    static struct machine machine;
    struct lines lines = {0};
    struct problems p = {keep_line, &lines, 0};
    char vms[512];
    size_t bytes;
    snprintf(vms, sizeof(vms), "a { image = \"i\"; %s };", body);
    void *blob = compile_vms(vms, &bytes);
    make_machine(&machine);
    machine.caps = caps;
    machine.pa_bits = caps->pa_bits;
    assert_true(manifest_parse(&m, blob, bytes, &p));
    manifest_check(&m, &machine, NULL, &p);
    expect_lines(&lines, want);
    free(blob);
}

static void refused_on(const struct s2_caps *caps, const char *body, const char *line)
{
    const char *const want[] = {line, NULL};
    check_on(caps, body, want);
    assert_false(m.vm[0].ok);
}

static void accepted_on(const struct s2_caps *caps, const char *body, unsigned granule_log2, unsigned ipa_bits,
                        int start_level, unsigned roots)
{
    static const char *const none[] = {NULL};
    struct s2_geometry g;
    struct s2_detail d;
    check_on(caps, body, none);
    assert_true(m.vm[0].ok);
    assert_int_equal(shape_make(&m.vm[0], caps, &g, &d), S2_OK);
    assert_int_equal(g.granule_log2, granule_log2);
    assert_int_equal(g.ipa_bits, ipa_bits);
    assert_int_equal(g.start_level, start_level);
    assert_int_equal(g.roots, roots);
}

static void test_accepted(void **state)
{
    (void)state;
    accepted_on(&a53, RAM, 12, 40, 1, 2);
    accepted_on(&a53, RAM "ipa-bits = <32>;", 12, 32, 2, 4);
    accepted_on(&a53, RAM "granule = \"64K\";", 16, 40, 2, 1);
    accepted_on(&a76, RAM "granule = \"16K\"; ipa-bits = <40>;", 14, 40, 2, 16);
    accepted_on(&max, RAM "ipa-bits = <52>;", 12, 52, 0, 16);
    accepted_on(&max, RAM "granule = \"16K\"; ipa-bits = <48>;", 14, 48, 1, 2);
    accepted_on(&max, RAM "granule = \"64K\"; ipa-bits = <52>;", 16, 52, 1, 1);
    accepted_on(&max,
                "ipa-bits = <25>; memory { ram { ipa = <0>; size = \"4M\"; }; }; uart { ipa = <0x1000000>; }; "
                "gic { distributor = <0x1010000>; redistributor = <0x1020000>; };",
                12, 25, 3, 16);
}

static void test_refused(void **state)
{
    (void)state;
    refused_on(&a53, RAM "granule = \"16K\";",
               "vm a: granule: is not supported: needs a granule that a CPU lacks at stage 2; the CPUs have 4K to 40 "
               "bits, 64K to 40");
    refused_on(&a53, RAM "ipa-bits = <48>;",
               "vm a: ipa-bits: is not supported: is more than the CPUs' physical address size; the CPUs have 4K to 40 "
               "bits, 64K to 40");
    refused_on(&a76, RAM "granule = \"16K\"; ipa-bits = <44>;",
               "vm a: ipa-bits: is not supported: is more than the CPUs' physical address size; the CPUs have 4K to 40 "
               "bits, 16K to 40, 64K to 40");
    struct s2_caps narrow = max;
    narrow.lpa2_4k = narrow.lpa2_16k = false;
    refused_on(&narrow, RAM "ipa-bits = <50>;",
               "vm a: ipa-bits: is not supported: needs 52-bit descriptors (FEAT_LPA2), which a CPU lacks; the CPUs "
               "have 4K to 48 bits, 16K to 48, 64K to 52");
}

static void test_quota(void **state)
{
    (void)state;
    struct s2_geometry g;
    struct s2_detail d;
    static const char *const none[] = {NULL};
    check_on(&max, RAM "granule = \"64K\";", none);
    assert_int_equal(shape_make(&m.vm[0], &max, &g, &d), S2_OK);
    assert_int_equal(shape_table_pages(&m.vm[0], &g), s2_table_quota(&g, 1) + s2_table_quota_area(&g, 16u << 20));
    check_on(&max, RAM "table-pages = <77>;", none);
    assert_int_equal(shape_make(&m.vm[0], &max, &g, &d), S2_OK);
    assert_int_equal(shape_table_pages(&m.vm[0], &g), 77);
}

#define K 1024ull
#define M (1024 * K)
static void test_split(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes, need[SHAPES], share[SHAPES];
    } cases[] = {
        {16 * M, {4 * M, 0, 0}, {16 * M, 0, 0}},                      /* alone: all */
        {16 * M, {0, 0, 64 * K}, {0, 0, 16 * M}},                     /* whichever it is */
        {16 * M, {0, 0, 0}, {0, 0, 0}},                               /* nobody */
        {16 * M, {M, 2 * M, 4 * M}, {M, 2 * M, 13 * M}},              /* the rest to the neediest */
        {16 * M, {M, 100 * M, 4 * M}, {M, 11 * M, 4 * M}},            /* who needs too much leaves others theirs */
        {15 * M, {100 * M, 100 * M, 100 * M}, {5 * M, 5 * M, 5 * M}}, /* alike */
        {2 * M, {100 * M, 0, 100 * M}, {M, 0, M}},                    /* an absent one has no part */
        {M + 100 * K, {M, 0, 90 * K}, {M + 36 * K, 0, 64 * K}},       /* whole pages */
        {16 * M, {3 * K, 0, 4 * M}, {0, 0, 16 * M}},                  /* less than a page is none */
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t share[SHAPES];
        shape_split(cases[i].bytes, cases[i].need, share);
        for (unsigned k = 0; k < SHAPES; k++)
            assert_int_equal(share[k], cases[i].share[k]);
    }
}

/* Room for an entry for each 2 MiB, and no more nodes than it takes by much. */
static void test_ledger(void **state)
{
    (void)state;
    static const struct shape_ledger cases[] = {
        {0, 0, 0},      {200, 1, 64},         {200, 16, 1024},       {200, 1, 4096},
        {200, 2, 8192}, {200, 16, 64 * 1024}, {200, 1, 1024 * 1024}, {200, 16, 16 * 1024 * 1024},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct shape_ledger *l = &cases[i];
        uint32_t nodes = shape_ledger_nodes(l), all = shape_ledger_limit(l, s2_imap_capacity(nodes), l->mib);
        assert_true(nodes >= SHAPE_LEDGER_NODES);
        assert_true(all >= SHAPE_LEDGER_LEAST + l->mib / 2);
        assert_true(l->own + 2 * (all + (l->vms ? l->vms - 1 : 0) * SHAPE_LEDGER_LEAST) <= s2_imap_capacity(nodes));
        if (nodes > SHAPE_LEDGER_NODES) /* a hundredth fewer were too few */
            assert_true(shape_ledger_limit(l, s2_imap_capacity(nodes - nodes / 100), l->mib) <
                        SHAPE_LEDGER_LEAST + l->mib / 2);
    }
    const struct shape_ledger two = {200, 2, 4096};
    uint64_t capacity = s2_imap_capacity(SHAPE_LEDGER_NODES);
    assert_int_equal(shape_ledger_limit(&two, capacity, 0), SHAPE_LEDGER_LEAST);
    assert_int_equal(shape_ledger_limit(&two, capacity, 1024), SHAPE_LEDGER_LEAST + (capacity - 200 - 256) / 2 / 4);
    assert_int_equal(shape_ledger_limit(&two, 100, 4096), SHAPE_LEDGER_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused), cmocka_unit_test(test_quota),
        cmocka_unit_test(test_split),    cmocka_unit_test(test_ledger),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
