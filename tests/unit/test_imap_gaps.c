/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Gaps of an interval map where they are rare: alignments that it keeps no account of, the top of the keys, rooms too large to count. */
#include "imap_row.h"

#define PAGE 0x1000ull

static const struct s2_imap_align leaves = {{12, 21, 30}};

static void expect_gap(const struct fixture *f, uint64_t size, uint64_t align, enum s2_fit fit, uint64_t want)
{
    uint64_t at = 0;

    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, size, align, fit, &at), S2_OK);
    assert_int_equal(at, want);
}

static void expect_none(const struct fixture *f, uint64_t size, uint64_t align)
{
    uint64_t at = 0;

    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, size, align, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, size, align, S2_FIT_HIGHEST, &at), S2_ENOENT);
    assert_int_equal(at, 0);
}

/* --- alignments without an account --------------------------------------------------------------------------------------------- */

enum { GAPS = 60, SIZE = 0x100 };

/* GAPS gaps of SIZE bytes that begin one byte off a multiple of SIZE, every 0x1000, then (and, from above, before them) one as
 * it is told; everything else is taken. */
static struct fixture *make_misaligned(uint64_t special, uint64_t bytes)
{
    struct fixture *f = make(0, 0x1000 * (GAPS + 2), S2_IMAP_BYTES);
    uint64_t before = 0;

    for (uint64_t i = 0; i < GAPS; i++) {
        uint64_t gap = 0x1000 * (i + 1) + 1;

        if (special == i) {
            insert(f, before, gap + 0x7ff);
            before = gap + 0x7ff + bytes;
        } else {
            insert(f, before, gap);
            before = gap + SIZE;
        }
    }
    insert(f, before, f->map.hi);
    return f;
}

/* A gap with the slack for every alignment is found from either end, however many disappoint first. */
static void a_gap_with_slack_is_found_behind_many(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < GAPS; at += 29) {
        struct fixture *f = make_misaligned(at, 2 * SIZE - 1);
        uint64_t gap = 0x1000 * (at + 1) + 0x800;

        expect_gap(f, SIZE, 1, S2_FIT_LOWEST, at == 0 ? 0x1800 : 0x1001);
        expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, gap);
        expect_gap(f, SIZE, SIZE, S2_FIT_HIGHEST, gap);
        unmake(f);
    }
}

/* One without is found too, when it is the only one that does; and none when there is none. */
static void a_gap_without_slack_is_found_last(void **state)
{
    struct fixture *f;

    (void)state;
    for (uint64_t at = 0; at < GAPS; at += 29) {
        f = make_misaligned(at, SIZE);
        expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, 0x1000 * (at + 1) + 0x800);
        expect_gap(f, SIZE, SIZE, S2_FIT_HIGHEST, 0x1000 * (at + 1) + 0x800);
        unmake(f);
    }
    f = make_misaligned(GAPS, 0);
    expect_none(f, SIZE, SIZE);
    expect_gap(f, SIZE, 1, S2_FIT_HIGHEST, 0x1000 * GAPS + 1);
    unmake(f);
}

/* After S2_IMAP_TRIES that disappoint, the lowest with slack is the answer, though one without lies before it. */
static void a_gap_with_slack_comes_before_one_without(void **state)
{
    const uint64_t without = 40, with = 50, gap = 0x1000 * (with + 1) + 1;
    struct fixture *f;

    (void)state;
    assert_true(without > S2_IMAP_TRIES && GAPS - with < S2_IMAP_TRIES);
    f = make_misaligned(without, SIZE);
    expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, 0x1000 * (without + 1) + 0x800);
    s2_imap_resize(&f->map, gap + SIZE, gap + 2 * SIZE - 1, gap + 0x1000);
    expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, gap + SIZE - 1);
    expect_gap(f, SIZE, SIZE, S2_FIT_HIGHEST, gap + SIZE - 1);
    unmake(f);
}

/* Between two of the alignments that there is an account of: gaps with room by the smaller of them. */
static void alignments_between_those_kept(void **state)
{
    struct fixture *f = make(0, MIB(1024), leaves);
    uint64_t before = 0;

    (void)state;
    for (uint64_t i = 1; i <= 50; i++) {
        uint64_t gap = MIB(16 * i) + KIB(64);

        insert(f, before, gap);
        before = gap + KIB(64);
    }
    insert(f, before, MIB(1024));
    expect_gap(f, KIB(64), KIB(64), S2_FIT_LOWEST, MIB(16) + KIB(64));
    expect_gap(f, KIB(64), KIB(64), S2_FIT_HIGHEST, MIB(16 * 50) + KIB(64));
    expect_none(f, KIB(64), KIB(128));
    expect_none(f, PAGE, MIB(2));
    expect_none(f, PAGE, MIB(1024));
    expect_none(f, PAGE, MIB(4096));
    s2_imap_resize(&f->map, MIB(16 * 30) + KIB(128), MIB(16 * 30) + KIB(192), MIB(16 * 31) + KIB(64));
    expect_gap(f, KIB(64), KIB(128), S2_FIT_LOWEST, MIB(16 * 30) + KIB(128));
    expect_gap(f, KIB(64), KIB(128), S2_FIT_HIGHEST, MIB(16 * 30) + KIB(128));
    unmake(f);
    /* In a root leaf, of which there is no account at all. */
    f = make(MIB(1), MIB(2), leaves);
    insert(f, MIB(1), MIB(1) + PAGE);
    insert(f, MIB(2) - PAGE, MIB(2));
    expect_none(f, PAGE, MIB(2));
    expect_none(f, PAGE, MIB(1024));
    expect_gap(f, PAGE, KIB(512), S2_FIT_LOWEST, MIB(1) + KIB(512));
    unmake(f);
}

/* --- the top of the keys ------------------------------------------------------------------------------------------------------- */

/* Behind the last multiple of an alignment there is none, though there is a gap. */
static void no_alignment_wraps_around(void **state)
{
    const uint64_t top = UINT64_MAX & ~(PAGE - 1), last = 0 - MIB(2);

    (void)state;
    for (unsigned n = 4; n <= 100; n += 96) {
        struct fixture *f = make(0 - MIB(64), top, leaves);

        for (uint64_t i = 0; i < n; i++)
            insert(f, last + 3 * PAGE * i + PAGE, last + 3 * PAGE * i + 2 * PAGE);
        expect_gap(f, 2 * PAGE, PAGE, S2_FIT_HIGHEST, top - 2 * PAGE);
        expect_gap(f, PAGE, MIB(2), S2_FIT_HIGHEST, last);
        expect_gap(f, 2 * PAGE, MIB(2), S2_FIT_HIGHEST, last - MIB(2));
        expect_gap(f, 2 * PAGE, MIB(2), S2_FIT_LOWEST, 0 - MIB(64));
        insert(f, 0 - MIB(64), last + PAGE);
        expect_none(f, PAGE, MIB(2));
        expect_none(f, PAGE, MIB(1024));
        expect_gap(f, 2 * PAGE, PAGE, S2_FIT_LOWEST, last + 2 * PAGE);
        unmake(f);
    }
}

/* Gaps of more units than are counted are told apart all the same. */
static void rooms_too_large_to_count(void **state)
{
    struct fixture *f = make(0, UINT64_MAX, S2_IMAP_BYTES);
    const uint64_t step = 1ull << 40;

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        insert(f, step * i, step * i + (i == 70 ? 1 : step / 2));
    expect_gap(f, step / 2, 1, S2_FIT_LOWEST, step / 2);
    expect_gap(f, step / 2 + 1, 1, S2_FIT_LOWEST, step * 70 + 1);
    expect_gap(f, step, 1, S2_FIT_LOWEST, step * 99 + step / 2);
    expect_gap(f, 1ull << 63, 1, S2_FIT_HIGHEST, UINT64_MAX - (1ull << 63));
    expect_gap(f, 1ull << 62, 1ull << 62, S2_FIT_HIGHEST, 2ull << 62);
    expect_none(f, 3ull << 62 | 1, 1ull << 62);
    unmake(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_with_slack_is_found_behind_many),
        cmocka_unit_test(a_gap_without_slack_is_found_last),
        cmocka_unit_test(a_gap_with_slack_comes_before_one_without),
        cmocka_unit_test(alignments_between_those_kept),
        cmocka_unit_test(no_alignment_wraps_around),
        cmocka_unit_test(rooms_too_large_to_count),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
