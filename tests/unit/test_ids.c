/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* ID registers: the least over all CPUs, and what guests see of it. And whose an SError is. */
#include "unit.h"

#include <string.h>

#include <cpu/ids.h>
#include <cpu/serror.h>

#define REG(ids, name) (ids).reg[IDX_##name##_EL1]

/* QEMU 7.2's cortex-a72 and max, read at EL2 */
static const struct cpu_ids a72 = {.reg = {
                                       [IDX_ID_AA64PFR0_EL1] = 0x01002222,
                                       [IDX_ID_AA64DFR0_EL1] = 0x10305106,
                                       [IDX_ID_AA64ISAR0_EL1] = 0x00011120,
                                       [IDX_ID_AA64MMFR0_EL1] = 0x00001124,
                                   }};
static const struct cpu_ids big = {.reg = {
                                       [IDX_ID_AA64PFR0_EL1] = 0x1201111131112222,
                                       [IDX_ID_AA64PFR1_EL1] = 0x0000000001000321,
                                       [IDX_ID_AA64DFR0_EL1] = 0x000000f010305609,
                                       [IDX_ID_AA64ISAR0_EL1] = 0x1221111110212120,
                                       [IDX_ID_AA64MMFR0_EL1] = 0x0000032310201126,
                                       [IDX_ID_AA64MMFR1_EL1] = 0x0000011010312122,
                                       [IDX_ID_AA64MMFR2_EL1] = 0x1221011110101011,
                                   }};

static void test_hidden(void **state)
{
    struct cpu_ids g;
    (void)state;
    ids_show(&big, &g);
    /* EL0 both states, EL1 AArch64 only, no EL2, EL3, RAS, SVE, SEL2, MPAM, AMU */
    assert_int_equal(REG(g, ID_AA64PFR0), 0x1201000001110012);
    assert_int_equal(REG(g, ID_AA64PFR1), 0x21);         /* BT, SSBS; no MTE, no SME */
    assert_int_equal(REG(g, ID_AA64DFR0), 0xf010305006); /* Armv8.0 debug, no PMU, no DoubleLock */
    assert_int_equal(REG(g, ID_AA64MMFR0),
                     0x10200126); /* no SNSMem, no TGran*_2: no stage 2 of its own; ExS and FGT are 0 */
    assert_int_equal(REG(g, ID_AA64MMFR1), 0x1000302002);       /* no XNX, LO, VH, VMIDBits, HCX */
    assert_int_equal(REG(g, ID_AA64MMFR2), 0x1021001110100011); /* no IESB, NV, FWB, EVT */
    assert_int_equal(REG(g, ID_AA64MMFR3), 0);
}

static void test_meet(void **state)
{
    struct cpu_ids sum = big;
    (void)state;
    assert_true(ids_meet(&sum, &a72));
    assert_int_equal(REG(sum, ID_AA64ISAR0), 0x00011120 | (REG(big, ID_AA64ISAR0) & 0xf000000));
    assert_int_equal(REG(sum, ID_AA64MMFR0) & 0xf, 4);
    assert_false(ids_meet(&sum, &a72)); /* nothing left to lower */
    assert_false(ids_meet(&sum, &big));
    struct cpu_ids other = a72;
    assert_false(ids_meet(&other, &big));
    assert_memory_equal(&other, &a72, sizeof(other));
}

/* 0xf in a signed field is less than 0: a CPU without FP decides. */
static void test_signed(void **state)
{
    struct cpu_ids with = a72, without = a72, g;
    (void)state;
    REG(without, ID_AA64PFR0) |= 0x00ff0000;
    assert_true(ids_meet(&with, &without));
    assert_int_equal(REG(with, ID_AA64PFR0) >> 16 & 0xff, 0xff);
    assert_false(ids_meet(&without, &a72));
    ids_show(&with, &g);
    assert_int_equal(REG(g, ID_AA64PFR0) >> 16 & 0xff, 0xff);
}

static void test_pa_range(void **state)
{
    (void)state;
    assert_int_equal(ids_limit_pa(0x1122, 40), 0x1122);
    assert_int_equal(ids_limit_pa(0x1122, 48), 0x1122); /* the CPU has 40 bits */
    assert_int_equal(ids_limit_pa(0x1126, 40), 0x1122);
    assert_int_equal(ids_limit_pa(0x1126, 39), 0x1121);
    assert_int_equal(ids_limit_pa(0x1126, 52), 0x1126);
    assert_int_equal(ids_limit_pa(0x1126, 51), 0x1125);
    assert_int_equal(ids_limit_pa(0x1127, 52), 0x1126); /* reserved */
    assert_int_equal(ids_limit_pa(0x1126, 32), 0x1120);
}

static void test_serror(void **state)
{
    const uint64_t async = 0x11, ids = 1u << 24;
    (void)state;
    assert_int_equal(serror_blame(0), SERROR_GUEST);
    assert_int_equal(serror_blame(ids | async), SERROR_GUEST);
    assert_int_equal(serror_blame(async | 6u << 10), SERROR_NOBODY);
    assert_int_equal(serror_blame(async | 2u << 10), SERROR_NOBODY);
    assert_int_equal(serror_blame(async | 3u << 10), SERROR_GUEST);
    assert_int_equal(serror_blame(async | 1u << 10), SERROR_VM);
    assert_int_equal(serror_blame(async), SERROR_HYPERVISOR);
    assert_int_equal(serror_blame(async | 7u << 10), SERROR_HYPERVISOR); /* reserved: the worst */
}

static void test_external_abort(void **state)
{
    (void)state;
    assert_int_equal(abort_blame(0x10), SERROR_GUEST);
    assert_int_equal(abort_blame(0x10 | 3u << 11), SERROR_GUEST); /* restartable */
    assert_int_equal(abort_blame(0x10 | 2u << 11), SERROR_HYPERVISOR);
    assert_int_equal(abort_blame(0x18), SERROR_GUEST);
    static const uint64_t walks[] = {0x13, 0x14, 0x17, 0x1b, 0x1c, 0x1f};
    for (unsigned i = 0; i < sizeof(walks) / sizeof(walks[0]); i++)
        assert_int_equal(abort_blame(walks[i]), SERROR_VM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hidden),   cmocka_unit_test(test_meet),   cmocka_unit_test(test_signed),
        cmocka_unit_test(test_pa_range), cmocka_unit_test(test_serror), cmocka_unit_test(test_external_abort),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
