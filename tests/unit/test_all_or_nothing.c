/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* All or nothing: in every operation, over every kind of area, in several layouts, each call that may be refused is refused
 * in turn: nodes, table pages, frames, promises, a backend's prepare and take. The code is the documented one, and nothing
 * has changed, to the bit. What may not fail for want of memory does not. */
#include "failure_world.h"

#include "inject.h"

static struct state before, after;

/* One operation, tried again and again. */
struct trial {
    const struct layout *layout;
    const struct scene *scene;
    enum kind kind, comes; /* of what is there, and of what takes its place */
    struct world *w;
    uint64_t areas; /* before */
    bool never;     /* it may not lack anything */
    char what[160];
    unsigned refused[SITES], passed;
};

static void build(struct trial *t)
{
    t->w = make_zone(t->layout, t->kind);
    t->areas = s2_area_set_count(&t->w->space.areas);
}

/* What may lack nothing goes on with its reserve. Two refusals in a row are as if that were used up. */
static enum s2_err expected(const struct trial *t, unsigned burst)
{
    bool refused = inject.fired == AT_PREPARE || inject.fired == AT_TAKE;

    if (refused || !t->never)
        return inject_error(inject.fired);
    if (burst == 1)
        fail_msg("%s: lacks something", t->what);
    return S2_ECUT;
}

/* With the calls from `from` on refused. True: the operation was, and the world is as before. */
static bool try_once(struct trial *t, unsigned from, unsigned burst)
{
    struct doing d = {.scene = t->scene, .kind = t->comes, .begun = inject_disarm};
    struct world *w = t->w;
    uint64_t tlbis;
    enum s2_err err;

    ready(w, t->scene);
    state_take(&before, w, EXACT);
    tlbis = model_tlbis(w->port);
    w->d = (struct s2_detail){.err = S2_OK};
    inject_arm(from, burst);
    d.lacks = S2_EINVAL; /* any */
    err = act(w, &d);
    inject_disarm();
    snprintf(t->what, sizeof t->what, "%s, %s by %s, %s, call %u", t->scene->name, kind_name[t->kind],
             kind_name[t->comes], t->layout->name, from);
    if (!err)
        return false;
    assert_true(inject.fired != NO_SITE);
    if (t->scene->action != FAULT) {
        assert_int_equal(err, expected(t, burst));
        if (t->scene->action != REFILL)
            assert_int_equal(w->d.err, err);
    }
    assert_int_equal(inject.held, 0);
    assert_int_equal(model_tlbis(w->port), tlbis);
    state_take(&after, w, EXACT);
    expect_same(&before, &after, t->what);
    assert_null(s2_space_check(&w->space, &w->d));
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
    t->refused[inject.fired]++;
    return true;
}

/* Until no call is left that could be refused. */
static void refuse_each(struct trial *t, unsigned burst)
{
    for (unsigned from = 1;; from++) {
        if (try_once(t, from, burst))
            continue;
        t->passed += inject.fired != NO_SITE;
        world_dismantle(t->w);
        if (inject.fired == NO_SITE)
            return;
        build(t);
    }
}

static unsigned refusals[SITES], passes;

static void try_scene(const struct layout *layout, const struct scene *scene, enum kind kind, enum kind comes)
{
    struct trial t = {.layout = layout, .scene = scene, .kind = kind, .comes = comes};

    build(&t);
    if (try_once(&t, 0, 1))
        fail_msg("%s fails by itself", t.what);
    t.never = never_lacks(scene, t.areas, s2_area_set_count(&t.w->space.areas));
    world_dismantle(t.w);
    for (unsigned burst = 1; burst <= (t.never ? 2 : 1); burst++) {
        build(&t);
        refuse_each(&t, burst);
    }
    for (unsigned i = 0; i < SITES; i++)
        refusals[i] += t.refused[i];
    passes += t.passed;
}

static void in_layout(const struct layout *layout)
{
    for (enum kind kind = LINEAR; kind < KINDS; kind++)
        for (unsigned i = 0; i < SCENES; i++)
            if (scenes[i].kinds & FOR(kind))
                try_scene(layout, &scenes[i], kind, kind);
}

static void in_a_root_leaf_with_room(void **state)
{
    (void)state;
    in_layout(&layouts[0]);
}
static void in_a_full_root_leaf(void **state)
{
    (void)state;
    in_layout(&layouts[1]);
}
static void in_trees_with_nodes(void **state)
{
    (void)state;
    in_layout(&layouts[2]);
}
static void in_pages(void **state)
{
    (void)state;
    in_layout(&layouts[3]);
}

/* What takes the place of areas of another kind. */
static void one_kind_by_another(void **state)
{
    (void)state;
    for (enum kind kind = LINEAR; kind < KINDS; kind++)
        for (enum kind comes = LINEAR; comes < KINDS; comes++)
            for (unsigned i = 0; i < SCENES; i++)
                if (kind != comes && scenes[i].action == REPLACE)
                    try_scene(&layouts[2], &scenes[i], kind, comes);
}

/* --- other granules: runs and blocks that are cut, tracked and promoted ---------------------------------------------------- */

#define WINDOW_PA (1ull << 36) /* no RAM, but nobody looks */
#define WINDOW    (1ull << 34)
#define RUNS      MIB(64)
#define RUNS_PA   (FRAME_BASE + MIB(18))
#define OTHERS    MIB(80)

static uint64_t page_of(const struct world *w)
{
    return s2_granule_bytes(&w->cfg.geometry);
}

static struct world *make_runs(enum s2_granule granule)
{
    struct world_config wc = world_defaults();
    struct s2_ledger_entry window = ledger_entry(WINDOW_PA, MIB(1024), VM, S2_DEVICE);
    struct world *w;

    wc.granule = granule;
    wc.access_flag = wc.dirty = true;
    wc.caps.haf = wc.caps.hdbs = false;
    wc.chunk_log2 = 21;
    w = world_create(&wc);
    model_set_tracking(w->port, true, true);
    mark_clean(w, MIB(12) / PAGE);
    assert_int_equal(s2_ledger_add(&w->ledger, &window, NULL), S2_OK);
    world_give(w, RUNS_PA, MIB(8), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(WINDOW, MIB(1024), WINDOW_PA, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(RUNS, MIB(4), RUNS_PA, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(OTHERS, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(OTHERS + MIB(4), MIB(2), S2_R, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    assert_true(guest(w, RUNS, MODEL_WRITE).done);
    assert_true(guest(w, OTHERS, MODEL_READ).done);
    return w;
}

static enum s2_err map_a_page(struct world *w)
{
    return map_new(w, area_linear(OTHERS + MIB(8) + page_of(w), page_of(w), RUNS_PA + MIB(4), S2_RW));
}
static enum s2_err map_memory(struct world *w)
{
    return map_new(w, area_alloc(MIB(256), MIB(2) + page_of(w), S2_RWX, 0));
}
static enum s2_err replace_in_a_run(struct world *w)
{
    return map_over(w, area_linear(RUNS + page_of(w), page_of(w), RUNS_PA + MIB(6), S2_RW));
}
static enum s2_err unmap_in_a_run(struct world *w)
{
    return unmap(w, RUNS + page_of(w), 2 * page_of(w));
}
static enum s2_err protect_in_a_run(struct world *w)
{
    return protect(w, RUNS + page_of(w), page_of(w), S2_R);
}
static enum s2_err unmap_in_a_block(struct world *w)
{
    return unmap(w, WINDOW + page_of(w), page_of(w));
}
static enum s2_err unmap_over_blocks(struct world *w)
{
    return unmap(w, WINDOW + page_of(w), MIB(1024) - 2 * page_of(w));
}
static enum s2_err protect_in_a_block(struct world *w)
{
    return protect(w, WINDOW + page_of(w), page_of(w), S2_R);
}
static enum s2_err fault_in_new_memory(struct world *w)
{
    return fault(w, OTHERS + MIB(4) + page_of(w), S2_EINVAL);
}
static enum s2_err refill_it(struct world *w)
{
    return s2_cache_refill(&w->space, &w->cache);
}
static enum s2_err copy_it(struct world *w)
{
    return s2_space_copy_in(&w->space, S2_IPA(OTHERS + MIB(4)), "x", 1, 0, false, &w->d);
}
static bool count_told(void *arg, const struct s2_leaf *leaf)
{
    *(unsigned *)arg += leaf->dirty;
    return true;
}
static enum s2_err harvest_it(struct world *w)
{
    unsigned dirty = 0;
    enum s2_err err = s2_space_harvest(&w->space, ipa_range(RUNS, MIB(4)), S2_TOUCH_WRITE, count_told, &dirty);

    assert_int_equal(dirty, 1);
    return err;
}
/* What comes back joins its neighbours. */
static enum s2_err promote_it(struct world *w)
{
    while (s2_space_promote_step(&w->space, 1))
        ;
    return S2_OK;
}

static const struct plain {
    const char *name;
    enum s2_err (*act)(struct world *w);
    bool reserved; /* lacks nothing while there is the cut reserve */
    bool takes;    /* something that may be refused */
} plain[] = {
    {"map a page", map_a_page, false, true},
    {"map memory", map_memory, false, true},
    {"replace in a run", replace_in_a_run, false, true},
    {"unmap in a run", unmap_in_a_run, true, true},
    {"protect in a run", protect_in_a_run, false, true},
    {"unmap in a block", unmap_in_a_block, true, true},
    {"unmap over blocks", unmap_over_blocks, true, true},
    {"protect in a block", protect_in_a_block, false, true},
    {"fault", fault_in_new_memory, false, true},
    {"refill", refill_it, false, true},
    {"copy in", copy_it, false, true},
    {"harvest", harvest_it, false, false},
    {"promote", promote_it, false, false},
};

/* True: the call was refused, and all is as before. */
static bool try_plain(struct world *w, const struct plain *p, unsigned from, unsigned burst)
{
    enum s2_err err;

    if (p->act == fault_in_new_memory)
        assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    state_take(&before, w, EXACT);
    inject_arm(from, burst);
    err = p->act(w);
    inject_disarm();
    if (!p->takes)
        assert_int_equal(inject.calls, 0);
    if (!err)
        return false;
    assert_true(inject.fired != NO_SITE);
    if (p->act != fault_in_new_memory) {
        bool lacks = inject.fired != AT_PREPARE && inject.fired != AT_TAKE;

        assert_false(p->reserved && lacks && burst == 1);
        assert_int_equal(err, p->reserved && lacks ? S2_ECUT : inject_error(inject.fired));
    }
    assert_int_equal(inject.held, 0);
    state_take(&after, w, EXACT);
    expect_same(&before, &after, p->name);
    assert_null(s2_space_check(&w->space, &w->d));
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
    return true;
}

static void with_other_granules(void **state)
{
    static const enum s2_granule granules[] = {S2_4K, S2_16K, S2_64K};

    (void)state;
    for (unsigned g = 0; g < 3; g++)
        for (const struct plain *p = plain; p < plain + sizeof plain / sizeof plain[0]; p++)
            for (unsigned burst = 1; burst <= (p->reserved ? 2 : 1); burst++)
                for (unsigned from = 1;; from++) {
                    struct world *w = make_runs(granules[g]);

                    while (try_plain(w, p, from, burst))
                        from++;
                    world_dismantle(w);
                    if (inject.fired == NO_SITE)
                        break;
                }
}

static void nothing_is_held(struct world *w)
{
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(w->nodes.reserved, 0);
    assert_int_equal(w->ledger_nodes.reserved, 0);
    assert_int_equal(w->frames.reserved, 0);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_null(s2_tpool_check(&w->tables));
    assert_null(s2_pool_check(&w->nodes));
    assert_true(model_ok(w->port));
}

static void a_space_begins_whole_or_not_at_all(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_machine(&wc);
    unsigned from = 0;
    enum s2_err err;

    (void)state;
    do {
        inject_arm(++from, 1);
        err = s2_space_init(&w->space, &w->cfg, &w->d);
        inject_disarm();
        if (err) {
            assert_int_equal(err, inject_error(inject.fired));
            assert_int_equal(w->d.err, err);
            nothing_is_held(w);
        }
    } while (err);
    assert_true(from > S2_CUT_NODES + s2_cut_tables(&w->cfg.geometry) + 1);
    assert_int_equal(inject.fired, NO_SITE);
    s2_cache_init(&w->cache);
    world_destroy(w);
}

/* Whatever is refused meanwhile. */
static void destroying_is_never_refused(void **state)
{
    (void)state;
    for (enum kind kind = LINEAR; kind < KINDS; kind++)
        for (unsigned from = 0;; from++) {
            struct world *w = make_zone(&layouts[2], kind);

            s2_cache_drain(&w->space, &w->cache);
            inject_arm(from, 2);
            world_destroy_space(w);
            inject_disarm();
            nothing_is_held(w);
            world_free(w);
            if (from && inject.fired == NO_SITE)
                break;
        }
}

/* Every kind of call has been refused, and had an operation fail. */
static void nothing_was_left_out(void **state)
{
    (void)state;
    for (enum site site = AT_NODES; site < SITES; site++)
        assert_true(refusals[site] > 0);
    assert_true(passes > 0);
}

static int wrap(void **state)
{
    (void)state;
    inject_backends();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_root_leaf_with_room),
        cmocka_unit_test(in_a_full_root_leaf),
        cmocka_unit_test(in_trees_with_nodes),
        cmocka_unit_test(in_pages),
        cmocka_unit_test(one_kind_by_another),
        cmocka_unit_test(with_other_granules),
        cmocka_unit_test(a_space_begins_whole_or_not_at_all),
        cmocka_unit_test(destroying_is_never_refused),
        cmocka_unit_test(nothing_was_left_out),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, wrap, NULL);
}
