/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is said about nodes is true: no operation takes more than it was said to need, and a pool of that many nodes holds as
 * many entries as it was said to, however hard an adversary tries to spread them thin. */
#include "area_bytes.h"

#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
enum { ROUNDS = 6 };
#else
enum { ROUNDS = 30 };
#endif

static uint64_t seed = 88172645463325252ull;

static uint64_t below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* --- a map with a pool of its own ------------------------------------------------------------------------------------- */

#define KEYS 0x100000ull

struct store {
    struct s2_pool pool;
    struct s2_imap map;
    void *mem;
    bool has[KEYS / 2]; /* an entry [2k, 2k + 1): none touches another */
};

static struct store *store_new(uint32_t nodes)
{
    struct store *s = calloc(1, sizeof *s);

    s->mem = aligned_alloc(64, ((size_t)nodes + 1) * S2_NODE_BYTES);
    s2_pool_init(&s->pool, s->mem, (size_t)nodes * S2_NODE_BYTES);
    s2_imap_init(&s->map, &s->pool, 0, KEYS, S2_IMAP_BYTES);
    return s;
}

static void store_free(struct store *s)
{
    assert_null(s2_imap_check(&s->map));
    s2_imap_clear(&s->map);
    assert_int_equal(s->pool.free, s->pool.count);
    assert_null(s2_pool_check(&s->pool));
    free(s->mem);
    free(s);
}

static void put(struct store *s, uint64_t k)
{
    struct s2_ient e = {2 * k, 2 * k + 1, {{k, 0, 0}}};

    s2_imap_insert(&s->map, &e);
    s->has[k] = true;
}

static void drop(struct store *s, uint64_t k)
{
    s2_imap_erase(&s->map, 2 * k);
    s->has[k] = false;
}

/* An insertion as its owner does it. False: the need cannot be promised. */
static bool insert(struct store *s, uint64_t k)
{
    uint32_t need = s2_imap_need(&s->map, 1), before = s->map.nodes;

    if (s2_pool_reserve(&s->pool, need))
        return false;
    put(s, k);
    assert_true(s->map.nodes <= before + need);
    s2_pool_unreserve(&s->pool, need);
    return true;
}

/* --- needs ------------------------------------------------------------------------------------------------------------ */

enum order { ASCENDING, DESCENDING, INWARDS, ANYWHERE, ORDERS };

static uint64_t in_order(enum order order, uint64_t i, uint64_t n)
{
    switch (order) {
    case ASCENDING:
        return i;
    case DESCENDING:
        return n - 1 - i;
    case INWARDS:
        return i % 2 ? n - 1 - i / 2 : i / 2;
    default:
        return below(n);
    }
}

/* `inserts` insertions with erasures between them take no more than was said at their beginning. */
static void burst(struct store *s, uint64_t keys, uint32_t inserts)
{
    uint32_t need = s2_imap_need(&s->map, inserts), alone = s2_imap_need_alone(&s->map, inserts);
    uint32_t most = s->map.nodes + (alone < need ? alone : need);

    while (inserts > 0) {
        uint64_t k = below(keys);

        if (s->has[k]) {
            drop(s, k);
            continue;
        }
        put(s, k);
        inserts--;
        assert_true(s->map.nodes <= most);
    }
}

static void bursts_stay_within_their_need(void **state)
{
    static const uint64_t sizes[] = {0, 10, 15, 16, 17, 60, 300, 3000};

    (void)state;
    for (enum order order = ASCENDING; order < ORDERS; order++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct store *s = store_new(20000);
            uint64_t keys = 2 * sizes[i] + 100;

            for (uint64_t k = 0; k < sizes[i]; k++) {
                uint64_t key = in_order(order, k, sizes[i]);

                if (!s->has[key])
                    assert_true(insert(s, key));
            }
            for (unsigned r = 0; r < ROUNDS; r++)
                burst(s, keys, (uint32_t)(1 + below(r % 5 ? 4 : keys / 3)));
            store_free(s);
        }
}

/* --- capacity --------------------------------------------------------------------------------------------------------- */

/* Erases all that can go with no leaf merging with another: the leaves are then as thin as they may be. */
static void thin_out(struct store *s, uint64_t keys)
{
    enum { LEAF_MIN = 6 };
    struct s2_imap_cursor at;

    for (uint64_t k = 0; k < keys; k++) {
        uint32_t nodes = s->map.nodes;

        if (!s->has[k] || !s2_imap_seek(&s->map, 2 * k, &at) || at.leaf->count <= LEAF_MIN)
            continue;
        if (s->map.count == S2_IMAP_LEAF + 1)
            break; /* all of them would go into the root */
        drop(s, k);
        assert_int_equal(s->map.nodes, nodes);
    }
}

/* Each insertion below the capacity finds its need. Where it goes: */
typedef uint64_t place_fn(const struct store *s, uint64_t keys, uint64_t i);

static uint64_t next_free(const struct store *s, uint64_t keys, uint64_t from)
{
    while (s->has[from % keys])
        from++;
    return from % keys;
}

static uint64_t above(const struct store *s, uint64_t keys, uint64_t i)
{
    return next_free(s, keys, keys / 2 + i);
}
static uint64_t under(const struct store *s, uint64_t keys, uint64_t i)
{
    return next_free(s, keys, keys - 1 - i % keys);
}
static uint64_t anywhere(const struct store *s, uint64_t keys, uint64_t i)
{
    (void)i;
    return next_free(s, keys, below(keys));
}
static uint64_t in_one_place(const struct store *s, uint64_t keys, uint64_t i)
{
    (void)i;
    return next_free(s, keys, keys / 3);
}
/* Seventeen in a heap, then far away: a leaf splits, and its halves are left alone. */
static uint64_t in_heaps(const struct store *s, uint64_t keys, uint64_t i)
{
    return next_free(s, keys, i / 17 * 64);
}
static place_fn *const places[] = {above, under, anywhere, in_one_place, in_heaps};

/* Fills up to the capacity, thins out, fills up again, ... The most entries that ever fit when one was refused. */
static void spread(uint32_t nodes, place_fn *first, place_fn *again, uint64_t capacity)
{
    struct store *s = store_new(nodes);
    uint64_t keys = 8 * capacity + 256;

    for (unsigned round = 0; round < 8; round++) {
        for (uint64_t i = 0; s->map.count < capacity; i++)
            if (!insert(s, (round ? again : first)(s, keys, i)))
                fail_msg("%u nodes: entry %u of %u does not fit", nodes, (unsigned)s->map.count + 1,
                         (unsigned)capacity);
        assert_null(s2_imap_check(&s->map));
        thin_out(s, keys);
    }
    store_free(s);
}

static void a_pool_holds_what_it_is_said_to(void **state)
{
    enum { PLACES = sizeof places / sizeof places[0] };

    (void)state;
    for (uint32_t nodes = 0; nodes < 200; nodes += 1 + nodes / 12) {
        uint64_t capacity = s2_imap_capacity(nodes);

        assert_int_equal(s2_area_set_capacity(nodes), capacity);
        assert_true(capacity >= S2_IMAP_LEAF && capacity + 60 >= 5 * (uint64_t)nodes);
        for (unsigned first = 0; first < PLACES; first++)
            for (unsigned again = 0; again < PLACES; again++)
                spread(nodes, places[first], places[again], capacity);
    }
}

/* --- an area set ------------------------------------------------------------------------------------------------------- */

static bool by_place(void *arg, const struct s2_area *area, s2_attr *attr)
{
    const uint64_t *mask = arg;

    attr->bits = 1 + (area->range.start.v & *mask ? 1 : 0);
    return true;
}

struct deed {
    enum s2_area_op op;
    struct s2_area area;
    uint64_t mask;
};

static struct deed any_deed(void)
{
    const enum s2_area_op ops[] = {S2_AREA_OP_MAP,  S2_AREA_OP_REPLACE, S2_AREA_OP_UNMAP, S2_AREA_OP_PROTECT,
                                   S2_AREA_OP_SWAP, S2_AREA_OP_RENAME,  S2_AREA_OP_EXTEND};
    uint64_t start = below(0x2000), size = 1 + below(below(4) ? 12 : 200);

    return (struct deed){.op = ops[below(sizeof ops / sizeof ops[0])],
                         .area = {.range = span(start, start + size),
                                  .backend = &bytes_backend,
                                  .attr = S2_ATTR((uint32_t)(1 + below(2)))},
                         .mask = 1ull << below(6)};
}

static enum s2_err perform(struct bytes *b, struct deed d)
{
    struct s2_op op;

    bytes_start(b, &op);
    switch (d.op) {
    case S2_AREA_OP_MAP:
        return s2_area_set_map(&b->set, &op, &d.area, S2_MAP_NEW);
    case S2_AREA_OP_REPLACE:
        return s2_area_set_map(&b->set, &op, &d.area, S2_MAP_REPLACE);
    case S2_AREA_OP_SWAP:
        return s2_area_set_swap(&b->set, &op, &d.area, &bytes_backend);
    case S2_AREA_OP_PROTECT:
        return s2_area_set_protect(&b->set, &op, d.area.range, by_place, &d.mask);
    case S2_AREA_OP_RENAME:
        return s2_area_set_rename(&b->set, &op, d.area.range.start, (uint16_t)(d.mask & 1));
    case S2_AREA_OP_EXTEND:
        return s2_area_set_extend(&b->set, &op, S2_IPA(d.area.range.start.v + 1), d.area.range);
    default:
        return s2_area_set_unmap(&b->set, &op, d.area.range);
    }
}

/* With 0, 1, 2, ... nodes left until that is enough: never more than documented, and none where no area is added. */
static void perform_with_least(struct bytes *b, struct deed d)
{
    uint32_t most = s2_area_set_need(&b->set, d.op), nodes = b->set.map.nodes, offer = 0;
    uint64_t areas = s2_area_set_count(&b->set);
    enum s2_err err;

    do {
        uint32_t held = b->pool.free - offer;

        assert_true(offer <= most);
        assert_int_equal(s2_pool_reserve(&b->pool, held), S2_OK);
        err = perform(b, d);
        s2_pool_unreserve(&b->pool, held);
        if (err == S2_ENODES) {
            assert_int_equal(b->set.map.nodes, nodes);
            assert_int_equal(s2_area_set_count(&b->set), areas);
            offer++;
        }
    } while (err == S2_ENODES);
    if (err)
        return;
    assert_true(b->set.map.nodes <= nodes + offer);
    if (s2_area_set_count(&b->set) <= areas)
        assert_int_equal(offer, 0);
}

static void operations_stay_within_their_need(void **state)
{
    (void)state;
    for (unsigned r = 0; r < ROUNDS; r++) {
        struct bytes *b = bytes_new(0, BYTES, 1);

        for (unsigned i = 0; i < 600; i++)
            perform_with_least(b, any_deed());
        bytes_check(b);
        bytes_check_table(b);
        bytes_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_stay_within_their_need),
        cmocka_unit_test(a_pool_holds_what_it_is_said_to),
        cmocka_unit_test(operations_stay_within_their_need),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
