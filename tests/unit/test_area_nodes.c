/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* With no node free, every operation that leaves no more areas than it found succeeds, and no other; with as many as it says
 * that it needs, each does. */
#include "area_bytes.h"

/* --- sets and operations at random -------------------------------------------------------------------------------- */

#define CELL  0x100u
#define CELLS (BYTES / CELL)

static uint32_t rnd(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*seed >> 33) % below);
}

static struct s2_ipa_range some_range(uint64_t *seed, uint32_t most)
{
    uint64_t start = rnd(seed, CELLS - most), cells = 1 + rnd(seed, most);

    return span(start * CELL, (start + cells) * CELL);
}

static struct s2_area some_area(uint64_t *seed, uint32_t most)
{
    return (struct s2_area){.range = some_range(seed, most),
                            .backend = rnd(seed, 3) ? &bytes_backend : &bytes_linear,
                            .attr = S2_ATTR(1 + rnd(seed, 2)),
                            .name = (uint16_t)rnd(seed, 2)};
}

static struct bytes *some_set(uint64_t *seed, unsigned areas)
{
    struct bytes *b = bytes_new(0, BYTES, CELL);

    for (unsigned i = 0; i < areas; i++) {
        struct s2_area area = some_area(seed, 6);

        if (area.backend == &bytes_linear)
            area.backing = area.range.start.v;
        assert_int_equal(bytes_map_area(b, &area, S2_MAP_REPLACE), S2_OK);
    }
    return b;
}

/* Attributes 1 to 2 by a hash of area and seed; some are left. */
static bool some_attr(void *arg, const struct s2_area *area, s2_attr *attr)
{
    uint64_t seed = *(const uint64_t *)arg ^ area->range.start.v * 977;
    uint32_t draw;

    (void)rnd(&seed, 2);
    draw = rnd(&seed, 5);
    attr->bits = draw < 3 ? 2 : 1;
    return draw != 4;
}

/* One operation of that kind, the same for the same seed. */
static enum s2_err act(struct bytes *b, enum s2_area_op kind, uint64_t seed)
{
    uint64_t draw = seed;
    struct s2_area area = some_area(&draw, 24), found;
    struct s2_op op;

    bytes_start(b, &op);
    switch (kind) {
    case S2_AREA_OP_MAP:
        return s2_area_set_map(&b->set, &op, &area, S2_MAP_NEW);
    case S2_AREA_OP_REPLACE:
        return s2_area_set_map(&b->set, &op, &area, S2_MAP_REPLACE);
    case S2_AREA_OP_UNMAP:
        return s2_area_set_unmap(&b->set, &op, area.range);
    case S2_AREA_OP_PROTECT:
        return s2_area_set_protect(&b->set, &op, area.range, some_attr, &seed);
    case S2_AREA_OP_SWAP:
        if (s2_area_set_find(&b->set, area.range.start, &found)) {
            area.range.end = found.range.end;
            if (rnd(&draw, 2) && area.range.start.v + CELL < found.range.end.v)
                area.range.end.v -= CELL;
        }
        return s2_area_set_swap(&b->set, &op, &area, &bytes_backend);
    case S2_AREA_OP_EXPECTED:
        if (s2_area_set_find_from(&b->set, area.range.start, &found))
            area = found;
        return s2_area_set_unmap_expected(&b->set, &op, &area);
    case S2_AREA_OP_EXTEND:
        if (s2_area_set_find_from(&b->set, area.range.start, &found)) {
            struct s2_ipa_range gap = found.range;

            (void)s2_area_set_around(&b->set, found.range.end, NULL, &gap);
            area.range = span(found.range.start.v, gap.end.v);
            return s2_area_set_extend(&b->set, &op, found.range.start, area.range);
        }
        return s2_area_set_extend(&b->set, &op, area.range.start, area.range);
    case S2_AREA_OP_RENAME:
        return s2_area_set_rename(&b->set, &op, area.range.start, area.name);
    case S2_AREA_OP_CLEAR:
        return s2_area_set_clear(&b->set, &op);
    }
    return S2_EINVAL;
}

struct sight {
    struct bytes b;
    unsigned char mem[BYTES_NODES * S2_NODE_BYTES];
};

static void look(const struct bytes *b, struct sight *s)
{
    s->b = *b;
    memcpy(s->mem, b->mem, sizeof(s->mem));
}

static void go_back(struct bytes *b, const struct sight *s)
{
    *b = s->b;
    memcpy(b->mem, s->mem, sizeof(s->mem));
}

/* With no node free, then with as many as it says; where it does not lack nodes, once is enough. */
static void starve(struct bytes *b, enum s2_area_op kind, uint64_t seed, struct sight *was, unsigned *starved)
{
    uint32_t all = b->pool.free, need = s2_area_set_need(&b->set, kind);
    uint64_t before = b->set.map.count;
    enum s2_err err;

    assert_int_equal(s2_pool_reserve(&b->pool, all), S2_OK);
    look(b, was);
    err = act(b, kind, seed);
    if (err == S2_ENODES) {
        ++*starved;
        assert_memory_equal(b->mem, was->mem, sizeof(was->mem));
        assert_memory_equal(&b->set, &was->b.set, sizeof(b->set));
        s2_pool_unreserve(&b->pool, need);
        err = act(b, kind, seed);
        assert_int_equal(err, S2_OK);
        assert_true(b->set.map.count > before);
        assert_true(all - b->pool.free <= need);
        assert_int_equal(b->pool.reserved, all - need);
        s2_pool_unreserve(&b->pool, all - need);
    } else {
        if (!err && b->set.map.height > 0 && was->b.set.map.height > 0)
            assert_true(b->set.map.count <= before);
        assert_int_equal(b->pool.reserved, all);
        s2_pool_unreserve(&b->pool, all);
    }
    bytes_check(b);
    bytes_check_table(b);
    go_back(b, was);
    s2_pool_unreserve(&b->pool, all);
}

static void test_starved_of_nodes(void **state)
{
    static const unsigned sizes[] = {3, 30, 300};
    struct sight *was = malloc(sizeof(*was));
    unsigned starved[S2_AREA_OP_CLEAR + 1] = {0};
    uint64_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct bytes *b = some_set(&seed, sizes[i]);

        for (unsigned n = 0; n < 400; n++)
            for (enum s2_area_op kind = S2_AREA_OP_MAP; kind <= S2_AREA_OP_CLEAR; kind++)
                starve(b, kind, seed + n * 31, was, &starved[kind]);
        bytes_free(b);
    }
    assert_true(starved[S2_AREA_OP_MAP] > 5 && starved[S2_AREA_OP_REPLACE] > 5 && starved[S2_AREA_OP_UNMAP] > 5);
    assert_true(starved[S2_AREA_OP_PROTECT] > 5 && starved[S2_AREA_OP_SWAP] > 5);
    for (enum s2_area_op kind = S2_AREA_OP_EXPECTED; kind <= S2_AREA_OP_CLEAR; kind++)
        assert_int_equal(starved[kind], 0);
    free(was);
}

/* --- protects that leave no more areas than before ---------------------------------------------------------------- */

/* Areas as letters, one for each cell, '.' for none; a protect of the cells [start, end) makes `after` of them. */
struct shape {
    const char *before, *after;
    uint64_t start, end;
};

static const struct shape shapes[] = {
    {"aaaabbbb", "aabbbbbb", 2, 6},          /* the half of one goes over to the other, */
    {"aaaabbbb", "aaaaaabb", 2, 6},          /* and back */
    {"aaaabbcccc", "aaddddddcc", 2, 8},      /* two merges pay for two cuts, */
    {"aaaabbccdddd", "aaeeeeffffdd", 2, 10}, /* one each, */
    {"aaaabcdeffff", "aagghhijjjff", 2, 10}, /* with something between, */
    {"aaaabcdeffff", "aagghikkkkff", 2, 10}, /* both late, so that everything moves up, */
    {"aaaabcdeffff", "aaggggijhhff", 2, 10}, /* or early, so that it moves down */
    {"aaaabcdeffff", "aaaaacdeggff", 4, 10}, /* a merge below the range pays for a cut above, */
    {"aabbcccc", "aaaaddcc", 2, 6},
    {"aaaabbcc", "aaddcccc", 2, 6}, /* one above it for a cut below */
    {"aabbbb", "aaaabb", 2, 4},
    {"aaaabb", "aabbbb", 2, 4},
    {"aaaabbccccdd", "aaeeeeffffdd", 2, 10},
    {"aabbccddeeff", "aaaaaaaaaaff", 2, 10},
    {"aaaabbccbbdddd", "aabbbbbbbbbbdd", 2, 12},
    {"aaaa..bbccdddd", "aaee..ffffffdd", 2, 12},
};

struct placed {
    const struct shape *shape;
    uint64_t base; /* the cell of its first letter */
};

static bool to_shape(void *arg, const struct s2_area *area, s2_attr *attr)
{
    const struct placed *p = arg;
    uint64_t start = area->range.start.v / CELL, cell = start < p->base ? 0 : start - p->base;

    attr->bits = (uint8_t)p->shape->after[cell < p->shape->start ? p->shape->start : cell];
    return true;
}

/* One cell each, not merged, so that any number of them fills leaves. */
static void fill(struct bytes *b, uint64_t cell, unsigned areas)
{
    for (unsigned i = 0; i < areas; i++)
        assert_int_equal(bytes_map(b, (cell + i) * CELL, CELL, 1 + i % 2, S2_MAP_NEW), S2_OK);
}

static void check_shape(const struct shape *s, unsigned below, unsigned above)
{
    struct bytes *b = bytes_new(0, BYTES, CELL);
    struct placed p = {s, below};
    unsigned cells = (unsigned)strlen(s->before), pieces = 0;

    fill(b, 0, below);
    fill(b, below + cells, above);
    for (unsigned i = 0; i < cells; i++)
        if (s->before[i] != '.')
            assert_int_equal(bytes_map(b, (below + i) * CELL, CELL, (uint8_t)s->before[i], S2_MAP_NEW), S2_OK);
    b->set.cut = b->pool.free; /* all there are, and not for this */
    assert_int_equal(s2_pool_reserve(&b->pool, b->set.cut), S2_OK);
    assert_int_equal(bytes_protect(b, (below + s->start) * CELL, (s->end - s->start) * CELL, to_shape, &p), S2_OK);
    for (unsigned i = 0; i < cells; i++) {
        assert_int_equal(b->pt[(below + i) * CELL], s->after[i] == '.' ? 0 : s->after[i]);
        pieces += s->after[i] != '.' && (i == 0 || s->after[i] != s->after[i - 1]);
    }
    assert_int_equal(s2_area_set_count(&b->set), below + above + pieces);
    bytes_check_table(b);
    s2_area_set_drop_cut(&b->set);
    bytes_free(b);
}

static void test_protect_takes_no_node(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        for (unsigned below = 0; below < 40; below++)
            check_shape(&shapes[i], below, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starved_of_nodes),
        cmocka_unit_test(test_protect_takes_no_node),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
