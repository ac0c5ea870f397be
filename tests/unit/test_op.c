/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The operation object: collects, takes all or nothing, gives back what was not used. */
#include "space_world.h"

static void nodes_alone(void **state)
{
    static _Alignas(64) unsigned char mem[2][8 * S2_NODE_BYTES];
    struct s2_pool a, b;
    struct s2_detail d;
    struct s2_op op;

    (void)state;
    s2_pool_init(&a, mem[0], sizeof mem[0]);
    s2_pool_init(&b, mem[1], sizeof mem[1]);
    s2_op_begin(&op, NULL, &d);
    s2_op_end(&op);
    s2_op_dispose(&op);
    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_op_need_nodes(&op, &a, 3), S2_OK);
    assert_int_equal(s2_op_need_nodes(&op, &b, 8), S2_OK);
    assert_int_equal(s2_op_need_nodes(&op, &a, 2), S2_OK);
    assert_int_equal(s2_op_need_nodes(&op, &a, 0), S2_OK);
    assert_int_equal(a.reserved, 0);
    assert_int_equal(s2_op_reserve(&op), S2_OK);
    assert_int_equal(a.reserved, 5);
    assert_int_equal(b.reserved, 8);
    s2_op_flush(&op);
    s2_op_end(&op);
    s2_op_end(&op);
    assert_int_equal(a.reserved, 0);
    assert_int_equal(b.reserved, 0);

    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_op_need_nodes(&op, &a, 3), S2_OK);
    assert_int_equal(s2_op_need_nodes(&op, &b, 9), S2_OK);
    assert_int_equal(s2_op_reserve(&op), S2_ENODES);
    assert_int_equal(d.err, S2_ENODES);
    assert_int_equal(a.reserved, 0);
    assert_int_equal(b.reserved, 0);
    s2_op_end(&op);
}

static void a_fixed_number_of_pools(void **state)
{
    struct s2_pool pool[S2_OP_POOLS + 1];
    struct s2_detail d;
    struct s2_op op;

    (void)state;
    s2_op_begin(&op, NULL, &d);
    for (unsigned i = 0; i < S2_OP_POOLS; i++)
        assert_int_equal(s2_op_need_nodes(&op, &pool[i], 1), S2_OK);
    assert_int_equal(s2_op_need_nodes(&op, &pool[S2_OP_POOLS], 1), S2_ENODES);
    assert_int_equal(s2_op_more_nodes(&op, &pool[S2_OP_POOLS], 0), S2_OK);
    assert_int_equal(s2_op_more_nodes(&op, &pool[S2_OP_POOLS], 1), S2_ENODES);
    assert_string_equal(d.what, "needs nodes of too many pools");
    assert_int_equal(s2_op_need_nodes(&op, &pool[0], UINT32_MAX), S2_ENODES);
    s2_op_end(&op);
}

static void everything_or_nothing(void **state)
{
    struct world *w = *state;
    uint32_t tables = w->tables.free, nodes = w->nodes.reserved, ledger = w->ledger_nodes.reserved;
    struct s2_op op;

    /* One thing too many, of each kind in turn. */
    for (unsigned lacks = 0; lacks < 5; lacks++) {
        static const enum s2_err want[] = {S2_OK, S2_ENODES, S2_EQUOTA, S2_EQUOTA, S2_ENODES};

        s2_op_begin(&op, &w->space, &w->d);
        assert_int_equal(s2_op_need_nodes(&op, &w->nodes, lacks == 1 ? w->nodes.count : 2), S2_OK);
        s2_op_need_tables(&op, lacks == 2 ? 1000 : 3);
        s2_op_need_frames(&op, lacks == 3 ? w->cfg.frame_quota + 1 : 4);
        s2_op_need_cuts(&op, lacks == 4 ? w->ledger_nodes.count : 1);
        assert_int_equal(s2_op_reserve(&op), want[lacks]);
        if (lacks) {
            /* Already given back, before the end; table pages are not, under a lock. */
            assert_int_equal(w->frames.reserved, 0);
            assert_int_equal(w->nodes.reserved, nodes);
            assert_int_equal(w->ledger_nodes.reserved, ledger);
        } else {
            assert_int_equal(w->tables.free, tables - 3);
            assert_int_equal(w->frames.reserved, 4);
            assert_int_equal(w->nodes.reserved, nodes + 2);
            assert_true(w->ledger_nodes.reserved > ledger);
            assert_int_equal(s2_op_more_tables(&op, 2), S2_OK);
            assert_int_equal(s2_op_more_nodes(&op, &w->nodes, 5), S2_OK);
            assert_int_equal(s2_op_more_nodes(&op, &w->nodes, w->nodes.count), S2_ENODES);
            assert_int_equal(s2_op_more_tables(&op, 1000), S2_EQUOTA);
            assert_int_equal(s2_op_more_ledger(&op, 2), S2_OK);
            assert_int_equal(w->tables.free, tables - 5);
            assert_int_equal(w->nodes.reserved, nodes + 7);
        }
        s2_op_end(&op);
        assert_int_equal(w->tables.free, tables - (lacks == 0 ? 5 : lacks >= 3 ? 3 : 0));
        s2_op_dispose(&op);
        assert_int_equal(w->tables.free, tables);
        assert_int_equal(w->space.table.detached, 0);
        s2_op_dispose(&op);
        assert_int_equal(w->tables.free, tables);
        assert_int_equal(w->frames.reserved, 0);
        assert_int_equal(w->nodes.reserved, nodes);
        assert_int_equal(w->ledger_nodes.reserved, ledger);
    }
}

static void frames_that_others_hold(void **state)
{
    struct world *w = *state;
    struct s2_op op;

    assert_int_equal(s2_frames_reserve(&w->frames, w->frames.free - 3), S2_OK);
    s2_op_begin(&op, &w->space, &w->d);
    s2_op_need_frames(&op, 4);
    assert_int_equal(s2_op_reserve(&op), S2_EFRAMES);
    s2_op_end(&op);
    s2_op_begin(&op, &w->space, &w->d);
    s2_op_need_frames(&op, 3);
    assert_int_equal(s2_op_reserve(&op), S2_OK);
    s2_op_end(&op);
    s2_frames_unreserve(&w->frames, w->frames.free - 3);
}

/* An unmap may draw on the reserve when the pools are empty, others may not; what it drew comes back. */
static void the_reserve_is_for_unmaps(void **state)
{
    struct world *w = *state;
    uint32_t nodes = w->nodes.free - w->nodes.reserved, ledger = w->ledger_nodes.free - w->ledger_nodes.reserved;
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota quota = {.limit = UINT32_MAX};

    assert_int_equal(s2_pool_reserve(&w->nodes, nodes), S2_OK);
    assert_int_equal(s2_pool_reserve(&w->ledger_nodes, ledger), S2_OK);
    assert_int_equal(s2_tpool_take(&w->tables, &quota, w->tables.free, &all), S2_OK);
    for (unsigned kind = 0; kind < 3; kind++)
        for (unsigned cut = 0; cut < 2; cut++) {
            static const enum s2_err want[] = {S2_ENODES, S2_ETABLES, S2_ENODES};
            struct s2_op op;

            s2_op_begin(&op, &w->space, &w->d);
            op.cut = cut;
            assert_int_equal(s2_op_need_nodes(&op, &w->nodes, kind == 0 ? S2_CUT_NODES : 0), S2_OK);
            s2_op_need_tables(&op, kind == 1 ? s2_cut_tables(&w->cfg.geometry) : 0);
            s2_op_need_cuts(&op, kind == 2 ? 2 : 0);
            assert_int_equal(s2_op_reserve(&op), cut ? S2_OK : want[kind]);
            s2_op_end(&op);
            s2_op_dispose(&op);
            assert_int_equal(w->space.cut_nodes, S2_CUT_NODES);
            assert_int_equal(w->space.cut.count, s2_cut_tables(&w->cfg.geometry));
            assert_true(w->space.cut_ledger);

            /* More than the reserve has. */
            s2_op_begin(&op, &w->space, &w->d);
            op.cut = cut;
            assert_int_equal(s2_op_need_nodes(&op, &w->nodes, kind == 0 ? S2_CUT_NODES + 1 : 0), S2_OK);
            s2_op_need_tables(&op, kind == 1 ? s2_cut_tables(&w->cfg.geometry) + 1 : 0);
            s2_op_need_cuts(&op, kind == 2 ? 3 : 0);
            assert_int_equal(s2_op_reserve(&op), cut ? S2_ECUT : want[kind]);
            assert_int_equal(w->space.cut_nodes, S2_CUT_NODES);
            s2_op_end(&op);
            s2_op_dispose(&op);
            assert_int_equal(w->space.cut_nodes, S2_CUT_NODES);
        }
    s2_tpool_give(&w->tables, &quota, &all);
    s2_pool_unreserve(&w->nodes, nodes);
    s2_pool_unreserve(&w->ledger_nodes, ledger);
}

/* Reserve and what was taken ahead are of the space's own pool: nodes of another are that pool's alone. */
static void nodes_of_another_pool(void **state)
{
    static _Alignas(64) unsigned char mem[4 * S2_NODE_BYTES];
    struct world *w = *state;
    struct s2_ahead ahead = {.tables = S2_TSTASH_EMPTY, .nodes = 3};
    uint32_t nodes = w->nodes.reserved;
    struct s2_pool other;
    struct s2_op op;

    s2_pool_init(&other, mem, sizeof mem);
    s2_op_begin(&op, &w->space, &w->d);
    op.cut = true;
    assert_int_equal(s2_op_need_nodes(&op, &other, 5), S2_OK);
    assert_int_equal(s2_op_reserve(&op), S2_ENODES);
    assert_string_equal(w->d.what, "needs more area or chunk nodes than there are");
    assert_int_equal(w->space.cut_nodes, S2_CUT_NODES);
    s2_op_end(&op);

    assert_int_equal(s2_pool_reserve(&w->nodes, 3), S2_OK);
    s2_op_begin(&op, &w->space, &w->d);
    op.ahead = &ahead;
    assert_int_equal(s2_op_need_nodes(&op, &other, 4), S2_OK);
    assert_int_equal(s2_op_need_nodes(&op, &w->nodes, 2), S2_OK);
    assert_int_equal(s2_op_reserve(&op), S2_OK);
    assert_int_equal(other.reserved, 4);
    assert_int_equal(ahead.nodes, 1);
    assert_int_equal(w->nodes.reserved, nodes + 3);
    s2_op_end(&op);
    assert_int_equal(other.reserved, 0);
    assert_int_equal(ahead.nodes, 3);
    assert_int_equal(w->nodes.reserved, nodes + 3);
    s2_pool_unreserve(&w->nodes, 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_alone), cmocka_unit_test(a_fixed_number_of_pools),
        T(everything_or_nothing),      T(frames_that_others_hold),
        T(the_reserve_is_for_unmaps),  T(nodes_of_another_pool),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
