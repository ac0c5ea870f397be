/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit of the machine as it is: the library's (stage2/audit.h) over all VMs, and what EL2 itself maps. */
#ifndef VM_AUDIT_H
#define VM_AUDIT_H

#include <stdbool.h>

#ifdef CONFIG_AUDIT

/* Any CPU, while VMs run, in steps that are bounded in what they do under any one lock. A line for each finding: the VM, what,
 * where, and whose that is. One audit at a time: false, another one is under way. */
typedef void audit_line_fn(void *arg, const char *text);
bool audit_begin(audit_line_fn *line, void *arg);
/* True while more is left. At the end one line more: "audit: clean (...)" or "audit: N findings". */
bool audit_step(void);
/* All of it at once, for who can wait. Says so when another one is under way. */
void audit_run(audit_line_fn *line, void *arg);

/* When nothing runs any more, and before the machine is switched off on purpose (vm_before_power_off): all of it, to the console. */
void audit_at_end(void);

#else

static inline void audit_at_end(void)
{
}

#endif

/* With DEBUG_AUDIT, each time a CPU is idle: the machine ends when an operation of a VM's address space left something wrong, or when
 * an audit found something, of which one begins after so many operations and takes a step in each call; true while
 * one is under way. By whom works on VMs (vm_work_hold). */
#ifdef CONFIG_DEBUG_AUDIT
bool audit_watch(void);
#else
static inline bool audit_watch(void)
{
    return false;
}
#endif
#endif
