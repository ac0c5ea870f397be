/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested on frames that change hands: what must have been done, and in which order, before another VM gets one. */
#include "hand_tables.h"

#define TABLE2_B (RAM + 0x1a000)
#define TABLE3_B (RAM + 0x1b000)

static unsigned char *contents(void)
{
    return model_ram(m, FRAME);
}

/* VM 1 has run on both CPUs with FRAME at IPA 0, and written there; VM 2 has tables, and nothing mapped. */
static void two_vms(void)
{
    store(TABLE2_B, 0, TABLE3_B | TABLE);
    store(ROOT_B, 0, TABLE2_B | TABLE);
    begin();
    model_set_cpu(m, 1);
    load(VTTBR_A);
    assert_int_equal(model_access(m, 0, MODEL_WRITE, false).result, MODEL_DONE);
    model_set_cpu(m, 0);
    contents()[0x123] = 0x55;
}

static void unmap(void)
{
    store(TABLE3, 0, 0);
}

static void take_away(void)
{
    unmap();
    flush(0);
}

static void scrub(bool clean, bool sync)
{
    void *va = s2_port_window_map(m, S2_PA(FRAME), FOUR_K);

    s2_port_zero(m, va, FOUR_K);
    if (clean)
        s2_port_clean_poc(m, va, FOUR_K);
    if (sync)
        s2_port_sync_code(m, va, FOUR_K);
    s2_port_window_unmap(m, va, FOUR_K);
}

static void give(uint64_t attr)
{
    store(TABLE3_B, 5, FRAME | attr | PAGE);
    barrier(S2_DSB_ISHST);
}

/* VM 2 is loaded, so that what it gets is seen at once. */
static void other_vm_runs(void)
{
    load(VTTBR_B);
    assert_true(model_ok(m));
}

static void other_vm_gets(uint64_t attr)
{
    other_vm_runs();
    give(attr);
}

/* VM 2 runs everywhere, and no CPU holds anything of VM 1. */
static void first_vm_is_gone(void)
{
    model_set_cpu(m, 1);
    load(VTTBR_B);
    model_set_cpu(m, 0);
    load(VTTBR_B);
    load(VTTBR_A);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    barrier(S2_DSB_ISH);
    load(VTTBR_B);
    assert_true(model_ok(m));
}

/* --- all of it, in order --------------------------------------------------------------------------------------------------- */

static void test_in_order(void **state)
{
    (void)state;
    two_vms();
    take_away();
    scrub(true, true);
    other_vm_gets(RW);
    good();
    assert_int_equal(model_access(m, 5 * FOUR_K, MODEL_EXEC, false).result, MODEL_DONE);
    good();
}

/* What was zeroed may get new contents before the new owner sees it. */
static void test_filled_for_the_next(void **state)
{
    (void)state;
    two_vms();
    take_away();
    scrub(true, true);
    contents()[7] = 1;
    other_vm_gets(RW);
    good();
}

/* Back to the VM that had it: whatever it left there is its own. */
static void test_back_to_the_same(void **state)
{
    (void)state;
    two_vms();
    take_away();
    store(TABLE3, 9, FRAME | RW | PAGE);
    barrier(S2_DSB_ISHST);
    good();
    assert_int_equal(contents()[0x123], 0x55);
}

/* --- each step left out ----------------------------------------------------------------------------------------------------- */

static void test_not_unmapped(void **state)
{
    (void)state;
    two_vms();
    scrub(true, true);
    other_vm_gets(RW);
    caught("which another VM has mapped");
}

static void test_not_flushed(void **state)
{
    (void)state;
    two_vms();
    unmap();
    memset(contents(), 0, FOUR_K);
    other_vm_gets(RW);
    caught("hand-over: VMID 2 gets frame 0x84000000 while a CPU may hold VMID 1");
}

static void test_flushed_on_one_cpu(void **state)
{
    (void)state;
    two_vms();
    unmap();
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2E1, 0);
    barrier(S2_DSB_NSH);
    tlbi(S2_TLBI_VMALLE1, 0);
    barrier(S2_DSB_NSH);
    memset(contents(), 0, FOUR_K);
    other_vm_gets(RW);
    caught("hand-over: VMID 2 gets frame 0x84000000 while a CPU may hold VMID 1");
}

static void test_flush_not_complete(void **state)
{
    (void)state;
    two_vms();
    model_set_cpu(m, 1);
    other_vm_runs();
    model_set_cpu(m, 0);
    unmap();
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0); /* and no DSB */
    memset(contents(), 0, FOUR_K);
    give(RW);
    caught("while a CPU may hold VMID 1");
}

static void test_scrubbed_before_the_flush(void **state)
{
    (void)state;
    two_vms();
    unmap();
    scrub(true, true);
    caught("is written while a CPU may hold");
}

static void test_not_scrubbed(void **state)
{
    (void)state;
    two_vms();
    take_away();
    other_vm_gets(RW);
    caught("hand-over: VMID 2 gets frame 0x84000000 with what another VM left in it");
}

static void test_scrubbed_in_part(void **state)
{
    (void)state;
    two_vms();
    contents()[FOUR_K - 1] = 1;
    take_away();
    void *va = s2_port_window_map(m, S2_PA(FRAME), FOUR_K);
    s2_port_zero(m, va, FOUR_K - 64);
    s2_port_clean_poc(m, va, FOUR_K - 64);
    s2_port_sync_code(m, va, FOUR_K - 64);
    s2_port_window_unmap(m, va, FOUR_K);
    other_vm_gets(RO);
    caught("with what another VM left in it");
}

/* Zeroed while the VM still wrote there: it may have written again. */
static void test_scrubbed_before_the_unmap(void **state)
{
    (void)state;
    two_vms();
    scrub(true, true);
    take_away();
    contents()[1] = 1;
    other_vm_gets(RW);
    caught("with what another VM left in it");
}

static void test_not_cleaned(void **state)
{
    (void)state;
    two_vms();
    take_away();
    scrub(false, true);
    other_vm_gets(RW);
    caught("hand-over: frame 0x84000000 is given before it was cleaned to PoC");
}

static void test_instruction_fetch_not_told(void **state)
{
    (void)state;
    two_vms();
    take_away();
    scrub(true, false);
    other_vm_gets(RW);
    caught("hand-over: frame 0x84000000 is given before instruction fetch was told");
}

/* What cannot be executed need not be known there. */
static void test_not_executable(void **state)
{
    (void)state;
    two_vms();
    take_away();
    scrub(true, false);
    other_vm_gets(RW | XN);
    good();
}

/* --- who a VM is ------------------------------------------------------------------------------------------------------------- */

/* A leaf made while VM 2 ran nowhere is seen when it does. */
static void test_seen_when_loaded(void **state)
{
    (void)state;
    two_vms();
    take_away();
    give(RW);
    assert_true(model_ok(m));
    load(VTTBR_B);
    caught("with what another VM left in it");
}

static void test_vmid_changes_and_the_vm_does_not(void **state)
{
    (void)state;
    two_vms();
    unmap();
    flush_all();
    first_vm_is_gone();
    load(ROOT | VMID(3));
    store(TABLE3, 4, FRAME | RW | PAGE);
    barrier(S2_DSB_ISHST);
    good();
}

/* Its root was cleared: the next VM in the same place, with the same VMID, is another one. */
static void test_restarted(void **state)
{
    (void)state;
    for (unsigned scrubbed = 0; scrubbed < 2; scrubbed++) {
        two_vms();
        store(ROOT, 0, 0);
        flush_all();
        first_vm_is_gone();
        if (scrubbed)
            scrub(true, true);
        s2_port_pte_fill(m, slot(ROOT, 0), 512, 0, 0);
        store(TABLE3, 0, FRAME | RW | PAGE);
        store(TABLE2, 0, TABLE3 | TABLE);
        store(ROOT, 0, TABLE2 | TABLE);
        barrier(S2_DSB_ISHST);
        load(VTTBR_A);
        if (scrubbed)
            good();
        else
            caught("with what another VM left in it");
        teardown(state);
        setup(state);
    }
}

static void test_table_as_memory(void **state)
{
    (void)state;
    two_vms();
    store(TABLE3, 1, TABLE3 | RW | PAGE);
    caught("hand-over: VMID 1 gets frame 0x80013000, which is a table's");
    model_forget_violations(m);
    store(TABLE3, 2, SPARE | RW | PAGE);
    assert_true(model_ok(m));
    store(TABLE2, 3, SPARE | TABLE);
    caught("hand-over: frame 0x80014000 becomes a table while a VM has it mapped");
}

/* --- memory that is shared or lent ---------------------------------------------------------------------------------------------- */

static enum model_sharing answer(void *arg, uint64_t pa)
{
    assert_int_equal(pa, FRAME);
    return *(enum model_sharing *)arg;
}

static void test_shared(void **state)
{
    (void)state;
    two_vms();
    model_declare(m, FRAME, FOUR_K, MODEL_SHARED);
    other_vm_gets(RW | XN);
    good();
    store(TABLE3_B, 5, 0);
    flush(5 * FOUR_K);
    model_declare(m, FRAME, FOUR_K, MODEL_EXCLUSIVE);
    /* Its home has it still, and may have it anew, as it is. */
    load(VTTBR_A);
    store(TABLE3, 9, FRAME | RW | PAGE);
    barrier(S2_DSB_ISHST);
    good();
}

/* Withdrawn, and a borrower has it still. */
static void test_shared_no_more(void **state)
{
    enum model_sharing now = MODEL_SHARED;

    (void)state;
    two_vms();
    model_script_sharing(m, answer, &now);
    other_vm_gets(RW | XN);
    good();
    now = MODEL_EXCLUSIVE;
    load(VTTBR_A);
    store(TABLE3, 9, FRAME | RW | PAGE);
    caught("which another VM has mapped");
}

static void lend(enum model_sharing *now)
{
    two_vms();
    *now = MODEL_LENT;
    model_script_sharing(m, answer, now);
    take_away();
    other_vm_gets(RW | XN); /* with its contents */
    good();
    store(TABLE3_B, 5, 0);
    flush(5 * FOUR_K);
    load(VTTBR_A);
}

static void test_lent_and_back(void **state)
{
    enum model_sharing now;

    (void)state;
    lend(&now);
    scrub(true, true);
    store(TABLE3, 0, FRAME | RW | PAGE);
    barrier(S2_DSB_ISHST);
    good();
}

static void test_back_and_not_scrubbed(void **state)
{
    enum model_sharing now;

    (void)state;
    lend(&now);
    store(TABLE3, 0, FRAME | RW | PAGE);
    caught("hand-over: VMID 1 gets frame 0x84000000 with what another VM left in it");
}

static void test_lent_while_its_owner_has_it(void **state)
{
    enum model_sharing now = MODEL_LENT;

    (void)state;
    two_vms();
    model_script_sharing(m, answer, &now);
    other_vm_gets(RW | XN);
    caught("which another VM has mapped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_in_order),
        CASE(test_filled_for_the_next),
        CASE(test_back_to_the_same),
        CASE(test_not_unmapped),
        CASE(test_not_flushed),
        CASE(test_flushed_on_one_cpu),
        CASE(test_flush_not_complete),
        CASE(test_scrubbed_before_the_flush),
        CASE(test_not_scrubbed),
        CASE(test_scrubbed_in_part),
        CASE(test_scrubbed_before_the_unmap),
        CASE(test_not_cleaned),
        CASE(test_instruction_fetch_not_told),
        CASE(test_not_executable),
        CASE(test_seen_when_loaded),
        CASE(test_vmid_changes_and_the_vm_does_not),
        CASE(test_restarted),
        CASE(test_table_as_memory),
        CASE(test_shared),
        CASE(test_shared_no_more),
        CASE(test_lent_and_back),
        CASE(test_back_and_not_scrubbed),
        CASE(test_lent_while_its_owner_has_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
