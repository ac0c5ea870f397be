/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The memory behind alloc areas: chunks that continue each other are one, and those that an operation or long work has not
 * finished with are not; what happens when memory comes in smaller pieces than a granule, and when there is no node left. */
#include "space_world.h"

/* The next 2 MiB of an alloc area come from here: everything that is free below is set aside meanwhile. */
static void map_at(struct world *w, uint64_t ipa, uint64_t pa, uint32_t attr)
{
    struct s2_leaf leaf;
    bool clean = false;

    for (uint64_t below = FRAME_BASE; below < pa; below += MIB(2))
        if (s2_frames_is_free(&w->frames, S2_PA(below)))
            assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(below, MIB(2)), &clean, NULL), S2_OK);
    assert_int_equal(map_new(w, area_alloc(ipa, MIB(2), attr, 0)), S2_OK);
    for (uint64_t below = FRAME_BASE; below < pa; below += MIB(2)) {
        struct s2_ledger_entry e;

        assert_true(s2_ledger_find(&w->ledger, S2_PA(below), &e));
        if (e.state == S2_FREE)
            s2_frames_free(&w->frames, pa_range(below, MIB(2)), clean, false);
    }
    assert_true(s2_space_translate(&w->space, S2_IPA(ipa), &leaf));
    assert_int_equal(leaf.pa.v, pa);
    world_check(w);
}

static void expect_chunk(struct world *w, uint64_t start, uint64_t end, uint64_t pa)
{
    struct s2_ient e;

    assert_true(s2_imap_find(&w->space.chunks, start, &e));
    assert_int_equal(e.start, start);
    assert_int_equal(e.end, end);
    assert_int_equal(e.val.w[0], pa);
}

static void chunks_that_continue_each_other_are_one(void **state)
{
    struct world *w = *state;

    map_at(w, MIB(6), FRAME_BASE + MIB(4), S2_RW);
    /* Below it, at both addresses; whatever the areas are. */
    map_at(w, MIB(4), FRAME_BASE + MIB(2), S2_R);
    assert_int_equal(w->space.chunks.count, 1);
    expect_chunk(w, MIB(4), MIB(8), FRAME_BASE + MIB(2));
    /* Above it at one address only. */
    map_at(w, MIB(8), FRAME_BASE + MIB(8), S2_RW);
    assert_int_equal(w->space.chunks.count, 2);
    /* Between two. */
    map_at(w, MIB(12), FRAME_BASE + MIB(12), S2_RW);
    map_at(w, MIB(10), FRAME_BASE + MIB(10), S2_RW);
    assert_int_equal(w->space.chunks.count, 2);
    expect_chunk(w, MIB(8), MIB(14), FRAME_BASE + MIB(8));
    assert_int_equal(unmap(w, MIB(5), MIB(4)), S2_OK);
    expect_chunk(w, MIB(4), MIB(5), FRAME_BASE + MIB(2));
    expect_chunk(w, MIB(9), MIB(14), FRAME_BASE + MIB(9));
    assert_int_equal(w->space.chunks.count, 2);
}

/* What long work has taken stays apart, clean as it may be, until it is mapped; then it is as any other. */
static void chunks_at_work_stay_apart(void **state)
{
    struct s2_area a = area_alloc(MIB(4), MIB(2), S2_RW, 0);
    struct world *w = *state;
    struct s2_long l;

    while (s2_frames_scrub_step(&w->frames, UINT64_MAX))
        ;
    map_at(w, MIB(2), FRAME_BASE, S2_RW);
    map_at(w, MIB(6), FRAME_BASE + MIB(4), S2_RW);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &a, &w->d), S2_OK);
    assert_int_equal(w->space.chunks.count, 3);
    expect_chunk(w, MIB(4), MIB(6), FRAME_BASE + MIB(2));
    world_check(w);
    s2_space_map_end(&l);
    assert_int_equal(w->space.chunks.count, 1);
    expect_chunk(w, MIB(2), MIB(8), FRAME_BASE);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
}

/* --- memory in pieces --------------------------------------------------------------------------------------------------- */

/* Of each 16 KiB one frame is in use, but for the first 16 KiB. */
static void break_up(struct world *w, bool back)
{
    for (uint64_t pa = FRAME_BASE + KIB(16); pa < FRAME_BASE + FRAME_BYTES; pa += KIB(16)) {
        bool clean;

        if (back)
            s2_frames_free(&w->frames, pa_range(pa, PAGE), false, false);
        else
            assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(pa, PAGE), &clean, NULL), S2_OK);
    }
}

/* A geometry by hand: those that can be had are of 4 KiB granules, as yet. */
static struct world *make_16k(void)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.not_strict = true;
    w = world_machine(&wc);
    assert_int_equal(s2_tpool_init(&w->tables, w->port, S2_PA(RAM_BASE), TABLE_BYTES, S2_16K, w->meta), S2_OK);
    w->cfg.geometry.granule_log2 = S2_16K;
    w->cfg.geometry.stride = 11;
    for (unsigned i = 0; i < 5; i++)
        w->cfg.geometry.shift[i] = (uint8_t)(S2_16K + (4 - i) * 11);
    w->cfg.geometry.start_level = w->cfg.geometry.block_level = 2;
    w->cfg.geometry.roots = 1;
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    s2_cache_init(&w->cache);
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    return w;
}

static void pieces_smaller_than_a_granule_are_no_memory(void **state)
{
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .access = S2_ACCESS_WRITE, .has_ipa = true};
    struct world *w = make_16k();
    uint64_t free = w->frames.free - FRAME_BYTES / KIB(16) + 1;
    struct s2_fault_result r;

    (void)state;
    break_up(w, false);
    assert_int_equal(w->frames.free, free);
    /* One granule there is, two there are not. */
    assert_int_equal(map_new(w, area_alloc(0, KIB(32), S2_RW, 0)), S2_EFRAMES);
    assert_string_equal(w->d.what, "needs more memory than is free");
    assert_int_equal(w->d.axis, S2_AXIS_IPA);
    assert_int_equal(w->d.asked_start, KIB(16));
    assert_int_equal(w->d.asked_end, KIB(32));
    assert_int_equal(w->frames.free, free);
    assert_int_equal(w->frames.reserved, 0);
    assert_int_equal(w->space.frames_held, 0);
    assert_int_equal(s2_area_set_count(&w->space.areas), 0);
    world_check(w);
    /* A lazy area is promised frames, and learns of it at the fault. */
    assert_int_equal(map_new(w, area_alloc(0, KIB(32), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY);
    f.ipa = S2_IPA(KIB(16));
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_MEMORY);
    assert_int_equal(w->space.frames_held, 4);
    assert_int_equal(w->space.frames_promised, 4);
    assert_int_equal(w->frames.reserved, 4);
    world_check(w);
    break_up(w, true);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY);
    assert_int_equal(leaves_at(w, 3), 2);
    world_check(w);
    world_destroy(w);
}

/* Whom nothing was promised, gets what nobody was promised. */
static void overcommitted_memory_runs_out(void **state)
{
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .access = S2_ACCESS_WRITE, .has_ipa = true, .ipa = S2_IPA(0)};
    struct world *w = *state;
    struct s2_fault_result r;
    uint64_t free;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY | S2_AREA_OVERCOMMIT)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    free = w->frames.free - w->frames.reserved;
    assert_int_equal(s2_frames_reserve(&w->frames, free), S2_OK);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_MEMORY);
    assert_int_equal(w->space.frames_held, 0);
    world_check(w);
    s2_frames_unreserve(&w->frames, free);
    world_run(w);
    assert_true(guest(w, 0, MODEL_WRITE).done);
    assert_int_equal(w->space.frames_held, 512);
}

/* --- without nodes ------------------------------------------------------------------------------------------------------ */

/* Frames are promised to a lazy area, nodes are not: touched here and there, its chunks need some in the end. */
static void a_fault_without_a_node_is_said_so(void **state)
{
    struct world_config wc = world_defaults();
    uint32_t nodes, reserved;
    struct attempt a;
    struct world *w;
    uint64_t at = 0, held;

    (void)state;
    wc.chunk_log2 = 12;
    w = world_create(&wc);
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    nodes = w->nodes.free - w->nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->nodes, nodes), S2_OK);
    reserved = w->nodes.reserved;
    do {
        held = w->space.frames_held;
        a = guest(w, at, MODEL_WRITE);
        at += 2 * PAGE;
    } while (a.done && at < MIB(2));
    assert_false(a.done);
    assert_int_equal(a.result.why, S2_NO_MEMORY);
    assert_true(held >= S2_IMAP_LEAF);
    assert_int_equal(w->space.frames_held, held);
    assert_int_equal(w->space.frames_promised, MIB(2) / PAGE - held);
    assert_int_equal(w->nodes.reserved, reserved);
    world_check(w);
    s2_pool_unreserve(&w->nodes, nodes);
    assert_true(guest(w, at - 2 * PAGE, MODEL_WRITE).done);
    assert_int_equal(w->space.frames_held, held + 1);
    world_check(w);
    world_destroy(w);
}

/* A chunk becomes two and another comes between them: each alone would fit in the root, both do not. */
static void a_hole_and_what_fills_it_need_nodes_together(void **state)
{
    struct world *w = *state;
    uint32_t nodes;

    for (unsigned i = 0; i < S2_IMAP_LEAF - 1; i++)
        assert_int_equal(map_new(w, area_alloc(i * MIB(1), 16 * PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(w->space.chunks.count, S2_IMAP_LEAF - 1);
    nodes = w->nodes.free - w->nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->nodes, nodes), S2_OK);
    assert_int_equal(map_over(w, area_alloc(4 * PAGE, PAGE, S2_RW, 0)), S2_ENODES);
    assert_int_equal(w->space.chunks.count, S2_IMAP_LEAF - 1);
    world_check(w);
    s2_pool_unreserve(&w->nodes, nodes);
    assert_int_equal(map_over(w, area_alloc(4 * PAGE, PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(w->space.chunks.count, S2_IMAP_LEAF + 1);
    assert_int_equal(s2_area_set_count(&w->space.areas), S2_IMAP_LEAF - 1);
    world_check(w);
}

static bool to_read_only(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    attr->bits = S2_R;
    return true;
}

/* One hole in one chunk, however many areas lie over it: with the cut reserve it is never refused. */
static void a_hole_under_many_areas_is_one(void **state)
{
    struct world *w = *state;
    uint32_t nodes;

    assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(2), S2_RW, 0)), S2_OK);
    for (unsigned i = 0; i < S2_IMAP_LEAF; i++)
        assert_int_equal(map_new(w, area_alloc(i * MIB(1), PAGE, S2_RW, 0)), S2_OK);
    for (unsigned i = 1; i < 64; i += 2)
        assert_int_equal(s2_space_protect(&w->space, ipa_range(MIB(32) + i * PAGE, PAGE), to_read_only, NULL, &w->d),
                         S2_OK);
    assert_int_equal(w->space.chunks.height, 1);
    nodes = w->nodes.free - w->nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->nodes, nodes), S2_OK);
    assert_int_equal(unmap(w, MIB(32) + 2 * PAGE, 60 * PAGE), S2_OK);
    assert_int_equal(w->space.chunks.count, S2_IMAP_LEAF + 2);
    world_check(w);
    s2_pool_unreserve(&w->nodes, nodes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(chunks_that_continue_each_other_are_one),
        T(chunks_at_work_stay_apart),
        T(overcommitted_memory_runs_out),
        T(a_hole_and_what_fills_it_need_nodes_together),
        T(a_hole_under_many_areas_is_one),
        cmocka_unit_test(pieces_smaller_than_a_granule_are_no_memory),
        cmocka_unit_test(a_fault_without_a_node_is_said_so),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
