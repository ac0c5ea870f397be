/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "probe/probe.h"

enum { FIRST_VERSION_1 = 0x10000, SMCCC_1_1 = 0x10001, MIGRATE_NOT_REQUIRED = 2, AFFINITY_ON = 0, AFFINITY_OFF = 1 };
enum { PATIENCE_MS = 2000, NO_SUCH_MPIDR = 0xffff };
#define NOT_A_FUNCTION 0x84001234u

#define GICR_ISPENDR0(index) (0x080b0200ul + (index)*0x20000ul)

static volatile uint64_t came_up;
static volatile bool timer_pends; /* at a start: its timers are off */

/* Switches itself off with the interrupt of its physical timer pending. */
void guest_main_secondary(uint64_t index)
{
    timer_pends = (load32(GICR_ISPENDR0(index)) >> INTID_PTIMER & 1) != 0;
    ptimer_arm_ms(0);
    came_up = index;
    guest_hvc(PSCI_CPU_OFF, 0, 0, 0);
}

static bool answers(uint64_t result, int64_t expected)
{
    return (int32_t)result == (int32_t)expected;
}

static bool start(unsigned index)
{
    came_up = 0;
    uint64_t result = guest_hvc(PSCI_CPU_ON, index, (uint64_t)guest_secondary, index);
    uint64_t end = now_ms() + PATIENCE_MS;
    while (came_up != index && now_ms() < end)
        ;
    bool started = answers(result, PSCI_SUCCESS) && came_up == index;
    while (answers(guest_hvc(PSCI_AFFINITY_INFO, index, 0, 0), AFFINITY_ON) && now_ms() < end)
        ;
    return started;
}

static void check_cpu_on(unsigned index)
{
    ok(start(index), "CPU_ON: vCPU %u starts with its context", index);
    ok(answers(guest_hvc(PSCI_AFFINITY_INFO, index, 0, 0), AFFINITY_OFF), "CPU_OFF: vCPU %u is off again", index);
    ok(start(index) && !timer_pends, "CPU_ON: vCPU %u starts again, and its timer asks for nothing", index);
}

void check_psci(unsigned vcpus)
{
    ok(guest_hvc(PSCI_VERSION, 0, 0, 0) >= FIRST_VERSION_1, "PSCI_VERSION is 1.0 or later by HVC");
    uint64_t by_smc = 0;
    ok(!try_smc(PSCI_VERSION, &by_smc).taken && by_smc == guest_hvc(PSCI_VERSION, 0, 0, 0), "and the same by SMC");
    ok(answers(guest_hvc(PSCI_FEATURES, PSCI_CPU_ON, 0, 0), PSCI_SUCCESS), "PSCI_FEATURES knows CPU_ON");
    ok(answers(guest_hvc(PSCI_FEATURES, NOT_A_FUNCTION, 0, 0), PSCI_NOT_SUPPORTED), "and refuses what there is not");
    ok(guest_hvc(SMCCC_VERSION, 0, 0, 0) >= SMCCC_1_1, "SMCCC_VERSION is 1.1 or later");
    /* The firmware's versions may well be the same, so something that it has not: this machine's has no SMCCC_VERSION. */
    ok(!try_smc(SMCCC_VERSION, &by_smc).taken && by_smc == guest_hvc(SMCCC_VERSION, 0, 0, 0),
       "by SMC, too: it does not reach the firmware");
    ok(guest_hvc(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0) == MIGRATE_NOT_REQUIRED, "MIGRATE_INFO_TYPE: nothing to migrate");
    ok(answers(guest_hvc(NOT_A_FUNCTION, 0, 0, 0), PSCI_NOT_SUPPORTED), "an unknown function is not supported");
    ok(answers(guest_hvc(PSCI_AFFINITY_INFO, 0, 0, 0), AFFINITY_ON), "AFFINITY_INFO: vCPU 0 is on");
    ok(answers(guest_hvc(PSCI_CPU_ON, 0, (uint64_t)guest_secondary, 0), PSCI_ALREADY_ON),
       "CPU_ON: vCPU 0 is on already");
    ok(answers(guest_hvc(PSCI_CPU_ON, NO_SUCH_MPIDR, (uint64_t)guest_secondary, 0), PSCI_INVALID_PARAMETERS),
       "CPU_ON: a vCPU that does not exist is refused");
    for (unsigned i = 1; i < vcpus; i++)
        check_cpu_on(i);
}
