/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The budgets of the design (section 4): exact numbers of TLBI and DSB by kind, on the CPU that runs the VM, on another,
 * with and without range operations, level hints and FEAT_BBM; operands. */
#include "issued.h"

/* Unmaps r, which mapping left, and compares. */
static void unmapping(struct s2_ipa_range r, struct issued want)
{
    model_reset_counters(m.port);
    table_unmap(&m, &m.t, r);
    expect(want);
}

static void mapping_is_one_barrier(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};

    (void)state;
    create(&cfg);
    model_reset_counters(m.port);
    table_map(&m, &m.t, span(0, PAGE), PA0, S2_RW);
    expect(one_barrier);
    model_reset_counters(m.port);
    table_map(&m, &m.t, span(GIB - PAGE, 700 * GIB), PA0 + GIB - PAGE, S2_RW);
    expect(one_barrier);
    model_reset_counters(m.port);
    table_protect(&m, &m.t, span(0, TIB), S2_RW); /* as it was */
    expect(nothing);
    model_reset_counters(m.port);
    table_unmap(&m, &m.t, span(800 * GIB, GIB)); /* nothing there */
    expect(nothing);
    machine_destroy(&m);
}

static void a_space_that_never_ran(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};

    (void)state;
    machine_create(&m, &cfg);
    fresh_map(span(0, GIB + PAGE), PA0, S2_RW);
    table_unmap(&m, &m.t, span(PAGE, PAGE));
    table_protect(&m, &m.t, span(0, 2 * GIB), S2_R);
    table_protect(&m, &m.t, span(0, 2 * GIB), S2_R | S2_MT_DEV_nGnRE);
    table_remap(&m, &m.t, span(0, GIB), PA0 + PAGE, S2_R);
    assert_int_equal(model_tlbis(m.port), 0);
    assert_int_equal(m.port->count.contexts, 0);
    machine_destroy(&m);
    /* Not even by its destruction. */
    machine_create(&m, &cfg);
    fresh_map(span(0, PAGE), PA0, S2_RW);
    table_destroy(&m, &m.t);
    assert_int_equal(model_tlbis(m.port), 0);
    table_create(&m, &m.t, &cfg, 1);
    machine_destroy(&m);
}

static void unmap_one_leaf(void **state)
{
    static const struct machine_config cfgs[] = {{.bbm = 0}, {.least = true}, {.no_ttl = true}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        create(&cfgs[i]);
        fresh_map(span(0, 2 * PAGE), PA0, S2_RW);
        unmapping(span(0, PAGE), by_ipa); /* the table stays: the leaf-only form */
        assert_int_equal(m.port->count.tlbi[S2_TLBI_IPAS2LE1IS], 1);
        unmapping(span(PAGE, PAGE), by_ipa); /* the table goes: the form that reaches it */
        assert_int_equal(m.port->count.tlbi[S2_TLBI_IPAS2E1IS], 1);
        fresh_map(span(0, 4 * MIB), PA0, S2_RW);
        unmapping(span(2 * MIB, 2 * MIB), by_ipa);
        assert_int_equal(m.port->count.tlbi[S2_TLBI_IPAS2LE1IS], 1);
        fresh_map(span(GIB, 2 * GIB), PA0, S2_RW);
        unmapping(span(GIB, GIB), by_ipa);
        machine_destroy(&m);
    }
}

static void unmap_ranges(void **state)
{
    static const struct machine_config range = {.bbm = 0}, single = {.no_range = true},
                                       short_ranges = {.short_ranges = true};

    (void)state;
    create(&range);
    fresh_map(span(0, 64 * PAGE), PA0, S2_RW);
    unmapping(span(5 * PAGE, 2 * PAGE), and_make(by_range)); /* the rest of a run is broken and made again */
    assert_int_equal(m.port->count.tlbi[S2_TLBI_RIPAS2LE1IS], 1);
    unmapping(span(9 * PAGE, 2 * PAGE), by_range);   /* of what was a run */
    unmapping(span(11 * PAGE, 37 * PAGE), by_range); /* that, and two whole runs */
    assert_int_equal(m.port->count.tlbi[S2_TLBI_RIPAS2LE1IS], 1);
    unmapping(span(0, 2 * MIB), by_range); /* with the table */
    assert_int_equal(m.port->count.tlbi[S2_TLBI_RIPAS2E1IS], 1);
    fresh_map(span(0, GIB), PA0 + PAGE, S2_RW);
    unmapping(span(0, GIB), by_range); /* a whole subtree of 513 tables */
    assert_int_equal(tables_used(&m.t), 0);
    fresh_map(span(0, 8 * GIB), PA0, S2_RW);
    unmapping(span(0, 3 * GIB), by_range);
    unmapping(span(4 * GIB, 4 * GIB), by_range);
    fresh_map(span(GIB, PAGE), PA0, S2_RW);
    fresh_map(span(600 * GIB, PAGE), PA0, S2_RW);
    unmapping(span(GIB, 700 * GIB), by_vmid); /* too far apart for one operation */
    machine_destroy(&m);

    create(&short_ranges); /* an erratum (rule 10) */
    fresh_map(span(0, 16 * GIB), PA0, S2_RW);
    unmapping(span(0, 3 * GIB), by_range);
    unmapping(span(4 * GIB, 4 * GIB), by_vmid);
    unmapping(span(9 * GIB, 5 * GIB), by_vmid);
    machine_destroy(&m);

    create(&single);
    fresh_map(span(0, 64 * PAGE), PA0 + PAGE, S2_RW); /* no runs */
    unmapping(span(8 * PAGE, 8 * PAGE), (struct issued){.tlbi = 9, .dsb = 3, .ipa = 8, .vmid = 1});
    unmapping(span(24 * PAGE, 9 * PAGE), by_vmid);
    fresh_map(span(GIB, 8 * MIB), PA0, S2_RW);
    unmapping(span(GIB + 2 * MIB, 4 * MIB), (struct issued){.tlbi = 3, .dsb = 3, .ipa = 2, .vmid = 1});
    unmapping(span(0, GIB), by_vmid); /* with the table */
    machine_destroy(&m);
}

static void splits(void **state)
{
    static const struct machine_config cfgs[] = {{.bbm = 0}, {.bbm = 1}, {.least = true}, {.bbm = 2}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool bbm2 = i == 3, range = i != 2;
        struct issued across;

        create(&cfgs[i]);
        fresh_map(span(0, 4 * GIB), PA0, S2_RW);
        unmapping(span(PAGE, PAGE), bbm2 ? by_ipa : and_make(by_ipa)); /* 1G, through two levels */
        unmapping(span(GIB + 2 * MIB, 2 * MIB), bbm2 ? by_ipa : and_make(by_ipa));
        across = range ? by_range : by_vmid;
        unmapping(span(2 * GIB - PAGE, GIB + PAGE), bbm2 ? across : and_make(across));
        unmapping(span(3 * GIB + PAGE, GIB - 2 * PAGE), bbm2 ? by_ipa : and_make(by_ipa)); /* both edges in one block */
        model_reset_counters(m.port);
        table_protect(&m, &m.t, span(4 * MIB + PAGE, PAGE), S2_R); /* size and rights at once: broken in any case */
        expect(and_make(by_ipa));
        machine_destroy(&m);
    }
}

/* Two edges, in two blocks: still one flush and one barrier more. */
static void two_edges(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};

    (void)state;
    create(&cfg);
    fresh_map(span(0, 16 * MIB), PA0, S2_RW);
    unmapping(span(MIB, 6 * MIB), and_make(by_range));
    assert_int_equal(m.port->count.tlbi[S2_TLBI_RIPAS2LE1IS], 1);
    assert_leaf(&m.t, MIB - PAGE, PA0 + MIB - PAGE, S2_RW, 3);
    assert_leaf(&m.t, 7 * MIB, PA0 + 7 * MIB, S2_RW, 3);
    machine_destroy(&m);
}

static void write_protect(void **state)
{
    static const struct machine_config plain = {.bbm = 0}, least = {.least = true},
                                       hardware = {.access_flag = true, .dirty = true};

    (void)state;
    create(&plain);
    fresh_map(span(0, GIB), PA0 + PAGE, S2_RW);
    table_protect(&m, &m.t, span(0, GIB), S2_R);
    expect(by_range);
    assert_int_equal(m.port->count.tlbi[S2_TLBI_RIPAS2LE1IS], 1);
    machine_destroy(&m);

    create(&least);
    fresh_map(span(0, GIB), PA0 + 2 * MIB, S2_RW);
    table_protect(&m, &m.t, span(0, GIB), S2_R);
    expect(by_vmid);
    model_reset_counters(m.port);
    table_protect(&m, &m.t, span(0, 2 * MIB), S2_RW | S2_MT_DEV_nGnRE); /* type: break, flush, make */
    expect(and_make(by_ipa));
    machine_destroy(&m);

    create(&hardware);
    fresh_map(span(0, GIB), PA0 + 2 * MIB, S2_RW);
    table_protect(&m, &m.t, span(0, GIB), S2_R);
    expect(and_make(by_range));
    machine_destroy(&m);
}

static void remap(void **state)
{
    static const struct machine_config cfg = {.bbm = 0}, least = {.least = true};

    (void)state;
    create(&cfg);
    fresh_map(span(0, 2 * PAGE), PA0, S2_RW);
    table_remap(&m, &m.t, span(0, PAGE), PA0 + GIB, S2_RW);
    expect(and_make(by_ipa));
    model_reset_counters(m.port);
    table_remap(&m, &m.t, span(0, 2 * PAGE), PA0, S2_RW);
    expect(and_make(by_range));
    machine_destroy(&m);
    create(&least);
    fresh_map(span(0, 4 * MIB), PA0, S2_RW);
    table_remap(&m, &m.t, span(0, 2 * MIB), PA0 + GIB, S2_RW);
    expect(and_make(by_ipa));
    machine_destroy(&m);
}

static void relax(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};

    (void)state;
    create(&cfg);
    fresh_map(span(0, 8 * PAGE), PA0, S2_R);
    table_protect(&m, &m.t, span(0, PAGE), S2_RW);
    expect((struct issued){.tlbi = 2, .dsb = 3, .local = 2});
    assert_int_equal(m.port->count.tlbi[S2_TLBI_IPAS2LE1], 1);
    assert_int_equal(m.port->count.tlbi[S2_TLBI_VMALLE1], 1);
    assert_int_equal(m.port->count.barrier[S2_DSB_NSH], 2);
    model_reset_counters(m.port);
    table_protect(&m, &m.t, span(0, 8 * PAGE), S2_RWX);
    expect((struct issued){.tlbi = 2, .dsb = 3, .local = 2});
    assert_int_equal(m.port->count.tlbi[S2_TLBI_RIPAS2LE1], 1);
    assert_int_equal(m.port->count.tlbi[S2_TLBI_VMALLE1], 1);
    assert_int_equal(m.port->count.barrier[S2_DSB_NSH], 2);
    /* One right more and one less is no relaxation. */
    fresh_map(span(GIB, PAGE), PA0, S2_RX);
    table_protect(&m, &m.t, span(GIB, PAGE), S2_RW);
    expect(by_ipa);
    machine_destroy(&m);
}

static void destroy(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};
    struct edit e;

    (void)state;
    create(&cfg);
    fresh_map(span(PAGE, 40 * GIB), PA0 + PAGE, S2_RW);
    e = edit_begin(&m, &m.t);
    s2_table_detach_all(&m.t, &e.g);
    edit_end(&e);
    expect(by_vmid);
    machine_destroy(&m);
}

static void freed_in_steps(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};
    struct edit e;
    unsigned steps = 0;
    uint32_t free;

    (void)state;
    create(&cfg);
    /* Twelve trees, one for each GiB, of three pages; a thirteenth of 31. */
    for (uint64_t i = 0; i < 12; i++)
        fresh_map(span(i * GIB + 2 * MIB - PAGE, 2 * PAGE), PA0 + PAGE, S2_RW);
    fresh_map(span(12 * GIB, 60 * MIB), PA0 + PAGE, S2_RW);
    assert_int_equal(tables_used(&m.t), 12 * 3 + 31);
    free = m.pool.free;
    e = edit_begin(&m, &m.t);
    s2_table_detach_all(&m.t, &e.g);
    s2_gather_flush(&m.t, &e.g);
    do {
        assert_null(s2_table_check(&m.t));
        assert_null(s2_tpool_check(&m.pool));
        steps++;
    } while (s2_gather_free_step(&m.t, &e.g, 3));
    assert_int_equal(steps, 5);
    assert_int_equal(leaves_at(&m.t, 3), 0);
    assert_int_equal(tables_used(&m.t), 0);
    assert_int_equal(m.pool.free, free + 12 * 3 + 31);
    /* What was given back by trees is found again page by page, each once. */
    e.stash = S2_TSTASH_EMPTY;
    assert_int_equal(s2_tpool_take(&m.pool, &m.t.quota, m.pool.free, &e.stash), S2_OK);
    assert_int_equal(e.stash.count, free + 12 * 3 + 31);
    assert_int_equal(m.pool.free, 0);
    assert_null(s2_tpool_check(&m.pool));
    edit_end(&e);
    machine_destroy(&m);
}

static void repeated_invalidation(void **state)
{
    static const struct machine_config cfg = {.repeat = true};

    (void)state;
    create(&cfg);
    fresh_map(span(0, 4 * PAGE), PA0, S2_RW);
    unmapping(span(0, PAGE), (struct issued){.tlbi = 4, .dsb = 5, .ipa = 2, .vmid = 2});
    machine_destroy(&m);
}

/* A table that lost its last leaf translated more than that: another one in its place waits for the flush, wherever its leaf is. */
static void a_table_in_the_place_of_another(void **state)
{
    struct edit e;

    (void)state;
    create(&(struct machine_config){0});
    table_map(&m, &m.t, span(GIB + 5 * PAGE, PAGE), PA0, S2_RW);
    assert_int_equal(model_access(m.port, GIB + 5 * PAGE, MODEL_READ, false).result, MODEL_DONE);
    model_reset_counters(m.port);
    e = edit_begin(&m, &m.t);
    edit_reserve(&e, s2_table_need_map(&m.t, span(GIB + 3 * PAGE, PAGE), S2_PA(PA0), true));
    s2_table_unmap(&m.t, &e.stash, &e.g, span(GIB + 5 * PAGE, PAGE));
    s2_table_map(&m.t, &e.stash, &e.g, span(GIB + 3 * PAGE, PAGE), S2_PA(PA0), S2_ATTR(S2_RW));
    edit_end(&e);
    expect(and_make(by_ipa));
    machine_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapping_is_one_barrier),
        cmocka_unit_test(a_space_that_never_ran),
        cmocka_unit_test(unmap_one_leaf),
        cmocka_unit_test(unmap_ranges),
        cmocka_unit_test(splits),
        cmocka_unit_test(two_edges),
        cmocka_unit_test(write_protect),
        cmocka_unit_test(remap),
        cmocka_unit_test(relax),
        cmocka_unit_test(destroy),
        cmocka_unit_test(freed_in_steps),
        cmocka_unit_test(repeated_invalidation),
        cmocka_unit_test(a_table_in_the_place_of_another),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
