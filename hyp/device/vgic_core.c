/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3: the state of its interrupts. */
#include "device/vgic_core.h"

#include <stddef.h>

struct vgic_irq *vgic_irq(struct vgic *g, unsigned vcpu, unsigned intid)
{
    if (intid < GIC_PRIVATE)
        return vcpu < g->vcpus ? &g->vcpu[vcpu]->priv[intid] : NULL;
    return intid < GIC_PRIVATE + g->spis ? &g->spi[intid - GIC_PRIVATE] : NULL;
}

bool vgic_irq_pending(const struct vgic *g, const struct vgic_irq *irq)
{
    bool held = irq->resident && !irq->drop_pending && (g->vcpu[irq->holder]->lr[irq->slot] & ICH_LR_PENDING) != 0;
    return irq->latch || (irq->line && !irq->edge) || held;
}

static bool group_enabled(const struct vgic *g, const struct vgic_irq *irq)
{
    return (g->ctlr & (irq->group1 ? GICD_CTLR_GRP1 : GICD_CTLR_GRP0)) != 0;
}

bool vgic_irq_forwarded(const struct vgic *g, const struct vgic_irq *irq)
{
    return irq->enabled && vgic_irq_pending(g, irq) && group_enabled(g, irq);
}

/* The machine's interrupt behind one that is neither pending nor active will not be deactivated by the guest. */
static void release_phys(struct vgic *g, unsigned vcpu, struct vgic_irq *irq)
{
    if (!irq->hw || !irq->phys_active || irq->latch || irq->active || irq->resident)
        return;
    irq->phys_active = false;
    g->deactivate(vcpu < g->vcpus ? g->vcpu[vcpu] : NULL, irq->phys);
}

/* VGIC_NONE is nobody. */
static void kick(struct vgic *g, unsigned vcpu)
{
    if (vcpu < VGIC_VCPUS)
        g->kick |= 1u << vcpu;
}

/* Its CPU looks at `wanting` without the lock. */
static void set_wants(struct vgic_vcpu *v, unsigned intid, bool wants)
{
    unsigned word = intid / 64;
    uint64_t bit = 1ull << intid % 64;
    v->wants[word] = wants ? v->wants[word] | bit : v->wants[word] & ~bit;
    uint32_t others = v->wanting & ~(1u << word);
    __atomic_store_n(&v->wanting, others | (v->wants[word] != 0 ? 1u << word : 0u), __ATOMIC_RELAXED);
}

static void set_home(struct vgic *g, struct vgic_irq *irq, unsigned intid, unsigned home)
{
    if (irq->home != home) {
        if (irq->home != VGIC_NONE)
            set_wants(g->vcpu[irq->home], intid, false);
        if (home != VGIC_NONE) {
            set_wants(g->vcpu[home], intid, true);
            kick(g, home);
        }
    }
    irq->home = (uint8_t)home;
}

void vgic_irq_changed(struct vgic *g, unsigned vcpu, unsigned intid)
{
    struct vgic_irq *irq = vgic_irq(g, vcpu, intid);
    if (irq == NULL)
        return;
    if (irq->resident) { /* settled when the vCPU comes out */
        kick(g, irq->holder);
        return;
    }
    release_phys(g, vcpu, irq);
    if (irq->active) {
        set_home(g, irq, intid, irq->holder);
        if (vgic_irq_forwarded(g, irq))
            kick(g, irq->holder);
    } else {
        unsigned target = intid < GIC_PRIVATE ? vcpu : irq->target;
        set_home(g, irq, intid, vgic_irq_forwarded(g, irq) ? target : VGIC_NONE);
    }
}

static void reset_irq(struct vgic *g, struct vgic_irq *irq, unsigned intid)
{
    *irq = (struct vgic_irq){
        .hw = irq->hw,
        .phys = irq->phys,
        .phys_active = irq->phys_active,
        .fixed = intid < GIC_PRIVATE,
        .edge = intid < GIC_SGIS,
        .group1 = true,
        .enabled = false,
        .target = intid < GIC_PRIVATE || g->vcpus == 0 ? VGIC_NONE : 0,
        .home = VGIC_NONE,
    };
}

void vgic_core_init(struct vgic *g, unsigned spis, uint64_t vtr, void (*deactivate)(struct vgic_vcpu *, unsigned))
{
    unsigned lrs = ICH_VTR_LRS(vtr);
    *g = (struct vgic){.deactivate = deactivate};
    g->spis = spis > VGIC_SPIS ? VGIC_SPIS : (spis + 31) / 32 * 32;
    g->lrs = lrs < VGIC_LRS ? lrs : VGIC_LRS;
    g->pri_bits = ICH_VTR_PRIBITS(vtr);
    g->pre_bits = ICH_VTR_PREBITS(vtr);
    g->id_bits = ICH_VTR_IDBITS(vtr);
    g->traps_dir = (vtr & ICH_VTR_TDS) != 0;
    for (unsigned i = 0; i < g->spis; i++)
        reset_irq(g, &g->spi[i], GIC_FIRST_SPI + i);
}

static void reset_vcpu(struct vgic_vcpu *v)
{
    for (unsigned intid = 0; intid < GIC_PRIVATE; intid++)
        reset_irq(v->gic, &v->priv[intid], intid);
    for (unsigned i = 0; i < VGIC_WORDS; i++)
        v->wants[i] = 0;
    v->wanting = 0;
    v->asleep = false;
    vgic_core_reset_cpu(v);
}

void vgic_core_reset_cpu(struct vgic_vcpu *v)
{
    v->used = 0;
    v->hcr = ICH_HCR_EN;
    v->vmcr = 0;
    for (unsigned i = 0; i < 4; i++)
        v->apr[0][i] = v->apr[1][i] = 0;
}

bool vgic_core_add(struct vgic *g, struct vgic_vcpu *v, struct vcpu *vcpu)
{
    if (g->vcpus == VGIC_VCPUS)
        return false;
    *v = (struct vgic_vcpu){.gic = g, .vcpu = vcpu, .index = g->vcpus, .affinity = g->vcpus};
    g->vcpu[g->vcpus++] = v;
    reset_vcpu(v);
    if (g->vcpus == 1) { /* GICD_IROUTER resets to affinity 0, which now exists */
        for (unsigned i = 0; i < g->spis; i++)
            g->spi[i].target = 0;
    }
    return true;
}

void vgic_core_reset(struct vgic *g)
{
    for (unsigned i = 0; i < g->vcpus; i++)
        reset_vcpu(g->vcpu[i]);
    for (unsigned i = 0; i < g->spis; i++)
        reset_irq(g, &g->spi[i], GIC_FIRST_SPI + i);
    g->ctlr = 0;
    g->kick = 0;
    for (unsigned i = 0; i < g->vcpus; i++) {
        for (unsigned intid = GIC_SGIS; intid < GIC_PRIVATE; intid++)
            release_phys(g, i, &g->vcpu[i]->priv[intid]);
    }
    for (unsigned i = 0; i < g->spis; i++)
        release_phys(g, 0, &g->spi[i]);
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */

void vgic_core_inject(struct vgic *g, unsigned vcpu, unsigned intid, bool level)
{
    struct vgic_irq *irq = vgic_irq(g, vcpu, intid);
    if (irq == NULL)
        return;
    if (irq->hw) {
        if (!level)
            return;
        irq->phys_active = true;
        irq->latch = true;
    } else {
        if (irq->line == level)
            return;
        irq->line = level;
        if (irq->edge && !level)
            return;
        if (irq->edge)
            irq->latch = true;
    }
    vgic_irq_changed(g, vcpu, intid);
}

void vgic_core_retract(struct vgic_vcpu *v, unsigned intid)
{
    struct vgic_irq *irq = vgic_irq(v->gic, v->index, intid);
    if (irq == NULL || !irq->hw || irq->resident || !irq->latch || irq->active)
        return;
    irq->latch = false;
    vgic_irq_changed(v->gic, v->index, intid);
}

bool vgic_core_map(struct vgic *g, unsigned vcpu, unsigned intid, unsigned phys)
{
    struct vgic_irq *irq = vgic_irq(g, vcpu, intid);
    if (irq == NULL || intid < GIC_SGIS || irq->hw || phys >= GIC_MAX_INTID)
        return false;
    irq->hw = true;
    irq->phys = (uint16_t)phys;
    irq->phys_active = false;
    return true;
}

void vgic_core_unmap(struct vgic *g, unsigned vcpu, unsigned intid)
{
    struct vgic_irq *irq = vgic_irq(g, vcpu, intid);
    if (irq == NULL || !irq->hw || irq->resident)
        return;
    irq->latch = false;
    irq->active = false;
    vgic_irq_changed(g, vcpu, intid);
    irq->hw = false;
}

bool vgic_core_live(const struct vgic_vcpu *v, unsigned intid)
{
    return intid < GIC_PRIVATE && v->priv[intid].hw && v->priv[intid].phys_active;
}

/* --- software's writes ---------------------------------------------------------------------------------------------- */

void vgic_irq_set_pending(struct vgic *g, unsigned vcpu, unsigned intid, bool pending)
{
    struct vgic_irq *irq = vgic_irq(g, vcpu, intid);
    if (irq == NULL)
        return;
    if (irq->resident)
        irq->drop_pending = !pending;
    irq->latch = pending;
    vgic_irq_changed(g, vcpu, intid);
}

void vgic_irq_set_active(struct vgic *g, unsigned vcpu, unsigned intid, bool active)
{
    struct vgic_irq *irq = vgic_irq(g, vcpu, intid);
    if (irq == NULL)
        return;
    if (irq->resident) {
        irq->drop_active = !active;
        irq->active = active; /* for readers, until the list register comes back */
    } else if (active && !irq->active) {
        unsigned holder = intid < GIC_PRIVATE ? vcpu : irq->target;
        if (holder == VGIC_NONE)
            return;
        irq->holder = (uint8_t)holder;
        irq->active = true;
    } else {
        irq->active = active;
    }
    vgic_irq_changed(g, vcpu, intid);
}

void vgic_irq_set_route(struct vgic *g, unsigned intid, uint32_t affinity)
{
    struct vgic_irq *irq = vgic_irq(g, 0, intid);
    if (irq == NULL || intid < GIC_FIRST_SPI)
        return;
    irq->affinity = affinity;
    irq->target = VGIC_NONE;
    for (unsigned i = 0; i < g->vcpus; i++) {
        if (g->vcpu[i]->affinity == affinity)
            irq->target = (uint8_t)i;
    }
    vgic_irq_changed(g, 0, intid);
}

void vgic_set_groups(struct vgic *g, uint32_t ctlr)
{
    ctlr &= GICD_CTLR_GRP0 | GICD_CTLR_GRP1;
    if (ctlr == g->ctlr)
        return;
    g->ctlr = ctlr;
    for (unsigned i = 0; i < g->vcpus; i++) {
        for (unsigned intid = 0; intid < GIC_PRIVATE; intid++)
            vgic_irq_changed(g, i, intid);
    }
    for (unsigned i = 0; i < g->spis; i++)
        vgic_irq_changed(g, 0, GIC_FIRST_SPI + i);
}

/* Targets: those of Aff3.Aff2.Aff1 whose Aff0 is in the list of 16 that RS selects, or all but the sender (IRM).
 * ICC_SGI1R_EL1 reaches SGIs of either group (one Security state), the other two Group 0 only. */
void vgic_core_sgi(struct vgic_vcpu *from, bool group1, uint64_t value)
{
    struct vgic *g = from->gic;
    unsigned intid = SGIR_INTID(value);
    uint32_t cluster = SGIR_AFF3(value) << 24 | SGIR_AFF2(value) << 16 | SGIR_AFF1(value) << 8;
    for (unsigned i = 0; i < g->vcpus; i++) {
        uint32_t affinity = g->vcpu[i]->affinity;
        unsigned aff0 = affinity & 0xffu;
        bool meant = (value & SGIR_IRM) != 0 ? i != from->index
                                             : (affinity & ~0xffu) == cluster && aff0 / 16 == SGIR_RANGE(value) &&
                                                   (SGIR_TARGETS(value) >> aff0 % 16 & 1u) != 0;
        if (meant && (group1 || !g->vcpu[i]->priv[intid].group1))
            vgic_irq_set_pending(g, i, intid, true);
    }
}

void vgic_core_dir(struct vgic_vcpu *v, uint64_t value)
{
    /* With EOImode = 0 the write is ignored (IHI 0069, ICV_DIR_EL1). */
    if ((v->vmcr & ICH_VMCR_VEOIM) != 0)
        vgic_irq_set_active(v->gic, v->index, (unsigned)(value & 0xffffffu), false);
}
