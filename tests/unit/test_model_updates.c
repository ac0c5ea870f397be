/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested on changes of size with nT (FEAT_BBM level 1), and on what hardware writes into descriptors. */
#include "hand_tables.h"

#define NT (1ull << 16)

static void swap_members(unsigned from, unsigned to, uint64_t attr)
{
    for (unsigned i = from; i < to; i++)
        s2_port_pte_xchg(m, slot(TABLE3, FIRST + i), member(i, attr));
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
    store(ROOT, 0, 0); /* it goes with its table */
    flush_all();
    good();
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

/* Nor into one that has no DBM, while an edit goes through them. */
static void test_updates_spare_the_read_only(void **state)
{
    (void)state;
    unsigned at = 0;
    begin();
    with_updates(RO | CONTIG);
    swap_members(3, 4, RO | DBM | CONTIG);
    model_access(m, RUN + 3 * FOUR_K, MODEL_WRITE, false);
    assert_int_equal(with_bits(WRITE, &at), 1);
    assert_int_equal(at, 3);
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

/* The same descriptor, harmless to hold as long as only its dirty state was cleared, goes. */
static void test_forgotten_and_gone(void **state)
{
    (void)state;
    begin();
    with_updates(RW | DBM | CONTIG);
    swap_members(0, MEMBERS, RO | DBM | CONTIG);
    swap_members(0, MEMBERS, RW | DBM | CONTIG);
    model_access(m, RUN, MODEL_WRITE, false);
    assert_true(model_ok(m));
    for (unsigned i = 0; i < MEMBERS; i++)
        s2_port_pte_xchg(m, slot(TABLE3, FIRST + i), 0);
    model_access(m, RUN, MODEL_WRITE, false);
    caught("is accessed while this CPU may hold");
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
    swap_members(3, 4, RW | DBM | CONTIG);
    barrier(S2_DSB_ISHST);
    swap_members(3, 4, RO | DBM | CONTIG);
    barrier(S2_DSB_ISHST);
    swap_members(8, 9, RO | DBM | CONTIG); /* beside what may still be cached of the member before */
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
    assert_int_equal(model_access(m, 5 * FOUR_K, MODEL_READ, false).result, MODEL_ACCESS_FLAG_FAULT);
    assert_true(model_ok(m)); /* or it is done unseen, by what this CPU holds */
    barrier(S2_DSB_ISHST);
    caught_late("no invalidation has covered");
}

/* Without HA, all members of a run say the same of accesses. */
static void test_run_tracked_by_faults(void **state)
{
    (void)state;
    begin();
    model_set_tracking(m, true, false);
    members(0, MEMBERS, (RO | CONTIG) & ~AF);
    barrier(S2_DSB_ISHST);
    good();
    members(3, 4, RO | CONTIG);
    barrier(S2_DSB_ISHST);
    caught("has a member with other attributes at IPA 0x13000");
    members(0, MEMBERS, RO | CONTIG);
    barrier(S2_DSB_ISHST);
    good();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_nt_split),
        CASE(test_nt_split_before_the_flush),
        CASE(test_nt_missing),
        CASE(test_nt_size_only),
        CASE(test_nt_collapse),
        CASE(test_run_updates),
        CASE(test_updates_spare_the_broken),
        CASE(test_updates_spare_the_read_only),
        CASE(test_forgotten),
        CASE(test_forgotten_and_gone),
        CASE(test_forgotten_by_one),
        CASE(test_tracked_by_faults),
        CASE(test_run_tracked_by_faults),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
