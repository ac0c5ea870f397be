/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Areas that no space takes, each wrong in one thing: flags, attributes and ranges, bit by bit. */
#include "space_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_areas),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
