/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <boot/esr.h>

#include <stddef.h>

#include <boot/arm.h>

static const char *const classes[64] = {
    [0x00] = "unknown reason",
    [0x01] = "trapped WFI or WFE",
    [0x03] = "trapped MCR or MRC, CP15",
    [0x04] = "trapped MCRR or MRRC, CP15",
    [0x05] = "trapped MCR or MRC, CP14",
    [0x06] = "trapped LDC or STC",
    [0x07] = "trapped FP or SIMD",
    [0x08] = "trapped VMRS",
    [0x09] = "trapped pointer authentication",
    [0x0a] = "trapped LD64B or ST64B",
    [0x0c] = "trapped MRRC, CP14",
    [0x0d] = "branch target exception",
    [0x0e] = "illegal execution state",
    [0x11] = "SVC, AArch32",
    [0x12] = "HVC, AArch32",
    [0x13] = "SMC, AArch32",
    [0x15] = "SVC",
    [0x16] = "HVC",
    [0x17] = "SMC",
    [0x18] = "trapped MSR, MRS or system instruction",
    [0x19] = "trapped SVE",
    [0x1a] = "trapped ERET",
    [0x1c] = "pointer authentication failure",
    [0x1d] = "trapped SME",
    [0x20] = "instruction abort from a lower level",
    [0x21] = "instruction abort",
    [0x22] = "PC alignment fault",
    [0x24] = "data abort from a lower level",
    [0x25] = "data abort",
    [0x26] = "SP alignment fault",
    [0x28] = "trapped floating point exception, AArch32",
    [0x2c] = "trapped floating point exception",
    [0x2f] = "SError",
    [0x30] = "breakpoint from a lower level",
    [0x31] = "breakpoint",
    [0x32] = "software step from a lower level",
    [0x33] = "software step",
    [0x34] = "watchpoint from a lower level",
    [0x35] = "watchpoint",
    [0x38] = "BKPT, AArch32",
    [0x3a] = "vector catch, AArch32",
    [0x3c] = "BRK",
};

static const char *const faults[64] = {
    [0x00] = "address size fault, level 0",
    [0x01] = "address size fault, level 1",
    [0x02] = "address size fault, level 2",
    [0x03] = "address size fault, level 3",
    [0x04] = "translation fault, level 0",
    [0x05] = "translation fault, level 1",
    [0x06] = "translation fault, level 2",
    [0x07] = "translation fault, level 3",
    [0x08] = "access flag fault, level 0",
    [0x09] = "access flag fault, level 1",
    [0x0a] = "access flag fault, level 2",
    [0x0b] = "access flag fault, level 3",
    [0x0c] = "permission fault, level 0",
    [0x0d] = "permission fault, level 1",
    [0x0e] = "permission fault, level 2",
    [0x0f] = "permission fault, level 3",
    [0x10] = "external abort",
    [0x11] = "tag check fault",
    [0x13] = "external abort on a table walk, level -1",
    [0x14] = "external abort on a table walk, level 0",
    [0x15] = "external abort on a table walk, level 1",
    [0x16] = "external abort on a table walk, level 2",
    [0x17] = "external abort on a table walk, level 3",
    [0x18] = "parity or ECC error",
    [0x1b] = "parity or ECC error on a table walk, level -1",
    [0x1c] = "parity or ECC error on a table walk, level 0",
    [0x1d] = "parity or ECC error on a table walk, level 1",
    [0x1e] = "parity or ECC error on a table walk, level 2",
    [0x1f] = "parity or ECC error on a table walk, level 3",
    [0x21] = "alignment fault",
    [0x29] = "address size fault, level -1",
    [0x2b] = "translation fault, level -1",
    [0x30] = "TLB conflict",
    [0x31] = "unsupported atomic update by hardware",
    [0x34] = "lockdown (implementation defined)",
    [0x35] = "unsupported exclusive or atomic",
};

static const char *name_of(const char *const *names, uint64_t code)
{
    return names[code & 0x3fu] == NULL ? "a reserved code" : names[code & 0x3fu];
}

const char *esr_class(uint64_t esr)
{
    return name_of(classes, ESR_EC(esr));
}

bool esr_is_abort(uint64_t esr)
{
    uint64_t ec = ESR_EC(esr);
    return ec == ESR_EC_IABT_LOWER || ec == ESR_EC_IABT || ec == ESR_EC_DABT_LOWER || ec == ESR_EC_DABT;
}

const char *esr_fault(uint64_t esr)
{
    return name_of(faults, esr & ESR_FSC);
}
