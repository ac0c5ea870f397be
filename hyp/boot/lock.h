/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Fair (ticket) spin lock for the hypervisor's own records. EL2 runs with interrupts masked, so
 * none is needed to be masked here. Not before the MMU is on (architecture rule 20). */
#ifndef BOOT_LOCK_H
#define BOOT_LOCK_H

#include <stdint.h>

struct lock {
    uint32_t next, serving;
};

static inline void lock_relax(void)
{
#ifdef __aarch64__ /* some users are plain logic that the host tests */
    __asm__ volatile("yield");
#endif
}

static inline void lock_take(struct lock *lock)
{
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1u, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket)
        lock_relax();
}
static inline void lock_drop(struct lock *lock)
{
    __atomic_store_n(&lock->serving, lock->serving + 1u, __ATOMIC_RELEASE);
}

#endif
