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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_ranges),
        cmocka_unit_test(test_nothing_where_something_must_be),
        cmocka_unit_test(test_bad_searches),
        cmocka_unit_test(test_reentrance_of_every_operation),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
