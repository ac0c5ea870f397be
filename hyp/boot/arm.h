/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Access to system registers, barriers, and the fields of EL2's registers that this hypervisor sets (Arm ARM D19). */
#ifndef BOOT_ARM_H
#define BOOT_ARM_H

#include <stdint.h>

#define REG_NAME(reg)  REG_NAME_(reg) /* by macro or by itself */
#define REG_NAME_(reg) #reg
#define reg_read(reg)                                                                                                  \
    ({                                                                                                                 \
        uint64_t reg_value_;                                                                                           \
        __asm__ volatile("mrs %0, " REG_NAME(reg) : "=r"(reg_value_));                                                 \
        reg_value_;                                                                                                    \
    })
#define reg_write(reg, value) __asm__ volatile("msr " REG_NAME(reg) ", %0" : : "r"((uint64_t)(value)) : "memory")
#define isb()                 __asm__ volatile("isb" : : : "memory")
#define dsb(domain)           __asm__ volatile("dsb " #domain : : : "memory")
#define wfi()                 __asm__ volatile("wfi" : : : "memory")

#define BIT(n) (UINT64_C(1) << (n))

/* HCR_EL2 */
#define HCR_VM     BIT(0)
#define HCR_SWIO   BIT(1)
#define HCR_PTW    BIT(2)
#define HCR_FMO    BIT(3)
#define HCR_IMO    BIT(4)
#define HCR_AMO    BIT(5)
#define HCR_VSE    BIT(8)
#define HCR_TWI    BIT(13)
#define HCR_TWE    BIT(14)
#define HCR_TID0   BIT(15)
#define HCR_TID1   BIT(16)
#define HCR_TID3   BIT(18)
#define HCR_TSC    BIT(19)
#define HCR_TIDCP  BIT(20)
#define HCR_TACR   BIT(21)
#define HCR_TSW    BIT(22)
#define HCR_TVM    BIT(26)
#define HCR_RW     BIT(31)
#define HCR_TLOR   BIT(35)
#define HCR_TERR   BIT(36)
#define HCR_TEA    BIT(37)
#define HCR_APK    BIT(40)
#define HCR_API    BIT(41)
#define HCR_FWB    BIT(46)
#define HCR_ENSCXT BIT(53)
#define HCR_TID5   BIT(58)

/* CPTR_EL2 with E2H = 0: bits 0 to 7, 9 and 13 are RES1; 8 and 12 trap SVE and SME, or are RES1 too. TFP (10) = 0. */
#define CPTR_RES1 0x32ff
#define CPTR_TZ   BIT(8)
#define CPTR_TSM  BIT(12)
#define CPTR_TTA  BIT(20)
#define CPTR_TAM  BIT(30)

/* MDCR_EL2 */
#define MDCR_HPMN  0x1fu
#define MDCR_TPMCR BIT(5)
#define MDCR_TPM   BIT(6)
#define MDCR_TDA   BIT(9)
#define MDCR_TDOSA BIT(10)
#define MDCR_TDRA  BIT(11)
#define MDCR_TPMS  BIT(14)
#define MDCR_HPMD  BIT(17)
#define MDCR_TTRF  BIT(19)

#define HSTR_T15 BIT(15) /* CP15 c15, implementation defined, from AArch32 EL0 */

/* SCTLR_ELx */
#define SCTLR_M         BIT(0)
#define SCTLR_C         BIT(2)
#define SCTLR_SA        BIT(3)
#define SCTLR_I         BIT(12)
#define SCTLR_WXN       BIT(19)
#define SCTLR_EL1_SPAN  BIT(23)
#define SCTLR_EL1_DSSBS BIT(44)
/* Bits that are RES1 in Armv8.0; later ones give them the meaning that 1 had before. */
#define SCTLR_EL2_RES1 0x30c50830
#define SCTLR_EL1_RES1 0x30d00800

#define TCR_EL1_EPD0 BIT(7)
#define TCR_EL1_EPD1 BIT(23)

/* PSTATE as in SPSR_EL2 */
#define PSTATE_MODE    0x1fu
#define PSTATE_EL0T    0x00u
#define PSTATE_EL1T    0x04u
#define PSTATE_EL1H    0x05u
#define PSTATE_AARCH32 BIT(4)
#define PSTATE_EL_MASK 0x0fu
#define PSTATE_DAIF    0x3c0u
#define PSTATE_BTYPE   (BIT(10) | BIT(11))
#define PSTATE_SSBS    BIT(12)
#define PSTATE_SS      BIT(21)
#define PSTATE_PAN     BIT(22)
#define PSTATE_DIT     BIT(24)
#define PSTATE_TCO     BIT(25)
#define PSTATE_NZCV    0xf0000000u
#define PSTATE32_T     BIT(5)
#define PSTATE32_IT    (UINT64_C(0xfc00) | UINT64_C(3) << 25)
#define PSTATE32_DIT   BIT(21)
#define PSTATE32_SSBS  BIT(23)

/* ESR_ELx */
#define ESR_EC_SHIFT      26
#define ESR_EC(esr)       (((esr) >> ESR_EC_SHIFT) & 0x3fu)
#define ESR_IL            BIT(25)
#define ESR_EC_UNKNOWN    0x00u
#define ESR_EC_MSR        0x18u
#define ESR_EC_IABT_LOWER 0x20u
#define ESR_EC_IABT       0x21u
#define ESR_EC_DABT_LOWER 0x24u
#define ESR_EC_DABT       0x25u
#define ESR_EC_SERROR     0x2fu
#define ESR_WNR           BIT(6)
#define ESR_CM            BIT(8)
#define ESR_FNV           BIT(10)
#define ESR_FSC           0x3fu
#define ESR_FSC_EXTERNAL  0x10u /* synchronous external abort, not on a walk */
#define ESR_FSC_WALK_0    0x14u /* the same on a walk, levels 0 to 3 */
#define ESR_FSC_LEVEL     0x03u

/* Timers */
#define CNTHP_ENABLE BIT(0)

#endif
