/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested: for each rule, a hand-made edit that obeys it passes and one that breaks it is caught, in words that
 * name the rule. Nothing of stage2/table is used here. */
#include <pthread.h>
#include <string.h>

#include "unit.h"

#include <model.h>

#define RAM     0x80000000ull
#define RAM_END 0x90000000ull
#define ROOT    (RAM + 0x10000)
#define TABLE2  (RAM + 0x12000) /* of level 2, for IPA 0 */
#define TABLE3  (RAM + 0x13000) /* of level 3, for IPA 0 */
#define SPARE   (RAM + 0x14000)
#define ROOT_B  (RAM + 0x18000)
#define FRAME   (RAM + 0x4000000)
#define FRAME_2 (RAM + 0x4200000)

#define VMID(n) ((uint64_t)(n) << 48)
#define VTTBR_A (ROOT | VMID(1))
#define VTTBR_B (ROOT_B | VMID(2))
#define VALID   1ull
#define TABLE   3ull
#define PAGE    3ull
#define BLOCK   1ull
#define MEM_WB  (15ull << 2)
#define MEM_NC  (5ull << 2)
#define READ    (1ull << 6)
#define WRITE   (1ull << 7)
#define SH_IN   (3ull << 8)
#define AF      (1ull << 10)
#define DBM     (1ull << 51)
#define CONTIG  (1ull << 52)
#define XN      (2ull << 53)
#define SOFT    (1ull << 55)
#define RO      (MEM_WB | READ | SH_IN | AF)
#define RW      (RO | WRITE)
#define FOUR_K  0x1000ull
#define TWO_M   0x200000ull
#define ONE_G   0x40000000ull
/* 40-bit IPA: start at level 1, two concatenated tables; 40-bit PA; walks inner shareable, write-back. */
#define VTCR    (1ull << 31 | 2ull << 16 | 3ull << 12 | 1ull << 10 | 1ull << 8 | 1ull << 6 | 24)
#define VTCR_VS (1ull << 19)
#define VTCR_HA (1ull << 21)
#define VTCR_HD (1ull << 22)
#define TTL(l)  ((uint64_t)(4 | (l)) << 44)

static struct s2_port *m;

static int make(void **state, bool fwb)
{
    (void)state;
    struct model_config cfg = {.cpus = 2, .strict = true, .irqs_on = false, .caps = model_caps_most()};
    cfg.caps.bbm = 0;
    cfg.caps.fwb = fwb;
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    m = model_create(&cfg);
    return 0;
}
static int setup(void **state)
{
    return make(state, false);
}
static int teardown(void **state)
{
    (void)state;
    model_destroy(m);
    return 0;
}

static uint64_t *slot(uint64_t table, unsigned index)
{
    return s2_port_table(m, S2_PA(table)) + index;
}
static void store(uint64_t table, unsigned index, uint64_t desc)
{
    s2_port_pte_store_release(m, slot(table, index), desc);
}
static void tlbi(enum s2_tlbi op, uint64_t operand)
{
    s2_port_tlbi(m, op, operand);
}
static void barrier(enum s2_barrier b)
{
    s2_port_barrier(m, b);
}
static void load(uint64_t vttbr)
{
    s2_port_load_context(m, vttbr, VTCR);
    barrier(S2_ISB);
}
/* What every edit below starts from: IPA 0 -> a page of FRAME, IPA 2M -> a block, under VMID 1, on CPU 0. */
static void begin(void)
{
    store(TABLE3, 0, FRAME | RW | PAGE);
    store(TABLE2, 0, TABLE3 | TABLE);
    store(TABLE2, 1, FRAME_2 | RW | BLOCK);
    store(ROOT, 0, TABLE2 | TABLE);
    barrier(S2_DSB_ISHST);
    load(VTTBR_A);
    model_expect_quiet(m);
    assert_true(model_ok(m));
}
/* The whole sequence for one IPA, as it should be. */
static void flush(uint64_t ipa)
{
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2E1IS, ipa >> 12);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    barrier(S2_ISB);
}
static void flush_all(void)
{
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    barrier(S2_DSB_ISH);
    barrier(S2_ISB);
}
static void good(void)
{
    model_expect_quiet(m);
    assert_true(model_ok(m));
}
static void caught(const char *words)
{
    if (!model_violation(m))
        fail_msg("nothing was caught where \"%s\" should be", words);
    if (!strstr(model_violation(m), words))
        fail_msg("caught \"%s\", expected \"%s\"", model_violation(m), words);
    model_forget_violations(m);
}
/* Caught when the operation ends. */
static void caught_late(const char *words)
{
    assert_true(model_ok(m));
    model_expect_quiet(m);
    caught(words);
}

/* --- walks ------------------------------------------------------------------------------------------------------------- */

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
    store(ROOT, 0, RAM | RO | DBM | BLOCK);
    s2_port_load_context(m, VTTBR_A, VTCR | VTCR_HA | VTCR_HD);
    barrier(S2_ISB);
    assert_int_equal(s2_port_pte_xchg(m, slot(ROOT, 0), 0), RAM | RO | DBM | BLOCK);
    flush(0);
    good();
}

/* --- stale translations -------------------------------------------------------------------------------------------- */

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

/* --- break-before-make --------------------------------------------------------------------------------------------- */

static void test_change_in_place(void **state)
{
    static const uint64_t to[] = {(FRAME + FOUR_K) | RW | PAGE, FRAME | (RW & ~MEM_WB) | MEM_NC | PAGE,
                                  FRAME | (RW & ~SH_IN) | 2ull << 8 | PAGE, FRAME | RW | CONTIG | PAGE};
    for (unsigned i = 0; i < sizeof to / sizeof to[0]; i++) {
        begin();
        store(TABLE3, 0, to[i]);
        caught("break-before-make");
        teardown(state);
        setup(state);
    }
}

static void test_remap(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    flush(0);
    store(TABLE3, 0, (FRAME + FOUR_K) | RW | PAGE);
    barrier(S2_DSB_ISHST);
    good();
}

static void test_make_before_flush(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    store(TABLE3, 0, (FRAME + FOUR_K) | RW | PAGE);
    caught("break-before-make");
}

static void test_make_before_flush_is_done(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    store(TABLE3, 0, (FRAME + FOUR_K) | RW | PAGE);
    caught("break-before-make");
}

static void fill_as(uint64_t table, uint64_t pa, uint64_t attr)
{
    s2_port_pte_fill(m, slot(table, 0), 512, pa | attr | PAGE, FOUR_K);
}

static void test_split(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME_2, RW);
    store(TABLE2, 1, 0);
    flush(TWO_M);
    store(TABLE2, 1, SPARE | TABLE);
    barrier(S2_DSB_ISHST);
    good();
    assert_int_equal(model_access(m, TWO_M + 5 * FOUR_K, MODEL_READ, false).pa, FRAME_2 + 5 * FOUR_K);
    good();
}

static void test_split_in_place(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME_2, RW);
    store(TABLE2, 1, SPARE | TABLE);
    caught("break-before-make");
}

static void split_with_bbm(uint64_t attr)
{
    struct model_config cfg = {.strict = true, .caps = model_caps_most()};
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    cfg.caps.fwb = false;
    model_destroy(m);
    m = model_create(&cfg);
    begin();
    fill_as(SPARE, FRAME_2, attr);
    store(TABLE2, 1, SPARE | TABLE);
}

static void test_split_with_bbm_level_2(void **state)
{
    (void)state;
    split_with_bbm(RW);
    assert_true(model_ok(m));
    flush_all();
    good();
    split_with_bbm(RO); /* size alone may change */
    caught("break-before-make");
    split_with_bbm(RW);
    barrier(S2_DSB_ISH);
    caught_late("no invalidation has covered");
}

static void test_collapse_leaves_a_leaf(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 1, (FRAME + FOUR_K) | RW | PAGE);
    barrier(S2_DSB_ISHST);
    store(TABLE2, 0, 0);
    flush(0); /* the table and one leaf go; the leaf of page 1 stays (T4) */
    store(TABLE2, 0, FRAME | RW | BLOCK);
    caught("while VMID 1 IPA 0x1000 level 3 leaf");
}

/* --- tables ------------------------------------------------------------------------------------------------------------ */

static void test_detach(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    flush(0);
    s2_port_zero(m, slot(TABLE3, 0), FOUR_K);
    good();
}

static void test_leaf_only_form_keeps_tables(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2LE1IS, 0);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    caught_late("level 2 table");
}

static void test_write_into_detached(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    store(TABLE3, 0, 0);
    caught("detached and before its flush");
    s2_port_zero(m, slot(TABLE3, 0), FOUR_K);
    caught("a walk cache may still reach it");
}

static void test_detached_deep(void **state)
{
    (void)state;
    begin();
    store(ROOT, 0, 0);
    barrier(S2_DSB_ISHST);
    /* TABLE3 stays reachable through the entry of the root as long as that may be cached. */
    tlbi(S2_TLBI_IPAS2E1IS, TWO_M >> 12);
    barrier(S2_DSB_ISH);
    store(TABLE3, 0, 0);
    caught("detached and before its flush");
    flush_all();
    store(TABLE3, 0, 0);
    good();
}

static void test_reuse_before_flush(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    flush(0);
    good();
    store(TABLE2, 0, 0);
    store(TABLE2, 3, TABLE3 | TABLE);
    caught("is linked again before its flush");
}

static void test_linked_twice(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 3, TABLE3 | TABLE);
    caught("linked twice");
}

static void test_overwritten_while_reachable(void **state)
{
    (void)state;
    begin();
    s2_port_zero(m, slot(TABLE3, 0), FOUR_K);
    caught("overwritten while a root reaches it");
}

static void test_plain_link(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME, RO);
    s2_port_pte_store(m, slot(TABLE2, 2), SPARE | TABLE);
    caught("linked at IPA 0x400000 by a plain store");
}

static void test_plain_link_after_barrier(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME, RO);
    barrier(S2_DSB_ISHST);
    s2_port_pte_store(m, slot(TABLE2, 2), SPARE | TABLE);
    barrier(S2_DSB_ISHST);
    good();
}

static void test_map_without_barrier(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 5, FRAME | RO | PAGE);
    caught_late("made [0x5000, 0x6000) valid and no DSB");
    model_access(m, 5 * FOUR_K, MODEL_READ, false);
    caught("no DSB after its mapping");
}

/* --- descriptors --------------------------------------------------------------------------------------------------- */

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

static void test_contiguous_run(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 16; i++)
        store(TABLE3, (unsigned)(16 + i), (FRAME + i * FOUR_K) | RW | CONTIG | PAGE);
    begin();
    model_survey(m, VTTBR_A, VTCR, NULL, NULL);
    good();
    store(TABLE3, 20, 0);
    flush(20 * FOUR_K);
    model_survey(m, VTTBR_A, VTCR, NULL, NULL);
    caught("has a member that differs");
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

/* --- contexts ---------------------------------------------------------------------------------------------------------- */

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

/* --- operands -------------------------------------------------------------------------------------------------------- */

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

/* --- frames ------------------------------------------------------------------------------------------------------------ */

static void scrub(uint64_t pa, size_t bytes, bool clean)
{
    void *va = s2_port_window_map(m, S2_PA(pa), bytes);
    s2_port_zero(m, va, bytes);
    if (clean)
        s2_port_clean_poc(m, va, bytes);
    s2_port_window_unmap(m, va, bytes);
}

static void test_scrub_before_flush(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    scrub(FRAME, FOUR_K, true);
    caught("frame 0x84000000 is written while");
}

static void test_pool_before_flush(void **state)
{
    (void)state;
    struct s2_lock lock = {{0}};
    begin();
    store(TABLE2, 0, 0);
    barrier(S2_DSB_ISHST);
    s2_port_lock(m, &lock, S2_LOCK_TPOOL, 0);
    caught("the table pool is entered before the flush");
    s2_port_unlock(m, &lock);
    flush(0);
    s2_port_lock(m, &lock, S2_LOCK_FRAMES, 0);
    s2_port_unlock(m, &lock);
    good();
}

static void test_clean(void **state)
{
    (void)state;
    begin();
    scrub(FRAME, TWO_M, true);
    good();
    scrub(FRAME, FOUR_K, false);
    model_access(m, 0, MODEL_READ, false);
    caught("not cleaned to PoC");
    caught_late("1 frames were written and not cleaned");
}

static void test_clean_of_a_part(void **state)
{
    (void)state;
    void *va = s2_port_window_map(m, S2_PA(FRAME), TWO_M);
    s2_port_zero(m, va, TWO_M);
    s2_port_clean_poc(m, va, TWO_M - FOUR_K);
    s2_port_window_unmap(m, va, TWO_M);
    caught_late("1 frames were written and not cleaned");
}

static void test_code(void **state)
{
    (void)state;
    static const uint32_t code[2] = {0xd503201f, 0xd503201f};
    begin();
    void *va = s2_port_window_map(m, S2_PA(FRAME), sizeof code);
    s2_port_copy(m, va, code, sizeof code);
    s2_port_clean_poc(m, va, sizeof code);
    s2_port_window_unmap(m, va, sizeof code);
    model_access(m, 0, MODEL_READ, false);
    assert_true(model_ok(m));
    model_access(m, 4, MODEL_EXEC, false);
    caught("not synced");
    va = s2_port_window_map(m, S2_PA(FRAME), sizeof code);
    s2_port_sync_code(m, va, sizeof code);
    s2_port_window_unmap(m, va, sizeof code);
    model_access(m, 4, MODEL_EXEC, false);
    good();
}

static void test_windows(void **state)
{
    (void)state;
    void *va = s2_port_window_map(m, S2_PA(RAM + TWO_M - FOUR_K), 2 * FOUR_K);
    caught("crosses a multiple of 2 MiB");
    s2_port_window_unmap(m, va, FOUR_K);
    caught("not mapped");
    caught_late("a window still mapped");
    s2_port_window_map(m, S2_PA(RAM), FOUR_K);
    s2_port_window_map(m, S2_PA(RAM), FOUR_K);
    caught("more than 2 windows");
}

/* --- locks, faults ----------------------------------------------------------------------------------------------------- */

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

/* --- threads ---------------------------------------------------------------------------------------------------------- */

#define THREADS 4u
#define ROUNDS  4000u

static struct shared {
    struct s2_lock lock;
    uint64_t written, seen;
} shared;

/* Three readers for a writer, and every thread edits slots of its own table page on its own CPU. */
static void *one_thread(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;
    model_set_cpu(m, cpu);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 4) {
            s2_port_lock_shared(m, &shared.lock, S2_LOCK_SPACE, 1);
            __atomic_fetch_add(&shared.seen, shared.written & 1, __ATOMIC_RELAXED);
            s2_port_unlock_shared(m, &shared.lock);
        } else {
            s2_port_lock(m, &shared.lock, S2_LOCK_SPACE, 1);
            shared.written += 2;
            s2_port_unlock(m, &shared.lock);
        }
        uint64_t *mine = slot(TABLE3, cpu * 128 + i % 128);
        s2_port_pte_cas(m, mine, s2_port_pte_load(m, mine), FRAME | RO | SOFT | PAGE);
        barrier(S2_DSB_ISHST);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t thread[THREADS];
    memset(&shared, 0, sizeof shared);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, one_thread, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(shared.written, 2 * THREADS * ROUNDS / 4);
    assert_int_equal(shared.seen, 0);
    assert_int_equal(m->count.locks, THREADS * ROUNDS);
}

static void test_threads(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct model_config cfg = {.cpus = THREADS, .strict = strict, .caps = model_caps_most()};
        cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
        cfg.caps.fwb = false;
        model_destroy(m);
        m = model_create(&cfg);
        store(TABLE2, 0, TABLE3 | TABLE);
        store(ROOT, 0, TABLE2 | TABLE);
        load(VTTBR_A);
        run_threads();
        good();
    }
}

/* --- size --------------------------------------------------------------------------------------------------------------- */

/* 2^18 pages appear, go with their table and are invalidated at once, and 10^5 go one by one: no step may look at all. */
static void test_large(void **state)
{
    (void)state;
    const uint64_t tables = RAM + 0x100000;
    begin();
    for (unsigned i = 0; i < 512; i++) {
        for (unsigned p = 0; p < 512; p += 128)
            s2_port_pte_fill(m, slot(tables + i * FOUR_K, p), 128, FRAME | RO | PAGE, 0);
        store(SPARE, i, (tables + i * FOUR_K) | TABLE);
    }
    store(ROOT, 1, SPARE | TABLE);
    barrier(S2_DSB_ISHST);
    good();
    for (unsigned i = 0; i < 100000; i++) {
        store(tables + i / 512 * FOUR_K, i % 512, 0);
        flush(ONE_G + i * FOUR_K);
    }
    good();
    store(ROOT, 1, 0);
    flush_all();
    good();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        CASE(test_block_by_any_address),
        CASE(test_write_protect),
        CASE(test_access_flag_and_software_bits),
        CASE(test_relax),
        CASE(test_combined_entries_come_back),
        CASE(test_change_in_place),
        CASE(test_remap),
        CASE(test_make_before_flush),
        CASE(test_make_before_flush_is_done),
        CASE(test_split),
        CASE(test_split_in_place),
        CASE(test_split_with_bbm_level_2),
        CASE(test_collapse_leaves_a_leaf),
        CASE(test_detach),
        CASE(test_leaf_only_form_keeps_tables),
        CASE(test_write_into_detached),
        CASE(test_detached_deep),
        CASE(test_reuse_before_flush),
        CASE(test_linked_twice),
        CASE(test_overwritten_while_reachable),
        CASE(test_plain_link),
        CASE(test_plain_link_after_barrier),
        CASE(test_map_without_barrier),
        CASE(test_malformed),
        CASE(test_block_at_level_0),
        CASE(test_contiguous_run),
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
        CASE(test_pool_before_flush),
        CASE(test_geometries),
        CASE(test_borrow_without_dsb_ish),
        CASE(test_wrong_vmid),
        CASE(test_give_back_before_dsb),
        CASE(test_ttl),
        CASE(test_ttl_that_lies),
        CASE(test_ttl_with_a_table),
        CASE(test_operands),
        CASE(test_operands_without_features),
        CASE(test_range),
        CASE(test_range_too_short),
        CASE(test_scrub_before_flush),
        CASE(test_clean),
        CASE(test_clean_of_a_part),
        CASE(test_code),
        CASE(test_windows),
        CASE(test_lock_order),
        CASE(test_syndrome),
        CASE(test_counters),
        CASE(test_threads),
        CASE(test_large),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
