/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3: registers of distributor and redistributors (IHI 0069, chapter 12). */
#include "device/vgic_core.h"

#include <stddef.h>

enum {
    WORD = 2, /* size_log2 */
    DOUBLE = 3,
    /* Not all zero, which is a real part that Linux works around. Implementer Arm as in GIC_PIDR, product 'B'. */
    IIDR = 'B' << 24 | 1 << 12 | 0x43b,
    PIDR2 = 0x3b, /* architecture revision 3, JEP106 code */
    ID_BITS = 10,
    BIT_REGISTERS = 0x80, /* bytes that each array with one bit per interrupt takes */
    PER_CONFIG_REGISTER = 16,
};

/* Which interrupts a window is about: the distributor 32 and above, a redistributor its vCPU's below 32. */
struct window {
    struct vgic *g;
    unsigned vcpu, first, end;
};

static struct window dist_window(struct vgic *g)
{
    return (struct window){.g = g, .vcpu = 0, .first = GIC_FIRST_SPI, .end = GIC_PRIVATE + g->spis};
}

static struct window private_window(struct vgic *g, unsigned vcpu)
{
    return (struct window){.g = g, .vcpu = vcpu, .first = 0, .end = GIC_PRIVATE};
}

static struct vgic_irq *irq_in(const struct window *w, unsigned intid)
{
    return intid >= w->first && intid < w->end ? vgic_irq(w->g, w->vcpu, intid) : NULL;
}

/* --- one bit per interrupt ------------------------------------------------------------------------------------------ */

static bool read_bit(const struct vgic *g, const struct vgic_irq *irq, unsigned array)
{
    switch (array) {
    case GICD_IGROUPR:
        return irq->group1;
    case GICD_ISENABLER:
    case GICD_ICENABLER:
        return irq->enabled;
    case GICD_ISPENDR:
    case GICD_ICPENDR:
        return vgic_irq_pending(g, irq);
    default:
        return irq->active;
    }
}

/* value: the bit written. The set and clear registers ignore zeros. */
static void write_bit(const struct window *w, struct vgic_irq *irq, unsigned intid, unsigned array, bool value)
{
    if (array == GICD_IGROUPR) {
        irq->group1 = value;
    } else if (!value) {
        return;
    } else if (array == GICD_ISENABLER || array == GICD_ICENABLER) {
        irq->enabled = array == GICD_ISENABLER;
    } else if (array == GICD_ISPENDR || array == GICD_ICPENDR) {
        vgic_irq_set_pending(w->g, w->vcpu, intid, array == GICD_ISPENDR);
        return;
    } else {
        vgic_irq_set_active(w->g, w->vcpu, intid, array == GICD_ISACTIVER);
        return;
    }
    vgic_irq_changed(w->g, w->vcpu, intid);
}

static void bits(const struct window *w, unsigned offset, struct mmio *m)
{
    unsigned array = offset - offset % BIT_REGISTERS;
    unsigned first = offset % BIT_REGISTERS * 8;
    for (unsigned i = 0; i < 32; i++) {
        struct vgic_irq *irq = irq_in(w, first + i);
        if (irq == NULL)
            continue;
        if (m->write)
            write_bit(w, irq, first + i, array, (m->value >> i & 1) != 0);
        else
            m->value |= (uint64_t)read_bit(w->g, irq, array) << i;
    }
}

/* --- wider fields ---------------------------------------------------------------------------------------------------- */

/* Bytes or words. */
static void priorities(const struct window *w, unsigned offset, struct mmio *m)
{
    unsigned first = offset - GICD_IPRIORITYR;
    unsigned mask = 0xffu << (8 - w->g->pri_bits) & 0xffu;
    for (unsigned i = 0; i < 1u << m->size_log2; i++) {
        struct vgic_irq *irq = irq_in(w, first + i);
        if (irq == NULL)
            continue;
        if (!m->write) {
            m->value |= (uint64_t)irq->priority << 8 * i;
            continue;
        }
        irq->priority = (uint8_t)(m->value >> 8 * i & mask);
        vgic_irq_changed(w->g, w->vcpu, first + i);
        if (irq->home != VGIC_NONE) /* it may have to take another's list register */
            w->g->kick |= 1u << irq->home;
    }
}

/* Two bits each, the upper one says edge. SGIs are, and PPIs stay level-sensitive as the timers are. */
static void configs(const struct window *w, unsigned offset, struct mmio *m)
{
    unsigned first = (offset - GICD_ICFGR) / 4 * PER_CONFIG_REGISTER;
    for (unsigned i = 0; i < PER_CONFIG_REGISTER; i++) {
        struct vgic_irq *irq = irq_in(w, first + i);
        if (irq == NULL)
            continue;
        if (!m->write) {
            m->value |= (uint64_t)irq->edge << (2 * i + 1);
        } else if (!irq->fixed) {
            irq->edge = (m->value >> (2 * i + 1) & 1) != 0;
            vgic_irq_changed(w->g, w->vcpu, first + i);
        }
    }
}

/* A doubleword, or either half of it. Interrupt_Routing_Mode is RES0, as GICD_TYPER.No1N says. */
static void route(struct vgic *g, unsigned offset, struct mmio *m)
{
    unsigned intid = (offset - GICD_IROUTER) / 8;
    struct window w = dist_window(g);
    struct vgic_irq *irq = irq_in(&w, intid);
    if (irq == NULL)
        return;
    unsigned shift = offset % 8 * 8;
    uint64_t value = (irq->affinity & 0xffffffu) | (uint64_t)(irq->affinity >> 24) << 32;
    if (!m->write) {
        m->value = value >> shift & mmio_mask(m->size_log2);
        return;
    }
    uint64_t mask = mmio_mask(m->size_log2) << shift;
    value = (value & ~mask) | (m->value << shift & mask);
    vgic_irq_set_route(g, intid, (uint32_t)(value & 0xffffffu) | (uint32_t)(value >> 32 & 0xffu) << 24);
}

/* Offsets that both kinds of window have. */
static void common(const struct window *w, unsigned offset, struct mmio *m)
{
    if (offset >= GICD_IGROUPR && offset < GICD_ICACTIVER + BIT_REGISTERS && m->size_log2 == WORD)
        bits(w, offset, m);
    else if (offset >= GICD_IPRIORITYR && offset < GICD_ITARGETSR && m->size_log2 <= WORD && m->size_log2 != 1)
        priorities(w, offset, m);
    else if (offset >= GICD_ICFGR && offset < GICD_IGRPMODR && m->size_log2 == WORD)
        configs(w, offset, m);
}

static bool aligned(const struct mmio *m)
{
    return m->size_log2 <= DOUBLE && (m->offset & ((1ull << m->size_log2) - 1)) == 0;
}

/* --- distributor ------------------------------------------------------------------------------------------------------ */

static uint32_t dist_type(const struct vgic *g)
{
    return g->spis / 32 | GICD_TYPER_IDBITS(ID_BITS) | GICD_TYPER_NO1N;
}

static void dist_word(struct vgic *g, unsigned offset, struct mmio *m)
{
    if (m->write) {
        if (offset == GICD_CTLR)
            vgic_set_groups(g, (uint32_t)m->value);
        return;
    }
    switch (offset) {
    case GICD_CTLR:
        m->value = g->ctlr | GICD_CTLR_ARE | GICD_CTLR_DS;
        break;
    case GICD_TYPER:
        m->value = dist_type(g);
        break;
    case GICD_IIDR:
        m->value = IIDR;
        break;
    case GIC_PIDR2:
        m->value = PIDR2;
        break;
    default:
        break;
    }
}

void vgic_core_dist(struct vgic *g, struct mmio *m)
{
    if (!m->write)
        m->value = 0;
    if (!aligned(m) || m->offset >= GIC_FRAME)
        return;
    unsigned offset = (unsigned)m->offset;
    struct window w = dist_window(g);
    if (offset >= GICD_IGROUPR && offset < GICD_IGRPMODR)
        common(&w, offset, m);
    else if (offset >= GICD_IROUTER && offset < GICD_IROUTER + GIC_MAX_INTID * 8 && m->size_log2 >= WORD)
        route(g, offset, m);
    else if (m->size_log2 == WORD)
        dist_word(g, offset, m);
}

/* --- redistributors ----------------------------------------------------------------------------------------------------- */

static uint64_t redist_type(const struct vgic *g, unsigned vcpu)
{
    uint64_t affinity = g->vcpu[vcpu]->affinity;
    return affinity << GICR_TYPER_AFFINITY | GICR_TYPER_NUMBER(vcpu) | (vcpu + 1 == g->vcpus ? GICR_TYPER_LAST : 0);
}

static uint32_t waker(const struct vgic_vcpu *v)
{
    return v->asleep ? GICR_WAKER_SLEEP | GICR_WAKER_ASLEEP : 0;
}

static void redist_control(struct vgic *g, unsigned vcpu, unsigned offset, struct mmio *m)
{
    if (m->write) {
        if (offset == GICR_WAKER && m->size_log2 == WORD)
            g->vcpu[vcpu]->asleep = (m->value & GICR_WAKER_SLEEP) != 0;
        return;
    }
    if (offset == GICR_TYPER && m->size_log2 == DOUBLE)
        m->value = redist_type(g, vcpu);
    if (m->size_log2 != WORD)
        return;
    switch (offset) {
    case GICR_IIDR:
        m->value = IIDR;
        break;
    case GICR_TYPER:
        m->value = (uint32_t)redist_type(g, vcpu);
        break;
    case GICR_TYPER + 4:
        m->value = redist_type(g, vcpu) >> 32;
        break;
    case GICR_WAKER:
        m->value = waker(g->vcpu[vcpu]);
        break;
    case GIC_PIDR2:
        m->value = PIDR2;
        break;
    default: /* GICR_CTLR: no LPIs, no write is pending */
        break;
    }
}

void vgic_core_redist(struct vgic *g, struct mmio *m)
{
    if (!m->write)
        m->value = 0;
    if (!aligned(m) || m->offset / GICR_STRIDE >= g->vcpus)
        return;
    unsigned vcpu = (unsigned)(m->offset / GICR_STRIDE);
    unsigned offset = (unsigned)(m->offset % GICR_STRIDE);
    struct window w = private_window(g, vcpu);
    if (offset < GICR_SGI)
        redist_control(g, vcpu, offset, m);
    else
        common(&w, offset - GICR_SGI, m);
}

/* --- whom an access concerns ------------------------------------------------------------------------------------------ */

/* Reading an enable, a group or a priority tells nothing that a list register knows better. */
static bool concerns_lists(const struct mmio *m, unsigned offset)
{
    if (offset >= GICD_ISPENDR && offset < GICD_ICACTIVER + BIT_REGISTERS)
        return true;
    return m->write && offset >= GICD_IGROUPR && offset < GICD_ISPENDR;
}

uint32_t vgic_core_holders(const struct vgic *g, bool redist, const struct mmio *m)
{
    uint64_t offset = redist ? m->offset % GICR_STRIDE - GICR_SGI : m->offset;
    uint64_t vcpu = redist ? m->offset / GICR_STRIDE : 0;
    uint32_t holders = 0;
    if (!redist && m->write && offset == GICD_CTLR) {
        for (unsigned i = 0; i < g->vcpus; i++)
            holders |= (g->vcpu[i]->used != 0 ? 1u : 0u) << i;
        return holders;
    }
    if (offset >= GIC_FRAME || vcpu >= g->vcpus || !concerns_lists(m, (unsigned)offset))
        return 0;
    unsigned first = (unsigned)offset % BIT_REGISTERS / 4 * 32;
    for (unsigned intid = first; intid < first + 32; intid++) {
        const struct vgic_irq *irq = NULL;
        if (redist && intid < GIC_PRIVATE)
            irq = &g->vcpu[vcpu]->priv[intid];
        else if (!redist && intid >= GIC_FIRST_SPI && intid < GIC_PRIVATE + g->spis)
            irq = &g->spi[intid - GIC_FIRST_SPI];
        if (irq != NULL && irq->resident)
            holders |= 1u << irq->holder;
    }
    return holders;
}
