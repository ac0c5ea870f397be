/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3 on this machine: list registers, locks, wake-ups, waiting. */
#include "device/vgic.h"

#include <stddef.h>

#include "boot/print.h"
#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "cpu/sched.h"
#include "device/gic.h"
#include "device/icc.h"
#include "device/ich.h"
#include "device/irq.h"
#include "device/vtimer.h"

/* What this CPU's virtual interface holds, to write no more of it than changes. */
struct interface {
    unsigned lrs; /* list registers that may be other than zero */
    uint64_t hcr;
};
static struct interface interfaces[CONFIG_S2_MAX_CPUS];

static struct interface *interface(void)
{
    return &interfaces[this_cpu()->index];
}

static bool loaded_here(const struct vcpu *v)
{
    return this_cpu()->loaded == v;
}

/* Releases the lock and wakes whom the changes under it concern. A vCPU that this CPU is about to run again looks at
 * its interrupts anyway. */
static void release(struct vgic *g)
{
    uint32_t kick = g->kick;
    g->kick = 0;
    lock_drop(&g->lock);
    for (; kick != 0; kick &= kick - 1) {
        struct vcpu *v = g->vcpu[__builtin_ctz(kick)]->vcpu;
        if (!(loaded_here(v) && v->state == VCPU_RUNNING))
            sched_wake(v);
    }
}

/* An SPI can be deactivated from any CPU. A private interrupt is active only on the CPU where its vCPU is loaded. */
static void deactivate(struct vgic_vcpu *v, unsigned phys)
{
    if (phys >= GIC_PRIVATE)
        gic_deactivate(phys);
    else if (v != NULL && v->loaded)
        gic_set_active_on(v->vcpu->cpu, phys, false);
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

/* Its conditions were taken away by vgic_sync, and vgic_flush acts on what they told. */
static enum irq_result maintain(unsigned intid, void *arg)
{
    (void)intid;
    (void)arg;
    return IRQ_DONE;
}

void vgic_register(void)
{
    irq_register(GIC_PPI_MAINT, maintain, NULL);
}

/* List registers are UNKNOWN after a reset, and a firmware may have used them. */
void vgic_init_cpu(void)
{
    icc_write(ICH_HCR_EL2, 0);
    for (unsigned n = 0; n < ICH_VTR_LRS(icc_read(ICH_VTR_EL2)); n++)
        ich_lr_write(n, 0);
}

void vgic_init(struct vgic *g, unsigned spis)
{
    vgic_core_init(g, spis, icc_read(ICH_VTR_EL2), deactivate);
}

bool vgic_add_vcpu(struct vgic *g, struct vgic_vcpu *gic, struct vcpu *v)
{
    if (!vgic_core_add(g, gic, v))
        return false;
    v->gic = gic;
    return vgic_core_map(g, gic->index, GIC_PPI_VIRTUAL, GIC_PPI_VIRTUAL);
}

/* The machine's interrupt comes to the CPU of the vCPU that serves the guest's. Were it another one, a guest that ends an
 * interrupt without its cause going away would take time from whoever runs there, for as long as it likes. Under the
 * lock. */
static void follow_route(struct vgic *g, unsigned intid)
{
    const struct vgic_irq *irq = vgic_irq(g, 0, intid);
    if (irq != NULL && intid >= GIC_FIRST_SPI && irq->hw && irq->target != VGIC_NONE)
        gic_route(irq->phys, cpu_at(g->vcpu[irq->target]->vcpu->cpu)->mpidr);
}

void vgic_reset(struct vgic *g)
{
    lock_take(&g->lock);
    vgic_core_reset(g);
    for (unsigned i = 0; i < g->spis; i++)
        follow_route(g, GIC_FIRST_SPI + i);
    release(g);
}

void vgic_reset_vcpu(struct vcpu *v)
{
    struct vgic *g = v->gic->gic;
    lock_take(&g->lock);
    vgic_core_reset_cpu(v->gic);
    vgic_core_inject(g, v->index, GIC_PPI_PHYS, false); /* its timers are off */
    release(g);
}

/* --- interrupts in -------------------------------------------------------------------------------------------------- */

void vgic_inject(struct vgic *g, unsigned vcpu, unsigned intid, bool level)
{
    lock_take(&g->lock);
    vgic_core_inject(g, vcpu, intid, level);
    release(g);
}

void vgic_pulse(struct vgic *g, unsigned intid)
{
    lock_take(&g->lock);
    vgic_irq_set_pending(g, 0, intid, true);
    release(g);
}

/* Mostly a passed-through interrupt has the machine's number. */
static unsigned intid_of(const struct vgic *g, unsigned phys)
{
    if (phys >= GIC_FIRST_SPI && phys < GIC_PRIVATE + g->spis && g->spi[phys - GIC_FIRST_SPI].hw &&
        g->spi[phys - GIC_FIRST_SPI].phys == phys)
        return phys;
    for (unsigned i = 0; i < g->spis; i++) {
        if (g->spi[i].hw && g->spi[i].phys == phys)
            return GIC_FIRST_SPI + i;
    }
    return GIC_SPURIOUS;
}

static enum irq_result passed_on(unsigned phys, void *arg)
{
    struct vgic *g = arg;
    lock_take(&g->lock);
    unsigned intid = intid_of(g, phys);
    if (intid != GIC_SPURIOUS)
        vgic_core_inject(g, 0, intid, true);
    release(g);
    return intid != GIC_SPURIOUS ? IRQ_FORWARDED : IRQ_DONE;
}

bool vgic_map_hw(struct vgic *g, unsigned intid, unsigned phys, bool edge, uint64_t mpidr)
{
    if (intid < GIC_FIRST_SPI || phys < GIC_FIRST_SPI)
        return false;
    lock_take(&g->lock);
    bool mapped = vgic_core_map(g, 0, intid, phys);
    release(g);
    if (!mapped)
        return false;
    if (!irq_register(phys, passed_on, g)) {
        lock_take(&g->lock);
        vgic_core_unmap(g, 0, intid);
        release(g);
        return false;
    }
    gic_set_edge(phys, edge);
    gic_route(phys, mpidr);
    gic_enable(phys);
    return true;
}

void vgic_unmap_all(struct vgic *g)
{
    for (unsigned i = 0; i < g->spis; i++) {
        if (!g->spi[i].hw)
            continue;
        gic_disable(g->spi[i].phys);
        lock_take(&g->lock);
        vgic_core_unmap(g, 0, GIC_FIRST_SPI + i);
        release(g);
        irq_unregister(g->spi[i].phys);
    }
}

/* --- world switch --------------------------------------------------------------------------------------------------- */

static unsigned apr_registers(const struct vgic *g)
{
    return g->pre_bits <= 5 ? 1u : 1u << (g->pre_bits - 5);
}

static void read_interface(struct vgic_vcpu *gic)
{
    gic->vmcr = icc_read(ICH_VMCR_EL2);
    for (unsigned n = 0; n < apr_registers(gic->gic); n++) {
        gic->apr[0][n] = ich_apr_read(0, n);
        gic->apr[1][n] = ich_apr_read(1, n);
    }
}

static void set_hcr(uint64_t hcr)
{
    struct interface *mine = interface();
    if (mine->hcr == hcr)
        return;
    mine->hcr = hcr;
    icc_write(ICH_HCR_EL2, hcr);
}

/* The machine's private interrupt is active while the guest's is alive, or it would come once more. */
void vgic_load(struct vcpu *v)
{
    struct vgic_vcpu *gic = v->gic;
    icc_write(ICH_VMCR_EL2, gic->vmcr);
    for (unsigned n = 0; n < apr_registers(gic->gic); n++) {
        ich_apr_write(0, n, gic->apr[0][n]);
        ich_apr_write(1, n, gic->apr[1][n]);
    }
    lock_take(&gic->gic->lock);
    gic->loaded = true;
    if (vgic_core_live(gic, GIC_PPI_VIRTUAL))
        gic_set_active(GIC_PPI_VIRTUAL, true);
    release(gic->gic);
}

void vgic_save(struct vcpu *v)
{
    struct vgic_vcpu *gic = v->gic;
    read_interface(gic);
    set_hcr(0);
    lock_take(&gic->gic->lock);
    gic->loaded = false;
    if (vgic_core_live(gic, GIC_PPI_VIRTUAL))
        gic_set_active(GIC_PPI_VIRTUAL, false);
    release(gic->gic);
}

static bool wants_nothing(const struct vgic_vcpu *gic)
{
    return __atomic_load_n(&gic->wanting, __ATOMIC_RELAXED) == 0;
}

/* A virtual timer that was set anew before the guest saw its interrupt asks no longer. Under the lock, where gic is
 * loaded. */
static void resample_timer(struct vgic_vcpu *gic)
{
    const struct vgic_irq *timer = &gic->priv[GIC_PPI_VIRTUAL];
    if (timer->latch && timer->phys_active && !timer->active && !vtimer_asks())
        vgic_core_retract(gic, GIC_PPI_VIRTUAL);
}

void vgic_resample(struct vcpu *v)
{
    struct vgic *g = v->gic->gic;
    if (!vgic_core_live(v->gic, GIC_PPI_VIRTUAL))
        return;
    lock_take(&g->lock);
    resample_timer(v->gic);
    release(g);
}

/* Without the lock when there is nothing: who makes something pending after this look also kicks the CPU, and the kick
 * waits until the guest is entered. */
void vgic_flush(struct vcpu *v)
{
    struct vgic_vcpu *gic = v->gic;
    struct interface *mine = interface();
    uint64_t hcr = ICH_HCR_EN;
    unsigned used = 0;
    if (!wants_nothing(gic)) {
        gic->vmcr = icc_read(ICH_VMCR_EL2);
        lock_take(&gic->gic->lock);
        resample_timer(gic);
        vgic_core_flush(gic);
        release(gic->gic);
        hcr = gic->hcr;
        used = gic->used;
    }
    for (unsigned n = 0; n < used; n++)
        ich_lr_write(n, gic->lr[n]);
    for (unsigned n = used; n < mine->lrs; n++)
        ich_lr_write(n, 0);
    mine->lrs = used;
    set_hcr(hcr);
}

void vgic_sync(struct vcpu *v)
{
    struct vgic_vcpu *gic = v->gic;
    if (gic->used == 0)
        return;
    uint64_t now[VGIC_LRS];
    for (unsigned n = 0; n < gic->used; n++)
        now[n] = ich_lr_read(n);
    uint64_t hcr = icc_read(ICH_HCR_EL2);
    set_hcr(0); /* no maintenance interrupt from here on */
    icc_sync();
    lock_take(&gic->gic->lock);
    vgic_core_sync(gic, now, hcr);
    release(gic->gic);
}

bool vgic_pending(struct vcpu *v)
{
    struct vgic_vcpu *gic = v->gic;
    if (wants_nothing(gic))
        return false;
    lock_take(&gic->gic->lock);
    if (loaded_here(v)) {
        read_interface(gic);
        resample_timer(gic);
    }
    bool pending = vgic_core_deliverable(gic);
    release(gic->gic);
    return pending;
}

/* --- trapped registers ----------------------------------------------------------------------------------------------- */

static void send_sgi(struct vgic_vcpu *gic, bool group1, uint64_t value)
{
    lock_take(&gic->gic->lock);
    vgic_core_sgi(gic, group1, value);
    release(gic->gic);
}

bool vgic_access(struct vcpu *v, enum vgic_reg reg, bool write, uint64_t *value)
{
    struct vgic_vcpu *gic = v->gic;
    read_interface(gic);
    if (reg == VGIC_SGI1R || reg == VGIC_ASGI1R || reg == VGIC_SGI0R) {
        if (write)
            send_sgi(gic, reg == VGIC_SGI1R, *value);
        return write;
    }
    if (reg == VGIC_DIR) {
        if (!write)
            return false;
        lock_take(&gic->gic->lock);
        vgic_core_dir(gic, *value);
        release(gic->gic);
        return true;
    }
    if (write && reg == VGIC_RPR)
        return false;
    if (!write) {
        *value = vgic_core_interface_read(gic, reg == VGIC_PMR ? ICV_PMR : reg == VGIC_RPR ? ICV_RPR : ICV_CTLR);
        return true;
    }
    vgic_core_interface_write(gic, reg == VGIC_PMR ? ICV_PMR : ICV_CTLR, *value);
    icc_write(ICH_VMCR_EL2, gic->vmcr);
    return true;
}

/* --- registers in memory ---------------------------------------------------------------------------------------------- */

/* Until each of these vCPUs has brought its list registers back. It is in the guest, or about to be with interrupts
 * masked, so the kick gets it out; this CPU holds no lock and has none of its own. */
static void wait_for(struct vgic *g, uint32_t holders, const uint32_t *syncs)
{
    for (uint32_t rest = holders; rest != 0; rest &= rest - 1)
        cpu_kick(g->vcpu[__builtin_ctz(rest)]->vcpu->cpu);
    for (uint32_t rest = holders; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctz(rest);
        while (__atomic_load_n(&g->vcpu[i]->syncs, __ATOMIC_ACQUIRE) == syncs[i])
            lock_relax();
    }
}

static uint32_t holders(const struct vgic *g, bool redist, const struct mmio *m, uint32_t *syncs)
{
    for (unsigned i = 0; i < g->vcpus; i++)
        syncs[i] = g->vcpu[i]->syncs;
    return vgic_core_holders(g, redist, m);
}

static bool access(struct vgic *g, struct vcpu *v, bool redist, struct mmio *m)
{
    uint32_t syncs[VGIC_VCPUS];
    vgic_resample(v);
    if (!m->write) {
        lock_take(&g->lock);
        uint32_t waiting = holders(g, redist, m, syncs);
        release(g);
        wait_for(g, waiting, syncs);
    }
    lock_take(&g->lock);
    if (redist)
        vgic_core_redist(g, m);
    else
        vgic_core_dist(g, m);
    if (!redist && m->write && m->offset >= GICD_IROUTER)
        follow_route(g, (unsigned)((m->offset - GICD_IROUTER) / sizeof(uint64_t)));
    uint32_t waiting = m->write ? holders(g, redist, m, syncs) & g->kick : 0;
    release(g);
    wait_for(g, waiting, syncs);
    return true;
}

bool vgic_dist_access(void *ctx, struct vcpu *v, struct mmio *m)
{
    return access(ctx, v, false, m);
}

bool vgic_redist_access(void *ctx, struct vcpu *v, struct mmio *m)
{
    return access(ctx, v, true, m);
}
