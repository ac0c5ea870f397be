/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Defects of the crate that the area set descends from: the twelve that were reproduced by running it, then its listed
 * weaknesses W1 .. W14. None of those outcomes may occur here. */
#include "area_bytes.h"

#define NEW     S2_MAP_NEW
#define REPLACE S2_MAP_REPLACE
#define MIB(n)  ((uint64_t)(n) << 20)

static int setup(void **state)
{
    *state = bytes_new(0, BYTES, 0x100);
    return 0;
}

static void no_commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

/* For areas larger than the byte array. */
static const struct s2_backend no_table = {.kind = "none", .commit = no_commit};

static struct bytes *large(uint64_t lo, uint64_t hi)
{
    return bytes_new(lo, hi, 0x1000);
}

static void map_large(struct bytes *b, uint64_t start, uint64_t end)
{
    struct s2_area area = {.range = span(start, end), .backend = &no_table};

    assert_int_equal(bytes_map_area(b, &area, NEW), S2_OK);
}

static enum s2_err find_free(const struct bytes *b, uint64_t hint, uint64_t size, uint64_t limit, uint64_t align,
                             uint64_t *out)
{
    s2_ipa at = S2_IPA(0xbad);
    enum s2_err err = s2_area_set_find_free(&b->set, S2_IPA(hint), size, span(0, limit), align, S2_FIT_LOWEST, &at);

    *out = at.v;
    return err;
}

/* Everything that a refused operation must leave as it was. */
struct before {
    struct s2_area_set set;
    struct s2_pool pool;
    uint8_t pt[BYTES];
};

static struct before *remember(const struct bytes *b)
{
    struct before *was = malloc(sizeof(*was));

    was->set = b->set;
    was->pool = b->pool;
    memcpy(was->pt, b->pt, BYTES);
    return was;
}

static void assert_as_before(const struct bytes *b, struct before *was)
{
    assert_memory_equal(&b->set, &was->set, sizeof(b->set));
    assert_memory_equal(&b->pool, &was->pool, sizeof(b->pool));
    assert_memory_equal(b->pt, was->pt, BYTES);
    free(was);
}

/* --- the twelve --------------------------------------------------------------------------------------------------- */

/* 1, W1: an area between the predecessor's end and the aligned address was skipped. */
static void test_1_find_free_never_inside_an_area(void **state)
{
    struct bytes *b = large(0, MIB(64));
    uint64_t at;

    (void)state;
    map_large(b, 0, 0x201000);
    map_large(b, 0x300000, 0x900000);
    assert_int_equal(find_free(b, 0x200000, MIB(2), MIB(64), MIB(2), &at), S2_OK);
    assert_int_equal(at, 0xa00000);
    bytes_free(b);
}

/* 2, W2: the end of the limit was ignored. */
static void test_2_find_free_never_beyond_the_limit(void **state)
{
    struct bytes *b = *state;
    uint64_t at;

    assert_int_equal(find_free(b, 0x4000, 0x1000, 0x2000, 1, &at), S2_ENOENT);
    assert_int_equal(find_free(b, 0x1000, 0x1000, 0x2000, 1, &at), S2_OK);
    assert_int_equal(at, 0x1000);
    assert_int_equal(find_free(b, 0x1100, 0x1000, 0x2000, 1, &at), S2_ENOENT);
}

/* 3, W3: alignment 0 stopped the program, size 0 found something, a hint near the top came round to 0. */
static void test_3_find_free_checks_its_arguments(void **state)
{
    struct bytes *b = large(0, UINT64_MAX & ~0xfffull);
    uint64_t at;

    (void)state;
    assert_int_equal(find_free(b, 0, 0x1000, MIB(1), 0, &at), S2_EALIGN);
    assert_int_equal(find_free(b, 0, 0x1000, MIB(1), 0x3000, &at), S2_EALIGN);
    assert_int_equal(find_free(b, 0, 0, MIB(1), 1, &at), S2_EINVAL);
    assert_int_equal(find_free(b, UINT64_MAX - 0x10, 0x1000, UINT64_MAX, 1, &at), S2_ENOENT);
    assert_int_equal(find_free(b, UINT64_MAX - 0x10000, 0x1000, UINT64_MAX, 1ull << 63, &at), S2_ENOENT);
    bytes_free(b);
}

/* 4, W4: protect of size 0 inside an area lost its upper part. */
static void test_4_protect_of_nothing_changes_nothing(void **state)
{
    struct bytes *b = *state;
    s2_attr two = S2_ATTR(2);

    assert_int_equal(bytes_map(b, 0x1000, 0x4000, 1, NEW), S2_OK);
    assert_int_equal(bytes_protect(b, 0x3000, 0, bytes_set_to, &two), S2_EINVAL);
    assert_int_equal(s2_area_set_count(&b->set), 1);
    assert_area(b, 0x3000, 0x1000, 0x5000, 1);
    bytes_check_table(b);
}

/* 5, W5: the backend's refusal was ignored; the area said what the page did not. */
static void test_5_refused_protect_keeps_both(void **state)
{
    struct bytes *b = *state;
    s2_attr two = S2_ATTR(2);

    assert_int_equal(bytes_map(b, 0x1000, 0x1000, 1, NEW), S2_OK);
    b->refuse_prepare = 1;
    b->refuse_with = S2_EREFUSED;
    assert_int_equal(bytes_protect(b, 0x1000, 0x1000, bytes_set_to, &two), S2_EREFUSED);
    assert_area(b, 0x1000, 0x1000, 0x2000, 1);
    bytes_check_table(b);
}

/* 6, W7: replacing dropped the old mapping before the new one was known to be good. */
static void test_6_refused_replace_keeps_the_old(void **state)
{
    struct bytes *b = *state;

    for (unsigned k = 0; k < 3; k++)
        assert_int_equal(bytes_map(b, 0x1000 * (k + 1), 0x1000, k + 1, NEW), S2_OK);
    for (unsigned n = 1; n <= 4; n++) { /* three removals, one map */
        struct before *was = remember(b);
        b->refuse_prepare = n;
        b->refuse_with = S2_EREFUSED;
        assert_int_equal(bytes_map(b, 0x1000, 0x3000, 9, REPLACE), S2_EREFUSED);
        assert_as_before(b, was);
    }
    assert_int_equal(s2_area_set_count(&b->set), 3);
}

/* 7, W8; 8, W9; 9, W12: a refused unmap forgot what it could not unmap, or stopped the program. */
static void test_7_to_9_refused_unmap_keeps_the_area(void **state)
{
    static const struct {
        uint64_t start, size;
        unsigned calls;
    } rows[] = {{0x2000, 0x1000, 3}, {0x1000, 0x2000, 2}, {0x3000, 0x2000, 2}, {0x1000, 0x4000, 1}, {0, 0x8000, 1}};
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x1000, 0x4000, 1, NEW), S2_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned n = 1; n <= rows[i].calls; n++) {
            struct before *was = remember(b);
            b->refuse_prepare = n;
            b->refuse_with = S2_EREFUSED;
            assert_int_equal(bytes_unmap(b, rows[i].start, rows[i].size), S2_EREFUSED);
            assert_as_before(b, was);
        }
}

struct calls {
    unsigned n;
    uint64_t start, end;
};

static bool count_calls(void *arg, const struct s2_area *area, s2_attr *attr)
{
    struct calls *calls = arg;

    calls->n++;
    assert_true(area->range.start.v < calls->end && area->range.end.v > calls->start);
    *attr = S2_ATTR(2);
    return true;
}

/* 10, W13: one area of a thousand was touched, the update function was called a thousand times. */
static void test_10_update_sees_only_what_it_meets(void **state)
{
    struct bytes *b = large(0, MIB(1024));
    struct calls calls = {0, 0x400000, 0x401000};

    (void)state;
    for (uint64_t k = 0; k < 1000; k++)
        map_large(b, k * 0x2000, k * 0x2000 + 0x1000);
    assert_int_equal(bytes_protect(b, 0x400000, 0x1000, count_calls, &calls), S2_OK);
    assert_int_equal(calls.n, 2); /* plan and commit */
    calls = (struct calls){0, 0x401000, 0x402000};
    assert_int_equal(bytes_protect(b, 0x401000, 0x1000, count_calls, &calls), S2_OK);
    assert_int_equal(calls.n, 0);
    calls = (struct calls){0, 0x100000, 0x110000};
    assert_int_equal(bytes_protect(b, 0x100000, 0x10000, count_calls, &calls), S2_OK);
    assert_int_equal(calls.n, 16);
    bytes_free(b);
}

/* 11, W6: protect and restore left three areas for ever. */
static void test_11_restored_areas_are_one_again(void **state)
{
    struct bytes *b = *state;
    s2_attr one = S2_ATTR(1), two = S2_ATTR(2);

    assert_int_equal(bytes_map(b, 0x1000, 0x4000, 1, NEW), S2_OK);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, bytes_set_to, &two), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 3);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, bytes_set_to, &one), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 1);
    assert_area(b, 0x2000, 0x1000, 0x5000, 1);
    /* So with a hole that is filled, and with areas mapped side by side. */
    assert_int_equal(bytes_unmap(b, 0x2000, 0x1000), S2_OK);
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 1, NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x5000, 0x1000, 1, NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x0000, 0x1000, 1, NEW), S2_OK);
    assert_area(b, 0x2000, 0, 0x6000, 1);
}

/* 12: an area at the very top, alignment near it, empty ranges. */
static void test_12_the_top_of_the_address_space(void **state)
{
    const uint64_t top = 1ull << 52;
    struct bytes *b = large(0, top);
    s2_ipa up = S2_IPA(5), at;

    (void)state;
    map_large(b, top - 0x1000, top);
    assert_true(s2_area_set_find(&b->set, S2_IPA(top - 1), NULL));
    assert_false(s2_area_set_find(&b->set, S2_IPA(top), NULL));
    assert_int_equal(bytes_map(b, top - 0x1000, 0x2000, 1, NEW), S2_ERANGE);
    assert_int_equal(s2_area_set_find_free(&b->set, S2_IPA(top), 0x1000, span(0, top), 1, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at.v, top - 0x2000);
    assert_false(s2_ipa_align_up(S2_IPA(UINT64_MAX), 0x1000, &up));
    assert_int_equal(up.v, 5);
    assert_false(s2_area_set_overlaps(&b->set, span(top - 0x800, top - 0x800), NULL));
    assert_false(s2_ipa_range_overlaps(span(0x1000, 0x2000), span(0x1800, 0x1800)));
    assert_int_equal(bytes_unmap(b, top - 0x1000, 0x1000), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 0);
    bytes_free(b);
}

/* --- the rest of the list ----------------------------------------------------------------------------------------- */

/* W10: a failed clear left areas recorded that were unmapped already. */
static void test_w10_refused_clear_clears_nothing(void **state)
{
    struct bytes *b = *state;

    for (unsigned k = 0; k < 4; k++)
        assert_int_equal(bytes_map(b, 0x2000 * k, 0x1000, 1, NEW), S2_OK);
    for (unsigned n = 1; n <= 4; n++) {
        struct before *was = remember(b);
        b->refuse_prepare = n;
        b->refuse_with = S2_EREFUSED;
        assert_int_equal(bytes_clear(b), S2_EREFUSED);
        assert_as_before(b, was);
    }
}

/* W11: all that went wrong was one bit. A backend's own code and story arrive; one without a story gets one. */
static void test_w11_errors_say_what_happened(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x2000, 0x2000, 1, NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x3000, 0x2000, 1, NEW), S2_EEXIST);
    assert_detail(b, S2_EEXIST, 0x3000, 0x5000, 0x2000, 0x4000);
    assert_string_equal(b->detail.what, "overlaps what is already there");

    b->refuse_prepare = 2; /* the removal; the cut comes first */
    b->refuse_with = S2_EPERM;
    assert_int_equal(bytes_unmap(b, 0x3000, 0x2000), S2_EPERM);
    assert_detail(b, S2_EPERM, 0x3000, 0x4000, 0x2000, 0x4000);
    assert_string_equal(b->detail.what, s2_err_phrase(S2_EPERM));

    b->refuse_told = true;
    assert_int_equal(bytes_unmap(b, 0x3000, 0x2000), S2_EPERM);
    assert_int_equal(b->detail.axis, S2_AXIS_PA);
    assert_string_equal(b->detail.what, "told to");

    b->refuse_prepare = 0;
    b->refuse_take = 1;
    b->refuse_told = false;
    b->refuse_with = S2_EFRAMES;
    assert_int_equal(bytes_map(b, 0x5000, 0x1000, 1, NEW), S2_EFRAMES);
    assert_detail(b, S2_EFRAMES, 0x5000, 0x6000, 0x5000, 0x6000);
    b->refuse_take = 0;
}

/* Never reached: with the map's nodes poisoned, an operation far from them cannot have looked at them. */
static void poison_leaves_beyond(struct bytes *b, uint64_t from, unsigned char *saved)
{
    memcpy(saved, b->mem, (size_t)BYTES_NODES * S2_NODE_BYTES);
    for (uint32_t i = 1; i < b->set.map.root.inner.count; i++) {
        if (b->set.map.root.inner.end[i - 1] < from)
            continue;
        memset(b->mem + (size_t)b->set.map.root.inner.child[i] * S2_NODE_BYTES, 0xee, S2_NODE_BYTES);
    }
}

/* W13: unmap scanned all areas, find_free went through them one by one. Here only the nodes on the way are read. */
static void test_w13_work_is_where_the_range_is(void **state)
{
    struct bytes *b = large(0, MIB(1024));
    struct calls calls = {0, 0x8000, 0xa000};
    unsigned char *saved = malloc((size_t)BYTES_NODES * S2_NODE_BYTES);
    struct s2_op op;
    s2_ipa at;

    (void)state;
    for (uint64_t k = 0; k < 200; k++)
        map_large(b, k * 0x2000, k * 0x2000 + 0x1000);
    assert_int_equal(b->set.map.height, 1);
    poison_leaves_beyond(b, 200 / 3 * 0x2000, saved);
    s2_op_begin(&op, NULL, NULL);
    assert_int_equal(s2_area_set_unmap(&b->set, &op, span(0x2000, 0x4000)), S2_OK);
    s2_op_begin(&op, NULL, NULL);
    assert_int_equal(s2_area_set_protect(&b->set, &op, span(0x8000, 0xa000), count_calls, &calls), S2_OK);
    assert_int_equal(calls.n, 2);
    /* Too big for any gap between areas: answered from the root, behind the last area. */
    assert_int_equal(
        s2_area_set_find_free(&b->set, S2_IPA(0x10000), 0x10000, span(0, MIB(1024)), 1, S2_FIT_LOWEST, &at), S2_OK);
    assert_int_equal(at.v, 199 * 0x2000 + 0x1000);
    for (uint32_t i = 1; i < b->set.map.root.inner.count; i++) {
        size_t node = (size_t)b->set.map.root.inner.child[i] * S2_NODE_BYTES;
        if (b->set.map.root.inner.end[i - 1] >= 200 / 3 * 0x2000)
            memcpy(b->mem + node, saved + node, S2_NODE_BYTES);
    }
    bytes_check(b);
    free(saved);
    bytes_free(b);
}

/* W14: memory was allocated in the middle of an operation. Here an operation that finds no node is refused before its
 * first edit, and one that needs none succeeds. */
static void test_w14_nodes_are_reserved_first(void **state)
{
    struct bytes *b = *state;
    s2_attr two = S2_ATTR(2);
    struct before *was;

    for (uint64_t k = 0; k < 16; k++)
        assert_int_equal(bytes_map(b, k * 0x2000, 0x1000, 1, NEW), S2_OK);
    assert_int_equal(b->set.map.nodes, 0);
    assert_int_equal(s2_pool_reserve(&b->pool, b->pool.free), S2_OK);
    was = remember(b);
    for (unsigned i = 0; i < 3; i++) {
        struct s2_area area = {.range = span(0x1400, 0x1800), .backend = &bytes_backend, .attr = S2_ATTR(1)};
        struct s2_op op;
        s2_op_begin(&op, NULL, &b->detail);
        assert_int_equal(i == 0   ? s2_area_set_map(&b->set, &op, &area, NEW)
                         : i == 1 ? s2_area_set_unmap(&b->set, &op, span(0x400, 0x800))
                                  : s2_area_set_protect(&b->set, &op, span(0x400, 0x800), bytes_set_to, &two),
                         S2_ENODES);
        assert_int_equal(b->detail.err, S2_ENODES);
    }
    assert_as_before(b, was);
    s2_pool_unreserve(&b->pool, b->pool.reserved);
    bytes_check(b);
    /* A pool of no nodes at all still serves 16 areas, and whole areas can always go. */
    s2_pool_init(&b->pool, b->mem, 0);
    assert_int_equal(bytes_unmap(b, 0x6000, 0x5000), S2_OK);
    assert_int_equal(bytes_unmap(b, 0x400, 0x400), S2_OK);
    assert_int_equal(bytes_map(b, 0x1000, 0x100, 1, NEW), S2_OK);
    s2_pool_init(&b->pool, b->mem, (size_t)BYTES_NODES * S2_NODE_BYTES);
    bytes_check_table(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_1_find_free_never_inside_an_area),
        cmocka_unit_test_setup_teardown(test_2_find_free_never_beyond_the_limit, setup, bytes_teardown),
        cmocka_unit_test(test_3_find_free_checks_its_arguments),
        cmocka_unit_test_setup_teardown(test_4_protect_of_nothing_changes_nothing, setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_5_refused_protect_keeps_both, setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_6_refused_replace_keeps_the_old, setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_7_to_9_refused_unmap_keeps_the_area, setup, bytes_teardown),
        cmocka_unit_test(test_10_update_sees_only_what_it_meets),
        cmocka_unit_test_setup_teardown(test_11_restored_areas_are_one_again, setup, bytes_teardown),
        cmocka_unit_test(test_12_the_top_of_the_address_space),
        cmocka_unit_test_setup_teardown(test_w10_refused_clear_clears_nothing, setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_w11_errors_say_what_happened, setup, bytes_teardown),
        cmocka_unit_test(test_w13_work_is_where_the_range_is),
        cmocka_unit_test_setup_teardown(test_w14_nodes_are_reserved_first, setup, bytes_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
