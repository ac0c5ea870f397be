/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A machine for the virtual GIC: the virtual CPU interface as IHI 0069 describes it (chapter 4.8, 6.3, 12.7), written
 * from there and not from the code under test, and guests that acknowledge and end interrupts. */
#ifndef VGIC_WORLD_H
#define VGIC_WORLD_H

#include "unit/unit.h"

#include <string.h>

#include <device/vgic_core.h>

#define WORLD_CPUS 4u
#define WORLD_SPIS 64u
#define NOTHING    1023u
#define VTR(lrs, tds)                                                                                                  \
    (4ull << 29 | 4ull << 26 | 1ull << 23 | ((tds) ? ICH_VTR_TDS : 0) | ((lrs)-1u)) /* 5 priority bits, 16-bit IDs */

/* The registers of one virtual CPU interface. */
struct face {
    bool inside; /* the guest runs */
    uint64_t lr[16], hcr;
    uint32_t active; /* ICH_AP0R0 | ICH_AP1R0 */
    unsigned eoi_count, exits;
};

static struct world {
    struct vgic g;
    struct vgic_vcpu v[WORLD_CPUS];
    struct face face[WORLD_CPUS];
    unsigned ended[8]; /* interrupts of the machine that ended, by hardware or by software */
    unsigned ends;
    unsigned by_software;
} w;

static inline void world_end_phys(unsigned phys)
{
    if (w.ends < 8)
        w.ended[w.ends] = phys;
    w.ends++;
}

static inline void world_deactivate(struct vgic_vcpu *v, unsigned phys)
{
    (void)v;
    w.by_software++;
    world_end_phys(phys);
}

/* What the guest does when it starts: groups on, mask open. */
static void world_open(unsigned cpu, bool eoimode1)
{
    w.v[cpu].vmcr = ICH_VMCR_VENG0 | ICH_VMCR_VENG1 | 0xffull << ICH_VMCR_VPMR_SHIFT | (eoimode1 ? ICH_VMCR_VEOIM : 0);
}

static void world_init(unsigned lrs, bool tds)
{
    memset(&w, 0, sizeof(w));
    vgic_core_init(&w.g, WORLD_SPIS, VTR(lrs, tds), world_deactivate);
    for (unsigned i = 0; i < WORLD_CPUS; i++) {
        assert_true(vgic_core_add(&w.g, &w.v[i], NULL));
        world_open(i, false);
    }
    vgic_set_groups(&w.g, GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
}

static inline int world_four_lrs(void **state)
{
    (void)state;
    world_init(4, true);
    return 0;
}

/* --- accesses of a guest ------------------------------------------------------------------------------------------- */

static uint64_t world_read(bool redist, uint64_t offset, unsigned size_log2)
{
    struct mmio m = {.offset = offset, .size_log2 = size_log2, .value = 0xa5a5a5a5a5a5a5a5};
    if (redist)
        vgic_core_redist(&w.g, &m);
    else
        vgic_core_dist(&w.g, &m);
    return m.value;
}

static void world_write(bool redist, uint64_t offset, unsigned size_log2, uint64_t value)
{
    struct mmio m = {.offset = offset, .size_log2 = size_log2, .write = true, .value = value};
    if (redist)
        vgic_core_redist(&w.g, &m);
    else
        vgic_core_dist(&w.g, &m);
}

static inline uint32_t dist(unsigned offset)
{
    return (uint32_t)world_read(false, offset, 2);
}
static inline void set_dist(unsigned offset, uint32_t value)
{
    world_write(false, offset, 2, value);
}
static inline uint32_t sgi_frame(unsigned cpu, unsigned offset)
{
    return (uint32_t)world_read(true, cpu * GICR_STRIDE + GICR_SGI + offset, 2);
}
static inline void set_sgi_frame(unsigned cpu, unsigned offset, uint32_t value)
{
    world_write(true, cpu * GICR_STRIDE + GICR_SGI + offset, 2, value);
}
static inline void enable_spi(unsigned intid, unsigned priority)
{
    world_write(false, GICD_IPRIORITYR + intid, 0, priority);
    set_dist(GICD_ISENABLER + intid / 32 * 4, 1u << intid % 32);
}
static inline void make_edge(unsigned intid)
{
    unsigned reg = GICD_ICFGR + intid / 16 * 4;
    set_dist(reg, dist(reg) | 2u << intid % 16 * 2);
}

/* --- the virtual CPU interface ---------------------------------------------------------------------------------------- */

static inline void enter(unsigned cpu)
{
    struct face *f = &w.face[cpu];
    assert_false(f->inside);
    vgic_core_flush(&w.v[cpu]);
    w.g.kick &= ~(1u << cpu);
    assert_true(w.v[cpu].used <= w.g.lrs);
    memset(f->lr, 0, sizeof(f->lr));
    for (unsigned i = 0; i < w.v[cpu].used; i++) {
        uint64_t lr = f->lr[i] = w.v[cpu].lr[i];
        assert_true((lr & ICH_LR_STATE) != 0);
        /* UNPREDICTABLE: both states of a hardware interrupt; one INTID in two list registers */
        assert_false((lr & ICH_LR_HW) != 0 && (lr & ICH_LR_STATE) == ICH_LR_STATE);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(ICH_LR_INTID(f->lr[j]), ICH_LR_INTID(lr));
    }
    f->hcr = w.v[cpu].hcr;
    f->eoi_count = 0;
    f->inside = true;
}

static inline void leave(unsigned cpu)
{
    struct face *f = &w.face[cpu];
    assert_true(f->inside);
    f->inside = false;
    f->exits++;
    w.v[cpu].apr[1][0] = f->active;
    vgic_core_sync(&w.v[cpu], f->lr, f->hcr | (uint64_t)f->eoi_count << 27);
    w.g.kick &= ~(1u << cpu);
}

/* A maintenance interrupt is asserted (ICH_MISR_EL2). */
static inline bool maintenance(unsigned cpu)
{
    const struct face *f = &w.face[cpu];
    uint64_t vmcr = w.v[cpu].vmcr;
    bool pending = false, ended = false;
    for (unsigned i = 0; i < w.g.lrs; i++) {
        pending |= (f->lr[i] & ICH_LR_STATE) == ICH_LR_PENDING;
        ended |= (f->lr[i] & (ICH_LR_STATE | ICH_LR_HW | ICH_LR_EOI)) == ICH_LR_EOI;
    }
    return ended || ((f->hcr & ICH_HCR_NPIE) != 0 && !pending) ||
           ((f->hcr & ICH_HCR_LRENPIE) != 0 && f->eoi_count > 0) ||
           ((f->hcr & ICH_HCR_VGRP0EIE) != 0 && (vmcr & ICH_VMCR_VENG0) != 0) ||
           ((f->hcr & ICH_HCR_VGRP1EIE) != 0 && (vmcr & ICH_VMCR_VENG1) != 0) ||
           ((f->hcr & ICH_HCR_VGRP0DIE) != 0 && (vmcr & ICH_VMCR_VENG0) == 0) ||
           ((f->hcr & ICH_HCR_VGRP1DIE) != 0 && (vmcr & ICH_VMCR_VENG1) == 0);
}

/* Out and in again, as the hypervisor does on a maintenance interrupt or a kick; not for ever. */
static inline void settle(unsigned cpu)
{
    for (unsigned turns = 0; w.face[cpu].inside && (maintenance(cpu) || (w.g.kick >> cpu & 1) != 0); turns++) {
        assert_true(turns < 3); /* a condition that holds on entry would storm */
        leave(cpu);
        enter(cpu);
    }
}

static inline unsigned running(unsigned cpu)
{
    return w.face[cpu].active == 0 ? 0x100 : (unsigned)__builtin_ctz(w.face[cpu].active) << 3;
}

static inline int highest(unsigned cpu)
{
    const struct face *f = &w.face[cpu];
    uint64_t vmcr = w.v[cpu].vmcr;
    int best = -1;
    unsigned best_priority = 0x100;
    for (unsigned i = 0; i < w.g.lrs; i++) {
        unsigned priority = (unsigned)(f->lr[i] >> ICH_LR_PRIORITY_SHIFT & 0xff);
        bool open = (vmcr & ((f->lr[i] & ICH_LR_GROUP1) != 0 ? ICH_VMCR_VENG1 : ICH_VMCR_VENG0)) != 0;
        if ((f->lr[i] & ICH_LR_STATE) == ICH_LR_PENDING && open && priority < best_priority) {
            best = (int)i;
            best_priority = priority;
        }
    }
    bool through = best_priority < (vmcr >> ICH_VMCR_VPMR_SHIFT & 0xff) && best_priority < running(cpu);
    return through ? best : -1;
}

/* ICC_IAR */
static inline unsigned ack(unsigned cpu)
{
    struct face *f = &w.face[cpu];
    settle(cpu);
    int at = highest(cpu);
    if (at < 0)
        return NOTHING;
    f->lr[at] = (f->lr[at] & ~ICH_LR_STATE) | ICH_LR_ACTIVE;
    f->active |= 1u << ((f->lr[at] >> ICH_LR_PRIORITY_SHIFT & 0xff) >> 3);
    unsigned intid = ICH_LR_INTID(f->lr[at]);
    settle(cpu);
    return intid;
}

static inline void face_deactivate(unsigned cpu, unsigned intid)
{
    struct face *f = &w.face[cpu];
    for (unsigned i = 0; i < w.g.lrs; i++) {
        if (ICH_LR_INTID(f->lr[i]) != intid || (f->lr[i] & ICH_LR_ACTIVE) == 0)
            continue;
        f->lr[i] &= ~ICH_LR_ACTIVE;
        if ((f->lr[i] & ICH_LR_HW) != 0)
            world_end_phys((unsigned)(f->lr[i] >> ICH_LR_PHYS_SHIFT & 0x3ff));
        settle(cpu);
        return;
    }
    f->eoi_count++;
    settle(cpu);
}

/* ICC_EOIR */
static inline void eoi(unsigned cpu, unsigned intid)
{
    struct face *f = &w.face[cpu];
    settle(cpu);
    if (f->active == 0)
        return;
    f->active &= f->active - 1;
    if ((w.v[cpu].vmcr & ICH_VMCR_VEOIM) == 0)
        face_deactivate(cpu, intid);
}

/* ICC_DIR: trapped when ICH_HCR_EL2 says so */
static inline void dir(unsigned cpu, unsigned intid)
{
    settle(cpu);
    if ((w.face[cpu].hcr & (ICH_HCR_TDIR | ICH_HCR_TC)) == 0) {
        face_deactivate(cpu, intid);
        return;
    }
    leave(cpu);
    vgic_core_dir(&w.v[cpu], intid);
    enter(cpu);
}

#endif
