/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3: more interrupts than list registers. */
#include "unit/vgic_world.h"

/* 4 list registers, 40 interrupts: each is taken exactly once, in order of priority, then of INTID. */
static void overflow(bool edge, unsigned lrs, bool eoimode1, bool tds)
{
    world_init(lrs, tds);
    world_open(0, eoimode1);
    for (unsigned i = 0; i < 40; i++) {
        if (edge)
            make_edge(32 + i);
        enable_spi(32 + i, (i * 7 % 5) << 4);
        vgic_core_inject(&w.g, 0, 32 + i, true);
    }
    enter(0);
    assert_int_equal(w.v[0].used, lrs);
    assert_int_equal(w.face[0].hcr, ICH_HCR_EN | ICH_HCR_NPIE | ICH_HCR_VGRP0DIE | ICH_HCR_VGRP1DIE);
    uint64_t seen = 0;
    unsigned last = 0;
    for (unsigned n = 0; n < 40; n++) {
        unsigned intid = ack(0);
        assert_in_range(intid, 32, 71);
        assert_int_equal(seen >> (intid - 32) & 1, 0);
        seen |= 1ull << (intid - 32);
        unsigned key = ((intid - 32) * 7 % 5) * 256 + intid;
        assert_true(key > last);
        last = key;
        if (!edge)
            vgic_core_inject(&w.g, 0, intid, false);
        eoi(0, intid);
        if (eoimode1)
            dir(0, intid);
    }
    assert_int_equal(ack(0), NOTHING);
    assert_int_equal(seen, (1ull << 40) - 1);
    leave(0);
    enter(0);
    assert_int_equal(w.v[0].used, 0);
    assert_int_equal(w.face[0].hcr, ICH_HCR_EN);
}

static void test_overflow_of_pending(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 8; mode++) {
        overflow(mode & 1, 4, mode & 2, mode & 4);
        overflow(mode & 1, 1, mode & 2, mode & 4);
        overflow(mode & 1, 16, mode & 2, mode & 4);
    }
    overflow(true, 4, false, true);
    assert_int_equal(w.face[0].exits, 36 / 3 + 1); /* one active, three pending at a time; our own */
}

/* Nested: more are active than there are list registers, EOIs end those that have none. */
static void test_overflow_of_active(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        make_edge(32 + i);
        enable_spi(32 + i, 0xf8 - i * 8);
    }
    enter(0);
    for (unsigned i = 0; i < 20; i++) {
        vgic_core_inject(&w.g, 0, 32 + i, true);
        assert_int_equal(ack(0), 32 + i);
        assert_int_equal(ack(0), NOTHING);
    }
    leave(0);
    assert_int_equal(dist(GICD_ISACTIVER + 4), 0xfffff);
    enter(0);
    assert_int_equal(w.face[0].hcr & (ICH_HCR_LRENPIE | ICH_HCR_TDIR), ICH_HCR_LRENPIE | ICH_HCR_TDIR);
    for (unsigned i = 20; i-- > 0;) {
        eoi(0, 32 + i);
        leave(0);
        assert_int_equal(dist(GICD_ISACTIVER + 4), (1u << i) - 1);
        enter(0);
    }
    assert_int_equal(w.v[0].used, 0);
    for (unsigned i = 0; i < 20; i++) {
        vgic_core_inject(&w.g, 0, 32 + i, false);
        vgic_core_inject(&w.g, 0, 32 + i, true);
    }
    for (unsigned i = 20; i-- > 0;) {
        assert_int_equal(ack(0), 32 + i);
        eoi(0, 32 + i);
    }
}

/* Priority drop and deactivation apart: any number is active, in any order they end. */
static void active_out_of_order(bool tds)
{
    world_init(4, tds);
    world_open(0, true);
    for (unsigned i = 0; i < 30; i++) {
        make_edge(32 + i);
        enable_spi(32 + i, 0x80);
        vgic_core_inject(&w.g, 0, 32 + i, true);
    }
    enter(0);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(ack(0), 32 + i);
        eoi(0, 32 + i);
    }
    assert_int_equal(ack(0), NOTHING);
    assert_int_equal(w.face[0].hcr & (tds ? ICH_HCR_TDIR : ICH_HCR_TC), tds ? ICH_HCR_TDIR : ICH_HCR_TC);
    uint32_t left = 0x3fffffff;
    for (unsigned i = 0; i < 30; i++) {
        unsigned n = i * 11 % 30; /* each once */
        dir(0, 32 + n);
        left &= ~(1u << n);
        leave(0);
        assert_int_equal(dist(GICD_ISACTIVER + 4), left);
        enter(0);
    }
    assert_int_equal(w.v[0].used, 0);
}

static void test_active_interrupts_end_in_any_order(void **state)
{
    (void)state;
    active_out_of_order(true);
    active_out_of_order(false);
}

/* With active ones in every list register something of higher priority still gets through. */
static void test_pending_gets_a_register_when_active_ones_hold_all(void **state)
{
    (void)state;
    world_init(4, true);
    world_open(0, true);
    for (unsigned i = 0; i < 6; i++) {
        make_edge(32 + i);
        enable_spi(32 + i, 0x80);
        vgic_core_inject(&w.g, 0, 32 + i, true);
    }
    enter(0);
    for (unsigned i = 0; i < 6; i++)
        eoi(0, ack(0));
    make_edge(50);
    enable_spi(50, 0x10);
    vgic_core_inject(&w.g, 0, 50, true);
    assert_int_equal(ack(0), 50);
}

static void test_groups_held_back_leave_room_for_the_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        make_edge(32 + i);
        enable_spi(32 + i, 0x10);
    }
    set_dist(GICD_IGROUPR + 4, 1u << 7); /* 32..38: Group 0, of higher priority; 39: Group 1 */
    enable_spi(39, 0xf0);
    for (unsigned i = 0; i < 8; i++)
        vgic_core_inject(&w.g, 0, 32 + i, true);
    w.v[0].vmcr &= ~ICH_VMCR_VENG0;
    enter(0);
    assert_int_equal(ack(0), 39);
    eoi(0, 39);
    assert_int_equal(ack(0), NOTHING);
    w.v[0].vmcr |= ICH_VMCR_VENG0; /* the guest switches it on, without an exit of its own */
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(ack(0), 32 + i);
        eoi(0, 32 + i);
    }
    assert_int_equal(ack(0), NOTHING);
}

static void test_group_switched_off_gives_way(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        make_edge(32 + i);
        enable_spi(32 + i, 0x10);
    }
    set_dist(GICD_IGROUPR + 4, 1u << 7);
    enable_spi(39, 0xf0);
    for (unsigned i = 0; i < 8; i++)
        vgic_core_inject(&w.g, 0, 32 + i, true);
    enter(0);
    w.v[0].vmcr &= ~ICH_VMCR_VENG0;
    assert_int_equal(ack(0), 39);
}

/* Nothing else asks for a maintenance interrupt at once: a guest that is entered executes an instruction at least. */
static void test_one_group_alone_asks_for_the_other(void **state)
{
    (void)state;
    const uint64_t both = ICH_VMCR_VENG0 | ICH_VMCR_VENG1, open = w.v[0].vmcr & ~both;
    for (unsigned i = 0; i < 8; i++) {
        make_edge(32 + i);
        enable_spi(32 + i, 0x10);
        vgic_core_inject(&w.g, 0, 32 + i, true);
    }
    const uint64_t enabled[] = {0, ICH_VMCR_VENG0, ICH_VMCR_VENG1};
    const uint64_t asked[] = {ICH_HCR_VGRP0EIE | ICH_HCR_VGRP1EIE, ICH_HCR_VGRP1EIE, ICH_HCR_VGRP0EIE};
    for (unsigned i = 0; i < 3; i++) {
        w.v[0].vmcr = open | enabled[i];
        enter(0);
        assert_int_equal(w.face[0].hcr, ICH_HCR_EN | ICH_HCR_NPIE | asked[i]);
        leave(0);
    }
}

static void test_hardware_interrupts_beyond_the_list_registers_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_true(vgic_core_map(&w.g, 0, 32 + i, 100 + i));
        enable_spi(32 + i, 0xf8 - i * 8);
    }
    enter(0);
    for (unsigned i = 0; i < 8; i++) {
        vgic_core_inject(&w.g, 0, 32 + i, true);
        assert_int_equal(ack(0), 32 + i);
    }
    for (unsigned i = 8; i-- > 0;) {
        eoi(0, 32 + i);
        leave(0);
        enter(0);
    }
    assert_int_equal(w.ends, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(w.ended[i], 107 - i);
}

/* Random guests, random devices: every edge that was raised on an idle interrupt is taken, none twice, and nothing hangs.
 */
static void test_random_lives(void **state)
{
    (void)state;
    uint32_t x = 2463534242u;
    for (unsigned round = 0; round < 40; round++) {
        world_init(1 + round % 5, round % 3 != 0);
        unsigned nested[WORLD_CPUS][64], depth[WORLD_CPUS] = {0};
        uint64_t waiting = 0, taken = 0;
        for (unsigned i = 0; i < 64; i++) {
            make_edge(32 + i);
            enable_spi(32 + i, (i % 32) << 3);
            world_write(false, GICD_IROUTER + (32 + i) * 8ull, 3, i % WORLD_CPUS);
        }
        for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++)
            enter(cpu);
        for (unsigned step = 0; step < 2000; step++) {
            x ^= x << 13, x ^= x >> 17, x ^= x << 5;
            unsigned cpu = x % WORLD_CPUS, irq = (x >> 8) % 64;
            switch (x >> 20 & 3) {
            case 0: /* an edge; on one that is taken or waiting it may coalesce, so only idle ones are counted */
                if (((waiting | taken) >> irq & 1) != 0)
                    break;
                waiting |= 1ull << irq;
                vgic_core_inject(&w.g, 0, 32 + irq, false);
                vgic_core_inject(&w.g, 0, 32 + irq, true);
                break;
            case 1: {
                unsigned intid = ack(cpu);
                if (intid == NOTHING)
                    break;
                assert_true((waiting >> (intid - 32) & 1) != 0);
                assert_int_equal((intid - 32) % WORLD_CPUS, cpu);
                waiting &= ~(1ull << (intid - 32));
                taken |= 1ull << (intid - 32);
                nested[cpu][depth[cpu]++] = intid;
                break;
            }
            case 2:
                if (depth[cpu] == 0)
                    break;
                depth[cpu]--;
                taken &= ~(1ull << (nested[cpu][depth[cpu]] - 32));
                eoi(cpu, nested[cpu][depth[cpu]]);
                break;
            default:
                leave(cpu);
                enter(cpu);
                break;
            }
        }
        for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
            while (depth[cpu] > 0)
                eoi(cpu, nested[cpu][--depth[cpu]]);
            for (unsigned intid = ack(cpu); intid != NOTHING; intid = ack(cpu)) {
                assert_true((waiting >> (intid - 32) & 1) != 0);
                waiting &= ~(1ull << (intid - 32));
                eoi(cpu, intid);
            }
            leave(cpu);
        }
        assert_int_equal(waiting, 0);
        assert_int_equal(dist(GICD_ISPENDR + 4) | dist(GICD_ISPENDR + 8), 0);
        assert_int_equal(dist(GICD_ISACTIVER + 4) | dist(GICD_ISACTIVER + 8), 0);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_overflow_of_pending, world_four_lrs),
        cmocka_unit_test_setup(test_overflow_of_active, world_four_lrs),
        cmocka_unit_test_setup(test_active_interrupts_end_in_any_order, world_four_lrs),
        cmocka_unit_test_setup(test_pending_gets_a_register_when_active_ones_hold_all, world_four_lrs),
        cmocka_unit_test_setup(test_groups_held_back_leave_room_for_the_other, world_four_lrs),
        cmocka_unit_test_setup(test_group_switched_off_gives_way, world_four_lrs),
        cmocka_unit_test_setup(test_one_group_alone_asks_for_the_other, world_four_lrs),
        cmocka_unit_test_setup(test_hardware_interrupts_beyond_the_list_registers_end, world_four_lrs),
        cmocka_unit_test_setup(test_random_lives, world_four_lrs),
    };
    return cmocka_run_group_tests_name("vgic_many", tests, NULL, NULL);
}
