/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine's GICv3. */
#include "device/gic.h"

#include <libfdt.h>

#include "boot/hooks.h"
#include "boot/lock.h"
#include "boot/mem.h"
#include "boot/print.h"
#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "device/console.h"
#include "device/gic_regs.h"
#include "device/hostfdt.h"
#include "device/icc.h"
#include "device/irq.h"
#include "device/vgic.h"
#include "device/vtimer.h"

#define REDIST_REGIONS 8u
#define PRIORITY       0x80u /* of every interrupt: EL2 does not nest */
#define PRIORITY_ALL   0x80808080u
#define SRE_SYSTEM     7u /* ICC_SRE: SRE, DFB, DIB; Enable (bit 3) stays 0, EL1's view traps */
#define PMR_ALL        0xffu
#define CTLR_EOIMODE   (1u << 1)
#define AFFINITY       0xff00ffffffull

static struct {
    struct lock lock; /* read-modify-write of distributor registers */
    volatile uint8_t *dist;
    unsigned intids, regions;
    uint32_t stride; /* 0: as GICR_TYPER says */
    struct {
        volatile uint8_t *base;
        uint64_t bytes;
    } region[REDIST_REGIONS];
    volatile uint8_t *redist[CONFIG_S2_MAX_CPUS];
} gic;

static uint32_t read32(volatile uint8_t *base, unsigned offset)
{
    return *(volatile uint32_t *)(base + offset);
}

static void write32(volatile uint8_t *base, unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(base + offset) = value;
}

static uint64_t read64(volatile uint8_t *base, unsigned offset)
{
    return *(volatile uint64_t *)(base + offset);
}

static void write64(volatile uint8_t *base, unsigned offset, uint64_t value)
{
    *(volatile uint64_t *)(base + offset) = value;
}

static void dist_settle(void)
{
    while ((read32(gic.dist, GICD_CTLR) & GICD_CTLR_RWP) != 0)
        ;
}

static void redist_settle(volatile uint8_t *redist)
{
    while ((read32(redist, GICR_CTLR) & GICR_CTLR_RWP) != 0)
        ;
}

/* --- finding it --------------------------------------------------------------------------------------------------- */

static bool map_frames(const void *fdt, int node)
{
    uint64_t pa, bytes;
    if (!hostfdt_reg(fdt, node, 0, &pa, &bytes) || bytes < GIC_FRAME)
        return false;
    gic.dist = mem_map_device(pa, GIC_FRAME);
    gic.stride = hostfdt_cell(fdt, node, "redistributor-stride", 0);
    unsigned regions = hostfdt_cell(fdt, node, "#redistributor-regions", 1);
    for (unsigned i = 0; i < regions && i < REDIST_REGIONS; i++) {
        if (!hostfdt_reg(fdt, node, i + 1, &pa, &bytes) || bytes < GICR_STRIDE)
            return false;
        gic.region[i].base = mem_map_device(pa, (size_t)bytes);
        gic.region[i].bytes = bytes;
        if (gic.region[i].base == NULL)
            return false;
        gic.regions++;
    }
    return gic.dist != NULL && gic.regions > 0;
}

static void init_dist(void)
{
    write32(gic.dist, GICD_CTLR, 0);
    dist_settle();
    for (unsigned intid = GIC_FIRST_SPI; intid < gic.intids; intid += 32) {
        unsigned at = intid / 8;
        write32(gic.dist, GICD_ICENABLER + at, UINT32_MAX);
        write32(gic.dist, GICD_ICPENDR + at, UINT32_MAX);
        write32(gic.dist, GICD_ICACTIVER + at, UINT32_MAX);
        write32(gic.dist, GICD_IGROUPR + at, UINT32_MAX);
    }
    for (unsigned intid = GIC_FIRST_SPI; intid < gic.intids; intid += 4)
        write32(gic.dist, GICD_IPRIORITYR + intid, PRIORITY_ALL);
    dist_settle();
    /* Bit 1 is EnableGrp1A in the non-secure view and EnableGrp1 with one Security state; bit 4 is ARE in both. */
    write32(gic.dist, GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1);
    dist_settle();
}

bool gic_init(const void *fdt)
{
    int node = fdt_node_offset_by_compatible(fdt, -1, "arm,gic-v3");
    if (node < 0 || !map_frames(fdt, node)) {
        print("gic: the device tree describes no GICv3 that can be used\n");
        return false;
    }
    unsigned arch = GIC_PIDR2_ARCH(read32(gic.dist, GIC_PIDR2));
    if (arch != GIC_ARCH_V3 && arch != GIC_ARCH_V4) {
        print("gic: architecture revision %u, need 3 or 4\n", arch);
        return false;
    }
    unsigned lines = ((read32(gic.dist, GICD_TYPER) & GICD_TYPER_LINES) + 1) * 32;
    gic.intids = lines < GIC_MAX_INTID ? lines : GIC_MAX_INTID;
    init_dist();
    vgic_register();
    vtimer_register();
    console_enable_input();
    return true;
}

unsigned gic_intids(void)
{
    return gic.intids;
}

/* --- one CPU ---------------------------------------------------------------------------------------------------- */

/* The Affinity field of GICR_TYPER holds Aff3.Aff2.Aff1.Aff0 without the gap that MPIDR_EL1 has. */
static uint32_t packed(uint64_t mpidr)
{
    return (uint32_t)((mpidr & 0xffffff) | (mpidr >> 8 & 0xff000000));
}

static volatile uint8_t *find_redist(uint64_t mpidr)
{
    for (unsigned i = 0; i < gic.regions; i++) {
        uint64_t at = 0;
        while (at + GICR_STRIDE <= gic.region[i].bytes) {
            volatile uint8_t *redist = gic.region[i].base + at;
            uint64_t typer = read64(redist, GICR_TYPER);
            if (typer >> GICR_TYPER_AFFINITY == packed(mpidr))
                return redist;
            if ((typer & GICR_TYPER_LAST) != 0)
                break;
            at += gic.stride != 0 ? gic.stride : (typer & GICR_TYPER_VLPIS) != 0 ? GICR_STRIDE_V4 : GICR_STRIDE;
        }
    }
    return NULL;
}

static void init_redist(volatile uint8_t *redist)
{
    write32(redist, GICR_WAKER, read32(redist, GICR_WAKER) & ~GICR_WAKER_SLEEP);
    while ((read32(redist, GICR_WAKER) & GICR_WAKER_ASLEEP) != 0)
        ;
    volatile uint8_t *sgi = redist + GICR_SGI;
    write32(sgi, GICD_ICENABLER, UINT32_MAX);
    redist_settle(redist);
    write32(sgi, GICD_ICPENDR, UINT32_MAX);
    write32(sgi, GICD_ICACTIVER, UINT32_MAX);
    write32(sgi, GICD_IGROUPR, UINT32_MAX);
    for (unsigned intid = 0; intid < GIC_PRIVATE; intid += 4)
        write32(sgi, GICD_IPRIORITYR + intid, PRIORITY_ALL);
    write32(sgi, GICD_ISENABLER, 1u << GIC_SGI_KICK);
    for (unsigned intid = GIC_SGIS; intid < GIC_PRIVATE; intid++) {
        if (irq_registered(intid))
            write32(sgi, GICD_ISENABLER, 1u << intid);
    }
}

void gic_init_cpu(void)
{
    const struct cpu *cpu = this_cpu();
    volatile uint8_t *redist = find_redist(cpu->mpidr);
    if (redist == NULL)
        panic("gic: no redistributor for CPU %u (affinity 0x%lx)", cpu->index, (unsigned long)cpu->mpidr);
    gic.redist[cpu->index] = redist;
    icc_write(ICC_SRE_EL2, SRE_SYSTEM);
    icc_sync();
    icc_write(ICC_SRE_EL1, SRE_SYSTEM);
    icc_sync();
    init_redist(redist);
    icc_write(ICC_PMR_EL1, PMR_ALL);
    icc_write(ICC_BPR1_EL1, 0);
    icc_write(ICC_CTLR_EL1, CTLR_EOIMODE);
    icc_write(ICC_IGRPEN1_EL1, 1);
    icc_sync();
    vgic_init_cpu();
    vtimer_init_cpu();
}

void gic_kick(unsigned cpu)
{
    const struct cpu *to = cpu_at(cpu);
    if (to == NULL)
        return;
    uint64_t mpidr = to->mpidr;
    unsigned aff0 = (unsigned)(mpidr & 0xff);
    /* What was written for the other CPU to see is visible before the interrupt is. */
    __asm__ volatile("dsb ishst" : : : "memory");
    icc_write(ICC_SGI1R_EL1, (mpidr >> 32 & 0xff) << 48 | (uint64_t)(aff0 / 16) << 44 | (mpidr >> 16 & 0xff) << 32 |
                                 (uint64_t)GIC_SGI_KICK << 24 | (mpidr >> 8 & 0xff) << 16 | 1u << aff0 % 16);
    icc_sync();
}

/* --- single interrupts ------------------------------------------------------------------------------------------ */

/* The frame with the registers of intid; null when it does not exist. */
static volatile uint8_t *frame_of(unsigned cpu, unsigned intid)
{
    if (intid >= gic.intids)
        return NULL;
    if (intid >= GIC_PRIVATE)
        return gic.dist;
    volatile uint8_t *redist = cpu < CONFIG_S2_MAX_CPUS ? gic.redist[cpu] : NULL;
    return redist == NULL ? NULL : redist + GICR_SGI;
}

static void write_bit(unsigned cpu, unsigned reg, unsigned intid)
{
    volatile uint8_t *frame = frame_of(cpu, intid);
    if (frame != NULL)
        write32(frame, reg + intid / 32 * 4, 1u << intid % 32);
}

void gic_enable(unsigned intid)
{
    write_bit(this_cpu()->index, GICD_ISENABLER, intid);
}

void gic_disable(unsigned intid)
{
    unsigned cpu = this_cpu()->index;
    if (frame_of(cpu, intid) == NULL)
        return;
    write_bit(cpu, GICD_ICENABLER, intid);
    if (intid >= GIC_PRIVATE)
        dist_settle();
    else
        redist_settle(gic.redist[cpu]);
}

void gic_set_edge(unsigned intid, bool edge)
{
    if (intid < GIC_FIRST_SPI || intid >= gic.intids)
        return;
    unsigned reg = GICD_ICFGR + intid / 16 * 4;
    uint32_t bit = 2u << intid % 16 * 2;
    lock_take(&gic.lock);
    uint32_t was = read32(gic.dist, reg);
    write32(gic.dist, reg, edge ? was | bit : was & ~bit);
    lock_drop(&gic.lock);
}

void gic_route(unsigned intid, uint64_t mpidr)
{
    if (intid >= GIC_FIRST_SPI && intid < gic.intids)
        write64(gic.dist, GICD_IROUTER + intid * 8, mpidr & AFFINITY);
}

void gic_route_here(unsigned intid)
{
    gic_route(intid, this_cpu()->mpidr);
}

void gic_set_active_on(unsigned cpu, unsigned intid, bool active)
{
    write_bit(cpu, active ? GICD_ISACTIVER : GICD_ICACTIVER, intid);
}

void gic_set_active(unsigned intid, bool active)
{
    gic_set_active_on(this_cpu()->index, intid, active);
}

unsigned gic_acknowledge(void)
{
    unsigned intid = (unsigned)(icc_read(ICC_IAR1_EL1) & 0xffffff);
    /* The handler sees what the device, or the sender of the SGI, wrote before. */
    __asm__ volatile("dsb sy" : : : "memory");
    icc_sync();
    return intid;
}

void gic_drop(unsigned intid)
{
    icc_write(ICC_EOIR1_EL1, intid);
    icc_sync();
}

void gic_deactivate(unsigned intid)
{
    icc_write(ICC_DIR_EL1, intid);
    icc_sync();
}
