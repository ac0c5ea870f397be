/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested on runs with the Contiguous bit. */
#include "hand_tables.h"

#define HALF  (ALL_FROM | 3ull << 39 | RUN >> 12)
#define PLAIN 0ull

/* Invalid for hardware, the contents kept. */
static void break_members(unsigned from, unsigned to, uint64_t attr)
{
    for (unsigned i = from; i < to; i++)
        store(TABLE3, FIRST + i, member(i, attr) & ~VALID);
}
static void with_run(uint64_t attr)
{
    members(0, MEMBERS, attr);
    barrier(S2_DSB_ISHST);
    good();
}
/* --- what a run is ---------------------------------------------------------------------------------------------------- */

static void test_run_made(void **state)
{
    (void)state;
    begin();
    with_run(RW | CONTIG);
    assert_int_equal(model_access(m, RUN + 5 * FOUR_K + 8, MODEL_WRITE, false).pa, FRAME + 5 * FOUR_K + 8);
    s2_port_pte_fill(m, slot(TABLE3, 64), MEMBERS, FRAME | RO | CONTIG | PAGE, FOUR_K);
    barrier(S2_DSB_ISHST);
    good();
}

static void test_run_half_made(void **state)
{
    (void)state;
    begin();
    members(0, MEMBERS - 1, RW | CONTIG);
    assert_true(model_ok(m)); /* on the way there */
    barrier(S2_DSB_ISHST);
    caught("level 3 has a hole at IPA 0x1f000");
}

static void test_run_first_missing(void **state)
{
    (void)state;
    begin();
    members(1, MEMBERS, RW | CONTIG);
    barrier(S2_DSB_ISHST);
    caught("has a hole at IPA 0x10000");
}

/* Found in a table that is linked, and in one that a context finds. */
static void test_run_odd(void **state)
{
    static const struct {
        unsigned at;
        uint64_t desc;
        const char *words;
    } row[] = {
        {3, 0, "has a hole at IPA 0x3000 ("},
        {0, 0, "has a hole at IPA 0 ("},
        {3, (FRAME + 4 * FOUR_K) | RW | CONTIG | PAGE, "wrong output address at IPA 0x3000 ("},
        {3, (FRAME + 3 * FOUR_K) | RO | CONTIG | PAGE, "other attributes at IPA 0x3000 ("},
        {3, (FRAME + 3 * FOUR_K) | RW | SOFT | CONTIG | PAGE, "other attributes at IPA 0x3000 ("},
        {3, (FRAME + 3 * FOUR_K) | RW | PAGE, "without the Contiguous bit at IPA 0x3000 ("},
        {0, FRAME | RW | PAGE, "without the Contiguous bit at IPA 0 ("},
        {0, (FRAME + FOUR_K) | RW | CONTIG | PAGE, "not aligned to the run"},
    };
    for (unsigned i = 0; i < 2 * sizeof row / sizeof row[0]; i++) {
        bool linked = i % 2;
        if (linked)
            begin();
        s2_port_pte_fill(m, slot(SPARE, 0), MEMBERS, FRAME | RW | CONTIG | PAGE, FOUR_K);
        s2_port_pte_store(m, slot(SPARE, row[i / 2].at), row[i / 2].desc);
        barrier(S2_DSB_ISHST);
        store(TABLE2, linked ? 2 : 0, SPARE | TABLE);
        store(ROOT, 0, TABLE2 | TABLE);
        if (!linked)
            load(VTTBR_A);
        if (!model_violation(m))
            barrier(S2_DSB_ISHST);
        if (!linked) {
            caught(row[i / 2].words);
            model_survey(m, VTTBR_A, VTCR, NULL, NULL);
        }
        caught("contiguous run");
        teardown(state);
        setup(state);
    }
}

static void test_run_of_blocks(void **state)
{
    (void)state;
    outputs_anywhere();
    begin();
    for (unsigned i = 0; i < MEMBERS; i++)
        store(TABLE2, 32 + i, (RAM + i * TWO_M) | RO | CONTIG | BLOCK);
    barrier(S2_DSB_ISHST);
    good();
    for (unsigned i = 1; i < MEMBERS; i++) /* the first, TABLE3, is a table */
        store(TABLE2, i, i == 1 ? 0 : (RAM + i * TWO_M) | RO | CONTIG | BLOCK);
    caught("while IPA 0 in its run is");
    barrier(S2_DSB_ISHST);
    caught("level 2 has a table in it");
}

/* A table in place of one block of a run, while entries made from other members may still stand for it. */
static void test_run_table_before_the_flush(void **state)
{
    (void)state;
    for (unsigned all = 0; all < 2; all++) {
        outputs_anywhere();
        begin();
        s2_port_pte_fill(m, slot(TABLE2, 32), MEMBERS, RAM | RO | CONTIG | BLOCK, TWO_M);
        barrier(S2_DSB_ISHST);
        good();
        s2_port_pte_fill(m, slot(TABLE2, 32), MEMBERS, 0, 0);
        if (all)
            flush_all();
        else
            flush(32 * TWO_M);
        store(TABLE2, 32, SPARE | TABLE);
        barrier(S2_DSB_ISHST);
        if (all)
            good();
        else
            caught("break-before-make: IPA 0x4000000 gets 0x80014003");
        teardown(state);
        setup(state);
    }
}

/* A new member beside live ones that no entry for all of them could stand for. */
static void test_run_joined(void **state)
{
    static const uint64_t other[] = {FRAME | RW | PAGE, (FRAME + TWO_M) | RW | CONTIG | PAGE,
                                     FRAME | (RW & ~SH_IN) | CONTIG | PAGE};
    for (unsigned i = 0; i < sizeof other / sizeof other[0]; i++) {
        begin();
        store(TABLE3, FIRST, other[i]);
        assert_true(model_ok(m));
        members(1, 2, RW | CONTIG);
        caught("with the Contiguous bit while IPA 0x10000 in its run is");
        teardown(state);
        setup(state);
    }
}

static void test_run_beyond_input_size(void **state)
{
    (void)state;
    const uint64_t vtcr = (VTCR & ~63ull) | 32; /* 4 GiB: no run of 16 x 1 GiB */
    store(ROOT, 0, RAM | RW | CONTIG | BLOCK);
    s2_port_load_context(m, VTTBR_A, vtcr);
    caught("whose runs exceed the input size");
}

/* --- edits of a run --------------------------------------------------------------------------------------------------- */

static void test_run_unmapped(void **state)
{
    (void)state;
    begin();
    with_run(RW | CONTIG);
    s2_port_pte_fill(m, slot(TABLE3, FIRST), MEMBERS, 0, 0);
    flush_range(RUN_ALL);
    good();
    with_run(RW | CONTIG);
    s2_port_pte_fill(m, slot(TABLE3, FIRST), MEMBERS, 0, 0);
    flush_range(HALF);
    caught_late("no invalidation has covered");
}

static void test_run_one_by_one_flushed(void **state)
{
    (void)state;
    begin();
    with_run(RW | CONTIG);
    s2_port_pte_fill(m, slot(TABLE3, FIRST), MEMBERS, 0, 0);
    barrier(S2_DSB_ISHST);
    for (unsigned i = 0; i < MEMBERS; i++)
        tlbi(S2_TLBI_IPAS2LE1IS, ((RUN >> 12) + i) | TTL(3));
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    good();
}

static void test_run_hint_of_the_whole(void **state)
{
    (void)state;
    begin();
    with_run(RW | CONTIG);
    s2_port_pte_fill(m, slot(TABLE3, FIRST), MEMBERS, 0, 0);
    barrier(S2_DSB_ISHST);
    for (unsigned i = 0; i < MEMBERS; i++)
        tlbi(S2_TLBI_IPAS2LE1IS, ((RUN >> 12) + i) | TTL(2)); /* its members are of level 3 */
    barrier(S2_DSB_ISH);
    caught_late("TTL hint for another level");
}

static void test_run_member_cleared(void **state)
{
    (void)state;
    begin();
    with_run(RW | CONTIG);
    store(TABLE3, FIRST + 7, 0);
    flush(RUN + 7 * FOUR_K);
    caught("has a hole at IPA 0x17000");
}

static void test_run_member_broken_alone(void **state)
{
    (void)state;
    for (unsigned bbm = 0; bbm < 3; bbm++) {
        again(bbm);
        with_run(RW | CONTIG);
        break_members(7, 8, RW | CONTIG);
        barrier(S2_DSB_ISHST);
        caught("has a hole at IPA 0x17000");
    }
}

static void test_run_member_changed_in_place(void **state)
{
    static const uint64_t to[] = {(FRAME + TWO_M) | RW | CONTIG | PAGE, (FRAME + 7 * FOUR_K) | RW | PAGE,
                                  (FRAME + 7 * FOUR_K) | (RW & ~MEM_WB) | MEM_NC | CONTIG | PAGE};
    for (unsigned i = 0; i < sizeof to / sizeof to[0]; i++) {
        begin();
        with_run(RW | CONTIG);
        store(TABLE3, FIRST + 7, to[i]);
        caught("break-before-make");
        teardown(state);
        setup(state);
    }
}

/* Break, flush, make: fold, unfold with a hole, all with contents kept where hardware sees nothing. */
static void test_run_folded(void **state)
{
    (void)state;
    begin();
    with_run(RW);
    break_members(0, MEMBERS, RW);
    flush_range(RUN_ALL);
    members(0, MEMBERS, RW | CONTIG);
    barrier(S2_DSB_ISHST);
    good();
    break_members(0, MEMBERS, RW | CONTIG);
    flush_range(RUN_ALL);
    members(0, 7, RW);
    members(8, MEMBERS, RW);
    store(TABLE3, FIRST + 7, 0);
    barrier(S2_DSB_ISHST);
    good();
}

static void test_run_unfolded_before_the_flush(void **state)
{
    static const uint64_t operand[] = {PLAIN, HALF};
    for (unsigned i = 0; i < 2; i++) {
        begin();
        with_run(RW | CONTIG);
        break_members(0, MEMBERS, RW | CONTIG);
        if (operand[i])
            flush_range(operand[i]);
        else
            barrier(S2_DSB_ISHST);
        /* Its own address is covered in the second round: what may live is an entry made from another member. */
        members(0, 1, RW);
        caught("break-before-make: IPA 0x10000 gets");
        teardown(state);
        setup(state);
    }
}

static void test_run_protected(void **state)
{
    (void)state;
    begin();
    with_run(RW | CONTIG);
    members(0, MEMBERS, RO | XN | CONTIG);
    flush_range(RUN_ALL);
    good();
    members(0, MEMBERS, (RO & ~READ) | XN | CONTIG);
    flush_range(HALF);
    caught_late("no invalidation has covered");
}

static void test_run_protected_in_part(void **state)
{
    (void)state;
    begin();
    with_run(RW | CONTIG);
    members(0, MEMBERS / 2, RO | CONTIG);
    flush_range(RUN_ALL);
    caught("has a member with other attributes at IPA 0x18000");
    members(0, MEMBERS, RO | CONTIG);
    flush_range(RUN_ALL);
    members(0, MEMBERS / 2, RO | SOFT | CONTIG);
    caught_late("has a member with other attributes at IPA 0x18000");
}

/* Half-way, a guest meets either: its own descriptor's permissions, or those of another member. */
static void test_run_half_way(void **state)
{
    (void)state;
    begin();
    members(0, 1, RW | CONTIG);
    assert_false(model_access(m, RUN, MODEL_WRITE, false).spurious);
    caught("no DSB after its mapping");
    members(1, MEMBERS, RO | CONTIG);
    assert_true(model_access(m, RUN, MODEL_WRITE, false).spurious);
    caught("no DSB after its mapping");
    flush_all();
    caught("other attributes");
    members(0, 1, RO | CONTIG);
    flush_range(RUN_ALL);
    good();
    members(0, 1, RW | CONTIG);
    struct model_outcome o = model_access(m, RUN, MODEL_WRITE, false);
    assert_int_equal(o.result, MODEL_DONE);
    assert_true(o.spurious);
    o = model_access(m, RUN, MODEL_READ, false);
    assert_false(o.spurious);
    assert_int_equal(model_access(m, RUN + FOUR_K, MODEL_WRITE, false).result, MODEL_PERMISSION_FAULT);
    members(1, MEMBERS, RW | CONTIG);
    barrier(S2_DSB_NSH);
    tlbi(S2_TLBI_RIPAS2LE1, HALF);
    barrier(S2_DSB_NSH);
    tlbi(S2_TLBI_VMALLE1, 0);
    barrier(S2_DSB_NSH);
    /* Whoever faults and invalidates its own address makes headway: that reaches an entry for the run, too. */
    assert_false(model_access(m, RUN, MODEL_WRITE, false).spurious);
    assert_true(model_access(m, RUN + 15 * FOUR_K, MODEL_WRITE, false).spurious);
    tlbi(S2_TLBI_IPAS2E1, (RUN >> 12) + 15);
    barrier(S2_DSB_NSH);
    tlbi(S2_TLBI_VMALLE1, 0);
    barrier(S2_DSB_NSH);
    assert_false(model_access(m, RUN + 15 * FOUR_K, MODEL_WRITE, false).spurious);
    good();
}

/* 2^16 members are made, changed, folded out and in, and go; with stale ones of other runs about, too. */
static void test_runs_large(void **state)
{
    (void)state;
    enum { TABLES = 128, EACH = 512 };
    const uint64_t tables = RAM + 0x100000;
    const uint64_t round[] = {RW | CONTIG, RO | CONTIG, RO, 0, RO | XN | CONTIG};
    begin();
    for (unsigned i = 0; i < TABLES; i++)
        store(SPARE, i, (tables + i * FOUR_K) | TABLE);
    store(ROOT, 1, SPARE | TABLE);
    with_run(RW | CONTIG);
    for (unsigned n = 0; n < 5; n++) {
        if (n == 2 || n == 4) /* the bit changes: break first */
            for (unsigned i = 0; i < TABLES; i++)
                s2_port_pte_fill(m, slot(tables + i * FOUR_K, 0), EACH, 0, 0);
        flush_all();
        s2_port_pte_fill(m, slot(TABLE3, FIRST), MEMBERS, n % 2 ? FRAME | RW | CONTIG | PAGE : 0, FOUR_K * (n % 2));
        for (unsigned i = 0; i < TABLES * EACH; i++)
            store(tables + i / EACH * FOUR_K, i % EACH, round[n] ? (FRAME + i % EACH * FOUR_K) | round[n] | PAGE : 0);
        flush_all();
        good();
    }
}

/* --- FEAT_BBM level 2 ------------------------------------------------------------------------------------------------- */

static void test_run_refolded_in_place(void **state)
{
    (void)state;
    again(2);
    with_run(RW);
    members(0, MEMBERS, RW | CONTIG);
    flush_range(RUN_ALL);
    good();
    members(0, MEMBERS, RW);
    flush_range(RUN_ALL);
    good();
    members(0, MEMBERS, RW | CONTIG);
    flush_range(HALF);
    caught_late("no invalidation has covered");
    flush_range(RUN_ALL);
    members(0, 1, RO);
    caught("break-before-make");
    again(1);
    with_run(RW);
    members(0, 1, RW | CONTIG);
    caught("break-before-make");
}

/* A run is unfolded in place and loses a member, of which alone anything is invalidated. */
static void unfold_with_a_hole(void)
{
    again(2);
    with_run(RW | CONTIG);
    members(0, MEMBERS, RW);
    store(TABLE3, FIRST + 7, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2LE1IS, (RUN >> 12) + 7);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
}

/* An unfolded run may still be cached whole: a hole in it is no place for another frame before the flush. */
static void test_run_hole_filled_before_the_flush(void **state)
{
    (void)state;
    unfold_with_a_hole();
    store(TABLE3, FIRST + 7, (FRAME + TWO_M) | RW | PAGE);
    caught("break-before-make: IPA 0x17000 gets");
}

static void test_run_entry_reaches_a_hole(void **state)
{
    (void)state;
    unfold_with_a_hole();
    model_access(m, RUN + 7 * FOUR_K, MODEL_READ, false);
    caught("IPA 0x17000 is accessed while this CPU may hold");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_run_made),
        CASE(test_run_half_made),
        CASE(test_run_first_missing),
        CASE(test_run_odd),
        CASE(test_run_of_blocks),
        CASE(test_run_table_before_the_flush),
        CASE(test_run_joined),
        CASE(test_run_beyond_input_size),
        CASE(test_run_unmapped),
        CASE(test_run_one_by_one_flushed),
        CASE(test_run_hint_of_the_whole),
        CASE(test_run_member_cleared),
        CASE(test_run_member_broken_alone),
        CASE(test_run_member_changed_in_place),
        CASE(test_run_folded),
        CASE(test_run_unfolded_before_the_flush),
        CASE(test_run_protected),
        CASE(test_run_protected_in_part),
        CASE(test_run_half_way),
        CASE(test_runs_large),
        CASE(test_run_refolded_in_place),
        CASE(test_run_hole_filled_before_the_flush),
        CASE(test_run_entry_reaches_a_hole),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
