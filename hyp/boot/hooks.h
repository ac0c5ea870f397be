/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the boot floor calls and higher floors define. */
#ifndef BOOT_HOOKS_H
#define BOOT_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

/* cpu/ */
void cpu_init_boot(void); /* this CPU's record and capabilities */
void cpu_start_others(void);
_Noreturn void sched_run(void);
_Noreturn void cpu_secondary(void *record); /* a secondary CPU, its MMU on */

/* device/: finds the UART (stdout-path, else the first arm,pl011) and maps it. False: there is none. */
bool console_init(const void *fdt);
/* The same on registers that were mapped already, for a machine whose DTB is unusable. */
void console_init_at(void *pl011);
/* Text of the hypervisor itself, whole under the console's lock; before console_init it is dropped. */
void console_puts(const char *text);
/* From now on this CPU alone writes, without the lock and at once: the machine is about to stop. */
void console_panic(void);
/* Returns when all that was written has left the machine. */
void console_end(void);
/* The event trace (docs/trace.md): begins when all CPUs are up; ends, all that is left of it goes to the console, before the
 * machine does. */
#ifdef CONFIG_EVENT_TRACE
void trace_init(void);
void trace_end(void);
#else
static inline void trace_init(void)
{
}
static inline void trace_end(void)
{
}
#endif
bool gic_init(const void *fdt); /* false: no GICv3, after a message */

/* vm/: reads the bundle, builds the VMs and adds their vCPUs to the scheduler. */
void vm_boot(void);

#endif
