/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is offered as shares: whose frames, in which runs, to whom, by which handle, and with how many nodes. */
#include "share_books.h"

/* One frame of the run is not like the others: all of it is refused, and what came before it in the same offer is undone. */
static void mixed_ranges_are_refused_whole(void **state)
{
    struct s2_offer o = {.kind = S2_LEND, .borrowers = 1, .borrower[0] = {ids[BORROWER], S2_RW}};
    struct s2_share_was was = {S2_IPA(IPA), S2_RWX, 0, 0};

    (void)state;
    for (unsigned kind = 0; kind < 5; kind++) {
        struct books *x = books_create();
        struct s2_ledger_entry odd = {.range = frames_at(FRAME + 2 * PAGE, 1),
                                      .owner = ids[OWNER],
                                      .state = S2_OWNED,
                                      .rights = S2_RWX,
                                      .ipa = S2_IPA(IPA + 2 * PAGE),
                                      .pooled = true};
        struct books_seen before, after;
        uint32_t handle;

        books_own(x);
        odd.owner = kind == 0 ? ids[STRANGER] : odd.owner;
        odd.state = kind == 1 ? S2_FREE : kind == 4 ? S2_DEVICE : S2_OWNED;
        odd.rights = kind == 2 ? S2_R : S2_RWX;
        odd.pooled = kind != 3;
        assert_int_equal(s2_ledger_promise(&x->l, S2_OWNER_FIRST_VM, 1), S2_OK);
        s2_ledger_set(&x->l, &odd);
        s2_ledger_unpromise(&x->l, 1);
        before = books_look(x);
        assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &o, &was, &x->frames, &handle, &x->d), S2_OK);
        assert_int_equal(s2_share_add(&x->l, handle, frames_at(FRAME, 1), &x->d), S2_OK);
        assert_int_equal(s2_share_add(&x->l, handle, frames_at(FRAME + PAGE, 3), &x->d), S2_EPERM);
        assert_int_equal(x->d.found_start, FRAME + 2 * PAGE);
        s2_share_drop(&x->l, handle);
        after = books_look(x);
        books_same(&before, &after, true);
        books_destroy(x);
    }
}

static void offers_that_are_wrong(void **state)
{
    struct books *x = books_create();
    struct s2_share_was was = {S2_IPA(IPA), S2_R, 0, 0}; /* the owner may read */
    static const struct {
        struct s2_offer offer;
        enum s2_err err;
    } bad[] = {
        {{.kind = S2_SHARE}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = S2_SHARE_BORROWERS + 1}, S2_EINVAL},
        {{.kind = S2_LEND, .borrowers = 2, .borrower = {{3, S2_R}, {4, S2_R}}}, S2_EINVAL},
        {{.kind = S2_DONATE, .borrowers = 2, .borrower = {{3, S2_R}, {4, S2_R}}}, S2_EINVAL},
        {{.kind = S2_DONATE + 1, .borrowers = 1, .borrower = {{3, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 2, .borrower = {{3, S2_R}, {3, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{S2_OWNER_FIRST_VM, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{S2_OWNER_HYP, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, 0}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_W}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_R | 1u << 6}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_RW}}}, S2_EPERM},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_RX}}}, S2_EPERM},
    };
    uint32_t handle = 77;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &bad[i].offer, &was, &x->frames, &handle, &x->d),
                         bad[i].err);
        assert_non_null(x->d.what);
        assert_int_equal(handle, 77);
    }
    books_destroy(x);
}

/* As many borrowers as there may be: each takes it, and it ends when the last has let go. */
static void as_many_borrowers_as_there_may_be(void **state)
{
    struct books *x = books_create();
    struct s2_offer o = {.kind = S2_SHARE, .borrowers = S2_SHARE_BORROWERS};
    struct s2_share_was was = {S2_IPA(IPA), S2_RWX, 0, 0};

    (void)state;
    books_own(x);
    for (unsigned i = 0; i < S2_SHARE_BORROWERS; i++) {
        o.borrower[i].vm = (uint16_t)(ids[BORROWER] + i);
        o.borrower[i].rights = S2_RW;
    }
    assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &o, &was, &x->frames, &x->handle, &x->d), S2_OK);
    assert_int_equal(s2_share_add(&x->l, x->handle, frames_at(FRAME, PAGES), &x->d), S2_OK);
    s2_share_commit(&x->l, x->handle, NULL);
    for (unsigned i = 0; i < S2_SHARE_BORROWERS; i++)
        assert_int_equal(books_retrieve(x, o.borrower[i].vm), S2_OK);
    assert_int_equal(books_retrieve(x, (uint16_t)(ids[BORROWER] + S2_SHARE_BORROWERS)), S2_ENOENT);
    for (unsigned i = 0; i < S2_SHARE_BORROWERS; i++) {
        assert_int_equal(books_finish(x, ids[OWNER], S2_UNSHARE), S2_EBUSY);
        assert_int_equal(books_relinquish(x, o.borrower[i].vm), S2_OK);
    }
    assert_int_equal(books_finish(x, ids[OWNER], S2_UNSHARE), S2_OK);
    books_destroy(x);
}

/* Numbers that are no handle: none at all, another generation, beyond the table. */
static void handles_that_are_none(void **state)
{
    struct books *x = books_offered(S2_SHARE);
    const uint32_t bad[] = {0, 1, x->handle + 1, x->handle + (1u << 16), x->handle & 0xffff, 0xffff, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct s2_share_info info;

        assert_false(s2_share_info(&x->l, bad[i], &info));
        assert_int_equal(s2_share_take_begin(&x->l, bad[i], ids[BORROWER], S2_R, &x->d), S2_ENOENT);
        assert_int_equal(s2_share_end_begin(&x->l, bad[i], ids[OWNER], S2_END_ANY, &x->d), S2_ENOENT);
        assert_int_equal(s2_share_end_ready(&x->l, bad[i], ids[OWNER], &x->d), S2_ENOENT);
        assert_false(s2_share_scrub_step(&x->l, bad[i], 1));
        assert_int_equal(s2_share_add(&x->l, bad[i], frames_at(BASE, 1), &x->d), S2_EINVAL);
    }
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_R, &x->d), S2_OK);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_R, &x->d), S2_EBUSY);
    s2_share_take_drop(&x->l, x->handle, ids[BORROWER]);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_W, &x->d), S2_EINVAL);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], 0xff, &x->d), S2_EINVAL);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_RX, &x->d), S2_EPERM);
    books_destroy(x);
}

/* Every frame of the pool is left to each in turn: too few is refused with nothing changed, and the way back never lacks any. */
static void nodes_run_out(void **state)
{
    bool done = false;

    (void)state;
    for (uint32_t spare = 0; !done; spare++) {
        struct books *x = books_create();
        struct books_seen before, after;
        uint32_t handle, taken;
        enum s2_err err;

        books_own(x);
        taken = x->pool.free - x->pool.reserved - spare;
        before = books_look(x);
        assert_int_equal(s2_pool_reserve(&x->pool, taken), S2_OK);
        err = books_offer(x, S2_LEND, ids[OWNER], FRAME + PAGE, 2, &handle);
        if (err) {
            assert_int_equal(err, S2_ENODES);
        } else {
            x->handle = handle;
            assert_int_equal(books_finish(x, ids[OWNER], S2_RECLAIM), S2_OK);
            done = true;
        }
        s2_pool_unreserve(&x->pool, taken);
        after = books_look(x);
        books_same(&before, &after, true);
        books_destroy(x);
    }
}

/* Frames next to each other that come in another order than their addresses, so that an entry might join what the share must
 * part again. */
static void runs_in_any_order_come_back(void **state)
{
    struct s2_offer o = {.kind = S2_LEND, .borrowers = 1, .borrower[0] = {ids[BORROWER], S2_RW}};
    struct s2_share_was was = {S2_IPA(IPA), S2_RWX, 0, 0};
    static const unsigned order[PAGES] = {2, 3, 1, 0};
    struct books *x = books_create();
    struct s2_ledger_entry e;
    uint64_t run, bytes;
    uint32_t handle;
    s2_pa pa;

    (void)state;
    books_own(x);
    assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &o, &was, &x->frames, &handle, &x->d), S2_OK);
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(s2_share_add(&x->l, handle, frames_at(FRAME + order[i] * PAGE, 1), &x->d), S2_OK);
    s2_share_commit(&x->l, handle, NULL);
    assert_true(s2_share_run(&x->l, s2_share_index(handle), PAGE, &run, &pa, &bytes));
    assert_int_equal(run, 0);
    assert_int_equal(pa.v, FRAME + 2 * PAGE);
    assert_int_equal(bytes, 2 * PAGE);
    assert_true(s2_ledger_find(&x->l, S2_PA(FRAME + 3 * PAGE), &e));
    assert_int_equal(e.range.start.v, FRAME + 2 * PAGE); /* what goes on in the share is one entry, too */
    assert_int_equal(e.range.end.v, FRAME + 4 * PAGE);
    for (unsigned i = 0; i < PAGES; i++) {
        s2_ipa at;
        s2_pa end;

        x->handle = handle;
        if (i == 0)
            assert_int_equal(books_retrieve(x, ids[BORROWER]), S2_OK);
        assert_int_equal(s2_ledger_right(&x->l, ids[BORROWER], S2_PA(FRAME + order[i] * PAGE), &at, &end), S2_RW);
        assert_int_equal(at.v, IPA + i * PAGE);
    }
    assert_int_equal(s2_pool_reserve(&x->pool, x->pool.free - x->pool.reserved), S2_OK);
    books_begin_end(x);
    assert_int_equal(books_relinquish(x, ids[BORROWER]), S2_OK);
    books_scrub(x);
    s2_share_close(&x->l, handle, false);
    assert_true(s2_ledger_find(&x->l, S2_PA(FRAME), &e));
    assert_int_equal(e.state, S2_FREE);
    assert_int_equal(e.range.end.v - e.range.start.v, FRAMES * PAGE);
    assert_int_equal(x->frames.free, FRAMES);
    s2_pool_unreserve(&x->pool, x->pool.reserved);
    books_destroy(x);
}

/* The same handles for who shares alone, and beside others that come and go. */
static void handles_say_nothing_of_others(void **state)
{
    uint32_t alone[2], beside[2], other;

    (void)state;
    for (unsigned others = 0; others < 2; others++) {
        struct books *x = books_create();
        struct s2_share table[2 * PAGES] = {{0}};
        struct s2_ledger_entry e = {.range = frames_at(FRAME + PAGES * PAGE, PAGES),
                                    .owner = ids[BORROWER],
                                    .state = S2_OWNED,
                                    .rights = S2_RWX,
                                    .ipa = S2_IPA(IPA + PAGES * PAGE)};
        struct s2_claim c;

        s2_share_init(&x->l, table, 2 * PAGES, PAGES);
        books_own(x);
        assert_int_equal(s2_ledger_plan(&x->l, &c, S2_OWNER_NONE, S2_FREE, &e, NULL), S2_OK);
        s2_ledger_commit(&x->l, &c);
        for (unsigned i = 0; i < others * PAGES; i++)
            assert_int_equal(books_offer(x, S2_SHARE, ids[BORROWER], FRAME + (PAGES + i) * PAGE, 1, &other), S2_OK);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(books_offer(x, S2_SHARE, ids[OWNER], FRAME + i * PAGE, 1, others ? &beside[i] : &alone[i]),
                             S2_OK);
        x->l.share = x->table; /* all go with the table */
        model_destroy(x->port);
        free(x->nodes);
        free(x->meta);
        free(x);
    }
    assert_memory_equal(alone, beside, sizeof alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixed_ranges_are_refused_whole),
        cmocka_unit_test(offers_that_are_wrong),
        cmocka_unit_test(as_many_borrowers_as_there_may_be),
        cmocka_unit_test(handles_that_are_none),
        cmocka_unit_test(nodes_run_out),
        cmocka_unit_test(runs_in_any_order_come_back),
        cmocka_unit_test(handles_say_nothing_of_others),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
