/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Everything at once at the interrupt controller and the timers, from both vCPUs: a neighbour's timer, which is the
 * same interrupt of the same CPU, must not notice. */
#include "wild/wild.h"

#define ICC_PMR           S3_0_C4_C6_0
#define ICC_SGI1R         S3_0_C12_C11_5
#define ICC_IAR1          S3_0_C12_C12_0
#define ICC_EOIR1         S3_0_C12_C12_1
#define ICC_GRP1          S3_0_C12_C12_7
#define READ(reg)         READ_REG(reg)
#define WRITE(reg, value) WRITE_REG(reg, value)
enum { RTC_INTID = 34, RTC_MATCH = 4, RTC_ENABLE = 0x10, RTC_CLEAR = 0x1c, GICD_IROUTER = 0x6000 };
enum { STORM_MS = 2500, ALL_PRIORITIES = 0xff };
enum { ROUNDS = 1500, STORM = 2000, ALL_TARGETS = 0xffff };
#define SGI_ALL_BUT_ME (1ul << 40)

static volatile unsigned served;

void serve(void)
{
    WRITE(ICC_PMR, ALL_PRIORITIES);
    WRITE(ICC_GRP1, 1ul);
    uint64_t intid = READ(ICC_IAR1);
    WRITE(ICC_EOIR1, intid);
    served += intid == RTC_INTID;
}

/* The line of a device stays high, and the vCPU on the other CPU ends the interrupt over and over. */
static void storm_of_a_device(void)
{
    gic_init();
    gic_enable(RTC_INTID);
    store64(DIST + GICD_IROUTER + RTC_INTID * 8ul, 1);
    served = 0;
    (void)second_do(SECOND_SERVES);
    store32(RTC + RTC_ENABLE, 1);
    store32(RTC + RTC_MATCH, load32(RTC) + 1);
    for (uint64_t end = now_ms() + STORM_MS; now_ms() < end;) {
        vtimer_arm_ms(STORM_MS / 10);
        gic_enable(INTID_VTIMER);
        __asm__ volatile("wfi");
        WRITE(ICC_EOIR1, READ(ICC_IAR1));
    }
    second_end();
    store32(RTC + RTC_ENABLE, 0);
    store32(RTC + RTC_CLEAR, 1);
    ok(served != 0, "a device's interrupt came again and again, served on the other CPU");
    say("# %u times\n", served);
}

void interrupt_acts(void)
{
    storm_of_a_device();
    (void)second_do(SECOND_HAMMERS);
    for (unsigned i = 0; i < ROUNDS; i++) {
        havoc_timers(arbitrary());
        havoc_registers(1);
        for (unsigned k = 0; k < 4; k++)
            havoc_interface(arbitrary());
    }
    ok(true, "survived the interrupt controller from two sides, %u rounds", (unsigned)ROUNDS);
    for (unsigned i = 0; i < STORM; i++) {
        WRITE(ICC_SGI1R, SGI_ALL_BUT_ME | (uint64_t)(i & 15) << 24);
        WRITE(ICC_SGI1R, (uint64_t)(i & 15) << 24 | ALL_TARGETS);
    }
    ok(true, "and a storm of %u SGIs", 2 * (unsigned)STORM);
    second_end();
    WRITE_REG(cntv_cval_el0, 0); /* goes on all the time, never served */
    WRITE_REG(cntv_ctl_el0, 1);
}
