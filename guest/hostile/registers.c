/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every system register and every system instruction, by its encoding. */
#include "hostile/hostile.h"

#define SYSTEM   0xd5000000u /* op0..op2 in bits 20 to 5, Rt = x0 (C4.1.90, system instructions) */
#define READ_BIT (1u << 21)
#define SCTLR_M  1ul
#define DAIF_ALL 0x3c0ul
/* op0, op1, CRn, CRm, op2 as one number, as it stands in the instruction: op0 is 1 for instructions, 2 or 3 for registers. */
enum { FIRST_INSN = 1 << 14, FIRST_REGISTER = 2 << 14, END = 4 << 14, ONE_OF = 4 };

/* What would take this guest's own feet away: SCTLR, VBAR, SPSel, DAIF and ALLINT. try_feet() has the first four. */
static bool is_spared(unsigned encoding)
{
    static const uint16_t list[] = {0xc080, 0xc600, 0xc210, 0xda11, 0xc218};
    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        if (list[i] == encoding)
            return true;
    return false;
}

/* QEMU 7.2 takes what is written to ICC_BPR1_EL1 for the larger number that it is, keeps three bits of it, and ends at an
 * assertion when these are zero. So no more than the three are written. */
static uint64_t bearable(unsigned encoding, uint64_t value)
{
    enum { ICC_BPR1_EL1 = 0xc663, FIELD = 7 };
    return encoding == ICC_BPR1_EL1 ? value & FIELD : value;
}

/* Registers that keep what this guest itself works with: FP/SIMD, and what of EL0 traps to EL1. */
static void mend(void)
{
    WRITE_REG(cpacr_el1, 3ul << 20);
}

static void try_register(unsigned encoding, uint64_t value)
{
    uint32_t insn = SYSTEM | encoding << 5;
    execute(REGISTERS, insn | READ_BIT, 0);
    if (!is_spared(encoding))
        execute(REGISTERS, insn, bearable(encoding, value));
}

static void try_insn(unsigned encoding, uint64_t value)
{
    uint32_t insn = SYSTEM | encoding << 5;
    execute(REGISTERS, insn, value);
    execute(REGISTERS, insn | READ_BIT, 0);
}

/* Written, and what they held again. SCTLR without M: tables are stage1.c's; DAIF masks all that it masked. */
static void try_feet(uint64_t value)
{
    uint64_t was;
    __asm__ volatile("mrs %0, sctlr_el1\n msr sctlr_el1, %1\n isb\n msr sctlr_el1, %0\n isb\n"
                     "mrs %0, vbar_el1\n msr vbar_el1, %2\n isb\n msr vbar_el1, %0\n isb\n"
                     "mrs %0, daif\n msr daif, %3\n msr daif, %0\n"
                     "msr spsel, xzr\n msr spsel, #1\n"
                     : "=&r"(was)
                     : "r"(value & ~SCTLR_M), "r"(value), "r"(value | DAIF_ALL)
                     : "memory");
    count(REGISTERS, false);
}

/* Half of them among those that EL1 has. */
void registers_act(void)
{
    uint64_t r = arbitrary();
    unsigned encoding = FIRST_REGISTER + (unsigned)(r % (END - FIRST_REGISTER));
    if (r >> 32 & 1)
        encoding = (3u << 14) | (encoding & 0x7ff); /* op0 = 3, op1 = 0 */
    if ((r >> 33) % ONE_OF == 0)
        try_insn(FIRST_INSN + (unsigned)((r >> 40) % FIRST_INSN), playground());
    else
        try_register(encoding, r >> 35 & 1 ? arbitrary() : boundary());
    if ((r >> 36) % ONE_OF == 0)
        try_feet(arbitrary());
    mend();
}

void registers_sweep(unsigned part, unsigned parts)
{
    for (unsigned encoding = FIRST_REGISTER + part; encoding < END; encoding += parts) {
        try_register(encoding, arbitrary());
        try_register(encoding, ~0ul);
        try_register(encoding, 0);
    }
    try_feet(0);
    try_feet(~0ul);
    for (unsigned encoding = FIRST_INSN + part; encoding < FIRST_REGISTER; encoding += parts) {
        try_insn(encoding, playground());
        try_insn(encoding, ABSENT);
    }
    mend();
}
