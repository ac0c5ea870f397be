/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "lib/guest.h"

#define TCR_39_BITS (25ul | 25ul << 16 | 2ul << 30 | 5ul << 32) /* T0SZ, T1SZ, TG1 = 4K, IPS = 48 bits */
#define MAIR_ALL    0x44ff00ul
#define SCTLR_MMU   (1ul | 1ul << 2 | 1ul << 12) /* M, C, I */

void mmu_barrier(void)
{
    __asm__ volatile("dsb sy; tlbi vmalle1; dsb sy; isb" : : : "memory");
}

void mmu_on(const uint64_t *low, const uint64_t *high, uint64_t tcr)
{
    WRITE_REG(mair_el1, MAIR_ALL);
    WRITE_REG(tcr_el1, TCR_39_BITS | tcr);
    WRITE_REG(ttbr0_el1, (uint64_t)low);
    WRITE_REG(ttbr1_el1, (uint64_t)high);
    mmu_barrier();
    WRITE_REG(sctlr_el1, READ_REG(sctlr_el1) | SCTLR_MMU);
}

void mmu_off(void)
{
    WRITE_REG(sctlr_el1, READ_REG(sctlr_el1) & ~SCTLR_MMU);
    mmu_barrier();
}
