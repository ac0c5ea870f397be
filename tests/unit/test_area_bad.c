/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is wrong by itself: every operation of the area set with every bad range, with nothing where something must be, and
 * from within a callback of another one. A documented error, and nothing has changed. */
#include "area_bytes.h"

#define LO      0x4000u
#define HI      0x10000u
#define GRANULE 0x1000u

/* --- every operation on any range --------------------------------------------------------------------------------- */

enum kind { MAP, REPLACE, UNMAP, EXPECTED, SWAP, EXTEND, PROTECT, RENAME, CLEAR, KINDS };

static bool to_two(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    *attr = S2_ATTR(2);
    return true;
}

static enum s2_err act(struct bytes *b, struct s2_op *op, enum kind kind, struct s2_ipa_range range)
{
    struct s2_area area = {.range = range, .backend = &bytes_backend, .attr = S2_ATTR(1)};

    switch (kind) {
    case MAP:
        return s2_area_set_map(&b->set, op, &area, S2_MAP_NEW);
    case REPLACE:
        return s2_area_set_map(&b->set, op, &area, S2_MAP_REPLACE);
    case UNMAP:
        return s2_area_set_unmap(&b->set, op, range);
    case EXPECTED:
        return s2_area_set_unmap_expected(&b->set, op, &area);
    case SWAP:
        return s2_area_set_swap(&b->set, op, &area, &bytes_backend);
    case EXTEND:
        return s2_area_set_extend(&b->set, op, S2_IPA(0x6000), range);
    case PROTECT:
        return s2_area_set_protect(&b->set, op, range, to_two, NULL);
    case RENAME:
        return s2_area_set_rename(&b->set, op, range.start, 9);
    case CLEAR:
        return s2_area_set_clear(&b->set, op);
    case KINDS:
        break;
    }
    return S2_OK;
}

/* --- ranges ------------------------------------------------------------------------------------------------------- */

static void test_bad_ranges(void **state)
{
    static const struct {
        uint64_t start, end;
        enum s2_err err;
    } rows[] = {
        {0x6000, 0x6000, S2_EINVAL},
        {0x7000, 0x6000, S2_EINVAL},
        {0x6000, 0, S2_EINVAL}, /* it wraps */
        {0xffffffffffffe000, 0x1000, S2_EINVAL},
        {0x6800, 0x6800, S2_EINVAL},
        {0x6800, 0x8000, S2_EALIGN},
        {0x6000, 0x7800, S2_EALIGN},
        {0x6001, 0x7001, S2_EALIGN},
        {0x6000, UINT64_MAX, S2_EALIGN},
        {0x3000, 0x7000, S2_ERANGE},
        {0, 0x1000, S2_ERANGE},
        {0x6000, 0x11000, S2_ERANGE},
        {0x10000, 0x11000, S2_ERANGE},
        {0x6000, 0xfffffffffffff000, S2_ERANGE},
        {0, 0xfffffffffffff000, S2_ERANGE},
    };
    struct bytes *b = bytes_new(LO, HI, GRANULE), was;
    struct s2_op op;

    (void)state;
    assert_int_equal(bytes_map(b, 0x6000, 0x2000, 1, S2_MAP_NEW), S2_OK);
    was = *b;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (enum kind kind = MAP; kind < RENAME; kind++) { /* the last two are given no range */
            bool outside = rows[i].err == S2_ERANGE;

            s2_op_begin(&op, NULL, &b->detail);
            assert_int_equal(act(b, &op, kind, span(rows[i].start, rows[i].end)), rows[i].err);
            assert_detail(b, rows[i].err, rows[i].start, rows[i].end, outside ? LO : 0, outside ? HI : 0);
            assert_true(op.ended);
            assert_memory_equal(&b->set, &was.set, sizeof(was.set));
            assert_memory_equal(&b->pool, &was.pool, sizeof(was.pool));
            assert_memory_equal(b->pt, was.pt, sizeof(was.pt));
            assert_int_equal(b->prepares, was.prepares);
            s2_op_begin(&op, NULL, NULL); /* nobody asks for the story */
            assert_int_equal(act(b, &op, kind, span(rows[i].start, rows[i].end)), rows[i].err);
        }
    }
    bytes_free(b);
}

static void test_init_arguments(void **state)
{
    struct bytes *b = *state;
    struct s2_area_set set;

    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0), 1, NULL), S2_EINVAL);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(2), S2_IPA(1), 1, NULL), S2_EINVAL);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0x3000), 0, NULL), S2_EALIGN);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0x3000), 0x3000, NULL), S2_EALIGN);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0x800), S2_IPA(0x3000), 0x1000, NULL), S2_EALIGN);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0x2800), 0x1000, NULL), S2_EALIGN);
}

static void test_arguments(void **state)
{
    struct bytes *b = bytes_new(0x4000, 0x10000, 0x1000);
    struct s2_area area = {.range = span(0x5000, 0x6000), .attr = S2_ATTR(1)};
    struct s2_backend lame = {.kind = "lame"};
    s2_attr two = S2_ATTR(2);
    static const struct {
        uint64_t start, size;
        enum s2_err err;
    } rows[] = {
        {0x5000, 0, S2_EINVAL},       {0x5000, (uint64_t)-0x1000, S2_EINVAL},
        {0x5800, 0x1000, S2_EALIGN},  {0x5000, 0x800, S2_EALIGN},
        {0x3000, 0x2000, S2_ERANGE},  {0xf000, 0x2000, S2_ERANGE},
        {0x20000, 0x1000, S2_ERANGE}, {0, 0x1000, S2_ERANGE},
    };

    (void)state;
    assert_int_equal(bytes_map(b, 0x5000, 0x2000, 1, S2_MAP_NEW), S2_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t start = rows[i].start, end = start + rows[i].size;
        bool range = rows[i].err == S2_ERANGE;

        assert_int_equal(bytes_map(b, start, rows[i].size, 1, S2_MAP_REPLACE), rows[i].err);
        assert_detail(b, rows[i].err, start, end, range ? 0x4000 : 0, range ? 0x10000 : 0);
        assert_int_equal(bytes_unmap(b, start, rows[i].size), rows[i].err);
        assert_detail(b, rows[i].err, start, end, range ? 0x4000 : 0, range ? 0x10000 : 0);
        assert_int_equal(bytes_protect(b, start, rows[i].size, bytes_set_to, &two), rows[i].err);
        assert_detail(b, rows[i].err, start, end, range ? 0x4000 : 0, range ? 0x10000 : 0);
    }
    assert_int_equal(bytes_map_area(b, &area, S2_MAP_REPLACE), S2_EINVAL);
    area.backend = &lame;
    assert_int_equal(bytes_map_area(b, &area, S2_MAP_REPLACE), S2_EINVAL);
    assert_int_equal(bytes_map(b, 0x6000, 0x3000, 2, S2_MAP_NEW), S2_EEXIST);
    assert_detail(b, S2_EEXIST, 0x6000, 0x9000, 0x5000, 0x7000);
    assert_int_equal(bytes_map(b, 0x4000, 0x1000, 1, S2_MAP_NEW), S2_OK); /* the detail of success is empty */
    assert_int_equal(b->detail.err, S2_OK);
    assert_null(b->detail.what);
    assert_area(b, 0x4000, 0x4000, 0x7000, 1);
    bytes_check_table(b);
    bytes_free(b);
}

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

        assert_int_equal(bytes_unmap_expected(b, &area), bad[i].err);
        assert_int_equal(bytes_swap(b, &area, &bytes_backend), bad[i].err);
        assert_int_equal(bytes_extend(b, 0x2000, bad[i].start, bad[i].end), bad[i].err);
        assert_int_equal(bytes_unmap(b, bad[i].start, bad[i].end - bad[i].start), bad[i].err);
        assert_int_equal(b->detail.err, bad[i].err);
        assert_int_equal(b->detail.asked_start, bad[i].start);
        assert_int_equal(b->detail.asked_end, bad[i].end);
        bytes_check_table(b);
    }
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, NULL, NULL), S2_EINVAL);
    assert_string_equal(b->detail.what, "has no update function");
    bytes_free(b);
}

/* --- something is missing ----------------------------------------------------------------------------------------- */

static void test_nothing_where_something_must_be(void **state)
{
    struct s2_backend lame = bytes_backend;
    struct bytes *b = bytes_new(LO, HI, GRANULE);
    struct s2_area area = {.range = span(0x6000, 0x7000)};

    (void)state;
    assert_int_equal(bytes_map(b, 0x6000, 0x2000, 1, S2_MAP_NEW), S2_OK);
    lame.commit = NULL;
    for (int i = 0; i < 2; i++, area.backend = &lame) {
        assert_int_equal(bytes_map_area(b, &area, S2_MAP_NEW), S2_EINVAL); /* before it says what is in the way */
        assert_detail(b, S2_EINVAL, 0x6000, 0x7000, 0, 0);
        assert_int_equal(bytes_map_area(b, &area, S2_MAP_REPLACE), S2_EINVAL);
        assert_int_equal(bytes_swap(b, &area, &bytes_backend), S2_EINVAL);
        assert_detail(b, S2_EINVAL, 0x6000, 0x7000, 0, 0);
        assert_int_equal(bytes_unmap_expected(b, &area), S2_ENOENT);
    }
    area.backend = &bytes_backend;
    assert_int_equal(bytes_swap(b, &area, NULL), S2_EINVAL);
    assert_detail(b, S2_EINVAL, 0x6000, 0x7000, 0, 0);
    assert_int_equal(bytes_protect(b, 0x6000, 0x1000, NULL, NULL), S2_EINVAL);
    assert_detail(b, S2_EINVAL, 0x6000, 0x7000, 0, 0);
    assert_int_equal(bytes_protect(b, 0x9000, 0x1000, NULL, NULL), S2_EINVAL); /* in a hole, too */
    assert_int_equal(b->traced, 0);
    assert_area(b, 0x6000, 0x6000, 0x8000, 1);
    bytes_check_table(b);
    bytes_free(b);
}

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

/* --- limits and alignments of a search ---------------------------------------------------------------------------- */

static void test_bad_searches(void **state)
{
    static const struct {
        uint64_t size, start, end, align;
        enum s2_err err;
    } rows[] = {
        {0, 0, UINT64_MAX, 1, S2_EINVAL},
        {0x1000, 0x8000, 0x8000, 1, S2_EINVAL},
        {0x1000, 0x8000, 0x7000, 1, S2_EINVAL},
        {0x1000, 0, UINT64_MAX, 0, S2_EALIGN},
        {0x1000, 0, UINT64_MAX, 0x3000, S2_EALIGN},
        {0x1000, 0, UINT64_MAX, UINT64_MAX, S2_EALIGN},
        {0x1800, 0, UINT64_MAX, 1, S2_EALIGN},
        {0x1000, 0, LO, 1, S2_ENOENT},
        {0x1000, HI, UINT64_MAX, 1, S2_ENOENT},
        {0x1000, 0, UINT64_MAX, 1ull << 63, S2_ENOENT},
        {HI - LO + GRANULE, 0, UINT64_MAX, 1, S2_ENOENT},
        {0xfffffffffffff000, 0, UINT64_MAX, 1, S2_ENOENT},
    };
    struct bytes *b = bytes_new(LO, HI, GRANULE);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s2_ipa_range limit = span(rows[i].start, rows[i].end);
        s2_ipa at = S2_IPA(0xbad);

        for (enum s2_fit fit = S2_FIT_LOWEST; fit <= S2_FIT_HIGHEST; fit++) {
            s2_ipa hint = S2_IPA(fit == S2_FIT_LOWEST ? 0 : UINT64_MAX);

            assert_int_equal(s2_area_set_find_free(&b->set, hint, rows[i].size, limit, rows[i].align, fit, &at),
                             rows[i].err);
            assert_int_equal(at.v, 0xbad);
        }
    }
    bytes_free(b);
}

static void test_find_free_arguments(void **state)
{
    struct bytes *b = bytes_new(0x4000, 0x10000, 0x1000);
    s2_ipa at = S2_IPA(0xbad), zero = S2_IPA(0), top = S2_IPA(UINT64_MAX);
    struct s2_ipa_range all = span(0, UINT64_MAX);

    (void)state;
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0, all, 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x1000, span(9, 9), 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x800, all, 1, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x1000, all, 0, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x1000, all, 0x3000, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0xd000, all, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(s2_area_set_find_free(&b->set, top, 0x1000, all, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(at.v, 0xbad);
    /* The answer is a multiple of the granule, whatever hint and alignment are. */
    assert_int_equal(s2_area_set_find_free(&b->set, S2_IPA(0x4001), 0x1000, all, 1, S2_FIT_LOWEST, &at), S2_OK);
    assert_int_equal(at.v, 0x5000);
    assert_int_equal(s2_area_set_find_free(&b->set, S2_IPA(0x8fff), 0x1000, all, 1, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at.v, 0x7000);
    assert_int_equal(s2_area_set_find_free(&b->set, top, 0xc000, all, 0x4000, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at.v, 0x4000);
    bytes_free(b);
}

/* --- re-entrance -------------------------------------------------------------------------------------------------- */

/* Every operation is refused, with an op of its own and with the one that is under way; lookups answer. */
static bool refused_inside(struct bytes *b, struct s2_op *op)
{
    struct s2_detail detail;
    struct s2_op own;
    bool good = s2_area_set_keep_cut(&b->set) == S2_EBUSY && s2_area_set_count(&b->set) > 0 &&
                s2_area_set_find_from(&b->set, S2_IPA(0), NULL);

    for (enum kind kind = MAP; good && kind < KINDS; kind++) {
        s2_op_begin(&own, NULL, &detail);
        good = act(b, &own, kind, span(0xc000, 0xd000)) == S2_EBUSY && detail.err == S2_EBUSY && own.ended;
        if (op)
            good = good && act(b, op, kind, span(0xc000, 0xd000)) == S2_EBUSY && !op->ended;
    }
    return good && s2_area_set_around(&b->set, S2_IPA(0xc000), NULL, NULL) == S2_AROUND_GAP;
}

static bool refusing_update(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)area;
    assert_true(refused_inside(arg, NULL));
    *attr = S2_ATTR(5);
    return true;
}

static void test_reentrance_of_every_operation(void **state)
{
    struct bytes *b = bytes_new(LO, HI, GRANULE);
    struct s2_area area = {.range = span(0x5000, 0x6000), .backend = &bytes_backend, .attr = S2_ATTR(4)};

    (void)state;
    assert_int_equal(bytes_map(b, 0x4000, 0x4000, 1, S2_MAP_NEW), S2_OK);
    b->callback = refused_inside;
    assert_int_equal(bytes_map(b, 0x8000, 0x1000, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(b->detail.err, S2_OK); /* what was refused inside is no story of the one under way */
    assert_int_equal(bytes_map(b, 0x8000, 0x2000, 2, S2_MAP_REPLACE), S2_OK);
    assert_int_equal(bytes_unmap(b, 0x7000, 0x2000), S2_OK);
    assert_int_equal(bytes_swap(b, &area, &bytes_backend), S2_OK);
    assert_int_equal(bytes_extend(b, 0x9000, 0x8000, 0xa000), S2_OK);
    assert_int_equal(bytes_protect(b, 0x5000, 0x1000, refusing_update, b), S2_OK);
    assert_int_equal(bytes_protect(b, 0x5000, 0x1000, to_two, b), S2_OK);
    assert_int_equal(bytes_rename(b, 0x5000, 3), S2_OK);
    b->refuse_with = S2_EPERM; /* while taking back, too */
    b->refuse_take = 3;
    assert_int_equal(bytes_unmap(b, 0x4000, 0x8000), S2_EPERM);
    b->refuse_take = 0;
    area = (struct s2_area){.range = span(0x5000, 0x6000), .backend = &bytes_backend, .attr = S2_ATTR(2), .name = 3};
    assert_int_equal(bytes_unmap_expected(b, &area), S2_OK);
    assert_int_equal(bytes_clear(b), S2_OK);
    bytes_check_table(b);
    bytes_free(b);
}

/* A callback may look; an operation is refused, whether with an op of its own or with the one that is under way. */
static bool reenter(struct bytes *b, struct s2_op *op)
{
    struct s2_area area = {.range = span(0x8000, 0x9000), .backend = &bytes_backend, .attr = S2_ATTR(1)};
    struct s2_detail detail = {0};
    struct s2_op own;

    s2_op_begin(&own, NULL, &detail);
    if (s2_area_set_map(&b->set, &own, &area, S2_MAP_NEW) != S2_EBUSY || detail.err != S2_EBUSY)
        return false;
    s2_op_begin(&own, NULL, NULL);
    return s2_area_set_unmap(&b->set, op, area.range) == S2_EBUSY && !op->ended &&
           s2_area_set_clear(&b->set, &own) == S2_EBUSY && !s2_area_set_find(&b->set, S2_IPA(0x8000), NULL);
}

static bool reentering_update(void *arg, const struct s2_area *area, s2_attr *attr)
{
    struct bytes *b = arg;
    struct s2_op own;

    s2_op_begin(&own, NULL, NULL);
    assert_int_equal(s2_area_set_protect(&b->set, &own, area->range, reentering_update, b), S2_EBUSY);
    *attr = S2_ATTR(2);
    return true;
}

static void test_reentrance(void **state)
{
    struct bytes *b = *state;

    b->callback = reenter;
    assert_int_equal(bytes_map(b, 0x1000, 0x3000, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 2, S2_MAP_REPLACE), S2_OK);
    assert_int_equal(bytes_unmap(b, 0x1000, 0x1800), S2_OK);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1800, reentering_update, b), S2_OK);
    assert_area(b, 0x2800, 0x2800, 0x3800, 2);
    bytes_check_table(b);
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
    assert_int_equal(bytes_checked(b, bytes_extend(b, 0x100, 0x100, 0x300)), S2_OK);
    b->callback = NULL;
    assert_area(b, 0x100, 0x100, 0x300, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_ranges),
        cmocka_unit_test_setup_teardown(test_init_arguments, bytes_setup, bytes_teardown),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(bad_ranges_are_refused_by_each),
        cmocka_unit_test(test_nothing_where_something_must_be),
        cmocka_unit_test_setup_teardown(an_area_has_a_backend, bytes_setup, bytes_teardown),
        cmocka_unit_test(test_find_free_arguments),
        cmocka_unit_test(test_bad_searches),
        cmocka_unit_test(test_reentrance_of_every_operation),
        cmocka_unit_test_setup_teardown(test_reentrance, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(callbacks_only_look, bytes_setup, bytes_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
