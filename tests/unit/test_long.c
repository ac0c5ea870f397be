/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Populating in steps: what one step may do is counted exactly, everything agrees between any two calls, what is done is new
 * and what is not is old, an abort leaves nothing behind, and nobody else touches a busy range. */
#include "long_world.h"

#include "space/inner.h"

enum { RUN = 16 }; /* pages with the Contiguous bit (D8.7.1) */

static uint64_t all_leaves(struct world *w)
{
    return leaves_at(w, 1) + leaves_at(w, 2) + leaves_at(w, 3);
}

/* --- populate ------------------------------------------------------------------------------------------------------------- */

static void steps_end_where_one_call_does(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make(&kinds[k]);
        struct s2_long l;

        assert_int_equal(map_new(w, *wanted()), S2_OK);
        promote_all(w);
        state_take(&before, w, MEANING);
        world_dismantle(w);
        for (uint64_t budget = 1; budget < 4096; budget = budget * 7 + 1) {
            w = make(&kinds[k]);
            s2_space_promotion(&w->space, budget < RUN); /* larger steps end where runs do */
            assert_int_equal(begin_map(w, &l), S2_OK);
            while (s2_space_map_step(&l, budget))
                ;
            world_check(w);
            s2_space_map_end(&l);
            promote_all(w);
            state_take(&after, w, MEANING);
            expect_same(&before, &after, "long work");
            world_dismantle(w);
        }
    }
}

static void a_step_does_no_more_than_its_budget(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make(&kinds[k]);
        uint64_t zeroed = 0, dirty = kinds[k].clean ? 0 : BYTES;
        struct s2_long l;
        bool more = true;

        assert_int_equal(begin_map(w, &l), S2_OK);
        while (more) {
            uint64_t leaves = all_leaves(w), done = l.done.v, tables = l.op.stash.count;

            model_reset_counters(w->port);
            more = s2_space_map_step(&l, 24);
            zeroed += w->port->count.zeroed;
            assert_true(w->port->count.zeroed <= 24 * PAGE);
            assert_int_equal(w->port->count.zeroed_locked, 0);
            leaves = all_leaves(w) - leaves;
            assert_true(leaves <= 24);
            /* Each leaf once; zeroes in a new table for the rest, or, when it begins nearly empty, for all. */
            tables -= l.op.stash.count;
            assert_in_range(w->port->count.fills, leaves, leaves + 512 * tables);
            assert_true(tables <= 3);
            assert_int_equal(model_tlbis(w->port), 0);
            assert_int_equal(model_dsbs(w->port), l.done.v > done);
            if (kinds[k].small_leaves && more)
                assert_int_equal(leaves, 24);
            if (!kinds[k].clean && more && w->port->count.zeroed != 24 * PAGE) { /* before a run that it would cut */
                assert_false(kinds[k].small_leaves);
                assert_true(w->port->count.zeroed > (24 - RUN) * PAGE);
                assert_int_equal(l.clean.v % (RUN * PAGE), 0);
            }
            world_check(w);
        }
        assert_int_equal(zeroed, dirty);
        model_reset_counters(w->port);
        s2_space_map_end(&l);
        assert_int_equal(w->port->count.stores + w->port->count.fills + w->port->count.zeroed, 0);
        world_dismantle(w);
    }
}

static void what_is_done_is_there_and_no_more(void **state)
{
    struct world *w = make(&kinds[1]);
    struct s2_long l;
    struct attempt a;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    a = guest(w, AREA, MODEL_READ);
    assert_int_equal(a.answer, S2_VIOLATION);
    assert_int_equal(a.result.why, S2_NO_AREA);
    while (s2_space_map_step(&l, 100)) {
        uint64_t at = l.done.v;
        unsigned char byte = 1;

        assert_true(guest(w, at - PAGE, MODEL_WRITE).done);
        assert_int_equal(s2_space_copy_out(&w->space, &byte, S2_IPA(at - 1), 1, S2_R, NULL), S2_OK);
        assert_int_equal(byte, 0);
        a = guest(w, at, MODEL_WRITE);
        assert_false(a.done);
        assert_int_equal(a.result.why, S2_NO_AREA);
        assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(at), "x", 1, 0, false, NULL), S2_ENOENT);
        assert_true(guest(w, MIB(32) + at % MIB(2), MODEL_WRITE).done); /* a lazy area elsewhere */
        world_check(w);
    }
    s2_space_map_end(&l);
    assert_true(guest(w, AREA + BYTES - PAGE, MODEL_WRITE).done);
    assert_int_equal(s2_space_unmap(&w->space, l.range, NULL), S2_OK);
    world_dismantle(w);
}

static void abort_leaves_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world *w = make(&kinds[k]);
        struct s2_long l;

        state_take(&before, w, MEANING);
        for (unsigned steps = 0;; steps += 1 + steps / 2) {
            bool more = true;

            assert_int_equal(begin_map(w, &l), S2_OK);
            for (unsigned i = 0; i < steps && more; i++)
                more = s2_space_map_step(&l, 40);
            if (l.done.v > AREA)
                assert_true(guest(w, AREA, MODEL_WRITE).done);
            do {
                world_check(w);
                model_reset_counters(w->port);
                /* What is given up goes no further. */
                if (l.aborts) {
                    s2_ipa done = l.done;

                    assert_false(s2_space_map_step(&l, 1000));
                    s2_space_map_end(&l);
                    assert_int_equal(l.done.v, done.v);
                    assert_ptr_equal(l.space, &w->space);
                }
            } while (s2_space_map_abort(&l, 30 + steps * 50));
            assert_false(s2_space_map_step(&l, 1));
            s2_space_map_end(&l);
            assert_false(s2_space_map_abort(&l, 1));
            world_check(w);
            state_take(&after, w, MEANING);
            expect_same(&before, &after, "long work");
            if (!more)
                break;
        }
        world_dismantle(w);
    }
}

/* So many leaves go in a step of an abort, and with its last leaf an entry of the ledger: one of 2 MiB, one of 4 MiB, and on
 * top four pages and one. */
static void an_abort_step_is_bounded(void **state)
{
    struct world *w = make(&kinds[1]);
    uint64_t leaves, held;
    struct s2_long l;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    for (unsigned i = 0; i < 20; i++)
        (void)s2_space_map_step(&l, 50);
    leaves = all_leaves(w);
    held = w->space.frames_held;
    assert_true(s2_space_map_abort(&l, 5));
    assert_int_equal(w->space.frames_held, held - 5);
    assert_int_equal(all_leaves(w), leaves);
    for (uint64_t i = 1000; i > 520; i -= 30) {
        assert_true(s2_space_map_abort(&l, 30));
        assert_int_equal(all_leaves(w), leaves - (1000 - i) - 30);
        assert_int_equal(w->space.frames_held, held - 5);
        world_check(w);
    }
    assert_true(s2_space_map_abort(&l, 30)); /* the entry's other frames were never mapped */
    assert_int_equal(all_leaves(w), leaves - (1000 - 512));
    assert_int_equal(w->space.frames_held, held - 5 - 1024);
    for (uint64_t i = 512; i > 30; i -= 30) {
        assert_true(s2_space_map_abort(&l, 30));
        assert_int_equal(all_leaves(w), leaves - (1000 - i) - 30);
        world_check(w);
    }
    assert_false(s2_space_map_abort(&l, 30));
    assert_int_equal(all_leaves(w), leaves - 1000);
    assert_int_equal(w->space.frames_held, held - BYTES / PAGE);
    world_dismantle(w);
}

/* --- busy ranges ---------------------------------------------------------------------------------------------------------- */

static void expect_busy(struct world *w, enum s2_err err, struct s2_ipa_range busy)
{
    assert_int_equal(err, S2_EBUSY);
    assert_int_equal(w->d.err, S2_EBUSY);
    assert_int_equal(w->d.found_start, busy.start.v);
    assert_int_equal(w->d.found_end, busy.end.v);
    world_check(w);
}

static void refused_all_over(struct world *w, struct s2_ipa_range busy)
{
    const uint64_t at[] = {busy.start.v - PAGE, busy.start.v, busy.end.v - PAGE};
    s2_attr attr = S2_ATTR(S2_R);

    for (size_t i = 0; i < 3; i++) {
        struct s2_area a = area_alloc(at[i], 2 * PAGE, S2_RW, 0);
        struct s2_long other;

        expect_busy(w, map_new(w, a), busy);
        expect_busy(w, map_over(w, a), busy);
        expect_busy(w, map_over(w, area_trap(at[i], 2 * PAGE, 1)), busy);
        expect_busy(w, unmap(w, at[i], 2 * PAGE), busy);
        expect_busy(w, protect(w, at[i], 2 * PAGE, S2_R), busy);
        expect_busy(w, s2_space_map_begin(&w->space, &other, &a, &w->d), busy);
        expect_busy(w, s2_space_protect_begin(&w->space, &other, a.range, set_attr, &attr, &w->d), busy);
    }
}

static void others_are_refused_and_neighbours_are_not(void **state)
{
    s2_attr attr = S2_ATTR(S2_R);
    struct world *w = make(&kinds[0]);
    struct s2_long l, p;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    assert_int_equal(s2_space_protect_begin(&w->space, &p, ipa_range(MIB(32), MIB(2)), set_attr, &attr, &w->d), S2_OK);
    refused_all_over(w, wanted()->range);
    refused_all_over(w, p.range);
    (void)s2_space_map_step(&l, 600);
    refused_all_over(w, wanted()->range);
    /* The tables that the ends share may go meanwhile. */
    assert_int_equal(unmap(w, AREA - 3 * PAGE, 3 * PAGE), S2_OK);
    assert_int_equal(unmap(w, AREA + BYTES, 2 * PAGE), S2_OK);
    world_check(w);
    while (s2_space_map_step(&l, 600))
        ;
    assert_int_equal(map_new(w, area_alloc(AREA + BYTES, PAGE, S2_RW, 0)), S2_OK);
    s2_space_map_end(&l);
    assert_int_equal(s2_space_protect_end(&p), S2_OK);
    assert_int_equal(protect(w, AREA, BYTES, S2_R), S2_OK);
    world_dismantle(w);
}

static void only_populated_memory_is_long_work(void **state)
{
    struct world *w = make(&kinds[0]);
    struct s2_area bad[] = {area_alloc(AREA, BYTES, S2_RW, S2_AREA_LAZY), area_trap(AREA, BYTES, 1),
                            area_linear(AREA, BYTES, FRAME_BASE, S2_RW), area_alloc(AREA, 0, S2_RW, 0),
                            area_alloc(AREA, BYTES, S2_RW, S2_AREA_GROWING)};
    struct s2_long l;

    (void)state;
    state_take(&before, w, MEANING);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(s2_space_map_begin(&w->space, &l, &bad[i], &w->d), S2_EINVAL);
    bad[0] = area_alloc(AREA - PAGE, BYTES, S2_RW, 0);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &bad[0], &w->d), S2_EEXIST);
    bad[0] = area_alloc(AREA + 1, PAGE, S2_RW, 0);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &bad[0], &w->d), S2_EALIGN);
    bad[0] = area_alloc(AREA, BYTES, S2_RW | S2_MT_DEV_nGnRE, 0);
    assert_int_equal(s2_space_map_begin(&w->space, &l, &bad[0], &w->d), S2_EATTR);
    assert_string_equal(w->d.what, "is memory, and the attribute is that of a device");
    state_take(&after, w, MEANING);
    expect_same(&before, &after, "long work");
    world_dismantle(w);
}

static bool no_more(void *arg, const struct s2_detail *d)
{
    *(struct s2_detail *)arg = *d;
    return false;
}

static void finds(struct world *w, const char *what)
{
    const char *wrong = s2_space_check(&w->space, &w->d);

    assert_non_null(wrong);
    assert_string_equal(wrong, what);
}

static void the_checker_sees_work_that_went_wrong(void **state)
{
    struct world *w = make(&kinds[1]);
    struct s2_imap *m = &w->space.areas.map;
    struct s2_long l, twin;
    struct s2_ient e;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    (void)s2_space_map_step(&l, 100);
    l.done.v -= PAGE;
    finds(w, "is being populated, and its area is not what is done");
    l.done.v = l.range.end.v + PAGE;
    finds(w, "is memory of an area that is not there");
    l.done.v = l.range.start.v - PAGE;
    finds(w, "is worked on outside of its range");
    l.done.v = AREA + 100 * PAGE;
    /* The work began behind its area's beginning. */
    l.range.start.v += PAGE;
    finds(w, "is being populated, and its area is not what is done");
    l.range.start.v -= PAGE;
    /* The area loses its mark. */
    assert_true(s2_imap_find(m, AREA, &e));
    e.val.w[2] ^= (uint64_t)S2_AREA_GROWING << 48;
    s2_imap_set(m, AREA, &e.val);
    finds(w, "is being populated, and an area is there");
    e.val.w[2] ^= (uint64_t)S2_AREA_GROWING << 48;
    s2_imap_set(m, AREA, &e.val);
    /* A lazy area where there will be another; without its promise that is all that is wrong with it. */
    e = (struct s2_ient){AREA + MIB(2), AREA + MIB(3), e.val};
    e.val.w[2] ^= (uint64_t)(S2_AREA_GROWING | S2_AREA_LAZY | S2_AREA_OVERCOMMIT) << 48;
    s2_imap_insert(m, &e);
    finds(w, "is yet to be populated, and an area is there");
    s2_imap_erase(m, e.start);
    /* Two at work in one place; nobody at work. */
    twin = l;
    twin.next = NULL;
    l.next = &twin;
    finds(w, "is worked on twice");
    assert_false(s2_check_totals(&w->space, no_more, &w->d));
    assert_string_equal(w->d.what, "is worked on twice");
    l.next = NULL;
    assert_true(s2_imap_find(m, AREA - 3 * PAGE, &e));
    e.val.w[2] |= (uint64_t)S2_AREA_GROWING << 48;
    s2_imap_set(m, e.start, &e.val);
    finds(w, "has areas that grow, and nobody at work on them");
    e.val.w[2] ^= (uint64_t)S2_AREA_GROWING << 48;
    s2_imap_set(m, e.start, &e.val);
    s2_space_map_end(&l);
    world_dismantle(w);
}

/* Memory of work that has mapped nothing of it yet: it goes from chunks, counts and ledger, and only the work is left. */
static void the_checker_sees_work_without_its_memory(void **state)
{
    struct world *w = make(&kinds[1]);
    struct s2_long l;
    struct s2_ient e;
    struct s2_ledger_entry mine;
    uint64_t frames;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    assert_true(s2_imap_find(&w->space.chunks, AREA + BYTES - PAGE, &e));
    frames = (e.end - e.start) / PAGE;
    assert_true(s2_ledger_find(&w->ledger, S2_PA(e.val.w[0]), &mine));
    mine.range = pa_range(e.val.w[0], frames * PAGE);
    mine.ipa = S2_IPA_NONE;
    s2_ledger_set(&w->ledger, &mine);
    s2_imap_erase(&w->space.chunks, e.start);
    w->space.frames_held -= frames;
    finds(w, "is yet to be populated, and the memory for it is not there");
    assert_int_equal(w->d.asked_start, AREA);
    assert_int_equal(w->d.asked_end, AREA + BYTES);
    w->space.frames_held += frames;
    s2_imap_insert(&w->space.chunks, &e);
    mine.ipa = S2_IPA(e.start);
    s2_ledger_set(&w->ledger, &mine);
    s2_space_map_end(&l);
    world_dismantle(w);
}

/* Work that changes rights holds no memory: a chunk in its range, and in no area, is nobody's. */
static void the_checker_sees_memory_that_no_work_holds(void **state)
{
    struct world *w = make(&kinds[1]);
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_ient e = {MIB(40), MIB(40) + PAGE, {{FRAME_BASE + MIB(31), 0, 0}}};
    struct s2_long l;

    (void)state;
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MIB(32), MIB(16)), set_attr, &attr, &w->d), S2_OK);
    s2_imap_insert(&w->space.chunks, &e);
    finds(w, "is memory of an area that is not there");
    assert_int_equal(w->d.asked_start, MIB(40));
    s2_imap_erase(&w->space.chunks, e.start);
    l.done.v = l.range.end.v + PAGE;
    finds(w, "is worked on outside of its range");
    l.done = l.range.start;
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    world_dismantle(w);
}

/* A step of nothing is one of one leaf, or of one entry of the ledger. */
static void a_step_does_something(void **state)
{
    static const uint64_t ends[] = {MIB(6) + 4 * PAGE, MIB(6), MIB(2)};
    struct world *w = make(&kinds[1]);
    struct s2_long l;

    (void)state;
    assert_int_equal(begin_map(w, &l), S2_OK);
    for (uint64_t n = 1; n <= 3; n++) {
        assert_true(s2_space_map_step(&l, 0));
        assert_int_equal(l.done.v, AREA + n * PAGE);
    }
    for (unsigned entry = 0; entry < 3; entry++) {
        assert_true(s2_space_map_abort(&l, 0));
        assert_int_equal(l.range.end.v, AREA + ends[entry]);
        assert_int_equal(l.done.v, AREA + 3 * PAGE);
    }
    assert_true(s2_space_map_abort(&l, 0));
    assert_int_equal(l.done.v, AREA + 2 * PAGE);
    assert_true(s2_space_map_abort(&l, 0));
    assert_int_equal(l.done.v, AREA + PAGE);
    assert_false(s2_space_map_abort(&l, 0));
    world_dismantle(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_end_where_one_call_does),
        cmocka_unit_test(a_step_does_no_more_than_its_budget),
        cmocka_unit_test(what_is_done_is_there_and_no_more),
        cmocka_unit_test(abort_leaves_nothing),
        cmocka_unit_test(an_abort_step_is_bounded),
        cmocka_unit_test(others_are_refused_and_neighbours_are_not),
        cmocka_unit_test(only_populated_memory_is_long_work),
        cmocka_unit_test(the_checker_sees_work_that_went_wrong),
        cmocka_unit_test(the_checker_sees_work_without_its_memory),
        cmocka_unit_test(the_checker_sees_memory_that_no_work_holds),
        cmocka_unit_test(a_step_does_something),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
