/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* hello: says so, then does what it is told, by its command line or by keys: for the tests of many VMs, of the input
 * focus, of stopping one VM alone, and of fault reports.
 *
 *   ticks=N      count to N by timer interrupts, say so, power off
 *   spin         the same without ever waiting: the time slice has to take the CPU away
 *   flood=N      write N lines as fast as it can, power off
 *   reset        at once, again and again
 *   wild=ADDRESS   read there, after the greeting; wild-write= and wild-call= for the other two kinds
 *   seed=N       part of the greeting
 *
 * Keys: r reset, o power off, w read at 0x70000000, others are answered. */
#include "lib/guest.h"

#define WILD_ADDRESS 0x70000000ul
enum { TICK_MS = 20, PATIENCE_MS = 60000 };

static void count(uint64_t ticks, bool spin)
{
    gic_init();
    gic_enable(INTID_VTIMER);
    for (uint64_t n = 1; n <= ticks; n++) {
        vtimer_arm_ms(TICK_MS);
        if (!spin)
            __asm__ volatile("wfi");
        if (gic_wait(PATIENCE_MS) != INTID_VTIMER) {
            say("lost a tick\n");
            return;
        }
    }
    timers_off();
    say("counted to %lu\n", ticks);
    power_off();
}

static void wild(const char *args)
{
    uint64_t at, value = 0;
    if ((at = arg_number(args, "wild", 0)))
        value = load64(at);
    if ((at = arg_number(args, "wild-write", 0)))
        store64(at, value);
    if ((at = arg_number(args, "wild-call", 0)))
        ((void (*)(void))at)();
}

static void flood(uint64_t lines)
{
    for (uint64_t n = 1; n <= lines; n++)
        say("line %lu of a flood that nobody asked for\n", n);
    power_off();
}

static void obey(int key)
{
    switch (key) {
    case 'r':
        reset();
    case 'o':
        power_off();
    case 'w':
        say("read %lx\n", load64(WILD_ADDRESS));
        break;
    default:
        say("key %c\n", (char)key);
    }
}

/* Lives in memory that the loader does not write: a second start in memory that is not scrubbed would find it. */
#define LEFTOVER (0x40200000ul + 0x100000)

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    say("hello, seed %lu, memory is %s\n", arg_number(args, "seed", 0), load64(LEFTOVER) ? "dirty" : "clean");
    store64(LEFTOVER, ~0ul);
    wild(args);
    if (arg_flag(args, "reset"))
        reset();
    uint64_t lines = arg_number(args, "flood", 0), ticks = arg_number(args, "ticks", 0);
    if (lines)
        flood(lines);
    if (ticks)
        count(ticks, arg_flag(args, "spin"));
    for (;;) {
        int key = get_char();
        if (key >= 0)
            obey(key);
    }
}
