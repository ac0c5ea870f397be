/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Exceptions into a guest's EL1 as the architecture takes them (Arm ARM D1.3, AArch64.TakeException). pre: v is loaded
 * on this CPU and is not in the guest; its next instruction is the first one of the vector. */
#ifndef CPU_INJECT_H
#define CPU_INJECT_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* EC 0: the instruction at PC is UNDEFINED. IL follows the trapped instruction's. */
void inject_undef(struct vcpu *v);
/* Synchronous external abort on the access at `far`: on an instruction fetch (insn) or on data;
 * on_walk: on a stage-1 translation table walk (at the level that the exit's syndrome names). */
void inject_abort(struct vcpu *v, uint64_t far, bool insn, bool on_walk);
/* Virtual SError: taken when the guest unmasks it. The syndrome is "uncategorized" where FEAT_RAS lets us set one. */
void inject_serror(struct vcpu *v);

#endif
