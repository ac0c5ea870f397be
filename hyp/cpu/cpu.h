/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Physical CPUs. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include <boot/lock.h>
#include <stage2/caps.h>

struct vcpu;

/* One per CPU, its address in TPIDR_EL2. */
struct cpu {
    unsigned index; /* 0: the CPU that booted */
    uint64_t mpidr; /* affinity fields only */
    uint64_t midr;
    bool online;         /* entered the hypervisor and was accepted */
    const char *refused; /* why not, when it came up and was turned away */
    uint8_t *stack_top;
    uint64_t *root; /* this CPU's stage-1 root */
    struct s2_caps caps;
    uint32_t features; /* enum cpu_feature bits (sysregs.h, generated) */

    /* the world switch: whose registers this CPU holds; null: nobody's */
    struct vcpu *loaded;
    uint64_t host_mdcr, host_cptr;

    /* the scheduler; `lock` covers the list and the states of its vCPUs */
    struct lock lock;
    struct vcpu *ready_head, *ready_tail; /* ready to run, in turn */
    struct vcpu *all;                     /* every vCPU pinned here, through vcpu.sched.peer */
    uint64_t slice_end, idle_ticks;
    uint64_t windows[2][2]; /* first byte and bytes of each window in use */
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
/* "Cortex-A53 r0p4" for the banner; "implementer 0x.. part 0x.." for those that we know no name of.
 */
void cpu_model(const struct cpu *cpu, char *to, unsigned size);

/* Counter frequency (CNTFRQ_EL0) and the counter that timers are compared with (CNTPCT_EL0). */
uint64_t cpu_ticks_per_second(void);
uint64_t cpu_ticks(void);

#endif
