/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Operations that memory_set has not: unmap of the area that is expected, swap, extend, rename. */
#include "area_bytes.h"

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

/* --- neighbours of a kind of their own ---------------------------------------------------------------------------------------- */

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

/* --- arguments that are wrong by themselves ------------------------------------------------------------------------------------ */

static void an_area_has_a_backend(void **state)
{
    static const struct s2_backend idle = {.kind = "idle", .prepare = bytes_prepare};
    struct bytes *b = *state;

    for (unsigned i = 0; i < 4; i++) {
        struct s2_area area = bytes_area(0x100, 0x200, 1);

        area.backend = i % 2 ? NULL : &idle;
        assert_int_equal(bytes_map_area(b, &area, i / 2 ? S2_MAP_NEW : S2_MAP_REPLACE), S2_EINVAL);
        assert_string_equal(b->detail.what, "has no backend that commits");
        assert_int_equal(b->detail.asked_start, 0x100);
    }
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
        T(what_replaces_a_middle_joins_one_side),
        T(a_protect_joins_twice_before_it_cuts),
        T(a_protect_joins_three_before_it_cuts),
        T(an_area_has_a_backend),
        T(equal_names_make_one_area),
        T(what_is_joined_is_what_the_backend_was_told),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
