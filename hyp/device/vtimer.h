/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The timers of a guest. The virtual timer is the CPU's own CNTV while its vCPU is loaded: the real PPI 27 is handed on
 * as a hardware interrupt. While the vCPU is not loaded, the timer is a deadline that the scheduler watches. The
 * physical timer's registers trap and are emulated (PPI 30); the physical counter is the machine's.
 *
 * Guest virtual time is CNTPCT - offset, one offset for the whole VM, taken when it is created or restarted: it starts
 * near zero. CNTV_CTL_EL0, CNTV_CVAL_EL0 and CNTVOFF_EL2 are switched here, CNTKCTL_EL1 with the system registers.
 *
 * vtimer_load, save, deadline, expire and access are declared in cpu/hooks.h. All of them run on the vCPU's CPU. */
#ifndef DEVICE_VTIMER_H
#define DEVICE_VTIMER_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

#define VTIMER_ENABLE  (1u << 0)
#define VTIMER_IMASK   (1u << 1)
#define VTIMER_ISTATUS (1u << 2)

struct vtimer_unit {
    uint64_t cval;
    uint32_t ctl; /* ENABLE, IMASK */
    bool seen;    /* its expiry was reported and nothing was written to it since */
};

struct vtimer {
    uint64_t offset;
    struct vtimer_unit virt; /* valid while not loaded */
    struct vtimer_unit phys;
    bool loaded;
};

/* Both timers off, as after a reset; offset: the counter when the VM began. pre: not loaded. */
void vtimer_init(struct vtimer *t, uint64_t offset);
/* The interrupt of the machine's virtual timer; gic_init calls it. */
void vtimer_register(void);
/* On each CPU: a guest reads counters freely, its CNTP_* accesses trap, no timer runs. gic_init_cpu calls it. */
void vtimer_init_cpu(void);
/* Does the virtual timer of the loaded vCPU ask for an interrupt now? */
bool vtimer_asks(void);

/* --- plain logic ------------------------------------------------------------------------------------------------ */

/* The three registers of a timer, numbered as enum vtimer_reg of cpu/hooks.h. */
enum vtimer_view { VTIMER_TVAL, VTIMER_CTL, VTIMER_CVAL };

/* Does the timer's condition hold and is it let through? count: the counter that it compares with. */
bool vtimer_line(const struct vtimer_unit *u, uint64_t count);
/* The machine's counter value at which that will be, UINT64_MAX for never or when it was reported (seen). */
uint64_t vtimer_due(const struct vtimer_unit *u, uint64_t offset);
uint64_t vtimer_unit_read(const struct vtimer_unit *u, enum vtimer_view view, uint64_t count);
void vtimer_unit_write(struct vtimer_unit *u, enum vtimer_view view, uint64_t value, uint64_t count);

#endif
