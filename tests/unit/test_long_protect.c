/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Protecting in steps: as one call would, so many leaves at a time, and faults get what is true when they come. */
#include "long_world.h"

enum { RUN = 16 }; /* pages with the Contiguous bit (D8.7.1) */

static void protect_in_steps_ends_where_one_call_does(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make_many(&kinds[k]);
        unsigned calls = 0;
        struct s2_long l;

        assert_int_equal(s2_space_protect(&w->space, many(), read_only, &calls, &w->d), S2_OK);
        promote_all(w);
        state_take(&before, w, MEANING);
        world_dismantle(w);
        for (uint64_t budget = 3; budget < 3000; budget *= 30) {
            bool more = true;

            w = make_many(&kinds[k]);
            calls = 0;
            assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), read_only, &calls, &w->d), S2_OK);
            assert_int_equal(calls, 6);
            while (more) {
                uint64_t edits;

                model_reset_counters(w->port);
                more = s2_space_protect_step(&l, budget);
                /* Each leaf once, or broken and made, and no run in part; a cut at an end of the range besides. */
                edits = w->port->count.stores + w->port->count.swaps;
                assert_true(edits <= 2 * (budget < RUN ? RUN : budget) + 8);
                if (budget < 90 || !more)
                    world_check(w);
            }
            assert_int_equal(s2_space_protect_end(&l), S2_OK);
            assert_int_equal(calls, 12);
            promote_all(w);
            state_take(&after, w, MEANING);
            expect_same(&before, &after, "long work");
            world_dismantle(w);
        }
    }
}

static void a_step_changes_so_many_leaves(void **state)
{
    struct world *w = make_many(&kinds[1]);
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;
    uint64_t left = 1024;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MANY, MIB(4)), set_attr, &attr, &w->d), S2_OK);
    for (; left; left -= left < 100 ? left : 100) {
        uint64_t at;

        model_reset_counters(w->port);
        assert_int_equal(s2_space_protect_step(&l, 100), left > 100);
        assert_int_equal(w->port->count.stores, left < 100 ? left : 100);
        assert_int_equal(model_tlbis(w->port), 2);
        assert_int_equal(model_dsbs(w->port), 3);
        at = l.done.v;
        assert_true(guest(w, at - PAGE, MODEL_READ).done);
        assert_int_equal(guest(w, at - PAGE, MODEL_WRITE).result.why, S2_NO_PERMISSION);
        if (left > 100)
            assert_true(guest(w, at, MODEL_WRITE).done);
        world_check(w);
    }
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    world_dismantle(w);
}

/* A step ends before a run that it would have to break, or, when that is its first leaf, with it. */
static void a_step_cuts_no_run(void **state)
{
    static const struct {
        uint64_t budget, step;
    } rows[] = {{24, RUN}, {RUN, RUN}, {47, 2 * RUN}, {1, RUN}, {1000, 62 * RUN}};
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_leaf leaf;
    struct s2_long l;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *w = make(&kinds[0]);
        bool more = true;

        world_give(w, FRAME_BASE + MIB(16) + RUN * PAGE, MIB(4), VM, S2_RWX);
        assert_int_equal(map_new(w, area_linear(MANY, MIB(4), FRAME_BASE + MIB(16) + RUN * PAGE, S2_RW)), S2_OK);
        assert_int_equal(leaves_at(w, 2), 0); /* pages, in runs */
        assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MANY, MIB(4)), set_attr, &attr, &w->d), S2_OK);
        while (more) {
            uint64_t was = l.done.v;

            model_reset_counters(w->port);
            more = s2_space_protect_step(&l, rows[i].budget);
            assert_int_equal(w->port->count.stores, (l.done.v - was) / PAGE);
            if (more)
                assert_int_equal(l.done.v - was, rows[i].step * PAGE);
            assert_int_equal(model_dsbs(w->port), 3); /* nothing was broken and made */
            for (uint64_t at = MANY; at < MANY + MIB(4); at += PAGE) {
                assert_true(s2_space_translate(&w->space, S2_IPA(at), &leaf));
                assert_true(leaf.contiguous);
            }
            world_check(w);
        }
        assert_int_equal(s2_space_protect_end(&l), S2_OK);
        world_dismantle(w);
    }
}

static void a_fault_in_the_range_gets_what_is_true(void **state)
{
    struct world *w = make_many(&kinds[5]);
    unsigned calls = 0;
    struct s2_long l;
    uint64_t lazy = MANY + MIB(6), i = 0;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), read_only, &calls, &w->d), S2_OK);
    do {
        uint64_t at = lazy + i++ * 5 * PAGE % MIB(3);
        struct attempt t = guest(w, at, MODEL_WRITE);

        assert_int_equal(t.done, at >= l.done.v);
        if (!t.done)
            assert_int_equal(t.result.why, S2_NO_PERMISSION);
        assert_true(guest(w, lazy + i * 11 * PAGE % MIB(3), MODEL_READ).done);
        world_check(w);
    } while (s2_space_protect_step(&l, 9));
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    world_dismantle(w);
}

static void protect_may_end_early(void **state)
{
    struct world *w = make_many(&kinds[0]);
    unsigned calls = 0;
    struct s2_long l;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), read_only, &calls, &w->d), S2_OK);
    assert_true(s2_space_protect_step(&l, 100));
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    assert_false(s2_space_protect_step(&l, 100));
    assert_int_equal(guest(w, l.done.v - PAGE, MODEL_WRITE).result.why, S2_NO_PERMISSION);
    assert_true(guest(w, l.done.v, MODEL_WRITE).done);
    assert_int_equal(unmap(w, MANY, MIB(13)), S2_OK);
    world_dismantle(w);
}

/* --- steps that are refused, or do little ------------------------------------------------------------------------------- */

/* A backend that has nothing, and says no to a protect when it is told to. */
static bool refuses;
static enum s2_err perhaps(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    return refuses && c->step == S2_STEP_PROTECT ? S2_EREFUSED : S2_OK;
}
static void commit_nothing(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

static void begin_refuses_what_one_call_would(void **state)
{
    struct world *w = make_many(&kinds[0]);
    s2_attr device = S2_ATTR(S2_RW | S2_MT_DEV_nGnRE), read = S2_ATTR(S2_R);
    struct s2_long l;

    (void)state;
    state_take(&before, w, MEANING);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), set_attr, &device, &w->d), S2_EATTR);
    assert_string_equal(w->d.what, "is memory, and the attribute is that of a device");
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MANY + 1, PAGE), set_attr, &read, &w->d),
                     S2_EALIGN);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), NULL, NULL, &w->d), S2_EINVAL);
    assert_string_equal(w->d.what, "has no update function");
    assert_false(s2_space_protect_step(&l, 1));
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    state_take(&after, w, MEANING);
    expect_same(&before, &after, "long work");
    world_dismantle(w);
}

/* A backend that agreed at the beginning and refuses later ends the work; what is done stays, what is not stays too. */
static void a_step_that_is_refused_is_the_last(void **state)
{
    static const struct s2_backend own = {.kind = "own", .prepare = perhaps, .commit = commit_nothing};
    struct world *w = make_many(&kinds[0]);
    struct s2_area a = area_trap(MANY + MIB(11), MIB(1), 0), found;
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;

    (void)state;
    refuses = false;
    assert_int_equal(unmap(w, MANY + MIB(4), MIB(16)), S2_OK);
    a.backend = &own;
    assert_int_equal(map_new(w, a), S2_OK);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), set_attr, &attr, &w->d), S2_OK);
    assert_true(s2_space_protect_step(&l, 10000));
    assert_int_equal(l.done.v, MANY + MIB(4));
    refuses = true;
    assert_false(s2_space_protect_step(&l, 10000));
    assert_false(s2_space_protect_step(&l, 10000));
    assert_int_equal(l.done.v, MANY + MIB(11));
    refuses = false;
    assert_false(s2_space_protect_step(&l, 10000));
    world_check(w);
    assert_int_equal(s2_space_protect_end(&l), S2_EREFUSED);
    assert_true(s2_space_find(&w->space, S2_IPA(MANY + MIB(3)), &found));
    assert_int_equal(found.attr.bits, S2_R);
    assert_true(s2_space_find(&w->space, S2_IPA(MANY + MIB(11)), &found));
    assert_int_equal(found.attr.bits, a.attr.bits);
    world_dismantle(w);
}

static void a_step_of_nothing_is_one_of_one(void **state)
{
    struct world *w = make_many(&kinds[1]);
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MANY, 3 * PAGE), set_attr, &attr, &w->d), S2_OK);
    assert_true(s2_space_protect_step(&l, 0));
    assert_int_equal(l.done.v, MANY + PAGE);
    assert_true(s2_space_protect_step(&l, 0));
    assert_false(s2_space_protect_step(&l, 0));
    assert_int_equal(l.done.v, MANY + 3 * PAGE);
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    world_dismantle(w);
}

/* Many small areas become one: the nodes that this frees are the work's until it ends, and then nobody's. */
static void areas_that_join_give_their_nodes_back(void **state)
{
    enum { AREAS = 200 };
    struct world *w = make(&kinds[0]);
    uint32_t reserved, nodes, most;
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;

    (void)state;
    for (uint64_t i = 0; i < AREAS; i++)
        assert_int_equal(map_new(w, area_alloc(MANY + i * PAGE, PAGE, i % 2 ? S2_R : S2_RW, S2_AREA_LAZY)), S2_OK);
    reserved = w->nodes.reserved;
    nodes = w->space.areas.map.nodes;
    assert_true(nodes > 10);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MANY, AREAS * PAGE), set_attr, &attr, &w->d),
                     S2_OK);
    most = w->nodes.reserved;
    assert_int_equal(l.ahead.nodes, most - reserved);
    while (s2_space_protect_step(&l, 1)) {
        world_check(w);
        assert_int_equal(w->nodes.reserved + w->space.areas.map.nodes, most + nodes);
    }
    assert_true(w->space.areas.map.nodes < nodes);
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    assert_int_equal(w->nodes.reserved, reserved);
    world_dismantle(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protect_in_steps_ends_where_one_call_does),
        cmocka_unit_test(a_step_changes_so_many_leaves),
        cmocka_unit_test(a_step_cuts_no_run),
        cmocka_unit_test(a_fault_in_the_range_gets_what_is_true),
        cmocka_unit_test(protect_may_end_early),
        cmocka_unit_test(begin_refuses_what_one_call_would),
        cmocka_unit_test(a_step_that_is_refused_is_the_last),
        cmocka_unit_test(a_step_of_nothing_is_one_of_one),
        cmocka_unit_test(areas_that_join_give_their_nodes_back),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
