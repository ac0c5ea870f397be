/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "exchange.h"

enum { PATIENCE_MS = 60000 };

uint64_t pattern(uint64_t seed, uint64_t n)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15ul + n + 1;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ul;
    return x ^ x >> 27;
}

void fill(uint64_t address, uint64_t bytes, uint64_t seed)
{
    for (uint64_t i = 0; i < bytes / 8; i++)
        store64(address + 8 * i, pattern(seed, i));
}

static uint64_t add(uint64_t total, uint64_t word)
{
    return (total ^ word) * 0x100000001b3ul;
}

uint64_t sum(uint64_t address, uint64_t bytes)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < bytes / 8; i++)
        total = add(total, load64(address + 8 * i));
    return total;
}

uint64_t sum_of(uint64_t seed, uint64_t bytes)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < bytes / 8; i++)
        total = add(total, pattern(seed, i));
    return total;
}

bool wait_doorbell(unsigned intid, uint64_t *events)
{
    bool rang = gic_wait(PATIENCE_MS) == intid;
    *events |= hv_call(HV_EVENTS, 0, 0, 0).x1;
    return rang;
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    gic_init();
    if (arg_number(args, "peer", 0) != 0)
        owner_main(args);
    else
        borrower_main();
    power_off();
}
