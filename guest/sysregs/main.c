/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* sysregs: writes patterns of its own into the registers that EL1 and EL0 can write, and looks whether they stay. Two of
 * these on one CPU, with other seeds, see each other's patterns if the hypervisor forgets to switch a register.
 *
 *   seed=N     of the patterns
 *   rounds=N   how often to look; a time slice passes between two looks */
#include "lib/guest.h"
#include "sysregs/regs.h"

enum { DEFAULT_ROUNDS = 20, PAUSE_MS = 25 };

/* What the register read as, right after its pattern was written: hardware keeps only the bits that exist. */
static uint64_t kept[REG_COUNT];
static bool usable[REG_COUNT];

static uint64_t pattern(uint64_t seed, unsigned reg)
{
    return (seed * 0x9e3779b97f4a7c15ul) ^ (reg * 0xd1b54a32d192ed03ul);
}

/* An access that is refused leaves its traces in ELR, SPSR, ESR and FAR: find out first, then fill. */
static unsigned find_usable(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < REG_COUNT; i++) {
        fault_expect();
        regs[i].write(regs[i].read());
        usable[i] = !fault_seen().taken;
        n += usable[i];
    }
    return n;
}

static void fill(uint64_t seed)
{
    for (unsigned i = 0; i < REG_COUNT; i++) {
        if (!usable[i])
            continue;
        regs[i].write((regs[i].read() & ~regs[i].mask) | (pattern(seed, i) & regs[i].mask));
        kept[i] = regs[i].read();
    }
}

static unsigned compare(void)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < REG_COUNT; i++) {
        if (!usable[i])
            continue;
        uint64_t now = regs[i].read();
        if (((now ^ kept[i]) & regs[i].mask) == 0)
            continue;
        say("# %s was %lx, is %lx\n", regs[i].name, kept[i], now);
        wrong++;
    }
    return wrong;
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    uint64_t seed = arg_number(args, "seed", 1), rounds = arg_number(args, "rounds", DEFAULT_ROUNDS);
    say("# sysregs: seed %lu\n", seed);
    unsigned n = find_usable(), wrong = 0, wrong_fp = 0;
    fill(seed);
    ok(n > REG_COUNT / 2, "%u of %u registers can be written", n, (unsigned)REG_COUNT);
    for (uint64_t round = 0; round < rounds; round++) {
        fp_fill(pattern(seed, (unsigned)round));
        uint64_t end = now_ms() + PAUSE_MS;
        while (now_ms() < end)
            ;
        wrong_fp += !fp_same(pattern(seed, (unsigned)round));
        wrong += compare();
    }
    ok(wrong == 0, "registers keep their values (%u changed)", wrong);
    ok(wrong_fp == 0, "FP/SIMD registers keep their values (%u of %lu rounds)", wrong_fp, rounds);
    done("sysregs");
    power_off();
}
