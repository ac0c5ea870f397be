/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Flushes where it matters which VM a CPU has loaded: on its own CPU, on another's, with none; and who has which number while a
 * context is borrowed. */
#include "issued.h"

#include <stdlib.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_vm_is_loaded),      cmocka_unit_test(local_flushes),
        cmocka_unit_test(seen_from_another_cpu),     cmocka_unit_test(rollover_in_a_real_machine),
        cmocka_unit_test(a_borrowed_number_is_kept),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
