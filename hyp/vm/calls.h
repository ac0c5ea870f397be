/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The hypervisor's own service, as docs/hypercalls.md has it. */
#ifndef VM_CALLS_H
#define VM_CALLS_H

#include <stdint.h>

struct vcpu;

enum call_error {
    CALL_SUCCESS = 0,
    CALL_NOT_SUPPORTED = -1,
    CALL_INVALID = -2,
    CALL_DENIED = -3,
    CALL_BUSY = -4,
    CALL_EXISTS = -5,
    CALL_NO_ENTRY = -6,
    CALL_NO_MEMORY = -7,
    CALL_QUOTA = -8,
    CALL_ALIGN = -9,
    CALL_RANGE = -10,
    CALL_DYING = -11,
};

enum call_number {
    CALL_VERSION,
    CALL_SHARE,
    CALL_LEND,
    CALL_DONATE,
    CALL_RETRIEVE,
    CALL_RELINQUISH,
    CALL_RECLAIM,
    CALL_QUERY,
    CALL_RING,
    CALL_EVENTS,
    CALL_MEMORY,
    CALL_GIVE_BACK,
};

/* A function identifier of the vendor specific hypervisor service (DEN0028 6.2)? */
static inline bool calls_has(uint32_t function)
{
    enum { OWNER_MASK = 0x3f << 24, OWNER_HYPERVISOR = 6 << 24 };
    return (function & OWNER_MASK) == OWNER_HYPERVISOR;
}
/* calls.c: answers the call in x0..x3 of v. */
void calls_answer(struct vcpu *v);

/* sharecalls.c: SHARE to RING. `a`: x1..x3, `out`: x1..x5, written in success only, and only as far as the call has results. */
enum { CALL_ARGUMENTS = 3, CALL_RESULTS = 5 };
enum call_error share_call(struct vcpu *v, enum call_number n, const uint64_t *a, uint64_t *out);

#endif
