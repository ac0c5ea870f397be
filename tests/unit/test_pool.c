/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The pool of nodes: what is promised is there, and what is not is not given away; whether its check sees damage. */
#include "unit.h"

#include "base/pool.h"

static void test_pool(void **state)
{
    _Alignas(64) static unsigned char mem[5 * S2_NODE_BYTES + 17];
    struct s2_pool pool;
    uint32_t node;

    (void)state;
    s2_pool_init(&pool, NULL, 0);
    assert_int_equal(s2_pool_reserve(&pool, 0), S2_OK);
    assert_int_equal(s2_pool_reserve(&pool, 1), S2_ENODES);
    assert_null(s2_pool_check(&pool));
    s2_pool_init(&pool, mem, sizeof(mem));
    assert_int_equal(pool.count, 5);
    assert_int_equal(s2_pool_reserve(&pool, 6), S2_ENODES);
    assert_int_equal(s2_pool_reserve(&pool, 3), S2_OK);
    assert_int_equal(s2_pool_reserve(&pool, 3), S2_ENODES);
    assert_int_equal(s2_pool_reserve(&pool, 2), S2_OK);
    /* A promise stays whole while its nodes are taken: nobody else gets one. */
    node = s2_pool_take(&pool);
    assert_int_equal(node, 0);
    assert_int_equal(s2_pool_reserve(&pool, 0), S2_ENODES);
    assert_int_equal(s2_pool_take(&pool), 1);
    s2_pool_unreserve(&pool, 5);
    assert_int_equal(s2_pool_reserve(&pool, 4), S2_ENODES);
    assert_int_equal(s2_pool_reserve(&pool, 3), S2_OK);
    s2_pool_unreserve(&pool, 3);
    s2_pool_give(&pool, 1);
    s2_pool_give(&pool, 0);
    assert_null(s2_pool_check(&pool));
    assert_int_equal(pool.free, 5);
    pool.free = 4;
    assert_string_equal(s2_pool_check(&pool), "the free list is longer than its count");
    pool.free = 6;
    assert_string_equal(s2_pool_check(&pool), "the free list is shorter than its count");
    pool.free = 5;
    pool.count = 4;
    assert_string_equal(s2_pool_check(&pool), "a free node lies outside the pool");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
