/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Operations that memory_set has not: unmap of the area that is expected, swap, extend. */
#include "area_bytes.h"

static struct s2_area linear_area(uint64_t start, uint64_t end, uint64_t backing, uint32_t attr)
{
    return (struct s2_area){
        .range = span(start, end), .backend = &bytes_linear, .backing = backing, .attr = S2_ATTR(attr)};
}

static enum s2_err expected(struct bytes *b, struct s2_area area)
{
    return bytes_checked(b, bytes_unmap_expected(b, &area));
}
static enum s2_err swap(struct bytes *b, struct s2_area area, const struct s2_backend *was)
{
    return bytes_checked(b, bytes_swap(b, &area, was));
}
static enum s2_err extend(struct bytes *b, uint64_t at, uint64_t start, uint64_t end)
{
    return bytes_checked(b, bytes_extend(b, at, start, end));
}
static enum s2_err rename_at(struct bytes *b, uint64_t at, uint16_t name)
{
    return bytes_checked(b, bytes_rename(b, at, name));
}

/* --- unmap what is expected ------------------------------------------------------------------------------------------------ */

static void exactly_the_expected_area_goes(void **state)
{
    struct bytes *b = *state;
    struct s2_area is = linear_area(0x100, 0x300, 0x7000, 2), other;

    is.name = 5;
    assert_int_equal(bytes_map_area(b, &is, S2_MAP_NEW), S2_OK);
    for (unsigned i = 0; i < 7; i++) {
        other = is;
        if (i == 0)
            other.range.start.v -= 0x10;
        else if (i == 1)
            other.range.start.v += 0x10;
        else if (i == 2)
            other.range.end.v -= 0x10;
        else if (i == 3)
            other.backend = &bytes_backend;
        else if (i == 4)
            other.backing++;
        else if (i == 5)
            other.attr = S2_ATTR(1);
        else
            other.flags = S2_AREA_LAZY;
        assert_int_equal(expected(b, other), S2_ENOENT);
        assert_detail(b, S2_ENOENT, other.range.start.v, other.range.end.v, 0x100, 0x300);
        assert_area(b, 0x100, 0x100, 0x300, 2);
    }
    other = is;
    other.range = span(0x300, 0x400);
    assert_int_equal(expected(b, other), S2_ENOENT);
    assert_detail(b, S2_ENOENT, 0x300, 0x400, 0, 0);
    assert_int_equal(expected(b, is), S2_OK);
    assert_string_equal(b->trace, "pUtUcUrU");
    assert_hole(b, 0, BYTES);
}

/* --- swap -------------------------------------------------------------------------------------------------------------------- */

static void a_swap_insists_on_the_backend(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x100, 0x300, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x400, 0x100, 2, S2_MAP_NEW), S2_OK);
    /* In no area, in two, in another's. */
    assert_int_equal(swap(b, linear_area(0x80, 0x180, 0, 3), &bytes_backend), S2_ENOENT);
    assert_detail(b, S2_ENOENT, 0x80, 0x180, 0x100, 0x400);
    assert_int_equal(swap(b, linear_area(0x600, 0x680, 0, 3), &bytes_backend), S2_ENOENT);
    assert_detail(b, S2_ENOENT, 0x600, 0x680, 0, 0);
    assert_int_equal(swap(b, linear_area(0x380, 0x480, 0, 3), &bytes_backend), S2_ENOENT);
    assert_detail(b, S2_ENOENT, 0x380, 0x480, 0x100, 0x400);
    assert_int_equal(swap(b, linear_area(0x180, 0x200, 0, 3), &bytes_linear), S2_ENOENT);
    assert_detail(b, S2_ENOENT, 0x180, 0x200, 0x100, 0x400);
    assert_int_equal(swap(b, linear_area(0x180, 0x200, 0, 3), NULL), S2_EINVAL);
    assert_string_equal(b->detail.what, "is to replace no backend");
    {
        struct s2_area none = linear_area(0x180, 0x200, 0, 3);

        none.backend = NULL;
        assert_int_equal(swap(b, none, &bytes_backend), S2_EINVAL);
        assert_string_equal(b->detail.what, "has no backend that commits");
    }
    assert_int_equal(b->set.map.count, 2);
    /* The middle, the whole. */
    assert_int_equal(swap(b, linear_area(0x180, 0x200, 0, 3), &bytes_backend), S2_OK);
    assert_area(b, 0x100, 0x100, 0x180, 1);
    assert_area(b, 0x180, 0x180, 0x200, 3);
    assert_area(b, 0x200, 0x200, 0x400, 1);
    assert_int_equal(swap(b, bytes_area(0x180, 0x200, 1), &bytes_linear), S2_OK);
    assert_area(b, 0x180, 0x100, 0x400, 1);
    assert_int_equal(b->set.map.count, 2);
}

/* --- extend ------------------------------------------------------------------------------------------------------------------ */

static void an_area_grows_at_either_end(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x400, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(extend(b, 0x480, 0x300, 0x500), S2_OK);
    assert_string_equal(b->trace, "pMpJtMtJcMcJrMrJ");
    assert_area(b, 0x300, 0x300, 0x500, 1);
    assert_int_equal(extend(b, 0x300, 0x300, 0x600), S2_OK);
    assert_area(b, 0x300, 0x300, 0x600, 1);
    assert_int_equal(extend(b, 0x5ff, 0x200, 0x700), S2_OK);
    assert_string_equal(b->trace, "pMpMpJpJtMtMtJtJcMcMcJcJrMrMrJrJ");
    assert_area(b, 0x300, 0x200, 0x700, 1);
    assert_int_equal(extend(b, 0x5ff, 0x200, 0x700), S2_OK);
    assert_string_equal(b->trace, "");
    assert_int_equal(b->set.map.count, 1);
    assert_int_equal(extend(b, 0x5ff, 0, BYTES), S2_OK);
    assert_area(b, 0, 0, BYTES, 1);
}

/* Into the gap up to neighbours: those that are equal and go on are one area with it then, others are not. */
static void what_it_reaches_joins_if_it_is_equal(void **state)
{
    struct bytes *b = *state;
    const struct s2_area area[] = {linear_area(0x100, 0x200, 0x5100, 1), linear_area(0x300, 0x400, 0x5300, 1),
                                   linear_area(0x500, 0x600, 0x5500, 1), linear_area(0x700, 0x800, 0x9700, 1),
                                   linear_area(0x900, 0xa00, 0x9900, 2)};

    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(bytes_map_area(b, &area[i], S2_MAP_NEW), S2_OK);
    assert_int_equal(extend(b, 0x300, 0x200, 0x500), S2_OK);
    assert_area(b, 0x300, 0x100, 0x600, 1);
    assert_int_equal(b->set.map.count, 3);
    /* The backing of the next does not go on, nor has the last the attribute. */
    assert_int_equal(extend(b, 0x100, 0x100, 0x700), S2_OK);
    assert_area(b, 0x600, 0x100, 0x700, 1);
    assert_int_equal(extend(b, 0x700, 0x700, 0x900), S2_OK);
    assert_area(b, 0x800, 0x700, 0x900, 1);
    assert_int_equal(b->set.map.count, 3);
    assert_int_equal(extend(b, 0x100, 0, 0x700), S2_OK);
    struct s2_area found;
    assert_true(s2_area_set_find(&b->set, S2_IPA(0), &found));
    assert_int_equal(found.backing, 0x5000);
}

static void an_extension_is_refused_whole(void **state)
{
    struct bytes *b = *state;
    struct s2_area high = linear_area(0x8000, 0x8100, UINT64_MAX - 0x1ff, 1);

    assert_int_equal(bytes_map(b, 0x400, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x200, 0x100, 2, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x600, 0x100, 2, S2_MAP_NEW), S2_OK);
    assert_int_equal(extend(b, 0x300, 0x300, 0x400), S2_ENOENT);
    assert_detail(b, S2_ENOENT, 0x300, 0x400, 0, 0);
    assert_int_equal(extend(b, 0x400, 0x410, 0x600), S2_EINVAL);
    assert_detail(b, S2_EINVAL, 0x410, 0x600, 0x400, 0x500);
    assert_int_equal(extend(b, 0x400, 0x300, 0x4ff), S2_EINVAL);
    assert_detail(b, S2_EINVAL, 0x300, 0x4ff, 0x400, 0x500);
    assert_int_equal(extend(b, 0x400, 0x2ff, 0x500), S2_EEXIST);
    assert_detail(b, S2_EEXIST, 0x2ff, 0x400, 0x200, 0x300);
    assert_int_equal(extend(b, 0x400, 0x300, 0x601), S2_EEXIST);
    assert_detail(b, S2_EEXIST, 0x500, 0x601, 0x600, 0x700);
    assert_area(b, 0x400, 0x400, 0x500, 1);
    /* A backing that comes round, at either end. */
    assert_int_equal(bytes_map_area(b, &high, S2_MAP_NEW), S2_OK);
    assert_int_equal(extend(b, 0x8000, 0x8000, 0x8201), S2_ERANGE);
    assert_detail(b, S2_ERANGE, 0x8000, 0x8201, 0x8000, 0x8100);
    assert_int_equal(extend(b, 0x8000, 0x8000, 0x8200), S2_OK);
    high = linear_area(0x9000, 0x9100, 0x80, 2);
    assert_int_equal(bytes_map_area(b, &high, S2_MAP_NEW), S2_OK);
    assert_int_equal(extend(b, 0x9000, 0x8f7f, 0x9100), S2_ERANGE);
    assert_detail(b, S2_ERANGE, 0x8f7f, 0x9100, 0x9000, 0x9100);
    assert_int_equal(extend(b, 0x9000, 0x8f80, 0x9100), S2_OK);
}

/* Whatever prepare or take is the one that refuses: as before, and what was taken goes back, last first. */
static void a_refusal_leaves_it_as_it_was(void **state)
{
    static const char *const undone[] = {"", "uM", "uMuM", "uJuMuM"};
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x400, 0x100, 1, S2_MAP_NEW), S2_OK);
    b->refuse_with = S2_EREFUSED;
    for (unsigned n = 1; n <= 4; n++) {
        b->refuse_prepare = n;
        assert_int_equal(extend(b, 0x400, 0x300, 0x600), S2_EREFUSED);
        assert_int_equal(b->prepares, n);
        assert_int_equal(b->takes, 0);
        b->refuse_prepare = 0;
        b->refuse_take = n;
        assert_int_equal(extend(b, 0x400, 0x300, 0x600), S2_EREFUSED);
        assert_string_equal(b->trace + 8 + 2 * n, undone[n - 1]);
        b->refuse_take = 0;
        assert_area(b, 0x400, 0x400, 0x500, 1);
    }
    assert_int_equal(rename_at(b, 0x400, 1), S2_OK);
    assert_int_equal(bytes_map(b, 0x500, 0x100, 1, S2_MAP_NEW), S2_OK);
    b->refuse_prepare = 1;
    assert_int_equal(rename_at(b, 0x400, 0), S2_EREFUSED);
    assert_int_equal(b->set.map.count, 2);
    b->refuse_prepare = 0;
    assert_int_equal(rename_at(b, 0x400, 0), S2_OK);
    assert_int_equal(b->set.map.count, 1);
}

/* A backend that takes and has nothing to take back is not asked to. */
static void a_backend_without_undo_is_not_asked(void **state)
{
    static const struct s2_backend no_undo = {
        .kind = "no undo", .prepare = bytes_prepare, .take = bytes_take, .commit = bytes_commit};
    struct bytes *b = *state;
    struct s2_area area = bytes_area(0x100, 0x200, 1);
    struct s2_op op;

    assert_int_equal(bytes_map(b, 0x200, 0x100, 2, S2_MAP_NEW), S2_OK);
    area.backend = &no_undo;
    area.range.end.v = 0x280;
    b->refuse_with = S2_EFRAMES;
    b->refuse_take = 3; /* the cut, the part that goes, what comes */
    bytes_start(b, &op);
    assert_int_equal(s2_area_set_map(&b->set, &op, &area, S2_MAP_REPLACE), S2_EFRAMES);
    b->refuse_take = 0;
    bytes_check(b);
    assert_area(b, 0x200, 0x200, 0x300, 2);
    /* It comes first, and the area that it is beside refuses: a merge of its own kind. */
    bytes_start(b, &op);
    area.range = span(0x100, 0x180);
    assert_int_equal(s2_area_set_map(&b->set, &op, &area, S2_MAP_NEW), S2_OK);
    b->holding = 0;
    b->refuse_take = 2;
    bytes_start(b, &op);
    area.range = span(0x180, 0x200);
    assert_int_equal(s2_area_set_map(&b->set, &op, &area, S2_MAP_NEW), S2_EFRAMES);
    assert_int_equal(b->holding, 1);
    b->holding = 0;
    b->refuse_take = 0;
    bytes_start(b, &op);
    assert_int_equal(s2_area_set_unmap(&b->set, &op, span(0x100, 0x180)), S2_OK);
    b->holding = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exactly_the_expected_area_goes, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(a_swap_insists_on_the_backend, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(an_area_grows_at_either_end, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(what_it_reaches_joins_if_it_is_equal, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(an_extension_is_refused_whole, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(a_refusal_leaves_it_as_it_was, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(a_backend_without_undo_is_not_asked, bytes_setup, bytes_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
