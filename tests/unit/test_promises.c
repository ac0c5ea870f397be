/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is promised is kept, and promises hold nobody up: table pages of lazy areas against cuts, and a space that is taken
 * down with nothing left to draw on. */
#include "space_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lazy_areas_leave_room_for_cuts),
        cmocka_unit_test(a_promise_counts_what_stands_there),
        cmocka_unit_test(a_shared_table_that_goes_stays_promised),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
