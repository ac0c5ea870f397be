/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3: how interrupts reach a guest and how they end. */
#include "unit/vgic_world.h"

static int four_lrs(void **state)
{
    (void)state;
    world_init(4, true);
    return 0;
}

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

static void test_hardware_interrupt(void **state)
{
    (void)state;
    assert_true(vgic_core_map(&w.g, 0, 34, 77));
    assert_false(vgic_core_map(&w.g, 0, 34, 78));
    enable_spi(34, 0xa0);
    vgic_core_inject(&w.g, 0, 34, true);
    enter(0);
    assert_int_equal(w.face[0].lr[0], 34 | 77ull << 32 | 0xa0ull << 48 | ICH_LR_GROUP1 | ICH_LR_HW | ICH_LR_PENDING);
    leave(0);
    enter(0);
    assert_int_equal(ack(0), 34);
    leave(0);
    enter(0);
    assert_int_equal(w.face[0].lr[0] & ICH_LR_STATE, ICH_LR_ACTIVE);
    eoi(0, 34);
    assert_int_equal(w.ends, 1);
    assert_int_equal(w.ended[0], 77);
    leave(0);
    assert_int_equal(w.by_software, 0);
    vgic_core_inject(&w.g, 0, 34, true); /* the line is still high: the machine tells again */
    enter(0);
    assert_int_equal(ack(0), 34);
    eoi(0, 34);
    leave(0);
    assert_int_equal(w.ends, 2);
    assert_int_equal(w.by_software, 0);
}

/* Never both states in a list register: what software sets waits for the end. */
static void test_hardware_interrupt_set_pending_while_active(void **state)
{
    (void)state;
    assert_true(vgic_core_map(&w.g, 0, 34, 77));
    enable_spi(34, 0xa0);
    vgic_core_inject(&w.g, 0, 34, true);
    enter(0);
    assert_int_equal(ack(0), 34);
    leave(0);
    set_dist(GICD_ISPENDR + 4, 1u << 2);
    enter(0);
    assert_int_equal(w.face[0].lr[0] & ICH_LR_STATE, ICH_LR_ACTIVE);
    eoi(0, 34);
    leave(0);
    enter(0);
    assert_int_equal(ack(0), 34);
    eoi(0, 34);
    leave(0);
    assert_int_equal(dist(GICD_ISPENDR + 4) | dist(GICD_ISACTIVER + 4), 0);
}

/* The machine's interrupt is deactivated by us when the guest will not do it. */
static void test_hardware_interrupt_that_is_dropped(void **state)
{
    (void)state;
    assert_true(vgic_core_map(&w.g, 0, 34, 77));
    enable_spi(34, 0xa0);
    vgic_core_inject(&w.g, 0, 34, true);
    set_dist(GICD_ICPENDR + 4, 1u << 2); /* pending */
    assert_int_equal(w.by_software, 1);
    vgic_core_inject(&w.g, 0, 34, true);
    enter(0);
    assert_int_equal(ack(0), 34);
    leave(0);
    set_dist(GICD_ICACTIVER + 4, 1u << 2); /* active */
    assert_int_equal(w.by_software, 2);
    enter(0);
    assert_int_equal(w.v[0].used, 0);
    leave(0);
    vgic_core_inject(&w.g, 0, 34, true); /* pending in another vCPU's list register */
    enter(0);
    set_dist(GICD_ICPENDR + 4, 1u << 2);
    assert_int_equal(w.g.kick & 1, 1);
    assert_int_equal(w.by_software, 2);
    settle(0);
    assert_int_equal(w.by_software, 3);
    assert_int_equal(ack(0), NOTHING);
    leave(0);
    vgic_core_inject(&w.g, 0, 34, true); /* unmapped */
    vgic_core_unmap(&w.g, 0, 34);
    assert_int_equal(w.by_software, 4);
    assert_int_equal(dist(GICD_ISPENDR + 4), 0);
    vgic_core_unmap(&w.g, 0, 34);
    assert_int_equal(w.by_software, 4);
}

static void test_private_hardware_interrupt_is_live_until_it_ends(void **state)
{
    (void)state;
    assert_true(vgic_core_map(&w.g, 1, 27, 27));
    set_sgi_frame(1, GICD_ISENABLER, 1u << 27);
    assert_false(vgic_core_live(&w.v[1], 27));
    vgic_core_inject(&w.g, 1, 27, true);
    assert_true(vgic_core_live(&w.v[1], 27));
    assert_false(vgic_core_live(&w.v[0], 27));
    enter(1);
    assert_int_equal(ack(1), 27);
    leave(1);
    assert_true(vgic_core_live(&w.v[1], 27));
    enter(1);
    eoi(1, 27);
    leave(1);
    assert_false(vgic_core_live(&w.v[1], 27));
    vgic_core_inject(&w.g, 1, 27, true);
    vgic_core_retract(&w.v[1], 27); /* its timer was set anew before the guest looked */
    assert_false(vgic_core_live(&w.v[1], 27));
    assert_int_equal(w.by_software, 1);
    vgic_core_retract(&w.v[1], 27);
    assert_int_equal(w.by_software, 1);
    assert_false(vgic_core_deliverable(&w.v[1]));
    assert_false(vgic_core_live(&w.v[1], 40)); /* not private: never */
}

static void test_clearing_from_another_cpu(void **state)
{
    (void)state;
    make_edge(40);
    enable_spi(40, 0xa0);
    vgic_core_inject(&w.g, 0, 40, true);
    enter(0);
    w.g.kick = 0;
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 8); /* also while it is in a list register */
    set_dist(GICD_ICPENDR + 4, 1u << 8);
    assert_int_equal(w.g.kick, 1);
    assert_int_equal(dist(GICD_ISPENDR + 4), 0);
    vgic_core_inject(&w.g, 0, 40, false);
    vgic_core_inject(&w.g, 0, 40, true); /* an edge after the clearing counts */
    assert_int_equal(ack(0), 40);
    set_dist(GICD_ICACTIVER + 4, 1u << 8);
    settle(0);
    assert_int_equal(dist(GICD_ISACTIVER + 4), 0);
    leave(0);
    enter(0);
    w.face[0].active = 0;
    make_edge(41);
    enable_spi(41, 0xa0);
    vgic_core_inject(&w.g, 0, 41, true);
    settle(0);
    set_dist(GICD_ICENABLER + 4, 1u << 9); /* disabled while in a list register: stays pending */
    assert_int_equal(ack(0), NOTHING);
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 9);
    set_dist(GICD_ISENABLER + 4, 1u << 9);
    assert_int_equal(ack(0), 41);
}

static void test_setting_active_from_another_cpu(void **state)
{
    (void)state;
    make_edge(40);
    enable_spi(40, 0xa0);
    vgic_core_inject(&w.g, 0, 40, true);
    enter(0);
    set_dist(GICD_ISACTIVER + 4, 1u << 8);
    leave(0);
    assert_int_equal(dist(GICD_ISACTIVER + 4), 1u << 8);
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 8);
    enter(0);
    assert_int_equal(w.face[0].lr[0] & ICH_LR_STATE, ICH_LR_STATE);
    assert_int_equal(ack(0), NOTHING);
}

static void test_routing(void **state)
{
    (void)state;
    make_edge(40);
    enable_spi(40, 0xa0);
    world_write(false, GICD_IROUTER + 40 * 8, 3, 2);
    w.g.kick = 0;
    vgic_core_inject(&w.g, 0, 40, true);
    assert_int_equal(w.g.kick, 1u << 2);
    world_write(false, GICD_IROUTER + 40 * 8, 3, 1); /* moves while pending */
    assert_int_equal(w.g.kick, 1u << 2 | 1u << 1);
    assert_false(vgic_core_deliverable(&w.v[2]));
    assert_true(vgic_core_deliverable(&w.v[1]));
    enter(1);
    world_write(false, GICD_IROUTER + 40 * 8, 3, 3); /* and while in a list register */
    settle(1);
    enter(3);
    assert_int_equal(ack(1), NOTHING);
    assert_int_equal(ack(3), 40);
    world_write(false, GICD_IROUTER + 40 * 8, 3, 0); /* active: it ends where it began */
    settle(3);
    eoi(3, 40);
    leave(3);
    assert_int_equal(dist(GICD_ISACTIVER + 4), 0);
    world_write(false, GICD_IROUTER + 40 * 8, 3, 0x0000000100000000); /* nobody's affinity */
    vgic_core_inject(&w.g, 0, 40, false);
    vgic_core_inject(&w.g, 0, 40, true);
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 8);
    set_dist(GICD_ISACTIVER + 4, 1u << 8); /* nowhere to be active */
    assert_int_equal(dist(GICD_ISACTIVER + 4), 0);
    world_write(false, GICD_IROUTER + 40 * 8, 3, 0);
    assert_true(vgic_core_deliverable(&w.v[0]));
}

static uint32_t sgi_targets(unsigned from, bool group1, uint64_t value)
{
    uint32_t got = 0;
    vgic_core_sgi(&w.v[from], group1, value);
    for (unsigned i = 0; i < WORLD_CPUS; i++) {
        uint32_t pending = sgi_frame(i, GICD_ISPENDR);
        assert_int_equal(pending & ~(1u << SGIR_INTID(value)), 0);
        got |= (pending != 0 ? 1u : 0u) << i;
        set_sgi_frame(i, GICD_ICPENDR, UINT32_MAX);
    }
    return got;
}

static void test_sgi_targets(void **state)
{
    (void)state;
    assert_int_equal(sgi_targets(0, true, 5ull << 24 | 0x1), 0x1);
    assert_int_equal(sgi_targets(0, true, 5ull << 24 | 0x6), 0x6);
    assert_int_equal(sgi_targets(0, true, 15ull << 24 | 0xffff), 0xf);
    assert_int_equal(sgi_targets(0, true, 0), 0);
    assert_int_equal(sgi_targets(1, true, SGIR_IRM), 0xd);
    assert_int_equal(sgi_targets(3, true, SGIR_IRM | 0xffff | 7ull << 24), 0x7);
    assert_int_equal(sgi_targets(3, true, SGIR_IRM | 1ull << 44 | 1ull << 32), 0x7); /* the rest is ignored then */
    assert_int_equal(sgi_targets(0, true, 1ull << 44 | 0xffff), 0);                  /* Aff0 16..31 */
    assert_int_equal(sgi_targets(0, true, 15ull << 44 | 0xffff), 0);
    assert_int_equal(sgi_targets(0, true, 1ull << 16 | 0xffff), 0); /* Aff1 */
    assert_int_equal(sgi_targets(0, true, 1ull << 32 | 0xffff), 0); /* Aff2 */
    assert_int_equal(sgi_targets(0, true, 1ull << 48 | 0xffff), 0); /* Aff3 */
    w.v[2].affinity = 0x01020311;                                   /* Aff3 1, Aff2 2, Aff1 3, Aff0 17 */
    uint64_t cluster = 1ull << 48 | 2ull << 32 | 3ull << 16;
    assert_int_equal(sgi_targets(0, true, cluster | 0xffff), 0);
    assert_int_equal(sgi_targets(0, true, cluster | 1ull << 44 | 1), 0);
    assert_int_equal(sgi_targets(0, true, cluster | 1ull << 44 | 2), 0x4);
}

static void test_sgi_groups(void **state)
{
    (void)state;
    set_sgi_frame(1, GICD_IGROUPR, ~(1u << 4)); /* SGI 4 of vCPU 1: Group 0 */
    assert_int_equal(sgi_targets(0, false, 4ull << 24 | 0xf), 0x2);
    assert_int_equal(sgi_targets(0, true, 4ull << 24 | 0xf), 0xf);
}

static void test_sgi_reaches_a_running_vcpu(void **state)
{
    (void)state;
    set_sgi_frame(1, GICD_ISENABLER, 1u << 3);
    enter(1);
    w.g.kick = 0;
    vgic_core_sgi(&w.v[0], true, 3ull << 24 | 0x2);
    assert_int_equal(w.g.kick, 0x2);
    assert_int_equal(ack(1), 3);
    vgic_core_sgi(&w.v[0], true, 3ull << 24 | 0x2);
    vgic_core_sgi(&w.v[0], true, 3ull << 24 | 0x2);
    eoi(1, 3);
    assert_int_equal(ack(1), 3); /* twice while pending is once */
    eoi(1, 3);
    assert_int_equal(ack(1), NOTHING);
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
        cmocka_unit_test_setup(test_level_interrupt_from_line_to_end, four_lrs),
        cmocka_unit_test_setup(test_level_that_stays_high_comes_again, four_lrs),
        cmocka_unit_test_setup(test_edge_is_latched_once_and_survives_exits, four_lrs),
        cmocka_unit_test_setup(test_pulse_comes_once_at_any_trigger, four_lrs),
        cmocka_unit_test_setup(test_priority_order, four_lrs),
        cmocka_unit_test_setup(test_preemption, four_lrs),
        cmocka_unit_test_setup(test_write_to_dir_is_ignored_without_eoimode, four_lrs),
        cmocka_unit_test_setup(test_hardware_interrupt, four_lrs),
        cmocka_unit_test_setup(test_hardware_interrupt_set_pending_while_active, four_lrs),
        cmocka_unit_test_setup(test_hardware_interrupt_that_is_dropped, four_lrs),
        cmocka_unit_test_setup(test_private_hardware_interrupt_is_live_until_it_ends, four_lrs),
        cmocka_unit_test_setup(test_clearing_from_another_cpu, four_lrs),
        cmocka_unit_test_setup(test_setting_active_from_another_cpu, four_lrs),
        cmocka_unit_test_setup(test_routing, four_lrs),
        cmocka_unit_test_setup(test_sgi_targets, four_lrs),
        cmocka_unit_test_setup(test_sgi_groups, four_lrs),
        cmocka_unit_test_setup(test_sgi_reaches_a_running_vcpu, four_lrs),
        cmocka_unit_test_setup(test_what_wakes_from_wfi, four_lrs),
        cmocka_unit_test_setup(test_interface_registers_behind_tc, four_lrs),
        cmocka_unit_test_setup(test_reset, four_lrs),
        cmocka_unit_test_setup(test_interrupts_that_do_not_exist, four_lrs),
    };
    return cmocka_run_group_tests_name("vgic", tests, NULL, NULL);
}
