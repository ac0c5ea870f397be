/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The timers of a guest, on this CPU's. */
#include "device/vtimer.h"

#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "device/gic_regs.h"
#include "device/icc.h"
#include "device/irq.h"
#include "device/vgic.h"

#define CNTHCTL_EL1PCTEN (1u << 0) /* EL1 and EL0 read the physical counter; EL1PCEN = 0: CNTP_* trap */

_Static_assert((int)VTIMER_TVAL == (int)VTIMER_CNTP_TVAL && (int)VTIMER_CTL == (int)VTIMER_CNTP_CTL &&
                   (int)VTIMER_CVAL == (int)VTIMER_CNTP_CVAL,
               "one numbering of the timer's registers");

void vtimer_init(struct vtimer *t, uint64_t offset)
{
    *t = (struct vtimer){.offset = offset};
}

/* The machine's timer interrupt stays active until the guest ends its own. */
static enum irq_result fired(unsigned intid, void *arg)
{
    (void)arg;
    struct vcpu *v = this_cpu()->loaded;
    if (v == NULL || !vtimer_asks())
        return IRQ_DONE;
    vgic_inject(v->gic->gic, v->index, intid, true);
    return IRQ_FORWARDED;
}

void vtimer_register(void)
{
    irq_register(GIC_PPI_VIRTUAL, fired, NULL);
}

void vtimer_init_cpu(void)
{
    icc_write(CNTHCTL_EL2, CNTHCTL_EL1PCTEN);
    icc_write(CNTV_CTL_EL0, 0);
    icc_write(CNTP_CTL_EL0, 0);
    icc_sync();
}

bool vtimer_asks(void)
{
    return (icc_read(CNTV_CTL_EL0) & (VTIMER_ENABLE | VTIMER_IMASK | VTIMER_ISTATUS)) ==
           (VTIMER_ENABLE | VTIMER_ISTATUS);
}

void vtimer_load(struct vcpu *v)
{
    struct vtimer *t = v->timer;
    icc_write(CNTVOFF_EL2, t->offset);
    icc_write(CNTV_CVAL_EL0, t->virt.cval);
    icc_sync(); /* so that the timer does not meet its condition with what was there before */
    icc_write(CNTV_CTL_EL0, t->virt.ctl);
    t->loaded = true;
}

void vtimer_save(struct vcpu *v)
{
    struct vtimer *t = v->timer;
    vgic_resample(v);
    t->virt.ctl = (uint32_t)icc_read(CNTV_CTL_EL0) & (VTIMER_ENABLE | VTIMER_IMASK);
    t->virt.cval = icc_read(CNTV_CVAL_EL0);
    icc_write(CNTV_CTL_EL0, 0);
    icc_sync();
    t->virt.seen = vgic_core_live(v->gic, GIC_PPI_VIRTUAL);
    t->loaded = false;
}

uint64_t vtimer_deadline(struct vcpu *v)
{
    const struct vtimer *t = v->timer;
    uint64_t virt = t->loaded ? UINT64_MAX : vtimer_due(&t->virt, t->offset);
    uint64_t phys = vtimer_due(&t->phys, 0);
    return virt < phys ? virt : phys;
}

void vtimer_expire(struct vcpu *v)
{
    struct vtimer *t = v->timer;
    uint64_t now = cpu_ticks();
    if (!t->loaded && vtimer_due(&t->virt, t->offset) <= now) {
        t->virt.seen = true;
        vgic_inject(v->gic->gic, v->index, GIC_PPI_VIRTUAL, true);
    }
    if (vtimer_due(&t->phys, 0) <= now) {
        t->phys.seen = true;
        vgic_inject(v->gic->gic, v->index, GIC_PPI_PHYS, true);
    }
}

void vtimer_access(struct vcpu *v, enum vtimer_reg reg, bool write, uint64_t *value)
{
    struct vtimer_unit *u = &v->timer->phys;
    uint64_t now = cpu_ticks();
    if (!write) {
        *value = vtimer_unit_read(u, (enum vtimer_view)reg, now);
        return;
    }
    vtimer_unit_write(u, (enum vtimer_view)reg, *value, now);
    u->seen = vtimer_line(u, now);
    vgic_inject(v->gic->gic, v->index, GIC_PPI_PHYS, u->seen);
}
