/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Access to guest memory: through windows only, checked before it begins, and clean in the caches. */
#include "space_world.h"

static unsigned char pattern[MIB(5)], back[MIB(5)];

static int setup(void **state)
{
    struct world_config wc = world_defaults();

    *state = world_create(&wc);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (unsigned char)(i * 7 + (i >> 12) + 1);
    memset(back, 0, sizeof back);
    return 0;
}

static void bytes_arrive_and_come_back(void **state)
{
    struct world *w = *state;
    struct attempt a;

    assert_int_equal(map_new(w, area_alloc(MIB(2) + PAGE, MIB(6), S2_RW, 0)), S2_OK);
    assert_int_equal(
        s2_space_copy_in(&w->space, S2_IPA(MIB(2) + PAGE + 3), pattern, sizeof pattern, S2_W, false, &w->d), S2_OK);
    world_check(w);
    world_run(w);
    a = guest(w, MIB(5), MODEL_READ);
    assert_int_equal(*(unsigned char *)model_ram(w->port, a.pa), pattern[MIB(5) - MIB(2) - PAGE - 3]);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(MIB(2) + PAGE + 3), sizeof back, S2_R, &w->d), S2_OK);
    assert_memory_equal(pattern, back, sizeof back);
    /* The byte before and after were not touched. */
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(MIB(2) + PAGE), 4, S2_R, &w->d), S2_OK);
    assert_memory_equal(back, ((unsigned char[]){0, 0, 0, pattern[0]}), 4);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), pattern, 0, S2_W, false, &w->d), S2_OK);
}

static void windows_are_bounded(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(4), S2_RW, 0)), S2_OK);
    model_reset_counters(w->port);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(2)), pattern, MIB(4), S2_W, false, &w->d), S2_OK);
    assert_int_equal(w->port->count.windows, 2);
    assert_int_equal(w->port->count.copied, MIB(4));
    assert_true(w->port->count.cleaned >= MIB(4));
    assert_int_equal(w->port->count.synced, 0);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(2)), pattern, PAGE, S2_W, true, &w->d), S2_OK);
    assert_true(w->port->count.synced > 0);
    /* Never across a multiple of the window's size, wherever the memory lies. */
    world_give(w, FRAME_BASE + MIB(17), MIB(2), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(16), MIB(2), FRAME_BASE + MIB(17), S2_RW)), S2_OK);
    model_reset_counters(w->port);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(16)), pattern, MIB(2), S2_W, false, &w->d), S2_OK);
    assert_int_equal(w->port->count.windows, 2);
}

static void crosses_areas_and_kinds(void **state)
{
    struct world *w = *state;

    world_give(w, FRAME_BASE + MIB(16), PAGE, VM, S2_RWX);
    assert_int_equal(map_new(w, area_alloc(MIB(2), PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(2) + PAGE, PAGE, FRAME_BASE + MIB(16), S2_R)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(2) + 2 * PAGE, PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    /* The loader may write what the guest may not. */
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(2)), pattern, 3 * PAGE, S2_W, false, &w->d), S2_EPERM);
    assert_int_equal(w->space.frames_held, 1);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(2)), pattern, 3 * PAGE, 0, false, &w->d), S2_OK);
    assert_memory_equal(model_ram(w->port, FRAME_BASE + MIB(16)), pattern + PAGE, PAGE);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(MIB(2)), 3 * PAGE, S2_R, &w->d), S2_OK);
    assert_memory_equal(back, pattern, 3 * PAGE);
    assert_int_equal(w->space.frames_held, 2);
}

static void lazy_memory_is_there_when_asked_for(void **state)
{
    struct world *w = *state;

    memset(model_ram(w->port, FRAME_BASE), 0x5a, FRAME_BYTES);
    assert_int_equal(map_new(w, area_alloc(0, MIB(8), S2_RW, S2_AREA_LAZY)), S2_OK);
    memset(back, 1, sizeof back);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(MIB(2) + 5), PAGE, S2_R, &w->d), S2_OK);
    for (unsigned i = 0; i < PAGE; i++)
        assert_int_equal(back[i], 0);
    assert_int_equal(w->space.frames_held, 512);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(2) - 8), pattern, 16, S2_W, false, &w->d), S2_OK);
    assert_int_equal(w->space.frames_held, 1024);
    world_check(w);
    /* The guest finds it there. */
    world_run(w);
    struct attempt a = guest(w, MIB(2), MODEL_READ);
    assert_memory_equal(model_ram(w->port, a.pa), pattern + 8, 8);
}

static void nothing_is_copied_when_something_is_wrong(void **state)
{
    struct world *w = *state;

    world_give(w, DEVICE_BASE, PAGE, VM, S2_RWX);
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MIB(2), PAGE, 0)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(4), PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    model_reset_counters(w->port);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(2) - 8), pattern, 16, 0, false, &w->d), S2_EPERM);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(4) - 8), pattern, 16, 0, false, &w->d), S2_ENOENT);
    assert_int_equal(w->d.asked_start, MIB(4) - 8);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(MIB(4)), 4, 0, &w->d), S2_EPERM);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(0), 4, S2_X, &w->d), S2_EPERM);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(0), 4, 1u << 8, &w->d), S2_EINVAL);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(UINT64_MAX - 3), 8, 0, &w->d), S2_EINVAL);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(UINT64_MAX - 7), 8, 0, &w->d), S2_EINVAL);
    assert_int_equal(s2_space_copy_out(&w->space, back, S2_IPA(1ull << 36), 8, 0, &w->d), S2_ENOENT);
    assert_int_equal(w->port->count.windows, 0);
    struct s2_ledger_entry e = ledger_entry(DEVICE_BASE, PAGE, S2_OWNER_NONE, S2_DEVICE);
    assert_int_equal(unmap(w, MIB(4), PAGE), S2_OK);
    s2_ledger_set(&w->ledger, &e);
}

/* A trap area has nothing behind it, whatever its attributes say. */
static void a_trap_area_is_not_memory(void **state)
{
    struct world *w = *state;
    struct s2_area trap = area_trap(0, PAGE, 1);

    trap.attr = S2_ATTR(S2_RW);
    assert_int_equal(map_new(w, trap), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), pattern, 1, 0, false, &w->d), S2_EPERM);
    assert_string_equal(w->d.what, "is in part not memory");
}

/* Nor is a device memory that the guest is given as if it were: a window to it would be cacheable. */
static void a_device_is_no_memory(void **state)
{
    struct world *w = *state;
    char byte;

    world_give(w, DEVICE_BASE, 2 * PAGE, VM, S2_RW);
    world_give(w, FRAME_BASE, PAGE, VM, S2_RW);
    assert_int_equal(map_new(w, area_linear(0, PAGE, FRAME_BASE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(PAGE, 2 * PAGE, DEVICE_BASE, S2_RW)), S2_OK);
    model_reset_counters(w->port);
    for (uint64_t at = PAGE - 1; at <= 2 * PAGE; at += PAGE / 2) {
        assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(at), pattern, 2, 0, false, &w->d), S2_EPERM);
        assert_string_equal(w->d.what, "is in part a device");
        assert_int_equal(s2_space_copy_out(&w->space, &byte, S2_IPA(at + 1), 1, 0, &w->d), S2_EPERM);
    }
    assert_int_equal(w->port->count.windows, 0);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(PAGE - 2), pattern, 2, 0, false, &w->d), S2_OK);
}

static void a_dying_space_copies_nothing(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    char byte;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
    s2_space_destroy_begin(&w->space);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), pattern, 1, 0, false, &w->d), S2_EDYING);
    assert_int_equal(s2_space_copy_out(&w->space, &byte, S2_IPA(0), 1, 0, &w->d), S2_EDYING);
    while (s2_space_destroy_step(&w->space, 64))
        ;
    s2_space_destroy_end(&w->space);
    assert_true(model_ok(w->port));
    world_free(w);
}

static void no_memory_is_said_so(void **state)
{
    struct world *w = *state;

    w->space.cfg.frame_quota = 1;
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY | S2_AREA_OVERCOMMIT)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), pattern, PAGE, 0, false, &w->d), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(PAGE), pattern, PAGE, 0, false, &w->d), S2_EQUOTA);
}

/* What the ledger does not know is not taken for memory either. */
static void what_the_ledger_lost_is_no_memory(void **state)
{
    struct world *w = *state;
    struct s2_ient e;

    world_give(w, FRAME_BASE, PAGE, VM, S2_RW);
    assert_int_equal(map_new(w, area_linear(0, PAGE, FRAME_BASE, S2_RW)), S2_OK);
    assert_true(s2_imap_find(&w->ledger.map, FRAME_BASE, &e));
    s2_imap_erase(&w->ledger.map, FRAME_BASE);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), pattern, 1, 0, false, &w->d), S2_EPERM);
    assert_string_equal(w->d.what, "is in part a device");
    s2_imap_insert(&w->ledger.map, &e);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), pattern, 1, 0, false, &w->d), S2_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(bytes_arrive_and_come_back),
        T(windows_are_bounded),
        T(crosses_areas_and_kinds),
        T(lazy_memory_is_there_when_asked_for),
        T(nothing_is_copied_when_something_is_wrong),
        T(a_trap_area_is_not_memory),
        T(a_device_is_no_memory),
        T(no_memory_is_said_so),
        cmocka_unit_test(a_dying_space_copies_nothing),
        T(what_the_ledger_lost_is_no_memory),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
