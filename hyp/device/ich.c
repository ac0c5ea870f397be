/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The numbered registers of the virtual CPU interface. */
#include "device/ich.h"

#include "device/icc.h"

#define LR_LOW(n)  "s3_4_c12_c12_" #n /* ICH_LR0_EL2 .. ICH_LR7_EL2 */
#define LR_HIGH(n) "s3_4_c12_c13_" #n /* ICH_LR8_EL2 .. ICH_LR15_EL2 */
#define AP0R(n)    "s3_4_c12_c8_" #n
#define AP1R(n)    "s3_4_c12_c9_" #n

#define EIGHT(READ_OR_WRITE, reg, base)                                                                                \
    READ_OR_WRITE((base) + 0, reg(0))                                                                                  \
    READ_OR_WRITE((base) + 1, reg(1))                                                                                  \
    READ_OR_WRITE((base) + 2, reg(2))                                                                                  \
    READ_OR_WRITE((base) + 3, reg(3))                                                                                  \
    READ_OR_WRITE((base) + 4, reg(4))                                                                                  \
    READ_OR_WRITE((base) + 5, reg(5))                                                                                  \
    READ_OR_WRITE((base) + 6, reg(6))                                                                                  \
    READ_OR_WRITE((base) + 7, reg(7))
#define FOUR(READ_OR_WRITE, reg, base)                                                                                 \
    READ_OR_WRITE((base) + 0, reg(0))                                                                                  \
    READ_OR_WRITE((base) + 1, reg(1))                                                                                  \
    READ_OR_WRITE((base) + 2, reg(2))                                                                                  \
    READ_OR_WRITE((base) + 3, reg(3))
#define READ(n, name)                                                                                                  \
    case n:                                                                                                            \
        return icc_read(name);
#define READ32(n, name)                                                                                                \
    case n:                                                                                                            \
        return (uint32_t)icc_read(name);
#define WRITE(n, name)                                                                                                 \
    case n:                                                                                                            \
        icc_write(name, value);                                                                                        \
        break;

uint64_t ich_lr_read(unsigned n)
{
    switch (n) {
        EIGHT(READ, LR_LOW, 0)
        EIGHT(READ, LR_HIGH, 8)
    default:
        return 0;
    }
}

void ich_lr_write(unsigned n, uint64_t value)
{
    switch (n) {
        EIGHT(WRITE, LR_LOW, 0)
        EIGHT(WRITE, LR_HIGH, 8)
    default:
        break;
    }
}

uint32_t ich_apr_read(unsigned group, unsigned n)
{
    switch (group * 4 + n) {
        FOUR(READ32, AP0R, 0)
        FOUR(READ32, AP1R, 4)
    default:
        return 0;
    }
}

void ich_apr_write(unsigned group, unsigned n, uint32_t value)
{
    switch (group * 4 + n) {
        FOUR(WRITE, AP0R, 0)
        FOUR(WRITE, AP1R, 4)
    default:
        break;
    }
}
