/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Which memory spaces share: lazy, in pieces, at a chosen place, of another granule or region, of none that can be shared. */
#include "share_world.h"

#include "space/inner.h"

/* A lazy area, of which most was never touched: what is shared is there then, and what comes back is part of the area again. */
static void lazy_memory_is_populated_to_be_shared(void **state)
{
    struct share_world *x = *state;
    struct s2_area lazy = area_alloc(MIB(128), MIB(4), S2_RW, S2_AREA_LAZY);
    uint32_t handle;
    struct s2_area a;

    assert_int_equal(map_new(x->w, lazy), S2_OK);
    handle = share_offer(x, S2_SHARE, MIB(128) + KIB(4), KIB(8), S2_R);
    share_retrieve(x, handle, BORROWER_IPA, S2_R);
    assert_int_not_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_READ), UINT64_MAX);
    assert_int_equal(share_access(x, OWNER, MIB(128) + KIB(4), MODEL_WRITE),
                     share_access(x, BORROWER, BORROWER_IPA, MODEL_READ));
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    share_check(x);
    a = share_area(x, OWNER, MIB(128));
    assert_int_equal(a.range.end.v - a.range.start.v, MIB(4));
    assert_int_equal(a.flags, S2_AREA_LAZY);
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
    a = share_owner_pa(x, MIB(128));
    b = share_owner_pa(x, MIB(128) + PAGE);
    assert_int_not_equal(b, a + PAGE);
    handle = share_offer(x, S2_LEND, MIB(128), 8 * PAGE, S2_RW);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + PAGE, MODEL_READ), b);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(share_owner_pa(x, MIB(128) + PAGE), b);
    handle = share_offer(x, S2_DONATE, MIB(128) + PAGE, 5 * PAGE, S2_RW);
    while (s2_share_scrub_step(&w->ledger, handle, 2))
        ;
    share_retrieve(x, handle, BORROWER_IPA + PAGE, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA + PAGE, MODEL_READ), b);
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
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(share_access(x, BORROWER, BORROWER_IPA, MODEL_WRITE), pa + PAGE);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK);
    assert_int_equal(share_area(x, OWNER, MIB(256)).range.end.v, MIB(258));
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa), &e));
    assert_int_equal(e.range.end.v, pa + MIB(2));
    assert_int_equal(share_owner_pa(x, MIB(256) + PAGE), pa + PAGE);
    /* As the owner is taken down, the frames stay its own. */
    handle = share_offer(x, S2_SHARE, MIB(256), PAGE, S2_R);
    assert_int_equal(unmap(x->w, MIB(256), MIB(2)), S2_OK);
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa), &e));
    assert_int_equal(e.owner, OWNER);
    assert_int_equal(e.state, S2_OWNED);
    assert_false(s2_share_info(&x->w->ledger, handle, &(struct s2_share_info){0}));
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
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
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
    share_retrieve(x, handle, BORROWER_IPA, S2_R | S2_X);
}

/* A loader may write what its VM may not, but not what another lets it read only. */
static void loaders_write_no_memory_of_others(void **state)
{
    struct share_world *x = *state;
    struct s2_space *b = space_of(x, BORROWER);
    uint32_t reads = share_offer(x, S2_SHARE, OWNER_IPA, KIB(16), S2_R);
    uint32_t writes = share_offer(x, S2_SHARE, OWNER_IPA + KIB(16), KIB(16), S2_RW);
    uint64_t *word = model_ram(x->w->port, share_owner_pa(x, OWNER_IPA)), is = 0;

    *word = 1;
    share_retrieve(x, reads, BORROWER_IPA, S2_R);
    share_retrieve(x, writes, BORROWER_IPA + KIB(16), S2_RW);
    assert_int_equal(s2_space_copy_in(b, S2_IPA(BORROWER_IPA), "other", 5, 0, false, &x->d), S2_EPERM);
    assert_int_equal(s2_space_copy_in(b, S2_IPA(BORROWER_IPA + KIB(16)), "other", 5, 0, false, &x->d), S2_OK);
    assert_int_equal(s2_space_copy_out(b, &is, S2_IPA(BORROWER_IPA), sizeof is, 0, &x->d), S2_OK);
    assert_int_equal(is, 1);
    assert_int_equal(*word, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lazy_memory_is_populated_to_be_shared, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(lazy_memory_comes_a_piece_at_a_time, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(lazy_memory_that_goes_meanwhile, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(memory_in_pieces, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(memory_at_a_chosen_place, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(loaders_write_no_memory_of_others, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(a_granule_that_cannot_map_it, share_setup, share_teardown_rest),
        cmocka_unit_test_setup_teardown(donations_stay_in_their_region, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be, share_setup, share_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
