/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Access to the GIC's system registers, named by encoding so that every assembler knows them. */
#ifndef DEVICE_ICC_H
#define DEVICE_ICC_H

#include <stdint.h>

#define ICC_PMR_EL1     "s3_0_c4_c6_0"
#define ICC_DIR_EL1     "s3_0_c12_c11_1"
#define ICC_SGI1R_EL1   "s3_0_c12_c11_5"
#define ICC_IAR1_EL1    "s3_0_c12_c12_0"
#define ICC_EOIR1_EL1   "s3_0_c12_c12_1"
#define ICC_BPR1_EL1    "s3_0_c12_c12_3"
#define ICC_CTLR_EL1    "s3_0_c12_c12_4"
#define ICC_SRE_EL1     "s3_0_c12_c12_5"
#define ICC_IGRPEN1_EL1 "s3_0_c12_c12_7"
#define ICC_SRE_EL2     "s3_4_c12_c9_5"
#define ICH_HCR_EL2     "s3_4_c12_c11_0"
#define ICH_VTR_EL2     "s3_4_c12_c11_1"
#define ICH_VMCR_EL2    "s3_4_c12_c11_7"
#define CNTVOFF_EL2     "s3_4_c14_c0_3"
#define CNTHCTL_EL2     "s3_4_c14_c1_0"
#define CNTP_CTL_EL0    "s3_3_c14_c2_1"
#define CNTV_CTL_EL0    "s3_3_c14_c3_1"
#define CNTV_CVAL_EL0   "s3_3_c14_c3_2"

#define icc_read(reg)                                                                                                  \
    ({                                                                                                                 \
        uint64_t value_;                                                                                               \
        __asm__ volatile("mrs %0, " reg : "=r"(value_));                                                               \
        value_;                                                                                                        \
    })
#define icc_write(reg, value) __asm__ volatile("msr " reg ", %0" : : "r"((uint64_t)(value)) : "memory")
#define icc_sync()            __asm__ volatile("isb" : : : "memory")

#endif
