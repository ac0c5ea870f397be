/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Areas that no space takes, each wrong in one thing: flags, attributes and ranges, bit by bit. */
#include "space_state.h"

static void assert_bad(struct world *w, struct s2_area a, enum s2_err err)
{
    for (enum s2_map_mode mode = S2_MAP_NEW; mode <= S2_MAP_REPLACE; mode++) {
        assert_int_equal(s2_space_map(&w->space, &a, mode, &w->d), err);
        assert_int_equal(w->d.err, err);
    }
    assert_int_equal(s2_space_swap(&w->space, &a, &s2_backend_trap, &w->d), err);
    assert_int_equal(w->d.err, err);
    world_check(w);
}

static void test_bad_areas(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    const uint64_t limit = 1ull << 36;
    struct s2_area good = area_alloc(MIB(16), PAGE, S2_RW, 0), a;

    (void)state;
    assert_int_equal(map_new(w, area_trap(MIB(16), MIB(1), 1)), S2_OK);
    for (unsigned bit = 2; bit < 16; bit++) {
        a = good;
        a.flags = (uint16_t)(1u << bit);
        assert_bad(w, a, S2_EINVAL);
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        if (S2_ATTR_MASK >> bit & 1)
            continue;
        a = good;
        a.attr.bits |= 1u << bit;
        assert_bad(w, a, S2_EATTR);
    }
    a = good;
    a.backend = NULL;
    assert_bad(w, a, S2_EINVAL);
    a = good;
    a.range.end = a.range.start;
    assert_bad(w, a, S2_EINVAL);
    a.range.end.v -= PAGE; /* wraps */
    assert_bad(w, a, S2_EINVAL);
    a = good;
    a.range.start.v += 1;
    assert_bad(w, a, S2_EALIGN);
    a = good;
    a.range.end.v -= 0x800;
    assert_bad(w, a, S2_EALIGN);
    a.range = (struct s2_ipa_range){S2_IPA(limit - PAGE), S2_IPA(limit + PAGE)};
    assert_bad(w, a, S2_ERANGE);
    a.range = (struct s2_ipa_range){S2_IPA(limit), S2_IPA(limit + PAGE)};
    assert_bad(w, a, S2_ERANGE);
    assert_int_equal(s2_space_protect(&w->space, ipa_range(MIB(16), PAGE), NULL, NULL, &w->d), S2_EINVAL);
    assert_int_equal(protect(w, MIB(16), PAGE, 1u << 30), S2_EATTR);
    assert_true(s2_space_find(&w->space, S2_IPA(MIB(16)), &a));
    assert_int_equal(a.range.end.v, MIB(17));
    world_check(w);
    world_destroy(w);
}

static bool never_asked(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    (void)attr;
    fail();
    return false;
}

/* What is there already, a range aside, is right. */
static void assert_bad_range(struct world *w, struct s2_ipa_range range, enum s2_err err)
{
    struct s2_area is = area_trap(MIB(16), MIB(1), 1);
    struct s2_long l;

    is.range = range;
    assert_int_equal(s2_space_unmap(&w->space, range, &w->d), err);
    assert_int_equal(w->d.asked_start, range.start.v);
    assert_int_equal(w->d.asked_end, range.end.v);
    assert_int_equal(s2_space_protect(&w->space, range, never_asked, NULL, &w->d), err);
    assert_int_equal(s2_space_unmap_expected(&w->space, &is, &w->d), err);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(MIB(16)), range, &w->d), err);
    assert_int_equal(map_over(w, is), err);
    assert_int_equal(s2_space_swap(&w->space, &is, &s2_backend_trap, &w->d), err);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, range, never_asked, NULL, &w->d), err);
    assert_null(w->space.longs);
}

static void bad_ranges_are_refused_by_each(void **state)
{
    static struct state before, after;
    static const struct {
        uint64_t start, end;
        enum s2_err err;
    } bad[] = {
        {MIB(16), MIB(16), S2_EINVAL},
        {MIB(17), MIB(16), S2_EINVAL},
        {MIB(16), 0, S2_EINVAL},
        {0 - PAGE, MIB(17), S2_EINVAL},
        {MIB(16) + 1, MIB(17), S2_EALIGN},
        {MIB(16), MIB(17) - 1, S2_EALIGN},
        {MIB(16), UINT64_MAX, S2_EALIGN},
        {MIB(16), (1ull << 36) + PAGE, S2_ERANGE},
        {1ull << 36, (1ull << 36) + PAGE, S2_ERANGE},
        {0, 0 - PAGE, S2_ERANGE},
    };
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);

    (void)state;
    assert_int_equal(map_new(w, area_trap(MIB(16), MIB(1), 1)), S2_OK);
    state_take(&before, w, EXACT);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_bad_range(w, (struct s2_ipa_range){S2_IPA(bad[i].start), S2_IPA(bad[i].end)}, bad[i].err);
        state_take(&after, w, EXACT);
        expect_same(&before, &after, "a bad range");
    }
    assert_int_equal(s2_space_rename(&w->space, S2_IPA(UINT64_MAX), 1, &w->d), S2_ENOENT);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(UINT64_MAX), ipa_range(MIB(16), MIB(2)), &w->d), S2_ENOENT);
    state_take(&after, w, EXACT);
    expect_same(&before, &after, "an address that is none");
    world_check(w);
    world_destroy(w);
}

/* --- at each granule ----------------------------------------------------------------------------------------------------- */

static struct state was, is;

static void refused(struct world *w, struct s2_area a, enum s2_err err)
{
    for (enum s2_map_mode mode = S2_MAP_NEW; mode <= S2_MAP_REPLACE; mode++) {
        assert_int_equal(s2_space_map(&w->space, &a, mode, &w->d), err);
        assert_int_equal(w->d.err, err);
    }
    state_take(&is, w, EXACT);
    expect_same(&was, &is, "a bad area");
}

static bool no_leaf(void *arg, const struct s2_leaf *leaf)
{
    (void)arg;
    (void)leaf;
    fail();
    return false;
}
static bool one_more(void *arg, const struct s2_leaf *leaf)
{
    assert_true(leaf->valid);
    ++*(unsigned *)arg;
    return true;
}

static void bad_areas_at(struct world *w, uint64_t page)
{
    static const uint32_t attrs[] = {S2_RX | S2_MT_DEV_nGnRE,
                                     S2_R | S2_UX | S2_MT_DEV_GRE,
                                     S2_RWX | S2_MT_DEV_nGnRnE,
                                     S2_W,
                                     S2_X | S2_UX,
                                     S2_RW | S2_MT_MASK,
                                     S2_RW | S2_SH_MASK,
                                     S2_RW | 1u << 5};
    const uint64_t at = MIB(32), pa = FRAME_BASE + MIB(16), limit = 1ull << w->cfg.geometry.ipa_bits;

    for (unsigned i = 0; i < sizeof attrs / sizeof *attrs; i++)
        refused(w, area_linear(at, page, pa, attrs[i]), S2_EATTR);
    refused(w, area_linear(at + page / 2, page, pa, S2_RW), S2_EALIGN);
    refused(w, area_linear(at, page / 2, pa, S2_RW), S2_EALIGN);
    refused(w, area_linear(at, page, pa + page / 2, S2_RW), S2_EALIGN);
    refused(w, area_linear(limit - page, 2 * page, pa, S2_RW), S2_ERANGE);
    refused(w, area_linear(at, page, 1ull << 52, S2_RW), S2_ERANGE);
    refused(w, area_linear(at, 2 * page, (1ull << 48) - page, S2_RW), S2_ERANGE);
    refused(w, area_linear(at, 2 * page, 0 - page, S2_RW), S2_ERANGE); /* its end wraps */
}

static void bad_harvests_at(struct world *w, uint64_t page)
{
    const uint64_t limit = 1ull << w->cfg.geometry.ipa_bits;
    const struct s2_ipa_range bad[] = {{S2_IPA(page / 2), S2_IPA(page)}, {S2_IPA(0), S2_IPA(page / 2)},
                                       {S2_IPA(page), S2_IPA(0)},        {S2_IPA(0), S2_IPA(limit + page)},
                                       {S2_IPA(0 - page), S2_IPA(page)}, {S2_IPA(0), S2_IPA_NONE}};
    struct s2_space *sp = &w->space;

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(s2_space_harvest(sp, bad[i], S2_TOUCH_ACCESS, no_leaf, NULL), S2_EINVAL);
    for (unsigned what = 0; what < 32; what++)
        if (what != S2_TOUCH_ACCESS)
            assert_int_equal(s2_space_harvest(sp, ipa_range(0, page), what, no_leaf, NULL), S2_EUNSUP);
    assert_int_equal(s2_space_harvest(sp, ipa_range(page, 0), S2_TOUCH_ACCESS, no_leaf, NULL), S2_OK);
    state_take(&is, w, EXACT);
    expect_same(&was, &is, "a bad harvest");
}

/* What only looks takes any range. */
static void odd_looks_at(struct world *w, uint64_t page)
{
    const uint64_t limit = 1ull << w->cfg.geometry.ipa_bits;
    struct s2_walk_step steps[5];
    uint64_t leaves[5];
    struct s2_leaf leaf;
    unsigned n = 0;

    s2_space_visit(&w->space, (struct s2_ipa_range){S2_IPA(limit), S2_IPA_NONE}, no_leaf, NULL);
    s2_space_visit(&w->space, (struct s2_ipa_range){S2_IPA(MIB(16) + page), S2_IPA(MIB(16))}, no_leaf, NULL);
    s2_space_visit(&w->space, (struct s2_ipa_range){S2_IPA_NONE, S2_IPA(0)}, no_leaf, NULL);
    s2_space_visit(&w->space, (struct s2_ipa_range){S2_IPA(MIB(16) + 1), S2_IPA(MIB(16) + 2)}, one_more, &n);
    assert_int_equal(n, 1);
    s2_space_visit(&w->space, (struct s2_ipa_range){S2_IPA(0), S2_IPA_NONE}, one_more, &n);
    assert_int_equal(n, 3);
    s2_space_leaves(&w->space, (struct s2_ipa_range){S2_IPA(MIB(16) + page - 1), S2_IPA_NONE}, leaves);
    assert_int_equal(leaves[4], 2);
    assert_false(s2_space_translate(&w->space, S2_IPA(limit), &leaf));
    assert_false(s2_space_translate(&w->space, S2_IPA_NONE, &leaf));
    assert_int_equal(s2_space_walk(&w->space, S2_IPA(limit), steps), 0);
    assert_false(s2_space_promote_step(&w->space, 0));
    assert_false(s2_space_promote_step(&w->space, UINT32_MAX));
    state_take(&is, w, EXACT);
    expect_same(&was, &is, "a look");
}

static void nothing_bad_at_any_granule(void **state)
{
    static const enum s2_granule granules[] = {S2_4K, S2_16K, S2_64K};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct world_config wc = world_defaults();
        uint64_t page = 1ull << granules[i];
        struct world *w;

        wc.granule = granules[i];
        wc.caps.pa_bits = 48;
        wc.access_flag = true;
        w = world_create(&wc);
        world_give(w, FRAME_BASE + MIB(16), MIB(1), VM, S2_RWX);
        assert_int_equal(map_new(w, area_linear(MIB(16), 2 * page, FRAME_BASE + MIB(16) + 2 * page, S2_RW)), S2_OK);
        state_take(&was, w, EXACT);
        bad_areas_at(w, page);
        bad_harvests_at(w, page);
        odd_looks_at(w, page);
        world_check(w);
        world_destroy(w);
    }
}

static void a_dying_space_promotes_and_tells_nothing(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w;

    (void)state;
    wc.access_flag = true;
    w = world_create(&wc);
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_begin(&w->space);
    assert_int_equal(s2_space_harvest(&w->space, ipa_range(0, MIB(2)), S2_TOUCH_ACCESS, no_leaf, NULL), S2_EDYING);
    assert_false(s2_space_promote_step(&w->space, 10));
    s2_space_visit(&w->space, ipa_range(0, MIB(4)), no_leaf, NULL);
    while (s2_space_destroy_step(&w->space, 10))
        ;
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->tables.free, w->tables.pages);
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_areas),
        cmocka_unit_test(bad_ranges_are_refused_by_each),
        cmocka_unit_test(nothing_bad_at_any_granule),
        cmocka_unit_test(a_dying_space_promotes_and_tells_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
