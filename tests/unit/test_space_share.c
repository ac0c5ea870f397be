/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Spaces that share memory: what each VM reaches at each moment, and what is left at the end. */
#include "share_world.h"

static void both_reach_what_is_shared(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = share_owner_pa(x, OWNER_IPA + KIB(64));
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA + KIB(64), KIB(16), S2_RW);

    assert_int_equal(share_owner_pa(x, OWNER_IPA + KIB(64)), pa);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(12), MODEL_WRITE), pa + KIB(12));
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(16), MODEL_READ), UINT64_MAX);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_EXEC), UINT64_MAX);
    assert_int_equal(share_access(x, OWNER, OWNER_IPA + KIB(64), MODEL_EXEC), pa);
    assert_int_equal(x->w->space.frames_shared, 4);

    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    share_check(x);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    share_retrieve(x, handle, BORROWER_IPA + MIB(2), S2_R);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + MIB(2), MODEL_READ), pa);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + MIB(2), MODEL_WRITE), UINT64_MAX);

    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + MIB(2), MODEL_READ), UINT64_MAX);
    assert_int_equal(share_owner_pa(x, OWNER_IPA + KIB(64)), pa);
    share_assert_whole(x);
}

static void lent_memory_is_the_borrowers_alone(void **state)
{
    struct share_world *x = *state;
    uint64_t at = OWNER_IPA + MIB(2), pa = share_owner_pa(x, at), below = share_owner_pa(x, at - PAGE);
    unsigned char *byte = model_ram(x->w->port, pa + 5);
    uint32_t handle;

    *byte = 42;
    handle = share_offer(x, S2_LEND, at, MIB(2), S2_RW);
    assert_int_equal(share_owner_pa(x, at), UINT64_MAX);
    assert_int_equal(share_owner_pa(x, at - PAGE), below);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + 5, MODEL_READ), pa + 5);
    assert_int_equal(*byte, 42); /* what the owner left there is for the borrower */
    assert_int_equal(share_owner_pa(x, at), UINT64_MAX);

    *byte = 43;
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_RECLAIM, &x->d), S2_OK);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_EBUSY);
    assert_string_equal(x->d.what, "is being scrubbed");
    share_check(x);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(*byte, 0);
    assert_int_equal(share_owner_pa(x, at), pa);
    share_assert_whole(x);
}

/* Nobody but the owner could write, so it is the owner's word that comes back. */
static void what_was_lent_to_read_comes_back_as_it_was(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = share_owner_pa(x, OWNER_IPA);
    uint32_t handle;

    *(unsigned char *)model_ram(x->w->port, pa) = 42;
    handle = share_offer(x, S2_LEND, OWNER_IPA, PAGE, S2_R);
    share_retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(*(unsigned char *)model_ram(x->w->port, pa), 42);
    share_assert_whole(x);
}

static void donated_memory_is_zero_and_the_receivers(void **state)
{
    struct share_world *x = *state;
    struct s2_space *to = space_of(x, BORROWER);
    uint64_t pa = share_owner_pa(x, OWNER_IPA + MIB(2));
    struct s2_ledger_entry e;
    uint32_t handle;

    *(unsigned char *)model_ram(x->w->port, pa) = 42;
    handle = share_offer(x, S2_DONATE, OWNER_IPA + MIB(2), KIB(8), S2_RW);
    assert_int_equal(share_owner_pa(x, OWNER_IPA + MIB(2)), UINT64_MAX);
    assert_false(s2_space_find(&x->w->space, S2_IPA(OWNER_IPA + MIB(2)), &(struct s2_area){0}));
    assert_int_equal(s2_space_retrieve(to, handle, S2_IPA(BORROWER_IPA), S2_RW, 0, &x->d), S2_EBUSY);
    while (s2_share_scrub_step(&x->w->ledger, handle, 1))
        share_check(x);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_WRITE), pa);
    assert_int_equal(*(unsigned char *)model_ram(x->w->port, pa), 0);
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa), &e));
    assert_int_equal(e.owner, BORROWER);
    assert_int_equal(e.state, S2_OWNED);
    assert_int_equal(e.rights, S2_RW);
    assert_true(e.pooled);
    assert_int_equal(to->frames_held, 2);
    assert_int_equal(x->w->space.frames_held, MIB(4) / PAGE - 2);
    assert_int_equal(x->w->space.frames_shared, 0);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_ENOENT);
}

/* The donor changes its mind before anybody took it. */
static void a_donation_that_nobody_took_comes_back(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = share_owner_pa(x, OWNER_IPA);
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, PAGE, S2_R);

    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(share_owner_pa(x, OWNER_IPA), pa);
    share_assert_whole(x);
}

static void several_borrowers(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, KIB(64)), BORROWER, S2_RW);
    uint64_t pa = share_owner_pa(x, OWNER_IPA);
    uint32_t handle;

    o.borrowers = 2;
    o.borrower[1].vm = STRANGER;
    o.borrower[1].rights = S2_R;
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_OK);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(s2_space_retrieve(space_of(x, STRANGER), handle, S2_IPA(MIB(8)), S2_RW, 0, &x->d), S2_EPERM);
    assert_int_equal(s2_space_retrieve(space_of(x, STRANGER), handle, S2_IPA(MIB(8)), S2_R, 0, &x->d), S2_OK);
    share_check(x);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_WRITE), pa);
    assert_int_equal(share_access(x, STRANGER, MIB(8), MODEL_READ), pa);
    s2_space_revoke(space_of(x, BORROWER), handle);
    share_check(x);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    assert_int_equal(share_access(x, STRANGER, MIB(8), MODEL_READ), pa);
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_UNSHARE, &x->d), S2_OK);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_EBUSY);
    assert_int_equal(x->d.holder, STRANGER);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(share_access(x, STRANGER, MIB(8), MODEL_READ), UINT64_MAX);
    share_assert_whole(x);
}

/* Parts of either side may be unmapped; the rest stays. */
static void parts_go(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = share_owner_pa(x, OWNER_IPA);
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA, KIB(64), S2_RW);

    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(s2_space_unmap(space_of(x, BORROWER), ipa_range(BORROWER_IPA + KIB(16), KIB(16)), &x->d), S2_OK);
    assert_int_equal(unmap(x->w, OWNER_IPA + KIB(8), KIB(16)), S2_OK);
    share_check(x);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(32), MODEL_READ), pa + KIB(32));
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(16), MODEL_READ), UINT64_MAX);
    assert_int_equal(share_owner_pa(x, OWNER_IPA + KIB(4)), pa + KIB(4));
    assert_int_equal(share_owner_pa(x, OWNER_IPA + KIB(8)), UINT64_MAX);
    assert_int_equal(s2_space_unmap(space_of(x, BORROWER), ipa_range(BORROWER_IPA, KIB(16)), &x->d), S2_OK);
    assert_int_equal(s2_space_unmap(space_of(x, BORROWER), ipa_range(BORROWER_IPA + KIB(32), KIB(32)), &x->d), S2_OK);
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_ENOENT);
    share_check(x);
    /* All of it, which has counted all the time, comes back in one piece. */
    x->w->space.cfg.frame_quota = MIB(4) / PAGE;
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(share_owner_pa(x, OWNER_IPA + KIB(8)), pa + KIB(8));
    share_assert_whole(x);
}

/* Other things lie between the parts of what goes; they stay. */
static void what_lies_between_stays(void **state)
{
    struct share_world *x = *state;
    struct s2_space *b = space_of(x, BORROWER);
    struct s2_area trap = area_trap(BORROWER_IPA + KIB(16), PAGE, 1);
    uint32_t wide = share_offer(x, S2_SHARE, OWNER_IPA, KIB(64), S2_R);
    uint32_t small = share_offer(x, S2_SHARE, OWNER_IPA + MIB(2), PAGE, S2_R);

    share_retrieve(x, wide, BORROWER_IPA, S2_R);
    assert_int_equal(s2_space_unmap(b, ipa_range(BORROWER_IPA + KIB(16), KIB(16)), &x->d), S2_OK);
    assert_int_equal(s2_space_map(b, &trap, S2_MAP_NEW, &x->d), S2_OK);
    share_retrieve(x, small, BORROWER_IPA + KIB(20), S2_R);
    assert_int_equal(s2_space_relinquish(b, wide, &x->d), S2_OK);
    share_check(x);
    assert_ptr_equal(share_area(x, BORROWER, BORROWER_IPA + KIB(16)).backend, &s2_backend_trap);
    assert_int_not_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(20), MODEL_READ), UINT64_MAX);
    assert_false(s2_space_find(b, S2_IPA(BORROWER_IPA), &trap));
    assert_false(s2_space_find(b, S2_IPA(BORROWER_IPA + KIB(32)), &trap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_reach_what_is_shared, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(lent_memory_is_the_borrowers_alone, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_was_lent_to_read_comes_back_as_it_was, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(donated_memory_is_zero_and_the_receivers, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_donation_that_nobody_took_comes_back, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(several_borrowers, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(parts_go, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_lies_between_stays, share_setup, share_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
