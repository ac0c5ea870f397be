/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The frame allocator: blocks, banks that start anywhere, promises, chosen addresses, clean and dirty. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <stage2/frames.h>

#include "model.h"

enum { MIB = 1 << 20 };
#define BASE 0x40000000ull

struct fixture {
    struct s2_port *port;
    struct s2_frames f;
    void *meta[2];
};

static void add_bank(struct fixture *x, unsigned i, uint64_t base, uint64_t bytes)
{
    x->meta[i] = malloc(s2_frames_meta_bytes(S2_PA(base), bytes));
    assert_int_equal(s2_frames_add(&x->f, S2_PA(base), bytes, x->meta[i], NULL), S2_OK);
}

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));

    x->port = model_create_simple(BASE, 64 * MIB, false);
    s2_frames_init(&x->f, x->port);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;

    assert_null(s2_frames_check(&x->f));
    assert_true(model_ok(x->port));
    free(x->meta[0]);
    free(x->meta[1]);
    model_destroy(x->port);
    free(x);
    return 0;
}

static struct s2_pa_range range(uint64_t start, uint64_t bytes)
{
    return (struct s2_pa_range){S2_PA(start), S2_PA(start + bytes)};
}

static void give_all(struct fixture *x, uint64_t base, uint64_t bytes)
{
    s2_frames_free(&x->f, range(base, bytes), false, false);
    assert_null(s2_frames_check(&x->f));
}

/* A new bank is all in use; what is given back joins into the largest aligned blocks, whatever the bank's ends. */
static void test_ragged_bank(void **state)
{
    struct fixture *x = *state;
    uint64_t base = BASE + 3 * S2_FRAME, bytes = 4 * MIB;

    add_bank(x, 0, base, bytes);
    assert_int_equal(x->f.total, 1024);
    assert_int_equal(x->f.free, 0);
    give_all(x, base, bytes);
    /* 0x3000..0x200000 is 1+4+8+...+256 frames, then 2M, then 0x400000..0x403000 is 2+1. */
    assert_int_equal(s2_frames_free_blocks(&x->f, 0), 2);
    assert_int_equal(s2_frames_free_blocks(&x->f, 1), 1);
    for (unsigned o = 2; o <= 9; o++)
        assert_int_equal(s2_frames_free_blocks(&x->f, o), 1);
    assert_int_equal(s2_frames_free_blocks(&x->f, 10), 0);
    assert_int_equal(x->f.free, 1024);
    assert_int_equal(x->f.clean, 0);
}

static void test_bad_banks(void **state)
{
    struct fixture *x = *state;
    struct s2_detail d;
    uint64_t meta[512];

    assert_int_equal(s2_frames_add(&x->f, S2_PA(BASE), 0, meta, &d), S2_EINVAL);
    assert_int_equal(s2_frames_add(&x->f, S2_PA(0ull - S2_FRAME), 2 * S2_FRAME, meta, &d), S2_EINVAL);
    assert_int_equal(s2_frames_add(&x->f, S2_PA(BASE + 1), S2_FRAME, meta, &d), S2_EALIGN);
    assert_int_equal(s2_frames_add(&x->f, S2_PA(BASE), S2_FRAME, (char *)meta + 1, &d), S2_EALIGN);
    add_bank(x, 0, BASE, MIB);
    assert_int_equal(s2_frames_add(&x->f, S2_PA(BASE + MIB - S2_FRAME), S2_FRAME, meta, &d), S2_EEXIST);
    assert_int_equal(d.found_start, BASE);
    assert_int_equal(d.found_end, BASE + MIB);
    assert_int_equal(x->f.regions, 1);
}

static void test_too_many_banks(void **state)
{
    struct fixture *x = *state;
    struct s2_detail d;
    uint64_t meta[S2_FRAME_REGIONS + 1][512];

    for (unsigned i = 0; i < S2_FRAME_REGIONS; i++)
        assert_int_equal(s2_frames_add(&x->f, S2_PA(BASE + i * MIB), S2_FRAME, meta[i], &d), S2_OK);
    assert_int_equal(s2_frames_add(&x->f, S2_PA(BASE + 32 * MIB), S2_FRAME, meta[S2_FRAME_REGIONS], &d), S2_ERANGE);
    assert_int_equal(d.asked_start, BASE + 32 * MIB);
    assert_int_equal(x->f.regions, S2_FRAME_REGIONS);
}

static void test_check_sees_damage(void **state)
{
    struct fixture *x = *state;
    struct s2_frame_region *r = &x->f.region[0];

    add_bank(x, 0, BASE, MIB);
    give_all(x, BASE, MIB);
    x->f.free++;
    assert_string_equal(s2_frames_check(&x->f), "the count of free frames is wrong");
    x->f.free--;
    x->f.clean++;
    assert_string_equal(s2_frames_check(&x->f), "the count of clean frames is wrong");
    x->f.clean--;
    x->f.reserved = x->f.free + 1;
    assert_string_equal(s2_frames_check(&x->f), "more frames are promised than free");
    x->f.reserved = 0;
    r->free[0][0] ^= 1; /* a frame that the block around it has, too */
    r->count[0]++;
    assert_non_null(s2_frames_check(&x->f));
    r->free[0][0] ^= 1;
    assert_non_null(s2_frames_check(&x->f));
    r->count[0]--;
}

/* A small block comes out of the smallest block that has it, so that large ones last. */
static void test_smallest_fit(void **state)
{
    struct fixture *x = *state;
    struct s2_block b;

    add_bank(x, 0, BASE, 8 * MIB);
    give_all(x, BASE, 2 * MIB);
    give_all(x, BASE + 4 * MIB, 64 * S2_FRAME);
    assert_int_equal(s2_frames_alloc(&x->f, 0, false, &b), S2_OK);
    assert_int_equal(b.pa.v, BASE + 4 * MIB);
    assert_int_equal(s2_frames_alloc(&x->f, 9, false, &b), S2_OK);
    assert_int_equal(b.pa.v, BASE);
    assert_int_equal(b.order, 9);
    /* Nothing of that size is left: the largest there is. */
    assert_int_equal(s2_frames_alloc(&x->f, 9, false, &b), S2_OK);
    assert_int_equal(b.order, 5);
    assert_int_equal(b.pa.v, BASE + 4 * MIB + 32 * S2_FRAME);
    assert_null(s2_frames_check(&x->f));
}

/* Every frame comes out once, and everything given back in another order joins again. */
static void test_exhaust_and_join(void **state)
{
    struct fixture *x = *state;
    struct s2_block b;
    bool seen[1024] = {0};

    add_bank(x, 0, BASE, 4 * MIB);
    give_all(x, BASE, 4 * MIB);
    for (unsigned i = 0; i < 1024; i++) {
        assert_int_equal(s2_frames_alloc(&x->f, 0, false, &b), S2_OK);
        uint64_t frame = (b.pa.v - BASE) / S2_FRAME;
        assert_false(seen[frame]);
        seen[frame] = true;
    }
    assert_int_equal(s2_frames_alloc(&x->f, 0, false, &b), S2_EFRAMES);
    for (unsigned i = 0; i < 1024; i++)
        s2_frames_free(&x->f, range(BASE + (i * 389 % 1024) * S2_FRAME, S2_FRAME), false, false);
    assert_int_equal(s2_frames_free_blocks(&x->f, 10), 1);
    assert_int_equal(x->f.free, 1024);
}

/* A promise holds whatever others take, down to the last frame. */
static void test_promises(void **state)
{
    struct fixture *x = *state;
    struct s2_block b;
    bool clean;

    add_bank(x, 0, BASE, 16 * S2_FRAME);
    give_all(x, BASE, 16 * S2_FRAME);
    assert_int_equal(s2_frames_reserve(&x->f, 17), S2_EFRAMES);
    assert_int_equal(s2_frames_reserve(&x->f, 12), S2_OK);
    assert_int_equal(s2_frames_reserve(&x->f, 5), S2_EFRAMES);
    /* Unpromised: only what nobody was promised, so a smaller block than asked for. */
    assert_int_equal(s2_frames_alloc(&x->f, 4, false, &b), S2_OK);
    assert_int_equal(b.order, 2);
    assert_int_equal(s2_frames_alloc(&x->f, 0, false, &b), S2_EFRAMES);
    assert_int_equal(s2_frames_alloc_at(&x->f, range(BASE + 8 * S2_FRAME, S2_FRAME), &clean, NULL), S2_EFRAMES);
    uint64_t got = 0;
    while (s2_frames_alloc(&x->f, 3, true, &b) == S2_OK)
        got += 1ull << b.order;
    assert_int_equal(got, 12);
    assert_int_equal(x->f.reserved, 0);
    s2_frames_free(&x->f, range(b.pa.v, S2_FRAME << b.order), false, true);
    assert_int_equal(x->f.reserved, 1ull << b.order);
    assert_int_equal(s2_frames_reserve(&x->f, 1), S2_EFRAMES);
    s2_frames_unreserve(&x->f, 1ull << b.order);
    assert_int_equal(s2_frames_reserve(&x->f, 1), S2_OK);
}

static void test_chosen_address(void **state)
{
    struct fixture *x = *state;
    struct s2_detail d;
    bool clean = true;

    add_bank(x, 0, BASE, 4 * MIB);
    add_bank(x, 1, BASE + 4 * MIB, 4 * MIB);
    give_all(x, BASE, 4 * MIB);
    struct s2_pa_range want = range(BASE + 5 * S2_FRAME, 1000 * S2_FRAME);
    assert_int_equal(s2_frames_alloc_at(&x->f, want, &clean, &d), S2_OK);
    assert_false(clean);
    assert_int_equal(x->f.free, 24);
    assert_false(s2_frames_is_free(&x->f, want.start));
    assert_true(s2_frames_is_free(&x->f, S2_PA(want.start.v - S2_FRAME)));
    assert_true(s2_frames_is_free(&x->f, want.end));
    assert_null(s2_frames_check(&x->f));

    /* In use, in part: nothing is taken and the first such frame is named. */
    assert_int_equal(s2_frames_alloc_at(&x->f, range(BASE, 8 * S2_FRAME), &clean, &d), S2_EEXIST);
    assert_int_equal(d.found_start, BASE + 5 * S2_FRAME);
    assert_int_equal(x->f.free, 24);
    assert_int_equal(s2_frames_alloc_at(&x->f, range(BASE, 0), &clean, &d), S2_EINVAL);
    assert_int_equal(s2_frames_alloc_at(&x->f, range(BASE + 1, S2_FRAME), &clean, &d), S2_EALIGN);
    assert_int_equal(s2_frames_alloc_at(&x->f, range(BASE + 3 * MIB, 2 * MIB), &clean, &d), S2_ENOENT);
    assert_int_equal(s2_frames_alloc_at(&x->f, range(0x1000, S2_FRAME), &clean, &d), S2_ENOENT);
    s2_frames_free(&x->f, want, false, false);
    assert_int_equal(s2_frames_free_blocks(&x->f, 10), 1);
}

static void fill(struct fixture *x, uint64_t pa, uint64_t frames)
{
    for (uint64_t i = 0; i < frames; i++)
        memset(model_ram(x->port, pa + i * S2_FRAME), 0xa5, S2_FRAME);
}

static bool all_zero(struct fixture *x, uint64_t pa, uint64_t frames)
{
    static const unsigned char zero[S2_FRAME];

    for (uint64_t i = 0; i < frames; i++)
        if (memcmp(model_ram(x->port, pa + i * S2_FRAME), zero, S2_FRAME) != 0)
            return false;
    return true;
}

/* Scrubbing goes in bounded steps, reaches everything that is free, and touches nothing that is not. */
static void test_scrub(void **state)
{
    struct fixture *x = *state;
    struct s2_block b;
    unsigned steps = 1;

    add_bank(x, 0, BASE, MIB);
    add_bank(x, 1, BASE + 2 * MIB, MIB);
    fill(x, BASE, 256);
    fill(x, BASE + 2 * MIB, 256);
    give_all(x, BASE, MIB / 2);
    give_all(x, BASE + 2 * MIB + 7 * S2_FRAME, 100 * S2_FRAME);
    while (s2_frames_scrub_step(&x->f, 16)) {
        assert_null(s2_frames_check(&x->f));
        assert_true(++steps < 1000);
    }
    assert_true(steps >= (128 + 100) / 16);
    assert_int_equal(x->f.clean, 228);
    assert_true(all_zero(x, BASE, 128));
    assert_true(all_zero(x, BASE + 2 * MIB + 7 * S2_FRAME, 100));
    assert_false(all_zero(x, BASE + MIB / 2, 1));
    assert_false(all_zero(x, BASE + 2 * MIB + 6 * S2_FRAME, 1));
    assert_false(all_zero(x, BASE + 2 * MIB + 107 * S2_FRAME, 1));

    /* Clean while nothing was written, dirty when something was; a mixed block is not clean. */
    assert_int_equal(s2_frames_alloc(&x->f, 3, false, &b), S2_OK);
    assert_true(b.clean);
    s2_frames_free(&x->f, range(b.pa.v, 8 * S2_FRAME), true, false);
    assert_int_equal(x->f.clean, 228);
    bool clean = true;
    struct s2_pa_range eight = range(b.pa.v, 8 * S2_FRAME);
    assert_int_equal(s2_frames_alloc_at(&x->f, eight, &clean, NULL), S2_OK);
    assert_true(clean);
    s2_frames_free(&x->f, range(b.pa.v, S2_FRAME), false, false);
    s2_frames_free(&x->f, range(b.pa.v + S2_FRAME, 7 * S2_FRAME), true, false);
    assert_int_equal(x->f.clean, 227);
    assert_int_equal(s2_frames_alloc_at(&x->f, eight, &clean, NULL), S2_OK);
    assert_false(clean);
    s2_frames_free(&x->f, eight, true, false);
    assert_int_equal(x->f.clean, 227);
}

/* Promised frames are never out of reach, not even while they are scrubbed. */
static void test_scrub_leaves_promises(void **state)
{
    struct fixture *x = *state;

    add_bank(x, 0, BASE, 64 * S2_FRAME);
    give_all(x, BASE, 64 * S2_FRAME);
    assert_int_equal(s2_frames_reserve(&x->f, 64), S2_OK);
    assert_true(s2_frames_scrub_step(&x->f, 16));
    assert_int_equal(x->f.clean, 0);
    s2_frames_unreserve(&x->f, 1);
    for (unsigned i = 0; i < 200; i++)
        (void)s2_frames_scrub_step(&x->f, 16);
    assert_int_equal(x->f.clean, 64);
}

/* Zeroing crosses windows and cleans what it wrote. */
static void test_zero(void **state)
{
    struct fixture *x = *state;
    uint64_t pa = BASE + 2 * MIB - 3 * S2_FRAME;

    add_bank(x, 0, BASE, 8 * MIB);
    fill(x, pa - S2_FRAME, 8);
    s2_frames_zero(x->port, S2_PA(pa), 6 * S2_FRAME);
    assert_true(all_zero(x, pa, 6));
    assert_false(all_zero(x, pa - S2_FRAME, 1));
    assert_false(all_zero(x, pa + 6 * S2_FRAME, 1));
}

/* How much is free in how large pieces: 3 MiB free as 2 + 1, and one frame of the 2 taken. */
static void test_stats(void **state)
{
    struct fixture *x = *state;
    struct s2_frames_stats s;
    bool clean;

    add_bank(x, 0, BASE, 4 * MIB);
    s2_frames_stats(&x->f, &s);
    assert_int_equal(s.largest_order, S2_FRAME_ORDERS);
    assert_int_equal(s2_frames_fragmentation(&s, 9), 0);
    give_all(x, BASE, 3 * MIB);
    s2_frames_stats(&x->f, &s);
    assert_int_equal(s.total, 1024);
    assert_int_equal(s.free, 768);
    assert_int_equal(s.clean, 0);
    assert_int_equal(s.largest_order, 9);
    assert_int_equal(s.usable[8], 768);
    assert_int_equal(s.usable[9], 512);
    assert_int_equal(s.usable[10], 0);
    assert_int_equal(s2_frames_fragmentation(&s, 8), 0);
    assert_int_equal(s2_frames_fragmentation(&s, 9), 334);
    assert_int_equal(s2_frames_fragmentation(&s, 10), 1000);
    assert_int_equal(s2_frames_reserve(&x->f, 5), S2_OK);
    assert_int_equal(s2_frames_alloc_at(&x->f, range(BASE + 7 * S2_FRAME, S2_FRAME), &clean, NULL), S2_OK);
    s2_frames_stats(&x->f, &s);
    assert_int_equal(s.reserved, 5);
    assert_int_equal(s.free, 767);
    assert_int_equal(s.largest_order, 8);
    for (unsigned o = 0; o < 8; o++)
        assert_int_equal(s.blocks[o], 1);
    assert_int_equal(s.blocks[8], 2);
    assert_int_equal(s.usable[0], 767);
    assert_int_equal(s.usable[4], 767 - 1 - 2 - 4 - 8);
    s2_frames_unreserve(&x->f, 5);
}

/* Banks that touch hold what runs from one into the next; several allocators tell by it whose a range is. */
static void test_holds(void **state)
{
    struct fixture *x = *state;

    add_bank(x, 0, BASE + 4 * MIB, MIB);
    add_bank(x, 1, BASE + 3 * MIB, MIB);
    assert_true(s2_frames_holds(&x->f, range(BASE + 3 * MIB, 2 * MIB)));
    assert_true(s2_frames_holds(&x->f, range(BASE + 5 * MIB - S2_FRAME, S2_FRAME)));
    assert_false(s2_frames_holds(&x->f, range(BASE + 5 * MIB - S2_FRAME, 2 * S2_FRAME)));
    assert_false(s2_frames_holds(&x->f, range(BASE + 3 * MIB - S2_FRAME, 2 * S2_FRAME)));
    assert_false(s2_frames_holds(&x->f, range(BASE + 5 * MIB, S2_FRAME)));
    assert_false(s2_frames_holds(&x->f, range(BASE + 4 * MIB, 0)));
    assert_false(s2_frames_holds(&x->f, range(BASE + 4 * MIB, 0 - (uint64_t)MIB)));
}

/* One run of memory of which two allocators have parts, one in two banks: each gets its own, and the rest is left alone. */
static void test_joined(void **state)
{
    struct fixture *x = *state;
    static struct s2_frames other, third;
    void *meta = malloc(s2_frames_meta_bytes(S2_PA(BASE), MIB));

    s2_frames_init(&other, x->port);
    s2_frames_init(&third, x->port);
    s2_frames_join(&x->f, &other);
    s2_frames_join(&x->f, &third);
    add_bank(x, 0, BASE, MIB);
    add_bank(x, 1, BASE + 2 * MIB, MIB);
    assert_int_equal(s2_frames_add(&other, S2_PA(BASE + MIB), MIB / 2, meta, NULL), S2_OK);
    s2_frames_give_back(&third, range(BASE + S2_FRAME, 2 * MIB));
    assert_int_equal(x->f.free, 255 + 1);
    assert_int_equal(other.free, 128);
    assert_int_equal(third.free, 0);
    assert_true(s2_frames_is_free(&x->f, S2_PA(BASE + 2 * MIB)));
    assert_false(s2_frames_is_free(&x->f, S2_PA(BASE + 2 * MIB + S2_FRAME)));
    assert_false(s2_frames_is_free(&x->f, S2_PA(BASE)));
    assert_null(s2_frames_check(&x->f));
    assert_null(s2_frames_check(&other));
    s2_frames_give_back(&x->f, range(BASE, S2_FRAME));
    assert_int_equal(x->f.free, 257);
    assert_int_equal(x->f.clean, 0);
    free(meta);
}

/* Random takings and givings against an array of owners. */
static void test_random(void **state)
{
    struct fixture *x = *state;
    static struct s2_block held[600];
    unsigned n = 0;
    uint32_t seed = 12345;
    uint64_t out = 0, bytes = 3 * MIB + 5 * S2_FRAME;

    add_bank(x, 0, BASE + 11 * S2_FRAME, bytes);
    give_all(x, BASE + 11 * S2_FRAME, bytes);
    uint64_t total = bytes / S2_FRAME;
    for (unsigned step = 0; step < 20000; step++) {
        seed = seed * 1664525u + 1013904223u;
        unsigned pick = seed >> 8;
        if (n < 600 && (pick & 1)) {
            if (s2_frames_alloc(&x->f, pick / 2 % 8, false, &held[n]) == S2_OK) {
                for (uint64_t i = 0; i < 1ull << held[n].order; i++)
                    assert_false(s2_frames_is_free(&x->f, S2_PA(held[n].pa.v + i * S2_FRAME)));
                out += 1ull << held[n].order;
                n++;
            }
        } else if (n) {
            unsigned i = pick / 2 % n;
            s2_frames_free(&x->f, range(held[i].pa.v, S2_FRAME << held[i].order), pick & 64, false);
            out -= 1ull << held[i].order;
            held[i] = held[--n];
        }
        assert_int_equal(x->f.free, total - out);
        if (step % 500 == 0)
            assert_null(s2_frames_check(&x->f));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_ragged_bank), TEST(test_bad_banks),      TEST(test_smallest_fit),   TEST(test_exhaust_and_join),
        TEST(test_promises),    TEST(test_chosen_address), TEST(test_scrub),          TEST(test_scrub_leaves_promises),
        TEST(test_zero),        TEST(test_random),         TEST(test_too_many_banks), TEST(test_check_sees_damage),
        TEST(test_stats),       TEST(test_joined),         TEST(test_holds),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
