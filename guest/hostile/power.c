/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* vCPUs that go on and off, and that are asked to at places where nothing can start. */
#include "hostile/hostile.h"

#define SMC64 0x40000000ul
enum { ONE_OF = 8 };

static uint64_t affinity(uint64_t r)
{
    return r & 3 ? (r >> 2) % (hostile.vcpus + 1) : boundary();
}

void power_act(void)
{
    uint64_t r = arbitrary();
    int64_t answer = 0;
    switch (r % ONE_OF) {
    case 0:
        if (may_wait()) {
            count(POWER, false);
            guest_hvc(PSCI_CPU_OFF, 0, 0, 0);
        }
        break;
    case 1:
        if (!may_wait())
            break;
        answer = (int64_t)(r >> 9 & 1 ? guest_hvc : guest_smc)(
            PSCI_CPU_SUSPEND - (r >> 10 & 1 ? SMC64 : 0), r >> 8 & 1 ? boundary() : 0, (uint64_t)guest_secondary, r);
        break;
    case 2: /* no area there executes, or nothing is there */
        answer =
            (int64_t)guest_hvc(PSCI_CPU_ON, affinity(r >> 8), r >> 40 & 1 ? hostile.fixed.base : ABSENT | r >> 44, r);
        if (answer == 0)
            breach(BREACH_ALLOWED);
        break;
    case 3: {
        uint64_t vcpu = (r >> 8) % hostile.vcpus;
        answer = (int64_t)guest_hvc(PSCI_CPU_ON, vcpu, (uint64_t)guest_secondary, vcpu);
        break;
    }
    case 4:
        if (may_wait())
            __asm__ volatile("wfi");
        break;
    case 5:
        __asm__ volatile("yield; wfe; sevl; wfe");
        break;
    default:
        answer = (int64_t)guest_hvc(PSCI_AFFINITY_INFO, affinity(r >> 8), r >> 40 & 1 ? 0 : boundary(), 0);
    }
    count(POWER, answer < 0);
}
