/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Promotion in spaces: by whom, inside one area, so much in one hold of the lock, and not while it is unwanted. What is found in
 * tables: test_promote. */
#include "space_world.h"

#include <pthread.h>

#include "space/inner.h"

#define LAZY MIB(4) /* an area that faults fill page by page, being smaller than a block */

enum { RUN = 16, RUNS = 10 };

static struct world *make(bool small_leaves, uint8_t bbm)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.small_leaves = small_leaves;
    wc.caps.bbm = bbm;
    w = world_create(&wc);
    assert_int_equal(map_new(w, area_alloc(LAZY, RUNS * RUN * PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    return w;
}
static void end(struct world *w)
{
    world_check(w);
    world_destroy(w);
}

static struct s2_leaf leaf_at(struct world *w, uint64_t ipa)
{
    struct s2_leaf leaf;

    assert_true(s2_space_translate(&w->space, S2_IPA(ipa), &leaf));
    return leaf;
}
static bool is_run(struct world *w, unsigned run)
{
    return leaf_at(w, LAZY + run * RUN * PAGE).contiguous;
}
static unsigned folded(struct world *w)
{
    unsigned n = 0;

    for (unsigned run = 0; run < RUNS; run++)
        n += is_run(w, run);
    return n;
}
static void touch(struct world *w, unsigned run, unsigned from, unsigned to)
{
    for (unsigned page = from; page < to; page++)
        assert_true(guest(w, LAZY + (run * RUN + page) * PAGE, MODEL_READ).done);
}
/* An operation that has nothing to do with them. */
static void something_else(struct world *w)
{
    assert_int_equal(map_new(w, area_alloc(MIB(64), PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(unmap(w, MIB(64), PAGE), S2_OK);
}

/* --- by whom ---------------------------------------------------------------------------------------------------------- */

/* The fault that brings the last page promotes, in its own time: after its leaf is there, and the lock free. */
static void the_last_fault_of_a_run(void **state)
{
    (void)state;
    for (uint8_t bbm = 0; bbm <= 2; bbm++) {
        struct world *w = make(false, bbm);

        touch(w, 0, 1, RUN);
        assert_false(leaf_at(w, LAZY + PAGE).contiguous);
        model_reset_counters(w->port);
        touch(w, 0, 0, 1);
        assert_true(is_run(w, 0));
        assert_int_equal(model_tlbis(w->port), 2);
        assert_int_equal(model_dsbs(w->port), bbm == 2 ? 1 + 3 : 1 + 4);
        assert_false(s2_table_marked(&w->space.table));
        end(w);
    }
}

/* A page of a block that was protected by itself, and is no more. */
static void a_protect_that_takes_back(void **state)
{
    (void)state;
    for (uint8_t bbm = 0; bbm <= 2; bbm++) {
        struct world *w = make(false, bbm);
        uint32_t pages;

        assert_int_equal(map_new(w, area_alloc(MIB(2), MIB(2), S2_RW, 0)), S2_OK);
        pages = w->space.table.quota.used;
        assert_int_equal(leaf_at(w, MIB(2)).level, 2);
        assert_int_equal(protect(w, MIB(3) + PAGE, PAGE, S2_R), S2_OK);
        assert_int_equal(leaf_at(w, MIB(2)).level, 3);
        assert_int_equal(protect(w, MIB(3) + PAGE, PAGE, S2_RW), S2_OK);
        assert_int_equal(leaf_at(w, MIB(2)).level, 2);
        assert_int_equal(w->space.table.quota.used, pages);
        end(w);
    }
}

/* A map that joins what is there. */
static void a_map_that_fills_a_block(void **state)
{
    struct world *w = make(false, 0);

    (void)state;
    world_give(w, FRAME_BASE + MIB(8), MIB(2), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(1), FRAME_BASE + MIB(8), S2_RW)), S2_OK);
    assert_int_equal(leaf_at(w, 0).level, 3);
    assert_int_equal(map_new(w, area_linear(MIB(1), MIB(1), FRAME_BASE + MIB(9), S2_RW)), S2_OK);
    assert_int_equal(leaf_at(w, 0).level, 2);
    end(w);
}

/* A step gives back the table of what it made a block. */
static void a_step_that_makes_a_block(void **state)
{
    struct world *w = make(false, 0);
    uint32_t pages;

    (void)state;
    world_give(w, FRAME_BASE + MIB(8), MIB(2), VM, S2_RWX);
    s2_space_promotion(&w->space, false);
    assert_int_equal(map_new(w, area_linear(0, MIB(1), FRAME_BASE + MIB(8), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(1), MIB(1), FRAME_BASE + MIB(9), S2_RW)), S2_OK);
    assert_int_equal(leaf_at(w, 0).level, 3);
    s2_space_promotion(&w->space, true);
    pages = w->space.table.quota.used;
    while (s2_space_promote_step(&w->space, 4))
        ;
    assert_int_equal(leaf_at(w, 0).level, 2);
    assert_int_equal(w->space.table.quota.used, pages - 1);
    end(w);
}

/* --- where not -------------------------------------------------------------------------------------------------------- */

static void two_areas_stay_two(void **state)
{
    struct world *w = make(false, 2);
    struct s2_area a = area_linear(0, MIB(1), FRAME_BASE + MIB(8), S2_RW), b = a;

    (void)state;
    world_give(w, FRAME_BASE + MIB(8), MIB(2), VM, S2_RWX);
    a.name = 1;
    b.name = 2;
    b.range = ipa_range(MIB(1), MIB(1));
    b.backing += MIB(1);
    assert_int_equal(map_new(w, a), S2_OK);
    assert_int_equal(map_new(w, b), S2_OK);
    something_else(w);
    assert_int_equal(leaf_at(w, 0).level, 3);
    assert_true(leaf_at(w, 0).contiguous);
    /* One area now; the next edit of it finds what it could be. */
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(MIB(1)), 1, &w->d), S2_OK);
    assert_int_equal(protect(w, 0, MIB(2), S2_R), S2_OK);
    assert_int_equal(leaf_at(w, 0).level, 2);
    end(w);
}

/* Memory of two areas that lies together is one chunk, and still two areas. */
static void one_chunk_of_two_areas(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);

    (void)state;
    for (uint16_t i = 0; i < 2; i++) {
        struct s2_area a = area_alloc(MIB(2) + i * MIB(1), MIB(1), S2_RW, 0);

        a.name = (uint16_t)(i + 1);
        assert_int_equal(map_new(w, a), S2_OK);
    }
    assert_int_equal(w->space.chunks.count, 1);
    assert_int_equal(leaf_at(w, MIB(3)).pa.v, leaf_at(w, MIB(2)).pa.v + MIB(1));
    assert_int_equal(leaf_at(w, MIB(2)).pa.v & (MIB(2) - 1), 0);
    something_else(w);
    assert_int_equal(leaf_at(w, MIB(2)).level, 3);
    end(w);
}

static void pages_only_stay_pages(void **state)
{
    struct world *w = make(true, 2);

    (void)state;
    touch(w, 0, 0, RUN);
    something_else(w);
    assert_false(s2_space_promote_step(&w->space, 4));
    assert_false(is_run(w, 0));
    end(w);
}

/* --- when not --------------------------------------------------------------------------------------------------------- */

/* Off, marks stay; on again, so many are promoted in one hold, and a step promotes as many as it may. */
static void off_and_on(void **state)
{
    struct world *w = make(false, 0);

    (void)state;
    s2_space_promotion(&w->space, false);
    for (unsigned run = 0; run < RUNS; run++)
        touch(w, run, 0, RUN);
    something_else(w);
    assert_false(s2_space_promote_step(&w->space, 4));
    assert_int_equal(folded(w), 0);
    s2_space_promotion(&w->space, true);
    assert_int_equal(folded(w), 0); /* that is no operation */
    assert_true(s2_space_promote_step(&w->space, 1));
    assert_int_equal(folded(w), 1);
    assert_int_equal(map_new(w, area_alloc(MIB(64), PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(folded(w), 1 + S2_PROMOTE_BUDGET);
    assert_true(guest(w, LAZY, MODEL_READ).done); /* no fault */
    assert_int_equal(unmap(w, MIB(64), PAGE), S2_OK);
    assert_int_equal(folded(w), 1 + 2 * S2_PROMOTE_BUDGET);
    while (s2_space_promote_step(&w->space, 1))
        ;
    assert_int_equal(folded(w), RUNS);
    model_reset_counters(w->port);
    assert_false(s2_space_promote_step(&w->space, 4));
    assert_int_equal(w->port->count.loads + model_dsbs(w->port), 0);
    end(w);
}

/* While long work runs, marks wait; it is no long work when it is over. */
static void long_work_first(void **state)
{
    struct world *w = make(false, 1);
    struct s2_area a = area_alloc(MIB(16), MIB(1), S2_RW, 0);
    struct s2_long l;

    (void)state;
    assert_int_equal(s2_space_map_begin(&w->space, &l, &a, &w->d), S2_OK);
    touch(w, 0, 0, RUN);
    something_else(w);
    assert_false(is_run(w, 0));
    while (s2_space_map_step(&l, 100))
        ;
    assert_false(is_run(w, 0));
    s2_space_map_end(&l);
    while (s2_space_promote_step(&w->space, 4))
        ;
    assert_true(is_run(w, 0));
    end(w);
}

/* --- the lock is somebody else's ---------------------------------------------------------------------------------------- */

struct holder {
    struct world *w;
    pthread_barrier_t taken, enough;
};

static void *holds(void *arg)
{
    struct holder *h = arg;

    model_set_cpu(h->w->port, 1);
    s2_space_lock_shared(&h->w->space);
    pthread_barrier_wait(&h->taken);
    pthread_barrier_wait(&h->enough);
    s2_space_unlock_shared(&h->w->space);
    return NULL;
}

static void nobody_waits_for_the_lock(void **state)
{
    struct world_config wc = world_defaults();
    struct holder h;
    pthread_t thread;

    (void)state;
    wc.not_strict = true;
    h.w = world_create(&wc);
    assert_int_equal(map_new(h.w, area_alloc(LAZY, RUNS * RUN * PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_cache_refill(&h.w->space, &h.w->cache), S2_OK);
    assert_int_equal(pthread_barrier_init(&h.taken, NULL, 2) + pthread_barrier_init(&h.enough, NULL, 2), 0);
    for (unsigned page = 0; page < RUN; page++) {
        struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .ipa = S2_IPA(LAZY + page * PAGE)};
        struct s2_fault_result r;

        if (page == RUN - 1) {
            assert_int_equal(pthread_create(&thread, NULL, holds, &h), 0);
            pthread_barrier_wait(&h.taken);
        }
        assert_int_equal(s2_space_fault(&h.w->space, &h.w->cache, &f, &r), S2_RETRY);
    }
    assert_false(is_run(h.w, 0)); /* it was taken: shared, and so is the fault's own */
    assert_true(s2_table_marked(&h.w->space.table));
    pthread_barrier_wait(&h.enough);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(is_run(h.w, 0));
    something_else(h.w);
    assert_true(is_run(h.w, 0));
    pthread_barrier_destroy(&h.taken);
    pthread_barrier_destroy(&h.enough);
    end(h.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_fault_of_a_run),  cmocka_unit_test(a_protect_that_takes_back),
        cmocka_unit_test(a_map_that_fills_a_block), cmocka_unit_test(a_step_that_makes_a_block),
        cmocka_unit_test(two_areas_stay_two),       cmocka_unit_test(one_chunk_of_two_areas),
        cmocka_unit_test(pages_only_stay_pages),    cmocka_unit_test(off_and_on),
        cmocka_unit_test(long_work_first),          cmocka_unit_test(nobody_waits_for_the_lock),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
