/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The frame allocator under the traffic of a host: VMs of mixed sizes come, touch their memory bit by bit, give some of it back
 * and go. Large aligned blocks last: what is free is always in the largest blocks that it can be in, none is broken while a smaller
 * one would do, and when all are gone the blocks are those of the start. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <stage2/frames.h>

#include "model.h"

enum { VMS = 24, MOST_BLOCKS = 4096, MIB_ORDER = 8, LEAF_ORDER = 9, GIB_ORDER = 18 };
#define FRAMES_OF_MIB(n) ((uint64_t)(n) << MIB_ORDER)

/* A whole GiB, and what a machine's second bank may look like. */
#define FIRST         0x40000000ull
#define FIRST_FRAMES  FRAMES_OF_MIB(1024)
#define SECOND        0x88803000ull
#define SECOND_FRAMES (FRAMES_OF_MIB(300) + 5)
#define FRAMES        (FIRST_FRAMES + SECOND_FRAMES)

struct vm {
    uint64_t frames, promised; /* 0: not defined; lazily taken, if promised */
    unsigned blocks, order;    /* the largest that it asks for */
    struct s2_block block[MOST_BLOCKS];
};

struct host {
    struct s2_port *port;
    struct s2_frames f;
    struct s2_frames_stats start;
    void *meta[2];
    uint32_t seed;
    uint64_t asked, broken,
        worst; /* blocks taken; free blocks of 2 MiB that were broken for one; most frames lost to leaves */
    struct vm vm[VMS];
    bool free[FRAMES];
};

static uint32_t below(struct host *h, uint32_t n)
{
    h->seed = h->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)h->seed * n >> 32);
}

static void add_bank(struct host *h, unsigned i, uint64_t base, uint64_t frames)
{
    h->meta[i] = malloc(s2_frames_meta_bytes(S2_PA(base), frames * S2_FRAME));
    assert_int_equal(s2_frames_add(&h->f, S2_PA(base), frames * S2_FRAME, h->meta[i], NULL), S2_OK);
    s2_frames_free(&h->f, (struct s2_pa_range){S2_PA(base), S2_PA(base + frames * S2_FRAME)}, false, false);
}

static int setup(void **state)
{
    struct host *h = calloc(1, sizeof(*h));

    h->port = model_create_simple(FIRST, 1 << 20, false);
    s2_frames_init(&h->f, h->port);
    add_bank(h, 0, FIRST, FIRST_FRAMES);
    add_bank(h, 1, SECOND, SECOND_FRAMES);
    memset(h->free, true, sizeof(h->free));
    s2_frames_stats(&h->f, &h->start);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct host *h = *state;

    assert_null(s2_frames_check(&h->f));
    assert_true(model_ok(h->port));
    free(h->meta[0]);
    free(h->meta[1]);
    model_destroy(h->port);
    free(h);
    return 0;
}

/* --- what is to be expected, from one flag per frame ---------------------------------------------------------------- */

static bool *flag(struct host *h, uint64_t pa)
{
    return pa < SECOND ? &h->free[(pa - FIRST) / S2_FRAME] : &h->free[FIRST_FRAMES + (pa - SECOND) / S2_FRAME];
}

static void mark(struct host *h, uint64_t pa, uint64_t frames, bool is_free)
{
    for (uint64_t i = 0; i < frames; i++) {
        bool *p = flag(h, pa + i * S2_FRAME);

        assert_int_equal(*p, !is_free);
        *p = is_free;
    }
}

/* The largest aligned block of free frames that begins at pa, before `end`. */
static unsigned whole_order(struct host *h, uint64_t pa, uint64_t end)
{
    unsigned order = 0;

    while (order + 1 < S2_FRAME_ORDERS && pa % (S2_FRAME << (order + 1)) == 0 &&
           pa + (S2_FRAME << (order + 1)) <= end) {
        for (uint64_t i = 1ull << order; i < 2ull << order; i++)
            if (!*flag(h, pa + i * S2_FRAME))
                return order;
        order++;
    }
    return order;
}

static void count_bank(struct host *h, uint64_t base, uint64_t frames, uint64_t blocks[S2_FRAME_ORDERS])
{
    uint64_t end = base + frames * S2_FRAME;

    for (uint64_t pa = base; pa < end;) {
        unsigned order = 0;

        if (*flag(h, pa))
            blocks[order = whole_order(h, pa, end)]++;
        pa += S2_FRAME << order;
    }
}

/* What is free is free in blocks as large as can be. */
static void assert_largest_blocks(struct host *h)
{
    uint64_t blocks[S2_FRAME_ORDERS] = {0};
    struct s2_frames_stats s;

    count_bank(h, FIRST, FIRST_FRAMES, blocks);
    count_bank(h, SECOND, SECOND_FRAMES, blocks);
    s2_frames_stats(&h->f, &s);
    for (unsigned o = 0; o < S2_FRAME_ORDERS; o++)
        assert_int_equal(s.blocks[o], blocks[o]);
}

/* --- traffic ---------------------------------------------------------------------------------------------------------- */

/* No block above the smallest one that holds what was asked for is touched; and one order above is touched once. */
static void assert_smallest_was_cut(const struct s2_frames_stats *before, const struct s2_frames_stats *now,
                                    unsigned got)
{
    unsigned cut = got;

    while (before->blocks[cut] == 0)
        cut++;
    for (unsigned o = cut + 1; o < S2_FRAME_ORDERS; o++)
        assert_int_equal(now->blocks[o], before->blocks[o]);
    assert_int_equal(now->blocks[cut], before->blocks[cut] - 1);
    for (unsigned o = got; o < cut; o++)
        assert_int_equal(now->blocks[o], 1);
}

static bool take(struct host *h, struct vm *vm, unsigned order)
{
    struct s2_frames_stats before, now;
    struct s2_block *b = &vm->block[vm->blocks];

    s2_frames_stats(&h->f, &before);
    if (vm->blocks == MOST_BLOCKS || s2_frames_alloc(&h->f, order, vm->promised != 0, b))
        return false;
    s2_frames_stats(&h->f, &now);
    assert_smallest_was_cut(&before, &now, b->order);
    /* Less than what was asked for only when there was no such block, or not so much left of the promise. */
    uint64_t may = vm->promised ? before.reserved : before.free - before.reserved;
    if (b->order < order)
        assert_true(before.largest_order == b->order || 2ull << b->order > may || before.usable[b->order + 1] == 0);
    mark(h, b->pa.v, 1ull << b->order, false);
    h->asked++;
    h->broken += now.usable[LEAF_ORDER] + (1ull << LEAF_ORDER) == before.usable[LEAF_ORDER] && b->order < LEAF_ORDER;
    vm->promised -= vm->promised ? 1ull << b->order : 0;
    vm->blocks++;
    return true;
}

static void give(struct host *h, struct vm *vm, unsigned i)
{
    struct s2_block b = vm->block[i];

    s2_frames_free(&h->f, (struct s2_pa_range){b.pa, S2_PA(b.pa.v + (S2_FRAME << b.order))}, false, false);
    mark(h, b.pa.v, 1ull << b.order, true);
    vm->block[i] = vm->block[--vm->blocks];
}

static void populate(struct host *h, struct vm *vm)
{
    uint64_t left = vm->frames;

    while (left) {
        unsigned order = vm->order;

        while (1ull << order > left)
            order--;
        if (!take(h, vm, order))
            return;
        left -= 1ull << vm->block[vm->blocks - 1].order;
    }
}

/* From one that has two pages to one that has half of the machine; every other one takes its memory as it touches it. */
static void define(struct host *h, struct vm *vm)
{
    static const uint64_t sizes[] = {2,
                                     37,
                                     FRAMES_OF_MIB(2),
                                     FRAMES_OF_MIB(8) + 3,
                                     FRAMES_OF_MIB(24),
                                     FRAMES_OF_MIB(64),
                                     FRAMES_OF_MIB(96) + 17,
                                     FRAMES_OF_MIB(256),
                                     FRAMES_OF_MIB(512)};

    *vm = (struct vm){.frames = sizes[below(h, sizeof(sizes) / sizeof(sizes[0]))]};
    vm->order = below(h, 4) ? LEAF_ORDER : below(h, 2) ? 4 : GIB_ORDER;
    if (vm->order < LEAF_ORDER && vm->frames > FRAMES_OF_MIB(32))
        vm->order = LEAF_ORDER;
    if (below(h, 2))
        vm->promised = s2_frames_reserve(&h->f, vm->frames) ? 0 : vm->frames;
    else
        populate(h, vm);
}

static void destroy(struct host *h, struct vm *vm)
{
    while (vm->blocks)
        give(h, vm, vm->blocks - 1);
    s2_frames_unreserve(&h->f, vm->promised);
    *vm = (struct vm){0};
}

static void touch(struct host *h, struct vm *vm)
{
    for (unsigned n = below(h, 64); vm->promised && n; n--) {
        unsigned order = below(h, 8) ? vm->order : 0;

        while (1ull << order > vm->promised)
            order--;
        if (!take(h, vm, order > LEAF_ORDER ? LEAF_ORDER : order))
            return;
    }
}

static void one_step(struct host *h)
{
    struct vm *vm = &h->vm[below(h, VMS)];
    unsigned what = below(h, 8);

    if (!vm->frames)
        define(h, vm);
    else if (what == 0)
        destroy(h, vm);
    else if (what == 1 && vm->blocks)
        give(h, vm, below(h, vm->blocks)); /* a part of it is unmapped */
    else
        touch(h, vm);
}

static void watch(struct host *h)
{
    struct s2_frames_stats s;

    s2_frames_stats(&h->f, &s);
    if (s.free - s.usable[LEAF_ORDER] > h->worst)
        h->worst = s.free - s.usable[LEAF_ORDER];
}

static void traffic(struct host *h, uint32_t seed, unsigned steps)
{
    h->seed = seed;
    for (unsigned i = 0; i < steps; i++) {
        one_step(h);
        watch(h);
        if (i % 64 == 0)
            assert_largest_blocks(h);
    }
    print_message(
        "# seed %u: %llu blocks taken, %llu of them from a free block of 2 MiB that broke; lost to leaves of 2 MiB, at "
        "worst: %llu frames of %llu\n",
        seed, (unsigned long long)h->asked, (unsigned long long)h->broken, (unsigned long long)h->worst,
        (unsigned long long)FRAMES);
    for (unsigned i = 0; i < VMS; i++)
        destroy(h, &h->vm[i]);
}

static void assert_as_at_start(struct host *h)
{
    struct s2_frames_stats s;

    s2_frames_stats(&h->f, &s);
    assert_memory_equal(&s, &h->start, sizeof(s));
    assert_null(s2_frames_check(&h->f));
}

static void blocks_last_and_come_back(void **state)
{
    struct host *h = *state;

    for (uint32_t seed = 1; seed <= 4; seed++) {
        traffic(h, seed, 1500);
        assert_as_at_start(h);
    }
    assert_true(h->worst < FRAMES / 50);
}

/* One page of each of many VMs does not cost a large leaf each: they lie side by side, and the GiB is whole. */
static void small_ones_lie_together(void **state)
{
    struct host *h = *state;
    struct s2_frames_stats s;

    for (unsigned i = 0; i < VMS; i++) {
        h->vm[i].frames = 40;
        for (unsigned n = 0; n < 40; n++)
            assert_true(take(h, &h->vm[i], 0));
    }
    s2_frames_stats(&h->f, &s);
    assert_int_equal(s.blocks[GIB_ORDER], 1);
    /* 960 frames, of which the ragged ends of the second bank hold what they can. */
    assert_true(h->start.usable[LEAF_ORDER] - s.usable[LEAF_ORDER] <= 2ull << LEAF_ORDER);
    /* Every other VM goes: what is left lies where it lay, and all of it comes back with the rest. */
    for (unsigned i = 0; i < VMS; i += 2)
        destroy(h, &h->vm[i]);
    assert_largest_blocks(h);
    for (unsigned i = 1; i < VMS; i += 2)
        destroy(h, &h->vm[i]);
    assert_as_at_start(h);
}

/* A thousand times define and destroy of a small VM, beside one that stays. */
static void a_thousand_small_ones(void **state)
{
    struct host *h = *state;
    struct s2_frames_stats before, now;

    h->seed = 7;
    h->vm[0] = (struct vm){.frames = FRAMES_OF_MIB(64) + 9, .order = LEAF_ORDER};
    populate(h, &h->vm[0]);
    s2_frames_stats(&h->f, &before);
    for (unsigned i = 0; i < 1000; i++) {
        h->vm[1] = (struct vm){.frames = FRAMES_OF_MIB(6) + 1, .order = LEAF_ORDER};
        populate(h, &h->vm[1]);
        destroy(h, &h->vm[1]);
        s2_frames_stats(&h->f, &now);
        assert_memory_equal(&now, &before, sizeof(now));
    }
    destroy(h, &h->vm[0]);
    assert_as_at_start(h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(blocks_last_and_come_back),
        TEST(small_ones_lie_together),
        TEST(a_thousand_small_ones),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("frames_traffic", tests, NULL, NULL);
}
