/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* hostile: does everything that a guest can do and should not, and says at the end how often it was stopped. That it gets
 * there, and that the hypervisor and the other VMs live, is the test.
 *
 *   seed=N   of the arbitrary values */
#include "lib/guest.h"

#define RET_INSN   0xd65f03c0u
#define MSR_BASE   0xd5000000u /* op0..op2 in bits 20 to 5, Rt = x0 (C4.1.90, system instructions) */
#define READ_BIT   (1u << 21)
#define HVC_INSN   0xd4000002u
#define SMC_INSN   0xd4000003u
#define BRK_INSN   0xd4200000u
#define HLT_INSN   0xd4400000u
#define DCPS2_INSN 0xd4a00002u
#define OP0_SHIFT  19
#define ABSENT     0x70000000ul
#define REDIST     0x080a0000ul
#define DIST       0x08000000ul
enum { CODE_WORDS = 4, IMM16 = 1 << 16, IMM_STEP = 997, CALLS = 4000, WINDOW_STEP = 20 };

static uint64_t random_state;
static unsigned stopped, done_count;
static _Alignas(64) uint32_t code[CODE_WORDS];
static _Alignas(GUEST_PAGE) char scratch[GUEST_PAGE];

/* xorshift64 */
static uint64_t arbitrary(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Executes one instruction with x0 = value. */
static void execute(uint32_t insn, uint64_t value)
{
    code[0] = insn;
    code[1] = RET_INSN;
    sync_code((uint64_t)code);
    fault_expect();
    ((uint64_t(*)(uint64_t))(uintptr_t)code)(value);
    stopped += fault_seen().taken;
    done_count++;
}

/* What would take this guest's own feet away: SCTLR, VBAR, SPSel, DAIF and ALLINT. */
static bool spared(unsigned encoding)
{
    static const uint16_t list[] = {0xc080, 0xc600, 0xc210, 0xda11, 0xc218};
    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        if (list[i] == encoding)
            return true;
    return false;
}

static void every_register(void)
{
    /* op0 (2 or 3), op1, CRn, CRm, op2 as one number, as it stands in the instruction. */
    for (unsigned encoding = 2u << 14; encoding < 4u << 14; encoding++) {
        uint32_t insn = MSR_BASE | encoding << 5;
        execute(insn | READ_BIT, 0);
        if (spared(encoding))
            continue;
        execute(insn, arbitrary());
        execute(insn, ~0ul);
        execute(insn, 0);
    }
}

static void every_system_instruction(void)
{
    for (unsigned encoding = 1u << 14; encoding < 2u << 14; encoding++) {
        uint32_t insn = MSR_BASE | encoding << 5;
        execute(insn, (uint64_t)scratch);
        execute(insn, ABSENT);
        execute(insn | READ_BIT, 0);
    }
}

static void every_call(void)
{
    for (unsigned imm = 0; imm < IMM16; imm += IMM_STEP) {
        execute(HVC_INSN | imm << 5, ~0ul);
        execute(SMC_INSN | imm << 5, ~0ul);
        execute(BRK_INSN | imm << 5, 0);
        execute(HLT_INSN | imm << 5, 0);
        execute(DCPS2_INSN | imm << 5, 0);
    }
    for (unsigned i = 0; i < CALLS; i++) {
        /* Every service's first functions, 32 and 64 bits, fast and yielding; not what ends or suspends this vCPU. */
        uint64_t function = (arbitrary() & 0xff00001f) | (i & 1 ? 0x84000000 : 0);
        uint64_t number = function & 0x1f, service = function & 0x3f000000;
        bool leaves = service == 0x04000000 && (number == 1 || number == 2 || number == 8 || number == 9 ||
                                                number == 0xc || number == 0xe || number == 0x12);
        if (leaves)
            continue;
        guest_hvc(function, arbitrary(), arbitrary(), arbitrary());
        uint64_t ignored;
        stopped += try_smc(function, &ignored).taken;
        done_count += 2;
    }
}

/* Every way to touch memory, at one address (in x0). */
static void touch(uint64_t address)
{
    static const uint32_t insns[] = {
        0x39400001, 0x79400001, 0xb9400001, 0xf9400001, /* LDRB, LDRH, LDR w1, LDR x1 */
        0x39800001, 0x79800001, 0xb9800001,             /* sign-extending */
        0xa9400801, 0xf8408401, 0xc85f7c01, 0xc8dffc01, /* LDP, post-index, LDXR, LDAR */
        0x3dc00001, 0xf9800000,                         /* LDR q1, PRFM */
        0xd50b7e20, 0xd5087620, 0xd50b7520, 0xd50b7420, /* DC CIVAC, DC IVAC, IC IVAU, DC ZVA */
        0x3900001f, 0x7900001f, 0xb900001f, 0xf900001f, /* the same as stores of zero */
        0xa9007c1f, 0xf800841f, 0xc8017c1f,
    };
    for (unsigned i = 0; i < sizeof(insns) / sizeof(insns[0]); i++)
        execute(insns[i], address);
}

static void every_place(void)
{
    for (unsigned bit = 12; bit < 64; bit++)
        touch(1ul << bit == 1ul << 30 ? ABSENT : 1ul << bit);
    touch(~0ul - 15);
    for (uint64_t offset = 0; offset < 0x10000; offset += WINDOW_STEP)
        touch(DIST + offset);
    for (uint64_t offset = 0; offset < 0x20000; offset += WINDOW_STEP)
        touch(REDIST + offset);
    for (uint64_t offset = 4; offset < GUEST_PAGE; offset += WINDOW_STEP)
        touch(GUEST_UART + offset);
}

void guest_main(const void *dtb)
{
    const char *args = boot_args(dtb);
    random_state = arg_number(args, "seed", 1);
    say("# hostile: seed %lu\n", random_state);
    static void (*const acts[])(void) = {every_register, every_system_instruction, every_call, every_place};
    static const char *const names[] = {"registers", "system instructions", "calls", "accesses"};
    for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        stopped = done_count = 0;
        acts[i]();
        ok(true, "survived %u %s, %u were stopped", done_count, names[i], stopped);
    }
    done("hostile");
    power_off();
}
