/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Tables made by hand, for the suites that test the model: nothing of stage2/table is used. */
#ifndef HAND_TABLES_H
#define HAND_TABLES_H

#include <string.h>

#include "unit.h"

#include <model.h>

#define RAM     0x80000000ull
#define RAM_END 0x90000000ull
#define ROOT    (RAM + 0x10000)
#define TABLE2  (RAM + 0x12000) /* of level 2, for IPA 0 */
#define TABLE3  (RAM + 0x13000) /* of level 3, for IPA 0 */
#define SPARE   (RAM + 0x14000)
#define ROOT_B  (RAM + 0x18000)
#define FRAME   (RAM + 0x4000000)
#define FRAME_2 (RAM + 0x4200000)

#define VMID(n) ((uint64_t)(n) << 48)
#define VTTBR_A (ROOT | VMID(1))
#define VTTBR_B (ROOT_B | VMID(2))
#define VALID   1ull
#define TABLE   3ull
#define PAGE    3ull
#define BLOCK   1ull
#define MEM_WB  (15ull << 2)
#define MEM_NC  (5ull << 2)
#define READ    (1ull << 6)
#define WRITE   (1ull << 7)
#define SH_IN   (3ull << 8)
#define AF      (1ull << 10)
#define DBM     (1ull << 51)
#define CONTIG  (1ull << 52)
#define XN      (2ull << 53)
#define SOFT    (1ull << 55)
#define RO      (MEM_WB | READ | SH_IN | AF)
#define RW      (RO | WRITE)
#define FOUR_K  0x1000ull
#define TWO_M   0x200000ull
#define ONE_G   0x40000000ull
/* 40-bit IPA: start at level 1, two concatenated tables; 40-bit PA; walks inner shareable, write-back. */
#define VTCR    (1ull << 31 | 2ull << 16 | 3ull << 12 | 1ull << 10 | 1ull << 8 | 1ull << 6 | 24)
#define VTCR_VS (1ull << 19)
#define VTCR_HA (1ull << 21)
#define VTCR_HD (1ull << 22)
#define TTL(l)  ((uint64_t)(4 | (l)) << 44)

static struct s2_port *m;

static inline int make(void **state, bool fwb)
{
    (void)state;
    struct model_config cfg = {.cpus = 2, .strict = true, .irqs_on = false, .caps = model_caps_most()};
    cfg.caps.bbm = 0;
    cfg.caps.fwb = fwb;
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    m = model_create(&cfg);
    return 0;
}
static inline int setup(void **state)
{
    return make(state, false);
}
static inline int teardown(void **state)
{
    (void)state;
    model_destroy(m);
    return 0;
}

static inline uint64_t *slot(uint64_t table, unsigned index)
{
    return s2_port_table(m, S2_PA(table)) + index;
}
static inline void store(uint64_t table, unsigned index, uint64_t desc)
{
    s2_port_pte_store_release(m, slot(table, index), desc);
}
static inline void tlbi(enum s2_tlbi op, uint64_t operand)
{
    s2_port_tlbi(m, op, operand);
}
static inline void barrier(enum s2_barrier b)
{
    s2_port_barrier(m, b);
}
static inline void load(uint64_t vttbr)
{
    s2_port_load_context(m, vttbr, VTCR);
    barrier(S2_ISB);
}
/* Outputs that are tables, too, for tests of descriptors alone. */
static inline void outputs_anywhere(void)
{
    model_declare(m, RAM, RAM_END - RAM, MODEL_SHARED);
}
/* What every edit below starts from: IPA 0 -> a page of FRAME, IPA 2M -> a block, under VMID 1, on CPU 0. */
static inline void begin(void)
{
    store(TABLE3, 0, FRAME | RW | PAGE);
    store(TABLE2, 0, TABLE3 | TABLE);
    store(TABLE2, 1, FRAME_2 | RW | BLOCK);
    store(ROOT, 0, TABLE2 | TABLE);
    barrier(S2_DSB_ISHST);
    load(VTTBR_A);
    model_expect_quiet(m);
    assert_true(model_ok(m));
}
/* The whole sequence for one IPA, as it should be. */
static inline void flush(uint64_t ipa)
{
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2E1IS, ipa >> 12);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    barrier(S2_ISB);
}
static inline void flush_all(void)
{
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    barrier(S2_DSB_ISH);
    barrier(S2_ISB);
}
static inline void good(void)
{
    model_expect_quiet(m);
    assert_true(model_ok(m));
}
static inline void caught(const char *words)
{
    if (!model_violation(m))
        fail_msg("nothing was caught where \"%s\" should be", words);
    if (!strstr(model_violation(m), words))
        fail_msg("caught \"%s\", expected \"%s\"", model_violation(m), words);
    model_forget_violations(m);
}
/* Caught when the operation ends. */
static inline void caught_late(const char *words)
{
    assert_true(model_ok(m));
    model_expect_quiet(m);
    caught(words);
}

static inline void fill_as(uint64_t table, uint64_t pa, uint64_t attr)
{
    s2_port_pte_fill(m, slot(table, 0), 512, pa | attr | PAGE, FOUR_K);
}

/* --- a run with the Contiguous bit, and one address in it after the other --- */
#define MEMBERS  16u
#define FIRST    16u /* the run's first slot in TABLE3 */
#define RUN      (FIRST * FOUR_K)
#define ALL_FROM (1ull << 46 | 3ull << 37) /* a range of 4K leaves of the last level */
#define RUN_ALL  (ALL_FROM | 7ull << 39 | RUN >> 12)

/* Another machine, with that level of FEAT_BBM, and what begin() makes. */
static inline void again(unsigned bbm)
{
    struct model_config cfg = {.cpus = 2, .strict = true, .caps = model_caps_most()};
    cfg.caps.bbm = (uint8_t)bbm;
    cfg.caps.fwb = false;
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    model_destroy(m);
    m = model_create(&cfg);
    begin();
}

static inline uint64_t member(unsigned i, uint64_t attr)
{
    return (FRAME + i * FOUR_K) | attr | PAGE;
}
/* Members [from, to), each its own store. */
static inline void members(unsigned from, unsigned to, uint64_t attr)
{
    for (unsigned i = from; i < to; i++)
        store(TABLE3, FIRST + i, member(i, attr));
}
static inline void flush_range(uint64_t operand)
{
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_RIPAS2LE1IS, operand);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
}
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
