/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The interval map where it is rarely: alignments that it keeps no account of, the top of the keys, rooms too large to count,
 * edits that cross from leaf to leaf, how much fits in a pool. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <stage2/imap.h>

#include "base/pool.h"

#define NODES  256u
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define PAGE   0x1000ull

static const struct s2_imap_align leaves = {{12, 21, 30}};

struct fixture {
    struct s2_pool pool;
    struct s2_imap map;
    unsigned char *mem;
};

static struct fixture *make(uint64_t lo, uint64_t hi, struct s2_imap_align align)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->mem = aligned_alloc(64, (size_t)NODES * S2_NODE_BYTES);
    s2_pool_init(&f->pool, f->mem, (size_t)NODES * S2_NODE_BYTES);
    s2_imap_init(&f->map, &f->pool, lo, hi, align);
    return f;
}

static void unmake(struct fixture *f)
{
    assert_null(s2_imap_check(&f->map));
    s2_imap_clear(&f->map);
    assert_int_equal(f->pool.free, f->pool.count);
    free(f->mem);
    free(f);
}

static void insert(struct fixture *f, uint64_t start, uint64_t end)
{
    struct s2_ient e = {start, end, {{start, end, 0}}};

    s2_imap_insert(&f->map, &e);
    assert_null(s2_imap_check(&f->map));
}

static void expect_gap(const struct fixture *f, uint64_t size, uint64_t align, enum s2_fit fit, uint64_t want)
{
    uint64_t at = 0;

    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, size, align, fit, &at), S2_OK);
    assert_int_equal(at, want);
}

static void expect_none(const struct fixture *f, uint64_t size, uint64_t align)
{
    uint64_t at = 0;

    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, size, align, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(s2_imap_find_gap(&f->map, 0, UINT64_MAX, size, align, S2_FIT_HIGHEST, &at), S2_ENOENT);
    assert_int_equal(at, 0);
}

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

/* --- alignments without an account --------------------------------------------------------------------------------------------- */

enum { GAPS = 60, SIZE = 0x100 };

/* GAPS gaps of SIZE bytes that begin one byte off a multiple of SIZE, every 0x1000, then (and, from above, before them) one as
 * it is told; everything else is taken. */
static struct fixture *make_misaligned(uint64_t special, uint64_t bytes)
{
    struct fixture *f = make(0, 0x1000 * (GAPS + 2), S2_IMAP_BYTES);
    uint64_t before = 0;

    for (uint64_t i = 0; i < GAPS; i++) {
        uint64_t gap = 0x1000 * (i + 1) + 1;

        if (special == i) {
            insert(f, before, gap + 0x7ff);
            before = gap + 0x7ff + bytes;
        } else {
            insert(f, before, gap);
            before = gap + SIZE;
        }
    }
    insert(f, before, f->map.hi);
    return f;
}

/* A gap with the slack for every alignment is found from either end, however many disappoint first. */
static void a_gap_with_slack_is_found_behind_many(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < GAPS; at += 29) {
        struct fixture *f = make_misaligned(at, 2 * SIZE - 1);
        uint64_t gap = 0x1000 * (at + 1) + 0x800;

        expect_gap(f, SIZE, 1, S2_FIT_LOWEST, at == 0 ? 0x1800 : 0x1001);
        expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, gap);
        expect_gap(f, SIZE, SIZE, S2_FIT_HIGHEST, gap);
        unmake(f);
    }
}

/* One without is found too, when it is the only one that does; and none when there is none. */
static void a_gap_without_slack_is_found_last(void **state)
{
    struct fixture *f;

    (void)state;
    for (uint64_t at = 0; at < GAPS; at += 29) {
        f = make_misaligned(at, SIZE);
        expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, 0x1000 * (at + 1) + 0x800);
        expect_gap(f, SIZE, SIZE, S2_FIT_HIGHEST, 0x1000 * (at + 1) + 0x800);
        unmake(f);
    }
    f = make_misaligned(GAPS, 0);
    expect_none(f, SIZE, SIZE);
    expect_gap(f, SIZE, 1, S2_FIT_HIGHEST, 0x1000 * GAPS + 1);
    unmake(f);
}

/* After S2_IMAP_TRIES that disappoint, the lowest with slack is the answer, though one without lies before it. */
static void a_gap_with_slack_comes_before_one_without(void **state)
{
    const uint64_t without = 40, with = 50, gap = 0x1000 * (with + 1) + 1;
    struct fixture *f;

    (void)state;
    assert_true(without > S2_IMAP_TRIES && GAPS - with < S2_IMAP_TRIES);
    f = make_misaligned(without, SIZE);
    expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, 0x1000 * (without + 1) + 0x800);
    s2_imap_resize(&f->map, gap + SIZE, gap + 2 * SIZE - 1, gap + 0x1000);
    expect_gap(f, SIZE, SIZE, S2_FIT_LOWEST, gap + SIZE - 1);
    expect_gap(f, SIZE, SIZE, S2_FIT_HIGHEST, gap + SIZE - 1);
    unmake(f);
}

/* Between two of the alignments that there is an account of: gaps with room by the smaller of them. */
static void alignments_between_those_kept(void **state)
{
    struct fixture *f = make(0, MIB(1024), leaves);
    uint64_t before = 0;

    (void)state;
    for (uint64_t i = 1; i <= 50; i++) {
        uint64_t gap = MIB(16 * i) + KIB(64);

        insert(f, before, gap);
        before = gap + KIB(64);
    }
    insert(f, before, MIB(1024));
    expect_gap(f, KIB(64), KIB(64), S2_FIT_LOWEST, MIB(16) + KIB(64));
    expect_gap(f, KIB(64), KIB(64), S2_FIT_HIGHEST, MIB(16 * 50) + KIB(64));
    expect_none(f, KIB(64), KIB(128));
    expect_none(f, PAGE, MIB(2));
    expect_none(f, PAGE, MIB(1024));
    expect_none(f, PAGE, MIB(4096));
    s2_imap_resize(&f->map, MIB(16 * 30) + KIB(128), MIB(16 * 30) + KIB(192), MIB(16 * 31) + KIB(64));
    expect_gap(f, KIB(64), KIB(128), S2_FIT_LOWEST, MIB(16 * 30) + KIB(128));
    expect_gap(f, KIB(64), KIB(128), S2_FIT_HIGHEST, MIB(16 * 30) + KIB(128));
    unmake(f);
    /* In a root leaf, of which there is no account at all. */
    f = make(MIB(1), MIB(2), leaves);
    insert(f, MIB(1), MIB(1) + PAGE);
    insert(f, MIB(2) - PAGE, MIB(2));
    expect_none(f, PAGE, MIB(2));
    expect_none(f, PAGE, MIB(1024));
    expect_gap(f, PAGE, KIB(512), S2_FIT_LOWEST, MIB(1) + KIB(512));
    unmake(f);
}

/* --- the top of the keys ------------------------------------------------------------------------------------------------------- */

/* Behind the last multiple of an alignment there is none, though there is a gap. */
static void no_alignment_wraps_around(void **state)
{
    const uint64_t top = UINT64_MAX & ~(PAGE - 1), last = 0 - MIB(2);

    (void)state;
    for (unsigned n = 4; n <= 100; n += 96) {
        struct fixture *f = make(0 - MIB(64), top, leaves);

        for (uint64_t i = 0; i < n; i++)
            insert(f, last + 3 * PAGE * i + PAGE, last + 3 * PAGE * i + 2 * PAGE);
        expect_gap(f, 2 * PAGE, PAGE, S2_FIT_HIGHEST, top - 2 * PAGE);
        expect_gap(f, PAGE, MIB(2), S2_FIT_HIGHEST, last);
        expect_gap(f, 2 * PAGE, MIB(2), S2_FIT_HIGHEST, last - MIB(2));
        expect_gap(f, 2 * PAGE, MIB(2), S2_FIT_LOWEST, 0 - MIB(64));
        insert(f, 0 - MIB(64), last + PAGE);
        expect_none(f, PAGE, MIB(2));
        expect_none(f, PAGE, MIB(1024));
        expect_gap(f, 2 * PAGE, PAGE, S2_FIT_LOWEST, last + 2 * PAGE);
        unmake(f);
    }
}

/* Gaps of more units than are counted are told apart all the same. */
static void rooms_too_large_to_count(void **state)
{
    struct fixture *f = make(0, UINT64_MAX, S2_IMAP_BYTES);
    const uint64_t step = 1ull << 40;

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        insert(f, step * i, step * i + (i == 70 ? 1 : step / 2));
    expect_gap(f, step / 2, 1, S2_FIT_LOWEST, step / 2);
    expect_gap(f, step / 2 + 1, 1, S2_FIT_LOWEST, step * 70 + 1);
    expect_gap(f, step, 1, S2_FIT_LOWEST, step * 99 + step / 2);
    expect_gap(f, 1ull << 63, 1, S2_FIT_HIGHEST, UINT64_MAX - (1ull << 63));
    expect_gap(f, 1ull << 62, 1ull << 62, S2_FIT_HIGHEST, 2ull << 62);
    expect_none(f, 3ull << 62 | 1, 1ull << 62);
    unmake(f);
}

/* --- several entries at once ------------------------------------------------------------------------------------------------------- */

enum { STEP = 0x100, MOST = 4 };

/* Entries [STEP * i + 0x40, STEP * i + 0x80) for i < n, put in ascending or descending order, which fills leaves otherwise. */
static struct fixture *make_row(unsigned n, bool down)
{
    struct fixture *f = make(0, STEP * 2000, (struct s2_imap_align){{0, 6, 9}});

    for (uint64_t k = 0; k < n; k++) {
        uint64_t i = down ? n - 1 - k : k;
        struct s2_ient e = {STEP * i + 0x40, STEP * i + 0x80, {{i, 0, 0}}};

        s2_imap_insert(&f->map, &e);
    }
    return f;
}

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

/* --- the check of what is near ---------------------------------------------------------------------------------------------------- */

/* Four inner nodes of 416 entries in 26 leaves, the last one with less. */
enum { ENTRIES = 1500, PER_INNER = 416, LOW = 10, MIDDLE = PER_INNER + 200, HIGH = ENTRIES - 10 };

static const char *check_entry(const struct fixture *f, uint64_t i)
{
    return s2_imap_check_near(&f->map, STEP * i + 0x40, STEP * i + 0x80);
}

static struct s2_imap_inner *inner_of(struct fixture *f, unsigned slot)
{
    return s2_pool_node(&f->pool, f->map.root.inner.child[slot]);
}

static struct fixture *make_two_levels(void)
{
    struct fixture *f = make_row(ENTRIES, false);

    assert_int_equal(f->map.height, 2);
    assert_int_equal(f->map.root.inner.count, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(f->map.root.inner.end[i], STEP * ((i + 1) * PER_INNER - 1) + 0x80);
    assert_null(check_entry(f, LOW));
    assert_null(check_entry(f, MIDDLE));
    assert_null(check_entry(f, HIGH));
    return f;
}

/* Seen by who checks the middle, not by who checks far from there. */
#define damage_middle(lvalue, wrong, phrase)                                                                           \
    do {                                                                                                               \
        __typeof__(lvalue) was_ = (lvalue);                                                                            \
        (lvalue) = (wrong);                                                                                            \
        assert_non_null(check_entry(f, MIDDLE));                                                                       \
        assert_string_equal(check_entry(f, MIDDLE), phrase);                                                           \
        assert_null(check_entry(f, HIGH));                                                                             \
        (lvalue) = was_;                                                                                               \
        assert_null(check_entry(f, MIDDLE));                                                                           \
    } while (0)

static void check_near_sees_damage(void **state)
{
    struct fixture *f = make_two_levels();
    struct s2_imap_inner *inner = inner_of(f, 1);
    unsigned slot = (MIDDLE - PER_INNER) / S2_IMAP_LEAF;

    (void)state;
    /* In the leaf, and in those beside it, which an edit may have made one with it, or evened out. */
    for (unsigned i = slot - 1; i <= slot + 1; i++) {
        struct s2_imap_leaf *leaf = s2_pool_node(&f->pool, inner->child[i]);

        damage_middle(leaf->count, 5, "a leaf has too few entries");
        damage_middle(leaf->count, 17, "a leaf has too many entries");
        damage_middle(leaf->order, 0, "a leaf's order names a slot twice");
        damage_middle(leaf->end[3], leaf->start[3], "an entry is empty");
        damage_middle(leaf->start[3], leaf->end[2] - 1, "entries are out of order or overlap");
        damage_middle(leaf->start[3], leaf->start[3] + 1, "the most room under a child is not what its parent says");
        damage_middle(leaf->end[15], leaf->end[15] + 1, "a child's end is not what its parent says");
        damage_middle(inner->end[i], inner->end[i] + 1, "a child's end is not what its parent says");
        for (unsigned c = 0; c < S2_IMAP_ALIGNS; c++)
            damage_middle(inner->room[c][i], 1, "the most room under a child is not what its parent says");
        damage_middle(inner->child[i], NODES, "a child lies outside the pool");
    }
    /* On the way there. */
    damage_middle(inner->count, 7, "an inner node has too few children");
    damage_middle(inner->count, 29, "an inner node has too many children");
    damage_middle(inner->end[27], 1, "an unused slot looks used");
    assert_int_equal(f->map.root.inner.room[0][1], STEP - 0x40);
    f->map.root.inner.room[0][1]++;
    assert_string_equal(check_entry(f, MIDDLE), "the most room under a child is not what its parent says");
    f->map.root.inner.room[0][1]--;
    f->map.height = S2_IMAP_HEIGHT + 1;
    assert_string_equal(check_entry(f, MIDDLE), "the tree is too high");
    f->map.height = 2;
    /* Of what is far, the ends in nodes that are not. */
    f->map.root.inner.end[2] = f->map.root.inner.end[1];
    assert_string_equal(check_entry(f, LOW), "children are out of order");
    f->map.root.inner.end[2] = STEP * (3 * PER_INNER - 1) + 0x80;
    f->map.hi = STEP * (ENTRIES - 1ull);
    assert_string_equal(check_entry(f, LOW), "an entry lies outside the limits");
    f->map.hi = STEP * 2000ull;
    unmake(f);
}

static void poison(struct fixture *f, uint32_t node)
{
    memset(s2_pool_node(&f->pool, node), 0xee, S2_NODE_BYTES);
}

static void poison_under(struct fixture *f, unsigned slot)
{
    const struct s2_imap_inner *inner = inner_of(f, slot);

    for (unsigned i = 0; i < inner->count; i++)
        poison(f, inner->child[i]);
    poison(f, f->map.root.inner.child[slot]);
}

/* With all others poisoned, only these nodes can have been looked at. */
static void check_near_reads_few_nodes(void **state)
{
    static const unsigned beside = 4; /* leaves from that of the entry */
    struct fixture *f = make_two_levels();
    unsigned char *saved = malloc((size_t)NODES * S2_NODE_BYTES);

    (void)state;
    memcpy(saved, f->mem, (size_t)NODES * S2_NODE_BYTES);
    for (unsigned i = beside; i < inner_of(f, 0)->count; i++)
        poison(f, inner_of(f, 0)->child[i]);
    for (unsigned i = beside; i < inner_of(f, 1)->count; i++)
        poison(f, inner_of(f, 1)->child[i]);
    poison(f, inner_of(f, 1)->child[0]);
    poison_under(f, 2);
    poison_under(f, 3);
    assert_null(check_entry(f, LOW));
    memcpy(f->mem, saved, (size_t)NODES * S2_NODE_BYTES);

    poison_under(f, 0);
    poison_under(f, 1);
    for (unsigned i = 0; i + beside < inner_of(f, 2)->count; i++)
        poison(f, inner_of(f, 2)->child[i]);
    for (unsigned i = 0; i + beside < inner_of(f, 3)->count; i++)
        poison(f, inner_of(f, 3)->child[i]);
    assert_null(check_entry(f, HIGH));
    memcpy(f->mem, saved, (size_t)NODES * S2_NODE_BYTES);
    free(saved);
    unmake(f);
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
        cmocka_unit_test(lookups_need_not_tell),
        cmocka_unit_test(a_gap_with_slack_is_found_behind_many),
        cmocka_unit_test(a_gap_without_slack_is_found_last),
        cmocka_unit_test(a_gap_with_slack_comes_before_one_without),
        cmocka_unit_test(alignments_between_those_kept),
        cmocka_unit_test(no_alignment_wraps_around),
        cmocka_unit_test(rooms_too_large_to_count),
        cmocka_unit_test(some_entries_give_way_to_others),
        cmocka_unit_test(nearly_all_entries_go_at_once),
        cmocka_unit_test(what_fits_in_the_root_takes_no_node),
        cmocka_unit_test(check_near_sees_damage),
        cmocka_unit_test(check_near_reads_few_nodes),
        cmocka_unit_test(what_fits_is_let_in),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
