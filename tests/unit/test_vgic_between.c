/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3 between vCPUs: what one does to what another has pending or active, routes, SGIs. */
#include "unit/vgic_world.h"

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

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_clearing_from_another_cpu, world_four_lrs),
        cmocka_unit_test_setup(test_setting_active_from_another_cpu, world_four_lrs),
        cmocka_unit_test_setup(test_routing, world_four_lrs),
        cmocka_unit_test_setup(test_sgi_targets, world_four_lrs),
        cmocka_unit_test_setup(test_sgi_groups, world_four_lrs),
        cmocka_unit_test_setup(test_sgi_reaches_a_running_vcpu, world_four_lrs),
    };
    return cmocka_run_group_tests_name("vgic_between", tests, NULL, NULL);
}
