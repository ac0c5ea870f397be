/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "sysregs/regs.h"

#include "lib/guest.h"

/* Name for the reader, the encoding for the assembler (some names are newer than it), and the free bits. Left out are
 * those that this guest lives by (SCTLR, VBAR, SP), counters, and registers that only report. */
#define ANY ~0ul
#define LOW ((1ul << 32) - 1)
#define LIST(X)                                                                                                        \
    X(TPIDR_EL0, S3_3_C13_C0_2, ANY)                                                                                   \
    X(TPIDRRO_EL0, S3_3_C13_C0_3, ANY)                                                                                 \
    X(TPIDR_EL1, S3_0_C13_C0_4, ANY)                                                                                   \
    X(CONTEXTIDR_EL1, S3_0_C13_C0_1, LOW)                                                                              \
    X(FAR_EL1, S3_0_C6_C0_0, ANY)                                                                                      \
    X(ESR_EL1, S3_0_C5_C2_0, LOW)                                                                                      \
    X(AFSR0_EL1, S3_0_C5_C1_0, LOW)                                                                                    \
    X(AFSR1_EL1, S3_0_C5_C1_1, LOW)                                                                                    \
    X(ELR_EL1, S3_0_C4_C0_1, ANY)                                                                                      \
    X(SPSR_EL1, S3_0_C4_C0_0, 0xf00003c0ul)                                                                            \
    X(SP_EL0, S3_0_C4_C1_0, ANY)                                                                                       \
    X(TTBR0_EL1, S3_0_C2_C0_0, 0xffff00000000f000ul)                                                                   \
    X(TTBR1_EL1, S3_0_C2_C0_1, 0xffff00000000f000ul)                                                                   \
    X(TCR_EL1, S3_0_C2_C0_2, 0x3f3f3ful)                                                                               \
    X(MAIR_EL1, S3_0_C10_C2_0, ANY)                                                                                    \
    X(AMAIR_EL1, S3_0_C10_C3_0, ANY)                                                                                   \
    X(PAR_EL1, S3_0_C7_C4_0, 0xfffffff000ul)                                                                           \
    X(CSSELR_EL1, S3_2_C0_C0_0, 3)                                                                                     \
    X(CNTKCTL_EL1, S3_0_C14_C1_0, 0x3ff)                                                                               \
    X(CNTV_CVAL_EL0, S3_3_C14_C3_2, ANY)                                                                               \
    X(CNTP_CVAL_EL0, S3_3_C14_C2_2, ANY)                                                                               \
    X(ICC_PMR_EL1, S3_0_C4_C6_0, 0xf8)                                                                                 \
    X(ICC_BPR1_EL1, S3_0_C12_C12_3, 7)                                                                                 \
    X(ICC_BPR0_EL1, S3_0_C12_C8_3, 7)                                                                                  \
    X(ICC_IGRPEN1_EL1, S3_0_C12_C12_7, 1)                                                                              \
    X(MDSCR_EL1, S2_0_C0_C2_2, 0x1000)                                                                                 \
    X(DBGBVR0_EL1, S2_0_C0_C0_4, 0xfffffffffffcul)                                                                     \
    X(DBGBVR1_EL1, S2_0_C0_C1_4, 0xfffffffffffcul)                                                                     \
    X(DBGWVR0_EL1, S2_0_C0_C0_6, 0xfffffffffffcul)                                                                     \
    X(DBGWVR1_EL1, S2_0_C0_C1_6, 0xfffffffffffcul)                                                                     \
    X(DBGBCR0_EL1, S2_0_C0_C0_5, 0x1e0)                                                                                \
    X(DBGWCR0_EL1, S2_0_C0_C0_7, 0x1fe0)                                                                               \
    X(PMCR_EL0, S3_3_C9_C12_0, 0x8)                                                                                    \
    X(PMCNTENSET_EL0, S3_3_C9_C12_1, 0x80000000ul)                                                                     \
    X(PMSELR_EL0, S3_3_C9_C12_5, 0x1f)                                                                                 \
    X(PMUSERENR_EL0, S3_3_C9_C14_0, 0xf)                                                                               \
    X(PMINTENSET_EL1, S3_0_C9_C14_1, 0x80000000ul)                                                                     \
    X(PMCCFILTR_EL0, S3_3_C14_C15_7, 0xfc000000ul)                                                                     \
    X(DISR_EL1, S3_0_C12_C1_1, 0x80000000ul)                                                                           \
    X(APIAKEYLO_EL1, S3_0_C2_C1_0, ANY)                                                                                \
    X(APIAKEYHI_EL1, S3_0_C2_C1_1, ANY)                                                                                \
    X(APIBKEYLO_EL1, S3_0_C2_C1_2, ANY)                                                                                \
    X(APIBKEYHI_EL1, S3_0_C2_C1_3, ANY)                                                                                \
    X(APDAKEYLO_EL1, S3_0_C2_C2_0, ANY)                                                                                \
    X(APDAKEYHI_EL1, S3_0_C2_C2_1, ANY)                                                                                \
    X(APDBKEYLO_EL1, S3_0_C2_C2_2, ANY)                                                                                \
    X(APDBKEYHI_EL1, S3_0_C2_C2_3, ANY)                                                                                \
    X(APGAKEYLO_EL1, S3_0_C2_C3_0, ANY)                                                                                \
    X(APGAKEYHI_EL1, S3_0_C2_C3_1, ANY)                                                                                \
    X(SCXTNUM_EL0, S3_3_C13_C0_7, ANY)                                                                                 \
    X(SCXTNUM_EL1, S3_0_C13_C0_7, ANY)                                                                                 \
    X(TPIDR2_EL0, S3_3_C13_C0_5, ANY)                                                                                  \
    X(GCR_EL1, S3_0_C1_C0_6, 0x1ffff)                                                                                  \
    X(RGSR_EL1, S3_0_C1_C0_5, 0xffff0f)                                                                                \
    X(TFSR_EL1, S3_0_C5_C6_0, 3)                                                                                       \
    X(ZCR_EL1, S3_0_C1_C2_0, 0xf)                                                                                      \
    X(LORSA_EL1, S3_0_C10_C4_0, 0xffffff0000ul)

#define ACCESS(name, code, free_bits)                                                                                  \
    static uint64_t read_##name(void)                                                                                  \
    {                                                                                                                  \
        return READ_REG(code);                                                                                         \
    }                                                                                                                  \
    static void write_##name(uint64_t value)                                                                           \
    {                                                                                                                  \
        WRITE_REG(code, value);                                                                                        \
    }
LIST(ACCESS)

#define ROW(name, code, free_bits) {#name, free_bits, read_##name, write_##name},
const struct reg regs[] = {LIST(ROW)};
_Static_assert(sizeof(regs) / sizeof(regs[0]) == REG_COUNT, "REG_COUNT in regs.h");
