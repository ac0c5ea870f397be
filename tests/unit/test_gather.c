/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The budgets of the design (section 4): exact numbers of TLBI and DSB by kind, on the CPU that runs the VM, on another,
 * with and without range operations, level hints and FEAT_BBM; operands; borrowed contexts. */
#include "table_machine.h"

#include <stdlib.h>

#define PA0 0x80000000ull

static struct machine m;

/* What an operation issued. */
struct issued {
    unsigned tlbi, dsb;               /* in all */
    unsigned ipa, range, vmid, whole; /* broadcast: by IPA, by range, VMALLE1IS, VMALLS12E1IS */
    unsigned local;                   /* of any kind */
};

static struct issued issued(void)
{
    const uint64_t *t = m.port->count.tlbi;

    return (struct issued){
        .tlbi = (unsigned)model_tlbis(m.port),
        .dsb = (unsigned)model_dsbs(m.port),
        .ipa = (unsigned)(t[S2_TLBI_IPAS2E1IS] + t[S2_TLBI_IPAS2LE1IS]),
        .range = (unsigned)(t[S2_TLBI_RIPAS2E1IS] + t[S2_TLBI_RIPAS2LE1IS]),
        .vmid = (unsigned)t[S2_TLBI_VMALLE1IS],
        .whole = (unsigned)t[S2_TLBI_VMALLS12E1IS],
        .local = (unsigned)(t[S2_TLBI_IPAS2E1] + t[S2_TLBI_IPAS2LE1] + t[S2_TLBI_RIPAS2E1] + t[S2_TLBI_RIPAS2LE1] +
                            t[S2_TLBI_VMALLE1] + t[S2_TLBI_VMALLS12E1]),
    };
}

static void expect(struct issued want)
{
    struct issued got = issued();

    if (memcmp(&got, &want, sizeof got))
        fail_msg("tlbi %u dsb %u ipa %u range %u vmid %u whole %u local %u", got.tlbi, got.dsb, got.ipa, got.range,
                 got.vmid, got.whole, got.local);
}

static const struct issued nothing = {.tlbi = 0, .dsb = 0};
static const struct issued one_barrier = {.dsb = 1};
static const struct issued by_ipa = {.tlbi = 2, .dsb = 3, .ipa = 1, .vmid = 1};
static const struct issued by_range = {.tlbi = 2, .dsb = 3, .range = 1, .vmid = 1};
static const struct issued by_vmid = {.tlbi = 1, .dsb = 2, .whole = 1};

static struct issued and_make(struct issued i)
{
    i.dsb++;
    return i;
}

static void create(const struct machine_config *cfg)
{
    machine_create(&m, cfg);
    table_run(&m, &m.t, 1);
    table_run(&m, &m.t, 0);
}

static void fresh_map(struct s2_ipa_range r, uint64_t pa, uint32_t attr)
{
    table_map(&m, &m.t, r, pa, attr);
    model_reset_counters(m.port);
}

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

/* --- whose context ---------------------------------------------------------------------------------------------------- */

static void another_vm_is_loaded(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};
    struct s2_table other;
    uint64_t vttbr, vtcr;

    (void)state;
    machine_create(&m, &cfg);
    table_create(&m, &other, &(struct machine_config){.ipa_bits = 36}, 2);
    table_map(&m, &other, span(0, PAGE), PA0, S2_RW);
    table_map(&m, &m.t, span(0, 4 * PAGE), PA0 + GIB, S2_RW);
    table_run(&m, &m.t, 1);
    table_run(&m, &other, 0);
    assert_int_equal(model_access(m.port, 0, MODEL_READ, false).pa, PA0);
    vttbr = s2_port_vttbr(m.port);
    vtcr = s2_port_vtcr(m.port);
    model_reset_counters(m.port);
    table_unmap(&m, &m.t, span(0, PAGE)); /* edited on CPU 0, which runs the other */
    expect(by_ipa);
    assert_int_equal(m.port->count.contexts, 2); /* there and back, in a pair */
    assert_int_equal(m.port->count.barrier[S2_DSB_ISHST], 0);
    assert_int_equal(s2_port_vttbr(m.port), vttbr);
    assert_int_equal(s2_port_vtcr(m.port), vtcr);
    assert_true(m.port->cpu[0].irqs_on);
    assert_int_equal(m.port->count.walk_stops, 1); /* speculative AT errata */
    assert_int_equal(m.port->cpu[0].walks_stopped, 0);
    model_set_cpu(m.port, 1);
    assert_int_equal(model_access(m.port, 0, MODEL_READ, false).result, MODEL_TRANSLATION_FAULT);
    assert_int_equal(model_access(m.port, PAGE, MODEL_READ, false).pa, PA0 + GIB + PAGE);
    /* The VM's own CPU borrows nothing. */
    model_reset_counters(m.port);
    table_unmap(&m, &m.t, span(PAGE, PAGE));
    expect(by_ipa);
    assert_int_equal(m.port->count.contexts + m.port->count.walk_stops, 0);
    assert_int_equal(m.port->count.barrier[S2_DSB_ISHST], 1);
    /* No context at all on this CPU. */
    table_leave(&m, 0);
    model_reset_counters(m.port);
    table_unmap(&m, &m.t, span(2 * PAGE, PAGE));
    expect(by_ipa);
    assert_int_equal(m.port->count.contexts, 2);
    assert_int_equal(s2_port_vttbr(m.port), 0);
    table_destroy(&m, &other);
    machine_destroy(&m);
}

static void local_flushes(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};
    struct s2_table other;

    (void)state;
    create(&cfg);
    fresh_map(span(0, GIB), PA0, S2_RW);
    s2_table_flush_local(&m.t, S2_IPA(5 * MIB + 123));
    expect((struct issued){.tlbi = 2, .dsb = 2, .local = 2});
    assert_int_equal(m.port->count.tlbi[S2_TLBI_IPAS2E1], 1);
    assert_int_equal(m.port->count.tlbi[S2_TLBI_VMALLE1], 1);
    model_reset_counters(m.port);
    s2_table_flush_local_all(&m.t);
    expect((struct issued){.tlbi = 1, .dsb = 1, .local = 1});
    assert_int_equal(m.port->count.tlbi[S2_TLBI_VMALLS12E1], 1);
    model_reset_counters(m.port);
    s2_table_flush_vcpu(&m.t);
    expect((struct issued){.tlbi = 1, .dsb = 2, .local = 1});
    assert_int_equal(m.port->count.tlbi[S2_TLBI_VMALLE1], 1);
    model_expect_quiet(m.port);
    table_create(&m, &other, &cfg, 2);
    table_run(&m, &other, 0);
    model_reset_counters(m.port);
    s2_table_flush_local(&m.t, S2_IPA(0));
    assert_int_equal(m.port->count.contexts, 2);
    model_expect_quiet(m.port);
    table_destroy(&m, &other);
    machine_destroy(&m);
}

/* What a guest on the other CPU sees right after each kind of operation: no stale entry, at any moment. */
static void seen_from_another_cpu(void **state)
{
    static const struct machine_config cfgs[] = {
        {.bbm = 0}, {.least = true}, {.bbm = 2}, {.access_flag = true, .dirty = true}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct model_outcome o;

        create(&cfgs[i]);
        table_map(&m, &m.t, span(0, 2 * GIB), PA0, S2_RWX);
        model_set_cpu(m.port, 1);
        assert_int_equal(model_access(m.port, PAGE, MODEL_WRITE, false).pa, PA0 + PAGE);
        model_set_cpu(m.port, 0);
        table_protect(&m, &m.t, span(0, 3 * PAGE), S2_RX);
        model_set_cpu(m.port, 1);
        assert_int_equal(model_access(m.port, PAGE, MODEL_WRITE, false).result, MODEL_PERMISSION_FAULT);
        assert_int_equal(model_access(m.port, PAGE, MODEL_EXEC, false).pa, PA0 + PAGE);
        model_set_cpu(m.port, 0);
        table_remap(&m, &m.t, span(PAGE, PAGE), PA0 + 5 * GIB, S2_R);
        model_set_cpu(m.port, 1);
        o = model_access(m.port, PAGE, MODEL_READ, false);
        assert_int_equal(o.result, MODEL_DONE);
        assert_int_equal(o.pa, PA0 + 5 * GIB);
        assert_int_equal(model_access(m.port, PAGE, MODEL_EXEC, false).result, MODEL_PERMISSION_FAULT);
        model_set_cpu(m.port, 0);
        table_unmap(&m, &m.t, span(0, GIB));
        model_set_cpu(m.port, 1);
        assert_int_equal(model_access(m.port, PAGE, MODEL_READ, false).result, MODEL_TRANSLATION_FAULT);
        assert_int_equal(model_access(m.port, GIB, MODEL_WRITE, true).pa, PA0 + GIB);
        model_expect_clean(m.port, MODEL_ALL_VMIDS);
        machine_destroy(&m);
    }
}

/* Three numbers, five VMs on two CPUs: no VM ever meets what another left under its number. */
static void rollover_in_a_real_machine(void **state)
{
    static const struct machine_config cfg = {.ipa_bits = 36};
    struct s2_table vm[5];

    (void)state;
    machine_create(&m, &cfg);
    s2_vmids_init(&m.vmids, m.port, 3);
    for (unsigned i = 0; i < 5; i++) {
        table_create(&m, &vm[i], &cfg, (uint16_t)(2 + i));
        table_map(&m, &vm[i], span(0, 2 * PAGE), PA0 + i * GIB, S2_RW);
    }
    s2_vmids_init(&m.vmids, m.port, 2);
    srand(7);
    for (unsigned step = 0; step < 400; step++) {
        unsigned i = (unsigned)rand() % 4, cpu = (unsigned)rand() % 2;

        table_run(&m, &vm[i], cpu);
        assert_int_equal(model_access(m.port, PAGE, MODEL_READ, false).pa, PA0 + i * GIB + PAGE);
        if (step % 3 == 0)
            table_remap(&m, &vm[i], span(PAGE, PAGE), PA0 + i * GIB + PAGE, S2_RW);
        assert_true(model_ok(m.port));
    }
    for (unsigned i = 0; i < 5; i++)
        table_destroy(&m, &vm[i]);
    machine_destroy(&m);
}

/* --- a rollover just when a context is borrowed ------------------------------------------------------------------------- */

static struct s2_table others[8];
static unsigned rolled;

/* As soon as the numbers can be had, another CPU runs through all of them. */
static void roll_over(void *arg, const struct s2_lock *lock, bool taken)
{
    (void)arg;
    if (lock != &m.vmids.lock || taken || rolled)
        return;
    rolled = 1;
    for (unsigned i = 0; i < 3; i++) {
        table_run(&m, &others[i], 1);
        assert_int_equal(model_access(m.port, 0, MODEL_READ, false).pa, PA0 + (i + 1) * GIB);
    }
    model_set_cpu(m.port, 0);
}

/* The VM ran here and runs no more; another one is loaded. Its number goes to a third while it is flushed, or not at all. */
static void a_borrowed_number_is_kept(void **state)
{
    static const struct machine_config cfg = {.ipa_bits = 36};
    struct s2_table vm;

    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        machine_create(&m, &cfg);
        s2_vmids_init(&m.vmids, m.port, 2);
        table_create(&m, &vm, &cfg, 2);
        table_map(&m, &vm, span(0, 2 * PAGE), PA0, S2_RW);
        for (unsigned i = 0; i < 4; i++) {
            table_create(&m, &others[i], &cfg, (uint16_t)(3 + i));
            table_map(&m, &others[i], span(0, 2 * PAGE), PA0 + (i + 1) * GIB, S2_RW);
        }
        table_run(&m, &vm, 0);
        assert_int_equal(model_access(m.port, 0, MODEL_READ, false).pa, PA0);
        table_run(&m, &others[3], 0);
        rolled = 0;
        model_script_lock(m.port, roll_over, NULL);
        if (kind == 0)
            table_unmap(&m, &vm, span(0, PAGE));
        else
            s2_table_flush_local(&vm, S2_IPA(0));
        model_script_lock(m.port, NULL, NULL);
        assert_int_equal(rolled, 1);
        assert_int_equal(m.port->cpu[0].vttbr & 0xfffffffff000, others[3].root.v);
        assert_true(model_ok(m.port));
        for (unsigned i = 0; i < 4; i++)
            table_destroy(&m, &others[i]);
        table_destroy(&m, &vm);
        machine_destroy(&m);
    }
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
        cmocka_unit_test(a_table_in_the_place_of_another),
        cmocka_unit_test(relax),
        cmocka_unit_test(destroy),
        cmocka_unit_test(freed_in_steps),
        cmocka_unit_test(repeated_invalidation),
        cmocka_unit_test(another_vm_is_loaded),
        cmocka_unit_test(local_flushes),
        cmocka_unit_test(seen_from_another_cpu),
        cmocka_unit_test(rollover_in_a_real_machine),
        cmocka_unit_test(a_borrowed_number_is_kept),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
