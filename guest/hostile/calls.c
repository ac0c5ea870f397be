/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every call by its number, with arguments that are arbitrary, or that lie on a border. */
#include "hostile/calls.h"

#define IPA_TOP (1ul << 40)
#define SMC64   0x40000000ul
#define PSCI    0x84000000ul
#define FFA     0x84000060ul
#define VENDOR  0x86000000ul
#define HVC     0xd4000002u
#define SMC     0xd4000003u
#define BRK     0xd4200000u
#define HLT     0xd4400000u
enum { PSCI_CALLS = 0x20, FFA_CALLS = 0x30, VENDOR_CALLS = 16, SERVICES = 64, ONE_OF = 8 };
enum { IMMEDIATES = 1 << 16, IMMEDIATE_STEP = 997 };

static volatile unsigned private_rounds;

void calls_private(int more)
{
    private_rounds += (unsigned)more;
}

void issue_hvc(uint64_t x[CALL_REGISTERS]);
void issue_smc(uint64_t x[CALL_REGISTERS]);

static void issue(uint64_t x[CALL_REGISTERS], bool smc)
{
    (smc ? issue_smc : issue_hvc)(x);
}

void call(uint64_t x[CALL_REGISTERS])
{
    uint64_t number = x[0] - HYPERCALL(0);
    issue(x, false);
    count(HANDOVER, (int64_t)x[0] < 0);
    if ((int64_t)x[0] == 0)
        succeeded(number);
}

uint64_t boundary(void)
{
    static const uint64_t some[] = {0,
                                    1,
                                    2,
                                    7,
                                    ~0ul,
                                    1ul << 63,
                                    (1ul << 63) - 1,
                                    0xffffffff,
                                    1ul << 32,
                                    IPA_TOP,
                                    GUEST_PAGE,
                                    GUEST_PAGE - 1,
                                    GUEST_UART,
                                    GUEST_GICD,
                                    ABSENT,
                                    ABSENT + 1,
                                    IPA_TOP - GUEST_PAGE};
    uint64_t r = arbitrary();
    switch (r & 3) {
    case 0:
        return some[(r >> 8) % (sizeof(some) / sizeof(some[0]))];
    case 1:
        return 1ul << (r >> 8 & 63);
    case 2:
        return r >> 8 & 31;
    default:
        return r >> 8 & 1 ? place() : arbitrary();
    }
}

/* What ends or suspends this vCPU or VM is for power.c, by its very numbers. */
static bool leaves(uint64_t function)
{
    switch ((uint32_t)function) {
    case PSCI_CPU_SUSPEND & ~(uint32_t)SMC64:
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_OFF:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
        return true;
    default:
        return false;
    }
}

/* What another vCPU is about to take back itself. */
static bool is_anothers(uint64_t function)
{
    return (uint32_t)function == HYPERCALL(HV_RECLAIM) && private_rounds != 0;
}

static void try_call_once(uint64_t function, bool smc)
{
    uint64_t x[CALL_REGISTERS] = {function, boundary(), boundary(), boundary()};
    if (leaves(function) || is_anothers(function))
        return;
    fault_expect(); /* of an SMC that is not there */
    issue(x, smc);
    count(CALLS, fault_seen().taken || (int64_t)x[0] < 0 || (int32_t)x[0] < 0);
}

/* --- descriptors ------------------------------------------------------------------------------------------------------ */

static uint64_t any_ipa(uint64_t r)
{
    const uint64_t pages = hostile.pool.size / GUEST_PAGE;
    uint64_t page = r >> 48 & 7 ? hostile.pool.base + (PRIVATE_PAGES + r % (pages - PRIVATE_PAGES)) * GUEST_PAGE
                                : hostile.added.base + r % (hostile.added.size / GUEST_PAGE) * GUEST_PAGE;
    const uint64_t bad[] = {page + 1, hostile.fixed.base,   ABSENT, GUEST_UART, GUEST_GICD, 0,
                            ~0ul,     IPA_TOP - GUEST_PAGE, WINDOWS};
    return r >> 32 & 3 ? page : bad[(r >> 34) % (sizeof(bad) / sizeof(bad[0]))];
}

static uint64_t any_bytes(uint64_t r)
{
    static const uint64_t bad[] = {0, 1, GUEST_PAGE - 1, ~0ul, 1ul << 63, ~(uint64_t)(GUEST_PAGE - 1), IPA_TOP};
    return r >> 40 & 3 ? (1 + (r & 3)) * GUEST_PAGE : bad[(r >> 42) % (sizeof(bad) / sizeof(bad[0]))];
}

static uint64_t any_vm(uint64_t r)
{
    return r & 3 ? hostile.peer : r >> 2 & 0x1f;
}

void describe(uint64_t at)
{
    uint64_t r = arbitrary(), q = arbitrary();
    uint64_t borrowers = q & 7 ? 1 : q >> 3 & 15, reserved = q >> 8 & 15 ? 0 : q >> 12 & 0xff;
    store64(at, any_ipa(r));
    store64(at + 8, any_bytes(r));
    store64(at + 16, borrowers | reserved << 32);
    store64(at + 24, any_vm(q >> 24) | (q >> 40 & 15 ? 0 : q & 0xffff0000) | (q >> 48 & 3 ? 3 : q >> 44 & 15) << 32);
}

/* In memory that is lent, given, taken and withdrawn while it is read, perhaps one half of it. */
static uint64_t handed_over(uint64_t r)
{
    const uint64_t pages = hostile.pool.size / GUEST_PAGE - PRIVATE_PAGES;
    uint64_t page = r & 1 ? WINDOWS + (r >> 8) % WINDOW_PAGES * GUEST_PAGE
                          : hostile.pool.base + (PRIVATE_PAGES + (r >> 8) % pages) * GUEST_PAGE;
    return page + (r >> 40) % (GUEST_PAGE / 8) * 8;
}

uint64_t descriptor_place(void)
{
    uint64_t r = arbitrary(), end = hostile.play.base + hostile.play.size;
    switch (r % ONE_OF) {
    case 0:
        return playground() + GUEST_PAGE - DESCRIPTOR_BYTES / 2; /* straddles two pages, or the region's end */
    case 1:
        return end - (r >> 8 & 7) * 8;
    case 2:
        return hostile.play.base; /* that of all vCPUs: while it is read, another one words it anew */
    case 3:
        return handed_over(r >> 8);
    default:
        return playground() + (r >> 8 & 0x1f) * 8;
    }
}

static void call_with_descriptor(void)
{
    uint64_t r = arbitrary(), at = descriptor_place();
    fault_expect();
    describe(at);
    (void)fault_seen();
    if ((r & 15) == 0)
        at = place();
    uint64_t x[CALL_REGISTERS] = {HYPERCALL(HV_SHARE + (r >> 8 & 1)), at, DESCRIPTOR_BYTES, boundary()};
    if ((r >> 16 & 7) == 0)
        x[2] = boundary();
    issue(x, r >> 24 & 1);
    count(CALLS, (int64_t)x[0] < 0);
}

void calls_act(void)
{
    uint64_t r = arbitrary(), width = r >> 8 & 1 ? SMC64 : 0, n = r >> 16;
    bool smc = r >> 9 & 1;
    switch (r % ONE_OF) {
    case 0:
        try_call_once(PSCI + n % PSCI_CALLS + width, smc);
        break;
    case 1:
        try_call_once(FFA + n % FFA_CALLS + width, smc);
        break;
    case 2:
    case 3:
        try_call_once(VENDOR + (n % VENDOR_CALLS) + width, smc);
        break;
    case 4: /* every service's first functions, 32 and 64 bits, fast and yielding */
        try_call_once((arbitrary() & 0xff00001f) | (r & 16 ? 0x84000000 : 0), smc);
        break;
    case 5:
        try_call_once(VENDOR + 0xff00 + n % VENDOR_CALLS, smc);
        break;
    default:
        call_with_descriptor();
    }
}

void calls_sweep(unsigned part, unsigned parts)
{
    for (uint32_t imm = part * IMMEDIATE_STEP; imm < IMMEDIATES; imm += parts * IMMEDIATE_STEP) {
        execute(CALLS, HVC | imm << 5, ~0ul);
        execute(CALLS, SMC | imm << 5, ~0ul);
        execute(CALLS, BRK | imm << 5, 0);
        execute(CALLS, HLT | imm << 5, 0);
        for (unsigned dcps = 1; dcps < 4; dcps++)
            execute(CALLS, 0xd4a00000u | dcps | imm << 5, 0);
    }
    for (unsigned smc = 0; smc < 2; smc++) {
        for (uint64_t width = 0; width <= SMC64; width += SMC64) {
            for (uint64_t n = part; n < 0x100; n += parts) {
                try_call_once(PSCI + n + width, smc);
                try_call_once(VENDOR + n + width, smc);
                try_call_once(VENDOR + 0xff00 + n + width, smc);
            }
        }
        for (uint64_t service = part; service < SERVICES; service += parts)
            for (uint64_t n = 0; n < 4; n++)
                try_call_once((service << 24) | n | (n & 1) << 31, smc);
    }
}
