/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Whether the interval map's checks see damage: that of all, and that of what is near, which reads few nodes. */
#include "imap_row.h"

/* --- the check of all ---------------------------------------------------------------------------------------- */

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
    struct fixture *f = make(0, MIB(1), S2_IMAP_BYTES);
    struct s2_imap_inner *root = &f->map.root.inner, *inner;
    struct s2_imap_leaf *leaf;
    uint64_t first, second, last;

    (void)state;
    insert(f, 16, 20);
    damage(f->map.hi, 19, "an entry lies outside the limits");
    damage(f->map.lo, 17, "entries are out of order or overlap");
    damage(f->map.root.leaf.end[3], 99, "an unused slot looks used");
    damage(f->map.root.leaf.start[3], 99, "an unused slot looks used");
    damage(f->map.root.leaf.order, UINT64_C(0xfedcba9876543211), "a leaf's order names a slot twice");
    damage(f->map.root.leaf.count, 17, "a leaf has too many entries");
    damage(f->map.count, 2, "the count of entries is wrong");
    damage(f->map.height, S2_IMAP_HEIGHT + 1, "the tree is too high");
    s2_imap_erase(&f->map, 16);
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
    unmake(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_sees_damage),
        cmocka_unit_test(check_near_sees_damage),
        cmocka_unit_test(check_near_reads_few_nodes),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
