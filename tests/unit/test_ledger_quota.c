/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How much of the ledger one VM takes up: counted exactly, whatever it does; and one that has used up its part, by touching,
 * giving back or sharing memory in odd patterns, fails alone, loses nothing, and gives back what it had. */
#include "share_world.h"

enum { LIMIT = 24, PAGES = 256 };

struct quota_world {
    struct share_world *s;
    struct s2_ledger_account account[VMS];
    struct s2_cache cache;
    uint64_t entries; /* at first */
};

static struct s2_ledger *ledger(struct quota_world *x)
{
    return &x->s->w->ledger;
}

static int setup(void **state)
{
    struct quota_world *x = world_alloc(sizeof *x);
    struct world_config wc = world_defaults();

    memset(x, 0, sizeof *x);
    wc.chunk_log2 = 12; /* each page by itself */
    wc.ledger_nodes = 1024;
    wc.nodes = 1024;
    x->s = share_create(wc);
    s2_ledger_quota(ledger(x), x->account, VMS);
    s2_ledger_limit(ledger(x), OWNER, LIMIT);
    s2_cache_init(&x->cache);
    x->entries = ledger(x)->map.count;
    *state = x;
    return 0;
}

/* --- counted once more -------------------------------------------------------------------------------------------------- */

static uint32_t counted(struct quota_world *x, uint16_t vm)
{
    struct s2_ledger_entry e;
    uint32_t n = 0;

    for (s2_pa at = S2_PA(0); s2_ledger_next(ledger(x), at, &e); at = e.range.end)
        n += e.owner == vm;
    for (unsigned i = 0; i < SHARES; i++)
        if (x->s->table[i].phase != S2_SHARE_UNUSED && x->s->table[i].owner == vm)
            n += (uint32_t)x->s->table[i].runs.count;
    return n;
}

static void assert_counts(struct quota_world *x)
{
    uint64_t sum = 0;

    for (uint16_t vm = OWNER; vm <= STRANGER; vm++) {
        assert_int_equal(s2_ledger_held(ledger(x), vm), counted(x, vm));
        sum += counted(x, vm);
    }
    /* What VMs hold bounds what there is. */
    assert_true(ledger(x)->map.count <= x->entries + 2 * sum);
}

static int teardown(void **state)
{
    struct quota_world *x = *state;

    assert_counts(x);
    share_check(x->s);
    for (uint16_t vm = OWNER; vm <= STRANGER; vm++) {
        if (vm == OWNER)
            s2_cache_drain(&x->s->w->space, &x->cache);
        if (!space_of(x->s, vm)->dying)
            share_destroy_space(x->s, vm);
        assert_int_equal(s2_ledger_held(ledger(x), vm), 0);
    }
    assert_int_equal(ledger(x)->map.count, x->entries);
    assert_int_equal(x->s->w->ledger_nodes.reserved, 0);
    share_destroy(x->s);
    free(x);
    return 0;
}

/* --- what VMs do ---------------------------------------------------------------------------------------------------------- */

static void lazy_area(struct quota_world *x, uint16_t vm)
{
    struct s2_area a = area_alloc(OWNER_IPA, PAGES * PAGE, S2_RW, S2_AREA_LAZY);

    assert_int_equal(s2_space_map(space_of(x->s, vm), &a, S2_MAP_NEW, NULL), S2_OK);
}

static bool touch(struct quota_world *x, uint16_t vm, uint64_t page)
{
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION,
                         .access = S2_ACCESS_WRITE,
                         .has_ipa = true,
                         .ipa = S2_IPA(OWNER_IPA + page * PAGE)};
    struct s2_space *sp = space_of(x->s, vm);
    struct s2_fault_result r;
    enum s2_answer answer = s2_space_fault(sp, &x->cache, &f, &r);

    while (answer == S2_NEED_REFILL) {
        assert_int_equal(s2_cache_refill(sp, &x->cache), S2_OK);
        answer = s2_space_fault(sp, &x->cache, &f, &r);
    }
    if (answer == S2_RETRY)
        return true;
    assert_int_equal(answer, S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_MEMORY);
    return false;
}

/* The k-th page from above, so that none goes on where the last one ended. */
static unsigned touch_backward(struct quota_world *x, uint16_t vm, unsigned from, unsigned most)
{
    unsigned n = 0;

    while (n < most && touch(x, vm, PAGES - 1 - from - n))
        n++;
    if (vm != OWNER)
        s2_cache_drain(space_of(x->s, vm), &x->cache);
    return n;
}

static enum s2_err give_back(struct quota_world *x, uint16_t vm, uint64_t page, uint64_t pages)
{
    return s2_space_unmap(space_of(x->s, vm), ipa_range(OWNER_IPA + page * PAGE, pages * PAGE), &x->s->d);
}

/* --- tests ------------------------------------------------------------------------------------------------------------------ */

static void touching_fails_alone(void **state)
{
    struct quota_world *x = *state;

    lazy_area(x, OWNER);
    assert_int_equal(touch_backward(x, OWNER, 0, PAGES), LIMIT);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), LIMIT);
    share_check(x->s);
    s2_cache_drain(&x->s->w->space, &x->cache);
    /* Another one goes on, and so do pages that are there. */
    lazy_area(x, BORROWER);
    assert_int_equal(touch_backward(x, BORROWER, 0, 3 * LIMIT), 3 * LIMIT);
    assert_counts(x);
    assert_true(touch(x, OWNER, PAGES - 1));
    assert_false(touch(x, OWNER, 0));
    /* What it gives back it may have again. */
    assert_int_equal(give_back(x, OWNER, PAGES - 4, 4), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), LIMIT - 4);
    assert_int_equal(touch_backward(x, OWNER, LIMIT, PAGES - LIMIT), 4);
    assert_counts(x);
}

/* An area in one piece, of which every other page is given back. */
static void giving_back_in_odd_pieces(void **state)
{
    struct quota_world *x = *state;
    struct s2_area a = area_alloc(OWNER_IPA, PAGES * PAGE, S2_RW, 0);
    enum s2_err err = S2_OK;
    unsigned n = 0;

    assert_int_equal(s2_space_map(space_of(x->s, OWNER), &a, S2_MAP_NEW, NULL), S2_OK);
    assert_int_equal(s2_space_map(space_of(x->s, BORROWER), &a, S2_MAP_NEW, NULL), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 1);
    while (!err && ++n < PAGES / 2)
        err = give_back(x, OWNER, 2 * n, 1);
    /* The last cut was the reserve's. */
    assert_int_equal(err, S2_ECUT);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), LIMIT);
    assert_int_equal(n, LIMIT);
    assert_counts(x);
    share_check(x->s);
    for (unsigned i = 1; i < PAGES / 2; i++)
        assert_int_equal(give_back(x, BORROWER, 2 * i, 1), S2_OK);
    /* Whole pieces always go, and then there is a reserve again. */
    assert_int_equal(give_back(x, OWNER, 0, 20), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), LIMIT - 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(give_back(x, OWNER, PAGES - 2 - 2 * i, 1), S2_OK);
    assert_int_equal(give_back(x, OWNER, PAGES - 22, 1), S2_ECUT);
    assert_int_equal(give_back(x, OWNER, 0, PAGES), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 0);
}

static void sharing_odd_pages(void **state)
{
    struct quota_world *x = *state;
    struct s2_area a = area_alloc(OWNER_IPA, PAGES * PAGE, S2_RW, 0);
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(OWNER_IPA, 6 * PAGE), BORROWER, S2_RW);
    uint32_t handle = 0, held;

    s2_ledger_limit(ledger(x), OWNER, 6);
    assert_int_equal(s2_space_map(space_of(x->s, OWNER), &a, S2_MAP_NEW, NULL), S2_OK);
    o.range = ipa_range(OWNER_IPA + PAGE, PAGE);
    /* Three entries instead of one, and a run. */
    assert_int_equal(s2_space_share(space_of(x->s, OWNER), &o, &handle, &x->s->d), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 4);
    o.range = ipa_range(OWNER_IPA + 3 * PAGE, PAGE);
    assert_int_equal(s2_space_share(space_of(x->s, OWNER), &o, &handle, &x->s->d), S2_EQUOTA);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 4);
    share_check(x->s);
    o.range = ipa_range(OWNER_IPA + 2 * PAGE, PAGE); /* one entry and a run */
    assert_int_equal(s2_space_share(space_of(x->s, OWNER), &o, &handle, &x->s->d), S2_OK);
    held = s2_ledger_held(ledger(x), OWNER);
    assert_int_equal(held, 6);
    assert_counts(x);
    /* Another one shares on. */
    assert_int_equal(s2_space_map(space_of(x->s, STRANGER), &a, S2_MAP_NEW, NULL), S2_OK);
    for (unsigned i = 0; i < 4; i++) {
        o.range = ipa_range(OWNER_IPA + (1 + 2 * i) * PAGE, PAGE);
        assert_int_equal(s2_space_share(space_of(x->s, STRANGER), &o, &handle, &x->s->d), S2_OK);
    }
    assert_counts(x);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), held);
    for (struct s2_share_info info; s2_share_next(ledger(x), 0, &info);) {
        assert_int_equal(share_reclaim(x->s, info.owner, info.handle), S2_OK);
        assert_counts(x);
    }
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 1);
    assert_int_equal(s2_ledger_held(ledger(x), STRANGER), 1);
}

/* What is in many pieces does not become another's who has no room for them, and stays the giver's. */
static void donating_odd_pages(void **state)
{
    struct quota_world *x = *state;
    struct s2_offer o = offer_to(S2_DONATE, ipa_range(OWNER_IPA, 8 * PAGE), OWNER, S2_RW);
    uint32_t handle = 0;

    lazy_area(x, BORROWER);
    assert_int_equal(touch_backward(x, BORROWER, 0, PAGES), PAGES);
    assert_int_equal(s2_ledger_held(ledger(x), BORROWER), PAGES);
    assert_int_equal(s2_space_share(space_of(x->s, BORROWER), &o, &handle, &x->s->d), S2_OK);
    assert_counts(x);
    while (s2_share_scrub_step(ledger(x), handle, 64))
        ;
    s2_ledger_limit(ledger(x), OWNER, 7);
    assert_int_equal(s2_space_retrieve(&x->s->w->space, handle, S2_IPA(MIB(256)), S2_RW, 0, &x->s->d), S2_EQUOTA);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 0);
    assert_counts(x);
    s2_ledger_limit(ledger(x), OWNER, 8);
    assert_int_equal(s2_space_retrieve(&x->s->w->space, handle, S2_IPA(MIB(256)), S2_RW, 0, &x->s->d), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 8);
    assert_int_equal(s2_ledger_held(ledger(x), BORROWER), PAGES - 8);
    assert_counts(x);
}

/* Memory at a chosen place: mapping a part of it cuts what the VM was given, at each end. */
static void mapping_in_odd_pieces(void **state)
{
    struct quota_world *x = *state;
    struct world *w = x->s->w;
    struct s2_area a = area_linear(MIB(1), PAGE, FRAME_BASE + MIB(16) + PAGE, S2_RW);

    s2_ledger_limit(ledger(x), OWNER, 4);
    world_give(w, FRAME_BASE + MIB(16), 16 * PAGE, OWNER, S2_RWX);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 1);
    assert_int_equal(map_new(w, a), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 3);
    a = area_linear(MIB(2), PAGE, FRAME_BASE + MIB(16) + 4 * PAGE, S2_RW);
    assert_int_equal(map_new(w, a), S2_EQUOTA);
    /* Two ends of what is there, and then one: */
    a = area_linear(MIB(2), 15 * PAGE, FRAME_BASE + MIB(16) + 2 * PAGE, S2_RW);
    a.range.end.v -= PAGE;
    assert_int_equal(map_new(w, a), S2_OK);
    a = area_linear(MIB(4), PAGE, FRAME_BASE + MIB(16), S2_RW);
    assert_int_equal(map_new(w, a), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 3);
    /* Taken to pieces from both ends: up to the limit, then by the reserve. */
    assert_int_equal(unmap(w, MIB(2) + PAGE, PAGE), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 5);
    assert_int_equal(unmap(w, MIB(2) + 5 * PAGE, PAGE), S2_ECUT);
    assert_int_equal(unmap(w, MIB(1), PAGE), S2_OK);
    assert_int_equal(unmap(w, MIB(2), 14 * PAGE), S2_OK);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 2);
    assert_counts(x);
}

/* A world that is nobody's friend: at random, each VM up to its limit and not beyond, the map bounded by what they hold. */
static void at_random(void **state)
{
    struct quota_world *x = *state;
    uint32_t seed = 77, refused = 0;

    s2_ledger_limit(ledger(x), BORROWER, 2 * LIMIT);
    for (uint16_t vm = OWNER; vm <= STRANGER; vm++)
        lazy_area(x, vm);
    for (unsigned i = 0; i < 6000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint16_t vm = (uint16_t)(OWNER + (seed >> 8) % VMS);
        uint64_t page = (seed >> 12) % PAGES;
        struct s2_area a;

        if (seed >> 30) {
            if (!s2_space_find(space_of(x->s, vm), S2_IPA(OWNER_IPA + page * PAGE), &a))
                continue;
            refused += !touch(x, vm, page);
            s2_cache_drain(space_of(x->s, vm), &x->cache);
        } else {
            enum s2_err err = give_back(x, vm, page, 1);
            struct s2_area again = area_alloc(OWNER_IPA + page * PAGE, PAGE, S2_RW, S2_AREA_LAZY);

            assert_true(err == S2_OK || err == S2_ECUT);
            refused += err != S2_OK;
            if (!err)
                assert_int_equal(s2_space_map(space_of(x->s, vm), &again, S2_MAP_REPLACE, NULL), S2_OK);
        }
        assert_true(s2_ledger_held(ledger(x), OWNER) <= LIMIT + 2);
        assert_true(s2_ledger_held(ledger(x), BORROWER) <= 2 * LIMIT + 2);
        if (i % 100 == 0)
            assert_counts(x);
    }
    assert_true(refused > 100);
    assert_true(s2_ledger_held(ledger(x), STRANGER) > 2 * LIMIT);
}

/* Destroyed at its limit: that needs nothing. */
static void the_end_needs_nothing(void **state)
{
    struct quota_world *x = *state;

    lazy_area(x, OWNER);
    assert_int_equal(touch_backward(x, OWNER, 0, PAGES), LIMIT);
    s2_cache_drain(&x->s->w->space, &x->cache);
    s2_ledger_limit(ledger(x), OWNER, 1);
    share_destroy_space(x->s, OWNER);
    assert_int_equal(s2_ledger_held(ledger(x), OWNER), 0);
    assert_int_equal(ledger(x)->map.count, x->entries);
    s2_ledger_limit(ledger(x), OWNER, LIMIT);
    assert_int_equal(s2_space_init(&x->s->w->space, &x->s->w->cfg, NULL), S2_OK);
    s2_cache_init(&x->cache);
    lazy_area(x, OWNER);
    assert_int_equal(touch_backward(x, OWNER, 0, PAGES), LIMIT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(touching_fails_alone),  T(giving_back_in_odd_pieces), T(sharing_odd_pages),
        T(donating_odd_pages),    T(mapping_in_odd_pieces),     T(at_random),
        T(the_end_needs_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("ledger_quota", tests, NULL, NULL);
}
