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
#include <stdio.h>

#include <s2_port.h>
#include <stage2/caps.h>
#include <stage2/fault.h>

struct model_bank {
    uint64_t base, bytes; /* multiples of 4 KiB; host memory is taken page by page when touched */
};
struct model_config {
    unsigned cpus;                       /* 0: one */
    bool strict;                         /* false: plain memory, counters and locks; made for several threads */
    bool irqs_on;                        /* interrupts start unmasked: then loading a context needs irq_mask first */
    bool any_frame;                      /* whose frames are whose is not asked: for tests of tables alone */
    struct s2_caps caps;                 /* what the CPUs can do; strict only */
    struct model_bank bank[MODEL_BANKS]; /* ends with bytes == 0 */
};

/* Capability sets to build from: the oldest CPU (4K granule, 48-bit PA, nothing optional), and one with everything. */
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

/* --- violations -------------------------------------------------------------------------------------------------- */

/* True when no rule was broken; otherwise prints the first one with the last events. */
bool model_ok(struct s2_port *m);
/* The first violation in words, or null. */
const char *model_violation(const struct s2_port *m);
void model_forget_violations(struct s2_port *m);
/* Records one; for the parts of the model and for test code that finds something. */
__attribute__((format(printf, 2, 3))) void model_violate(struct s2_port *m, const char *fmt, ...);

/* From now on each event is a line of `to` (stage2/trace.h), for a machine that is not strict, too; null: no more. Not while
 * other threads are at work. A strict machine keeps the last events in any case: model_ok prints them. */
void model_trace(struct s2_port *m, FILE *to);

/* --- counters ---------------------------------------------------------------------------------------------------- */

void model_reset_counters(struct s2_port *m);
uint64_t model_tlbis(const struct s2_port *m); /* of every kind */
uint64_t model_dsbs(const struct s2_port *m);

/* Locks that the calling thread holds: how many, and whether this one (exclusively). */
unsigned model_locks_held(void);
bool model_holds(const struct s2_lock *lock, bool exclusive);

/* --- a guest ------------------------------------------------------------------------------------------------------ */

enum model_kind { MODEL_READ, MODEL_WRITE, MODEL_EXEC };
enum model_result {
    MODEL_DONE,
    MODEL_TRANSLATION_FAULT,
    MODEL_PERMISSION_FAULT,
    MODEL_ACCESS_FLAG_FAULT,
    MODEL_ADDRESS_SIZE_FAULT,
};
struct model_outcome {
    enum model_result result;
    int level;
    uint64_t pa;          /* MODEL_DONE */
    unsigned memattr, sh; /* as the descriptor says */
    bool spurious; /* it is done, but this CPU may hold an older entry, or one for the run of another member, and take a
                           * Permission fault first; or a Translation fault, from a block with nT */
};
/* An access by a guest that runs on this CPU under the loaded context: walks as hardware does (with HA and HD it updates
 * the descriptor), and violates when any stale entry that this CPU may hold would give it something else. */
struct model_outcome model_access(struct s2_port *m, uint64_t ipa, enum model_kind kind, bool el0);
/* What the tables say alone: no CPU, no TLB. */
struct model_outcome model_walk(struct s2_port *m, uint64_t vttbr, uint64_t vtcr, uint64_t ipa, enum model_kind kind,
                                bool el0);
/* This CPU enters that vCPU of the loaded VM: violates when it may hold what another vCPU's stage 1 put there under the
 * same VMID (T13). */
void model_enter_vcpu(struct s2_port *m, unsigned vcpu);
/* The syndrome of a fault, HPFAR_EL2 poisoned where it is UNKNOWN. */
#define MODEL_POISON_HPFAR 0xbadbadbadb0ull
void model_syndrome(const struct model_outcome *o, uint64_t va, uint64_t ipa, enum model_kind kind, bool on_walk,
                    struct s2_syndrome *out);

/* --- between operations (strict; else without effect) ------------------------------------------------------------- */

#define MODEL_ALL_VMIDS UINT32_MAX
/* Violates when a CPU may hold a stale translation of that VMID (one that only denies more than the tables is fine). */
void model_expect_clean(struct s2_port *m, unsigned vmid);
/* Call after every operation: nothing stale, nothing issued and not completed, no new descriptor without its barrier, no
 * context without its ISB, no window, no lock of this thread, no written frame that was not cleaned. */
void model_expect_quiet(struct s2_port *m);
/* Looks at every descriptor under a root (violations for malformed ones) and tells of every leaf, ascending. */
typedef void model_leaf_fn(void *arg, uint64_t ipa, uint64_t bytes, uint64_t pa, uint64_t desc);
void model_survey(struct s2_port *m, uint64_t vttbr, uint64_t vtcr, model_leaf_fn *fn, void *arg);
/* HCR_EL2.FWB; at first on when the CPUs have it. */
void model_set_fwb(struct s2_port *m, bool on);
/* Faults keep track of accesses, of writes: then leaves with AF clear and no HA, with DBM and no HD, are meant so. At first
 * neither. */
void model_set_tracking(struct s2_port *m, bool access, bool dirty);

/* --- who has a frame (strict; else without effect) ---------------------------------------------------------------- */

/* A frame that another VM had gets a leaf only when that one has none left, no CPU holds one, and it was zeroed and cleaned;
 * unless it is shared, or lent: then it may have contents, and, when the other VM could write there, is zeroed before the first has
 * it again. Said by the test
 * of a range, or asked when such a leaf is made; fn calls nothing of the model or the library that takes a lock. */
enum model_sharing { MODEL_EXCLUSIVE, MODEL_SHARED, MODEL_LENT };
typedef enum model_sharing model_sharing_fn(void *arg, uint64_t pa);
void model_declare(struct s2_port *m, uint64_t pa, uint64_t bytes, enum model_sharing how);
void model_script_sharing(struct s2_port *m, model_sharing_fn *fn, void *arg);

/* --- scripts ----------------------------------------------------------------------------------------------------- */

/* What s2_port_at_s1 answers. Null: VA = IPA, success. */
void model_script_at(struct s2_port *m, model_at_fn *at, void *arg);
/* Calls fn once, just before the next compare-and-swap of a descriptor: a race that is lost for certain. */
void model_script_cas(struct s2_port *m, model_cas_fn *fn, void *arg);
/* Calls fn after a lock was taken, and after one was given up: what others do as soon as they can. Not while fn runs. */
void model_script_lock(struct s2_port *m, model_lock_fn *fn, void *arg);

#endif
