/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3: interrupts of the machine, which end with the guest's, or by software when that will not end them. */
#include "unit/vgic_world.h"

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

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_hardware_interrupt, world_four_lrs),
        cmocka_unit_test_setup(test_hardware_interrupt_set_pending_while_active, world_four_lrs),
        cmocka_unit_test_setup(test_hardware_interrupt_that_is_dropped, world_four_lrs),
        cmocka_unit_test_setup(test_private_hardware_interrupt_is_live_until_it_ends, world_four_lrs),
    };
    return cmocka_run_group_tests_name("vgic_hardware", tests, NULL, NULL);
}
