/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Spaces that share memory, of which one is taken down: what the others have then, and who sees to the frames. */
#include "share_world.h"

#include "frame/ledger.h"
#include "space/audit.h"

/* The owner goes: frames stay until the last borrower leaves, and then they are free. */
static void frames_stay_until_the_last_leaves(void **state)
{
    struct share_world *x = *state;
    uint32_t handle, unseen;
    struct s2_ledger_entry e;
    uint64_t pa;

    while (s2_frames_scrub_step(&x->w->frames, 1024))
        ;
    assert_int_equal(map_new(x->w, area_alloc(MIB(256), KIB(64), S2_RW, 0)), S2_OK);
    pa = share_owner_pa(x, MIB(256));
    handle = share_offer(x, S2_SHARE, MIB(256), KIB(64), S2_RW);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    unseen = share_offer(x, S2_DONATE, OWNER_IPA + MIB(2), PAGE, S2_RW);
    s2_cache_drain(&x->w->space, &x->w->cache);
    share_destroy_space(x, OWNER);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_WRITE), pa);
    assert_false(s2_frames_is_free(&x->w->frames, S2_PA(pa)));
    assert_int_equal(x->w->frames.free, x->w->frames.total - 16);
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), unseen, S2_IPA(MIB(8)), S2_RW, 0, &x->d), S2_ENOENT);
    assert_null(s2_space_check(space_of(x, BORROWER), &x->d));
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    assert_int_equal(x->w->frames.free, x->w->frames.total);
    assert_int_equal(x->w->frames.clean,
                     x->w->frames.total - (MIB(4) + KIB(64)) / PAGE); /* all that was the owner's is dirty */
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa), &e));
    assert_int_equal(e.state, S2_FREE);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
}

/* The donor goes while its gift is being taken: whoever comes last sees to it that nothing is lost. */
static void a_donor_goes_while_its_gift_is_taken(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, KIB(64), S2_RW);

    (void)s2_share_scrub_step(&x->w->ledger, handle, 64);
    assert_int_equal(s2_share_take_begin(&x->w->ledger, handle, BORROWER, S2_RW, &x->d), S2_OK);
    share_leave(x, OWNER);
    s2_cache_drain(&x->w->space, &x->w->cache);
    s2_space_destroy_begin(&x->w->space);
    for (unsigned i = 0; i < 100; i++)
        assert_true(s2_space_destroy_step(&x->w->space, 64));
    s2_share_take_drop(&x->w->ledger, handle, BORROWER);
    while (s2_space_destroy_step(&x->w->space, 64))
        ;
    s2_space_destroy_end(&x->w->space);
    assert_int_equal(x->w->frames.free, x->w->frames.total);
}

/* The borrower is taken down while it holds; the owner has it back. */
static void a_borrower_goes(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_LEND, OWNER_IPA, MIB(4), S2_RWX);

    share_retrieve(x, handle, BORROWER_IPA, S2_RWX);
    share_leave(x, BORROWER);
    s2_space_destroy_begin(space_of(x, BORROWER));
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_EBUSY); /* its steps let go */
    while (s2_space_destroy_step(space_of(x, BORROWER), 64))
        ;
    s2_space_destroy_end(space_of(x, BORROWER));
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    share_assert_whole(x);
}

/* Memory at a chosen place that was on loan: the owner will not come back, and the borrower leaves last. */
static void what_was_on_loan_is_given_back_later(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = FRAME_BASE + MIB(16);
    uint32_t handle;

    world_give(x->w, pa, MIB(2), OWNER, S2_RWX);
    assert_int_equal(map_new(x->w, area_linear(MIB(256), MIB(2), pa, S2_RW)), S2_OK);
    handle = share_offer(x, S2_LEND, MIB(256), KIB(64), S2_RW);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    s2_cache_drain(&x->w->space, &x->w->cache);
    share_destroy_space(x, OWNER);
    assert_int_equal(s2_ledger_count(&x->w->ledger, OWNER, S2_LENT), KIB(64) / PAGE);
    s2_space_revoke(space_of(x, BORROWER), handle);
    assert_int_equal(s2_ledger_count(&x->w->ledger, OWNER, S2_LENT), KIB(64) / PAGE);
    assert_true(s2_space_disown_step(&x->w->space)); /* scrubs it */
    assert_int_equal(s2_ledger_count(&x->w->ledger, OWNER, S2_OWNED), KIB(64) / PAGE);
    assert_true(s2_space_disown_step(&x->w->space));
    assert_false(s2_space_disown_step(&x->w->space));
    assert_int_equal(x->w->frames.free, x->w->frames.total);
}

/* A share that the borrower only read, which is the owner's when the last one leaves. */
static void what_was_read_is_given_back_later(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = FRAME_BASE + MIB(16);
    uint32_t handle;

    world_give(x->w, pa, MIB(2), OWNER, S2_RWX);
    assert_int_equal(map_new(x->w, area_linear(MIB(256), MIB(2), pa, S2_RW)), S2_OK);
    handle = share_offer(x, S2_SHARE, MIB(256), KIB(64), S2_R);
    share_retrieve(x, handle, BORROWER_IPA, S2_R);
    s2_cache_drain(&x->w->space, &x->w->cache);
    share_destroy_space(x, OWNER);
    assert_int_equal(s2_ledger_count(&x->w->ledger, OWNER, S2_SHARED), KIB(64) / PAGE);
    s2_space_revoke(space_of(x, BORROWER), handle);
    while (s2_space_disown_step(&x->w->space))
        ;
    assert_int_equal(x->w->frames.free, x->w->frames.total);
}

/* A donor is not gone while any of its shares is at work. */
static void an_owner_waits_for_who_scrubs(void **state)
{
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_LEND, OWNER_IPA, KIB(64), S2_RW);
    struct s2_share *s = &x->table[s2_share_index(handle)];

    s->scrubbing = true; /* on another CPU */
    assert_true(s2_share_orphan(&x->w->ledger, OWNER));
    s->scrubbing = false;
    assert_false(s2_share_orphan(&x->w->ledger, OWNER));
    share_destroy_space(x, OWNER);
}

static void lend_a_place(struct share_world *x, uint64_t pa, uint32_t *handle)
{
    world_give(x->w, pa, KIB(64), OWNER, S2_RWX);
    assert_int_equal(map_new(x->w, area_linear(MIB(256), KIB(64), pa, S2_RW)), S2_OK);
    *handle = share_offer(x, S2_LEND, MIB(256), KIB(64), S2_RW);
    share_retrieve(x, *handle, BORROWER_IPA, S2_RW);
    *(unsigned char *)model_ram(x->w->port, pa) = 42;
    s2_cache_drain(&x->w->space, &x->w->cache);
}

/* The same, and the owner comes back first: it finds nothing of what the borrower wrote. */
static void an_owner_comes_back_before_what_it_lent(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = FRAME_BASE + MIB(16);
    uint32_t handle;

    lend_a_place(x, pa, &handle);
    share_leave(x, OWNER);
    s2_space_destroy_begin(&x->w->space);
    while (s2_space_destroy_step(&x->w->space, 64))
        ;
    s2_space_destroy_end(&x->w->space);
    assert_int_equal(s2_space_init(&x->w->space, &x->w->cfg, &x->d), S2_OK);
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    assert_int_equal(map_new(x->w, area_linear(MIB(256), KIB(64), pa, S2_RW)), S2_EPERM);
    assert_true(s2_audit_share_in_use(&x->w->ledger, handle));
    while (s2_share_scrub_step(&x->w->ledger, handle, 3))
        ;
    assert_int_equal(map_new(x->w, area_linear(MIB(256), KIB(64), pa, S2_RW)), S2_OK);
    assert_int_equal(*(unsigned char *)model_ram(x->w->port, pa), 0);
}

/* What was revoked before is scrubbed on the way, in steps. */
static void what_came_back_is_scrubbed_with_its_owner(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = FRAME_BASE + MIB(16);
    unsigned steps = 0;
    uint32_t handle;

    lend_a_place(x, pa, &handle);
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_RECLAIM, &x->d), S2_OK);
    s2_space_revoke(space_of(x, BORROWER), handle);
    share_leave(x, OWNER);
    s2_space_destroy_begin(&x->w->space);
    while (s2_space_destroy_step(&x->w->space, 2))
        steps += *(unsigned char *)model_ram(x->w->port, pa) == 0;
    assert_int_equal(steps, KIB(64) / PAGE / 2);
    s2_space_destroy_end(&x->w->space);
    assert_int_equal(s2_ledger_count(&x->w->ledger, OWNER, S2_OWNED), KIB(64) / PAGE);
    assert_int_equal(s2_space_init(&x->w->space, &x->w->cfg, &x->d), S2_OK);
    assert_int_equal(map_new(x->w, area_linear(MIB(256), KIB(64), pa, S2_RW)), S2_OK);
}

static void dying_spaces_refuse(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, PAGE), BORROWER, S2_R);
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA, PAGE, S2_R), mine;

    o.range = ipa_range(OWNER_IPA + MIB(2), PAGE);
    share_leave(x, BORROWER);
    s2_space_destroy_begin(space_of(x, BORROWER));
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(0), S2_R, 0, &x->d), S2_EDYING);
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_EDYING);
    s2_space_revoke(space_of(x, BORROWER), handle);
    while (s2_space_destroy_step(space_of(x, BORROWER), 64))
        ;
    s2_space_destroy_end(space_of(x, BORROWER));
    s2_cache_drain(&x->w->space, &x->w->cache);
    share_leave(x, OWNER);
    s2_space_destroy_begin(&x->w->space);
    assert_int_equal(s2_space_share(&x->w->space, &o, &mine, &x->d), S2_EDYING);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_EDYING);
    while (s2_space_destroy_step(&x->w->space, 64))
        ;
    s2_space_destroy_end(&x->w->space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_stay_until_the_last_leaves, share_setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(a_donor_goes_while_its_gift_is_taken, share_setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(a_borrower_goes, share_setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(what_was_on_loan_is_given_back_later, share_setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(what_was_read_is_given_back_later, share_setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(an_owner_waits_for_who_scrubs, share_setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(an_owner_comes_back_before_what_it_lent, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_came_back_is_scrubbed_with_its_owner, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(dying_spaces_refuse, share_setup, share_teardown_rest),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
