/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What memory_set has not: unmap of the area that is expected, swap, extend, rename; the area or the gap around an address,
 * iteration over a range, statistics; nodes that are needed, and those that are kept for unmaps. */
#include "area_bytes.h"

#include <stdio.h>

static int setup(void **state)
{
    *state = bytes_new(0, BYTES, 1);
    return 0;
}

static int teardown(void **state)
{
    bytes_free(*state);
    return 0;
}

static struct s2_area bytes_area(uint64_t start, uint64_t end, uint32_t attr)
{
    return (struct s2_area){.range = span(start, end), .backend = &bytes_backend, .attr = S2_ATTR(attr)};
}
static struct s2_area linear_area(uint64_t start, uint64_t end, uint64_t backing, uint32_t attr)
{
    return (struct s2_area){
        .range = span(start, end), .backend = &bytes_linear, .backing = backing, .attr = S2_ATTR(attr)};
}

static enum s2_err expected(struct bytes *b, struct s2_area area)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_unmap_expected(&b->set, &op, &area);
    bytes_check(b);
    bytes_check_table(b);
    return err;
}
static enum s2_err swap(struct bytes *b, struct s2_area area, const struct s2_backend *was)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_swap(&b->set, &op, &area, was);
    bytes_check(b);
    bytes_check_table(b);
    return err;
}
static enum s2_err extend(struct bytes *b, uint64_t at, uint64_t start, uint64_t end)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_extend(&b->set, &op, S2_IPA(at), span(start, end));
    bytes_check(b);
    bytes_check_table(b);
    return err;
}
static enum s2_err rename_at(struct bytes *b, uint64_t at, uint16_t name)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_rename(&b->set, &op, S2_IPA(at), name);
    bytes_check(b);
    bytes_check_table(b);
    return err;
}

/* --- ranges that no operation takes ------------------------------------------------------------------------------------- */

static void bad_ranges_are_refused_by_each(void **state)
{
    static const struct {
        uint64_t start, end;
        enum s2_err err;
    } bad[] = {{0x2000, 0x2000, S2_EINVAL}, {0x3000, 0x2000, S2_EINVAL}, {0x2800, 0x3000, S2_EALIGN},
               {0x2000, 0x2001, S2_EALIGN}, {0, 0x2000, S2_ERANGE},      {0x2000, 2 * BYTES, S2_ERANGE}};
    struct bytes *b = bytes_new(0x1000, BYTES, 0x1000);

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct s2_area area = bytes_area(bad[i].start, bad[i].end, 1);

        assert_int_equal(expected(b, area), bad[i].err);
        assert_int_equal(swap(b, area, &bytes_backend), bad[i].err);
        assert_int_equal(extend(b, 0x2000, bad[i].start, bad[i].end), bad[i].err);
        assert_int_equal(bytes_unmap(b, bad[i].start, bad[i].end - bad[i].start), bad[i].err);
        assert_int_equal(b->detail.err, bad[i].err);
        assert_int_equal(b->detail.asked_start, bad[i].start);
        assert_int_equal(b->detail.asked_end, bad[i].end);
    }
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, NULL, NULL), S2_EINVAL);
    assert_string_equal(b->detail.what, "has no update function");
    bytes_free(b);
}

/* From within a prepare or a commit each is refused, and lookups are not. */
static bool tries_all(struct bytes *b, struct s2_op *under_way)
{
    struct s2_area area = bytes_area(0x100, 0x200, 1), found;
    struct s2_ipa_range gap;
    struct s2_detail d;
    struct s2_op op;

    (void)under_way;
    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_area_set_unmap_expected(&b->set, &op, &area), S2_EBUSY);
    assert_int_equal(d.err, S2_EBUSY);
    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_area_set_swap(&b->set, &op, &area, &bytes_backend), S2_EBUSY);
    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_area_set_extend(&b->set, &op, S2_IPA(0x100), span(0x100, 0x300)), S2_EBUSY);
    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_area_set_rename(&b->set, &op, S2_IPA(0x100), 3), S2_EBUSY);
    assert_int_equal(s2_area_set_keep_cut(&b->set), S2_EBUSY);
    return s2_area_set_around(&b->set, S2_IPA(0x100), &found, &gap) == S2_AROUND_AREA;
}

static void callbacks_only_look(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x100, 0x100, 1, S2_MAP_NEW), S2_OK);
    b->callback = tries_all;
    assert_int_equal(extend(b, 0x100, 0x100, 0x300), S2_OK);
    b->callback = NULL;
    assert_area(b, 0x100, 0x100, 0x300, 1);
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

/* --- rename ------------------------------------------------------------------------------------------------------------------ */

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

/* --- lookups ----------------------------------------------------------------------------------------------------------------- */

static void an_address_is_in_an_area_or_in_a_gap(void **state)
{
    struct bytes *b = bytes_new(0x1000, BYTES, 0x10);
    struct s2_area area;
    struct s2_ipa_range gap;

    (void)state;
    assert_int_equal(s2_area_set_around(&b->set, S2_IPA(0x1000), &area, &gap), S2_AROUND_GAP);
    assert_int_equal(gap.start.v, 0x1000);
    assert_int_equal(gap.end.v, BYTES);
    assert_int_equal(bytes_map(b, 0x2000, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x3000, 0x100, 2, S2_MAP_NEW), S2_OK);
    const struct {
        uint64_t at, start, end;
        enum s2_around what;
    } row[] = {{0, 0, 0, S2_AROUND_OUTSIDE},
               {0xfff, 0, 0, S2_AROUND_OUTSIDE},
               {0x1000, 0x1000, 0x2000, S2_AROUND_GAP},
               {0x1fff, 0x1000, 0x2000, S2_AROUND_GAP},
               {0x2000, 0x2000, 0x2100, S2_AROUND_AREA},
               {0x20ff, 0x2000, 0x2100, S2_AROUND_AREA},
               {0x2100, 0x2100, 0x3000, S2_AROUND_GAP},
               {0x3080, 0x3000, 0x3100, S2_AROUND_AREA},
               {0x3100, 0x3100, BYTES, S2_AROUND_GAP},
               {BYTES - 1, 0x3100, BYTES, S2_AROUND_GAP},
               {BYTES, 0, 0, S2_AROUND_OUTSIDE},
               {UINT64_MAX, 0, 0, S2_AROUND_OUTSIDE}};

    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        memset(&area, 0x5a, sizeof area);
        memset(&gap, 0x5a, sizeof gap);
        assert_int_equal(s2_area_set_around(&b->set, S2_IPA(row[i].at), &area, &gap), row[i].what);
        if (row[i].what == S2_AROUND_AREA) {
            assert_int_equal(area.range.start.v, row[i].start);
            assert_int_equal(area.range.end.v, row[i].end);
        } else {
            assert_int_equal(area.backing, 0x5a5a5a5a5a5a5a5a);
        }
        if (row[i].what == S2_AROUND_GAP) {
            assert_int_equal(gap.start.v, row[i].start);
            assert_int_equal(gap.end.v, row[i].end);
        } else {
            assert_int_equal(gap.start.v, 0x5a5a5a5a5a5a5a5a);
        }
        assert_int_equal(s2_area_set_around(&b->set, S2_IPA(row[i].at), NULL, NULL), row[i].what);
    }
    bytes_free(b);
}

static void lookups_need_not_tell(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x2000, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x2000), NULL));
    assert_false(s2_area_set_find(&b->set, S2_IPA(0x1fff), NULL));
    assert_true(s2_area_set_find_from(&b->set, S2_IPA(0), NULL));
    assert_false(s2_area_set_find_from(&b->set, S2_IPA(0x2100), NULL));
    assert_true(s2_area_set_find_below(&b->set, S2_IPA(0x2001), NULL));
    assert_false(s2_area_set_find_below(&b->set, S2_IPA(0x2000), NULL));
    assert_true(s2_area_set_overlaps(&b->set, span(0, 0x2001), NULL));
}

static void iteration_shows_what_meets_the_range(void **state)
{
    struct bytes *b = *state;
    struct s2_area_iter it;
    struct s2_area area;
    unsigned n = 0;

    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(bytes_map(b, 0x100 * i, 0x80, 1, S2_MAP_NEW), S2_OK);
    it = s2_area_set_iter(&b->set, span(0x17f, 0x1001));
    for (; s2_area_iter_next(&it, &area); n++) {
        assert_int_equal(area.range.start.v, 0x100 * (n + 1));
        assert_int_equal(area.range.end.v, 0x100 * (n + 1) + 0x80);
    }
    assert_int_equal(n, 16);
    assert_false(s2_area_iter_next(&it, &area));
    it = s2_area_set_iter(&b->set, span(0x180, 0x200));
    assert_false(s2_area_iter_next(&it, &area));
    it = s2_area_set_iter(&b->set, span(0x110, 0x110));
    assert_false(s2_area_iter_next(&it, &area));
    it = s2_area_set_iter(&b->set, span(0, BYTES));
    for (n = 0; s2_area_iter_next(&it, NULL); n++)
        ;
    assert_int_equal(n, 40);
}

/* --- statistics -------------------------------------------------------------------------------------------------------------- */

static void one_tenth(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    (void)ctx;
    assert_int_equal(out->bytes, area->range.end.v - area->range.start.v);
    assert_int_equal(out->resident + out->promised, 0);
    out->resident = out->bytes / 10;
    out->promised = 3;
}

static void statistics_count_areas_and_gaps(void **state)
{
    static const struct s2_backend told = {.kind = "told", .commit = bytes_commit, .stats = one_tenth};
    struct bytes *b = bytes_new(0x1000, BYTES, 1);
    struct s2_area area = bytes_area(0x1000, 0x1064, 1);
    struct s2_area_set_stats set;
    struct s2_area_stats one;

    (void)state;
    s2_area_set_stats(&b->set, &set);
    assert_int_equal(set.areas + set.bytes + set.nodes, 0);
    assert_int_equal(set.gaps, 1);
    assert_int_equal(set.free_bytes, BYTES - 0x1000);
    assert_int_equal(set.largest_gap, BYTES - 0x1000);
    area.backend = &told;
    assert_int_equal(bytes_map_area(b, &area, S2_MAP_NEW), S2_OK);
    for (uint64_t i = 1; i < 20; i++)
        assert_int_equal(bytes_map(b, 0x1000 + 0x200 * i, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, BYTES - 0x10, 0x10, 2, S2_MAP_NEW), S2_OK);
    s2_area_set_stats(&b->set, &set);
    assert_int_equal(set.areas, 21);
    assert_int_equal(set.bytes, 0x64 + 19 * 0x100 + 0x10);
    assert_int_equal(set.gaps, 20);
    assert_int_equal(set.free_bytes, BYTES - 0x1000 - set.bytes);
    assert_int_equal(set.largest_gap, BYTES - 0x10 - (0x1000 + 0x200 * 19 + 0x100));
    assert_int_equal(set.nodes, b->set.map.nodes);
    assert_true(set.nodes > 0);

    assert_true(s2_area_set_area_stats(&b->set, S2_IPA(0x1000), &one));
    assert_int_equal(one.bytes, 0x64);
    assert_int_equal(one.resident, 10);
    assert_int_equal(one.promised, 3);
    assert_true(s2_area_set_area_stats(&b->set, S2_IPA(0x1200), &one));
    assert_int_equal(one.bytes, 0x100);
    assert_int_equal(one.resident + one.promised, 0);
    assert_false(s2_area_set_area_stats(&b->set, S2_IPA(0x1100), &one));
    bytes_free(b);
}

/* --- nodes ------------------------------------------------------------------------------------------------------------------- */

static void needs_are_those_of_the_entries_added(void **state)
{
    static const struct {
        enum s2_area_op op;
        uint32_t inserts;
    } row[] = {{S2_AREA_OP_MAP, 1},     {S2_AREA_OP_REPLACE, 2}, {S2_AREA_OP_UNMAP, 1},
               {S2_AREA_OP_PROTECT, 2}, {S2_AREA_OP_SWAP, 2},    {S2_AREA_OP_EXPECTED, 0},
               {S2_AREA_OP_EXTEND, 0},  {S2_AREA_OP_RENAME, 0},  {S2_AREA_OP_CLEAR, 0}};
    struct bytes *b = *state;

    for (unsigned areas = 0; areas <= 40; areas += 20) {
        for (uint64_t i = 0; i < areas; i++)
            assert_int_equal(bytes_map(b, 0x200 * i, 0x100, 1, S2_MAP_REPLACE), S2_OK);
        for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++)
            assert_int_equal(s2_area_set_need(&b->set, row[i].op), s2_imap_need(&b->set.map, row[i].inserts));
    }
    assert_true(s2_area_set_need(&b->set, S2_AREA_OP_MAP) > 0);
    for (uint32_t nodes = 0; nodes < 1000; nodes += 37)
        assert_int_equal(s2_area_set_capacity(nodes), s2_imap_capacity(nodes));
}

/* Takes all nodes but those that are kept away from others. */
static uint32_t hoard(struct bytes *b)
{
    uint32_t n = b->pool.free - b->pool.reserved;

    assert_int_equal(s2_pool_reserve(&b->pool, n), S2_OK);
    return n;
}

static enum s2_err unmap_alone(struct bytes *b, uint64_t start, uint64_t end, struct s2_detail *d)
{
    struct s2_op op;
    enum s2_err err;

    s2_op_begin(&op, NULL, d);
    err = s2_area_set_unmap(&b->set, &op, span(start, end));
    assert_null(s2_imap_check(&b->set.map));
    b->holding = 0;
    return err;
}

enum { AREAS = 240, STEP = 0x200 };

/* The middle of the i-th of AREAS areas goes. */
static enum s2_err hole(struct bytes *b, uint64_t i, struct s2_detail *d)
{
    assert_true(i < AREAS);
    return unmap_alone(b, i * STEP + 0x80, i * STEP + 0x100, d);
}

static void kept_nodes_are_for_holes(void **state)
{
    struct bytes *b = *state;
    struct s2_area more = bytes_area(AREAS * STEP, AREAS * STEP + 0x100, 1);
    struct s2_detail d = {.err = S2_OK};
    uint64_t holes = 0;
    uint32_t hoarded;
    struct s2_op op;

    for (uint64_t i = 0; i < AREAS; i++)
        assert_int_equal(bytes_map(b, i * STEP, 0x180, 1, S2_MAP_NEW), S2_OK);
    hoarded = b->pool.free - S2_AREA_CUT_NODES + 1;
    assert_int_equal(s2_pool_reserve(&b->pool, hoarded), S2_OK);
    assert_int_equal(s2_area_set_keep_cut(&b->set), S2_ENODES);
    assert_int_equal(b->set.cut, 0);
    s2_pool_unreserve(&b->pool, hoarded);
    assert_int_equal(s2_area_set_keep_cut(&b->set), S2_OK);
    assert_int_equal(b->set.cut, S2_AREA_CUT_NODES);
    assert_int_equal(b->pool.reserved, S2_AREA_CUT_NODES);
    assert_int_equal(s2_area_set_keep_cut(&b->set), S2_OK);
    assert_int_equal(b->pool.reserved, S2_AREA_CUT_NODES);

    hoarded = hoard(b);
    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_area_set_map(&b->set, &op, &more, S2_MAP_NEW), S2_ENODES);
    b->holding = 0;
    /* Holes, until the kept nodes are used; each of them may need as many as any. */
    while (b->set.cut >= s2_area_set_need(&b->set, S2_AREA_OP_UNMAP)) {
        assert_int_equal(hole(b, holes, holes % 2 ? NULL : &d), S2_OK);
        assert_int_equal(d.err, S2_OK);
        holes++;
    }
    assert_int_equal(b->set.map.count, AREAS + holes);
    assert_int_equal(hole(b, holes, &d), S2_ECUT);
    assert_int_equal(d.err, S2_ECUT);
    assert_string_equal(d.what, "makes a hole in an area, and the nodes kept for that are used up");
    assert_int_equal(hole(b, holes, NULL), S2_ECUT);
    assert_int_equal(b->set.map.count, AREAS + holes);
    assert_true(b->set.cut < s2_area_set_need(&b->set, S2_AREA_OP_UNMAP));
    /* Heads, tails and whole areas go for nothing. */
    assert_int_equal(unmap_alone(b, STEP * holes, STEP * holes + 0x20, &d), S2_OK);
    assert_int_equal(unmap_alone(b, STEP * holes + 0x100, STEP * holes + 0x180, &d), S2_OK);
    assert_int_equal(unmap_alone(b, STEP * (AREAS - 2), STEP * (AREAS - 1), &d), S2_OK);
    /* The end of the next operation fills them up again. */
    s2_pool_unreserve(&b->pool, hoarded);
    assert_int_equal(unmap_alone(b, STEP * (AREAS - 1), STEP * (AREAS - 1) + 0x10, &d), S2_OK);
    assert_int_equal(b->set.cut, S2_AREA_CUT_NODES);
    assert_int_equal(b->pool.reserved, S2_AREA_CUT_NODES);
    s2_area_set_drop_cut(&b->set);
    assert_int_equal(b->pool.reserved, 0);
    bytes_check(b);
    bytes_check_table(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_ranges_are_refused_by_each),
        T(callbacks_only_look),
        T(exactly_the_expected_area_goes),
        T(a_swap_insists_on_the_backend),
        T(an_area_grows_at_either_end),
        T(what_it_reaches_joins_if_it_is_equal),
        T(an_extension_is_refused_whole),
        T(a_refusal_leaves_it_as_it_was),
        T(a_backend_without_undo_is_not_asked),
        T(equal_names_make_one_area),
        cmocka_unit_test(an_address_is_in_an_area_or_in_a_gap),
        T(lookups_need_not_tell),
        T(iteration_shows_what_meets_the_range),
        cmocka_unit_test(statistics_count_areas_and_gaps),
        T(needs_are_those_of_the_entries_added),
        T(kept_nodes_are_for_holes),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
