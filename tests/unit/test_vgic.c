/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3: how interrupts reach a guest and how they end. */
#include "unit/vgic_world.h"

static void test_level_interrupt_from_line_to_end(void **state)
{
    (void)state;
    enable_spi(40, 0xa0);
    w.g.kick = 0;
    vgic_core_inject(&w.g, 0, 40, true);
    assert_int_equal(w.g.kick, 1);
    enter(0);
    assert_int_equal(w.v[0].used, 1);
    assert_int_equal(w.face[0].lr[0], 40 | 0xa0ull << 48 | ICH_LR_GROUP1 | ICH_LR_PENDING | ICH_LR_EOI);
    assert_int_equal(w.face[0].hcr, ICH_HCR_EN);
    assert_int_equal(ack(0), 40);
    leave(0); /* the handler reads the device */
    vgic_core_inject(&w.g, 0, 40, false);
    enter(0);
    assert_int_equal(w.face[0].lr[0], 40 | 0xa0ull << 48 | ICH_LR_GROUP1 | ICH_LR_ACTIVE); /* no exit at its end */
    unsigned exits = w.face[0].exits;
    eoi(0, 40);
    assert_int_equal(w.face[0].exits, exits);
    assert_int_equal(ack(0), NOTHING);
    leave(0);
    enter(0);
    assert_int_equal(w.v[0].used, 0);
}

static void test_level_that_stays_high_comes_again(void **state)
{
    (void)state;
    enable_spi(40, 0xa0);
    vgic_core_inject(&w.g, 0, 40, true);
    enter(0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ack(0), 40);
        assert_int_equal(ack(0), NOTHING);
        eoi(0, 40); /* nothing between made the guest exit: the end of interrupt does */
    }
    assert_int_equal(ack(0), 40);
    leave(0); /* now with an exit in between: active and pending */
    enter(0);
    assert_int_equal(w.face[0].lr[0] & ICH_LR_STATE, ICH_LR_STATE);
    eoi(0, 40);
    assert_int_equal(ack(0), 40);
    vgic_core_inject(&w.g, 0, 40, false);
    eoi(0, 40);
    assert_int_equal(ack(0), NOTHING);
}

static void test_edge_is_latched_once_and_survives_exits(void **state)
{
    (void)state;
    make_edge(41);
    enable_spi(41, 0xa0);
    vgic_core_inject(&w.g, 0, 41, true);
    vgic_core_inject(&w.g, 0, 41, false);
    enter(0);
    assert_int_equal(w.face[0].lr[0], 41 | 0xa0ull << 48 | ICH_LR_GROUP1 | ICH_LR_PENDING);
    leave(0);
    enter(0);
    leave(0);
    enter(0);
    assert_int_equal(ack(0), 41);
    vgic_core_inject(&w.g, 0, 41, true); /* another edge while active: pending and active */
    settle(0);
    assert_int_equal(w.face[0].lr[0] & ICH_LR_STATE, ICH_LR_STATE);
    eoi(0, 41);
    assert_int_equal(ack(0), 41);
    eoi(0, 41);
    assert_int_equal(ack(0), NOTHING);
}

/* A doorbell (vgic_pulse): however the guest has set its trigger. */
static void test_pulse_comes_once_at_any_trigger(void **state)
{
    (void)state;
    make_edge(41);
    for (unsigned intid = 40; intid < 42; intid++) {
        enable_spi(intid, 0xa0);
        for (unsigned i = 0; i < 3; i++)
            vgic_irq_set_pending(&w.g, 0, intid, true);
        enter(0);
        assert_int_equal(ack(0), intid);
        leave(0);
        vgic_irq_set_pending(&w.g, 0, intid, true); /* again while it is being handled */
        enter(0);
        assert_int_equal(ack(0), NOTHING);
        eoi(0, intid);
        assert_int_equal(ack(0), intid);
        eoi(0, intid);
        assert_int_equal(ack(0), NOTHING);
        leave(0);
        enter(0);
        assert_int_equal(w.v[0].used, 0);
        leave(0);
    }
}

static void test_priority_order(void **state)
{
    (void)state;
    static const unsigned priority[] = {0x80, 0x20, 0xf0, 0x40};
    for (unsigned i = 0; i < 4; i++) {
        make_edge(40 + i);
        enable_spi(40 + i, priority[i]);
        vgic_core_inject(&w.g, 0, 40 + i, true);
    }
    enter(0);
    static const unsigned order[] = {41, 43, 40, 42};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(ack(0), order[i]);
        assert_int_equal(ack(0), NOTHING); /* lower priority waits */
        eoi(0, order[i]);
    }
    assert_int_equal(w.face[0].exits, 0); /* four fit: no exit was needed */
}

static void test_preemption(void **state)
{
    (void)state;
    make_edge(40);
    make_edge(41);
    enable_spi(40, 0x80);
    enable_spi(41, 0x40);
    vgic_core_inject(&w.g, 0, 40, true);
    enter(0);
    assert_int_equal(ack(0), 40);
    vgic_core_inject(&w.g, 0, 41, true);
    assert_int_equal(ack(0), 41);
    eoi(0, 41);
    eoi(0, 40);
    assert_int_equal(ack(0), NOTHING);
}

static void test_write_to_dir_is_ignored_without_eoimode(void **state)
{
    (void)state;
    make_edge(40);
    enable_spi(40, 0x80);
    set_dist(GICD_ISACTIVER + 4, 1u << 8);
    vgic_core_dir(&w.v[0], 40);
    assert_int_equal(dist(GICD_ISACTIVER + 4), 1u << 8);
    world_open(0, true);
    vgic_core_dir(&w.v[0], UINT64_MAX); /* no such interrupt */
    vgic_core_dir(&w.v[0], 40);
    assert_int_equal(dist(GICD_ISACTIVER + 4), 0);
}

static void test_what_wakes_from_wfi(void **state)
{
    (void)state;
    struct vgic_vcpu *v = &w.v[0];
    make_edge(40);
    enable_spi(40, 0x80);
    assert_false(vgic_core_deliverable(v));
    vgic_core_inject(&w.g, 0, 40, true);
    assert_true(vgic_core_deliverable(v));
    uint64_t open = v->vmcr;
    v->vmcr = (open & ~(0xffull << ICH_VMCR_VPMR_SHIFT)) | 0x80ull << ICH_VMCR_VPMR_SHIFT;
    assert_false(vgic_core_deliverable(v));
    v->vmcr = (open & ~(0xffull << ICH_VMCR_VPMR_SHIFT)) | 0x88ull << ICH_VMCR_VPMR_SHIFT;
    assert_true(vgic_core_deliverable(v));
    v->vmcr = open & ~ICH_VMCR_VENG1;
    assert_false(vgic_core_deliverable(v));
    v->vmcr = open;
    v->apr[1][0] = 1u << (0x80 >> 3); /* one of the same priority runs */
    assert_false(vgic_core_deliverable(v));
    v->apr[1][0] = 1u << (0x88 >> 3);
    assert_true(vgic_core_deliverable(v));
    v->apr[1][0] = 0;
    v->apr[0][0] = 1u << (0x40 >> 3); /* one of the other group */
    assert_false(vgic_core_deliverable(v));
    v->apr[0][0] = 0;
    set_dist(GICD_CTLR, GICD_CTLR_GRP0);
    assert_false(vgic_core_deliverable(v));
    set_dist(GICD_CTLR, GICD_CTLR_GRP1);
    assert_true(vgic_core_deliverable(v));
    set_dist(GICD_ICENABLER + 4, 1u << 8);
    assert_false(vgic_core_deliverable(v));
    set_dist(GICD_ISENABLER + 4, 1u << 8);
    assert_true(vgic_core_deliverable(v));
    set_dist(GICD_ISACTIVER + 4, 1u << 8);
    assert_false(vgic_core_deliverable(v));
}

static void test_interface_registers_behind_tc(void **state)
{
    (void)state;
    struct vgic_vcpu *v = &w.v[0];
    vgic_core_interface_write(v, ICV_PMR, 0x1f0);
    assert_int_equal(vgic_core_interface_read(v, ICV_PMR), 0xf0);
    vgic_core_interface_write(v, ICV_CTLR, UINT64_MAX);
    assert_int_equal(vgic_core_interface_read(v, ICV_CTLR), 3 | 4 << 8 | 1 << 11);
    assert_int_equal(v->vmcr & (ICH_VMCR_VCBPR | ICH_VMCR_VEOIM), ICH_VMCR_VCBPR | ICH_VMCR_VEOIM);
    vgic_core_interface_write(v, ICV_CTLR, 0);
    assert_int_equal(vgic_core_interface_read(v, ICV_CTLR), 4 << 8 | 1 << 11);
    assert_int_equal(vgic_core_interface_read(v, ICV_RPR), 0xff);
    v->apr[1][0] = 1u << 6;
    assert_int_equal(vgic_core_interface_read(v, ICV_RPR), 6 << 3);
    vgic_core_interface_write(v, ICV_RPR, 0);
    assert_int_equal(vgic_core_interface_read(v, ICV_RPR), 6 << 3);
}

static void test_reset(void **state)
{
    (void)state;
    assert_true(vgic_core_map(&w.g, 0, 34, 77));
    enable_spi(34, 0xa0);
    enable_spi(40, 0xa0);
    set_sgi_frame(2, GICD_ISENABLER, 0xffff);
    vgic_core_sgi(&w.v[0], true, 0x4);
    vgic_core_inject(&w.g, 0, 34, true);
    vgic_core_inject(&w.g, 0, 40, true);
    vgic_core_reset(&w.g);
    assert_int_equal(w.by_software, 1);
    assert_int_equal(dist(GICD_CTLR), GICD_CTLR_ARE | GICD_CTLR_DS);
    assert_int_equal(dist(GICD_ISENABLER + 4), 0);
    assert_int_equal(dist(GICD_ISPENDR + 4), 0);
    assert_int_equal(sgi_frame(2, GICD_ISPENDR), 0);
    assert_int_equal(sgi_frame(2, GICD_ISENABLER), 0);
    for (unsigned i = 0; i < WORLD_CPUS; i++) {
        enter(i);
        assert_int_equal(w.v[i].used, 0);
        leave(i);
    }
    world_open(0, false);
    vgic_set_groups(&w.g, GICD_CTLR_GRP1);
    enable_spi(34, 0xa0);
    vgic_core_inject(&w.g, 0, 34, true); /* the mapping stayed */
    enter(0);
    assert_int_equal(w.face[0].lr[0] & ICH_LR_HW, ICH_LR_HW);
}

static void test_interrupts_that_do_not_exist(void **state)
{
    (void)state;
    static const unsigned intids[] = {GIC_PRIVATE + WORLD_SPIS, 1019, 1020, 1023, 1024, 8192, UINT32_MAX};
    for (unsigned i = 0; i < sizeof(intids) / sizeof(intids[0]); i++) {
        vgic_core_inject(&w.g, 0, intids[i], true);
        assert_false(vgic_core_map(&w.g, 0, intids[i], 40));
        vgic_core_unmap(&w.g, 0, intids[i]);
        vgic_core_retract(&w.v[0], intids[i]);
        vgic_irq_set_pending(&w.g, 0, intids[i], true);
        vgic_irq_set_active(&w.g, 0, intids[i], true);
        vgic_irq_set_route(&w.g, intids[i], 0);
    }
    vgic_core_inject(&w.g, WORLD_CPUS, 27, true);
    assert_false(vgic_core_map(&w.g, WORLD_CPUS, 27, 27));
    assert_false(vgic_core_map(&w.g, 0, 3, 3)); /* SGIs are no wires */
    assert_false(vgic_core_map(&w.g, 0, 40, 1020));
    enter(0);
    assert_int_equal(w.v[0].used, 0);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_level_interrupt_from_line_to_end, world_four_lrs),
        cmocka_unit_test_setup(test_level_that_stays_high_comes_again, world_four_lrs),
        cmocka_unit_test_setup(test_edge_is_latched_once_and_survives_exits, world_four_lrs),
        cmocka_unit_test_setup(test_pulse_comes_once_at_any_trigger, world_four_lrs),
        cmocka_unit_test_setup(test_priority_order, world_four_lrs),
        cmocka_unit_test_setup(test_preemption, world_four_lrs),
        cmocka_unit_test_setup(test_write_to_dir_is_ignored_without_eoimode, world_four_lrs),
        cmocka_unit_test_setup(test_what_wakes_from_wfi, world_four_lrs),
        cmocka_unit_test_setup(test_interface_registers_behind_tc, world_four_lrs),
        cmocka_unit_test_setup(test_reset, world_four_lrs),
        cmocka_unit_test_setup(test_interrupts_that_do_not_exist, world_four_lrs),
    };
    return cmocka_run_group_tests_name("vgic", tests, NULL, NULL);
}
