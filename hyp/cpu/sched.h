/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The scheduler: vCPUs are pinned; those of one CPU take turns. No function waits for another CPU. */
#ifndef CPU_SCHED_H
#define CPU_SCHED_H

#include <stdbool.h>

struct vcpu;

/* OFF -> READY on v->cpu, any CPU may call. The first call makes it known to that CPU for good. */
void sched_add(struct vcpu *v);
/* A reason to run came: BLOCKED -> READY; while it runs, makes it exit once so that pending
 * interrupts are looked at. No effect when OFF. Any CPU. */
void sched_wake(struct vcpu *v);
/* By the handler of its WFI, on its CPU: RUNNING -> BLOCKED. Returns at once; the loop then picks
 * another. No effect when a wake-up came meanwhile. The caller has seen that nothing is pending. */
void sched_block(struct vcpu *v);
/* The rest of the slice goes to others (WFE, YIELD). */
void sched_yield(struct vcpu *v);
/* Any CPU; returns at once. When v's CPU has let go of it, from its scheduling loop, v is OFF, its registers are saved,
 * the CPU holds nothing of its VM, and the hook sched_stopped(v) is called there. No effect when OFF. */
void sched_stop(struct vcpu *v);
bool sched_is_off(const struct vcpu *v);
/* Any CPU; returns at once. The same, but v is PAUSED then, its timers do not expire, and the hook is sched_paused. False when it
 * is OFF or will be, or PAUSED: no hook will come. sched_stop may yet overtake it. */
bool sched_pause(struct vcpu *v);
/* PAUSED -> READY, on any CPU: one that had blocked looks again for what it waits for. */
void sched_resume(struct vcpu *v);
/* On each CPU, once; never returns. */
_Noreturn void sched_run(void);

#endif
