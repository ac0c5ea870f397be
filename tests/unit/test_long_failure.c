/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Long work when nothing is left, when the space goes away, and among other operations in any order. */
#include "long_world.h"

#ifdef __SANITIZE_ADDRESS__
enum { STEPS = 150 };
#else
enum { STEPS = 500 };
#endif

/* --- nothing left --------------------------------------------------------------------------------------------------------- */

static enum s2_err begin_protect(struct world *w, struct s2_long *l)
{
    static unsigned calls;

    return s2_space_protect_begin(&w->space, l, many(), read_only, &calls, &w->d);
}

typedef enum s2_err begin_fn(struct world *w, struct s2_long *l);

/* Begin fails of each resource with a code that says so, and leaves everything; once it succeeds, no step can fail. */
static void begins_or_not(begin_fn *begin, bool populates)
{
    struct world *w = make_many(&kinds[4]);
    unsigned refusals = 0;
    struct hoard h;
    struct s2_long l;

    for (enum resource r = NODES; r < RESOURCES; r++) {
        enum s2_err err = lack_of(r);
        bool more = true;

        for (uint32_t left = 0; err; left += left < 40 ? 1 : left / 3) {
            state_take(&before, w, EXACT);
            hoard(w, r, left, &h);
            err = begin(w, &l);
            if (err) {
                assert_int_equal(err, lack_of(r));
                refusals++;
                unhoard(w, &h);
                state_take(&after, w, EXACT);
                expect_same(&before, &after, "long work");
                world_check(w);
            }
        }
        unhoard(w, &h);
        while (more) {
            hoard(w, r, 0, &h);
            more = populates ? s2_space_map_step(&l, 70) : s2_space_protect_step(&l, 70);
            world_check(w);
            unhoard(w, &h);
        }
        hoard(w, r, 0, &h);
        if (populates)
            s2_space_map_end(&l);
        else
            assert_int_equal(s2_space_protect_end(&l), S2_OK);
        world_check(w);
        unhoard(w, &h);
        if (populates)
            assert_int_equal(unmap(w, AREA, BYTES), S2_OK);
        else
            assert_int_equal(protect(w, many().start.v, MIB(3), S2_RW), S2_OK);
    }
    assert_true(refusals > (populates ? 60 : 10));
    world_dismantle(w);
}

static void populating_fails_at_begin_or_never(void **state)
{
    (void)state;
    begins_or_not(begin_map, true);
}
static void protecting_fails_at_begin_or_never(void **state)
{
    (void)state;
    begins_or_not(begin_protect, false);
}

static void an_abort_needs_nothing(void **state)
{
    (void)state;
    for (enum resource r = NODES; r < RESOURCES; r++)
        for (unsigned steps = 0; steps < 40; steps += 1 + steps) {
            struct world *w = make(&kinds[4]);
            struct hoard h;
            struct s2_long l;

            assert_int_equal(begin_map(w, &l), S2_OK);
            for (unsigned i = 0; i < steps; i++)
                (void)s2_space_map_step(&l, 45);
            hoard(w, r, 0, &h);
            while (s2_space_map_abort(&l, 45))
                world_check(w);
            world_check(w);
            unhoard(w, &h);
            world_dismantle(w);
        }
}

enum { LEDGER_GROUPS = 256, GROUP = 8, CHUNKS = 2 * LEDGER_GROUPS, ALL_PAGES = 2 * CHUNKS };

static void keep_for_hypervisor(struct world *w, uint64_t pa)
{
    struct s2_ledger_entry e = ledger_entry(pa, 2 * PAGE, S2_OWNER_HYP, S2_HYP);
    bool clean;

    assert_int_equal(s2_frames_alloc_at(&w->frames, e.range, &clean, NULL), S2_OK);
    s2_ledger_set(&w->ledger, &e);
}

/* Memory in runs of two pages, and the ledger's leaves full: built in ascending order each had four groups of an entry that is
 * the hypervisor's and a free one; then all free ones were cut by another. */
static struct world *make_full_leaves(void)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.nodes = 1024;
    wc.ledger_nodes = 8192;
    wc.chunk_log2 = 13;
    w = world_create(&wc);
    for (uint64_t g = 0; g < LEDGER_GROUPS; g++)
        keep_for_hypervisor(w, FRAME_BASE + GROUP * g * PAGE);
    for (uint64_t g = 0; g < LEDGER_GROUPS; g++)
        keep_for_hypervisor(w, FRAME_BASE + (GROUP * g + GROUP / 2) * PAGE);
    return w;
}

/* Each step would end inside an entry of the ledger, and each entry that is cut would split a leaf. */
static void an_abort_in_small_steps_needs_no_nodes(void **state)
{
    (void)state;
    for (uint64_t pages = 0; pages <= ALL_PAGES; pages += ALL_PAGES / 2) {
        struct world *w = make_full_leaves();
        struct s2_area area = area_alloc(AREA, ALL_PAGES * PAGE, S2_RW, 0);
        unsigned steps = 0;
        struct s2_long l;
        struct hoard h;

        state_take(&before, w, MEANING);
        assert_int_equal(s2_space_map_begin(&w->space, &l, &area, &w->d), S2_OK);
        assert_int_equal(w->space.chunks.count, CHUNKS);
        if (pages)
            (void)s2_space_map_step(&l, pages);
        assert_int_equal(l.done.v, AREA + pages * PAGE);
        hoard_begin(w, &h);
        hoard_all(w, &h);
        do {
            covered(w);
            steps++;
        } while (s2_space_map_abort(&l, 1));
        covered(w);
        unhoard(w, &h);
        assert_int_equal(steps, pages + (ALL_PAGES - pages) / 2);
        state_take(&after, w, MEANING);
        expect_same(&before, &after, "long work");
        world_dismantle(w);
    }
}

/* --- the space goes away -------------------------------------------------------------------------------------------------- */

static void a_space_that_goes_takes_its_work_along(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 30; steps += 1 + steps)
        for (unsigned aborts = 0; aborts < 2; aborts++) {
            struct world *w = make_many(&kinds[4 + aborts]);
            unsigned calls = 0;
            struct s2_long l, p;

            assert_int_equal(begin_map(w, &l), S2_OK);
            assert_int_equal(s2_space_protect_begin(&w->space, &p, many(), read_only, &calls, &w->d), S2_OK);
            for (unsigned i = 0; i < steps; i++) {
                (void)s2_space_map_step(&l, 50);
                (void)s2_space_protect_step(&p, 50);
            }
            if (aborts)
                assert_true(s2_space_map_abort(&l, 1 + steps));
            s2_cache_drain(&w->space, &w->cache);
            s2_space_destroy_begin(&w->space);
            assert_null(w->space.longs);
            assert_false(s2_space_map_step(&l, 1));
            assert_false(s2_space_map_abort(&l, 1));
            s2_space_map_end(&l);
            assert_false(s2_space_protect_step(&p, 1));
            assert_int_equal(s2_space_protect_end(&p), S2_EDYING);
            expect_nothing_left(w);
        }
}

/* --- anything, in any order ------------------------------------------------------------------------------------------------ */

struct run {
    struct world *w;
    uint64_t seed;
    struct s2_long populate, protect;
    bool populates, protects;
    unsigned busy, steps, ends;
};

static uint64_t below(struct run *r, uint64_t n)
{
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return r->seed % n;
}

enum { PAGES = 2048, MOST_PAGES = 700 };

static struct s2_ipa_range random_range(struct run *r)
{
    uint64_t pages = below(r, 4) ? 1 + below(r, 60) : 1 + below(r, MOST_PAGES);

    return ipa_range(below(r, PAGES - pages) * PAGE, pages * PAGE);
}

/* An answer that depends on the area alone. */
static bool by_place(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    attr->bits = area->range.start.v & (4 * PAGE) ? S2_R : S2_RW;
    return !(area->range.start.v & PAGE);
}

static bool is_busy(const struct run *r, struct s2_ipa_range a)
{
    const struct s2_long *l[] = {r->populates ? &r->populate : NULL, r->protects ? &r->protect : NULL};

    for (unsigned i = 0; i < 2; i++)
        if (l[i] && a.start.v < l[i]->range.end.v && l[i]->range.start.v < a.end.v)
            return true;
    return false;
}

/* Somebody else's operation: refused as busy exactly when it meets what is being worked on. */
static void edit(struct run *r)
{
    struct s2_ipa_range range = random_range(r);
    struct s2_area a = area_alloc(range.start.v, range.end.v - range.start.v, S2_RW, (uint16_t)below(r, 2));
    bool busy = is_busy(r, range);
    enum s2_err err = S2_OK;

    switch (below(r, 4)) {
    case 0:
        err = s2_space_unmap(&r->w->space, range, NULL);
        break;
    case 1:
        err = s2_space_protect(&r->w->space, range, by_place, NULL, NULL);
        break;
    case 2:
        err = s2_space_map(&r->w->space, &a, S2_MAP_REPLACE, NULL);
        break;
    case 3:
        a = area_trap(range.start.v, range.end.v - range.start.v, below(r, 2));
        err = s2_space_map(&r->w->space, &a, S2_MAP_REPLACE, NULL);
        break;
    }
    assert_int_equal(err == S2_EBUSY, busy);
    r->busy += busy;
}

static void touch(struct run *r)
{
    struct s2_ipa_range at = random_range(r);
    unsigned char byte = 0;
    struct attempt a = guest(r->w, at.start.v, below(r, 2) ? MODEL_WRITE : MODEL_READ);

    if (r->populates && at.start.v >= r->populate.done.v && at.start.v < r->populate.range.end.v)
        assert_true(!a.done && a.result.why == S2_NO_AREA);
    (void)!s2_space_copy_out(&r->w->space, &byte, at.end, 1, S2_R, NULL);
}

static void go_on(struct run *r)
{
    struct s2_area a;
    struct s2_ipa_range range = random_range(r);

    a = area_alloc(range.start.v, range.end.v - range.start.v, S2_RW, 0);
    if (below(r, 2)) {
        if (!r->populates)
            r->populates = !s2_space_map_begin(&r->w->space, &r->populate, &a, NULL);
        else if (r->populate.aborts)
            r->populates = s2_space_map_abort(&r->populate, 1 + below(r, 300));
        else if (below(r, 20) == 0)
            r->populates = s2_space_map_abort(&r->populate, 1 + below(r, 300));
        else if (!s2_space_map_step(&r->populate, 1 + below(r, 90))) {
            s2_space_map_end(&r->populate);
            r->populates = false;
            r->ends++;
        }
    } else if (!r->protects) {
        r->protects = !s2_space_protect_begin(&r->w->space, &r->protect, range, by_place, NULL, NULL);
    } else if (!s2_space_protect_step(&r->protect, 1 + below(r, 40)) || below(r, 30) == 0) {
        assert_int_equal(s2_space_protect_end(&r->protect), S2_OK);
        r->protects = false;
        r->ends++;
    }
    r->steps++;
}

static void finish(struct run *r)
{
    while (r->populates && s2_space_map_abort(&r->populate, 1000))
        ;
    if (r->protects)
        assert_int_equal(s2_space_protect_end(&r->protect), S2_OK);
}

static void everything_agrees_in_any_order(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KINDS; k++) {
        struct run r = {.w = make(&kinds[k]), .seed = 88172645463325252ull + k};

        for (unsigned i = 0; i < STEPS; i++) {
            if (below(&r, 2))
                go_on(&r);
            else if (below(&r, 3))
                edit(&r);
            else
                touch(&r);
            world_check(r.w);
        }
        assert_true(r.busy > STEPS / 100 && r.ends > STEPS / 50);
        finish(&r);
        world_dismantle(r.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(populating_fails_at_begin_or_never),
        cmocka_unit_test(protecting_fails_at_begin_or_never),
        cmocka_unit_test(an_abort_needs_nothing),
        cmocka_unit_test(an_abort_in_small_steps_needs_no_nodes),
        cmocka_unit_test(a_space_that_goes_takes_its_work_along),
        cmocka_unit_test(everything_agrees_in_any_order),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
