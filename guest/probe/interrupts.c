/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* More interrupts than list registers: pending by software, taken one by one, nested, and ended out of order. */
#include "probe/probe.h"

#define GICD              0x08000000ul
#define ICC_DIR           S3_0_C12_C11_1
#define ICC_RPR           S3_0_C12_C11_3
#define ICC_IAR1          S3_0_C12_C12_0
#define ICC_EOIR1         S3_0_C12_C12_1
#define ICC_CTLR          S3_0_C12_C12_4
#define READ(reg)         READ_REG(reg) /* once expanded */
#define WRITE(reg, value) WRITE_REG(reg, value)
enum {
    GICD_ISPENDR = 0x200,
    GICD_ISACTIVER = 0x300,
    GICD_IPRIORITYR = 0x400,
    GICD_ICFGR = 0xc00,
    FIRST = 64, /* one whole register of interrupts without a device */
    MANY = 32,
    NESTED = 16,
    PRIORITY_STEP = 8, /* the virtual CPU interface has five bits */
    EOIMODE = 1 << 1,
    IDLE = 0xff,
    ALL_EDGE = 0xaaaaaaaau,
};

static uint32_t pending(void)
{
    return load32(GICD + GICD_ISPENDR + FIRST / 8);
}

static uint32_t active(void)
{
    return load32(GICD + GICD_ISACTIVER + FIRST / 8);
}

static void raise(uint32_t which)
{
    store32(GICD + GICD_ISPENDR + FIRST / 8, which);
}

static void set_priority(unsigned n, unsigned priority)
{
    __asm__ volatile("strb %w0, [%1]" : : "r"(priority), "r"(GICD + GICD_IPRIORITYR + FIRST + n) : "memory");
}

/* All at once; they come by priority, which here runs against the numbers. */
static void check_order(void)
{
    unsigned wrong = 0;
    for (unsigned n = 0; n < MANY; n++)
        set_priority(n, (MANY - 1 - n) * PRIORITY_STEP / 2);
    raise(~0u);
    uint32_t left = ~0u;
    for (unsigned last = MANY; left != 0;) {
        unsigned intid = gic_wait(0);
        if (intid == INTID_NONE)
            break;
        unsigned n = intid - FIRST;
        wrong += n >= MANY || (left >> n & 1) == 0 || n / 2 > last / 2;
        left &= ~(1u << n % MANY);
        last = n;
    }
    ok(wrong == 0 && left == 0, "GIC: %u pending at once come in order of priority (%u wrong)", (unsigned)MANY, wrong);
    ok(pending() == 0 && active() == 0, "GIC: then none is pending or active");
}

/* Each is raised while the one before is handled. */
static void check_nesting(void)
{
    unsigned wrong = 0;
    for (unsigned n = 0; n < NESTED; n++)
        set_priority(n, (NESTED - n) * PRIORITY_STEP);
    for (unsigned n = 0; n < NESTED; n++) {
        raise(1u << n);
        wrong += READ(ICC_IAR1) != FIRST + n;
        wrong += READ(ICC_RPR) != (uint64_t)(NESTED - n) * PRIORITY_STEP;
        raise(1u << n); /* once more, for after */
        wrong += READ(ICC_IAR1) != INTID_NONE;
    }
    wrong += active() != (1u << NESTED) - 1;
    for (unsigned n = NESTED; n-- > 0;) {
        WRITE(ICC_EOIR1, FIRST + n);
        wrong += READ(ICC_IAR1) != FIRST + n;
        WRITE(ICC_EOIR1, FIRST + n);
        wrong += active() != (1u << n) - 1;
    }
    wrong += READ(ICC_RPR) != IDLE;
    ok(wrong == 0 && pending() == 0, "GIC: %u nested interrupts end one by one (%u wrong)", (unsigned)NESTED, wrong);
}

/* Priority drop and deactivation apart: all are active together, and end in no order. */
static void check_deactivation(void)
{
    unsigned wrong = 0;
    WRITE(ICC_CTLR, EOIMODE);
    for (unsigned n = 0; n < MANY; n++)
        set_priority(n, PRIORITY_STEP);
    raise(~0u);
    for (unsigned n = 0; n < MANY; n++) {
        uint64_t intid = READ(ICC_IAR1);
        wrong += intid - FIRST >= MANY;
        WRITE(ICC_EOIR1, intid);
    }
    wrong += active() != ~0u;
    uint32_t left = ~0u;
    for (unsigned i = 0; i < MANY; i++) {
        unsigned n = i * 11 % MANY; /* each once */
        WRITE(ICC_DIR, FIRST + n);
        left &= ~(1u << n);
        wrong += active() != left;
    }
    WRITE(ICC_CTLR, 0);
    ok(wrong == 0 && pending() == 0, "GIC: %u active interrupts end in any order (%u wrong)", (unsigned)MANY, wrong);
}

void check_many_interrupts(void)
{
    for (unsigned i = 0; i < 2; i++)
        store32(GICD + GICD_ICFGR + FIRST / 4 + 4ul * i, ALL_EDGE);
    for (unsigned n = 0; n < MANY; n++)
        gic_enable(FIRST + n);
    check_order();
    check_nesting();
    check_deactivation();
    for (unsigned n = 0; n < MANY; n++)
        gic_disable(FIRST + n);
}
