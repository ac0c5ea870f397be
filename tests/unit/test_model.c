/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested: for each rule, a hand-made edit that obeys it passes and one that breaks it is caught, in words that
 * name the rule. Here: walks, stale translations, TLBI operands. */
#include "hand_tables.h"

/* --- walks ------------------------------------------------------------------------------------------------------- */

static void test_walk(void **state)
{
    (void)state;
    begin();
    struct model_outcome o = model_access(m, 0x123, MODEL_WRITE, true);
    assert_int_equal(o.result, MODEL_DONE);
    assert_int_equal(o.pa, FRAME + 0x123);
    assert_int_equal(o.level, 3);
    o = model_access(m, TWO_M + 0x12345, MODEL_READ, false);
    assert_int_equal(o.pa, FRAME_2 + 0x12345);
    assert_int_equal(o.level, 2);
    o = model_access(m, FOUR_K, MODEL_READ, false);
    assert_int_equal(o.result, MODEL_TRANSLATION_FAULT);
    assert_int_equal(o.level, 3);
    o = model_access(m, 1ull << 40, MODEL_READ, false);
    assert_int_equal(o.result, MODEL_TRANSLATION_FAULT);
    assert_int_equal(o.level, 0);
    good();
}

/* The upper half of the IPA space is the second of the concatenated root tables. */
static void test_concatenated_root(void **state)
{
    (void)state;
    store(ROOT + 0x1000, 511, FRAME | RW | BLOCK);
    load(VTTBR_A);
    caught("not aligned to its level");
    store(ROOT + 0x1000, 511, RAM | RW | BLOCK);
    flush_all();
    model_forget_violations(m);
    struct model_outcome o = model_access(m, (1ull << 40) - 8, MODEL_READ, false);
    assert_int_equal(o.result, MODEL_DONE);
    assert_int_equal(o.pa, RAM + ONE_G - 8);
    assert_int_equal(o.level, 1);
    good();
}

static void test_permissions(void **state)
{
    (void)state;
    static const struct {
        uint64_t desc;
        bool r, w, x1, x0;
    } row[] = {
        {RW, true, true, true, true},
        {RO, true, false, true, true},
        {RO | 1ull << 53, true, false, false, true},
        {RO | 2ull << 53, true, false, false, false},
        {RO | 3ull << 53, true, false, true, false},
        {(RO & ~READ) | XN, false, false, false, false},
    };
    begin();
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        store(TABLE3, 7, FRAME | row[i].desc | PAGE);
        flush(7 * FOUR_K);
        for (int el0 = 0; el0 < 2; el0++) {
            bool x = el0 ? row[i].x0 : row[i].x1;
            assert_int_equal(model_access(m, 7 * FOUR_K, MODEL_READ, el0).result == MODEL_DONE, row[i].r);
            assert_int_equal(model_access(m, 7 * FOUR_K, MODEL_WRITE, el0).result == MODEL_DONE, row[i].w);
            assert_int_equal(model_access(m, 7 * FOUR_K, MODEL_EXEC, el0).result == MODEL_DONE, x);
        }
    }
    good();
}

static void test_hardware_updates(void **state)
{
    (void)state;
    outputs_anywhere();
    store(ROOT, 0, (RAM | RO | DBM | BLOCK) & ~AF);
    s2_port_load_context(m, VTTBR_A, VTCR | VTCR_HA | VTCR_HD);
    barrier(S2_ISB);
    assert_int_equal(model_access(m, 0, MODEL_READ, false).result, MODEL_DONE);
    assert_int_equal(*slot(ROOT, 0), RAM | RO | DBM | BLOCK);
    assert_int_equal(model_access(m, 0, MODEL_WRITE, false).result, MODEL_DONE);
    assert_int_equal(*slot(ROOT, 0), RAM | RW | DBM | BLOCK);
    assert_true(model_ok(m));
    store(ROOT, 0, 0);
    caught("plain store to the live leaf");
}

static void test_exchange_with_hardware_updates(void **state)
{
    (void)state;
    outputs_anywhere();
    store(ROOT, 0, RAM | RO | DBM | BLOCK);
    s2_port_load_context(m, VTTBR_A, VTCR | VTCR_HA | VTCR_HD);
    barrier(S2_ISB);
    assert_int_equal(s2_port_pte_xchg(m, slot(ROOT, 0), 0), RAM | RO | DBM | BLOCK);
    flush(0);
    good();
}

/* --- stale translations ------------------------------------------------------------------------------------------ */

static void test_never_loaded(void **state)
{
    (void)state;
    store(ROOT, 0, RAM | RW | BLOCK);
    store(ROOT, 0, 0);
    store(ROOT, 0, (RAM + ONE_G) | RO | BLOCK);
    good();
}

static void test_unmap(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    flush(0);
    good();
    assert_int_equal(model_access(m, 0, MODEL_READ, false).result, MODEL_TRANSLATION_FAULT);
    good();
}

static void test_unmap_without_tlbi(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISH);
    caught_late("no invalidation has covered VMID 1 IPA 0 level 3");
    model_access(m, 0, MODEL_READ, false);
    caught("may hold VMID 1 IPA 0 level 3");
}

static void test_unmap_without_first_dsb(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    tlbi(S2_TLBI_IPAS2E1IS, 0);
    caught("TLBI with no DSB after the store");
}

static void test_unmap_without_middle_dsb(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2E1IS, 0);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    caught_late("no VMALLE1 after the IPA operation's DSB");
}

static void test_unmap_without_last_dsb(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    caught_late("no invalidation has covered");
}

static void test_dsb_ishst_completes_no_tlbi(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    barrier(S2_DSB_ISHST);
    caught_late("no invalidation has covered");
}

static void test_tlbi_without_dsb(void **state)
{
    (void)state;
    begin();
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    caught_late("issued a TLBI and no DSB");
}

static void test_ipa_operation_alone(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2LE1IS, 0);
    barrier(S2_DSB_ISH);
    caught_late("combined entry");
}

static void test_vmalle1_alone(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    caught_late("no invalidation has covered");
}

static void test_wrong_ipa(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    flush(FOUR_K);
    caught_late("no invalidation has covered");
}

static void test_local_operation_for_all(void **state)
{
    (void)state;
    begin();
    model_set_cpu(m, 1);
    load(VTTBR_A);
    model_set_cpu(m, 0);
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1, 0);
    barrier(S2_DSB_ISH);
    model_access(m, 0, MODEL_READ, false);
    assert_true(model_ok(m));
    model_set_cpu(m, 1);
    model_access(m, 0, MODEL_READ, false);
    caught("may hold VMID 1 IPA 0");
}

/* A DSB completes what its own CPU has issued, as far as its domain goes. */
static void test_dsb_of_a_domain_too_small(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    barrier(S2_DSB_NSH);
    caught_late("no invalidation has covered");
    barrier(S2_DSB_ISH);
    good();
}

static void test_dsb_of_another_cpu(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    model_set_cpu(m, 1);
    barrier(S2_DSB_ISH);
    caught_late("no invalidation has covered");
    model_set_cpu(m, 0);
    barrier(S2_DSB_ISH);
    good();
}

/* Two CPUs with invalidations under way: each waits for its own, and for the stores of the other to be complete. */
static void test_two_cpus_invalidate(void **state)
{
    (void)state;
    begin();
    model_set_cpu(m, 1);
    load(VTTBR_A);
    store(TABLE2, 1, 0);
    model_set_cpu(m, 0);
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2E1IS, 0);
    tlbi(S2_TLBI_IPAS2E1IS, TWO_M >> 12);
    caught("TLBI with no DSB after the store that replaced VMID 1 IPA 0x200000");
    model_set_cpu(m, 1);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2E1IS, TWO_M >> 12);
    model_set_cpu(m, 0);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    caught_late("IPA 0x200000");
    model_set_cpu(m, 1);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    good();
}

static void test_block_by_any_address(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 1, 0);
    flush(TWO_M + 17 * FOUR_K);
    good();
}

static void test_write_protect(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, FRAME | RO | PAGE); /* permissions need no break */
    flush(0);
    good();
    store(TABLE3, 0, FRAME | RO | XN | PAGE);
    barrier(S2_DSB_ISH);
    caught_late("no invalidation has covered");
    model_access(m, 0, MODEL_EXEC, false);
    caught("may hold");
}

static void test_access_flag_and_software_bits(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, FRAME | RW | SOFT | PAGE);
    barrier(S2_DSB_ISHST);
    good();
}

/* Relaxing needs this CPU's entries gone only; another may fault once more, and must not loop. */
static void test_relax(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 1, (FRAME + FOUR_K) | RO | PAGE);
    barrier(S2_DSB_ISHST);
    model_set_cpu(m, 1);
    load(VTTBR_A);
    model_set_cpu(m, 0);
    store(TABLE3, 1, (FRAME + FOUR_K) | RW | PAGE);
    assert_true(model_access(m, FOUR_K, MODEL_WRITE, false).spurious);
    barrier(S2_DSB_NSH);
    tlbi(S2_TLBI_IPAS2E1, 1);
    barrier(S2_DSB_NSH);
    tlbi(S2_TLBI_VMALLE1, 0);
    barrier(S2_DSB_NSH);
    good();
    assert_false(model_access(m, FOUR_K, MODEL_WRITE, false).spurious);
    model_set_cpu(m, 1);
    assert_true(model_access(m, FOUR_K, MODEL_WRITE, false).spurious);
    assert_false(model_access(m, FOUR_K, MODEL_READ, false).spurious);
    good();
}

static void test_combined_entries_come_back(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLE1IS, 0); /* too early: the stage-2 entry makes them again */
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_IPAS2E1IS, 0);
    barrier(S2_DSB_ISH);
    caught_late("combined entry");
}

/* --- operands ---------------------------------------------------------------------------------------------------- */

static void hinted(enum s2_tlbi op, uint64_t operand)
{
    barrier(S2_DSB_ISHST);
    tlbi(op, operand);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
}

static void test_ttl(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    hinted(S2_TLBI_IPAS2LE1IS, TTL(3));
    good();
    store(TABLE2, 1, 0);
    hinted(S2_TLBI_IPAS2LE1IS, TWO_M >> 12 | TTL(2));
    good();
}

static void test_ttl_that_lies(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 1, 0);
    hinted(S2_TLBI_IPAS2LE1IS, TWO_M >> 12 | TTL(3));
    caught_late("TTL hint for another level");
}

static void test_ttl_with_a_table(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    hinted(S2_TLBI_IPAS2E1IS, TTL(3));
    caught_late("level 2 table");
    hinted(S2_TLBI_IPAS2E1IS, TTL(2)); /* a hint is of a leaf's level */
    caught_late("level 2 table");
}

static void test_operands(void **state)
{
    (void)state;
    static const struct {
        enum s2_tlbi op;
        uint64_t operand;
        const char *words;
    } row[] = {
        {S2_TLBI_IPAS2E1IS, 1ull << 63, "reserved operand bits"},
        {S2_TLBI_IPAS2E1IS, 1ull << 28, "beyond the IPA size"},
        {S2_TLBI_IPAS2E1IS, 8ull << 44 | 3ull << 44, "another granule"},
        {S2_TLBI_IPAS2E1IS, TTL(0), "is reserved"},
        {S2_TLBI_RIPAS2E1IS, 0, "TG"},
        {S2_TLBI_RIPAS2E1IS, 2ull << 46, "TG"},
        {S2_TLBI_RIPAS2E1IS, 1ull << 46 | 1ull << 48, "reserved operand bits"},
        {S2_TLBI_RIPAS2E1IS, 1ull << 46 | 1ull << 28, "beyond the IPA size"},
        {S2_TLBI_RIPAS2LE1IS, 1ull << 46 | 2ull << 37 | 1, "unaligned"},
        {S2_TLBI_RIPAS2LE1IS, 1ull << 46 | 1ull << 37 | 512, "unaligned"},
    };
    begin();
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        tlbi(row[i].op, row[i].operand);
        caught(row[i].words);
        barrier(S2_DSB_ISH);
    }
}

static void test_operands_without_features(void **state)
{
    (void)state;
    struct model_config cfg = {.strict = true, .caps = model_caps_least()};
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    model_destroy(m);
    m = model_create(&cfg);
    begin();
    tlbi(S2_TLBI_IPAS2E1IS, TTL(3));
    caught("without FEAT_TTL");
    tlbi(S2_TLBI_RIPAS2E1IS, 1ull << 46);
    caught("without FEAT_TLBIRANGE");
    store(TABLE3, 1, FRAME | RO | 1ull << 53 | PAGE);
    caught("without FEAT_XNX");
}

static void test_range(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 3, FRAME | RO | PAGE);
    barrier(S2_DSB_ISHST);
    s2_port_pte_fill(m, slot(TABLE3, 0), 4, 0, 0);
    hinted(S2_TLBI_RIPAS2LE1IS, 1ull << 46 | 3ull << 37 | 1ull << 39); /* (1 + 1) * 2 pages */
    good();
}

static void test_range_too_short(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 4, FRAME | RO | PAGE);
    barrier(S2_DSB_ISHST);
    s2_port_pte_fill(m, slot(TABLE3, 0), 5, 0, 0);
    hinted(S2_TLBI_RIPAS2LE1IS, 1ull << 46 | 3ull << 37 | 1ull << 39);
    caught_late("IPA 0x4000 level 3");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_walk),
        CASE(test_concatenated_root),
        CASE(test_permissions),
        CASE(test_hardware_updates),
        CASE(test_exchange_with_hardware_updates),
        CASE(test_never_loaded),
        CASE(test_unmap),
        CASE(test_unmap_without_tlbi),
        CASE(test_unmap_without_first_dsb),
        CASE(test_unmap_without_middle_dsb),
        CASE(test_unmap_without_last_dsb),
        CASE(test_dsb_ishst_completes_no_tlbi),
        CASE(test_tlbi_without_dsb),
        CASE(test_ipa_operation_alone),
        CASE(test_vmalle1_alone),
        CASE(test_wrong_ipa),
        CASE(test_local_operation_for_all),
        CASE(test_dsb_of_a_domain_too_small),
        CASE(test_dsb_of_another_cpu),
        CASE(test_two_cpus_invalidate),
        CASE(test_block_by_any_address),
        CASE(test_write_protect),
        CASE(test_access_flag_and_software_bits),
        CASE(test_relax),
        CASE(test_combined_entries_come_back),
        CASE(test_ttl),
        CASE(test_ttl_that_lies),
        CASE(test_ttl_with_a_table),
        CASE(test_operands),
        CASE(test_operands_without_features),
        CASE(test_range),
        CASE(test_range_too_short),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
