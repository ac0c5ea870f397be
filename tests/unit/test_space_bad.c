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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_areas),
        cmocka_unit_test(bad_ranges_are_refused_by_each),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
