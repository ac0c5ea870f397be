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
        cmocka_unit_test(in_a_root_leaf_with_room),    cmocka_unit_test(in_a_full_root_leaf),
        cmocka_unit_test(in_trees_with_nodes),         cmocka_unit_test(in_pages),
        cmocka_unit_test(one_kind_by_another),         cmocka_unit_test(a_space_begins_whole_or_not_at_all),
        cmocka_unit_test(destroying_is_never_refused), cmocka_unit_test(nothing_was_left_out),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, wrap, NULL);
}
