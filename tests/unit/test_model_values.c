/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested on descriptors, contexts, locks and syndromes. */
#include "hand_tables.h"

/* --- descriptors ------------------------------------------------------------------------------------------------- */

static void test_malformed(void **state)
{
    static const struct {
        uint64_t table;
        unsigned index;
        uint64_t desc;
        const char *words;
    } row[] = {
        {TABLE3, 9, FRAME | RW | BLOCK, "reserved type 01"},
        {TABLE3, 9, FRAME | RW | PAGE | 1ull << 11, "reserved bits"},
        {TABLE3, 9, FRAME | RW | PAGE | 1ull << 48, "reserved bits"},
        {TABLE3, 9, FRAME | RW | PAGE | 1ull << 59, "reserved bits"},
        {TABLE3, 9, FRAME | RW | PAGE | 1ull << 63, "reserved bits"},
        {TABLE3, 9, FRAME | (RW & ~SH_IN) | 1ull << 8 | PAGE, "shareability 01"},
        {TABLE3, 9, FRAME | (RW & ~AF) | PAGE, "access flag clear without HA"},
        {TABLE3, 9, FRAME | RW | DBM | PAGE, "DBM without HD"},
        {TABLE3, 9, FRAME | (RW & ~MEM_WB) | 4ull << 2 | PAGE, "reserved MemAttr"},
        {TABLE3, 9, FRAME | (RW & ~READ) | PAGE, "write without read"},
        {TABLE3, 9, 1ull << 40 | RW | PAGE, "beyond the PA size"},
        {TABLE2, 9, (FRAME + FOUR_K) | RW | BLOCK, "not aligned to its level"},
        {TABLE2, 9, FRAME | RW | BLOCK | 1ull << 16, "nT without FEAT_BBM"},
        {TABLE2, 9, SPARE | TABLE | 1ull << 60, "table descriptor with reserved bits"},
        {TABLE2, 9, SPARE | TABLE | 1ull << 48, "table descriptor with reserved bits"},
        {TABLE2, 9, 1ull << 40 | TABLE, "table address beyond the PA size"},
        {ROOT, 9, (RAM + TWO_M) | RW | BLOCK, "not aligned to its level"},
    };
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        begin();
        store(row[i].table, row[i].index, row[i].desc);
        caught(row[i].words);
        teardown(state);
        setup(state);
    }
}

static void test_block_at_level_0(void **state)
{
    (void)state;
    const uint64_t vtcr = (VTCR & ~0xffull & ~(7ull << 16)) | 5ull << 16 | 2ull << 6 | 16;
    store(ROOT, 0, RW | BLOCK);
    s2_port_load_context(m, VTTBR_A, vtcr);
    caught("a block at a level that has none");
}

static void test_fwb_memory_types(void **state)
{
    teardown(state);
    make(state, true);
    store(TABLE3, 0, FRAME | (RW & ~MEM_WB) | 6ull << 2 | PAGE);
    store(TABLE2, 0, TABLE3 | TABLE);
    store(ROOT, 0, TABLE2 | TABLE);
    load(VTTBR_A);
    barrier(S2_DSB_ISHST);
    good();
    store(TABLE3, 1, FRAME | RW | PAGE);
    caught("reserved MemAttr with FWB");
}

/* --- contexts ---------------------------------------------------------------------------------------------------- */

static void test_bad_contexts(void **state)
{
    (void)state;
    static const struct {
        uint64_t vttbr, vtcr;
        const char *words;
    } row[] = {
        {ROOT, VTCR, "VMID 0"},
        {ROOT | VMID(256), VTCR, "VMID above 255"},
        {VTTBR_A + 0x1000, VTCR, "not aligned to the concatenated tables"},
        {VTTBR_A, VTCR & ~(1ull << 31), "RES1"},
        {VTTBR_A, VTCR | 1ull << 20, "reserved bit set"},
        {VTTBR_A, VTCR & ~(3ull << 12), "not inner shareable write-back"},
        {VTTBR_A, (VTCR & ~(3ull << 12)) | 1ull << 12, "SH0 is reserved"},
        {VTTBR_A, VTCR | 7ull << 16, "PS is beyond"},
        {VTTBR_A, VTCR | 3ull << 14, "TG0"},
        {VTTBR_A, VTCR | VTCR_HD, "HD without HA"},
        {VTTBR_A, VTCR | 1ull << 33, "SL2"},
        {VTTBR_A, VTCR - 8, "more than 16"},               /* 48 bits from level 1 would need 512 roots */
        {VTTBR_A, VTCR + 16, "resolves no bit"},           /* 24 bits */
        {VTTBR_A, VTCR + 8 - (1ull << 6), "more than 16"}, /* 32 bits from level 2: 4 roots, see below */
    };
    for (unsigned i = 0; i + 1 < sizeof row / sizeof row[0]; i++) {
        s2_port_load_context(m, row[i].vttbr, row[i].vtcr);
        caught(row[i].words);
    }
    s2_port_load_context(m, VTTBR_A, row[13].vtcr); /* legal */
    assert_true(model_ok(m));
}

/* {granule code, T0SZ, SL0 with SL2 above, DS}: sizes that QEMU's `max` runs too (hardware-notes.md), and how many roots
 * each needs; a root that is aligned to half of that is refused. */
static void test_geometries(void **state)
{
    (void)state;
    static const struct {
        unsigned tg0, bits, sl0, ds, roots, granule;
    } row[] = {
        {0, 32, 1, 0, 1, 12}, {0, 34, 0, 0, 16, 12}, {0, 39, 1, 0, 1, 12},  {0, 40, 1, 0, 2, 12},
        {0, 42, 1, 0, 8, 12}, {0, 43, 1, 0, 16, 12}, {0, 44, 2, 0, 1, 12},  {0, 48, 2, 0, 1, 12},
        {0, 52, 4, 1, 1, 12}, {0, 52, 2, 1, 16, 12}, {2, 36, 1, 0, 1, 14},  {2, 40, 1, 0, 16, 14},
        {2, 47, 2, 0, 1, 14}, {2, 48, 2, 0, 2, 14},  {2, 51, 2, 1, 16, 14}, {1, 40, 1, 0, 1, 16},
        {1, 42, 1, 0, 1, 16}, {1, 46, 1, 0, 16, 16}, {1, 48, 2, 0, 1, 16},  {1, 52, 2, 0, 1, 16},
    };
    struct model_config cfg = {.strict = true, .caps = model_caps_most()};
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t vtcr = (VTCR & ~0xffull & ~(7ull << 16)) | 6ull << 16 | (uint64_t)row[i].tg0 << 14 |
                        (uint64_t)(64 - row[i].bits) | (uint64_t)(row[i].sl0 & 3) << 6 |
                        (uint64_t)(row[i].sl0 >> 2) << 33 | (uint64_t)row[i].ds << 32;
        uint64_t bytes = (uint64_t)row[i].roots << row[i].granule, last = (1ull << row[i].bits) - 8;
        model_destroy(m);
        m = model_create(&cfg);
        s2_port_load_context(m, (RAM + bytes) | VMID(1), vtcr);
        barrier(S2_ISB);
        good();
        assert_int_equal(model_access(m, last, MODEL_READ, false).result, MODEL_TRANSLATION_FAULT);
        good();
        if (row[i].roots > 1) {
            s2_port_load_context(m, (RAM + bytes / 2) | VMID(2), vtcr);
            caught("not aligned to the concatenated tables");
        }
    }
}

static void test_vmid_reuse(void **state)
{
    (void)state;
    begin();
    load(ROOT_B | VMID(1));
    caught("but CPUs may hold it with");
}

static void test_vmid_reuse_after_flush(void **state)
{
    (void)state;
    begin();
    load(0);
    load(VTTBR_A); /* borrowed */
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    barrier(S2_DSB_ISH);
    load(0);
    load(ROOT_B | VMID(1));
    good();
}

static void test_rollover(void **state)
{
    (void)state;
    begin();
    load(VTTBR_B);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_ALLE1IS, 0);
    barrier(S2_DSB_ISH);
    load(VTTBR_B);
    load(ROOT | VMID(7));
    good();
    load(SPARE | VMID(1)); /* 1 is free; ROOT lives on under 7 */
    good();
}

static void test_one_vm_two_vmids(void **state)
{
    (void)state;
    begin();
    model_set_cpu(m, 1);
    load(ROOT | VMID(3));
    caught("runs with VMID 1 and VMID 3 at once");
}

static void test_other_vtcr(void **state)
{
    (void)state;
    begin();
    s2_port_load_context(m, VTTBR_A, VTCR | VTCR_VS);
    caught("but CPUs may hold it with");
}

static void test_no_isb(void **state)
{
    (void)state;
    begin();
    load(0);
    s2_port_load_context(m, VTTBR_A, VTCR);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    caught("without an ISB");
    barrier(S2_DSB_ISH);
    caught_late("no ISB after it");
}

static void test_masked(void **state)
{
    (void)state;
    s2_port_irq_restore(m, 1);
    s2_port_load_context(m, VTTBR_A, VTCR);
    caught("interrupts unmasked");
    uint64_t was = s2_port_irq_mask(m);
    s2_port_load_context(m, VTTBR_A, VTCR);
    assert_true(model_ok(m));
    s2_port_irq_restore(m, was);
}

static void test_two_vcpus_on_a_cpu(void **state)
{
    (void)state;
    begin();
    model_enter_vcpu(m, 0);
    model_enter_vcpu(m, 0);
    tlbi(S2_TLBI_VMALLE1, 0);
    barrier(S2_DSB_NSH);
    model_enter_vcpu(m, 1);
    good();
    model_enter_vcpu(m, 0);
    caught("vCPU 0 is entered where vCPU 1 ran");
    tlbi(S2_TLBI_VMALLE1, 0);
    model_enter_vcpu(m, 1); /* no DSB yet */
    caught("vCPU 1 is entered where vCPU 0 ran");
}

static void edit_the_other(enum s2_barrier before)
{
    begin();
    load(VTTBR_B);
    store(TABLE3, 0, 0);
    barrier(before);
    load(VTTBR_A);
    tlbi(S2_TLBI_IPAS2E1IS, 0);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    load(VTTBR_B);
}

static void test_borrow(void **state)
{
    (void)state;
    edit_the_other(S2_DSB_ISH);
    good();
}

static void test_borrow_without_dsb_ish(void **state)
{
    (void)state;
    edit_the_other(S2_DSB_ISHST);
    caught("no DSB ISH before the switch");
}

static void test_wrong_vmid(void **state)
{
    (void)state;
    begin();
    load(VTTBR_B);
    store(TABLE3, 0, 0);
    flush(0); /* of VMID 2 */
    caught_late("no invalidation has covered VMID 1");
}

static void test_give_back_before_dsb(void **state)
{
    (void)state;
    begin();
    tlbi(S2_TLBI_VMALLE1IS, 0);
    load(VTTBR_B);
    caught("before a DSB has completed the TLBI");
}

/* --- locks, faults ----------------------------------------------------------------------------------------------- */

static void test_lock_order(void **state)
{
    (void)state;
    struct s2_lock a = {{0}}, b = {{0}};
    s2_port_lock_shared(m, &a, S2_LOCK_SPACE, 2);
    s2_port_lock(m, &b, S2_LOCK_LEDGER, 0);
    assert_true(model_holds(&a, false));
    assert_false(model_holds(&a, true));
    assert_true(model_holds(&b, true));
    s2_port_unlock(m, &b);
    assert_true(model_ok(m));
    s2_port_lock(m, &b, S2_LOCK_SPACE, 1);
    caught("lock order");
    s2_port_unlock(m, &b);
    caught_late("locks are still held");
    s2_port_unlock_shared(m, &a);
    assert_true(s2_port_trylock(m, &a, S2_LOCK_SPACE, 2));
    assert_false(s2_port_trylock(m, &a, S2_LOCK_SPACE, 2));
    s2_port_unlock(m, &a);
    good();
}

static void test_syndrome(void **state)
{
    (void)state;
    struct s2_syndrome syn;
    begin();
    struct model_outcome o = model_access(m, FOUR_K, MODEL_WRITE, false);
    model_syndrome(&o, 0xffff0000, FOUR_K, MODEL_WRITE, false, &syn);
    assert_int_equal(syn.esr, 0x24ull << 26 | 1 << 25 | 1 << 6 | 0x07);
    assert_int_equal(syn.hpfar, FOUR_K >> 8);
    assert_int_equal(syn.far, 0xffff0000);
    o = (struct model_outcome){.result = MODEL_PERMISSION_FAULT, .level = 2};
    model_syndrome(&o, 8, TWO_M, MODEL_EXEC, false, &syn);
    assert_int_equal(syn.esr, 0x20ull << 26 | 1 << 25 | 0x0e);
    assert_int_equal(syn.hpfar, MODEL_POISON_HPFAR);
    model_syndrome(&o, 8, TWO_M, MODEL_READ, true, &syn);
    assert_int_equal(syn.hpfar, TWO_M >> 8);
    o = (struct model_outcome){.result = MODEL_TRANSLATION_FAULT, .level = -1};
    model_syndrome(&o, 8, TWO_M, MODEL_READ, false, &syn);
    assert_int_equal(syn.esr & 0x3f, 0x2b);
    good();
}

static void test_counters(void **state)
{
    (void)state;
    begin();
    model_reset_counters(m);
    store(TABLE3, 0, 0);
    flush(0);
    assert_int_equal(model_tlbis(m), 2);
    assert_int_equal(model_dsbs(m), 3);
    assert_int_equal(m->count.barrier[S2_ISB], 1);
    assert_int_equal(m->count.stores, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_malformed),
        CASE(test_block_at_level_0),
        CASE(test_fwb_memory_types),
        CASE(test_bad_contexts),
        CASE(test_vmid_reuse),
        CASE(test_vmid_reuse_after_flush),
        CASE(test_rollover),
        CASE(test_one_vm_two_vmids),
        CASE(test_other_vtcr),
        CASE(test_no_isb),
        CASE(test_masked),
        CASE(test_two_vcpus_on_a_cpu),
        CASE(test_borrow),
        CASE(test_geometries),
        CASE(test_borrow_without_dsb_ish),
        CASE(test_wrong_vmid),
        CASE(test_give_back_before_dsb),
        CASE(test_lock_order),
        CASE(test_syndrome),
        CASE(test_counters),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
