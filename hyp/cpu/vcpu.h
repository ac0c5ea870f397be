/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A virtual CPU: all that makes up its state while it is not loaded on a CPU. */
#ifndef CPU_VCPU_H
#define CPU_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/fault.h>
#include <stage2/space.h>
#include <sysregs.h> /* generated from cpu/sysregs.tbl: struct sysregs */

struct vm;
struct vtimer;    /* device/vtimer.h */
struct vgic_vcpu; /* device/vgic.h */

struct gpregs {
    uint64_t x[31];
    uint64_t pc, pstate; /* ELR_EL2, SPSR_EL2 */
};

struct fpregs {
    uint64_t q[32][2];
    uint64_t fpcr, fpsr;
};

/*            sched_add            picked               WFI
 *   OFF ----------------> READY ---------> RUNNING -----------> BLOCKED
 *    ^                      ^                |  ^   sched_wake    |
 *    |      sched_stop      +---- slice -----+  +---- READY <-----+
 *    +------------- from any other state --------------------------
 *   sched_pause: from any but OFF to PAUSED; sched_resume: from there to READY. */
enum vcpu_state { VCPU_OFF, VCPU_READY, VCPU_RUNNING, VCPU_BLOCKED, VCPU_PAUSED };
/* What was asked of a vCPU and has not been seen by its CPU. To stop outweighs to pause. */
enum vcpu_leave { LEAVE_NOT, LEAVE_PAUSE, LEAVE_STOP };

enum exit_class { EXIT_SYNC, EXIT_IRQ, EXIT_SERROR };

/* For the break-down of exits; who handles an exit counts it. */
enum exit_kind {
    EXITS_IRQ,
    EXITS_WFX,
    EXITS_HVC,
    EXITS_SMC,
    EXITS_SYSREG,
    EXITS_DATA_ABORT,
    EXITS_INSN_ABORT,
    EXITS_MMIO, /* data aborts that were emulated */
    EXITS_SERROR,
    EXITS_OTHER,
    EXIT_KINDS,
};

struct vcpu {
    struct gpregs regs;      /* the first two: cpu/entry.S knows where they are */
    struct s2_syndrome exit; /* ESR_EL2, FAR_EL2, HPFAR_EL2 of the last exit (HPFAR meaningful for aborts only) */
    struct fpregs fp;
    struct sysregs sys;
    uint64_t hcr;   /* HCR_EL2 while it runs; VSE is read back on exit */
    uint64_t vsesr; /* syndrome of a pending virtual SError (FEAT_RAS) */

    struct vtimer *timer;
    struct vgic_vcpu *gic;
    struct s2_cache cache;
    struct s2_space *space; /* the VM's */
    struct vm *vm;
    unsigned index; /* within the VM */
    unsigned cpu;   /* where it is pinned */
    uint64_t mpidr; /* VMPIDR_EL2, bit 31 set */

    enum vcpu_state state; /* under cpu.lock of `cpu` */
    enum vcpu_leave leaving;
    bool woken;    /* a wake-up came while it ran: the next sched_block does not block */
    bool known;    /* linked into its CPU's list of all */
    bool cleaning; /* before it runs again, its VM's memory from clean_from on is cleaned: vm_clean_step */
    s2_ipa clean_from;
    bool last_here; /* of its VM's vCPUs on this CPU, the one whose translations the TLB may hold */
    struct vcpu *ready_next, *peer;
    uint64_t ran_ticks;

    uint64_t exits[EXIT_KINDS];
};

/* Everything as after a CPU reset (Arm ARM: MMU and caches off, EL1h, DAIF set), x0 = context, at `entry`; counters,
 * timer, gic and placement stay as they are. pre: OFF. */
void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t context);

/* Loads the vCPU's registers on this CPU, saving those of the one that was loaded. No effect when it is loaded. */
void vcpu_load(struct vcpu *v);
/* Saves the loaded vCPU's registers and loads nobody's. */
void vcpu_save(struct vcpu *v);
/* Runs it until the next exit. pre: loaded. */
enum exit_class vcpu_enter(struct vcpu *v);

/* Past the instruction that trapped: PC += 4 (2 for a 16-bit one, from ESR.IL), the IT state and PSTATE.BTYPE/SS as an
 * executed instruction leaves them. */
void vcpu_skip(struct vcpu *v);
/* Register number 31 reads as zero and ignores writes, as in the syndromes. */
uint64_t vcpu_get(const struct vcpu *v, unsigned reg);
void vcpu_set(struct vcpu *v, unsigned reg, uint64_t value);
/* Was the exit taken from EL0? */
bool vcpu_from_el0(const struct vcpu *v);

#endif
