/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* All or nothing: each call of a backend's prepare and take is refused in turn, and the pool offers each number of nodes
 * that is too small, in every kind of operation, on small and on large sets. Afterwards the set, its nodes, the pool,
 * the page table and what the backend holds are bit for bit what they were, and the error is the one that was given. */
#include "area_bytes.h"

struct sight {
    struct s2_area_set set;
    struct s2_pool pool;
    uint8_t pt[BYTES];
    unsigned char mem[BYTES_NODES * S2_NODE_BYTES];
};

static void look(const struct bytes *b, struct sight *s)
{
    s->set = b->set;
    s->pool = b->pool;
    memcpy(s->pt, b->pt, BYTES);
    memcpy(s->mem, b->mem, sizeof(s->mem));
}

static void assert_unchanged(const struct bytes *b, const struct sight *s)
{
    assert_memory_equal(&b->set, &s->set, sizeof(b->set));
    assert_memory_equal(&b->pool, &s->pool, sizeof(b->pool));
    assert_memory_equal(b->pt, s->pt, BYTES);
    assert_memory_equal(b->mem, s->mem, sizeof(s->mem));
    assert_int_equal(b->holding, 0);
}

/* --- the operations ----------------------------------------------------------------------------------------------- */

/* `n` areas of 0x40 every 0x80 from 0x100 on, in turn with attribute 1 and 2. */
struct scene {
    const char *name;
    enum { MAP, REPLACE, SWAP, EXTEND, UNMAP, EXPECTED, RENAME, PROTECT, CLEAR } kind;
    uint64_t start, end;
    unsigned prepares, takes; /* how many calls it has */
    uint32_t inserts;         /* for how many new entries it reserves nodes */
};

static const struct scene scenes[] = {
    {"map in a hole", MAP, 0x150, 0x160, 1, 1, 1},
    {"map beside an equal one", MAP, 0x140, 0x160, 2, 2, 0},
    {"map between two, equal to one", MAP, 0x140, 0x180, 2, 2, 0},
    {"replace the middle of one", REPLACE, 0x190, 0x1a0, 4, 4, 2},
    {"replace the middle by the same", REPLACE, 0x110, 0x120, 6, 6, 0},
    {"replace over three", REPLACE, 0x120, 0x220, 8, 8, 0},
    {"replace over whole ones", REPLACE, 0x100, 0x240, 4, 4, 0},
    {"swap the middle of one", SWAP, 0x190, 0x1a0, 4, 4, 2},
    {"swap a whole one", SWAP, 0x180, 0x1c0, 2, 2, 0},
    {"extend up", EXTEND, 0x100, 0x160, 2, 2, 0},
    {"extend at both ends", EXTEND, 0xf0, 0x150, 4, 4, 0},
    {"unmap what is expected", EXPECTED, 0x180, 0x1c0, 1, 1, 0},
    {"rename", RENAME, 0x180, 0x1c0, 0, 0, 0},
    {"unmap a hole", UNMAP, 0x140, 0x180, 0, 0, 0},
    {"unmap the middle of one", UNMAP, 0x110, 0x120, 3, 3, 1},
    {"unmap a head", UNMAP, 0xc0, 0x120, 2, 2, 0},
    {"unmap a tail", UNMAP, 0x120, 0x160, 2, 2, 0},
    {"unmap over three", UNMAP, 0x120, 0x220, 5, 5, 0},
    {"unmap whole ones", UNMAP, 0x100, 0x300, 4, 4, 0},
    {"protect the middle of one", PROTECT, 0x110, 0x120, 3, 0, 2},
    {"protect over three", PROTECT, 0x120, 0x220, 5, 0, 2},
    {"protect a head", PROTECT, 0xe0, 0x110, 2, 0, 1},
    {"protect a tail", PROTECT, 0x130, 0x150, 2, 0, 1},
    {"protect a whole one", PROTECT, 0x100, 0x140, 1, 0, 0},
    {"clear", CLEAR, 0, BYTES, 0, 0, 0}, /* one call for each area */
};

static const enum s2_area_op documented[] = {
    [MAP] = S2_AREA_OP_MAP,       [REPLACE] = S2_AREA_OP_REPLACE, [SWAP] = S2_AREA_OP_SWAP,
    [EXTEND] = S2_AREA_OP_EXTEND, [UNMAP] = S2_AREA_OP_UNMAP,     [EXPECTED] = S2_AREA_OP_EXPECTED,
    [RENAME] = S2_AREA_OP_RENAME, [PROTECT] = S2_AREA_OP_PROTECT, [CLEAR] = S2_AREA_OP_CLEAR,
};

static bool other_attr(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    attr->bits = 3 - attr->bits;
    return true;
}

static enum s2_err bytes_unmap_unchecked(struct bytes *b, uint64_t start, uint64_t size)
{
    struct s2_op op;

    bytes_start(b, &op);
    return s2_area_set_unmap(&b->set, &op, span(start, start + size));
}

static enum s2_err act(struct bytes *b, const struct scene *s)
{
    struct s2_area area = {.range = span(s->start, s->end), .backend = &bytes_backend, .attr = S2_ATTR(1)};
    struct s2_op op;
    enum s2_err err = S2_OK;

    bytes_start(b, &op);
    switch (s->kind) {
    case MAP:
        err = s2_area_set_map(&b->set, &op, &area, S2_MAP_NEW);
        break;
    case REPLACE:
        err = s2_area_set_map(&b->set, &op, &area, S2_MAP_REPLACE);
        break;
    case SWAP:
        err = s2_area_set_swap(&b->set, &op, &area, &bytes_backend);
        break;
    case EXTEND:
        err = s2_area_set_extend(&b->set, &op, S2_IPA(0x100), area.range);
        break;
    case EXPECTED:
        area.attr = S2_ATTR(2);
        err = s2_area_set_unmap_expected(&b->set, &op, &area);
        break;
    case RENAME:
        err = s2_area_set_rename(&b->set, &op, area.range.start, 9);
        break;
    case UNMAP:
        err = s2_area_set_unmap(&b->set, &op, area.range);
        break;
    case PROTECT:
        err = s2_area_set_protect(&b->set, &op, area.range, other_attr, NULL);
        break;
    case CLEAR:
        err = s2_area_set_clear(&b->set, &op);
        break;
    }
    return err;
}

static struct bytes *build(unsigned areas)
{
    struct bytes *b = bytes_new(0, BYTES, 1);

    for (unsigned i = 0; i < areas; i++)
        assert_int_equal(bytes_map(b, 0x100 + i * 0x80, 0x40, 1 + i % 2, S2_MAP_NEW), S2_OK);
    return b;
}

/* --- what fails --------------------------------------------------------------------------------------------------- */

static void each_call(struct bytes *b, const struct scene *s, struct sight *was, unsigned *refuse, unsigned calls)
{
    static const enum s2_err codes[] = {S2_EREFUSED, S2_EPERM, S2_EFRAMES, S2_EBUSY};

    for (unsigned n = 1; n <= calls; n++) {
        b->refuse_with = codes[n % 4];
        b->refuse_told = n % 3 == 0;
        *refuse = n;
        look(b, was);
        assert_int_equal(act(b, s), b->refuse_with);
        assert_int_equal(b->detail.err, b->refuse_with);
        assert_int_equal(strcmp(b->detail.what, "told to") == 0, b->refuse_told);
        assert_unchanged(b, was);
    }
    *refuse = 0;
}

/* Offers 0, 1, 2, ... nodes until the operation is content; returns with how many that was. */
static uint32_t each_node(struct bytes *b, const struct scene *s, struct sight *was)
{
    for (uint32_t offer = 0;; offer++) {
        uint32_t held = b->pool.free - offer;
        enum s2_err err;

        assert_int_equal(s2_pool_reserve(&b->pool, held), S2_OK);
        look(b, was);
        err = act(b, s);
        if (err) {
            assert_int_equal(err, S2_ENODES);
            assert_int_equal(b->detail.err, S2_ENODES);
            assert_int_equal(b->takes, 0); /* nothing is taken before the reservation stands */
            assert_unchanged(b, was);
        }
        s2_pool_unreserve(&b->pool, held);
        if (!err)
            return offer;
    }
}

static void fail_everywhere(const struct scene *s, unsigned areas)
{
    struct sight *was = malloc(sizeof(*was));
    struct bytes *b = build(areas);
    unsigned prepares = s->kind == CLEAR ? areas : s->prepares, takes = s->kind == CLEAR ? areas : s->takes;
    uint32_t need = s2_imap_need(&b->set.map, s->inserts);

    each_call(b, s, was, &b->refuse_prepare, prepares);
    each_call(b, s, was, &b->refuse_take, takes);
    assert_true(need <= s2_area_set_need(&b->set, documented[s->kind]));
    assert_int_equal(each_node(b, s, was), need);
    assert_int_equal(b->prepares, prepares); /* so that each of them has been refused above */
    assert_int_equal(b->takes, takes);
    bytes_check(b);
    bytes_check_table(b);
    bytes_free(b);
    free(was);
}

static void test_every_failure(void **state)
{
    static const unsigned sizes[] = {4, 15, 16, 17, 100, 400};

    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
            fail_everywhere(&scenes[i], sizes[k]);
}

/* --- nodes kept for unmaps ------------------------------------------------------------------------------------------ */

/* A set whose next hole splits a full leaf, and a pool with nothing in it but what the set keeps. Returns what is held. */
static uint32_t empty_pool(struct bytes *b)
{
    uint32_t held = b->pool.free - b->pool.reserved;

    assert_int_equal(s2_pool_reserve(&b->pool, held), S2_OK);
    return held;
}

/* Holes go on as long as what is kept, then S2_ECUT and nothing has changed; what needs none goes on, and so do holes, once
 * the pool has nodes again. */
static void holes_with_an_empty_pool(struct bytes *b, struct sight *was, unsigned areas)
{
    uint32_t held = empty_pool(b), nodes = b->set.map.nodes;
    enum s2_err err = S2_OK;
    unsigned holes = 0;

    for (uint64_t i = 0; i < areas && !err; i++) {
        look(b, was);
        err = bytes_unmap_unchecked(b, 0x100 + i * 0x80 + 0x10, 0x10);
        holes += !err;
    }
    assert_true(holes > 0);
    if (err) {
        assert_int_equal(err, S2_ECUT);
        assert_int_equal(b->detail.err, S2_ECUT);
        assert_unchanged(b, was);
        assert_true(b->set.cut < s2_imap_need(&b->set.map, 1));
        assert_true(b->set.map.nodes > nodes);
    }
    assert_int_equal(bytes_unmap_unchecked(b, 0x100 + (areas - 1) * 0x80, 0x10), S2_OK); /* a head */
    assert_int_equal(bytes_unmap_unchecked(b, 0x100 + (areas - 1) * 0x80 + 0x30, 0x10), S2_OK);
    assert_int_equal(bytes_unmap_unchecked(b, 0x100 + (areas - 2) * 0x80, 0x40), S2_OK);
    s2_pool_unreserve(&b->pool, held);
    assert_int_equal(bytes_unmap_unchecked(b, 0x100 + (areas - 1) * 0x80 + 0x18, 8), S2_OK);
    assert_int_equal(b->set.cut, S2_AREA_CUT_NODES);
}

static void test_holes_without_memory(void **state)
{
    static const unsigned sizes[] = {4, 15, 16, 17, 100, 400};
    struct sight *was = malloc(sizeof(*was));

    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        struct bytes *b = build(sizes[k]);

        assert_int_equal(s2_area_set_keep_cut(&b->set), S2_OK);
        holes_with_an_empty_pool(b, was, sizes[k]);
        s2_area_set_drop_cut(&b->set);
        bytes_check(b);
        bytes_free(b);
    }
    free(was);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failure),
        cmocka_unit_test(test_holes_without_memory),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
