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

/* Enabled at the distributor and pending: only the CPU interface is between it and the vCPU. */
static bool forwarded(const struct vgic *g, const struct vgic_irq *irq)
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

static void set_home(struct vgic *g, struct vgic_irq *irq, unsigned intid, unsigned home)
{
    uint64_t bit = 1ull << intid % 64;
    if (irq->home != VGIC_NONE && irq->home != home)
        g->vcpu[irq->home]->wants[intid / 64] &= ~bit;
    if (home != VGIC_NONE && irq->home != home) {
        g->vcpu[home]->wants[intid / 64] |= bit;
        g->kick |= 1u << home;
    }
    irq->home = (uint8_t)home;
}

void vgic_irq_changed(struct vgic *g, unsigned vcpu, unsigned intid)
{
    struct vgic_irq *irq = vgic_irq(g, vcpu, intid);
    if (irq == NULL)
        return;
    if (irq->resident) { /* settled when the vCPU comes out */
        g->kick |= 1u << irq->holder;
        return;
    }
    release_phys(g, vcpu, irq);
    if (irq->active) {
        set_home(g, irq, intid, irq->holder);
        if (forwarded(g, irq))
            g->kick |= 1u << irq->holder;
    } else {
        unsigned target = intid < GIC_PRIVATE ? vcpu : irq->target;
        set_home(g, irq, intid, forwarded(g, irq) ? target : VGIC_NONE);
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

/* --- in and out of list registers ---------------------------------------------------------------------------------- */

struct choice {
    uint8_t count, room;
    uint16_t intid[VGIC_LRS];
    uint16_t key[VGIC_LRS];
    unsigned all;
};

/* Keeps the `room` smallest keys, in order; equal ones by arrival, which is by INTID. */
static void choose(struct choice *c, unsigned intid, unsigned key)
{
    c->all++;
    unsigned at = c->count;
    if (at == c->room) {
        if (at == 0 || c->key[at - 1] <= key)
            return;
        at--;
    } else {
        c->count++;
    }
    for (; at > 0 && c->key[at - 1] > key; at--) {
        c->key[at] = c->key[at - 1];
        c->intid[at] = c->intid[at - 1];
    }
    c->key[at] = (uint16_t)key;
    c->intid[at] = (uint16_t)intid;
}

/* Pending ones by priority, those that the CPU interface's group enables hold back behind all others. */
static unsigned pending_key(const struct vgic_vcpu *v, const struct vgic_irq *irq)
{
    bool open = (v->vmcr & (irq->group1 ? ICH_VMCR_VENG1 : ICH_VMCR_VENG0)) != 0;
    return (open ? 0u : 0x100u) | irq->priority;
}

/* What wants a list register of v and has none. */
static void gather(struct vgic_vcpu *v, struct choice *active, struct choice *pending)
{
    struct vgic *g = v->gic;
    for (unsigned word = 0; word < VGIC_WORDS; word++) {
        for (uint64_t bits = v->wants[word]; bits != 0; bits &= bits - 1) {
            unsigned intid = word * 64 + (unsigned)__builtin_ctzll(bits);
            const struct vgic_irq *irq = vgic_irq(g, v->index, intid);
            if (irq->resident)
                continue;
            if (irq->active)
                choose(active, intid, irq->priority);
            else
                choose(pending, intid, pending_key(v, irq));
        }
    }
}

/* The list register for an interrupt, and what its state keeps meanwhile. Pending and active together never with a
 * hardware interrupt (IHI 0069, ICH_LR<n>_EL2.State). An EOI of a level-sensitive one that was presented as pending must
 * be seen, its line may still be high. */
static uint64_t present(struct vgic *g, struct vgic_irq *irq, unsigned intid)
{
    uint64_t lr = intid | (uint64_t)irq->priority << ICH_LR_PRIORITY_SHIFT | (irq->group1 ? ICH_LR_GROUP1 : 0);
    bool pending = forwarded(g, irq) && !(irq->hw && irq->active);
    if (irq->hw)
        lr |= ICH_LR_HW | (uint64_t)irq->phys << ICH_LR_PHYS_SHIFT;
    if (irq->active)
        lr |= ICH_LR_ACTIVE;
    if (pending) {
        lr |= ICH_LR_PENDING;
        if (irq->hw || irq->edge)
            irq->latch = false;
        else
            lr |= ICH_LR_EOI;
    }
    return lr;
}

static void load(struct vgic_vcpu *v, const struct choice *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct vgic_irq *irq = vgic_irq(v->gic, v->index, c->intid[i]);
        v->lr[v->used] = present(v->gic, irq, c->intid[i]);
        irq->resident = true;
        irq->drop_pending = irq->drop_active = false;
        irq->holder = (uint8_t)v->index;
        irq->slot = (uint8_t)v->used++;
    }
}

/* When not everything fits: one list register at least is left to what is pending; of the active ones those of lowest
 * priority stay out, as they end last. The guest comes back when
 *      no list register is pending any more (the ones left out are of lower priority)          NPIE
 *      it switches a group on or off, for another group may have been held back                VGrp<n>EIE, DIE
 *      it ends an interrupt that has no list register                                          LRENPIE, TDIR (or TC) */
void vgic_core_flush(struct vgic_vcpu *v)
{
    struct vgic *g = v->gic;
    struct choice active = {.room = (uint8_t)g->lrs}, pending = {.room = (uint8_t)g->lrs};
    gather(v, &active, &pending);
    unsigned most = g->lrs - (pending.all > 0 ? 1u : 0u);
    if (active.count > most)
        active.count = (uint8_t)most;
    if (pending.count > g->lrs - active.count)
        pending.count = (uint8_t)(g->lrs - active.count);
    v->used = 0;
    load(v, &active);
    load(v, &pending);
    v->hcr = ICH_HCR_EN;
    if (pending.all > pending.count) {
        v->hcr |= ICH_HCR_NPIE;
        v->hcr |= (v->vmcr & ICH_VMCR_VENG0) != 0 ? ICH_HCR_VGRP0DIE : ICH_HCR_VGRP0EIE;
        v->hcr |= (v->vmcr & ICH_VMCR_VENG1) != 0 ? ICH_HCR_VGRP1DIE : ICH_HCR_VGRP1EIE;
    }
    if (active.all > active.count)
        v->hcr |= ICH_HCR_LRENPIE | (g->traps_dir ? ICH_HCR_TDIR : ICH_HCR_TC);
}

/* What the guest did to an interrupt in a list register, `was` on entry and `now` on exit. */
static void take_back(struct vgic_vcpu *v, struct vgic_irq *irq, uint64_t was, uint64_t now)
{
    bool pending = (now & ICH_LR_PENDING) != 0 && !irq->drop_pending;
    bool set_meanwhile = irq->active && (was & ICH_LR_ACTIVE) == 0;
    irq->resident = false;
    irq->active = ((now & ICH_LR_ACTIVE) != 0 && !irq->drop_active) || set_meanwhile;
    if (irq->hw || irq->edge)
        irq->latch = irq->latch || pending;
    else if ((was & ICH_LR_PENDING) != 0 && (now & ICH_LR_PENDING) == 0)
        irq->latch = false; /* acknowledged: the software's pending bit is used up, the line is not */
    if (irq->hw && (now & ICH_LR_STATE) == 0)
        irq->phys_active = irq->latch; /* the guest's end of interrupt ended the machine's, too */
    irq->drop_pending = irq->drop_active = false;
    vgic_irq_changed(v->gic, v->index, ICH_LR_INTID(was));
}

/* The guest ended an interrupt that no list register held: with EOImode = 0 it can only be the active one of highest
 * priority (EOImode = 1 traps). */
static void end_highest(struct vgic_vcpu *v)
{
    struct choice active = {.room = 1}, pending = {.room = 0};
    gather(v, &active, &pending);
    if (active.count > 0)
        vgic_irq_set_active(v->gic, v->index, active.intid[0], false);
}

void vgic_core_sync(struct vgic_vcpu *v, const uint64_t *now, uint64_t hcr)
{
    struct vgic *g = v->gic;
    unsigned unlisted = (v->hcr & ICH_HCR_LRENPIE) != 0 ? ICH_HCR_EOICOUNT(hcr) : 0;
    /* While the others still are in their list registers, and so not among the candidates. */
    for (unsigned i = 0; i < unlisted; i++)
        end_highest(v);
    for (unsigned i = 0; i < v->used; i++) {
        struct vgic_irq *irq = vgic_irq(g, v->index, ICH_LR_INTID(v->lr[i]));
        if (irq != NULL && irq->resident && irq->holder == v->index && irq->slot == i)
            take_back(v, irq, v->lr[i], now[i]);
    }
    v->used = 0;
    __atomic_store_n(&v->syncs, v->syncs + 1, __ATOMIC_RELEASE); /* others wait for it without the lock */
}

/* --- what would interrupt ------------------------------------------------------------------------------------------- */

/* Group priority of what is active; 0x100 when nothing is (IHI 0069, 4.8.6: the lowest bit set of the APRs). */
static unsigned running_priority(const struct vgic_vcpu *v)
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t bits = v->apr[0][i] | v->apr[1][i];
        if (bits != 0)
            return (i * 32 + (unsigned)__builtin_ctz(bits)) << (8 - v->gic->pre_bits);
    }
    return 0x100;
}

/* The binary point needs no look: the running priority is a group priority, and p is below it if p's group is. */
static bool delivers(const struct vgic_vcpu *v, const struct vgic_irq *irq)
{
    unsigned mask = (unsigned)(v->vmcr >> ICH_VMCR_VPMR_SHIFT) & 0xffu;
    bool open = (v->vmcr & (irq->group1 ? ICH_VMCR_VENG1 : ICH_VMCR_VENG0)) != 0;
    return open && irq->priority < mask && irq->priority < running_priority(v);
}

bool vgic_core_deliverable(const struct vgic_vcpu *v)
{
    for (unsigned word = 0; word < VGIC_WORDS; word++) {
        for (uint64_t bits = v->wants[word]; bits != 0; bits &= bits - 1) {
            unsigned intid = word * 64 + (unsigned)__builtin_ctzll(bits);
            const struct vgic_irq *irq = vgic_irq(v->gic, v->index, intid);
            if (irq != NULL && !irq->active && delivers(v, irq))
                return true;
        }
    }
    return false;
}

uint64_t vgic_core_interface_read(const struct vgic_vcpu *v, enum vgic_icv reg)
{
    unsigned running = running_priority(v);
    switch (reg) {
    case ICV_PMR:
        return v->vmcr >> ICH_VMCR_VPMR_SHIFT & 0xffu;
    case ICV_RPR:
        return running > 0xff ? 0xff : running;
    case ICV_CTLR:
        return ((v->vmcr & ICH_VMCR_VCBPR) != 0 ? ICV_CTLR_CBPR : 0u) |
               ((v->vmcr & ICH_VMCR_VEOIM) != 0 ? ICV_CTLR_EOIMODE : 0u) |
               (v->gic->pri_bits - 1) << ICV_CTLR_PRIBITS_SHIFT | v->gic->id_bits << ICV_CTLR_IDBITS_SHIFT;
    }
    return 0;
}

void vgic_core_interface_write(struct vgic_vcpu *v, enum vgic_icv reg, uint64_t value)
{
    if (reg == ICV_PMR) {
        v->vmcr = (v->vmcr & ~(0xffull << ICH_VMCR_VPMR_SHIFT)) | (value & 0xff) << ICH_VMCR_VPMR_SHIFT;
    } else if (reg == ICV_CTLR) {
        v->vmcr &= ~(ICH_VMCR_VCBPR | ICH_VMCR_VEOIM);
        v->vmcr |= (value & ICV_CTLR_CBPR) != 0 ? ICH_VMCR_VCBPR : 0;
        v->vmcr |= (value & ICV_CTLR_EOIMODE) != 0 ? ICH_VMCR_VEOIM : 0;
    }
}
