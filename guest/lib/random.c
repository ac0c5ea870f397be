/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "lib/guest.h"

/* Of the golden ratio: neighbouring seeds and vCPUs get states far apart. */
#define APART 0x9e3779b97f4a7c15ul

static uint64_t state[GUEST_CPUS];

void arbitrary_seed(uint64_t seed)
{
    for (unsigned cpu = 0; cpu < GUEST_CPUS; cpu++)
        state[cpu] = (seed + 1) * APART ^ cpu * (APART >> 7) ^ 1ul << 63;
}

/* xorshift64 */
uint64_t arbitrary(void)
{
    uint64_t x = state[guest_cpu()];
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    state[guest_cpu()] = x;
    return x;
}
