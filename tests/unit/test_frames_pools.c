/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Several allocators on one machine, as named regions of memory are: a VM is served from its own, others neither lack nor get
 * what is in it, and each gets back what is its own, though the ledger knows only one memory. */
#include "space_world.h"

#define NAMED_BYTES MIB(8)
#define NAMED_BASE  (FRAME_BASE + FRAME_BYTES - NAMED_BYTES)

struct pools {
    struct world *w; /* its VM is served from `named` */
    struct s2_frames named;
    void *meta;
    struct s2_space other; /* and this one from the rest */
};

static void split_memory(struct pools *p)
{
    struct world *w = p->w;

    s2_frames_init(&w->frames, w->port);
    assert_int_equal(s2_frames_add(&w->frames, S2_PA(FRAME_BASE), FRAME_BYTES - NAMED_BYTES, w->frame_mem, NULL),
                     S2_OK);
    s2_frames_free(&w->frames, pa_range(FRAME_BASE, FRAME_BYTES - NAMED_BYTES), false, false);
    p->meta = world_alloc(s2_frames_meta_bytes(S2_PA(NAMED_BASE), NAMED_BYTES));
    s2_frames_init(&p->named, w->port);
    assert_int_equal(s2_frames_add(&p->named, S2_PA(NAMED_BASE), NAMED_BYTES, p->meta, NULL), S2_OK);
    s2_frames_free(&p->named, pa_range(NAMED_BASE, NAMED_BYTES), false, false);
    s2_frames_join(&w->frames, &p->named);
}

static int setup(void **state)
{
    struct world_config wc = world_defaults();
    struct pools *p = world_alloc(sizeof *p);
    struct s2_space_config cfg;

    memset(p, 0, sizeof *p);
    p->w = world_machine(&wc);
    split_memory(p);
    cfg = p->w->cfg;
    cfg.id = OTHER;
    assert_int_equal(s2_space_init(&p->other, &cfg, NULL), S2_OK);
    p->w->cfg.frames = &p->named;
    assert_int_equal(s2_space_init(&p->w->space, &p->w->cfg, NULL), S2_OK);
    s2_cache_init(&p->w->cache);
    world_run(p->w);
    *state = p;
    return 0;
}

static void destroy_other(struct pools *p)
{
    s2_space_destroy_begin(&p->other);
    while (s2_space_destroy_step(&p->other, 64))
        ;
    s2_space_destroy_end(&p->other);
    while (s2_space_disown_step(&p->other))
        ;
}

static int teardown(void **state)
{
    struct pools *p = *state;
    struct s2_frames *named = &p->named;
    struct world *w = p->w;

    destroy_other(p);
    world_destroy_space(w);
    assert_int_equal(named->free, NAMED_BYTES / PAGE);
    assert_int_equal(named->reserved, 0);
    assert_int_equal(s2_frames_free_blocks(named, 9), 2); /* around one of 4 MiB */
    assert_int_equal(s2_frames_free_blocks(named, 10), 1);
    assert_null(s2_frames_check(named));
    assert_int_equal(w->frames.free, (FRAME_BYTES - NAMED_BYTES) / PAGE);
    assert_null(s2_frames_check(&w->frames));
    assert_int_equal(s2_ledger_count(&w->ledger, S2_OWNER_NONE, S2_FREE), FRAME_BYTES / PAGE);
    assert_true(model_ok(w->port));
    world_free(w);
    free(p->meta);
    free(p);
    return 0;
}

static void each_is_served_from_its_own(void **state)
{
    struct pools *p = *state;
    struct s2_area area = area_alloc(0, MIB(4), S2_RW, S2_AREA_LAZY);
    struct attempt a;

    assert_int_equal(map_new(p->w, area_alloc(0, MIB(4), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(p->w, area_alloc(MIB(16), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(p->named.free, MIB(4) / PAGE);
    assert_int_equal(p->named.reserved, MIB(2) / PAGE);
    assert_int_equal(p->w->frames.free, (FRAME_BYTES - NAMED_BYTES) / PAGE);
    a = guest(p->w, MIB(16) + PAGE, MODEL_WRITE);
    assert_true(a.done);
    assert_true(s2_frames_holds(&p->named, pa_range(a.pa & ~(PAGE - 1), PAGE)));
    assert_int_equal(s2_space_map(&p->other, &area, S2_MAP_NEW, NULL), S2_OK);
    assert_int_equal(p->w->frames.reserved, MIB(4) / PAGE);
    world_check(p->w);
    assert_null(s2_space_check(&p->other, NULL));
    assert_int_equal(unmap(p->w, MIB(1), MIB(1)), S2_OK);
    assert_int_equal(p->named.free, MIB(3) / PAGE);
}

/* What a region lacks no other one fills in. */
static void an_empty_one_fails_alone(void **state)
{
    struct pools *p = *state;
    struct s2_area area = area_alloc(0, MIB(24), S2_RW, 0);

    assert_int_equal(map_new(p->w, area_alloc(0, NAMED_BYTES + PAGE, S2_RW, 0)), S2_EFRAMES);
    assert_int_equal(map_new(p->w, area_alloc(0, NAMED_BYTES, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(p->w, area_alloc(MIB(16), PAGE, S2_RW, 0)), S2_EFRAMES);
    assert_int_equal(s2_space_map(&p->other, &area, S2_MAP_NEW, NULL), S2_OK);
    world_check(p->w);
}

/* A VM that has memory at chosen places of both: one run, by the ledger, and each part goes back to where it is from. */
static void memory_at_chosen_places_goes_home(void **state)
{
    struct pools *p = *state;
    struct s2_ledger_entry e = ledger_entry(NAMED_BASE, 4 * PAGE, VM, S2_OWNED);
    struct s2_claim c;
    bool clean;

    world_give(p->w, NAMED_BASE - 4 * PAGE, 4 * PAGE, VM, S2_RWX);
    assert_int_equal(s2_frames_alloc_at(&p->named, e.range, &clean, NULL), S2_OK);
    assert_int_equal(s2_ledger_plan(&p->w->ledger, &c, S2_OWNER_NONE, S2_FREE, &e, NULL), S2_OK);
    s2_ledger_commit(&p->w->ledger, &c);
    assert_int_equal(map_new(p->w, area_linear(MIB(1), 8 * PAGE, NAMED_BASE - 4 * PAGE, S2_RW)), S2_OK);
    world_check(p->w);
    assert_int_equal(p->named.free, NAMED_BYTES / PAGE - 4);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_is_served_from_its_own),
        T(an_empty_one_fails_alone),
        T(memory_at_chosen_places_goes_home),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("frames_pools", tests, NULL, NULL);
}
