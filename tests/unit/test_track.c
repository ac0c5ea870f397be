/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a guest accessed and wrote, recorded by the CPU and by faults, told once; and walks over leaves that people see. */
#include "space_world.h"

enum { PAGES = 32, TOLD = 64 };

/* What was told of, in turn. */
struct told {
    struct s2_leaf leaf[TOLD];
    unsigned n, most; /* most: so many are wanted */
};

static bool tell(void *arg, const struct s2_leaf *leaf)
{
    struct told *t = arg;

    assert_true(t->n < TOLD);
    t->leaf[t->n++] = *leaf;
    return t->n != t->most;
}

static struct told harvest(struct world *w, struct s2_ipa_range range, unsigned what, unsigned most)
{
    struct told t = {.most = most};

    assert_int_equal(s2_space_harvest(&w->space, range, what, tell, &t), S2_OK);
    world_check(w);
    return t;
}

static void expect(const struct told *t, unsigned at, uint64_t ipa, uint64_t bytes)
{
    assert_true(at < t->n);
    assert_int_equal(t->leaf[at].range.start.v, ipa);
    assert_int_equal(t->leaf[at].range.end.v, ipa + bytes);
}

/* With hardware that records, and without. */
static struct world *make(bool hardware, bool small_leaves)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.caps = hardware ? model_caps_most() : model_caps_least();
    wc.access_flag = wc.dirty = true;
    wc.small_leaves = small_leaves;
    w = world_create(&wc);
    model_set_tracking(w->port, true, true);
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(4), PAGES * PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    return w;
}

static void each_page_once(void **state)
{
    (void)state;
    for (unsigned hardware = 0; hardware < 2; hardware++) {
        struct world *w = make(hardware, true);
        struct s2_ipa_range all = ipa_range(0, MIB(8));
        struct told t = harvest(w, all, S2_TOUCH_ACCESS | S2_TOUCH_WRITE, 0);

        assert_int_equal(t.n, 0);
        for (unsigned round = 0; round < 2; round++) {
            struct attempt read = guest(w, 3 * PAGE, MODEL_READ), write = guest(w, 7 * PAGE, MODEL_WRITE);

            assert_true(read.done && write.done);
            assert_int_equal(read.faults, hardware ? 0 : 1);
            assert_int_equal(write.faults > 0, !hardware);
            assert_true(guest(w, 7 * PAGE, MODEL_WRITE).faults == 0);
            t = harvest(w, all, S2_TOUCH_ACCESS, 0);
            assert_int_equal(t.n, 2);
            expect(&t, 0, 3 * PAGE, PAGE);
            expect(&t, 1, 7 * PAGE, PAGE);
            assert_true(t.leaf[0].accessed && !t.leaf[0].dirty && t.leaf[1].accessed && t.leaf[1].dirty);
            t = harvest(w, all, S2_TOUCH_ACCESS, 0);
            assert_int_equal(t.n, 0);
            t = harvest(w, ipa_range(0, 7 * PAGE), S2_TOUCH_WRITE, 0);
            assert_int_equal(t.n, 0);
            t = harvest(w, all, S2_TOUCH_WRITE, 0);
            assert_int_equal(t.n, 1);
            expect(&t, 0, 7 * PAGE, PAGE);
            t = harvest(w, all, S2_TOUCH_WRITE, 0);
            assert_int_equal(t.n, 0);
        }
        /* A fault's leaf was accessed; one that the fault was a write to is found clean first. */
        assert_true(guest(w, MIB(4) + PAGE, MODEL_READ).done);
        assert_true(guest(w, MIB(4) + 2 * PAGE, MODEL_WRITE).done);
        t = harvest(w, all, S2_TOUCH_ACCESS | S2_TOUCH_WRITE, 0);
        assert_int_equal(t.n, 2);
        assert_true(!t.leaf[0].dirty && t.leaf[1].dirty);
        world_destroy(w);
    }
}

/* A block, and a run of pages, are told of as one; one that is told to stop leaves the rest for the next time. */
static void as_large_as_they_are(void **state)
{
    (void)state;
    for (unsigned hardware = 0; hardware < 2; hardware++) {
        struct world *w = make(hardware, false);
        struct told t;

        assert_true(guest(w, MIB(1), MODEL_WRITE).done);
        assert_int_equal(map_new(w, area_alloc(MIB(6), MIB(1), S2_RW, 0)), S2_OK);
        assert_true(guest(w, MIB(6) + 37 * PAGE, MODEL_WRITE).done);
        assert_true(guest(w, MIB(6) + 50 * PAGE, MODEL_READ).done);
        t = harvest(w, ipa_range(0, MIB(8)), S2_TOUCH_WRITE, 1);
        assert_int_equal(t.n, 1);
        expect(&t, 0, 0, MIB(2));
        t = harvest(w, ipa_range(0, MIB(8)), S2_TOUCH_WRITE, 0);
        assert_int_equal(t.n, 1);
        expect(&t, 0, MIB(6) + 32 * PAGE, 16 * PAGE);
        t = harvest(w, ipa_range(MIB(6), MIB(1)), S2_TOUCH_ACCESS, 0);
        assert_int_equal(t.n, 2);
        expect(&t, 0, MIB(6) + 32 * PAGE, 16 * PAGE);
        expect(&t, 1, MIB(6) + 48 * PAGE, 16 * PAGE);
        assert_true(guest(w, MIB(6) + 40 * PAGE, MODEL_WRITE).done);
        t = harvest(w, ipa_range(0, MIB(8)), S2_TOUCH_WRITE, 0);
        assert_int_equal(t.n, 1);
        expect(&t, 0, MIB(6) + 32 * PAGE, 16 * PAGE);
        world_destroy(w);
    }
}

static void only_what_is_tracked(void **state)
{
    static const struct s2_ipa_range bad[] = {{S2_IPA(1), S2_IPA(PAGE)},
                                              {S2_IPA(0), S2_IPA(PAGE + 1)},
                                              {S2_IPA(PAGE), S2_IPA(0)},
                                              {S2_IPA(0), S2_IPA((1ull << 36) + PAGE)}};
    struct told t = {0};

    (void)state;
    for (unsigned kinds = 0; kinds < 4; kinds++) {
        struct world_config wc = world_defaults();
        struct world *w;

        wc.caps = model_caps_least();
        wc.access_flag = kinds & S2_TOUCH_ACCESS;
        wc.dirty = kinds & S2_TOUCH_WRITE;
        w = world_create(&wc);
        model_set_tracking(w->port, wc.access_flag, wc.dirty);
        assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
        world_run(w);
        for (unsigned what = 0; what < 8; what++)
            assert_int_equal(s2_space_harvest(&w->space, ipa_range(0, PAGE), what, tell, &t),
                             what && !(what & ~kinds) ? S2_OK : S2_EUNSUP);
        for (size_t i = 0; kinds && i < sizeof bad / sizeof bad[0]; i++)
            assert_int_equal(s2_space_harvest(&w->space, bad[i], kinds, tell, &t), S2_EINVAL);
        assert_int_equal(t.n, 0);
        assert_int_equal(guest(w, 0, MODEL_WRITE).faults, kinds != 0); /* one records all there is to */
        for (unsigned what = 1; what < 4; what++)
            if (!(what & ~kinds))
                assert_int_equal(harvest(w, ipa_range(0, PAGE), what, 0).n, what != kinds || kinds < 3);
        world_destroy(w);
    }
}

static void visits(void **state)
{
    struct world *w = make(true, true);
    struct told t = {.most = 3};

    (void)state;
    s2_space_visit(&w->space, ipa_range(5 * PAGE, MIB(1)), tell, &t);
    assert_int_equal(t.n, 3);
    expect(&t, 0, 5 * PAGE, PAGE);
    expect(&t, 2, 7 * PAGE, PAGE);
    t = (struct told){0};
    s2_space_visit(&w->space, ipa_range(MIB(2) - 2 * PAGE, MIB(4)), tell, &t);
    assert_int_equal(t.n, 2); /* nobody has touched the lazy area */
    world_destroy(w);
}

/* A guest that writes to one page only, whose writes are asked for again and again, gets on each time. */
static void asked_for_ever(void **state)
{
    (void)state;
    for (unsigned what = S2_TOUCH_ACCESS; what <= S2_TOUCH_WRITE; what++) {
        struct world *w = make(false, true);

        for (unsigned i = 0; i < 3 * S2_FAULT_REPEATS; i++) {
            struct told t;

            assert_true(guest(w, PAGE, MODEL_WRITE).done);
            t = harvest(w, ipa_range(0, MIB(2)), what, 0);
            assert_int_equal(t.n, 1);
        }
        world_destroy(w);
    }
}

/* An invalidation by address may want the right to write, though it counts as a read: a clean leaf must not keep it for ever. */
static void cache_maintenance_gets_on(void **state)
{
    struct world *w = make(false, true);
    struct s2_fault f = {.kind = S2_FAULT_PERMISSION,
                         .access = S2_ACCESS_READ,
                         .maintenance = true,
                         .has_ipa = true,
                         .ipa = S2_IPA(PAGE)};
    struct s2_fault_result r;
    struct s2_leaf leaf;

    (void)state;
    assert_true(guest(w, PAGE, MODEL_READ).done);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY_FLUSHED);
    assert_true(s2_space_translate(&w->space, S2_IPA(PAGE), &leaf));
    assert_true(leaf.dirty);
    /* Once more, by a vCPU that holds what was true before: there is nothing to record, and its own TLB to flush. */
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY_FLUSHED);
    world_destroy(w);
}

/* Marks that wait while promotion is off are not looked at once the space is being taken down. */
static void a_dying_space_promotes_nothing(void **state)
{
    struct world *w = make(true, false);
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .ipa = S2_IPA(MIB(4))};
    struct s2_fault_result r;

    (void)state;
    s2_space_promotion(&w->space, false);
    for (unsigned i = 0; i < PAGES; i++)
        assert_true(guest(w, MIB(4) + i * PAGE, MODEL_READ).done);
    s2_cache_drain(&w->space, &w->cache);
    s2_space_promotion(&w->space, true);
    s2_space_destroy_begin(&w->space);
    model_reset_counters(w->port);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    assert_int_equal(w->port->count.stores + w->port->count.swaps, 0);
    while (s2_space_destroy_step(&w->space, 64))
        ;
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->tables.free, w->tables.pages);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_once),
        cmocka_unit_test(as_large_as_they_are),
        cmocka_unit_test(only_what_is_tracked),
        cmocka_unit_test(visits),
        cmocka_unit_test(asked_for_ever),
        cmocka_unit_test(cache_maintenance_gets_on),
        cmocka_unit_test(a_dying_space_promotes_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
