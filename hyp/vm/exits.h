/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Why a VM's vCPUs came to the hypervisor, by kind. */
#ifndef VM_EXITS_H
#define VM_EXITS_H

#include <cpu/vcpu.h>

const char *vm_exit_name(enum exit_kind kind);
/* Of all its vCPUs. */
uint64_t vm_exits(const struct vm *vm, enum exit_kind kind);

#endif
