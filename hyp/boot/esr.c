/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <boot/esr.h>

#include <stddef.h>
#include <string.h>

#include <boot/arm.h>
#include <boot/print.h>

/* Lists of {code, name}, each a byte and a string. Tables of pointers would cost the image a kilobyte more. */
#define E(code, name) code name "\0"

/* clang-format off */
static const char classes[] =
    E("\x00", "unknown reason")
    E("\x01", "trapped WFI or WFE")
    E("\x03", "trapped MCR or MRC, CP15")
    E("\x04", "trapped MCRR or MRRC, CP15")
    E("\x05", "trapped MCR or MRC, CP14")
    E("\x06", "trapped LDC or STC")
    E("\x07", "trapped FP or SIMD")
    E("\x08", "trapped VMRS")
    E("\x09", "trapped pointer authentication")
    E("\x0a", "trapped LD64B or ST64B")
    E("\x0c", "trapped MRRC, CP14")
    E("\x0d", "branch target exception")
    E("\x0e", "illegal execution state")
    E("\x11", "SVC, AArch32")
    E("\x12", "HVC, AArch32")
    E("\x13", "SMC, AArch32")
    E("\x15", "SVC")
    E("\x16", "HVC")
    E("\x17", "SMC")
    E("\x18", "trapped MSR, MRS or system instruction")
    E("\x19", "trapped SVE")
    E("\x1a", "trapped ERET")
    E("\x1c", "pointer authentication failure")
    E("\x1d", "trapped SME")
    E("\x20", "instruction abort from a lower level")
    E("\x21", "instruction abort")
    E("\x22", "PC alignment fault")
    E("\x24", "data abort from a lower level")
    E("\x25", "data abort")
    E("\x26", "SP alignment fault")
    E("\x28", "trapped floating point exception, AArch32")
    E("\x2c", "trapped floating point exception")
    E("\x2f", "SError")
    E("\x30", "breakpoint from a lower level")
    E("\x31", "breakpoint")
    E("\x32", "software step from a lower level")
    E("\x33", "software step")
    E("\x34", "watchpoint from a lower level")
    E("\x35", "watchpoint")
    E("\x38", "BKPT, AArch32")
    E("\x3a", "vector catch, AArch32")
    E("\x3c", "BRK");

static const char faults[] =
    E("\x10", "external abort")
    E("\x11", "tag check fault")
    E("\x18", "parity or ECC error")
    E("\x21", "alignment fault")
    E("\x30", "TLB conflict")
    E("\x31", "unsupported atomic update by hardware")
    E("\x34", "lockdown (implementation defined)")
    E("\x35", "unsupported exclusive or atomic");

/* Codes with a lookup level in their last two bits. */
static const char at_level[] =
    E("\x00", "address size fault")
    E("\x04", "translation fault")
    E("\x08", "access flag fault")
    E("\x0c", "permission fault")
    E("\x14", "external abort on a table walk")
    E("\x1c", "parity or ECC error on a table walk");
static const char at_level_minus_1[] =
    E("\x13", "external abort on a table walk")
    E("\x1b", "parity or ECC error on a table walk")
    E("\x29", "address size fault")
    E("\x2b", "translation fault");
/* clang-format on */

static const char *find(const char *list, size_t bytes, uint64_t code)
{
    for (const char *at = list; at < list + bytes - 1; at += 1 + strlen(at + 1) + 1)
        if ((uint8_t)*at == code)
            return at + 1;
    return NULL;
}

const char *esr_class(uint64_t esr)
{
    const char *name = find(classes, sizeof(classes), ESR_EC(esr));
    return name == NULL ? "a reserved code" : name;
}

bool esr_is_abort(uint64_t esr)
{
    uint64_t ec = ESR_EC(esr);
    return ec == ESR_EC_IABT_LOWER || ec == ESR_EC_IABT || ec == ESR_EC_DABT_LOWER || ec == ESR_EC_DABT;
}

void esr_fault(uint64_t esr, char *to, size_t size)
{
    uint64_t code = esr & ESR_FSC;
    const char *name;
    if ((name = find(faults, sizeof(faults), code)) != NULL)
        print_to(to, size, "%s", name);
    else if ((name = find(at_level_minus_1, sizeof(at_level_minus_1), code)) != NULL)
        print_to(to, size, "%s, level -1", name);
    else if ((name = find(at_level, sizeof(at_level), code & ~(uint64_t)ESR_FSC_LEVEL)) != NULL)
        print_to(to, size, "%s, level %u", name, (unsigned)(code & ESR_FSC_LEVEL));
    else
        print_to(to, size, "reserved fault code 0x%lx", (unsigned long)code);
}
