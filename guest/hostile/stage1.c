/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Tables of its own, each vCPU's others at the same addresses: aliases of its pages and of what is not its, remapped with and
 * without invalidation, tables where there can be none. */
#include "hostile/hostile.h"

#define GIB         (1ul << 30)
#define ALIASES     (2 * GIB) /* an entry of 1 GiB with tables below it, pages first */
#define ELSEWHERE   (3 * GIB) /* one whose table is where it should not be */
#define BLOCKS      (ALIASES + BLOCK_BYTES)
#define BLOCK_BYTES (2ul << 20)
#define UPPER       0xffffff8000000000ul
#define OUTPUT      0x0000fffffffff000ul
#define PAGE_AF     (3ul | 1ul << 10)
#define BLOCK_AF    (1ul | 1ul << 10)
#define TABLE       3ul
#define ATTR(n)     ((uint64_t)(n) << 2)
#define SHAREABLE   (3ul << 8)
#define NOT_GLOBAL  (1ul << 11)
#define TCR_HA_HD   (3ul << 39)
#define ATTRIBUTES  (7ul << 2 | 1ul << 6 | 1ul << 7 | 3ul << 8 | 1ul << 10 | 1ul << 11 | 1ul << 51 | 7ul << 52)
enum { ENTRIES = 512, PAGES = 32, LONGEST_ACCESS = 64, STEPS = 12, STAMPS = 2, ONE_OF = 8, MMFR1_HAFDBS = 0xf };

static _Alignas(GUEST_PAGE) uint64_t top[GUEST_CPUS][ENTRIES], middle[GUEST_CPUS][ENTRIES], bottom[GUEST_CPUS][ENTRIES];
static _Alignas(GUEST_PAGE) uint64_t stamp[GUEST_CPUS][ENTRIES];

static void tables_on(unsigned cpu, uint64_t tcr)
{
    top[cpu][0] = ATTR(MMU_DEVICE) | BLOCK_AF;
    top[cpu][1] = RAM | ATTR(MMU_NORMAL) | BLOCK_AF | SHAREABLE;
    top[cpu][2] = (uint64_t)middle[cpu] | TABLE;
    top[cpu][3] = 0;
    middle[cpu][0] = (uint64_t)bottom[cpu] | TABLE;
    middle[cpu][(WINDOWS - ALIASES) / BLOCK_BYTES] = WINDOWS | ATTR(MMU_NORMAL) | BLOCK_AF | SHAREABLE;
    mmu_on(top[cpu], top[cpu], tcr);
}

/* Nothing is stored beyond the page: what lies beside it may be this guest's image, by an entry of before. */
static void access_at(uint64_t at, uint64_t output)
{
    uint64_t offset = at & (GUEST_PAGE - 1);
    bool inside = offset >= LONGEST_ACCESS && offset <= GUEST_PAGE - LONGEST_ACCESS;
    bool may_store = inside && !is_precious(output) && !is_precious(output + GUEST_PAGE - 1);
    if (arbitrary() & 1)
        execute(STAGE1, memory_insn(may_store), at);
    else
        execute_el0(STAGE1, memory_insn(may_store), at);
}

static void find_stamp(unsigned cpu, uint64_t at)
{
    uint64_t value;
    if (!try_read(at, &value).taken && value != stamp[cpu][0])
        breach(BREACH_MIXED);
}

/* A page of this vCPU's at an address where the others have theirs, which they use when they have the CPU meanwhile. */
static void own_stamp(unsigned cpu, unsigned entry)
{
    uint64_t at = ALIASES + entry * (uint64_t)GUEST_PAGE;
    bottom[cpu][entry] = 0;
    mmu_barrier();
    stamp[cpu][0] = SECRET_OF(hostile.self) + ((uint64_t)cpu << 8);
    bottom[cpu][entry] = (uint64_t)stamp[cpu] | ATTR(MMU_NORMAL) | PAGE_AF | SHAREABLE | (arbitrary() & NOT_GLOBAL);
    __asm__ volatile("dsb ish; isb" : : : "memory");
    find_stamp(cpu, at);
    if (arbitrary() % ONE_OF == 0) {
        __asm__ volatile("wfe");
        find_stamp(cpu, at);
    }
    count(STAGE1, false);
}

static void alias(unsigned cpu, unsigned entry)
{
    uint64_t output = place() & OUTPUT, at = ALIASES + entry * (uint64_t)GUEST_PAGE;
    bottom[cpu][entry] = output | PAGE_AF | (arbitrary() & ATTRIBUTES);
    bool flushed = arbitrary() & 1;
    __asm__ volatile("dsb ish; isb" : : : "memory");
    if (flushed)
        mmu_barrier();
    /* If not, what was there before may be what is reached. */
    access_at(at + (arbitrary() & (GUEST_PAGE - 8)), flushed ? output : RAM);
}

static void block(unsigned cpu, unsigned entry)
{
    uint64_t output = place() & OUTPUT;
    middle[cpu][1 + entry] = output | BLOCK_AF | (arbitrary() & ATTRIBUTES);
    mmu_barrier();
    access_at(BLOCKS + entry * BLOCK_BYTES + (arbitrary() & 0x1ffff8), RAM);
}

/* A table in a device, where nothing is, in memory that may be gone, or in itself: there the CPU must not write, as it does where it
 * finds what looks like a leaf without its access flag. */
static void bad_table(unsigned cpu, uint64_t output)
{
    uint64_t value, tcr = READ_REG(tcr_el1);
    if (is_precious(output) || is_precious(output + GUEST_PAGE - 1))
        WRITE_REG(tcr_el1, tcr & ~TCR_HA_HD);
    top[cpu][3] = output | TABLE;
    WRITE_REG(ttbr1_el1, output);
    mmu_barrier();
    count(STAGE1, try_read(ELSEWHERE + (arbitrary() & (GIB - 8)), &value).taken);
    count(STAGE1, try_read(UPPER + (arbitrary() & (GIB - 8)), &value).taken);
    execute(STAGE1, memory_insn(false), UPPER | (arbitrary() & (512 * GIB - 1)));
    top[cpu][3] = 0;
    WRITE_REG(ttbr1_el1, (uint64_t)top[cpu]);
    WRITE_REG(tcr_el1, tcr);
    mmu_barrier();
}

void stage1_act(void)
{
    unsigned cpu = guest_cpu();
    bool by_hardware = (READ_REG(id_aa64mmfr1_el1) & MMFR1_HAFDBS) != 0;
    tables_on(cpu, by_hardware && arbitrary() & 1 ? TCR_HA_HD : 0);
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t r = arbitrary();
        unsigned entry = (unsigned)(r >> 8) % PAGES;
        switch (r % ONE_OF) {
        case 0:
        case 1:
            own_stamp(cpu, entry % STAMPS);
            break;
        case 2:
            block(cpu, entry);
            break;
        case 3:
            bad_table(cpu, place() & OUTPUT);
            break;
        case 4:
            handover_act();
            break;
        default:
            alias(cpu, entry);
        }
    }
    mmu_off();
}
