/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Arbitrary things done to the interrupt controller and the timers. */
#include "lib/guest.h"

#define ICC_PMR           S3_0_C4_C6_0
#define ICC_IAR0          S3_0_C12_C8_0
#define ICC_EOIR0         S3_0_C12_C8_1
#define ICC_AP1R0         S3_0_C12_C9_0
#define ICC_DIR           S3_0_C12_C11_1
#define ICC_SGI1R         S3_0_C12_C11_5
#define ICC_SGI0R         S3_0_C12_C11_7
#define ICC_IAR1          S3_0_C12_C12_0
#define ICC_EOIR1         S3_0_C12_C12_1
#define ICC_CTLR          S3_0_C12_C12_4
#define ICC_GRP0          S3_0_C12_C12_6
#define ICC_GRP1          S3_0_C12_C12_7
#define READ(reg)         READ_REG(reg)
#define WRITE(reg, value) WRITE_REG(reg, value)
enum { FIRST_ARRAY = 0x80, LAST_ARRAY = 0xd00, GICR_SGI = 0x10000 };

void havoc_registers(unsigned times)
{
    static const uint64_t bases[] = {GUEST_GICD, GUEST_GICR + GICR_SGI, GUEST_GICR + GUEST_GICR_BYTES + GICR_SGI,
                                     GUEST_GICR};
    for (unsigned i = 0; i < times; i++) {
        uint64_t r = arbitrary();
        uint64_t at = bases[r & 3] + FIRST_ARRAY + (r >> 2) % ((LAST_ARRAY - FIRST_ARRAY) / 4) * 4;
        if (r >> 20 & 1) /* the first words of the arrays, where the private interrupts are */
            at = bases[r & 3] + (at & 0xf80);
        if (r >> 21 & 1)
            (void)load32(at);
        else
            store32(at, (uint32_t)arbitrary());
        if ((r >> 22 & 63) == 0)
            store32(GUEST_GICD, (uint32_t)(r >> 30));
    }
}

void havoc_timers(uint64_t r)
{
    uint64_t now = READ_REG(cntvct_el0);
    WRITE_REG(cntv_cval_el0, r & 1 ? 0 : now + (r >> 8 & 0xfff));
    WRITE_REG(cntv_ctl_el0, r >> 1 & 3);
    WRITE_REG(cntp_cval_el0, r & 8 ? 0 : ~0ul);
    WRITE_REG(cntp_ctl_el0, r >> 4 & 3);
}

void havoc_interface(uint64_t r)
{
    switch (r & 15) {
    case 0:
        WRITE(ICC_CTLR, r >> 4 & 3);
        break;
    case 1:
        WRITE(ICC_PMR, r >> 4 & 0xff);
        break;
    case 2:
        WRITE(ICC_GRP0, r >> 4 & 1);
        WRITE(ICC_GRP1, r >> 5 & 1);
        break;
    case 3:
        WRITE(ICC_AP1R0, r >> 4);
        break;
    case 4:
        WRITE(ICC_DIR, r >> 4 & 0x3ff);
        break;
    case 5:
    case 6:
        (void)READ(ICC_IAR1);
        break;
    case 7:
        (void)READ(ICC_IAR0);
        break;
    case 8:
        WRITE(ICC_EOIR0, r >> 4 & 0x1f);
        break;
    case 9:
        WRITE(ICC_SGI1R, r);
        break;
    case 10:
        WRITE(ICC_SGI0R, r);
        break;
    case 11:
        WRITE(ICC_EOIR1, (uint64_t)INTID_VTIMER);
        break;
    case 12:
        WRITE(ICC_DIR, (uint64_t)INTID_VTIMER);
        break;
    default: {
        uint64_t intid = READ(ICC_IAR1);
        WRITE(ICC_EOIR1, intid);
        break;
    }
    }
}
