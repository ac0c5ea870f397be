/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Sharing between spaces, where one side goes while the other is at work, and what counts for whom. */
#include "share_world.h"

#include <stage2/audit.h>

#include "space/inner.h"

enum { QUOTA = MIB(4) / PAGE }; /* of each VM; the owner's area has all of it */
#define LINEAR_PA  (FRAME_BASE + MIB(16))
#define LINEAR_IPA MIB(256)

static int setup(void **state)
{
    struct world_config wc = world_defaults();

    wc.frame_quota = QUOTA;
    *state = share_begin(wc, 0);
    return 0;
}

/* --- quotas --------------------------------------------------------------------------------------------------------- */

/* The quota is of what comes from the allocator. Memory at a chosen place never counts, shared or not. */
static void memory_at_a_chosen_place_counts_in_no_quota(void **state)
{
    static const enum s2_share_kind kinds[] = {S2_SHARE, S2_LEND};
    struct share_world *x = *state;
    struct s2_area more = area_alloc(MIB(8), PAGE, S2_RW, 0);

    world_give(x->w, LINEAR_PA, MIB(2), OWNER, S2_RWX);
    assert_int_equal(map_new(x->w, area_linear(LINEAR_IPA, MIB(2), LINEAR_PA, S2_RW)), S2_OK);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t handle = share_offer(x, kinds[i], LINEAR_IPA, KIB(16), S2_RW);

        assert_int_equal(map_new(x->w, more), S2_EQUOTA);
        share_retrieve(x, handle, BORROWER_IPA, S2_RW);
        assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
        share_check(x);
        handle = share_offer(x, kinds[i], LINEAR_IPA, KIB(16), S2_RW);
        assert_int_equal(unmap(x->w, LINEAR_IPA, KIB(16)), S2_OK); /* its side goes otherwise */
        share_check(x);
        assert_int_equal(map_new(x->w, more), S2_EQUOTA);
        assert_false(s2_share_info(&x->w->ledger, handle, &(struct s2_share_info){0}));
        assert_int_equal(map_new(x->w, area_linear(LINEAR_IPA, KIB(16), LINEAR_PA, S2_RW)), S2_OK);
    }
}

/* What populating lacks is what is said. */
static void what_lazy_memory_lacks_is_told(void **state)
{
    struct share_world *x = *state;
    struct s2_area lazy = area_alloc(MIB(128), MIB(4), S2_RW, S2_AREA_LAZY | S2_AREA_OVERCOMMIT);
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(128), PAGE), BORROWER, S2_R);
    uint32_t handle;

    assert_int_equal(map_new(x->w, lazy), S2_OK);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EQUOTA);
}

/* --- rights --------------------------------------------------------------------------------------------------------- */

static bool writable(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    attr->bits |= S2_W;
    return true;
}

/* A gift that may only be read is that for good. */
static void a_donation_keeps_its_rights(void **state)
{
    struct share_world *x = *state;
    struct s2_space *to = space_of(x, BORROWER);
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, KIB(16), S2_R);
    struct s2_long l;

    while (s2_share_scrub_step(&x->w->ledger, handle, 64))
        ;
    share_retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_equal(s2_space_protect(to, ipa_range(BORROWER_IPA, PAGE), writable, NULL, &x->d), S2_EPERM);
    share_check(x);
    assert_int_equal(s2_space_protect_begin(to, &l, ipa_range(BORROWER_IPA, KIB(16)), writable, NULL, &x->d), S2_EPERM);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_WRITE), UINT64_MAX);
}

/* --- who goes meanwhile --------------------------------------------------------------------------------------------- */

/* The owner goes while a borrower is about to take it, which then does not: whoever is last shuts the door. */
static void an_owner_goes_and_the_taker_gives_up(void **state)
{
    static const enum s2_share_kind kinds[] = {S2_SHARE, S2_LEND};
    struct share_world *x = *state;
    uint32_t handle[2];

    for (unsigned i = 0; i < 2; i++) {
        handle[i] = share_offer(x, kinds[i], OWNER_IPA + i * KIB(64), KIB(16), S2_RW);
        assert_int_equal(s2_share_take_begin(&x->w->ledger, handle[i], BORROWER, S2_RW, &x->d), S2_OK);
    }
    s2_cache_drain(&x->w->space, &x->w->cache);
    share_destroy_space(x, OWNER);
    for (unsigned i = 0; i < 2; i++)
        s2_share_take_drop(&x->w->ledger, handle[i], BORROWER);
    for (unsigned i = 0; i < SHARES; i++)
        assert_int_equal(x->table[i].phase, S2_SHARE_UNUSED);
    assert_int_equal(x->w->frames.free, x->w->frames.total);
}

/* A taker that gives up what its owner has begun to take back leaves it for the owner. */
static void a_gift_that_is_not_taken_comes_back(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, KIB(16), S2_RW);

    (void)s2_share_scrub_step(&x->w->ledger, handle, 64);
    assert_int_equal(s2_share_take_begin(&x->w->ledger, handle, BORROWER, S2_RW, &x->d), S2_OK);
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_RECLAIM, &x->d), S2_OK);
    s2_share_take_drop(&x->w->ledger, handle, BORROWER);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_OK);
}

/* The owner's side of a loan goes before the borrower leaves: what that wrote is gone before the owner can have it. */
static void a_loan_of_a_chosen_place_comes_back_zero(void **state)
{
    struct share_world *x = *state;
    unsigned char *byte = model_ram(x->w->port, LINEAR_PA);
    struct s2_area again = area_linear(LINEAR_IPA, KIB(16), LINEAR_PA, S2_RW);
    uint32_t handle;

    world_give(x->w, LINEAR_PA, MIB(2), OWNER, S2_RWX);
    assert_int_equal(map_new(x->w, area_linear(LINEAR_IPA, MIB(2), LINEAR_PA, S2_RW)), S2_OK);
    handle = share_offer(x, S2_LEND, LINEAR_IPA, KIB(16), S2_RW);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    *byte = 42;
    assert_int_equal(unmap(x->w, LINEAR_IPA, KIB(16)), S2_OK);
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    share_check(x);
    assert_int_equal(map_new(x->w, again), S2_EPERM);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_EBUSY);
    while (s2_share_scrub_step(&x->w->ledger, handle, 3))
        assert_int_equal(map_new(x->w, again), S2_EPERM);
    assert_int_equal(*byte, 0);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_ENOENT); /* it has let go of it */
    assert_int_equal(map_new(x->w, again), S2_OK);
    share_check(x);
    /* Where a space is taken down, who gave it the memory scrubs that. */
    handle = share_offer(x, S2_LEND, LINEAR_IPA, KIB(16), S2_RW);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
}

/* --- long work ------------------------------------------------------------------------------------------------------ */

/* What a VM is told of another's share does not depend on what that share is. */
static void a_stranger_learns_nothing_from_long_work(void **state)
{
    struct share_world *x = *state;
    struct s2_space *sp = space_of(x, STRANGER);
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA, KIB(64), S2_RW);
    struct s2_area ram = area_alloc(BORROWER_IPA + KIB(32), KIB(16), S2_RW, 0);
    struct s2_area mine = area_alloc(OWNER_IPA, KIB(16), S2_RW, 0);
    struct s2_long l, m;

    assert_int_equal(s2_space_map_begin(sp, &l, &ram, &x->d), S2_OK);
    assert_int_equal(s2_space_map_begin(sp, &m, &mine, &x->d), S2_OK);
    assert_int_equal(s2_space_retrieve(sp, handle, S2_IPA(BORROWER_IPA), S2_R, 0, &x->d), S2_ENOENT);
    assert_int_equal(s2_space_reclaim(sp, handle, &x->d), S2_ENOENT);
    s2_space_map_end(&l);
    s2_space_map_end(&m);
}

static bool no_write(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    attr->bits &= ~(uint32_t)S2_W;
    return true;
}

/* It is withdrawn from a VM that is at work on it in steps. */
static void withdrawn_under_long_work(void **state)
{
    struct share_world *x = *state;
    struct s2_space *to = space_of(x, BORROWER);
    struct s2_long l;

    for (unsigned steps = 0; steps < 4; steps++) {
        uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA, KIB(64), S2_RW);

        share_retrieve(x, handle, BORROWER_IPA, S2_RW);
        assert_int_equal(s2_space_protect_begin(to, &l, ipa_range(BORROWER_IPA, KIB(64)), no_write, NULL, &x->d),
                         S2_OK);
        for (unsigned i = 0; i < steps; i++)
            (void)s2_space_protect_step(&l, 3);
        assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
        while (s2_space_protect_step(&l, 3))
            ;
        assert_int_equal(s2_space_protect_end(&l), S2_OK);
        share_check(x);

        handle = share_offer(x, S2_SHARE, OWNER_IPA, KIB(64), S2_RW);
        share_retrieve(x, handle, BORROWER_IPA, S2_RW);
        assert_int_equal(s2_space_unmap_begin(to, &l, ipa_range(BORROWER_IPA, KIB(64)), &x->d), S2_OK);
        for (unsigned i = 0; i < steps; i++)
            (void)s2_space_unmap_step(&l, 3);
        s2_space_revoke(to, handle);
        while (s2_space_unmap_step(&l, 3))
            ;
        assert_int_equal(s2_space_unmap_end(&l), S2_OK);
        assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
        share_check(x);
    }
}

/* --- audit ---------------------------------------------------------------------------------------------------------- */

static struct s2_space *audited(void *arg, unsigned i)
{
    struct s2_space *sp = space_of(arg, (uint16_t)(VM + i));

    return sp->dying ? NULL : sp;
}

static bool cached(void *arg, unsigned i, uint32_t *pages)
{
    (void)arg;
    (void)i;
    *pages = 0;
    return true;
}

static void finding(void *arg, const struct s2_finding *f)
{
    (void)arg;
    fail_msg("vm %u: %s at 0x%llx", f->vm, f->detail.what, (unsigned long long)f->detail.asked_start);
}

static void finds_nothing(const struct s2_audit_config *cfg)
{
    struct s2_audit a;

    s2_audit_begin(&a, cfg);
    while (s2_audit_step(&a, 64))
        ;
}

/* Frames of an owner that is gone stay with the borrower, and then with who scrubs them, which is no finding. */
static void what_a_gone_owner_left_is_no_finding(void **state)
{
    static const enum s2_share_kind kinds[] = {S2_SHARE, S2_LEND};
    struct share_world *x = *state;
    struct world *w = x->w;
    const struct s2_audit_config cfg = {.ledger = &w->ledger,
                                        .frames = &w->frames,
                                        .tables = &w->tables,
                                        .pools = 1,
                                        .vmids = &w->vmids,
                                        .spaces = VMS,
                                        .space = audited,
                                        .cached = cached,
                                        .found = finding,
                                        .arg = x};
    uint32_t handle[2];

    for (unsigned i = 0; i < 2; i++) {
        struct s2_ipa_range at = ipa_range(BORROWER_IPA + i * MIB(2), KIB(64));

        handle[i] = share_offer(x, kinds[i], OWNER_IPA + i * KIB(64), KIB(64), S2_RW);
        assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle[i], at.start, S2_RW, 9, &x->d), S2_OK);
    }
    s2_cache_drain(&w->space, &w->cache);
    share_destroy_space(x, OWNER);
    finds_nothing(&cfg);
    for (unsigned i = 0; i < 2; i++) {
        struct s2_share *s = &x->table[(handle[i] & 0xffff) - 1];

        s->scrubbing = true;
        assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle[i], &x->d), S2_OK);
        assert_int_equal(s->phase, S2_SHARE_ENDING);
        finds_nothing(&cfg);
        s->scrubbing = false;
        assert_int_equal(s2_share_orphan(&w->ledger, OWNER), false);
        assert_int_equal(s->phase, S2_SHARE_UNUSED);
        finds_nothing(&cfg);
    }
}

/* --- what is told of it --------------------------------------------------------------------------------------------- */

static uint64_t resident(struct share_world *x, uint16_t vm, uint64_t ipa)
{
    struct s2_space_area_stats stats;

    assert_true(s2_space_area_stats(space_of(x, vm), S2_IPA(ipa), &stats));
    return stats.memory.resident;
}

static void who_lends_has_nothing_there(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_LEND, OWNER_IPA, KIB(64), S2_RW);

    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(resident(x, OWNER, OWNER_IPA), 0);
    assert_int_equal(resident(x, BORROWER, BORROWER_IPA), KIB(64));
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), 0, &x->d), S2_ENOENT);
    assert_int_equal(s2_space_relinquish(space_of(x, STRANGER), handle, &x->d), S2_ENOENT);
}

static void a_charge_that_is_wrong_is_seen(void **state)
{
    struct share_world *x = *state;

    (void)share_offer(x, S2_LEND, OWNER_IPA, KIB(64), S2_RW);
    x->w->space.frames_shared--;
    assert_string_equal(s2_space_check(&x->w->space, &x->d), "is charged for another number of shared frames");
    x->w->space.frames_shared++;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_at_a_chosen_place_counts_in_no_quota, setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_lazy_memory_lacks_is_told, setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_donation_keeps_its_rights, setup, share_teardown),
        cmocka_unit_test_setup_teardown(an_owner_goes_and_the_taker_gives_up, setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(a_gift_that_is_not_taken_comes_back, setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_loan_of_a_chosen_place_comes_back_zero, setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_stranger_learns_nothing_from_long_work, setup, share_teardown),
        cmocka_unit_test_setup_teardown(withdrawn_under_long_work, setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_a_gone_owner_left_is_no_finding, setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(who_lends_has_nothing_there, setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_charge_that_is_wrong_is_seen, setup, share_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
