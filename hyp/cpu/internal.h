/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Between the files of cpu/. */
#ifndef CPU_INTERNAL_H
#define CPU_INTERNAL_H

#include <stdbool.h>

#include <cpu/cpu.h>
#include <cpu/vcpu.h>

/* caps.c. Reads what this CPU has into its record. */
void caps_probe(struct cpu *cpu);
/* Joins the CPU's capabilities to everybody's. False, with cpu->refused, when the sum is fixed and it would lower it. */
bool caps_accept(struct cpu *cpu);
/* Applies the masks; from now on the capabilities are what VMs were built on. */
void caps_fix(void);

/* smp.c. Numbers an accepted CPU. */
void smp_add(struct cpu *cpu);
void smp_release(void); /* the others may enter the scheduler */

/* switch.c. EL2's trap controls on this CPU, for good. */
void switch_init(struct cpu *cpu);
/* HCR_EL2 of a vCPU after reset. */
uint64_t switch_hcr(void);
/* A vCPU's break- and watchpoints. */
void switch_load_debug(const struct vcpu *v);

/* entry.S */
enum exit_class guest_enter(struct vcpu *v);
void fp_save(struct fpregs *fp);
void fp_restore(const struct fpregs *fp);

/* sched.c */
void sched_init(void);

#endif
