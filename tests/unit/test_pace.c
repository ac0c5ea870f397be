/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Notices that a guest can bring about without end. */
#include "unit/unit.h"

#include <vm/pace.h>

enum { SECOND = 1000 };

static void test_a_few_at_once_then_one_a_second(void **state)
{
    (void)state;
    uint64_t next = 0;
    for (unsigned i = 0; i < PACE_FEW; i++)
        assert_true(pace_says(&next, 5, SECOND));
    for (unsigned i = 0; i < 7; i++)
        assert_false(pace_says(&next, 6, SECOND));
    assert_false(pace_says(&next, 5 + SECOND - 1, SECOND));
    assert_true(pace_says(&next, 5 + SECOND, SECOND));
    unsigned said = 0;
    for (uint64_t now = 5 + SECOND; now < 5 + 11 * SECOND; now += 10)
        said += pace_says(&next, now, SECOND);
    assert_int_equal(said, 9);
}

static void test_a_rest_brings_the_few_back_and_no_more(void **state)
{
    (void)state;
    uint64_t next = 0;
    while (pace_says(&next, 5, SECOND)) {
    }
    unsigned said = 0;
    while (pace_says(&next, 1000 * SECOND, SECOND))
        said++;
    assert_int_equal(said, PACE_FEW);
}

static void test_now_and_then_is_always_said(void **state)
{
    (void)state;
    uint64_t next = 0;
    for (uint64_t now = 0; now < 50 * SECOND; now += SECOND)
        assert_true(pace_says(&next, now, SECOND));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_few_at_once_then_one_a_second),
        cmocka_unit_test(test_a_rest_brings_the_few_back_and_no_more),
        cmocka_unit_test(test_now_and_then_is_always_said),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
