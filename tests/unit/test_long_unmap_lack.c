/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Unmapping in steps when nothing is left: only begin can fail, with the cut reserve it does not, and what is promised to it is there
 * whatever others take meanwhile. */
#include "long_world.h"

static void drop_reserve(struct world *w, enum resource r)
{
    struct s2_space *sp = &w->space;

    if (r == NODES) {
        s2_pool_unreserve(&w->nodes, sp->cut_nodes);
        sp->cut_nodes = 0;
    } else if (r == LEDGER_NODES && sp->cut_ledger) {
        s2_ledger_unpromise(&w->ledger, 1);
        sp->cut_ledger = false;
    } else if (sp->cut.count) {
        s2_tpool_give(&w->tables, &sp->table.quota, &sp->cut);
    }
}

/* Without the cut reserve, too: so that begin fails of each resource; with all of it, or once it succeeded, nothing fails. */
static void unmapping_fails_at_begin_or_never(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k += 5)
        for (enum resource r = NODES; r <= TABLE_QUOTA; r++)
            for (uint32_t left = 0, ok = 0; !ok; left += left < 40 ? 1 : left / 3) {
                struct world *w = make_many(&kinds[k]);
                struct s2_long l;
                struct hoard h;
                bool more = true;

                drop_reserve(w, r);
                hoard(w, r, left, &h);
                ok = !begin_unmap(w, &l);
                covered(w);
                if (!ok)
                    assert_int_equal(w->d.err, S2_ECUT);
                unhoard(w, &h);
                while (ok && more) {
                    hoard(w, r, 0, &h);
                    more = s2_space_unmap_step(&l, 7);
                    world_check(w);
                    unhoard(w, &h);
                }
                assert_int_equal(ok ? s2_space_unmap_end(&l) : S2_ECUT, ok ? S2_OK : S2_ECUT);
                world_dismantle(w);
                assert_true(left > 0 || !ok);
            }
}

static void the_cut_reserve_is_enough(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make_many(&kinds[k]);
        struct s2_long l;
        struct hoard h;

        hoard_begin(w, &h);
        for (enum resource r = NODES; r < RESOURCES; r++)
            if (r != LEDGER_NODES) /* of which it has one promise, and two are wanted */
                hoard_add(w, r, 0, &h);
        assert_int_equal(begin_unmap(w, &l), S2_OK);
        while (s2_space_unmap_step(&l, 5))
            covered(w);
        assert_int_equal(s2_space_unmap_end(&l), S2_OK);
        covered(w);
        unhoard(w, &h);
        world_dismantle(w);
    }
}

/* One promise of the two that are wanted is to be had: the space's standing one is the other, as long as the work lasts. */
static void the_standing_promise_is_one_of_them(void **state)
{
    unsigned stood_in = 0;

    (void)state;
    for (uint32_t left = 0; left < 40; left++) {
        struct world *w = make_many(&kinds[0]);
        struct s2_long l;
        struct hoard h;

        assert_true(w->space.cut_ledger);
        hoard(w, LEDGER_NODES, left, &h);
        if (!begin_unmap(w, &l)) {
            stood_in += !w->space.cut_ledger;
            while (s2_space_unmap_step(&l, 3))
                world_check(w);
            assert_int_equal(s2_space_unmap_end(&l), S2_OK);
        }
        covered(w);
        unhoard(w, &h);
        world_dismantle(w);
    }
    assert_true(stood_in > 0);
}

/* Between two steps others cut, with nothing free: each with the standing promise, which the next step puts back from those of the
 * work, while it has one. What is left of the work ends where entries do, and needs none. */
static void others_cut_meanwhile(void **state)
{
    struct world *w = make_many(&kinds[0]);
    unsigned put_back = 0, cuts = 0;
    struct s2_long l;
    struct hoard h;

    (void)state;
    assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY, MIB(10)), &w->d), S2_OK);
    hoard_begin(w, &h);
    for (uint64_t at = many().end.v - MIB(1) + PAGE; put_back < 3 && cuts < 200; at += 2 * PAGE, cuts++) {
        hoard_add(w, LEDGER_NODES, 0, &h);
        assert_int_equal(unmap(w, at, PAGE), S2_OK);
        hoard_add(w, LEDGER_NODES, 0, &h);
        if (!w->space.cut_ledger) {
            assert_int_equal(l.promises, put_back < 2 ? 2 - put_back : 0);
            assert_true(s2_space_unmap_step(&l, 1));
            put_back++;
            covered(w);
        }
    }
    assert_int_equal(put_back, 3);
    assert_int_equal(l.promises, 0);
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    covered(w);
    unhoard(w, &h);
    world_dismantle(w);
}

/* Areas of which the maps' leaves are full, so that the hole that the first step makes takes nodes. */
static void nodes_in_use_are_promised_no_more(void **state)
{
    unsigned took = 0;

    (void)state;
    for (unsigned areas = 0; areas < 40; areas++) {
        struct world *w = make(&kinds[5]);
        struct s2_long l;
        struct hoard h;
        uint32_t free;

        for (unsigned i = 0; i < areas; i++)
            assert_int_equal(map_new(w, area_trap(MIB(300) + i * PAGE, PAGE, i % 2)), S2_OK);
        assert_int_equal(map_new(w, area_alloc(MANY, 100 * PAGE, S2_RW, 0)), S2_OK);
        hoard(w, NODES, 0, &h);
        assert_int_equal(s2_space_unmap_begin(&w->space, &l, ipa_range(MANY + PAGE, 98 * PAGE), &w->d), S2_OK);
        free = w->nodes.free;
        (void)s2_space_unmap_step(&l, 3);
        took += w->nodes.free < free;
        covered(w);
        assert_int_equal(s2_space_unmap_end(&l), S2_OK);
        covered(w);
        unhoard(w, &h);
        world_dismantle(w);
    }
    assert_true(took > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmapping_fails_at_begin_or_never),   cmocka_unit_test(the_cut_reserve_is_enough),
        cmocka_unit_test(the_standing_promise_is_one_of_them), cmocka_unit_test(others_cut_meanwhile),
        cmocka_unit_test(nodes_in_use_are_promised_no_more),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
