/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* GICv3 registers and their fields (Arm IHI 0069), for the real controller and for the virtual one. */
#ifndef DEVICE_GIC_REGS_H
#define DEVICE_GIC_REGS_H

/* INTIDs */
#define GIC_SGIS        16u
#define GIC_PRIVATE     32u /* SGIs and PPIs */
#define GIC_FIRST_SPI   32u
#define GIC_MAX_INTID   1020u /* first of the special ones */
#define GIC_PPI_MAINT   25u   /* the numbers that the Arm Base System Architecture fixes */
#define GIC_PPI_HYP     26u   /* CNTHP */
#define GIC_PPI_VIRTUAL 27u   /* CNTV */
#define GIC_PPI_PHYS    30u   /* CNTP */

/* Distributor */
#define GICD_CTLR             0x0000u
#define GICD_CTLR_GRP0        (1u << 0)
#define GICD_CTLR_GRP1        (1u << 1)
#define GICD_CTLR_ARE         (1u << 4)
#define GICD_CTLR_DS          (1u << 6)
#define GICD_CTLR_RWP         (1u << 31)
#define GICD_TYPER            0x0004u
#define GICD_TYPER_LINES      0x1fu /* (lines + 1) * 32 INTIDs */
#define GICD_TYPER_IDBITS(n)  (((n)-1u) << 19)
#define GICD_TYPER_NO1N       (1u << 25)
#define GICD_IIDR             0x0008u
#define GICD_IGROUPR          0x0080u
#define GICD_ISENABLER        0x0100u
#define GICD_ICENABLER        0x0180u
#define GICD_ISPENDR          0x0200u
#define GICD_ICPENDR          0x0280u
#define GICD_ISACTIVER        0x0300u
#define GICD_ICACTIVER        0x0380u
#define GICD_IPRIORITYR       0x0400u
#define GICD_ITARGETSR        0x0800u
#define GICD_ICFGR            0x0c00u
#define GICD_IGRPMODR         0x0d00u
#define GICD_IROUTER          0x6000u
#define GIC_PIDR2             0xffe8u
#define GIC_PIDR2_ARCH(value) (((value) >> 4) & 0xfu)
#define GIC_ARCH_V3           3u
#define GIC_ARCH_V4           4u

#define GIC_FRAME      0x10000u /* of the distributor, and each frame of a redistributor */
#define GICR_STRIDE    0x20000u /* bytes of a redistributor: two frames, four with GICv4 */
#define GICR_STRIDE_V4 0x40000u
/* Redistributor, RD_base */
#define GICR_CTLR            0x0000u
#define GICR_CTLR_RWP        (1u << 3)
#define GICR_IIDR            0x0004u
#define GICR_TYPER           0x0008u
#define GICR_TYPER_VLPIS     (1ull << 1)
#define GICR_TYPER_LAST      (1ull << 4)
#define GICR_TYPER_NUMBER(n) ((uint64_t)(n) << 8)
#define GICR_TYPER_AFFINITY  32u
#define GICR_WAKER           0x0014u
#define GICR_WAKER_SLEEP     (1u << 1)
#define GICR_WAKER_ASLEEP    (1u << 2)
/* SGI_base: the offsets of the distributor, INTIDs 0 to 31 only */
#define GICR_SGI GIC_FRAME

/* ICC_SGI1R_EL1 and its like */
#define SGIR_TARGETS(value) ((unsigned)((value)&0xffffu))
#define SGIR_AFF1(value)    ((unsigned)(((value) >> 16) & 0xffu))
#define SGIR_INTID(value)   ((unsigned)(((value) >> 24) & 0xfu))
#define SGIR_AFF2(value)    ((unsigned)(((value) >> 32) & 0xffu))
#define SGIR_IRM            (1ull << 40)
#define SGIR_RANGE(value)   ((unsigned)(((value) >> 44) & 0xfu))
#define SGIR_AFF3(value)    ((unsigned)(((value) >> 48) & 0xffu))

/* ICH_HCR_EL2 */
#define ICH_HCR_EN              (1ull << 0)
#define ICH_HCR_UIE             (1ull << 1)
#define ICH_HCR_LRENPIE         (1ull << 2)
#define ICH_HCR_NPIE            (1ull << 3)
#define ICH_HCR_VGRP0EIE        (1ull << 4)
#define ICH_HCR_VGRP0DIE        (1ull << 5)
#define ICH_HCR_VGRP1EIE        (1ull << 6)
#define ICH_HCR_VGRP1DIE        (1ull << 7)
#define ICH_HCR_TC              (1ull << 10)
#define ICH_HCR_TDIR            (1ull << 14)
#define ICH_HCR_EOICOUNT(value) ((unsigned)(((value) >> 27) & 0x1fu))
/* ICH_VTR_EL2 */
#define ICH_VTR_LRS(value)     ((unsigned)((value)&0x1fu) + 1u)
#define ICH_VTR_TDS            (1ull << 19)
#define ICH_VTR_IDBITS(value)  ((unsigned)(((value) >> 23) & 7u))
#define ICH_VTR_PREBITS(value) ((unsigned)(((value) >> 26) & 7u) + 1u)
#define ICH_VTR_PRIBITS(value) ((unsigned)(((value) >> 29) & 7u) + 1u)
/* ICV_CTLR_EL1 */
#define ICV_CTLR_CBPR          (1u << 0)
#define ICV_CTLR_EOIMODE       (1u << 1)
#define ICV_CTLR_PRIBITS_SHIFT 8u
#define ICV_CTLR_IDBITS_SHIFT  11u
/* ICH_VMCR_EL2 */
#define ICH_VMCR_VENG0      (1ull << 0)
#define ICH_VMCR_VENG1      (1ull << 1)
#define ICH_VMCR_VCBPR      (1ull << 4)
#define ICH_VMCR_VEOIM      (1ull << 9)
#define ICH_VMCR_VPMR_SHIFT 24u
/* ICH_LR<n>_EL2 */
#define ICH_LR_EOI            (1ull << 41) /* where HW = 0 */
#define ICH_LR_PHYS_SHIFT     32u
#define ICH_LR_PRIORITY_SHIFT 48u
#define ICH_LR_GROUP1         (1ull << 60)
#define ICH_LR_HW             (1ull << 61)
#define ICH_LR_PENDING        (1ull << 62)
#define ICH_LR_ACTIVE         (1ull << 63)
#define ICH_LR_STATE          (ICH_LR_PENDING | ICH_LR_ACTIVE)
#define ICH_LR_INTID(value)   ((unsigned)((value)&0xffffffffu))

#endif
