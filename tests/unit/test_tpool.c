/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Table pages: all or nothing, quotas, which are zeroed, aligned roots, no page lost. */
#include "unit.h"

#include <string.h>

#include <stage2/tpool.h>

#include "model.h"

#define PAGE  4096ull
#define BASE  0x40003000ull /* not aligned to a root of many pages */
#define PAGES 200u

struct fixture {
    struct s2_port *port;
    struct s2_tpool pool;
    struct s2_tpage meta[PAGES];
    struct s2_tquota quota;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof f);
    f.port = model_create_simple(0x40000000, 16 << 20, false);
    f.quota.limit = PAGES;
    assert_int_equal(s2_tpool_init(&f.pool, f.port, S2_PA(BASE), PAGES * PAGE, 12, f.meta), S2_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_null(s2_tpool_check(&f->pool));
    assert_int_equal(f->pool.free, PAGES);
    assert_int_equal(f->quota.used, 0);
    model_destroy(f->port);
    return 0;
}

static void assert_zero(struct fixture *f, uint64_t pa, uint64_t bytes)
{
    const unsigned char *p = model_ram(f->port, pa);

    for (uint64_t i = 0; i < bytes; i++)
        assert_int_equal(p[i], 0);
}

static void refuses_bad_banks(void **state)
{
    struct fixture *f = *state;
    struct s2_tpage one[1];
    struct s2_tpool p;

    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(BASE + 8), PAGE, 12, f->meta), S2_EALIGN);
    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(BASE), PAGE + 8, 12, f->meta), S2_EALIGN);
    for (unsigned log2 = 0; log2 < 80; log2++)
        if (log2 != 12 && log2 != 14 && log2 != 16)
            assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(0), 0, log2, f->meta), S2_EINVAL);
    for (unsigned log2 = 14; log2 <= 16; log2 += 2) {
        assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(PAGE), 1ull << log2, log2, f->meta), S2_EALIGN);
        assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(0), (1ull << log2) + PAGE, log2, f->meta), S2_EALIGN);
    }
    /* Beyond every address there is, or so that the end wraps; more pages than can be told apart. */
    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(1ull << 52), PAGE, 12, f->meta), S2_EINVAL);
    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA((1ull << 52) - PAGE), 2 * PAGE, 12, f->meta), S2_EINVAL);
    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(0 - PAGE), PAGE, 12, f->meta), S2_EINVAL);
    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(0), (size_t)0 - PAGE, 12, f->meta), S2_EINVAL);
    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA(0), S2_TPAGE_NONE * PAGE, 12, f->meta), S2_EINVAL);
    assert_int_equal(s2_tpool_init(&p, f->port, S2_PA((1ull << 52) - PAGE), PAGE, 12, one), S2_OK);
}

static void init_touches_no_page(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->port->count.stores + f->port->count.fills, 0);
}

static void every_page_once_and_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct s2_tstash stash = S2_TSTASH_EMPTY, back = S2_TSTASH_EMPTY;
    bool seen[PAGES] = {false};

    memset(model_ram(f->port, BASE), 0xff, PAGE);
    memset(model_ram(f->port, BASE + (PAGES - 1) * PAGE), 0xff, PAGE);
    assert_int_equal(s2_tpool_take(&f->pool, &f->quota, PAGES - 1, &stash), S2_OK);
    assert_int_equal(s2_tpool_take(&f->pool, &f->quota, 1, &stash), S2_OK);
    assert_int_equal(stash.count, PAGES);
    assert_int_equal(f->pool.free, 0);
    assert_null(s2_tpool_check(&f->pool));
    while (stash.count) {
        uint32_t i = s2_tstash_pop(&f->pool, &stash);

        assert_true(i < PAGES);
        assert_false(seen[i]);
        seen[i] = true;
        assert_int_equal(s2_tpool_index(&f->pool, s2_tpool_pa(&f->pool, i)), i);
        assert_int_equal(f->meta[i].flags, 0);
        s2_tstash_push(&f->pool, &back, i);
    }
    assert_int_equal(f->port->count.stores + f->port->count.fills, 0); /* who makes a table of it fills it */
    s2_tpool_give(&f->pool, &f->quota, &back);
    assert_int_equal(back.count, 0);
}

/* Those that were drawn, and not those that lay in the stash before; whatever the pages held, and were held for. */
static void what_is_drawn_is_zero(void **state)
{
    struct fixture *f = *state;
    struct s2_tstash stash = S2_TSTASH_EMPTY;

    for (unsigned round = 0; round < 2; round++) {
        memset(model_ram(f->port, BASE), 0xff, PAGES * PAGE);
        model_reset_counters(f->port);
        assert_int_equal(s2_tpool_take(&f->pool, &f->quota, 70, &stash), S2_OK);
        assert_int_equal(s2_tpool_draw(&f->pool, &f->quota, 100, &stash), S2_OK);
        assert_int_equal(f->port->count.fills, 100 * PAGE / sizeof(uint64_t));
        assert_int_equal(stash.count, 170);
        for (uint32_t n = 0, i = stash.head; n < 170; n++, i = f->meta[i].link) {
            assert_int_equal(f->meta[i].flags, n < 100 ? S2_TPAGE_ZERO : 0);
            if (n < 100)
                assert_zero(f, s2_tpool_pa(&f->pool, i).v, PAGE);
        }
        s2_tpool_give(&f->pool, &f->quota, &stash);
    }
}

static void all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct s2_tstash stash = S2_TSTASH_EMPTY;
    struct s2_tquota small = {.limit = 3}, other = {.limit = 2 * PAGES};

    assert_int_equal(s2_tpool_take(&f->pool, &small, 4, &stash), S2_EQUOTA);
    assert_int_equal(s2_tpool_take(&f->pool, &other, PAGES + 1, &stash), S2_ETABLES);
    assert_int_equal(s2_tpool_take(&f->pool, &other, UINT32_MAX, &stash), S2_EQUOTA);
    assert_int_equal(stash.count + f->port->count.fills + small.used + other.used, 0);
    small.promised = 2;
    assert_int_equal(s2_tpool_take(&f->pool, &small, 2, &stash), S2_EQUOTA);
    assert_int_equal(s2_tpool_take(&f->pool, &small, 1, &stash), S2_OK);
    assert_int_equal(s2_tpool_take(&f->pool, &small, 1, &stash), S2_EQUOTA);
    assert_int_equal(s2_tpool_draw(&f->pool, &small, 2, &stash), S2_OK); /* what the promise is for */
    assert_int_equal(s2_tpool_draw(&f->pool, &small, 1, &stash), S2_EQUOTA);
    assert_int_equal(s2_tpool_take(&f->pool, &f->quota, 0, &stash), S2_OK);
    assert_int_equal(stash.count, 3);
    s2_tpool_give(&f->pool, &small, &stash);
    assert_int_equal(small.used, 0);
}

static void roots_are_aligned(void **state)
{
    struct fixture *f = *state;
    struct s2_pa_range got[5];
    unsigned n = 0;

    for (unsigned pages = 1; pages <= 16; pages *= 2, n++) {
        s2_pa root;

        assert_int_equal(s2_tpool_take_root(&f->pool, &f->quota, pages, &root), S2_OK);
        assert_int_equal(root.v % (pages * PAGE), 0);
        assert_in_range(root.v, BASE, BASE + (PAGES - pages) * PAGE);
        assert_zero(f, root.v, pages * PAGE);
        got[n] = (struct s2_pa_range){root, S2_PA(root.v + pages * PAGE)};
        for (unsigned i = 0; i < n; i++)
            assert_true(got[i].end.v <= root.v || got[i].start.v >= got[n].end.v);
        assert_null(s2_tpool_check(&f->pool));
    }
    assert_int_equal(f->quota.used, 31);
    while (n-- > 0)
        s2_tpool_give_root(&f->pool, &f->quota, got[n].start);
}

static void root_in_a_fragmented_pool(void **state)
{
    struct fixture *f = *state;
    struct s2_tstash all = S2_TSTASH_EMPTY, give = S2_TSTASH_EMPTY;
    s2_pa root = S2_PA(1);

    assert_int_equal(s2_tpool_take(&f->pool, &f->quota, PAGES, &all), S2_OK);
    for (uint32_t i = 0; i < PAGES; i += 2) { /* every other page is free: no two together */
        struct s2_tstash keep = S2_TSTASH_EMPTY;

        while (all.count) {
            uint32_t index = s2_tstash_pop(&f->pool, &all);

            s2_tstash_push(&f->pool, index % 2 ? &keep : &give, index);
        }
        all = keep;
    }
    s2_tpool_give(&f->pool, &f->quota, &give);
    assert_int_equal(s2_tpool_take_root(&f->pool, &f->quota, 2, &root), S2_ETABLES);
    assert_int_equal(root.v, 1);
    assert_int_equal(f->pool.free, PAGES / 2);
    assert_int_equal(f->quota.used, PAGES / 2);
    assert_int_equal(s2_tpool_take_root(&f->pool, &f->quota, 1, &root), S2_OK);
    s2_tpool_give_root(&f->pool, &f->quota, root);
    f->quota.limit = PAGES / 2;
    assert_int_equal(s2_tpool_take_root(&f->pool, &f->quota, 1, &root), S2_EQUOTA);
    s2_tpool_give(&f->pool, &f->quota, &all);
}

static void check_sees_damage(void **state)
{
    struct fixture *f = *state;
    uint32_t head = f->pool.free_head, next = f->meta[head].link;

    f->meta[next].level = 3;
    assert_non_null(s2_tpool_check(&f->pool));
    f->meta[next].level = S2_TPAGE_FREE;
    f->meta[head].link = head;
    assert_non_null(s2_tpool_check(&f->pool));
    f->meta[head].link = PAGES;
    assert_non_null(s2_tpool_check(&f->pool));
    f->meta[head].link = f->meta[next].link;
    assert_non_null(s2_tpool_check(&f->pool));
    f->meta[head].link = next;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(refuses_bad_banks),         TEST(init_touches_no_page), TEST(every_page_once_and_as_it_was),
        TEST(what_is_drawn_is_zero),     TEST(all_or_nothing),       TEST(roots_are_aligned),
        TEST(root_in_a_fragmented_pool), TEST(check_sees_damage),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
