/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* With the guest's own stage 1 on: a walk that leads out of its memory, and devices at other virtual addresses. */
#include "probe/probe.h"

/* Descriptors of VMSAv8-64, 4K granule, level 1: 1 GiB each (Arm ARM D8.3). */
#define DESC_BLOCK  1ul
#define DESC_TABLE  3ul
#define DESC_NORMAL (0ul << 2)
#define DESC_DEVICE (1ul << 2 | 1ul << 54 | 1ul << 53)
#define DESC_INNER  (3ul << 8)
#define DESC_AF     (1ul << 10)
#define MAIR_VALUE  0x00fful /* 0: Normal write-back, 1: Device-nGnRnE */
/* 39-bit addresses, 4K granule, walks inner shareable and write-back, no TTBR1, 40-bit outputs. */
#define TCR_VALUE (25ul | 1ul << 8 | 1ul << 10 | 3ul << 12 | 1ul << 23 | 2ul << 32)
/* The MMU alone: with the data cache off no line stays behind when it goes off again. */
#define SCTLR_MMU 1ul
#define GIB       (1ul << 30)
#define PL011_ID  0xfe0ul
enum { LOW, RAM, ASTRAY, ALIAS, ENTRIES = 512, FSC_EXTERNAL_WALK_2 = 0x16, PL011_PART = 0x11 };

static _Alignas(GUEST_PAGE) uint64_t level1[ENTRIES];

void check_walk(struct range absent)
{
    level1[LOW] = DESC_BLOCK | DESC_DEVICE | DESC_AF;
    level1[RAM] = GIB | DESC_BLOCK | DESC_NORMAL | DESC_INNER | DESC_AF;
    level1[ASTRAY] = absent.base | DESC_TABLE;
    level1[ALIAS] = level1[LOW];
    WRITE_REG(mair_el1, MAIR_VALUE);
    WRITE_REG(tcr_el1, TCR_VALUE);
    WRITE_REG(ttbr0_el1, (uint64_t)level1);
    __asm__ volatile("dsb sy; tlbi vmalle1; dsb sy; isb" : : : "memory");
    uint64_t off = READ_REG(sctlr_el1);
    WRITE_REG(sctlr_el1, off | SCTLR_MMU);

    uint64_t value, astray = ASTRAY * GIB + 0x1230;
    struct fault fault = try_read(astray, &value);
    bool on_walk = fault.taken && ESR_EC(fault.esr) == EC_DATA_ABORT && ESR_FSC(fault.esr) == FSC_EXTERNAL_WALK_2;
    uint32_t part = load32(ALIAS * GIB + GUEST_UART + PL011_ID);

    __asm__ volatile("dsb sy" : : : "memory");
    WRITE_REG(sctlr_el1, off);
    ok(on_walk && fault.far == astray, "stage 1: a walk that leads to absent memory is an external abort on the walk");
    ok(part == PL011_PART, "stage 1: a device at another virtual address is the same device");
}
