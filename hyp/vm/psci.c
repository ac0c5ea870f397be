/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a guest can call: PSCI 1.1 (DEN0022) and the two functions of the SMC calling convention 1.1 (DEN0028) that ask
 * what there is. Everything else is answered with "not supported". */
#include <cpu/hooks.h>
#include <cpu/sched.h>

#include "vm/vm.h"

/* Function identifiers without the bit that says SMC64. */
enum {
    SMCCC_VERSION = 0x80000000u,
    SMCCC_ARCH_FEATURES,
    PSCI_VERSION = 0x84000000u,
    PSCI_CPU_SUSPEND,
    PSCI_CPU_OFF,
    PSCI_CPU_ON,
    PSCI_AFFINITY_INFO,
    PSCI_MIGRATE,
    PSCI_MIGRATE_INFO_TYPE,
    PSCI_MIGRATE_INFO_UP_CPU,
    PSCI_SYSTEM_OFF,
    PSCI_SYSTEM_RESET,
    PSCI_FEATURES,
};
#define SMC64 0x40000000u

enum {
    SUCCESS = 0,
    NOT_SUPPORTED = -1,
    INVALID_PARAMETERS = -2,
    DENIED = -3,
    ALREADY_ON = -4,
    ON_PENDING = -5,
    INVALID_ADDRESS = -9,
};
enum { VERSION_1_1 = 0x10001, MIGRATION_NOT_NEEDED = 2, INFO_ON = 0, INFO_OFF = 1, AFFINITY_LEVELS = 4 };
/* Reserved bits of power_state, original format: all but StateID, StateType and PowerLevel. */
#define POWER_STATE_RESERVED 0xfcfe0000u
#define MPIDR_AFFINITY       0xff00ffffffull

struct call {
    struct vcpu *v;
    uint32_t function; /* without SMC64 */
    bool smc64;
    uint64_t a[3];
};

/* Which calls there are, and whether each has an SMC64 form; for PSCI_FEATURES too. */
static bool known(uint32_t function)
{
    uint32_t base = function & ~SMC64;
    bool smc64 = (function & SMC64) != 0;
    switch (base) {
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_ON:
    case PSCI_AFFINITY_INFO:
        return true;
    case SMCCC_VERSION:
    case SMCCC_ARCH_FEATURES:
    case PSCI_VERSION:
    case PSCI_CPU_OFF:
    case PSCI_MIGRATE_INFO_TYPE:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_FEATURES:
        return !smc64;
    default:
        return false;
    }
}

/* The vCPU of that affinity; -1 when there is none. */
static int find_vcpu(const struct vm *vm, uint64_t affinity)
{
    for (unsigned i = 0; i < vm->vcpus; i++)
        if ((vm->vcpu[i].mpidr & MPIDR_AFFINITY) == affinity)
            return (int)i;
    return -1;
}

static bool can_execute(struct vm *vm, uint64_t ipa)
{
    struct s2_area area;
    return ipa % sizeof(uint32_t) == 0 && s2_space_find(&vm->space, S2_IPA(ipa), &area) && (area.attr.bits & S2_X) != 0;
}

static int64_t cpu_on(const struct call *c)
{
    struct vm *vm = c->v->vm;
    int index = find_vcpu(vm, c->a[0]);
    enum vm_power was = POWER_OFF;
    if (index < 0)
        return INVALID_PARAMETERS;
    if (!can_execute(vm, c->a[1]))
        return INVALID_ADDRESS;
    if (vm_cpu_on(vm, (unsigned)index, c->a[1], c->a[2], &was))
        return SUCCESS;
    return was == POWER_OFF ? DENIED : ALREADY_ON;
}

static int64_t affinity_info(const struct call *c)
{
    struct vm *vm = c->v->vm;
    if (c->a[1] >= AFFINITY_LEVELS)
        return INVALID_PARAMETERS;
    /* At a higher level every vCPU below it counts: those that agree in the affinity fields from it up. */
    static const uint64_t mask[AFFINITY_LEVELS] = {MPIDR_AFFINITY, 0xff00ffff00ull, 0xff00ff0000ull, 0xff00000000ull};
    bool found = false, on = false;
    for (unsigned i = 0; i < vm->vcpus; i++) {
        if ((vm->vcpu[i].mpidr & mask[c->a[1]]) != (c->a[0] & (mask[c->a[1]] | ~MPIDR_AFFINITY)))
            continue;
        found = true;
        on |= __atomic_load_n(&vm->power[i], __ATOMIC_RELAXED) != POWER_OFF;
    }
    if (!found)
        return INVALID_PARAMETERS;
    return on ? INFO_ON : INFO_OFF;
}

/* A request to power down may be served by standby (DEN0022 5.4.3). */
static int64_t cpu_suspend(const struct call *c)
{
    if ((c->a[0] & POWER_STATE_RESERVED) != 0)
        return INVALID_PARAMETERS;
    vcpu_wait(c->v);
    return SUCCESS;
}

static int64_t answer(const struct call *c)
{
    struct vm *vm = c->v->vm;
    switch (c->function) {
    case SMCCC_VERSION:
    case PSCI_VERSION:
        return VERSION_1_1;
    case SMCCC_ARCH_FEATURES:
        return c->a[0] == SMCCC_VERSION || c->a[0] == SMCCC_ARCH_FEATURES ? SUCCESS : NOT_SUPPORTED;
    case PSCI_FEATURES: /* the flags of CPU_SUSPEND, 0: original format, platform-coordinated */
        return known((uint32_t)c->a[0]) && (uint32_t)c->a[0] != SMCCC_ARCH_FEATURES ? SUCCESS : NOT_SUPPORTED;
    case PSCI_CPU_SUSPEND:
        return cpu_suspend(c);
    case PSCI_CPU_OFF:
        vm_cpu_off(c->v);
        return DENIED; /* is seen only if it could not be stopped */
    case PSCI_CPU_ON:
        return cpu_on(c);
    case PSCI_AFFINITY_INFO:
        return affinity_info(c);
    case PSCI_MIGRATE_INFO_TYPE:
        return MIGRATION_NOT_NEEDED;
    case PSCI_SYSTEM_OFF:
        (void)vm_end(vm, "the guest switched itself off");
        return SUCCESS;
    case PSCI_SYSTEM_RESET:
        if (vm->cfg->stop_on_reset)
            (void)vm_end(vm, "the guest asked for a reset, and on-reset is \"stop\"");
        else
            vm_restart(vm, "the guest asked for a reset");
        return SUCCESS;
    default:
        return NOT_SUPPORTED;
    }
}

void psci_call(struct vcpu *v)
{
    uint32_t function = (uint32_t)v->regs.x[0];
    struct call c = {v, function & ~SMC64, (function & SMC64) != 0, {v->regs.x[1], v->regs.x[2], v->regs.x[3]}};
    if (!c.smc64) /* the upper halves are not arguments (DEN0028 3.1) */
        for (unsigned i = 0; i < 3; i++)
            c.a[i] &= UINT32_MAX;
    int64_t result = known(function) ? answer(&c) : NOT_SUPPORTED;
    v->regs.x[0] = c.smc64 || result == NOT_SUPPORTED ? (uint64_t)result : (uint64_t)(uint32_t)result;
}
