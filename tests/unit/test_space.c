/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Address spaces: what areas of allocated memory, at once and lazy, do to tables, memory and ledger; what is refused. */
#include "space_world.h"

/* --- alloc --------------------------------------------------------------------------------------------------------- */

static void alloc_populates_with_zeroes_and_large_leaves(void **state)
{
    struct world *w = *state;

    memset(model_ram(w->port, FRAME_BASE), 0x5a, FRAME_BYTES);
    assert_int_equal(map_new(w, area_alloc(MIB(64), MIB(6) + PAGE, S2_RWX, 0)), S2_OK);
    world_check(w);
    assert_int_equal(leaves_at(w, 2), 3);
    assert_int_equal(leaves_at(w, 3), 1);
    assert_int_equal(w->space.frames_held, MIB(6) / PAGE + 1);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), MIB(6) / PAGE + 1);
    world_run(w);
    for (uint64_t off = 0; off < MIB(6) + PAGE; off += PAGE) {
        struct attempt a = guest(w, MIB(64) + off, MODEL_READ);
        static const unsigned char zeroes[PAGE];

        assert_true(a.done);
        assert_memory_equal(model_ram(w->port, a.pa), zeroes, PAGE);
    }
    assert_int_equal(unmap(w, MIB(64), MIB(6) + PAGE), S2_OK);
    world_check(w);
    assert_int_equal(w->frames.free, w->frames.total);
    assert_int_equal(w->frames.clean, 0);
    assert_int_equal(w->space.frames_held, 0);
}

static void alloc_works_with_the_smallest_pieces(void **state)
{
    struct world *w = *state;
    bool clean;

    /* Every other frame is taken: no block is larger than a page. */
    for (uint64_t pa = FRAME_BASE; pa < FRAME_BASE + FRAME_BYTES; pa += 2 * PAGE)
        assert_int_equal(
            s2_frames_alloc_at(&w->frames, (struct s2_pa_range){S2_PA(pa), S2_PA(pa + PAGE)}, &clean, NULL), S2_OK);
    assert_int_equal(map_new(w, area_alloc(0, KIB(128), S2_RW, 0)), S2_OK);
    world_check(w);
    assert_int_equal(leaves_at(w, 3), 32);
    assert_int_equal(w->space.chunks.count, 32);
    world_run(w);
    assert_true(guest(w, KIB(128) - PAGE, MODEL_WRITE).done);
    assert_int_equal(unmap(w, KIB(32), KIB(64)), S2_OK);
    world_check(w);
    assert_int_equal(unmap(w, 0, KIB(128)), S2_OK);
    world_check(w);
    for (uint64_t pa = FRAME_BASE; pa < FRAME_BASE + FRAME_BYTES; pa += 2 * PAGE)
        s2_frames_free(&w->frames, (struct s2_pa_range){S2_PA(pa), S2_PA(pa + PAGE)}, false, false);
}

static void alloc_keeps_the_quota(void **state)
{
    struct world *w = *state;

    w->space.cfg.frame_quota = MIB(4) / PAGE;
    assert_int_equal(map_new(w, area_alloc(0, MIB(4) + PAGE, S2_RW, 0)), S2_EQUOTA);
    assert_int_equal(map_new(w, area_alloc(0, MIB(4) + PAGE, S2_RW, S2_AREA_LAZY)), S2_EQUOTA);
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(4), PAGE, S2_RW, 0)), S2_EQUOTA);
    assert_int_equal(map_new(w, area_alloc(MIB(4), MIB(2), S2_RW, S2_AREA_LAZY | S2_AREA_OVERCOMMIT)), S2_OK);
    world_check(w);
    w->space.cfg.frame_quota = UINT64_MAX;
    assert_int_equal(map_new(w, area_alloc(MIB(8), FRAME_BYTES, S2_RW, 0)), S2_EFRAMES);
    world_check(w);
}

static void alloc_takes_the_middle_out_of_a_block(void **state)
{
    struct world *w = *state;
    struct s2_leaf leaf;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(leaves_at(w, 2), 1);
    world_run(w);
    assert_true(guest(w, 0, MODEL_WRITE).done);
    uint64_t pa = guest(w, MIB(1), MODEL_WRITE).pa;
    assert_int_equal(unmap(w, MIB(1), PAGE), S2_OK);
    world_check(w);
    assert_int_equal(leaves_at(w, 2), 0);
    assert_int_equal(leaves_at(w, 3), 511);
    assert_true(s2_frames_is_free(&w->frames, S2_PA(pa)));
    assert_int_equal(s2_area_set_count(&w->space.areas), 2);
    assert_false(s2_space_translate(&w->space, S2_IPA(MIB(1)), &leaf));
    assert_int_equal(guest(w, MIB(1), MODEL_READ).result.why, S2_NO_AREA);
    assert_int_equal(w->space.cut.count, s2_cut_tables(&w->cfg.geometry));
    assert_int_equal(w->space.cut_nodes, S2_CUT_NODES);
}

static void alloc_replaced_has_new_memory(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_alloc(0, MIB(4), S2_RW, 0)), S2_OK);
    world_run(w);
    struct attempt a = guest(w, MIB(2), MODEL_WRITE);
    memset(model_ram(w->port, a.pa), 0x77, PAGE);
    assert_int_equal(map_over(w, area_alloc(MIB(2), MIB(4), S2_R, 0)), S2_OK);
    world_check(w);
    assert_int_equal(w->space.frames_held, MIB(6) / PAGE);
    assert_true(s2_frames_is_free(&w->frames, S2_PA(a.pa)));
    a = guest(w, MIB(2), MODEL_READ);
    assert_true(a.done);
    assert_int_equal(*(unsigned char *)model_ram(w->port, a.pa), 0);
    assert_int_equal(guest(w, MIB(2), MODEL_WRITE).result.why, S2_NO_PERMISSION);
    /* By what is not memory. */
    assert_int_equal(map_over(w, area_trap(0, MIB(8), 7)), S2_OK);
    world_check(w);
    assert_int_equal(w->space.frames_held, 0);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(guest(w, MIB(2), MODEL_READ).result.why, S2_NO_SYNDROME);
}

static void the_allocator_is_not_believed_alone(void **state)
{
    struct world *w = *state;
    struct s2_ledger_entry e = ledger_entry(FRAME_BASE + MIB(1), PAGE, S2_OWNER_HYP, S2_HYP);

    /* A frame that is free by mistake and really the hypervisor's. */
    s2_ledger_set(&w->ledger, &e);
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_EPERM);
    assert_int_equal(w->d.holder, S2_OWNER_HYP);
    assert_int_equal(w->frames.free, w->frames.total);
    assert_int_equal(w->space.frames_held, 0);
    world_check(w);
    e.owner = S2_OWNER_NONE;
    e.state = S2_FREE;
    s2_ledger_set(&w->ledger, &e);
}

static void memory_of_an_alloc_area_cannot_be_mapped_as_linear(void **state)
{
    struct world *w = *state;
    struct s2_leaf leaf;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    assert_true(s2_space_translate(&w->space, S2_IPA(0), &leaf));
    assert_int_equal(map_new(w, area_linear(MIB(8), MIB(2), leaf.pa.v, S2_RW)), S2_EPERM);
    assert_int_equal(map_over(w, area_linear(0, MIB(2), leaf.pa.v, S2_RW)), S2_EPERM);
    world_check(w);
}

/* --- lazy ---------------------------------------------------------------------------------------------------------- */

static void lazy_takes_memory_on_the_first_access(void **state)
{
    struct world *w = *state;

    memset(model_ram(w->port, FRAME_BASE), 0x5a, FRAME_BYTES);
    assert_int_equal(map_new(w, area_alloc(MIB(64) + PAGE, MIB(8), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(w->space.frames_held, 0);
    assert_int_equal(w->space.frames_promised, MIB(8) / PAGE);
    assert_int_equal(w->frames.reserved, MIB(8) / PAGE);
    world_check(w);
    world_run(w);

    struct attempt a = guest(w, MIB(66) + 0x123, MODEL_READ);
    assert_true(a.done);
    assert_int_equal(*(unsigned char *)model_ram(w->port, a.pa), 0);
    assert_int_equal(w->space.frames_held, 512);
    assert_int_equal(w->space.frames_promised, MIB(8) / PAGE - 512);
    assert_int_equal(leaves_at(w, 2), 1);
    world_check(w);
    /* The head of the area has no room for a block. */
    assert_true(guest(w, MIB(64) + PAGE, MODEL_WRITE).done);
    assert_int_equal(w->space.frames_held, 513);
    assert_true(guest(w, MIB(64) + 3 * PAGE, MODEL_WRITE).done);
    assert_int_equal(w->space.frames_held, 515);
    world_check(w);
    assert_int_equal(guest(w, MIB(64), MODEL_READ).result.why, S2_NO_AREA);
    assert_int_equal(guest(w, MIB(64) + PAGE, MODEL_EXEC).result.why, S2_NO_PERMISSION);

    assert_int_equal(unmap(w, MIB(64) + 2 * PAGE, MIB(4)), S2_OK);
    world_check(w);
    assert_int_equal(w->space.frames_held, 1);
    assert_int_equal(w->space.frames_promised, (MIB(4) - PAGE) / PAGE - (1 - 1));
    assert_int_equal(unmap(w, MIB(64), MIB(16)), S2_OK);
    assert_int_equal(w->space.frames_promised, 0);
    assert_int_equal(w->frames.reserved, 0);
    assert_int_equal(w->space.table.quota.promised, 0);
}

static void a_promise_is_kept_when_others_took_the_rest(void **state)
{
    struct world *w = *state;
    struct s2_block b;

    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    while (s2_frames_alloc(&w->frames, 0, false, &b) == S2_OK)
        ;
    assert_int_equal(w->frames.free, 512);
    assert_int_equal(map_new(w, area_alloc(MIB(4), PAGE, S2_RW, 0)), S2_EFRAMES);
    world_run(w);
    for (uint64_t off = 0; off < MIB(2); off += PAGE)
        assert_true(guest(w, off, MODEL_WRITE).done);
    assert_int_equal(w->frames.free, 0);
    world_check(w);
    for (uint64_t pa = FRAME_BASE; pa < FRAME_BASE + FRAME_BYTES; pa += PAGE) {
        struct s2_ledger_entry e;

        assert_true(s2_ledger_find(&w->ledger, S2_PA(pa), &e));
        if (e.state == S2_FREE)
            s2_frames_free(&w->frames, (struct s2_pa_range){S2_PA(pa), S2_PA(pa + PAGE)}, false, false);
    }
}

static void overcommit_stops_only_who_runs_out(void **state)
{
    struct world *w = *state;

    w->space.cfg.frame_quota = 3;
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY | S2_AREA_OVERCOMMIT)), S2_OK);
    assert_int_equal(w->frames.reserved, 0);
    world_run(w);
    assert_true(guest(w, 0, MODEL_WRITE).done);
    assert_true(guest(w, 8 * PAGE, MODEL_WRITE).done);
    assert_int_equal(guest(w, 16 * PAGE, MODEL_WRITE).result.why, S2_NO_MEMORY);
    world_check(w);
    w->space.cfg.frame_quota = 512;
    assert_true(guest(w, 16 * PAGE, MODEL_WRITE).done);
}

/* --- protect, trap, checks ------------------------------------------------------------------------------------------- */

static void protect_changes_leaves_and_cuts_blocks(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_alloc(0, MIB(4), S2_RWX, 0)), S2_OK);
    world_run(w);
    assert_true(guest(w, PAGE, MODEL_WRITE).done);
    assert_int_equal(protect(w, PAGE, PAGE, S2_R), S2_OK);
    world_check(w);
    assert_int_equal(leaves_at(w, 2), 1);
    assert_int_equal(leaves_at(w, 3), 512);
    assert_int_equal(guest(w, PAGE, MODEL_WRITE).result.why, S2_NO_PERMISSION);
    assert_int_equal(guest(w, PAGE, MODEL_EXEC).result.why, S2_NO_PERMISSION);
    assert_true(guest(w, PAGE, MODEL_READ).done);
    assert_true(guest(w, 2 * PAGE, MODEL_WRITE).done);
    assert_int_equal(protect(w, 0, MIB(4), S2_RW), S2_OK);
    world_check(w);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_true(guest(w, PAGE, MODEL_WRITE).done);
    assert_int_equal(protect(w, 0, MIB(2), S2_RW | S2_MT_DEV_nGnRE), S2_EATTR);
    assert_int_equal(protect(w, 0, MIB(2), S2_W), S2_EATTR);
}

static void illegal_areas_are_refused(void **state)
{
    struct world *w = *state;
    struct s2_area a = area_alloc(0, PAGE, S2_RW, 0);

    a.backend = NULL;
    assert_int_equal(map_new(w, a), S2_EINVAL);
    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, S2_AREA_OVERCOMMIT)), S2_EINVAL);
    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 1u << 9)), S2_EINVAL);
    a = area_trap(0, PAGE, 0);
    a.flags = S2_AREA_LAZY;
    assert_int_equal(map_new(w, a), S2_EINVAL);
    a = area_alloc(0, PAGE, S2_RW, 0);
    a.backing = 1;
    assert_int_equal(map_new(w, a), S2_EINVAL);
    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_W, 0)), S2_EATTR);
    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_R | S2_MT_DEV_GRE, 0)), S2_EATTR);
    assert_int_equal(map_new(w, area_alloc(0, 0, S2_RW, 0)), S2_EINVAL);
    assert_int_equal(map_over(w, area_trap(0, 0, 0)), S2_EINVAL);
    assert_int_equal(map_new(w, area_alloc(0x800, PAGE, S2_RW, 0)), S2_EALIGN);
    assert_int_equal(map_new(w, area_alloc(1ull << 36, PAGE, S2_RW, 0)), S2_ERANGE);
    assert_int_equal(map_new(w, area_alloc((1ull << 36) - PAGE, PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc((1ull << 36) - 2 * PAGE, 2 * PAGE, S2_RW, 0)), S2_EEXIST);
    assert_int_equal(w->d.found_start, (1ull << 36) - PAGE);
    assert_int_equal(w->d.found_end, 1ull << 36);
}

static void lookups_see_the_areas(void **state)
{
    struct world *w = *state;
    uint64_t leaves[5];
    struct s2_walk_step steps[5];
    struct s2_area a;
    s2_ipa at;

    assert_int_equal(map_new(w, area_trap(MIB(1), PAGE, 42)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(2) + PAGE, S2_RW, 0)), S2_OK);
    assert_true(s2_space_find(&w->space, S2_IPA(MIB(1) + 5), &a));
    assert_int_equal(a.backing, 42);
    assert_false(s2_space_find(&w->space, S2_IPA(MIB(1) + PAGE), &a));
    assert_true(s2_space_next(&w->space, S2_IPA(MIB(1) + PAGE), &a));
    assert_int_equal(a.range.start.v, MIB(2));
    assert_int_equal(
        s2_space_find_free(&w->space, S2_IPA(MIB(1)), MIB(2), ipa_range(0, MIB(64)), MIB(2), S2_FIT_LOWEST, &at),
        S2_OK);
    assert_int_equal(at.v, MIB(6));
    s2_space_leaves(&w->space, ipa_range(MIB(2), MIB(2)), leaves);
    assert_int_equal(leaves[3], 1);
    assert_int_equal(leaves[4], 0);
    assert_int_equal(s2_space_walk(&w->space, S2_IPA(MIB(2)), steps), 3 - w->cfg.geometry.start_level);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(alloc_populates_with_zeroes_and_large_leaves),
        T(alloc_works_with_the_smallest_pieces),
        T(alloc_keeps_the_quota),
        T(alloc_takes_the_middle_out_of_a_block),
        T(alloc_replaced_has_new_memory),
        T(the_allocator_is_not_believed_alone),
        T(memory_of_an_alloc_area_cannot_be_mapped_as_linear),
        T(lazy_takes_memory_on_the_first_access),
        T(a_promise_is_kept_when_others_took_the_rest),
        T(overcommit_stops_only_who_runs_out),
        T(protect_changes_leaves_and_cuts_blocks),
        T(illegal_areas_are_refused),
        T(lookups_see_the_areas),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
