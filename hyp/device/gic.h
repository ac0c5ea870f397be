/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine's GICv3, driven from non-secure EL2: our interrupts are Group 1, priority drop and deactivation are
 * separate (EOImode = 1), so that an interrupt that is passed to a guest stays active until the guest ends it.
 * gic_init, gic_init_cpu and gic_kick are declared in boot/hooks.h and cpu/hooks.h. */
#ifndef DEVICE_GIC_H
#define DEVICE_GIC_H

#include <stdbool.h>
#include <stdint.h>

#define GIC_SPURIOUS 1023u /* nothing was pending: no gic_drop, no gic_deactivate */
#define GIC_SGI_KICK 0u

/* INTIDs below this exist. */
unsigned gic_intids(void);
/* SPIs; any CPU. For INTIDs 16..31 they act on the calling CPU. Without effect on those that do not exist. */
void gic_enable(unsigned intid);
void gic_disable(unsigned intid); /* returns when no CPU can acknowledge it any more */
void gic_set_edge(unsigned intid, bool edge);
void gic_route(unsigned intid, uint64_t mpidr);
void gic_route_here(unsigned intid);
/* Active without having been acknowledged, or no longer active. */
void gic_set_active(unsigned intid, bool active);
/* The same for a private interrupt of the CPU with that index. */
void gic_set_active_on(unsigned cpu, unsigned intid, bool active);

/* Of this CPU: acknowledge the pending interrupt of highest priority, drop its priority, deactivate it. */
unsigned gic_acknowledge(void);
void gic_drop(unsigned intid);
void gic_deactivate(unsigned intid);

#endif
