/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How many nodes an interval map may take: what it says is enough, and is not too much. */
#include "imap_array.h"

static void test_need_is_reached_and_never_passed(void **state)
{
    struct fixture *f = *state;
    bool reached[3] = {false};
    uint32_t taken = 0;

    for (uint64_t i = 0; i < 16; i++) {
        assert_int_equal(s2_imap_need(&f->map, 1), 0);
        insert(f, i * 8, i * 8 + 4);
    }
    assert_int_equal(f->map.nodes, 0);
    assert_int_equal(s2_imap_need(&f->map, 0), 0);
    assert_int_equal(s2_imap_need(&f->map, 1), 2);
    for (uint64_t i = 16; i < 13000; i++) {
        uint32_t height = f->map.height, need = s2_imap_need(&f->map, 1), before = f->map.nodes;

        assert_int_equal(need, height + 2);
        insert(f, i * 8, i * 8 + 4);
        taken = f->map.nodes - before;
        assert_true(taken <= need);
        if (taken == need)
            reached[height] = true;
    }
    assert_true(reached[0] && reached[1] && reached[2]);
}

/* Batches of insertions with erasures between; what they take in all, never counting what comes back, fits in what
 * s2_imap_need promised at the start of the batch. */
static void test_need_covers_batches(void **state)
{
    struct fixture *f = *state;

    for (unsigned round = 0; round < 3000; round++) {
        uint32_t batch = (uint32_t)below(f, 60), need = s2_imap_need(&f->map, batch), taken = 0;
        uint32_t alone = s2_imap_need_alone(&f->map, batch), nodes = f->map.nodes;

        for (uint32_t i = 0; i < batch; i++) {
            uint32_t before;

            while (f->count > 0 && below(f, 16) < (round / 100 % 2 ? 9 : 4))
                erase(f, below(f, f->count));
            before = f->map.nodes;
            random_insert(f);
            taken += f->map.nodes - before;
            assert_true(f->map.nodes <= nodes + alone);
        }
        assert_true(taken <= need);
    }
    compare_all(f);
    assert_int_equal(s2_imap_need(&f->map, UINT32_MAX), UINT32_MAX);
    assert_in_range(s2_imap_need_alone(&f->map, UINT32_MAX), UINT32_MAX / 6, UINT32_MAX / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_need_is_reached_and_never_passed, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_need_covers_batches, array_setup, array_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
