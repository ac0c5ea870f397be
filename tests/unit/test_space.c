/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Address spaces: what each kind of area does to tables, memory and ledger, and what is refused. */
#include "space_world.h"

static int setup(void **state)
{
    struct world_config wc = world_defaults();

    *state = world_create(&wc);
    return 0;
}

static int teardown(void **state)
{
    world_check(*state);
    world_destroy(*state);
    return 0;
}

/* --- linear -------------------------------------------------------------------------------------------------------- */

static void linear_maps_what_the_vm_owns(void **state)
{
    struct world *w = *state;
    struct s2_ledger_entry e;
    struct s2_leaf leaf;

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(64), MIB(4), FRAME_BASE, S2_RWX)), S2_OK);
    world_check(w);
    assert_int_equal(leaves_at(w, 2), 2);
    assert_int_equal(leaves_at(w, 3), 0);
    assert_true(s2_space_translate(&w->space, S2_IPA(MIB(64) + 0x1234), &leaf));
    assert_int_equal(leaf.pa.v, FRAME_BASE);
    assert_true(s2_ledger_find(&w->ledger, S2_PA(FRAME_BASE), &e));
    assert_int_equal(e.ipa.v, MIB(64));

    world_run(w);
    assert_int_equal(guest(w, MIB(64) + 0x345678, MODEL_WRITE).pa, FRAME_BASE + 0x345678);

    assert_int_equal(unmap(w, MIB(64), MIB(4)), S2_OK);
    world_check(w);
    assert_true(s2_ledger_find(&w->ledger, S2_PA(FRAME_BASE), &e));
    assert_int_equal(e.owner, VM);
    assert_int_equal(e.ipa.v, S2_IPA_NONE.v);
    assert_false(guest(w, MIB(64), MODEL_READ).done);
}

static void linear_refuses_what_is_not_the_vms(void **state)
{
    struct world *w = *state;
    struct s2_area hyp = area_linear(0, PAGE, RAM_BASE, S2_RW), free = area_linear(0, PAGE, FRAME_BASE, S2_RW);

    assert_int_equal(map_new(w, hyp), S2_EPERM);
    assert_int_equal(w->d.holder, S2_OWNER_HYP);
    assert_int_equal(w->d.axis, S2_AXIS_PA);
    assert_int_equal(w->d.found_start, RAM_BASE);
    assert_int_equal(map_new(w, free), S2_EPERM);
    world_give(w, FRAME_BASE, MIB(2), OTHER, S2_RWX);
    assert_int_equal(map_new(w, free), S2_EPERM);
    assert_int_equal(w->d.holder, OTHER);
    assert_int_equal(map_new(w, area_linear(0, PAGE, 0x1000, S2_RW)), S2_ENOENT);
    assert_int_equal(map_new(w, area_linear(0, PAGE, 1ull << 60, S2_RW)), S2_ERANGE);
    assert_int_equal(map_new(w, area_linear(0, PAGE, 0x800, S2_RW)), S2_EALIGN);

    /* A range that is the VM's only in part is refused whole (lesson O5). */
    world_give(w, FRAME_BASE + MIB(2), MIB(2), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(4), FRAME_BASE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(0, MIB(4), FRAME_BASE + MIB(2), S2_RW)), S2_EPERM);
    assert_int_equal(s2_area_set_count(&w->space.areas), 0);
    world_check(w);

    struct s2_ledger_entry e = ledger_entry(FRAME_BASE, MIB(2), S2_OWNER_NONE, S2_FREE);
    s2_ledger_set(&w->ledger, &e);
    s2_frames_free(&w->frames, e.range, false, false);
}

static void linear_refuses_rights_that_the_ledger_does_not_give(void **state)
{
    struct world *w = *state;

    world_give(w, FRAME_BASE, MIB(2), VM, S2_R);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_RX)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_R)), S2_OK);
    assert_int_equal(protect(w, 0, PAGE, S2_RW), S2_EPERM);
    world_check(w);
    /* Frames with different rights are refused whole: the ledger's entry for the area could not keep both. */
    world_give(w, FRAME_BASE + MIB(2), MIB(2), VM, S2_RW);
    assert_int_equal(unmap(w, 0, MIB(2)), S2_OK);
    assert_int_equal(map_new(w, area_linear(0, MIB(4), FRAME_BASE, S2_R)), S2_EPERM);
    w->space.cfg.geometry.pa_bits = 30;
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_R)), S2_ERANGE);
}

static void a_frame_has_one_place(void **state)
{
    struct world *w = *state;

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(8), MIB(4), FRAME_BASE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(MIB(8), PAGE, FRAME_BASE + MIB(2) - PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(MIB(8), MIB(2), FRAME_BASE + MIB(2), S2_RW)), S2_OK);
    world_check(w);
    assert_int_equal(unmap(w, PAGE, PAGE), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(16), PAGE, FRAME_BASE + PAGE, S2_RW)), S2_OK);
    world_check(w);
}

static void linear_replaces_itself_without_an_edit(void **state)
{
    struct world *w = *state;
    struct s2_area a = area_linear(MIB(2), MIB(4), FRAME_BASE, S2_RW);

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, a), S2_OK);
    world_run(w);
    assert_true(guest(w, MIB(2), MODEL_WRITE).done);
    model_reset_counters(w->port);
    assert_int_equal(map_over(w, a), S2_OK);
    assert_int_equal(model_tlbis(w->port), 0);
    assert_int_equal(model_dsbs(w->port), 0);
    assert_int_equal(w->port->count.stores + w->port->count.swaps + w->port->count.fills, 0);
    assert_int_equal(map_new(w, a), S2_EEXIST);
    /* What is wrong by itself is refused also where it would change nothing. */
    assert_int_equal(map_over(w, area_linear(a.range.start.v + 1, PAGE, a.backing + 1, a.attr.bits)), S2_EALIGN);
    /* Only the beginning of it was there. */
    assert_int_equal(unmap(w, MIB(4), MIB(2)), S2_OK);
    assert_int_equal(map_over(w, a), S2_OK);
    assert_int_equal(leaves_at(w, 2), 2);
}

static void linear_moves_and_changes_in_one_operation(void **state)
{
    struct world *w = *state;
    struct s2_ledger_entry e;

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(2), MIB(4), FRAME_BASE, S2_RW)), S2_OK);
    world_run(w);
    assert_true(guest(w, MIB(2), MODEL_WRITE).done);
    /* The same frames, read-only. */
    assert_int_equal(map_over(w, area_linear(MIB(2), MIB(4), FRAME_BASE, S2_R)), S2_OK);
    world_check(w);
    assert_int_equal(guest(w, MIB(2), MODEL_WRITE).result.why, S2_NO_PERMISSION);
    assert_int_equal(guest(w, MIB(2), MODEL_READ).pa, FRAME_BASE);
    /* The two halves change places: each frame goes and comes in one operation. */
    assert_int_equal(map_over(w, area_linear(MIB(2), MIB(2), FRAME_BASE + MIB(2), S2_R)), S2_EPERM);
    assert_int_equal(unmap(w, MIB(4), MIB(2)), S2_OK);
    assert_int_equal(map_over(w, area_linear(MIB(2), MIB(2), FRAME_BASE + MIB(2), S2_RW)), S2_OK);
    world_check(w);
    assert_int_equal(guest(w, MIB(2), MODEL_READ).pa, FRAME_BASE + MIB(2));
    assert_true(s2_ledger_find(&w->ledger, S2_PA(FRAME_BASE), &e));
    assert_int_equal(e.ipa.v, S2_IPA_NONE.v);
    /* What remains of a replaced area stays. */
    assert_int_equal(map_over(w, area_linear(MIB(3), PAGE, FRAME_BASE, S2_RW)), S2_OK);
    world_check(w);
    assert_int_equal(s2_area_set_count(&w->space.areas), 3);
    assert_int_equal(guest(w, MIB(3), MODEL_READ).pa, FRAME_BASE);
    assert_int_equal(guest(w, MIB(3) + PAGE, MODEL_READ).pa, FRAME_BASE + MIB(3) + PAGE);
}

static void devices_go_to_one_vm(void **state)
{
    struct world *w = *state;

    world_give(w, DEVICE_BASE, PAGE, VM, S2_RW);
    assert_int_equal(map_new(w, area_linear(0x09000000, PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    assert_int_equal(map_new(w, area_linear(0x09001000, PAGE, DEVICE_BASE + PAGE, S2_RW | S2_MT_DEV_nGnRE)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(0x09001000, PAGE, DEVICE_BASE, S2_RWX | S2_MT_DEV_nGnRE)), S2_EATTR);
    world_run(w);
    assert_int_equal(guest(w, 0x09000010, MODEL_READ).pa, DEVICE_BASE + 0x10);
    world_check(w);

    struct s2_ledger_entry e = ledger_entry(DEVICE_BASE, PAGE, S2_OWNER_NONE, S2_DEVICE);
    assert_int_equal(unmap(w, 0x09000000, PAGE), S2_OK);
    s2_ledger_set(&w->ledger, &e);
}

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

/* --- cut reserve ------------------------------------------------------------------------------------------------------ */

static void unmap_needs_no_memory(void **state)
{
    struct world *w = *state;
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota quota = {.limit = UINT32_MAX};
    uint32_t hoarded_nodes, hoarded_ledger;

    assert_int_equal(map_new(w, area_alloc(0, MIB(16), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(s2_tpool_take(&w->tables, &quota, w->tables.free, &all), S2_OK);
    hoarded_nodes = w->nodes.free - w->nodes.reserved;
    hoarded_ledger = w->ledger_nodes.free - w->ledger_nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->nodes, hoarded_nodes), S2_OK);
    assert_int_equal(s2_pool_reserve(&w->ledger_nodes, hoarded_ledger), S2_OK);

    /* Whole areas and leaf boundaries need no table page, ever. */
    assert_int_equal(unmap(w, MIB(32), MIB(2)), S2_OK);
    world_check(w);
    assert_int_equal(unmap(w, MIB(14), MIB(2)), S2_OK);
    world_check(w);
    /* Cuts inside blocks draw on the reserve, and the pool cannot fill it again. */
    assert_int_equal(s2_cut_tables(&w->cfg.geometry), 4);
    assert_int_equal(unmap(w, MIB(1), MIB(2)), S2_OK);
    world_check(w);
    assert_int_equal(w->space.cut.count, 2);
    assert_int_equal(unmap(w, MIB(5), MIB(2)), S2_OK);
    world_check(w);
    assert_int_equal(w->space.cut.count, 0);
    /* So that another one is refused, and changes nothing. */
    uint64_t areas = s2_area_set_count(&w->space.areas), held = w->space.frames_held;
    assert_int_equal(unmap(w, MIB(9), PAGE), S2_ECUT);
    assert_int_equal(s2_area_set_count(&w->space.areas), areas);
    assert_int_equal(w->space.frames_held, held);
    world_check(w);
    assert_int_equal(unmap(w, MIB(10), MIB(2)), S2_OK);
    world_check(w);

    s2_tpool_give(&w->tables, &quota, &all);
    s2_pool_unreserve(&w->nodes, hoarded_nodes);
    s2_pool_unreserve(&w->ledger_nodes, hoarded_ledger);
    assert_int_equal(unmap(w, PAGE, PAGE), S2_OK);
    assert_int_equal(w->space.cut.count, s2_cut_tables(&w->cfg.geometry));
    assert_true(w->space.cut_ledger);
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

static void init_refuses_and_leaks_nothing(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w;

    (void)state;
    w = world_machine(&wc);
    w->cfg.id = S2_OWNER_HYP;
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_EINVAL);
    w->cfg.id = VM;
    w->cfg.nodes = NULL;
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_EINVAL);
    w->cfg.nodes = &w->nodes;
    for (uint32_t limit = 0; limit < w->cfg.geometry.roots + s2_cut_tables(&w->cfg.geometry); limit++) {
        w->cfg.table_pages = limit;
        assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_EQUOTA);
        assert_int_equal(w->tables.free, w->tables.pages);
        assert_int_equal(w->nodes.reserved, 0);
        assert_int_equal(w->ledger_nodes.reserved, 0);
    }
    w->cfg.table_pages = w->cfg.geometry.roots + s2_cut_tables(&w->cfg.geometry);
    assert_int_equal(s2_pool_reserve(&w->nodes, w->nodes.count - S2_CUT_NODES + 1), S2_OK);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_ENODES);
    s2_pool_unreserve(&w->nodes, 1);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    s2_pool_unreserve(&w->nodes, w->nodes.count - S2_CUT_NODES);
    s2_cache_init(&w->cache);
    world_destroy(w);
}

static void a_dying_space_refuses_everything(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    unsigned steps = 0;
    char byte = 0;

    (void)state;
    while (s2_frames_scrub_step(&w->frames, UINT64_MAX))
        ;
    world_give(w, FRAME_BASE + MIB(16), MIB(4), VM, S2_RWX);
    world_give(w, DEVICE_BASE, PAGE, VM, S2_RWX);
    assert_int_equal(map_new(w, area_alloc(0, MIB(8), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(16), MIB(8), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(32), MIB(2), FRAME_BASE + MIB(16), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MIB(40), MIB(2), 0)), S2_OK);
    world_run(w);
    assert_true(guest(w, MIB(17), MODEL_WRITE).done);
    assert_true(guest(w, MIB(7), MODEL_WRITE).done);
    assert_int_equal(unmap(w, MIB(1), PAGE), S2_OK);
    s2_port_load_context(w->port, 0, s2_port_vtcr(w->port));
    s2_port_barrier(w->port, S2_ISB);

    s2_space_destroy_begin(&w->space);
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
    assert_int_equal(map_new(w, area_trap(MIB(50), PAGE, 0)), S2_EDYING);
    assert_int_equal(unmap(w, 0, PAGE), S2_EDYING);
    assert_int_equal(protect(w, 0, PAGE, S2_R), S2_EDYING);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), &byte, 1, 0, false, &w->d), S2_EDYING);
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .ipa = S2_IPA(0)};
    struct s2_fault_result r;
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    while (s2_space_destroy_step(&w->space, 64))
        steps++;
    assert_true(steps >= (MIB(8) + MIB(2)) / PAGE / 64);
    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_end(&w->space);
    /* What it was given is still its own, to be built again on; what it allocated is dirty: 8 MiB and one chunk. */
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), MIB(4) / PAGE);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_DEVICE), 1);
    assert_int_equal(w->frames.clean, w->frames.total - (MIB(8) + MIB(2) + MIB(4)) / PAGE);
    assert_int_equal(w->frames.free, w->frames.total - MIB(4) / PAGE);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(32), MIB(4), FRAME_BASE + MIB(16), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(40), PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    world_check(w);
    /* Given up for good, the linear frames are dirty too. */
    world_destroy_space(w);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_DEVICE), 0);
    assert_int_equal(w->frames.free, w->frames.total);
    assert_int_equal(w->frames.clean, w->frames.total - (MIB(8) + MIB(2) + MIB(4)) / PAGE);

    /* The machine is as new: another space can have all of it. */
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    assert_int_equal(map_new(w, area_alloc(0, FRAME_BYTES, S2_RW, 0)), S2_OK);
    world_check(w);
    world_destroy(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(linear_maps_what_the_vm_owns),
        T(linear_refuses_what_is_not_the_vms),
        T(linear_refuses_rights_that_the_ledger_does_not_give),
        T(a_frame_has_one_place),
        T(linear_replaces_itself_without_an_edit),
        T(linear_moves_and_changes_in_one_operation),
        T(devices_go_to_one_vm),
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
        T(unmap_needs_no_memory),
        cmocka_unit_test(init_refuses_and_leaks_nothing),
        cmocka_unit_test(a_dying_space_refuses_everything),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
