/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* hostile: does everything that a guest can do and should not, on all its vCPUs at once, and says how often it was stopped and
 * what it got. That it gets there, and that the hypervisor and the other VMs live, is the test.
 *
 *   seed=N        of the arbitrary values; vary: another one at each start, which is told
 *   steps=N       of vCPU 0; again: then a reset, else off
 *   vcpus=N
 *   self=N peer=N numbers of this VM and its accomplice
 *   sweep         goes through everything first
 *   pages=BITS    nothing but that: every page of an IPA space of that size
 *   ways=MASK     of enum way: those alone */
#include "hostile/calls.h"

enum { REVIVE_STEPS = 32, ALMOST_ALL = 4, ATTENTIVE = 4 };

struct hostile hostile = {
    .play = {0x48000000, 0x40000},
    .pool = {0x50000000, 0x100000},
    .fixed = {0x58000000, 0x10000},
    .added = {RAM + RAM_BYTES, 0x80000},
};
static struct {
    uint64_t steps;
    uint64_t done[WAYS], stopped[WAYS];
    uint64_t breach[BREACHES], success[CALLS_COUNTED];
} tally[GUEST_CPUS];
static uint64_t ways;
static unsigned page_bits;
static bool sweeps, again;

void count(enum way way, bool stopped)
{
    tally[guest_cpu()].done[way]++;
    tally[guest_cpu()].stopped[way] += stopped;
}

void breach(enum breach what)
{
    tally[guest_cpu()].breach[what]++;
}

void succeeded(uint64_t number)
{
    if (number < CALLS_COUNTED)
        tally[guest_cpu()].success[number]++;
}

static void act(void)
{
    static void (*const acts[WAYS])(void) = {memory_act,     el0_act,   stage1_act,   calls_act,        registers_act,
                                             interrupts_act, power_act, handover_act, invalidations_act};
    unsigned way;
    do
        way = (unsigned)(arbitrary() % WAYS);
    while ((ways >> way & 1) == 0);
    acts[way]();
    if (hostile.self > hostile.peer && (ways >> HANDOVER & 1) != 0 && arbitrary() % ATTENTIVE == 0)
        handover_attend();
    tally[guest_cpu()].steps++;
}

static void sweep(void)
{
    unsigned part = guest_cpu(), parts = (unsigned)hostile.vcpus;
    hidden_sweep();
    registers_sweep(part, parts);
    calls_sweep(part, parts);
    memory_sweep(part, parts);
}

void guest_main_secondary(uint64_t index)
{
    if (page_bits != 0) {
        pages_all(page_bits, (unsigned)index, (unsigned)hostile.vcpus);
        guest_hvc(PSCI_CPU_OFF, 0, 0, 0);
    }
    if (tally[index].steps == 0 && sweeps)
        sweep();
    for (;;)
        act();
}

static void report_sums(const char *title, const char *const *name, unsigned names, const uint64_t *first)
{
    say("# hostile: %s", title);
    for (unsigned i = 0; i < names; i++) {
        uint64_t sum = 0;
        for (unsigned cpu = 0; cpu < hostile.vcpus; cpu++)
            sum += first[cpu * (sizeof(tally[0]) / sizeof(*first)) + i];
        say(", %s %lu", name[i], sum);
    }
    say("\n");
}

static void report(uint64_t seed)
{
    static const char *const name[WAYS] = {"memory",     "EL0",   "stage 1",   "calls",        "registers",
                                           "interrupts", "power", "hand-over", "invalidations"};
    static const char *const what[BREACHES] = {"neighbour's words", "secrets", "stale",
                                               "unscrubbed",        "allowed", "mixed up"};
    static const char *const calls[CALLS_COUNTED] = {
        "version", "share", "lend",   "donate", "retrieve",  "relinquish",   "reclaim",
        "query",   "ring",  "events", "memory", "give back", "secrets kept", "held meanwhile"};
    say("# hostile: seed %lu, of vCPU 0 %lu steps\n", seed, tally[0].steps);
    report_sums("did", name, WAYS, tally[0].done);
    report_sums("was stopped", name, WAYS, tally[0].stopped);
    report_sums("was answered", calls, CALLS_COUNTED, tally[0].success);
    report_sums("got", what, BREACHES, tally[0].breach);
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    uint64_t seed = arg_number(args, "seed", 1), steps = arg_number(args, "steps", 1000);
    if (arg_flag(args, "vary"))
        seed ^= READ_REG(cntpct_el0); /* which does not begin anew with the VM */
    hostile.vcpus = arg_number(args, "vcpus", 1);
    hostile.self = arg_number(args, "self", 0);
    hostile.peer = arg_number(args, "peer", 0);
    ways = arg_number(args, "ways", (1u << WAYS) - 1);
    sweeps = arg_flag(args, "sweep");
    again = arg_flag(args, "again");
    page_bits = (unsigned)arg_number(args, "pages", 0);
    say("# hostile: seed %lu begins\n", seed);
    arbitrary_seed(seed);
    if (guest_leftover != 0 || fp_leftover() != 0)
        breach(BREACH_UNSCRUBBED);
    fp_fill(~seed);
    revive();
    if (page_bits != 0) {
        pages_all(page_bits, 0, (unsigned)hostile.vcpus);
        pages_report(page_bits);
        power_off();
    }
    if (sweeps)
        sweep();
    while (tally[0].steps < steps) {
        act();
        if (tally[0].steps % REVIVE_STEPS == 0)
            revive();
        if (again && arbitrary() % (ALMOST_ALL * steps) == 0)
            reset();
    }
    report(seed);
    if (again)
        reset();
    power_off();
}
