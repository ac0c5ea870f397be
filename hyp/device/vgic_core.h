/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The virtual GICv3 as plain logic: what a guest's interrupts are, which of them sit in list registers, and the
 * registers of distributor and redistributors. It touches no hardware register; vgic.c does that, holds the lock around
 * every call here, and afterwards wakes the vCPUs named in `kick`.
 *
 * Where the truth about an interrupt lies:
 *      struct vgic_irq          while its vCPU is out of the guest, and for all that has no list register
 *      list register            from vgic_core_flush to vgic_core_sync: `resident`; `latch` and `active` are stale,
 *                               a change from elsewhere is noted in drop_* and applied by the sync
 *
 *      pending = latch | (level-sensitive & line)
 *      wanting = active | (enabled & pending & its group enabled in GICD_CTLR): has a bit in vgic_vcpu.wants
 *
 * One Security state (GICD_CTLR.DS = 1), affinity routing only, no LPIs, no 1-of-N. Interrupts reset to Group 1. */
#ifndef DEVICE_VGIC_CORE_H
#define DEVICE_VGIC_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include <boot/lock.h>
#include <device/gic_regs.h>
#include <device/mmio.h>

#define VGIC_VCPUS 16u /* one cluster: Aff0 = index, so that GICD_TYPER.RSS may be 0 */
#define VGIC_SPIS  480u
#define VGIC_LRS   16u
#define VGIC_WORDS ((GIC_PRIVATE + VGIC_SPIS) / 64u)
#define VGIC_NONE  0xffu

struct vgic_irq {
    uint32_t affinity; /* GICD_IROUTER: Aff3.Aff2.Aff1.Aff0 */
    uint16_t phys;     /* the interrupt of the machine that it stands for; valid when hw */
    uint8_t priority;
    uint8_t target; /* vCPU that affinity names, VGIC_NONE: none */
    uint8_t holder; /* vCPU where it is active or in a list register */
    uint8_t home;   /* vCPU whose `wants` has its bit, VGIC_NONE: none */
    uint8_t slot;   /* its list register while resident */
    bool enabled : 1;
    bool group1 : 1;
    bool edge : 1;
    bool fixed : 1; /* trigger cannot be changed */
    bool line : 1;  /* input of a device that we emulate */
    bool latch : 1; /* an edge, a software set-pending, or an interrupt of the machine, not acknowledged yet */
    bool active : 1;
    bool resident : 1;
    bool drop_pending : 1;
    bool drop_active : 1;
    bool hw : 1;
    bool phys_active : 1; /* the machine's interrupt waits for this one to be deactivated */
};

struct vgic_vcpu {
    struct vgic *gic;
    struct vcpu *vcpu; /* for vgic.c */
    unsigned index;
    uint32_t affinity;
    struct vgic_irq priv[GIC_PRIVATE];
    uint64_t wants[VGIC_WORDS];
    uint32_t wanting; /* a bit for each word of these that is not zero, so that one look tells */
    bool asleep;      /* GICR_WAKER.ProcessorSleep; interrupts are delivered all the same */
    bool loaded;      /* for vgic.c: on its CPU, whose private interrupts are its own */
    uint32_t syncs;   /* how often its list registers came back */
    /* the CPU interface */
    unsigned used; /* list registers in use: 0 .. used - 1 */
    uint64_t lr[VGIC_LRS];
    uint64_t hcr, vmcr;
    uint32_t apr[2][4]; /* active priorities by group */
};

struct vgic {
    struct lock lock;
    unsigned vcpus, spis;
    unsigned lrs, pri_bits, pre_bits; /* of the machine */
    unsigned id_bits;                 /* ICH_VTR_EL2.IDbits, as ICV_CTLR_EL1 shows it */
    bool traps_dir;                   /* ICH_HCR_EL2.TDIR exists; else TC serves */
    uint32_t ctlr;                    /* GICD_CTLR.EnableGrp0, EnableGrp1 */
    uint32_t kick;                    /* vCPUs that must look at their interrupts; vgic.c takes and clears it */
    struct vgic_vcpu *vcpu[VGIC_VCPUS];
    /* Deactivates an interrupt of the machine that no guest will deactivate any more; of a private one: v's. */
    void (*deactivate)(struct vgic_vcpu *v, unsigned phys);
    struct vgic_irq spi[VGIC_SPIS];
};

/* vtr: ICH_VTR_EL2. spis: rounded up to a multiple of 32, at most VGIC_SPIS. */
void vgic_core_init(struct vgic *g, unsigned spis, uint64_t vtr, void (*deactivate)(struct vgic_vcpu *, unsigned));
/* The next vCPU; false when there are VGIC_VCPUS. */
bool vgic_core_add(struct vgic *g, struct vgic_vcpu *v, struct vcpu *vcpu);
/* All but the mappings as after init. pre: no vCPU is in the guest. */
void vgic_core_reset(struct vgic *g);
/* The CPU interface alone, as a reset of its CPU leaves it. pre: not in the guest. */
void vgic_core_reset_cpu(struct vgic_vcpu *v);

/* An input: of a device of ours the level (for edge-triggered ones a rise makes it pending), of a mapped interrupt of
 * the machine an arrival (level is then true). vcpu matters below 32. Those that do not exist: no effect. */
void vgic_core_inject(struct vgic *g, unsigned vcpu, unsigned intid, bool level);
/* A mapped interrupt that was not acknowledged yet went away by itself. */
void vgic_core_retract(struct vgic_vcpu *v, unsigned intid);
/* intid stands for the machine's interrupt phys from now on; false: no such intid, or it is mapped. */
bool vgic_core_map(struct vgic *g, unsigned vcpu, unsigned intid, unsigned phys);
void vgic_core_unmap(struct vgic *g, unsigned vcpu, unsigned intid);
/* Must the machine's interrupt of a mapped private one be active while v is loaded? */
bool vgic_core_live(const struct vgic_vcpu *v, unsigned intid);

/* lr[0 .. used) and hcr for the next stay in the guest. */
void vgic_core_flush(struct vgic_vcpu *v);
/* now[0 .. used): what became of them; hcr: ICH_HCR_EL2. */
void vgic_core_sync(struct vgic_vcpu *v, const uint64_t *now, uint64_t hcr);
/* Would a CPU in the state of vmcr and apr be interrupted? pre: not in the guest. */
bool vgic_core_deliverable(const struct vgic_vcpu *v);

/* A write to ICC_SGI1R_EL1 (group1) or to ICC_SGI0R_EL1 or ICC_ASGI1R_EL1 (Group 0 interrupts only). */
void vgic_core_sgi(struct vgic_vcpu *from, bool group1, uint64_t value);
/* A write to ICC_DIR_EL1 that trapped. */
void vgic_core_dir(struct vgic_vcpu *v, uint64_t value);

/* Registers of the CPU interface that trap where ICH_HCR_EL2.TC has to stand in for TDIR; from and to v->vmcr, and
 * v->apr. */
enum vgic_icv { ICV_PMR, ICV_RPR, ICV_CTLR };
uint64_t vgic_core_interface_read(const struct vgic_vcpu *v, enum vgic_icv reg);
void vgic_core_interface_write(struct vgic_vcpu *v, enum vgic_icv reg, uint64_t value);

/* Register accesses. What does not exist is RAZ/WI, and so is an access of a size or alignment that the register does
 * not have. */
void vgic_core_dist(struct vgic *g, struct mmio *m);
void vgic_core_redist(struct vgic *g, struct mmio *m);
/* The vCPUs whose list registers hold interrupts that the access is about. Before a read of pending or active state
 * they have to come out; after a write they have when the write is to have taken effect. */
uint32_t vgic_core_holders(const struct vgic *g, bool redist, const struct mmio *m);

/* --- within the virtual GIC --------------------------------------------------------------------------------------- */

struct vgic_irq *vgic_irq(struct vgic *g, unsigned vcpu, unsigned intid); /* null: no such interrupt */
bool vgic_irq_pending(const struct vgic *g, const struct vgic_irq *irq);
/* Enabled at the distributor and pending: only the CPU interface is between it and the vCPU. */
bool vgic_irq_forwarded(const struct vgic *g, const struct vgic_irq *irq);
/* After any change of its state: keeps `wants`, `kick` and the machine's interrupt in step. */
void vgic_irq_changed(struct vgic *g, unsigned vcpu, unsigned intid);
void vgic_irq_set_pending(struct vgic *g, unsigned vcpu, unsigned intid, bool pending);
void vgic_irq_set_active(struct vgic *g, unsigned vcpu, unsigned intid, bool active);
void vgic_irq_set_route(struct vgic *g, unsigned intid, uint32_t affinity);
void vgic_set_groups(struct vgic *g, uint32_t ctlr); /* GICD_CTLR.EnableGrp* */

#endif
