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
    E("\x0d", "branch target exception")
    E("\x0e", "illegal execution state")
    E("\x11", "SVC, AArch32")
    E("\x12", "HVC, AArch32")
    E("\x13", "SMC, AArch32")
    E("\x15", "SVC")
    E("\x16", "HVC")
    E("\x17", "SMC")
    E("\x1c", "pointer authentication failure")
    E("\x22", "PC alignment fault")
    E("\x26", "SP alignment fault")
    E("\x2f", "SError")
    E("\x38", "BKPT, AArch32")
    E("\x3a", "vector catch, AArch32")
    E("\x3c", "BRK");

/* Those that are "trapped ...". */
static const char traps[] =
    E("\x01", "WFI or WFE")
    E("\x03", "MCR or MRC, CP15")
    E("\x04", "MCRR or MRRC, CP15")
    E("\x05", "MCR or MRC, CP14")
    E("\x06", "LDC or STC")
    E("\x07", "FP or SIMD")
    E("\x08", "VMRS")
    E("\x09", "pointer authentication")
    E("\x0a", "LD64B or ST64B")
    E("\x0c", "MRRC, CP14")
    E("\x18", "MSR, MRS or system instruction")
    E("\x19", "SVE")
    E("\x1a", "ERET")
    E("\x1d", "SME")
    E("\x28", "floating point exception, AArch32")
    E("\x2c", "floating point exception");

/* The code before each, an even one, is the same from a lower level. */
static const char by_level[] =
    E("\x21", "instruction abort")
    E("\x25", "data abort")
    E("\x31", "breakpoint")
    E("\x33", "software step")
    E("\x35", "watchpoint");

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
/* The codes of level -1, and the ones of level 0 that mean the same. */
static const char at_level_minus_1[] =
    E("\x13", "\x14")
    E("\x1b", "\x1c")
    E("\x29", "")
    E("\x2b", "\x04");
/* clang-format on */

static const char *find(const char *list, size_t bytes, uint64_t code)
{
    for (const char *at = list; at < list + bytes - 1; at += 1 + strlen(at + 1) + 1)
        if ((uint8_t)*at == code)
            return at + 1;
    return NULL;
}

void esr_class(uint64_t esr, char *to, size_t size)
{
    uint64_t code = ESR_EC(esr);
    const char *format = "%s", *name;
    if ((name = find(traps, sizeof(traps), code)) != NULL)
        format = "trapped %s";
    else if ((name = find(by_level, sizeof(by_level), code | 1)) != NULL)
        format = (code & 1) != 0 ? "%s" : "%s from a lower level";
    else if ((name = find(classes, sizeof(classes), code)) == NULL)
        name = "a reserved code";
    print_to(to, size, format, name);
}

bool esr_is_abort(uint64_t esr)
{
    uint64_t ec = ESR_EC(esr);
    return ec == ESR_EC_IABT_LOWER || ec == ESR_EC_IABT || ec == ESR_EC_DABT_LOWER || ec == ESR_EC_DABT;
}

void esr_fault(uint64_t esr, char *to, size_t size)
{
    uint64_t code = esr & ESR_FSC;
    const char *format = "%s", *name;
    if ((name = find(faults, sizeof(faults), code)) == NULL) {
        if ((name = find(at_level_minus_1, sizeof(at_level_minus_1), code)) != NULL) {
            format = "%s, level -1";
            code = (uint8_t)*name;
        } else {
            format = "%s, level %u";
        }
        name = find(at_level, sizeof(at_level), code & ~(uint64_t)ESR_FSC_LEVEL);
    }
    if (name == NULL)
        print_to(to, size, "reserved fault code 0x%lx", (unsigned long)code);
    else
        print_to(to, size, format, name, (unsigned)(code & ESR_FSC_LEVEL));
}
