/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Frames change hands: from one VM through the allocator to another, to the same one when it is restarted, and between VMs that lend
 * and donate. The model asserts the order (unmapped, flushed, zeroed, cleaned, given); here it happens, and nothing is left behind. */
#include "share_world.h"

enum { PAGES = 8 };
#define SECRET 0x5a

/* Each VM on a CPU of its own, without FWB, so that a guest may read around the caches; the owner with PAGES pages. All other memory
 * is clean. */
static struct share_world *make(uint8_t chunk_log2)
{
    struct world_config wc = world_defaults();
    struct share_world *x;

    wc.caps.fwb = false;
    wc.chunk_log2 = chunk_log2;
    x = share_create(wc);
    while (s2_frames_scrub_step(&x->w->frames, 4096))
        ;
    assert_int_equal(map_new(x->w, area_alloc(OWNER_IPA, PAGES * PAGE, S2_RWX, 0)), S2_OK);
    for (uint16_t vm = OWNER; vm <= STRANGER; vm++)
        share_run(x, vm);
    return x;
}

static void fill(struct share_world *x, uint16_t vm, uint64_t ipa, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t pa = share_access(x, vm, ipa + i * PAGE, MODEL_WRITE);

        assert_int_not_equal(pa, UINT64_MAX);
        memset(model_ram(x->w->port, pa), SECRET, PAGE);
    }
}

/* All that this VM sees is zero, or all is the secret. */
static void expect_all(struct share_world *x, uint16_t vm, uint64_t ipa, uint64_t pages, unsigned char want)
{
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t pa = share_access(x, vm, ipa + i * PAGE, MODEL_READ);
        const unsigned char *byte;

        assert_int_not_equal(pa, UINT64_MAX);
        byte = model_ram(x->w->port, pa);
        for (uint64_t k = 0; k < PAGE; k++)
            assert_int_equal(byte[k], want);
    }
}

static bool reaches(struct share_world *x, unsigned cpu, uint64_t ipa)
{
    bool done;

    model_set_cpu(x->w->port, cpu);
    done = model_access(x->w->port, ipa, MODEL_WRITE, false).result == MODEL_DONE;
    return done;
}

/* The VM is loaded on another VM's CPU, too. */
static void run_on(struct share_world *x, uint16_t vm, unsigned cpu)
{
    model_set_cpu(x->w->port, cpu);
    s2_space_load(space_of(x, vm));
}

static void give_to(struct share_world *x, uint16_t vm, uint64_t pages)
{
    struct s2_area a = area_alloc(BORROWER_IPA, pages * PAGE, S2_RWX, 0);

    assert_int_equal(s2_space_map(space_of(x, vm), &a, S2_MAP_NEW, &x->d), S2_OK);
    assert_null(s2_space_check(space_of(x, vm), &x->d));
    assert_true(model_ok(x->w->port));
}

/* --- through the allocator ---------------------------------------------------------------------------------------------------- */

static void unmapped_memory_goes_to_another_vm(void **state)
{
    struct share_world *x = make(0);

    (void)state;
    run_on(x, OWNER, STRANGER - VM); /* a second CPU that holds it */
    fill(x, OWNER, OWNER_IPA, PAGES);
    assert_true(reaches(x, STRANGER - VM, OWNER_IPA));
    model_reset_counters(x->w->port);
    assert_int_equal(unmap(x->w, OWNER_IPA, PAGES * PAGE), S2_OK);
    assert_int_equal(x->w->port->count.zeroed, 0); /* lazily */
    assert_false(reaches(x, OWNER - VM, OWNER_IPA));
    assert_false(reaches(x, STRANGER - VM, OWNER_IPA));
    give_to(x, BORROWER, PAGES);
    assert_int_equal(x->w->port->count.zeroed, PAGES * PAGE);
    assert_int_equal(x->w->port->count.cleaned, PAGES * PAGE);
    assert_int_equal(x->w->port->count.synced, PAGES * PAGE);
    assert_int_equal(x->w->port->count.given, PAGES);
    expect_all(x, BORROWER, BORROWER_IPA, PAGES, 0);
    share_check(x);
    share_destroy(x);
}

/* In steps, and each piece is somebody else's before the next one goes. */
static void memory_goes_piece_by_piece(void **state)
{
    struct share_world *x = make(13);
    uint64_t given = 0;
    struct s2_long l;
    bool more = true;

    (void)state;
    /* Chunks of two pages that do not lie together. */
    assert_int_equal(unmap(x->w, OWNER_IPA, PAGES * PAGE), S2_OK);
    for (uint64_t i = 0; i < PAGES; i++) {
        assert_int_equal(map_new(x->w, area_alloc(OWNER_IPA + i * 2 * PAGE, 2 * PAGE, S2_RWX, 0)), S2_OK);
        assert_int_equal(map_new(x->w, area_alloc(MIB(300) + i * 2 * PAGE, 2 * PAGE, S2_RW, 0)), S2_OK);
    }
    fill(x, OWNER, OWNER_IPA, 2 * PAGES);
    model_reset_counters(x->w->port);
    assert_int_equal(s2_space_unmap_begin(&x->w->space, &l, ipa_range(OWNER_IPA, 2ull * PAGES * PAGE), &x->d), S2_OK);
    while (more) {
        struct s2_area a = area_alloc(BORROWER_IPA + given * PAGE, 2 * PAGE, S2_RWX, 0);

        more = s2_space_unmap_step(&l, 3);
        assert_int_equal(l.done.v, OWNER_IPA + (given + 2) * PAGE);
        assert_int_equal(s2_space_map(space_of(x, BORROWER), &a, S2_MAP_NEW, &x->d), S2_OK);
        given += 2;
        assert_int_equal(x->w->port->count.given, given);
        share_check(x);
        if (more)
            expect_all(x, OWNER, l.done.v, 2ull * PAGES - given, SECRET);
    }
    assert_int_equal(s2_space_unmap_end(&l), S2_OK);
    expect_all(x, BORROWER, BORROWER_IPA, 2 * PAGES, 0);
    share_check(x);
    share_destroy(x);
}

/* Idle steps zero it ahead, so many frames each and none under a lock; what is clean is not zeroed again. */
static void idle_steps_scrub_ahead(void **state)
{
    struct share_world *x = make(0);
    uint64_t zeroed = 0, dirty;
    bool more = true;

    (void)state;
    fill(x, OWNER, OWNER_IPA, PAGES);
    assert_int_equal(unmap(x->w, OWNER_IPA, PAGES * PAGE), S2_OK);
    dirty = x->w->frames.free - x->w->frames.clean;
    while (more) {
        model_reset_counters(x->w->port);
        more = s2_frames_scrub_step(&x->w->frames, 3);
        assert_true(x->w->port->count.zeroed <= 3 * PAGE);
        assert_int_equal(x->w->port->count.zeroed_locked, 0);
        zeroed += x->w->port->count.zeroed;
        share_check(x);
    }
    assert_int_equal(dirty, PAGES);
    assert_int_equal(zeroed, dirty * PAGE);
    model_reset_counters(x->w->port);
    give_to(x, BORROWER, PAGES);
    assert_int_equal(x->w->port->count.zeroed, 0);
    assert_int_equal(x->w->port->count.given, PAGES);
    expect_all(x, BORROWER, BORROWER_IPA, PAGES, 0);
    share_destroy(x);
}

/* A lazy area: each chunk is zeroed when it is first touched, and no more. */
static void lazy_memory_is_scrubbed_as_it_is_touched(void **state)
{
    struct share_world *x = make(13);
    struct s2_area a = area_alloc(BORROWER_IPA, PAGES * PAGE, S2_RWX, S2_AREA_LAZY);
    struct s2_cache cache;

    (void)state;
    fill(x, OWNER, OWNER_IPA, PAGES);
    assert_int_equal(unmap(x->w, OWNER_IPA, PAGES * PAGE), S2_OK);
    assert_int_equal(s2_space_map(space_of(x, BORROWER), &a, S2_MAP_NEW, &x->d), S2_OK);
    s2_cache_init(&cache);
    model_reset_counters(x->w->port);
    model_set_cpu(x->w->port, BORROWER - VM);
    for (uint64_t i = 0; i < PAGES; i++) {
        struct model_outcome o = model_access(x->w->port, BORROWER_IPA + i * PAGE, MODEL_WRITE, false);

        for (unsigned tries = 0; o.result != MODEL_DONE && tries < 9; tries++) {
            struct s2_fault_result result;
            struct s2_syndrome syn;
            struct s2_fault f;

            model_syndrome(&o, BORROWER_IPA + i * PAGE, BORROWER_IPA + i * PAGE, MODEL_WRITE, false, &syn);
            s2_fault_decode(x->w->port, &syn, false, &f);
            if (s2_space_fault(space_of(x, BORROWER), &cache, &f, &result) == S2_NEED_REFILL)
                assert_int_equal(s2_cache_refill(space_of(x, BORROWER), &cache), S2_OK);
            o = model_access(x->w->port, BORROWER_IPA + i * PAGE, MODEL_WRITE, false);
        }
        assert_int_equal(o.result, MODEL_DONE);
        assert_int_equal(x->w->port->count.zeroed, (i / 2 + 1) * 2 * PAGE);
    }
    assert_int_equal(x->w->port->count.given, PAGES);
    expect_all(x, BORROWER, BORROWER_IPA, PAGES, 0);
    s2_cache_drain(space_of(x, BORROWER), &cache);
    share_check(x);
    share_destroy(x);
}

/* Destroyed and made again with the same number, perhaps with the same root and VMID: it finds nothing of what it had. */
static void a_restarted_vm_finds_nothing(void **state)
{
    struct share_world *x = make(0);
    struct s2_space_config cfg = x->w->space.cfg;

    (void)state;
    fill(x, OWNER, OWNER_IPA, PAGES);
    share_leave(x, OWNER);
    world_destroy_space(x->w);
    assert_true(model_ok(x->w->port));
    assert_int_equal(s2_space_init(&x->w->space, &cfg, &x->d), S2_OK);
    s2_cache_init(&x->w->cache);
    model_reset_counters(x->w->port);
    assert_int_equal(map_new(x->w, area_alloc(OWNER_IPA, PAGES * PAGE, S2_RWX, 0)), S2_OK);
    share_run(x, OWNER);
    assert_int_equal(x->w->port->count.given, PAGES);
    expect_all(x, OWNER, OWNER_IPA, PAGES, 0);
    share_check(x);
    share_destroy(x);
}

/* --- between VMs ----------------------------------------------------------------------------------------------------------------- */

static uint32_t offer(struct share_world *x, enum s2_share_kind kind, uint8_t rights)
{
    struct s2_offer o = offer_to(kind, ipa_range(OWNER_IPA, PAGES * PAGE), BORROWER, rights);
    uint32_t handle = 0;

    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_OK);
    share_check(x);
    return handle;
}

static enum s2_err retrieve(struct share_world *x, uint32_t handle, uint8_t rights)
{
    return s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(BORROWER_IPA), rights, 9, &x->d);
}

/* Scrubs in steps of two frames: as many as it takes, and what may not be had before is not. */
static void scrub(struct share_world *x, uint32_t handle)
{
    unsigned steps = 0;
    bool more = true;

    for (; more; steps++) {
        model_reset_counters(x->w->port);
        more = s2_share_scrub_step(&x->w->ledger, handle, 2);
        assert_true(x->w->port->count.zeroed <= 2 * PAGE);
        assert_int_equal(x->w->port->count.zeroed_locked, 0);
        share_check(x);
    }
    assert_in_range(steps, PAGES / 2, PAGES / 2 + 1);
}

static void revoked_memory_is_out_of_reach_at_once(void **state)
{
    struct share_world *x = make(0);
    uint32_t handle;

    (void)state;
    fill(x, OWNER, OWNER_IPA, PAGES);
    handle = offer(x, S2_SHARE, S2_RW);
    assert_int_equal(retrieve(x, handle, S2_RW), S2_OK);
    run_on(x, BORROWER, STRANGER - VM);
    for (unsigned cpu = BORROWER - VM; cpu <= STRANGER - VM; cpu++)
        assert_true(reaches(x, cpu, BORROWER_IPA));
    model_set_cpu(x->w->port, OWNER - VM);
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_UNSHARE, &x->d), S2_OK);
    s2_space_revoke(space_of(x, BORROWER), handle);
    model_expect_clean(x->w->port, MODEL_ALL_VMIDS);
    for (unsigned cpu = BORROWER - VM; cpu <= STRANGER - VM; cpu++)
        for (uint64_t i = 0; i < PAGES; i++)
            assert_false(reaches(x, cpu, BORROWER_IPA + i * PAGE));
    share_check(x);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_OK);
    expect_all(x, OWNER, OWNER_IPA, PAGES, SECRET); /* its own, all the time */
    share_check(x);
    share_destroy(x);
}

static void lent_memory_is_zero_when_it_comes_back(void **state)
{
    struct share_world *x = make(0);
    uint32_t handle;

    (void)state;
    fill(x, OWNER, OWNER_IPA, PAGES);
    handle = offer(x, S2_LEND, S2_RW);
    assert_false(reaches(x, OWNER - VM, OWNER_IPA));
    assert_int_equal(retrieve(x, handle, S2_RW), S2_OK);
    expect_all(x, BORROWER, BORROWER_IPA, PAGES, SECRET); /* what the owner left there */
    run_on(x, BORROWER, STRANGER - VM);
    assert_true(reaches(x, STRANGER - VM, BORROWER_IPA));
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_RECLAIM, &x->d), S2_OK);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_EBUSY);
    s2_space_revoke(space_of(x, BORROWER), handle);
    model_expect_clean(x->w->port, MODEL_ALL_VMIDS);
    assert_false(reaches(x, BORROWER - VM, BORROWER_IPA));
    assert_false(reaches(x, STRANGER - VM, BORROWER_IPA));
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_EBUSY); /* not scrubbed */
    scrub(x, handle);
    model_reset_counters(x->w->port);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_OK);
    assert_int_equal(x->w->port->count.given, PAGES);
    expect_all(x, OWNER, OWNER_IPA, PAGES, 0);
    share_check(x);
    share_destroy(x);
}

static void donated_memory_is_zero_before_it_is_received(void **state)
{
    struct share_world *x = make(0);
    uint32_t handle;

    (void)state;
    fill(x, OWNER, OWNER_IPA, PAGES);
    run_on(x, OWNER, STRANGER - VM);
    assert_true(reaches(x, STRANGER - VM, OWNER_IPA));
    handle = offer(x, S2_DONATE, S2_RWX);
    assert_false(reaches(x, OWNER - VM, OWNER_IPA));
    assert_false(reaches(x, STRANGER - VM, OWNER_IPA));
    assert_int_equal(retrieve(x, handle, S2_RWX), S2_EBUSY);
    scrub(x, handle);
    model_reset_counters(x->w->port);
    assert_int_equal(retrieve(x, handle, S2_RWX), S2_OK);
    assert_int_equal(x->w->port->count.given, PAGES);
    expect_all(x, BORROWER, BORROWER_IPA, PAGES, 0);
    share_check(x);
    share_destroy(x);
}

/* The owner goes while another has its memory: revoked first; then somebody else gets it, zeroed. */
static void what_a_dead_owner_lent_is_zero_for_the_next(void **state)
{
    struct share_world *x = make(0);
    uint32_t handle;

    (void)state;
    fill(x, OWNER, OWNER_IPA, PAGES);
    handle = offer(x, S2_LEND, S2_RW);
    assert_int_equal(retrieve(x, handle, S2_RW), S2_OK);
    fill(x, BORROWER, BORROWER_IPA, PAGES);
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_END_ANY, &x->d), S2_OK);
    s2_space_revoke(space_of(x, BORROWER), handle);
    assert_false(reaches(x, BORROWER - VM, BORROWER_IPA));
    share_destroy_space(x, OWNER);
    assert_int_equal(x->w->frames.free, x->w->frames.total);
    model_reset_counters(x->w->port);
    give_to(x, STRANGER, PAGES);
    assert_int_equal(x->w->port->count.given, PAGES);
    expect_all(x, STRANGER, BORROWER_IPA, PAGES, 0);
    share_destroy(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmapped_memory_goes_to_another_vm),
        cmocka_unit_test(memory_goes_piece_by_piece),
        cmocka_unit_test(idle_steps_scrub_ahead),
        cmocka_unit_test(lazy_memory_is_scrubbed_as_it_is_touched),
        cmocka_unit_test(a_restarted_vm_finds_nothing),
        cmocka_unit_test(revoked_memory_is_out_of_reach_at_once),
        cmocka_unit_test(lent_memory_is_zero_when_it_comes_back),
        cmocka_unit_test(donated_memory_is_zero_before_it_is_received),
        cmocka_unit_test(what_a_dead_owner_lent_is_zero_for_the_next),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
