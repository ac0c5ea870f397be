/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Tables of the guest's own, at places where there can be none; devices mapped as memory; caches on and off. */
#include "wild/wild.h"

/* 4K granule, 39 bits on both sides: the first table has entries of 1 GiB (D8.2.5, D8.3). */
#define GIB       (1ul << 30)
#define TCR_HA_HD (3ul << 39)
#define ATTR(n)   ((uint64_t)(n) << 2)
#define BLOCK_AF  (1ul | 1ul << 10)
#define TABLE     3ul
#define UPPER     0xffffff8000000000ul
#define SCTLR_C   (1ul << 2)
enum { ENTRIES = 512, TOGGLES = 24, MMFR1_HAFDBS = 0xf };
#define RAM_IS_AT     GIB
#define LOW_AS_MEMORY (2 * GIB) /* IPA 0 again, as Normal memory */
#define TABLE_AT      (3 * GIB) /* through entry 3, whose table is elsewhere */

static _Alignas(GUEST_PAGE) uint64_t low[ENTRIES];

static void map_all(uint64_t extra)
{
    low[0] = 0 | ATTR(0) | BLOCK_AF;
    low[1] = RAM_IS_AT | ATTR(MMU_NORMAL) | BLOCK_AF | 3ul << 8;
    low[2] = 0 | ATTR(MMU_NON_CACHEABLE) | BLOCK_AF;
    low[3] = 0;
    mmu_on(low, low, extra);
}

static unsigned walk_everywhere(void)
{
    static const uint64_t places[] = {GUEST_UART, DIST,      REDIST,    RTC,       ABSENT,
                                      1ul << 36,  1ul << 39, 1ul << 44, 1ul << 47, 0x41000000};
    unsigned faults = 0;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint64_t value;
        WRITE_REG(ttbr1_el1, places[i]);
        low[3] = places[i] | TABLE;
        mmu_barrier();
        faults += try_read(UPPER, &value).taken;
        faults += try_write(UPPER + GIB, 0).taken;
        faults += try_call(UPPER).taken;
        faults += try_read(TABLE_AT, &value).taken;
        faults += try_write(TABLE_AT + 8, 0).taken;
        fault_expect(); /* the walk for AT goes through stage 2, too */
        __asm__ volatile("at s1e1r, %0; at s1e0w, %1; isb" : : "r"(UPPER), "r"(TABLE_AT));
        faults += fault_seen().taken;
    }
    WRITE_REG(ttbr1_el1, (uint64_t)low);
    low[3] = 0;
    mmu_barrier();
    return faults;
}

#define TRY(insn, address)                                                                                             \
    do {                                                                                                               \
        fault_expect();                                                                                                \
        __asm__ volatile(".arch armv8.1-a\n\t" insn : : "r"(address) : "x1", "x2", "x3", "memory");                    \
        tried++;                                                                                                       \
        refused += fault_seen().taken;                                                                                 \
    } while (0)

static void touch_as_memory(unsigned *tried_all, unsigned *refused_all)
{
    static const uint64_t places[] = {GUEST_UART, DIST, REDIST, RTC, ABSENT};
    unsigned tried = 0, refused = 0;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (uint64_t skew = 0xff0; skew <= 0x1001; skew += 3) {
            uint64_t at = LOW_AS_MEMORY + places[i] + skew;
            TRY("ldr x1, [%0]", at);
            TRY("str xzr, [%0]", at);
            TRY("ldrsh w1, [%0]", at);
            TRY("ldp x1, x2, [%0]", at);
            TRY("ldr q0, [%0]", at);
            TRY("ldr x1, [%0, #8]!", (uint64_t){at});
        }
        uint64_t at = LOW_AS_MEMORY + places[i];
        TRY("ldxr x1, [%0]", at);
        TRY("stxr w1, x2, [%0]", at);
        TRY("ldaxp x1, x2, [%0]", at);
        TRY("dc zva, %0", at);
        TRY("dc civac, %0", at);
        TRY("dc ivac, %0", at);
        TRY("ic ivau, %0", at);
        TRY(".arch_extension lse\n\tldadd x1, x2, [%0]", at);
        TRY(".arch_extension lse\n\tcasp x0, x1, x2, x3, [%0]", at);
    }
    *tried_all = tried;
    *refused_all = refused;
}

static void toggle_caches(void)
{
    uint64_t on = READ_REG(sctlr_el1);
    for (unsigned i = 0; i < TOGGLES; i++) {
        fault_expect();
        __asm__ volatile("dc isw, xzr" : : : "memory");
        (void)fault_seen();
        WRITE_REG(sctlr_el1, on & ~SCTLR_C);
        WRITE_REG(sctlr_el1, on);
    }
}

void table_acts(void)
{
    unsigned tried, refused;
    map_all(0);
    unsigned faults = walk_everywhere();
    ok(faults != 0, "stage-1 tables where there can be none: %u faults", faults);
    touch_as_memory(&tried, &refused);
    ok(refused != 0, "devices as memory: %u of %u accesses were refused", refused, tried);
    toggle_caches();
    ok(true, "caches went on and off %u times", (unsigned)TOGGLES);
    if ((READ_REG(id_aa64mmfr1_el1) & MMFR1_HAFDBS) != 0) {
        map_all(TCR_HA_HD);
        ok(walk_everywhere() != 0, "the same with access flags that the walker writes");
    }
    mmu_off();
}

_Noreturn void lose_tables(void)
{
    mmu_on((const uint64_t *)DIST, (const uint64_t *)DIST, 0);
    for (;;)
        ;
}
