/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3's registers: what each reads as, keeps and does (IHI 0069, chapter 12). */
#include "unit/vgic_world.h"

static uint32_t rd(unsigned cpu, unsigned offset)
{
    return (uint32_t)world_read(true, cpu * GICR_STRIDE + offset, 2);
}

static void test_distributor_identity(void **state)
{
    (void)state;
    assert_int_equal(dist(GICD_CTLR), GICD_CTLR_DS | GICD_CTLR_ARE | GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    /* 64 SPIs + 32; 10 INTID bits; no LPIs, no message-based SPIs, no Security extension, no 1-of-N */
    assert_int_equal(dist(GICD_TYPER), 2 | 9 << 19 | 1 << 25);
    assert_int_equal(dist(GICD_IIDR), 0x4200143b);
    assert_int_equal(dist(GIC_PIDR2), 0x3b);
    assert_int_equal(dist(0xc), 0); /* GICD_TYPER2 */
    set_dist(GICD_TYPER, UINT32_MAX);
    set_dist(GICD_IIDR, UINT32_MAX);
    assert_int_equal(dist(GICD_TYPER), 2 | 9 << 19 | 1 << 25);
}

static void test_distributor_control(void **state)
{
    (void)state;
    set_dist(GICD_CTLR, 0);
    assert_int_equal(dist(GICD_CTLR), GICD_CTLR_DS | GICD_CTLR_ARE);
    set_dist(GICD_CTLR, UINT32_MAX);
    assert_int_equal(dist(GICD_CTLR), GICD_CTLR_DS | GICD_CTLR_ARE | GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    set_dist(GICD_CTLR, GICD_CTLR_GRP1);
    assert_int_equal(dist(GICD_CTLR), GICD_CTLR_DS | GICD_CTLR_ARE | GICD_CTLR_GRP1);
}

/* Registers with one bit for each interrupt: reset value, what set and clear do, which INTIDs there are. */
static void test_bit_arrays(void **state)
{
    (void)state;
    static const struct {
        unsigned set, clear;
    } pairs[] = {{GICD_ISENABLER, GICD_ICENABLER}, {GICD_ISPENDR, GICD_ICPENDR}, {GICD_ISACTIVER, GICD_ICACTIVER}};
    for (unsigned i = 0; i < 3; i++) {
        unsigned set = pairs[i].set, clear = pairs[i].clear;
        for (unsigned reg = 0; reg < 32; reg++) {
            bool spis = reg == 1 || reg == 2;
            assert_int_equal(dist(set + reg * 4), 0);
            set_dist(set + reg * 4, 0x80000011);
            set_dist(set + reg * 4, 0); /* zeros change nothing */
            set_dist(clear + reg * 4, 0);
            assert_int_equal(dist(set + reg * 4), spis ? 0x80000011 : 0);
            assert_int_equal(dist(clear + reg * 4), spis ? 0x80000011 : 0);
            set_dist(clear + reg * 4, 0x80000001);
            assert_int_equal(dist(set + reg * 4), spis ? 0x10 : 0);
            set_dist(clear + reg * 4, UINT32_MAX);
            assert_int_equal(dist(set + reg * 4), 0);
        }
        for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
            set_sgi_frame(cpu, set, 0x80010000u | 1u << cpu);
            set_sgi_frame(cpu, set + 4, UINT32_MAX); /* GICv3.1's extended PPIs are not there */
            assert_int_equal(sgi_frame(cpu, set + 4), 0);
        }
        for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
            assert_int_equal(sgi_frame(cpu, set), 0x80010000u | 1u << cpu);
            set_sgi_frame(cpu, clear, UINT32_MAX);
            assert_int_equal(sgi_frame(cpu, clear), 0);
        }
    }
}

static void test_groups(void **state)
{
    (void)state;
    assert_int_equal(dist(GICD_IGROUPR), 0); /* INTIDs below 32 are the redistributors' */
    assert_int_equal(dist(GICD_IGROUPR + 4), UINT32_MAX);
    assert_int_equal(dist(GICD_IGROUPR + 8), UINT32_MAX);
    assert_int_equal(dist(GICD_IGROUPR + 12), 0);
    assert_int_equal(sgi_frame(3, GICD_IGROUPR), UINT32_MAX);
    set_dist(GICD_IGROUPR + 4, 0x1234);
    set_sgi_frame(3, GICD_IGROUPR, 0x4321);
    assert_int_equal(dist(GICD_IGROUPR + 4), 0x1234);
    assert_int_equal(sgi_frame(3, GICD_IGROUPR), 0x4321);
    assert_int_equal(sgi_frame(2, GICD_IGROUPR), UINT32_MAX);
    assert_int_equal(dist(GICD_IGRPMODR + 4), 0);
    set_dist(GICD_IGRPMODR + 4, UINT32_MAX);
    assert_int_equal(dist(GICD_IGRPMODR + 4), 0);
}

static void test_group_of_a_list_register(void **state)
{
    (void)state;
    enable_spi(40, 0x80);
    set_dist(GICD_IGROUPR + 4, ~(1u << 8));
    vgic_core_inject(&w.g, 0, 40, true);
    enter(0);
    assert_int_equal(w.face[0].lr[0] & ICH_LR_GROUP1, 0);
}

static void test_priorities(void **state)
{
    (void)state;
    set_dist(GICD_IPRIORITYR + 40, 0xffa45517);
    assert_int_equal(dist(GICD_IPRIORITYR + 40), 0xf8a05010); /* five bits */
    world_write(false, GICD_IPRIORITYR + 41, 0, 0xe7);
    assert_int_equal(dist(GICD_IPRIORITYR + 40), 0xf8a0e010);
    assert_int_equal(world_read(false, GICD_IPRIORITYR + 43, 0), 0xf8);
    world_write(false, GICD_IPRIORITYR + 40, 1, 0); /* neither bytes nor words: ignored */
    world_write(false, GICD_IPRIORITYR + 40, 3, 0);
    assert_int_equal(world_read(false, GICD_IPRIORITYR + 40, 1), 0);
    assert_int_equal(world_read(false, GICD_IPRIORITYR + 40, 3), 0);
    assert_int_equal(dist(GICD_IPRIORITYR + 40), 0xf8a0e010);
    set_dist(GICD_IPRIORITYR, UINT32_MAX);
    assert_int_equal(dist(GICD_IPRIORITYR), 0);
    set_sgi_frame(2, GICD_IPRIORITYR + 28, 0x01020408);
    assert_int_equal(sgi_frame(2, GICD_IPRIORITYR + 28), 0x00000008);
    set_sgi_frame(2, GICD_IPRIORITYR + 32, UINT32_MAX);
    assert_int_equal(sgi_frame(2, GICD_IPRIORITYR + 32), 0);
}

/* A raised priority reaches a guest whose list registers are full. */
static void test_priority_of_a_waiting_interrupt(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        make_edge(32 + i);
        enable_spi(32 + i, 0x80);
        vgic_core_inject(&w.g, 0, 32 + i, true);
    }
    enter(0);
    world_write(false, GICD_IPRIORITYR + 39, 0, 0x10);
    assert_int_equal(w.g.kick, 1);
    assert_int_equal(ack(0), 39);
}

static void test_triggers(void **state)
{
    (void)state;
    assert_int_equal(sgi_frame(0, GICD_ICFGR), 0xaaaaaaaa); /* SGIs: edge, read-only */
    assert_int_equal(sgi_frame(0, GICD_ICFGR + 4), 0);
    set_sgi_frame(0, GICD_ICFGR, 0);
    set_sgi_frame(0, GICD_ICFGR + 4, UINT32_MAX);
    assert_int_equal(sgi_frame(0, GICD_ICFGR), 0xaaaaaaaa);
    assert_int_equal(sgi_frame(0, GICD_ICFGR + 4), 0);
    assert_int_equal(dist(GICD_ICFGR), 0);
    set_dist(GICD_ICFGR + 8, UINT32_MAX); /* the lower bit of a pair is RES0 */
    assert_int_equal(dist(GICD_ICFGR + 8), 0xaaaaaaaa);
    set_dist(GICD_ICFGR + 8, 0x55555555);
    assert_int_equal(dist(GICD_ICFGR + 8), 0);
}

static void test_pending_of_level_and_edge(void **state)
{
    (void)state;
    vgic_core_inject(&w.g, 0, 40, true);
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 8);
    set_dist(GICD_ICPENDR + 4, 1u << 8); /* the line is still high */
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 8);
    vgic_core_inject(&w.g, 0, 40, false);
    assert_int_equal(dist(GICD_ISPENDR + 4), 0);
    set_dist(GICD_ISPENDR + 4, 1u << 8); /* by software, without the line */
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 8);
    enable_spi(40, 0x80);
    enter(0);
    assert_int_equal(ack(0), 40);
    leave(0);
    assert_int_equal(dist(GICD_ISPENDR + 4), 0); /* used up by the acknowledge */
    make_edge(41);
    vgic_core_inject(&w.g, 0, 41, true);
    vgic_core_inject(&w.g, 0, 41, false);
    assert_int_equal(dist(GICD_ISPENDR + 4), 1u << 9);
    set_dist(GICD_ICPENDR + 4, 1u << 9);
    assert_int_equal(dist(GICD_ISPENDR + 4), 0);
}

static void test_routes(void **state)
{
    (void)state;
    uint64_t reg = GICD_IROUTER + 40 * 8;
    assert_int_equal(world_read(false, reg, 3), 0);
    world_write(false, reg, 3, UINT64_MAX);
    assert_int_equal(world_read(false, reg, 3), 0x000000ff00ffffff); /* no Interrupt_Routing_Mode */
    world_write(false, reg, 2, 0x00010203);
    assert_int_equal(world_read(false, reg, 3), 0x000000ff00010203);
    world_write(false, reg + 4, 2, 0x12);
    assert_int_equal(world_read(false, reg, 3), 0x0000001200010203);
    assert_int_equal(world_read(false, reg, 2), 0x00010203);
    assert_int_equal(world_read(false, reg + 4, 2), 0x12);
    world_write(false, reg, 0, 0xff);
    world_write(false, reg, 1, 0xffff);
    assert_int_equal(world_read(false, reg, 3), 0x0000001200010203);
    world_write(false, GICD_IROUTER + 31 * 8, 3, 1); /* SGIs, PPIs and what is beyond the last have no route */
    world_write(false, GICD_IROUTER + (32 + WORLD_SPIS) * 8, 3, 1);
    assert_int_equal(world_read(false, GICD_IROUTER + 31 * 8, 3), 0);
    assert_int_equal(world_read(false, GICD_IROUTER + (32 + WORLD_SPIS) * 8, 3), 0);
}

static void test_redistributor_identity(void **state)
{
    (void)state;
    for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
        uint64_t want = (uint64_t)cpu << 32 | cpu << 8 | (cpu == WORLD_CPUS - 1 ? 1u << 4 : 0u);
        assert_int_equal(world_read(true, cpu * GICR_STRIDE + GICR_TYPER, 3), want);
        assert_int_equal(rd(cpu, GICR_TYPER), (uint32_t)want);
        assert_int_equal(rd(cpu, GICR_TYPER + 4), want >> 32);
        assert_int_equal(rd(cpu, GICR_IIDR), 0x4200143b);
        assert_int_equal(rd(cpu, GIC_PIDR2), 0x3b);
        assert_int_equal(rd(cpu, GICR_CTLR), 0);
    }
    world_write(true, GICR_CTLR, 2, UINT32_MAX); /* no LPIs to enable */
    assert_int_equal(rd(0, GICR_CTLR), 0);
}

static void test_waker(void **state)
{
    (void)state;
    assert_int_equal(rd(1, GICR_WAKER), 0);
    world_write(true, GICR_STRIDE + GICR_WAKER, 2, UINT32_MAX);
    assert_int_equal(rd(1, GICR_WAKER), GICR_WAKER_SLEEP | GICR_WAKER_ASLEEP);
    assert_int_equal(rd(0, GICR_WAKER), 0);
    world_write(true, GICR_STRIDE + GICR_WAKER, 2, ~GICR_WAKER_SLEEP);
    assert_int_equal(rd(1, GICR_WAKER), 0);
}

static void test_who_must_come_out(void **state)
{
    (void)state;
    make_edge(40);
    enable_spi(40, 0x80);
    vgic_core_inject(&w.g, 0, 40, true);
    set_sgi_frame(2, GICD_ISENABLER, 1);
    vgic_core_sgi(&w.v[0], true, 0x4);
    enter(0);
    enter(2);
    struct mmio m = {.offset = GICD_ISPENDR + 4, .size_log2 = 2};
    assert_int_equal(vgic_core_holders(&w.g, false, &m), 0x1);
    m.offset = GICD_ISACTIVER + 4;
    assert_int_equal(vgic_core_holders(&w.g, false, &m), 0x1);
    m.offset = GICD_ISACTIVER + 8;
    assert_int_equal(vgic_core_holders(&w.g, false, &m), 0);
    m.offset = GICD_ISENABLER + 4;
    assert_int_equal(vgic_core_holders(&w.g, false, &m), 0); /* a read of it tells nothing that they know better */
    m.write = true;
    assert_int_equal(vgic_core_holders(&w.g, false, &m), 0x1);
    m.offset = GICD_CTLR;
    assert_int_equal(vgic_core_holders(&w.g, false, &m), 0x5);
    m.offset = 2 * GICR_STRIDE + GICR_SGI + GICD_ICPENDR;
    assert_int_equal(vgic_core_holders(&w.g, true, &m), 0x4);
    m.offset = 1 * GICR_STRIDE + GICR_SGI + GICD_ICPENDR;
    assert_int_equal(vgic_core_holders(&w.g, true, &m), 0);
    for (m.offset = 0; m.offset < 5ull * GICR_STRIDE; m.offset += 4)
        (void)vgic_core_holders(&w.g, true, &m);
    m.offset = UINT64_MAX;
    assert_int_equal(vgic_core_holders(&w.g, true, &m), 0);
    assert_int_equal(vgic_core_holders(&w.g, false, &m), 0);
}

/* Any offset, size and alignment, reads and writes: RAZ/WI at worst, no more bits than were asked for. */
static void test_every_access_is_harmless(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, UINT64_MAX, 0xaaaaaaaaaaaaaaaa};
    for (unsigned redist = 0; redist < 2; redist++) {
        uint64_t end = redist ? WORLD_CPUS * GICR_STRIDE + 16 : GIC_FRAME + 16;
        for (uint64_t offset = 0; offset < end; offset++) {
            unsigned size = (unsigned)(offset * 7 + offset / 64 + redist) % 5; /* 4: no such size */
            world_write(redist, offset, size, values[offset % 3]);
            uint64_t value = world_read(redist, offset, size);
            bool aligned = size <= 3 && offset % (1u << size) == 0;
            if (!aligned)
                assert_int_equal(value, 0);
            if (size < 3)
                assert_int_equal(value & ~mmio_mask(size), 0);
        }
        world_write(redist, UINT64_MAX, 0, 1);
        world_write(redist, UINT64_MAX - 3, 2, 1);
        assert_int_equal(world_read(redist, UINT64_MAX - 7, 3), 0);
    }
    for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
        enter(cpu);
        leave(cpu);
    }
}

static void test_sizes_of_init(void **state)
{
    (void)state;
    static const struct {
        unsigned asked, got;
    } rows[] = {{0, 0}, {1, 32}, {32, 32}, {33, 64}, {480, 480}, {481, 480}, {UINT32_MAX, 480}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        vgic_core_init(&w.g, rows[i].asked, VTR(4, true), world_deactivate);
        assert_int_equal(w.g.spis, rows[i].got);
        assert_int_equal(dist(GICD_TYPER) & 0x1f, rows[i].got / 32);
    }
    static struct vgic_vcpu many[VGIC_VCPUS + 1];
    for (unsigned i = 0; i < VGIC_VCPUS; i++)
        assert_true(vgic_core_add(&w.g, &many[i], NULL));
    assert_false(vgic_core_add(&w.g, &many[VGIC_VCPUS], NULL));
    vgic_core_sgi(&many[0], true, 0xffff);
    assert_int_equal(sgi_frame(15, GICD_ISPENDR), 1);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_distributor_identity, world_four_lrs),
        cmocka_unit_test_setup(test_distributor_control, world_four_lrs),
        cmocka_unit_test_setup(test_bit_arrays, world_four_lrs),
        cmocka_unit_test_setup(test_groups, world_four_lrs),
        cmocka_unit_test_setup(test_group_of_a_list_register, world_four_lrs),
        cmocka_unit_test_setup(test_priorities, world_four_lrs),
        cmocka_unit_test_setup(test_priority_of_a_waiting_interrupt, world_four_lrs),
        cmocka_unit_test_setup(test_triggers, world_four_lrs),
        cmocka_unit_test_setup(test_pending_of_level_and_edge, world_four_lrs),
        cmocka_unit_test_setup(test_routes, world_four_lrs),
        cmocka_unit_test_setup(test_redistributor_identity, world_four_lrs),
        cmocka_unit_test_setup(test_waker, world_four_lrs),
        cmocka_unit_test_setup(test_who_must_come_out, world_four_lrs),
        cmocka_unit_test_setup(test_every_access_is_harmless, world_four_lrs),
        cmocka_unit_test_setup(test_sizes_of_init, world_four_lrs),
    };
    return cmocka_run_group_tests_name("vgic_regs", tests, NULL, NULL);
}
