/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3: into list registers and back, and the CPU interface as far as software knows it. */
#include "device/vgic_core.h"

#include <stddef.h>

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
    bool pending = vgic_irq_forwarded(g, irq) && !(irq->hw && irq->active);
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
 *      it switches a group on, or one of two off, for the other may have been held back        VGrp<n>EIE, DIE
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
        /* Group 0 with DIE while group 1 is off asks for an interrupt on QEMU: it looks at the wrong enable there. */
        bool both = (~v->vmcr & (ICH_VMCR_VENG0 | ICH_VMCR_VENG1)) == 0;
        if (both)
            v->hcr |= ICH_HCR_VGRP0DIE | ICH_HCR_VGRP1DIE;
        else
            v->hcr |= ((v->vmcr & ICH_VMCR_VENG0) != 0 ? 0 : ICH_HCR_VGRP0EIE) |
                      ((v->vmcr & ICH_VMCR_VENG1) != 0 ? 0 : ICH_HCR_VGRP1EIE);
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
