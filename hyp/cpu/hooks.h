/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the cpu floor calls and higher floors define. All run with interrupts masked. */
#ifndef CPU_HOOKS_H
#define CPU_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include <cpu/vcpu.h>

/* device/gic.c: this CPU's redistributor and CPU interface; a software-generated interrupt that only wakes. */
void gic_init_cpu(void);
void gic_kick(unsigned cpu);

/* device/irq.c: acknowledges and handles what is pending on this CPU. */
void irq_handle(void);
/* Has fn called, on each CPU, for the interrupt of EL2's physical timer. Before gic_init_cpu. */
void irq_set_hyp_timer(void (*fn)(void));

/* device/vgic*.c. Load and save: on a change of the loaded vCPU. Before each entry vgic_flush fills
 * the list registers, after each exit vgic_sync reads them back. */
void vgic_load(struct vcpu *v);
void vgic_save(struct vcpu *v);
void vgic_flush(struct vcpu *v);
void vgic_sync(struct vcpu *v);
bool vgic_pending(struct vcpu *v); /* something that would be delivered now, whatever PSTATE.I says */
/* An access to a CPU interface register that traps: those that send SGIs always, the others only while more interrupts
 * are active than there are list registers (ICH_HCR_EL2.TDIR, or TC where that does not exist). False: UNDEFINED. */
enum vgic_reg { VGIC_SGI1R, VGIC_ASGI1R, VGIC_SGI0R, VGIC_DIR, VGIC_RPR, VGIC_PMR, VGIC_CTLR };
bool vgic_access(struct vcpu *v, enum vgic_reg reg, bool write, uint64_t *value);

/* device/vtimer.c. deadline: the counter value at which vtimer_expire must be called, UINT64_MAX: none. Of a vCPU that
 * is not loaded both timers count, of the loaded one only the emulated physical timer: ask for it too. expire: that
 * value has come; makes the interrupt pending and wakes it.
 * access: an access to a CNTP_* register that traps. */
void vtimer_load(struct vcpu *v);
void vtimer_save(struct vcpu *v);
uint64_t vtimer_deadline(struct vcpu *v);
void vtimer_expire(struct vcpu *v);
enum vtimer_reg { VTIMER_CNTP_TVAL, VTIMER_CNTP_CTL, VTIMER_CNTP_CVAL };
void vtimer_access(struct vcpu *v, enum vtimer_reg reg, bool write, uint64_t *value);

/* device/console.c: shows the unfinished line of the guest in focus when that guest has paused; returns the counter value
 * at which to call again, UINT64_MAX: none. */
uint64_t console_poll(uint64_t now);

/* device/trace.c: writes to the console what the event trace has, as far as there is room. Never waits. */
#ifdef CONFIG_EVENT_TRACE
void trace_drain(void);
#else
static inline void trace_drain(void)
{
}
#endif

/* vm/exit.c: an exit of class c from v (EXIT_IRQ after irq_handle). May block, yield or stop v. True: v runs on, and its memory
 * is all that changed: no timer, no interrupt, nobody else. */
bool exit_handle(struct vcpu *v, enum exit_class c);
/* vm/: the guest began to maintain its caches by set and way (trapped where FWB is absent), or switched them on or off
 * after that: what the VM has populated is to be cleaned and invalidated before v runs on. What the caches hold must be
 * in memory when they are off, and old lines must not hide what was written past them when they are on again. */
void vm_clean_begin(struct vcpu *v);
/* vm/: a bounded piece of it; clears v->cleaning at the end. */
void vm_clean_step(struct vcpu *v);
/* vm/: v is OFF and its registers are saved; sched_stop asked for it. */
void sched_stopped(struct vcpu *v);
/* vm/: v is PAUSED and its registers are saved; sched_pause asked for it. */
void sched_paused(struct vcpu *v);
/* vm/: one bounded piece of work that waits for idle time (scrub, destroy, restart); when this CPU is not idle, only such
 * as is owed to a VM that runs on it. True: call again. */
bool vm_idle_step(bool idle);
/* vm/: is there a restart or a destruction that vm_idle_step(false) would get on with? Cheap. */
bool vm_work_waits(void);
/* vm/: the machine is about to be switched off, and not because something is wrong. */
#ifdef CONFIG_AUDIT
void vm_before_power_off(void);
#else
static inline void vm_before_power_off(void)
{
}
#endif

#endif
