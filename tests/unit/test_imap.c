/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The interval map against a sorted array: edits at random and in order, its gap search, its limits. */
#include "imap_array.h"

/* --- random edits ------------------------------------------------------------------------------------------------- */

static void compare_some_gaps(struct fixture *f)
{
    uint64_t span = f->map.hi + 64, lo = below(f, span), hi = lo + 1 + below(f, span), size = 1 + below(f, 40), align;

    compare_gap(f, lo, hi, size, 1ull << below(f, 8));
    compare_gap(f, 0, UINT64_MAX, size, 1ull << below(f, 4));
    align = 1ull << below(f, 12); /* drawn before the size, whatever the compiler would do first */
    compare_gap(f, 0, UINT64_MAX, 1 + below(f, 4096), align);
}

static void random_resize(struct fixture *f)
{
    size_t at;
    uint64_t lo, hi, start;

    if (f->count == 0)
        return;
    at = below(f, f->count);
    lo = at > 0 ? f->ref[at - 1].end : f->map.lo;
    hi = at + 1 < f->count ? f->ref[at + 1].start : f->map.hi;
    start = lo + below(f, hi - lo);
    resize(f, at, start, start + 1 + below(f, hi - start));
}

static void random_set(struct fixture *f)
{
    uint64_t salt;
    size_t at;

    if (f->count == 0)
        return;
    at = below(f, f->count);
    salt = next_random(f);
    f->ref[at].val = value(next_random(f), salt);
    s2_imap_set(&f->map, f->ref[at].start, &f->ref[at].val);
}

/* `grow` of 16 steps insert: it swings so that the tree is built up and taken down again. */
static void random_steps(struct fixture *f, unsigned steps, unsigned grow, unsigned look_every)
{
    for (unsigned i = 0; i < steps; i++) {
        uint64_t dice = below(f, 16);

        if (dice == 0)
            random_resize(f);
        else if (dice == 1)
            random_set(f);
        else if (dice - 2 < grow)
            random_insert(f);
        else if (f->count > 0)
            erase(f, below(f, f->count));
        compare_at(f, below(f, f->map.hi + 10));
        if (i % look_every == 0) {
            assert_null(s2_imap_check(&f->map));
            compare_some_gaps(f);
        }
    }
    compare_all(f);
}

static void test_random_small(void **state)
{
    struct fixture *f = *state;

    for (unsigned round = 0; round < 40; round++) {
        random_steps(f, 60, 12, 1);
        random_steps(f, 60, 2, 1);
    }
}

static void test_random_large(void **state)
{
    struct fixture *f = *state;

    random_steps(f, 12000, 13, 64);
    assert_true(f->map.height >= 3);
    random_steps(f, 6000, 7, 16);
    random_steps(f, 12000, 1, 64);
    while (f->count > 0)
        erase(f, below(f, f->count));
    compare_all(f);
    assert_int_equal(f->map.height, 0);
    assert_int_equal(f->map.nodes, 0);
}

/* --- edits in order ------------------------------------------------------------------------------------------------- */

static void test_ascending_then_descending(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 3000; i++)
        insert(f, i * 4, i * 4 + 3);
    compare_all(f);
    /* Runs leave nodes two thirds full, not half: 11 of 16 entries, 17 of 24 children. */
    assert_true(f->map.nodes <= 3000 / 11 + 3000 / 11 / 16 + 3);
    for (size_t i = 3000; i > 0; i--)
        erase(f, i - 1);
    compare_all(f);
    for (uint64_t i = 3000; i > 0; i--)
        insert(f, i * 4, i * 4 + 3);
    compare_all(f);
    assert_true(f->map.nodes <= 3000 / 11 + 3000 / 11 / 16 + 3);
    while (f->count > 0)
        erase(f, 0);
    compare_all(f);
}

static void test_touching_entries_leave_no_gap(void **state)
{
    struct fixture *f = *state;
    uint64_t at;

    s2_imap_init(&f->map, &f->pool, 0, 1000 * 16, S2_IMAP_BYTES);
    for (uint64_t i = 0; i < 1000; i++)
        insert(f, ((i * 7) % 1000) * 16, ((i * 7) % 1000) * 16 + 16);
    compare_all(f);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, 1, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    resize(f, 613, 613 * 16 + 5, 613 * 16 + 16);
    resize(f, 612, 612 * 16, 612 * 16 + 15);
    compare_gap(f, 0, UINT64_MAX, 6, 1);
    compare_gap(f, 0, UINT64_MAX, 7, 1);
    compare_gap(f, 0, UINT64_MAX, 4, 4);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, 6, 1, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at, 612 * 16 + 15);
}

/* --- limits and errors -------------------------------------------------------------------------------------------- */

static void test_top_of_the_keys(void **state)
{
    struct fixture *f = *state;
    struct s2_ient e;
    uint64_t at;

    s2_imap_init(&f->map, &f->pool, 0, UINT64_MAX, S2_IMAP_BYTES);
    insert(f, UINT64_MAX - 1, UINT64_MAX);
    insert(f, 0, 1);
    compare_all(f);
    assert_true(s2_imap_find(&f->map, UINT64_MAX - 1, &e));
    assert_false(s2_imap_find(&f->map, UINT64_MAX, &e));
    assert_false(s2_imap_find_from(&f->map, UINT64_MAX, &e));
    assert_true(s2_imap_find_below(&f->map, UINT64_MAX, &e));
    assert_int_equal(e.start, UINT64_MAX - 1);
    assert_false(s2_imap_find_below(&f->map, 0, &e));
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, UINT64_MAX - 2, 1, S2_FIT_LOWEST, &at), S2_OK);
    assert_int_equal(at, 1);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, UINT64_MAX - 1, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    /* Aligning up from near the top must not come round to 0. */
    erase(f, 1);
    assert_int_equal(s2_imap_find_gap(&f->map, UINT64_MAX - 8, UINT64_MAX, 1, 1ull << 63, S2_FIT_LOWEST, &at),
                     S2_ENOENT);
    assert_int_equal(s2_imap_find_gap(&f->map, UINT64_MAX - 8, UINT64_MAX, 1, 1ull << 63, S2_FIT_HIGHEST, &at),
                     S2_ENOENT);
    assert_int_equal(s2_imap_find_gap(&f->map, 2, UINT64_MAX, 1, 1ull << 63, S2_FIT_LOWEST, &at), S2_OK);
    assert_int_equal(at, 1ull << 63);
}

static void test_gap_arguments(void **state)
{
    struct fixture *f = *state;
    uint64_t at = 77;

    assert_int_equal(s2_imap_find_gap(&f->map, 0, 100, 0, 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_imap_find_gap(&f->map, 100, 100, 1, 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_imap_find_gap(&f->map, 101, 100, 1, 1, S2_FIT_HIGHEST, &at), S2_EINVAL);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, 100, 1, 0, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, 100, 1, 3, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_imap_find_gap(&f->map, 1u << 20, 1u << 21, 1, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(at, 77);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, 1u << 20, 1, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at, 0);
}

static void test_overlaps(void **state)
{
    struct fixture *f = *state;
    struct s2_ient e;

    insert(f, 0x1000, 0x2000);
    assert_true(s2_imap_overlaps(&f->map, 0x1fff, 0x3000, &e));
    assert_int_equal(e.start, 0x1000);
    assert_true(s2_imap_overlaps(&f->map, 0, 0x1001, NULL));
    assert_false(s2_imap_overlaps(&f->map, 0x2000, 0x3000, &e));
    assert_false(s2_imap_overlaps(&f->map, 0, 0x1000, &e));
    assert_false(s2_imap_overlaps(&f->map, 0x1800, 0x1800, &e));
    assert_false(s2_imap_overlaps(&f->map, 0x1900, 0x1800, &e));
}

struct stop {
    unsigned calls, after;
};

static bool stop_after(void *arg, const struct s2_ient *e)
{
    struct stop *s = arg;

    (void)e;
    return ++s->calls < s->after;
}

static void test_walk_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct stop s = {0, 5};

    for (uint64_t i = 0; i < 500; i++)
        insert(f, i * 16, i * 16 + 8);
    s2_imap_walk(&f->map, 0, UINT64_MAX, stop_after, &s);
    assert_int_equal(s.calls, 5);
    s = (struct stop){0, 1000};
    s2_imap_walk(&f->map, 0x107, 0x140, stop_after, &s); /* 0x100 ends at 0x108; 0x140 starts where the range ends */
    assert_int_equal(s.calls, 4);
    s = (struct stop){0, 1000};
    s2_imap_walk(&f->map, 0x108, 0x110, stop_after, &s);
    s2_imap_walk(&f->map, 0x100, 0x100, stop_after, &s);
    s2_imap_walk(&f->map, 500 * 16, UINT64_MAX, stop_after, &s);
    s2_imap_walk(&f->map, UINT64_MAX, UINT64_MAX, stop_after, &s);
    assert_int_equal(s.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_small, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_random_large, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_ascending_then_descending, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_touching_entries_leave_no_gap, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_top_of_the_keys, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_gap_arguments, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_overlaps, array_setup, array_teardown),
        cmocka_unit_test_setup_teardown(test_walk_is_bounded, array_setup, array_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
