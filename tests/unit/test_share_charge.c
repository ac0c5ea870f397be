/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Who pays for memory that is shared, as long as it is: its owner, whoever has it. And shares in many pieces, which settle a few at a
 * time: what others find who come between. */
#include "share_world.h"

#include "frame/ledger.h"
#include "space/audit.h"

enum { PIECES = 200, SHARED = 16 };
#define PIECES_IPA MIB(128)
#define SPARE_IPA  MIB(32)

/* Its quota is what it has. */
static void leave_no_room(struct share_world *x)
{
    x->w->space.cfg.frame_quota = MIB(4) / PAGE;
}

static enum s2_err map_more(struct share_world *x, unsigned pages)
{
    return map_new(x->w, area_alloc(SPARE_IPA, pages * PAGE, S2_RW, 0));
}

static void scrub(struct share_world *x, uint32_t handle)
{
    while (s2_share_scrub_step(&x->w->ledger, handle, SHARED))
        ;
}

static void a_donation_counts_until_it_is_taken(void **state)
{
    struct share_world *x = *state;
    uint32_t handle;

    leave_no_room(x);
    handle = share_offer(x, S2_DONATE, OWNER_IPA, SHARED * PAGE, S2_RW);
    assert_int_equal(x->w->space.frames_shared, SHARED);
    assert_int_equal(map_more(x, 1), S2_EQUOTA);
    assert_int_equal(share_reclaim(x, OWNER, handle), S2_OK); /* which takes no more than there was */
    share_assert_whole(x);

    handle = share_offer(x, S2_DONATE, OWNER_IPA, SHARED * PAGE, S2_RW);
    scrub(x, handle);
    assert_int_equal(map_more(x, 1), S2_EQUOTA);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(x->w->space.frames_shared, 0);
    assert_int_equal(space_of(x, BORROWER)->frames_held, SHARED);
    assert_int_equal(map_more(x, SHARED + 1), S2_EQUOTA);
    assert_int_equal(map_more(x, SHARED), S2_OK);
}

/* The owner's area is gone, and the borrower has it still. */
static void what_a_borrower_has_counts(enum s2_share_kind kind, struct share_world *x)
{
    uint32_t handle;

    leave_no_room(x);
    handle = share_offer(x, kind, OWNER_IPA, SHARED * PAGE, S2_RW);
    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    assert_int_equal(unmap(x->w, OWNER_IPA, SHARED * PAGE), S2_OK);
    assert_int_equal(x->w->space.frames_shared, SHARED);
    assert_int_equal(map_more(x, 1), S2_EQUOTA);
    share_check(x);
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    scrub(x, handle);
    assert_int_equal(x->w->space.frames_shared, 0);
    assert_int_equal(map_more(x, SHARED), S2_OK);
}

static void what_a_borrower_of_a_share_has_counts(void **state)
{
    what_a_borrower_has_counts(S2_SHARE, *state);
}

static void what_a_borrower_of_a_loan_has_counts(void **state)
{
    what_a_borrower_has_counts(S2_LEND, *state);
}

/* Its space may be another's when the borrower leaves at last. */
static void who_is_taken_down_pays_no_longer(void **state)
{
    enum { ANOTHERS = 77 };
    struct share_world *x = *state;
    uint32_t handle = share_offer(x, S2_LEND, OWNER_IPA, SHARED * PAGE, S2_RW);

    share_retrieve(x, handle, BORROWER_IPA, S2_RW);
    share_destroy_space(x, OWNER);
    assert_int_equal(x->w->space.frames_shared, 0);
    x->w->space.frames_shared = ANOTHERS;
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle, &x->d), S2_OK);
    scrub(x, handle);
    assert_int_equal(x->w->space.frames_shared, ANOTHERS);
    assert_int_equal(x->w->frames.free, x->w->frames.total);
}

/* --- in many pieces --------------------------------------------------------------------------------------------------------- */

/* No two pages of the owner's are neighbours: the stranger has what lies between. */
static void make_pieces(struct share_world *x)
{
    for (unsigned i = 0; i < PIECES; i++) {
        struct s2_area page = area_alloc(PIECES_IPA + i * PAGE, PAGE, S2_RW, 0);

        assert_int_equal(map_new(x->w, page), S2_OK);
        assert_int_equal(s2_space_map(space_of(x, STRANGER), &page, S2_MAP_NEW, &x->d), S2_OK);
    }
}

/* Somebody who comes whenever the ledger's lock is let go while the share is settled. */
struct visitor {
    struct share_world *x;
    uint32_t handle;
    unsigned visits, paid, left;
    bool is_closing, orphans;
};

/* What is being closed nobody finds; what is on its way back, or being taken, is busy. */
static void assert_nobody_gets_it(struct visitor *v)
{
    struct s2_ledger *l = &v->x->w->ledger;
    struct s2_share_info info;

    assert_int_equal(s2_share_take_begin(l, v->handle, BORROWER, S2_R, NULL), v->is_closing ? S2_ENOENT : S2_EBUSY);
    assert_int_equal(s2_share_info(l, v->handle, &info), !v->is_closing);
    assert_int_equal(s2_share_next(l, v->handle - 1, &info), !v->is_closing);
    if (v->is_closing)
        assert_int_equal(s2_share_end_begin(l, v->handle, OWNER, S2_END_ANY, NULL), S2_ENOENT);
    assert_false(s2_share_scrub_step(l, v->handle, 1));
}

static void between(void *arg, const struct s2_lock *lock, bool taken)
{
    struct visitor *v = arg;
    struct s2_ledger *l = &v->x->w->ledger;
    const struct s2_share *s = &l->share[s2_share_index(v->handle)];
    struct s2_pa_range where;
    uint64_t nodes;

    if (taken || lock != &l->lock || s->phase == S2_SHARE_UNUSED || s->runs.count == 0 || s->runs.count == PIECES)
        return;
    v->visits++;
    assert_nobody_gets_it(v);
    assert_null(s2_audit_share_record(l, s, &where));
    assert_true(s2_audit_share_nodes(l, &nodes));
    assert_true(!v->is_closing || s2_audit_share_in_use(l, v->handle));
    v->paid += v->x->w->space.frames_shared == PIECES;
    v->left += v->orphans && s2_share_orphan(l, OWNER);
}

static void assert_visits(struct visitor v)
{
    model_script_lock(v.x->w->port, NULL, NULL);
    assert_int_equal(v.visits, 3);
    assert_int_equal(v.paid, v.orphans ? 1 : 3);
    assert_int_equal(v.left, v.orphans ? 3 : 0);
    assert_int_equal(v.x->w->space.frames_shared, 0);
}

static void assert_pieces_of(struct share_world *x, uint16_t vm, uint64_t ipa)
{
    for (unsigned i = 0; i < PIECES; i++) {
        struct s2_ledger_entry e;

        assert_true(s2_ledger_find(&x->w->ledger, S2_PA(share_access(x, vm, ipa + i * PAGE, MODEL_READ)), &e));
        assert_int_equal(e.owner, vm);
        assert_int_equal(e.state, S2_OWNED);
        assert_int_equal(e.ipa.v, ipa + i * PAGE);
    }
}

static void pieces_come_back(void **state)
{
    struct share_world *x = *state;
    struct visitor v = {.x = x};

    make_pieces(x);
    v.handle = share_offer(x, S2_SHARE, PIECES_IPA, PIECES * PAGE, S2_RW);
    share_retrieve(x, v.handle, BORROWER_IPA, S2_RW);
    model_script_lock(x->w->port, between, &v);
    assert_int_equal(share_reclaim(x, OWNER, v.handle), S2_OK);
    assert_visits(v);
    assert_pieces_of(x, OWNER, PIECES_IPA);
}

static void pieces_are_given(void **state)
{
    struct share_world *x = *state;
    struct visitor v = {.x = x};

    make_pieces(x);
    v.handle = share_offer(x, S2_DONATE, PIECES_IPA, PIECES * PAGE, S2_RW);
    scrub(x, v.handle);
    model_script_lock(x->w->port, between, &v);
    share_retrieve(x, v.handle, BORROWER_IPA, S2_RW);
    assert_visits(v);
    assert_pieces_of(x, BORROWER, BORROWER_IPA);
}

/* The last who has it leaves; the owner may be taken down at that moment. */
static void pieces_go(struct share_world *x, bool orphans)
{
    struct visitor v = {.x = x, .is_closing = true, .orphans = orphans};
    uint64_t free = x->w->frames.free;

    make_pieces(x);
    v.handle = share_offer(x, S2_SHARE, PIECES_IPA, PIECES * PAGE, S2_RW);
    share_retrieve(x, v.handle, BORROWER_IPA, S2_RW);
    assert_int_equal(unmap(x->w, PIECES_IPA, PIECES * PAGE), S2_OK);
    model_script_lock(x->w->port, between, &v);
    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), v.handle, &x->d), S2_OK);
    assert_visits(v);
    assert_int_equal(x->w->frames.free, free - PIECES);
    assert_false(s2_share_orphan(&x->w->ledger, OWNER));
}

static void pieces_are_free_with_the_last(void **state)
{
    pieces_go(*state, false);
}

static void pieces_are_free_while_their_owner_goes(void **state)
{
    pieces_go(*state, true);
}

static int setup_pieces(void **state)
{
    struct world_config wc = world_defaults();

    wc.ledger_nodes = 1024;
    wc.table_pages = 1024;
    *state = share_begin(wc, OWNER_NAME);
    return 0;
}

#define PIECES_TEST(f) cmocka_unit_test_setup_teardown(f, setup_pieces, share_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_donation_counts_until_it_is_taken, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_a_borrower_of_a_share_has_counts, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(what_a_borrower_of_a_loan_has_counts, share_setup, share_teardown),
        cmocka_unit_test_setup_teardown(who_is_taken_down_pays_no_longer, share_setup, share_teardown_rest),
        PIECES_TEST(pieces_come_back),
        PIECES_TEST(pieces_are_given),
        PIECES_TEST(pieces_are_free_with_the_last),
        PIECES_TEST(pieces_are_free_while_their_owner_goes),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
