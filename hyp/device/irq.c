/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Who handles which physical interrupt. */
#include "device/irq.h"

#include <stddef.h>

#include "boot/print.h"
#include "cpu/hooks.h"
#include "device/gic.h"
#include "device/gic_regs.h"

static struct {
    irq_fn *fn;
    void *arg;
} handlers[GIC_MAX_INTID];

bool irq_register(unsigned intid, irq_fn *fn, void *arg)
{
    if (intid < GIC_SGIS || intid >= GIC_MAX_INTID || intid >= gic_intids() || handlers[intid].fn != NULL)
        return false;
    handlers[intid].arg = arg;
    __atomic_store_n(&handlers[intid].fn, fn, __ATOMIC_RELEASE);
    return true;
}

void irq_unregister(unsigned intid)
{
    if (intid < GIC_MAX_INTID)
        __atomic_store_n(&handlers[intid].fn, NULL, __ATOMIC_RELEASE);
}

bool irq_registered(unsigned intid)
{
    return intid < GIC_MAX_INTID && __atomic_load_n(&handlers[intid].fn, __ATOMIC_ACQUIRE) != NULL;
}

static enum irq_result handle(unsigned intid)
{
    if (intid < GIC_SGIS)
        return IRQ_DONE; /* a kick: that the CPU came here is all there is to it */
    irq_fn *fn = intid < GIC_MAX_INTID ? __atomic_load_n(&handlers[intid].fn, __ATOMIC_ACQUIRE) : NULL;
    if (fn != NULL)
        return fn(intid, handlers[intid].arg);
    /* Nobody asked for it: off, or a level would bring it back for ever. */
    gic_disable(intid);
    print("irq: disabled %u, which has no handler\n", intid);
    return IRQ_DONE;
}

static enum irq_result call_timer(unsigned intid, void *arg)
{
    (void)intid;
    void (*fn)(void) = *(void (**)(void))arg;
    fn();
    return IRQ_DONE;
}

void irq_set_hyp_timer(void (*fn)(void))
{
    static void (*timer)(void);
    timer = fn;
    (void)irq_register(GIC_PPI_HYP, call_timer, &timer);
}

void irq_handle(void)
{
    for (unsigned intid = gic_acknowledge(); intid < GIC_MAX_INTID; intid = gic_acknowledge()) {
        gic_drop(intid);
        if (handle(intid) == IRQ_DONE)
            gic_deactivate(intid);
    }
}
