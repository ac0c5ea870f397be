/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The interval map where it is rarely: lookups that need not tell, edits that cross from leaf to leaf, how much fits in a pool. */
#include "imap_row.h"

/* --- what need not be told --------------------------------------------------------------------------------------------------- */

static void lookups_need_not_tell(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 100; n += 33) {
        struct fixture *f = make(0, MIB(1), S2_IMAP_BYTES);

        for (uint64_t i = 0; i < n; i++)
            insert(f, 0x100 * i + 0x10, 0x100 * i + 0x20);
        assert_true(s2_imap_find(&f->map, 0x1f, NULL));
        assert_false(s2_imap_find(&f->map, 0x20, NULL));
        assert_true(s2_imap_find_from(&f->map, 0, NULL));
        assert_false(s2_imap_find_from(&f->map, 0x100 * n, NULL));
        assert_true(s2_imap_find_below(&f->map, 0x11, NULL));
        assert_false(s2_imap_find_below(&f->map, 0x10, NULL));
        assert_false(s2_imap_find_below(&f->map, 0, NULL));
        assert_true(s2_imap_overlaps(&f->map, 0, 0x11, NULL));
        unmake(f);
    }
}

/* --- several entries at once ------------------------------------------------------------------------------------------------------- */

enum { MOST = 4 };

/* `in` entries take the place of `out` from the p-th of n on: narrow, or as wide as they can be. */
static void splice_one(unsigned n, bool down, unsigned p, unsigned out, unsigned in, bool wide)
{
    struct fixture *f = make_row(n, down);
    uint64_t lo = p > 0 ? STEP * (p - 1ull) + 0x80 : 0;
    uint64_t hi = p + out < n ? STEP * (uint64_t)(p + out) + 0x40 : f->map.hi, each = in ? (hi - lo) / in : 0;
    struct s2_ient e[MOST], seen;
    struct s2_imap_cursor at;
    bool more;

    for (unsigned i = 0; i < in; i++)
        e[i] = (struct s2_ient){lo + each * i + (wide ? 0 : 1), lo + each * (i + 1) - (wide ? 0 : 1), {{~i, 7, 8}}};
    (void)s2_imap_seek(&f->map, STEP * (uint64_t)p, &at);
    s2_imap_splice(&f->map, &at, out, e, in);
    assert_null(s2_imap_check(&f->map));
    assert_int_equal(f->map.count, n - out + in);
    /* The cursor is on the first that came, or on what follows. */
    if (in == 0 && p + out == n) {
        assert_false(s2_imap_get(&at, &seen));
    } else {
        assert_true(s2_imap_get(&at, &seen));
        assert_int_equal(seen.start, in ? e[0].start : STEP * (uint64_t)(p + out) + 0x40);
    }
    more = s2_imap_seek(&f->map, 0, &at);
    for (unsigned i = 0; i < n - out + in; i++, more = s2_imap_next(&f->map, &at)) {
        assert_true(more && s2_imap_get(&at, &seen));
        if (i >= p && i < p + in) {
            assert_memory_equal(&seen, &e[i - p], sizeof seen);
        } else {
            uint64_t was = i < p ? i : i - in + out;

            assert_int_equal(seen.start, STEP * was + 0x40);
            assert_int_equal(seen.end, STEP * was + 0x80);
            assert_int_equal(seen.val.w[0], was);
        }
    }
    assert_false(more);
    unmake(f);
}

static void some_entries_give_way_to_others(void **state)
{
    static const unsigned sizes[] = {0, 3, 15, 16, 17, 18, 19, 22, 40};

    (void)state;
    for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (unsigned p = 0; p <= sizes[s]; p++)
            for (unsigned out = 0; out <= MOST && p + out <= sizes[s]; out++)
                for (unsigned in = 0; in <= MOST; in++)
                    for (unsigned kind = 0; kind < 4; kind++)
                        splice_one(sizes[s], kind & 1, p, out, in, kind & 2);
}

/* So many that the map shrinks to its root while they go. */
static void nearly_all_entries_go_at_once(void **state)
{
    struct s2_ient seen, e = {1, 2, {{3, 4, 5}}};
    struct s2_imap_cursor at;

    (void)state;
    for (unsigned n = 17; n <= 120; n += 1 + n / 5)
        for (unsigned p = 0; p < n; p += 5)
            for (unsigned in = 0; in < 2; in++) {
                struct fixture *f = make_row(n, false);

                (void)s2_imap_seek(&f->map, STEP * (uint64_t)p, &at);
                e.start = STEP * (uint64_t)p + 0x10;
                e.end = e.start + 0x10;
                s2_imap_splice(&f->map, &at, n - p, &e, in);
                assert_null(s2_imap_check(&f->map));
                assert_int_equal(f->map.count, p + in);
                assert_int_equal(s2_imap_get(&at, &seen), in);
                if (in)
                    assert_memory_equal(&seen, &e, sizeof e);
                unmake(f);
            }
}

/* As soon as what is left fits in the root it stands there, whether it went one by one or at once. */
static void what_fits_in_the_root_takes_no_node(void **state)
{
    (void)state;
    for (unsigned n = S2_IMAP_LEAF + 1; n <= 60; n++)
        for (unsigned most = 1; most <= 60; most += 59) {
            struct fixture *f = make_row(n, false);
            struct s2_imap_cursor at;

            while (f->map.count > S2_IMAP_LEAF) {
                unsigned left = (unsigned)f->map.count - S2_IMAP_LEAF;

                assert_int_equal(f->map.height, 1);
                (void)s2_imap_seek(&f->map, 0, &at);
                s2_imap_splice(&f->map, &at, left < most ? left : most, NULL, 0);
            }
            assert_int_equal(f->map.count, S2_IMAP_LEAF);
            assert_int_equal(f->map.height, 0);
            assert_int_equal(f->map.nodes, 0);
            unmake(f);
        }
}

/* --- how much fits --------------------------------------------------------------------------------------------------------------- */

/* Entries that fit are let in, each with its need promised, in either direction, also when others went in between. */
static void what_fits_is_let_in(void **state)
{
    (void)state;
    assert_int_equal(s2_imap_capacity(0), S2_IMAP_LEAF);
    assert_true(s2_imap_capacity(1000) >= 4000 && s2_imap_capacity(1000) <= 16000);
    for (uint32_t nodes = 0; nodes <= NODES; nodes++)
        assert_true(s2_imap_capacity(nodes) <= s2_imap_capacity(nodes + 1));
    for (unsigned down = 0; down < 2; down++)
        for (uint32_t nodes = 0; nodes <= NODES; nodes += 32) {
            struct fixture *f = make(0, MIB(64), S2_IMAP_BYTES);
            uint64_t fits = s2_imap_capacity(nodes);

            assert_int_equal(s2_pool_reserve(&f->pool, NODES - nodes), S2_OK);
            for (uint64_t i = 0; i < fits; i++) {
                uint64_t start = 16 * (down ? fits - i : i);
                struct s2_ient e = {start, start + 8, {{0}}};
                uint32_t need = s2_imap_need(&f->map, 1);

                assert_int_equal(s2_pool_reserve(&f->pool, need), S2_OK);
                s2_imap_insert(&f->map, &e);
                s2_pool_unreserve(&f->pool, need);
            }
            assert_int_equal(f->map.count, fits);
            s2_pool_unreserve(&f->pool, NODES - nodes);
            unmake(f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_need_not_tell),         cmocka_unit_test(some_entries_give_way_to_others),
        cmocka_unit_test(nearly_all_entries_go_at_once), cmocka_unit_test(what_fits_in_the_root_takes_no_node),
        cmocka_unit_test(what_fits_is_let_in),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
