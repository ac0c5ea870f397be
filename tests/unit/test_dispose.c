/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Table pages go back to their pool outside the space's lock: what a hold costs does not grow with what it detached. */
#include "space_world.h"

/* What was seen of locks since it was wiped. */
struct seen {
    struct world *w;
    uint32_t free;            /* of the pool, when its lock was taken */
    uint64_t loads, most;     /* descriptors read: when the space's lock was taken; the most in one hold */
    uint32_t given, given_in; /* pages given back: outside, and while the space's lock was held */
};
static struct seen seen;

static void watch_pool(const struct world *w, bool taken)
{
    uint32_t *given = model_holds(&w->space.lock, false) ? &seen.given_in : &seen.given;

    if (taken)
        seen.free = w->tables.free;
    else if (w->tables.free > seen.free)
        *given += w->tables.free - seen.free;
}

static void watch_space(const struct world *w, bool taken)
{
    uint64_t loads = w->port->count.loads;

    if (taken)
        seen.loads = loads;
    else if (loads - seen.loads > seen.most)
        seen.most = loads - seen.loads;
}

static void watch(void *arg, const struct s2_lock *lock, bool taken)
{
    const struct world *w = arg;

    if (lock == &w->tables.lock)
        watch_pool(w, taken);
    if (lock == &w->space.lock)
        watch_space(w, taken);
}

static void look(struct world *w)
{
    seen = (struct seen){.w = w};
    model_script_lock(w->port, watch, w);
}

/* The pages that were given back meanwhile, none of them under the lock. */
static uint32_t seen_given(struct world *w)
{
    model_script_lock(w->port, NULL, NULL);
    assert_int_equal(seen.given_in, 0);
    assert_int_equal(w->space.table.detached, 0);
    world_check(w);
    return seen.given;
}

static struct world *make(bool small_leaves)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.small_leaves = small_leaves;
    w = world_create(&wc);
    world_run(w);
    return w;
}

static void operations(void **state)
{
    struct world *w = make(true);
    uint64_t most;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    look(w);
    assert_int_equal(unmap(w, 0, MIB(1024)), S2_OK);
    assert_int_equal(seen_given(w), 2);
    most = seen.most;
    assert_int_equal(map_new(w, area_alloc(0, MIB(16), S2_RW, 0)), S2_OK);
    look(w);
    assert_int_equal(unmap(w, 0, MIB(1024)), S2_OK);
    assert_int_equal(seen_given(w), 9);
    assert_int_equal(seen.most, most + 7); /* each table is one entry, whatever is in it */

    assert_int_equal(map_new(w, area_alloc(0, MIB(8), S2_RW, 0)), S2_OK);
    look(w);
    assert_int_equal(map_over(w, area_alloc(0, MIB(8), S2_R, 0)), S2_OK);
    assert_int_equal(seen_given(w), 5); /* the one above them was empty for a moment */
    look(w);
    assert_int_equal(protect(w, PAGE, PAGE, S2_RW), S2_OK);
    assert_int_equal(map_over(w, area_alloc(0, MIB(26), S2_R, 0)), S2_EQUOTA);
    assert_int_equal(seen_given(w), 0);
    world_destroy(w);
}

/* What was taken for an operation that then lacks something else. */
static void refused(void **state)
{
    struct world *w = make(false);
    uint32_t nodes = w->ledger_nodes.free - w->ledger_nodes.reserved;

    (void)state;
    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(4), MIB(2), S2_RW, 0)), S2_OK);
    /* The map would cut an entry of the ledger. */
    assert_int_equal(s2_pool_reserve(&w->ledger_nodes, nodes), S2_OK);
    look(w);
    assert_int_equal(map_over(w, area_alloc(MIB(1), PAGE, S2_RW, 0)), S2_ENODES);
    assert_true(seen_given(w) > 0);
    s2_pool_unreserve(&w->ledger_nodes, nodes);
    world_destroy(w);
}

static void long_work(void **state)
{
    struct world *w = make(true);
    struct s2_area a = area_alloc(MIB(64), MIB(8), S2_RW, 0);
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;

    (void)state;
    for (unsigned aborts = 0; aborts < 2; aborts++) {
        look(w);
        assert_int_equal(s2_space_map_begin(&w->space, &l, &a, &w->d), S2_OK);
        for (unsigned i = 0; i < 6; i++)
            assert_true(s2_space_map_step(&l, 200));
        while (aborts && s2_space_map_abort(&l, 200))
            ;
        s2_space_map_end(&l);
        assert_true(seen_given(w) > 0);
        if (!aborts)
            assert_int_equal(unmap(w, MIB(64), MIB(8)), S2_OK);
    }
    assert_int_equal(map_new(w, a), S2_OK);
    look(w);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MIB(65), MIB(3)), set_attr, &attr, &w->d), S2_OK);
    assert_true(s2_space_protect_step(&l, 20));
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    assert_int_equal(seen_given(w), s2_cut_tables(&w->cfg.geometry));
    world_destroy(w);
}

/* Long work that its space ends: what was taken ahead goes back in the steps of the destruction. */
static void destruction(void **state)
{
    struct world *w = make(true);
    struct s2_area a = area_alloc(MIB(64), MIB(8), S2_RW, 0);
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l, other;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(0, MIB(8), S2_RW, 0)), S2_OK);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &a, &w->d), S2_OK);
    assert_true(s2_space_map_step(&l, 200));
    assert_int_equal(s2_space_protect_begin(&w->space, &other, ipa_range(0, MIB(3)), set_attr, &attr, &w->d), S2_OK);
    look(w);
    world_destroy_space(w);
    model_script_lock(w->port, NULL, NULL);
    assert_int_equal(seen.given_in, 0);
    assert_int_equal(w->tables.free, w->tables.pages);
    world_free(w);
}

/* So many trees in a step, each a table and those of pages below it. */
static void destruction_goes_by_trees(void **state)
{
    struct world *w = make(true);
    uint32_t used;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(map_new(w, area_alloc(MIB(1024) * i, PAGE, S2_RW, 0)), S2_OK);
    s2_cache_drain(&w->space, &w->cache);
    used = w->space.table.quota.used;
    s2_space_destroy_begin(&w->space);
    assert_int_equal(w->space.table.quota.used, used);
    assert_true(s2_space_destroy_step(&w->space, 1));
    assert_int_equal(w->space.table.quota.used, used - 2);
    assert_true(s2_space_destroy_step(&w->space, 1));
    assert_int_equal(w->space.table.quota.used, used - 4);
    while (s2_space_destroy_step(&w->space, 1))
        ;
    assert_int_equal(w->space.table.quota.used, used - 6);
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->tables.free, w->tables.pages);
    world_free(w);
}

/* --- a destruction that comes while tables are being given back ------------------------------------------------------------ */

static bool destroyed;

static void destroy_at_once(void *arg, const struct s2_lock *lock, bool taken)
{
    struct world *w = arg;

    if (lock != &w->space.lock || taken || destroyed)
        return;
    destroyed = true;
    assert_true(w->space.table.detached > 0);
    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_begin(&w->space);
    for (unsigned i = 0; i < 100; i++)
        assert_true(s2_space_destroy_step(&w->space, 64));
    assert_true(w->space.table.quota.used > 0);
}

static void a_destruction_waits_for_it(void **state)
{
    struct world *w = make(true);

    (void)state;
    destroyed = false;
    assert_int_equal(map_new(w, area_alloc(0, MIB(8), S2_RW, 0)), S2_OK);
    model_script_lock(w->port, destroy_at_once, w);
    assert_int_equal(unmap(w, 0, MIB(8)), S2_OK);
    model_script_lock(w->port, NULL, NULL);
    assert_true(destroyed);
    assert_false(s2_space_destroy_step(&w->space, 64));
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->space.table.quota.used, 0);
    assert_int_equal(w->tables.free, w->tables.pages);
    world_free(w);
}

/* --- the cut reserve ------------------------------------------------------------------------------------------------------- */

/* With the pool empty, the reserve takes back what the operation drew from what it detached, under the same lock. */
static void the_reserve_comes_first(void **state)
{
    struct world *w = make(false);
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota quota = {.limit = UINT32_MAX};
    uint32_t used;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(1), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(3), MIB(1), S2_R, 0)), S2_OK); /* two areas: it stays a table */
    assert_int_equal(map_new(w, area_alloc(MIB(4), MIB(4), S2_RW, 0)), S2_OK);
    assert_int_equal(leaves_at(w, 2), 3);
    assert_int_equal(leaves_at(w, 3), 512);
    assert_int_equal(s2_tpool_take(&w->tables, &quota, w->tables.free, &all), S2_OK);
    used = w->space.table.quota.used;
    assert_int_equal(unmap(w, MIB(1), MIB(3)), S2_OK);
    assert_int_equal(w->space.cut.count, s2_cut_tables(&w->cfg.geometry));
    assert_int_equal(w->space.table.quota.used, used);
    assert_int_equal(w->tables.free, 0);
    world_check(w);
    /* The page is as good as another. */
    for (uint64_t at = MIB(4); at < MIB(8); at += MIB(2))
        assert_int_equal(unmap(w, at + PAGE, PAGE), S2_OK);
    assert_true(guest(w, MIB(4), MODEL_READ).done);
    assert_false(guest(w, MIB(4) + PAGE, MODEL_READ).done);
    assert_int_equal(w->space.cut.count, s2_cut_tables(&w->cfg.geometry) - 2);
    world_check(w);
    s2_tpool_give(&w->tables, &quota, &all);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations),
        cmocka_unit_test(refused),
        cmocka_unit_test(long_work),
        cmocka_unit_test(destruction),
        cmocka_unit_test(destruction_goes_by_trees),
        cmocka_unit_test(a_destruction_waits_for_it),
        cmocka_unit_test(the_reserve_comes_first),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
