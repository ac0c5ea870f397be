/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Linear areas: memory and devices at chosen addresses, which the ledger must show as the VM's. */
#include "space_world.h"

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

/* What of a mapped run may be mapped anew is what goes in the same operation, and no frame more. */
static void a_frame_that_stays_elsewhere_is_not_mapped_again(void **state)
{
    struct world *w = *state;
    struct s2_leaf leaf;

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(8), MIB(4), FRAME_BASE, S2_RW)), S2_OK);
    /* Its frames are mapped below what is replaced; from inside it to beyond its end. */
    assert_int_equal(map_over(w, area_linear(MIB(10), MIB(2), FRAME_BASE, S2_RW)), S2_EPERM);
    assert_string_equal(w->d.what, "is mapped elsewhere already");
    assert_int_equal(w->d.asked_start, FRAME_BASE);
    assert_int_equal(w->d.asked_end, FRAME_BASE + MIB(2));
    assert_int_equal(map_over(w, area_linear(MIB(8), MIB(2), FRAME_BASE + MIB(1), S2_RW)), S2_EPERM);
    assert_string_equal(w->d.what, "is mapped elsewhere already");
    assert_int_equal(w->d.found_start, FRAME_BASE);
    assert_int_equal(w->d.found_end, FRAME_BASE + MIB(4));
    assert_int_equal(w->d.holder, VM);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    world_check(w);
    /* All of them inside, or mapped nowhere: the run moves by a page. */
    assert_int_equal(map_over(w, area_linear(MIB(8), MIB(4) - PAGE, FRAME_BASE + PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(unmap(w, MIB(12) - PAGE, PAGE), S2_OK);
    assert_int_equal(map_over(w, area_linear(MIB(8), MIB(4) - PAGE, FRAME_BASE + PAGE, S2_RW)), S2_OK);
    world_check(w);
    assert_true(s2_space_translate(&w->space, S2_IPA(MIB(8)), &leaf));
    assert_int_equal(leaf.pa.v, FRAME_BASE + PAGE);
    assert_true(s2_space_translate(&w->space, S2_IPA(MIB(12) - 2 * PAGE), &leaf));
    assert_int_equal(leaf.pa.v, FRAME_BASE + MIB(4) - PAGE);
}

static void what_is_mapped_in_one_area_is_of_one_kind(void **state)
{
    struct world *w = *state;
    struct s2_ledger_entry device;

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    device = ledger_entry(FRAME_BASE + MIB(2), MIB(2), VM, S2_DEVICE);
    s2_ledger_set(&w->ledger, &device);
    assert_int_equal(map_new(w, area_linear(0, MIB(4), FRAME_BASE, S2_RW)), S2_EPERM);
    assert_string_equal(w->d.what, "mixes frames of different states or rights");
    assert_int_equal(w->d.axis, S2_AXIS_PA);
    assert_int_equal(w->d.found_start, FRAME_BASE + MIB(2));
    assert_int_equal(w->d.found_end, FRAME_BASE + MIB(4));
    assert_int_equal(w->d.holder, VM);
    /* Nobody needs to be told. */
    struct s2_area both = area_linear(0, MIB(4), FRAME_BASE, S2_RW);
    assert_int_equal(s2_space_map(&w->space, &both, S2_MAP_NEW, NULL), S2_EPERM);
    assert_int_equal(s2_area_set_count(&w->space.areas), 0);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(2), MIB(2), FRAME_BASE + MIB(2), S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    world_check(w);
    assert_int_equal(unmap(w, MIB(2), MIB(2)), S2_OK);
    device.state = S2_OWNED;
    s2_ledger_set(&w->ledger, &device);
}

/* A backing so high that its end wraps around. */
static void a_run_ends_inside_the_physical_address_size(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_linear(0, 2 * PAGE, 0 - PAGE, S2_RW)), S2_ERANGE);
    assert_int_equal(w->d.axis, S2_AXIS_PA);
    assert_int_equal(w->d.asked_start, 0 - PAGE);
    assert_int_equal(w->d.asked_end, PAGE);
    assert_string_equal(w->d.what, "lies beyond the physical address size");
}

static void protect_gives_only_what_an_attribute_can_be(void **state)
{
    struct world *w = *state;
    struct s2_area a;

    world_give(w, FRAME_BASE, MIB(2), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_RW)), S2_OK);
    assert_int_equal(protect(w, 0, PAGE, S2_W), S2_EATTR);
    assert_int_equal(w->d.err, S2_EATTR);
    assert_true(s2_space_find(&w->space, S2_IPA(0), &a));
    assert_int_equal(a.range.end.v, MIB(2));
    assert_int_equal(a.attr.bits, S2_RW);
    assert_int_equal(protect(w, 0, PAGE, S2_R), S2_OK);
    world_check(w);
}

/* Not itself: under another name it is mapped anew, and the name is the new one. */
static void another_name_is_another_area(void **state)
{
    struct world *w = *state;
    struct s2_area a = area_linear(MIB(2), MIB(2), FRAME_BASE, S2_RW), have;

    world_give(w, FRAME_BASE, MIB(2), VM, S2_RWX);
    a.name = 3;
    assert_int_equal(map_new(w, a), S2_OK);
    model_reset_counters(w->port);
    a.name = 4;
    assert_int_equal(map_over(w, a), S2_OK);
    assert_true(w->port->count.stores > 0);
    assert_true(s2_space_find(&w->space, S2_IPA(MIB(2)), &have));
    assert_int_equal(have.name, 4);
    world_check(w);
}

/* The ledger knows the frames of neighbours as one run, which goes as one with them. */
static void neighbours_that_go_together_go_as_one_run(void **state)
{
    struct world *w = *state;
    struct s2_ledger_entry e;

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), FRAME_BASE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(2), MIB(2), FRAME_BASE + MIB(2), S2_R)), S2_OK);
    assert_true(s2_ledger_find(&w->ledger, S2_PA(FRAME_BASE + MIB(3)), &e));
    assert_int_equal(e.range.start.v, FRAME_BASE);
    assert_int_equal(e.range.end.v, FRAME_BASE + MIB(4));
    assert_int_equal(unmap(w, MIB(1), MIB(3)), S2_OK);
    world_check(w);
    assert_true(s2_ledger_find(&w->ledger, S2_PA(FRAME_BASE), &e));
    assert_int_equal(e.range.end.v, FRAME_BASE + MIB(1));
    assert_int_equal(e.ipa.v, 0);
    assert_true(s2_ledger_find(&w->ledger, S2_PA(FRAME_BASE + MIB(1)), &e));
    assert_int_equal(e.range.end.v, FRAME_BASE + MIB(4));
    assert_int_equal(e.owner, VM);
    assert_int_equal(e.ipa.v, S2_IPA_NONE.v);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(linear_maps_what_the_vm_owns),
        T(linear_refuses_what_is_not_the_vms),
        T(linear_refuses_rights_that_the_ledger_does_not_give),
        T(a_frame_has_one_place),
        T(linear_replaces_itself_without_an_edit),
        T(linear_moves_and_changes_in_one_operation),
        T(devices_go_to_one_vm),
        T(a_frame_that_stays_elsewhere_is_not_mapped_again),
        T(what_is_mapped_in_one_area_is_of_one_kind),
        T(a_run_ends_inside_the_physical_address_size),
        T(protect_gives_only_what_an_attribute_can_be),
        T(another_name_is_another_area),
        T(neighbours_that_go_together_go_as_one_run),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
