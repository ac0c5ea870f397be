/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Cache colours: whose each frame of a region is, against one count over all frames; what is refused; what is handed over is zero. */
#include "colour_world.h"

static int setup_dirty(void **state)
{
    return make(state, S2_4K, 12);
}

/* --- whose is which ---------------------------------------------------------------------------------------------------- */

static void assert_holds(struct coloured *x, const struct expected *all, unsigned n)
{
    static uint64_t pa[FRAMES], ipa[FRAMES];
    static bool seen[FRAMES];
    struct s2_ledger_entry e;
    s2_ipa at;
    s2_pa end;

    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < n; i++) {
        for (uint64_t k = 0, frames = count_frames(&all[i], pa, ipa); k < frames; k++) {
            assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa[k] + 8), &e));
            assert_int_equal(e.owner, all[i].vm);
            assert_int_equal(e.state, S2_OWNED);
            assert_int_equal(e.rights, S2_RWX);
            assert_true(e.range.start.v <= pa[k] && pa[k] + PAGE <= e.range.end.v);
            assert_int_equal(e.ipa.v + (pa[k] - e.range.start.v), ipa[k]);
            assert_int_equal(s2_ledger_right(&x->w->ledger, all[i].vm, S2_PA(pa[k] + 8), &at, &end), S2_RWX);
            assert_int_equal(at.v, ipa[k] + 8);
            assert_int_equal(end.v, e.range.end.v);
            assert_int_equal(s2_ledger_right(&x->w->ledger, all[i].vm + 7, S2_PA(pa[k]), &at, &end), 0);
            /* All of the answer is so: the frame above the run is another's, or seen elsewhere. */
            for (uint64_t j = e.range.start.v; j < e.range.end.v; j += PAGE)
                assert_true(all[i].mask >> ((j - REGION) / PAGE % COLOURS) & 1);
            assert_false(seen[(pa[k] - REGION) / PAGE]);
            seen[(pa[k] - REGION) / PAGE] = true;
        }
    }
    for (uint64_t i = 0; i < FRAMES; i++) {
        if (seen[i])
            continue;
        assert_true(s2_ledger_find(&x->w->ledger, S2_PA(REGION + i * PAGE), &e));
        assert_int_equal(e.state, S2_COLOURED);
        assert_int_equal(e.owner, S2_OWNER_NONE);
        assert_int_equal(e.range.start.v, REGION + i * PAGE);
        assert_int_equal(e.range.end.v, REGION + i * PAGE + PAGE);
    }
}

static void each_frame_has_one_holder(void **state)
{
    struct coloured *x = *state;
    struct expected all[4] = {
        {VM, 0x05, IPA, 0, STRIPES}, {OTHER, 0xc8, 0, 0, 32}, {OTHER + 1, 0xc2, MIB(1), 32, 8}, {VM, 0x30, 0, 0, 1}};
    uint32_t nodes = x->w->ledger_nodes.free;

    assert_int_equal(give_to(x, VM, 0x05, 2 * STRIPES * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0xc8, 3 * 32 * PAGE, 0), S2_OK);
    assert_int_equal(x->w->d.found_start, REGION);
    assert_int_equal(x->w->d.found_end, REGION + 32 * STRIPE);
    /* Some of the same colours: only where the other one has nothing. Less than whole stripes: rounded up. */
    assert_int_equal(give_to(x, OTHER + 1, 0xc2, 3 * 8 * PAGE - 2 * PAGE, MIB(1)), S2_OK);
    assert_int_equal(x->w->d.found_start, REGION + 32 * STRIPE);
    assert_int_equal(x->w->d.found_end, REGION + 40 * STRIPE);
    assert_int_equal(give_to(x, VM, 0x30, PAGE, 0), S2_OK);
    assert_holds(x, all, 4);
    assert_int_equal(x->w->ledger_nodes.free, nodes);
    assert_true(s2_colours_take_back(&x->w->ledger, OTHER + 1));
    assert_false(s2_colours_take_back(&x->w->ledger, OTHER + 1));
    all[2] = all[3];
    assert_holds(x, all, 3);
}

static void all_colours_are_one_run(void **state)
{
    struct coloured *x = *state;
    struct expected all = {VM, 0xff, IPA, 0, STRIPES};
    struct s2_ledger_entry e;

    assert_int_equal(give_to(x, VM, 0xff, REGION_BYTES, IPA), S2_OK);
    assert_holds(x, &all, 1);
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(REGION + MIB(1)), &e));
    assert_int_equal(e.range.start.v, REGION);
    assert_int_equal(e.range.end.v, REGION + REGION_BYTES);
    assert_int_equal(map_new(x->w, area_coloured(IPA, REGION_BYTES, S2_RW)), S2_OK);
    world_check(x->w);
}

/* --- refusals ------------------------------------------------------------------------------------------------------------ */

static void bad_regions(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct s2_colour_piece piece[1];
    struct s2_colours c;
    struct s2_pa_range free = pa_range(FRAME_BASE + MIB(16), MIB(1));
    static const struct {
        unsigned colours, unit, pieces;
    } bad[] = {{0, 12, 1}, {1, 12, 1}, {3, 12, 1}, {128, 12, 1}, {4, 11, 1}, {4, 17, 1}, {4, 12, 0}};

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(s2_colours_add(&w->ledger, &c, free, bad[i].colours, bad[i].unit, piece, bad[i].pieces, &w->d),
                         S2_EINVAL);
    free.end.v -= PAGE;
    assert_int_equal(s2_colours_add(&w->ledger, &c, free, 64, 12, piece, 1, &w->d), S2_EALIGN);
    free = pa_range(FRAME_BASE + MIB(16), 0);
    assert_int_equal(s2_colours_add(&w->ledger, &c, free, 4, 12, piece, 1, &w->d), S2_EINVAL);
    /* Not free: this region itself, the hypervisor's, none at all. */
    assert_int_equal(s2_colours_add(&w->ledger, &c, pa_range(REGION + MIB(3), MIB(2)), 4, 12, piece, 1, &w->d),
                     S2_EPERM);
    assert_int_equal(s2_colours_add(&w->ledger, &c, pa_range(RAM_BASE, MIB(1)), 4, 12, piece, 1, &w->d), S2_EPERM);
    assert_int_equal(s2_colours_add(&w->ledger, &c, pa_range(0, MIB(1)), 4, 12, piece, 1, &w->d), S2_ENOENT);
    assert_ptr_equal(w->ledger.colours, &x->c);
}

static void bad_wishes(void **state)
{
    struct coloured *x = *state;
    struct s2_colour_piece p;

    assert_int_equal(give_to(x, S2_OWNER_HYP, 1, PAGE, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 0, PAGE, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 0x101, PAGE, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 1, 0, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 1, PAGE / 2, IPA), S2_EALIGN);
    assert_int_equal(give_to(x, VM, 1, PAGE, IPA + 1), S2_EALIGN);
    assert_int_equal(give_to(x, VM, 1, PAGE, 0 - 2 * PAGE), S2_ERANGE);
    assert_int_equal(give_to(x, VM, 1, (STRIPES + 1) * PAGE, IPA), S2_EFRAMES);
    assert_int_equal(give_to(x, VM, 1, 1ull << 63, 0), S2_EFRAMES);
    assert_false(s2_colours_list(&x->w->ledger, 0, &p));
    assert_int_equal(give_to(x, VM, 1, 2 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, VM, 2, 2 * PAGE, IPA + PAGE), S2_EEXIST);
    assert_int_equal(x->w->d.found_start, IPA);
    assert_int_equal(x->w->d.found_end, IPA + 2 * PAGE);
    assert_int_equal(give_to(x, OTHER, 3, 2 * STRIPES * PAGE, IPA), S2_EFRAMES);
    for (unsigned i = 1; i < PIECES; i++)
        assert_int_equal(give_to(x, VM, 1, PAGE, IPA + MIB(i)), S2_OK);
    assert_int_equal(give_to(x, VM, 1, PAGE, 0), S2_ENODES);
    assert_true(s2_colours_list(&x->w->ledger, PIECES - 1, &p));
    assert_int_equal(p.is.ipa.v, IPA + MIB(PIECES - 1));
    assert_false(s2_colours_list(&x->w->ledger, PIECES, &p));
}

/* --- hand over ------------------------------------------------------------------------------------------------------------- */

static uint64_t zeroes(struct world *w)
{
    uint64_t n = 0;

    for (uint64_t pa = REGION; pa < REGION + REGION_BYTES; pa += PAGE)
        n += is_zero(w, pa);
    return n;
}

static void dirty_memory_is_not_given(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    unsigned steps = 1;

    assert_int_equal(give_to(x, VM, 1, PAGE, IPA), S2_EBUSY);
    assert_true(s2_colours_scrub_step(&w->ledger, &x->c, 0));
    assert_int_equal(zeroes(w), 0);
    while (s2_colours_scrub_step(&w->ledger, &x->c, 100)) {
        assert_int_equal(zeroes(w), 100 * steps++);
        assert_int_equal(give_to(x, VM, 1, PAGE, IPA), S2_EBUSY);
    }
    assert_int_equal(steps, (FRAMES + 99) / 100);
    assert_int_equal(zeroes(w), FRAMES);
    assert_false(s2_colours_scrub_step(&w->ledger, &x->c, 100));
    assert_int_equal(give_to(x, VM, 1, PAGE, IPA), S2_OK);
}

/* What comes back is dirty, and only that: others hold theirs meanwhile, and what they wrote stays. */
static void what_comes_back_is_scrubbed(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    uint64_t n = 0;

    assert_int_equal(give_to(x, VM, 0x0c, 32 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0x53, 4 * PAGE, IPA), S2_OK);
    for (uint64_t pa = REGION; pa < REGION + REGION_BYTES; pa += PAGE)
        memset(model_ram(w->port, pa), 0x11, PAGE);
    assert_true(s2_colours_take_back(&w->ledger, VM));
    assert_int_equal(give_to(x, OTHER + 1, 0x04, 16 * PAGE, 0), S2_OK); /* not where the dirty ones are */
    assert_int_equal(w->d.found_start, REGION + 16 * STRIPE);
    assert_int_equal(give_to(x, OTHER + 1, 0x08, STRIPES * PAGE, MIB(8)), S2_EBUSY);
    while (s2_colours_scrub_step(&w->ledger, &x->c, 5)) {
        n += 5;
        assert_int_equal(zeroes(w), n);
        assert_null(s2_colours_check(&w->ledger, NULL));
    }
    assert_int_equal(zeroes(w), 32);
    for (uint64_t i = 0; i < FRAMES; i++)
        assert_int_equal(is_zero(w, REGION + i * PAGE), i < 16 * COLOURS && (0x0c >> i % COLOURS & 1));
    /* For the end of the test: all of it is somebody's, and comes back. */
    assert_true(s2_colours_take_back(&w->ledger, OTHER + 1));
    assert_true(s2_colours_take_back(&w->ledger, OTHER));
    scrub_all(x);
    assert_int_equal(give_to(x, VM, 0xff, REGION_BYTES, IPA), S2_OK);
}

/* --- the checker ------------------------------------------------------------------------------------------------------------ */

static void the_checker_sees_damage(void **state)
{
    struct coloured *x = *state;
    struct s2_ledger *l = &x->w->ledger;
    struct s2_ledger_entry hyp = ledger_entry(REGION + STRIPE, PAGE, S2_OWNER_HYP, S2_HYP);
    struct s2_ledger_entry was = ledger_entry(REGION + STRIPE, PAGE, S2_OWNER_NONE, S2_COLOURED);

    assert_int_equal(give_to(x, VM, 0x0f, 4 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0x30, 4 * PAGE, IPA), S2_OK);
    assert_null(s2_colours_check(l, &x->w->d));
    x->piece[1].is.mask = 0x18;
    assert_string_equal(s2_colours_check(l, &x->w->d), "is coloured memory that two have");
    assert_int_equal(x->w->d.asked_start, REGION);
    x->piece[1].is.mask = 0x30;
    x->piece[1].vm = VM;
    assert_string_equal(s2_colours_check(l, NULL), "is coloured memory that is seen where other is");
    x->piece[1].vm = OTHER;
    x->piece[1].is.bytes = 2 * (STRIPES + 1) * PAGE;
    assert_string_equal(s2_colours_check(l, NULL), "is a coloured piece outside of its region");
    x->piece[1].is.bytes = 4 * PAGE;
    s2_ledger_set(l, &hyp);
    assert_string_equal(s2_colours_check(l, NULL), "is a coloured region that the ledger does not have");
    s2_ledger_set(l, &was);
    assert_null(s2_colours_check(l, NULL));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_frame_has_one_holder),
        T(all_colours_are_one_run),
        T(bad_regions),
        T(bad_wishes),
        cmocka_unit_test_setup_teardown(dirty_memory_is_not_given, setup_dirty, teardown),
        T(what_comes_back_is_scrubbed),
        T(the_checker_sees_damage),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("colours", tests, NULL, NULL);
}
