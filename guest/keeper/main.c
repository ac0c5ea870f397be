/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* keeper: fills its memory with what its seed says, and at every beat of its timer sums it up anew and moves all of it one step
 * on. Whoever writes another VM's memory, or reaches it by a translation of before, makes a sum wrong; whoever reads it finds
 * NEIGHBOUR_MARK. Its own code is summed up, too. A second vCPU sums up as well.
 *
 *   seed=N       what memory holds
 *   beats=N      then a verdict, and off
 *   beat=N       milliseconds between them
 *   apart=N      every how many words of its memory, 1: all of it
 *   memory=BASE+SIZE, or to=END: all behind its image
 *   vcpus=N      1 or 2 */
#include "lib/guest.h"

enum { BEAT_MS = 5, PATIENCE_MS = 60000, WORDS_APART = 64, US_PER_MS = 1000 };

static struct {
    struct range memory;
    uint64_t seed, step_bytes;
    volatile uint64_t asked, answered, wrong; /* of the second vCPU: how often */
} keeper;

static uint64_t word(uint64_t address, uint64_t step)
{
    uint64_t x = (address ^ keeper.seed << 48) + step;
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ul;
    return NEIGHBOUR_MARK << 32 | x >> 32;
}

static void fill(uint64_t step)
{
    for (uint64_t at = keeper.memory.base; at < keeper.memory.base + keeper.memory.size; at += keeper.step_bytes)
        store64(at, word(at, step));
}

static uint64_t wrong_words(uint64_t step)
{
    uint64_t wrong = 0;
    for (uint64_t at = keeper.memory.base; at < keeper.memory.base + keeper.memory.size; at += keeper.step_bytes)
        wrong += load64(at) != word(at, step);
    return wrong;
}

static uint64_t code_sum(void)
{
    uint64_t sum = 0;
    for (uint64_t at = (uint64_t)guest_image; at < (uint64_t)guest_code_end; at += sizeof(sum))
        sum = (sum << 1 | sum >> 63) ^ load64(at);
    return sum;
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

static uint64_t us_since(uint64_t then)
{
    return (READ_REG(cntvct_el0) - then) * US_PER_MS / (READ_REG(cntfrq_el0) / 1000);
}

/* Waits for the timer; how late that was, in microseconds. Every other beat it looks at the clock all the time instead of
 * waiting for the interrupt, and at the longest that passed between two looks: who holds the CPU is seen there. */
static uint64_t await_beat(uint64_t n, unsigned ms, uint64_t *lost, uint64_t *gap)
{
    vtimer_arm_ms(ms);
    uint64_t due = READ_REG(cntv_cval_el0);
    if (n % 2) {
        __asm__ volatile("wfi");
    } else {
        for (uint64_t last = READ_REG(cntvct_el0), look; last < due; last = look) {
            look = READ_REG(cntvct_el0);
            uint64_t since = us_since(last);
            *gap = since > *gap ? since : *gap;
        }
    }
    uint64_t now;
    do { /* one of the beat before may still have been on its way */
        *lost += gic_wait(PATIENCE_MS) != INTID_VTIMER;
        now = READ_REG(cntvct_el0);
    } while (now < due);
    uint64_t late = us_since(due);
    timers_off();
    return late;
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    uint64_t beats = arg_number(args, "beats", 1), lost = 0, wrong = 0, latest = 0, gap = 0, sum = code_sum();
    unsigned ms = (unsigned)arg_number(args, "beat", BEAT_MS);
    bool two = arg_number(args, "vcpus", 1) > 1;
    keeper.seed = arg_number(args, "seed", 0);
    keeper.step_bytes = arg_number(args, "apart", WORDS_APART) * sizeof(uint64_t);
    if (!arg_range(args, "memory", &keeper.memory))
        keeper.memory =
            (struct range){(uint64_t)guest_end, arg_number(args, "to", (uint64_t)guest_end) - (uint64_t)guest_end};
    gic_init();
    gic_enable(INTID_VTIMER);
    fill(0);
    if (two)
        guest_hvc(PSCI_CPU_ON, 1, (uint64_t)guest_secondary, 1);
    for (uint64_t n = 1; n <= beats; n++) {
        uint64_t late = await_beat(n, ms, &lost, &gap);
        latest = late > latest ? late : latest;
        uint64_t now_wrong = wrong_words(n - 1) + (code_sum() != sum);
        if (now_wrong)
            say("# beat %lu: %lu words wrong\n", n, now_wrong);
        wrong += now_wrong;
        if (two) {
            keeper.asked = n;
            while (keeper.answered < n)
                __asm__ volatile("yield");
        }
        fill(n);
    }
    say("# beats at most %lu us late, away for at most %lu us\n", latest, gap);
    say("kept %lu beats, %lu lost, %lu words wrong\n", beats, lost, wrong + keeper.wrong);
    power_off();
}
