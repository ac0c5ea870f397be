/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the hypervisor hides (docs/sysregs.md) is asked for by its encoding: none of it answers, and what has one value for every
 * guest shows that, whatever was written. */
#include "hostile/hostile.h"

#define MRS(encoding)                     (0xd5200001u | (uint32_t)(encoding) << 5) /* to x1 */
#define MSR(encoding)                     (0xd5000000u | (uint32_t)(encoding) << 5) /* from x0 */
#define ENCODING(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define CPACR_ALL                         (3ul << 24 | 3ul << 20 | 3ul << 16) /* SME, FP, SVE: nothing to EL1 */
#define CPACR_FP                          (3ul << 20)
enum {
    OP0 = 3 << 14,
    OP1 = 7 << 11,
    CRN = 15 << 7,
    CRM = 15 << 3,
    OP2 = 7,
    FIRST = 2 << 14,
    END = 4 << 14,
};

/* But for what QEMU 7.2 does not trap: implementation defined registers (HCR_EL2.TIDCP) and SMPRI_EL1 (CPTR_EL2.TSM). */
static const struct {
    uint16_t bits, mask;
} hidden[] = {
    {ENCODING(2, 1, 0, 0, 0), OP0 | OP1},                   /* trace unit, branch records */
    {ENCODING(3, 0, 1, 0, 5), OP0 | OP1 | CRN | CRM | OP2}, /* RGSR */
    {ENCODING(3, 0, 1, 0, 6), OP0 | OP1 | CRN | CRM | OP2}, /* GCR */
    {ENCODING(3, 0, 1, 2, 0), OP0 | OP1 | CRN | CRM | OP2}, /* ZCR */
    {ENCODING(3, 0, 1, 2, 1), OP0 | OP1 | CRN | CRM | OP2}, /* TRFCR */
    {ENCODING(3, 0, 1, 2, 6), OP0 | OP1 | CRN | CRM | OP2}, /* SMCR */
    {ENCODING(3, 0, 5, 3, 0), OP0 | OP1 | CRN | CRM},       /* ERRIDR, ERRSELR */
    {ENCODING(3, 0, 5, 4, 0), OP0 | OP1 | CRN | CRM},       /* ERX* */
    {ENCODING(3, 0, 5, 5, 0), OP0 | OP1 | CRN | CRM},       /* ERXMISC* */
    {ENCODING(3, 0, 9, 0, 0), OP0 | OP1 | CRN},             /* PMINTEN*, profiling, trace buffer */
    {ENCODING(3, 0, 10, 4, 0), OP0 | OP1 | CRN | CRM},      /* LOR*, MPAMIDR */
    {ENCODING(3, 0, 10, 5, 0), OP0 | OP1 | CRN | CRM},      /* MPAM* */
    {ENCODING(3, 3, 9, 0, 0), OP0 | OP1 | CRN},             /* PM* */
    {ENCODING(3, 3, 14, 8, 0), OP0 | OP1 | CRN | 8 << 3},   /* PMEV* */
    {ENCODING(3, 3, 13, 4, 0), OP0 | OP1 | CRN | 12 << 3},  /* AM* */
    {ENCODING(3, 3, 13, 8, 0), OP0 | OP1 | CRN | 8 << 3},   /* AM* */
    {ENCODING(3, 4, 0, 0, 0), OP0 | 4 << 11},               /* EL2's, EL3's */
};

/* Each takes what it is given. */
static const struct {
    uint16_t encoding;
    uint8_t value;
} fixed[] = {
    {ENCODING(3, 0, 1, 0, 1), 0},   /* ACTLR_EL1 */
    {ENCODING(2, 0, 0, 0, 2), 0},   /* OSDTRRX_EL1 */
    {ENCODING(2, 0, 0, 2, 0), 0},   /* MDCCINT_EL1 */
    {ENCODING(2, 0, 0, 3, 2), 0},   /* OSDTRTX_EL1 */
    {ENCODING(2, 0, 0, 6, 2), 0},   /* OSECCR_EL1 */
    {ENCODING(2, 0, 1, 3, 4), 0},   /* OSDLR_EL1 */
    {ENCODING(2, 0, 1, 4, 4), 0},   /* DBGPRCR_EL1 */
    {ENCODING(2, 0, 7, 8, 6), 0},   /* DBGCLAIMSET_EL1 */
    {ENCODING(2, 0, 7, 9, 6), 0},   /* DBGCLAIMCLR_EL1 */
    {ENCODING(3, 0, 12, 12, 5), 7}, /* ICC_SRE_EL1 */
};
enum { OSLAR_EL1 = ENCODING(2, 0, 1, 0, 4), OSLSR_EL1 = ENCODING(2, 0, 1, 1, 4), OS_LOCK_OPEN = 8 };

static bool is_hidden(unsigned encoding)
{
    for (unsigned i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if ((encoding & hidden[i].mask) == hidden[i].bits)
            return true;
    return false;
}

static void refused(uint32_t insn)
{
    uint64_t value;
    WRITE_REG(cpacr_el1, CPACR_ALL);
    if (execute_for(REGISTERS, insn, 0, &value)) {
        say("# hostile: allowed: %x\n", insn);
        breach(BREACH_ALLOWED);
    }
    WRITE_REG(cpacr_el1, CPACR_FP);
}

/* Or it is not there at all. */
static void shows(unsigned encoding, uint64_t wanted)
{
    uint64_t value;
    if (execute_for(REGISTERS, MRS(encoding), 0, &value) && value != wanted) {
        say("# hostile: register %x shows %lx\n", encoding, value);
        breach(BREACH_ALLOWED);
    }
}

void hidden_sweep(void)
{
    static const uint32_t of_features[] = {0x04bf5021, 0x04bf5821}; /* RDVL x1, #1 (SVE); RDSVL x1, #1 (SME) */
    for (unsigned encoding = FIRST; encoding < END; encoding++)
        if (is_hidden(encoding))
            refused(MRS(encoding));
    for (unsigned i = 0; i < sizeof(of_features) / sizeof(of_features[0]); i++)
        refused(of_features[i]);
    for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        execute(REGISTERS, MSR(fixed[i].encoding), ~0ul);
        shows(fixed[i].encoding, fixed[i].value);
    }
    execute(REGISTERS, MSR(OSLAR_EL1), 1);
    shows(OSLSR_EL1, OS_LOCK_OPEN);
}
