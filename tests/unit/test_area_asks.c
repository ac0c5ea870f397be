/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What an area set can be asked, beyond memory_set: the area or the gap around an address, what meets a range, statistics; and
 * the nodes it needs, or keeps for unmaps. */
#include "area_bytes.h"

/* --- lookups ----------------------------------------------------------------------------------------------------------------- */

static void an_address_is_in_an_area_or_in_a_gap(void **state)
{
    struct bytes *b = bytes_new(0x1000, BYTES, 0x10);
    struct s2_area area;
    struct s2_ipa_range gap;

    (void)state;
    assert_int_equal(s2_area_set_around(&b->set, S2_IPA(0x1000), &area, &gap), S2_AROUND_GAP);
    assert_int_equal(gap.start.v, 0x1000);
    assert_int_equal(gap.end.v, BYTES);
    assert_int_equal(bytes_map(b, 0x2000, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x3000, 0x100, 2, S2_MAP_NEW), S2_OK);
    const struct {
        uint64_t at, start, end;
        enum s2_around what;
    } row[] = {{0, 0, 0, S2_AROUND_OUTSIDE},
               {0xfff, 0, 0, S2_AROUND_OUTSIDE},
               {0x1000, 0x1000, 0x2000, S2_AROUND_GAP},
               {0x1fff, 0x1000, 0x2000, S2_AROUND_GAP},
               {0x2000, 0x2000, 0x2100, S2_AROUND_AREA},
               {0x20ff, 0x2000, 0x2100, S2_AROUND_AREA},
               {0x2100, 0x2100, 0x3000, S2_AROUND_GAP},
               {0x3080, 0x3000, 0x3100, S2_AROUND_AREA},
               {0x3100, 0x3100, BYTES, S2_AROUND_GAP},
               {BYTES - 1, 0x3100, BYTES, S2_AROUND_GAP},
               {BYTES, 0, 0, S2_AROUND_OUTSIDE},
               {UINT64_MAX, 0, 0, S2_AROUND_OUTSIDE}};

    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        memset(&area, 0x5a, sizeof area);
        memset(&gap, 0x5a, sizeof gap);
        assert_int_equal(s2_area_set_around(&b->set, S2_IPA(row[i].at), &area, &gap), row[i].what);
        if (row[i].what == S2_AROUND_AREA) {
            assert_int_equal(area.range.start.v, row[i].start);
            assert_int_equal(area.range.end.v, row[i].end);
        } else {
            assert_int_equal(area.backing, 0x5a5a5a5a5a5a5a5a);
        }
        if (row[i].what == S2_AROUND_GAP) {
            assert_int_equal(gap.start.v, row[i].start);
            assert_int_equal(gap.end.v, row[i].end);
        } else {
            assert_int_equal(gap.start.v, 0x5a5a5a5a5a5a5a5a);
        }
        assert_int_equal(s2_area_set_around(&b->set, S2_IPA(row[i].at), NULL, NULL), row[i].what);
    }
    bytes_free(b);
}

static void lookups_need_not_tell(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x2000, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x2000), NULL));
    assert_false(s2_area_set_find(&b->set, S2_IPA(0x1fff), NULL));
    assert_true(s2_area_set_find_from(&b->set, S2_IPA(0), NULL));
    assert_false(s2_area_set_find_from(&b->set, S2_IPA(0x2100), NULL));
    assert_true(s2_area_set_find_below(&b->set, S2_IPA(0x2001), NULL));
    assert_false(s2_area_set_find_below(&b->set, S2_IPA(0x2000), NULL));
    assert_true(s2_area_set_overlaps(&b->set, span(0, 0x2001), NULL));
}

static void test_lookups(void **state)
{
    struct bytes *b = *state;
    struct s2_area a;

    assert_int_equal(bytes_map(b, 0x1000, 0x1000, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x3000, 0x1000, 2, S2_MAP_NEW), S2_OK);
    assert_false(s2_area_set_find(&b->set, S2_IPA(0xfff), &a));
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x1000), NULL));
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x1fff), &a));
    assert_false(s2_area_set_find(&b->set, S2_IPA(0x2000), &a));
    assert_true(s2_area_set_find_from(&b->set, S2_IPA(0x2000), &a) && a.range.start.v == 0x3000);
    assert_false(s2_area_set_find_from(&b->set, S2_IPA(0x4000), &a));
    assert_true(s2_area_set_find_below(&b->set, S2_IPA(0x3000), &a) && a.range.start.v == 0x1000);
    assert_true(s2_area_set_find_below(&b->set, S2_IPA(UINT64_MAX), &a) && a.range.start.v == 0x3000);
    assert_false(s2_area_set_find_below(&b->set, S2_IPA(0x1000), &a));
    assert_true(s2_area_set_overlaps(&b->set, span(0x1fff, 0x3001), &a) && a.range.start.v == 0x1000);
    assert_false(s2_area_set_overlaps(&b->set, span(0x2000, 0x3000), &a));
    assert_false(s2_area_set_overlaps(&b->set, span(0x1800, 0x1800), &a));
}

static void iteration_shows_what_meets_the_range(void **state)
{
    struct bytes *b = *state;
    struct s2_area_iter it;
    struct s2_area area;
    unsigned n = 0;

    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(bytes_map(b, 0x100 * i, 0x80, 1, S2_MAP_NEW), S2_OK);
    it = s2_area_set_iter(&b->set, span(0x17f, 0x1001));
    for (; s2_area_iter_next(&it, &area); n++) {
        assert_int_equal(area.range.start.v, 0x100 * (n + 1));
        assert_int_equal(area.range.end.v, 0x100 * (n + 1) + 0x80);
    }
    assert_int_equal(n, 16);
    assert_false(s2_area_iter_next(&it, &area));
    it = s2_area_set_iter(&b->set, span(0x180, 0x200));
    assert_false(s2_area_iter_next(&it, &area));
    it = s2_area_set_iter(&b->set, span(0x110, 0x110));
    assert_false(s2_area_iter_next(&it, &area));
    it = s2_area_set_iter(&b->set, span(0, BYTES));
    for (n = 0; s2_area_iter_next(&it, NULL); n++)
        ;
    assert_int_equal(n, 40);
}

/* --- statistics -------------------------------------------------------------------------------------------------------------- */

static void one_tenth(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    (void)ctx;
    assert_int_equal(out->bytes, area->range.end.v - area->range.start.v);
    assert_int_equal(out->resident + out->promised, 0);
    out->resident = out->bytes / 10;
    out->promised = 3;
}

static void statistics_count_areas_and_gaps(void **state)
{
    static const struct s2_backend told = {.kind = "told", .commit = bytes_commit, .stats = one_tenth};
    struct bytes *b = bytes_new(0x1000, BYTES, 1);
    struct s2_area area = {.range = span(0x1000, 0x1064), .backend = &told, .attr = S2_ATTR(1)};
    struct s2_area_set_stats set;
    struct s2_area_stats one;

    (void)state;
    s2_area_set_stats(&b->set, &set);
    assert_int_equal(set.areas + set.bytes + set.nodes, 0);
    assert_int_equal(set.gaps, 1);
    assert_int_equal(set.free_bytes, BYTES - 0x1000);
    assert_int_equal(set.largest_gap, BYTES - 0x1000);
    assert_int_equal(bytes_map_area(b, &area, S2_MAP_NEW), S2_OK);
    for (uint64_t i = 1; i < 20; i++)
        assert_int_equal(bytes_map(b, 0x1000 + 0x200 * i, 0x100, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map(b, BYTES - 0x10, 0x10, 2, S2_MAP_NEW), S2_OK);
    s2_area_set_stats(&b->set, &set);
    assert_int_equal(set.areas, 21);
    assert_int_equal(set.bytes, 0x64 + 19 * 0x100 + 0x10);
    assert_int_equal(set.gaps, 20);
    assert_int_equal(set.free_bytes, BYTES - 0x1000 - set.bytes);
    assert_int_equal(set.largest_gap, BYTES - 0x10 - (0x1000 + 0x200 * 19 + 0x100));
    assert_int_equal(set.nodes, b->set.map.nodes);
    assert_true(set.nodes > 0);

    assert_true(s2_area_set_area_stats(&b->set, S2_IPA(0x1000), &one));
    assert_int_equal(one.bytes, 0x64);
    assert_int_equal(one.resident, 10);
    assert_int_equal(one.promised, 3);
    assert_true(s2_area_set_area_stats(&b->set, S2_IPA(0x1200), &one));
    assert_int_equal(one.bytes, 0x100);
    assert_int_equal(one.resident + one.promised, 0);
    assert_false(s2_area_set_area_stats(&b->set, S2_IPA(0x1100), &one));
    bytes_free(b);
}

/* Granules beyond those of translation tables are as good as any. */
static void any_granule_will_do(void **state)
{
    const uint64_t granules[] = {1, 0x800, 0x1000, 0x4000, 0x10000, 0x20000, 1ull << 40};

    (void)state;
    for (unsigned i = 0; i < sizeof granules / sizeof granules[0]; i++) {
        const uint64_t g = granules[i];
        const struct s2_ipa_range limit = span(0, 9 * g);
        const s2_ipa hint = S2_IPA(0);
        struct s2_area_set set;
        s2_ipa at;

        assert_int_equal(s2_area_set_init(&set, NULL, S2_IPA(g), S2_IPA(8 * g), g, NULL), S2_OK);
        assert_int_equal(s2_area_set_find_free(&set, hint, 2 * g, limit, 4 * g, S2_FIT_LOWEST, &at), S2_OK);
        assert_int_equal(at.v, 4 * g);
        assert_int_equal(s2_area_set_find_free(&set, hint, 8 * g, limit, g, S2_FIT_LOWEST, &at), S2_ENOENT);
        if (g > 1)
            assert_int_equal(s2_area_set_find_free(&set, hint, g / 2, limit, g, S2_FIT_LOWEST, &at), S2_EALIGN);
        assert_int_equal(s2_area_set_init(&set, NULL, S2_IPA(g), S2_IPA(8 * g), 3 * g, NULL), S2_EALIGN);
    }
}

/* --- nodes ------------------------------------------------------------------------------------------------------------------- */

static void needs_are_those_of_the_entries_added(void **state)
{
    static const struct {
        enum s2_area_op op;
        uint32_t inserts;
    } row[] = {{S2_AREA_OP_MAP, 1},     {S2_AREA_OP_REPLACE, 2}, {S2_AREA_OP_UNMAP, 1},
               {S2_AREA_OP_PROTECT, 2}, {S2_AREA_OP_SWAP, 2},    {S2_AREA_OP_EXPECTED, 0},
               {S2_AREA_OP_EXTEND, 0},  {S2_AREA_OP_RENAME, 0},  {S2_AREA_OP_CLEAR, 0}};
    struct bytes *b = *state;

    for (unsigned areas = 0; areas <= 40; areas += 20) {
        for (uint64_t i = 0; i < areas; i++)
            assert_int_equal(bytes_map(b, 0x200 * i, 0x100, 1, S2_MAP_REPLACE), S2_OK);
        for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++)
            assert_int_equal(s2_area_set_need(&b->set, row[i].op), s2_imap_need(&b->set.map, row[i].inserts));
    }
    assert_true(s2_area_set_need(&b->set, S2_AREA_OP_MAP) > 0);
    for (uint32_t nodes = 0; nodes < 1000; nodes += 37)
        assert_int_equal(s2_area_set_capacity(nodes), s2_imap_capacity(nodes));
}

/* Takes all nodes but those that are kept away from others. */
static uint32_t hoard(struct bytes *b)
{
    uint32_t n = b->pool.free - b->pool.reserved;

    assert_int_equal(s2_pool_reserve(&b->pool, n), S2_OK);
    return n;
}

static enum s2_err unmap_alone(struct bytes *b, uint64_t start, uint64_t end, struct s2_detail *d)
{
    struct s2_op op;
    enum s2_err err;

    s2_op_begin(&op, NULL, d);
    err = s2_area_set_unmap(&b->set, &op, span(start, end));
    assert_null(s2_imap_check(&b->set.map));
    b->holding = 0;
    return err;
}

enum { AREAS = 240, STEP = 0x200 };

/* The middle of the i-th of AREAS areas goes. */
static enum s2_err hole(struct bytes *b, uint64_t i, struct s2_detail *d)
{
    assert_true(i < AREAS);
    return unmap_alone(b, i * STEP + 0x80, i * STEP + 0x100, d);
}

static void kept_nodes_are_for_holes(void **state)
{
    struct bytes *b = *state;
    struct s2_area more = {
        .range = span(AREAS * STEP, AREAS * STEP + 0x100), .backend = &bytes_backend, .attr = S2_ATTR(1)};
    struct s2_detail d = {.err = S2_OK};
    uint64_t holes = 0;
    uint32_t hoarded;
    struct s2_op op;

    for (uint64_t i = 0; i < AREAS; i++)
        assert_int_equal(bytes_map(b, i * STEP, 0x180, 1, S2_MAP_NEW), S2_OK);
    hoarded = b->pool.free - S2_AREA_CUT_NODES + 1;
    assert_int_equal(s2_pool_reserve(&b->pool, hoarded), S2_OK);
    assert_int_equal(s2_area_set_keep_cut(&b->set), S2_ENODES);
    assert_int_equal(b->set.cut, 0);
    s2_pool_unreserve(&b->pool, hoarded);
    assert_int_equal(s2_area_set_keep_cut(&b->set), S2_OK);
    assert_int_equal(b->set.cut, S2_AREA_CUT_NODES);
    assert_int_equal(b->pool.reserved, S2_AREA_CUT_NODES);
    assert_int_equal(s2_area_set_keep_cut(&b->set), S2_OK);
    assert_int_equal(b->pool.reserved, S2_AREA_CUT_NODES);

    hoarded = hoard(b);
    s2_op_begin(&op, NULL, &d);
    assert_int_equal(s2_area_set_map(&b->set, &op, &more, S2_MAP_NEW), S2_ENODES);
    b->holding = 0;
    /* Holes, until the kept nodes are used; each of them may need as many as any. */
    while (b->set.cut >= s2_area_set_need(&b->set, S2_AREA_OP_UNMAP)) {
        assert_int_equal(hole(b, holes, holes % 2 ? NULL : &d), S2_OK);
        assert_int_equal(d.err, S2_OK);
        holes++;
    }
    assert_int_equal(b->set.map.count, AREAS + holes);
    assert_int_equal(hole(b, holes, &d), S2_ECUT);
    assert_int_equal(d.err, S2_ECUT);
    assert_string_equal(d.what, "makes a hole in an area, and the nodes kept for that are used up");
    assert_int_equal(hole(b, holes, NULL), S2_ECUT);
    assert_int_equal(b->set.map.count, AREAS + holes);
    assert_true(b->set.cut < s2_area_set_need(&b->set, S2_AREA_OP_UNMAP));
    /* Heads, tails and whole areas go for nothing. */
    assert_int_equal(unmap_alone(b, STEP * holes, STEP * holes + 0x20, &d), S2_OK);
    assert_int_equal(unmap_alone(b, STEP * holes + 0x100, STEP * holes + 0x180, &d), S2_OK);
    assert_int_equal(unmap_alone(b, STEP * (AREAS - 2), STEP * (AREAS - 1), &d), S2_OK);
    /* The end of the next operation fills them up again. */
    s2_pool_unreserve(&b->pool, hoarded);
    assert_int_equal(unmap_alone(b, STEP * (AREAS - 1), STEP * (AREAS - 1) + 0x10, &d), S2_OK);
    assert_int_equal(b->set.cut, S2_AREA_CUT_NODES);
    assert_int_equal(b->pool.reserved, S2_AREA_CUT_NODES);
    s2_area_set_drop_cut(&b->set);
    assert_int_equal(b->pool.reserved, 0);
    bytes_check(b);
    bytes_check_table(b);
}

static struct s2_pool others[S2_OP_POOLS];

static enum s2_err wants_other_nodes(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)c;
    for (unsigned i = 0; i < S2_OP_POOLS; i++)
        assert_int_equal(s2_op_need_nodes(op, &others[i], 1), S2_OK);
    return S2_OK;
}

/* A backend that names so many pools that there is no room for the set's own. */
static void a_backend_that_wants_too_much_is_refused(void **state)
{
    static const struct s2_backend greedy = {.kind = "greedy", .prepare = wants_other_nodes, .commit = bytes_commit};
    struct s2_area area = {.range = span(0x8000, 0x8100), .backend = &greedy};
    struct bytes *b = *state;

    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(bytes_map(b, 0x100 * i, 0x80, 1, S2_MAP_NEW), S2_OK);
    assert_int_equal(bytes_map_area(b, &area, S2_MAP_NEW), S2_ENODES);
    assert_string_equal(b->detail.what, "needs nodes of too many pools, or too many nodes");
    assert_int_equal(b->set.map.count, 40);
    for (unsigned i = 0; i < S2_OP_POOLS; i++)
        assert_int_equal(others[i].reserved, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bytes_setup, bytes_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_in_an_area_or_in_a_gap),
        T(lookups_need_not_tell),
        T(test_lookups),
        T(iteration_shows_what_meets_the_range),
        cmocka_unit_test(statistics_count_areas_and_gaps),
        cmocka_unit_test(any_granule_will_do),
        T(needs_are_those_of_the_entries_added),
        T(kept_nodes_are_for_holes),
        T(a_backend_that_wants_too_much_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
