/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "lib/guest.h"

enum { VECTOR_SYNC_SPX = 4, INSN_BYTES = 4, LINK = 30 };

static volatile bool expected[GUEST_CPUS];
static volatile struct fault seen[GUEST_CPUS];

void fault_expect(void)
{
    seen[guest_cpu()].taken = false;
    expected[guest_cpu()] = true;
}

struct fault fault_seen(void)
{
    unsigned cpu = guest_cpu();
    expected[cpu] = false;
    return (struct fault){seen[cpu].taken, seen[cpu].esr, seen[cpu].far};
}

void guest_exception(uint64_t vector, struct guest_frame *frame);

void guest_exception(uint64_t vector, struct guest_frame *frame)
{
    uint64_t esr = READ_REG(esr_el1), far = READ_REG(far_el1);
    unsigned cpu = guest_cpu();
    if (vector != VECTOR_SYNC_SPX || !expected[cpu]) {
        say("# unexpected exception %lu: ESR %lx FAR %lx PC %lx\n", vector, esr, far, frame->pc);
        power_off();
    }
    seen[cpu].taken = true;
    seen[cpu].esr = esr;
    seen[cpu].far = far;
    /* A jump to where nothing may execute is over when it returns to its caller. */
    if (ESR_EC(esr) == EC_INSN_ABORT)
        frame->pc = frame->x[LINK];
    else
        frame->pc += INSN_BYTES;
}

struct fault try_read(uint64_t address, uint64_t *value)
{
    fault_expect();
    *value = load64(address);
    return fault_seen();
}

struct fault try_write(uint64_t address, uint64_t value)
{
    fault_expect();
    store64(address, value);
    return fault_seen();
}

struct fault try_read_pair(uint64_t address)
{
    uint64_t a, b;
    fault_expect();
    __asm__ volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(address) : "memory");
    return fault_seen();
}

struct fault try_call(uint64_t address)
{
    fault_expect();
    ((void (*)(void))address)();
    return fault_seen();
}

struct fault try_smc(uint64_t function, uint64_t *result)
{
    fault_expect();
    *result = guest_smc(function, 0, 0, 0);
    return fault_seen();
}
