/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Protecting in steps: as one call would, so many leaves at a time, and faults get what is true when they come. */
#include "long_world.h"

static void protect_in_steps_ends_where_one_call_does(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make_many(&kinds[k]);
        unsigned calls = 0;
        struct s2_long l;

        assert_int_equal(s2_space_protect(&w->space, many(), read_only, &calls, &w->d), S2_OK);
        take_state(&before, w);
        unmake(w);
        for (uint64_t budget = 3; budget < 3000; budget *= 30) {
            bool more = true;

            w = make_many(&kinds[k]);
            calls = 0;
            assert_int_equal(s2_space_protect_begin(&w->space, &l, many(), read_only, &calls, &w->d), S2_OK);
            assert_int_equal(calls, 6);
            while (more) {
                model_reset_counters(w->port);
                more = s2_space_protect_step(&l, budget);
                /* Each leaf once, or broken and made; a cut at an end of the range besides. */
                assert_true(w->port->count.stores + w->port->count.swaps <= 2 * budget + 8);
                if (budget < 90 || !more)
                    world_check(w);
            }
            assert_int_equal(s2_space_protect_end(&l), S2_OK);
            assert_int_equal(calls, 12);
            take_state(&after, w);
            expect_same();
            unmake(w);
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
    unmake(w);
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
    unmake(w);
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
    unmake(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protect_in_steps_ends_where_one_call_does),
        cmocka_unit_test(a_step_changes_so_many_leaves),
        cmocka_unit_test(a_fault_in_the_range_gets_what_is_true),
        cmocka_unit_test(protect_may_end_early),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
