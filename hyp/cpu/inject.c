/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <cpu/inject.h>

#include <boot/arm.h>
#include <cpu/internal.h>

/* Offsets in the vector table (Arm ARM D1.3.1): synchronous exceptions */
#define VECTOR_SP0     0x000u
#define VECTOR_SPX     0x200u
#define VECTOR_LOWER64 0x400u
#define VECTOR_LOWER32 0x600u

static uint64_t vector_of(uint64_t pstate)
{
    if ((pstate & PSTATE_AARCH32) != 0)
        return VECTOR_LOWER32;
    switch (pstate & PSTATE_EL_MASK) {
    case PSTATE_EL0T:
        return VECTOR_LOWER64;
    case PSTATE_EL1T:
        return VECTOR_SP0;
    default:
        return VECTOR_SPX;
    }
}

/* PSTATE of an exception taken to EL1 (AArch64.TakeException): what it sets, what it keeps, all else 0, namely IL, SS,
 * BTYPE and UAO. */
static uint64_t entry_pstate(uint64_t was, uint64_t sctlr)
{
    uint64_t has = this_cpu()->features;
    bool aarch32 = (was & PSTATE_AARCH32) != 0;
    uint64_t now = (was & PSTATE_NZCV) | PSTATE_DAIF | PSTATE_EL1H;
    if ((has & CPU_HAS_PAN) != 0)
        now |= (sctlr & SCTLR_EL1_SPAN) == 0 ? PSTATE_PAN : was & PSTATE_PAN;
    if ((has & CPU_HAS_SSBS) != 0)
        now |= (sctlr & SCTLR_EL1_DSSBS) != 0 ? PSTATE_SSBS : 0;
    if ((has & CPU_HAS_DIT) != 0)
        now |= (was & (aarch32 ? PSTATE32_DIT : PSTATE_DIT)) != 0 ? PSTATE_DIT : 0;
    if ((has & CPU_HAS_MTE2) != 0)
        now |= PSTATE_TCO;
    return now;
}

static void take(struct vcpu *v, uint64_t esr)
{
    uint64_t was = v->regs.pstate;
    reg_write(esr_el1, esr);
    reg_write(elr_el1, v->regs.pc);
    reg_write(spsr_el1, was);
    v->regs.pstate = entry_pstate(was, reg_read(sctlr_el1));
    v->regs.pc = reg_read(vbar_el1) + vector_of(was);
}

void inject_undef(struct vcpu *v)
{
    take(v, (uint64_t)ESR_EC_UNKNOWN << ESR_EC_SHIFT | (v->exit.esr & ESR_IL));
}

void inject_abort(struct vcpu *v, uint64_t far, bool insn, bool on_walk)
{
    uint64_t lower = vcpu_from_el0(v), ec, esr;
    if (insn)
        ec = lower ? ESR_EC_IABT_LOWER : ESR_EC_IABT;
    else
        ec = lower ? ESR_EC_DABT_LOWER : ESR_EC_DABT;
    /* IL is 1 for instruction aborts and for data aborts without a described access (ISV = 0). */
    esr = ec << ESR_EC_SHIFT | ESR_IL | (v->exit.esr & ESR_FNV);
    if (!insn)
        esr |= v->exit.esr & (ESR_WNR | ESR_CM);
    esr |= on_walk ? ESR_FSC_WALK_0 | (v->exit.esr & ESR_FSC_LEVEL) : ESR_FSC_EXTERNAL;
    reg_write(far_el1, far);
    take(v, esr);
}

void inject_serror(struct vcpu *v)
{
    v->vsesr = 0; /* IDS = 0, DFSC = 0: uncategorized */
    v->hcr |= HCR_VSE;
}
