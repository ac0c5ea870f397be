/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* wild: what a hostile guest does that needs two vCPUs, EL0 or tables of its own. hostile tries every register, call and
 * address one by one; this one tries what only a plot brings about. Its neighbours count their timer interrupts on
 * the same CPUs, which is the test. It needs the machine's PL031, passed through: to count its own starts in a
 * register that outlives them, and as memory of a device.
 *
 *   seed=N   of the arbitrary values */
#include "wild/wild.h"

/* --- start after start ---------------------------------------------------------------------------------------------- */

#define RTC_MATCH (RTC + 4)
/* Memory that the loader does not write. */
#define LEFTOVER (0x40200000ul + 0x100000)
enum { RESTARTS = 6 };

static void restart_often(void)
{
    uint32_t starts = load32(RTC_MATCH);
    if (starts >= RESTARTS)
        return;
    bool clean = load64(LEFTOVER) == 0 && READ_REG(tpidr_el0) == 0 && READ_REG(cntv_ctl_el0) == 0;
    store64(LEFTOVER, ~0ul);
    WRITE_REG(tpidr_el0, ~0ul);
    vtimer_arm_ms(1);
    say("# start %u, %s\n", starts + 1, clean ? "as new" : "not as new");
    store32(RTC_MATCH, clean ? starts + 1 : starts);
    second_do(SECOND_WAITS); /* is stopped with the rest */
    reset();
}

/* --- the other vCPU ------------------------------------------------------------------------------------------------- */

enum { CODE_CPU = 1, ROUNDS_ON_OFF = 60 };
static volatile enum second_act second_act;
static volatile bool second_runs;

int64_t second_do(enum second_act act)
{
    int64_t result;
    second_act = act;
    __asm__ volatile("dsb sy" : : : "memory");
    do
        result = (int64_t)guest_hvc(PSCI_CPU_ON, CODE_CPU, (uint64_t)guest_secondary, CODE_CPU);
    while (result == PSCI_ALREADY_ON && act == SECOND_LEAVES);
    return result;
}

void second_end(void)
{
    second_act = SECOND_LEAVES;
    while (guest_hvc(PSCI_AFFINITY_INFO, CODE_CPU, 0, 0) == 0)
        ;
}

void guest_main_secondary(uint64_t index)
{
    (void)index;
    second_runs = true;
    switch (second_act) {
    case SECOND_HAMMERS:
        while (second_act == SECOND_HAMMERS)
            havoc_registers(1);
        break;
    case SECOND_SERVES:
        while (second_act == SECOND_SERVES)
            serve();
        break;
    case SECOND_IS_LOST:
        lose_tables();
        break;
    case SECOND_WAITS:
        while (second_act == SECOND_WAITS)
            ;
        break;
    case SECOND_LEAVES:
        break;
    }
    guest_hvc(PSCI_CPU_OFF, 0, 0, 0);
}

static void power_calls(void)
{
    static const uint64_t entries[] = {0, 2, ~0ul, 1ul << 47, 1ul << 39, GUEST_UART, DIST, ABSENT, 0x40200001};
    unsigned refused = 0;
    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        refused += (int64_t)guest_hvc(PSCI_CPU_ON, 1, entries[i], 0) == PSCI_INVALID_ADDRESS;
    ok(refused == sizeof(entries) / sizeof(entries[0]), "CPU_ON refuses to start where nothing can execute");
    refused = 0;
    for (unsigned bit = 1; bit < 64; bit++)
        refused += (int64_t)guest_hvc(PSCI_CPU_ON, 1ul << bit, (uint64_t)guest_secondary, 0) != PSCI_SUCCESS;
    ok(refused == 63, "CPU_ON refuses vCPUs that do not exist");
    ok((int64_t)guest_hvc(PSCI_CPU_ON, 0, (uint64_t)guest_secondary, 0) == PSCI_ALREADY_ON,
       "nor does it start the caller");
    unsigned started = 0;
    for (unsigned i = 0; i < ROUNDS_ON_OFF; i++)
        started += second_do(SECOND_LEAVES) == PSCI_SUCCESS;
    second_end();
    ok(started == ROUNDS_ON_OFF, "a vCPU went on and off %u times", started);
}

/* --- all of it ------------------------------------------------------------------------------------------------------- */

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    arbitrary_seed(arg_number(args, "seed", 1));
    restart_often();
    ok(load32(RTC_MATCH) == RESTARTS, "started %u times, each time as new", (unsigned)RESTARTS);
    gic_init();
    power_calls();
    el0_acts();
    interrupt_acts();
    table_acts();
    console_acts();
    (void)second_do(SECOND_IS_LOST);
    ok(guest_hvc(PSCI_AFFINITY_INFO, CODE_CPU, 0, 0) == 0, "a vCPU that can take no exception is on, and is left so");
    say("# patience\n");
    for (uint64_t end = now_ms() + 500; now_ms() < end;)
        ;
    done("wild");
    power_off();
}
