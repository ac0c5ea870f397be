/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Spaces that share memory: what is refused, and that nothing has changed then. */
#include "share_world.h"

static void rights_only_shrink(void **state)
{
    struct share_world *x = *state;
    s2_attr more = S2_ATTR(S2_RW), less = S2_ATTR(S2_R), other = S2_ATTR(S2_R | S2_MT_NORMAL_NC);
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(256), PAGE), BORROWER, S2_RW);
    struct s2_ipa_range there = ipa_range(BORROWER_IPA, PAGE);
    struct s2_space *b = space_of(x, BORROWER);
    struct s2_space_area_stats stats;
    uint32_t handle;

    assert_int_equal(map_new(x->w, area_alloc(MIB(256), PAGE, S2_R, 0)), S2_OK);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EPERM);
    handle = share_offer(x, S2_SHARE, OWNER_IPA, PAGE, S2_RW);
    assert_int_equal(s2_space_retrieve(b, handle, S2_IPA(BORROWER_IPA), S2_RWX, 0, &x->d), S2_EPERM);
    share_retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_equal(s2_space_protect(b, there, set_attr, &more, &x->d), S2_EPERM);
    assert_int_equal(s2_space_protect(b, there, set_attr, &other, &x->d), S2_EPERM);
    assert_int_equal(s2_space_protect(b, there, set_attr, &less, &x->d), S2_OK);
    share_check(x);
    assert_int_equal(s2_space_relinquish(b, handle, &x->d), S2_OK);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(s2_space_protect(b, there, set_attr, &less, &x->d), S2_OK);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_WRITE), UINT64_MAX);
    assert_true(s2_space_area_stats(b, S2_IPA(BORROWER_IPA), &stats));
    assert_int_equal(stats.memory.resident, PAGE);
    share_check(x);
    s2_space_revoke(b, handle + 0x10000); /* there is none of that name */
    assert_int_not_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    assert_int_equal(s2_space_relinquish(b, handle, &x->d), S2_OK);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    handle = share_offer(x, S2_LEND, OWNER_IPA, PAGE, S2_RW);
    assert_true(s2_space_area_stats(&x->w->space, S2_IPA(OWNER_IPA), &stats));
    assert_int_equal(stats.memory.resident, 0);
    assert_int_equal(protect(x->w, OWNER_IPA, PAGE, S2_R), S2_EPERM);
}

/* What is shared cannot be shared again, and not mapped by hand. */
static void shared_areas_come_by_sharing_alone(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA, MIB(2), S2_RW), again;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, PAGE), BORROWER, S2_R);
    struct s2_area a = share_area(x, OWNER, OWNER_IPA);

    assert_int_equal(s2_space_share(&x->w->space, &o, &again, &x->d), S2_EPERM);
    o.range = ipa_range(OWNER_IPA + MIB(2) - PAGE, 2 * PAGE);
    assert_int_equal(s2_space_share(&x->w->space, &o, &again, &x->d), S2_ENOENT);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    o.range = ipa_range(BORROWER_IPA, PAGE);
    o.borrower[0].vm = STRANGER;
    assert_int_equal(s2_space_share(space_of(x, BORROWER), &o, &again, &x->d), S2_EPERM);
    a.range = ipa_range(MIB(8), PAGE);
    assert_int_equal(map_new(x->w, a), S2_EINVAL);
    assert_int_equal(s2_space_map(space_of(x, STRANGER), &a, S2_MAP_NEW, &x->d), S2_EINVAL);
}

static void bad_ranges(void **state)
{
    struct share_world *x = *state;
    static const struct {
        uint64_t start, end;
        enum s2_err err;
    } bad[] = {
        {OWNER_IPA, OWNER_IPA, S2_EINVAL},
        {OWNER_IPA + PAGE, OWNER_IPA, S2_EINVAL},
        {OWNER_IPA + 1, OWNER_IPA + PAGE, S2_EALIGN},
        {OWNER_IPA, OWNER_IPA + 0x800, S2_EALIGN},
        {0, PAGE, S2_ENOENT},
        {OWNER_IPA + MIB(3), OWNER_IPA + MIB(5), S2_ENOENT},
        {1ull << 40, (1ull << 40) + PAGE, S2_ENOENT},
        {MIB(8), MIB(8) + PAGE, S2_EPERM},
    };
    uint32_t handle;

    assert_int_equal(map_new(x->w, area_trap(MIB(8), PAGE, 1)), S2_OK);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct s2_offer o =
            offer_to(S2_SHARE, (struct s2_ipa_range){S2_IPA(bad[i].start), S2_IPA(bad[i].end)}, BORROWER, S2_R);

        assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), bad[i].err);
        share_check(x);
    }
    handle = share_offer(x, S2_SHARE, OWNER_IPA, KIB(8), S2_R);
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(BORROWER_IPA + 1), S2_R, 0, &x->d),
                     S2_EALIGN);
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(UINT64_MAX - PAGE + 1), S2_R, 0, &x->d),
                     S2_EINVAL);
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(1ull << 40), S2_R, 0, &x->d), S2_ERANGE);
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle + 1, S2_IPA(0), S2_R, 0, &x->d), S2_ENOENT);
    share_retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(MIB(8)), S2_R, 0, &x->d), S2_EEXIST);
}

static void limits_of_shares(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, PAGE), BORROWER, S2_R);
    uint32_t handle[SHARES_EACH], more;

    for (unsigned i = 0; i < SHARES_EACH; i++)
        handle[i] = share_offer(x, S2_SHARE, OWNER_IPA + i * KIB(8), PAGE, S2_R);
    o.range = ipa_range(OWNER_IPA + MIB(2), PAGE);
    assert_int_equal(s2_space_share(&x->w->space, &o, &more, &x->d), S2_EQUOTA);
    share_check(x);
    assert_int_equal(share_reclaim(x, OWNER, handle[1]), S2_OK);
    assert_int_equal(s2_space_share(&x->w->space, &o, &more, &x->d), S2_OK);
    assert_int_equal(more & 0xffff, handle[1] & 0xffff); /* the same record, and another handle */
    assert_int_not_equal(more, handle[1]);
    assert_int_equal(share_reclaim(x, OWNER, handle[1]), S2_ENOENT);
}

/* Only what the quota of the receiver allows. */
static void a_donation_counts_in_the_receivers_quota(void **state)
{
    struct share_world *x = *state;
    struct s2_space *to = space_of(x, BORROWER);
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, KIB(16), S2_RW);

    to->cfg.frame_quota = 3;
    (void)s2_share_scrub_step(&x->w->ledger, handle, 64);
    assert_int_equal(s2_space_retrieve(to, handle, S2_IPA(BORROWER_IPA), S2_RW, 0, &x->d), S2_EQUOTA);
    share_check(x);
    to->cfg.frame_quota = 4;
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
}

static void nothing_else_may_be_where_it_comes_back(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, PAGE, S2_R);

    assert_int_equal(map_new(x->w, area_trap(OWNER_IPA, PAGE, 1)), S2_OK);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_EEXIST);
    share_check(x);
    assert_int_equal(unmap(x->w, OWNER_IPA, PAGE), S2_OK);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    share_assert_whole(x);
}

/* The owner has put another's memory where its own would come back. */
static void anothers_share_is_in_the_way(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, PAGE, S2_RW), theirs;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(8), PAGE), OWNER, S2_RW);
    struct s2_area ram = area_alloc(MIB(8), PAGE, S2_RW, 0);

    assert_int_equal(s2_space_map(space_of(x, BORROWER), &ram, S2_MAP_NEW, &x->d), S2_OK);
    assert_int_equal(s2_space_share(space_of(x, BORROWER), &o, &theirs, &x->d), S2_OK);
    assert_int_equal(s2_space_retrieve(&x->w->space, theirs, S2_IPA(OWNER_IPA), S2_RW, 0, &x->d), S2_OK);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_EEXIST);
    share_check(x);
    assert_int_equal(s2_space_relinquish(&x->w->space, theirs, &x->d), S2_OK);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    share_assert_whole(x);
}

/* Nor does it take memory that nobody touched yet. */
static void what_is_refused_is_not_populated(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(128), MIB(4)), OWNER, S2_RW); /* to itself */
    uint64_t free;
    uint32_t handle;

    assert_int_equal(map_new(x->w, area_alloc(MIB(128), MIB(4), S2_RW, S2_AREA_LAZY)), S2_OK);
    free = x->w->frames.free;
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EINVAL);
    o = offer_to(S2_SHARE, ipa_range(MIB(128), MIB(4)), BORROWER, S2_RWX);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EPERM);
    o = offer_to(S2_SHARE, ipa_range(MIB(128), MIB(8)), BORROWER, S2_RW);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_ENOENT);
    assert_int_equal(x->w->frames.free, free);
}

/* It goes, a part in each step, and what goes is not shared. */
static void what_goes_in_steps_is_busy(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, KIB(16)), BORROWER, S2_RW);
    struct s2_long l;
    uint32_t handle;

    assert_int_equal(s2_space_unmap_begin(&x->w->space, &l, ipa_range(OWNER_IPA, MIB(2)), &x->d), S2_OK);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EBUSY);
    while (s2_space_unmap_step(&l, 64))
        ;
    s2_space_unmap_end(&l);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_ENOENT);
}

/* Frames beyond the physical addresses that a VM's descriptors have room for would be others in them. */
static void frames_out_of_reach(void **state)
{
    enum { BELOW_RAM = 30 };
    struct share_world *x = *state;
    struct s2_space *b = space_of(x, BORROWER), far;
    struct s2_space_config cfg = b->cfg;
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA, KIB(16), S2_RW);

    cfg.geometry.pa_bits = b->cfg.geometry.pa_bits = BELOW_RAM;
    assert_int_equal(s2_space_retrieve(b, handle, S2_IPA(BORROWER_IPA), S2_R, 0, &x->d), S2_ERANGE);
    assert_int_equal(x->d.asked_start, share_owner_pa(x, OWNER_IPA));
    assert_int_equal(s2_space_init(&far, &cfg, &x->d), S2_ERANGE);
    assert_int_equal(x->d.asked_start, FRAME_BASE);
    assert_int_equal(x->d.asked_end, FRAME_BASE + FRAME_BYTES);
    b->cfg.geometry.pa_bits = x->w->cfg.geometry.pa_bits;
}

/* --- a handle that is guessed, and comes to be meanwhile ------------------------------------------------------------------- */

static struct guess {
    struct share_world *x;
    uint32_t handle; /* 0: not yet */
    bool ends;
} guess;

/* As soon as the ledger was asked about it. */
static void offer_now(void *arg, const struct s2_lock *lock, bool taken)
{
    struct guess *g = arg;
    struct share_world *x = g->x;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, KIB(16)), BORROWER, S2_RW);

    if (taken || lock != &x->w->ledger.lock || g->handle)
        return;
    assert_int_equal(s2_space_share(&x->w->space, &o, &g->handle, NULL), S2_OK);
    if (g->ends)
        assert_int_equal(s2_share_end_begin(&x->w->ledger, g->handle, OWNER, S2_END_ANY, NULL), S2_OK);
}

static uint32_t guess_next(struct share_world *x, bool ends)
{
    const uint32_t first = 1u << 16 | 1;

    guess = (struct guess){.x = x, .ends = ends};
    model_script_lock(x->w->port, offer_now, &guess);
    return first;
}

static void a_guess_of_the_borrowers(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = guess_next(x, false);

    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(BORROWER_IPA), S2_R, 0, &x->d), S2_ENOENT);
    model_script_lock(x->w->port, NULL, NULL);
    assert_int_equal(guess.handle, handle);
    share_check(x);
    share_retrieve(x, handle, BORROWER_IPA, S2_R);
}

static void a_guess_of_the_owners(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = guess_next(x, true);

    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_ENOENT);
    model_script_lock(x->w->port, NULL, NULL);
    assert_int_equal(guess.handle, handle);
    share_check(x);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    share_assert_whole(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rights_only_shrink, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(shared_areas_come_by_sharing_alone, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(bad_ranges, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(limits_of_shares, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_donation_counts_in_the_receivers_quota, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(nothing_else_may_be_where_it_comes_back, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(anothers_share_is_in_the_way, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_is_refused_is_not_populated, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_goes_in_steps_is_busy, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(frames_out_of_reach, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_guess_of_the_borrowers, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_guess_of_the_owners, share_setup, share_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
