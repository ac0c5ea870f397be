/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Life of an address space: what it needs to begin, what unmaps go on with when nothing is left, how it ends. */
#include "space_world.h"

/* --- cut reserve ------------------------------------------------------------------------------------------------------ */

static void unmap_needs_no_memory(void **state)
{
    struct world *w = *state;
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota quota = {.limit = UINT32_MAX};
    uint32_t hoarded_nodes, hoarded_ledger;

    assert_int_equal(map_new(w, area_alloc(0, MIB(16), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(2), S2_RW, 0)), S2_OK);
    assert_int_equal(s2_tpool_take(&w->tables, &quota, w->tables.free, &all), S2_OK);
    hoarded_nodes = w->nodes.free - w->nodes.reserved;
    hoarded_ledger = w->ledger_nodes.free - w->ledger_nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->nodes, hoarded_nodes), S2_OK);
    assert_int_equal(s2_pool_reserve(&w->ledger_nodes, hoarded_ledger), S2_OK);

    /* Whole areas and leaf boundaries need no table page, ever. */
    assert_int_equal(unmap(w, MIB(32), MIB(2)), S2_OK);
    world_check(w);
    assert_int_equal(unmap(w, MIB(14), MIB(2)), S2_OK);
    world_check(w);
    /* Cuts inside blocks draw on the reserve, and the pool cannot fill it again. */
    assert_int_equal(s2_cut_tables(&w->cfg.geometry), 4);
    assert_int_equal(unmap(w, MIB(1), MIB(2)), S2_OK);
    world_check(w);
    assert_int_equal(w->space.cut.count, 2);
    assert_int_equal(unmap(w, MIB(5), MIB(2)), S2_OK);
    world_check(w);
    assert_int_equal(w->space.cut.count, 0);
    /* So that another one is refused, and changes nothing. */
    uint64_t areas = s2_area_set_count(&w->space.areas), held = w->space.frames_held;
    assert_int_equal(unmap(w, MIB(9), PAGE), S2_ECUT);
    assert_int_equal(s2_area_set_count(&w->space.areas), areas);
    assert_int_equal(w->space.frames_held, held);
    world_check(w);
    assert_int_equal(unmap(w, MIB(10), MIB(2)), S2_OK);
    world_check(w);

    s2_tpool_give(&w->tables, &quota, &all);
    s2_pool_unreserve(&w->nodes, hoarded_nodes);
    s2_pool_unreserve(&w->ledger_nodes, hoarded_ledger);
    assert_int_equal(unmap(w, PAGE, PAGE), S2_OK);
    assert_int_equal(w->space.cut.count, s2_cut_tables(&w->cfg.geometry));
    assert_true(w->space.cut_ledger);
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

static void init_refuses_and_leaks_nothing(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w;

    (void)state;
    w = world_machine(&wc);
    w->cfg.id = S2_OWNER_HYP;
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_EINVAL);
    w->cfg.id = VM;
    for (uint32_t limit = 0; limit < w->cfg.geometry.roots + s2_cut_tables(&w->cfg.geometry); limit++) {
        w->cfg.table_pages = limit;
        assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_EQUOTA);
        assert_int_equal(w->tables.free, w->tables.pages);
        assert_int_equal(w->nodes.reserved, 0);
        assert_int_equal(w->ledger_nodes.reserved, 0);
    }
    w->cfg.table_pages = w->cfg.geometry.roots + s2_cut_tables(&w->cfg.geometry);
    assert_int_equal(s2_pool_reserve(&w->nodes, w->nodes.count - S2_CUT_NODES + 1), S2_OK);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_ENODES);
    s2_pool_unreserve(&w->nodes, 1);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    s2_pool_unreserve(&w->nodes, w->nodes.count - S2_CUT_NODES);
    s2_cache_init(&w->cache);
    world_destroy(w);
}

static void a_dying_space_refuses_everything(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    unsigned steps = 0;
    char byte = 0;

    (void)state;
    while (s2_frames_scrub_step(&w->frames, UINT64_MAX))
        ;
    world_give(w, FRAME_BASE + MIB(16), MIB(4), VM, S2_RWX);
    world_give(w, DEVICE_BASE, PAGE, VM, S2_RWX);
    assert_int_equal(map_new(w, area_alloc(0, MIB(8), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(16), MIB(8), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(32), MIB(2), FRAME_BASE + MIB(16), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MIB(40), MIB(2), 0)), S2_OK);
    world_run(w);
    assert_true(guest(w, MIB(17), MODEL_WRITE).done);
    assert_true(guest(w, MIB(7), MODEL_WRITE).done);
    assert_int_equal(unmap(w, MIB(1), PAGE), S2_OK);
    s2_port_load_context(w->port, 0, s2_port_vtcr(w->port));
    s2_port_barrier(w->port, S2_ISB);

    s2_space_destroy_begin(&w->space);
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
    assert_int_equal(map_new(w, area_trap(MIB(50), PAGE, 0)), S2_EDYING);
    assert_int_equal(unmap(w, 0, PAGE), S2_EDYING);
    assert_int_equal(protect(w, 0, PAGE, S2_R), S2_EDYING);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), &byte, 1, 0, false, &w->d), S2_EDYING);
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .ipa = S2_IPA(0)};
    struct s2_fault_result r;
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    while (s2_space_destroy_step(&w->space, 64))
        steps++;
    assert_true(steps >= (MIB(8) + MIB(2)) / PAGE / 64);
    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_end(&w->space);
    /* What it was given is still its own, to be built again on; what it allocated is dirty: 8 MiB and one chunk. */
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), MIB(4) / PAGE);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_DEVICE), 1);
    assert_int_equal(w->frames.clean, w->frames.total - (MIB(8) + MIB(2) + MIB(4)) / PAGE);
    assert_int_equal(w->frames.free, w->frames.total - MIB(4) / PAGE);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(32), MIB(4), FRAME_BASE + MIB(16), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(40), PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE)), S2_OK);
    world_check(w);
    /* Given up for good, the linear frames are dirty too. */
    world_destroy_space(w);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_DEVICE), 0);
    assert_int_equal(w->frames.free, w->frames.total);
    assert_int_equal(w->frames.clean, w->frames.total - (MIB(8) + MIB(2) + MIB(4)) / PAGE);

    /* The machine is as new: another space can have all of it. */
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    assert_int_equal(map_new(w, area_alloc(0, FRAME_BYTES, S2_RW, 0)), S2_OK);
    world_check(w);
    world_destroy(w);
}

static void refused(const struct world *w, const struct s2_space_config *cfg, enum s2_err err, const char *what)
{
    struct s2_space sp;
    struct s2_detail d;

    assert_int_equal(s2_space_init(&sp, cfg, &d), err);
    assert_int_equal(d.err, err);
    assert_string_equal(d.what, what);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->nodes.reserved, 0);
    assert_int_equal(w->ledger_nodes.reserved, 0);
}

static void a_space_needs_each_of_its_parts(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_machine(&wc);
    struct s2_space_config lacks[7];

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        lacks[i] = w->cfg;
    lacks[0].port = NULL;
    lacks[1].caps = NULL;
    lacks[2].tables = NULL;
    lacks[3].vmids = NULL;
    lacks[4].frames = NULL;
    lacks[5].ledger = NULL;
    lacks[6].nodes = NULL;
    for (unsigned i = 0; i < 7; i++)
        refused(w, &lacks[i], S2_EINVAL, "lacks a part that a space is made of");
    w->cfg.chunk_log2 = 11;
    refused(w, &w->cfg, S2_EINVAL, "asks for chunks smaller than the granule");
    w->cfg.chunk_log2 = 12;
    w->cfg.geometry.ipa_bits = 11;
    refused(w, &w->cfg, S2_EALIGN, "cannot have the root of its tables");
    world_free(w);
}

/* What the cut reserve is made of, each in turn too little by one. */
static void a_space_needs_its_cut_reserve(void **state)
{
    static const char what[] = "cannot have its cut reserve";
    struct world_config wc = world_defaults();
    struct world *w = world_machine(&wc);
    uint32_t pages = w->cfg.geometry.roots + s2_cut_tables(&w->cfg.geometry);
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota quota = {.limit = UINT32_MAX};

    (void)state;
    w->cfg.table_pages = pages - 1;
    refused(w, &w->cfg, S2_EQUOTA, what);
    w->cfg.table_pages = pages;
    assert_int_equal(s2_pool_reserve(&w->ledger_nodes, w->ledger_nodes.free), S2_OK);
    {
        struct s2_space sp;

        assert_int_equal(s2_space_init(&sp, &w->cfg, &w->d), S2_ENODES);
        assert_string_equal(w->d.what, what);
        assert_int_equal(w->tables.free, w->tables.pages);
        assert_int_equal(w->nodes.reserved, 0);
    }
    s2_pool_unreserve(&w->ledger_nodes, w->ledger_nodes.free);
    assert_int_equal(s2_tpool_take(&w->tables, &quota, w->tables.free - pages + 1, &all), S2_OK);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_ETABLES);
    assert_string_equal(w->d.what, what);
    assert_int_equal(w->tables.free, pages - 1);
    assert_int_equal(w->nodes.reserved, 0);
    assert_int_equal(w->ledger_nodes.reserved, 0);
    s2_tpool_give(&w->tables, &quota, &all);
    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    s2_cache_init(&w->cache);
    world_destroy(w);
}

/* The ledger's part of the reserve is good for one cut of a run; used up, what needs it is refused and nothing else. */
static void a_cut_of_a_run_without_the_reserve_is_refused(void **state)
{
    struct world *w = *state;
    uint32_t hoarded = 0, left;

    world_give(w, FRAME_BASE, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(4), FRAME_BASE, S2_RW)), S2_OK);
    for (uint64_t at = PAGE;; at += 2 * PAGE) {
        left = w->ledger_nodes.free - w->ledger_nodes.reserved;
        assert_int_equal(s2_pool_reserve(&w->ledger_nodes, left), S2_OK);
        hoarded += left;
        if (!w->space.cut_ledger)
            break;
        assert_int_equal(unmap(w, at, PAGE), S2_OK);
        world_check(w);
        assert_true(at < MIB(2));
    }
    assert_int_equal(unmap(w, MIB(3), PAGE), S2_ECUT);
    assert_string_equal(w->d.what, "cuts inside a block, an area or a run of frames, and the cut reserve is used up");
    world_check(w);
    assert_int_equal(unmap(w, 0, PAGE), S2_OK);
    s2_pool_unreserve(&w->ledger_nodes, hoarded);
    assert_int_equal(unmap(w, MIB(3), PAGE), S2_OK);
    assert_true(w->space.cut_ledger);
    world_check(w);
}

/* A budget of nothing is one of one; what a dying space looks like is nobody's business. */
static void a_destruction_goes_on_with_any_budget(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    unsigned steps = 1;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(0, 3 * PAGE, S2_RW, 0)), S2_OK);
    s2_space_destroy_begin(&w->space);
    assert_null(s2_space_check(&w->space, &w->d));
    for (; s2_space_destroy_step(&w->space, 0); steps++)
        assert_true(w->frames.total - w->frames.free <= 3);
    assert_true(steps > 3);
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->frames.free, w->frames.total);
    world_free(w);
}

/* What is not the VM's to give stays: frames that the ledger shows it in another state. */
static void only_what_is_owned_is_disowned(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    struct s2_ledger_entry e = ledger_entry(FRAME_BASE, PAGE, VM, S2_SHARED), found;

    (void)state;
    world_give(w, FRAME_BASE, 2 * PAGE, VM, S2_RWX);
    s2_ledger_set(&w->ledger, &e);
    s2_space_destroy_begin(&w->space);
    while (s2_space_destroy_step(&w->space, 64))
        ;
    s2_space_destroy_end(&w->space);
    assert_true(s2_space_disown_step(&w->space));
    assert_false(s2_space_disown_step(&w->space));
    assert_true(s2_ledger_find(&w->ledger, S2_PA(FRAME_BASE), &found));
    assert_int_equal(found.owner, VM);
    assert_int_equal(found.state, S2_SHARED);
    assert_int_equal(found.range.end.v, FRAME_BASE + PAGE);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_int_equal(w->frames.free, w->frames.total - 1);
    world_free(w);
}

/* --- a backend of one's own --- */

static unsigned released;

static void commit_nothing(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}
static void count_release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    if (c->step == S2_STEP_UNMAP)
        released += (unsigned)((c->part.end.v - c->part.start.v) / PAGE);
}

/* It has nothing in the ledger, so that it is asked with the reserve and without. */
static void a_backend_of_ones_own_releases_what_it_has(void **state)
{
    static const struct s2_backend own = {.kind = "own", .commit = commit_nothing, .release = count_release};
    struct world_config wc = world_defaults();

    (void)state;
    for (unsigned reserve = 0; reserve < 2; reserve++) {
        struct world *w = world_create(&wc);
        struct s2_area a = area_trap(MIB(2), 5 * PAGE, 0);

        a.backend = &own;
        assert_int_equal(map_new(w, a), S2_OK);
        if (!reserve) {
            s2_ledger_unpromise(&w->ledger, 1);
            w->space.cut_ledger = false;
        }
        released = 0;
        world_destroy(w);
        assert_int_equal(released, 5);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(unmap_needs_no_memory),
        cmocka_unit_test(init_refuses_and_leaks_nothing),
        cmocka_unit_test(a_dying_space_refuses_everything),
        cmocka_unit_test(a_space_needs_each_of_its_parts),
        cmocka_unit_test(a_space_needs_its_cut_reserve),
        T(a_cut_of_a_run_without_the_reserve_is_refused),
        cmocka_unit_test(a_destruction_goes_on_with_any_budget),
        cmocka_unit_test(only_what_is_owned_is_disowned),
        cmocka_unit_test(a_backend_of_ones_own_releases_what_it_has),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
