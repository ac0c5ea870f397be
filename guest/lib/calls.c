/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "lib/calls.h"

#define GICD 0x08000000ul
enum { GICD_ICFGR = 0xc00, EDGE = 2 };

struct hv_result hv_function(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;
    register uint64_t x4 __asm__("x4") = 0;
    register uint64_t x5 __asm__("x5") = 0;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5) : : "memory");
    return (struct hv_result){(int64_t)x0, x1, x2, x3, x4, x5};
}

void hv_describe(struct hv_offer *o, uint64_t ipa, uint64_t bytes, uint32_t borrowers)
{
    o->ipa = ipa;
    o->bytes = bytes;
    o->borrowers = borrowers;
    o->reserved = 0;
}

void hv_borrower(struct hv_offer *o, unsigned i, unsigned vm, uint32_t rights)
{
    o->borrower[i].vm = (uint16_t)vm;
    o->borrower[i].reserved = 0;
    o->borrower[i].rights = rights;
}

struct hv_result hv_offer(unsigned n, uint64_t ipa, uint64_t bytes, unsigned vm, unsigned rights)
{
    struct hv_offer o;
    hv_describe(&o, ipa, bytes, 1);
    hv_borrower(&o, 0, vm, rights);
    return hv_call(n, (uint64_t)&o, offsetof(struct hv_offer, borrower[1]), 0);
}

int64_t hv_reclaim(uint64_t handle, unsigned *busy)
{
    enum { MOST = 100000 }; /* steps are many frames each: what takes so many comes to no end */
    unsigned n = 0;
    int64_t error;
    while ((error = hv_call(HV_RECLAIM, handle, 0, 0).error) == HV_BUSY && n < MOST)
        n++;
    if (busy)
        *busy = n;
    return error;
}

unsigned hv_doorbell(void)
{
    struct hv_result r = hv_call(HV_VERSION, 0, 0, 0);
    unsigned intid = (unsigned)r.x3;
    if (r.error != HV_SUCCESS)
        return 0;
    uint64_t config = GICD + GICD_ICFGR + intid / 16 * 4ul;
    store32(config, load32(config) | (uint32_t)EDGE << intid % 16 * 2);
    gic_enable(intid);
    return intid;
}
