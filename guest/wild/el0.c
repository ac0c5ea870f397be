/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* AArch32 at EL0: other encodings, other syndromes, 16-bit instructions, conditions and IT blocks. */
#include "wild/wild.h"

#define A32_SVC       0xef000000u
#define THUMB_SVC     0xdf00u
#define PSTATE_A32    0x1d0u /* User, A, I and F masked */
#define PSTATE_T32    0x1f0u
#define ID_PFR0_EL0   0xfu
#define SCTLR_EL0_WFX (1ul << 16 | 1ul << 18) /* WFI and WFE of EL0 do not trap to EL1 */
enum { EC_SVC32 = 0x11, AARCH32 = 2, LONGEST = 4 };

static _Alignas(64) uint32_t code[LONGEST];

static const uint32_t a32[] = {
    0xe5901000, 0xe5d01000, 0xe1d010b0, 0xe1d010f0, 0xe1d010d0, /* LDR, LDRB, LDRH, LDRSH, LDRSB r1, [r0] */
    0xe1c020d0, 0xe8900006, 0xe4901004, 0xe590f000, 0xe1901f9f, /* LDRD, LDM, post-index, LDR pc, LDREX */
    0xe5801000, 0xe5c01000, 0xe1c010b0, 0xe580f000, 0xe8800006, /* STR, STRB, STRH, STR pc, STM */
    0x15901000, 0x05801000, 0xf5d0f000, 0xed900a00,             /* LDRNE, STREQ, PLD, VLDR s0 */
    0xee100f10, 0xee1d0f70, 0xee0d0f50, 0xee190f1d, 0xee1e0f32, /* CP15: MIDR, TPIDRURO, TPIDRURW, PMCCNTR, CNTP_CTL */
    0xec510f1e, 0xec510f2e, 0xee1f0f10, 0xee1b0f10, 0xee100e10, /* CNTVCT, CNTP_CVAL, c15, c11; CP14: DBGDIDR */
    0xecb05e01, 0xee100a10, 0xeee10a10,                         /* LDC p14, VMRS FPSID, VMSR FPSCR */
    0xe320f003, 0x0320f003, 0xe320f002, 0xe320f001,             /* WFI, WFIEQ, WFE, YIELD */
    0xe1400070, 0xe1600070, 0xe1200070, 0xe7f000f0, 0xe10f0000, /* HVC, SMC, BKPT, UDF, MRS */
};

/* Two halfwords each. */
static const uint16_t t32[][2] = {
    {0x6801, 0x7801}, {0xbf18, 0x6801}, {0xbf08, 0x6001}, {0xbf14, 0x6801}, /* LDR LDRB; IT NE, EQ, ITE */
    {0xbf30, 0xbf20}, {0xde00, 0xde00}, {0xf8d0, 0x1000}, {0xe9d0, 0x1200}, /* WFI WFE; UDF; LDR.W; LDRD */
    {0xee10, 0x0f10}, {0xec51, 0x0f2e}, {0xf7e0, 0x8000}, {0xf7f0, 0x8000}, /* MRC, MRRC, HVC, SMC */
};

/* WFI must find something pending, or it waits for ever; what ran before may have switched all of it off. */
static void pend(void)
{
    gic_init();
    gic_enable(INTID_VTIMER);
    WRITE_REG(cntv_cval_el0, 0);
    WRITE_REG(cntv_ctl_el0, 1);
}

static bool run(uint32_t first, uint32_t second, uint64_t pstate, uint64_t x0)
{
    pend();
    code[0] = first;
    code[1] = second;
    code[2] = second;
    sync_code((uint64_t)code);
    return ESR_EC(enter_el0((uint64_t)code, pstate, x0)) == EC_SVC32;
}

void el0_acts(void)
{
    static const uint64_t places[] = {GUEST_UART + 0x18, DIST, REDIST, RTC, ABSENT, 0x40200000, 0xfffffffc, 1};
    enum { PLACES = sizeof(places) / sizeof(places[0]) };
    if ((READ_REG(id_aa64pfr0_el1) & ID_PFR0_EL0) < AARCH32) {
        say("# no AArch32\n");
        return;
    }
    WRITE_REG(sctlr_el1, READ_REG(sctlr_el1) | SCTLR_EL0_WFX);
    unsigned ran = 0, came_back = 0;
    for (unsigned p = 0; p < PLACES; p++) {
        for (unsigned i = 0; i < sizeof(a32) / sizeof(a32[0]); i++, ran++)
            came_back += run(a32[i], A32_SVC, PSTATE_A32, places[p]);
        for (unsigned i = 0; i < sizeof(t32) / sizeof(t32[0]); i++, ran++)
            came_back += run((uint32_t)t32[i][0] | (uint32_t)t32[i][1] << 16, THUMB_SVC | THUMB_SVC << 16, PSTATE_T32,
                             places[p]);
    }
    timers_off();
    ok(came_back != 0 && came_back < ran, "%u of %u AArch32 programs ended by themselves", came_back, ran);
    ok(run(0xe5901000, A32_SVC, PSTATE_A32, GUEST_UART + 0x18), "LDR of a device's register, A32");
    ok(run(0x78016801, THUMB_SVC | THUMB_SVC << 16, PSTATE_T32, GUEST_UART + 0x18), "the same, T32");
    ok(run(0x6801bf08, THUMB_SVC | THUMB_SVC << 16, PSTATE_T32 | 1ul << 30, GUEST_UART + 0x18),
       "the same in an IT block");
}
