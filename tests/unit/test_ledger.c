/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The ledger: who owns which frame, and that only one operation at a time changes it. */
#include "unit.h"

#include <stdlib.h>

#include <stage2/attr.h>
#include <stage2/ledger.h>

#include "model.h"

enum { VM = S2_OWNER_FIRST_VM, OTHER = S2_OWNER_FIRST_VM + 1, NODES = 64 };
#define BASE 0x40000000ull
#define PAGE 0x1000ull

struct fixture {
    struct s2_port *port;
    struct s2_pool pool;
    struct s2_ledger l;
    _Alignas(64) unsigned char nodes[NODES * S2_NODE_BYTES];
};

static struct s2_ledger_entry entry(uint64_t start, uint64_t end, uint16_t owner, enum s2_frame_state state)
{
    return (struct s2_ledger_entry){.range = {S2_PA(start), S2_PA(end)},
                                    .owner = owner,
                                    .state = (uint8_t)state,
                                    .rights = S2_RWX,
                                    .ipa = S2_IPA_NONE};
}

static int setup(void **state)
{
    struct fixture *x = aligned_alloc(64, (sizeof(*x) + 63) & ~63ul);
    struct s2_ledger_entry ram = entry(BASE, BASE + 256 * PAGE, S2_OWNER_NONE, S2_FREE);
    struct s2_ledger_entry uart = entry(0x9000000, 0x9001000, S2_OWNER_NONE, S2_DEVICE);

    x->port = model_create_simple(BASE, 256 * PAGE, false);
    s2_pool_init(&x->pool, x->nodes, sizeof(x->nodes));
    s2_ledger_init(&x->l, x->port, &x->pool, 40);
    assert_int_equal(s2_ledger_add(&x->l, &ram, NULL), S2_OK);
    assert_int_equal(s2_ledger_add(&x->l, &uart, NULL), S2_OK);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;

    assert_null(s2_imap_check(&x->l.map));
    assert_null(x->l.pending);
    assert_int_equal(x->pool.reserved, 0);
    assert_true(model_ok(x->port));
    model_destroy(x->port);
    free(x);
    return 0;
}

static uint64_t entries(struct fixture *x)
{
    return x->l.map.count;
}

static void test_add(void **state)
{
    struct fixture *x = *state;
    struct s2_detail d = {0};
    struct s2_ledger_entry e = entry(BASE + 255 * PAGE, BASE + 257 * PAGE, S2_OWNER_HYP, S2_HYP);

    assert_int_equal(s2_ledger_add(&x->l, &e, &d), S2_EEXIST);
    assert_int_equal(d.asked_start, BASE + 255 * PAGE);
    assert_int_equal(d.found_start, BASE);
    assert_int_equal(d.found_end, BASE + 256 * PAGE);
    assert_int_equal(d.holder, S2_OWNER_NONE);
    e = entry(BASE + 300 * PAGE, BASE + 300 * PAGE, S2_OWNER_HYP, S2_HYP);
    assert_int_equal(s2_ledger_add(&x->l, &e, &d), S2_EINVAL);
    e = entry(BASE + 300 * PAGE + 1, BASE + 301 * PAGE, S2_OWNER_HYP, S2_HYP);
    assert_int_equal(s2_ledger_add(&x->l, &e, &d), S2_EALIGN);
    e = entry((1ull << 40) - PAGE, (1ull << 40) + PAGE, S2_OWNER_HYP, S2_HYP);
    assert_int_equal(s2_ledger_add(&x->l, &e, &d), S2_ERANGE);
    e = entry((1ull << 40) - PAGE, 1ull << 40, S2_OWNER_HYP, S2_HYP);
    assert_int_equal(s2_ledger_add(&x->l, &e, &d), S2_OK);
    assert_int_equal(entries(x), 3);
}

/* Taking the middle cuts in three; giving it back joins again to one. */
static void test_take_and_give_back(void **state)
{
    struct fixture *x = *state;
    struct s2_claim c;
    struct s2_ledger_entry want = entry(BASE + 16 * PAGE, BASE + 32 * PAGE, VM, S2_OWNED), e;

    want.ipa = S2_IPA(0x80000000);
    assert_int_equal(s2_ledger_plan(&x->l, &c, S2_OWNER_NONE, S2_FREE, &want, NULL), S2_OK);
    assert_int_equal(entries(x), 2);
    assert_true(s2_ledger_find(&x->l, want.range.start, &e));
    assert_int_equal(e.owner, S2_OWNER_NONE);
    s2_ledger_commit(&x->l, &c);
    assert_int_equal(entries(x), 4);
    assert_true(s2_ledger_find(&x->l, S2_PA(BASE + 31 * PAGE), &e));
    assert_int_equal(e.owner, VM);
    assert_int_equal(e.state, S2_OWNED);
    assert_int_equal(e.rights, S2_RWX);
    assert_int_equal(e.range.start.v, BASE + 16 * PAGE);
    assert_int_equal(e.range.end.v, BASE + 32 * PAGE);
    assert_int_equal(e.ipa.v, 0x80000000);
    assert_int_equal(s2_ledger_count(&x->l, VM, S2_OWNED), 16);
    assert_int_equal(s2_ledger_count(&x->l, S2_OWNER_NONE, S2_FREE), 240);
    assert_true(s2_ledger_next(&x->l, S2_PA(BASE + 32 * PAGE), &e));
    assert_int_equal(e.range.start.v, BASE + 32 * PAGE);

    struct s2_ledger_entry back = entry(BASE + 16 * PAGE, BASE + 32 * PAGE, S2_OWNER_NONE, S2_FREE);
    assert_int_equal(s2_ledger_plan(&x->l, &c, VM, S2_OWNED, &back, NULL), S2_OK);
    s2_ledger_commit(&x->l, &c);
    assert_int_equal(entries(x), 2);
    assert_int_equal(s2_ledger_count(&x->l, VM, S2_OWNED), 0);
}

/* The IPA of a part is the IPA of the whole plus the offset; contiguous parts join, others do not. */
static void test_reverse_map_survives_cuts(void **state)
{
    struct fixture *x = *state;
    struct s2_ledger_entry e = entry(BASE, BASE + 8 * PAGE, VM, S2_OWNED), got;

    assert_int_equal(s2_ledger_promise(&x->l, VM, 1), S2_OK);
    e.ipa = S2_IPA(0x10000);
    s2_ledger_set(&x->l, &e);
    struct s2_ledger_entry hole = entry(BASE + 2 * PAGE, BASE + 3 * PAGE, VM, S2_OWNED);
    s2_ledger_set(&x->l, &hole);
    assert_true(s2_ledger_find(&x->l, S2_PA(BASE + 5 * PAGE), &got));
    assert_int_equal(got.range.start.v, BASE + 3 * PAGE);
    assert_int_equal(got.ipa.v, 0x13000);
    assert_true(s2_ledger_find(&x->l, S2_PA(BASE + 2 * PAGE), &got));
    assert_int_equal(got.ipa.v, S2_IPA_NONE.v);
    hole.ipa = S2_IPA(0x12000);
    s2_ledger_set(&x->l, &hole);
    assert_true(s2_ledger_find(&x->l, S2_PA(BASE + 5 * PAGE), &got));
    assert_int_equal(got.range.start.v, BASE);
    assert_int_equal(got.range.end.v, BASE + 8 * PAGE);
    /* Next to it in PA and in IPA, but not in step. */
    struct s2_ledger_entry next = entry(BASE + 8 * PAGE, BASE + 9 * PAGE, VM, S2_OWNED);
    next.ipa = S2_IPA(0x20000);
    s2_ledger_set(&x->l, &next);
    assert_true(s2_ledger_find(&x->l, S2_PA(BASE + 8 * PAGE), &got));
    assert_int_equal(got.range.start.v, BASE + 8 * PAGE);
    s2_ledger_unpromise(&x->l, 1);
}

static void test_refusals(void **state)
{
    struct fixture *x = *state;
    struct s2_detail d;
    struct s2_claim c, c2;
    struct s2_ledger_entry mine = entry(BASE, BASE + 4 * PAGE, VM, S2_OWNED), want;

    assert_int_equal(s2_ledger_plan(&x->l, &c, S2_OWNER_NONE, S2_FREE, &mine, &d), S2_OK);

    /* Pending: nobody else, not even for a part. */
    want = entry(BASE + 3 * PAGE, BASE + 5 * PAGE, OTHER, S2_OWNED);
    assert_int_equal(s2_ledger_plan(&x->l, &c2, S2_OWNER_NONE, S2_FREE, &want, &d), S2_EBUSY);
    assert_int_equal(d.found_end, BASE + 4 * PAGE);
    s2_ledger_drop(&x->l, &c2); /* never pending: no effect */
    s2_ledger_commit(&x->l, &c);

    /* Mixed ownership is refused whole, and the holder is named (lesson O5). */
    assert_int_equal(s2_ledger_plan(&x->l, &c2, S2_OWNER_NONE, S2_FREE, &want, &d), S2_EPERM);
    assert_int_equal(d.holder, VM);
    assert_int_equal(d.asked_start, BASE + 3 * PAGE);
    assert_int_equal(d.found_start, BASE);
    assert_int_equal(d.found_end, BASE + 4 * PAGE);
    /* The right owner in the wrong state. */
    assert_int_equal(s2_ledger_plan(&x->l, &c2, VM, S2_LENT, &mine, &d), S2_EPERM);
    /* Memory that nobody told of. */
    want = entry(BASE + 255 * PAGE, BASE + 257 * PAGE, OTHER, S2_OWNED);
    assert_int_equal(s2_ledger_plan(&x->l, &c2, S2_OWNER_NONE, S2_FREE, &want, &d), S2_ENOENT);
    want = entry(BASE + 4 * PAGE, BASE + 4 * PAGE, OTHER, S2_OWNED);
    assert_int_equal(s2_ledger_plan(&x->l, &c2, S2_OWNER_NONE, S2_FREE, &want, &d), S2_EINVAL);
    want = entry(BASE + 4 * PAGE, BASE + 5 * PAGE + 8, OTHER, S2_OWNED);
    assert_int_equal(s2_ledger_plan(&x->l, &c2, S2_OWNER_NONE, S2_FREE, &want, &d), S2_EALIGN);
    assert_int_equal(entries(x), 3);

    /* Dropped: as if it had never been asked. */
    want = entry(BASE + 4 * PAGE, BASE + 6 * PAGE, OTHER, S2_OWNED);
    assert_int_equal(s2_ledger_plan(&x->l, &c2, S2_OWNER_NONE, S2_FREE, &want, &d), S2_OK);
    s2_ledger_drop(&x->l, &c2);
    assert_int_equal(s2_ledger_count(&x->l, OTHER, S2_OWNED), 0);
    assert_int_equal(entries(x), 3);
}

static void test_rights(void **state)
{
    struct fixture *x = *state;
    struct s2_detail d;
    struct s2_ledger_entry e = entry(BASE, BASE + 4 * PAGE, VM, S2_OWNED);
    struct s2_pa_range three = {S2_PA(BASE + PAGE), S2_PA(BASE + 4 * PAGE)},
                       five = {S2_PA(BASE), S2_PA(BASE + 5 * PAGE)};

    assert_int_equal(s2_ledger_promise(&x->l, VM, 1), S2_OK);
    e.rights = S2_RW;
    s2_ledger_set(&x->l, &e);
    s2_ledger_unpromise(&x->l, 1);
    assert_int_equal(s2_ledger_check(&x->l, VM, three, S2_RW, &d), S2_OK);
    assert_int_equal(s2_ledger_check(&x->l, VM, three, S2_R | S2_X, &d), S2_EPERM);
    assert_int_equal(s2_ledger_check(&x->l, OTHER, three, S2_R, &d), S2_EPERM);
    assert_int_equal(d.holder, VM);
    assert_int_equal(s2_ledger_check(&x->l, VM, five, S2_R, &d), S2_EPERM);
    assert_int_equal(d.holder, S2_OWNER_NONE);
    assert_int_equal(s2_ledger_check(&x->l, VM, (struct s2_pa_range){S2_PA(0), S2_PA(PAGE)}, S2_R, &d), S2_ENOENT);
    /* A device that belongs to nobody is nobody's to map. */
    assert_int_equal(s2_ledger_check(&x->l, VM, (struct s2_pa_range){S2_PA(0x9000000), S2_PA(0x9001000)}, S2_R, &d),
                     S2_EPERM);
}

/* Out of nodes at every step: refused, nothing changed; with the promise a change always goes through. */
static void test_out_of_nodes(void **state)
{
    struct fixture *x = *state;
    struct s2_claim c;
    struct s2_detail d;
    uint64_t pa = BASE;
    enum s2_err err = S2_OK;

    assert_int_equal(s2_ledger_promise(&x->l, VM, 1), S2_OK);
    while (pa < BASE + 256 * PAGE) {
        struct s2_ledger_entry one = entry(pa, pa + PAGE, (uint16_t)(VM + pa / PAGE % 2), S2_OWNED);
        err = s2_ledger_plan(&x->l, &c, S2_OWNER_NONE, S2_FREE, &one, &d);
        if (err)
            break;
        s2_ledger_commit(&x->l, &c);
        pa += 2 * PAGE;
    }
    if (pa < BASE + 256 * PAGE)
        assert_int_equal(err, S2_ENODES);
    uint64_t before = entries(x);
    assert_int_equal(s2_ledger_promise(&x->l, VM, NODES), S2_ENODES);
    struct s2_ledger_entry cut = entry(BASE + 201 * PAGE, BASE + 202 * PAGE, S2_OWNER_HYP, S2_HYP);
    s2_ledger_set(&x->l, &cut);
    assert_true(entries(x) <= before + 2);
    s2_ledger_unpromise(&x->l, 1);
}

/* A change that ends where entries end takes no node, wherever the entries lie in their leaves: with nothing promised and
 * nothing free it still goes through. */
static void test_whole_entries_take_no_node(void **state)
{
    struct fixture *x = *state;
    uint32_t hoard;

    /* Entries of one frame, no two of which join, put in so that full leaves lie beside leaves that are not. */
    for (unsigned step = 0; step < 3; step++)
        for (unsigned i = step; i < 255; i += 3) {
            struct s2_ledger_entry one =
                entry(BASE + i * PAGE, BASE + (i + 1) * PAGE, (uint16_t)(VM + i % 2), S2_OWNED);

            assert_int_equal(s2_ledger_promise(&x->l, VM, 1), S2_OK);
            s2_ledger_set(&x->l, &one);
            s2_ledger_unpromise(&x->l, 1);
        }
    assert_int_equal(entries(x), 257); /* with the last frame and the device */
    assert_true(x->l.map.height > 0);
    hoard = x->pool.free;
    assert_int_equal(s2_pool_reserve(&x->pool, hoard), S2_OK);
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < 254; i++) {
            struct s2_ledger_entry e;

            assert_true(s2_ledger_find(&x->l, S2_PA(BASE + i * PAGE), &e));
            e.ipa = pass ? S2_IPA_NONE : S2_IPA(2 * i * PAGE); /* nowhere next to its neighbours */
            s2_ledger_set(&x->l, &e);
            assert_true(x->pool.free >= hoard);
            assert_int_equal(entries(x), 257);
        }
    s2_pool_unreserve(&x->pool, hoard);
}

/* A claim that is planned while all entries stand in the root, and committed when others have filled every node above them: what
 * it takes is what it was promised, and what is promised to others is there. */
static void test_claim_while_others_fill_the_map(void **state)
{
    struct fixture *x = *state;
    struct s2_ledger_entry want = entry(BASE + PAGE, BASE + 2 * PAGE, VM, S2_OWNED);
    uint64_t pa = BASE + 257 * PAGE;
    struct s2_claim c;
    uint32_t hoard;

    assert_int_equal(s2_ledger_plan(&x->l, &c, S2_OWNER_NONE, S2_FREE, &want, NULL), S2_OK);
    for (; entries(x) < S2_IMAP_LEAF * S2_IMAP_INNER; pa += 2 * PAGE) {
        struct s2_ledger_entry one = entry(pa, pa + PAGE, S2_OWNER_NONE, S2_FREE);

        assert_int_equal(s2_ledger_add(&x->l, &one, NULL), S2_OK);
    }
    assert_int_equal(x->l.map.height, 1);
    hoard = x->pool.free - x->pool.reserved;
    assert_int_equal(s2_pool_reserve(&x->pool, hoard), S2_OK);
    s2_ledger_commit(&x->l, &c);
    assert_int_equal(x->l.map.height, 2);
    assert_int_equal(entries(x), S2_IMAP_LEAF * S2_IMAP_INNER + 2);
    assert_true(x->pool.free >= hoard);
    s2_pool_unreserve(&x->pool, hoard);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_add),
        TEST(test_take_and_give_back),
        TEST(test_reverse_map_survives_cuts),
        TEST(test_refusals),
        TEST(test_rights),
        TEST(test_out_of_nodes),
        TEST(test_whole_entries_take_no_node),
        TEST(test_claim_while_others_fill_the_map),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
