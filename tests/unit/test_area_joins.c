/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* When neighbours of the area set are one area, and what becomes of one that is cut. */
#include "area_bytes.h"

static enum s2_err rename_at(struct bytes *b, uint64_t at, uint16_t name)
{
    return bytes_checked(b, bytes_rename(b, at, name));
}

static void test_record_and_backing_survive_cuts(void **state)
{
    struct bytes *b = *state;
    s2_attr nine = S2_ATTR(9);
    struct s2_area in = {.range = span(0x1000, 0x9000),
                         .backend = &bytes_linear,
                         .backing = 0x80001000,
                         .attr = S2_ATTR(0xfedcba01),
                         .name = 0xabcd,
                         .flags = 0x9876},
                   out;

    assert_int_equal(bytes_map_area(b, &in, S2_MAP_NEW), S2_OK);
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x1000), &out));
    assert_memory_equal(&in, &out, sizeof(in));
    assert_int_equal(bytes_unmap(b, 0x3000, 0x1000), S2_OK);
    assert_int_equal(bytes_protect(b, 0x6000, 0x1000, bytes_set_to, &nine), S2_OK);
    assert_int_equal(bytes_unmap(b, 0, 0x1800), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 4);
    for (uint64_t at = 0; s2_area_set_find_from(&b->set, S2_IPA(at), &out); at = out.range.end.v) {
        assert_int_equal(out.backing, out.range.start.v + 0x80000000);
        assert_int_equal(out.name, 0xabcd);
        assert_int_equal(out.flags, 0x9876);
        assert_ptr_equal(out.backend, &bytes_linear);
        assert_int_equal(out.attr.bits, out.range.start.v == 0x6000 ? 9 : 0xfedcba01);
    }
}

static bool never(const struct s2_area *low, const struct s2_area *high)
{
    assert_int_equal(low->range.end.v, high->range.start.v);
    return false;
}

/* Neighbours differ in one thing each time; none of them merges. */
static void test_what_does_not_merge(void **state)
{
    struct s2_backend alone = bytes_backend;
    struct bytes *b = *state;
    struct s2_area a = {.range = span(0x1000, 0x2000), .backend = &bytes_linear, .attr = S2_ATTR(1), .backing = 0x1000},
                   n[6];

    alone.mergeable = never;
    for (unsigned i = 0; i < 6; i++) {
        n[i] = a;
        n[i].range = span(0x2000, 0x3000);
        n[i].backing = 0x2000;
    }
    n[0].attr = S2_ATTR(2);
    n[1].name = 1;
    n[2].flags = 1;
    n[3].backing = 0x2001;
    n[4].backend = &bytes_backend;
    n[5].range = span(0x2001, 0x3000);
    n[5].backing = 0x2001;
    assert_int_equal(bytes_map_area(b, &a, S2_MAP_NEW), S2_OK);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(bytes_map_area(b, &n[i], S2_MAP_NEW), S2_OK);
        assert_int_equal(s2_area_set_count(&b->set), 2);
        assert_int_equal(bytes_unmap(b, 0x2000, 0x1000), S2_OK);
    }
    assert_int_equal(bytes_clear(b), S2_OK);
    a.backend = n[0].backend = &alone;
    n[0].attr = a.attr;
    a.backing = n[0].backing = 0;
    struct s2_op op;
    s2_op_begin(&op, NULL, NULL);
    assert_int_equal(s2_area_set_map(&b->set, &op, &a, S2_MAP_NEW), S2_OK);
    s2_op_begin(&op, NULL, NULL);
    assert_int_equal(s2_area_set_map(&b->set, &op, &n[0], S2_MAP_NEW), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 2);
    assert_int_equal(bytes_clear(b), S2_OK);
}

/* Equal neighbours may be one as long as they lie in one KiB. */
static bool in_one_kib(const struct s2_area *low, const struct s2_area *high)
{
    return low->range.start.v >> 10 == (high->range.end.v - 1) >> 10;
}

/* What replaces the middle of an area joins what is left of it on one side and not on the other. */
static void what_replaces_a_middle_joins_one_side(void **state)
{
    static const struct s2_backend own = {.kind = "own", .commit = bytes_commit, .mergeable = in_one_kib};
    struct bytes *b = *state;

    for (unsigned low = 0; low < 2; low++) {
        const uint64_t start = low ? 0x400 : 0x300, comes = low ? 0x500 : 0x700;
        struct s2_area area = bytes_area(start, start + 0x500, 1);
        struct s2_op op;

        area.backend = &own;
        bytes_start(b, &op);
        assert_int_equal(s2_area_set_map(&b->set, &op, &area, S2_MAP_NEW), S2_OK);
        area.range = span(comes, comes + 0x80);
        bytes_start(b, &op);
        assert_int_equal(s2_area_set_map(&b->set, &op, &area, S2_MAP_REPLACE), S2_OK);
        assert_string_equal(b->trace, "cScScUcMcJ");
        assert_int_equal(b->set.map.count, 2);
        assert_area(b, comes, low ? 0x400 : 0x700, low ? 0x580 : 0x800, 1);
        assert_area(b, low ? 0x580 : 0x6ff, low ? 0x580 : 0x300, low ? 0x900 : 0x700, 1);
        bytes_check_table(b);
        assert_null(s2_imap_check(&b->set.map));
        bytes_start(b, &op);
        assert_int_equal(s2_area_set_clear(&b->set, &op), S2_OK);
    }
}

/* Two pairs join, then the end of the range cuts an area: no more areas than before, and so no node, however full the map. */
static void a_protect_joins_twice_before_it_cuts(void **state)
{
    struct bytes *b = *state;
    s2_attr attr = S2_ATTR(2);
    uint32_t hoarded;

    for (uint64_t at = 0x100; at <= 0x300; at += 0x200) {
        assert_int_equal(bytes_map(b, at, 0x80, 1, S2_MAP_NEW), S2_OK);
        assert_int_equal(bytes_map(b, at + 0x80, 0x80, 2, S2_MAP_NEW), S2_OK);
    }
    assert_int_equal(bytes_map(b, 0x500, 0x100, 1, S2_MAP_NEW), S2_OK);
    for (uint64_t i = 0; i < 11; i++)
        assert_int_equal(bytes_map(b, 0x1000 + 0x100 * i, 0x80, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(b->set.map.count, S2_IMAP_LEAF);
    hoarded = b->pool.free;
    assert_int_equal(s2_pool_reserve(&b->pool, hoarded), S2_OK);
    {
        struct s2_op op;

        bytes_start(b, &op);
        assert_int_equal(s2_area_set_protect(&b->set, &op, span(0x100, 0x580), bytes_set_to, &attr), S2_OK);
        assert_string_equal(b->trace, "pPpJpPpJpSpPcPcJcPcJcScP");
    }
    s2_pool_unreserve(&b->pool, hoarded);
    bytes_check(b);
    bytes_check_table(b);
    assert_area(b, 0x100, 0x100, 0x200, 2);
    assert_area(b, 0x300, 0x300, 0x400, 2);
    assert_area(b, 0x500, 0x500, 0x580, 2);
    assert_area(b, 0x580, 0x580, 0x600, 1);
    assert_int_equal(b->set.map.count, S2_IMAP_LEAF - 1);
}

/* The entry that stays for the cut is then the upper one of two for all that has been joined. */
static void a_protect_joins_three_before_it_cuts(void **state)
{
    struct bytes *b = *state;
    s2_attr attr = S2_ATTR(2);
    struct s2_op op;

    assert_int_equal(bytes_map(b, 0x100, 0x80, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x180, 0x80, 2, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x200, 0x80, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x300, 0x100, 1, S2_MAP_NEW), S2_OK);
    bytes_start(b, &op);
    assert_int_equal(s2_area_set_protect(&b->set, &op, span(0x100, 0x380), bytes_set_to, &attr), S2_OK);
    assert_string_equal(b->trace, "pPpJpPpJpSpPcPcJcPcJcScP");
    bytes_check(b);
    bytes_check_table(b);
    assert_area(b, 0x100, 0x100, 0x280, 2);
    assert_area(b, 0x300, 0x300, 0x380, 2);
    assert_area(b, 0x380, 0x380, 0x400, 1);
    assert_int_equal(b->set.map.count, 3);
}

static void equal_names_make_one_area(void **state)
{
    struct bytes *b = *state;

    for (uint64_t i = 0; i < 3; i++) {
        struct s2_area area = bytes_area(0x100 * i, 0x100 * (i + 1), 1);

        area.name = (uint16_t)(i + 1);
        assert_int_equal(bytes_map_area(b, &area, S2_MAP_NEW), S2_OK);
    }
    assert_int_equal(b->set.map.count, 3);
    assert_int_equal(rename_at(b, 0x300, 9), S2_ENOENT);
    assert_int_equal(b->detail.asked_start, 0x300);
    assert_int_equal(rename_at(b, 0x1ff, 2), S2_OK);
    assert_string_equal(b->trace, "");
    assert_int_equal(rename_at(b, 0x1ff, 9), S2_OK);
    assert_int_equal(b->set.map.count, 3);
    assert_int_equal(rename_at(b, 0, 3), S2_OK);
    assert_int_equal(b->set.map.count, 3);
    assert_int_equal(rename_at(b, 0x100, 3), S2_OK);
    assert_string_equal(b->trace, "pJpJcJcJ");
    assert_area(b, 0x100, 0, 0x300, 1);
    assert_int_equal(b->set.map.count, 1);
}

static bool at_most_0x400(const struct s2_area *low, const struct s2_area *high)
{
    return high->range.end.v - low->range.start.v <= 0x400;
}

/* A backend may refuse to have more than so much in one: the areas are joined that it was told of. */
static void what_is_joined_is_what_the_backend_was_told(void **state)
{
    struct bytes *b = *state;
    struct s2_backend limited = bytes_backend;

    limited.mergeable = at_most_0x400;
    for (uint64_t i = 0; i < 3; i++) {
        struct s2_area area = bytes_area(0x200 * i, 0x200 * (i + 1), 1);

        area.backend = &limited;
        area.name = i == 1;
        assert_int_equal(bytes_map_area(b, &area, S2_MAP_NEW), S2_OK);
    }
    /* With the lower neighbour it is full. */
    assert_int_equal(rename_at(b, 0x200, 0), S2_OK);
    assert_string_equal(b->trace, "pJcJ");
    assert_area(b, 0, 0, 0x400, 1);
    assert_area(b, 0x400, 0x400, 0x600, 1);
    assert_int_equal(b->set.map.count, 2);
    /* The backend goes with this function. */
    assert_int_equal(bytes_unmap(b, 0, 0x600), S2_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_record_and_backing_survive_cuts, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_merge, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(what_replaces_a_middle_joins_one_side, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(a_protect_joins_twice_before_it_cuts, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(a_protect_joins_three_before_it_cuts, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(equal_names_make_one_area, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(what_is_joined_is_what_the_backend_was_told, bytes_setup, bytes_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
