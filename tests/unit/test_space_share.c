/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Spaces that share memory: what each VM reaches at each moment, and what is left at the end. */
#include "share_world.h"

#include "space/inner.h"

static int setup(void **state)
{
    *state = share_begin(world_defaults(), 7);
    return 0;
}

static void retrieve(struct share_world *x, uint32_t handle, uint64_t ipa, uint8_t rights)
{
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(ipa), rights, 9, &x->d), S2_OK);
    share_check(x);
}

static struct s2_area area_at(struct share_world *x, uint16_t vm, uint64_t ipa)
{
    struct s2_area a = {.name = 0};

    assert_true(s2_space_find(space_of(x, vm), S2_IPA(ipa), &a));
    return a;
}

static uint64_t owner_pa(struct share_world *x, uint64_t ipa)
{
    return share_access(x, OWNER, ipa, MODEL_READ);
}

/* The owner's RAM is one area again, as it was. */
static void assert_whole(struct share_world *x)
{
    struct s2_area a = area_at(x, OWNER, OWNER_IPA);

    assert_ptr_equal(a.backend, &s2_backend_alloc);
    assert_int_equal(a.range.end.v - a.range.start.v, MIB(4));
    assert_int_equal(a.attr.bits, S2_RWX);
    assert_int_equal(a.name, 7);
    assert_int_equal(x->w->space.frames_shared, 0);
    assert_int_equal(x->w->space.frames_held, MIB(4) / PAGE);
}

static void both_reach_what_is_shared(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = owner_pa(x, OWNER_IPA + KIB(64));
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA + KIB(64), KIB(16), S2_RW);

    assert_int_equal(owner_pa(x, OWNER_IPA + KIB(64)), pa);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(12), MODEL_WRITE), pa + KIB(12));
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(16), MODEL_READ), UINT64_MAX);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_EXEC), UINT64_MAX);
    assert_int_equal(share_access(x, OWNER, OWNER_IPA + KIB(64), MODEL_EXEC), pa);
    assert_int_equal(x->w->space.frames_shared, 4);

    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    share_check(x);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    retrieve(x, handle, BORROWER_IPA + MIB(2), S2_R);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + MIB(2), MODEL_READ), pa);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + MIB(2), MODEL_WRITE), UINT64_MAX);

    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + MIB(2), MODEL_READ), UINT64_MAX);
    assert_int_equal(owner_pa(x, OWNER_IPA + KIB(64)), pa);
    assert_whole(x);
}

static void lent_memory_is_the_borrowers_alone(void **state)
{
    struct share_world *x = *state;
    uint64_t at = OWNER_IPA + MIB(2), pa = owner_pa(x, at), below = owner_pa(x, at - PAGE);
    unsigned char *byte = model_ram(x->w->port, pa + 5);
    uint32_t handle;

    *byte = 42;
    handle = share_offer(x, S2_LEND, at, MIB(2), S2_RW);
    assert_int_equal(owner_pa(x, at), UINT64_MAX);
    assert_int_equal(owner_pa(x, at - PAGE), below);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + 5, MODEL_READ), pa + 5);
    assert_int_equal(*byte, 42); /* what the owner left there is for the borrower */
    assert_int_equal(owner_pa(x, at), UINT64_MAX);

    *byte = 43;
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    assert_int_equal(s2_share_end_begin(&x->w->ledger, handle, OWNER, S2_RECLAIM, &x->d), S2_OK);
    assert_int_equal(s2_space_reclaim(&x->w->space, handle, &x->d), S2_EBUSY);
    assert_string_equal(x->d.what, "is being scrubbed");
    share_check(x);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(*byte, 0);
    assert_int_equal(owner_pa(x, at), pa);
    assert_whole(x);
}

/* Nobody but the owner could write, so it is the owner's word that comes back. */
static void what_was_lent_to_read_comes_back_as_it_was(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = owner_pa(x, OWNER_IPA);
    uint32_t handle;

    *(unsigned char *)model_ram(x->w->port, pa) = 42;
    handle = share_offer(x, S2_LEND, OWNER_IPA, PAGE, S2_R);
    retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(*(unsigned char *)model_ram(x->w->port, pa), 42);
    assert_whole(x);
}

static void donated_memory_is_zero_and_the_receivers(void **state)
{
    struct share_world *x = *state;
    struct s2_space *to = space_of(x, BORROWER);
    uint64_t pa = owner_pa(x, OWNER_IPA + MIB(2));
    struct s2_ledger_entry e;
    uint32_t handle;

    *(unsigned char *)model_ram(x->w->port, pa) = 42;
    handle = share_offer(x, S2_DONATE, OWNER_IPA + MIB(2), KIB(8), S2_RW);
    assert_int_equal(owner_pa(x, OWNER_IPA + MIB(2)), UINT64_MAX);
    assert_false(s2_space_find(&x->w->space, S2_IPA(OWNER_IPA + MIB(2)), &(struct s2_area){0}));
    assert_int_equal(s2_space_retrieve(to, handle, S2_IPA(BORROWER_IPA), S2_RW, 0, &x->d), S2_EBUSY);
    while (s2_share_scrub_step(&x->w->ledger, handle, 1))
        share_check(x);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
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
    uint64_t pa = owner_pa(x, OWNER_IPA);
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, PAGE, S2_R);

    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(owner_pa(x, OWNER_IPA), pa);
    assert_whole(x);
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
    assert_whole(x);
}

/* A lazy area, of which most was never touched: what is shared is there then, and what comes back is part of the area again. */
static void lazy_memory_is_populated_to_be_shared(void **state)
{
    struct share_world *x = *state;
    struct s2_area lazy = area_alloc(MIB(128), MIB(4), S2_RW, S2_AREA_LAZY);
    uint32_t handle;
    struct s2_area a;

    assert_int_equal(map_new(x->w, lazy), S2_OK);
    handle = share_offer(x, S2_SHARE, MIB(128) + KIB(4), KIB(8), S2_R);
    retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_not_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    assert_int_equal(share_access(x, OWNER, MIB(128) + KIB(4), MODEL_WRITE),
                     share_access(x, BORROWER, BORROWER_IPA, MODEL_READ));
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    share_check(x);
    a = area_at(x, OWNER, MIB(128));
    assert_int_equal(a.range.end.v - a.range.start.v, MIB(4));
    assert_int_equal(a.flags, S2_AREA_LAZY);
}

/* Memory at a chosen place may be shared and lent, not given away. */
static void memory_at_a_chosen_place(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = FRAME_BASE + MIB(16);
    struct s2_offer o = offer_to(S2_DONATE, ipa_range(MIB(256), PAGE), BORROWER, S2_R);
    struct s2_ledger_entry e;
    uint32_t handle;

    world_give(x->w, pa, MIB(2), OWNER, S2_RWX);
    assert_int_equal(map_new(x->w, area_linear(MIB(256), MIB(2), pa, S2_RW)), S2_OK);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EPERM);
    handle = share_offer(x, S2_LEND, MIB(256) + PAGE, PAGE, S2_RW);
    assert_int_equal(x->w->space.frames_shared, 0); /* no quota has it */
    retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_WRITE), pa + PAGE);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(area_at(x, OWNER, MIB(256)).range.end.v, MIB(258));
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa), &e));
    assert_int_equal(e.range.end.v, pa + MIB(2));
    assert_int_equal(owner_pa(x, MIB(256) + PAGE), pa + PAGE);
    /* As the owner is taken down, the frames stay its own. */
    handle = share_offer(x, S2_SHARE, MIB(256), PAGE, S2_R);
    assert_int_equal(unmap(x->w, MIB(256), MIB(2)), S2_OK);
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa), &e));
    assert_int_equal(e.owner, OWNER);
    assert_int_equal(e.state, S2_OWNED);
    assert_false(s2_share_info(&x->w->ledger, handle, &(struct s2_share_info){0}));
}

static void several_borrowers(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, KIB(64)), BORROWER, S2_RW);
    uint64_t pa = owner_pa(x, OWNER_IPA);
    uint32_t handle;

    o.borrowers = 2;
    o.borrower[1].vm = STRANGER;
    o.borrower[1].rights = S2_R;
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_OK);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
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
    assert_whole(x);
}

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
    pa = owner_pa(x, MIB(256));
    handle = share_offer(x, S2_SHARE, MIB(256), KIB(64), S2_RW);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
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

    retrieve(x, handle, BORROWER_IPA, S2_RWX);
    share_leave(x, BORROWER);
    s2_space_destroy_begin(space_of(x, BORROWER));
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_EBUSY); /* its steps let go */
    while (s2_space_destroy_step(space_of(x, BORROWER), 64))
        ;
    s2_space_destroy_end(space_of(x, BORROWER));
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_whole(x);
}

/* Parts of either side may be unmapped; the rest stays. */
static void parts_go(void **state)
{
    struct share_world *x = *state;
    uint64_t pa = owner_pa(x, OWNER_IPA);
    uint32_t handle = share_offer(x, S2_SHARE, OWNER_IPA, KIB(64), S2_RW);

    retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(s2_space_unmap(space_of(x, BORROWER), ipa_range(BORROWER_IPA + KIB(16), KIB(16)), &x->d), S2_OK);
    assert_int_equal(unmap(x->w, OWNER_IPA + KIB(8), KIB(16)), S2_OK);
    share_check(x);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(32), MODEL_READ), pa + KIB(32));
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(16), MODEL_READ), UINT64_MAX);
    assert_int_equal(owner_pa(x, OWNER_IPA + KIB(4)), pa + KIB(4));
    assert_int_equal(owner_pa(x, OWNER_IPA + KIB(8)), UINT64_MAX);
    assert_int_equal(s2_space_unmap(space_of(x, BORROWER), ipa_range(BORROWER_IPA, KIB(16)), &x->d), S2_OK);
    assert_int_equal(s2_space_unmap(space_of(x, BORROWER), ipa_range(BORROWER_IPA + KIB(32), KIB(32)), &x->d), S2_OK);
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_ENOENT);
    share_check(x);
    /* All of it comes back, in one piece, and counts again. */
    x->w->space.cfg.frame_quota = MIB(4) / PAGE - 1;
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_EQUOTA);
    x->w->space.cfg.frame_quota = MIB(4) / PAGE;
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(owner_pa(x, OWNER_IPA + KIB(8)), pa + KIB(8));
    assert_whole(x);
}

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
    retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_equal(s2_space_protect(b, there, set_attr, &more, &x->d), S2_EPERM);
    assert_int_equal(s2_space_protect(b, there, set_attr, &other, &x->d), S2_EPERM);
    assert_int_equal(s2_space_protect(b, there, set_attr, &less, &x->d), S2_OK);
    share_check(x);
    assert_int_equal(s2_space_relinquish(b, handle, &x->d), S2_OK);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
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
    struct s2_area a = area_at(x, OWNER, OWNER_IPA);

    assert_int_equal(s2_space_share(&x->w->space, &o, &again, &x->d), S2_EPERM);
    o.range = ipa_range(OWNER_IPA + MIB(2) - PAGE, 2 * PAGE);
    assert_int_equal(s2_space_share(&x->w->space, &o, &again, &x->d), S2_ENOENT);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
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
    retrieve(x, handle, BORROWER_IPA, S2_R);
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

/* Memory in pieces: every other chunk is of another place. */
static void memory_in_pieces(void **state)
{
    struct share_world *x = *state;
    struct world *w = x->w;
    uint64_t a, b;
    uint32_t handle;

    /* Two allocations that alternate. */
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(map_new(w, area_alloc(MIB(128) + i * PAGE, PAGE, S2_RW, 0)), S2_OK);
        assert_int_equal(map_new(w, area_alloc(MIB(192) + i * PAGE, PAGE, S2_RW, 0)), S2_OK);
    }
    a = owner_pa(x, MIB(128));
    b = owner_pa(x, MIB(128) + PAGE);
    assert_int_not_equal(b, a + PAGE);
    handle = share_offer(x, S2_LEND, MIB(128), 8 * PAGE, S2_RW);
    retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + PAGE, MODEL_READ), b);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(owner_pa(x, MIB(128) + PAGE), b);
    handle = share_offer(x, S2_DONATE, MIB(128) + PAGE, 5 * PAGE, S2_RW);
    while (s2_share_scrub_step(&w->ledger, handle, 2))
        ;
    retrieve(x, handle, BORROWER_IPA + PAGE, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + PAGE, MODEL_READ), b);
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
    retrieve(x, handle, BORROWER_IPA, S2_RW);
}

/* The borrower's pages have 16 KiB: what they can map they show, what they cannot is refused, nothing around it is shown. */
static void a_granule_that_cannot_map_it(void **state)
{
    const uint64_t pa = FRAME_BASE + MIB(16), bytes = MIB(4);
    struct s2_geometry_request req = {.granule = S2_16K, .ipa_bits = 36};
    struct share_world *x = *state;
    struct s2_space *big = world_alloc(sizeof *big);
    struct s2_tpage *meta = world_alloc((size_t)(bytes >> S2_16K) * sizeof *meta);
    struct s2_space_config cfg = x->other[1].cfg;
    struct s2_tpool tables;
    struct s2_offer o;
    uint32_t fits, odd;
    bool clean;

    share_destroy_space(x, STRANGER);
    assert_int_equal(s2_frames_alloc_at(&x->w->frames, pa_range(pa, bytes), &clean, NULL), S2_OK);
    assert_int_equal(s2_tpool_init(&tables, x->w->port, S2_PA(pa), bytes, S2_16K, meta), S2_OK);
    assert_int_equal(s2_geometry_make(&x->w->caps, &req, &cfg.geometry, NULL), S2_OK);
    cfg.tables = &tables;
    assert_int_equal(s2_space_init(big, &cfg, &x->d), S2_OK);
    for (unsigned i = 0; i < 2; i++) {
        o = offer_to(S2_SHARE, ipa_range(OWNER_IPA + (i ? KIB(64) + PAGE : 0), KIB(16)), STRANGER, S2_RW);

        assert_int_equal(s2_space_share(&x->w->space, &o, i ? &odd : &fits, &x->d), S2_OK);
    }
    assert_int_equal(s2_space_retrieve(big, odd, S2_IPA(MIB(32)), S2_R, 0, &x->d), S2_EALIGN);
    assert_int_equal(s2_space_retrieve(big, fits, S2_IPA(MIB(32) + PAGE), S2_R, 0, &x->d), S2_EALIGN);
    assert_int_equal(s2_space_retrieve(big, fits, S2_IPA(MIB(32)), S2_R, 0, &x->d), S2_OK);
    assert_null(s2_space_check(big, &x->d));
    assert_int_equal(share_reclaim(x, OWNER, odd), S2_OK);
    o = offer_to(S2_DONATE, ipa_range(OWNER_IPA + KIB(64) + PAGE, KIB(16)), STRANGER, S2_RW);
    assert_int_equal(s2_space_share(&x->w->space, &o, &odd, &x->d), S2_OK);
    while (s2_share_scrub_step(&x->w->ledger, odd, 64))
        ;
    assert_int_equal(s2_space_retrieve(big, odd, S2_IPA(MIB(64)), S2_RW, 0, &x->d), S2_EALIGN);
    assert_int_equal(big->frames_held, 0);
    assert_int_equal(share_reclaim(x, OWNER, odd), S2_OK);
    s2_space_destroy_begin(big);
    while (s2_space_destroy_step(big, 64))
        ;
    s2_space_destroy_end(big);
    s2_frames_free(&x->w->frames, pa_range(pa, bytes), false, false);
    free(big);
    free(meta);
}

/* More of it than one call populates, and more than there is. */
static void lazy_memory_comes_a_piece_at_a_time(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(128), MIB(12)), BORROWER, S2_R);
    uint32_t handle;

    assert_int_equal(map_new(x->w, area_alloc(MIB(128), MIB(12), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EBUSY);
    assert_string_equal(x->d.what, "is being populated");
    share_check(x);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_OK);
    share_check(x);
    assert_int_equal(map_new(x->w, area_alloc(MIB(256), MIB(2), S2_RW, S2_AREA_LAZY | S2_AREA_OVERCOMMIT)), S2_OK);
    x->w->space.cfg.frame_quota = x->w->space.frames_held + x->w->space.frames_shared;
    o.range = ipa_range(MIB(256), PAGE);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EQUOTA);
    share_check(x);
}

/* What was populated for the call goes before it looks again. */
static void replaced_by_a_fresh_one(void *arg, const struct s2_lock *lock, bool taken)
{
    static unsigned seen;
    struct world *w = arg;
    struct s2_chunk c;

    if (taken || lock != &w->space.lock || !s2_chunk_next(&w->space.chunks, ipa_range(MIB(128), PAGE), &c))
        return;
    if (seen++ != 1) /* first it came */
        return;
    assert_int_equal(map_over(w, area_alloc(MIB(128), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
}

static void lazy_memory_that_goes_meanwhile(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(128), PAGE), BORROWER, S2_R);
    uint32_t handle;

    assert_int_equal(map_new(x->w, area_alloc(MIB(128), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    model_script_lock(x->w->port, replaced_by_a_fresh_one, x->w);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EBUSY);
    share_check(x);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_OK);
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

/* Memory of one named region does not become that of a VM of another: its end would be given to the wrong allocator. */
static void donations_stay_in_their_region(void **state)
{
    struct share_world *x = *state;
    struct s2_space *to = space_of(x, BORROWER);
    uint32_t handle = share_offer(x, S2_DONATE, OWNER_IPA, PAGE, S2_RW);
    struct s2_frames another;

    s2_frames_init(&another, x->w->port);
    (void)s2_share_scrub_step(&x->w->ledger, handle, 64);
    to->cfg.frames = &another;
    assert_int_equal(s2_space_retrieve(to, handle, S2_IPA(BORROWER_IPA), S2_RW, 0, &x->d), S2_EPERM);
    to->cfg.frames = &x->w->frames;
    retrieve(x, handle, BORROWER_IPA, S2_RW);
}

/* Other things lie between the parts of what goes; they stay. */
static void what_lies_between_stays(void **state)
{
    struct share_world *x = *state;
    struct s2_space *b = space_of(x, BORROWER);
    struct s2_area trap = area_trap(BORROWER_IPA + KIB(16), PAGE, 1);
    uint32_t wide = share_offer(x, S2_SHARE, OWNER_IPA, KIB(64), S2_R);
    uint32_t small = share_offer(x, S2_SHARE, OWNER_IPA + MIB(2), PAGE, S2_R);

    retrieve(x, wide, BORROWER_IPA, S2_R);
    assert_int_equal(s2_space_unmap(b, ipa_range(BORROWER_IPA + KIB(16), KIB(16)), &x->d), S2_OK);
    assert_int_equal(s2_space_map(b, &trap, S2_MAP_NEW, &x->d), S2_OK);
    retrieve(x, small, BORROWER_IPA + KIB(20), S2_R);
    assert_int_equal(s2_space_relinquish(b, wide, &x->d), S2_OK);
    share_check(x);
    assert_ptr_equal(area_at(x, BORROWER, BORROWER_IPA + KIB(16)).backend, &s2_backend_trap);
    assert_int_not_equal(share_access(x, BORROWER, BORROWER_IPA + KIB(20), MODEL_READ), UINT64_MAX);
    assert_false(s2_space_find(b, S2_IPA(BORROWER_IPA), &trap));
    assert_false(s2_space_find(b, S2_IPA(BORROWER_IPA + KIB(32)), &trap));
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
    assert_whole(x);
}

/* Devices are nobody's to share; and a right that this CPU cannot express is no right. */
static void what_cannot_be(void **state)
{
    struct share_world *x = *state;
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(8), PAGE), BORROWER, S2_RW);
    uint32_t handle;

    world_give(x->w, DEVICE_BASE, PAGE, OWNER, S2_RW);
    assert_int_equal(map_new(x->w, area_linear(MIB(8), PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_EPERM);
    share_check(x);
    handle = share_offer(x, S2_SHARE, OWNER_IPA, PAGE, S2_RWX);
    x->other[0].table.caps.xnx = false;
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(BORROWER_IPA), S2_R | S2_X, 0, &x->d),
                     S2_EATTR);
    x->other[0].table.caps.xnx = true;
    retrieve(x, handle, BORROWER_IPA, S2_R | S2_X);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_reach_what_is_shared, setup, share_teardown),
        cmocka_unit_test_setup_teardown(lent_memory_is_the_borrowers_alone, setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_was_lent_to_read_comes_back_as_it_was, setup, share_teardown),
        cmocka_unit_test_setup_teardown(donated_memory_is_zero_and_the_receivers, setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_donation_that_nobody_took_comes_back, setup, share_teardown),
        cmocka_unit_test_setup_teardown(nothing_else_may_be_where_it_comes_back, setup, share_teardown),
        cmocka_unit_test_setup_teardown(lazy_memory_is_populated_to_be_shared, setup, share_teardown),
        cmocka_unit_test_setup_teardown(memory_at_a_chosen_place, setup, share_teardown),
        cmocka_unit_test_setup_teardown(several_borrowers, setup, share_teardown),
        cmocka_unit_test_setup_teardown(frames_stay_until_the_last_leaves, setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(a_donor_goes_while_its_gift_is_taken, setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(a_borrower_goes, setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(a_granule_that_cannot_map_it, setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(parts_go, setup, share_teardown),
        cmocka_unit_test_setup_teardown(lazy_memory_comes_a_piece_at_a_time, setup, share_teardown),
        cmocka_unit_test_setup_teardown(lazy_memory_that_goes_meanwhile, setup, share_teardown),
        cmocka_unit_test_setup_teardown(dying_spaces_refuse, setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(donations_stay_in_their_region, setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_lies_between_stays, setup, share_teardown),
        cmocka_unit_test_setup_teardown(anothers_share_is_in_the_way, setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be, setup, share_teardown),
        cmocka_unit_test_setup_teardown(rights_only_shrink, setup, share_teardown),
        cmocka_unit_test_setup_teardown(shared_areas_come_by_sharing_alone, setup, share_teardown),
        cmocka_unit_test_setup_teardown(bad_ranges, setup, share_teardown),
        cmocka_unit_test_setup_teardown(limits_of_shares, setup, share_teardown),
        cmocka_unit_test_setup_teardown(memory_in_pieces, setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_donation_counts_in_the_receivers_quota, setup, share_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
