/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Addresses and ranges: every operation at the ends of its domain, for IPA and PA alike; small arithmetic; errors. */
#include "unit.h"

#include <string.h>

#include <stage2/addr.h>
#include <stage2/error.h>

#include "base/bits.h"

#define MAX UINT64_MAX

static void test_align_numbers(void **state)
{
    static const struct {
        uint64_t x, align;
        bool down_ok, up_ok;
        uint64_t down, up, offset;
    } rows[] = {
        {0, 1, true, true, 0, 0, 0},
        {0, 0x1000, true, true, 0, 0, 0},
        {1, 0x1000, true, true, 0, 0x1000, 1},
        {0xfff, 0x1000, true, true, 0, 0x1000, 0xfff},
        {0x1000, 0x1000, true, true, 0x1000, 0x1000, 0},
        {0x1234567, 0x200000, true, true, 0x1200000, 0x1400000, 0x34567},
        {MAX, 1, true, true, MAX, MAX, 0},
        {MAX, 2, true, false, MAX - 1, 0, 1},
        {MAX - 1, 2, true, true, MAX - 1, MAX - 1, 0},
        {MAX - 0xfff, 0x1000, true, true, MAX - 0xfff, MAX - 0xfff, 0},
        {MAX - 0xffe, 0x1000, true, false, MAX - 0xfff, 0, 1},
        {1ull << 63, 1ull << 63, true, true, 1ull << 63, 1ull << 63, 0},
        {(1ull << 63) + 1, 1ull << 63, true, false, 1ull << 63, 0, 1},
        {5, 0, false, false, 0, 0, 0},
        {5, 3, false, false, 0, 0, 0},
        {5, 0x1001, false, false, 0, 0, 0},
        {5, MAX, false, false, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t out = 77;

        assert_int_equal(s2_align_down(rows[i].x, rows[i].align, &out), rows[i].down_ok);
        assert_int_equal(out, rows[i].down_ok ? rows[i].down : 77);
        out = 77;
        assert_int_equal(s2_align_up(rows[i].x, rows[i].align, &out), rows[i].up_ok);
        assert_int_equal(out, rows[i].up_ok ? rows[i].up : 77);
        out = 77;
        assert_int_equal(s2_align_offset(rows[i].x, rows[i].align, &out), rows[i].down_ok);
        assert_int_equal(out, rows[i].down_ok ? rows[i].offset : 77);
        assert_int_equal(s2_is_aligned(rows[i].x, rows[i].align), rows[i].down_ok && rows[i].offset == 0);
    }
}

/* The same test for both types. */
#define TEST_PAGE(T, suffix, P)                                                                                        \
    do {                                                                                                               \
        s2_##T up = {77};                                                                                              \
        assert_int_equal(s2_##T##_align_down_##suffix((s2_##T){3 * P - 1}).v, 2 * P);                                  \
        assert_true(s2_##T##_align_up_##suffix((s2_##T){2 * P + 1}, &up));                                             \
        assert_int_equal(up.v, 3 * P);                                                                                 \
        assert_false(s2_##T##_align_up_##suffix((s2_##T){MAX}, &up));                                                  \
        assert_int_equal(up.v, 3 * P);                                                                                 \
        assert_int_equal(s2_##T##_align_offset_##suffix((s2_##T){2 * P + 5}), 5);                                      \
        assert_true(s2_##T##_is_aligned_##suffix((s2_##T){5 * P}));                                                    \
        assert_false(s2_##T##_is_aligned_##suffix((s2_##T){5 * P + P / 2}));                                           \
        struct s2_##T##_pages it;                                                                                      \
        struct s2_##T##_range pages = {{P}, {4 * P}};                                                                  \
        s2_##T page;                                                                                                   \
        assert_true(s2_##T##_pages_##suffix(&it, pages));                                                              \
        for (uint64_t i = 1; i < 4; i++) {                                                                             \
            assert_true(s2_##T##_pages_next(&it, &page));                                                              \
            assert_int_equal(page.v, i *P);                                                                            \
        }                                                                                                              \
        assert_false(s2_##T##_pages_next(&it, &page));                                                                 \
        assert_false(s2_##T##_pages_next(&it, &page));                                                                 \
        pages.end.v++;                                                                                                 \
        assert_false(s2_##T##_pages_##suffix(&it, pages));                                                             \
    } while (0)

#define TEST_TYPE(T, NAME)                                                                                             \
    static void test_##T##_alignment(void **state)                                                                     \
    {                                                                                                                  \
        s2_##T out = {77};                                                                                             \
        uint64_t n = 77;                                                                                               \
                                                                                                                       \
        (void)state;                                                                                                   \
        assert_true(s2_##T##_align_down((s2_##T){0x1fff}, 0x1000, &out));                                              \
        assert_int_equal(out.v, 0x1000);                                                                               \
        assert_true(s2_##T##_align_up((s2_##T){0x1001}, 0x1000, &out));                                                \
        assert_int_equal(out.v, 0x2000);                                                                               \
        assert_false(s2_##T##_align_up((s2_##T){MAX}, 0x1000, &out));                                                  \
        assert_false(s2_##T##_align_up((s2_##T){0}, 0, &out));                                                         \
        assert_false(s2_##T##_align_down((s2_##T){0}, 0x1800, &out));                                                  \
        assert_int_equal(out.v, 0x2000);                                                                               \
        assert_true(s2_##T##_align_offset((s2_##T){0x1fff}, 0x1000, &n));                                              \
        assert_int_equal(n, 0xfff);                                                                                    \
        assert_false(s2_##T##_align_offset((s2_##T){0}, 0, &n));                                                       \
        assert_true(s2_##T##_is_aligned((s2_##T){0x3000}, 0x1000));                                                    \
        assert_false(s2_##T##_is_aligned((s2_##T){0x3000}, 0x2000));                                                   \
        assert_false(s2_##T##_is_aligned((s2_##T){0}, 0));                                                             \
        TEST_PAGE(T, 4k, S2_PAGE_4K);                                                                                  \
        TEST_PAGE(T, 2m, S2_PAGE_2M);                                                                                  \
        TEST_PAGE(T, 1g, S2_PAGE_1G);                                                                                  \
    }                                                                                                                  \
    static void test_##T##_comparison(void **state)                                                                    \
    {                                                                                                                  \
        s2_##T a = {1}, b = {2};                                                                                       \
                                                                                                                       \
        (void)state;                                                                                                   \
        assert_true(s2_##T##_eq(a, a) && !s2_##T##_eq(a, b));                                                          \
        assert_true(s2_##T##_lt(a, b) && !s2_##T##_lt(b, a) && !s2_##T##_lt(a, a));                                    \
        assert_true(s2_##T##_le(a, b) && !s2_##T##_le(b, a) && s2_##T##_le(a, a));                                     \
        assert_int_equal(s2_##T##_cmp(a, b), -1);                                                                      \
        assert_int_equal(s2_##T##_cmp(a, a), 0);                                                                       \
        assert_int_equal(s2_##T##_cmp((s2_##T){MAX}, a), 1);                                                           \
    }                                                                                                                  \
    static void test_##T##_checked(void **state)                                                                       \
    {                                                                                                                  \
        s2_##T out = {77};                                                                                             \
        uint64_t n = 77;                                                                                               \
        int64_t d = 77;                                                                                                \
                                                                                                                       \
        (void)state;                                                                                                   \
        assert_true(s2_##T##_add((s2_##T){MAX - 1}, 1, &out));                                                         \
        assert_int_equal(out.v, MAX);                                                                                  \
        assert_false(s2_##T##_add((s2_##T){MAX - 1}, 2, &out));                                                        \
        assert_true(s2_##T##_sub((s2_##T){5}, 5, &out));                                                               \
        assert_int_equal(out.v, 0);                                                                                    \
        out.v = 77;                                                                                                    \
        assert_false(s2_##T##_sub((s2_##T){5}, 6, &out));                                                              \
        assert_true(s2_##T##_sub_addr((s2_##T){9}, (s2_##T){4}, &n));                                                  \
        assert_int_equal(n, 5);                                                                                        \
        assert_false(s2_##T##_sub_addr((s2_##T){4}, (s2_##T){9}, &n));                                                 \
        assert_int_equal(n, 5);                                                                                        \
        assert_false(s2_##T##_offset((s2_##T){5}, -6, &out));                                                          \
        assert_false(s2_##T##_offset((s2_##T){MAX}, 1, &out));                                                         \
        assert_int_equal(out.v, 77);                                                                                   \
        assert_true(s2_##T##_offset((s2_##T){5}, -5, &out));                                                           \
        assert_int_equal(out.v, 0);                                                                                    \
        assert_true(s2_##T##_offset((s2_##T){1ull << 63}, INT64_MIN, &out));                                           \
        assert_int_equal(out.v, 0);                                                                                    \
        assert_true(s2_##T##_offset((s2_##T){1}, INT64_MAX, &out));                                                    \
        assert_int_equal(out.v, 1ull << 63);                                                                           \
        assert_true(s2_##T##_offset_from((s2_##T){4}, (s2_##T){9}, &d));                                               \
        assert_int_equal(d, -5);                                                                                       \
        assert_true(s2_##T##_offset_from((s2_##T){0}, (s2_##T){1ull << 63}, &d));                                      \
        assert_int_equal(d, INT64_MIN);                                                                                \
        assert_false(s2_##T##_offset_from((s2_##T){0}, (s2_##T){(1ull << 63) + 1}, &d));                               \
        assert_false(s2_##T##_offset_from((s2_##T){1ull << 63}, (s2_##T){0}, &d));                                     \
        assert_int_equal(d, INT64_MIN);                                                                                \
    }                                                                                                                  \
    static void test_##T##_wrapping(void **state)                                                                      \
    {                                                                                                                  \
        s2_##T out;                                                                                                    \
        uint64_t n;                                                                                                    \
                                                                                                                       \
        (void)state;                                                                                                   \
        assert_int_equal(s2_##T##_wrapping_add((s2_##T){MAX}, 2).v, 1);                                                \
        assert_int_equal(s2_##T##_wrapping_sub((s2_##T){1}, 2).v, MAX);                                                \
        assert_int_equal(s2_##T##_wrapping_sub_addr((s2_##T){1}, (s2_##T){3}), MAX - 1);                               \
        assert_int_equal(s2_##T##_wrapping_offset((s2_##T){1}, -2).v, MAX);                                            \
        assert_int_equal(s2_##T##_wrapping_offset((s2_##T){MAX}, 2).v, 1);                                             \
        assert_true(s2_##T##_overflowing_add((s2_##T){MAX}, 2, &out));                                                 \
        assert_int_equal(out.v, 1);                                                                                    \
        assert_false(s2_##T##_overflowing_add((s2_##T){MAX - 2}, 2, &out));                                            \
        assert_int_equal(out.v, MAX);                                                                                  \
        assert_true(s2_##T##_overflowing_sub((s2_##T){1}, 2, &out));                                                   \
        assert_int_equal(out.v, MAX);                                                                                  \
        assert_false(s2_##T##_overflowing_sub((s2_##T){2}, 2, &out));                                                  \
        assert_int_equal(out.v, 0);                                                                                    \
        assert_true(s2_##T##_overflowing_sub_addr((s2_##T){1}, (s2_##T){2}, &n));                                      \
        assert_int_equal(n, MAX);                                                                                      \
        assert_false(s2_##T##_overflowing_sub_addr((s2_##T){3}, (s2_##T){2}, &n));                                     \
        assert_int_equal(n, 1);                                                                                        \
    }                                                                                                                  \
    static struct s2_##T##_range T##_span(uint64_t start, uint64_t end)                                                \
    {                                                                                                                  \
        return (struct s2_##T##_range){{start}, {end}};                                                                \
    }                                                                                                                  \
    static void test_##T##_ranges(void **state)                                                                        \
    {                                                                                                                  \
        struct s2_##T##_range r = T##_span(0x1000, 0x2000), out = T##_span(7, 7);                                      \
                                                                                                                       \
        (void)state;                                                                                                   \
        assert_false(s2_##T##_range((s2_##T){2}, (s2_##T){1}, &out));                                                  \
        assert_false(s2_##T##_range_sized((s2_##T){2}, MAX - 1, &out));                                                \
        assert_int_equal(out.start.v, 7);                                                                              \
        assert_true(s2_##T##_range((s2_##T){2}, (s2_##T){2}, &out));                                                   \
        assert_true(s2_##T##_range_is_empty(out));                                                                     \
        assert_int_equal(s2_##T##_range_size(out), 0);                                                                 \
        assert_true(s2_##T##_range_sized((s2_##T){2}, MAX - 2, &out));                                                 \
        assert_int_equal(out.end.v, MAX);                                                                              \
        assert_int_equal(s2_##T##_range_size(out), MAX - 2);                                                           \
        assert_int_equal(s2_##T##_range_size(T##_span(9, 3)), 0);                                                      \
        assert_true(s2_##T##_range_is_empty(T##_span(9, 3)));                                                          \
        assert_false(s2_##T##_range_contains(r, (s2_##T){0xfff}));                                                     \
        assert_true(s2_##T##_range_contains(r, (s2_##T){0x1000}));                                                     \
        assert_true(s2_##T##_range_contains(r, (s2_##T){0x1fff}));                                                     \
        assert_false(s2_##T##_range_contains(r, (s2_##T){0x2000}));                                                    \
    }                                                                                                                  \
    /* contains, contained in, overlaps, and what they meet in; r is [0x1000, 0x2000) */                               \
    static void test_##T##_range_pairs(void **state)                                                                   \
    {                                                                                                                  \
        static const struct {                                                                                          \
            uint64_t start, end;                                                                                       \
            bool contains, contained, overlaps;                                                                        \
        } rows[] = {                                                                                                   \
            {0x0, 0x1000, false, false, false},    {0x0, 0x1001, false, false, true},                                  \
            {0x0, 0x2000, false, true, true},      {0x0, 0x2001, false, true, true},                                   \
            {0x1000, 0x1000, true, false, false},  {0x1000, 0x1001, true, false, true},                                \
            {0x1000, 0x2000, true, true, true},    {0x1000, 0x2001, false, true, true},                                \
            {0x1800, 0x1800, true, false, false},  {0x1fff, 0x2000, true, false, true},                                \
            {0x1fff, 0x2001, false, false, true},  {0x2000, 0x2000, true, false, false},                               \
            {0x2000, 0x3000, false, false, false}, {0x1900, 0x1800, true, false, false},                               \
        };                                                                                                             \
        struct s2_##T##_range r = T##_span(0x1000, 0x2000), meet;                                                      \
                                                                                                                       \
        (void)state;                                                                                                   \
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {                                                  \
            struct s2_##T##_range o = T##_span(rows[i].start, rows[i].end);                                            \
            assert_int_equal(s2_##T##_range_contains_range(r, o), rows[i].contains);                                   \
            assert_int_equal(s2_##T##_range_contained_in(r, o), rows[i].contained);                                    \
            assert_int_equal(s2_##T##_range_overlaps(r, o), rows[i].overlaps);                                         \
            assert_int_equal(s2_##T##_range_overlaps(o, r), rows[i].overlaps);                                         \
            meet = T##_span(7, 7);                                                                                     \
            assert_int_equal(s2_##T##_range_meet(o, r, &meet), rows[i].overlaps);                                      \
            assert_int_equal(meet.start.v, !rows[i].overlaps ? 7 : s2_max_u64(0x1000, rows[i].start));                 \
            assert_int_equal(meet.end.v, !rows[i].overlaps ? 7 : s2_min_u64(0x2000, rows[i].end));                     \
        }                                                                                                              \
    }                                                                                                                  \
    static void test_##T##_pages(void **state)                                                                         \
    {                                                                                                                  \
        struct s2_##T##_pages it;                                                                                      \
        s2_##T page = {0};                                                                                             \
        unsigned n = 0;                                                                                                \
                                                                                                                       \
        (void)state;                                                                                                   \
        assert_false(s2_##T##_pages(&it, T##_span(0, 0x1000), 0));                                                     \
        assert_false(s2_##T##_pages(&it, T##_span(0, 0x1800), 0x600));                                                 \
        assert_false(s2_##T##_pages(&it, T##_span(0x800, 0x2000), 0x1000));                                            \
        assert_false(s2_##T##_pages(&it, T##_span(0, 0x1800), 0x1000));                                                \
        assert_true(s2_##T##_pages(&it, T##_span(0x3000, 0x1000), 0x1000));                                            \
        assert_false(s2_##T##_pages_next(&it, &page));                                                                 \
        /* The last page before 2^64 - 1 that a range can name; stepping past it wraps and is not seen. */             \
        assert_true(s2_##T##_pages(&it, T##_span(MAX - 0x2fff, MAX - 0xfff), 0x1000));                                 \
        while (s2_##T##_pages_next(&it, &page))                                                                        \
            n++;                                                                                                       \
        assert_int_equal(n, 2);                                                                                        \
        assert_int_equal(page.v, MAX - 0x1fff);                                                                        \
    }                                                                                                                  \
    static void test_##T##_text(void **state)                                                                          \
    {                                                                                                                  \
        char buf[S2_ADDR_TEXT];                                                                                        \
                                                                                                                       \
        (void)state;                                                                                                   \
        assert_int_equal(s2_##T##_format((s2_##T){0x1abc}, S2_HEX_LOWER, buf, sizeof(buf)), strlen(NAME ":0x1abc"));   \
        assert_string_equal(buf, NAME ":0x1abc");                                                                      \
        (void)s2_##T##_format((s2_##T){0x1abc}, S2_HEX_UPPER, buf, sizeof(buf));                                       \
        assert_string_equal(buf, NAME ":0x1ABC");                                                                      \
        (void)s2_##T##_format((s2_##T){0}, S2_HEX_LOWER, buf, sizeof(buf));                                            \
        assert_string_equal(buf, NAME ":0x0");                                                                         \
        (void)s2_##T##_range_format(T##_span(0x1000, 0x2000), S2_HEX_LOWER, buf, sizeof(buf));                         \
        assert_string_equal(buf, NAME ":0x1000.." NAME ":0x2000");                                                     \
        assert_true(s2_##T##_range_format(T##_span(MAX, MAX), S2_HEX_UPPER, buf, sizeof(buf)) < sizeof(buf));          \
        assert_string_equal(buf, NAME ":0xFFFFFFFFFFFFFFFF.." NAME ":0xFFFFFFFFFFFFFFFF");                             \
        memset(buf, 'x', sizeof(buf));                                                                                 \
        assert_int_equal(s2_##T##_format((s2_##T){0x12345}, S2_HEX_LOWER, buf, 5), strlen(NAME ":0x12345"));           \
        assert_memory_equal(buf + 5, "xxx", 3);                                                                        \
        assert_int_equal(strlen(buf), 4);                                                                              \
        assert_memory_equal(buf, NAME ":0x12345", 4);                                                                  \
        assert_int_equal(s2_##T##_format((s2_##T){0x12345}, S2_HEX_LOWER, NULL, 0), strlen(NAME ":0x12345"));          \
    }

TEST_TYPE(ipa, "IPA")
TEST_TYPE(pa, "PA")

/* --- memory_addr's own scenarios, with their numbers; what panics there is refused here ----------------------------- */

static void test_scenario_alignment(void **state)
{
    const uint64_t addr = 0x12345678;
    uint64_t out;
    s2_pa pa = S2_PA(2 * S2_PAGE_4K + 0x123), up;

    (void)state;
    assert_true(s2_align_down(addr, S2_PAGE_4K, &out) && out == 0x12345000);
    assert_true(s2_align_up(addr, S2_PAGE_4K, &out) && out == 0x12346000);
    assert_true(s2_align_offset(addr, S2_PAGE_4K, &out) && out == 0x678);
    assert_true(s2_is_aligned(0x12345000, S2_PAGE_4K) && !s2_is_aligned(addr, S2_PAGE_4K));
    assert_int_equal(s2_pa_align_down_4k(S2_PA(addr)).v, 0x12345000);
    assert_true(s2_pa_align_up_4k(S2_PA(addr), &up) && up.v == 0x12346000);
    assert_int_equal(s2_pa_align_offset_4k(S2_PA(addr)), 0x678);
    assert_true(s2_pa_is_aligned_4k(S2_PA(0x12345000)) && !s2_pa_is_aligned_4k(S2_PA(addr)));
    assert_int_equal(s2_pa_align_down_4k(pa).v, 2 * S2_PAGE_4K);
    assert_true(s2_pa_align_up(pa, 0x1000, &up) && up.v == 3 * S2_PAGE_4K);
    assert_int_equal(s2_pa_align_offset_4k(pa), 0x123);
    assert_true(!s2_pa_is_aligned(pa, 0x1000) && s2_pa_is_aligned(S2_PA(2 * S2_PAGE_4K), 0x1000));
    assert_true(s2_pa_align_up(S2_PA(2 * S2_PAGE_4K), 0x1000, &up) && up.v == 2 * S2_PAGE_4K);
    assert_int_equal(S2_PAGE_4K, 4096);
    assert_int_equal(S2_PAGE_2M, 2097152);
    assert_int_equal(S2_PAGE_1G, 1073741824);
}

static void test_scenario_arithmetic(void **state)
{
    s2_ipa base = S2_IPA(0x1234), far = S2_IPA(0x1334), out;
    s2_ipa high = S2_IPA(MAX - 0x100), wrapped = S2_IPA(0xff);
    int64_t distance;
    uint64_t n;

    (void)state;
    assert_true(s2_ipa_lt(S2_IPA(0x1234), S2_IPA(0x5678)) && s2_ipa_le(S2_IPA(0x1234), S2_IPA(0x5678)));
    assert_false(s2_ipa_eq(S2_IPA(0x1234), S2_IPA(0x5678)));
    assert_true(s2_ipa_offset(base, 0x100, &out) && s2_ipa_eq(out, far));
    assert_true(s2_ipa_eq(s2_ipa_wrapping_offset(base, 0x100), far));
    assert_true(s2_ipa_offset_from(far, base, &distance) && distance == 0x100);
    assert_true(s2_ipa_add(base, 0x100, &out) && s2_ipa_eq(out, far));
    assert_true(s2_ipa_eq(s2_ipa_wrapping_add(base, 0x100), far));
    assert_true(s2_ipa_sub(far, 0x100, &out) && s2_ipa_eq(out, base));
    assert_true(s2_ipa_eq(s2_ipa_wrapping_sub(far, 0x100), base));
    assert_true(s2_ipa_sub_addr(far, base, &n) && n == 0x100);
    assert_int_equal(s2_ipa_wrapping_sub_addr(far, base), 0x100);

    assert_true(s2_ipa_eq(s2_ipa_wrapping_offset(high, 0x200), wrapped));
    assert_true(s2_ipa_eq(s2_ipa_wrapping_offset(wrapped, -0x200), high));
    assert_true(s2_ipa_eq(s2_ipa_wrapping_add(high, 0x200), wrapped));
    assert_true(s2_ipa_eq(s2_ipa_wrapping_sub(wrapped, 0x200), high));
    assert_int_equal(s2_ipa_wrapping_sub_addr(wrapped, high), 0x200);
    assert_true(s2_ipa_overflowing_add(high, 0x200, &out) && s2_ipa_eq(out, wrapped));
    assert_true(s2_ipa_overflowing_sub(wrapped, 0x200, &out) && s2_ipa_eq(out, high));
    assert_true(s2_ipa_overflowing_sub_addr(wrapped, high, &n) && n == 0x200);
}

static void test_scenario_panics(void **state)
{
    s2_ipa top = S2_IPA(MAX), zero = S2_IPA(0), out = S2_IPA(77);
    int64_t distance = 77;
    uint64_t n = 77;

    (void)state;
    assert_false(s2_ipa_offset(top, 1, &out));
    assert_false(s2_ipa_offset_from(top, zero, &distance));
    assert_false(s2_ipa_offset_from(zero, top, &distance));
    assert_false(s2_ipa_add(top, 1, &out));
    assert_false(s2_ipa_sub(zero, 1, &out));
    assert_false(s2_ipa_sub_addr(zero, S2_IPA(1), &n));
    assert_int_equal(out.v, 77);
    assert_int_equal(distance, 77);
    assert_int_equal(n, 77);
}

static void test_scenario_range(void **state)
{
    static const struct {
        uint64_t start, end;
        bool contains, contained, overlaps;
    } rows[] = {
        {0xfff, 0x1fff, false, false, true},   {0xfff, 0x2000, false, true, true},
        {0xfff, 0x2001, false, true, true},    {0x1000, 0x1fff, true, false, true},
        {0x1000, 0x2000, true, true, true},    {0x1000, 0x2001, false, true, true},
        {0x1001, 0x1fff, true, false, true},   {0x1001, 0x2000, true, false, true},
        {0x1001, 0x2001, false, false, true},  {0xfff, 0x1000, false, false, false},
        {0x2000, 0x2001, false, false, false}, {0x800, 0x1000, false, false, false},
        {0x800, 0x1001, false, false, true},   {0x1800, 0x2000, true, false, true},
        {0x1800, 0x2001, false, false, true},  {0x2000, 0x2800, false, false, false},
    };
    struct s2_ipa_range range, none = {0};
    char text[S2_ADDR_TEXT];

    (void)state;
    assert_true(s2_ipa_range(S2_IPA(0x1000), S2_IPA(0x2000), &range));
    assert_true(s2_ipa_range_is_empty(ipa_span(0x1000, 0x1000)) && s2_ipa_range_is_empty(ipa_span(0x1000, 0xfff)));
    assert_false(s2_ipa_range_is_empty(range));
    assert_int_equal(s2_ipa_range_size(range), 0x1000);
    assert_true(s2_ipa_range_contains(range, S2_IPA(0x1000)) && s2_ipa_range_contains(range, S2_IPA(0x1080)));
    assert_false(s2_ipa_range_contains(range, S2_IPA(0x2000)));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s2_ipa_range o = ipa_span(rows[i].start, rows[i].end);

        assert_int_equal(s2_ipa_range_contains_range(range, o), rows[i].contains);
        assert_int_equal(s2_ipa_range_contained_in(range, o), rows[i].contained);
        assert_int_equal(s2_ipa_range_overlaps(range, o), rows[i].overlaps);
    }
    assert_true(s2_ipa_range_is_empty(none) && s2_ipa_range_size(none) == 0 && none.start.v == 0 && none.end.v == 0);
    assert_false(s2_ipa_range(S2_IPA(0x2000), S2_IPA(0x1000), &range));
    (void)s2_ipa_range_format(ipa_span(0xfec000, 0xfff000), S2_HEX_LOWER, text, sizeof(text));
    assert_string_equal(text, "IPA:0xfec000..IPA:0xfff000");
    (void)s2_ipa_range_format(ipa_span(0xfec000, 0xfff000), S2_HEX_UPPER, text, sizeof(text));
    assert_string_equal(text, "IPA:0xFEC000..IPA:0xFFF000");
    (void)s2_pa_format(S2_PA(0x1abc), S2_HEX_UPPER, text, sizeof(text));
    assert_string_equal(text, "PA:0x1ABC");
}

static void test_bits(void **state)
{
    (void)state;
    assert_true(s2_is_pow2(1) && s2_is_pow2(1ull << 63));
    assert_false(s2_is_pow2(0) || s2_is_pow2(3) || s2_is_pow2(MAX));
    assert_int_equal(s2_popcount(0), 0);
    assert_int_equal(s2_popcount(MAX), 64);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(s2_popcount(1ull << i | 1), i ? 2 : 1);
    assert_int_equal(s2_popcount(0x8123456789abcdefull), 33);
    assert_int_equal(s2_log2(1), 0);
    assert_int_equal(s2_log2(0x1fff), 12);
    assert_int_equal(s2_log2(MAX), 63);
    assert_int_equal(s2_ctz(1), 0);
    assert_int_equal(s2_ctz(0x3000), 12);
    assert_int_equal(s2_bits_mask(63, 0), MAX);
    assert_int_equal(s2_bits_mask(47, 12), 0xfffffffff000);
    assert_int_equal(s2_bits_mask(5, 5), 0x20);
    assert_int_equal(s2_bits_get(0x12345678, 15, 8), 0x56);
    assert_int_equal(s2_min_u64(3, MAX), 3);
    assert_int_equal(s2_max_u64(3, MAX), MAX);
}

static void test_errors(void **state)
{
    struct s2_detail d = {.holder = 9};

    static const char *const names[] = {
        [S2_OK] = "OK",           [S2_EINVAL] = "EINVAL", [S2_EALIGN] = "EALIGN", [S2_ERANGE] = "ERANGE",
        [S2_EEXIST] = "EEXIST",   [S2_ENOENT] = "ENOENT", [S2_EATTR] = "EATTR",   [S2_EUNSUP] = "EUNSUP",
        [S2_EPERM] = "EPERM",     [S2_EBUSY] = "EBUSY",   [S2_ENODES] = "ENODES", [S2_ETABLES] = "ETABLES",
        [S2_EFRAMES] = "EFRAMES", [S2_EQUOTA] = "EQUOTA", [S2_ECUT] = "ECUT",     [S2_EREFUSED] = "EREFUSED",
        [S2_EDYING] = "EDYING",
    };

    (void)state;
    assert_string_equal(s2_err_name((enum s2_err)1000), "E?");
    assert_string_equal(s2_err_phrase((enum s2_err)1000), "failed for an unknown reason");
    assert_string_equal(s2_err_phrase(S2_OK), "success");
    assert_string_equal(s2_err_phrase(S2_EDYING), "belongs to a space that is being destroyed");
    for (enum s2_err e = S2_OK; e <= S2_EDYING; e++)
        assert_string_equal(s2_err_name(e), names[e]);
    assert_int_equal(s2_refuse(NULL, S2_EALIGN, S2_AXIS_PA, 1, 2, "x"), S2_EALIGN);
    assert_int_equal(s2_refuse_found(NULL, S2_EALIGN, S2_AXIS_PA, 1, 2, 3, 4, "x"), S2_EALIGN);
    assert_int_equal(s2_refuse_found(&d, S2_EEXIST, S2_AXIS_IPA, 1, 2, 3, 4, "overlaps"), S2_EEXIST);
    assert_int_equal(d.err, S2_EEXIST);
    assert_int_equal(d.axis, S2_AXIS_IPA);
    assert_int_equal(d.asked_start, 1);
    assert_int_equal(d.asked_end, 2);
    assert_int_equal(d.found_start, 3);
    assert_int_equal(d.found_end, 4);
    assert_int_equal(d.holder, 0);
    assert_string_equal(d.what, "overlaps");
    assert_int_equal(s2_refuse(&d, S2_EPERM, S2_AXIS_PA, 5, 6, "y"), S2_EPERM);
    assert_int_equal(d.found_end, 0);
}

#define BOTH(name) cmocka_unit_test(test_ipa_##name), cmocka_unit_test(test_pa_##name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_align_numbers),
        BOTH(alignment),
        BOTH(comparison),
        BOTH(checked),
        BOTH(wrapping),
        BOTH(ranges),
        BOTH(range_pairs),
        BOTH(pages),
        BOTH(text),
        cmocka_unit_test(test_scenario_alignment),
        cmocka_unit_test(test_scenario_arithmetic),
        cmocka_unit_test(test_scenario_panics),
        cmocka_unit_test(test_scenario_range),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_errors),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
