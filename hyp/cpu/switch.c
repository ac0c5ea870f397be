/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The world switch. EL2 uses none of the registers of EL1 and EL0, so a vCPU's stay in the CPU from its loading until
 * another vCPU is loaded, through any number of exits.
 *
 * On CPUs with the speculative-AT errata (Cortex-A57 1319537, A72 1319367, A76 1165522 and their like) the CPU may walk
 * the EL1&0 tables out of context, so no moment may show it the TTBRs of one guest with the stage 2, or the TCR, of
 * another. With CONFIG_SPECULATIVE_AT the order of a switch is
 *      TCR_EL1.EPD0 = EPD1 = 1 | isb | SCTLR_EL1.M = 1 | isb      no walk can start
 *      VTTBR, VTCR | isb | everything else, TTBR0, TTBR1 | isb
 *      SCTLR_EL1 | isb | TCR_EL1                                   walks again, all of the new guest */
#include <stddef.h>
#include <string.h>

#include <s2_port.h>

#include <boot/arm.h>
#include <cpu/hooks.h>
#include <cpu/internal.h>
#include <sysregs_switch.h>

_Static_assert(offsetof(struct vcpu, regs) == 0 && offsetof(struct gpregs, pc) == 31 * sizeof(uint64_t) &&
                   offsetof(struct vcpu, exit) == 33 * sizeof(uint64_t) && offsetof(struct s2_syndrome, far) == 8 &&
                   offsetof(struct s2_syndrome, hpfar) == 16 && offsetof(struct fpregs, fpcr) == 512,
               "entry.S knows these");

#ifdef CONFIG_SPECULATIVE_AT
static const bool guard_walks = true;
#else
static const bool guard_walks = false;
#endif

#ifdef CONFIG_MEASURE_FAULTS
static const bool guests_count = true;
#else
static const bool guests_count = false;
#endif

/* Names that old assemblers do not know. */
#define HCRX_EL2    S3_4_C1_C2_2
#define HFGRTR_EL2  S3_4_C1_C1_4
#define HFGWTR_EL2  S3_4_C1_C1_5
#define HFGITR_EL2  S3_4_C1_C1_6
#define HDFGRTR_EL2 S3_4_C3_C1_4
#define HDFGWTR_EL2 S3_4_C3_C1_5
#define HAFGRTR_EL2 S3_4_C3_C1_6
#define MPAM2_EL2   S3_4_C10_C5_0
#define MPAMHCR_EL2 S3_4_C10_C4_0
#define VSESR_EL2   S3_4_C5_C2_3

#define MPAM2_TRAPS      (BIT(48) | BIT(49)) /* TRAPMPAM0EL1, TRAPMPAM1EL1 */
#define MPAMHCR_TRAP_IDR BIT(31)

/* --- traps ------------------------------------------------------------------------------------------------------------- */

uint64_t switch_hcr(void)
{
    uint64_t every = cpu_features_all(), some = cpu_features_any();
    uint64_t hcr = HCR_VM | HCR_SWIO | HCR_PTW | HCR_FMO | HCR_IMO | HCR_AMO | HCR_TWI | HCR_TID0 | HCR_TID1 |
                   HCR_TID3 | HCR_TSC | HCR_TIDCP | HCR_TACR | HCR_RW;
    hcr |= cpu_caps()->fwb ? HCR_FWB : HCR_TSW;
    hcr |= (some & CPU_HAS_LOR) != 0 ? HCR_TLOR : 0;
    hcr |= (some & CPU_HAS_RAS) != 0 ? HCR_TERR | HCR_TEA : 0;
    hcr |= (some & CPU_HAS_MTE2) != 0 ? HCR_TID5 : 0;
    hcr |= (every & CPU_HAS_PAUTH) != 0 ? HCR_API | HCR_APK : 0;
    hcr |= (every & CPU_HAS_CSV2_2) != 0 ? HCR_ENSCXT : 0;
    return hcr;
}

/* Fine-grained traps: their reset values are unknown. 0 traps through the bits of negative polarity only, which are
 * those of features hidden here (SME, PIE, GCS, branch records). */
static void init_fine_grained(uint64_t has)
{
    if ((has & CPU_HAS_HCX) != 0)
        reg_write(HCRX_EL2, 0);
    if ((has & CPU_HAS_FGT) == 0)
        return;
    reg_write(HFGRTR_EL2, 0);
    reg_write(HFGWTR_EL2, 0);
    reg_write(HFGITR_EL2, 0);
    reg_write(HDFGRTR_EL2, 0);
    reg_write(HDFGWTR_EL2, 0);
    if ((has & CPU_HAS_AMU) != 0)
        reg_write(HAFGRTR_EL2, 0);
}

void switch_init(struct cpu *cpu)
{
    uint64_t has = cpu->features;
    uint64_t mdcr = MDCR_TDA | MDCR_TDOSA | MDCR_TDRA;
    if ((has & CPU_HAS_PMU) != 0) {
        /* All counters stay with EL1's share, which traps: HPMN = PMCR.N is the reset value. */
        mdcr |= reg_read(pmcr_el0) >> 11 & MDCR_HPMN;
        if (!guests_count)
            mdcr |= MDCR_TPM | MDCR_TPMCR | ((has & CPU_HAS_PMU_P1) != 0 ? MDCR_HPMD : 0);
    }
    mdcr |= (has & CPU_HAS_SPE) != 0 ? MDCR_TPMS : 0; /* E2PB = 0: the buffer registers trap */
    mdcr |= (has & CPU_HAS_TRF) != 0 ? MDCR_TTRF : 0; /* E2TB = 0 alike */
    reg_write(mdcr_el2, mdcr);

    uint64_t cptr = CPTR_RES1 | CPTR_TZ | CPTR_TSM | CPTR_TTA;
    cptr |= (has & CPU_HAS_AMU) != 0 ? CPTR_TAM : 0;
    reg_write(cptr_el2, cptr);
    reg_write(hstr_el2, (has & CPU_HAS_AA32) != 0 ? HSTR_T15 : 0);
    init_fine_grained(has);
    if ((has & CPU_HAS_MPAM) != 0) {
        reg_write(MPAM2_EL2, MPAM2_TRAPS);
        reg_write(MPAMHCR_EL2, MPAMHCR_TRAP_IDR);
    }
    reg_write(vpidr_el2, cpu->midr);
    reg_write(oslar_el1, 0); /* break- and watchpoints work only while the OS lock is open */
    reg_write(mdscr_el1, 0);
    isb();
}

/* --- loading and saving -------------------------------------------------------------------------------------------------- */

static void stop_walks(void)
{
    if (!guard_walks)
        return;
    reg_write(tcr_el1, reg_read(tcr_el1) | TCR_EL1_EPD0 | TCR_EL1_EPD1);
    isb();
    reg_write(sctlr_el1, reg_read(sctlr_el1) | SCTLR_M);
    isb();
}

static void start_walks(const struct sysregs *s)
{
    reg_write(ttbr0_el1, s->ttbr0_el1);
    reg_write(ttbr1_el1, s->ttbr1_el1);
    if (guard_walks)
        isb();
    reg_write(sctlr_el1, s->sctlr_el1);
    if (guard_walks)
        isb();
    reg_write(tcr_el1, s->tcr_el1);
    isb();
}

static void save_registers(struct cpu *cpu, struct vcpu *v)
{
    vtimer_save(v);
    vgic_save(v);
    sysregs_save(&v->sys, cpu->features);
    fp_save(&v->fp);
    cpu->loaded = NULL;
}

/* Two vCPUs of one VM share a VMID, but not what local invalidations of one are to reach: what the other left in this
 * CPU's TLB goes (architecture rule 21, lesson T13). pre: v's VTTBR is loaded. */
static void flush_sibling(const struct cpu *cpu, struct vcpu *v)
{
    bool other = false;
    for (struct vcpu *p = cpu->all; p != NULL; p = p->peer) {
        if (p == v || p->space != v->space)
            continue;
        other |= p->last_here;
        p->last_here = false;
    }
    v->last_here = true;
    if (!other)
        return;
    s2_port_tlbi(NULL, S2_TLBI_VMALLE1, 0);
    __asm__ volatile("ic iallu" : : : "memory");
    s2_port_barrier(NULL, S2_DSB_NSH);
    s2_port_barrier(NULL, S2_ISB);
}

static void set_hcr(struct cpu *cpu, uint64_t hcr)
{
    if (cpu->hcr == hcr)
        return;
    reg_write(hcr_el2, hcr);
    cpu->hcr = hcr;
}

void switch_load_debug(const struct vcpu *v)
{
    const struct cpu *cpu = this_cpu();
    sysregs_restore_debug(&v->sys, cpu->brps, cpu->wrps);
}

void vcpu_load(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();
    if (cpu->loaded == v)
        return;
    if (cpu->loaded != NULL)
        save_registers(cpu, cpu->loaded);
    stop_walks();
    set_hcr(cpu, v->hcr);
    s2_space_load(v->space);
    flush_sibling(cpu, v);
    reg_write(vmpidr_el2, v->mpidr);
    sysregs_restore(&v->sys, cpu->features);
    switch_load_debug(v);
    start_walks(&v->sys);
    fp_restore(&v->fp);
    cpu->loaded = v;
    vgic_load(v);
    vtimer_load(v);
}

void vcpu_save(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();
    if (cpu->loaded != v)
        return;
    save_registers(cpu, v);
    stop_walks();
    /* Nobody's tables: the VM may be taken down now. VMID 0 belongs to no VM. */
    s2_port_event(S2_EVENT_VTTBR, 0, 0, 0, 0, 0);
    reg_write(vttbr_el2, 0);
    s2_port_barrier(NULL, S2_ISB);
    s2_vmid_leave(v->space->cfg.vmids);
}

enum exit_class vcpu_enter(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();
    bool ras = (cpu->features & CPU_HAS_RAS) != 0;
    if ((v->hcr & HCR_VSE) != 0 && ras)
        reg_write(VSESR_EL2, v->vsesr);
    /* A guest that spins gives way when there is somebody to give way to. */
    set_hcr(cpu, v->hcr | (cpu->ready_head != NULL ? HCR_TWE : 0));
    s2_port_event(S2_EVENT_ENTER, 0, v->index, 0, 0, 0);
    enum exit_class c = guest_enter(v);
    if ((v->hcr & HCR_VSE) != 0) { /* cleared by the CPU when the guest took it */
        cpu->hcr = reg_read(hcr_el2);
        v->hcr = (v->hcr & ~HCR_VSE) | (cpu->hcr & HCR_VSE);
    }
    return c;
}

/* --- a vCPU's registers --------------------------------------------------------------------------------------------------- */

void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t context)
{
    memset(&v->regs, 0, sizeof(v->regs));
    memset(&v->fp, 0, sizeof(v->fp));
    memset(&v->sys, 0, sizeof(v->sys));
    v->regs.x[0] = context;
    v->regs.pc = entry;
    v->regs.pstate = PSTATE_DAIF | PSTATE_EL1H;
    v->sys.sctlr_el1 = SCTLR_EL1_RES1;
    v->hcr = switch_hcr();
    v->vsesr = 0;
    v->cleaning = false;
}

/* AArch32 EL0: the IT state moves on with each instruction (Arm ARM F1.3.1, ITAdvance). */
static uint64_t advance_it(uint64_t pstate)
{
    uint64_t it = (pstate >> 8 & 0xfcu) | (pstate >> 25 & 3u);
    if ((pstate & PSTATE32_T) == 0 || it == 0)
        return pstate;
    it = (it & 7u) == 0 ? 0 : (it & 0xe0u) | (it << 1 & 0x1fu);
    return (pstate & ~PSTATE32_IT) | (it & 0xfcu) << 8 | (it & 3u) << 25;
}

void vcpu_skip(struct vcpu *v)
{
    bool aarch32 = (v->regs.pstate & PSTATE_AARCH32) != 0;
    v->regs.pc += (v->exit.esr & ESR_IL) != 0 ? 4 : 2;
    if (aarch32) {
        v->regs.pc = (uint32_t)v->regs.pc;
        v->regs.pstate = advance_it(v->regs.pstate);
    } else {
        v->regs.pstate &= ~PSTATE_BTYPE;
    }
    v->regs.pstate &= ~PSTATE_SS; /* a guest that steps sees this one as done */
}

uint64_t vcpu_get(const struct vcpu *v, unsigned reg)
{
    return reg < 31 ? v->regs.x[reg] : 0;
}

void vcpu_set(struct vcpu *v, unsigned reg, uint64_t value)
{
    if (reg < 31)
        v->regs.x[reg] = value;
}

bool vcpu_from_el0(const struct vcpu *v)
{
    return (v->regs.pstate & PSTATE_AARCH32) != 0 || (v->regs.pstate & PSTATE_EL_MASK) == PSTATE_EL0T;
}
