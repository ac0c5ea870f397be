/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a space can do to one area that is there: take away exactly it, put another backend behind it, let it grow, give it
 * another name; and what it says of an address. What tables, memory and ledger show afterwards, and what is refused. */
#include "space_world.h"

#define PA (FRAME_BASE + MIB(16)) /* the VM's own */

static int setup(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);

    world_give(w, PA, MIB(8), VM, S2_RWX);
    *state = w;
    return 0;
}

static void expect_area(struct world *w, uint64_t at, struct s2_area want)
{
    struct s2_area have;

    assert_true(s2_space_find(&w->space, S2_IPA(at), &have));
    assert_int_equal(have.range.start.v, want.range.start.v);
    assert_int_equal(have.range.end.v, want.range.end.v);
    assert_ptr_equal(have.backend, want.backend);
    assert_int_equal(have.backing, want.backing);
    assert_int_equal(have.attr.bits, want.attr.bits);
    assert_int_equal(have.name, want.name);
    assert_int_equal(have.flags, want.flags);
    world_check(w);
}

static void expect_pa(struct world *w, uint64_t at, uint64_t pa)
{
    struct s2_leaf leaf;

    assert_true(s2_space_translate(&w->space, S2_IPA(at), &leaf));
    assert_int_equal(leaf.pa.v + (at - leaf.range.start.v), pa);
}

static void expect_ledger(struct world *w, uint64_t pa, uint64_t ipa)
{
    struct s2_ledger_entry e;

    assert_true(s2_ledger_find(&w->ledger, S2_PA(pa), &e));
    assert_int_equal(e.owner, VM);
    if (ipa == S2_IPA_NONE.v)
        assert_int_equal(e.ipa.v, ipa);
    else
        assert_int_equal(e.ipa.v + (pa - e.range.start.v), ipa);
}

/* --- unmap what is expected ------------------------------------------------------------------------------------------------ */

static void only_the_expected_area_goes(void **state)
{
    struct world *w = *state;
    struct s2_area is = area_linear(MIB(2), MIB(2), PA, S2_RW), other[6];

    is.name = 7;
    assert_int_equal(map_new(w, is), S2_OK);
    for (unsigned i = 0; i < 6; i++)
        other[i] = is;
    other[0].range.end.v -= PAGE;
    other[1].backend = &s2_backend_trap;
    other[2].backing += PAGE;
    other[3].attr = S2_ATTR(S2_R);
    other[4].name = 8;
    other[5].range = ipa_range(MIB(8), MIB(2));
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(s2_space_unmap_expected(&w->space, &other[i], &w->d), S2_ENOENT);
        assert_int_equal(w->d.asked_start, other[i].range.start.v);
        assert_int_equal(w->d.asked_end, other[i].range.end.v);
        assert_int_equal(w->d.found_start, i < 5 ? MIB(2) : 0);
        assert_int_equal(w->d.found_end, i < 5 ? MIB(4) : 0);
        expect_area(w, MIB(3), is);
    }
    assert_int_equal(s2_space_unmap_expected(&w->space, &is, &w->d), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 0);
    assert_int_equal(leaves_at(w, 2), 0);
    expect_ledger(w, PA, S2_IPA_NONE.v);
    assert_int_equal(s2_space_unmap_expected(&w->space, &is, &w->d), S2_ENOENT);
}

/* --- swap ------------------------------------------------------------------------------------------------------------------ */

static void one_backend_takes_the_place_of_another(void **state)
{
    struct world *w = *state;
    struct s2_area trap = area_trap(MIB(3), PAGE, 0x77), memory = area_alloc(MIB(2), MIB(2), S2_RW, 0);

    assert_int_equal(map_new(w, area_linear(MIB(2), MIB(2), PA, S2_RW)), S2_OK);
    /* A page of it is emulated from now on. */
    assert_int_equal(s2_space_swap(&w->space, &trap, &s2_backend_linear, &w->d), S2_OK);
    expect_area(w, MIB(3), trap);
    expect_area(w, MIB(2), area_linear(MIB(2), MIB(1), PA, S2_RW));
    expect_area(w, MIB(4) - PAGE, area_linear(MIB(3) + PAGE, MIB(1) - PAGE, PA + MIB(1) + PAGE, S2_RW));
    expect_ledger(w, PA + MIB(1), S2_IPA_NONE.v);
    expect_ledger(w, PA + MIB(1) + PAGE, MIB(3) + PAGE);
    world_run(w);
    assert_int_equal(guest(w, MIB(3), MODEL_READ).result.why, S2_NO_SYNDROME);
    /* It is another's now, and the range is in more than one area. */
    assert_int_equal(s2_space_swap(&w->space, &trap, &s2_backend_linear, &w->d), S2_ENOENT);
    assert_int_equal(w->d.found_start, MIB(3));
    assert_int_equal(w->d.found_end, MIB(3) + PAGE);
    assert_int_equal(s2_space_swap(&w->space, &memory, &s2_backend_linear, &w->d), S2_ENOENT);
    expect_area(w, MIB(3), trap);
    /* What was emulated becomes memory. */
    memory.range = trap.range;
    assert_int_equal(s2_space_swap(&w->space, &memory, &s2_backend_trap, &w->d), S2_OK);
    expect_area(w, MIB(3), memory);
    assert_true(guest(w, MIB(3), MODEL_WRITE).done);
    assert_int_equal(w->space.frames_held, 1);
}

static void a_swap_that_cannot_be_changes_nothing(void **state)
{
    struct world *w = *state;
    struct s2_area is = area_trap(MIB(2), MIB(2), 1), bad = area_alloc(MIB(2), MIB(2), S2_RW, 1u << 9);

    assert_int_equal(map_new(w, is), S2_OK);
    assert_int_equal(s2_space_swap(&w->space, &bad, &s2_backend_trap, &w->d), S2_EINVAL);
    assert_string_equal(w->d.what, "has unknown flags");
    bad.flags = 0;
    assert_int_equal(s2_space_swap(&w->space, &bad, NULL, &w->d), S2_EINVAL);
    w->space.cfg.frame_quota = 1;
    assert_int_equal(s2_space_swap(&w->space, &bad, &s2_backend_trap, &w->d), S2_EQUOTA);
    w->space.cfg.frame_quota = FRAME_BYTES / PAGE;
    expect_area(w, MIB(3), is);
    assert_int_equal(w->space.frames_held, 0);
}

/* --- extend ---------------------------------------------------------------------------------------------------------------- */

static void memory_grows_at_both_ends(void **state)
{
    struct world *w = *state;
    struct attempt a;

    assert_int_equal(map_new(w, area_alloc(MIB(4), PAGE, S2_RW, 0)), S2_OK);
    world_run(w);
    a = guest(w, MIB(4), MODEL_WRITE);
    assert_true(a.done);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), ipa_range(MIB(4) - PAGE, MIB(2)), &w->d), S2_OK);
    expect_area(w, MIB(4), area_alloc(MIB(4) - PAGE, MIB(2), S2_RW, 0));
    assert_int_equal(w->space.frames_held, MIB(2) / PAGE);
    /* What was there stays where it was. */
    expect_pa(w, MIB(4), a.pa);
    assert_true(guest(w, MIB(4) - PAGE, MODEL_WRITE).done);
    assert_true(guest(w, MIB(6) - 2 * PAGE, MODEL_WRITE).done);
    /* Its own range again. */
    model_reset_counters(w->port);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), ipa_range(MIB(4) - PAGE, MIB(2)), &w->d), S2_OK);
    assert_int_equal(w->port->count.stores + w->port->count.swaps + w->port->count.fills, 0);
    /* Lazy memory is promised more, and takes none. */
    assert_int_equal(map_new(w, area_alloc(MIB(16), PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(16)), ipa_range(MIB(16), MIB(1)), &w->d), S2_OK);
    expect_area(w, MIB(16), area_alloc(MIB(16), MIB(1), S2_RW, S2_AREA_LAZY));
    assert_int_equal(w->space.frames_promised, MIB(1) / PAGE);
    assert_true(guest(w, MIB(17) - PAGE, MODEL_WRITE).done);
}

/* The backing goes on at both ends, and joins what lies there. */
static void linear_memory_grows_into_its_neighbours(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_linear(MIB(2), PAGE, PA, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(3), PAGE, PA + MIB(1), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(4) - PAGE, PAGE, PA + MIB(2) - PAGE, S2_RW)), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(3)), ipa_range(MIB(2) + PAGE, MIB(2) - 2 * PAGE), &w->d),
                     S2_OK);
    expect_area(w, MIB(3), area_linear(MIB(2), MIB(2), PA, S2_RW));
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    expect_pa(w, MIB(3) - PAGE, PA + MIB(1) - PAGE);
    expect_pa(w, MIB(4) - 2 * PAGE, PA + MIB(2) - 2 * PAGE);
    expect_ledger(w, PA + MIB(1) - PAGE, MIB(3) - PAGE);
    expect_ledger(w, PA + MIB(2) - PAGE, MIB(4) - PAGE);
}

static void an_extension_that_cannot_be_changes_nothing(void **state)
{
    struct world *w = *state;
    struct s2_area is = area_linear(MIB(4), MIB(2), PA + MIB(6), S2_RW);
    const struct s2_ipa_range to = ipa_range(MIB(4), MIB(4));

    assert_int_equal(map_new(w, is), S2_OK);
    assert_int_equal(map_new(w, area_trap(MIB(10), PAGE, 1)), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(8)), to, &w->d), S2_ENOENT);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), ipa_range(MIB(5), MIB(1)), &w->d), S2_EINVAL);
    assert_int_equal(w->d.found_start, MIB(4));
    assert_int_equal(w->d.found_end, MIB(6));
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), ipa_range(MIB(4), MIB(7)), &w->d), S2_EEXIST);
    assert_int_equal(w->d.asked_start, MIB(6));
    assert_int_equal(w->d.asked_end, MIB(11));
    assert_int_equal(w->d.found_start, MIB(10));
    /* The frames behind it are not the VM's. */
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), to, &w->d), S2_EPERM);
    assert_int_equal(w->d.axis, S2_AXIS_PA);
    assert_int_equal(w->d.found_start, PA + MIB(8));
    expect_area(w, MIB(4), is);
}

static void a_backing_does_not_come_round(void **state)
{
    struct world *w = *state;
    struct s2_area low = area_linear(1ull << 32, PAGE, PA, S2_RW);

    /* So far below, that the backing would be below 0. */
    assert_int_equal(map_new(w, low), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, low.range.start, ipa_range(0, (1ull << 32) + PAGE), &w->d), S2_ERANGE);
    assert_int_equal(w->d.asked_start, 0);
    assert_int_equal(w->d.found_start, 1ull << 32);
    expect_area(w, 1ull << 32, low);
    /* A handle has nowhere to go. */
    assert_int_equal(map_new(w, area_trap(MIB(32), PAGE, 0)), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(32)), ipa_range(MIB(31), MIB(2)), &w->d), S2_OK);
    expect_area(w, MIB(32), area_trap(MIB(31), MIB(2), 0));
}

/* --- rename ---------------------------------------------------------------------------------------------------------------- */

static void a_name_changes_nothing_but_what_is_one_area(void **state)
{
    struct world *w = *state;
    struct s2_area low = area_alloc(MIB(2), MIB(1), S2_RW, 0), high = area_alloc(MIB(3), MIB(1), S2_RW, 0);

    low.name = 1;
    high.name = 2;
    assert_int_equal(map_new(w, low), S2_OK);
    assert_int_equal(map_new(w, high), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 2);
    model_reset_counters(w->port);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(4) - 1), 3, &w->d), S2_OK);
    high.name = 3;
    expect_area(w, MIB(3), high);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(2)), 3, &w->d), S2_OK);
    low.name = 3;
    low.range.end = high.range.end;
    expect_area(w, MIB(3), low);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(2)), 3, &w->d), S2_OK);
    assert_int_equal(w->port->count.stores + w->port->count.swaps + w->port->count.fills, 0);
    assert_int_equal(model_tlbis(w->port), 0);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(4)), 3, &w->d), S2_ENOENT);
    assert_int_equal(w->d.asked_start, MIB(4));
}

/* --- busy, dying ----------------------------------------------------------------------------------------------------------- */

static void all_is_refused_while_the_range_is_busy(void **state)
{
    struct world *w = *state;
    struct s2_area is = area_alloc(MIB(4), MIB(2), S2_RW, 0), trap = area_trap(MIB(4), PAGE, 0);
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;

    assert_int_equal(map_new(w, is), S2_OK);
    /* The work is elsewhere in the area: the name is the whole area's. */
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MIB(4), MIB(1)), set_attr, &attr, &w->d), S2_OK);
    assert_int_equal(s2_space_unmap_expected(&w->space, &is, &w->d), S2_EBUSY);
    assert_int_equal(s2_space_swap(&w->space, &trap, &s2_backend_alloc, &w->d), S2_EBUSY);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), ipa_range(MIB(4), MIB(3)), &w->d), S2_EBUSY);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(6) - PAGE), 5, &w->d), S2_EBUSY);
    assert_int_equal(w->d.found_start, MIB(4));
    assert_int_equal(w->d.found_end, MIB(5));
    expect_area(w, MIB(4), is);
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(6) - PAGE), 5, &w->d), S2_OK);
}

/* Nobody edits what is being populated; what grows as far as it joins it at the end, and not before. */
static void an_area_that_is_being_populated_is_let_alone(void **state)
{
    struct world *w = *state;
    struct s2_area comes = area_alloc(MIB(4), MIB(4), S2_RW, 0), trap = area_trap(MIB(4), PAGE, 0), growing;
    struct s2_long l;

    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(1), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(9), MIB(1), S2_RW, 0)), S2_OK);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &comes, &w->d), S2_OK);
    assert_true(s2_space_map_step(&l, MIB(2) / PAGE));
    assert_true(s2_space_find(&w->space, S2_IPA(MIB(4)), &growing));
    assert_int_equal(growing.flags, S2_AREA_GROWING);
    assert_int_equal(s2_space_unmap_expected(&w->space, &growing, &w->d), S2_EBUSY);
    assert_int_equal(s2_space_swap(&w->space, &trap, &s2_backend_alloc, &w->d), S2_EBUSY);
    trap.range = ipa_range(MIB(7), PAGE); /* where no area is yet */
    assert_int_equal(s2_space_swap(&w->space, &trap, &s2_backend_alloc, &w->d), S2_EBUSY);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), ipa_range(MIB(4), MIB(5)), &w->d), S2_EBUSY);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(4)), 5, &w->d), S2_EBUSY);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(2)), ipa_range(MIB(2), MIB(2) + PAGE), &w->d), S2_EBUSY);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(9)), ipa_range(MIB(8) - PAGE, MIB(2) + PAGE), &w->d),
                     S2_EBUSY);
    assert_int_equal(w->d.found_start, MIB(4));
    assert_int_equal(w->d.found_end, MIB(8));
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(2)), ipa_range(MIB(2), MIB(2)), &w->d), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(9)), ipa_range(MIB(8), MIB(2)), &w->d), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 3);
    world_check(w);
    s2_space_map_end(&l);
    expect_area(w, MIB(4), area_alloc(MIB(2), MIB(8), S2_RW, 0));
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
}

static void a_dying_space_edits_nothing(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    struct s2_area is = area_alloc(MIB(4), MIB(2), S2_RW, 0), trap = area_trap(MIB(4), PAGE, 0);

    (void)state;
    assert_int_equal(map_new(w, is), S2_OK);
    s2_space_destroy_begin(&w->space);
    assert_int_equal(s2_space_unmap_expected(&w->space, &is, &w->d), S2_EDYING);
    assert_int_equal(s2_space_swap(&w->space, &trap, &s2_backend_alloc, &w->d), S2_EDYING);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(4)), ipa_range(MIB(4), MIB(3)), &w->d), S2_EDYING);
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(4)), 5, &w->d), S2_EDYING);
    while (s2_space_destroy_step(&w->space, 1000))
        ;
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->frames.free, w->frames.total);
    world_free(w);
}

/* --- lookups --------------------------------------------------------------------------------------------------------------- */

static void around_an_address_is_an_area_or_a_gap(void **state)
{
    struct world *w = *state;
    struct s2_ipa_range gap;
    struct s2_area a;

    assert_int_equal(map_new(w, area_trap(MIB(2), PAGE, 1)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MIB(4), PAGE, 2)), S2_OK);
    assert_int_equal(s2_space_around(&w->space, S2_IPA(MIB(4) + 5), &a, &gap), S2_AROUND_AREA);
    assert_int_equal(a.backing, 2);
    assert_int_equal(s2_space_around(&w->space, S2_IPA(MIB(3)), &a, &gap), S2_AROUND_GAP);
    assert_int_equal(gap.start.v, MIB(2) + PAGE);
    assert_int_equal(gap.end.v, MIB(4));
    assert_int_equal(s2_space_around(&w->space, S2_IPA(1ull << 36), &a, &gap), S2_AROUND_OUTSIDE);
}

static struct s2_space_area_stats stats_of(struct world *w, uint64_t at)
{
    struct s2_space_area_stats s;

    memset(&s, 0x5a, sizeof s);
    assert_true(s2_space_area_stats(&w->space, S2_IPA(at), &s));
    assert_true(s.area.range.start.v <= at && at < s.area.range.end.v);
    assert_int_equal(s.memory.bytes, s.area.range.end.v - s.area.range.start.v);
    return s;
}

static void an_area_knows_what_stands_behind_it(void **state)
{
    static const uint16_t over = S2_AREA_LAZY | S2_AREA_OVERCOMMIT;
    struct world *w = *state;
    struct s2_space_area_stats s;

    assert_int_equal(map_new(w, area_linear(MIB(2), MIB(2) + PAGE, PA, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(8), MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(16), MIB(2) + PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(24), MIB(2) + PAGE, S2_RW, over)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MIB(32), MIB(2), 9)), S2_OK);
    world_run(w);
    assert_true(guest(w, MIB(16), MODEL_WRITE).done);
    assert_true(guest(w, MIB(26), MODEL_WRITE).done);

    s = stats_of(w, MIB(3));
    assert_int_equal(s.memory.resident, MIB(2) + PAGE);
    assert_int_equal(s.memory.promised, 0);
    assert_int_equal(s.leaves[3], 1);
    assert_int_equal(s.leaves[4], 1);
    s = stats_of(w, MIB(8));
    assert_int_equal(s.memory.resident, MIB(2));
    assert_int_equal(s.memory.promised, 0);
    assert_int_equal(s.leaves[3], 1);
    s = stats_of(w, MIB(18));
    assert_int_equal(s.memory.resident, MIB(2));
    assert_int_equal(s.memory.promised, PAGE);
    assert_int_equal(s.leaves[3], 1);
    assert_int_equal(s.leaves[4], 0);
    s = stats_of(w, MIB(24));
    assert_int_equal(s.memory.resident, PAGE);
    assert_int_equal(s.memory.promised, 0);
    s = stats_of(w, MIB(32));
    assert_int_equal(s.area.backing, 9);
    assert_int_equal(s.memory.resident + s.memory.promised, 0);
    assert_int_equal(s.leaves[0] + s.leaves[1] + s.leaves[2] + s.leaves[3] + s.leaves[4], 0);
    assert_false(s2_space_area_stats(&w->space, S2_IPA(0), &s));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(only_the_expected_area_goes),
        T(one_backend_takes_the_place_of_another),
        T(a_swap_that_cannot_be_changes_nothing),
        T(memory_grows_at_both_ends),
        T(linear_memory_grows_into_its_neighbours),
        T(an_extension_that_cannot_be_changes_nothing),
        T(a_backing_does_not_come_round),
        T(a_name_changes_nothing_but_what_is_one_area),
        T(all_is_refused_while_the_range_is_busy),
        T(an_area_that_is_being_populated_is_let_alone),
        T(around_an_address_is_an_area_or_a_gap),
        T(an_area_knows_what_stands_behind_it),
        cmocka_unit_test(a_dying_space_edits_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
