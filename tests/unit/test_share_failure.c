/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Sharing, with each thing that it may be refused refused in turn: an error, and nothing changed for anybody; the same
 * call is then granted. What takes away (relinquish, revoke, destroy) is not refused whatever is. */
#include "share_world.h"
#include "space_state.h"

#include "inject.h"

enum act { SHARE, LEND, DONATE, TAKE_SHARE, TAKE_LOAN, TAKE_DONATION, BACK_SHARE, BACK_LOAN, BACK_DONATION, ACTS };
static const char *const act_name[ACTS] = {"share",           "lend",           "donate",
                                           "take a share",    "take a loan",    "take a donation",
                                           "reclaim a share", "reclaim a loan", "reclaim a donation"};
enum memory { BLOCK, PIECES, LAZY, CHOSEN, MEMORIES };
static const char *const memory_name[MEMORIES] = {"of a block", "in pieces", "of a lazy area", "at a chosen place"};
enum { CHUNK_PAGES = 24 };
#define AT (OWNER_IPA + KIB(64))

static void fill(struct share_world *x, enum memory m)
{
    struct world *w = x->w;

    switch (m) {
    case BLOCK:
        assert_int_equal(map_new(w, area_alloc(OWNER_IPA, MIB(2), S2_RWX, 0)), S2_OK);
        break;
    case PIECES: /* each page is a chunk by itself */
        for (unsigned i = 0; i < CHUNK_PAGES; i++) {
            assert_int_equal(map_new(w, area_alloc(AT - KIB(32) + i * PAGE, PAGE, S2_RWX, 0)), S2_OK);
            assert_int_equal(map_new(w, area_alloc(MIB(16) + i * PAGE, PAGE, S2_RW, 0)), S2_OK);
        }
        break;
    case LAZY:
        assert_int_equal(map_new(w, area_alloc(OWNER_IPA, MIB(2), S2_RWX, S2_AREA_LAZY)), S2_OK);
        break;
    default:
        world_give(w, FRAME_BASE + MIB(16), MIB(2), OWNER, S2_RWX);
        assert_int_equal(map_new(w, area_linear(OWNER_IPA, MIB(2), FRAME_BASE + MIB(16), S2_RWX)), S2_OK);
        break;
    }
}

static enum s2_share_kind kind_of(enum act a)
{
    return (enum s2_share_kind)(a % 3);
}

static enum s2_err offer(struct share_world *x, enum act a, uint32_t *handle)
{
    struct s2_offer o = offer_to(kind_of(a), ipa_range(AT, 8 * PAGE), BORROWER, S2_RW);

    return s2_space_share(&x->w->space, &o, handle, &x->d);
}

/* All up to the call in question. */
static void prepare(struct share_world *x, enum act a, uint32_t *handle)
{
    if (a < TAKE_SHARE) {
        /* A page of it is there, so that what populates lazy memory is no part of what may fail. */
        assert_int_equal(s2_space_copy_in(&x->w->space, S2_IPA(AT), "here", 4, 0, false, &x->d), S2_OK);
        return;
    }
    assert_int_equal(offer(x, a, handle), S2_OK);
    if (a == TAKE_DONATION)
        while (s2_share_scrub_step(&x->w->ledger, *handle, 64))
            ;
    if (a >= BACK_SHARE)
        assert_int_equal(s2_share_end_begin(&x->w->ledger, *handle, OWNER, S2_END_ANY, &x->d), S2_OK);
}

static enum s2_err act(struct share_world *x, enum act a, uint32_t *handle)
{
    if (a < TAKE_SHARE)
        return offer(x, a, handle);
    if (a < BACK_SHARE)
        return s2_space_retrieve(space_of(x, BORROWER), *handle, S2_IPA(BORROWER_IPA), S2_RW, 0, &x->d);
    return s2_space_reclaim(&x->w->space, *handle, &x->d);
}

static void take(struct state *s, struct share_world *x)
{
    struct s2_share_info info = {.handle = 0};
    struct s2_space *b = space_of(x, BORROWER);

    state_take(s, x->w, MEANING); /* the ledger is edited, and edited back */
    note(s, x->w->nodes.free);
    note(s, x->w->ledger_nodes.free);
    under(s, "the borrower");
    note_areas(s, &b->areas);
    note_map(s, &b->chunks, MEANING);
    note(s, b->taken.count);
    note(s, b->frames_held);
    note(s, b->table.quota.used);
    note(s, b->cut.count | (uint64_t)b->cut_nodes << 32);
    note_pool(s, &x->nodes[0], MEANING);
    note(s, x->nodes[0].free);
    under(s, "shares");
    while (s2_share_next(&x->w->ledger, info.handle, &info)) {
        note(s, info.handle);
        note(s, (uint64_t)info.phase | (uint64_t)info.kind << 8 | (uint64_t)info.borrower[0].state << 16);
        note(s, info.owner_has);
        note(s, info.borrower[0].mapped);
    }
}

/* Refuses from the k-th on, `burst` calls. False: none was left to be refused. */
static bool refused(enum act a, enum memory m, unsigned k, unsigned burst)
{
    static struct state before, after;
    struct share_world *x = share_create(world_defaults());
    uint32_t handle = 0;
    enum s2_err err;
    unsigned fired;
    char what[100];

    fill(x, m);
    prepare(x, a, &handle);
    share_run(x, OWNER);
    take(&before, x);
    inject_arm(k, burst);
    err = act(x, a, &handle);
    fired = inject.refused;
    inject_disarm();
    snprintf(what, sizeof what, "%s memory %s, call %u (%s)", act_name[a], memory_name[m], k, s2_err_name(err));
    if (err) {
        assert_true(fired);
        assert_int_equal(x->d.err, err);
        take(&after, x);
        expect_same(&before, &after, what);
        share_check(x);
        assert_int_equal(act(x, a, &handle), S2_OK);
    }
    share_check(x);
    share_destroy(x);
    return fired != 0;
}

static bool possible(enum act a, enum memory m)
{
    return m != CHOSEN || kind_of(a) != S2_DONATE;
}

static void each_refusal_in_turn(void **state)
{
    (void)state;
    for (unsigned a = 0; a < ACTS; a++)
        for (unsigned m = 0; m < MEMORIES; m++) {
            unsigned k = 1;

            if (!possible((enum act)a, (enum memory)m))
                continue;
            while (refused((enum act)a, (enum memory)m, k, 1))
                k++;
            assert_true(k > 1);
            for (k = 1; refused((enum act)a, (enum memory)m, k, 1000);)
                k++;
        }
}

/* With nothing left in any pool, and every call refused: what was held is given up, and what was lent comes free. */
static void taking_away_needs_nothing(void **state)
{
    (void)state;
    for (unsigned m = 0; m < MEMORIES; m++)
        for (unsigned how = 0; how < 3; how++) {
            struct share_world *x = share_create(world_defaults());
            uint32_t handle[2];

            fill(x, (enum memory)m);
            for (unsigned i = 0; i < 2; i++) {
                struct s2_offer o =
                    offer_to(i ? S2_LEND : S2_SHARE, ipa_range(AT + i * 4 * PAGE, 4 * PAGE), BORROWER, S2_RW);

                assert_int_equal(s2_space_share(&x->w->space, &o, &handle[i], &x->d), S2_OK);
                assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle[i], S2_IPA(BORROWER_IPA + i * MIB(2)),
                                                   S2_RW, 0, &x->d),
                                 S2_OK);
            }
            inject_arm(1, 100000);
            if (how == 2)
                share_destroy_space(x, BORROWER);
            for (unsigned i = 0; how < 2 && i < 2; i++) {
                if (how)
                    s2_space_revoke(space_of(x, BORROWER), handle[i]);
                else
                    assert_int_equal(s2_space_relinquish(space_of(x, BORROWER), handle[i], &x->d), S2_OK);
            }
            s2_cache_drain(&x->w->space, &x->w->cache);
            share_destroy_space(x, OWNER);
            inject_disarm();
            share_destroy(x);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_refusal_in_turn),
                                       cmocka_unit_test(taking_away_needs_nothing)};

    inject_backends();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
