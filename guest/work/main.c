/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* work: the same instructions each time, and what they cost beside a neighbour: virtual time, and what EL2 executed on this CPU
 * meanwhile, which a hypervisor with CONFIG_MEASURE_FAULTS lets it count. Exact with QEMU's -icount.
 *
 *   rounds=N   0: for ever, without a word, on a second vCPU, too
 *   idle       waits for ever instead */
#include "lib/guest.h"

enum { EVENT_INSTRUCTIONS = 0x08, WORDS = 4096, SETTLE_MS = 100, NS_PER_US = 1000, US_PER_S = 1000000 };
#define ONLY_EL2    (1ul << 31 | 1ul << 30 | 1ul << 27) /* PMEVTYPER: not EL1, not EL0, but EL2 */
#define PMCR_ENABLE 1ul

static uint64_t words[WORDS];

static uint64_t round_of_work(uint64_t sum)
{
    for (unsigned i = 0; i < WORDS; i++) {
        sum = (sum << 1 | sum >> 63) ^ *(volatile uint64_t *)&words[i];
        *(volatile uint64_t *)&words[i] = sum + i;
    }
    return sum;
}

void guest_main_secondary(uint64_t index)
{
    for (uint64_t sum = index;;)
        sum = round_of_work(sum);
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    uint64_t rounds = arg_number(args, "rounds", 0), sum = 0;
    while (arg_flag(args, "idle"))
        __asm__ volatile("wfi");
    if (rounds == 0) {
        guest_hvc(PSCI_CPU_ON, 1, (uint64_t)guest_secondary, 1);
        for (;;)
            sum = round_of_work(sum);
    }
    for (uint64_t end = now_ms() + SETTLE_MS; now_ms() < end;) /* until the neighbour is at it */
        ;
    WRITE_REG(pmevtyper0_el0, EVENT_INSTRUCTIONS | ONLY_EL2);
    WRITE_REG(pmcntenset_el0, 1);
    WRITE_REG(pmcr_el0, PMCR_ENABLE);
    uint64_t el2 = READ_REG(pmevcntr0_el0), begin = READ_REG(cntvct_el0);
    for (uint64_t i = 0; i < rounds; i++)
        sum = round_of_work(sum);
    uint64_t ticks = READ_REG(cntvct_el0) - begin;
    el2 = READ_REG(pmevcntr0_el0) - el2;
    say("work: %lu ns, EL2 %lu instructions, sum %lx\n", ticks * NS_PER_US / (READ_REG(cntfrq_el0) / US_PER_S), el2,
        sum);
    power_off();
}
