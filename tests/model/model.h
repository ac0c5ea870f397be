/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A machine for host tests: RAM, CPUs, and (strict) an MMU with TLBs written from the Arm ARM
 * alone.
 *
 * It shares no code and no constant with stage2/table. A strict machine keeps, per CPU and VMID,
 * every translation that a walker could have cached, until an invalidation that covers it was
 * completed by a DSB; breaking one of the rules in docs/testing.md ("What only the model can see")
 * is a violation: the first one is kept in words, and assert_true(model_ok(m)) ends a test. A space
 * that was never loaded on any CPU has nothing cached. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <s2_port.h>
#include <stage2/caps.h>

struct model_bank {
    uint64_t base, bytes; /* multiples of 4 KiB; host memory is taken page by page when touched */
};
struct model_config {
    unsigned cpus; /* 0: one */
    bool strict;   /* false: plain memory, counters and locks; made for several threads */
    bool irqs_on;  /* interrupts start unmasked: then loading a context needs irq_mask first */
    struct s2_caps caps;                 /* what the CPUs can do; strict only */
    struct model_bank bank[MODEL_BANKS]; /* ends with bytes == 0 */
};

/* Capability sets to build from: the oldest CPU (4K granule, 48-bit PA, nothing optional), and one
 * with everything. */
struct s2_caps model_caps_least(void);
struct s2_caps model_caps_most(void);

/* Never null: a machine that cannot be had ends the test program. */
struct s2_port *model_create(const struct model_config *cfg);
/* One bank of `bytes` of RAM at `base`, strict or not, caps: everything, one CPU. */
struct s2_port *model_create_simple(uint64_t base, uint64_t bytes, bool strict);
void model_destroy(struct s2_port *m);

/* The calling thread's CPU. */
void model_set_cpu(struct s2_port *m, unsigned cpu);
/* Direct sight of RAM, untracked, for test code. Ends the program when not RAM. */
void *model_ram(struct s2_port *m, uint64_t pa);

/* --- violations
 * --------------------------------------------------------------------------------------------------
 */

/* True when no rule was broken; otherwise prints the first one with the last events. */
bool model_ok(struct s2_port *m);
/* The first violation in words, or null. */
const char *model_violation(const struct s2_port *m);
void model_forget_violations(struct s2_port *m);
/* Records one; for the parts of the model and for test code that finds something. */
__attribute__((format(printf, 2, 3))) void model_violate(struct s2_port *m, const char *fmt, ...);

/* --- counters
 * -----------------------------------------------------------------------------------------------------
 */

void model_reset_counters(struct s2_port *m);
uint64_t model_tlbis(const struct s2_port *m); /* of every kind */
uint64_t model_dsbs(const struct s2_port *m);

/* Locks that the calling thread holds: how many, and whether this one (exclusively). */
unsigned model_locks_held(void);
bool model_holds(const struct s2_lock *lock, bool exclusive);

/* --- scripts
 * --------------------------------------------------------------------------------------------------------
 */

/* What s2_port_at_s1 answers. Null: VA = IPA, success. */
void model_script_at(struct s2_port *m, model_at_fn *at, void *arg);

#endif
