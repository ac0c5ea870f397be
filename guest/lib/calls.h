/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The hypervisor's calls, as docs/hypercalls.md has them, and from there: hyp/vm/calls.h is the other side, and what they do not agree
 * in, guests notice. */
#ifndef GUEST_CALLS_H
#define GUEST_CALLS_H

#include "lib/guest.h"

enum {
    HV_VERSION,
    HV_SHARE,
    HV_LEND,
    HV_DONATE,
    HV_RETRIEVE,
    HV_RELINQUISH,
    HV_RECLAIM,
    HV_QUERY,
    HV_RING,
    HV_EVENTS,
    HV_MEMORY,
    HV_GIVE_BACK,
};
enum {
    HV_SUCCESS = 0,
    HV_NOT_SUPPORTED = -1,
    HV_INVALID = -2,
    HV_DENIED = -3,
    HV_BUSY = -4,
    HV_EXISTS = -5,
    HV_NO_ENTRY = -6,
    HV_NO_MEMORY = -7,
    HV_QUOTA = -8,
    HV_ALIGN = -9,
    HV_RANGE = -10,
    HV_DYING = -11,
};
enum {
    HV_OFFERED = 1u << 0,
    HV_WITHDRAWN = 1u << 1,
    HV_RUNG = 1u << 2,
    HV_RELINQUISHED = 1u << 3,
    HV_MEMORY_ADDED = 1u << 4,
    HV_MEMORY_ASKED = 1u << 5,
    HV_MEMORY_REMOVED = 1u << 6,
};
enum { HV_READ = 1, HV_WRITE = 2, HV_EXECUTE = 4 };
#define HV_CALLS    0xc6000000ul
#define HV_UID      0x8600ff01ul
#define HV_REVISION 0x8600ff03ul

enum { HV_BORROWERS = 8 };
struct hv_offer {
    uint64_t ipa, bytes;
    uint32_t borrowers, reserved;
    struct {
        uint16_t vm, reserved;
        uint32_t rights;
    } borrower[HV_BORROWERS];
};

/* x0 to x5 as they are after the call. */
struct hv_result {
    int64_t error;
    uint64_t x1, x2, x3, x4, x5;
};
struct hv_result hv_function(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);
static inline struct hv_result hv_call(unsigned n, uint64_t a1, uint64_t a2, uint64_t a3)
{
    return hv_function(HV_CALLS + n, a1, a2, a3);
}
void hv_describe(struct hv_offer *o, uint64_t ipa, uint64_t bytes, uint32_t borrowers);
void hv_borrower(struct hv_offer *o, unsigned i, unsigned vm, uint32_t rights);
/* HV_SHARE, HV_LEND or HV_DONATE to one VM. */
struct hv_result hv_offer(unsigned n, uint64_t ipa, uint64_t bytes, unsigned vm, unsigned rights);
/* Calls again while it is being worked on; how often it was, when `busy` is not null. */
int64_t hv_reclaim(uint64_t handle, unsigned *busy);

/* The doorbell, edge-triggered, enabled for vCPU 0; gic_init was called. Its INTID, 0: there is none. */
unsigned hv_doorbell(void);

#endif
