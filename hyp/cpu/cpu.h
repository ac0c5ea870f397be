/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Physical CPUs. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include <boot/lock.h>
#include <boot/mem_init.h>
#include <stage2/caps.h>
#include <sysregs.h>

struct vcpu;

/* One per CPU, its address in TPIDR_EL2. */
struct cpu {
    unsigned index; /* 0: the CPU that booted */
    uint64_t mpidr; /* affinity fields only */
    uint64_t midr;
    const char *refused; /* why it was turned away, when it was */
    struct mem_windows windows;
    struct cpu_ids ids;
    struct s2_caps caps;
    uint64_t features;   /* CPU_HAS_* of this CPU (sysregs.h, generated) */
    unsigned brps, wrps; /* number of the last breakpoint and watchpoint */

    /* the world switch */
    struct vcpu *loaded; /* whose registers this CPU holds; null: nobody's */
    uint64_t hcr;        /* what HCR_EL2 holds */

    /* the scheduler; `lock` covers the lists and the states of the vCPUs that are pinned here */
    struct lock lock;
    struct vcpu *ready_head, *ready_tail; /* ready to run, in turn */
    struct vcpu *all;                     /* every vCPU pinned here, through vcpu.peer */
    bool leave_asked;                     /* one of them is `leaving` */
    bool slice_over;
    uint64_t slice_end, idle_ticks;
    uint64_t timer; /* what EL2's timer is armed for, UINT64_MAX: off */
};

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("mrs %0, tpidr_el2" : "=r"(cpu));
    return cpu;
}

/* CPUs that run the hypervisor are numbered 0 .. cpu_count() - 1 without gaps. */
unsigned cpu_count(void);
struct cpu *cpu_at(unsigned index); /* null when there is none */
/* Makes that CPU leave its guest, or WFI, and look at its run queue. Any CPU, itself included. */
void cpu_kick(unsigned index);

/* What all CPUs can do, boot-argument and Kconfig mask applied. */
const struct s2_caps *cpu_caps(void);
/* The same for the ID registers as a guest may see them, and for features: of all CPUs, of any of them. */
const struct cpu_ids *cpu_guest_ids(void);
uint64_t cpu_features_all(void);
uint64_t cpu_features_any(void);
/* "Cortex-A53 r0p4" for the banner; "implementer 0x.. part 0x.." for those that we know no name of. */
void cpu_model(const struct cpu *cpu, char *to, unsigned size);

/* Counter frequency (CNTFRQ_EL0) and the counter that timers are compared with (CNTPCT_EL0). */
uint64_t cpu_ticks_per_second(void);
uint64_t cpu_ticks(void);

#endif
