/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* System registers of a guest that trap (EC 0x18 and the AArch32 forms). The table is cpu/sysregs.tbl. */
#ifndef CPU_SYSREG_H
#define CPU_SYSREG_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* Emulates the access that v's last exit describes and steps over it; or injects UNDEFINED, and returns false. */
bool sysreg_emulate(struct vcpu *v);

/* What a guest reads from an ID register on this machine, for the banner and for tests: op0 = 3, op1 = 0, CRn = 0. */
uint64_t sysreg_id(unsigned crm, unsigned op2);

#endif
