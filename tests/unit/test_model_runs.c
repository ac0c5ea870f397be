/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested on runs with the Contiguous bit, on blocks with nT, and on what hardware writes. */
#include "hand_tables.h"

#define MEMBERS  16u
#define FIRST    16u /* the run's first slot in TABLE3 */
#define RUN      (FIRST * FOUR_K)
#define ALL_FROM (1ull << 46 | 3ull << 37) /* a range of 4K leaves of the last level */
#define RUN_ALL  (ALL_FROM | 7ull << 39 | RUN >> 12)
#define HALF     (ALL_FROM | 3ull << 39 | RUN >> 12)
#define NT       (1ull << 16)
#define PLAIN    0ull

static void again(unsigned bbm)
{
    struct model_config cfg = {.cpus = 2, .strict = true, .caps = model_caps_most()};
    cfg.caps.bbm = (uint8_t)bbm;
    cfg.caps.fwb = false;
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    model_destroy(m);
    m = model_create(&cfg);
    begin();
}

static uint64_t member(unsigned i, uint64_t attr)
{
    return (FRAME + i * FOUR_K) | attr | PAGE;
}
/* Members [from, to), each its own store. */
static void members(unsigned from, unsigned to, uint64_t attr)
{
    for (unsigned i = from; i < to; i++)
        store(TABLE3, FIRST + i, member(i, attr));
}
static void swap_members(unsigned from, unsigned to, uint64_t attr)
{
    for (unsigned i = from; i < to; i++)
        s2_port_pte_xchg(m, slot(TABLE3, FIRST + i), member(i, attr));
}
/* Invalid for hardware, the contents kept. */
static void break_members(unsigned from, unsigned to, uint64_t attr)
{
    for (unsigned i = from; i < to; i++)
        store(TABLE3, FIRST + i, member(i, attr) & ~VALID);
}
static void flush_range(uint64_t operand)
{
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_RIPAS2LE1IS, operand);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
}
static void with_run(uint64_t attr)
{
    members(0, MEMBERS, attr);
    barrier(S2_DSB_ISHST);
    good();
}
static void with_updates(uint64_t attr)
{
    s2_port_load_context(m, 0, 0);
    barrier(S2_ISB);
    tlbi(S2_TLBI_ALLE1IS, 0);
    barrier(S2_DSB_ISH);
    members(0, MEMBERS, attr);
    s2_port_load_context(m, VTTBR_A, VTCR | VTCR_HA | VTCR_HD);
    barrier(S2_ISB);
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
        {3, 0, "has a hole at IPA 0x3000"},
        {0, 0, "has a hole at IPA 0"},
        {3, (FRAME + 4 * FOUR_K) | RW | CONTIG | PAGE, "wrong output address at IPA 0x3000"},
        {3, (FRAME + 3 * FOUR_K) | RO | CONTIG | PAGE, "other attributes at IPA 0x3000"},
        {3, (FRAME + 3 * FOUR_K) | RW | SOFT | CONTIG | PAGE, "other attributes at IPA 0x3000"},
        {3, (FRAME + 3 * FOUR_K) | RW | PAGE, "without the Contiguous bit at IPA 0x3000"},
        {0, FRAME | RW | PAGE, "without the Contiguous bit at IPA 0"},
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
}

/* Half-way, a guest meets either: its own descriptor's permissions, or those of another member. */
static void test_run_half_way(void **state)
{
    (void)state;
    begin();
    with_run(RO | CONTIG);
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
    assert_true(model_access(m, RUN, MODEL_WRITE, false).spurious); /* by an entry made from the other half */
    tlbi(S2_TLBI_RIPAS2LE1, RUN_ALL);
    barrier(S2_DSB_NSH);
    tlbi(S2_TLBI_VMALLE1, 0);
    barrier(S2_DSB_NSH);
    assert_false(model_access(m, RUN, MODEL_WRITE, false).spurious);
    good();
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

/* An unfolded run may still be cached whole: a hole in it is no place for another frame before the flush. */
static void test_run_hole_filled_before_the_flush(void **state)
{
    (void)state;
    again(2);
    with_run(RW | CONTIG);
    members(0, MEMBERS, RW);
    store(TABLE3, FIRST + 7, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2LE1IS, (RUN >> 12) + 7);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    store(TABLE3, FIRST + 7, (FRAME + TWO_M) | RW | PAGE);
    caught("break-before-make: IPA 0x17000 gets");
}

static void test_run_entry_reaches_a_hole(void **state)
{
    (void)state;
    again(2);
    with_run(RW | CONTIG);
    members(0, MEMBERS, RW);
    store(TABLE3, FIRST + 7, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2LE1IS, (RUN >> 12) + 7);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    model_access(m, RUN + 7 * FOUR_K, MODEL_READ, false);
    caught("IPA 0x17000 is accessed while this CPU may hold");
}

/* --- nT --------------------------------------------------------------------------------------------------------------- */

static void test_nt_split(void **state)
{
    (void)state;
    again(1);
    fill_as(SPARE, FRAME_2, RW);
    store(TABLE2, 1, FRAME_2 | RW | NT | BLOCK);
    flush(TWO_M);
    struct model_outcome o = model_access(m, TWO_M, MODEL_READ, false);
    assert_int_equal(o.result, MODEL_DONE);
    assert_true(o.spurious);
    store(TABLE2, 1, SPARE | TABLE);
    flush_all();
    good();
}

static void test_nt_split_before_the_flush(void **state)
{
    (void)state;
    again(1);
    fill_as(SPARE, FRAME_2, RW);
    store(TABLE2, 1, FRAME_2 | RW | NT | BLOCK);
    barrier(S2_DSB_ISHST);
    store(TABLE2, 1, SPARE | TABLE);
    caught("break-before-make");
}

static void test_nt_missing(void **state)
{
    (void)state;
    again(1);
    fill_as(SPARE, FRAME_2, RW);
    store(TABLE2, 1, SPARE | TABLE);
    caught("break-before-make");
}

static void test_nt_size_only(void **state)
{
    (void)state;
    again(1);
    fill_as(SPARE, FRAME_2, RO);
    store(TABLE2, 1, FRAME_2 | RW | NT | BLOCK);
    flush(TWO_M);
    store(TABLE2, 1, SPARE | TABLE);
    caught("break-before-make");
    again(1);
    store(TABLE2, 1, (FRAME_2 + TWO_M) | RW | NT | BLOCK);
    caught("break-before-make");
}

static void collapse_with_nt(void)
{
    again(1);
    fill_as(SPARE, FRAME, RW);
    store(TABLE2, 2, SPARE | TABLE);
    barrier(S2_DSB_ISHST);
    good();
    store(TABLE2, 2, FRAME | RW | NT | BLOCK);
    assert_true(model_ok(m));
}

static void test_nt_collapse(void **state)
{
    (void)state;
    collapse_with_nt();
    flush_all();
    store(TABLE2, 2, FRAME | RW | BLOCK);
    barrier(S2_DSB_ISHST);
    good();
    collapse_with_nt();
    barrier(S2_DSB_ISHST);
    store(TABLE2, 2, FRAME | RW | BLOCK);
    caught("break-before-make");
    collapse_with_nt();
    flush_all();
    caught_late("1 blocks with nT stay");
}

/* --- what hardware writes ----------------------------------------------------------------------------------------------- */

static unsigned with_bits(uint64_t bits, unsigned *last)
{
    unsigned n = 0;
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (*slot(TABLE3, FIRST + i) & bits) {
            n++;
            *last = i;
        }
    }
    return n;
}

/* One member's access flag and dirty bit stand for the run's, and not that of the member accessed (I_NFFSV). */
static void test_run_updates(void **state)
{
    (void)state;
    unsigned at = 3;
    begin();
    with_updates((RO | DBM | CONTIG) & ~AF);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(model_access(m, RUN + 3 * FOUR_K, MODEL_READ, false).result, MODEL_DONE);
        assert_int_equal(with_bits(AF, &at), 1);
        assert_int_not_equal(at, 3);
        assert_int_equal(with_bits(WRITE, &at), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(model_access(m, RUN + (3 + i) * FOUR_K, MODEL_WRITE, false).result, MODEL_DONE);
        assert_int_equal(with_bits(WRITE, &at), 1);
        assert_int_not_equal(at, 3);
    }
    barrier(S2_DSB_ISHST);
    model_survey(m, VTTBR_A, VTCR | VTCR_HA | VTCR_HD, NULL, NULL);
    good();
}

/* A member that is broken, or no member, is written into by nobody. */
static void test_updates_spare_the_broken(void **state)
{
    (void)state;
    unsigned at = 0;
    begin();
    with_updates((RO | DBM | CONTIG) & ~AF);
    for (unsigned i = 4; i < MEMBERS; i++)
        s2_port_pte_xchg(m, slot(TABLE3, FIRST + i), member(i, (RO | DBM | CONTIG) & ~AF) & ~VALID);
    model_access(m, RUN + FOUR_K, MODEL_WRITE, false);
    assert_int_equal(with_bits(AF, &at), 1);
    assert_true(at < 4);
    assert_true(model_ok(m));
}

/* Cleared and not invalidated, neither tells of the next access (hardware-notes.md). */
static void test_forgotten(void **state)
{
    static const uint64_t to[] = {(RW | DBM | CONTIG) & ~AF, RO | DBM | CONTIG};
    for (unsigned i = 0; i < 2; i++) {
        begin();
        with_updates(RW | DBM | CONTIG);
        swap_members(0, MEMBERS, to[i]);
        assert_int_equal(model_access(m, RUN, MODEL_WRITE, false).result, MODEL_DONE); /* unseen, but not wrong */
        flush_range(RUN_ALL);
        good();
        swap_members(0, MEMBERS, RW | DBM | CONTIG);
        barrier(S2_DSB_ISHST);
        good();
        swap_members(0, MEMBERS, to[i]);
        barrier(S2_DSB_ISHST);
        caught_late("no invalidation has covered");
        teardown(state);
        setup(state);
    }
}

/* A run counts as one: clearing one member's flag takes the invalidation of all. */
static void test_forgotten_by_one(void **state)
{
    (void)state;
    begin();
    with_updates(RW | DBM | CONTIG);
    swap_members(3, 4, RO | DBM | CONTIG);
    flush_range(RUN_ALL);
    good();
    swap_members(5, 6, RO | DBM | CONTIG);
    flush(RUN + 5 * FOUR_K);
    caught_late("no invalidation has covered VMID 1 IPA 0x1");
}

/* Faults keep track where hardware does not. */
static void test_tracked_by_faults(void **state)
{
    (void)state;
    begin();
    model_set_tracking(m, true, true);
    store(TABLE3, 5, (FRAME | RO | DBM | PAGE) & ~AF);
    barrier(S2_DSB_ISHST);
    good();
    assert_int_equal(model_access(m, 5 * FOUR_K, MODEL_READ, false).result, MODEL_ACCESS_FLAG_FAULT);
    s2_port_pte_cas(m, slot(TABLE3, 5), (FRAME | RO | DBM | PAGE) & ~AF, FRAME | RO | DBM | PAGE);
    assert_int_equal(model_access(m, 5 * FOUR_K, MODEL_READ, false).result, MODEL_DONE);
    assert_int_equal(model_access(m, 5 * FOUR_K, MODEL_WRITE, false).result, MODEL_PERMISSION_FAULT);
    s2_port_pte_cas(m, slot(TABLE3, 5), FRAME | RO | DBM | PAGE, FRAME | RW | DBM | PAGE);
    assert_true(model_access(m, 5 * FOUR_K, MODEL_WRITE, false).spurious); /* till it is invalidated here */
    flush(5 * FOUR_K);
    assert_false(model_access(m, 5 * FOUR_K, MODEL_WRITE, false).spurious);
    good();
    store(TABLE3, 5, (FRAME | RW | DBM | PAGE) & ~AF);
    barrier(S2_DSB_ISHST);
    caught_late("no invalidation has covered");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_run_made),
        CASE(test_run_half_made),
        CASE(test_run_first_missing),
        CASE(test_run_odd),
        CASE(test_run_of_blocks),
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
        CASE(test_run_refolded_in_place),
        CASE(test_run_hole_filled_before_the_flush),
        CASE(test_run_entry_reaches_a_hole),
        CASE(test_nt_split),
        CASE(test_nt_split_before_the_flush),
        CASE(test_nt_missing),
        CASE(test_nt_size_only),
        CASE(test_nt_collapse),
        CASE(test_run_updates),
        CASE(test_updates_spare_the_broken),
        CASE(test_forgotten),
        CASE(test_forgotten_by_one),
        CASE(test_tracked_by_faults),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
