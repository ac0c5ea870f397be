/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Stage-2 faults: the answer to each. */
#include "faults.h"

static void faults_outside_are_the_guests_own(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(MIB(2), PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, MIB(1), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    assert_false(r.has_area);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, MIB(2) + PAGE, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    assert_int_equal(answer(w, EC_DABT | 0x04, 1ull << 36, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_BEYOND_IPA);
    assert_int_equal(answer(w, EC_DABT | 0x00, 1ull << 36, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_BEYOND_IPA);
    assert_int_equal(answer(w, EC_DABT | 0x10, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
    assert_int_equal(answer(w, EC_DABT | 0x35, MIB(2), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
}

static void what_an_area_forbids_is_a_violation(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_R, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(PAGE, PAGE, S2_R | S2_UX, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(2 * PAGE, PAGE, 0, 0)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | WNR, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
    assert_true(r.has_area);
    assert_int_equal(r.area.range.start.v, 0);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3 | WNR, 0, &r), S2_VIOLATION);
    assert_int_equal(answer(w, EC_IABT | TRANSLATION_L3, 0, &r), S2_VIOLATION);
    /* The walker may not write its own tables there either. */
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | S1PTW, 0, &r), S2_VIOLATION);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 2 * PAGE, &r), S2_VIOLATION);
    /* With FEAT_XNX EL0 may run what EL1 may not. */
    world_run(w);
    assert_true(guest_as(w, PAGE, MODEL_EXEC, true).done);
    assert_int_equal(guest_as(w, PAGE, MODEL_EXEC, false).result.why, S2_NO_PERMISSION);
    assert_int_equal(guest_as(w, 0, MODEL_EXEC, true).result.why, S2_NO_PERMISSION);
    assert_int_equal(map_new(w, area_alloc(MIB(4), PAGE, S2_R | S2_UX, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(guest_as(w, MIB(4), MODEL_EXEC, false).result.why, S2_NO_PERMISSION);
    assert_int_equal(w->space.frames_held, 3);
    assert_true(guest_as(w, MIB(4), MODEL_EXEC, true).done);
}

/* HCR_EL2.PTW refuses a walk through Device memory, whatever the area allows: trying again would not end. */
static void no_tables_in_a_device(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    world_give(w, DEVICE_BASE, PAGE, VM, S2_RW);
    world_give(w, FRAME_BASE, PAGE, VM, S2_RW);
    assert_int_equal(map_new(w, area_linear(0, PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    assert_int_equal(map_new(w, area_linear(PAGE, PAGE, FRAME_BASE, S2_RW | S2_MT_NORMAL_NC)), S2_OK);
    world_run(w);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | S1PTW, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
    assert_int_equal(answer(w, EC_IABT | PERMISSION_L3 | S1PTW, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | S1PTW, PAGE, &r), S2_RETRY_FLUSHED);
}

static void trap_areas_are_emulated(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_trap(0x9000000, PAGE, 99)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | ISV | SAS(2) | SRT(3) | WNR | TRANSLATION_L3, 0x9000018, &r), S2_EMULATE);
    assert_int_equal(r.area.backing, 99);
    assert_int_equal(r.offset, 0x18);
    /* Pairs, write-back, exclusives, DC ZVA; instruction fetches; the guest's own tables. */
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0x9000018, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_SYNDROME);
    assert_int_equal(answer(w, EC_IABT | TRANSLATION_L3, 0x9000018, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_SYNDROME);
    assert_int_equal(answer(w, EC_DABT | ISV | S1PTW | TRANSLATION_L3, 0x9000018, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_SYNDROME);
}

static void good_descriptors_are_tried_again(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;
    struct at_script at = {.par = 0};

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
    world_run(w);
    model_reset_counters(w->port);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_RETRY);
    assert_int_equal(model_tlbis(w->port), 0);
    /* After a permission fault this CPU may still hold the old entry: local, non-shareable. */
    model_script_at(w->port, scripted_at, &at);
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | WNR, 0, &r), S2_RETRY_FLUSHED);
    assert_int_equal(w->port->count.tlbi[S2_TLBI_IPAS2E1] + w->port->count.tlbi[S2_TLBI_IPAS2LE1], 1);
    assert_int_equal(w->port->count.tlbi[S2_TLBI_VMALLE1], 1);
    assert_int_equal(model_tlbis(w->port), 2);
    assert_int_equal(w->port->count.barrier[S2_DSB_NSH], 2);
    at.par = 1;
    assert_int_equal(answer(w, EC_DABT | PERMISSION_L3 | WNR, 0, &r), S2_RETRY);
    model_script_at(w->port, NULL, NULL);
    model_reset_counters(w->port);
    assert_int_equal(answer(w, EC_DABT | 0x30, 0, &r), S2_RETRY_FLUSHED);
    assert_int_equal(w->port->count.tlbi[S2_TLBI_VMALLS12E1], 1);
}

static void relaxed_rights_reach_a_cpu_that_holds_old_ones(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_R, 0)), S2_OK);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        model_set_cpu(w->port, cpu);
        world_run(w);
        assert_true(guest(w, 0, MODEL_READ).done);
    }
    assert_int_equal(protect(w, 0, MIB(2), S2_RW), S2_OK);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        struct attempt a;

        model_set_cpu(w->port, cpu);
        a = guest(w, 0, MODEL_WRITE);
        assert_true(a.done);
        assert_true(a.faults <= 1);
    }
    model_set_cpu(w->port, 0);
}

static void no_progress_is_reported_not_looped(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, 2 * PAGE, S2_RW, 0)), S2_OK);
    for (unsigned i = 0; i < S2_FAULT_REPEATS; i++)
        assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 8 * i, &r), S2_RETRY);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_STUCK);
    /* Another address in between is progress. */
    for (unsigned i = 0; i < 3 * S2_FAULT_REPEATS; i++)
        assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, i % 2 * PAGE, &r), S2_RETRY);
}

/* A fault without an address: the guest's stage 1 changed meanwhile, or there is nothing to be done about it. */
static void a_fault_without_an_address(void **state)
{
    struct s2_fault f = {.kind = S2_FAULT_PERMISSION, .ipa = S2_IPA_NONE, .retry = true};
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY);
    f.retry = false;
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
}

static void commit_nothing(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

/* An area of another's backend, which has nothing there: only that backend knows why. */
static void what_another_backend_left_out_is_not_ours(void **state)
{
    static const struct s2_backend own = {.kind = "own", .commit = commit_nothing};
    struct s2_area a = area_trap(MIB(2), PAGE, 0);
    struct world *w = *state;
    struct s2_fault_result r;

    a.backend = &own;
    assert_int_equal(map_new(w, a), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, MIB(2), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NOT_OURS);
    assert_true(r.has_area);
    assert_ptr_equal(r.area.backend, &own);
    assert_int_equal(answer(w, EC_IABT | TRANSLATION_L3, MIB(2), &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_PERMISSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(faults_outside_are_the_guests_own, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_an_area_forbids_is_a_violation, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(no_tables_in_a_device, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(trap_areas_are_emulated, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(good_descriptors_are_tried_again, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(relaxed_rights_reach_a_cpu_that_holds_old_ones, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(no_progress_is_reported_not_looped, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_fault_without_an_address, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_another_backend_left_out_is_not_ours, world_setup, world_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
