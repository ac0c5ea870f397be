/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* keeper: fills its memory with what its seed says, and at every beat of its timer sums it up anew and moves all of it one step
 * on. Whoever reads another VM's memory, or a translation of before, has another sum. A second vCPU sums up, too.
 *
 *   seed=N       what memory holds
 *   beats=N      then a verdict, and off
 *   memory=BASE+SIZE
 *   vcpus=N      1 or 2 */
#include "lib/guest.h"

enum { BEAT_MS = 5, PATIENCE_MS = 60000, WORDS_APART = 64 };

static struct {
    struct range memory;
    uint64_t seed;
    volatile uint64_t asked, answered, wrong; /* of the second vCPU: how often */
} keeper;

static uint64_t word(uint64_t address, uint64_t step)
{
    uint64_t x = (address ^ keeper.seed << 48) + step;
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ul;
    return x ^ x >> 29;
}

static void fill(uint64_t step)
{
    for (uint64_t at = keeper.memory.base; at < keeper.memory.base + keeper.memory.size; at += WORDS_APART * 8ull)
        store64(at, word(at, step));
}

static uint64_t wrong_words(uint64_t step)
{
    uint64_t wrong = 0;
    for (uint64_t at = keeper.memory.base; at < keeper.memory.base + keeper.memory.size; at += WORDS_APART * 8ull)
        wrong += load64(at) != word(at, step);
    return wrong;
}

void guest_main_secondary(uint64_t index)
{
    (void)index;
    for (uint64_t step = 1;; step++) {
        while (keeper.asked < step)
            __asm__ volatile("yield");
        keeper.wrong += wrong_words(step - 1);
        keeper.answered = step;
    }
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    uint64_t beats = arg_number(args, "beats", 1), lost = 0, wrong = 0;
    bool two = arg_number(args, "vcpus", 1) > 1;
    keeper.seed = arg_number(args, "seed", 0);
    if (!arg_range(args, "memory", &keeper.memory))
        power_off();
    gic_init();
    gic_enable(INTID_VTIMER);
    fill(0);
    if (two)
        guest_hvc(PSCI_CPU_ON, 1, (uint64_t)guest_secondary, 1);
    for (uint64_t n = 1; n <= beats; n++) {
        vtimer_arm_ms(BEAT_MS);
        __asm__ volatile("wfi");
        lost += gic_wait(PATIENCE_MS) != INTID_VTIMER;
        wrong += wrong_words(n - 1);
        if (two) {
            keeper.asked = n;
            while (keeper.answered < n)
                __asm__ volatile("yield");
        }
        fill(n);
    }
    timers_off();
    say("kept %lu beats, %lu lost, %lu words wrong\n", beats, lost, wrong + keeper.wrong);
    power_off();
}
