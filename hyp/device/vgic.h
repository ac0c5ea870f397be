/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3 of a VM, on this machine's list registers. vgic_load, save, flush, sync, pending and access are
 * declared in cpu/hooks.h. The functions here lock by themselves, wake whom they concern, and may be called on any CPU;
 * they hold no lock when they call sched_wake. */
#ifndef DEVICE_VGIC_H
#define DEVICE_VGIC_H

#include <stdbool.h>
#include <stdint.h>

#include <device/vgic_core.h>

struct vcpu;

/* What the guest reads as its affinity, and what VMPIDR_EL2 must hold (with bit 31), for the vCPU of that index. */
static inline uint64_t vgic_affinity(unsigned index)
{
    return index;
}

/* The interrupts of the machine that serve every guest: maintenance. gic_init calls it. */
void vgic_register(void);
/* On each CPU: nothing is presented. gic_init_cpu calls it. */
void vgic_init_cpu(void);
/* spis: how many the guest has (INTIDs 32 ..), at most VGIC_SPIS. After gic_init. */
void vgic_init(struct vgic *g, unsigned spis);
/* vCPUs in the order of their index; sets v->gic. The virtual timer's PPI is mapped here. False: too many. */
bool vgic_add_vcpu(struct vgic *g, struct vgic_vcpu *gic, struct vcpu *v);
/* Restart of the VM: everything but the mappings as after vgic_init. pre: its vCPUs are OFF and not loaded. */
void vgic_reset(struct vgic *g);
/* CPU_ON: v's CPU interface as after a reset. pre: v is OFF and not loaded. */
void vgic_reset_vcpu(struct vcpu *v);

/* Takes back an interrupt of v's virtual timer that no longer asks for it. pre: v is loaded on this CPU. */
void vgic_resample(struct vcpu *v);

/* Level of an emulated device's line. vcpu: for INTIDs below 32. */
void vgic_inject(struct vgic *g, unsigned vcpu, unsigned intid, bool level);
/* An SPI without a line behind it comes once, whatever trigger the guest has set; once also if it is pending by now. */
void vgic_pulse(struct vgic *g, unsigned intid);

/* Passes the machine's SPI phys on as intid, handled on the physical CPU with that mpidr until the guest routes it: sets
 * trigger and route and enables it. False: no such interrupt, or one of them is in use. */
bool vgic_map_hw(struct vgic *g, unsigned intid, unsigned phys, bool edge, uint64_t mpidr);
/* Disables and takes back all that vgic_map_hw passed on. pre: as vgic_reset. */
void vgic_unmap_all(struct vgic *g);

/* mmio_fn: ctx is the struct vgic, v the vCPU that accesses, loaded on this CPU. The distributor's window is 64 KiB, that
 * of the redistributors GICR_STRIDE per vCPU in one piece. Waits, without a lock, until other vCPUs have left the guest
 * where the registers' meaning asks for it. */
bool vgic_dist_access(void *ctx, struct vcpu *v, struct mmio *m);
bool vgic_redist_access(void *ctx, struct vcpu *v, struct mmio *m);

#endif
