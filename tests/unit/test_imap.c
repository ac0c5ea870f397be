/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The interval map against a sorted array, its node budget, its gap search, and whether its check sees damage. */
#include "unit.h"

#include <string.h>

#include <stage2/imap.h>

#include "base/pool.h"

#define NODES 4096u
#define MOST  20000u

struct fixture {
    struct s2_pool pool;
    struct s2_imap map;
    unsigned char *mem;
    struct s2_ient *ref; /* what the map must hold, in order */
    size_t count;
    uint64_t seed;
};

static uint64_t next_random(struct fixture *f)
{
    f->seed ^= f->seed << 13;
    f->seed ^= f->seed >> 7;
    f->seed ^= f->seed << 17;
    return f->seed;
}

static uint64_t below(struct fixture *f, uint64_t n)
{
    return next_random(f) % n;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->mem = aligned_alloc(64, (size_t)NODES * S2_NODE_BYTES);
    f->ref = calloc(MOST, sizeof(*f->ref));
    f->seed = 0x9e3779b97f4a7c15u;
    s2_pool_init(&f->pool, f->mem, (size_t)NODES * S2_NODE_BYTES);
    s2_imap_init(&f->map, &f->pool, 0, 1u << 20, S2_IMAP_BYTES);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    s2_imap_clear(&f->map);
    assert_int_equal(f->map.nodes, 0);
    assert_int_equal(f->pool.free, f->pool.count);
    assert_null(s2_imap_check(&f->map));
    free(f->mem);
    free(f->ref);
    free(f);
    return 0;
}

/* --- the map and the array, edited alike -------------------------------------------------------------------------- */

static size_t ref_from(const struct fixture *f, uint64_t key)
{
    size_t lo = 0, hi = f->count;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (f->ref[mid].end > key)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static struct s2_ival value(uint64_t start, uint64_t salt)
{
    return (struct s2_ival){{start, ~start, salt}};
}

static void insert(struct fixture *f, uint64_t start, uint64_t end)
{
    size_t at = ref_from(f, start);
    struct s2_ient e = {start, end, value(start, end)};
    uint32_t need = s2_imap_need(&f->map, 1), before = f->map.nodes;

    assert_true(f->count < MOST);
    memmove(&f->ref[at + 1], &f->ref[at], (f->count - at) * sizeof(e));
    f->ref[at] = e;
    f->count++;
    s2_imap_insert(&f->map, &e);
    assert_true(f->map.nodes - before <= need);
}

static void erase(struct fixture *f, size_t at)
{
    s2_imap_erase(&f->map, f->ref[at].start);
    f->count--;
    memmove(&f->ref[at], &f->ref[at + 1], (f->count - at) * sizeof(f->ref[0]));
}

static void resize(struct fixture *f, size_t at, uint64_t start, uint64_t end)
{
    s2_imap_resize(&f->map, f->ref[at].start, start, end);
    f->ref[at].start = start;
    f->ref[at].end = end;
}

static void assert_entry(bool found, const struct s2_ient *e, const struct s2_ient *want)
{
    assert_int_equal(found, want != NULL);
    if (want)
        assert_memory_equal(e, want, sizeof(*e));
}

static bool collect(void *arg, const struct s2_ient *e)
{
    struct fixture *f = arg;
    size_t at = ref_from(f, e->start);

    assert_memory_equal(e, &f->ref[at], sizeof(*e));
    f->seed++; /* counts the calls; any change will do for a seed */
    return true;
}

/* Every lookup at one key. */
static void compare_at(struct fixture *f, uint64_t key)
{
    size_t at = ref_from(f, key), n = at;
    const struct s2_ient *from = at < f->count ? &f->ref[at] : NULL;
    struct s2_ient e;

    assert_entry(s2_imap_find_from(&f->map, key, &e), &e, from);
    assert_entry(s2_imap_find(&f->map, key, &e), &e, from && from->start <= key ? from : NULL);
    n += from && from->start < key;
    assert_entry(s2_imap_find_below(&f->map, key, &e), &e, n > 0 ? &f->ref[n - 1] : NULL);
    assert_int_equal(s2_imap_find(&f->map, key, NULL), from && from->start <= key);
}

static void compare_all(struct fixture *f)
{
    uint64_t key = 0, calls = f->seed;
    struct s2_ient e;

    assert_null(s2_imap_check(&f->map));
    assert_int_equal(f->map.count, f->count);
    for (size_t i = 0; i < f->count; i++, key = e.end) {
        assert_true(s2_imap_find_from(&f->map, key, &e));
        assert_memory_equal(&e, &f->ref[i], sizeof(e));
    }
    assert_false(s2_imap_find_from(&f->map, key, &e) && f->count > 0);
    compare_at(f, UINT64_MAX);
    compare_at(f, 0);
    s2_imap_walk(&f->map, 0, UINT64_MAX, collect, f);
    assert_int_equal(f->seed - calls, f->count);
}

/* --- gaps, the plain way ------------------------------------------------------------------------------------------ */

static bool fit_in(uint64_t start, uint64_t end, uint64_t size, uint64_t align, enum s2_fit fit, uint64_t *out)
{
    uint64_t at;

    if (end <= start || end - start < size)
        return false;
    at = fit == S2_FIT_LOWEST ? (start + align - 1) / align * align : (end - size) / align * align;
    if (at < start || at + size > end)
        return false;
    *out = at;
    return true;
}

static bool naive_gap(const struct fixture *f, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align, enum s2_fit fit,
                      uint64_t *out)
{
    for (size_t k = 0; k <= f->count; k++) {
        size_t i = fit == S2_FIT_LOWEST ? k : f->count - k;
        uint64_t start = i > 0 ? f->ref[i - 1].end : f->map.lo, end = i < f->count ? f->ref[i].start : f->map.hi;

        if (fit_in(start > lo ? start : lo, end < hi ? end : hi, size, align, fit, out))
            return true;
    }
    return false;
}

static void compare_gap(struct fixture *f, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align)
{
    for (enum s2_fit fit = S2_FIT_LOWEST; fit <= S2_FIT_HIGHEST; fit++) {
        uint64_t want = 0, got = 0;
        bool there = naive_gap(f, lo, hi, size, align, fit, &want);

        assert_int_equal(s2_imap_find_gap(&f->map, lo, hi, size, align, fit, &got), there ? S2_OK : S2_ENOENT);
        assert_int_equal(got, want);
    }
}

static void compare_some_gaps(struct fixture *f)
{
    uint64_t span = f->map.hi + 64, lo = below(f, span), hi = lo + 1 + below(f, span), size = 1 + below(f, 40);

    compare_gap(f, lo, hi, size, 1ull << below(f, 8));
    compare_gap(f, 0, UINT64_MAX, size, 1ull << below(f, 4));
    compare_gap(f, 0, UINT64_MAX, 1 + below(f, 4096), 1ull << below(f, 12));
}

/* --- random edits ------------------------------------------------------------------------------------------------- */

static void random_insert(struct fixture *f)
{
    uint64_t start = below(f, f->map.hi), size = 1 + below(f, 48);
    size_t at = ref_from(f, start);
    uint64_t limit = at < f->count ? f->ref[at].start : f->map.hi;

    if (limit > start)
        insert(f, start, size < limit - start ? start + size : limit);
}

static void random_resize(struct fixture *f)
{
    size_t at;
    uint64_t lo, hi, start;

    if (f->count == 0)
        return;
    at = below(f, f->count);
    lo = at > 0 ? f->ref[at - 1].end : f->map.lo;
    hi = at + 1 < f->count ? f->ref[at + 1].start : f->map.hi;
    start = lo + below(f, hi - lo);
    resize(f, at, start, start + 1 + below(f, hi - start));
}

static void random_set(struct fixture *f)
{
    size_t at;

    if (f->count == 0)
        return;
    at = below(f, f->count);
    f->ref[at].val = value(next_random(f), next_random(f));
    s2_imap_set(&f->map, f->ref[at].start, &f->ref[at].val);
}

/* `grow` of 16 steps insert: it swings so that the tree is built up and taken down again. */
static void random_steps(struct fixture *f, unsigned steps, unsigned grow, unsigned look_every)
{
    for (unsigned i = 0; i < steps; i++) {
        uint64_t dice = below(f, 16);

        if (dice == 0)
            random_resize(f);
        else if (dice == 1)
            random_set(f);
        else if (dice - 2 < grow)
            random_insert(f);
        else if (f->count > 0)
            erase(f, below(f, f->count));
        compare_at(f, below(f, f->map.hi + 10));
        if (i % look_every == 0) {
            assert_null(s2_imap_check(&f->map));
            compare_some_gaps(f);
        }
    }
    compare_all(f);
}

static void test_random_small(void **state)
{
    struct fixture *f = *state;

    for (unsigned round = 0; round < 40; round++) {
        random_steps(f, 60, 12, 1);
        random_steps(f, 60, 2, 1);
    }
}

static void test_random_large(void **state)
{
    struct fixture *f = *state;

    random_steps(f, 12000, 13, 64);
    assert_true(f->map.height >= 3);
    random_steps(f, 6000, 7, 16);
    random_steps(f, 12000, 1, 64);
    while (f->count > 0)
        erase(f, below(f, f->count));
    compare_all(f);
    assert_int_equal(f->map.height, 0);
    assert_int_equal(f->map.nodes, 0);
}

static void test_ascending_then_descending(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 3000; i++)
        insert(f, i * 4, i * 4 + 3);
    compare_all(f);
    /* Runs leave nodes two thirds full, not half: 11 of 16 entries, 17 of 24 children. */
    assert_true(f->map.nodes <= 3000 / 11 + 3000 / 11 / 16 + 3);
    for (size_t i = 3000; i > 0; i--)
        erase(f, i - 1);
    compare_all(f);
    for (uint64_t i = 3000; i > 0; i--)
        insert(f, i * 4, i * 4 + 3);
    compare_all(f);
    assert_true(f->map.nodes <= 3000 / 11 + 3000 / 11 / 16 + 3);
    while (f->count > 0)
        erase(f, 0);
    compare_all(f);
}

static void test_touching_entries_leave_no_gap(void **state)
{
    struct fixture *f = *state;
    uint64_t at;

    s2_imap_init(&f->map, &f->pool, 0, 1000 * 16, S2_IMAP_BYTES);
    for (uint64_t i = 0; i < 1000; i++)
        insert(f, ((i * 7) % 1000) * 16, ((i * 7) % 1000) * 16 + 16);
    compare_all(f);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, 1, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    resize(f, 613, 613 * 16 + 5, 613 * 16 + 16);
    resize(f, 612, 612 * 16, 612 * 16 + 15);
    compare_gap(f, 0, UINT64_MAX, 6, 1);
    compare_gap(f, 0, UINT64_MAX, 7, 1);
    compare_gap(f, 0, UINT64_MAX, 4, 4);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, 6, 1, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at, 612 * 16 + 15);
}

/* --- limits and errors -------------------------------------------------------------------------------------------- */

static void test_top_of_the_keys(void **state)
{
    struct fixture *f = *state;
    struct s2_ient e;
    uint64_t at;

    s2_imap_init(&f->map, &f->pool, 0, UINT64_MAX, S2_IMAP_BYTES);
    insert(f, UINT64_MAX - 1, UINT64_MAX);
    insert(f, 0, 1);
    compare_all(f);
    assert_true(s2_imap_find(&f->map, UINT64_MAX - 1, &e));
    assert_false(s2_imap_find(&f->map, UINT64_MAX, &e));
    assert_false(s2_imap_find_from(&f->map, UINT64_MAX, &e));
    assert_true(s2_imap_find_below(&f->map, UINT64_MAX, &e));
    assert_int_equal(e.start, UINT64_MAX - 1);
    assert_false(s2_imap_find_below(&f->map, 0, &e));
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, UINT64_MAX - 2, 1, S2_FIT_LOWEST, &at), S2_OK);
    assert_int_equal(at, 1);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, UINT64_MAX - 1, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    /* Aligning up from near the top must not come round to 0. */
    erase(f, 1);
    assert_int_equal(s2_imap_find_gap(&f->map, UINT64_MAX - 8, UINT64_MAX, 1, 1ull << 63, S2_FIT_LOWEST, &at),
                     S2_ENOENT);
    assert_int_equal(s2_imap_find_gap(&f->map, UINT64_MAX - 8, UINT64_MAX, 1, 1ull << 63, S2_FIT_HIGHEST, &at),
                     S2_ENOENT);
    assert_int_equal(s2_imap_find_gap(&f->map, 2, UINT64_MAX, 1, 1ull << 63, S2_FIT_LOWEST, &at), S2_OK);
    assert_int_equal(at, 1ull << 63);
}

static void test_gap_arguments(void **state)
{
    struct fixture *f = *state;
    uint64_t at = 77;

    assert_int_equal(s2_imap_find_gap(&f->map, 0, 100, 0, 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_imap_find_gap(&f->map, 100, 100, 1, 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_imap_find_gap(&f->map, 101, 100, 1, 1, S2_FIT_HIGHEST, &at), S2_EINVAL);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, 100, 1, 0, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, 100, 1, 3, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_imap_find_gap(&f->map, 1u << 20, 1u << 21, 1, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(at, 77);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, 1u << 20, 1, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at, 0);
}

static void test_overlaps(void **state)
{
    struct fixture *f = *state;
    struct s2_ient e;

    insert(f, 0x1000, 0x2000);
    assert_true(s2_imap_overlaps(&f->map, 0x1fff, 0x3000, &e));
    assert_int_equal(e.start, 0x1000);
    assert_true(s2_imap_overlaps(&f->map, 0, 0x1001, NULL));
    assert_false(s2_imap_overlaps(&f->map, 0x2000, 0x3000, &e));
    assert_false(s2_imap_overlaps(&f->map, 0, 0x1000, &e));
    assert_false(s2_imap_overlaps(&f->map, 0x1800, 0x1800, &e));
    assert_false(s2_imap_overlaps(&f->map, 0x1900, 0x1800, &e));
}

struct stop {
    unsigned calls, after;
};

static bool stop_after(void *arg, const struct s2_ient *e)
{
    struct stop *s = arg;

    (void)e;
    return ++s->calls < s->after;
}

static void test_walk_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct stop s = {0, 5};

    for (uint64_t i = 0; i < 500; i++)
        insert(f, i * 16, i * 16 + 8);
    s2_imap_walk(&f->map, 0, UINT64_MAX, stop_after, &s);
    assert_int_equal(s.calls, 5);
    s = (struct stop){0, 1000};
    s2_imap_walk(&f->map, 0x107, 0x140, stop_after, &s); /* 0x100 ends at 0x108; 0x140 starts where the range ends */
    assert_int_equal(s.calls, 4);
    s = (struct stop){0, 1000};
    s2_imap_walk(&f->map, 0x108, 0x110, stop_after, &s);
    s2_imap_walk(&f->map, 0x100, 0x100, stop_after, &s);
    s2_imap_walk(&f->map, 500 * 16, UINT64_MAX, stop_after, &s);
    s2_imap_walk(&f->map, UINT64_MAX, UINT64_MAX, stop_after, &s);
    assert_int_equal(s.calls, 0);
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

static void test_need_is_reached_and_never_passed(void **state)
{
    struct fixture *f = *state;
    bool reached[3] = {false};
    uint32_t taken = 0;

    for (uint64_t i = 0; i < 16; i++) {
        assert_int_equal(s2_imap_need(&f->map, 1), 0);
        insert(f, i * 8, i * 8 + 4);
    }
    assert_int_equal(f->map.nodes, 0);
    assert_int_equal(s2_imap_need(&f->map, 0), 0);
    assert_int_equal(s2_imap_need(&f->map, 1), 2);
    for (uint64_t i = 16; i < 13000; i++) {
        uint32_t height = f->map.height, need = s2_imap_need(&f->map, 1), before = f->map.nodes;

        assert_int_equal(need, height + 2);
        insert(f, i * 8, i * 8 + 4);
        taken = f->map.nodes - before;
        assert_true(taken <= need);
        if (taken == need)
            reached[height] = true;
    }
    assert_true(reached[0] && reached[1] && reached[2]);
}

/* Batches of insertions with erasures between; what they take in all, never counting what comes back, fits in what
 * s2_imap_need promised at the start of the batch. */
static void test_need_covers_batches(void **state)
{
    struct fixture *f = *state;

    for (unsigned round = 0; round < 3000; round++) {
        uint32_t batch = (uint32_t)below(f, 60), need = s2_imap_need(&f->map, batch), taken = 0;
        uint32_t alone = s2_imap_need_alone(&f->map, batch), nodes = f->map.nodes;

        for (uint32_t i = 0; i < batch; i++) {
            uint32_t before;

            while (f->count > 0 && below(f, 16) < (round / 100 % 2 ? 9 : 4))
                erase(f, below(f, f->count));
            before = f->map.nodes;
            random_insert(f);
            taken += f->map.nodes - before;
            assert_true(f->map.nodes <= nodes + alone);
        }
        assert_true(taken <= need);
    }
    compare_all(f);
    assert_int_equal(s2_imap_need(&f->map, UINT32_MAX), UINT32_MAX);
    assert_in_range(s2_imap_need_alone(&f->map, UINT32_MAX), UINT32_MAX / 6, UINT32_MAX / 5);
}

static void test_pool(void **state)
{
    _Alignas(64) static unsigned char mem[5 * S2_NODE_BYTES + 17];
    struct s2_pool pool;
    uint32_t node;

    (void)state;
    s2_pool_init(&pool, NULL, 0);
    assert_int_equal(s2_pool_reserve(&pool, 0), S2_OK);
    assert_int_equal(s2_pool_reserve(&pool, 1), S2_ENODES);
    assert_null(s2_pool_check(&pool));
    s2_pool_init(&pool, mem, sizeof(mem));
    assert_int_equal(pool.count, 5);
    assert_int_equal(s2_pool_reserve(&pool, 6), S2_ENODES);
    assert_int_equal(s2_pool_reserve(&pool, 3), S2_OK);
    assert_int_equal(s2_pool_reserve(&pool, 3), S2_ENODES);
    assert_int_equal(s2_pool_reserve(&pool, 2), S2_OK);
    /* A promise stays whole while its nodes are taken: nobody else gets one. */
    node = s2_pool_take(&pool);
    assert_int_equal(node, 0);
    assert_int_equal(s2_pool_reserve(&pool, 0), S2_ENODES);
    assert_int_equal(s2_pool_take(&pool), 1);
    s2_pool_unreserve(&pool, 5);
    assert_int_equal(s2_pool_reserve(&pool, 4), S2_ENODES);
    assert_int_equal(s2_pool_reserve(&pool, 3), S2_OK);
    s2_pool_unreserve(&pool, 3);
    s2_pool_give(&pool, 1);
    s2_pool_give(&pool, 0);
    assert_null(s2_pool_check(&pool));
    assert_int_equal(pool.free, 5);
    pool.free = 4;
    assert_string_equal(s2_pool_check(&pool), "the free list is longer than its count");
    pool.free = 6;
    assert_string_equal(s2_pool_check(&pool), "the free list is shorter than its count");
    pool.free = 5;
    pool.count = 4;
    assert_string_equal(s2_pool_check(&pool), "a free node lies outside the pool");
}

/* --- the check sees damage ---------------------------------------------------------------------------------------- */

#define damage(lvalue, wrong, phrase)                                                                                  \
    do {                                                                                                               \
        __typeof__(lvalue) was_ = (lvalue);                                                                            \
        (lvalue) = (wrong);                                                                                            \
        assert_non_null(s2_imap_check(&f->map));                                                                       \
        assert_string_equal(s2_imap_check(&f->map), phrase);                                                           \
        (lvalue) = was_;                                                                                               \
        assert_null(s2_imap_check(&f->map));                                                                           \
    } while (0)

static void test_check_sees_damage(void **state)
{
    struct fixture *f = *state;
    struct s2_imap_inner *root = &f->map.root.inner, *inner;
    struct s2_imap_leaf *leaf;
    uint64_t first, second, last;

    insert(f, 16, 20);
    damage(f->map.hi, 19, "an entry lies outside the limits");
    damage(f->map.lo, 17, "entries are out of order or overlap");
    damage(f->map.root.leaf.end[3], 99, "an unused slot looks used");
    damage(f->map.root.leaf.start[3], 99, "an unused slot looks used");
    damage(f->map.root.leaf.order, UINT64_C(0xfedcba9876543211), "a leaf's order names a slot twice");
    damage(f->map.root.leaf.count, 17, "a leaf has too many entries");
    damage(f->map.count, 2, "the count of entries is wrong");
    damage(f->map.height, S2_IMAP_HEIGHT + 1, "the tree is too high");
    erase(f, 0);
    for (uint64_t i = 1; i < 1500; i++)
        insert(f, i * 16, i * 16 + 4);
    assert_int_equal(f->map.height, 2);
    inner = s2_pool_node(&f->pool, root->child[1]);
    leaf = s2_pool_node(&f->pool, inner->child[2]);
    first = leaf->order & 15u;
    second = leaf->order >> 4 & 15u;
    last = leaf->order >> 4 * (leaf->count - 1u) & 15u;
    damage(leaf->count, 5, "a leaf has too few entries");
    damage(leaf->end[first], leaf->start[first], "an entry is empty");
    damage(leaf->start[second], leaf->end[first] - 1, "entries are out of order or overlap");
    damage(leaf->start[second], leaf->start[second] + 1, "the most room under a child is not what its parent says");
    damage(leaf->end[last], leaf->end[last] + 1, "a child's end is not what its parent says");
    damage(inner->count, 29, "an inner node has too many children");
    damage(inner->count, 7, "an inner node has too few children");
    damage(inner->room[0][2], 5, "the most room under a child is not what its parent says");
    damage(inner->room[2][2], 5, "the most room under a child is not what its parent says");
    damage(inner->child[2], NODES, "a child lies outside the pool");
    damage(inner->end[27], 1, "an unused slot looks used");
    damage(f->map.nodes, 1, "the count of nodes is wrong");
    damage(f->pool.free, 1, "the free list is longer than its count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_small, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ascending_then_descending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_touching_entries_leave_no_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_top_of_the_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gap_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overlaps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_need_is_reached_and_never_passed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_need_covers_batches, setup, teardown),
        cmocka_unit_test(test_pool),
        cmocka_unit_test_setup_teardown(test_check_sees_damage, setup, teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
