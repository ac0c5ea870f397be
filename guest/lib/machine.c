/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* GICv3 (Arm IHI 0069) and the generic timer, with interrupts masked at the CPU and polled through the CPU interface:
 * WFI wakes for a masked interrupt too. */
#include "lib/guest.h"

#define GICD GUEST_GICD
#define GICR GUEST_GICR
enum {
    GICD_CTLR = 0x0000,
    GICD_ISENABLER = 0x0100,
    GICD_ICENABLER = 0x0180,
    GICD_IROUTER = 0x6000,
    GICD_CTLR_ENABLE = 1u << 1 | 1u << 4, /* group 1, affinity routing */
    GICR_WAKER = 0x0014,
    GICR_WAKER_SLEEP = 1u << 1,
    GICR_WAKER_ASLEEP = 1u << 2,
    GICR_SGI = 0x10000,
    GICR_IGROUPR0 = GICR_SGI + 0x0080,
    GICR_ISENABLER0 = GICR_SGI + 0x0100,
    GICR_ICENABLER0 = GICR_SGI + 0x0180,
    GICD_IGROUPR = 0x0080,
    PRIVATE = 32,
    ALL_PRIORITIES = 0xff,
    TIMER_ENABLE = 1,
    SPURIOUS = 1020,
    MS_PER_S = 1000,
};
#define ICC_PMR           S3_0_C4_C6_0
#define ICC_IAR1          S3_0_C12_C12_0
#define ICC_EOIR1         S3_0_C12_C12_1
#define ICC_SGI1R         S3_0_C12_C11_5
#define ICC_SRE           S3_0_C12_C12_5
#define ICC_GRP1          S3_0_C12_C12_7
#define READ(reg)         READ_REG(reg)
#define WRITE(reg, value) WRITE_REG(reg, value)

void gic_init(void)
{
    WRITE(ICC_SRE, 1);
    store32(GICD + GICD_CTLR, GICD_CTLR_ENABLE);
    store32(GICR + GICR_WAKER, load32(GICR + GICR_WAKER) & ~(uint32_t)GICR_WAKER_SLEEP);
    while (load32(GICR + GICR_WAKER) & GICR_WAKER_ASLEEP)
        ;
    store32(GICR + GICR_IGROUPR0, ~0u);
    WRITE(ICC_PMR, ALL_PRIORITIES);
    WRITE(ICC_GRP1, 1);
}

void gic_enable(unsigned intid)
{
    uint32_t bit = 1u << intid % 32;
    if (intid < PRIVATE) {
        store32(GICR + GICR_ISENABLER0, bit);
        return;
    }
    uint64_t group = GICD + GICD_IGROUPR + intid / 32 * 4ul;
    store32(group, load32(group) | bit);
    store64(GICD + GICD_IROUTER + intid * 8ul, 0);
    store32(GICD + GICD_ISENABLER + intid / 32 * 4ul, bit);
}

void gic_disable(unsigned intid)
{
    uint32_t bit = 1u << intid % 32;
    store32(intid < PRIVATE ? GICR + GICR_ICENABLER0 : GICD + GICD_ICENABLER + intid / 32 * 4ul, bit);
}

void gic_send_sgi(unsigned intid, unsigned target)
{
    WRITE(ICC_SGI1R, (uint64_t)intid << 24 | 1ul << target);
}

uint64_t now_ms(void)
{
    return READ_REG(cntvct_el0) / (READ_REG(cntfrq_el0) / MS_PER_S);
}

unsigned gic_wait(unsigned ms)
{
    uint64_t end = now_ms() + ms;
    do {
        unsigned intid = (unsigned)READ(ICC_IAR1);
        if (intid < SPURIOUS) {
            WRITE(ICC_EOIR1, intid);
            return intid;
        }
    } while (now_ms() < end);
    return INTID_NONE;
}

static uint64_t ticks(unsigned ms)
{
    return READ_REG(cntfrq_el0) / MS_PER_S * ms;
}

void vtimer_arm_ms(unsigned ms)
{
    WRITE_REG(cntv_tval_el0, ticks(ms));
    WRITE_REG(cntv_ctl_el0, TIMER_ENABLE);
}

void ptimer_arm_ms(unsigned ms)
{
    WRITE_REG(cntp_tval_el0, ticks(ms));
    WRITE_REG(cntp_ctl_el0, TIMER_ENABLE);
}

void timers_off(void)
{
    WRITE_REG(cntv_ctl_el0, 0);
    WRITE_REG(cntp_ctl_el0, 0);
}

_Noreturn void power_off(void)
{
    guest_hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}

_Noreturn void reset(void)
{
    guest_hvc(PSCI_SYSTEM_RESET, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}
