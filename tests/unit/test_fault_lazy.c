/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Stage-2 faults in lazy areas: what they populate, from what, and what they leave alone. */
#include "faults.h"

static void walks_and_maintenance_populate_too(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;
    struct s2_leaf leaf;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_R, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(2), S2_R, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | S1PTW | TRANSLATION_L3, 0x5000, &r), S2_NEED_REFILL);
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    assert_int_equal(answer(w, EC_DABT | S1PTW | TRANSLATION_L3, 0x5000, &r), S2_RETRY);
    assert_true(s2_space_translate(&w->space, S2_IPA(0x5000), &leaf));
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    assert_int_equal(answer(w, EC_DABT | CM | WNR | TRANSLATION_L3, MIB(2), &r), S2_RETRY);
    assert_true(s2_space_translate(&w->space, S2_IPA(MIB(2)), &leaf));
}

static void a_forbidden_access_takes_no_memory(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_R, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(answer(w, EC_DABT | WNR | TRANSLATION_L3, 0, &r), S2_VIOLATION);
    assert_int_equal(w->space.frames_held, 0);
}

static void a_leaf_stays_inside_its_area(void **state)
{
    struct world *w = *state;

    /* One chunk, which a copy fetched, and two areas over it by now. */
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), "x", 1, 0, false, NULL), S2_OK);
    assert_int_equal(w->space.frames_held, 512);
    assert_int_equal(protect(w, MIB(1), MIB(1), S2_R), S2_OK);
    world_run(w);
    assert_true(guest(w, PAGE, MODEL_WRITE).done);
    world_check(w);
    assert_int_equal(guest(w, MIB(1), MODEL_WRITE).result.why, S2_NO_PERMISSION);
    assert_true(guest(w, MIB(1), MODEL_READ).done);
    assert_int_equal(leaves_at(w, 3), 2);
}

/* The allocator calls frames free that the ledger calls somebody's. */
static void a_chunk_is_nobodys_by_the_ledger(void **state)
{
    struct s2_ledger_entry e = ledger_entry(FRAME_BASE + PAGE, PAGE, OTHER, S2_OWNED);
    uint16_t flags[] = {S2_AREA_LAZY, S2_AREA_LAZY | S2_AREA_OVERCOMMIT};
    struct world *w = *state;
    struct s2_fault_result r;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t reserved;

        assert_int_equal(map_new(w, area_alloc(MIB(2) * i, MIB(2), S2_RW, flags[i])), S2_OK);
        reserved = w->frames.reserved;
        e.owner = OTHER;
        e.state = S2_OWNED;
        s2_ledger_set(&w->ledger, &e);
        assert_int_equal(answer(w, EC_DABT | WNR | TRANSLATION_L3, MIB(2) * i, &r), S2_VIOLATION);
        assert_int_equal(r.why, S2_NO_MEMORY);
        assert_int_equal(w->space.frames_held, 0);
        assert_int_equal(w->frames.free, w->frames.total);
        assert_int_equal(w->frames.reserved, reserved);
        assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
        assert_int_equal(w->port->count.zeroed, 0);
        e.owner = S2_OWNER_NONE;
        e.state = S2_FREE;
        s2_ledger_set(&w->ledger, &e);
        world_check(w);
    }
    world_run(w);
    assert_true(guest(w, 0, MODEL_WRITE).done);
}

static void two_vcpus_need_one_chunk(void **state)
{
    struct world *w = *state;
    uint64_t pa;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    pa = guest(w, 0, MODEL_WRITE).pa;
    model_set_cpu(w->port, 1);
    world_run(w);
    assert_int_equal(guest(w, 0, MODEL_WRITE).pa, pa);
    assert_int_equal(guest(w, PAGE, MODEL_WRITE).pa, pa + PAGE);
    assert_int_equal(w->space.frames_held, 512);
    model_set_cpu(w->port, 0);
}

static void the_quota_of_table_pages_holds_for_every_lazy_page(void **state)
{
    struct world *w = *state;
    uint32_t promised;

    w->space.cfg.small_leaves = true;
    /* Over a boundary of three levels. */
    assert_int_equal(map_new(w, area_alloc((1ull << 30) - MIB(2) - PAGE, MIB(4), S2_RW, S2_AREA_LAZY)), S2_OK);
    promised = w->space.table.quota.promised;
    assert_true(promised >= 5);
    /* There must be room for the promise, */
    w->space.table.quota.limit = w->space.table.quota.used + 2 * promised - 1;
    assert_int_equal(map_new(w, area_alloc((3ull << 30) - MIB(2) - PAGE, MIB(4), S2_RW, S2_AREA_LAZY)), S2_EQUOTA);
    assert_int_equal(w->space.table.quota.promised, promised);
    /* and others may use what is not promised, and nothing of what is. */
    w->space.table.quota.limit = w->space.table.quota.used + promised;
    assert_int_equal(map_new(w, area_alloc(MIB(2), PAGE, S2_RW, 0)), S2_EQUOTA);
    world_run(w);
    for (uint64_t off = 0; off < MIB(4); off += PAGE)
        assert_true(guest(w, (1ull << 30) - MIB(2) - PAGE + off, MODEL_WRITE).done);
    world_check(w);
    w->space.table.quota.limit = 256;
}

static void an_empty_pool_is_reported(void **state)
{
    struct world *w = *state;
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota quota = {.limit = UINT32_MAX};
    struct s2_fault_result r;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2) - PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_tpool_take(&w->tables, &quota, w->tables.free, &all), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_NEED_REFILL);
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_ETABLES);
    s2_tpool_give(&w->tables, &quota, &all);
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    assert_int_equal(answer(w, EC_DABT | TRANSLATION_L3, 0, &r), S2_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(walks_and_maintenance_populate_too, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_forbidden_access_takes_no_memory, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_leaf_stays_inside_its_area, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_chunk_is_nobodys_by_the_ledger, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(two_vcpus_need_one_chunk, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(the_quota_of_table_pages_holds_for_every_lazy_page, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(an_empty_pool_is_reported, world_setup, world_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
