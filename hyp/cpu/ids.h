/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* ID registers of several CPUs, and what guests see of them, by the `id` lines of sysregs.tbl. Plain logic. */
#ifndef CPU_IDS_H
#define CPU_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include <sysregs.h>

/* Each field of *into that guests may see becomes the least of both. True when one did change. */
bool ids_meet(struct cpu_ids *into, const struct cpu_ids *other);
/* What guests see on CPUs of which `raw` is the least. */
void ids_show(const struct cpu_ids *raw, struct cpu_ids *guest);
/* ID_AA64MMFR0_EL1 for a VM with that IPA size: PARange is the largest that it holds, and not above what the CPUs have
 * (architecture rule 18). */
uint64_t ids_limit_pa(uint64_t mmfr0, unsigned ipa_bits);

#endif
