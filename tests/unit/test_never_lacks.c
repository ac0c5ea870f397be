/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Resources that run out: how much of each an operation needs, to the last one; one less is refused and changes nothing.
 * What removes, and what leaves no more areas than there were, needs nothing while the cut reserve is full; when that is used
 * up, a cut is refused with a code of its own, and whole areas still go. */
#include "failure_world.h"

static struct state before, after;

static uint64_t pages(const struct scene *s)
{
    return (s->to - s->from) / PAGE;
}

/* Those that the area has that is extended. */
static uint64_t extended_pages(const struct scene *s)
{
    uint64_t start = extended(s).v - ZONE;

    return start == SMALL ? 5 : (start == 0 ? MIB(4) : MIB(1)) / PAGE;
}

/* --- to the last one ------------------------------------------------------------------------------------------------------ */

struct trial {
    const struct layout *layout;
    const struct scene *scene;
    enum kind kind;
    bool never; /* it needs nothing */
    char what[160];
};

/* With `left` of one resource, or nothing of all (RESOURCES); in a world of its own when it succeeds. True: it did. */
static bool enough(struct trial *t, struct world **w, enum resource r, uint64_t left)
{
    struct doing d = {.scene = t->scene, .kind = t->kind, .lacks = S2_EFRAMES, .begun = nothing};
    struct hoard h;
    enum s2_err err;

    if (!*w)
        *w = make_zone(t->layout, t->kind);
    ready(*w, t->scene);
    hoard_begin(*w, &h);
    if (r < RESOURCES)
        hoard_add(*w, r, left, &h);
    else
        hoard_all(*w, &h);
    state_take(&before, *w, EXACT);
    err = act(*w, &d);
    covered(*w);
    snprintf(t->what, sizeof t->what, "%s, %s, %s, %u of resource %u", t->scene->name, kind_name[t->kind],
             t->layout->name, (unsigned)left, r);
    if (err) {
        state_take(&after, *w, EXACT);
        expect_same(&before, &after, t->what);
        if (t->never)
            fail_msg("%s: error %u", t->what, err);
        if (t->scene->action != FAULT && r < RESOURCES)
            assert_int_equal(err, lack_of(r));
        assert_null(s2_space_check(&(*w)->space, &(*w)->d));
    }
    unhoard(*w, &h);
    if (err)
        return false;
    world_dismantle(*w);
    *w = NULL;
    return true;
}

/* The least that is enough. */
static uint64_t need_of(struct trial *t, enum resource r)
{
    struct world *w = NULL;
    uint64_t low = 0, high = 1;

    if (enough(t, &w, r, 0))
        return 0;
    while (!enough(t, &w, r, high)) {
        low = high;
        high *= 2;
    }
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;

        if (enough(t, &w, r, middle))
            high = middle;
        else
            low = middle;
    }
    if (w)
        world_dismantle(w);
    return high;
}

/* Frames are needed one for one: for memory at once, and for what is promised. */
static uint64_t frames_needed(const struct trial *t)
{
    const struct scene *s = t->scene;

    switch (s->action) {
    case MAP:
    case PIECES:
    case REPLACE:
    case SWAP:
    case POPULATE:
        return t->kind == ALLOC || t->kind == LAZY ? pages(s) : 0;
    case EXTEND:
        return t->kind == ALLOC || t->kind == LAZY ? pages(s) - extended_pages(s) : 0;
    case FAULT:
    case COPY_IN:
    case COPY_OUT:
        return t->kind == OVERCOMMIT && s->from >= MIB(6) && s->from < MIB(8); /* where nothing was touched */
    default:
        return 0;
    }
}

static bool leaves_no_more(const struct trial *t)
{
    struct world *w = make_zone(t->layout, t->kind);
    struct doing d = {.scene = t->scene, .kind = t->kind, .begun = nothing};
    uint64_t areas = s2_area_set_count(&w->space.areas);

    ready(w, t->scene);
    assert_int_equal(act(w, &d), S2_OK);
    areas = never_lacks(t->scene, areas, s2_area_set_count(&w->space.areas));
    world_dismantle(w);
    return areas;
}

static void measure(const struct layout *layout, const struct scene *scene, enum kind kind)
{
    struct trial t = {.layout = layout, .scene = scene, .kind = kind};
    uint64_t need[RESOURCES] = {0};
    struct world *w = NULL;

    t.never = leaves_no_more(&t);
    if (!enough(&t, &w, RESOURCES, 0)) {
        world_dismantle(w);
        for (enum resource r = NODES; r < RESOURCES; r++)
            need[r] = need_of(&t, r);
    }
    if (need[FRAMES] != frames_needed(&t) || need[FRAME_QUOTA] != need[FRAMES])
        fail_msg("%s: needs %u frames and a quota of %u", t.what, (unsigned)need[FRAMES], (unsigned)need[FRAME_QUOTA]);
}

static void measure_all(const struct layout *layout, unsigned kinds)
{
    for (enum kind kind = LINEAR; kind < KINDS; kind++)
        for (unsigned i = 0; i < SCENES; i++)
            if (scenes[i].kinds & kinds & FOR(kind))
                measure(layout, &scenes[i], kind);
}

static void one_less_is_refused_in_blocks(void **state)
{
    (void)state;
    measure_all(&layouts[2], ANY);
}
static void one_less_is_refused_in_pages(void **state)
{
    (void)state;
    measure_all(&layouts[3], FOR(ALLOC) | FOR(LAZY));
}

/* --- with nothing left of anything ---------------------------------------------------------------------------------------- */

static bool reserve_is_full(const struct world *w)
{
    const struct s2_space *sp = &w->space;

    return sp->cut_nodes == S2_CUT_NODES && sp->cut.count == s2_cut_tables(&sp->cfg.geometry) && sp->cut_ledger;
}

static void removing_needs_nothing(void **state)
{
    (void)state;
    for (unsigned l = 0; l < LAYOUTS; l++)
        for (enum kind kind = LINEAR; kind < KINDS; kind++)
            for (unsigned i = 0; i < SCENES; i++) {
                struct trial t = {.layout = &layouts[l], .scene = &scenes[i], .kind = kind};
                struct doing d = {.scene = &scenes[i], .kind = kind, .begun = nothing};
                struct hoard h;
                struct world *w;
                enum s2_err err;

                if (!(scenes[i].kinds & FOR(kind)) || !leaves_no_more(&t))
                    continue;
                w = make_zone(&layouts[l], kind);
                assert_true(reserve_is_full(w));
                hoard_begin(w, &h);
                hoard_all(w, &h);
                err = act(w, &d);
                if (err)
                    fail_msg("%s, %s, %s: error %u", scenes[i].name, kind_name[kind], layouts[l].name, err);
                covered(w);
                world_check(w);
                unhoard(w, &h);
                world_dismantle(w);
            }
}

/* --- with the reserve used up --------------------------------------------------------------------------------------------- */

static void expect_refused(struct world *w, uint64_t from, uint64_t bytes)
{
    state_take(&before, w, EXACT);
    assert_int_equal(unmap(w, ZONE + from, bytes), S2_ECUT);
    assert_int_equal(w->d.err, S2_ECUT);
    state_take(&after, w, EXACT);
    expect_same(&before, &after, "a cut without a reserve");
    world_check(w);
}

/* Pages out of four blocks, as many as the reserve has tables. */
static void use_up(struct world *w)
{
    const uint64_t block[] = {ZONE, ZONE + MIB(2), MIB(32), MIB(34)};

    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(unmap(w, block[i] + MIB(1) + PAGE, PAGE), S2_OK);
    assert_int_equal(w->space.cut.count, 0);
}

/* Whole areas, parts that end where leaves do, and destroying need no table page; whole areas need no node either. */
static void an_empty_reserve_refuses_cuts_alone(void **state)
{
    (void)state;
    for (enum kind kind = LINEAR; kind <= ALLOC; kind++) {
        struct world *w = make_zone(&layouts[2], kind);
        struct hoard h;

        assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(4), S2_RW, 0)), S2_OK);
        hoard_begin(w, &h);
        hoard_add(w, TABLES, 0, &h);
        use_up(w);
        assert_int_equal(leaves_at(w, 2), 1);
        expect_refused(w, MIB(7), PAGE);
        assert_int_equal(unmap(w, ZONE + PAGE, PAGE), S2_OK); /* of what is in pages already */
        assert_int_equal(unmap(w, ZONE + MIB(6), MIB(2)), S2_OK);
        assert_int_equal(unmap(w, ZONE, MIB(4)), S2_OK);
        world_check(w);
        hoard_add(w, NODES, 0, &h);
        hoard_add(w, LEDGER_NODES, 0, &h);
        assert_int_equal(unmap(w, ZONE, MIB(13)), S2_OK);
        assert_int_equal(unmap(w, MIB(16), MIB(1)), S2_OK); /* and others' */
        world_check(w);
        world_destroy_space(w);
        unhoard(w, &h);
        assert_int_equal(w->tables.free, w->tables.pages);
        assert_int_equal(w->nodes.free, w->nodes.count);
        assert_int_equal(w->nodes.reserved, 0);
        assert_int_equal(w->ledger_nodes.reserved, 0);
        assert_true(model_ok(w->port));
        world_free(w);
    }
}

/* --- at random ------------------------------------------------------------------------------------------------------------ */

static uint64_t seed;

static uint64_t below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static bool by_place(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    attr->bits = area->range.start.v & (4 * PAGE) ? S2_R : S2_RW;
    return !(area->range.start.v & PAGE);
}

/* Cuts an area into many that share blocks, chunks and ledger entries. */
static void carve(struct world *w, unsigned times)
{
    while (times-- > 0) {
        uint64_t first = below(2500), n = 1 + below(below(3) ? 9 : 600);

        (void)!s2_space_protect(&w->space, ipa_range(ZONE + first * PAGE, n * PAGE), by_place, NULL, NULL);
    }
}

/* The range widened until holes lie on both sides: no area is cut, and no run of frames. */
static struct s2_ipa_range whole_areas(struct world *w, struct s2_ipa_range r)
{
    struct s2_area a;

    while (s2_space_find(&w->space, S2_IPA(r.start.v - 1), &a))
        r.start = a.range.start;
    while (s2_space_find(&w->space, r.end, &a))
        r.end = a.range.end;
    return r;
}

/* One unmap with nothing left: whole areas always go, cuts while the reserve is full. */
static void remove_some(struct world *w, unsigned *refused)
{
    uint64_t first = below(2560), n = 1 + below(below(3) ? 9 : 900);
    struct s2_ipa_range r = ipa_range(ZONE + first * PAGE, n * PAGE);
    bool whole = below(3) == 0, full = reserve_is_full(w);
    enum s2_err err;

    if (whole)
        r = whole_areas(w, r);
    state_take(&before, w, EXACT);
    err = s2_space_unmap(&w->space, r, &w->d);
    covered(w);
    if (!err)
        return;
    assert_int_equal(err, S2_ECUT);
    assert_false(full);
    assert_false(whole);
    state_take(&after, w, EXACT);
    expect_same(&before, &after, "a cut that is refused");
    ++*refused;
}

static void removing_at_random(void **state)
{
    unsigned refused = 0;

    (void)state;
    seed = 88172645463325252ull;
    for (unsigned round = 0; round < 12; round++)
        for (enum kind kind = LINEAR; kind < KINDS; kind++) {
            struct world *w = make_zone(&layouts[round % LAYOUTS], kind);
            struct hoard h;

            carve(w, 6 * (round % 3));
            hoard_begin(w, &h);
            for (unsigned i = 0; i < 30; i++) {
                hoard_all(w, &h);
                remove_some(w, &refused);
            }
            world_check(w);
            unhoard(w, &h);
            world_dismantle(w);
        }
    assert_true(refused > 20);
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */

static void destroying_needs_nothing(void **state)
{
    (void)state;
    seed = 362436069362436069ull;
    for (unsigned l = 0; l < LAYOUTS; l++)
        for (enum kind kind = LINEAR; kind < KINDS; kind++)
            for (uint64_t budget = 1; budget < 5000; budget *= 8) {
                struct world *w = make_zone(&layouts[l], kind);
                struct hoard h;

                carve(w, 30);
                s2_cache_drain(&w->space, &w->cache);
                hoard_begin(w, &h);
                hoard_all(w, &h);
                s2_space_destroy_begin(&w->space);
                while (s2_space_destroy_step(&w->space, budget))
                    covered(w);
                s2_space_destroy_end(&w->space);
                while (s2_space_disown_step(&w->space))
                    ;
                covered(w);
                unhoard(w, &h);
                assert_int_equal(w->tables.free, w->tables.pages);
                assert_int_equal(w->nodes.free, w->nodes.count);
                assert_int_equal(w->nodes.reserved, 0);
                assert_int_equal(w->ledger_nodes.reserved, 0);
                assert_int_equal(w->frames.reserved, 0);
                assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
                assert_true(model_ok(w->port));
                world_free(w);
            }
}

enum { GROUPS = 256, GROUPS_PER_LEAF = 4, LEAVES = GROUPS / GROUPS_PER_LEAF, CHUNKS_PER_GROUP = 3 };

/* Chunk k of group g: by address of the guest each lies in another leaf of the ledger than the one before. */
static struct s2_area scattered_area(uint64_t g, uint64_t k)
{
    uint64_t place = (g % GROUPS_PER_LEAF * CHUNKS_PER_GROUP + k) * LEAVES + g / GROUPS_PER_LEAF;

    return area_alloc(4 * place * PAGE, 2 * PAGE, S2_RW, 0);
}

/* Groups of eight pages: two are the hypervisor's, the others three chunks, each with an entry of its own in the ledger. That
 * was built in ascending order, so that four groups had a leaf, which is full with the chunks. */
static struct world *scattered(void)
{
    struct world_config wc = world_defaults();
    struct world *w;
    bool clean;

    wc.nodes = 512;
    wc.ledger_nodes = 1024;
    wc.chunk_log2 = 13;
    w = world_create(&wc);
    for (uint64_t g = 0; g < GROUPS; g++) {
        struct s2_ledger_entry e = ledger_entry(FRAME_BASE + 8 * g * PAGE, 2 * PAGE, S2_OWNER_HYP, S2_HYP);

        assert_int_equal(s2_frames_alloc_at(&w->frames, e.range, &clean, NULL), S2_OK);
        s2_ledger_set(&w->ledger, &e);
    }
    for (uint64_t g = 0; g < GROUPS; g++)
        assert_int_equal(map_new(w, scattered_area(g, 0)), S2_OK);
    for (uint64_t g = 0; g < GROUPS; g++)
        for (uint64_t k = 1; k < CHUNKS_PER_GROUP; k++)
            assert_int_equal(map_new(w, scattered_area(g, k)), S2_OK);
    assert_int_equal(w->space.chunks.count, GROUPS * CHUNKS_PER_GROUP);
    return w;
}

static void destroying_in_small_steps_needs_nothing(void **state)
{
    struct world *w = scattered();
    struct hoard h;

    (void)state;
    hoard_begin(w, &h);
    hoard_all(w, &h);
    s2_space_destroy_begin(&w->space);
    while (s2_space_destroy_step(&w->space, 1))
        covered(w);
    s2_space_destroy_end(&w->space);
    while (s2_space_disown_step(&w->space))
        ;
    covered(w);
    unhoard(w, &h);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_true(model_ok(w->port));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_less_is_refused_in_blocks),
        cmocka_unit_test(one_less_is_refused_in_pages),
        cmocka_unit_test(removing_needs_nothing),
        cmocka_unit_test(an_empty_reserve_refuses_cuts_alone),
        cmocka_unit_test(removing_at_random),
        cmocka_unit_test(destroying_needs_nothing),
        cmocka_unit_test(destroying_in_small_steps_needs_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
