/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is promised is kept, and promises hold nobody up: table pages of lazy areas against cuts, and a space that is taken
 * down with nothing left to draw on. */
#include "space_state.h"

static struct world *with_quota(uint32_t pages)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.table_pages = pages;
    w = world_create(&wc);
    world_run(w);
    return w;
}

/* A quota with room for what lazy areas can need, and little more, never makes a cut fail: neither holes in them nor what
 * already stands there count twice. */
static void lazy_areas_leave_room_for_cuts(void **state)
{
    enum { ROOT = 1, BLOCKS = 8, UNDER_THE_AREA = 1 + BLOCKS, HOLES = 8 };
    struct world *w = with_quota(ROOT + 4 + UNDER_THE_AREA + 2);
    uint64_t start = MIB(32);

    (void)state;
    assert_int_equal(w->cfg.geometry.roots, ROOT);
    assert_int_equal(s2_cut_tables(&w->cfg.geometry), 4);
    assert_int_equal(map_new(w, area_alloc(start, BLOCKS * MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(w->space.table.quota.promised, UNDER_THE_AREA);
    for (unsigned i = 0; i < HOLES; i++)
        assert_int_equal(unmap(w, start + MIB(1) + 2 * i * PAGE, PAGE), S2_OK);
    assert_int_equal(w->space.table.quota.promised, UNDER_THE_AREA);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_true(guest(w, start + i * MIB(2), MODEL_WRITE).done);
    s2_cache_drain(&w->space, &w->cache);
    assert_int_equal(leaves_at(w, 2), BLOCKS - 1);
    for (unsigned i = 1; i < BLOCKS; i++) {
        assert_int_equal(unmap(w, start + i * MIB(2) + MIB(1), PAGE), S2_OK);
        assert_int_equal(w->space.cut.count, 4);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_true(guest(w, start + (i + 1) * MIB(2) - PAGE, MODEL_WRITE).done);
    world_check(w);
    world_destroy(w);
}

/* The quota that the header computes is enough at the worst: every cache full, work in steps, areas that need most tables for
 * their size. One page less is not. */
static void a_computed_quota_is_enough(void **state)
{
    enum { VCPUS = 2, AREAS = 3 };
    struct world *w;
    struct s2_cache cache;
    struct s2_area eager;
    struct s2_long l;

    (void)state;
    for (unsigned lacks = 0; lacks < 2; lacks++) {
        w = with_quota(256);
        w->space.table.quota.limit = (uint32_t)(s2_table_quota(&w->cfg.geometry, VCPUS) +
                                                AREAS * s2_table_quota_area(&w->cfg.geometry, 2 * PAGE) - lacks);
        s2_cache_init(&cache);
        for (unsigned i = 1; i < AREAS; i++)
            assert_int_equal(map_new(w, area_alloc(i * MIB(2048) - PAGE, 2 * PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
        assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
        assert_int_equal(s2_cache_refill(&w->space, &cache), S2_OK);
        assert_int_equal(cache.tables.count, 2);
        eager = area_alloc(AREAS * MIB(2048) - PAGE, 2 * PAGE, S2_RW, 0);
        assert_int_equal(s2_space_map_begin(&w->space, &l, &eager, &w->d), lacks ? S2_EQUOTA : S2_OK);
        for (unsigned i = 1; i < AREAS; i++) {
            assert_true(guest(w, i * MIB(2048) - PAGE, MODEL_WRITE).done);
            assert_true(guest(w, i * MIB(2048), MODEL_WRITE).done);
            assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
        }
        if (!lacks)
            s2_space_map_end(&l);
        s2_cache_drain(&w->space, &cache);
        world_check(w);
        world_destroy(w);
    }
}

/* Another lazy area may count on the tables that stand there, and is refused when there is no room even so. */
static void a_promise_counts_what_stands_there(void **state)
{
    struct world *w = with_quota(256);
    struct s2_tquota *q = &w->space.table.quota;

    (void)state;
    w->space.cfg.small_leaves = true;
    assert_int_equal(map_new(w, area_alloc(0, MIB(8), S2_RW, S2_AREA_LAZY)), S2_OK);
    for (unsigned i = 0; i < 4; i++)
        assert_true(guest(w, i * MIB(2), MODEL_WRITE).done);
    s2_cache_drain(&w->space, &w->cache);
    q->limit = q->used + 1 + 2;
    assert_int_equal(map_new(w, area_alloc(1ull << 30, MIB(6), S2_RW, S2_AREA_LAZY)), S2_EQUOTA);
    assert_int_equal(map_new(w, area_alloc(1ull << 30, MIB(4), S2_RW, S2_AREA_LAZY)), S2_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_true(guest(w, (1ull << 30) + i * MIB(2), MODEL_WRITE).done);
    world_check(w);
    world_destroy(w);
}

/* The table that a lazy area shares with a neighbour goes with the neighbour; then the promise is for a new one. */
static void a_shared_table_that_goes_stays_promised(void **state)
{
    struct world *w = with_quota(256);
    struct s2_tquota *q = &w->space.table.quota;

    (void)state;
    w->space.cfg.small_leaves = true;
    assert_int_equal(map_new(w, area_alloc(MIB(1), MIB(1), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(0, MIB(1), S2_RW, 0)), S2_OK);
    q->limit = q->used; /* both tables stand there already */
    assert_int_equal(unmap(w, 0, MIB(1)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2), PAGE, S2_RW, 0)), S2_EQUOTA);
    assert_true(guest(w, MIB(1), MODEL_WRITE).done);
    world_check(w);
    world_destroy(w);
}

/* Nothing but promises of others is left in the ledger's pool, and the space has none. */
static uint32_t hoard_ledger(struct world *w)
{
    uint32_t nodes;

    s2_ledger_unpromise(&w->ledger, 1);
    w->space.cut_ledger = false;
    nodes = w->ledger_nodes.free - w->ledger_nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->ledger_nodes, nodes), S2_OK);
    return nodes;
}

static void dismantle_with(struct world *w, uint64_t budget)
{
    uint32_t free = w->ledger_nodes.free;

    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_begin(&w->space);
    while (s2_space_destroy_step(&w->space, budget))
        assert_true(w->ledger_nodes.free >= free);
    s2_space_destroy_end(&w->space);
    while (s2_space_disown_step(&w->space))
        ;
    assert_true(w->ledger_nodes.free >= free);
    assert_int_equal(w->frames.reserved, 0);
    assert_null(s2_frames_check(&w->frames));
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
}

/* Areas that share an entry of the ledger, whose leaves are full; memory from the pool lies right behind. */
static void destroying_takes_no_ledger_node(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    uint32_t nodes;

    (void)state;
    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(map_new(w, area_linear(i * MIB(1), MIB(1), FRAME_BASE + i * MIB(1), i % 2 ? S2_R : S2_RW)),
                         S2_OK);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(map_new(w, area_alloc(MIB(4) + i * MIB(2), MIB(2), i % 2 ? S2_R : S2_RW, S2_AREA_LAZY)),
                         S2_OK);
    world_run(w);
    assert_int_equal(guest(w, MIB(4), MODEL_READ).pa, FRAME_BASE + MIB(4));
    assert_true(guest(w, MIB(6), MODEL_READ).done);
    for (uint64_t i = 0; w->ledger.map.count < S2_IMAP_LEAF; i++)
        world_give(w, FRAME_BASE + MIB(16) + i * PAGE, PAGE, OTHER, i % 2 ? S2_R : S2_RW);
    assert_int_equal(w->ledger.map.height, 0);
    world_check(w);
    nodes = hoard_ledger(w);
    dismantle_with(w, 1);
    assert_int_equal(s2_ledger_count(&w->ledger, OTHER, S2_OWNED) * PAGE + w->frames.free * PAGE, FRAME_BYTES);
    s2_pool_unreserve(&w->ledger_nodes, nodes);
    world_free(w);
}

/* All at once, however it is said. */
static void a_budget_has_no_largest_value(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);

    (void)state;
    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(4), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    assert_true(guest(w, MIB(3), MODEL_WRITE).done);
    dismantle_with(w, UINT64_MAX);
    assert_int_equal(w->frames.free, w->frames.total);
    world_free(w);
}

static uint64_t held_or_promised(struct world *w)
{
    world_check(w);
    return w->space.frames_held + w->space.frames_promised;
}

static void swap_in(struct world *w, struct s2_area area, const struct s2_backend *expected, uint16_t name)
{
    area.name = name;
    assert_int_equal(s2_space_swap(&w->space, &area, expected, &w->d), S2_OK);
}

/* A lazy area, populated in part, is cut, changes hands, is named, joined again and extended: each page has one frame or one
 * promise of a frame. Then nothing is left but the promises, and every page can be had. */
static void a_promise_outlives_what_becomes_of_its_area(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    struct hoard h;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(MIB(16), MIB(4), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    assert_true(guest(w, MIB(17), MODEL_WRITE).done);
    assert_int_equal(held_or_promised(w), MIB(4) / PAGE);
    swap_in(w, area_alloc(MIB(17) + PAGE, MIB(2), S2_RW, S2_AREA_LAZY), &s2_backend_alloc, 3);
    assert_int_equal(held_or_promised(w), MIB(4) / PAGE);
    swap_in(w, area_trap(MIB(18), MIB(1), 5), &s2_backend_alloc, 0);
    assert_int_equal(held_or_promised(w), MIB(3) / PAGE);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(19)), 0, &w->d), S2_OK);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(17) + PAGE), 0, &w->d), S2_OK);
    swap_in(w, area_alloc(MIB(18), MIB(1), S2_RW, S2_AREA_LAZY), &s2_backend_trap, 0);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(held_or_promised(w), MIB(4) / PAGE);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(18)), ipa_range(MIB(14), MIB(8)), &w->d), S2_OK);
    assert_int_equal(protect(w, MIB(15) + PAGE, MIB(3), S2_R), S2_OK);
    assert_int_equal(protect(w, MIB(15) + PAGE, MIB(3), S2_RW), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(held_or_promised(w), MIB(8) / PAGE);
    hoard(w, FRAMES, 0, &h);
    hoard_add(w, FRAME_QUOTA, 0, &h);
    hoard_add(w, TABLE_QUOTA, 0, &h);
    for (uint64_t i = 0; i < MIB(8); i += PAGE)
        assert_true(guest(w, MIB(14) + 37 * i % MIB(8), MODEL_WRITE).done);
    assert_int_equal(w->space.frames_promised, 0);
    assert_int_equal(held_or_promised(w), MIB(8) / PAGE);
    unhoard(w, &h);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_computed_quota_is_enough),
        cmocka_unit_test(lazy_areas_leave_room_for_cuts),
        cmocka_unit_test(a_promise_counts_what_stands_there),
        cmocka_unit_test(a_shared_table_that_goes_stays_promised),
        cmocka_unit_test(destroying_takes_no_ledger_node),
        cmocka_unit_test(a_budget_has_no_largest_value),
        cmocka_unit_test(a_promise_outlives_what_becomes_of_its_area),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
