/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* cost: counts what EL2 executes for one exit, from the vector to the ERET, with a PMU counter that counts at EL2 alone. Needs
 * a hypervisor with CONFIG_MEASURE_FAULTS and QEMU's -icount, which makes the numbers exact.
 *
 * Words name regions. new: lazy memory that nobody has touched. loaded, far: the same, but an image is in its first bytes, so that
 * the hypervisor holds memory for it and has no leaf; far where there is no table of theirs yet. step=N: pages lie beside each other.
 * Waits for a key before each kind, so that somebody may watch from outside. */
#include "lib/guest.h"

enum { EVENT_INSTRUCTIONS = 0x08, TIMES = 8, PRETEND = 1, UNKNOWN_CALL = 2 };
#define ONLY_EL2     (1ul << 31 | 1ul << 30 | 1ul << 27) /* PMEVTYPER: not EL1, not EL0, but EL2 */
#define PMCR_ENABLE  1ul
#define GICD_TYPER   (0x08000000ul + 0x4)
#define UART_FLAGS   (GUEST_UART + 0x18)
#define DATA_ABORT   (0x24ul << 26 | 1ul << 25) /* from a lower level, by a 32-bit instruction */
#define TRANSLATION3 0x07ul
#define PERMISSION3  0x0ful
#define HPFAR(ipa)   ((ipa) >> 12 << 4)

static uint64_t counter(void)
{
    return READ_REG(pmevcntr0_el0);
}

static void counter_init(void)
{
    WRITE_REG(pmevtyper0_el0, EVENT_INSTRUCTIONS | ONLY_EL2);
    WRITE_REG(pmcntenset_el0, 1);
    WRITE_REG(pmcr_el0, PMCR_ENABLE);
}

/* --- one exit ----------------------------------------------------------------------------------------------------------- */

static uint64_t of_read(uint64_t at)
{
    uint64_t before = counter();
    (void)load64(at);
    return counter() - before;
}

static uint64_t of_word(uint64_t at)
{
    uint64_t before = counter();
    (void)load32(at);
    return counter() - before;
}

static uint64_t of_write(uint64_t at)
{
    uint64_t before = counter();
    store64(at, at);
    return counter() - before;
}

/* What another vCPU's fault, or a stale entry of the TLB, makes of a page that is there already. */
static uint64_t of_syndrome(uint64_t at, uint64_t code)
{
    register uint64_t x0 __asm__("x0") = DATA_ABORT | code;
    register uint64_t x1 __asm__("x1") = at;
    register uint64_t x2 __asm__("x2") = HPFAR(at);
    uint64_t before = counter();
    __asm__ volatile("hvc %3" : "+r"(x0), "+r"(x1), "+r"(x2) : "i"(PRETEND) : "memory");
    return counter() - before;
}

static uint64_t of_spurious(uint64_t at)
{
    return of_syndrome(at, TRANSLATION3);
}

static uint64_t of_good_now(uint64_t at)
{
    return of_syndrome(at, PERMISSION3);
}

static uint64_t of_call(uint64_t unused)
{
    (void)unused;
    uint64_t before = counter();
    __asm__ volatile("hvc %0" : : "i"(UNKNOWN_CALL) : "x0", "memory");
    return counter() - before;
}

/* --- kinds ---------------------------------------------------------------------------------------------------------------- */

/* TIMES exits, from `at` on in steps. */
static void measure(const char *what, uint64_t (*of)(uint64_t), uint64_t at, uint64_t step, unsigned times)
{
    uint64_t least = UINT64_MAX, most = 0;
    say("next: %s\n", what);
    while (get_char() < 0)
        ;
    for (unsigned i = 0; i < times; i++, at += step) {
        uint64_t n = of(at);
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    say("cost: %s: %lu to %lu\n", what, least, most);
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    struct range fresh, loaded, far;
    bool all = arg_range(args, "new", &fresh) && arg_range(args, "loaded", &loaded) && arg_range(args, "far", &far);
    uint64_t step = arg_number(args, "step", 0);
    counter_init();
    if (!all) {
        say("new, loaded and far are needed\n");
        power_off();
    }
    measure("no exit", of_read, (uint64_t)guest_image, 0, TIMES);
    measure("call that does not exist", of_call, 0, 0, TIMES);
    measure("first touch of new memory", of_read, fresh.base, 0, 1);
    measure("first touch of loaded memory", of_read, loaded.base, 0, 1);
    if (step) {
        measure("read of a page beside it", of_read, loaded.base + step, step, TIMES);
        measure("write to a page beside it", of_write, loaded.base + (TIMES + 1) * step, step, TIMES);
    }
    measure("first touch further away", of_read, far.base, 0, 1);
    measure("what is there already", of_spurious, loaded.base, step, TIMES);
    measure("permission that is there already", of_good_now, loaded.base, step, TIMES);
    measure("UART register, read", of_word, UART_FLAGS, 0, TIMES);
    measure("GIC register, read", of_word, GICD_TYPER, 0, TIMES);
    say("cost: end\n");
    power_off();
}
