/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Shares between VMs, as far as several VMs are concerned: the library edits one space at a time. */
#ifndef VM_SHARES_H
#define VM_SHARES_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/share.h>

struct vm;

/* The VM with that number in the ledger; null: there is none. */
struct vm *vm_of(uint16_t owner);

/* Keeps the space of a VM from being destroyed, for a call that comes from another one's; false: it is not there, or is being
 * destroyed by now. Not for long, and not while waiting for anything but locks of the library. */
bool vm_space_hold(struct vm *vm);
void vm_space_release(struct vm *vm);
/* The space has been made, and others may reach it until vm_shares_end_step (vm.h). */
void vm_shares_begin(struct vm *vm);

/* The share is withdrawn, by its owner: nobody can retrieve it any more, and when this returns nobody but the owner reaches its
 * memory. The borrowers are told, once. Errors: s2_share_end_begin's, and then nothing has changed. */
enum s2_err vm_share_withdraw(uint16_t owner, uint32_t handle, enum s2_share_end how);

#endif
