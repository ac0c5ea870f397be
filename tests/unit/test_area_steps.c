/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* In which order an operation of the area set prepares, takes, commits and releases; and a backend that does nothing but commit. */
#include "area_bytes.h"

#define NEW     S2_MAP_NEW
#define REPLACE S2_MAP_REPLACE

static void test_steps_of_map(void **state)
{
    struct bytes *b = *state;
    struct s2_area lin = {
        .range = span(0x3000, 0x4000), .backend = &bytes_linear, .attr = S2_ATTR(1), .backing = 0x3000};

    assert_int_equal(bytes_map(b, 0x1000, 0x1000, 1, NEW), S2_OK);
    assert_string_equal(b->trace, "pMtMcMrM");
    assert_int_equal(bytes_map_area(b, &lin, NEW), S2_OK);
    lin.range = span(0x5000, 0x6000);
    lin.backing = 0x5000;
    assert_int_equal(bytes_map_area(b, &lin, NEW), S2_OK);
    lin.range = span(0x4000, 0x5000);
    lin.backing = 0x4000;
    assert_int_equal(bytes_map_area(b, &lin, NEW), S2_OK);
    assert_string_equal(b->trace, "pMpJpJtMtJtJcMcJcJrMrJrJ");
    assert_int_equal(s2_area_set_count(&b->set), 2);
    assert_area(b, 0x4000, 0x3000, 0x6000, 1);
}

/* What was there goes wholly, flushed and released, before what comes is made. */
static void test_steps_of_replace(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x1000, 0x3000, 1, NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 2, REPLACE), S2_OK);
    assert_string_equal(b->trace, "pSpSpUpMtStStUtMcScScUrSrSrUcMrM");
    assert_int_equal(s2_area_set_count(&b->set), 3);
    /* The same as what lies around it: it merges with both rests. */
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 1, REPLACE), S2_OK);
    assert_string_equal(b->trace, "pUpMpJpJtUtMtJtJcUrUcMcJcJrMrJrJ");
    assert_int_equal(s2_area_set_count(&b->set), 1);
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 1, REPLACE), S2_OK);
    assert_string_equal(b->trace, "pSpSpUpMpJpJtStStUtMtJtJcScScUrSrSrUcMcJcJrMrJrJ");
    assert_area(b, 0x2000, 0x1000, 0x4000, 1);
    assert_int_equal(s2_area_set_count(&b->set), 1);
    bytes_check_table(b);
}

static void test_steps_of_unmap(void **state)
{
    struct bytes *b = *state;

    for (uint64_t k = 0; k < 8; k++)
        assert_int_equal(bytes_map(b, k * 0x2000, 0x1000, 1, NEW), S2_OK);
    assert_int_equal(bytes_unmap(b, 0x800, 0x4000), S2_OK);
    assert_string_equal(b->trace, "pSpUpUpSpUtStUtUtStUcScUcUcScUrSrUrUrSrU");
    assert_int_equal(bytes_unmap(b, 0x1000, 0x3000), S2_OK); /* nothing but a hole */
    assert_string_equal(b->trace, "");
    assert_int_equal(bytes_clear(b), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 0);
    bytes_check_table(b);
    assert_int_equal(bytes_clear(b), S2_OK);
    assert_string_equal(b->trace, "");
}

static void test_steps_of_protect(void **state)
{
    struct bytes *b = *state;
    s2_attr two = S2_ATTR(2), one = S2_ATTR(1);

    assert_int_equal(bytes_map(b, 0x1000, 0x3000, 1, NEW), S2_OK);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, bytes_set_to, &two), S2_OK);
    assert_string_equal(b->trace, "pSpSpPcScScP");
    assert_int_equal(s2_area_set_count(&b->set), 3);
    assert_int_equal(bytes_protect(b, 0x2800, 0x800, bytes_set_to, &one), S2_OK);
    assert_string_equal(b->trace, "pSpPpJcScPcJ");
    assert_area(b, 0x2800, 0x2800, 0x4000, 1);
    assert_int_equal(bytes_protect(b, 0x1800, 0x1000, bytes_set_to, &two), S2_OK);
    assert_string_equal(b->trace, "pSpPpJcScPcJ");
    assert_area(b, 0x2000, 0x1800, 0x2800, 2);
    assert_int_equal(bytes_protect(b, 0, BYTES, bytes_set_to, &one), S2_OK);
    assert_string_equal(b->trace, "pPpJpJcPcJcJ");
    assert_area(b, 0x2000, 0x1000, 0x4000, 1);
    assert_int_equal(bytes_protect(b, 0, BYTES, bytes_set_to, &one), S2_OK); /* says true, changes nothing */
    assert_string_equal(b->trace, "");
    bytes_check_table(b);
}

static void bare_commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

/* A backend of nothing but a commit. */
static void test_bare_backend(void **state)
{
    static const struct s2_backend bare = {.kind = "bare", .commit = bare_commit};
    struct bytes *b = *state;
    s2_attr two = S2_ATTR(2);
    struct s2_area a = {.range = span(0x1000, 0x4000), .backend = &bare};

    assert_int_equal(bytes_map_area(b, &a, NEW), S2_OK);
    assert_int_equal(bytes_map_area(b, &a, REPLACE), S2_OK);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, bytes_set_to, &two), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 3);
    assert_int_equal(bytes_unmap(b, 0x2000, 0x1000), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps_of_map, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_steps_of_replace, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_steps_of_unmap, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_steps_of_protect, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_bare_backend, bytes_setup, bytes_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
