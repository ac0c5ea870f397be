/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Unmapping in steps: it ends where one call does, everything agrees between any two calls, what is done nobody reaches, a step
 * is bounded. */
#include "long_world.h"

static uint64_t all_leaves(struct world *w)
{
    return leaves_at(w, 1) + leaves_at(w, 2) + leaves_at(w, 3);
}

/* --- what a step does ------------------------------------------------------------------------------------------------------- */

static void steps_end_where_one_call_does(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make_many(&kinds[k]);
        struct s2_long l;

        assert_int_equal(unmap(w, many().start.v, MIB(11)), S2_OK);
        promote_all(w);
        state_take(&before, w, MEANING);
        world_dismantle(w);
        for (uint64_t budget = 1; budget < 100000; budget = budget * 9 + 1) {
            w = make_many(&kinds[k]);
            assert_int_equal(begin_unmap(w, &l), S2_OK);
            while (s2_space_unmap_step(&l, budget))
                world_check(w);
            world_check(w);
            assert_int_equal(l.done.v, many().end.v);
            assert_int_equal(s2_space_unmap_end(&l), S2_OK);
            assert_int_equal(s2_space_unmap_end(&l), S2_OK);
            assert_false(s2_space_unmap_step(&l, 1));
            promote_all(w);
            state_take(&after, w, MEANING);
            expect_same(&before, &after, "long work");
            world_dismantle(w);
        }
    }
}

static void the_end_does_what_is_left(void **state)
{
    struct world *w = make_many(&kinds[0]);
    struct s2_long l;

    (void)state;
    assert_int_equal(begin_unmap(w, &l), S2_OK);
    assert_true(s2_space_unmap_step(&l, 1));
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    world_check(w);
    assert_int_equal(l.done.v, many().end.v);
    assert_false(s2_area_set_overlaps(&w->space.areas, many(), NULL));
    world_dismantle(w);
}

/* Stopped at once, all is as it was; later, what is left is, and is nobody's business any more. */
static void it_can_stop_anywhere(void **state)
{
    (void)state;
    for (uint64_t steps = 0; steps < 4; steps++) {
        struct world *w = make_many(&kinds[0]);
        struct s2_long l;

        state_take(&before, w, MEANING);
        assert_int_equal(begin_unmap(w, &l), S2_OK);
        for (uint64_t i = 0; i < steps; i++)
            assert_true(s2_space_unmap_step(&l, 1));
        s2_space_unmap_stop(&l);
        s2_space_unmap_stop(&l);
        assert_false(s2_space_unmap_step(&l, 1));
        assert_int_equal(s2_space_unmap_end(&l), S2_OK);
        world_check(w);
        assert_true(steps == 0 ? l.done.v == many().start.v : l.done.v > many().start.v && l.done.v < many().end.v);
        assert_true(guest(w, l.done.v, MODEL_READ).done);
        if (steps == 0) {
            state_take(&after, w, MEANING);
            expect_same(&before, &after, "stopped at once");
        } else {
            assert_false(guest(w, l.done.v - PAGE, MODEL_READ).done);
        }
        assert_int_equal(unmap(w, l.done.v, many().end.v - l.done.v), S2_OK);
        world_dismantle(w);
    }
}

/* 21 chunks of two pages, nowhere together: so many leaves go, and no chunk is cut but at the end of the range. */
static void a_step_does_no_more_than_its_budget(void **state)
{
    struct world *w = make(&kinds[5]);
    struct s2_long l;
    bool more = true;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(MANY, 300 * PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY + PAGE, 297 * PAGE), &w->d), S2_OK);
    while (more) {
        uint64_t leaves = all_leaves(w), done = l.done.v, chunks = w->space.chunks.count;

        model_reset_counters(w->port);
        more = s2_space_unmap_step(&l, 20);
        leaves -= all_leaves(w);
        chunks -= w->space.chunks.count;
        assert_int_equal(l.done.v - done, leaves * PAGE);
        assert_true(leaves > 0 && (leaves <= 20 || chunks <= 1));
        assert_true(w->port->count.stores + w->port->count.swaps <= leaves + 3);
        assert_true(model_tlbis(w->port) > 0);
        world_check(w);
        assert_false(guest(w, l.done.v - PAGE, MODEL_READ).done);
        assert_true(guest(w, more ? l.done.v : MANY + 298 * PAGE, MODEL_WRITE).done);
    }
    assert_true(guest(w, MANY, MODEL_WRITE).done);
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    world_dismantle(w);
}

static void what_is_short_is_one_step(void **state)
{
    struct world *w = make_many(&kinds[0]);
    struct s2_long l;

    (void)state;
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY + MIB(4), 70 * PAGE), &w->d), S2_OK);
    assert_false(s2_space_unmap_step(&l, 100));
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    /* And what nothing is in. */
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MIB(900), MIB(50)), &w->d), S2_OK);
    assert_false(s2_space_unmap_step(&l, 0));
    assert_int_equal(l.done.v, MIB(950));
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    world_dismantle(w);
}

/* On a CPU that held it: the access is gone where the step returns, and not before for the rest. */
static void access_ends_with_the_step_on_every_cpu(void **state)
{
    struct world *w = make_many(&kinds[5]);
    struct s2_long l;
    bool more = true;

    (void)state;
    model_set_cpu(w->port, 1);
    world_run(w);
    for (uint64_t at = many().start.v; at < MANY + MIB(4); at += 16 * PAGE)
        assert_true(guest(w, at, MODEL_WRITE).done);
    model_set_cpu(w->port, 0);
    assert_int_equal(begin_unmap(w, &l), S2_OK);
    while (more) {
        more = s2_space_unmap_step(&l, 64);
        model_set_cpu(w->port, 1);
        for (uint64_t at = many().start.v; at < MANY + MIB(4); at += 16 * PAGE)
            assert_int_equal(model_access(w->port, at, MODEL_WRITE, false).result == MODEL_DONE, at >= l.done.v);
        model_set_cpu(w->port, 0);
        world_check(w);
    }
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    world_dismantle(w);
}

/* Lazy memory that is touched for the first time behind `done`, meanwhile. */
static void faults_go_on_meanwhile(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make_many(&kinds[k]);
        struct s2_long l;
        uint64_t at = MANY + MIB(6);

        assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY + MIB(5), MIB(3) + 5 * PAGE), &w->d),
                         S2_OK);
        do {
            for (unsigned i = 0; i < 50; i++, at += 37 * PAGE)
                if (at >= l.done.v && at < MANY + MIB(9))
                    assert_true(guest(w, at, MODEL_WRITE).done);
            world_check(w);
        } while (s2_space_unmap_step(&l, 3));
        assert_int_equal(s2_space_unmap_end(&l), S2_OK);
        assert_true(guest(w, MANY + MIB(8) + 5 * PAGE, MODEL_WRITE).done);
        world_dismantle(w);
    }
}

/* --- others ------------------------------------------------------------------------------------------------------------------ */

static void the_range_is_busy(void **state)
{
    struct world *w = make_many(&kinds[0]);
    struct s2_long l, other;
    uint64_t at[] = {many().start.v - PAGE, many().start.v, many().end.v - PAGE};

    (void)state;
    assert_int_equal(begin_unmap(w, &l), S2_OK);
    for (unsigned step = 0; step < 2; step++, (void)s2_space_unmap_step(&l, 1))
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(unmap(w, at[i], 2 * PAGE), S2_EBUSY);
            assert_int_equal(w->d.found_start, many().start.v);
            assert_int_equal(map_over(w, area_trap(at[i], 2 * PAGE, 1)), S2_EBUSY);
            assert_int_equal(protect(w, at[i], 2 * PAGE, S2_R), S2_EBUSY);
            assert_int_equal(s2_space_unmap_begin(&w->space, &other, ipa_range(at[i], 2 * PAGE), &w->d), S2_EBUSY);
        }
    assert_int_equal(unmap(w, many().end.v, MIB(1)), S2_OK);
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    assert_int_equal(map_new(w, area_alloc(many().start.v, PAGE, S2_RW, 0)), S2_OK);
    world_dismantle(w);
}

static void bad_ranges_are_refused(void **state)
{
    struct world *w = make_many(&kinds[0]);
    struct s2_long l;

    (void)state;
    state_take(&before, w, EXACT);
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY, 0), &w->d), S2_EINVAL);
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY + 1, PAGE), &w->d), S2_EALIGN);
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(1ull << 36, PAGE), &w->d), S2_ERANGE);
    assert_false(s2_space_unmap_step(&l, 1));
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    state_take(&after, w, EXACT);
    expect_same(&before, &after, "long work");
    world_dismantle(w);
}

/* A kind that agrees so many times. */
static unsigned agrees;
static enum s2_err maybe(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    if (c->step == S2_STEP_UNMAP && agrees-- == 0)
        return S2_EREFUSED;
    return S2_OK;
}
static void nothing(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}
static const struct s2_backend moody = {.kind = "moody", .prepare = maybe, .commit = nothing};

static void a_backend_that_changes_its_mind_stops_the_steps(void **state)
{
    struct world *w = make_many(&kinds[0]);
    struct s2_area a = area_trap(MANY + MIB(5), MIB(1), 7);
    struct s2_long l;

    (void)state;
    a.backend = &moody;
    assert_int_equal(map_over(w, a), S2_OK);
    agrees = 0;
    assert_int_equal(begin_unmap(w, &l), S2_EREFUSED);
    world_check(w);
    agrees = 1;
    assert_int_equal(begin_unmap(w, &l), S2_OK);
    while (s2_space_unmap_step(&l, 1))
        world_check(w);
    world_check(w);
    assert_int_equal(l.done.v, MANY + MIB(4) + 70 * PAGE);
    assert_int_equal(s2_space_unmap_end(&l), S2_EREFUSED);
    agrees = 9;
    assert_int_equal(unmap(w, many().start.v, MIB(11)), S2_OK);
    world_dismantle(w);
}

/* Memory at a chosen place: pieces end where its ledger entries do, too. */
static void memory_at_a_chosen_place(void **state)
{
    const uint64_t pa = FRAME_BASE + MIB(24), first = 5 * PAGE;
    struct world *w = make(&kinds[0]);
    struct s2_long l;

    (void)state;
    world_give(w, pa, MIB(2), VM, S2_RWX);
    world_give(w, pa + MIB(2), MIB(1), VM, S2_RW);
    assert_int_equal(map_new(w, area_linear(MANY, MIB(2), pa, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MANY + MIB(2), MIB(1), pa + MIB(2), S2_RW)), S2_OK);
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY + first, MIB(2)), &w->d), S2_OK);
    assert_true(s2_space_unmap_step(&l, 1));
    assert_int_equal(l.done.v, MANY + MIB(2));
    world_check(w);
    assert_false(guest(w, MANY + first, MODEL_READ).done);
    assert_int_equal(guest(w, MANY + MIB(2), MODEL_READ).pa, pa + MIB(2));
    assert_false(s2_space_unmap_step(&l, 1));
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    world_check(w);
    assert_false(guest(w, MANY + MIB(2), MODEL_READ).done);
    assert_int_equal(guest(w, MANY + MIB(2) + first, MODEL_READ).pa, pa + MIB(2) + first);
    world_dismantle(w);
}

/* --- the space goes away ---------------------------------------------------------------------------------------------------------- */

static void a_space_that_goes_ends_it(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 30; steps += 1 + steps) {
        struct world *w = make_many(&kinds[4]);
        struct s2_long l;

        assert_int_equal(begin_unmap(w, &l), S2_OK);
        for (unsigned i = 0; i < steps; i++)
            (void)s2_space_unmap_step(&l, 50);
        s2_cache_drain(&w->space, &w->cache);
        s2_space_destroy_begin(&w->space);
        assert_null(w->space.longs);
        assert_false(s2_space_unmap_step(&l, 1));
        assert_int_equal(s2_space_unmap_end(&l), S2_EDYING);
        expect_nothing_left(w);
    }
}

/* --- what one call costs ----------------------------------------------------------------------------------------------------------- */

/* space.h: one call holds the lock for so many stores, and two edits for each piece of memory: 7 blocks at different places, and at
 * each end pages. */
static void one_call_is_bounded_by_pieces(void **state)
{
    enum { BLOCKS = 7, EACH = 4 };
    struct world_config wc = world_defaults();
    struct world *w;
    uint64_t locks;
    bool clean;

    (void)state;
    w = world_create(&wc);
    for (uint64_t i = 1; i < 15; i += 2)
        assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(FRAME_BASE + i * MIB(2), PAGE), &clean, NULL), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(64), BLOCKS * MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(w->space.chunks.count, BLOCKS);
    assert_int_equal(leaves_at(w, 2), BLOCKS);
    world_run(w);
    model_reset_counters(w->port);
    assert_int_equal(unmap(w, MIB(64), BLOCKS * MIB(2)), S2_OK);
    locks = w->port->count.locks;
    assert_in_range(w->port->count.stores + w->port->count.swaps, 1, BLOCKS + 2);
    assert_in_range(locks, BLOCKS, EACH * BLOCKS + 8);
    world_dismantle(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_end_where_one_call_does),
        cmocka_unit_test(the_end_does_what_is_left),
        cmocka_unit_test(a_step_does_no_more_than_its_budget),
        cmocka_unit_test(what_is_short_is_one_step),
        cmocka_unit_test(access_ends_with_the_step_on_every_cpu),
        cmocka_unit_test(faults_go_on_meanwhile),
        cmocka_unit_test(the_range_is_busy),
        cmocka_unit_test(it_can_stop_anywhere),
        cmocka_unit_test(bad_ranges_are_refused),
        cmocka_unit_test(a_backend_that_changes_its_mind_stops_the_steps),
        cmocka_unit_test(memory_at_a_chosen_place),
        cmocka_unit_test(a_space_that_goes_ends_it),
        cmocka_unit_test(one_call_is_bounded_by_pieces),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
