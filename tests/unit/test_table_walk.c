/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is read out of tables: walks, visits, the check of their structure; and lookups against a flat array, by chance. */
#include "table_fixture.h"

#include <stdlib.h>

/* --- walk, visit, check ------------------------------------------------------------------------------------------------ */

static void walk(void **state)
{
    struct s2_walk_step steps[5];

    (void)state;
    table_map(&m, &m.t, span(600 * GIB, PAGE), PA0, S2_RW);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(600 * GIB), steps), 3);
    assert_int_equal(steps[0].level, 1);
    assert_int_equal(steps[0].slot.v, m.t.root.v + PAGE + 88 * 8); /* the second root */
    assert_int_equal(steps[0].desc & 3, 3);
    assert_int_equal(steps[1].level, 2);
    assert_int_equal(steps[1].slot.v, steps[0].desc & 0xfffffffff000);
    assert_int_equal(steps[2].level, 3);
    assert_int_equal(steps[2].desc & 0xfffffffff000, PA0);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(0), steps), 1);
    assert_int_equal(steps[0].desc, 0);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(TIB), steps), 0);
}

struct seen {
    uint64_t start[16];
    unsigned n, limit;
};

static bool see(void *arg, const struct s2_leaf *leaf)
{
    struct seen *s = arg;

    s->start[s->n++] = leaf->range.start.v;
    return s->n < s->limit;
}

static void visit(void **state)
{
    struct seen s = {.limit = 16};

    (void)state;
    table_map(&m, &m.t, span(GIB - 2 * PAGE, GIB + 2 * PAGE), PA0 + GIB - 2 * PAGE, S2_RW);
    table_map(&m, &m.t, span(700 * GIB, 4 * MIB), PA0, S2_RW);
    s2_table_visit(&m.t, span(0, UINT64_MAX), see, &s);
    assert_int_equal(s.n, 5);
    assert_int_equal(s.start[0], GIB - 2 * PAGE);
    assert_int_equal(s.start[2], GIB);
    assert_int_equal(s.start[4], 700 * GIB + 2 * MIB);
    s = (struct seen){.limit = 16};
    s2_table_visit(&m.t, span(GIB - PAGE, 2 * PAGE), see, &s);
    assert_int_equal(s.n, 2);
    s = (struct seen){.limit = 3};
    s2_table_visit(&m.t, span(0, TIB), see, &s);
    assert_int_equal(s.n, 3);
    s = (struct seen){.limit = 1};
    s2_table_visit(&m.t, span(5, 0), see, &s);
    assert_int_equal(s.n, 0);
}

/* One damage at a time is seen, and nothing is left of the look. */
static void damage(uint64_t pa, unsigned entry, uint64_t flip)
{
    uint64_t *slot = (uint64_t *)model_ram(m.port, pa) + entry;

    *slot ^= flip;
    assert_non_null(s2_table_check(&m.t));
    *slot ^= flip;
    assert_null(s2_table_check(&m.t));
}

static void check_sees_damage(void **state)
{
    struct s2_walk_step steps[5];
    uint64_t leaf_table;

    (void)state;
    table_map(&m, &m.t, span(0, 2 * MIB + PAGE), 0, S2_RW);
    assert_int_equal(s2_table_walk(&m.t, S2_IPA(2 * MIB), steps), 3);
    leaf_table = steps[2].slot.v;
    damage(leaf_table, 0, 1);                                  /* not valid, but not empty */
    damage(leaf_table, 0, 2);                                  /* reserved type */
    damage(leaf_table, 0, 1ull << 16 | 1ull << 52);            /* nT and contiguous */
    damage(leaf_table, 0, 1ull << 11);                         /* reserved */
    damage(leaf_table, 0, 1ull << 6);                          /* writable, not readable */
    damage(leaf_table, 0, 2ull << 8);                          /* the reserved shareability */
    damage(leaf_table, 0, 1ull << 5);                          /* no such memory type */
    damage(leaf_table, 3, 1);                                  /* a leaf that nobody counted */
    damage(steps[1].slot.v & ~(PAGE - 1), 0, 1ull << 13);      /* block output not aligned */
    damage(steps[1].slot.v & ~(PAGE - 1), 2, (steps[1].desc)); /* a table twice */
    damage(steps[1].slot.v, 0, 1ull << 45);                    /* a table outside the pool */
    damage(m.t.root.v, 1, 1);                                  /* a block beside the tables, uncounted */
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].valid++;
    assert_non_null(s2_table_check(&m.t));
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].valid--;
    m.meta[s2_tpool_index(&m.pool, m.t.root)].tables++;
    assert_non_null(s2_table_check(&m.t));
    m.meta[s2_tpool_index(&m.pool, m.t.root)].tables--;
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].level = 2;
    assert_non_null(s2_table_check(&m.t));
    m.meta[s2_tpool_index(&m.pool, S2_PA(leaf_table))].level = 3;
}

/* --- chance, against a flat array -------------------------------------------------------------------------------------- */

#define WINDOWS      3u
#define WINDOW_BYTES (6 * MIB)
#define WINDOW_PAGES (WINDOW_BYTES / PAGE)

struct cell {
    uint64_t pa; /* 0: nothing */
    uint32_t attr;
};
static struct cell oracle[WINDOWS][WINDOW_PAGES];
static const uint64_t window_ipa[WINDOWS] = {0, GIB - 2 * MIB, 512 * GIB - 4 * MIB};

static void compare(unsigned w)
{
    struct s2_leaf leaf = {.range = {S2_IPA(0), S2_IPA(0)}};

    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        uint64_t ipa = window_ipa[w] + i * PAGE;
        const struct cell *c = &oracle[w][i];

        if (ipa >= leaf.range.end.v || ipa < leaf.range.start.v)
            s2_table_lookup(&m.t, S2_IPA(ipa), &leaf);
        if (leaf.valid != (c->pa != 0))
            fail_msg("window %u page %u: %s", w, i, leaf.valid ? "mapped" : "not mapped");
        if (!leaf.valid)
            continue;
        assert_int_equal(leaf.pa.v + (ipa - leaf.range.start.v), c->pa);
        assert_int_equal(leaf.attr.bits, c->attr);
    }
}

static uint32_t chosen(const uint32_t *list, unsigned n)
{
    return list[(unsigned)rand() % n];
}

/* Lengths of all kinds, often whole blocks. */
static void choose_run(unsigned *first, unsigned *n)
{
    unsigned kind = (unsigned)rand() % 4;

    *first = (unsigned)rand() % WINDOW_PAGES;
    *n = 1 + (unsigned)rand() % (kind == 0 ? 1u : kind == 1 ? 20u : 1200u);
    if (kind == 3) {
        *first &= ~511u;
        *n = 512 * (1 + (unsigned)rand() % 3);
    }
    if (*first + *n > WINDOW_PAGES)
        *n = WINDOW_PAGES - *first;
}

static void chance_step(void)
{
    static const uint32_t attrs[] = {S2_RWX, S2_RW, S2_R, S2_RX, 0, S2_RW | S2_MT_NORMAL_NC, S2_R | 6u << S2_SW_SHIFT};
    unsigned w = (unsigned)rand() % WINDOWS, first, n;
    uint32_t attr = chosen(attrs, sizeof attrs / sizeof attrs[0]);
    uint64_t ipa, pa;

    choose_run(&first, &n);
    ipa = window_ipa[w] + first * PAGE;
    pa = PA0 + (rand() % 2 ? ipa : ipa + ((uint64_t)rand() % 8) * PAGE);
    switch (rand() % 4) {
    case 0:
    case 1:
        table_remap(&m, &m.t, span(ipa, n * PAGE), pa, attr);
        for (unsigned i = 0; i < n; i++)
            oracle[w][first + i] = (struct cell){pa + i * PAGE, attr};
        break;
    case 2:
        table_unmap(&m, &m.t, span(ipa, n * PAGE));
        for (unsigned i = 0; i < n; i++)
            oracle[w][first + i] = (struct cell){0, 0};
        break;
    default:
        table_protect(&m, &m.t, span(ipa, n * PAGE), attr);
        for (unsigned i = 0; i < n; i++)
            oracle[w][first + i].attr = attr;
    }
    for (unsigned i = 0; i < WINDOWS; i++)
        compare(i);
}

static void chance(void **state)
{
    struct machine_config cfgs[] = {
        {.least = true},
        {.bbm = 0},
        {.bbm = 2},
        {.access_flag = true, .dirty = true},
        {.no_range = true, .bbm = 2},
        {.repeat = true},
        {.no_ttl = true},
    };

    (void)state;
    for (unsigned c = 0; c < sizeof cfgs / sizeof cfgs[0]; c++) {
        srand(c + 1);
        memset(oracle, 0, sizeof oracle);
        machine_create(&m, &cfgs[c]);
        table_run(&m, &m.t, 1);
        table_run(&m, &m.t, 0);
        for (unsigned step = 0; step < 150; step++) {
            model_set_cpu(m.port, (unsigned)rand() % 2);
            chance_step();
        }
        for (unsigned w = 0; w < WINDOWS; w++)
            table_unmap(&m, &m.t, span(window_ipa[w], WINDOW_BYTES));
        assert_int_equal(tables_used(&m.t), 0);
        machine_destroy(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(walk, setup),
        ON(visit, setup),
        ON(check_sees_damage, setup),
        cmocka_unit_test(chance),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
